/* Compression of record batches: gzip, snappy, lz4 and zstd, read as a stream of bounded pieces
 * and written in one go or as a stream. Contexts are kept in a pool that one thread owns, so that
 * no batch pays for their set-up. What comes from the network is only ever read through
 * codec_reader, which stops at the caller's limit: a bomb costs its limit in time and a window in
 * memory.
 *
 * Memory while reading: gzip, lz4 and zstd hold one window of CODEC_WINDOW_SIZE beside the
 * context's own history (gzip 32 KiB; lz4 the frame's block size, at most 4 MiB; zstd the frame's
 * window, at most 128 MiB as in Java clients, touched only as far as output was produced). Snappy's
 * unit is the block: its declared size is checked against what that many compressed bytes can hold
 * at most and against the limit before memory is taken. What is larger than usual is given back
 * when the reader is closed.
 *
 * A pool and its readers belong to one thread at a time. No function here does I/O. */
#ifndef WIRE_CODEC_H
#define WIRE_CODEC_H

#include "base/attr.h"
#include "base/slice.h"

/* The values are those of a batch's attributes. */
enum codec { CODEC_NONE = 0, CODEC_GZIP = 1, CODEC_SNAPPY = 2, CODEC_LZ4 = 3, CODEC_ZSTD = 4 };

#define CODEC_COUNT 5
/* Pieces are at most this long, but for snappy, whose piece is a block, and CODEC_NONE. */
#define CODEC_WINDOW_SIZE ((size_t)64 * 1024)
/* For callers without a limit of their own. */
#define CODEC_OUTPUT_SIZE_MAX_DEFAULT (512LL * 1024 * 1024)
/* The level at which each codec works when none is configured. */
#define CODEC_LEVEL_DEFAULT INT32_MIN

/* "none", "gzip", "snappy", "lz4", "zstd"; "unknown". */
const char *codec_name(enum codec);
static inline bool codec_is_known(int id)
{
    return id >= 0 && id < CODEC_COUNT;
}

/* Whether `level` may be configured for the codec: gzip 1 to 9 or -1, lz4 1 to 17, zstd -131072
 * to 22, CODEC_LEVEL_DEFAULT always; none and snappy have no levels and accept no other. */
bool codec_level_is_valid(enum codec, int level);

struct codec_pool;

/* Contexts are made when first needed. NULL when memory is out. */
struct codec_pool *codec_pool_new(void);
void codec_pool_free(struct codec_pool *); /* NULL is fine; no reader may be open */

/* What a reader says besides its text: the difference matters to callers that try again with a
 * larger limit on a worker. */
enum codec_fault {
    CODEC_FINE,
    CODEC_CORRUPT,   /* the compressed bytes are not what their codec writes */
    CODEC_TOO_LARGE, /* the limit of output bytes was passed */
    CODEC_NO_MEMORY,
};

/* What is read and how much of it may come out. */
struct codec_source {
    struct slice compressed; /* borrowed until the reader is closed */
    enum codec codec;
    int64_t output_size_max; /* bytes; 0 or less means CODEC_OUTPUT_SIZE_MAX_DEFAULT */
};

/* One compressed run of bytes being read. Members are the reader's own but for `fault`, `text` and
 * `output_size`, which may be looked at. */
struct codec_reader {
    struct codec_pool *pool;
    struct slice rest; /* compressed bytes not consumed */
    int64_t output_size;
    int64_t output_size_max;
    const char *text; /* static sentence when fault is not CODEC_FINE */
    enum codec codec;
    enum codec_fault fault; /* sticky */
    bool ended;
    bool framed; /* snappy: xerial blocks; gzip, zstd: inside of a member or frame */
};

/* pool may be NULL for CODEC_NONE only. One reader at a time may be open on a pool. Faults, also
 * of the opening itself, are found by the first codec_read. */
void codec_reader_open(struct codec_reader *, struct codec_pool *, struct codec_source);
/* The next piece: never empty, valid until the next call or the close. Empty at the end of the
 * data (fault is CODEC_FINE) and at a fault. */
struct slice codec_read(struct codec_reader *);
void codec_reader_close(struct codec_reader *);

/* Bytes that codec_write may need at most for `size` bytes of input. */
size_t codec_bound(enum codec, size_t size);
/* Compresses all of `plain` to `out` of `capacity` bytes, at least codec_bound's. Snappy is written
 * in xerial blocks of 32 KiB and lz4 in independent blocks of 64 KiB, as Java clients do. Returns
 * the bytes written, 0 when memory is out or the level is not valid. CODEC_NONE is not for it. */
struct codec_target {
    enum codec codec;
    int level; /* or CODEC_LEVEL_DEFAULT */
    uint8_t *out;
    size_t capacity;
};
MUST_USE size_t codec_write(struct codec_pool *, struct slice plain, struct codec_target);

/* Where a stream of plain bytes is compressed to. */
struct codec_sink {
    enum codec codec;        /* CODEC_NONE too */
    int level;               /* or CODEC_LEVEL_DEFAULT */
    size_t size_first;       /* bytes left free in front of the output, for a header */
    size_t size_max;         /* of the output with them */
    int64_t plain_size_hint; /* of all that will be added, or 0: zstd takes no larger window */
};

/* Compression of bytes that come piece by piece. It holds CODEC_WINDOW_SIZE of plain bytes in the
 * pool, the codec's own history (zstd: 4 MiB by default and about 100 at the highest levels, as it
 * looks back 8 MiB at most) and the output, which grows by doubling. It stops as soon as the output
 * is larger than allowed, so that the size of what is added does not matter. Members are the
 * writer's own but for `fault`. */
struct codec_writer {
    struct codec_pool *pool;
    struct codec_sink sink;
    uint8_t *out;
    size_t size; /* filled */
    size_t capacity;
    size_t gathered;        /* plain bytes that wait in the pool */
    enum codec_fault fault; /* sticky: CODEC_TOO_LARGE when size_max is passed, CODEC_NO_MEMORY */
    bool begun;             /* the codec has seen a piece */
};

/* pool may be NULL for CODEC_NONE only. One writer at a time on a pool; a reader may be open beside
 * it, codec_write may not be called. The level is valid. */
void codec_writer_open(struct codec_writer *, struct codec_pool *, struct codec_sink);
void codec_writer_add(struct codec_writer *, struct slice plain);
/* Ends the stream. Then, without a fault, `out` has `size` bytes and is the caller's to free. */
void codec_writer_take(struct codec_writer *, uint8_t **ret_out, size_t *ret_size);
/* Frees the output that was not taken. */
void codec_writer_close(struct codec_writer *);

#endif
