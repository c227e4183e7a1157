/* The leader's checks, rule by rule with the error code that Apache Kafka 4.4.0 gives, then the
 * order among them, what is reported of a good batch, and bombs. */
#include "wire/test/batch_kit.h"

#include "base/bytes.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct codec_pool *pool;
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    pool = codec_pool_new();
    arena_init(&arena, 1 << 20);
    return pool == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    codec_pool_free(pool);
    arena_fini(&arena);
    return 0;
}

static struct batch_verdict validate(struct slice payload, const struct batch_rules *rules)
{
    struct batch_verdict verdict;
    batch_validate(payload, rules, pool, &arena, &verdict);
    assert_int_equal(verdict.err == ERR_NONE, verdict.fault == BATCH_FAULT_NONE);
    assert_int_equal(verdict.err == ERR_NONE, verdict.text == NULL);
    return verdict;
}

static void assert_verdict(struct slice payload, const struct batch_rules *rules, enum err err,
                           enum batch_fault fault)
{
    struct batch_verdict verdict = validate(payload, rules);
    assert_int_equal(verdict.err, err);
    assert_int_equal(verdict.fault, fault);
}

/* A record with a key or without, at a timestamp and offset delta. */
static void add_record(struct bytes *records, bool key, int64_t timestamp_delta, int32_t offset)
{
    struct record record = {.timestamp_delta = timestamp_delta,
                            .offset_delta = offset,
                            .key = key ? slice_of_text("key") : (struct slice){0},
                            .value = slice_of_text("value")};
    uint8_t at[128];
    bytes_add(records, at, record_store(at, &record));
}

static struct bytes good_records(int32_t count)
{
    struct bytes records = {0};
    for (int32_t i = 0; i < count; i++)
        add_record(&records, true, i % 3, i);
    return records;
}

static struct bytes good_batch(int32_t count)
{
    struct bytes records = good_records(count);
    struct bytes batch = {0};
    struct batch_header header = client_header(count);
    batch_wrap(&batch, &header, bytes_slice(&records));
    bytes_fini(&records);
    return batch;
}

static void test_good(void **state)
{
    (void)state;
    struct bytes batch = good_batch(10);
    struct batch_rules rules = open_rules();
    struct batch_verdict verdict = validate(bytes_slice(&batch), &rules);
    assert_int_equal(verdict.err, ERR_NONE);
    assert_int_equal(verdict.max_timestamp, 1002);
    assert_int_equal(verdict.max_timestamp_delta, 2);
    assert_int_equal(verdict.header.record_count, 10);
    assert_int_equal(verdict.records_size, (int64_t)batch.size - BATCH_HEADER_SIZE);
    assert_ptr_equal(verdict.bytes.data, batch.data);
    assert_int_equal(verdict.bytes.size, batch.size);
    assert_false(verdict.misnumbered);
    assert_int_equal(arena.used, 0);
    rules.timestamp_type = TIMESTAMP_LOG_APPEND_TIME;
    verdict = validate(bytes_slice(&batch), &rules);
    assert_int_equal(verdict.err, ERR_NONE);
    assert_int_equal(verdict.max_timestamp, rules.now_ms);
    assert_int_equal(verdict.max_timestamp_delta, 0);
    bytes_fini(&batch);
}

/* No batch, part of one, more than one, sizes and formats that cannot be. */
static void test_frames(void **state)
{
    (void)state;
    struct bytes batch = good_batch(2);
    struct batch_rules rules = open_rules();
    assert_verdict((struct slice){0}, &rules, ERR_INVALID_RECORD, BATCH_FAULT_FRAME);
    for (size_t size = 0; size < batch.size; size++)
        assert_verdict(slice_first(bytes_slice(&batch), size), &rules, ERR_INVALID_RECORD,
                       BATCH_FAULT_FRAME);
    size_t single = batch.size;
    struct bytes second = good_batch(1);
    bytes_add_slice(&batch, bytes_slice(&second));
    for (size_t size = single + 1; size < batch.size; size++) {
        struct batch_verdict verdict = validate(slice_first(bytes_slice(&batch), size), &rules);
        assert_int_equal(verdict.err, ERR_NONE);
        assert_int_equal(verdict.bytes.size, single);
    }
    assert_verdict(bytes_slice(&batch), &rules, ERR_INVALID_RECORD, BATCH_FAULT_REST);
    batch.data[single + BATCH_AT_MAGIC] = 7;
    assert_verdict(bytes_slice(&batch), &rules, ERR_CORRUPT_MESSAGE, BATCH_FAULT_REST);
    store_i32(batch.data + single + BATCH_AT_LENGTH, 13);
    assert_verdict(bytes_slice(&batch), &rules, ERR_CORRUPT_MESSAGE, BATCH_FAULT_REST);
    bytes_fini(&batch);
    bytes_fini(&second);
}

static void test_sizes_and_magics(void **state)
{
    (void)state;
    static const struct {
        int32_t length;
        int magic;
        enum err err;
        enum batch_fault fault;
    } cases[] = {
        {-5, 2, ERR_CORRUPT_MESSAGE, BATCH_FAULT_FRAME},
        {13, 2, ERR_CORRUPT_MESSAGE, BATCH_FAULT_FRAME},
        {48, 2, ERR_CORRUPT_MESSAGE, BATCH_FAULT_FRAME},
        {60, 0, ERR_INVALID_RECORD, BATCH_FAULT_MAGIC},
        {60, 1, ERR_INVALID_RECORD, BATCH_FAULT_MAGIC},
        {60, 3, ERR_CORRUPT_MESSAGE, BATCH_FAULT_MAGIC},
        {60, -1, ERR_CORRUPT_MESSAGE, BATCH_FAULT_MAGIC},
        {INT32_MAX - 20, 2, ERR_INVALID_RECORD, BATCH_FAULT_FRAME},
    };
    struct batch_rules rules = open_rules();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes batch = good_batch(2);
        store_i32(batch.data + BATCH_AT_LENGTH, cases[i].length);
        batch.data[BATCH_AT_MAGIC] = (uint8_t)cases[i].magic;
        assert_verdict(bytes_slice(&batch), &rules, cases[i].err, cases[i].fault);
        bytes_fini(&batch);
    }
}

static void test_header_rules(void **state)
{
    (void)state;
    static const struct {
        int64_t base_offset;
        int64_t producer_id;
        int32_t last;
        int32_t count;
        int32_t sequence;
        int attributes;
        enum err err;
        enum batch_fault fault;
    } cases[] = {
        {0, -1, 1, 2, -1, 0, ERR_NONE, BATCH_FAULT_NONE},
        {1, -1, 1, 2, -1, 0, ERR_INVALID_RECORD, BATCH_FAULT_OFFSET},
        {-1, -1, 1, 2, -1, 0, ERR_INVALID_RECORD, BATCH_FAULT_OFFSET},
        {0, -1, -1, 2, -1, 0, ERR_INVALID_RECORD, BATCH_FAULT_OFFSET},
        {0, -1, INT32_MIN, 2, -1, 0, ERR_INVALID_RECORD, BATCH_FAULT_OFFSET},
        {0, -1, 1, 0, -1, 0, ERR_INVALID_RECORD, BATCH_FAULT_OFFSET},
        {0, -1, 1, -2, -1, 0, ERR_INVALID_RECORD, BATCH_FAULT_OFFSET},
        {0, -1, 2, 2, -1, 0, ERR_INVALID_RECORD, BATCH_FAULT_OFFSET},
        {0, -1, INT32_MAX, INT32_MIN, -1, 0, ERR_INVALID_RECORD, BATCH_FAULT_OFFSET},
        {0, -1, INT32_MAX - 1, INT32_MAX, -1, 0, ERR_INVALID_RECORD, BATCH_FAULT_RECORD},
        {0, -1, 2, 3, -1, 0, ERR_INVALID_RECORD, BATCH_FAULT_RECORD},
        {0, -1, 0, 1, -1, 0, ERR_INVALID_RECORD, BATCH_FAULT_RECORD},
        {0, -1, 1, 2, -1, BATCH_CONTROL, ERR_INVALID_RECORD, BATCH_FAULT_CONTROL},
        {0, 0, 1, 2, -1, 0, ERR_INVALID_RECORD, BATCH_FAULT_SEQUENCE},
        {0, 0, 1, 2, -7, 0, ERR_INVALID_RECORD, BATCH_FAULT_SEQUENCE},
        {0, 0, 1, 2, 0, 0, ERR_NONE, BATCH_FAULT_NONE},
        {0, -7, 1, 2, -7, 0, ERR_NONE, BATCH_FAULT_NONE},
        {0, -1, 1, 2, -1, BATCH_TRANSACTIONAL, ERR_NONE, BATCH_FAULT_NONE},
        {0, -1, 1, 2, -1, 5, ERR_UNSUPPORTED_COMPRESSION_TYPE, BATCH_FAULT_CODEC},
        {0, -1, 1, 2, -1, 7, ERR_UNSUPPORTED_COMPRESSION_TYPE, BATCH_FAULT_CODEC},
        {0, -1, 1, 2, -1, 0xff80, ERR_NONE, BATCH_FAULT_NONE}, /* bits without a meaning */
        {0, -1, 1, 2, -1, CODEC_GZIP, ERR_INVALID_RECORD, BATCH_FAULT_COMPRESSED_DATA},
        {0, -1, 1, 2, -1, CODEC_ZSTD, ERR_INVALID_RECORD, BATCH_FAULT_COMPRESSED_DATA},
    };
    struct bytes records = good_records(2);
    struct batch_rules rules = open_rules();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes batch = {0};
        struct batch_header header = client_header(cases[i].count);
        header.base_offset = cases[i].base_offset;
        header.producer_id = cases[i].producer_id;
        header.last_offset_delta = cases[i].last;
        header.base_sequence = cases[i].sequence;
        header.attributes = (int16_t)cases[i].attributes;
        batch_wrap(&batch, &header, bytes_slice(&records));
        assert_verdict(bytes_slice(&batch), &rules, cases[i].err, cases[i].fault);
        bytes_fini(&batch);
    }
    bytes_fini(&records);
}

/* A coordinator of our own may write what a client may not. */
static void test_own_batches(void **state)
{
    (void)state;
    struct bytes records = good_records(1);
    struct bytes batch = {0};
    struct batch_header header = client_header(1);
    header.attributes = BATCH_CONTROL | BATCH_TRANSACTIONAL;
    header.producer_id = 5;
    header.base_offset = 100;
    batch_wrap(&batch, &header, bytes_slice(&records));
    struct batch_rules rules = open_rules();
    assert_verdict(bytes_slice(&batch), &rules, ERR_INVALID_RECORD, BATCH_FAULT_OFFSET);
    rules.from_client = false;
    assert_verdict(bytes_slice(&batch), &rules, ERR_NONE, BATCH_FAULT_NONE);
    bytes_fini(&batch);
    bytes_fini(&records);
}

static void test_crc_and_size(void **state)
{
    (void)state;
    struct bytes batch = good_batch(3);
    struct batch_rules rules = open_rules();
    rules.message_size_max = (int64_t)batch.size;
    assert_verdict(bytes_slice(&batch), &rules, ERR_NONE, BATCH_FAULT_NONE);
    rules.message_size_max--;
    assert_verdict(bytes_slice(&batch), &rules, ERR_MESSAGE_TOO_LARGE, BATCH_FAULT_SIZE);
    batch.data[batch.size - 1] ^= 1;
    /* The size is told first, the checksum before anything that it covers. */
    assert_verdict(bytes_slice(&batch), &rules, ERR_MESSAGE_TOO_LARGE, BATCH_FAULT_SIZE);
    rules.message_size_max++;
    store_i32(batch.data + BATCH_AT_RECORD_COUNT, -1);
    assert_verdict(bytes_slice(&batch), &rules, ERR_CORRUPT_MESSAGE, BATCH_FAULT_CRC);
    store_i64(batch.data, 3);
    assert_verdict(bytes_slice(&batch), &rules, ERR_INVALID_RECORD, BATCH_FAULT_OFFSET);
    bytes_fini(&batch);
}

static void test_zstd_version(void **state)
{
    (void)state;
    struct bytes records = good_records(1);
    struct bytes packed = {0};
    pack_with(pool, CODEC_ZSTD, CODEC_LEVEL_DEFAULT, bytes_slice(&records), &packed);
    struct bytes batch = {0};
    struct batch_header header = client_header(1);
    header.attributes = CODEC_ZSTD;
    batch_wrap(&batch, &header, bytes_slice(&packed));
    struct batch_rules rules = open_rules();
    assert_verdict(bytes_slice(&batch), &rules, ERR_NONE, BATCH_FAULT_NONE);
    rules.refuses_zstd = true;
    assert_verdict(bytes_slice(&batch), &rules, ERR_UNSUPPORTED_COMPRESSION_TYPE,
                   BATCH_FAULT_CODEC);
    bytes_fini(&records);
    bytes_fini(&packed);
    bytes_fini(&batch);
}

/* Wraps records plainly or with a codec. */
static struct bytes wrap(const struct batch_header *from, const struct bytes *records,
                         enum codec codec)
{
    struct batch_header header = *from;
    struct bytes packed = {0};
    struct bytes batch = {0};
    if (codec == CODEC_NONE)
        bytes_add_slice(&packed, bytes_slice(records));
    else
        pack_with(pool, codec, CODEC_LEVEL_DEFAULT, bytes_slice(records), &packed);
    header.attributes = (int16_t)(header.attributes | (int)codec);
    batch_wrap(&batch, &header, bytes_slice(&packed));
    bytes_fini(&packed);
    return batch;
}

static void test_compacted_keys(void **state)
{
    (void)state;
    struct bytes records = {0};
    for (int i = 0; i < 100; i++)
        add_record(&records, i % 3 != 1, 0, i);
    struct batch_header header = client_header(100);
    struct batch_rules rules = open_rules();
    for (int codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        struct bytes batch = wrap(&header, &records, (enum codec)codec);
        rules.compacted = false;
        assert_verdict(bytes_slice(&batch), &rules, ERR_NONE, BATCH_FAULT_NONE);
        rules.compacted = true;
        arena_reset(&arena);
        struct batch_verdict verdict = validate(bytes_slice(&batch), &rules);
        assert_int_equal(verdict.err, ERR_INVALID_RECORD);
        assert_int_equal(verdict.fault, BATCH_FAULT_KEY);
        assert_int_equal(verdict.record_error_count, 33);
        assert_int_equal(verdict.record_error_stored, 33);
        for (int i = 0; i < 33; i++) {
            assert_int_equal(verdict.record_errors[i].index, 3 * i + 1);
            assert_int_equal(verdict.record_errors[i].fault, BATCH_FAULT_KEY);
        }
        bytes_fini(&batch);
    }
    bytes_fini(&records);
}

static void test_timestamps(void **state)
{
    (void)state;
    static const struct {
        int64_t timestamp; /* of the second of two records */
        enum err err;
    } cases[] = {
        {5000, ERR_NONE},
        {4900, ERR_NONE},
        {4899, ERR_INVALID_TIMESTAMP},
        {5010, ERR_NONE},
        {5011, ERR_INVALID_TIMESTAMP},
        {-1, ERR_NONE}, /* none at all */
        {-2, ERR_INVALID_TIMESTAMP},
        {INT64_MAX, ERR_INVALID_TIMESTAMP},
        {INT64_MIN, ERR_INVALID_TIMESTAMP},
    };
    struct batch_rules rules = open_rules();
    rules.now_ms = 5000;
    rules.timestamp_before_max_ms = 100;
    rules.timestamp_after_max_ms = 10;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes records = {0};
        struct batch_header header = client_header(2);
        header.base_timestamp = 5000;
        add_record(&records, true, 0, 0);
        add_record(&records, true, (int64_t)((uint64_t)cases[i].timestamp - 5000), 1);
        struct bytes batch = wrap(&header, &records, i % 2 == 0 ? CODEC_NONE : CODEC_LZ4);
        struct batch_verdict verdict = validate(bytes_slice(&batch), &rules);
        assert_int_equal(verdict.err, cases[i].err);
        if (verdict.err != ERR_NONE) {
            assert_int_equal(verdict.record_error_count, 1);
            assert_int_equal(verdict.record_errors[0].index, 1);
            assert_true(verdict.record_errors[0].timestamp == cases[i].timestamp);
        } else {
            assert_int_equal(verdict.max_timestamp, MAX_OF(cases[i].timestamp, 5000));
            assert_int_equal(verdict.max_timestamp_delta, cases[i].timestamp > 5000);
        }
        rules.timestamp_type = TIMESTAMP_LOG_APPEND_TIME;
        assert_verdict(bytes_slice(&batch), &rules, ERR_NONE, BATCH_FAULT_NONE);
        rules.timestamp_type = TIMESTAMP_CREATE_TIME;
        bytes_fini(&batch);
        bytes_fini(&records);
    }
}

/* A producer that claims LogAppendTime: refused where the log sets the time itself or the batch
 * has none; elsewhere its max_timestamp counts as the time of every record. */
static void test_log_append_time_from_client(void **state)
{
    (void)state;
    struct bytes records = good_records(2);
    struct batch_header header = client_header(2);
    header.attributes = BATCH_LOG_APPEND_TIME;
    header.max_timestamp = 4000;
    struct bytes batch = wrap(&header, &records, CODEC_NONE);
    struct batch_rules rules = open_rules();
    struct batch_verdict verdict = validate(bytes_slice(&batch), &rules);
    assert_int_equal(verdict.err, ERR_NONE);
    assert_int_equal(verdict.max_timestamp, 4000);
    rules.timestamp_type = TIMESTAMP_LOG_APPEND_TIME;
    assert_verdict(bytes_slice(&batch), &rules, ERR_INVALID_TIMESTAMP, BATCH_FAULT_TIMESTAMP);
    rules.timestamp_type = TIMESTAMP_CREATE_TIME;
    bytes_fini(&batch);
    header.max_timestamp = BATCH_NO_TIMESTAMP;
    batch = wrap(&header, &records, CODEC_NONE);
    assert_verdict(bytes_slice(&batch), &rules, ERR_INVALID_TIMESTAMP, BATCH_FAULT_TIMESTAMP);
    bytes_fini(&batch);
    bytes_fini(&records);
}

static void test_many_errors(void **state)
{
    (void)state;
    struct bytes records = {0};
    for (int i = 0; i < 5000; i++)
        add_record(&records, false, 0, i);
    struct batch_header header = client_header(5000);
    struct bytes batch = wrap(&header, &records, CODEC_ZSTD);
    struct batch_rules rules = open_rules();
    rules.compacted = true;
    arena_reset(&arena);
    struct batch_verdict verdict = validate(bytes_slice(&batch), &rules);
    assert_int_equal(verdict.err, ERR_INVALID_RECORD);
    assert_int_equal(verdict.record_error_count, 5000);
    assert_int_equal(verdict.record_error_stored, BATCH_RECORD_ERRORS_MAX);
    assert_int_equal(verdict.record_errors[BATCH_RECORD_ERRORS_MAX - 1].index,
                     BATCH_RECORD_ERRORS_MAX - 1);
    /* An arena without room costs the list, not the verdict. */
    struct arena tiny;
    arena_init(&tiny, 100);
    batch_validate(bytes_slice(&batch), &rules, pool, &tiny, &verdict);
    assert_int_equal(verdict.err, ERR_INVALID_RECORD);
    assert_int_equal(verdict.record_error_count, 5000);
    assert_int_equal(verdict.record_error_stored, 0);
    arena_fini(&tiny);
    /* A malformed record at the end outweighs them. */
    bytes_fini(&batch);
    bytes_add(&records, "\x01", 1);
    header = client_header(5001);
    batch = wrap(&header, &records, CODEC_NONE);
    verdict = validate(bytes_slice(&batch), &rules);
    assert_int_equal(verdict.fault, BATCH_FAULT_RECORD);
    assert_int_equal(verdict.record_error_count, 0);
    assert_int_equal(verdict.record_error_stored, 0);
    bytes_fini(&batch);
    bytes_fini(&records);
}

static void test_misnumbered(void **state)
{
    (void)state;
    static const int32_t orders[][3] = {{0, 1, 3}, {1, 2, 3}, {0, 0, 0}, {2, 1, 0}, {-1, 0, 1}};
    struct batch_rules rules = open_rules();
    struct batch_header header = client_header(3);
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        struct bytes records = {0};
        for (int k = 0; k < 3; k++)
            add_record(&records, true, 0, orders[i][k]);
        struct bytes batch = wrap(&header, &records, i % 2 == 0 ? CODEC_GZIP : CODEC_NONE);
        struct batch_verdict verdict = validate(bytes_slice(&batch), &rules);
        assert_int_equal(verdict.err, ERR_NONE);
        assert_true(verdict.misnumbered);
        bytes_fini(&batch);
        bytes_fini(&records);
    }
}

static size_t heap_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* One record of 200 MiB of zeros: judged within the limit and in little memory. */
static void test_bomb(void **state)
{
    (void)state;
    size_t size = 200u << 20;
    uint8_t *zeros = (uint8_t *)calloc(1, size + 64);
    assert_non_null(zeros);
    struct record record = {.key = slice_of_text("k"), .value = slice_of(zeros + 64, size)};
    struct bytes records = {.capacity = size + 64};
    records.data = (uint8_t *)calloc(1, records.capacity);
    assert_non_null(records.data);
    records.size = record_store(records.data, &record);
    free(zeros);
    struct batch_header header = client_header(1);
    static const enum codec codecs[] = {CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD};
    struct batch_rules rules = open_rules();
    for (size_t i = 0; i < COUNT_OF(codecs); i++) {
        struct bytes batch = wrap(&header, &records, codecs[i]);
        size_t before = heap_in_use();
        rules.decompressed_size_max = 0;
        rules.decompressed_record_size_max = 0;
        assert_verdict(bytes_slice(&batch), &rules, ERR_NONE, BATCH_FAULT_NONE);
        assert_true(heap_in_use() < before + (8u << 20));
        rules.decompressed_size_max = 10 << 20;
        assert_verdict(bytes_slice(&batch), &rules, ERR_MESSAGE_TOO_LARGE,
                       BATCH_FAULT_DECOMPRESSED_SIZE);
        rules.decompressed_record_size_max = 100 << 20;
        assert_verdict(bytes_slice(&batch), &rules, ERR_INVALID_RECORD, BATCH_FAULT_RECORD);
        bytes_fini(&batch);
    }
    bytes_fini(&records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_sizes_and_magics),
        cmocka_unit_test(test_header_rules),
        cmocka_unit_test(test_own_batches),
        cmocka_unit_test(test_crc_and_size),
        cmocka_unit_test(test_zstd_version),
        cmocka_unit_test(test_compacted_keys),
        cmocka_unit_test(test_timestamps),
        cmocka_unit_test(test_log_append_time_from_client),
        cmocka_unit_test(test_many_errors),
        cmocka_unit_test(test_misnumbered),
        cmocka_unit_test(test_bomb),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
