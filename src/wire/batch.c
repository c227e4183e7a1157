/* Batch headers: parsing, walking, and the in-place changes. Sizes are checked before anything
 * behind them is looked at; a batch that parsed has at least its header. Any thread. */
#include "wire/batch.h"

#include "base/bytes.h"
#include "base/crc32c.h"

#include <zlib.h>

#define ATTRIBUTES_DEFINED \
    (BATCH_CODEC_MASK | BATCH_LOG_APPEND_TIME | BATCH_TRANSACTIONAL | BATCH_CONTROL | \
     BATCH_DELETE_HORIZON)

const char *batch_outcome_text(enum batch_outcome outcome)
{
    switch (outcome) {
    case BATCH_OK:
        return "a whole batch";
    case BATCH_END:
        return "no batch is left";
    case BATCH_INCOMPLETE:
        return "the bytes end before the batch does";
    case BATCH_BAD_SIZE:
        return "the batch's length is smaller than any batch";
    case BATCH_BAD_MAGIC:
        return "the batch's format is unknown";
    case BATCH_OLD_MAGIC:
        return "the batch is of format v0 or v1, which Kafka 4 no longer reads";
    }
    return "an unknown outcome";
}

static void load_header(const uint8_t *at, struct batch_header *header)
{
    header->base_offset = load_i64(at + BATCH_AT_BASE_OFFSET);
    header->size = load_i32(at + BATCH_AT_LENGTH) + BATCH_LENGTH_OVERHEAD;
    header->partition_leader_epoch = load_i32(at + BATCH_AT_PARTITION_LEADER_EPOCH);
    header->crc = load_u32(at + BATCH_AT_CRC);
    header->attributes = load_i16(at + BATCH_AT_ATTRIBUTES);
    header->last_offset_delta = load_i32(at + BATCH_AT_LAST_OFFSET_DELTA);
    header->base_timestamp = load_i64(at + BATCH_AT_BASE_TIMESTAMP);
    header->max_timestamp = load_i64(at + BATCH_AT_MAX_TIMESTAMP);
    header->producer_id = load_i64(at + BATCH_AT_PRODUCER_ID);
    header->producer_epoch = load_i16(at + BATCH_AT_PRODUCER_EPOCH);
    header->base_sequence = load_i32(at + BATCH_AT_BASE_SEQUENCE);
    header->record_count = load_i32(at + BATCH_AT_RECORD_COUNT);
}

enum batch_outcome batch_parse_header(struct slice bytes, struct batch_header *ret_header)
{
    if (bytes.size < BATCH_LENGTH_OVERHEAD)
        return BATCH_INCOMPLETE;
    int32_t length = load_i32(bytes.data + BATCH_AT_LENGTH);
    if (length < BATCH_OLD_LENGTH_MIN || length > INT32_MAX - BATCH_LENGTH_OVERHEAD)
        return BATCH_BAD_SIZE;
    if (bytes.size < BATCH_PROLOGUE_SIZE)
        return BATCH_INCOMPLETE;
    uint8_t magic = bytes.data[BATCH_AT_MAGIC];
    if (magic > BATCH_MAGIC)
        return BATCH_BAD_MAGIC;
    if (magic < BATCH_MAGIC)
        return BATCH_OLD_MAGIC;
    if (length < BATCH_HEADER_SIZE - BATCH_LENGTH_OVERHEAD)
        return BATCH_BAD_SIZE;
    if (bytes.size < BATCH_HEADER_SIZE)
        return BATCH_INCOMPLETE;
    load_header(bytes.data, ret_header);
    return BATCH_OK;
}

enum batch_outcome batch_parse(struct slice bytes, struct batch_header *ret_header)
{
    struct batch_header header;
    enum batch_outcome outcome = batch_parse_header(bytes, &header);
    if (outcome != BATCH_OK)
        return outcome;
    if ((size_t)header.size > bytes.size)
        return BATCH_INCOMPLETE;
    *ret_header = header;
    return BATCH_OK;
}

uint32_t batch_crc(struct slice batch)
{
    struct slice covered = slice_from(batch, BATCH_AT_ATTRIBUTES);
    return crc32c(0, covered.data, covered.size);
}

bool batch_crc_ok(struct slice batch)
{
    return batch_crc(batch) == load_u32(batch.data + BATCH_AT_CRC);
}

void batch_stamp(uint8_t *batch, struct batch_place place)
{
    store_i64(batch + BATCH_AT_BASE_OFFSET, place.base_offset);
    store_i32(batch + BATCH_AT_PARTITION_LEADER_EPOCH, place.partition_leader_epoch);
}

bool batch_stamp_time(uint8_t *batch, struct batch_time time)
{
    uint16_t attributes = load_u16(batch + BATCH_AT_ATTRIBUTES);
    uint16_t type = time.type == TIMESTAMP_LOG_APPEND_TIME ? BATCH_LOG_APPEND_TIME : 0;
    if ((attributes & BATCH_LOG_APPEND_TIME) == type &&
        load_i64(batch + BATCH_AT_MAX_TIMESTAMP) == time.max_timestamp)
        return false;
    uint16_t kept = attributes & (ATTRIBUTES_DEFINED & ~BATCH_LOG_APPEND_TIME);
    store_u16(batch + BATCH_AT_ATTRIBUTES, (uint16_t)(kept | type));
    store_i64(batch + BATCH_AT_MAX_TIMESTAMP, time.max_timestamp);
    size_t size = (size_t)load_i32(batch + BATCH_AT_LENGTH) + BATCH_LENGTH_OVERHEAD;
    store_u32(batch + BATCH_AT_CRC, batch_crc(slice_of(batch, size)));
    return true;
}

struct batch_iterator batch_iterate(struct slice run)
{
    return (struct batch_iterator){.rest = run, .stopped = BATCH_OK};
}

bool batch_next(struct batch_iterator *iterator, struct batch_view *ret_view)
{
    if (iterator->stopped != BATCH_OK)
        return false;
    if (iterator->rest.size == 0) {
        iterator->stopped = BATCH_END;
        return false;
    }
    struct batch_header header;
    iterator->stopped = batch_parse(iterator->rest, &header);
    if (iterator->stopped != BATCH_OK)
        return false;
    size_t size = (size_t)header.size;
    *ret_view = (struct batch_view){.bytes = slice_first(iterator->rest, size), .header = header};
    iterator->rest = slice_from(iterator->rest, size);
    iterator->position += header.size;
    return true;
}

size_t batch_old_size(struct slice bytes)
{
    return (size_t)BATCH_LENGTH_OVERHEAD + load_u32(bytes.data + BATCH_AT_LENGTH);
}

/* Their checksum is zlib's and stands in front of the magic. */
bool batch_old_crc_ok(struct slice message)
{
    uLong crc = crc32(0, message.data + BATCH_AT_MAGIC, (uInt)(message.size - BATCH_AT_MAGIC));
    return load_u32(message.data + BATCH_LENGTH_OVERHEAD) == (uint32_t)crc;
}
