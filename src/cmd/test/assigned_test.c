/* How far a member of a group is. */
#include "cmd/assigned.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void partitions_come_and_go(void **state)
{
    struct assigned a = {0};
    (void)state;
    assert_true(assigned_add(&a, "t", 0));
    assert_true(assigned_add(&a, "t", 1));
    assert_true(assigned_add(&a, "u", 0));
    assigned_find(&a, "u", 0)->next = 7;
    assert_true(assigned_add(&a, "u", 0)); /* as a cooperative group says again what it keeps */
    assert_int_equal(a.count, 3);
    assert_int_equal(assigned_find(&a, "u", 0)->next, 7);
    assigned_remove(&a, "t", 0);
    assigned_remove(&a, "t", 0);
    assert_int_equal(a.count, 2);
    assert_null(assigned_find(&a, "t", 0));
    assert_non_null(assigned_find(&a, "t", 1));
    assert_int_equal(assigned_find(&a, "u", 0)->next, 7);
    for (int32_t i = 0; i < 100; i++)
        assert_true(assigned_add(&a, "v", i));
    assert_int_equal(a.count, 102);
    assigned_fini(&a);
}

static void lag_is_of_what_is_known(void **state)
{
    struct assigned a = {0};
    (void)state;
    assert_int_equal(assigned_lag(&a), -1);
    assert_true(assigned_add(&a, "t", 0));
    assert_true(assigned_add(&a, "t", 1));
    assert_int_equal(assigned_lag(&a), -1);
    assigned_read(assigned_find(&a, "t", 0), 9, 30);
    assert_int_equal(assigned_lag(&a), 20);
    assigned_read(assigned_find(&a, "t", 1), 4, -1);
    assert_int_equal(assigned_lag(&a), 20);
    assigned_reach_end(assigned_find(&a, "t", 1), 6); /* behind a marker */
    assert_int_equal(assigned_find(&a, "t", 1)->next, 6);
    assert_int_equal(assigned_lag(&a), 20);
    assigned_reach_end(assigned_find(&a, "t", 0), 30);
    assert_int_equal(assigned_lag(&a), 0);
    assigned_fini(&a);
}

/* What is written while one reads does not move the end away. */
static void the_end_is_where_it_was(void **state)
{
    struct assigned a = {0};
    (void)state;
    assert_false(assigned_all_ended(&a)); /* nothing was assigned so far */
    a.ever = true;
    assert_true(assigned_all_ended(&a)); /* nothing to read: others have it */
    assert_true(assigned_add(&a, "t", 0));
    struct assigned_partition *at = assigned_find(&a, "t", 0);
    assigned_read(at, 5, 8);
    assert_false(assigned_all_ended(&a));
    assigned_read(at, 6, 20);
    assert_false(assigned_all_ended(&a));
    assigned_read(at, 7, 20);
    assert_true(assigned_all_ended(&a));
    assigned_read(at, 8, 20);
    assert_true(assigned_all_ended(&a));
    assert_true(assigned_add(&a, "t", 1));
    assert_false(assigned_all_ended(&a));
    assigned_reach_end(assigned_find(&a, "t", 1), 0);
    assert_true(assigned_all_ended(&a));
    assigned_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_come_and_go),
        cmocka_unit_test(lag_is_of_what_is_known),
        cmocka_unit_test(the_end_is_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
