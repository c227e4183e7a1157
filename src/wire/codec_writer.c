/* The common part of compressing a stream: plain bytes are gathered to pieces, so that small
 * records do not cost a call of the codec each, and the output grows behind the room for a header.
 * What passes size_max is a fault at once: that bounds the memory of whoever does not know how much
 * there is to compress. One thread at a time. */
#include "base/always.h"
#include "wire/codec_int.h"

#include <stdlib.h>

/* Output is made in pieces of at most this. */
#define ROOM_SIZE CODEC_WINDOW_SIZE

void codec_writer_open(struct codec_writer *writer, struct codec_pool *pool, struct codec_sink sink)
{
    ALWAYS(pool != NULL || sink.codec == CODEC_NONE, "data is compressed without a pool");
    ALWAYS(codec_level_is_valid(sink.codec, sink.level), "%s has no level %d",
           codec_name(sink.codec), sink.level);
    *writer = (struct codec_writer){.pool = pool, .sink = sink};
    if (sink.size_first > 0 && codec_writer_room(writer, sink.size_first) != NULL)
        codec_writer_advance(writer, sink.size_first);
}

uint8_t *codec_writer_room(struct codec_writer *writer, size_t size)
{
    size_t needed = writer->size + size;
    if (needed > writer->capacity) {
        size_t doubled = MIN_OF(2 * writer->capacity, writer->sink.size_max);
        size_t capacity = MAX_OF(needed, doubled);
        uint8_t *out = (uint8_t *)realloc(writer->out, capacity);
        if (out == NULL) {
            writer->fault = CODEC_NO_MEMORY;
            return NULL;
        }
        writer->out = out;
        writer->capacity = capacity;
    }
    return writer->out + writer->size;
}

size_t codec_writer_piece(struct codec_writer *writer)
{
    size_t room = MIN_OF(writer->sink.size_max - writer->size, ROOM_SIZE);
    if (room == 0)
        writer->fault = CODEC_TOO_LARGE;
    if (room == 0 || codec_writer_room(writer, room) == NULL)
        return 0;
    return room;
}

void codec_writer_advance(struct codec_writer *writer, size_t size)
{
    ALWAYS(size <= writer->capacity - writer->size, "%zu bytes are put where %zu fit", size,
           writer->capacity - writer->size);
    writer->size += size;
    if (writer->size > writer->sink.size_max)
        writer->fault = CODEC_TOO_LARGE;
}

static void plain_add(struct codec_writer *writer, struct slice plain)
{
    if (plain.size > writer->sink.size_max - writer->size) {
        writer->fault = CODEC_TOO_LARGE;
        return;
    }
    uint8_t *at = codec_writer_room(writer, plain.size);
    if (at == NULL)
        return;
    memcpy(at, plain.data, plain.size);
    codec_writer_advance(writer, plain.size);
}

/* Hands over what was gathered. */
static void piece_add(struct codec_writer *writer, bool last)
{
    struct slice piece = slice_of(writer->pool->gather, writer->gathered);
    switch (writer->sink.codec) {
    case CODEC_NONE:
        break;
    case CODEC_GZIP:
        codec_gzip_add(writer, piece, last);
        break;
    case CODEC_SNAPPY:
        codec_snappy_add(writer, piece);
        break;
    case CODEC_LZ4:
        codec_lz4_add(writer, piece, last);
        break;
    case CODEC_ZSTD:
        codec_zstd_add(writer, piece, last);
        break;
    }
    writer->begun = true;
    writer->gathered = 0;
}

static bool can_gather(struct codec_writer *writer)
{
    struct codec_pool *pool = writer->pool;
    if (pool->gather == NULL)
        pool->gather = (uint8_t *)malloc(CODEC_WINDOW_SIZE);
    if (pool->gather == NULL)
        writer->fault = CODEC_NO_MEMORY;
    return pool->gather != NULL;
}

void codec_writer_add(struct codec_writer *writer, struct slice plain)
{
    if (writer->fault != CODEC_FINE || plain.size == 0)
        return;
    if (writer->sink.codec == CODEC_NONE) {
        plain_add(writer, plain);
        return;
    }
    if (!can_gather(writer))
        return;
    while (plain.size > 0 && writer->fault == CODEC_FINE) {
        /* Only with more to come is a full piece not the last. */
        if (writer->gathered == CODEC_WINDOW_SIZE)
            piece_add(writer, false);
        struct slice part = slice_first(plain, CODEC_WINDOW_SIZE - writer->gathered);
        memcpy(writer->pool->gather + writer->gathered, part.data, part.size);
        writer->gathered += part.size;
        plain = slice_from(plain, part.size);
    }
}

void codec_writer_take(struct codec_writer *writer, uint8_t **ret_out, size_t *ret_size)
{
    if (writer->fault == CODEC_FINE && writer->sink.codec != CODEC_NONE && can_gather(writer))
        piece_add(writer, true);
    if (writer->fault != CODEC_FINE)
        return;
    *ret_out = writer->out;
    *ret_size = writer->size;
    writer->out = NULL;
}

void codec_writer_close(struct codec_writer *writer)
{
    free(writer->out);
    writer->out = NULL;
    if (writer->pool != NULL)
        codec_zstd_trim_writer(writer->pool);
}
