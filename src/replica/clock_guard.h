/* How late it is, for what is deleted by time. A wall clock that was set wrong must not make data
 * old that is not: at each look the wall clock is held against the monotonic one, and where the two
 * differ by a jump, the earlier of two times counts: what the wall clock says, and what it said
 * before the jump plus the time that passed. That ends when the wall clock agrees with the latter
 * again, or has gone on without another jump for CLOCK_GUARD_HOLD_MS.
 *
 * A start has no look before it: the moment at which the node was last alive (the newest of its
 * checkpoint files) stands for one. A node that was down for longer than the holding time so
 * deletes nothing for that time; nothing else waits. Pure; one thread at a time. */
#ifndef REPLICA_CLOCK_GUARD_H
#define REPLICA_CLOCK_GUARD_H

#include <stdbool.h>
#include <stdint.h>

/* Long enough for a clock to be set right after a machine's start; nobody's retention ends by an
 * hour's delay. */
#define CLOCK_GUARD_HOLD_MS (60LL * 60 * 1000)
/* Between two looks; clocks that are adjusted slowly (at most 500 ppm) stay below. */
#define CLOCK_GUARD_JUMP_MS 5000
#define CLOCK_GUARD_DRIFT_PPM 1000

struct clock_guard {
    bool began;
    bool doubts;
    int64_t last_wall_ms;
    int64_t last_now_ms;
    /* While it doubts: what the wall clock said, and when (monotonic), before the jump. */
    int64_t trusted_wall_ms;
    int64_t trusted_now_ms;
    int64_t steady_since_ms; /* monotonic: no other jump since */
};

enum clock_guard_event {
    CLOCK_GUARD_NOTHING,
    CLOCK_GUARD_JUMPED,   /* doubts from now on, or anew */
    CLOCK_GUARD_AGREES,   /* the jump was taken back */
    CLOCK_GUARD_BELIEVED, /* it stood for the holding time */
};

struct clock_guard_look {
    int64_t wall_ms; /* what counts */
    int64_t jump_ms; /* of JUMPED; how far the clock is from what was expected, of the others */
    enum clock_guard_event event;
};

/* alive_ms: wall clock of the last sign of life; 0: there is none, the clock is taken as it is. */
void clock_guard_init(struct clock_guard *, int64_t alive_ms);
/* wall_ms and now_ms (monotonic) were read together. */
struct clock_guard_look clock_guard_step(struct clock_guard *, int64_t wall_ms, int64_t now_ms);

#endif
