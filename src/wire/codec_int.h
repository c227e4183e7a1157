/* What the codecs share behind wire/codec.h: the pool's contexts and the one function of each codec
 * that produces the next piece. Included only by codec*.c and record_reader.c (for the carry
 * buffer). One thread at a time. */
#ifndef WIRE_CODEC_INT_H
#define WIRE_CODEC_INT_H

#include "wire/codec.h"

#include <limits.h>

struct z_stream_s;
struct LZ4F_dctx_s;
struct LZ4F_cctx_s;
struct ZSTD_DCtx_s;
struct ZSTD_CCtx_s;

/* Buffers and contexts above this are not kept between batches. */
#define CODEC_KEEP_SIZE_MAX ((size_t)1024 * 1024)

/* A heap buffer that only grows until it is trimmed. */
struct codec_buffer {
    uint8_t *data;
    size_t capacity;
};

struct codec_pool {
    const struct codec_reader *reader; /* the one that is open, or NULL */
    uint8_t *window;                   /* CODEC_WINDOW_SIZE, made when first needed */
    uint8_t *gather;                   /* of the same size, for codec_writer */
    struct codec_buffer block;         /* snappy: one decompressed block */
    struct codec_buffer carry;         /* record_reader: a record that spans pieces */
    struct codec_buffer inflate;       /* gzip: a struct inflate_state */
    struct z_stream_s *deflate;
    struct LZ4F_dctx_s *lz4_reader;
    struct LZ4F_cctx_s *lz4_writer;
    struct ZSTD_DCtx_s *zstd_reader;
    struct ZSTD_CCtx_s *zstd_writer;
    int deflate_level;
    bool lz4_reader_large; /* holds a frame's blocks of more than 256 KiB */
};

/* At least `size` bytes, the first `kept` of which stay; false when memory is out, then the buffer
 * is as before. */
bool codec_buffer_grow(struct codec_buffer *, size_t size, size_t kept);
/* Gives back what is larger than CODEC_KEEP_SIZE_MAX. */
void codec_buffer_trim(struct codec_buffer *);

/* The pool's window; NULL when memory is out, with the reader's fault set. */
uint8_t *codec_window(struct codec_reader *);
/* Sets the fault; returns the empty slice. */
struct slice codec_fail(struct codec_reader *, enum codec_fault, const char *text);

/* Each returns a piece, not yet counted; or the empty slice with `ended` or `fault` set. Called
 * only while neither is set. */
struct slice codec_gzip_read(struct codec_reader *);
struct slice codec_snappy_read(struct codec_reader *);
struct slice codec_lz4_read(struct codec_reader *);
struct slice codec_zstd_read(struct codec_reader *);

/* Each compresses to target.out; 0 when memory is out. The level is valid. */
size_t codec_gzip_write(struct codec_pool *, struct slice plain, const struct codec_target *);
size_t codec_snappy_write(struct slice plain, const struct codec_target *);
size_t codec_lz4_write(struct codec_pool *, struct slice plain, const struct codec_target *);
size_t codec_zstd_write(struct codec_pool *, struct slice plain, const struct codec_target *);

/* Each compresses the next piece of a stream, CODEC_WINDOW_SIZE bytes but for the last, to the
 * writer's output, or sets its fault. */
void codec_gzip_add(struct codec_writer *, struct slice plain, bool last);
void codec_snappy_add(struct codec_writer *, struct slice plain);
void codec_lz4_add(struct codec_writer *, struct slice plain, bool last);
void codec_zstd_add(struct codec_writer *, struct slice plain, bool last);
/* Room behind the writer's output for `size` bytes, size_max or not; NULL and the fault without. */
uint8_t *codec_writer_room(struct codec_writer *, size_t size);
/* Room for a piece of output, but not more than size_max allows; 0 with the fault set where there
 * is none. The bytes begin at out + size. */
size_t codec_writer_piece(struct codec_writer *);
/* Counts `size` bytes that were put there. */
void codec_writer_advance(struct codec_writer *, size_t size);

size_t codec_gzip_bound(size_t size);
size_t codec_snappy_bound(size_t size);
size_t codec_lz4_bound(size_t size);
size_t codec_zstd_bound(size_t size);

/* After a reader was closed: contexts that grew beyond the ordinary are given back. */
void codec_lz4_trim(struct codec_pool *);
void codec_zstd_trim(struct codec_pool *);
/* The same after something was compressed. */
void codec_zstd_trim_writer(struct codec_pool *);

/* Free a context; NULL is fine. */
void codec_gzip_fini(struct codec_pool *);
void codec_lz4_fini(struct codec_pool *);
void codec_zstd_fini(struct codec_pool *);

#endif
