/* The tests' shared pieces: see batch_kit.h. Test processes only. */
#include "wire/test/batch_kit.h"

#include "base/always.h"
#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

void bytes_fini(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}

void bytes_add(struct bytes *b, const void *data, size_t size)
{
    if (size == 0)
        return;
    if (b->capacity - b->size < size) {
        b->capacity = 2 * b->capacity + size;
        b->data = (uint8_t *)realloc(b->data, b->capacity);
        ALWAYS(b->data != NULL, "a test ran out of memory");
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

void bytes_add_slice(struct bytes *b, struct slice s)
{
    bytes_add(b, s.data, s.size);
}

void bytes_add_u8(struct bytes *b, uint8_t v)
{
    bytes_add(b, &v, 1);
}

void bytes_add_u32(struct bytes *b, uint32_t v)
{
    uint8_t at[4];
    store_u32(at, v);
    bytes_add(b, at, sizeof at);
}

void bytes_add_varint(struct bytes *b, int64_t v)
{
    uint8_t at[10];
    bytes_add(b, at, uvarint_store(at, zigzag_encode(v)));
}

void bytes_add_padded_varint(struct bytes *b, int64_t v, size_t size)
{
    uint64_t rest = zigzag_encode(v);
    for (size_t i = 0; i < size; i++) {
        uint8_t more = i + 1 < size ? 0x80 : 0;
        bytes_add_u8(b, (uint8_t)((rest & 0x7f) | more));
        rest >>= 7;
    }
}

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

struct bytes golden_read(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/golden/%s.hex", TEST_FOLDER, name);
    FILE *file = fopen(path, "r");
    ALWAYS(file != NULL, "%s is missing", path);
    struct bytes b = {0};
    int high = -1;
    for (int c = fgetc(file); c != EOF; c = fgetc(file)) {
        int digit = hex_digit(c);
        if (digit < 0)
            continue;
        if (high >= 0)
            bytes_add_u8(&b, (uint8_t)(high << 4 | digit));
        high = high >= 0 ? -1 : digit;
    }
    (void)fclose(file);
    return b;
}

void golden_record_make(struct golden_record *g, int index)
{
    *g = (struct golden_record){.timestamp = INT64_C(1700000000000) + index * 3 - (index % 4) * 5};
    (void)snprintf(g->key_text, sizeof g->key_text, "key-%d", index);
    (void)snprintf(g->header_text, sizeof g->header_text, "header of %d", index);
    if (index % 5 != 0)
        g->key = slice_of_text(g->key_text);
    size_t size = 0;
    for (int i = 0; i < index * 13; i++)
        size +=
            (size_t)snprintf(g->value_text + size, sizeof g->value_text - size, "value-%d ", index);
    if (index % 7 != 0)
        g->value = slice_of(g->value_text, size);
    g->header_count = index % 3;
    g->headers[0] = (struct record_header){slice_of_text("h0"), slice_of_text(g->header_text)};
    g->headers[1] = (struct record_header){slice_of_text("h1"), {0}};
}

void batch_wrap(struct bytes *ret_batch, const struct batch_header *header, struct slice records)
{
    uint8_t at[BATCH_HEADER_SIZE] = {0};
    store_i64(at + BATCH_AT_BASE_OFFSET, header->base_offset);
    store_u32(at + BATCH_AT_LENGTH,
              (uint32_t)(records.size + BATCH_HEADER_SIZE - BATCH_LENGTH_OVERHEAD));
    store_i32(at + BATCH_AT_PARTITION_LEADER_EPOCH, header->partition_leader_epoch);
    at[BATCH_AT_MAGIC] = BATCH_MAGIC;
    store_i16(at + BATCH_AT_ATTRIBUTES, header->attributes);
    store_i32(at + BATCH_AT_LAST_OFFSET_DELTA, header->last_offset_delta);
    store_i64(at + BATCH_AT_BASE_TIMESTAMP, header->base_timestamp);
    store_i64(at + BATCH_AT_MAX_TIMESTAMP, header->max_timestamp);
    store_i64(at + BATCH_AT_PRODUCER_ID, header->producer_id);
    store_i16(at + BATCH_AT_PRODUCER_EPOCH, header->producer_epoch);
    store_i32(at + BATCH_AT_BASE_SEQUENCE, header->base_sequence);
    store_i32(at + BATCH_AT_RECORD_COUNT, header->record_count);
    size_t start = ret_batch->size;
    bytes_add(ret_batch, at, sizeof at);
    bytes_add_slice(ret_batch, records);
    batch_reseal(ret_batch->data + start, ret_batch->size - start);
}

void batch_reseal(uint8_t *batch, size_t size)
{
    store_u32(batch + BATCH_AT_CRC, batch_crc(slice_of(batch, size)));
}

struct batch_header client_header(int32_t count)
{
    return (struct batch_header){
        .base_timestamp = 1000,
        .max_timestamp = 1000,
        .producer_id = BATCH_NO_PRODUCER_ID,
        .producer_epoch = BATCH_NO_PRODUCER_EPOCH,
        .base_sequence = BATCH_NO_SEQUENCE,
        .partition_leader_epoch = BATCH_NO_LEADER_EPOCH,
        .last_offset_delta = (int32_t)((uint32_t)count - 1),
        .record_count = count,
    };
}

/* Mostly short, sometimes long. */
static size_t random_size(struct prng *prng, size_t size_max)
{
    size_t limit = prng_chance(prng, 1, 20) ? size_max : 40;
    return (size_t)prng_below(prng, limit < size_max ? limit : size_max);
}

static struct slice random_part(struct prng *prng, struct slice noise)
{
    size_t size = random_size(prng, noise.size);
    size_t from = (size_t)prng_below(prng, noise.size - size + 1);
    return slice_of(noise.data + from, size);
}

void random_record_make(struct random_record *r, struct prng *prng, struct slice noise)
{
    *r = (struct random_record){.record = {.headers = r->headers}};
    r->record.timestamp = prng_chance(prng, 1, 10) ? (int64_t)prng_next(prng) >> 2
                                                   : 1700000000000 + (int64_t)prng_below(prng, 99);
    if (!prng_chance(prng, 1, 4))
        r->record.key = random_part(prng, noise);
    if (!prng_chance(prng, 1, 8))
        r->record.value = random_part(prng, noise);
    r->record.header_count = prng_chance(prng, 1, 2) ? 0 : (int32_t)prng_below(prng, 8);
    for (int32_t i = 0; i < r->record.header_count; i++) {
        r->headers[i].key = random_part(prng, slice_first(noise, 300));
        r->headers[i].value =
            prng_chance(prng, 1, 3) ? (struct slice){0} : random_part(prng, slice_first(noise, 99));
    }
}

void pack_with(struct codec_pool *pool, enum codec codec, int level, struct slice plain,
               struct bytes *b)
{
    size_t bound = codec_bound(codec, plain.size);
    uint8_t *out = (uint8_t *)malloc(bound);
    ALWAYS(out != NULL, "a test ran out of memory");
    size_t size = codec_write(
        pool, plain,
        (struct codec_target){.codec = codec, .level = level, .out = out, .capacity = bound});
    ALWAYS(size > 0, "%s did not compress %zu bytes", codec_name(codec), plain.size);
    bytes_add(b, out, size);
    free(out);
}

struct batch_rules open_rules(void)
{
    return (struct batch_rules){
        .now_ms = 1700000000000,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
        .message_size_max = INT32_MAX,
        .timestamp_type = TIMESTAMP_CREATE_TIME,
        .from_client = true,
    };
}
