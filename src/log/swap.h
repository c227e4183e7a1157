/* Putting one segment in the place of several, so that a crash at any moment leaves either them or
 * it (Kafka's protocol, with its names):
 *  S1  "<base>.log.cleaned" and its indexes are written and synced, and so are their names.
 *  S2  They become ".swap", the segment's file last; their names are synced. From here on a start
 *      completes the swap, before it takes it back (leftovers.c).
 *  S3  The shard has the new segment in the place of the old ones. What it is called on disk
 *      changes until S5: its file is held open and its index kept in memory.
 *  S4  The old files become ".deleted"; their names are synced (log_discard).
 *  S5  The new ones take their names, the segment's file first; their names are synced.
 * The old files are removed after file.delete.delay.ms, or by the next start: discard.h. */
#ifndef LOG_SWAP_H
#define LOG_SWAP_H

#include "log/log_int.h"

struct log_swap {
    struct log *log;
    int64_t *bases; /* of the old segments, which follow each other; owned by whoever swaps */
    int count;
    int64_t end_offset; /* first offset behind them */
    /* the new segment */
    int fd; /* its file, open; the shard's after log_swap_in */
    int64_t size;
    int64_t max_timestamp;
    int64_t max_timestamp_offset;
    int64_t first_timestamp;
    int64_t modified_ms;             /* its file, as a start would find */
    struct log_index index;          /* taken by log_swap_in */
    const struct txn_ended *aborted; /* the transaction index' entries */
    int aborted_count;
    struct log_segment *fresh; /* between log_swap_in and log_swap_settle */
};

/* S2, of the segment at swap->bases[0]. 0 or -errno. */
MUST_USE int log_swap_prepare(const struct log *, int64_t base_offset) NOT_ON(on_shard);
/* Takes back what S1 or S2 made. */
void log_swap_undo(const struct log *, int64_t base_offset) NOT_ON(on_shard);
/* S3, and lets S4 begin. false: the old segments are not what they were, or memory is out: nothing
 * changed. */
MUST_USE bool log_swap_in(struct log_swap *) ON(on_shard);
/* S5, in log_discard_queue. 0 or -errno: then the files are left to the next start. */
MUST_USE int log_swap_rename(const struct log_swap *) NOT_ON(on_shard);
/* The names are final (error 0) or will not be before the next start. */
void log_swap_settle(struct log_swap *, int error) ON(on_shard);

#endif
