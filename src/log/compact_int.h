/* What the parts of a cleaning share. Invariants:
 *  K1  The segments of a cleaning end at or below the recovery point and are not the active one;
 *      while it runs they stay in the log, but for those that a swap of its own replaced.
 *  K2  A step on a worker and the shard are never at it at the same time.
 *  K3  What a swap leaves has every record of the old segments that the rules keep, in order.
 *  K4  What a producer is known by goes only where a later batch of it was flushed. */
#ifndef LOG_COMPACT_INT_H
#define LOG_COMPACT_INT_H

#include "log/compact.h"
#include "log/compact_file.h"
#include "log/compact_filter.h"
#include "log/swap.h"

/* Bytes moved in one step: some 10 ms where all is in memory. */
#define COMPACT_STEP_SIZE (4LL * 1024 * 1024)

/* A segment as it was when the cleaning began. */
struct compact_source {
    int64_t base_offset;
    int64_t end_offset; /* where the next one begins */
    int64_t size;
    int64_t index_size; /* of its index files; -1: not looked at yet */
    int64_t time_index_size;
};

enum compact_phase {
    COMPACT_BUILD, /* the map is made */
    COMPACT_CLEAN, /* a group of segments is written again */
    COMPACT_SWAP,  /* names are changed */
    COMPACT_UNDO,  /* what was written is taken back */
};

struct log_compaction {
    struct shard_job job;
    struct shard_timer timer; /* until the next step may begin */
    struct log *log;
    struct log_compact_options options;
    struct topic_config config;
    enum compact_phase phase;
    bool is_open;    /* memory is taken */
    bool is_aborted; /* asked for by the shard */
    int step;        /* of the worker: 1 the phase is over, 0 there is more, -errno */
    int64_t moved;   /* bytes of the last step */
    int64_t started_ns;
    struct log_compact_result result;

    struct compact_source *sources; /* from the log's first segment on */
    int count;
    int at;              /* the one that is read */
    int64_t next_offset; /* no batch of it may begin below */
    int from;            /* the group: [from, to) */
    int to;
    int64_t unread;            /* bytes of the group */
    int64_t end_offset;        /* up to which the map got */
    struct txn_ended *aborted; /* that overlap the sources; until taken */
    int aborted_count;
    struct compact_producer *producers; /* K4; until taken */
    int producer_count;
    struct log_flush flush;       /* of what they are known by */
    struct compact_txns map_txns; /* of the map's walk */
    struct compact_map map;
    struct compact_filter filter;
    struct log_compact_figures figures;
    struct compact_reader reader;
    struct compact_writer writer;
    struct log_swap swap;
    int64_t *bases; /* of the group, for the swap */
};

/* compact_build.c: a step of making the map. 1 done, 0 more, -errno. */
int compact_build_step(struct log_compaction *) NOT_ON(on_shard);
/* compact_clean.c: a step of writing a group again, which ends with files called ".swap". */
int compact_clean_step(struct log_compaction *) NOT_ON(on_shard);
/* The next batch of the source that is read has offsets that are not under its checksum. NULL or
 * the fault. */
const char *compact_order_fault(struct log_compaction *, const struct batch_view *);
/* The bytes of the segment could not be taken for what they should be. */
int compact_fault(struct log_compaction *, const char *fault);

#endif
