/* zstd: frames one behind the other are one stream; anything else behind a frame is a fault. A
 * frame may ask for a window of up to 128 MiB, as in Java clients (level 22 writes such frames
 * whatever their content); its memory is reserved at once but touched only as output is produced,
 * and given back with the reader. One thread at a time. */
#include "wire/codec_int.h"

#include <zstd.h>
#include <zstd_errors.h>

#define WINDOW_LOG_MAX 27
#define LEVEL_DEFAULT 3
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
    if (ZSTD_sizeof_CCtx(pool->zstd_writer) > CONTEXT_KEEP_SIZE_MAX) {
        (void)ZSTD_freeCCtx(pool->zstd_writer);
        pool->zstd_writer = NULL;
    }
    return ZSTD_isError(made) ? 0 : made;
}

void codec_zstd_fini(struct codec_pool *pool)
{
    (void)ZSTD_freeDCtx(pool->zstd_reader);
    (void)ZSTD_freeCCtx(pool->zstd_writer);
}
