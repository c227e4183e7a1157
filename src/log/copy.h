/* A log's files copied to a folder in another directory while the log is in use: step by step,
 * each of which a worker carries out and syncs, then, once nobody uses the log, the rest of it and
 * what is beside the records. The copy is complete and on the medium when log_copy_finish says so,
 * and opens as after a clean stop. On the log's shard unless said otherwise. */
#ifndef LOG_COPY_H
#define LOG_COPY_H

#include "log/dir.h"
#include "log/log.h"

struct log_copy;
/* error: 0 or -errno, of the directory that is copied to unless from_source. */
struct log_copy_result {
    int error;
    bool from_source;
};
typedef void (*log_copy_fn)(void *context, const struct log_copy_result *);

/* folder: below the directory; made, and what stands in it removed, by the first step. NULL: memory
 * is out. */
struct log_copy *log_copy_new(struct log_dir *to, const char *folder);
void log_copy_free(struct log_copy *);
/* Bytes that were copied, and those that a log has beyond them. */
int64_t log_copy_size(const struct log_copy *);
int64_t log_copy_lag(const struct log_copy *, const struct log *);
/* First offset of which it is not sure that it was copied. */
int64_t log_copy_offset(const struct log_copy *, const struct log *);
/* Copies some of what is missing; on_done follows. The log must not be closed before. */
void log_copy_step(struct log_copy *, struct log *, log_copy_fn on_done, void *context)
    ON(on_shard);
/* Of a log without a shard: copies the rest and closes the log. closed_clean: it was left as a
 * clean stop leaves it, so that it may be opened again so. */
MUST_USE struct log_copy_result log_copy_finish(struct log_copy *, struct log *,
                                                bool *ret_closed_clean) NOT_ON(on_shard);

#endif
