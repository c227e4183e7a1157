/* Building: random records there and back with every codec, what the header says, byte equality
 * with what Java's client wrote, limits, empty batches, and encoding again. */
#include "wire/test/batch_kit.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct codec_pool *pool;
static struct batch_builder builder;

static int set_up(void **state)
{
    (void)state;
    pool = codec_pool_new();
    batch_builder_init(&builder);
    return pool == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    codec_pool_free(pool);
    batch_builder_fini(&builder);
    return 0;
}

static void assert_same_record(const struct batch_header *header, const struct record *got,
                               const struct batch_record *put)
{
    assert_true(batch_record_timestamp(header, got->timestamp_delta) == put->timestamp);
    assert_int_equal(slice_is_null(got->key), slice_is_null(put->key));
    assert_true(slice_equal(got->key, put->key));
    assert_int_equal(slice_is_null(got->value), slice_is_null(put->value));
    assert_true(slice_equal(got->value, put->value));
    assert_int_equal(got->header_count, put->header_count);
    struct slice rest = got->headers;
    struct record_header header_got;
    int32_t i = 0;
    for (; record_header_next(&rest, &header_got); i++) {
        assert_true(slice_equal(header_got.key, put->headers[i].key));
        assert_int_equal(slice_is_null(header_got.value), slice_is_null(put->headers[i].value));
        assert_true(slice_equal(header_got.value, put->headers[i].value));
    }
    assert_int_equal(i, put->header_count);
}

static void assert_same_records(struct slice batch, const struct random_record *put, int32_t count)
{
    struct batch_header header;
    assert_int_equal(batch_parse(batch, &header), BATCH_OK);
    assert_int_equal(header.size, batch.size);
    assert_true(batch_crc_ok(batch));
    assert_int_equal(header.record_count, count);
    assert_int_equal(header.last_offset_delta, count - 1);
    struct record_reader reader;
    record_reader_open(&reader, pool, (struct record_source){.header = &header, .batch = batch});
    struct record record;
    int64_t max_timestamp = BATCH_NO_TIMESTAMP;
    for (int32_t i = 0; i < count; i++) {
        assert_true(record_read(&reader, &record));
        assert_int_equal(record.offset_delta, i);
        assert_same_record(&header, &record, &put[i].record);
        max_timestamp = MAX_OF(max_timestamp, put[i].record.timestamp);
    }
    assert_false(record_read(&reader, &record));
    assert_int_equal(reader.fault, CODEC_FINE);
    record_reader_close(&reader);
    assert_true(header.max_timestamp == max_timestamp);
}

/* Build, read, then encode again with each codec and read that. */
static void there_and_back(struct prng *prng, struct slice noise)
{
    struct random_record put[40];
    int32_t count = 1 + (int32_t)prng_below(prng, COUNT_OF(put));
    for (int32_t i = 0; i < count; i++)
        random_record_make(&put[i], prng, noise);
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        struct batch_builder_options options = batch_builder_defaults();
        options.codec = (enum codec)codec;
        batch_builder_begin(&builder, &options);
        for (int32_t i = 0; i < count; i++)
            batch_builder_add(&builder, &put[i].record);
        struct slice batch = batch_builder_finish(&builder, pool);
        assert_false(slice_is_null(batch));
        assert_same_records(batch, put, count);
        struct batch_rebuild_options other = {.codec = (enum codec)prng_below(prng, CODEC_COUNT),
                                              .level = CODEC_LEVEL_DEFAULT,
                                              .size_max = INT32_MAX};
        struct batch_rebuilt rebuilt = batch_rebuild(pool, batch, &other);
        assert_null(rebuilt.text);
        assert_same_records(slice_of(rebuilt.bytes, rebuilt.size), put, count);
        free(rebuilt.bytes);
    }
}

static void test_random(void **state)
{
    (void)state;
    struct prng prng;
    uint8_t *noise = (uint8_t *)malloc(60000);
    assert_non_null(noise);
    prng_init(&prng, 20);
    prng_fill(&prng, noise, 60000);
    for (int round = 0; round < 60; round++)
        there_and_back(&prng, slice_of(noise, round % 4 == 0 ? 60000 : 500));
    free(noise);
}

/* Without compression the bytes are those of Java's client. */
static void test_java_bytes(void **state)
{
    (void)state;
    struct bytes golden = golden_read("java-none");
    struct batch_builder_options options = batch_builder_defaults();
    options.producer_id = 4711;
    options.producer_epoch = 3;
    options.base_sequence = 2147483640;
    batch_builder_begin(&builder, &options);
    for (int i = 0; i < 12; i++) {
        struct golden_record g;
        golden_record_make(&g, i);
        batch_builder_add(&builder, &(struct batch_record){.timestamp = g.timestamp,
                                                           .key = g.key,
                                                           .value = g.value,
                                                           .headers = g.headers,
                                                           .header_count = g.header_count});
    }
    struct slice batch = batch_builder_finish(&builder, NULL);
    assert_true(slice_equal(batch, bytes_slice(&golden)));
    bytes_fini(&golden);
}

static void test_header(void **state)
{
    (void)state;
    struct batch_builder_options options = batch_builder_defaults();
    options.base_offset = 1000;
    options.partition_leader_epoch = 7;
    options.control = true;
    options.transactional = true;
    options.timestamp_type = TIMESTAMP_LOG_APPEND_TIME;
    options.log_append_time = 99;
    batch_builder_begin(&builder, &options);
    struct batch_record marker = {.timestamp = 5, .key = slice_of("\0\0\0\1", 4)};
    batch_builder_add(&builder, &marker);
    batch_builder_add(&builder, &(struct batch_record){.timestamp = 3});
    struct batch_header h;
    assert_int_equal(batch_parse(batch_builder_finish(&builder, NULL), &h), BATCH_OK);
    assert_int_equal(h.base_offset, 1000);
    assert_int_equal(h.partition_leader_epoch, 7);
    assert_true(batch_is_control(&h) && batch_is_transactional(&h));
    assert_int_equal(h.max_timestamp, 99);
    assert_int_equal(h.base_timestamp, 5);
    assert_int_equal(h.producer_id, -1);
    assert_int_equal(h.producer_epoch, -1);
    assert_int_equal(h.base_sequence, -1);
    assert_int_equal(builder.max_timestamp_delta, 0);
    assert_int_equal(batch_last_offset(&h), 1001);
}

/* Compaction: gaps stay, the last offset outlives its record, the horizon is the base time. */
static void test_compacted(void **state)
{
    (void)state;
    struct batch_builder_options options = batch_builder_defaults();
    options.last_offset_delta = 9;
    options.delete_horizon = 5000;
    options.codec = CODEC_ZSTD;
    batch_builder_begin(&builder, &options);
    struct record kept = {.key = slice_of_text("k"), .attributes = 3};
    batch_builder_add_read(&builder, &kept, (struct batch_record_place){4000, 2});
    batch_builder_add_read(&builder, &kept, (struct batch_record_place){4100, 7});
    struct slice batch = batch_builder_finish(&builder, pool);
    struct batch_header h;
    assert_int_equal(batch_parse(batch, &h), BATCH_OK);
    assert_int_equal(h.last_offset_delta, 9);
    assert_int_equal(h.record_count, 2);
    assert_true(batch_has_delete_horizon(&h));
    assert_int_equal(h.base_timestamp, 5000);
    struct record_reader reader;
    struct record record;
    record_reader_open(&reader, pool, (struct record_source){.header = &h, .batch = batch});
    assert_true(record_read(&reader, &record));
    assert_int_equal(batch_record_timestamp(&h, record.timestamp_delta), 4000);
    assert_int_equal(record.offset_delta, 2);
    assert_int_equal(record.attributes, 3);
    assert_true(record_read(&reader, &record));
    assert_int_equal(record.offset_delta, 7);
    assert_false(record_read(&reader, &record));
    record_reader_close(&reader);
    /* Offsets never go back. */
    batch_builder_begin(&builder, &options);
    batch_builder_add_read(&builder, &kept, (struct batch_record_place){4000, 2});
    batch_builder_add_read(&builder, &kept, (struct batch_record_place){4000, 2});
    assert_true(slice_is_null(batch_builder_finish(&builder, pool)));
}

static void test_empty(void **state)
{
    (void)state;
    struct batch_builder fresh;
    batch_builder_init(&fresh);
    assert_true(slice_is_null(batch_builder_finish(&fresh, pool)));
    struct batch_builder_options options = batch_builder_defaults();
    options.codec = CODEC_GZIP;
    options.last_offset_delta = 4;
    options.base_sequence = 17;
    batch_builder_begin(&fresh, &options);
    struct slice batch = batch_builder_finish(&fresh, pool);
    struct batch_header h;
    assert_int_equal(batch_parse(batch, &h), BATCH_OK);
    assert_int_equal(batch.size, BATCH_HEADER_SIZE);
    assert_true(batch_crc_ok(batch));
    assert_int_equal(h.record_count, 0);
    assert_int_equal(h.last_offset_delta, 4);
    assert_int_equal(h.base_timestamp, BATCH_NO_TIMESTAMP);
    assert_int_equal(batch_last_sequence(&h), 21);
    batch_builder_fini(&fresh);
}

static void test_limits(void **state)
{
    (void)state;
    struct batch_builder_options options = batch_builder_defaults();
    struct batch_record record = {.value = slice_of_text("0123456789")};
    struct slice batch = {0};
    for (options.size_max = 0; options.size_max < 40; options.size_max++) {
        batch_builder_begin(&builder, &options);
        batch_builder_add(&builder, &record);
        batch_builder_add(&builder, &record);
        batch = batch_builder_finish(&builder, pool);
        assert_int_equal(slice_is_null(batch), options.size_max < 2 * 17);
    }
    assert_int_equal(batch.size, BATCH_HEADER_SIZE + 34);
    options.codec = CODEC_GZIP;
    options.level = 12;
    batch_builder_begin(&builder, &options);
    batch_builder_add(&builder, &record);
    assert_true(slice_is_null(batch_builder_finish(&builder, pool)));
    options.codec = (enum codec)6;
    options.level = CODEC_LEVEL_DEFAULT;
    batch_builder_begin(&builder, &options);
    batch_builder_add(&builder, &record);
    assert_true(slice_is_null(batch_builder_finish(&builder, pool)));
}

/* Old clients number inner records wrongly: encoded again they are 0, 1, 2. */
static void test_rebuild_renumbers(void **state)
{
    (void)state;
    struct bytes records = {0};
    for (int i = 0; i < 3; i++) {
        uint8_t at[64];
        struct record record = {.offset_delta = 7 - i, .timestamp_delta = i};
        bytes_add(&records, at, record_store(at, &record));
    }
    struct batch_header header = client_header(3);
    header.attributes = BATCH_TRANSACTIONAL;
    header.producer_id = 3;
    header.producer_epoch = 4;
    header.base_sequence = 5;
    struct bytes batch = {0};
    batch_wrap(&batch, &header, bytes_slice(&records));
    struct batch_rebuild_options options = {.codec = CODEC_LZ4,
                                            .level = CODEC_LEVEL_DEFAULT,
                                            .timestamp_type = TIMESTAMP_LOG_APPEND_TIME,
                                            .log_append_time = 777,
                                            .size_max = 1000};
    struct batch_rebuilt made = batch_rebuild(pool, bytes_slice(&batch), &options);
    assert_null(made.text);
    struct slice rebuilt = slice_of(made.bytes, made.size);
    struct batch_header h;
    assert_int_equal(batch_parse(rebuilt, &h), BATCH_OK);
    assert_int_equal(h.attributes, BATCH_TRANSACTIONAL | BATCH_LOG_APPEND_TIME | CODEC_LZ4);
    assert_int_equal(h.producer_id, 3);
    assert_int_equal(h.producer_epoch, 4);
    assert_int_equal(h.base_sequence, 5);
    assert_int_equal(h.max_timestamp, 777);
    assert_int_equal(h.base_timestamp, 1000);
    struct record_reader reader;
    struct record record;
    record_reader_open(&reader, pool, (struct record_source){.header = &h, .batch = rebuilt});
    for (int i = 0; i < 3; i++) {
        assert_true(record_read(&reader, &record));
        assert_int_equal(record.offset_delta, i);
        assert_int_equal(record.timestamp_delta, i);
    }
    record_reader_close(&reader);
    free(made.bytes);
    bytes_fini(&batch);
    bytes_fini(&records);
}

/* Encodes again, which fails so. */
static void assert_fails(struct slice batch, const struct batch_rebuild_options *options,
                         enum codec_fault fault)
{
    struct batch_rebuilt made = batch_rebuild(pool, batch, options);
    assert_int_equal(made.fault, fault);
    assert_null(made.bytes);
    assert_non_null(made.text);
}

static void test_rebuild_fails(void **state)
{
    (void)state;
    struct bytes golden = golden_read("java-zstd");
    struct batch_rebuild_options options = {.level = CODEC_LEVEL_DEFAULT, .size_max = INT32_MAX};
    options.records_size = 70000;
    assert_fails(bytes_slice(&golden), &options, CODEC_TOO_LARGE);
    options.records_size = 80000;
    struct batch_rebuilt rebuilt = batch_rebuild(pool, bytes_slice(&golden), &options);
    assert_null(rebuilt.text);
    free(rebuilt.bytes);
    assert_fails(slice_first(bytes_slice(&golden), golden.size - 1), &options, CODEC_CORRUPT);
    golden.data[golden.size / 2] ^= 0x40;
    assert_fails(bytes_slice(&golden), &options, CODEC_CORRUPT);
    bytes_fini(&golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_java_bytes),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_compacted),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_rebuild_renumbers),
        cmocka_unit_test(test_rebuild_fails),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
