/* What a leader checks of a batch before it takes it: the rules of Apache Kafka 4.4.0's
 * ProduceRequest, UnifiedLog and LogValidator in one pass over the bytes, with compressed records
 * streamed through a window. Nothing is changed here; what must be changed in the batch is reported
 * and done by batch_stamp, batch_stamp_time or batch_rebuild.
 *
 * Stricter than Kafka in one thing: the lengths of compressed records are checked too (Kafka
 * passes over them, and its consumers then fail). Broken compressed data is INVALID_RECORD and an
 * unknown codec UNSUPPORTED_COMPRESSION_TYPE where Kafka answers UNKNOWN_SERVER_ERROR.
 *
 * Time is a constant times the bytes received plus the decompressed bytes, which are limited: a
 * shard can call with a low decompressed_size_max and hand a batch that passes it
 * (BATCH_FAULT_DECOMPRESSED_SIZE) to a worker with the real limit. Any thread, one at a time per
 * pool and arena. */
#ifndef WIRE_BATCH_VALIDATE_H
#define WIRE_BATCH_VALIDATE_H

#include "base/arena.h"
#include "tbl/errors.h"
#include "wire/batch.h"

/* The topic's settings and the kind of sender. */
struct batch_rules {
    int64_t now_ms;                       /* wall clock */
    int64_t timestamp_before_max_ms;      /* message.timestamp.before.max.ms */
    int64_t timestamp_after_max_ms;       /* message.timestamp.after.max.ms */
    int64_t message_size_max;             /* max.message.bytes: the batch with its header */
    int64_t decompressed_record_size_max; /* max.decompressed.message.bytes; 0: no limit */
    int64_t decompressed_size_max;        /* all records of the batch; 0: codec.h's default */
    enum timestamp_type timestamp_type;   /* message.timestamp.type */
    bool compacted;                       /* cleanup.policy has compact: every record needs a key */
    bool from_client;  /* false for a coordinator of ours: control batches and any sequence pass */
    bool refuses_zstd; /* produce request before version 7 */
};

/* The rule that was broken; metrics and tests tell them apart. */
enum batch_fault {
    BATCH_FAULT_NONE,
    BATCH_FAULT_FRAME, /* no whole batch, a size that cannot be */
    BATCH_FAULT_REST,  /* more than one batch, or bytes behind it that are none */
    BATCH_FAULT_MAGIC,
    BATCH_FAULT_CRC,
    BATCH_FAULT_SIZE,   /* larger than message_size_max */
    BATCH_FAULT_OFFSET, /* base offset, counts */
    BATCH_FAULT_SEQUENCE,
    BATCH_FAULT_CONTROL,
    BATCH_FAULT_CODEC,             /* unknown, or not allowed in this version */
    BATCH_FAULT_COMPRESSED_DATA,   /* the codec's own format is broken */
    BATCH_FAULT_DECOMPRESSED_SIZE, /* decompressed_size_max was passed */
    BATCH_FAULT_RECORD,            /* a record's structure, or their number */
    BATCH_FAULT_KEY,               /* record errors: see below */
    BATCH_FAULT_TIMESTAMP,         /* record errors */
    BATCH_FAULT_MEMORY,
};

/* A record that was refused, for RecordErrors of the produce response (version 8 and later). */
struct batch_record_error {
    int32_t index;          /* in the batch, from 0 */
    enum batch_fault fault; /* BATCH_FAULT_KEY or BATCH_FAULT_TIMESTAMP */
    int64_t timestamp;      /* of the record */
};

/* Stored at most; more are counted. */
#define BATCH_RECORD_ERRORS_MAX 1000

struct batch_verdict {
    enum err err; /* ERR_NONE: the batch may be appended */
    enum batch_fault fault;
    /* A static sentence when err is not ERR_NONE. Kafka's answers carry a text only when there are
     * record errors; others have null. */
    const char *text;
    const struct batch_record_error *record_errors; /* in the arena */
    int32_t record_error_stored;                    /* entries of record_errors */
    int32_t record_error_count;                     /* records refused */

    /* The rest is valid with ERR_NONE; the header also after every fault but FRAME and MAGIC. */
    struct slice bytes; /* the batch: the payload without trailing bytes */
    struct batch_header header;
    /* Largest record timestamp, or BATCH_NO_TIMESTAMP; now_ms when the topic sets its own. What
     * batch_stamp_time shall write. */
    int64_t max_timestamp;
    /* Offset delta of the first record that has it; 0 when the topic sets its own. */
    int32_t max_timestamp_delta;
    /* The records' offset deltas are not 0, 1, 2 ... The batch must go through batch_rebuild (with
     * the codec it has, if no other is wanted) before it is appended: as it is, it would put
     * offsets into the log that belong to other records. Kafka 4.4.0 renumbers only where it
     * encodes again anyway, stores uncompressed ones as they are and fails on the others. */
    bool misnumbered;
    int64_t records_size; /* bytes of all records, decompressed */
};

/* `payload` is what a client sent for one partition; null is a fault. pool may not be NULL. The
 * arena is touched only when records are refused. */
void batch_validate(struct slice payload, const struct batch_rules *, struct codec_pool *,
                    struct arena *, struct batch_verdict *ret_verdict);

#endif
