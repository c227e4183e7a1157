/* What cmd/reindex*.c share. */
#ifndef CMD_REINDEX_INT_H
#define CMD_REINDEX_INT_H

#include "base/text.h"
#include "cmd/reindex.h"
#include "cmd/segment_walk.h"

/* Transactions that have begun and not ended: where each producer's began. */
struct open_txn {
    int64_t producer_id;
    int64_t first_offset;
};

struct open_txns {
    struct open_txn *at;
    size_t count;
    size_t capacity;
};

/* Takes a batch. *ret_aborted: it aborts one, whose entry is added to *entries (NULL: to none). */
void open_txns_take(struct open_txns *, const struct batch_header *, struct slice batch,
                    struct text *entries);
/* What stood open where the segment of that base begins, by the producer snapshot nearest before it
 * and the segments from there on. false: *error has a sentence. */
MUST_USE bool open_txns_load(struct open_txns *, const char *folder, int64_t base,
                             struct text *error);

#endif
