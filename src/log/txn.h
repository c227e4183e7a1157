/* Transactions that have ended, as one log knows them (KIP-98): the aborted ones, whose records a
 * read_committed consumer drops, and those whose marker is not below the high watermark yet, which
 * still hold back the last stable offset. A segment's aborted ones are kept beside it in
 * "<base offset>.txnindex", in Kafka's format; they can always be found again by walking the log.
 * One thread at a time. */
#ifndef LOG_TXN_H
#define LOG_TXN_H

#include "base/attr.h"
#include "base/slice.h"
#include "wire/batch.h"

#include <stdbool.h>
#include <stdint.h>

/* The type of an EndTxn marker's key. */
enum txn_marker { TXN_MARKER_NONE = -1, TXN_MARKER_ABORT = 0, TXN_MARKER_COMMIT = 1 };

/* The version of transaction.version from which on each transaction ends with a higher epoch. */
#define TXN_VERSION_BUMPS 2

struct txn_ended {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;        /* the marker's */
    int64_t last_stable_offset; /* when it ended: first offset of another that was open, or behind
                                   the marker */
};

struct txn_list {
    struct txn_ended *entries; /* in order of last_offset */
    int count;
    int capacity;
};

struct txns {
    struct txn_list aborted;
    struct txn_list uncommitted; /* ended, of either kind, by a marker above the high watermark */
};

void txns_init(struct txns *);
void txns_fini(struct txns *);

/* What a control batch says of its producer's transaction. *ret_coordinator_epoch is set where it
 * is a marker that tells one. TXN_MARKER_NONE: another kind of control batch, or unreadable. */
enum txn_marker txn_marker_read(const struct batch_header *, struct slice batch,
                                int32_t *ret_coordinator_epoch);

/* false: memory is out. */
MUST_USE bool txn_list_add(struct txn_list *, const struct txn_ended *);
/* Makes room for that many more. false: memory is out. */
MUST_USE bool txn_list_reserve(struct txn_list *, int count);
/* Those that end in a part of the log that was written anew; there must be room. */
struct txn_part {
    int64_t base_offset;
    int64_t end_offset;
    const struct txn_ended *entries;
    int count;
};
void txn_list_replace(struct txn_list *, const struct txn_part *);
/* Index of the first that ends at or behind the offset. */
int txn_list_at(const struct txn_list *, int64_t offset);
/* Markers below the high watermark are committed. */
void txns_commit(struct txns *, int64_t high_watermark);
/* First offset of the oldest transaction whose end is not committed; -1: there is none. */
int64_t txns_first_uncommitted(const struct txns *);
/* Nothing below the offset is part of the log any more. */
void txns_trim(struct txns *, int64_t start_offset);

#define TXN_INDEX_ENTRY_SIZE 34
/* One entry of a txnindex file. */
void txn_ended_store(const struct txn_ended *, uint8_t at[TXN_INDEX_ENTRY_SIZE]);
/* The aborted transactions of [from, to) as a txnindex file, heap memory (free it); NULL when
 * memory is out. */
uint8_t *txns_index_write(const struct txns *, int64_t from, int64_t to, size_t *ret_size);
/* The segment that a file is of. */
struct txns_place {
    int64_t base_offset;
    int64_t end_offset;
};
/* Adds what such a file holds. 0, -ENOMEM, or -EBADMSG: it cannot be of the segment; then nothing
 * was added. */
MUST_USE int txns_index_read(struct txns *, struct slice file, struct txns_place);

#endif
