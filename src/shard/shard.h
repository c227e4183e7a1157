/* A shard: one thread, one event loop, data that is its own. One turn is: poll, mailbox, timers,
 * run queue, flush (what was gathered during the turn: group commits, sends, wake-ups of others).
 * Messages are delivered in batches, one wake-up per batch and none when the target is awake. With
 * one shard nothing here touches another thread but workers. All functions on the shard's own
 * thread unless said otherwise. */
#ifndef SHARD_SHARD_H
#define SHARD_SHARD_H

#include "base/attr.h"
#include "base/list.h"
#include "base/prng.h"
#include "base/role.h"
#include "shard/timer.h"

#include <stdint.h>

struct shard;
struct shard_set; /* all shards of the process and their workers */

/* ---- descriptors ---- */

struct shard_watch;
typedef void (*shard_ready_fn)(struct shard *, struct shard_watch *, unsigned ready);

/* Embedded in the owner of a descriptor; generation guards against an event that was already
 * fetched for a descriptor closed earlier in the same turn. */
struct shard_watch {
    shard_ready_fn on_ready; /* ready: enum sys_ready */
    int fd;
    uint32_t slot; /* the shard's table */
    uint32_t generation;
};

/* stream: edge-triggered reads and writes; else level-triggered reads. 0 or -errno. */
MUST_USE int shard_watch_start(struct shard *, struct shard_watch *, int fd, bool stream,
                               shard_ready_fn on_ready) ON(on_shard);
/* The descriptor stays open and the caller's. */
void shard_watch_stop(struct shard *, struct shard_watch *) ON(on_shard);

/* ---- messages between shards ---- */

struct shard_message;
typedef void (*shard_message_fn)(struct shard *here, struct shard_message *);

/* A message's way: run[0] on the shard it is sent to, run[1] back on the sender's, and so on to
 * and fro until NULL. The address of a route tells what a message is. */
struct shard_route {
    const char *name;
    shard_message_fn run[4];
};

/* Embedded in what travels; owned by whoever runs the current step. */
struct shard_message {
    struct list link;
    const struct shard_route *route;
    struct shard *from;
    struct shard *to;
    int step;
};

/* Sends along the route; runs run[0] on `to` in its next turn, also when `to` is this shard (then
 * in this turn's run queue, without a mailbox). */
void shard_send(struct shard *from, struct shard *to, struct shard_message *,
                const struct shard_route *) ON(on_shard);
/* Goes on to the next step of its route, on the other end. */
void shard_forward(struct shard *here, struct shard_message *) ON(on_shard);

/* ---- work within a turn ---- */

struct shard_chore;
typedef void (*shard_chore_fn)(struct shard *, struct shard_chore *);

struct shard_chore {
    struct list link; /* itself when not queued */
    shard_chore_fn run;
};

static inline void shard_chore_init(struct shard_chore *chore, shard_chore_fn run)
{
    list_init(&chore->link);
    chore->run = run;
}

/* Runs once later in this turn (or in the next where queued during the run phase, so that the
 * poller gets its look in between: this is how a connection with more frames yields). Queued twice
 * runs once. */
void shard_run_later(struct shard *, struct shard_chore *) ON(on_shard);
/* Runs once at the end of this turn, after everything else; what is queued while these run, runs
 * among them. */
void shard_flush_later(struct shard *, struct shard_chore *) ON(on_shard);
void shard_chore_cancel(struct shard_chore *); /* not queued is fine */

/* ---- time, randomness, identity ---- */

/* Monotonic, read once a turn. */
int64_t shard_now_ms(const struct shard *);
int64_t shard_now_ns(const struct shard *);
/* Wall clock, read once a turn. */
int64_t shard_wall_ms(const struct shard *);
struct prng *shard_prng(struct shard *);
int shard_index(const struct shard *);
struct shard_set *shard_siblings(const struct shard *);
void shard_timer_start(struct shard *, struct shard_timer *, int64_t delay_ms) ON(on_shard);
void shard_timer_stop(struct shard *, struct shard_timer *) ON(on_shard);
/* A slot for the upper layers' per-shard state (set once before the start). */
void *shard_context(const struct shard *);

/* ---- blocking work ---- */

/* Kinds of workers, so that what a client waits for does not stand behind a sync that takes
 * seconds, nor a sync behind work that takes minutes. */
enum shard_lane {
    SHARD_LANE_UPKEEP,     /* syncs, recovery, deletes */
    SHARD_LANE_DATA,       /* reading, writing and converting what a request is about */
    SHARD_LANE_BACKGROUND, /* what nobody waits for: its threads give way to all others */
    SHARD_LANE_COUNT,
};

struct shard_job;
/* On a worker's thread: may block; touches only what travels in the job. */
typedef void (*shard_job_run_fn)(struct shard_job *);
/* Back on the submitting shard. */
typedef void (*shard_job_done_fn)(struct shard *, struct shard_job *);

struct shard_job {
    struct list link;
    shard_job_run_fn run;
    shard_job_done_fn on_done;
    struct shard *owner;
    enum shard_lane lane;
    void *queue; /* of a lane, jobs with the same non-NULL queue run one at a time, in order */
    struct shard_message done; /* the job's way back; shard's own */
};

/* Queues it for the workers: handed over at the end of this turn, with all others of the turn. Set
 * run, on_done, lane and queue before; the rest is filled in. */
void shard_submit(struct shard *, struct shard_job *) ON(on_shard);

/* ---- the set ---- */

struct shard_set_options {
    int shard_count;      /* data shards: index 0 .. shard_count - 1 */
    bool controller;      /* one more shard, index shard_count, for the metadata quorum */
    int worker_count;     /* of each lane but the one in the background */
    int background_count; /* of that; 0: one */
    uint64_t seed;
};

/* 0 or -errno. At least one shard and one worker. */
MUST_USE int shard_set_new(const struct shard_set_options *, struct shard_set **ret_set);
/* After shard_set_join. */
void shard_set_free(struct shard_set *);
int shard_set_count(const struct shard_set *); /* data shards */
struct shard *shard_set_at(const struct shard_set *, int index);
struct shard *shard_set_controller(const struct shard_set *); /* NULL when there is none */
/* Before the start only. */
void shard_set_context(struct shard *, void *context);
/* Runs `message`'s route[0] on `to`; from any thread, before or after the start. There is no way
 * back: it must not be forwarded. */
void shard_post(struct shard *to, struct shard_message *, const struct shard_route *);
MUST_USE int shard_set_start(struct shard_set *);
/* Any thread: every loop ends after its current turn, workers after their queues are empty. */
void shard_set_stop(struct shard_set *);
void shard_set_join(struct shard_set *);

#endif
