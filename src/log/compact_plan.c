/* What of a log can be cleaned and whether it is worth it, by Kafka's sums: bytes of whole
 * segments, up to the first that is active, not stable, not flushed or younger than
 * min.compaction.lag.ms. On the log's shard. */
#include "log/compact.h"

#include "log/log_int.h"

static int64_t sum(int64_t a, int64_t b)
{
    int64_t result;
    return __builtin_add_overflow(a, b, &result) ? INT64_MAX : result;
}

/* The largest timestamp, or when the last was written where records have none. */
static int64_t largest_timestamp(const struct log_segment *segment)
{
    return segment->max_timestamp >= 0 ? segment->max_timestamp : segment->written_ms;
}

/* The first dirty segment with a record younger than min.compaction.lag.ms. */
static int64_t first_young(const struct log *log, int64_t dirty_offset, int64_t wall_ms)
{
    int64_t lag_ms = log->config.min_compaction_lag_ms;
    if (lag_ms <= 0)
        return INT64_MAX;
    for (int i = log_segment_at(log, dirty_offset); i + 1 < log->segment_count; i++)
        if (largest_timestamp(log->segments[i]) > wall_ms - lag_ms)
            return log->segments[i]->base_offset;
    return INT64_MAX;
}

/* Where the segment begins that holds the offset: it is not cleaned. */
static int64_t segment_base(const struct log *log, int64_t offset)
{
    return log->segments[log_segment_at(log, offset)]->base_offset;
}

static int64_t find_end(const struct log *log, const struct log_cleanable_query *query,
                        int64_t dirty_offset)
{
    int64_t end = MIN_OF(query->stable_offset, log_active(log)->base_offset);
    end = MIN_OF(end, log->recovery_point);
    if (query->end_max > 0)
        end = MIN_OF(end, query->end_max);
    end = MIN_OF(end, first_young(log, dirty_offset, query->wall_ms));
    return segment_base(log, MAX_OF(end, dirty_offset));
}

static int64_t overdue(const struct log *log, const struct log_cleanable_query *query,
                       int64_t dirty_offset)
{
    int64_t earliest = INT64_MAX;
    for (int i = log_segment_at(log, dirty_offset); i + 1 < log->segment_count; i++)
        if (log->segments[i]->first_timestamp > 0)
            earliest = MIN_OF(earliest, log->segments[i]->first_timestamp);
    int64_t due_ms = sum(earliest, log->config.max_compaction_lag_ms);
    return due_ms < query->wall_ms ? query->wall_ms - due_ms : 0;
}

void log_cleanable(const struct log *log, const struct log_cleanable_query *query,
                   struct log_cleanable *ret_cleanable)
{
    bool none = query->cleaned_to < 0;
    bool invalid =
        !none && (query->cleaned_to < log->start_offset || query->cleaned_to > log->end_offset);
    int64_t dirty_offset = none || invalid ? log->start_offset : query->cleaned_to;
    struct log_cleanable cleanable = {
        .first_dirty_offset = dirty_offset,
        .end_offset = find_end(log, query, dirty_offset),
        .overdue_ms = overdue(log, query, dirty_offset),
        .waits_for_flush =
            log->recovery_point < MIN_OF(query->stable_offset, log_active(log)->base_offset),
        .was_invalid = invalid,
    };
    /* A segment that the dirty part begins in counts on both sides. */
    for (int i = 0; i < log->segment_count; i++) {
        const struct log_segment *segment = log->segments[i];
        if (segment->base_offset < dirty_offset)
            cleanable.clean_bytes += segment->size;
        if (segment->base_offset < cleanable.end_offset && log_segment_end(log, i) > dirty_offset)
            cleanable.dirty_bytes += segment->size;
    }
    *ret_cleanable = cleanable;
}

double log_cleanable_ratio(const struct log_cleanable *cleanable)
{
    int64_t all = cleanable->clean_bytes + cleanable->dirty_bytes;
    return all > 0 ? (double)cleanable->dirty_bytes / (double)all : 0;
}

bool log_cleanable_is_due(const struct log *log, const struct log_cleanable *cleanable)
{
    if (!log->config.cleanup_compact || log->offline || cleanable->dirty_bytes == 0)
        return false;
    return cleanable->overdue_ms > 0 ||
           log_cleanable_ratio(cleanable) > log->config.min_cleanable_dirty_ratio;
}
