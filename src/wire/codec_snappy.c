/* Snappy: one bare block, or the framing of Java clients: a header of 16 bytes (0x82 "SNAPPY" 0,
 * version, oldest compatible version), then blocks each behind its compressed size in four bytes.
 * Streams put one behind the other are read as one.
 *
 * A block has no smaller unit: it is decompressed whole, after its claimed size was held against
 * what so many bytes can produce at most (a copy of 64 bytes takes three) and against the limit.
 * Blocks may reach back over their whole length, so no window would do. The library's compressor
 * takes its table from C++'s new: want of memory there ends the process. One thread at a time. */
#include "wire/codec_int.h"

#include "base/bytes.h"

#include <snappy-c.h>

#define XERIAL_HEADER_SIZE 16
#define XERIAL_BLOCK_SIZE ((size_t)32 * 1024)
#define XERIAL_LENGTH_SIZE 4

static const uint8_t xerial_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
static const uint8_t xerial_versions[8] = {0, 0, 0, 1, 0, 0, 0, 1};

static bool starts_stream(struct slice bytes)
{
    return bytes.size >= XERIAL_HEADER_SIZE &&
           memcmp(bytes.data, xerial_magic, sizeof xerial_magic) == 0;
}

/* Decompresses one block. The empty slice for an empty block too. */
static struct slice block_read(struct codec_reader *reader, struct slice block)
{
    const char *bytes = (const char *)block.data;
    size_t size = 0;
    if (snappy_uncompressed_length(bytes, block.size, &size) != SNAPPY_OK)
        return codec_fail(reader, CODEC_CORRUPT, "a snappy block has no valid size");
    if (size / 64 > block.size / 3 + 1)
        return codec_fail(reader, CODEC_CORRUPT, "a snappy block claims more than it can hold");
    if ((int64_t)size > reader->output_size_max - reader->output_size)
        return codec_fail(reader, CODEC_TOO_LARGE, "decompressed data is larger than allowed");
    struct codec_buffer *buffer = &reader->pool->block;
    if (!codec_buffer_grow(buffer, MAX_OF(size, XERIAL_BLOCK_SIZE), 0))
        return codec_fail(reader, CODEC_NO_MEMORY, "no memory for a snappy block");
    size_t made = size;
    if (snappy_uncompress(bytes, block.size, (char *)buffer->data, &made) != SNAPPY_OK)
        return codec_fail(reader, CODEC_CORRUPT, "a snappy block is corrupt");
    return slice_of(buffer->data, made);
}

/* Takes the next block of the framed form off `rest`; false at a fault. */
static bool take_block(struct codec_reader *reader, struct slice *ret_block)
{
    struct slice rest = reader->rest;
    if (rest.size < XERIAL_LENGTH_SIZE) {
        (void)codec_fail(reader, CODEC_CORRUPT, "snappy data ends too early");
        return false;
    }
    int32_t size = load_i32(rest.data);
    rest = slice_from(rest, XERIAL_LENGTH_SIZE);
    if (size <= 0 || (size_t)size > rest.size) {
        (void)codec_fail(reader, CODEC_CORRUPT, "the size of a snappy block is not valid");
        return false;
    }
    *ret_block = slice_first(rest, (size_t)size);
    reader->rest = slice_from(rest, (size_t)size);
    return true;
}

struct slice codec_snappy_read(struct codec_reader *reader)
{
    if (!reader->framed && !starts_stream(reader->rest)) {
        struct slice block = reader->rest;
        reader->rest = slice_from(block, block.size);
        reader->ended = true;
        return block_read(reader, block);
    }
    reader->framed = true;
    while (reader->rest.size > 0) {
        if (starts_stream(reader->rest)) {
            reader->rest = slice_from(reader->rest, XERIAL_HEADER_SIZE);
            continue;
        }
        struct slice block;
        if (!take_block(reader, &block))
            return (struct slice){0};
        struct slice piece = block_read(reader, block);
        if (piece.size > 0 || reader->fault != CODEC_FINE)
            return piece;
    }
    reader->ended = true;
    return (struct slice){0};
}

size_t codec_snappy_bound(size_t size)
{
    size_t blocks = size / XERIAL_BLOCK_SIZE + 1;
    return XERIAL_HEADER_SIZE +
           blocks * (XERIAL_LENGTH_SIZE + snappy_max_compressed_length(XERIAL_BLOCK_SIZE));
}

size_t codec_snappy_write(struct slice plain, const struct codec_target *target)
{
    uint8_t *out = target->out;
    memcpy(out, xerial_magic, sizeof xerial_magic);
    memcpy(out + sizeof xerial_magic, xerial_versions, sizeof xerial_versions);
    size_t size = XERIAL_HEADER_SIZE;
    while (plain.size > 0) {
        struct slice part = slice_first(plain, XERIAL_BLOCK_SIZE);
        size_t made = target->capacity - size - XERIAL_LENGTH_SIZE;
        if (snappy_compress((const char *)part.data, part.size,
                            (char *)out + size + XERIAL_LENGTH_SIZE, &made) != SNAPPY_OK)
            return 0;
        store_u32(out + size, (uint32_t)made);
        size += XERIAL_LENGTH_SIZE + made;
        plain = slice_from(plain, part.size);
    }
    return size;
}

void codec_snappy_add(struct codec_writer *writer, struct slice plain)
{
    /* A piece is two blocks. */
    uint8_t *at = codec_writer_room(writer, codec_snappy_bound(plain.size));
    if (at == NULL)
        return;
    struct codec_target target = {.out = at, .capacity = codec_snappy_bound(plain.size)};
    size_t made = codec_snappy_write(plain, &target);
    if (made == 0) {
        writer->fault = CODEC_NO_MEMORY;
        return;
    }
    if (writer->begun) {
        made -= XERIAL_HEADER_SIZE;
        memmove(at, at + XERIAL_HEADER_SIZE, made);
    }
    codec_writer_advance(writer, made);
}
