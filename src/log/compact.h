/* Compaction of one log: of each key only the last record stays, of what was produced before a
 * bound; offsets stay what they were (Kafka's log cleaner, its rules). The dirty part, from where
 * the last cleaning ended, is read for a map of keys to last offsets; then everything up to where
 * the map got is written again without what the map rules out, several small segments into one, and
 * put in the place of the old segments while the log is appended to and read.
 *
 * Work is done by a worker in the background lane, some milliseconds at a time; in between the
 * shard has its say. Nothing of the log that is not flushed is touched, nor the active segment. Nor
 * should anything be behind the recovery point that is stored: a start takes a gap between segments
 * there for a tail that was lost with the power (tbl/recovery.h). */
#ifndef LOG_COMPACT_H
#define LOG_COMPACT_H

#include "base/siphash.h"
#include "log/log.h"

/* ---- what there is to clean ---- */

struct log_cleanable_query {
    int64_t cleaned_to;    /* where the last cleaning ended; -1: there was none */
    int64_t stable_offset; /* high watermark, or the first offset of an open transaction */
    int64_t wall_ms;
    int64_t end_max; /* nothing from here on is cleaned; 0: no such bound */
};

struct log_cleanable {
    int64_t first_dirty_offset;
    int64_t end_offset; /* where the segments begin that must not be cleaned yet */
    int64_t clean_bytes;
    int64_t dirty_bytes;  /* that can be cleaned */
    int64_t overdue_ms;   /* beyond max.compaction.lag.ms; 0: it is not */
    bool waits_for_flush; /* more could be cleaned if it were flushed */
    bool was_invalid;     /* cleaned_to lies outside of the log: cleaning begins at its start */
};

void log_cleanable(const struct log *, const struct log_cleanable_query *,
                   struct log_cleanable *ret_cleanable);
/* Dirty bytes of all that could be cleaned; 0 where there is nothing. */
double log_cleanable_ratio(const struct log_cleanable *);
/* Whether the topic's configuration asks for it. */
bool log_cleanable_is_due(const struct log *, const struct log_cleanable *);

/* ---- cleaning ---- */

struct log_compaction;

struct log_compact_figures {
    int64_t mapped_bytes; /* read for the map */
    int64_t mapped_records;
    int64_t read_bytes;
    int64_t read_records;
    int64_t written_bytes;
    int64_t written_records;
    int64_t keyless_records; /* dropped: no key says what they stand for */
};

enum log_compact_end {
    LOG_COMPACT_DONE,
    LOG_COMPACT_ABORTED, /* the log goes away, or its segments changed: another time */
    LOG_COMPACT_FAILED,  /* no memory, no space: it may go another time */
    LOG_COMPACT_CORRUPT, /* it holds what cannot be cleaned: not again before a restart */
};

struct log_compact_result {
    enum log_compact_end end;
    int64_t end_offset; /* cleaned up to; with DONE */
    struct log_compact_figures figures;
    int64_t map_ns; /* until the map was made */
    int64_t all_ns;
    double map_used;      /* share of the map's bound */
    const char *fault;    /* why not, or NULL */
    int64_t fault_offset; /* the segment where that was */
    int error;            /* -errno or 0 */
};

/* Between two steps: so many bytes were read or written; the milliseconds to wait before more. */
typedef int64_t (*log_compact_pace_fn)(void *context, int64_t bytes);
typedef void (*log_compact_done_fn)(void *context, const struct log_compact_result *);

struct log_compact_options {
    struct log_cleanable range;
    int64_t high_watermark; /* the batch that ends there stays, if need be empty */
    int64_t wall_ms;        /* what delete horizons are held against and counted from */
    int64_t map_size;       /* bytes of the map */
    double load_factor;     /* of its places that may be used */
    int64_t buffer_size;    /* for reading, and as much for writing */
    struct siphash_key key;
    log_compact_pace_fn pace;
    log_compact_done_fn on_done;
    void *context;
};

/* Begins; on_done follows. At most one a log at a time; while it runs no segment is trimmed. false:
 * memory is out. */
MUST_USE bool log_compact(struct log *, const struct log_compact_options *) ON(on_shard);
/* Lets the one under way, if any, end soon. */
void log_compact_abort(struct log *) ON(on_shard);

#endif
