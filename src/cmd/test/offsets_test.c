/* The words of consume -o, and what offsets they come to. */
#include "cmd/offsets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* 2026-02-14T10:00:00Z */
#define NOW_MS INT64_C(1771063200000)

static const char *kind_name(enum offset_kind kind)
{
    switch (kind) {
    case OFFSET_OPEN:
        return "open";
    case OFFSET_AT:
        return "at";
    case OFFSET_AFTER_START:
        return "start+";
    case OFFSET_BEFORE_END:
        return "end-";
    case OFFSET_AT_TIME:
        return "time";
    }
    return "?";
}

static void means(const char *text, const char *expected)
{
    struct offset_range range;
    struct text error;
    char shown[128];
    text_init(&error, 4096);
    assert_true(offset_range_parse(text, NOW_MS, &range, &error));
    snprintf(shown, sizeof shown, "%s%lld %s%lld", kind_name(range.from.kind),
             (long long)range.from.number, kind_name(range.until.kind),
             (long long)range.until.number);
    assert_string_equal(shown, expected);
    text_fini(&error);
}

static void refused(const char *text)
{
    struct offset_range range;
    struct text error;
    text_init(&error, 4096);
    assert_false(offset_range_parse(text, NOW_MS, &range, &error));
    assert_true(error.size > 0);
    text_fini(&error);
}

static void words_and_numbers(void **state)
{
    (void)state;
    means("start", "start+0 open0");
    means("beginning", "start+0 open0");
    means("end", "end-0 open0");
    means("42", "at42 open0");
    means("-10", "end-10 open0");
    means("+5", "start+5 open0");
    means(":end", "start+0 end-0");
    means("7:end", "at7 end-0");
    means("10:20", "at10 at20");
    means("10:", "at10 open0");
    means(":20", "start+0 at20");
    means("-10:end", "end-10 end-0");
}

static void times(void **state)
{
    (void)state;
    means("@1771063200000", "time1771063200000 open0");
    means("@1771063200", "time1771063200000 open0");
    means("@2026-02-14", "time1771027200000 open0");
    means("@2026-02-14T10:00:00Z", "time1771063200000 open0");
    means("@2026-02-14T11:00:00+01:00", "time1771063200000 open0");
    means("@2026-02-14T10:00:00.25Z", "time1771063200250 open0");
    means("@1970-01-01", "time0 open0");
    means("@2000-02-29", "time951782400000 open0");
    means("@-1h", "time1771059600000 open0");
    means("@-1h30m", "time1771057800000 open0");
    means("@-2d", "time1770890400000 open0");
    means("@-1500ms", "time1771063198500 open0");
}

static void ranges_of_times(void **state)
{
    (void)state;
    means("@2026-02-14:1h", "time1771027200000 time1771030800000");
    means("@-1h:end", "time1771059600000 end-0");
    means("@:-1h", "start+0 time1771059600000");
    means("@-2h:-1h", "time1771056000000 time1771059600000");
    means("@1771063200000:", "time1771063200000 open0");
    means("@2026-02-14T10:00:00Z:2026-02-14T11:00:00Z", "time1771063200000 time1771066800000");
    means("s@1771063200000", "time1771063200000 open0");
    means("s@1771063200000,e@1771066800000", "time1771063200000 time1771066800000");
}

static void what_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "begin",
                                      "12x",
                                      "--1",
                                      "+",
                                      ":",
                                      "1:2:3",
                                      "@",
                                      "@:",
                                      "@12345",
                                      "@1h",
                                      "@2026-13-01",
                                      "@2026-02-32",
                                      "@-1w",
                                      "@-h",
                                      "x@1771063200000",
                                      "s@12",
                                      "@2026-02-14T25:00:00Z",
                                      "9999999999999999999",
                                      "@2026-02-14T10:00:00Q"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        refused(bad[i]);
}

static void resolved(const char *text, const struct offset_bounds *bounds, int64_t from,
                     int64_t until)
{
    struct offset_range range;
    int64_t got_from;
    int64_t got_until;
    assert_true(offset_range_parse(text, NOW_MS, &range, NULL));
    offset_range_resolve(&range, bounds, &got_from, &got_until);
    assert_int_equal(got_from, from);
    assert_true(got_until == until);
}

static void resolving(void **state)
{
    (void)state;
    struct offset_bounds bounds = {.low = 100, .high = 200, .from_time = 150, .until_time = -1};
    resolved("start", &bounds, 100, INT64_MAX);
    resolved("end", &bounds, 200, INT64_MAX);
    resolved("-10", &bounds, 190, INT64_MAX);
    resolved("-1000", &bounds, 100, INT64_MAX);
    resolved("+5", &bounds, 105, INT64_MAX);
    resolved(":end", &bounds, 100, 200);
    resolved("@-1h", &bounds, 150, INT64_MAX);
    resolved("@-1h:-1ms", &bounds, 150, 200); /* nothing is that late: to the end */
    resolved("12:13", &bounds, 12, 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_numbers), cmocka_unit_test(times),
        cmocka_unit_test(ranges_of_times),   cmocka_unit_test(what_is_refused),
        cmocka_unit_test(resolving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
