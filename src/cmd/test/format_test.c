/* The language of consume -f: what each verb and form writes, and what is refused. */
#include "cmd/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct format_header headers[] = {
    {SLICE_LIT("h1"), SLICE_LIT("one")},
    {SLICE_LIT("h2"), {NULL, 0}},
};

static const struct format_record record = {
    .topic = SLICE_LIT("orders"),
    .key = SLICE_LIT("key"),
    .value = SLICE_LIT("va\"l\n"),
    .headers = headers,
    .header_count = 2,
    .partition = 3,
    .offset = 258,
    .timestamp_ms = 1771063200123,
    .number = 7,
    .log_start_offset = 10,
    .high_watermark = 300,
};

static void writes_record(const char *format_text, const struct format_record *what,
                          const char *expected, size_t expected_size)
{
    struct arena arena;
    struct format format;
    struct text out;
    struct text error;
    arena_init(&arena, 1 << 20);
    text_init(&out, 65536);
    text_init(&error, 4096);
    assert_true(format_compile(format_text, &arena, &format, &error));
    assert_int_equal(error.size, 0);
    format_apply(&format, what, &out);
    assert_int_equal(out.size, expected_size);
    assert_memory_equal(out.data != NULL ? out.data : "", expected, expected_size);
    text_fini(&error);
    text_fini(&out);
    arena_fini(&arena);
}

static void writes(const char *format_text, const char *expected)
{
    writes_record(format_text, &record, expected, strlen(expected));
}

static void refused(const char *format_text, const char *sentence)
{
    struct arena arena;
    struct format format;
    struct text error;
    arena_init(&arena, 1 << 20);
    text_init(&error, 4096);
    assert_false(format_compile(format_text, &arena, &format, &error));
    assert_string_equal(error.data, sentence);
    text_fini(&error);
    arena_fini(&arena);
}

static void verbs(void **state)
{
    (void)state;
    writes("%t %p %o %k", "orders 3 258 key");
    writes("%T %K %V %H", "6 3 5 2");
    writes("%i %[ %]", "7 10 300");
    writes("%d", "1771063200123");
    writes("%v", "va\"l\n");
    writes("plain", "plain");
    writes("", "");
}

static void escapes(void **state)
{
    (void)state;
    writes("a\\tb\\nc\\\\d\\x41", "a\tb\nc\\dA");
    writes("100%% %{%k%}", "100% {key}");
    writes_record("\\0", &record, "\0", 1);
}

static void headers_in_braces(void **state)
{
    (void)state;
    writes("%h{%k=%v,}", "h1=one,h2=,");
    writes("[%h{(%K:%V)}]", "[(2:3)(2:0)]");
    writes("%h{%v{hex} }", "6f6e65  ");
    writes("%h{\\x7b%}}", "{}{}");
}

static void forms_of_text(void **state)
{
    (void)state;
    writes("%k{hex}", "6b6579");
    writes("%v{base64}", "dmEibAo=");
    writes("%v{base64raw}", "dmEibAo");
    writes("%v{json}", "\"va\\\"l\\n\"");
    writes("%t{json}", "\"orders\"");
}

static void forms_of_numbers(void **state)
{
    (void)state;
    writes("%o{ascii}", "258");
    writes("%o{hex64} %o{hex32} %o{hex16} %o{hex8}", "0000000000000102 00000102 0102 02");
    writes_record("%o{big32}%o{little16}%o{byte}", &record, "\0\0\1\2\2\1\2", 7);
    writes_record("%o{big64}", &record, "\0\0\0\0\0\0\1\2", 8);
    writes("%p{bool}", "true");
}

static void dated(int64_t ms, const char *pattern, const char *expected)
{
    struct format_record at = {.topic = SLICE_LIT("t"), .timestamp_ms = ms};
    char format[64];
    snprintf(format, sizeof format, "%%d{strftime[%s]}", pattern);
    writes_record(format, &at, expected, strlen(expected));
}

static void dates(void **state)
{
    (void)state;
    dated(1771063200123, "%F %T.%L %z", "2026-02-14 10:00:00.123 +0000");
    dated(1771063200123, "%Y|%y|%m|%d|%e|%H|%M|%S|%j|%s|%%|%q",
          "2026|26|02|14|14|10|00|00|045|1771063200|%|%q");
    dated(0, "%F %j", "1970-01-01 001");
    dated(951782400000, "%F %j", "2000-02-29 060");
    dated(978220800000, "%F %j", "2000-12-31 366");
    dated(1104451200000, "%F %j", "2004-12-31 366");
    dated(1109635200000, "%F %j", "2005-03-01 060");
    dated(1735689599999, "%F %T.%L %j", "2024-12-31 23:59:59.999 366");
    dated(-1, "%F %T.%L", "1969-12-31 23:59:59.999");
    dated(4107542400000, "%F", "2100-03-01");
}

static void whole_records(void **state)
{
    (void)state;
    struct format_record bytes = {
        .topic = SLICE_LIT("t"), .key = SLICE_LIT("\xff"), .value = {NULL, 0}, .timestamp_ms = -1};
    static const char as_bytes[] =
        "{\"topic\":\"t\",\"key_base64\":\"/w==\",\"value\":null,\"partition\":0,\"offset\":0}\n";
    writes("jsonl", "{\"topic\":\"orders\",\"key\":\"key\",\"value\":\"va\\\"l\\n\",\"headers\":["
                    "{\"key\":\"h1\",\"value\":\"one\"},{\"key\":\"h2\",\"value\":null}],"
                    "\"timestamp\":1771063200123,\"partition\":3,\"offset\":258}\n");
    writes_record("jsonl", &bytes, as_bytes, sizeof as_bytes - 1);
    static const char indented[] = "{\n  \"topic\": \"t\",\n  \"key_base64\": \"/w==\",\n"
                                   "  \"value\": null,\n  \"partition\": 0,\n  \"offset\": 0\n}\n";
    writes_record("json", &bytes, indented, sizeof indented - 1);
}

static void null_and_empty(void **state)
{
    (void)state;
    struct format_record none = {.topic = SLICE_LIT("t")};
    static const char nothing[] = "|0||0|null";
    writes_record("%k|%K|%v|%V|%v{json}", &none, nothing, sizeof nothing - 1);
}

static void what_is_refused(void **state)
{
    (void)state;
    refused("%q", "%q is no verb; see ottla consume --help");
    refused("%h", "%h needs braces: %h{%k=%v }");
    refused("%h{%k", "a { without its }");
    refused("%h{%p}", "%p is no verb of a header; see ottla consume --help");
    refused("%k{hex", "a { without its }");
    refused("%k{big32}", "%k{big32}: a text can be {hex}, {base64}, {base64raw} or {json}");
    refused("%o{hex12}", "%o{hex12}: a number can be {ascii}, {hexN}, {bigN}, {littleN} with N "
                         "64, 32, 16 or 8, {byte} or {bool}");
    refused("\\q", "a \\ must be followed by n, t, r, \\, 0 or xNN");
    refused("\\x4", "a \\ must be followed by n, t, r, \\, 0 or xNN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs),
        cmocka_unit_test(escapes),
        cmocka_unit_test(headers_in_braces),
        cmocka_unit_test(forms_of_text),
        cmocka_unit_test(forms_of_numbers),
        cmocka_unit_test(dates),
        cmocka_unit_test(whole_records),
        cmocka_unit_test(null_and_empty),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
