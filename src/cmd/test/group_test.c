/* What is worked out of what coordinators say: rows of partitions, lags, assignments. */
#include "cmd/group_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct group_offset offset_of(const char *topic, int32_t partition, int64_t committed)
{
    return (struct group_offset){
        .topic = slice_of_text(topic), .partition = partition, .committed = committed, .end = 100};
}

static void rows_are(const struct group_offset *offsets, size_t count, const char *expected)
{
    char shown[512] = "";
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(
            shown + at, sizeof shown - at, "%.*s:%d %lld %.*s\n", SLICE_ARG(offsets[i].topic),
            offsets[i].partition, (long long)offsets[i].committed,
            SLICE_ARG(offsets[i].member != NULL ? offsets[i].member->id : slice_of_text("-")));
    assert_string_equal(shown, expected);
}

static void committed_and_assigned_are_one_list(void **state)
{
    struct group_offset offsets[8] = {offset_of("b", 1, 7), offset_of("a", 3, 5),
                                      offset_of("b", 0, 6)};
    struct group_partition first[] = {{slice_of_text("b"), 0}, {slice_of_text("c"), 2}};
    struct group_partition second[] = {{slice_of_text("a"), 0}};
    struct group_member members[] = {
        {.id = slice_of_text("m1"), .assigned = first, .assigned_count = 2},
        {.id = slice_of_text("m2"), .assigned = second, .assigned_count = 1},
        {.id = slice_of_text("m3")}};
    (void)state;
    size_t count = group_join(offsets, 3, members, 3);
    rows_are(offsets, count, "a:0 -1 m2\na:3 5 -\nb:0 6 m1\nb:1 7 -\nc:2 -1 m1\n");
    assert_int_equal(group_join(offsets, 0, members, 3), 3);
    assert_int_equal(group_join(offsets, 0, NULL, 0), 0);
}

static void lags(void **state)
{
    struct group_offset offset = offset_of("a", 0, 40);
    int64_t lag = -7;
    (void)state;
    assert_true(group_lag(&offset, &lag));
    assert_int_equal(lag, 60);
    offset.committed = 130; /* the log lost its end */
    assert_true(group_lag(&offset, &lag));
    assert_int_equal(lag, -30);
    offset.committed = -1;
    assert_false(group_lag(&offset, &lag));
    offset.committed = 0;
    offset.end = -1;
    assert_false(group_lag(&offset, &lag));
    assert_int_equal(lag, -30);
}

static void totals_are_a_topic_s(void **state)
{
    struct group_offset offsets[] = {offset_of("a", 0, 90), offset_of("a", 1, -1),
                                     offset_of("a", 2, 120), offset_of("b", 0, 1)};
    size_t at = 0;
    (void)state;
    struct group_total total = group_topic_total(offsets, 4, &at);
    assert_int_equal(at, 3);
    assert_int_equal(total.partitions, 3);
    assert_int_equal(total.lag, 10);
    assert_int_equal(total.unknown, 1);
    total = group_topic_total(offsets, 4, &at);
    assert_int_equal(at, 4);
    assert_int_equal(total.lag, 99);
    assert_int_equal(total.unknown, 0);
}

/* Version, one topic "t" with the partitions 1 and 0, user data null. */
static const uint8_t assignment[] = {0, 0, 0, 0, 0, 1, 0, 1, 't',  0,    0,    0,   2,
                                     0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};

static void assignments(void **state)
{
    struct arena arena;
    struct group_member member = {0};
    uint8_t later[sizeof assignment];
    (void)state;
    arena_init(&arena, 1 << 20);
    assert_true(group_assignment_parse(slice_of(assignment, sizeof assignment), &arena, &member));
    assert_int_equal(member.assigned_count, 2);
    assert_true(slice_is(member.assigned[0].topic, "t"));
    assert_int_equal(member.assigned[0].partition, 0);
    assert_int_equal(member.assigned[1].partition, 1);
    memcpy(later, assignment, sizeof later);
    later[1] = 9;
    assert_true(group_assignment_parse(slice_of(later, sizeof later), &arena, &member));
    assert_int_equal(member.assigned_count, 2);
    arena_fini(&arena);
}

static void broken_assignments(void **state)
{
    struct arena arena;
    struct group_member member = {0};
    (void)state;
    arena_init(&arena, 1 << 20);
    assert_true(group_assignment_parse(slice_of(assignment, 0), &arena, &member));
    for (size_t size = 1; size < sizeof assignment; size++)
        assert_false(group_assignment_parse(slice_of(assignment, size), &arena, &member));
    assert_int_equal(member.assigned_count, 0);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(committed_and_assigned_are_one_list),
        cmocka_unit_test(lags),
        cmocka_unit_test(totals_are_a_topic_s),
        cmocka_unit_test(assignments),
        cmocka_unit_test(broken_assignments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
