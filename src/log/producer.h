/* What a partition remembers of each idempotent producer (KIP-98): its epoch and last five batches,
 * so that a batch sent again is recognised and a gap is refused; and of each transaction that is
 * open. Kept over restarts in "<next offset>.snapshot", which holds the last batch of each only
 * (Kafka's format); the five are read again from the log. One thread at a time. */
#ifndef LOG_PRODUCER_H
#define LOG_PRODUCER_H

#include "base/attr.h"
#include "base/hash.h"
#include "base/list.h"
#include "log/txn.h"
#include "tbl/errors.h"
#include "wire/batch.h"

#define PRODUCER_BATCHES_MAX 5
#define PRODUCER_NO_EPOCH (-1)

/* One batch as the producer numbered it. */
struct producer_batch {
    int64_t last_offset;
    int64_t timestamp; /* the batch's max_timestamp */
    int32_t last_sequence;
    int32_t offset_delta; /* last minus first offset, and sequence */
};

struct producer {
    struct hash_node node;
    struct list open_link; /* in producers.open, or itself */
    int64_t id;
    int64_t last_timestamp;
    int64_t txn_first_offset; /* of the open transaction; -1: none */
    int32_t coordinator_epoch;
    int32_t awaited; /* base sequence of a first batch that could not be written; -1: none */
    int16_t epoch;
    int8_t batch_count;
    struct producer_batch batches[PRODUCER_BATCHES_MAX]; /* oldest first */
};

/* Whether the log holds something of it. */
static inline bool producer_is_kept(const struct producer *producer)
{
    return producer->awaited == BATCH_NO_SEQUENCE;
}

struct producers {
    struct hash_table table;
    struct list open; /* those with an open transaction, the oldest first */
    int64_t expiration_ms;
    struct hash_table guards; /* producer_guard: log/guard.h */
    uint64_t tokens;          /* given out for them */
};

/* How an entry was before a batch was noted, so that a failed write can be undone. */
struct producer_undo {
    int64_t id;
    int32_t base_sequence; /* of the batch */
    bool existed;
    struct producer before;
};

void producers_init(struct producers *, int64_t expiration_ms);
void producers_fini(struct producers *);
struct producer *producers_find(const struct producers *, int64_t producer_id);

/* Whether a client's batch may be appended: ERR_NONE, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
 * ERR_INVALID_PRODUCER_EPOCH, or ERR_INVALID_TXN_STATE: it is of no transaction, while one of its
 * producer is open. *ret_duplicate: the batch as it was appended before, or NULL. */
enum err producers_check(const struct producers *, const struct batch_header *,
                         const struct producer_batch **ret_duplicate);

/* The same for a coordinator's batch, which has no sequence of its own: ERR_NONE or
 * ERR_INVALID_PRODUCER_EPOCH. */
enum err producers_check_epoch(const struct producers *, const struct batch_header *);

/* Whether the end of a transaction may be appended: ERR_NONE, ERR_INVALID_PRODUCER_EPOCH or
 * ERR_TRANSACTION_COORDINATOR_FENCED. From transaction version 2 on its epoch is above that of the
 * transaction's batches, so that it cannot end the next one; where nothing is open it may be a
 * repetition, which is let in. */
struct producer_marker {
    int64_t producer_id;
    int16_t producer_epoch;
    int16_t transaction_version;
    int32_t coordinator_epoch;
};
enum err producers_check_marker(const struct producers *, const struct producer_marker *);

/* Notes a batch whose base_offset is final. marker: what a control batch says; of other batches
 * TXN_MARKER_NONE. false: memory is out, nothing noted. */
struct producer_note {
    const struct batch_header *header;
    enum txn_marker marker;
    int32_t coordinator_epoch;
};
MUST_USE bool producers_note(struct producers *, const struct producer_note *,
                             struct producer_undo *ret_undo);
void producers_undo(struct producers *, const struct producer_undo *);
/* A batch of a producer that is not known yet could not be written: those behind it, which may be
 * under way already, are not to be taken in its place. */
void producers_await(struct producers *, const struct batch_header *);

/* First offset of the oldest open transaction, or -1. */
int64_t producers_first_unstable(const struct producers *);
/* Forgets those without a batch since now - expiration and without an open transaction. */
void producers_expire(struct producers *, int64_t now_ms);

/* The snapshot file's bytes, heap memory (free it); NULL when memory is out. */
uint8_t *producers_write(const struct producers *, size_t *ret_size);
/* NULL on success, otherwise what is wrong with the bytes; then nothing was added. */
const char *producers_read(struct producers *, struct slice bytes, int64_t now_ms);

#endif
