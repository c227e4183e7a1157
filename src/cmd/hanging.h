/* Which open transactions hang (KIP-664): a partition knows a transaction as open, and nobody will
 * ever end it, since no coordinator has the partition among those of the producer's transaction.
 * Pure. Any thread. */
#ifndef CMD_HANGING_H
#define CMD_HANGING_H

#include "base/slice.h"

/* A transaction that is open in a partition. */
struct hanging_open {
    struct slice topic;
    int32_t partition;
    int64_t producer_id;
    int32_t producer_epoch;
    int32_t coordinator_epoch;
    int64_t start_offset; /* -1: none is open */
    int64_t last_ms;      /* of the producer's last record */
};

/* A partition of a transaction that its coordinator knows of and has not ended there. */
struct hanging_expected {
    int64_t producer_id;
    struct slice topic;
    int32_t partition;
};

/* Whether it has been quiet for longer than any transaction may take. */
bool hanging_is_candidate(const struct hanging_open *, int64_t now_ms, int64_t timeout_ms_max);

/* Keeps those that nobody is expected to end, in their order; returns how many. */
size_t hanging_keep(struct hanging_open *, size_t count, const struct hanging_expected *,
                    size_t expected_count);

#endif
