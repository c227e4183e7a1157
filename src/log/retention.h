/* What of a log has outlived its time, by Kafka's rules: from the oldest segment on those wholly
 * below its start, then those that make it larger than retention.bytes, then those whose largest
 * timestamp is older than retention.ms, as far as the high watermark. Looks only; on the owning
 * shard. */
#ifndef LOG_RETENTION_H
#define LOG_RETENTION_H

#include "log/log.h"

struct log_retention {
    int64_t start_offset; /* where the log would start */
    int count;            /* segments that would go; 0: none */
    int64_t bytes;        /* theirs */
    bool rolls;           /* the active one is among them: log_retention_roll first */
    /* Of these segments, by what they go. */
    int below_start;
    int by_size;
    int by_time;
};

struct log_retention_limits {
    int64_t high_watermark;
    int64_t wall_ms; /* as it is believed to be */
};

struct log_retention log_retention_of(const struct log *, const struct log_retention_limits *);
/* Lets the active segment be an old one. false: not now; the segments before it may go. */
MUST_USE bool log_retention_roll(struct log *) ON(on_shard);

#endif
