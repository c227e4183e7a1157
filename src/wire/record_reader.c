/* A batch's records one after the other. A record that lies in one piece of the codec's output is
 * parsed where it is; one that spans pieces is either assembled in the pool's carry buffer
 * (record_read) or walked through piece by piece (record_skip), which must judge it exactly as
 * record_parse would: a test holds the two together. One thread at a time. */
#include "wire/record.h"

#include "base/always.h"
#include "base/attr.h"
#include "wire/batch.h"
#include "wire/codec_int.h"
#include "wire/record_int.h"

#define CARRY_SIZE_MIN ((size_t)4096)

static bool fail(struct record_reader *reader, enum codec_fault fault, const char *text)
{
    reader->fault = fault;
    reader->text = text;
    return false;
}

void record_reader_open(struct record_reader *reader, struct codec_pool *pool,
                        struct record_source source)
{
    const struct batch_header *header = source.header;
    *reader = (struct record_reader){
        .left = header->record_count,
        .record_size_max = source.record_size_max > 0 ? source.record_size_max : INT32_MAX,
    };
    int id = batch_codec_id(header);
    bool known = codec_is_known(id);
    codec_reader_open(&reader->codec, pool,
                      (struct codec_source){
                          .compressed = slice_from(source.batch, BATCH_HEADER_SIZE),
                          .codec = known ? (enum codec)id : CODEC_NONE,
                          .output_size_max = source.output_size_max,
                      });
    if (!known)
        (void)fail(reader, CODEC_CORRUPT, RECORD_CODEC_UNKNOWN);
    else if (header->record_count < 0)
        (void)fail(reader, CODEC_CORRUPT, RECORD_COUNT_NEGATIVE);
    else if (header->record_count == 0)
        reader->ended = true; /* an empty batch of a compacted log: its data is not looked at */
}

void record_reader_close(struct record_reader *reader)
{
    codec_reader_close(&reader->codec);
}

/* Replaces an empty piece by the next one. false at the end of the data and at a fault. */
static bool refill(struct record_reader *reader)
{
    reader->piece = codec_read(&reader->codec);
    if (LIKELY(reader->piece.size > 0))
        return true;
    if (reader->codec.fault != CODEC_FINE)
        (void)fail(reader, reader->codec.fault, reader->codec.text);
    return false;
}

/* Behind the last record nothing may remain. */
static bool end_check(struct record_reader *reader)
{
    reader->ended = true;
    if (reader->piece.size > 0 || refill(reader))
        return fail(reader, CODEC_CORRUPT, RECORD_BYTES_REMAIN);
    return false;
}

static bool take_byte(struct record_reader *reader, uint8_t *ret_byte)
{
    if (reader->piece.size == 0 && !refill(reader)) {
        if (reader->fault == CODEC_FINE)
            (void)fail(reader, CODEC_CORRUPT, RECORD_BATCH_ENDS_EARLY);
        return false;
    }
    *ret_byte = reader->piece.data[0];
    reader->piece = slice_from(reader->piece, 1);
    return true;
}

/* A varint that may span pieces, byte by byte. */
static bool take_split_varint(struct record_reader *reader, size_t size_max, uint64_t *ret_v)
{
    uint64_t v = 0;
    for (size_t n = 0; n < size_max; n++) {
        uint8_t byte;
        if (!take_byte(reader, &byte))
            return false;
        v |= (uint64_t)(byte & 0x7f) << (7 * n);
        if (byte < 0x80) {
            *ret_v = v;
            return true;
        }
    }
    return fail(reader, CODEC_CORRUPT, RECORD_LONG_VARINT);
}

static bool take_length(struct record_reader *reader, int32_t *ret_length)
{
    uint64_t v = 0;
    struct slice piece = reader->piece;
    size_t n = uvarint_load(piece.data, piece.size, RECORD_VARINT_32_MAX, &v);
    if (LIKELY(n > 0))
        reader->piece = slice_of(piece.data + n, piece.size - n);
    else if (!take_split_varint(reader, RECORD_VARINT_32_MAX, &v))
        return false;
    int32_t length = record_zigzag_32(v);
    if (UNLIKELY(length < 0))
        return fail(reader, CODEC_CORRUPT, RECORD_LENGTH_NEGATIVE);
    if (UNLIKELY(length > reader->record_size_max) && reader->codec.codec != CODEC_NONE)
        return fail(reader, CODEC_CORRUPT, RECORD_LENGTH_OVER_LIMIT);
    *ret_length = length;
    return true;
}

/* The length of the next record; false at the end, which is checked, and at a fault. */
static inline bool begin_record(struct record_reader *reader, int32_t *ret_length)
{
    if (UNLIKELY(reader->fault != CODEC_FINE || reader->ended))
        return false;
    if (UNLIKELY(reader->left == 0))
        return end_check(reader);
    if (!take_length(reader, ret_length))
        return false;
    reader->left--;
    return true;
}

/* Parses the record whose body begins the current piece and lies in it. */
static inline bool parse_here(struct record_reader *reader, size_t length,
                              struct record *ret_record)
{
    const char *fault = record_parse(slice_of(reader->piece.data, length), ret_record);
    if (UNLIKELY(fault != NULL))
        return fail(reader, CODEC_CORRUPT, fault);
    reader->piece = slice_of(reader->piece.data + length, reader->piece.size - length);
    return true;
}

/* Collects `length` bytes of a record in the carry buffer. It grows by doubling as bytes arrive,
 * so a length that lies costs nothing. */
static bool assemble(struct record_reader *reader, size_t length)
{
    struct codec_buffer *carry = &reader->codec.pool->carry;
    size_t filled = 0;
    while (filled < length) {
        if (reader->piece.size == 0 && !refill(reader)) {
            if (reader->fault == CODEC_FINE)
                (void)fail(reader, CODEC_CORRUPT, RECORD_BATCH_ENDS_EARLY);
            return false;
        }
        size_t part = MIN_OF(reader->piece.size, length - filled);
        size_t wanted = MAX_OF(filled + part, CARRY_SIZE_MIN);
        if (wanted > carry->capacity &&
            !codec_buffer_grow(carry, MAX_OF(wanted, 2 * filled), filled))
            return fail(reader, CODEC_NO_MEMORY, "no memory for a record");
        memcpy(carry->data + filled, reader->piece.data, part);
        reader->piece = slice_from(reader->piece, part);
        filled += part;
    }
    return true;
}

static bool read_split(struct record_reader *reader, size_t length, struct record *ret_record)
{
    if (reader->codec.codec == CODEC_NONE)
        return fail(reader, CODEC_CORRUPT, RECORD_BATCH_ENDS_EARLY);
    if (!assemble(reader, length))
        return false;
    const char *fault = record_parse(slice_of(reader->codec.pool->carry.data, length), ret_record);
    return fault == NULL || fail(reader, CODEC_CORRUPT, fault);
}

bool record_read(struct record_reader *reader, struct record *ret_record)
{
    int32_t length;
    if (!begin_record(reader, &length))
        return false;
    /* The length may have ended its piece: the record is then often whole in the next. */
    if (UNLIKELY(reader->piece.size == 0 && length > 0) && !refill(reader)) {
        if (reader->fault == CODEC_FINE)
            (void)fail(reader, CODEC_CORRUPT, RECORD_BATCH_ENDS_EARLY);
        return false;
    }
    if (LIKELY((size_t)length <= reader->piece.size))
        return parse_here(reader, (size_t)length, ret_record);
    return read_split(reader, (size_t)length, ret_record);
}

/* Walking a record through pieces: `left` is what its length still allows. Failure is the
 * reader's fault and sticky. */
struct walk {
    struct record_reader *reader;
    int64_t left;
};

static bool walk_fail(struct walk *walk, const char *text)
{
    if (walk->reader->fault == CODEC_FINE)
        (void)fail(walk->reader, CODEC_CORRUPT, text);
    return false;
}

static bool walk_ok(const struct walk *walk)
{
    return walk->reader->fault == CODEC_FINE;
}

static uint64_t walk_varint(struct walk *walk, size_t size_max)
{
    uint64_t v = 0;
    for (size_t n = 0; n < size_max; n++) {
        uint8_t byte;
        if (walk->left == 0)
            (void)walk_fail(walk, RECORD_ENDS_EARLY);
        if (!walk_ok(walk) || !take_byte(walk->reader, &byte))
            return 0;
        walk->left--;
        v |= (uint64_t)(byte & 0x7f) << (7 * n);
        if (byte < 0x80)
            return v;
    }
    (void)walk_fail(walk, RECORD_LONG_VARINT);
    return 0;
}

static int32_t walk_i32(struct walk *walk)
{
    return record_zigzag_32(walk_varint(walk, RECORD_VARINT_32_MAX));
}

/* Passes over a key or value; returns whether it is not null. */
static bool walk_bytes(struct walk *walk)
{
    struct record_reader *reader = walk->reader;
    int64_t size = walk_i32(walk);
    if (size < 0 || !walk_ok(walk))
        return false;
    if (size > walk->left)
        return walk_fail(walk, RECORD_ENDS_EARLY);
    walk->left -= size;
    while (size > 0) {
        if (reader->piece.size == 0 && !refill(reader))
            return walk_fail(walk, RECORD_BATCH_ENDS_EARLY);
        size_t part = MIN_OF(reader->piece.size, (size_t)size);
        reader->piece = slice_from(reader->piece, part);
        size -= (int64_t)part;
    }
    return true;
}

static void walk_headers(struct walk *walk)
{
    int32_t count = walk_i32(walk);
    if (walk_ok(walk) && count < 0)
        (void)walk_fail(walk, RECORD_HEADER_COUNT_NEGATIVE);
    if (walk_ok(walk) && count > walk->left)
        (void)walk_fail(walk, RECORD_HEADER_COUNT_LARGE);
    for (int32_t i = 0; i < count && walk_ok(walk); i++) {
        if (!walk_bytes(walk))
            (void)walk_fail(walk, RECORD_HEADER_KEY_NEGATIVE);
        else
            (void)walk_bytes(walk);
    }
}

static bool skip_split(struct record_reader *reader, int32_t length, struct record_mark *mark)
{
    struct walk walk = {.reader = reader, .left = length};
    uint8_t attributes;
    if (length == 0)
        return walk_fail(&walk, RECORD_ENDS_EARLY);
    if (!take_byte(reader, &attributes))
        return false;
    walk.left--;
    mark->timestamp_delta = zigzag_decode(walk_varint(&walk, RECORD_VARINT_64_MAX));
    mark->offset_delta = walk_i32(&walk);
    mark->has_key = walk_bytes(&walk);
    (void)walk_bytes(&walk);
    walk_headers(&walk);
    if (walk_ok(&walk) && walk.left != 0)
        return walk_fail(&walk, RECORD_LENGTH_LARGE);
    return walk_ok(&walk);
}

bool record_skip(struct record_reader *reader, struct record_mark *ret_mark)
{
    int32_t length;
    if (!begin_record(reader, &length))
        return false;
    struct record_mark mark = {.size = length};
    if (LIKELY((size_t)length <= reader->piece.size)) {
        struct record record;
        if (!parse_here(reader, (size_t)length, &record))
            return false;
        mark.timestamp_delta = record.timestamp_delta;
        mark.offset_delta = record.offset_delta;
        mark.has_key = !slice_is_null(record.key);
    } else if (!skip_split(reader, length, &mark)) {
        return false;
    }
    *ret_mark = mark;
    return true;
}

bool record_read_head(struct record_reader *reader, struct record_head *ret_head)
{
    int32_t length;
    ALWAYS(reader->rest == 0 || reader->fault != CODEC_FINE,
           "a record is begun with %d bytes of the one before left", reader->rest);
    if (!begin_record(reader, &length))
        return false;
    struct walk walk = {.reader = reader, .left = length};
    uint8_t attributes;
    if (length == 0)
        return walk_fail(&walk, RECORD_ENDS_EARLY);
    if (!take_byte(reader, &attributes))
        return false;
    walk.left--;
    struct record_head head = {.attributes = (int8_t)attributes};
    head.timestamp_delta = zigzag_decode(walk_varint(&walk, RECORD_VARINT_64_MAX));
    head.offset_delta = walk_i32(&walk);
    head.rest_size = (int32_t)walk.left;
    if (!walk_ok(&walk))
        return false;
    reader->rest = head.rest_size;
    *ret_head = head;
    return true;
}

struct slice record_rest(struct record_reader *reader)
{
    if (reader->rest == 0 || reader->fault != CODEC_FINE)
        return (struct slice){0};
    if (reader->piece.size == 0 && !refill(reader)) {
        if (reader->fault == CODEC_FINE)
            (void)fail(reader, CODEC_CORRUPT, RECORD_BATCH_ENDS_EARLY);
        return (struct slice){0};
    }
    struct slice part = slice_first(reader->piece, (size_t)reader->rest);
    reader->piece = slice_from(reader->piece, part.size);
    reader->rest -= (int32_t)part.size;
    return part;
}
