/* gzip: read with ISA-L's inflate, which checks header, CRC-32 and size of each member, and
 * written with zlib, whose levels compression.gzip.level means. Several members in a row are one
 * stream, as Java's reader has it; bytes behind the last member that do not begin another are
 * passed over, also as there. The inflater buffers up to eight bytes of input, which must be given
 * back when a member ends. One thread at a time. */
#define ZLIB_CONST

#include "wire/codec_int.h"

#include "base/always.h"

#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <zlib.h>

/* The largest window, and 16 for the gzip wrapper. */
#define WINDOW_BITS (15 + 16)
#define MEMORY_LEVEL 8
/* Header and trailer of gzip, beside what deflateBound says of a stream without them. */
#define WRAPPER_SIZE 18

static const uint8_t magic[2] = {0x1f, 0x8b};

static bool starts_member(struct slice bytes)
{
    return bytes.size >= sizeof magic && memcmp(bytes.data, magic, sizeof magic) == 0;
}

/* The pool's inflater, made when first needed; NULL when memory is out, with the fault set. */
static struct inflate_state *inflater(struct codec_reader *reader)
{
    struct codec_buffer *buffer = &reader->pool->inflate;
    if (!codec_buffer_grow(buffer, sizeof(struct inflate_state), 0))
        (void)codec_fail(reader, CODEC_NO_MEMORY, "no memory for gzip");
    return (struct inflate_state *)(void *)buffer->data;
}

static void begin_member(struct codec_reader *reader, struct inflate_state *state)
{
    isal_inflate_init(state);
    state->crc_flag = ISAL_GZIP;
    reader->framed = true;
}

/* Takes over where the inflater stands in the input; at a member's end also what it buffered. */
static void take_rest(struct codec_reader *reader, const struct inflate_state *state)
{
    size_t left = state->avail_in;
    if (state->block_state == ISAL_BLOCK_FINISH) {
        left += (size_t)state->read_in_length / 8;
        reader->framed = false;
    }
    reader->rest = slice_from(reader->rest, reader->rest.size - left);
}

struct slice codec_gzip_read(struct codec_reader *reader)
{
    uint8_t *window = codec_window(reader);
    struct inflate_state *state = inflater(reader);
    if (window == NULL || state == NULL)
        return (struct slice){0};
    bool first = reader->output_size == 0 && !reader->framed;
    for (;;) {
        if (!reader->framed && !starts_member(reader->rest)) {
            if (first)
                return codec_fail(reader, CODEC_CORRUPT, "gzip data has no gzip header");
            reader->ended = true;
            return (struct slice){0};
        }
        if (!reader->framed)
            begin_member(reader, state);
        first = false;
        union {
            const uint8_t *from;
            uint8_t *to; /* the library reads only, but does not say so */
        } input = {.from = reader->rest.data};
        state->next_in = input.to;
        state->avail_in = (uint32_t)reader->rest.size;
        state->next_out = window;
        state->avail_out = (uint32_t)CODEC_WINDOW_SIZE;
        if (isal_inflate(state) != ISAL_DECOMP_OK)
            return codec_fail(reader, CODEC_CORRUPT, "gzip data is corrupt");
        take_rest(reader, state);
        size_t made = CODEC_WINDOW_SIZE - state->avail_out;
        if (made > 0)
            return slice_of(window, made);
        if (reader->framed && reader->rest.size == 0)
            return codec_fail(reader, CODEC_CORRUPT, "gzip data ends too early");
    }
}

size_t codec_gzip_bound(size_t size)
{
    return deflateBound(NULL, size) + WRAPPER_SIZE;
}

/* The pool's deflater at `level`, ready for a new stream; NULL when memory is out. */
static struct z_stream_s *deflater(struct codec_pool *pool, int level)
{
    struct z_stream_s *stream = pool->deflate;
    if (stream != NULL && pool->deflate_level == level)
        return deflateReset(stream) == Z_OK ? stream : NULL;
    if (stream == NULL) {
        stream = (struct z_stream_s *)calloc(1, sizeof *stream);
        if (stream == NULL)
            return NULL;
    } else {
        (void)deflateEnd(stream);
    }
    pool->deflate = NULL;
    if (deflateInit2(stream, level, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        free(stream);
        return NULL;
    }
    pool->deflate = stream;
    pool->deflate_level = level;
    return stream;
}

size_t codec_gzip_write(struct codec_pool *pool, struct slice plain,
                        const struct codec_target *target)
{
    int level = target->level == CODEC_LEVEL_DEFAULT ? Z_DEFAULT_COMPRESSION : target->level;
    struct z_stream_s *stream = deflater(pool, level);
    if (stream == NULL || plain.size > UINT32_MAX || target->capacity > UINT32_MAX)
        return 0;
    stream->next_in = plain.data;
    stream->avail_in = (uInt)plain.size;
    stream->next_out = target->out;
    stream->avail_out = (uInt)target->capacity;
    if (deflate(stream, Z_FINISH) != Z_STREAM_END)
        return 0;
    return target->capacity - stream->avail_out;
}

void codec_gzip_add(struct codec_writer *writer, struct slice plain, bool last)
{
    int level = writer->sink.level;
    if (level == CODEC_LEVEL_DEFAULT)
        level = Z_DEFAULT_COMPRESSION;
    struct z_stream_s *stream =
        writer->begun ? writer->pool->deflate : deflater(writer->pool, level);
    if (stream == NULL) {
        writer->fault = CODEC_NO_MEMORY;
        return;
    }
    stream->next_in = plain.data;
    stream->avail_in = (uInt)plain.size;
    int outcome = Z_OK;
    while (last ? outcome != Z_STREAM_END : stream->avail_in > 0) {
        size_t room = codec_writer_piece(writer);
        if (room == 0)
            return;
        stream->next_out = writer->out + writer->size;
        stream->avail_out = (uInt)room;
        outcome = deflate(stream, last ? Z_FINISH : Z_NO_FLUSH);
        ALWAYS(outcome == Z_OK || outcome == Z_STREAM_END, "deflate says %d", outcome);
        codec_writer_advance(writer, room - stream->avail_out);
    }
}

void codec_gzip_fini(struct codec_pool *pool)
{
    free(pool->inflate.data);
    if (pool->deflate != NULL)
        (void)deflateEnd(pool->deflate);
    free(pool->deflate);
}
