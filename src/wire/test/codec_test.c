/* Codecs: every size and level there and back, the foreign forms that clients write, everything
 * truncated or flipped, and bombs whose memory stays bounded. */
#include "wire/test/batch_kit.h"

#include "base/bytes.h"

#include <lz4frame.h>
#include <malloc.h>
#include <setjmp.h>
#include <snappy-c.h>
#include <stdarg.h>
#include <stdlib.h>
#include <zstd.h>

#include <cmocka.h>

static const enum codec packing[] = {CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD};

/* Reads all of it; the output is appended to *out when that is not NULL. */
static enum codec_fault read_all(struct codec_pool *pool, struct codec_source source,
                                 struct bytes *out)
{
    struct codec_reader reader;
    codec_reader_open(&reader, pool, source);
    int64_t total = 0;
    for (;;) {
        struct slice piece = codec_read(&reader);
        if (piece.size == 0)
            break;
        total += (int64_t)piece.size;
        if (out != NULL)
            bytes_add_slice(out, piece);
    }
    if (reader.fault == CODEC_FINE) {
        assert_null(reader.text);
        assert_int_equal(total, reader.output_size);
        assert_int_equal(codec_read(&reader).size, 0);
    } else {
        assert_non_null(reader.text);
    }
    codec_reader_close(&reader);
    return reader.fault;
}

static enum codec_fault read_plainly(struct codec_pool *pool, enum codec codec,
                                     const struct bytes *packed, struct bytes *out)
{
    return read_all(pool, (struct codec_source){.compressed = bytes_slice(packed), .codec = codec},
                    out);
}

static struct bytes make_text(size_t size, uint64_t seed)
{
    static const char *const words[] = {"offset ", "epoch ", "leader ", "batch ", "0123456 ", "\n"};
    struct prng prng;
    prng_init(&prng, seed);
    struct bytes b = {0};
    while (b.size < size) {
        const char *word = words[prng_below(&prng, COUNT_OF(words))];
        bytes_add(&b, word, MIN_OF(strlen(word), size - b.size));
    }
    return b;
}

static struct bytes make_noise(size_t size, uint64_t seed)
{
    struct prng prng;
    prng_init(&prng, seed);
    struct bytes b = {.data = (uint8_t *)malloc(size + 1), .size = size, .capacity = size + 1};
    assert_non_null(b.data);
    prng_fill(&prng, b.data, size);
    return b;
}

static void assert_round_trip(struct codec_pool *pool, enum codec codec, int level,
                              const struct bytes *plain)
{
    struct bytes packed = {0};
    struct bytes back = {0};
    pack_with(pool, codec, level, bytes_slice(plain), &packed);
    assert_int_equal(read_plainly(pool, codec, &packed, &back), CODEC_FINE);
    assert_int_equal(back.size, plain->size);
    assert_memory_equal(back.data, plain->data, plain->size);
    bytes_fini(&packed);
    bytes_fini(&back);
}

static void test_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 100, 32767, 32768, 32769, 65535, 65536, 65537, 1000000};
    struct codec_pool *pool = codec_pool_new();
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        struct bytes text = make_text(sizes[s], s);
        struct bytes noise = make_noise(sizes[s], s);
        for (size_t c = 0; c < COUNT_OF(packing); c++) {
            assert_round_trip(pool, packing[c], CODEC_LEVEL_DEFAULT, &text);
            assert_round_trip(pool, packing[c], CODEC_LEVEL_DEFAULT, &noise);
        }
        bytes_fini(&text);
        bytes_fini(&noise);
    }
    codec_pool_free(pool);
}

static void test_levels(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    struct bytes text = make_text(40000, 7);
    for (int level = -200; level <= 30; level++)
        for (size_t c = 0; c < COUNT_OF(packing); c++)
            if (codec_level_is_valid(packing[c], level))
                assert_round_trip(pool, packing[c], level, &text);
    assert_false(codec_level_is_valid(CODEC_GZIP, 0));
    assert_false(codec_level_is_valid(CODEC_GZIP, 10));
    assert_true(codec_level_is_valid(CODEC_GZIP, -1));
    assert_false(codec_level_is_valid(CODEC_LZ4, 0));
    assert_true(codec_level_is_valid(CODEC_LZ4, 17));
    assert_false(codec_level_is_valid(CODEC_ZSTD, 23));
    assert_false(codec_level_is_valid(CODEC_SNAPPY, 1));
    assert_true(codec_level_is_valid(CODEC_SNAPPY, CODEC_LEVEL_DEFAULT));
    uint8_t out[64 * 1024];
    size_t size =
        codec_write(pool, bytes_slice(&text),
                    (struct codec_target){
                        .codec = CODEC_GZIP, .level = 99, .out = out, .capacity = sizeof out});
    assert_int_equal(size, 0);
    bytes_fini(&text);
    codec_pool_free(pool);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(codec_name(CODEC_ZSTD), "zstd");
    assert_string_equal(codec_name((enum codec)5), "unknown");
    assert_false(codec_is_known(5));
    assert_false(codec_is_known(-1));
}

static void test_plain(void **state)
{
    (void)state;
    struct codec_reader reader;
    codec_reader_open(&reader, NULL,
                      (struct codec_source){.compressed = slice_of_text("as it is"),
                                            .codec = CODEC_NONE,
                                            .output_size_max = 1});
    assert_true(slice_is(codec_read(&reader), "as it is"));
    assert_int_equal(codec_read(&reader).size, 0);
    assert_int_equal(reader.fault, CODEC_FINE);
    codec_reader_close(&reader);
}

/* A bare block as librdkafka and Go clients write it, also one larger than any window. */
static void test_snappy_bare(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    struct bytes text = make_text(3000000, 3);
    size_t size = snappy_max_compressed_length(text.size);
    struct bytes packed = {.data = (uint8_t *)malloc(size), .size = size, .capacity = size};
    assert_int_equal(
        snappy_compress((const char *)text.data, text.size, (char *)packed.data, &packed.size),
        SNAPPY_OK);
    struct bytes back = {0};
    assert_int_equal(read_plainly(pool, CODEC_SNAPPY, &packed, &back), CODEC_FINE);
    assert_true(slice_equal(bytes_slice(&back), bytes_slice(&text)));
    struct codec_source source = {
        .compressed = bytes_slice(&packed), .codec = CODEC_SNAPPY, .output_size_max = 2999999};
    assert_int_equal(read_all(pool, source, NULL), CODEC_TOO_LARGE);
    source.output_size_max = 3000000;
    assert_int_equal(read_all(pool, source, NULL), CODEC_FINE);
    bytes_fini(&packed);
    bytes_fini(&back);
    bytes_fini(&text);
    codec_pool_free(pool);
}

static void test_snappy_framing(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    struct bytes text = make_text(100000, 4);
    struct bytes packed = {0};
    struct bytes back = {0};
    pack_with(pool, CODEC_SNAPPY, CODEC_LEVEL_DEFAULT, bytes_slice(&text), &packed);
    assert_memory_equal(packed.data, "\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
    /* A second stream behind the first. */
    pack_with(pool, CODEC_SNAPPY, CODEC_LEVEL_DEFAULT, bytes_slice(&text), &packed);
    assert_int_equal(read_plainly(pool, CODEC_SNAPPY, &packed, &back), CODEC_FINE);
    assert_int_equal(back.size, 2 * text.size);
    /* A framed stream without blocks is empty. */
    packed.size = 16;
    back.size = 0;
    assert_int_equal(read_plainly(pool, CODEC_SNAPPY, &packed, &back), CODEC_FINE);
    assert_int_equal(back.size, 0);
    bytes_fini(&packed);
    bytes_fini(&back);
    bytes_fini(&text);
    codec_pool_free(pool);
}

#define FRAMED "\x82SNAPPY\0\0\0\0\1\0\0\0\1"

static void test_snappy_lies(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } lies[] = {
        {"\xff\xff\xff\xff\x0f\0\0\0", 8},             /* claims 4 GiB */
        {"\xff\xff\xff\xff\xff\x01", 6},               /* a long varint */
        {FRAMED "\xff\xff\xff\xff", 20},               /* a block of -1 bytes */
        {FRAMED "\0\0\0\0", 20},                       /* a block of none */
        {FRAMED "\0\0\0\5abc", 23},                    /* a block cut short */
        {FRAMED "\0\0", 18},                           /* half a size */
        {FRAMED "\0\0\0\6\xff\xff\xff\xff\x07\0", 26}, /* a block that claims 2 GiB */
    };
    struct codec_pool *pool = codec_pool_new();
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        struct codec_source source = {.compressed = slice_of(lies[i].bytes, lies[i].size),
                                      .codec = CODEC_SNAPPY};
        assert_int_equal(read_all(pool, source, NULL), CODEC_CORRUPT);
    }
    codec_pool_free(pool);
}

static void test_gzip_members(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    struct bytes text = make_text(70000, 5);
    struct bytes packed = {0};
    struct bytes back = {0};
    for (int i = 0; i < 3; i++)
        pack_with(pool, CODEC_GZIP, 1, slice_first(bytes_slice(&text), (size_t)i * 35000), &packed);
    assert_int_equal(read_plainly(pool, CODEC_GZIP, &packed, &back), CODEC_FINE);
    assert_int_equal(back.size, 105000);
    /* What does not begin another member is passed over. */
    bytes_add(&packed, "tail", 4);
    assert_int_equal(read_plainly(pool, CODEC_GZIP, &packed, NULL), CODEC_FINE);
    /* What begins one and is none is not. */
    bytes_add(&packed, "\x1f\x8b", 2);
    assert_int_equal(read_plainly(pool, CODEC_GZIP, &packed, NULL), CODEC_FINE);
    packed.size -= 6;
    bytes_add(&packed, "\x1f\x8b\x07", 3);
    assert_int_equal(read_plainly(pool, CODEC_GZIP, &packed, NULL), CODEC_CORRUPT);
    bytes_fini(&packed);
    bytes_fini(&back);
    bytes_fini(&text);
    codec_pool_free(pool);
}

static void pack_lz4(struct bytes *packed, struct slice plain, const LZ4F_preferences_t *wanted)
{
    size_t bound = LZ4F_compressFrameBound(plain.size, wanted);
    uint8_t *out = (uint8_t *)malloc(bound);
    size_t size = LZ4F_compressFrame(out, bound, plain.data, plain.size, wanted);
    assert_false(LZ4F_isError(size));
    bytes_add(packed, out, size);
    free(out);
}

static void test_lz4_frames(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    struct bytes text = make_text(5000000, 6);
    for (int i = 0; i < 64; i++) {
        LZ4F_preferences_t wanted = {
            .frameInfo = {.blockMode = LZ4F_blockIndependent,
                          .blockSizeID = (LZ4F_blockSizeID_t)(4 + (i & 3)),
                          .contentChecksumFlag = (LZ4F_contentChecksum_t)(i >> 2 & 1),
                          .blockChecksumFlag = (LZ4F_blockChecksum_t)(i >> 3 & 1),
                          .contentSize = (i >> 4 & 1) != 0 ? 1 : 0},
        };
        struct slice plain = slice_first(bytes_slice(&text), i >= 32 ? 5000000 : 1000);
        struct bytes packed = {0};
        struct bytes back = {0};
        pack_lz4(&packed, plain, &wanted);
        assert_int_equal(read_plainly(pool, CODEC_LZ4, &packed, &back), CODEC_FINE);
        assert_true(slice_equal(bytes_slice(&back), plain));
        bytes_fini(&packed);
        bytes_fini(&back);
    }
    bytes_fini(&text);
    codec_pool_free(pool);
}

static void test_lz4_refused(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    struct bytes text = make_text(200000, 8);
    struct bytes packed = {0};
    LZ4F_preferences_t linked = {.frameInfo = {.blockMode = LZ4F_blockLinked}};
    pack_lz4(&packed, bytes_slice(&text), &linked);
    assert_int_equal(read_plainly(pool, CODEC_LZ4, &packed, NULL), CODEC_CORRUPT);
    packed.size = 0;
    LZ4F_preferences_t dictionary = {
        .frameInfo = {.blockMode = LZ4F_blockIndependent, .dictID = 5}};
    pack_lz4(&packed, bytes_slice(&text), &dictionary);
    assert_int_equal(read_plainly(pool, CODEC_LZ4, &packed, NULL), CODEC_CORRUPT);
    packed.size = 0;
    bytes_add(&packed, "\x50\x2a\x4d\x18\1\0\0\0x", 9); /* a skippable frame */
    assert_int_equal(read_plainly(pool, CODEC_LZ4, &packed, NULL), CODEC_CORRUPT);
    bytes_fini(&packed);
    bytes_fini(&text);
    codec_pool_free(pool);
}

/* As Java's stream writes: no content size, and level 22 with its window of 128 MiB. */
static void pack_zstd_stream(struct bytes *packed, struct slice plain, int level)
{
    ZSTD_CCtx *writer = ZSTD_createCCtx();
    (void)ZSTD_CCtx_setParameter(writer, ZSTD_c_compressionLevel, level);
    ZSTD_inBuffer in = {.src = plain.data, .size = plain.size};
    uint8_t chunk[1000];
    for (;;) {
        ZSTD_outBuffer out = {.dst = chunk, .size = sizeof chunk};
        ZSTD_EndDirective end = in.pos < in.size / 2 ? ZSTD_e_continue : ZSTD_e_end;
        size_t left = ZSTD_compressStream2(writer, &out, &in, end);
        assert_false(ZSTD_isError(left));
        bytes_add(packed, chunk, out.pos);
        if (end == ZSTD_e_end && left == 0)
            break;
    }
    (void)ZSTD_freeCCtx(writer);
}

static void test_zstd_frames(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    struct bytes text = make_text(300000, 9);
    struct bytes packed = {0};
    struct bytes back = {0};
    pack_zstd_stream(&packed, bytes_slice(&text), 22);
    pack_zstd_stream(&packed, bytes_slice(&text), 1);
    assert_int_equal(read_plainly(pool, CODEC_ZSTD, &packed, &back), CODEC_FINE);
    assert_int_equal(back.size, 600000);
    bytes_add(&packed, "junk", 4);
    assert_int_equal(read_plainly(pool, CODEC_ZSTD, &packed, NULL), CODEC_CORRUPT);
    bytes_fini(&packed);
    bytes_fini(&back);
    bytes_fini(&text);
    codec_pool_free(pool);
}

/* No prefix of compressed data passes for the whole, but for a stream cut between its parts. */
static void test_truncated(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    struct bytes text = make_text(3000, 10);
    for (size_t c = 0; c < COUNT_OF(packing); c++) {
        struct bytes packed = {0};
        struct bytes back = {0};
        pack_with(pool, packing[c], CODEC_LEVEL_DEFAULT, bytes_slice(&text), &packed);
        size_t whole = packed.size;
        for (packed.size = 0; packed.size < whole; packed.size++) {
            back.size = 0;
            enum codec_fault fault = read_plainly(pool, packing[c], &packed, &back);
            if (packing[c] == CODEC_SNAPPY && packed.size == 16)
                assert_int_equal(back.size, 0);
            else
                assert_int_equal(fault, CODEC_CORRUPT);
        }
        bytes_fini(&packed);
        bytes_fini(&back);
    }
    bytes_fini(&text);
    codec_pool_free(pool);
}

static void test_flipped(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    struct bytes text = make_text(2000, 11);
    for (size_t c = 0; c < COUNT_OF(packing); c++) {
        struct bytes packed = {0};
        pack_with(pool, packing[c], CODEC_LEVEL_DEFAULT, bytes_slice(&text), &packed);
        for (size_t bit = 0; bit < packed.size * 8; bit++) {
            packed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            struct codec_source source = {.compressed = bytes_slice(&packed),
                                          .codec = packing[c],
                                          .output_size_max = 1 << 20};
            (void)read_all(pool, source, NULL);
            packed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_int_equal(read_plainly(pool, packing[c], &packed, NULL), CODEC_FINE);
        bytes_fini(&packed);
    }
    bytes_fini(&text);
    codec_pool_free(pool);
}

static void test_limit(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    struct bytes text = make_text(200000, 12);
    for (size_t c = 0; c < COUNT_OF(packing); c++) {
        struct bytes packed = {0};
        struct bytes back = {0};
        pack_with(pool, packing[c], CODEC_LEVEL_DEFAULT, bytes_slice(&text), &packed);
        struct codec_source source = {
            .compressed = bytes_slice(&packed), .codec = packing[c], .output_size_max = 199999};
        assert_int_equal(read_all(pool, source, &back), CODEC_TOO_LARGE);
        assert_true(back.size <= 199999);
        source.output_size_max = 200000;
        assert_int_equal(read_all(pool, source, NULL), CODEC_FINE);
        bytes_fini(&packed);
        bytes_fini(&back);
    }
    bytes_fini(&text);
    codec_pool_free(pool);
}

static size_t heap_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* 256 MiB of zeros in a few kilobytes: read to the limit, the heap grows by a window and a
 * context, not by what comes out. */
static void test_bombs(void **state)
{
    (void)state;
    size_t size = 256u << 20;
    uint8_t *zeros = (uint8_t *)calloc(1, size);
    assert_non_null(zeros);
    for (size_t c = 0; c < COUNT_OF(packing); c++) {
        struct codec_pool *pool = codec_pool_new();
        struct bytes packed = {0};
        int level = packing[c] == CODEC_GZIP ? 1 : CODEC_LEVEL_DEFAULT;
        pack_with(pool, packing[c], level, slice_of(zeros, size), &packed);
        codec_pool_free(pool);
        pool = codec_pool_new();
        size_t before = heap_in_use();
        size_t most = 0;
        struct codec_reader reader;
        codec_reader_open(&reader, pool,
                          (struct codec_source){.compressed = bytes_slice(&packed),
                                                .codec = packing[c],
                                                .output_size_max = 100 << 20});
        while (codec_read(&reader).size > 0)
            most = MAX_OF(most, heap_in_use());
        assert_int_equal(reader.fault, CODEC_TOO_LARGE);
        assert_true(most < before + (12u << 20));
        codec_reader_close(&reader);
        assert_true(heap_in_use() < before + (6u << 20) || most == 0);
        bytes_fini(&packed);
        codec_pool_free(pool);
    }
    free(zeros);
}

static void test_unknown_and_empty(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    struct codec_source source = {.compressed = slice_of_text("x"), .codec = (enum codec)6};
    assert_int_equal(read_all(pool, source, NULL), CODEC_CORRUPT);
    for (size_t c = 0; c < COUNT_OF(packing); c++) {
        source = (struct codec_source){.codec = packing[c]};
        assert_int_equal(read_all(pool, source, NULL), CODEC_CORRUPT);
    }
    codec_pool_free(pool);
    codec_pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),       cmocka_unit_test(test_levels),
        cmocka_unit_test(test_names),       cmocka_unit_test(test_plain),
        cmocka_unit_test(test_snappy_bare), cmocka_unit_test(test_snappy_framing),
        cmocka_unit_test(test_snappy_lies), cmocka_unit_test(test_gzip_members),
        cmocka_unit_test(test_lz4_frames),  cmocka_unit_test(test_lz4_refused),
        cmocka_unit_test(test_zstd_frames), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_flipped),     cmocka_unit_test(test_limit),
        cmocka_unit_test(test_bombs),       cmocka_unit_test(test_unknown_and_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
