/* Encoding again as a stream: each codec to each other gives what building the batch in one go
 * gives, wherever records and pieces end; the limit is met at the exact byte; and records that
 * cannot be numbered or read are said to be so. What it costs in memory: batch_memory_test.c. */
#include "wire/test/batch_kit.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct codec_pool *pool;

static int set_up(void **state)
{
    (void)state;
    pool = codec_pool_new();
    return pool == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    codec_pool_free(pool);
    return 0;
}

/* Records of one size: half of a value repeats, half of it does not. */
struct shape {
    int32_t count;
    size_t value_size;
};

/* One record; many in a piece; records that end with a piece, span two, and span many. */
static const struct shape shapes[] = {
    {1, 0}, {40, 100}, {1500, 100}, {5, CODEC_WINDOW_SIZE - 8}, {4, 50000}, {1, 300000},
};

static struct slice build(struct batch_builder *builder, enum codec codec, struct shape shape)
{
    struct batch_builder_options options = batch_builder_defaults();
    struct prng prng;
    uint8_t *value = (uint8_t *)calloc(1, shape.value_size + 1);
    assert_non_null(value);
    prng_init(&prng, shape.value_size);
    options.codec = codec;
    options.producer_id = 9;
    options.producer_epoch = 1;
    options.base_sequence = 100;
    batch_builder_begin(builder, &options);
    for (int32_t i = 0; i < shape.count; i++) {
        struct record_header header = {.key = slice_of_text("h"), .value = slice_of_text("v")};
        prng_fill(&prng, value, shape.value_size / 2);
        batch_builder_add(builder,
                          &(struct batch_record){.timestamp = 1000 + 3 * (i % 5),
                                                 .value = slice_of(value, shape.value_size),
                                                 .headers = &header,
                                                 .header_count = i % 2});
    }
    free(value);
    struct slice batch = batch_builder_finish(builder, pool);
    assert_false(slice_is_null(batch));
    return batch;
}

static void assert_same_records(struct slice a, struct slice b)
{
    struct batch_rebuild_options plain = {.level = CODEC_LEVEL_DEFAULT, .size_max = INT32_MAX};
    struct batch_rebuilt plain_a = batch_rebuild(pool, a, &plain);
    struct batch_rebuilt plain_b = batch_rebuild(pool, b, &plain);
    assert_null(plain_a.text);
    assert_null(plain_b.text);
    assert_int_equal(plain_a.size, plain_b.size);
    assert_memory_equal(plain_a.bytes, plain_b.bytes, plain_a.size);
    free(plain_a.bytes);
    free(plain_b.bytes);
}

/* zstd looks back otherwise when it does not know how much comes; all others write the same bytes
 * at once and as a stream. */
static void assert_as_built(struct slice batch, struct slice built, enum codec codec)
{
    struct batch_header header;
    assert_int_equal(batch_parse(batch, &header), BATCH_OK);
    assert_true(batch_crc_ok(batch));
    assert_int_equal(header.size, batch.size);
    assert_int_equal(batch_codec_id(&header), codec);
    if (codec == CODEC_ZSTD)
        assert_same_records(batch, built);
    else
        assert_true(slice_equal(batch, built));
}

/* The limit that is just met and the one that is not. */
static void assert_limit(struct slice from, struct batch_rebuild_options options, size_t size)
{
    options.size_max = (int64_t)size;
    struct batch_rebuilt made = batch_rebuild(pool, from, &options);
    assert_null(made.text);
    assert_int_equal(made.size, size);
    free(made.bytes);
    for (int64_t less = 1; less < (int64_t)size; less *= 60) {
        options.size_max = (int64_t)size - less;
        made = batch_rebuild(pool, from, &options);
        assert_int_equal(made.fault, CODEC_TOO_LARGE);
        assert_null(made.bytes);
        assert_non_null(made.text);
    }
}

static void check_shape(struct shape shape)
{
    struct batch_builder from_builder;
    struct batch_builder to_builder;
    batch_builder_init(&from_builder);
    batch_builder_init(&to_builder);
    for (int from = CODEC_NONE; from <= CODEC_ZSTD; from++) {
        struct slice source = build(&from_builder, (enum codec)from, shape);
        for (int to = CODEC_NONE; to <= CODEC_ZSTD; to++) {
            struct batch_rebuild_options options = {
                .codec = (enum codec)to,
                .level = CODEC_LEVEL_DEFAULT,
                .size_max = INT32_MAX,
                .records_size = (int64_t)(from_builder.size - BATCH_HEADER_SIZE),
            };
            struct batch_rebuilt made = batch_rebuild(pool, source, &options);
            assert_null(made.text);
            assert_int_equal(made.fault, CODEC_FINE);
            assert_as_built(slice_of(made.bytes, made.size),
                            build(&to_builder, (enum codec)to, shape), (enum codec)to);
            assert_limit(source, options, made.size);
            free(made.bytes);
        }
    }
    batch_builder_fini(&from_builder);
    batch_builder_fini(&to_builder);
}

static void test_as_built(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        check_shape(shapes[i]);
}

/* Every level gives a batch that reads, also where its window is made smaller. */
static void test_levels(void **state)
{
    (void)state;
    struct batch_builder builder;
    batch_builder_init(&builder);
    struct slice source = build(&builder, CODEC_LZ4, (struct shape){3, 60000});
    for (int codec = CODEC_GZIP; codec <= CODEC_ZSTD; codec++) {
        for (int level = -20; level <= 22; level++) {
            struct batch_rebuild_options options = {
                .codec = (enum codec)codec,
                .level = level,
                .size_max = INT32_MAX,
                .records_size = (int64_t)(builder.size - BATCH_HEADER_SIZE),
            };
            if (!codec_level_is_valid(options.codec, level))
                continue;
            struct batch_rebuilt made = batch_rebuild(pool, source, &options);
            assert_null(made.text);
            assert_same_records(slice_of(made.bytes, made.size), source);
            free(made.bytes);
        }
    }
    batch_builder_fini(&builder);
}

static void test_no_records(void **state)
{
    (void)state;
    struct batch_builder builder;
    batch_builder_init(&builder);
    struct slice source = build(&builder, CODEC_NONE, (struct shape){0, 0});
    struct batch_rebuild_options options = {
        .codec = CODEC_GZIP, .level = CODEC_LEVEL_DEFAULT, .size_max = BATCH_HEADER_SIZE};
    struct batch_rebuilt made = batch_rebuild(pool, source, &options);
    assert_true(slice_equal(slice_of(made.bytes, made.size), source));
    free(made.bytes);
    for (options.size_max = -1; options.size_max < BATCH_HEADER_SIZE; options.size_max++) {
        made = batch_rebuild(pool, source, &options);
        assert_int_equal(made.fault, CODEC_TOO_LARGE);
        assert_null(made.bytes);
    }
    batch_builder_fini(&builder);
}

/* Cut or broken anywhere, a record is not made of what is not there. */
static void test_cut(void **state)
{
    (void)state;
    struct bytes records = {0};
    uint8_t at[64];
    struct record record = {.timestamp_delta = 300, .value = slice_of_text("value")};
    bytes_add(&records, at, record_store(at, &record));
    struct batch_header header = client_header(1);
    for (size_t size = 0; size <= records.size; size++) {
        struct bytes batch = {0};
        batch_wrap(&batch, &header, slice_first(bytes_slice(&records), size));
        struct batch_rebuild_options options = {
            .codec = CODEC_LZ4, .level = CODEC_LEVEL_DEFAULT, .size_max = INT32_MAX};
        struct batch_rebuilt made = batch_rebuild(pool, bytes_slice(&batch), &options);
        assert_int_equal(made.fault, size < records.size ? CODEC_CORRUPT : CODEC_FINE);
        assert_int_equal(made.bytes == NULL, size < records.size);
        free(made.bytes);
        bytes_fini(&batch);
    }
    bytes_fini(&records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_built),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_no_records),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
