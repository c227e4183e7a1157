/* zstd: frames one behind the other are one stream; anything else behind a frame is a fault. A
 * frame may ask for a window of up to 128 MiB, as in Java clients (level 22 writes such frames
 * whatever their content); its memory is reserved at once but touched only as output is produced,
 * and given back with the reader. One thread at a time. */
#include "wire/codec_int.h"

#include <zstd.h>
#include <zstd_errors.h>

#define WINDOW_LOG_MAX 27
#define LEVEL_DEFAULT 3
/* A stream that is written looks back at most 8 MiB: what readers of the format are asked to
 * support (RFC 8878), and a bound of memory at levels that would look back 128. */
#define STREAM_WINDOW_LOG_MAX 23
#define STREAM_WINDOW_LOG_MIN 16 /* a piece */
/* The first level whose tables are large, and the last whose window is within the bound. */
#define LEVEL_LARGE_TABLES 9
#define LEVEL_WINDOW_MAX 19
#define STREAM_HASH_LOG_MAX 22
/* Contexts beyond this are not kept: twice the window of the default level. */
#define CONTEXT_KEEP_SIZE_MAX ((size_t)4 * 1024 * 1024 + 512 * 1024)

static bool begin_frames(struct codec_reader *reader)
{
    struct codec_pool *pool = reader->pool;
    if (pool->zstd_reader == NULL)
        pool->zstd_reader = ZSTD_createDCtx();
    if (pool->zstd_reader == NULL) {
        (void)codec_fail(reader, CODEC_NO_MEMORY, "no memory for zstd");
        return false;
    }
    (void)ZSTD_DCtx_reset(pool->zstd_reader, ZSTD_reset_session_only);
    (void)ZSTD_DCtx_setParameter(pool->zstd_reader, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    reader->framed = true;
    return true;
}

static struct slice decode_fail(struct codec_reader *reader, size_t code)
{
    ZSTD_ErrorCode error = ZSTD_getErrorCode(code);
    if (error == ZSTD_error_memory_allocation)
        return codec_fail(reader, CODEC_NO_MEMORY, "no memory for zstd");
    if (error == ZSTD_error_frameParameter_windowTooLarge)
        return codec_fail(reader, CODEC_CORRUPT, "the zstd frame's window is too large");
    return codec_fail(reader, CODEC_CORRUPT, "zstd data is corrupt");
}

struct slice codec_zstd_read(struct codec_reader *reader)
{
    uint8_t *window = codec_window(reader);
    if (window == NULL || (!reader->framed && !begin_frames(reader)))
        return (struct slice){0};
    for (;;) {
        ZSTD_inBuffer in = {.src = reader->rest.data, .size = reader->rest.size};
        ZSTD_outBuffer out = {.dst = window, .size = CODEC_WINDOW_SIZE};
        size_t hint = ZSTD_decompressStream(reader->pool->zstd_reader, &out, &in);
        if (ZSTD_isError(hint))
            return decode_fail(reader, hint);
        reader->rest = slice_from(reader->rest, in.pos);
        if (hint == 0 && reader->rest.size == 0)
            reader->ended = true;
        if (out.pos > 0)
            return slice_of(window, out.pos);
        if (reader->ended)
            return (struct slice){0};
        if (in.pos == 0)
            return codec_fail(reader, CODEC_CORRUPT, "zstd data ends too early");
    }
}

void codec_zstd_trim(struct codec_pool *pool)
{
    if (pool->zstd_reader == NULL || ZSTD_sizeof_DCtx(pool->zstd_reader) <= CONTEXT_KEEP_SIZE_MAX)
        return;
    (void)ZSTD_freeDCtx(pool->zstd_reader);
    pool->zstd_reader = NULL;
}

size_t codec_zstd_bound(size_t size)
{
    return ZSTD_compressBound(size);
}

void codec_zstd_trim_writer(struct codec_pool *pool)
{
    if (pool->zstd_writer == NULL || ZSTD_sizeof_CCtx(pool->zstd_writer) <= CONTEXT_KEEP_SIZE_MAX)
        return;
    (void)ZSTD_freeCCtx(pool->zstd_writer);
    pool->zstd_writer = NULL;
}

size_t codec_zstd_write(struct codec_pool *pool, struct slice plain,
                        const struct codec_target *target)
{
    if (pool->zstd_writer == NULL)
        pool->zstd_writer = ZSTD_createCCtx();
    if (pool->zstd_writer == NULL)
        return 0;
    int level = target->level == CODEC_LEVEL_DEFAULT ? LEVEL_DEFAULT : target->level;
    size_t made = ZSTD_compressCCtx(pool->zstd_writer, target->out, target->capacity, plain.data,
                                    plain.size, level);
    codec_zstd_trim_writer(pool);
    return ZSTD_isError(made) ? 0 : made;
}

/* How far back a level looks by itself. */
static int level_window_log(int level)
{
    if (level <= 2)
        return level == 2 ? 20 : 19;
    if (level <= 8)
        return 21;
    return level <= 16 ? 22 : STREAM_WINDOW_LOG_MAX;
}

/* The window by what there is to look back at. */
static int stream_window_log(int level, int64_t plain_size_hint)
{
    int window_log = level_window_log(level);
    while (plain_size_hint > 0 && window_log > STREAM_WINDOW_LOG_MIN &&
           plain_size_hint <= 1LL << (window_log - 1))
        window_log--;
    return window_log;
}

/* The library sizes its tables by the level alone when it does not know how much comes: up to 640
 * MiB. Where the window is smaller than the level's own they are made to match it. */
static void set_window(ZSTD_CCtx *context, int level, int window_log)
{
    (void)ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    bool smaller = window_log < level_window_log(level) || level > LEVEL_WINDOW_MAX;
    if (level < LEVEL_LARGE_TABLES || !smaller)
        return;
    int chain_log = level >= LEVEL_WINDOW_MAX ? window_log + 1 : window_log;
    (void)ZSTD_CCtx_setParameter(context, ZSTD_c_chainLog, chain_log);
    (void)ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, MIN_OF(window_log, STREAM_HASH_LOG_MAX));
}

static ZSTD_CCtx *begin_stream(struct codec_writer *writer, bool last)
{
    struct codec_pool *pool = writer->pool;
    if (pool->zstd_writer == NULL)
        pool->zstd_writer = ZSTD_createCCtx();
    if (pool->zstd_writer == NULL)
        return NULL;
    int level = writer->sink.level == CODEC_LEVEL_DEFAULT ? LEVEL_DEFAULT : writer->sink.level;
    (void)ZSTD_CCtx_reset(pool->zstd_writer, ZSTD_reset_session_and_parameters);
    (void)ZSTD_CCtx_setParameter(pool->zstd_writer, ZSTD_c_compressionLevel, level);
    /* A single piece tells its size by itself. */
    if (!last)
        set_window(pool->zstd_writer, level,
                   stream_window_log(level, writer->sink.plain_size_hint));
    return pool->zstd_writer;
}

void codec_zstd_add(struct codec_writer *writer, struct slice plain, bool last)
{
    ZSTD_CCtx *context = writer->begun ? writer->pool->zstd_writer : begin_stream(writer, last);
    if (context == NULL) {
        writer->fault = CODEC_NO_MEMORY;
        return;
    }
    ZSTD_inBuffer in = {.src = plain.data, .size = plain.size};
    size_t left = 1;
    while (last ? left > 0 : in.pos < in.size) {
        size_t room = codec_writer_piece(writer);
        if (room == 0)
            return;
        ZSTD_outBuffer out = {.dst = writer->out + writer->size, .size = room};
        left = ZSTD_compressStream2(context, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left)) {
            writer->fault = CODEC_NO_MEMORY;
            return;
        }
        codec_writer_advance(writer, out.pos);
    }
}

void codec_zstd_fini(struct codec_pool *pool)
{
    (void)ZSTD_freeDCtx(pool->zstd_reader);
    (void)ZSTD_freeCCtx(pool->zstd_writer);
}
