/* Timers of one shard: a hierarchical wheel of 1 ms ticks over the monotonic clock. Starting and
 * stopping are O(1); a timer is embedded in its owner. Never fires early; fires in the turn that
 * first sees its deadline passed. On its shard only. */
#ifndef SHARD_TIMER_H
#define SHARD_TIMER_H

#include "base/list.h"

#include <stdint.h>

struct shard;
struct shard_timer;
typedef void (*shard_timer_fn)(struct shard *, struct shard_timer *);

struct shard_timer {
    struct list link;    /* itself when stopped */
    int64_t deadline_ms; /* monotonic */
    shard_timer_fn on_expired;
    int16_t place; /* the wheel's: level * TIMER_SLOTS + slot, or TIMER_PLACE_DUE */
};

#define TIMER_LEVELS 5
#define TIMER_SLOTS 64
#define TIMER_PLACE_DUE (-1)

struct shard_timers {
    struct list slots[TIMER_LEVELS][TIMER_SLOTS];
    uint64_t occupied[TIMER_LEVELS]; /* a bit a slot that holds timers */
    struct list due;                 /* started with a deadline already passed; by deadline */
    int64_t now_ms;                  /* the tick reached */
    uint64_t count;                  /* running */
};

void shard_timers_init(struct shard_timers *, int64_t now_ms);
/* (Re)starts it; deadlines beyond the wheel wait on its outermost slot. One that has passed
 * already expires at the next tick, also when it is started by a tick's callback. */
void shard_timers_start(struct shard_timers *, struct shard_timer *, int64_t deadline_ms);
void shard_timers_stop(struct shard_timers *, struct shard_timer *); /* stopped is fine */
/* Moves time on and calls on_expired of each that is due, in order of deadline. */
void shard_timers_tick(struct shard_timers *, struct shard *, int64_t now_ms);
/* Earliest moment at which tick can have work; INT64_MAX when no timer runs. */
int64_t shard_timers_next_ms(const struct shard_timers *);

static inline void shard_timer_init(struct shard_timer *timer, shard_timer_fn on_expired)
{
    list_init(&timer->link);
    timer->deadline_ms = 0;
    timer->on_expired = on_expired;
    timer->place = TIMER_PLACE_DUE;
}

static inline bool shard_timer_is_running(const struct shard_timer *timer)
{
    return !list_is_empty(&timer->link);
}

#endif
