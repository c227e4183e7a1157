/* How late it is while clocks jump: never later than a clock that was right says. */
#include "replica/clock_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MINUTE 60000LL
#define HOUR (60 * MINUTE)
#define YEAR (8766 * HOUR)
#define NOON 1700000000000LL /* wall clock of the first look */

/* A guard and a pair of clocks; each look is a minute after the one before. */
struct fixture {
    struct clock_guard guard;
    int64_t wall_ms;
    int64_t now_ms;
};

static struct fixture make(int64_t alive_ms)
{
    struct fixture f = {.wall_ms = NOON, .now_ms = 5000};
    clock_guard_init(&f.guard, alive_ms);
    return f;
}

static struct clock_guard_look look(struct fixture *f)
{
    struct clock_guard_look found = clock_guard_step(&f->guard, f->wall_ms, f->now_ms);
    f->wall_ms += MINUTE;
    f->now_ms += MINUTE;
    return found;
}

static void plain(struct fixture *f)
{
    int64_t wall_ms = f->wall_ms;
    struct clock_guard_look found = look(f);
    assert_int_equal(found.event, CLOCK_GUARD_NOTHING);
    assert_int_equal(found.wall_ms, wall_ms);
}

static void a_clock_that_goes_on_is_followed(void **state)
{
    (void)state;
    struct fixture f = make(NOON - MINUTE);
    for (int i = 0; i < 100; i++) {
        plain(&f);
        f.wall_ms += i % 2 == 0 ? 30 : -30; /* adjusted slowly */
    }
    f.wall_ms += CLOCK_GUARD_JUMP_MS - 100; /* a leap second and the like */
    plain(&f);
    f.wall_ms += 24 * HOUR; /* no look for a day */
    f.now_ms += 24 * HOUR;
    plain(&f);
}

static void a_jump_ahead_is_not_believed_at_once(void **state)
{
    (void)state;
    struct fixture f = make(NOON);
    plain(&f);
    f.wall_ms += YEAR;
    struct clock_guard_look found = look(&f);
    assert_int_equal(found.event, CLOCK_GUARD_JUMPED);
    assert_int_equal(found.jump_ms, YEAR);
    assert_int_equal(found.wall_ms, NOON + MINUTE);
    for (int i = 0; i < 59; i++) {
        found = look(&f);
        assert_int_equal(found.event, CLOCK_GUARD_NOTHING);
        assert_int_equal(found.wall_ms, NOON + (i + 2) * MINUTE);
    }
    found = look(&f);
    assert_int_equal(found.event, CLOCK_GUARD_BELIEVED);
    assert_int_equal(found.jump_ms, YEAR);
    assert_int_equal(found.wall_ms, f.wall_ms - MINUTE);
    plain(&f);
}

static void a_jump_that_is_taken_back_is_over(void **state)
{
    (void)state;
    struct fixture f = make(NOON);
    plain(&f);
    f.wall_ms += YEAR;
    assert_int_equal(look(&f).event, CLOCK_GUARD_JUMPED);
    f.wall_ms -= YEAR - 100;
    struct clock_guard_look found = look(&f);
    assert_int_equal(found.event, CLOCK_GUARD_AGREES);
    assert_int_equal(found.wall_ms, f.wall_ms - MINUTE);
    plain(&f);
}

static void further_jumps_begin_the_holding_time_anew(void **state)
{
    (void)state;
    struct fixture f = make(NOON);
    plain(&f);
    f.wall_ms += YEAR;
    assert_int_equal(look(&f).event, CLOCK_GUARD_JUMPED);
    for (int i = 0; i < 50; i++)
        assert_int_equal(look(&f).event, CLOCK_GUARD_NOTHING);
    f.wall_ms += HOUR;
    struct clock_guard_look found = look(&f);
    assert_int_equal(found.event, CLOCK_GUARD_JUMPED);
    assert_int_equal(found.jump_ms, HOUR);
    for (int i = 0; i < 59; i++)
        assert_int_equal(look(&f).event, CLOCK_GUARD_NOTHING);
    assert_int_equal(look(&f).event, CLOCK_GUARD_BELIEVED);
}

/* Whichever of the two was right: nothing is older than it is. */
static void a_jump_back_counts_at_once(void **state)
{
    (void)state;
    struct fixture f = make(NOON);
    plain(&f);
    f.wall_ms -= YEAR;
    struct clock_guard_look found = look(&f);
    assert_int_equal(found.event, CLOCK_GUARD_JUMPED);
    assert_int_equal(found.jump_ms, -YEAR);
    assert_int_equal(found.wall_ms, NOON + MINUTE - YEAR);
    f.wall_ms += YEAR;
    assert_int_equal(look(&f).event, CLOCK_GUARD_AGREES);
    plain(&f);
}

static void a_start_is_held_against_the_last_sign_of_life(void **state)
{
    (void)state;
    struct fixture f = make(NOON - HOUR);
    plain(&f);
    f = make(0); /* there is none */
    plain(&f);
    f = make(NOON + YEAR); /* the clock was ahead then, or is behind now */
    plain(&f);
    f = make(NOON - YEAR);
    struct clock_guard_look found = look(&f);
    assert_int_equal(found.event, CLOCK_GUARD_JUMPED);
    assert_int_equal(found.jump_ms, YEAR);
    assert_int_equal(found.wall_ms, NOON - YEAR);
    for (int i = 0; i < 59; i++)
        assert_int_equal(look(&f).wall_ms, NOON - YEAR + (i + 1) * MINUTE);
    assert_int_equal(look(&f).event, CLOCK_GUARD_BELIEVED);
    plain(&f);
    f = make(NOON - YEAR); /* it is set right soon after the start */
    assert_int_equal(look(&f).event, CLOCK_GUARD_JUMPED);
    f.wall_ms -= YEAR;
    assert_int_equal(look(&f).event, CLOCK_GUARD_AGREES);
    plain(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_that_goes_on_is_followed),
        cmocka_unit_test(a_jump_ahead_is_not_believed_at_once),
        cmocka_unit_test(a_jump_that_is_taken_back_is_over),
        cmocka_unit_test(further_jumps_begin_the_holding_time_anew),
        cmocka_unit_test(a_jump_back_counts_at_once),
        cmocka_unit_test(a_start_is_held_against_the_last_sign_of_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
