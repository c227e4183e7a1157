/* What compaction leaves of one batch, by Kafka's rules: which records stay, whether the batch is
 * kept as it is, made again, emptied or dropped. It sees the batches of a log in their order. On a
 * worker; one thread at a time. */
#ifndef LOG_COMPACT_FILTER_H
#define LOG_COMPACT_FILTER_H

#include "log/compact.h"
#include "log/compact_map.h"
#include "log/compact_txn.h"
#include "wire/batch_builder.h"

/* The last that the log knows of a producer that is alive: its batch stays, if need be empty, since
 * the producer's last sequence and epoch are read from it. */
struct compact_producer {
    int64_t id;
    int64_t last_offset; /* of its last batch of data; -1: there is none, its last marker counts */
    int16_t epoch;
    bool is_unsure; /* which it is: each of its batches stays */
};

struct compact_filter {
    const struct compact_map *map;
    struct compact_txns txns;
    struct compact_producer *producers; /* by id; owned */
    int producer_count;
    int64_t now_ms;
    int64_t delete_retention_ms;
    int64_t high_watermark;  /* the batch in front of it stays, if need be empty */
    int64_t record_size_max; /* max.decompressed.message.bytes */
    struct codec_pool *pool;
    struct batch_builder builder;
    uint8_t *keep; /* a bit a record of the batch */
    size_t keep_size;
    uint8_t empty[BATCH_HEADER_SIZE];
    struct log_compact_figures *figures;
    const char *fault; /* why a batch could not be filtered, else NULL */
};

/* false: memory is out; fini is due all the same. */
MUST_USE bool compact_filter_init(struct compact_filter *, const struct compact_map *,
                                  struct log_compact_figures *);
void compact_filter_fini(struct compact_filter *);
/* Takes the producers, heap memory, in any order. */
void compact_filter_set_producers(struct compact_filter *, struct compact_producer *, int count);
/* The next batch. *ret_bytes is empty where nothing stays of it, view->bytes where all does, else
 * valid until the next call. 0; -EBADMSG with fault; -ENOMEM. */
MUST_USE int compact_filter_batch(struct compact_filter *, const struct batch_view *,
                                  struct slice *ret_bytes);

/* The type of the control record that a batch holds: 0 abort, 1 commit, others; -1: it holds none.
 * -EBADMSG and *ret_fault: it is no such record. */
MUST_USE int compact_marker_type(struct codec_pool *, const struct batch_view *,
                                 const char **ret_fault);
/* NULL, or why the batch cannot be what was written. */
const char *compact_batch_fault(const struct batch_view *);

#endif
