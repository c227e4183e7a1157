/* What a shard is made of. Everything here is touched by the shard's own thread only, but for the
 * mailbox and the poller's wake-up. */
#ifndef SHARD_SHARD_INT_H
#define SHARD_SHARD_INT_H

#include "shard/mailbox.h"
#include "shard/shard.h"
#include "shard/workers.h"
#include "sys/poller.h"

#include <stdatomic.h>

/* Events taken from the poller in one turn. */
#define SHARD_EVENT_BATCH 128

/* One place of the table that descriptors' events come back through. */
struct watch_slot {
    struct shard_watch *watch; /* NULL: free */
    uint32_t generation;       /* of the watch it holds, or held last */
    uint32_t next_free;        /* of a free slot; UINT32_MAX ends the chain */
};

struct watch_table {
    struct watch_slot *slots;
    uint32_t count;
    uint32_t first_free;
};

struct shard {
    struct shard_set *set;
    int index;
    bool stopping; /* this turn is the last */
    struct sys_poller *poller;
    void *context;
    struct prng prng;
    int64_t now_ns; /* monotonic, of this turn */
    int64_t wall_ms;
    struct shard_timers timers;
    struct watch_table watches;

    struct list letters;                /* messages to itself: for the run phase */
    struct list chores;                 /* for the run phase */
    struct list flushes;                /* chores for the end of the turn */
    struct list jobs[SHARD_LANE_COUNT]; /* to be submitted at the end of the turn */
    struct mailbox_batch *outboxes;     /* by target's index; handed over at the end of the turn */
    bool has_mail_out;

    struct mailbox mailbox;
    struct shard_message stop; /* posted once, by shard_set_stop */
};

struct shard_set {
    int shard_count; /* data shards */
    int total_count; /* with the controller's */
    int worker_counts[SHARD_LANE_COUNT];
    struct workers *workers[SHARD_LANE_COUNT];
    struct mailbox_batch *outboxes; /* a row for each shard */
    struct sys_task *tasks;         /* shards, then workers; NULL before the start */
    atomic_flag stopped;
    struct shard shards[];
};

/* One turn of the loop; false: it was the last. */
bool shard_turn(void *shard);
/* Runs the message's present step here. */
void shard_deliver(struct shard *here, struct shard_message *message);
/* Hands over what was gathered for other shards. */
void shard_send_mail(struct shard *shard);

#endif
