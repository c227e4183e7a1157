/* Making record batches: one record after the other, then header, compression and checksum. Used
 * by the metadata log, coordinators, compaction and the command line; and by the slower path of
 * produce, where a client's batch is encoded again with another codec.
 *
 * Memory is the builder's own and grows up to its limit, but for batch_rebuild's; some of it is
 * kept between batches.
 * Failure is sticky: add on, look at what finish returns. One thread at a time. */
#ifndef WIRE_BATCH_BUILDER_H
#define WIRE_BATCH_BUILDER_H

#include "wire/batch.h"
#include "wire/record.h"

/* What the header will say; start from batch_builder_defaults(). */
struct batch_builder_options {
    int64_t base_offset;
    int64_t producer_id;
    int64_t log_append_time; /* max_timestamp when timestamp_type says so */
    int64_t delete_horizon;  /* BATCH_NO_TIMESTAMP: none. KIP-534: becomes base_timestamp */
    int64_t size_max;        /* bytes that the records may have, before and after compression */
    int32_t partition_leader_epoch;
    int32_t base_sequence;
    /* At least this; larger when records say so. -1: as the records say. For compaction, which
     * keeps the last offset of a batch whose last record is gone. */
    int32_t last_offset_delta;
    int level; /* of the codec, or CODEC_LEVEL_DEFAULT */
    enum codec codec;
    enum timestamp_type timestamp_type;
    int16_t producer_epoch;
    bool transactional;
    bool control;
};

/* No producer, no compression, no limit but the format's; members are changed from there. */
static inline struct batch_builder_options batch_builder_defaults(void)
{
    return (struct batch_builder_options){
        .producer_id = BATCH_NO_PRODUCER_ID,
        .producer_epoch = BATCH_NO_PRODUCER_EPOCH,
        .base_sequence = BATCH_NO_SEQUENCE,
        .partition_leader_epoch = BATCH_NO_LEADER_EPOCH,
        .last_offset_delta = -1,
        .level = CODEC_LEVEL_DEFAULT,
        .size_max = INT32_MAX,
        .delete_horizon = BATCH_NO_TIMESTAMP,
        .log_append_time = BATCH_NO_TIMESTAMP,
    };
}

struct batch_builder {
    struct batch_builder_options options;
    uint8_t *bytes; /* room for a header, then the records */
    size_t size;    /* filled, header included */
    size_t capacity;
    uint8_t *packed; /* the compressed batch */
    size_t packed_capacity;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int32_t max_timestamp_delta; /* offset delta of the first record that has it */
    int32_t next_offset_delta;
    int32_t record_count;
    bool failed; /* size_max passed, memory out, or deltas that do not fit: sticky until a begin */
};

/* A record to add. */
struct batch_record {
    int64_t timestamp; /* absolute */
    struct slice key;  /* null allowed */
    struct slice value;
    const struct record_header *headers;
    int32_t header_count;
};

void batch_builder_init(struct batch_builder *);
void batch_builder_fini(struct batch_builder *);
/* Starts a batch; memory of the one before is used again. */
void batch_builder_begin(struct batch_builder *, const struct batch_builder_options *);
/* Adds a record behind the last one. The bytes are copied. */
void batch_builder_add(struct batch_builder *, const struct batch_record *);
/* Adds a record that was read from another batch at an offset delta of its own, larger than the
 * last; encoded headers are copied. record->timestamp_delta is not looked at. */
struct batch_record_place {
    int64_t timestamp;
    int32_t offset_delta;
};
void batch_builder_add_read(struct batch_builder *, const struct record *,
                            struct batch_record_place);
/* Bytes of the batch if it ended here, without compression. */
static inline size_t batch_builder_size(const struct batch_builder *builder)
{
    return builder->size;
}
/* The finished batch, valid until the next begin or fini; the null slice after a failure. A batch
 * without records is legal (compaction keeps such). pool may be NULL without compression. */
struct slice batch_builder_finish(struct batch_builder *, struct codec_pool *);

/* The end of a producer's transaction (KIP-98): a control batch of one record. */
struct batch_marker {
    int64_t producer_id;
    int64_t timestamp;
    int32_t coordinator_epoch;
    int16_t producer_epoch;
    bool commits; /* else it aborts */
};
/* The whole batch, as batch_builder_finish gives it. */
struct slice batch_builder_marker(struct batch_builder *, const struct batch_marker *);

/* How a client's batch is to be stored instead. */
struct batch_rebuild_options {
    enum codec codec;
    int level; /* valid for the codec */
    enum timestamp_type timestamp_type;
    int64_t log_append_time;
    int64_t size_max;     /* of the result with its header: max.message.bytes */
    int64_t records_size; /* as batch_validate counted them, or 0: codec.h's default at most */
};

/* The whole batch in heap memory that is the caller's; or why there is none. */
struct batch_rebuilt {
    uint8_t *bytes; /* NULL with a fault */
    size_t size;
    enum codec_fault fault; /* CODEC_TOO_LARGE: size_max was passed */
    const char *text;       /* static sentence when there is a fault, else NULL */
};

/* Encodes a batch that batch_validate accepted again: same records in the same order numbered 0,
 * 1, 2 ..., same producer fields and flags, another codec or the same. The result's base_offset and
 * leader epoch are those of `batch`.
 *
 * Records go through as a stream, even a single one: a piece of what is read and one of what is
 * written are held beside the codecs' histories and the result, and all stops when the result
 * passes size_max. So memory follows from size_max (twice, while the result grows), whatever the
 * records would be decompressed. Time follows from records_size: for workers. */
struct batch_rebuilt batch_rebuild(struct codec_pool *, struct slice batch,
                                   const struct batch_rebuild_options *);

#endif
