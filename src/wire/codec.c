/* The common part of the codecs: names, the pool, a reader's life and its limit, dispatch. The
 * limit is checked after each piece, so at most one piece more than it is ever produced; what
 * passes it is not handed out. One thread at a time. */
#include "wire/codec.h"

#include "base/always.h"
#include "wire/codec_int.h"

#include <stdlib.h>

static const char *const names[CODEC_COUNT] = {"none", "gzip", "snappy", "lz4", "zstd"};

const char *codec_name(enum codec codec)
{
    return codec_is_known((int)codec) ? names[codec] : "unknown";
}

bool codec_level_is_valid(enum codec codec, int level)
{
    if (level == CODEC_LEVEL_DEFAULT)
        return true;
    switch (codec) {
    case CODEC_NONE:
    case CODEC_SNAPPY:
        return false;
    case CODEC_GZIP:
        return level == -1 || (level >= 1 && level <= 9);
    case CODEC_LZ4:
        return level >= 1 && level <= 17;
    case CODEC_ZSTD:
        return level >= -131072 && level <= 22;
    }
    return false;
}

struct codec_pool *codec_pool_new(void)
{
    return (struct codec_pool *)calloc(1, sizeof(struct codec_pool));
}

void codec_pool_free(struct codec_pool *pool)
{
    if (pool == NULL)
        return;
    ALWAYS(pool->reader == NULL, "a codec pool is freed while a reader is open");
    codec_gzip_fini(pool);
    codec_lz4_fini(pool);
    codec_zstd_fini(pool);
    free(pool->window);
    free(pool->gather);
    free(pool->block.data);
    free(pool->carry.data);
    free(pool);
}

bool codec_buffer_grow(struct codec_buffer *buffer, size_t size, size_t kept)
{
    if (size <= buffer->capacity)
        return true;
    uint8_t *data = (uint8_t *)malloc(size);
    if (data == NULL)
        return false;
    if (kept > 0)
        memcpy(data, buffer->data, kept);
    free(buffer->data);
    *buffer = (struct codec_buffer){.data = data, .capacity = size};
    return true;
}

void codec_buffer_trim(struct codec_buffer *buffer)
{
    if (buffer->capacity <= CODEC_KEEP_SIZE_MAX)
        return;
    free(buffer->data);
    *buffer = (struct codec_buffer){0};
}

struct slice codec_fail(struct codec_reader *reader, enum codec_fault fault, const char *text)
{
    reader->fault = fault;
    reader->text = text;
    return (struct slice){0};
}

uint8_t *codec_window(struct codec_reader *reader)
{
    struct codec_pool *pool = reader->pool;
    if (pool->window == NULL)
        pool->window = (uint8_t *)malloc(CODEC_WINDOW_SIZE);
    if (pool->window == NULL)
        (void)codec_fail(reader, CODEC_NO_MEMORY, "no memory for decompression");
    return pool->window;
}

void codec_reader_open(struct codec_reader *reader, struct codec_pool *pool,
                       struct codec_source source)
{
    *reader = (struct codec_reader){
        .pool = pool,
        .rest = source.compressed,
        .output_size_max =
            source.output_size_max > 0 ? source.output_size_max : CODEC_OUTPUT_SIZE_MAX_DEFAULT,
        .codec = source.codec,
    };
    if (!codec_is_known((int)source.codec)) {
        (void)codec_fail(reader, CODEC_CORRUPT, "unknown compression type");
        return;
    }
    if (source.codec == CODEC_NONE)
        return;
    ALWAYS(pool != NULL, "compressed data is read without a pool");
    ALWAYS(pool->reader == NULL, "two readers on one codec pool");
    pool->reader = reader;
    /* Contexts count their input in 32 bits. */
    if (source.compressed.size > INT32_MAX)
        (void)codec_fail(reader, CODEC_CORRUPT, "more compressed bytes than a batch can have");
    else if (source.compressed.size == 0)
        (void)codec_fail(reader, CODEC_CORRUPT, "compressed data is missing");
}

static struct slice plain_read(struct codec_reader *reader)
{
    struct slice all = reader->rest;
    reader->rest = slice_from(all, all.size);
    reader->ended = true;
    return all;
}

static struct slice piece_read(struct codec_reader *reader)
{
    switch (reader->codec) {
    case CODEC_NONE:
        return plain_read(reader);
    case CODEC_GZIP:
        return codec_gzip_read(reader);
    case CODEC_SNAPPY:
        return codec_snappy_read(reader);
    case CODEC_LZ4:
        return codec_lz4_read(reader);
    case CODEC_ZSTD:
        return codec_zstd_read(reader);
    }
    return codec_fail(reader, CODEC_CORRUPT, "unknown compression type");
}

struct slice codec_read(struct codec_reader *reader)
{
    if (reader->ended || reader->fault != CODEC_FINE)
        return (struct slice){0};
    struct slice piece = piece_read(reader);
    reader->output_size += (int64_t)piece.size;
    /* What was not compressed is as large as what was received: it needs no limit. */
    if (reader->codec != CODEC_NONE && reader->output_size > reader->output_size_max)
        return codec_fail(reader, CODEC_TOO_LARGE, "decompressed data is larger than allowed");
    return piece;
}

void codec_reader_close(struct codec_reader *reader)
{
    struct codec_pool *pool = reader->pool;
    if (pool == NULL || pool->reader != reader)
        return;
    pool->reader = NULL;
    codec_buffer_trim(&pool->block);
    codec_buffer_trim(&pool->carry);
    codec_lz4_trim(pool);
    codec_zstd_trim(pool);
}

size_t codec_bound(enum codec codec, size_t size)
{
    switch (codec) {
    case CODEC_NONE:
        return size;
    case CODEC_GZIP:
        return codec_gzip_bound(size);
    case CODEC_SNAPPY:
        return codec_snappy_bound(size);
    case CODEC_LZ4:
        return codec_lz4_bound(size);
    case CODEC_ZSTD:
        return codec_zstd_bound(size);
    }
    return size;
}

size_t codec_write(struct codec_pool *pool, struct slice plain, struct codec_target target)
{
    ALWAYS(target.capacity >= codec_bound(target.codec, plain.size),
           "compressed output of %zu bytes may need more than %zu", plain.size, target.capacity);
    if (!codec_level_is_valid(target.codec, target.level))
        return 0;
    switch (target.codec) {
    case CODEC_NONE:
        break;
    case CODEC_GZIP:
        return codec_gzip_write(pool, plain, &target);
    case CODEC_SNAPPY:
        return codec_snappy_write(plain, &target);
    case CODEC_LZ4:
        return codec_lz4_write(pool, plain, &target);
    case CODEC_ZSTD:
        return codec_zstd_write(pool, plain, &target);
    }
    ALWAYS(false, "compression with codec %d was asked for", (int)target.codec);
    return 0;
}
