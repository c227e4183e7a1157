/* Log lines: times, cutting, quoting. */
#include "base/logfmt.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void times_are_civil(void **state)
{
    static const struct {
        int64_t wall_ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1970-01-01T00:00:00.000Z"},
        {951782399999, "2000-02-28T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {951868800000, "2000-03-01T00:00:00.000Z"},
        {1795489055123, "2026-11-24T02:57:35.123Z"},
        {4107542399000, "2100-02-28T23:59:59.000Z"},
        {4107542400000, "2100-03-01T00:00:00.000Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
    };
    char text[LOGFMT_TIME_SIZE];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        logfmt_time(rows[i].wall_ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static size_t line(char *buffer, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);

static size_t line(char *buffer, size_t size, const char *format, ...)
{
    const struct logfmt_head head = {.wall_ms = 0, .level = "info", .event = "started"};
    va_list args;
    va_start(args, format);
    size_t length = logfmt_line(buffer, size, &head, format, args);
    va_end(args);
    return length;
}

#define HEAD "ts=1970-01-01T00:00:00.000Z level=info event=started"

static void lines_end_once_and_fit(void **state)
{
    char buffer[100];
    (void)state;
    size_t size = line(buffer, sizeof buffer, "a=%d b=%s", 1, "x\ny");
    assert_int_equal(size, strlen(buffer));
    assert_string_equal(buffer, HEAD " a=1 b=x y\n");
    line(buffer, sizeof buffer, "%s", "");
    assert_string_equal(buffer, HEAD " \n");
    for (int width = 30; width < 60; width++) {
        size_t length = line(buffer, sizeof buffer, "%0*d", width, 0);
        assert_true(length < sizeof buffer);
        assert_int_equal(buffer[length], '\0');
        assert_int_equal(buffer[length - 1], '\n');
        size_t whole = strlen(HEAD " \n") + (size_t)width;
        assert_int_equal(length, whole < sizeof buffer ? whole : sizeof buffer - 1);
        assert_int_equal(strstr(buffer, "...") != NULL, whole >= sizeof buffer);
    }
}

static void values_are_quoted_where_they_must(void **state)
{
    char buffer[16];
    char quotes[20];
    (void)state;
    memset(quotes, '"', sizeof quotes);
    assert_string_equal(logfmt_quote(buffer, sizeof buffer, "plain-1", 7), "plain-1");
    assert_string_equal(logfmt_quote(buffer, sizeof buffer, "", 0), "\"\"");
    assert_string_equal(logfmt_quote(buffer, sizeof buffer, "a b=\"\\", 6), "\"a b=\\\"\\\\\"");
    assert_string_equal(logfmt_quote(buffer, sizeof buffer, "\n\xff", 2), "\"\\x0a\\xff\"");
    assert_string_equal(logfmt_quote(buffer, sizeof buffer, "123456789012345", 15),
                        "123456789012345");
    assert_string_equal(logfmt_quote(buffer, sizeof buffer, "1234567890123456", 16),
                        "\"1234567890...\"");
    for (size_t size = 8; size <= sizeof buffer; size++) {
        for (size_t data_size = 0; data_size < 20; data_size++)
            assert_true(strlen(logfmt_quote(buffer, size, quotes, data_size)) < size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_civil),
        cmocka_unit_test(lines_end_once_and_fit),
        cmocka_unit_test(values_are_quoted_where_they_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
