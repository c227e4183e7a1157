/* LZ4 in its frame format. Only what every Kafka client can read is accepted: format version 1,
 * independent blocks, no dictionary; Java's reader refuses anything else, so a batch with it would
 * stop every Java consumer of the partition. One frame is the whole data: what follows it is passed
 * over, as there. Content size and checksums are optional and checked where present.
 * One thread at a time. */
#include "wire/codec_int.h"

#include "base/bytes.h"

#include <lz4frame.h>

#define FRAME_HEADER_SIZE_MIN 7
#define FRAME_MAGIC 0x04224d18u /* as its four bytes stand, read big-endian */

#define FLAG_VERSION_MASK 0xc0
#define FLAG_VERSION_1 0x40
#define FLAG_BLOCK_INDEPENDENT 0x20
#define FLAG_RESERVED_OR_DICTIONARY 0x03
/* The second byte's block size: 4 is 64 KiB, 5 is 256 KiB, 6 is 1 MiB, 7 is 4 MiB. */
#define BLOCK_SIZE_AT 4
#define BLOCK_SIZE_MASK 7
#define BLOCK_SIZE_KEPT 5

/* Java's level for "default", at which it takes the fast compressor. */
#define LEVEL_FAST 9
#define LEVEL_HIGH_MIN 3

/* NULL, or why the frame at the start of the data is not taken. */
static const char *frame_check(struct slice data)
{
    if (data.size < FRAME_HEADER_SIZE_MIN || load_u32(data.data) != FRAME_MAGIC)
        return "lz4 data has no frame header";
    uint8_t flags = data.data[4];
    if ((flags & FLAG_VERSION_MASK) != FLAG_VERSION_1)
        return "the lz4 frame's version is not supported";
    if ((flags & FLAG_BLOCK_INDEPENDENT) == 0)
        return "the lz4 frame has dependent blocks, which Kafka clients cannot read";
    if ((flags & FLAG_RESERVED_OR_DICTIONARY) != 0)
        return "the lz4 frame needs a dictionary or uses reserved bits";
    return NULL;
}

static bool begin_frame(struct codec_reader *reader)
{
    struct codec_pool *pool = reader->pool;
    const char *refusal = frame_check(reader->rest);
    if (refusal != NULL) {
        (void)codec_fail(reader, CODEC_CORRUPT, refusal);
        return false;
    }
    if (pool->lz4_reader == NULL &&
        LZ4F_isError(LZ4F_createDecompressionContext(&pool->lz4_reader, LZ4F_VERSION))) {
        pool->lz4_reader = NULL;
        (void)codec_fail(reader, CODEC_NO_MEMORY, "no memory for lz4");
        return false;
    }
    LZ4F_resetDecompressionContext(pool->lz4_reader);
    int block_size = reader->rest.data[5] >> BLOCK_SIZE_AT & BLOCK_SIZE_MASK;
    pool->lz4_reader_large = block_size > BLOCK_SIZE_KEPT;
    reader->framed = true;
    return true;
}

static struct slice decode_fail(struct codec_reader *reader, size_t code)
{
    /* The public interface tells errors apart by their names only. */
    if (strcmp(LZ4F_getErrorName(code), "ERROR_allocation_failed") == 0)
        return codec_fail(reader, CODEC_NO_MEMORY, "no memory for lz4");
    return codec_fail(reader, CODEC_CORRUPT, "lz4 data is corrupt");
}

struct slice codec_lz4_read(struct codec_reader *reader)
{
    uint8_t *window = codec_window(reader);
    if (window == NULL || (!reader->framed && !begin_frame(reader)))
        return (struct slice){0};
    for (;;) {
        size_t made = CODEC_WINDOW_SIZE;
        size_t eaten = reader->rest.size;
        size_t hint = LZ4F_decompress(reader->pool->lz4_reader, window, &made, reader->rest.data,
                                      &eaten, NULL);
        if (LZ4F_isError(hint))
            return decode_fail(reader, hint);
        reader->rest = slice_from(reader->rest, eaten);
        if (hint == 0)
            reader->ended = true;
        if (made > 0)
            return slice_of(window, made);
        if (reader->ended)
            return (struct slice){0};
        if (eaten == 0)
            return codec_fail(reader, CODEC_CORRUPT, "lz4 data ends too early");
    }
}

void codec_lz4_trim(struct codec_pool *pool)
{
    if (!pool->lz4_reader_large)
        return;
    LZ4F_freeDecompressionContext(pool->lz4_reader);
    pool->lz4_reader = NULL;
    pool->lz4_reader_large = false;
}

/* Levels 1 and 2 are below what the frame interface's high compressor knows. */
static LZ4F_preferences_t preferences(int level)
{
    LZ4F_preferences_t wanted = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
    };
    if (level != CODEC_LEVEL_DEFAULT && level != LEVEL_FAST)
        wanted.compressionLevel = MAX_OF(level, LEVEL_HIGH_MIN);
    return wanted;
}

size_t codec_lz4_bound(size_t size)
{
    LZ4F_preferences_t wanted = preferences(CODEC_LEVEL_DEFAULT);
    return LZ4F_HEADER_SIZE_MAX + LZ4F_compressBound(size, &wanted);
}

/* The pool's compressor, made when first needed; NULL when memory is out. */
static LZ4F_cctx *compressor(struct codec_pool *pool)
{
    if (pool->lz4_writer == NULL &&
        LZ4F_isError(LZ4F_createCompressionContext(&pool->lz4_writer, LZ4F_VERSION)))
        pool->lz4_writer = NULL;
    return pool->lz4_writer;
}

size_t codec_lz4_write(struct codec_pool *pool, struct slice plain,
                       const struct codec_target *target)
{
    if (compressor(pool) == NULL)
        return 0;
    LZ4F_preferences_t wanted = preferences(target->level);
    uint8_t *out = target->out;
    size_t size = LZ4F_compressBegin(pool->lz4_writer, out, target->capacity, &wanted);
    if (LZ4F_isError(size))
        return 0;
    LZ4F_compressOptions_t options = {.stableSrc = 1};
    size_t made = LZ4F_compressUpdate(pool->lz4_writer, out + size, target->capacity - size,
                                      plain.data, plain.size, &options);
    if (LZ4F_isError(made))
        return 0;
    size += made;
    made = LZ4F_compressEnd(pool->lz4_writer, out + size, target->capacity - size, &options);
    return LZ4F_isError(made) ? 0 : size + made;
}

/* Whether `made` is a size and not an error, of which memory is the only one left. */
static bool advance(struct codec_writer *writer, size_t made)
{
    if (LZ4F_isError(made))
        writer->fault = CODEC_NO_MEMORY;
    else
        codec_writer_advance(writer, made);
    return writer->fault == CODEC_FINE;
}

void codec_lz4_add(struct codec_writer *writer, struct slice plain, bool last)
{
    LZ4F_cctx *context = compressor(writer->pool);
    LZ4F_preferences_t wanted = preferences(writer->sink.level);
    size_t room = LZ4F_HEADER_SIZE_MAX + LZ4F_compressBound(plain.size, &wanted);
    if (context == NULL)
        writer->fault = CODEC_NO_MEMORY;
    if (context == NULL || codec_writer_room(writer, room) == NULL)
        return;
    size_t end = writer->size + room;
    if (!writer->begun &&
        !advance(writer, LZ4F_compressBegin(context, writer->out + writer->size, room, &wanted)))
        return;
    size_t made = LZ4F_compressUpdate(context, writer->out + writer->size, end - writer->size,
                                      plain.data, plain.size, NULL);
    if (advance(writer, made) && last)
        (void)advance(writer, LZ4F_compressEnd(context, writer->out + writer->size,
                                               end - writer->size, NULL));
}

void codec_lz4_fini(struct codec_pool *pool)
{
    LZ4F_freeDecompressionContext(pool->lz4_reader);
    LZ4F_freeCompressionContext(pool->lz4_writer);
}
