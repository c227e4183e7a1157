/* What set.c, partition.c and load.c share of one coordinator's partition. */
#ifndef COORD_COORD_INT_H
#define COORD_COORD_INT_H

#include "coord/set.h"
#include "log/log.h"
#include "replica/replica.h"
#include "tbl/coord_states.h"
#include "wire/batch_builder.h"
#include "wire/chain.h"

/* Reading the log: piece after piece, a worker makes records of the bytes, the shard applies them,
 * some in each turn. */
struct coord_load {
    struct replica *replica; /* that is read; held by replica_begin */
    struct log_read read;
    struct shard_job job;
    struct shard_chore chore; /* applies what the worker made */
    int64_t next_offset;
    int64_t end_offset;
    int64_t started_ns;
    int64_t record_count;
    uint8_t *bytes; /* of the piece; heap memory */
    size_t size;
    struct arena arena; /* what the worker made of it */
    struct coord_item *items;
    size_t item_count;
    size_t item_at;
    const char *fault; /* NULL, or why the log cannot be read */
    int64_t fault_offset;
    bool is_away;             /* a read or job is under way */
    struct shard_timer again; /* descriptors were short */
};

/* One thing of a log: a record, or the end of a transaction. */
struct coord_item {
    struct coord_item *next;
    bool is_end;
    struct coord_record record;
    struct coord_txn_end end;
};

/* A batch on its way into the log. */
struct coord_batch {
    struct list link; /* the partition's queue */
    struct replica_append append;
    struct coord_partition *partition;
    int64_t ticket;
    struct coord_end *end; /* it is the end of a transaction that somebody waits for; or NULL */
    uint8_t bytes[];
};

/* A record of the step under way: what lies in the chain. */
struct coord_step_record {
    size_t at;
    size_t key_size;
    size_t value_size; /* SIZE_MAX: a tombstone */
    int64_t producer_id;
    int16_t producer_epoch;
};

struct coord_partition {
    struct coord_world world; /* first */
    struct hash_node node;
    struct list ended_link;
    struct coord_set *set;
    enum coord_kind kind;
    struct uuid topic_id;
    int32_t partition;
    enum coord_state state;
    struct coord_machine *machine; /* NULL: it is not loading or active */
    struct shard_timer timer;      /* the shard's: turns the machine's wheel */
    int64_t timer_at_ms;           /* where it is set to; INT64_MAX: it is not */
    struct prng prng;

    /* the step under way: one call of the machine */
    int depth;
    struct chain step_bytes;
    struct coord_step_record *step;
    size_t step_count;
    size_t step_capacity;
    bool step_failed;

    /* batches: ticket n is committed when the n-th batch is */
    struct batch_builder builder; /* the open one */
    bool is_open;
    struct batch_builder_options open_options;
    struct shard_chore flush;
    int64_t begun;            /* batches, the open one included */
    int64_t committed;        /* in order */
    struct list queue;        /* coord_batch: complete, in front of the open one */
    bool is_away;             /* a batch is under way */
    int64_t away_producer_id; /* whose it is; -1: of none */
    int16_t away_epoch;
    struct list answers; /* calls, by ticket */
    struct list errands; /* errands.c: of the machine, by ticket */
    struct list errands_away;
    enum err failed; /* why a batch could not be appended: the log is read again */

    struct replica_waiter waiter; /* for the replica to be open */
    struct list early;            /* coord_early: calls that came while it loads */
    struct shard_timer patience;
    struct coord_load load;
};

/* A call that waits for the loading; its memory. */
struct coord_early {
    struct list link;
    coord_op_fn op;
    struct coord_call *call;
};

/* partition.c */
struct coord_partition *coord_partition_new(struct coord_set *, enum coord_kind, int32_t number,
                                            struct uuid topic_id);
void coord_partition_free(struct coord_partition *) ON(on_shard);
/* A new one, or one that failed, reads its log. */
void coord_partition_begin(struct coord_partition *) ON(on_shard);
void coord_partition_call(struct coord_partition *, coord_op_fn, struct coord_call *) ON(on_shard);
/* It leads no longer: all calls are answered; freed when nothing is under way any more. */
void coord_partition_end(struct coord_partition *, enum err) ON(on_shard);
void coord_partition_image(struct coord_partition *, const struct meta_image *before) ON(on_shard);
void coord_partition_end_txn(struct coord_partition *, struct coord_end *) ON(on_shard);
/* Frees it if it has ended and nothing is under way. */
void coord_partition_consider(struct coord_partition *) ON(on_shard);
void coord_become(struct coord_partition *, enum coord_state);
/* The machine runs between the two: what it records becomes part of one batch. */
void coord_enter(struct coord_partition *) ON(on_shard);
void coord_leave(struct coord_partition *) ON(on_shard);

/* The log is read again, or will be when nothing is under way any more: a batch failed. */
void coord_give_up(struct coord_partition *) ON(on_shard);

/* world.c */
void coord_world_init(struct coord_partition *);
/* The open batch, if there is one, is complete. */
void coord_seal(struct coord_partition *) ON(on_shard);

/* batches.c */
/* Answers what was answered before `committed`. */
void coord_answer_committed(struct coord_partition *) ON(on_shard);
void coord_refuse_all(struct list *calls, enum err);
/* The world's: the answer waits for the end of the step. */
void coord_on_answer(struct coord_world *, struct coord_call *);
/* The step is over: its answers wait for all that was recorded so far. */
void coord_stamp_answers(struct coord_partition *);
/* The bytes are queued for the log, under the ticket that was begun last. Null ones are what memory
 * did not suffice for. end: told what became of it; or NULL. */
void coord_queue_batch(struct coord_partition *, struct slice bytes, struct coord_end *)
    ON(on_shard);
/* The end of a turn. */
void coord_on_flush(struct shard *, struct shard_chore *);

/* load.c */
/* Makes the machine and reads the log; ends in coord_loaded. */
void coord_load_start(struct coord_partition *) ON(on_shard);
/* Frees what the loading has; nothing of it is under way. */
void coord_load_free(struct coord_partition *) ON(on_shard);
/* partition.c: the loading has ended. fault: NULL, or why it failed. */
void coord_loaded(struct coord_partition *, const char *fault) ON(on_shard);

#endif
