/* Record batches of format v2 (magic 2): the header's layout, parsing, walking a run of batches,
 * and the few in-place changes that a broker makes. base_offset and partition_leader_epoch lie
 * outside of the checksum; everything from the attributes on lies inside.
 *
 * Bytes come from the network and from disks; nothing here asserts on them. Formats v0 and v1 are
 * told apart from garbage by BATCH_OLD_MAGIC: Kafka 4 dropped them, an old directory may hold them.
 * Pure functions: any thread. */
#ifndef WIRE_BATCH_H
#define WIRE_BATCH_H

#include "base/attr.h"
#include "base/slice.h"
#include "wire/codec.h"

/* Where the header's fields stand, in bytes from the batch's start; all big-endian. */
enum batch_at {
    BATCH_AT_BASE_OFFSET = 0,             /* int64 */
    BATCH_AT_LENGTH = 8,                  /* int32, bytes after this field */
    BATCH_AT_PARTITION_LEADER_EPOCH = 12, /* int32 */
    BATCH_AT_MAGIC = 16,                  /* int8 */
    BATCH_AT_CRC = 17,                    /* uint32, CRC-32C from the attributes to the end */
    BATCH_AT_ATTRIBUTES = 21,             /* int16 */
    BATCH_AT_LAST_OFFSET_DELTA = 23,      /* int32 */
    BATCH_AT_BASE_TIMESTAMP = 27,         /* int64 */
    BATCH_AT_MAX_TIMESTAMP = 35,          /* int64 */
    BATCH_AT_PRODUCER_ID = 43,            /* int64 */
    BATCH_AT_PRODUCER_EPOCH = 51,         /* int16 */
    BATCH_AT_BASE_SEQUENCE = 53,          /* int32 */
    BATCH_AT_RECORD_COUNT = 57,           /* int32 */
    BATCH_AT_RECORDS = 61,
};

#define BATCH_HEADER_SIZE 61
/* base_offset and length: what `length` does not count. */
#define BATCH_LENGTH_OVERHEAD 12
/* Enough bytes to tell the size and the magic. */
#define BATCH_PROLOGUE_SIZE 17
#define BATCH_MAGIC 2
/* The smallest length that any format had: v0's crc, magic, attributes, null key and value. */
#define BATCH_OLD_LENGTH_MIN 14

/* Bits of the attributes. */
enum batch_attribute {
    BATCH_CODEC_MASK = 0x07,
    BATCH_LOG_APPEND_TIME = 0x08,
    BATCH_TRANSACTIONAL = 0x10,
    BATCH_CONTROL = 0x20,
    BATCH_DELETE_HORIZON = 0x40, /* base_timestamp is the horizon: compaction, KIP-534 */
};

/* message.timestamp.type */
enum timestamp_type { TIMESTAMP_CREATE_TIME = 0, TIMESTAMP_LOG_APPEND_TIME = 1 };

#define BATCH_NO_TIMESTAMP INT64_C(-1)
#define BATCH_NO_PRODUCER_ID INT64_C(-1)
#define BATCH_NO_PRODUCER_EPOCH (-1)
#define BATCH_NO_SEQUENCE (-1)
#define BATCH_NO_LEADER_EPOCH (-1)

_Static_assert(BATCH_AT_RECORDS == BATCH_HEADER_SIZE, "records follow the header");
_Static_assert(BATCH_AT_LENGTH + 4 == BATCH_LENGTH_OVERHEAD, "length counts what follows it");
_Static_assert(BATCH_AT_MAGIC + 1 == BATCH_PROLOGUE_SIZE, "the magic ends the prologue");
_Static_assert(BATCH_AT_CRC == BATCH_AT_MAGIC + 1, "crc follows the magic");
_Static_assert(BATCH_AT_ATTRIBUTES == BATCH_AT_CRC + 4, "the checksum covers what follows it");
_Static_assert(BATCH_AT_RECORD_COUNT + 4 == BATCH_AT_RECORDS, "the count is the last field");

/* A parsed header: values in host order, `size` instead of `length`. */
struct batch_header {
    int64_t base_offset;
    int64_t base_timestamp; /* the delete horizon when that attribute is set */
    int64_t max_timestamp;
    int64_t producer_id;
    int32_t size; /* bytes of the whole batch, with base_offset and length; at least 61 */
    int32_t partition_leader_epoch;
    uint32_t crc;
    int32_t last_offset_delta;
    int32_t base_sequence;
    int32_t record_count;
    int16_t attributes;
    int16_t producer_epoch;
};

enum batch_outcome {
    BATCH_OK,
    BATCH_END,        /* nothing left: batch_next only */
    BATCH_INCOMPLETE, /* more bytes are needed: a torn tail, or the rest was not read yet */
    BATCH_BAD_SIZE,   /* the length cannot be that of a batch */
    BATCH_BAD_MAGIC,  /* no format that ever was */
    BATCH_OLD_MAGIC,  /* format v0 or v1 */
};

/* A sentence about the outcome. */
const char *batch_outcome_text(enum batch_outcome);

/* Parses the header at the start of `bytes`, of which only the first 61 are looked at: the records
 * need not be there. *ret_header is written on BATCH_OK. */
MUST_USE enum batch_outcome batch_parse_header(struct slice bytes, struct batch_header *ret_header);
/* As above, and the whole batch must be there: BATCH_INCOMPLETE otherwise. */
MUST_USE enum batch_outcome batch_parse(struct slice bytes, struct batch_header *ret_header);

/* A message of format v0 or v1: its size as it says, and whether its CRC-32 fits `message`, which
 * has that size. */
size_t batch_old_size(struct slice bytes);
bool batch_old_crc_ok(struct slice message);

static inline int batch_codec_id(const struct batch_header *header)
{
    return header->attributes & BATCH_CODEC_MASK; /* may be unknown: see codec_is_known */
}

static inline enum timestamp_type batch_timestamp_type(const struct batch_header *header)
{
    return (header->attributes & BATCH_LOG_APPEND_TIME) != 0 ? TIMESTAMP_LOG_APPEND_TIME
                                                             : TIMESTAMP_CREATE_TIME;
}

static inline bool batch_is_transactional(const struct batch_header *header)
{
    return (header->attributes & BATCH_TRANSACTIONAL) != 0;
}

static inline bool batch_is_control(const struct batch_header *header)
{
    return (header->attributes & BATCH_CONTROL) != 0;
}

static inline bool batch_has_delete_horizon(const struct batch_header *header)
{
    return (header->attributes & BATCH_DELETE_HORIZON) != 0;
}

static inline bool batch_has_producer_id(const struct batch_header *header)
{
    return header->producer_id > BATCH_NO_PRODUCER_ID;
}

/* Wraps like the addition of two's complement where garbage overflows. */
static inline int64_t batch_last_offset(const struct batch_header *header)
{
    return (int64_t)((uint64_t)header->base_offset + (uint64_t)(int64_t)header->last_offset_delta);
}

/* Sequences run from 0 to INT32_MAX and start at 0 again. Both arguments >= 0. */
static inline int32_t batch_sequence_add(int32_t sequence, int32_t increment)
{
    int64_t sum = (int64_t)sequence + increment;
    return sum > INT32_MAX ? (int32_t)(sum - INT32_MAX - 1) : (int32_t)sum;
}

static inline int32_t batch_sequence_subtract(int32_t sequence, int32_t decrement)
{
    int64_t rest = (int64_t)sequence - decrement;
    return rest < 0 ? (int32_t)(rest + INT32_MAX + 1) : (int32_t)rest;
}

/* BATCH_NO_SEQUENCE when the batch has none. */
static inline int32_t batch_last_sequence(const struct batch_header *header)
{
    if (header->base_sequence < 0)
        return BATCH_NO_SEQUENCE;
    return batch_sequence_add(header->base_sequence, header->last_offset_delta);
}

/* A record's timestamp: the batch's where the log sets it. Delta sums wrap as Kafka's do. */
static inline int64_t batch_record_timestamp(const struct batch_header *header, int64_t delta)
{
    if (batch_timestamp_type(header) == TIMESTAMP_LOG_APPEND_TIME)
        return header->max_timestamp;
    return (int64_t)((uint64_t)header->base_timestamp + (uint64_t)delta);
}

/* `batch` is the whole batch of a header that parsed. */
bool batch_crc_ok(struct slice batch);
uint32_t batch_crc(struct slice batch);

/* Writes base_offset and partition_leader_epoch in place; the checksum does not cover them. */
struct batch_place {
    int64_t base_offset;
    int32_t partition_leader_epoch;
};
void batch_stamp(uint8_t *batch, struct batch_place);

/* Sets timestamp type and max_timestamp in place and, if that changed a byte, the checksum.
 * `batch` is a whole batch that parsed. As Kafka: a changed batch loses its undefined attribute
 * bits. Returns whether it changed. */
struct batch_time {
    enum timestamp_type type;
    int64_t max_timestamp;
};
bool batch_stamp_time(uint8_t *batch, struct batch_time);

/* A run of batches in memory: a produce payload, a piece of a segment. */
struct batch_iterator {
    struct slice rest;          /* from the batch that comes next, or at which it stopped */
    int64_t position;           /* bytes from the start of the run to `rest` */
    enum batch_outcome stopped; /* BATCH_OK while going on, then why it stopped; sticky */
};

/* One step of it: the batch's bytes and header. */
struct batch_view {
    struct slice bytes;
    struct batch_header header;
};

struct batch_iterator batch_iterate(struct slice run);
/* false at the end (stopped is BATCH_END) and at the first batch that does not parse. Checksums
 * are the caller's matter. */
bool batch_next(struct batch_iterator *, struct batch_view *ret_view);

#endif
