/* One write: batches that go into the active segment with one call. A small one is carried out at
 * once; a large one by a worker, because the kernel copies it and makes whoever writes wait where
 * the disk falls behind. Of one log at most one is under way, and what is submitted meanwhile waits
 * behind it: nothing is decided by a state that may yet be undone, and no segment is rolled. */
#ifndef LOG_WRITE_H
#define LOG_WRITE_H

#include "log/log_int.h"

/* Batches of one write. */
#define LOG_WRITE_BATCHES_MAX 64
/* Bytes after which no further batch joins it: the first is answered only when all are written. */
#define LOG_WRITE_ENOUGH (4 * 1024 * 1024)
/* Bytes that a shard writes itself: some 50 us where pages are at hand. */
#define LOG_WRITE_INLINE_MAX (128 * 1024)

struct log_write {
    struct log *log;
    struct log_append *appends[LOG_WRITE_BATCHES_MAX];
    struct slice parts[LOG_WRITE_BATCHES_MAX];
    struct producer_undo undo[LOG_WRITE_BATCHES_MAX];
    bool noted[LOG_WRITE_BATCHES_MAX]; /* by producers, in `undo` */
    int count;
    int64_t size;
    int64_t end_offset; /* the log's, once it is written */
    bool is_control;    /* its one batch is: a control batch is written alone and by the shard, so
                           that no transaction is seen to be decided before it is */
    enum txn_marker marker; /* what that batch says */
    /* while it is carried out */
    struct log_handle *handle; /* referenced */
    int64_t position;
    int error;            /* 0 or -errno */
    struct shard_job job; /* a worker's */
};

/* An empty one, to be added to. */
void log_write_begin(struct log_write *, struct log *) ON(on_shard);
/* Adds a batch that was checked: stamps its offsets, notes its producer. There must be room. false:
 * memory is out, nothing was added. */
MUST_USE bool log_write_add(struct log_write *, struct log_append *) ON(on_shard);
/* Writes what was added and completes it; the write is empty again then. false: a worker is at it,
 * or was before; `log->write_job` is set until it has completed, then the log's chore runs. */
MUST_USE bool log_write_end(struct log_write *) ON(on_shard);
/* Tells an append how it ended. */
void log_append_complete(struct log_append *, enum err) ON(on_shard);

#endif
