/* Command lines: what runs with what, what is shown, what is refused with which words; tables. */
#include "cmd/command.h"
#include "cmd/listing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct command_flag flag_number = {'n', "number", "N", "a number"};
static const struct command_flag flag_all = {'a', "all", NULL, "everything\nand more"};
static const struct command_flag flag_set = {0, "set", "K=V", "may be repeated"};

static enum exit_code nothing(const struct command_call *call)
{
    (void)call;
    return EXIT_CODE_OK;
}

static const struct command table[] = {
    {.name = "go",
     .arguments = "",
     .summary = "just go",
     .flags = {&flag_number, &flag_all},
     .run = nothing},
    {.name = "topic create",
     .arguments = "NAME...",
     .summary = "create topics",
     .flags = {&flag_number, &flag_all, &flag_set},
     .examples = {"ottla topic create a"},
     .argument_min = 1,
     .argument_max = 3,
     .run = nothing},
    {.name = "topic list", .arguments = "", .summary = "list topics", .run = nothing},
    {.name = NULL},
};

#define WORDS_MAX 12

struct parsed {
    struct command_call call;
    const char *arguments[WORDS_MAX + 1];
    struct text out;
    enum command_wish wish;
};

static void parse(struct parsed *p, const char *const words[WORDS_MAX])
{
    int count = 0;
    while (count < WORDS_MAX && words[count] != NULL)
        count++;
    text_init(&p->out, 65536);
    struct command_line line = {.count = count, .words = words, .arguments = p->arguments};
    p->wish = command_parse(table, &line, &p->call, &p->out);
}

#define WORDS(...) ((const char *const[WORDS_MAX]){__VA_ARGS__})

static void wrong(const char *const words[WORDS_MAX], const char *sentence)
{
    struct parsed p;
    parse(&p, words);
    assert_int_equal(p.wish, COMMAND_WRONG);
    assert_string_equal(p.out.data, sentence);
    text_fini(&p.out);
}

static void helps(const char *const words[WORDS_MAX], const char *beginning)
{
    struct parsed p;
    parse(&p, words);
    assert_int_equal(p.wish, COMMAND_HELP);
    assert_memory_equal(p.out.data, beginning, strlen(beginning));
    text_fini(&p.out);
}

static void flags_in_every_form(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, WORDS("topic", "create", "x", "-an5", "--set", "a=1", "y", "--set=b=2"));
    assert_int_equal(p.wish, COMMAND_RUN);
    assert_string_equal(p.call.command->name, "topic create");
    assert_int_equal(p.call.argument_count, 2);
    assert_string_equal(p.call.arguments[1], "y");
    assert_true(call_has(&p.call, &flag_all));
    assert_string_equal(call_value(&p.call, &flag_number, "?"), "5");
    assert_string_equal(call_value_at(&p.call, &flag_set, 0), "a=1");
    assert_string_equal(call_value_at(&p.call, &flag_set, 1), "b=2");
    assert_null(call_value_at(&p.call, &flag_set, 2));
    text_fini(&p.out);
}

static void odd_words(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, WORDS("topic", "create", "-n", "-5", "-", "--", "-n", "--all"));
    assert_int_equal(p.wish, COMMAND_RUN);
    assert_string_equal(call_value(&p.call, &flag_number, "?"), "-5");
    assert_int_equal(p.call.argument_count, 3);
    assert_string_equal(p.call.arguments[0], "-");
    assert_string_equal(p.call.arguments[2], "--all");
    assert_false(call_has(&p.call, &flag_all));
    text_fini(&p.out);
}

static void mistakes(void **state)
{
    (void)state;
    wrong(WORDS("og"), "no such command: og; did you mean go?");
    wrong(WORDS("topc", "create"), "no such command: topc; did you mean topic?");
    wrong(WORDS("topic", "crate"), "no such command: topic crate; did you mean topic create?");
    wrong(WORDS("frobnicate"), "no such command: frobnicate. See ottla --help.");
    wrong(WORDS("go", "--nubmer", "3"),
          "unknown flag --nubmer; did you mean --number? See ottla go --help.");
    wrong(WORDS("go", "-x"), "unknown flag -x. See ottla go --help.");
    wrong(WORDS("go", "-n"), "--number needs a value, N. See ottla go --help.");
    wrong(WORDS("go", "--all=1"), "--all takes no value. See ottla go --help.");
    wrong(WORDS("go", "there"), "unexpected argument there. See ottla go --help.");
    wrong(WORDS("topic", "create"), "NAME... is missing. See ottla topic create --help.");
    wrong(WORDS("topic", "create", "a", "b", "c", "d"),
          "unexpected argument d. See ottla topic create --help.");
    wrong(WORDS("help", "nothing"), "no such command: nothing. See ottla --help.");
    wrong(WORDS("help", "topic", "nothing"),
          "no such command: topic nothing. See ottla topic --help.");
    wrong(WORDS("help", "topic", "lsit"), "no such command: topic lsit; did you mean topic list?");
}

static void help(void **state)
{
    (void)state;
    helps(WORDS(NULL), "Usage: ottla COMMAND [FLAGS]\n");
    helps(WORDS("--help"), "Usage: ottla COMMAND [FLAGS]\n");
    helps(WORDS("help"), "Usage: ottla COMMAND [FLAGS]\n");
    helps(WORDS("topic"), "Usage: ottla topic COMMAND [FLAGS]\n");
    helps(WORDS("topic", "-h"), "Usage: ottla topic COMMAND [FLAGS]\n");
    helps(WORDS("help", "topic"), "Usage: ottla topic COMMAND [FLAGS]\n");
    helps(WORDS("help", "topic", "create"), "Usage: ottla topic create NAME... [FLAGS]\n");
    helps(WORDS("topic", "create", "--help"),
          "Usage: ottla topic create NAME... [FLAGS]\n\ncreate topics\n\nFlags:\n"
          "  -n, --number N             a number\n"
          "  -a, --all                  everything\n"
          "                             and more\n"
          "      --set K=V              may be repeated\n"
          "  -h, --help                 show this help\n"
          "\nExamples:\n  ottla topic create a\n");
}

static void numbers(void **state)
{
    (void)state;
    struct parsed p;
    struct console console;
    int64_t number = -7;
    console_init_captured(&console);
    parse(&p, WORDS("go", "-n", "12"));
    p.call.console = &console;
    assert_true(call_number(&p.call, (struct call_number){&flag_number, 1, 20, 3}, &number));
    assert_int_equal(number, 12);
    assert_false(call_number(&p.call, (struct call_number){&flag_number, 1, 10, 3}, &number));
    assert_string_equal(console.err.data, "ottla: --number 12: must be a number from 1 to 10\n");
    assert_true(call_number(&p.call, (struct call_number){&flag_set, 1, 10, 3}, &number));
    assert_int_equal(number, 3);
    text_fini(&p.out);
    console_fini(&console);
}

/* ---- the real table ---- */

static void every_command_is_complete(void **state)
{
    (void)state;
    for (const struct command *c = commands; c->name != NULL; c++) {
        struct text out;
        text_init(&out, 65536);
        help_command(c, &out);
        for (const char *line = out.data; line != NULL && *line != '\0';) {
            size_t size = strcspn(line, "\n");
            assert_true(size <= 100);
            line += size + (line[size] == '\n');
        }
        assert_non_null(c->examples[0]);
        assert_true(c->run != NULL || strcmp(c->name, "help") == 0);
        for (size_t i = 0; i < COMMAND_FLAGS_MAX && c->flags[i] != NULL; i++) {
            for (size_t j = 0; j < i; j++) {
                assert_string_not_equal(c->flags[i]->name, c->flags[j]->name);
                assert_false(c->flags[i]->letter != 0 &&
                             c->flags[i]->letter == c->flags[j]->letter);
            }
            assert_true(c->flags[i]->letter != 'h');
        }
        text_fini(&out);
    }
}

/* ---- tables ---- */

static const struct listing_column columns[] = {
    {"NAME", LISTING_TEXT},
    {"END-OFFSET", LISTING_NUMBER},
    {"INTERNAL", LISTING_BOOLEAN},
};

static void fill(struct listing *listing)
{
    listing_init(listing, "topics", columns, COUNT_OF(columns));
    listing_add(listing, "caf\xc3\xa9");
    listing_printf(listing, "%d", 7);
    listing_add(listing, "false");
    listing_add(listing, "a-longer-name");
    listing_add(listing, NULL);
    listing_add(listing, "true");
}

static void prints(enum listing_format format, const char *expected)
{
    struct console console;
    struct listing listing;
    console_init_captured(&console);
    fill(&listing);
    if (format == LISTING_JSON)
        listing_print_document(&listing, "topic list", &console);
    else
        listing_print(&listing, format, &console);
    assert_string_equal(console.out.data, expected);
    listing_fini(&listing);
    console_fini(&console);
}

static void tables(void **state)
{
    (void)state;
    enum listing_format format;
    prints(LISTING_TABLE, "NAME           END-OFFSET  INTERNAL\n"
                          "caf\xc3\xa9                    7  false\n"
                          "a-longer-name           -  true\n");
    prints(LISTING_AWK, "caf\xc3\xa9\t7\tfalse\na-longer-name\t-\ttrue\n");
    prints(LISTING_JSON, "{\"_command\":\"topic list\",\"_version\":1,\"topics\":["
                         "{\"name\":\"caf\xc3\xa9\",\"end_offset\":7,\"internal\":false},"
                         "{\"name\":\"a-longer-name\",\"end_offset\":null,\"internal\":true}]}\n");
    assert_true(listing_format_find("awk", &format));
    assert_false(listing_format_find("xml", &format));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_in_every_form),
        cmocka_unit_test(odd_words),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(help),
        cmocka_unit_test(numbers),
        cmocka_unit_test(every_command_is_complete),
        cmocka_unit_test(tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
