/* The world as a coordinator's state machine sees it: times, randomness, the cluster's image, and
 * where its records and answers go. A machine's state changes by its records alone: it makes one,
 * applies it to itself as if it had been read from the log, and hands it to the world; so what a
 * restart reads is what was. Answers wait in the world until all records made before them are
 * committed. When that fails the machine is given up and made anew from the log.
 *
 * Timers are the machine's own wheel, which the world turns: in a node with the shard's clock, in
 * tests with none. On the partition's shard. */
#ifndef COORD_WORLD_H
#define COORD_WORLD_H

#include "base/prng.h"
#include "coord/call.h"
#include "shard/timer.h"
#include "wire/message.h"

struct meta_image;
struct node_config;

/* A record of an internal topic. Keys begin with their message's number, values with their version
 * (spec/consumer_offsets, spec/transaction_state). */
struct coord_record {
    const struct wire_message *key_message;
    const void *key;
    const struct wire_message *value_message; /* NULL: a tombstone */
    const void *value;
    int16_t value_version;
    int16_t producer_epoch; /* with producer_id */
    int64_t producer_id;    /* part of that producer's transaction; -1: of none */
    int64_t timestamp_ms;   /* read ones: the record's */
};

/* The end of a producer's transaction, as a control batch of the partition says it. */
struct coord_txn_end {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch;
    bool commits;
};

/* Work for the cluster that a transaction's end needs; embedded in its owner until on_done. */
struct coord_markers {
    struct list link;
    /* in */
    struct coord_txn_end end;
    int16_t transaction_version;
    struct coord_markers_partition *partitions;
    int partition_count;
    void (*on_done)(struct coord_markers *);
    /* out: ERR_NONE: all partitions have it, or are gone for good; else one of their errors */
    enum err err;
};
struct coord_markers_partition {
    struct slice topic;
    int32_t partition;
    enum err err; /* out */
};

/* A wish for producer ids; embedded in its owner until on_done. */
struct coord_ids {
    struct list link;
    void (*on_done)(struct coord_ids *);
    enum err err;
    int64_t producer_id;
};

struct coord_world {
    int64_t now_ms;  /* monotonic */
    int64_t wall_ms; /* wall clock */
    struct prng *prng;
    const struct node_config *config;
    const struct meta_image *image; /* of this turn */
    struct shard_timers timers;     /* the machine's; callbacks get no shard */
    int32_t partition;              /* of the internal topic */
    int32_t leader_epoch;           /* of that partition: the coordinator's epoch */
    int32_t batch_size_max;         /* bytes that one batch may have */

    /* Appends the record behind those before it. What is recorded in one call of the machine is
     * appended as one batch, or not at all; members of a transaction in batches of their own. */
    void (*record)(struct coord_world *, const struct coord_record *);
    /* What this call of the machine has recorded so far need not be in one batch with what follows:
     * for work that may become larger than a batch can be. */
    void (*cut)(struct coord_world *);
    /* How late it is for what is forgotten by time: a wall clock that jumps makes nothing old. */
    int64_t (*deletion_ms)(const struct coord_world *);
    /* Whether the log would take a record of that producer's transaction now: ERR_NONE, or
     * ERR_INVALID_PRODUCER_EPOCH. */
    enum err (*check_producer)(const struct coord_world *, int64_t producer_id,
                               int16_t producer_epoch);
    /* The call has its answer: err, or response. The world has it from here. */
    void (*answer)(struct coord_world *, struct coord_call *);
    /* Transactions only: begins when all that was recorded so far is committed; on_done follows in
     * a later step, unless the machine is freed before. */
    void (*write_markers)(struct coord_world *, struct coord_markers *);
    void (*allocate_id)(struct coord_world *, struct coord_ids *);
};

static inline void coord_timer_start(struct coord_world *world, struct shard_timer *timer,
                                     int64_t delay_ms)
{
    shard_timers_start(&world->timers, timer, world->now_ms + (delay_ms > 0 ? delay_ms : 0));
}
static inline void coord_timer_stop(struct coord_world *world, struct shard_timer *timer)
{
    shard_timers_stop(&world->timers, timer);
}

/* The call ends with an error. */
static inline void coord_refuse(struct coord_world *world, struct coord_call *call, enum err err)
{
    call->err = err;
    call->response = NULL;
    world->answer(world, call);
}
/* The call ends with a response of its arena; NULL: memory for it was out. */
static inline void coord_answer(struct coord_world *world, struct coord_call *call, void *response)
{
    call->err = response != NULL ? ERR_NONE : ERR_UNKNOWN_SERVER_ERROR;
    call->response = response;
    world->answer(world, call);
}

#endif
