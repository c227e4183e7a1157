/* See the header. Follows Kafka's UnifiedLog.deleteOldSegments: its three passes, each of which
 * goes from the oldest segment that is left until one stays. */
#include "log/retention.h"

#include "log/log_int.h"

/* The active one goes too when all of it is due, but not while it is empty: there is always one. */
static bool may_go(const struct log *log, const struct log_retention_limits *limits, int at)
{
    bool active = at == log->segment_count - 1;
    return log_segment_end(log, at) <= limits->high_watermark &&
           (!active || log->segments[at]->size > 0);
}

static int below_start(const struct log *log, const struct log_retention_limits *limits)
{
    int at = 0;
    while (at + 1 < log->segment_count && may_go(log, limits, at) &&
           log_segment_end(log, at) <= log->start_offset)
        at++;
    return at;
}

static int by_size(const struct log *log, const struct log_retention_limits *limits, int from)
{
    int64_t more = log->size - log->config.retention_bytes;
    for (int i = 0; i < from; i++)
        more -= log->segments[i]->size;
    int at = from;
    while (at < log->segment_count && may_go(log, limits, at) && more >= log->segments[at]->size)
        more -= log->segments[at++]->size;
    return at - from;
}

static int64_t last_change(const struct log_segment *segment)
{
    return segment->max_timestamp >= 0 ? segment->max_timestamp : segment->written_ms;
}

/* Not one whose timestamps lie ahead: it goes when its time has come and passed. */
static int by_time(const struct log *log, const struct log_retention_limits *limits, int from)
{
    int at = from;
    while (at < log->segment_count && may_go(log, limits, at) &&
           limits->wall_ms - last_change(log->segments[at]) > log->config.retention_ms)
        at++;
    return at - from;
}

struct log_retention log_retention_of(const struct log *log,
                                      const struct log_retention_limits *limits)
{
    const struct topic_config *config = &log->config;
    struct log_retention found = {.below_start = below_start(log, limits)};
    if (config->cleanup_delete && config->retention_bytes >= 0)
        found.by_size = by_size(log, limits, found.below_start);
    if (config->cleanup_delete && config->retention_ms >= 0)
        found.by_time = by_time(log, limits, found.below_start + found.by_size);
    found.count = found.below_start + found.by_size + found.by_time;
    found.start_offset = log->start_offset;
    if (found.count > 0) {
        int64_t end = log_segment_end(log, found.count - 1);
        found.start_offset = MAX_OF(log->start_offset, end);
    }
    for (int i = 0; i < found.count; i++)
        found.bytes += log->segments[i]->size;
    found.rolls = found.count == log->segment_count;
    return found;
}

bool log_retention_roll(struct log *log)
{
    bool busy = log->write_job != NULL || log->is_writing || log->offline;
    return !busy && log_roll(log) == ERR_NONE;
}
