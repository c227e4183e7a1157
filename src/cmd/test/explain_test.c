/* ottla config explain, and that docs/config.md is what it writes. */
#include "cmd/explain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct explained {
    struct console console;
    enum exit_code code;
};

static void explain(struct explained *e, const char *word, const char *format, const char *scope)
{
    struct command_call call = {
        .arguments = &word, .argument_count = word != NULL, .console = &e->console};
    console_init_captured(&e->console);
    if (format != NULL)
        call.values[call.value_count++] =
            (struct command_value){.flag = &explain_flag_format, .text = format};
    if (scope != NULL)
        call.values[call.value_count++] =
            (struct command_value){.flag = &explain_flag_scope, .text = scope};
    e->code = explain_run(&call);
}

static void shows(const char *word, const char *format, const char *scope, const char *out)
{
    struct explained e;
    explain(&e, word, format, scope);
    assert_int_equal(e.code, EXIT_CODE_OK);
    assert_string_equal(e.console.out.data, out);
    console_fini(&e.console);
}

static void fails(const char *word, const char *format, enum exit_code code, const char *err)
{
    struct explained e;
    explain(&e, word, format, NULL);
    assert_int_equal(e.code, code);
    assert_string_equal(e.console.err.data, err);
    console_fini(&e.console);
}

static void keys_in_words(void **state)
{
    (void)state;
    shows("segment.jitter", NULL, NULL,
          "segment.jitter.ms  (topic, long)\n"
          "  Most that is taken off segment.ms by chance, so that segments do not close together.\n"
          "  default 0; at least 0; changed any time; effect: yes\n"
          "  where unset, the broker's log.roll.jitter.ms, else log.roll.jitter.hours\n\n");
    shows("num.partitions", "awk", "broker",
          "num.partitions\tbroker\tint\t1\tat least 1\tat a start\tyes\t"
          "Partitions of a topic that is created without a number.\n"
          "offsets.topic.num.partitions\tbroker\tint\t50\tat least 1\tat a start\tyes\t"
          "Partitions of __consumer_offsets.\n"
          "share.coordinator.state.topic.num.partitions\tbroker\tint\t50\tat least 1\t"
          "at a start\tyes\tPartitions of __share_group_state.\n"
          "transaction.state.log.num.partitions\tbroker\tint\t50\tat least 1\tat a start\tyes\t"
          "Partitions of __transaction_state.\n");
    shows("authorizer", "json", NULL,
          "{\"_command\":\"config explain\",\"_version\":1,\"keys\":[{\"key\":"
          "\"authorizer.class.name\",\"scope\":\"broker\",\"type\":\"text\",\"default\":\"\","
          "\"values\":null,\"change\":\"at a start\",\"effect\":\"refuses the start\","
          "\"meaning\":\"Java class that decides who may do what.\"}]}\n");
}

static void mistakes(void **state)
{
    (void)state;
    fails("num.partitons", NULL, EXIT_CODE_FAILED,
          "ottla: no key has num.partitons in its name; did you mean num.partitions?\n");
    fails(NULL, "xml", EXIT_CODE_USAGE,
          "ottla: --format xml: must be text, json, awk or markdown\n");
}

static void the_page_is_up_to_date(void **state)
{
    (void)state;
    struct explained e;
    FILE *file = fopen(TEST_FOLDER "/../../../docs/config.md", "rb");
    assert_non_null(file);
    explain(&e, NULL, "markdown", NULL);
    char *page = calloc(1, e.console.out.size + 2);
    assert_non_null(page);
    size_t size = fread(page, 1, e.console.out.size + 1, file);
    fclose(file);
    if (size != e.console.out.size || memcmp(page, e.console.out.data, size) != 0)
        fail_msg("docs/config.md is old: ottla config explain --format markdown writes it anew");
    free(page);
    console_fini(&e.console);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_in_words),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(the_page_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
