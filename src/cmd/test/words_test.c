/* What flags of the group commands say. */
#include "cmd/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* 2026-02-14T10:00:00Z */
#define NOW_MS INT64_C(1771063200000)

/* "orders: 0 1" or "orders: all"; "wrong". */
static void topic_is(const char *text, const char *expected)
{
    struct arena arena;
    struct words_topic topic;
    char shown[128];
    arena_init(&arena, 1 << 20);
    if (!words_topic_parse(text, &arena, &topic)) {
        (void)snprintf(shown, sizeof shown, "wrong");
    } else {
        int at = snprintf(shown, sizeof shown, "%.*s:%s", SLICE_ARG(topic.topic),
                          topic.partition_count < 0 ? " all" : "");
        for (int i = 0; i < topic.partition_count; i++)
            at += snprintf(shown + at, sizeof shown - (size_t)at, " %d", topic.partitions[i]);
    }
    assert_string_equal(shown, expected);
    arena_fini(&arena);
}

static void topics_with_partitions(void **state)
{
    (void)state;
    topic_is("orders", "orders: all");
    topic_is("orders:3", "orders: 3");
    topic_is("orders:7,0,1,0", "orders: 0 1 7");
    topic_is("orders:2147483647", "orders: 2147483647");
    topic_is("orders:2147483648", "wrong");
    topic_is("orders:", "wrong");
    topic_is("orders:1,", "wrong");
    topic_is("orders:,1", "wrong");
    topic_is("orders:x", "wrong");
    topic_is("orders:-1", "wrong");
    topic_is(":1", "wrong");
    topic_is("", "wrong");
}

static void a_topic_has_partitions(void **state)
{
    struct arena arena;
    struct words_topic topic;
    (void)state;
    arena_init(&arena, 1 << 20);
    assert_true(words_topic_parse("a:1,4", &arena, &topic));
    assert_true(words_topic_has(&topic, slice_of_text("a"), 4));
    assert_false(words_topic_has(&topic, slice_of_text("a"), 2));
    assert_false(words_topic_has(&topic, slice_of_text("b"), 4));
    assert_true(words_topic_parse("a", &arena, &topic));
    assert_true(words_topic_has(&topic, slice_of_text("a"), 2));
    arena_fini(&arena);
}

static void words_between_commas(void **state)
{
    struct arena arena;
    struct slice *words;
    int count;
    (void)state;
    arena_init(&arena, 1 << 20);
    assert_true(words_split(slice_of_text(",Empty,,Stable"), &arena, &words, &count));
    assert_int_equal(count, 2);
    assert_true(slice_is(words[0], "Empty"));
    assert_true(slice_is(words[1], "Stable"));
    assert_true(words_split(slice_of_text(""), &arena, &words, &count));
    assert_int_equal(count, 0);
    arena_fini(&arena);
}

static void numbers_between_commas(void **state)
{
    struct arena arena;
    int64_t *numbers;
    int32_t count;
    (void)state;
    arena_init(&arena, 1 << 20);
    assert_true(words_numbers_parse("4,9223372036854775807", &arena, &numbers, &count));
    assert_int_equal(count, 2);
    assert_int_equal(numbers[1], INT64_MAX);
    assert_true(words_numbers_parse("", &arena, &numbers, &count));
    assert_int_equal(count, 0);
    assert_false(words_numbers_parse("4,", &arena, &numbers, &count));
    assert_false(words_numbers_parse("4,,5", &arena, &numbers, &count));
    assert_false(words_numbers_parse("x", &arena, &numbers, &count));
    arena_fini(&arena);
}

static void line_is(const char *text, const char *expected)
{
    struct words_offset offset;
    char shown[128] = "wrong";
    enum words_line line = words_offset_parse(slice_of_text(text), &offset);
    if (line == WORDS_LINE_EMPTY)
        (void)snprintf(shown, sizeof shown, "empty");
    if (line == WORDS_LINE_OFFSET)
        (void)snprintf(shown, sizeof shown, "%.*s %d %lld", SLICE_ARG(offset.topic),
                       offset.partition, (long long)offset.offset);
    assert_string_equal(shown, expected);
}

static void lines_of_offsets(void **state)
{
    (void)state;
    line_is("orders 0 12", "orders 0 12");
    line_is("orders,0,12\r", "orders 0 12"); /* as kafka-consumer-groups --export writes it */
    line_is("\torders\t\t0\t12 ", "orders 0 12");
    line_is("", "empty");
    line_is("   ", "empty");
    line_is("# orders 0 12", "empty");
    line_is("orders 0 -", "empty");
    line_is("orders x -", "wrong");
    line_is("orders 0", "wrong");
    line_is("orders 0 12 13", "wrong");
    line_is("orders x 12", "wrong");
    line_is("orders 0 -1", "wrong");
    line_is("orders 0 9223372036854775807", "orders 0 9223372036854775807");
    line_is("orders 0 9223372036854775808", "wrong");
}

static void target_is(const char *text, const char *expected)
{
    static const char *const places[] = {"start", "end", "offset", "shift", "time"};
    struct words_target target;
    char shown[64] = "wrong";
    if (words_target_parse(text, NOW_MS, &target))
        (void)snprintf(shown, sizeof shown, "%s %lld", places[target.place],
                       (long long)target.number);
    assert_string_equal(shown, expected);
}

static void targets(void **state)
{
    (void)state;
    target_is("start", "start 0");
    target_is("earliest", "start 0");
    target_is("end", "end 0");
    target_is("42", "offset 42");
    target_is("+5", "shift 5");
    target_is("-5", "shift -5");
    target_is("@-1h", "time 1771059600000");
    target_is("@1771027200000", "time 1771027200000");
    target_is("@2026-02-14", "time 1771027200000");
    target_is("@-1h:end", "wrong");
    target_is("@", "wrong");
    target_is("+", "wrong");
    target_is("", "wrong");
    target_is("soon", "wrong");
    target_is("10:20", "wrong");
}

static void comes_to(const char *text, const struct words_bounds *bounds, const char *expected)
{
    struct words_target target;
    int64_t offset;
    bool clamped;
    char shown[64] = "none";
    assert_true(words_target_parse(text, NOW_MS, &target));
    if (words_target_resolve(target, bounds, &offset, &clamped))
        (void)snprintf(shown, sizeof shown, "%lld%s", (long long)offset, clamped ? " clamped" : "");
    assert_string_equal(shown, expected);
}

static void targets_in_a_partition(void **state)
{
    struct words_bounds bounds = {.low = 10, .high = 50, .committed = 30, .of_time = 20};
    (void)state;
    comes_to("start", &bounds, "10");
    comes_to("end", &bounds, "50");
    comes_to("42", &bounds, "42");
    comes_to("9", &bounds, "10 clamped");
    comes_to("51", &bounds, "50 clamped");
    comes_to("+5", &bounds, "35");
    comes_to("-5", &bounds, "25");
    comes_to("-21", &bounds, "10 clamped");
    comes_to("+9223372036854775807", &bounds, "50 clamped");
    comes_to("@-1h", &bounds, "20");
    bounds.of_time = -1;
    comes_to("@-1h", &bounds, "50");
    bounds.committed = -1;
    comes_to("+5", &bounds, "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_with_partitions), cmocka_unit_test(a_topic_has_partitions),
        cmocka_unit_test(words_between_commas),   cmocka_unit_test(numbers_between_commas),
        cmocka_unit_test(lines_of_offsets),       cmocka_unit_test(targets),
        cmocka_unit_test(targets_in_a_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
