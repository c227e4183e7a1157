/* Before the first batch of a transaction goes into a partition, the transaction's coordinator is
 * asked whether the partition is part of it, or, by requests of newer versions, to add it (KIP-890,
 * transaction.partition.verification.enable). For Produce and TxnOffsetCommit. Partitions in which
 * the transaction is under way already need nobody's word. On the request's shard. */
#ifndef API_TXN_GUARD_H
#define API_TXN_GUARD_H

#include "api/coordination.h"
#include "log/guard.h"

struct add_partitions_to_txn_request_transactions;

/* What the version of the client's request can be told. */
enum txn_guard_kind {
    TXN_GUARD_VERIFIES_OLD, /* INVALID_TXN_STATE where the partition is not part of it */
    TXN_GUARD_VERIFIES,     /* TRANSACTION_ABORTABLE then */
    TXN_GUARD_ADDS,         /* it is added */
};
enum txn_guard_kind txn_guard_of_produce(int16_t api_version);
enum txn_guard_kind txn_guard_of_offset_commit(int16_t api_version);

struct txn_guard;

/* One partition. */
struct txn_guard_part {
    struct api_part part; /* first: api/gather.h */
    struct txn_guard *guard;
    struct api_shard *there;
    struct replica_waiter waiter;
    /* in */
    struct slice topic;
    struct uuid topic_id;
    int32_t partition;
    int32_t sequence; /* of the batch; BATCH_NO_SEQUENCE: it has none */
    void *owner;      /* the caller's */
    /* out: of this partition, as the coordinator or the partition's leader has it; what a client is
     * told instead is the caller's to know */
    enum err err;
    uint64_t token; /* for the append: log_append.token, or coord_call.claim */
    uint64_t shown; /* what the token was when the coordinator was asked */
};

/* In the request's arena. */
struct txn_guard {
    struct list link;      /* here->txn_guards while it is under way, or another's followers */
    struct list followers; /* of the same producer: they begin when this one has ended */
    struct api_gather gather;
    struct api_request *request;
    struct shard_timer again;
    int64_t started_ms;
    /* in */
    struct slice transactional_id;
    int64_t producer_id;
    int16_t producer_epoch;
    enum txn_guard_kind kind;
    bool retries; /* while the transaction before is still being ended, for a moment: Produce */
    void (*on_done)(struct txn_guard *);
    void *owner; /* the caller's */
    /* out */
    bool checks_token; /* for log_append */
    struct txn_guard_part *parts;
    int count;
    /* the call to the coordinator */
    struct add_partitions_to_txn_request_transactions *asked;
    int32_t *numbers; /* partitions of its topics */
    int looks;        /* at the logs, after its word */
    bool is_look;
};

/* For at most so many partitions; in-members but on_done are the caller's to set. NULL: memory is
 * out, and the request was failed for it. */
struct txn_guard *txn_guard_new(struct api_request *, int count);
/* false: memory is out. topic is borrowed till the end. */
MUST_USE bool txn_guard_add(struct txn_guard *, const struct txn_guard_part *in);
/* on_done follows, possibly in this call. Of one producer one is under way at a time, so that its
 * batches are appended in their order. */
void txn_guard_run(struct txn_guard *, void (*on_done)(struct txn_guard *)) ON(on_shard);
/* Those who wait behind one that is done, which may be gone by then. */
struct txn_guard_line {
    struct list followers;
    struct api_shard *here;
};
/* After on_done, before what was let in is submitted to its partitions; and after. */
void txn_guard_leave(struct txn_guard *, struct txn_guard_line *ret_line) ON(on_shard);
void txn_guard_next(struct txn_guard_line *) ON(on_shard);

#endif
