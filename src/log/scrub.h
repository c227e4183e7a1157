/* Looking at a log's segments piece by piece in the background: what was not checked since the
 * start, or everything again. What is found bad is told as always (check.h). On the owning
 * shard. */
#ifndef LOG_SCRUB_H
#define LOG_SCRUB_H

#include "log/log.h"

struct log_scrub;
typedef void (*log_scrub_fn)(struct log_scrub *);

/* Embedded in its owner; at the beginning of a log but for on_step and `again` zero. */
struct log_scrub {
    struct log_check_waiter waiter;
    struct log *log;
    int64_t segment_base; /* where it stands */
    int64_t position;
    int64_t size; /* bytes that the last step looked at */
    bool again;   /* everything, not only what was not checked yet */
    log_scrub_fn on_step;
};

/* Looks at some `size` bytes more: on_step follows. false: it is at the end. */
MUST_USE bool log_scrub_step(struct log *, struct log_scrub *, int64_t size) ON(on_shard);

#endif
