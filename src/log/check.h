/* What is known of a segment's bytes, and workers' looks at them. Bytes that were appended or
 * recovered since the start were checked when they came; others are checked once before they are
 * first served, and again by the scrubber. What is bad stays on a list of its segment. Of one
 * segment one look is under way at a time; whoever needs another waits for its end. On the owning
 * shard. */
#ifndef LOG_CHECK_H
#define LOG_CHECK_H

#include "log/log_int.h"

/* Bad places that are kept of a segment; the last one is widened for more. */
#define LOG_BAD_MAX 64

struct log_piece {
    int64_t position;
    int64_t until;
    int64_t hinted_offset; /* as in log_verify, where the position is an index entry's */
    bool is_boundary;
    bool leaves_no_traces;
};

/* Where the checked bytes that hold the position end; the position itself when it is not
 * checked. */
int64_t log_checked_end(const struct log_segment *, int64_t position);
/* Whether a batch is known to begin there. */
bool log_checked_boundary(const struct log_segment *, int64_t position);
/* The first bad place that ends behind the position; NULL: none. */
const struct log_bad *log_bad_behind(const struct log_segment *, int64_t position);
/* Something else than a batch stands where one was checked: nothing in the file is believed. */
void log_check_forget(struct log_segment *) ON(on_shard);

/* Lets a worker look at a piece, or waits for the end of another look. 0: the waiter is told; or
 * -errno. */
MUST_USE int log_check_piece(struct log *, struct log_segment *, const struct log_piece *,
                             struct log_check_waiter *) ON(on_shard);
/* The index to look an offset of the segment up in. NULL: the waiter is told, or *ret_error is
 * set. */
MUST_USE const struct log_index *log_check_index(struct log *, struct log_segment *, int64_t offset,
                                                 struct log_check_waiter *, int *ret_error)
    ON(on_shard);
/* The entry of that position led to no batch: it is forgotten, and a sealed segment's index is made
 * anew. */
void log_check_index_wrong(struct log *, struct log_segment *, int32_t position) ON(on_shard);

/* sealed_index.c: the shard's bounded cache. put takes what the index holds, false: memory is out.
 * drop: none is fine. */
bool log_sealed_index_put(struct log_files *, struct log_segment *, struct log_index *)
    ON(on_shard);
void log_sealed_index_drop(struct log_segment *);
struct log_index *log_sealed_index_find(struct log_segment *);

#endif
