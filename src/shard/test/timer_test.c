/* The timer wheel against a sorted model: random starts, stops and jumps of time over every level,
 * also from within callbacks. */
#include "base/prng.h"
#include "shard/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define TIMERS 200
#define STOPPED INT64_MIN

/* One timer and what the model knows of it. */
struct probe {
    struct shard_timer timer;
    int64_t deadline_ms; /* STOPPED: not running */
};

struct world {
    struct shard_timers timers;
    struct probe probes[TIMERS];
    struct prng prng;
    int64_t now_ms;
    int64_t last_deadline_ms; /* expired in this tick */
    unsigned fired;
    bool meddles; /* callbacks start and stop timers */
};

static struct world world;

static int64_t random_delay(struct prng *prng)
{
    unsigned bits = (unsigned)prng_below(prng, 36);
    return (int64_t)(prng_next(prng) & (((uint64_t)1 << bits) - 1)) - 3;
}

static void start(struct probe *probe)
{
    probe->deadline_ms = world.now_ms + random_delay(&world.prng);
    shard_timers_start(&world.timers, &probe->timer, probe->deadline_ms);
}

static void stop(struct probe *probe)
{
    probe->deadline_ms = STOPPED;
    shard_timers_stop(&world.timers, &probe->timer);
}

static struct probe *any_probe(void)
{
    return &world.probes[prng_below(&world.prng, TIMERS)];
}

static void on_expired(struct shard *shard, struct shard_timer *timer)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, timer);
    assert_null(shard);
    assert_true(probe->deadline_ms != STOPPED);
    assert_true(probe->deadline_ms <= world.now_ms);
    assert_true(probe->deadline_ms >= world.last_deadline_ms);
    assert_false(shard_timer_is_running(timer));
    world.last_deadline_ms = probe->deadline_ms;
    probe->deadline_ms = STOPPED;
    world.fired++;
    if (!world.meddles)
        return;
    if (prng_chance(&world.prng, 1, 2))
        start(probe);
    if (prng_chance(&world.prng, 1, 3))
        stop(any_probe());
    if (prng_chance(&world.prng, 1, 3))
        start(any_probe());
}

static void setup(uint64_t seed, bool meddles)
{
    prng_init(&world.prng, seed);
    world.meddles = meddles;
    world.now_ms = (int64_t)(prng_next(&world.prng) >> (20 + prng_below(&world.prng, 40)));
    shard_timers_init(&world.timers, world.now_ms);
    for (size_t i = 0; i < TIMERS; i++) {
        shard_timer_init(&world.probes[i].timer, on_expired);
        world.probes[i].deadline_ms = STOPPED;
    }
}

/* The model's earliest deadline; INT64_MAX when none runs. */
static int64_t earliest(uint64_t *ret_count)
{
    int64_t first = INT64_MAX;
    *ret_count = 0;
    for (size_t i = 0; i < TIMERS; i++) {
        const struct probe *probe = &world.probes[i];
        assert_int_equal(shard_timer_is_running(&probe->timer), probe->deadline_ms != STOPPED);
        if (probe->deadline_ms == STOPPED)
            continue;
        ++*ret_count;
        first = MIN_OF(first, probe->deadline_ms);
    }
    return first;
}

/* Time goes on to now_ms; all that is due then has been called, but what callbacks started late. */
static void tick_to(int64_t now_ms)
{
    uint64_t count = 0;
    int64_t first = earliest(&count);
    assert_int_equal(world.timers.count, count);
    int64_t next_ms = shard_timers_next_ms(&world.timers);
    assert_true(next_ms <= MAX_OF(first, world.now_ms));
    assert_int_equal(next_ms == INT64_MAX, count == 0);
    world.now_ms = now_ms;
    world.last_deadline_ms = INT64_MIN;
    shard_timers_tick(&world.timers, NULL, now_ms);
    first = earliest(&count);
    assert_int_equal(world.timers.count, count);
    if (!world.meddles)
        assert_true(first > now_ms);
}

static void wheels_agree_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        setup(seed, seed % 2 == 1);
        for (int step = 0; step < 600; step++) {
            for (uint64_t n = prng_below(&world.prng, 8); n > 0; n--)
                start(any_probe());
            if (prng_chance(&world.prng, 1, 3))
                stop(any_probe());
            int64_t ahead = MAX_OF(random_delay(&world.prng), (int64_t)0);
            tick_to(world.now_ms + ahead);
        }
    }
    assert_true(world.fired > 10000);
}

/* A loop that sleeps until next_ms, as a shard does, fires each timer in its own millisecond. */
static void sleeping_until_next_is_never_late(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 120; seed++) {
        int wakes = 0;
        setup(seed, false);
        for (size_t i = 0; i < TIMERS; i++)
            start(&world.probes[i]);
        world.fired = 0;
        for (;;) {
            uint64_t count = 0;
            int64_t first = earliest(&count);
            if (count == 0)
                break;
            int64_t next_ms = MAX_OF(shard_timers_next_ms(&world.timers), world.now_ms);
            assert_true(next_ms <= MAX_OF(first, world.now_ms));
            tick_to(next_ms);
            wakes++;
        }
        assert_int_equal(world.fired, TIMERS);
        assert_true(wakes <= TIMERS * (TIMER_LEVELS + 64));
    }
}

static void an_idle_connections_timer_wakes_seldom(void **state)
{
    int wakes = 0;
    (void)state;
    setup(1, false);
    struct probe *probe = &world.probes[0];
    probe->deadline_ms = world.now_ms + 600000;
    shard_timers_start(&world.timers, &probe->timer, probe->deadline_ms);
    for (; shard_timer_is_running(&probe->timer); wakes++)
        tick_to(shard_timers_next_ms(&world.timers));
    assert_in_range(wakes, 1, TIMER_LEVELS);
    assert_true(world.now_ms == probe->deadline_ms || probe->deadline_ms == STOPPED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wheels_agree_with_the_model),
        cmocka_unit_test(sleeping_until_next_is_never_late),
        cmocka_unit_test(an_idle_connections_timer_wakes_seldom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
