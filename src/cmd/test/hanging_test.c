/* Which open transactions hang. */
#include "cmd/hanging.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW_MS 1000000
#define TIMEOUT_MS 900

static struct hanging_open open_at(const char *topic, int32_t partition, int64_t producer_id)
{
    return (struct hanging_open){.topic = slice_of_text(topic),
                                 .partition = partition,
                                 .producer_id = producer_id,
                                 .start_offset = 5,
                                 .last_ms = NOW_MS - 2 * TIMEOUT_MS};
}

static void candidates_are_open_and_quiet(void **state)
{
    struct hanging_open open = open_at("a", 0, 1);
    (void)state;
    assert_true(hanging_is_candidate(&open, NOW_MS, TIMEOUT_MS));
    open.last_ms = NOW_MS - TIMEOUT_MS; /* at the limit: it may still be ended in time */
    assert_false(hanging_is_candidate(&open, NOW_MS, TIMEOUT_MS));
    open.last_ms--;
    assert_true(hanging_is_candidate(&open, NOW_MS, TIMEOUT_MS));
    open.start_offset = 0;
    assert_true(hanging_is_candidate(&open, NOW_MS, TIMEOUT_MS));
    open.start_offset = -1;
    assert_false(hanging_is_candidate(&open, NOW_MS, TIMEOUT_MS));
}

static void what_is_expected_to_end_does_not_hang(void **state)
{
    struct hanging_open open[] = {open_at("a", 0, 1), open_at("a", 1, 1), open_at("b", 0, 2),
                                  open_at("a", 0, 3)};
    struct hanging_expected expected[] = {
        {.producer_id = 1, .topic = slice_of_text("a"), .partition = 0},
        {.producer_id = 2, .topic = slice_of_text("a"), .partition = 0},
    };
    (void)state;
    assert_int_equal(hanging_keep(open, 4, expected, 2), 3);
    /* Another partition of the transaction, another topic, a producer that nobody knows. */
    assert_int_equal(open[0].partition, 1);
    assert_int_equal(open[1].producer_id, 2);
    assert_int_equal(open[2].producer_id, 3);
    assert_int_equal(hanging_keep(open, 3, NULL, 0), 3);
    assert_int_equal(hanging_keep(open, 0, expected, 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_are_open_and_quiet),
        cmocka_unit_test(what_is_expected_to_end_does_not_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
