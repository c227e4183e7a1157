/* See the header. */
#include "replica/clock_guard.h"

#include "base/attr.h"

void clock_guard_init(struct clock_guard *guard, int64_t alive_ms)
{
    *guard = (struct clock_guard){.trusted_wall_ms = alive_ms};
}

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

static int64_t tolerance(int64_t passed_ms)
{
    return CLOCK_GUARD_JUMP_MS + passed_ms / 1000000 * CLOCK_GUARD_DRIFT_PPM;
}

static int64_t expected(const struct clock_guard *guard, int64_t now_ms)
{
    return guard->trusted_wall_ms + (now_ms - guard->trusted_now_ms);
}

static void doubt(struct clock_guard *guard, int64_t now_ms)
{
    if (!guard->doubts) {
        guard->trusted_wall_ms = guard->last_wall_ms;
        guard->trusted_now_ms = guard->last_now_ms;
    }
    guard->doubts = true;
    guard->steady_since_ms = now_ms;
}

/* The first look: only a clock that is far ahead of the last sign of life could do harm. */
static enum clock_guard_event begin(struct clock_guard *guard, int64_t wall_ms, int64_t now_ms)
{
    guard->began = true;
    guard->last_wall_ms = guard->trusted_wall_ms;
    guard->last_now_ms = now_ms;
    if (guard->trusted_wall_ms <= 0 || wall_ms - guard->trusted_wall_ms <= CLOCK_GUARD_HOLD_MS)
        return CLOCK_GUARD_NOTHING;
    doubt(guard, now_ms);
    return CLOCK_GUARD_JUMPED;
}

static enum clock_guard_event compare(struct clock_guard *guard, int64_t wall_ms, int64_t now_ms)
{
    int64_t passed = now_ms - guard->last_now_ms;
    bool jumped = distance(wall_ms - guard->last_wall_ms, passed) > tolerance(passed);
    int64_t off = distance(wall_ms, expected(guard, now_ms));
    if (guard->doubts && off <= tolerance(now_ms - guard->trusted_now_ms)) {
        guard->doubts = false;
        return CLOCK_GUARD_AGREES;
    }
    if (jumped) {
        doubt(guard, now_ms);
        return CLOCK_GUARD_JUMPED;
    }
    if (guard->doubts && now_ms - guard->steady_since_ms >= CLOCK_GUARD_HOLD_MS) {
        guard->doubts = false;
        return CLOCK_GUARD_BELIEVED;
    }
    return CLOCK_GUARD_NOTHING;
}

struct clock_guard_look clock_guard_step(struct clock_guard *guard, int64_t wall_ms, int64_t now_ms)
{
    struct clock_guard_look look = {.wall_ms = wall_ms};
    bool doubted = guard->doubts;
    look.event = guard->began ? compare(guard, wall_ms, now_ms) : begin(guard, wall_ms, now_ms);
    if (guard->doubts || doubted)
        look.jump_ms = wall_ms - expected(guard, now_ms);
    if (look.event == CLOCK_GUARD_JUMPED && doubted)
        look.jump_ms = wall_ms - guard->last_wall_ms - (now_ms - guard->last_now_ms);
    if (guard->doubts)
        look.wall_ms = MIN_OF(wall_ms, expected(guard, now_ms));
    guard->last_wall_ms = wall_ms;
    guard->last_now_ms = now_ms;
    return look;
}
