/* What the tests of batches, records and codecs share: reading golden bytes, making up records
 * from a seed, and putting batches together byte by byte so that any field may lie. */
#ifndef WIRE_TEST_BATCH_KIT_H
#define WIRE_TEST_BATCH_KIT_H

#include "base/prng.h"
#include "wire/batch.h"
#include "wire/batch_builder.h"
#include "wire/batch_validate.h"
#include "wire/record.h"

/* A growing buffer; the test fails when memory is out. */
struct bytes {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

void bytes_fini(struct bytes *);
void bytes_add(struct bytes *, const void *data, size_t size);
void bytes_add_slice(struct bytes *, struct slice);
void bytes_add_u8(struct bytes *, uint8_t);
void bytes_add_u32(struct bytes *, uint32_t);   /* big-endian */
void bytes_add_varint(struct bytes *, int64_t); /* zigzag */
/* A zigzag varint that uses `size` bytes even where fewer would do. */
void bytes_add_padded_varint(struct bytes *, int64_t, size_t size);
static inline struct slice bytes_slice(const struct bytes *b)
{
    return slice_of(b->data, b->size);
}

/* The bytes of golden/<name>.hex; free data. */
struct bytes golden_read(const char *name);

/* A record of the golden batches, made by the same formula as they. Slices live in `text`. */
struct golden_record {
    char key_text[32];
    char header_text[32];
    char value_text[8192];
    struct slice key;
    struct slice value;
    struct record_header headers[2];
    int32_t header_count;
    int64_t timestamp;
};
void golden_record_make(struct golden_record *, int index);

/* A batch around records bytes as they are (compressed or not), header fields from `header` (its
 * size and crc are worked out). */
void batch_wrap(struct bytes *ret_batch, const struct batch_header *header, struct slice records);
/* Works the crc out again after a change. */
void batch_reseal(uint8_t *batch, size_t size);
/* Header of a client's batch with `count` records. */
struct batch_header client_header(int32_t count);

/* A random record; slices point into `noise`. */
struct random_record {
    struct batch_record record;
    struct record_header headers[8];
};
void random_record_make(struct random_record *, struct prng *, struct slice noise);

/* Compresses plain bytes; the result is appended. */
void pack_with(struct codec_pool *, enum codec, int level, struct slice plain, struct bytes *);

/* Rules that refuse nothing that a client may send. */
struct batch_rules open_rules(void);

#endif
