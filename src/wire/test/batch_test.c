/* Headers: what parsing says of every prefix and every bad length and format, walking runs, the
 * stamps, sequence arithmetic, and batches that others wrote (Java's client of 4.4.0 with every
 * codec, kafka-python, and the logs of a broker). */
#include "wire/test/batch_kit.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct batch_header sample = {
    .base_offset = INT64_C(0x0102030405060708),
    .base_timestamp = INT64_C(0x1112131415161718),
    .max_timestamp = INT64_C(0x2122232425262728),
    .producer_id = INT64_C(0x3132333435363738),
    .partition_leader_epoch = 0x41424344,
    .last_offset_delta = 0x51525354,
    .base_sequence = 0x61626364,
    .record_count = 0x71727374,
    .attributes = BATCH_TRANSACTIONAL | CODEC_ZSTD,
    .producer_epoch = 0x0506,
};

static void test_layout(void **state)
{
    (void)state;
    struct bytes batch = {0};
    batch_wrap(&batch, &sample, slice_of_text("records"));
    struct batch_header h;
    assert_int_equal(batch_parse(bytes_slice(&batch), &h), BATCH_OK);
    assert_int_equal(h.size, BATCH_HEADER_SIZE + 7);
    assert_int_equal(h.crc, batch_crc(bytes_slice(&batch)));
    struct bytes again = {0};
    batch_wrap(&again, &h, slice_of_text("records"));
    assert_true(slice_equal(bytes_slice(&again), bytes_slice(&batch)));
    bytes_fini(&again);
    /* By hand, from the format's description. */
    assert_memory_equal(batch.data, "\1\2\3\4\5\6\7\x08\0\0\0\x38\x41\x42\x43\x44\2", 17);
    assert_memory_equal(batch.data + 21, "\0\x14\x51\x52\x53\x54\x11\x12\x13\x14", 10);
    assert_memory_equal(batch.data + 35, "\x21\x22\x23\x24\x25\x26\x27\x28\x31\x32\x33\x34", 12);
    assert_memory_equal(batch.data + 51, "\x05\x06\x61\x62\x63\x64\x71\x72\x73\x74records", 17);
    assert_true(batch_is_transactional(&h));
    assert_false(batch_is_control(&h));
    assert_int_equal(batch_codec_id(&h), CODEC_ZSTD);
    bytes_fini(&batch);
}

static void test_prefixes(void **state)
{
    (void)state;
    struct bytes batch = {0};
    batch_wrap(&batch, &sample, slice_of_text("records"));
    struct batch_header h = {.size = 77};
    for (size_t size = 0; size < batch.size; size++) {
        struct slice prefix = slice_first(bytes_slice(&batch), size);
        assert_int_equal(batch_parse(prefix, &h), BATCH_INCOMPLETE);
        assert_int_equal(h.size, 77);
        struct batch_header other;
        assert_int_equal(batch_parse_header(prefix, &other),
                         size < BATCH_HEADER_SIZE ? BATCH_INCOMPLETE : BATCH_OK);
    }
    bytes_fini(&batch);
}

static void test_bad_sizes_and_magics(void **state)
{
    (void)state;
    static const struct {
        int32_t length;
        int magic;
        enum batch_outcome outcome;
    } cases[] = {
        {-1, 2, BATCH_BAD_SIZE},
        {INT32_MIN, 2, BATCH_BAD_SIZE},
        {0, 2, BATCH_BAD_SIZE},
        {13, 0, BATCH_BAD_SIZE},
        {14, 0, BATCH_OLD_MAGIC},
        {14, 1, BATCH_OLD_MAGIC},
        {14, 2, BATCH_BAD_SIZE},
        {48, 2, BATCH_BAD_SIZE},
        {49, 2, BATCH_OK},
        {49, 3, BATCH_BAD_MAGIC},
        {49, -1, BATCH_BAD_MAGIC},
        {INT32_MAX, 2, BATCH_BAD_SIZE},
        {INT32_MAX - 12, 2, BATCH_INCOMPLETE},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes batch = {0};
        batch_wrap(&batch, &sample, slice_of_text(""));
        store_i32(batch.data + BATCH_AT_LENGTH, cases[i].length);
        batch.data[BATCH_AT_MAGIC] = (uint8_t)cases[i].magic;
        struct batch_header h;
        assert_int_equal(batch_parse(bytes_slice(&batch), &h), cases[i].outcome);
        struct batch_iterator it = batch_iterate(bytes_slice(&batch));
        struct batch_view view;
        assert_int_equal(batch_next(&it, &view), cases[i].outcome == BATCH_OK);
        bytes_fini(&batch);
    }
    for (int i = BATCH_OK; i <= BATCH_OLD_MAGIC; i++)
        assert_non_null(batch_outcome_text((enum batch_outcome)i));
}

static void test_walk(void **state)
{
    (void)state;
    struct bytes run = {0};
    for (int i = 0; i < 5; i++) {
        struct batch_header header = client_header(i + 1);
        header.base_offset = i * 100;
        char records[8] = "abcdefg";
        batch_wrap(&run, &header, slice_of(records, (size_t)i));
    }
    struct batch_iterator it = batch_iterate(bytes_slice(&run));
    struct batch_view view;
    int64_t position = 0;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(it.position, position);
        assert_true(batch_next(&it, &view));
        assert_int_equal(view.header.base_offset, i * 100);
        assert_int_equal(view.bytes.size, BATCH_HEADER_SIZE + i);
        assert_int_equal(batch_last_offset(&view.header), i * 100 + i);
        assert_true(batch_crc_ok(view.bytes));
        position += (int64_t)view.bytes.size;
    }
    assert_false(batch_next(&it, &view));
    assert_int_equal(it.stopped, BATCH_END);
    assert_false(batch_next(&it, &view));
    assert_int_equal(it.position, (int64_t)run.size);
    /* A torn tail: the walk stops where the last whole batch ends. */
    it = batch_iterate(slice_first(bytes_slice(&run), run.size - 1));
    while (batch_next(&it, &view))
        assert_int_equal(it.stopped, BATCH_OK);
    assert_int_equal(it.stopped, BATCH_INCOMPLETE);
    assert_int_equal(it.position, (int64_t)run.size - BATCH_HEADER_SIZE - 4);
    bytes_fini(&run);
}

static void test_crc(void **state)
{
    (void)state;
    struct bytes batch = {0};
    batch_wrap(&batch, &sample, slice_of_text("some records"));
    for (size_t bit = 0; bit < batch.size * 8; bit++) {
        batch.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        bool covered = bit / 8 >= BATCH_AT_CRC;
        assert_int_equal(batch_crc_ok(bytes_slice(&batch)), !covered);
        batch.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    batch_stamp(batch.data, (struct batch_place){.base_offset = 9, .partition_leader_epoch = 8});
    assert_true(batch_crc_ok(bytes_slice(&batch)));
    struct batch_header h;
    assert_int_equal(batch_parse(bytes_slice(&batch), &h), BATCH_OK);
    assert_int_equal(h.base_offset, 9);
    assert_int_equal(h.partition_leader_epoch, 8);
    bytes_fini(&batch);
}

static void test_stamp_time(void **state)
{
    (void)state;
    struct bytes batch = {0};
    struct batch_header h = sample;
    h.attributes = (int16_t)0xff90; /* transactional and bits that mean nothing */
    batch_wrap(&batch, &h, slice_of_text("some records"));
    struct batch_time same = {TIMESTAMP_CREATE_TIME, sample.max_timestamp};
    assert_false(batch_stamp_time(batch.data, same));
    assert_int_equal(load_i16(batch.data + BATCH_AT_ATTRIBUTES), (int16_t)0xff90);
    assert_true(batch_stamp_time(batch.data, (struct batch_time){TIMESTAMP_LOG_APPEND_TIME, 5}));
    assert_int_equal(batch_parse(bytes_slice(&batch), &h), BATCH_OK);
    assert_true(batch_crc_ok(bytes_slice(&batch)));
    assert_int_equal(h.attributes, BATCH_TRANSACTIONAL | BATCH_LOG_APPEND_TIME);
    assert_int_equal(batch_timestamp_type(&h), TIMESTAMP_LOG_APPEND_TIME);
    assert_int_equal(h.max_timestamp, 5);
    assert_int_equal(batch_record_timestamp(&h, 1234), 5);
    assert_false(batch_stamp_time(batch.data, (struct batch_time){TIMESTAMP_LOG_APPEND_TIME, 5}));
    assert_true(batch_stamp_time(batch.data, (struct batch_time){TIMESTAMP_CREATE_TIME, 5}));
    assert_int_equal(load_i16(batch.data + BATCH_AT_ATTRIBUTES), BATCH_TRANSACTIONAL);
    assert_true(batch_crc_ok(bytes_slice(&batch)));
    bytes_fini(&batch);
}

static void test_sequences(void **state)
{
    (void)state;
    assert_int_equal(batch_sequence_add(0, 0), 0);
    assert_int_equal(batch_sequence_add(INT32_MAX - 1, 1), INT32_MAX);
    assert_int_equal(batch_sequence_add(INT32_MAX, 1), 0);
    assert_int_equal(batch_sequence_add(INT32_MAX, INT32_MAX), INT32_MAX - 1);
    assert_int_equal(batch_sequence_subtract(0, 1), INT32_MAX);
    assert_int_equal(batch_sequence_subtract(5, 5), 0);
    assert_int_equal(batch_sequence_subtract(4, 5), INT32_MAX);
    struct batch_header h = client_header(10);
    assert_int_equal(batch_last_sequence(&h), BATCH_NO_SEQUENCE);
    h.base_sequence = INT32_MAX - 3;
    assert_int_equal(batch_last_sequence(&h), 5);
}

/* The batch's records are those of the golden formula, from the first on. */
static void assert_golden_records(struct codec_pool *pool, const struct batch_view *view)
{
    struct record_reader reader;
    struct record record;
    record_reader_open(&reader, pool,
                       (struct record_source){.header = &view->header, .batch = view->bytes});
    int index = 0;
    for (; record_read(&reader, &record); index++) {
        struct golden_record g;
        golden_record_make(&g, index);
        assert_int_equal(record.offset_delta, index);
        assert_int_equal(batch_record_timestamp(&view->header, record.timestamp_delta),
                         g.timestamp);
        assert_int_equal(slice_is_null(record.key), slice_is_null(g.key));
        assert_true(slice_equal(record.key, g.key));
        assert_int_equal(slice_is_null(record.value), slice_is_null(g.value));
        assert_true(slice_equal(record.value, g.value));
        assert_int_equal(record.header_count, g.header_count);
        struct slice rest = record.headers;
        struct record_header header;
        for (int i = 0; record_header_next(&rest, &header); i++) {
            assert_true(slice_equal(header.key, g.headers[i].key));
            assert_int_equal(slice_is_null(header.value), slice_is_null(g.headers[i].value));
            assert_true(slice_equal(header.value, g.headers[i].value));
        }
    }
    assert_int_equal(reader.fault, CODEC_FINE);
    assert_int_equal(index, view->header.record_count);
    record_reader_close(&reader);
}

static void test_clients_batches(void **state)
{
    (void)state;
    static const char *const names[] = {"java-none", "java-gzip",   "java-snappy", "java-lz4",
                                        "java-zstd", "python-none", "python-gzip"};
    static const enum codec codecs[] = {CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4,
                                        CODEC_ZSTD, CODEC_NONE, CODEC_GZIP};
    struct codec_pool *pool = codec_pool_new();
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct bytes golden = golden_read(names[i]);
        struct batch_iterator it = batch_iterate(bytes_slice(&golden));
        struct batch_view view;
        assert_true(batch_next(&it, &view));
        assert_int_equal(batch_codec_id(&view.header), codecs[i]);
        assert_true(batch_crc_ok(view.bytes));
        bool java = names[i][0] == 'j';
        assert_int_equal(view.header.producer_id, java ? 4711 : -1);
        assert_int_equal(view.header.producer_epoch, java ? 3 : -1);
        assert_int_equal(view.header.base_sequence, java ? 2147483640 : -1);
        int32_t last = java ? batch_sequence_add(2147483640, view.header.last_offset_delta) : -1;
        assert_int_equal(batch_last_sequence(&view.header), last);
        assert_golden_records(pool, &view);
        struct batch_rules rules = open_rules();
        struct batch_verdict verdict;
        struct arena arena;
        arena_init(&arena, 1 << 20);
        batch_validate(bytes_slice(&golden), &rules, pool, &arena, &verdict);
        assert_int_equal(verdict.err, ERR_NONE);
        assert_false(verdict.misnumbered);
        assert_int_equal(verdict.max_timestamp, view.header.max_timestamp);
        arena_fini(&arena);
        assert_false(batch_next(&it, &view));
        assert_int_equal(it.stopped, BATCH_END);
        bytes_fini(&golden);
    }
    codec_pool_free(pool);
}

/* The logs of an Apache Kafka 4.4.0 node: every batch and record reads, and the sizes are those
 * that its dump tool printed. */
static void test_brokers_logs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int batches;
        int records;
    } logs[] = {{"broker-data", 5, 14}, {"broker-transactions", 8, 8}};
    for (size_t i = 0; i < COUNT_OF(logs); i++) {
        struct bytes golden = golden_read(logs[i].name);
        struct batch_iterator it = batch_iterate(bytes_slice(&golden));
        struct batch_view view;
        int batches = 0;
        int records = 0;
        for (; batch_next(&it, &view); batches++) {
            assert_true(batch_crc_ok(view.bytes));
            assert_int_equal(view.header.base_offset, records);
            struct record_reader reader;
            struct record record;
            record_reader_open(&reader, NULL,
                               (struct record_source){.header = &view.header, .batch = view.bytes});
            while (record_read(&reader, &record))
                records++;
            assert_int_equal(reader.fault, CODEC_FINE);
            record_reader_close(&reader);
            assert_int_equal(batch_last_offset(&view.header), records - 1);
        }
        assert_int_equal(it.stopped, BATCH_END);
        assert_int_equal(batches, logs[i].batches);
        assert_int_equal(records, logs[i].records);
        bytes_fini(&golden);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),       cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_walk),         cmocka_unit_test(test_bad_sizes_and_magics),
        cmocka_unit_test(test_crc),          cmocka_unit_test(test_stamp_time),
        cmocka_unit_test(test_sequences),    cmocka_unit_test(test_clients_batches),
        cmocka_unit_test(test_brokers_logs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
