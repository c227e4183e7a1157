/* How produce -f takes records out of its input. */
#include "cmd/input_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void show(struct text *out, struct slice s)
{
    if (slice_is_null(s))
        text_printf(out, "~");
    else
        text_printf(out, "<%.*s>", SLICE_ARG(s));
}

/* Reads all records of the bytes and shows them, or the fault, as one line each. */
static void reads_bytes(const char *format, const void *bytes, size_t size, const char *expected)
{
    struct input input;
    struct input_record record;
    struct text out;
    struct text error;
    enum input_outcome outcome;
    char copy[1024];
    assert_true(size > 0 && size <= sizeof copy);
    memcpy(copy, bytes, size);
    FILE *file = fmemopen(copy, size, "r");
    text_init(&out, 65536);
    text_init(&error, 4096);
    assert_true(input_init(&input, file, format, &error));
    while ((outcome = input_next(&input, &record, &error)) == INPUT_RECORD) {
        show(&out, record.key);
        show(&out, record.value);
        if (record.partition >= 0)
            text_printf(&out, " p%d", record.partition);
        if (record.timestamp_ms >= 0)
            text_printf(&out, " t%lld", (long long)record.timestamp_ms);
        for (int32_t i = 0; i < record.header_count; i++) {
            text_printf(&out, " ");
            show(&out, record.headers[i].key);
            show(&out, record.headers[i].value);
        }
        text_printf(&out, "\n");
    }
    if (outcome == INPUT_FAULT)
        text_printf(&out, "%s\n", error.data);
    assert_string_equal(out.data != NULL ? out.data : "", expected);
    input_fini(&input);
    text_fini(&out);
    text_fini(&error);
    fclose(file);
}

static void reads(const char *format, const char *bytes, const char *expected)
{
    reads_bytes(format, bytes, strlen(bytes), expected);
}

static void refused(const char *format, const char *sentence)
{
    struct input input;
    struct text error;
    text_init(&error, 4096);
    assert_false(input_init(&input, NULL, format, &error));
    assert_string_equal(error.data, sentence);
    input_fini(&input);
    text_fini(&error);
}

static void lines(void **state)
{
    (void)state;
    reads("%v\\n", "a\nb\n\nd", "~<a>\n~<b>\n~<>\n~<d>\n");
    reads("%v\\n", "\r\n", "~<\r>\n");
    reads_bytes("%v\\n", "a\0b\nc", 5, "~<a>\n~<c>\n"); /* "%.*s" of the test ends at NUL */
}

static void keys_and_values(void **state)
{
    (void)state;
    reads("%k %v\\n", "k1 v1 x\nk2 v2\n", "<k1><v1 x>\n<k2><v2>\n");
    reads("%k\\t%v--", "a\tb--c\td--", "<a><b>\n<c><d>\n");
    reads("%k=>%v;", "a=b=>c;", "<a=b><c>\n");
    reads("%v", "all\nof it\n", "~<all\nof it\n>\n");
    reads("%p %v\\n", "3 x\n0 y\n", "~<x> p3\n~<y> p0\n");
    reads("<%k|%v>\\n", "<a|b>\n<c|d>", "<a><b>\n<c><d>\n");
}

static void sizes(void **state)
{
    (void)state;
    reads("%K %V %k%v\\n", "1 3 abcd\n0 1 x\n", "<a><bcd>\n<><x>\n");
    reads_bytes("%V{big32}%v", "\0\0\0\2ab\0\0\0\0\0\0\0\1c", 15, "~<ab>\n~<>\n~<c>\n");
    reads_bytes("%K{byte}%k%V{little16}%v", "\1k\3\0xyz", 7, "<k><xyz>\n");
}

static void decoded(void **state)
{
    (void)state;
    reads("%k{hex} %v{base64}\\n", "6b dmFs\n6B dmE=\n", "<k><val>\n<k><va>\n");
    reads("%v{hex}\\n", "6\n", "record 1: not hex\n");
    reads("%v{base64}\\n", "dm!s\n", "record 1: not base64\n");
}

static void broken_input(void **state)
{
    (void)state;
    reads("%k %v\\n", "k1 v1\nk2", "<k1><v1>\nrecord 2: the input ends inside of it\n");
    reads("%V %v\\n", "5 abc", "record 1: the input ends inside of it\n");
    reads("%V %v\\n", "3 abcd\n", "record 1: the text after a field is not there\n");
    reads("%V %v\\n", "x abc\n", "record 1: a number is missing\n");
    reads_bytes("%V{big32}%v", "\x7f\xff\xff\xff", 4, "record 1: a size is not from 0 to 1 GiB\n");
}

static void json(void **state)
{
    (void)state;
    reads("json",
          "{\"key\":\"k\",\"value\":\"v\",\"partition\":2,\"timestamp\":7,\"offset\":9,"
          "\"topic\":\"t\"}\n"
          "{\"key_base64\":\"/w==\",\"value\":null}"
          "{\"value\":\"x\",\"headers\":[{\"key\":\"a\",\"value\":\"b\"},{\"key\":\"c\","
          "\"value\":null}]}",
          "<k><v> p2 t7\n<\xff>~\n~<x> <a><b> <c>~\n");
    reads("json", "[1]", "record 1: not a JSON object\n");
    reads("json", "{\"value\":1}", "record 1: key and value must be text, null or base64\n");
    reads("json", "{\"headers\":{}}",
          "record 1: headers must be a list of objects with key and value\n");
}

static void formats_refused(void **state)
{
    (void)state;
    refused("", "neither %k nor %v is there");
    refused("%p\\n", "neither %k nor %v is there");
    refused("%k%v\\n", "%k has no end: put text or a size after it");
    refused("%v %p", "%p has no end: put text or a size after it");
    refused("%t %v\\n", "%t cannot be read; %k %v %K %V and %p can");
    refused("%v{hex", "a { without its }");
    refused("%v{big32}", "%v{big32} cannot be read");
    refused("%v\\q", "a \\ must be followed by n, t, r, \\, 0 or xNN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),           cmocka_unit_test(keys_and_values),
        cmocka_unit_test(sizes),           cmocka_unit_test(decoded),
        cmocka_unit_test(broken_input),    cmocka_unit_test(json),
        cmocka_unit_test(formats_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
