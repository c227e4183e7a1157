/* Records: what a well-formed one gives, each way in which one can be malformed, and the two ways
 * of reading (whole and passing over, in one piece and over many) held against each other. */
#include "wire/test/batch_kit.h"

#include "base/bytes.h"

#include <setjmp.h>
#include <snappy-c.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_store_and_parse(void **state)
{
    (void)state;
    struct record_header headers[] = {{slice_of_text("k"), slice_of_text("v")},
                                      {slice_of_text(""), {0}},
                                      {slice_of_text("k"), slice_of_text("")}};
    uint8_t at[64];
    record_headers_store(at, headers, 3);
    struct record in = {.timestamp_delta = INT64_MIN,
                        .offset_delta = INT32_MAX,
                        .attributes = -1,
                        .key = slice_of_text(""),
                        .header_count = 3,
                        .headers = slice_of(at, record_headers_size(headers, 3))};
    uint8_t out[128];
    size_t size = record_store(out, &in);
    assert_int_equal(size, record_size(&in));
    uint64_t length = 0;
    size_t n = uvarint_load(out, size, 5, &length);
    assert_int_equal(zigzag_decode(length), size - n);
    struct record back;
    assert_null(record_parse(slice_of(out + n, size - n), &back));
    assert_true(back.timestamp_delta == INT64_MIN);
    assert_int_equal(back.offset_delta, INT32_MAX);
    assert_int_equal(back.attributes, -1);
    assert_false(slice_is_null(back.key));
    assert_int_equal(back.key.size, 0);
    assert_true(slice_is_null(back.value));
    assert_int_equal(back.header_count, 3);
    struct slice rest = back.headers;
    for (int i = 0; i < 3; i++) {
        struct record_header header;
        assert_true(record_header_next(&rest, &header));
        assert_true(slice_equal(header.key, headers[i].key));
        assert_int_equal(slice_is_null(header.value), slice_is_null(headers[i].value));
        assert_true(slice_equal(header.value, headers[i].value));
    }
    struct record_header none;
    assert_false(record_header_next(&rest, &none));
}

/* Bodies; the smallest good one is attributes, two deltas, null, null, no headers. */
static const struct {
    const char *what;
    const char *body;
    size_t size;
} bad_bodies[] = {
    {"nothing", "", 0},
    {"attributes alone", "\0", 1},
    {"no offset delta", "\0\0", 2},
    {"no key", "\0\0\0", 3},
    {"no value", "\0\0\0\1", 4},
    {"no header count", "\0\0\0\1\1", 5},
    {"a byte too many", "\0\0\0\1\1\0\0", 7},
    {"key beyond the end", "\0\0\0\4a\1", 6},
    {"value beyond the end", "\0\0\0\1\4a", 6},
    {"largest key size", "\0\0\0\xfe\xff\xff\xff\x0f\1\0", 10},
    {"largest value size", "\0\0\0\1\xfe\xff\xff\xff\x0f\0", 10},
    {"negative header count", "\0\0\0\1\1\1", 6},
    {"header count beyond the end", "\0\0\0\1\1\2", 6},
    {"largest header count", "\0\0\0\1\1\xfe\xff\xff\xff\x0f", 10},
    {"one header of two", "\0\0\0\1\1\4\2a\1", 9},
    {"null header key", "\0\0\0\1\1\2\1\1", 8},
    {"negative header key", "\0\0\0\1\1\2\x09\1", 8},
    {"header key beyond the end", "\0\0\0\1\1\2\6a", 8},
    {"header without value", "\0\0\0\1\1\2\2a", 8},
    {"header value beyond the end", "\0\0\0\1\1\2\2a\6a", 10},
    {"timestamp of 11 bytes", "\0\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\0\0\1\1\0", 16},
    {"offset of 6 bytes", "\0\0\x80\x80\x80\x80\x80\0\1\1\0", 11},
    {"key size of 6 bytes", "\0\0\0\x81\x80\x80\x80\x80\0\1\0", 11},
    {"value size of 6 bytes", "\0\0\0\1\x81\x80\x80\x80\x80\0\0", 11},
    {"header count of 6 bytes", "\0\0\0\1\1\x80\x80\x80\x80\x80\0", 11},
};

static struct codec_pool *pool;

static int make_pool(void **state)
{
    (void)state;
    pool = codec_pool_new();
    return pool == NULL;
}

static int free_pool(void **state)
{
    (void)state;
    codec_pool_free(pool);
    return 0;
}

/* Snappy blocks of at most `step` bytes each, so that reading sees pieces of that size. */
static void chop(struct bytes *out, struct slice plain, struct prng *prng, size_t step)
{
    bytes_add(out, "\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
    while (plain.size > 0) {
        struct slice part = slice_first(plain, 1 + (size_t)prng_below(prng, step));
        char packed[4096];
        size_t size = sizeof packed;
        assert_int_equal(snappy_compress((const char *)part.data, part.size, packed, &size),
                         SNAPPY_OK);
        bytes_add_u32(out, (uint32_t)size);
        bytes_add(out, packed, size);
        plain = slice_from(plain, part.size);
    }
}

struct outcome {
    int64_t fault; /* enum codec_fault; wide, so that outcomes compare bytewise */
    int64_t records;
    uint64_t sum; /* of what the marks say */
};

static uint64_t mix(uint64_t sum, struct record_mark mark)
{
    sum = sum * 31 + (uint64_t)mark.timestamp_delta;
    sum = sum * 31 + (uint64_t)mark.offset_delta;
    return sum * 31 + mark.has_key;
}

static struct outcome read_batch(const struct batch_header *header, struct slice batch, bool skip)
{
    struct record_reader reader;
    struct outcome outcome = {0};
    record_reader_open(
        &reader, pool,
        (struct record_source){.header = header, .batch = batch, .output_size_max = 1 << 20});
    for (;;) {
        struct record_mark mark;
        struct record record;
        if (skip ? !record_skip(&reader, &mark) : !record_read(&reader, &record))
            break;
        if (!skip)
            mark = (struct record_mark){.timestamp_delta = record.timestamp_delta,
                                        .offset_delta = record.offset_delta,
                                        .has_key = !slice_is_null(record.key)};
        outcome.sum = mix(outcome.sum, mark);
        outcome.records++;
    }
    outcome.fault = (int64_t)reader.fault;
    assert_int_equal(reader.text == NULL, reader.fault == CODEC_FINE);
    assert_int_equal(record_skip(&reader, &(struct record_mark){0}), false);
    record_reader_close(&reader);
    return outcome;
}

/* Both ways of reading, in one piece and in many, must agree; returns what they say. */
static struct outcome read_every_way(struct slice records, int32_t count, struct prng *prng)
{
    struct batch_header header = client_header(count);
    struct bytes batch = {0};
    batch_wrap(&batch, &header, records);
    struct outcome first = read_batch(&header, bytes_slice(&batch), false);
    struct outcome second = read_batch(&header, bytes_slice(&batch), true);
    assert_memory_equal(&first, &second, sizeof first);
    static const size_t steps[] = {1, 3, 20, 1000};
    header.attributes = CODEC_SNAPPY;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct bytes chopped = {0};
        chop(&chopped, records, prng, steps[i]);
        batch.size = 0;
        batch_wrap(&batch, &header, bytes_slice(&chopped));
        second = read_batch(&header, bytes_slice(&batch), false);
        assert_memory_equal(&first, &second, sizeof first);
        second = read_batch(&header, bytes_slice(&batch), true);
        assert_memory_equal(&first, &second, sizeof first);
        bytes_fini(&chopped);
    }
    bytes_fini(&batch);
    return first;
}

static void test_malformed(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 1);
    for (size_t i = 0; i < COUNT_OF(bad_bodies); i++) {
        struct record record;
        struct slice body = slice_of(bad_bodies[i].body, bad_bodies[i].size);
        if (record_parse(body, &record) == NULL)
            fail_msg("accepted: %s", bad_bodies[i].what);
        struct bytes records = {0};
        bytes_add(&records, "\x0c\0\0\0\1\1\0", 7);
        bytes_add_varint(&records, (int64_t)body.size);
        bytes_add_slice(&records, body);
        struct outcome outcome = read_every_way(bytes_slice(&records), 2, &prng);
        assert_int_equal(outcome.fault, CODEC_CORRUPT);
        assert_int_equal(outcome.records, 1);
        bytes_fini(&records);
    }
}

/* A good record, then something about the run of records that is wrong. */
static void test_run_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *tail;
        size_t size;
        int32_t count;
        enum codec_fault fault;
        int records;
    } runs[] = {
        {"", 0, 1, CODEC_FINE, 1},
        {"", 0, 0, CODEC_FINE, 0},    /* an empty batch: its data is not looked at */
        {"", 0, 2, CODEC_CORRUPT, 1}, /* fewer than declared */
        {"\0", 1, 1, CODEC_CORRUPT, 1},
        {"\x0c\0\0\0\1\1\0", 7, 1, CODEC_CORRUPT, 1}, /* more than declared */
        {"\x0b", 1, 2, CODEC_CORRUPT, 1},             /* negative length */
        {"\0", 1, 2, CODEC_CORRUPT, 1},               /* length 0 */
        {"\x80", 1, 2, CODEC_CORRUPT, 1},             /* half a length */
        {"\x8c\x80\x80\x80\x80\0", 6, 2, CODEC_CORRUPT, 1},
        {"\x8c\x80\x80\x80\0\0\0\0\1\1\0", 11, 2, CODEC_FINE, 2}, /* padded, as Kafka allows */
        {"\x0e\0\0\0\1\1\0", 7, 2, CODEC_CORRUPT, 1},             /* length larger than the bytes */
        {"\xfe\xff\xff\xff\x0f\0\0\0\1\1\0", 11, 2, CODEC_CORRUPT, 1},
        {"", 0, -1, CODEC_CORRUPT, 0},
        {"", 0, INT32_MIN, CODEC_CORRUPT, 0},
        {"", 0, INT32_MAX, CODEC_CORRUPT, 1},
        {"\x0c\0\0\0\x05\x09\0", 7, 2, CODEC_FINE, 2}, /* any negative size is null */
    };
    struct prng prng;
    prng_init(&prng, 2);
    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        struct bytes records = {0};
        bytes_add(&records, "\x0c\0\0\0\1\1\0", 7);
        bytes_add(&records, runs[i].tail, runs[i].size);
        struct outcome outcome = read_every_way(bytes_slice(&records), runs[i].count, &prng);
        assert_int_equal(outcome.fault, runs[i].fault);
        assert_int_equal(outcome.records, runs[i].records);
        bytes_fini(&records);
    }
}

/* Five bytes of varint carry 35 bits: Kafka drops those above the 32nd. */
static void test_varint_overflow(void **state)
{
    (void)state;
    struct record record;
    struct slice body = slice_of("\0\0\x82\x80\x80\x80\x70\1\1\0", 10);
    assert_null(record_parse(body, &record));
    assert_int_equal(record.offset_delta, 1);
}

static struct bytes random_records(struct prng *prng, struct slice noise, int32_t count)
{
    struct bytes records = {0};
    for (int32_t i = 0; i < count; i++) {
        struct random_record r;
        random_record_make(&r, prng, noise);
        uint8_t headers[8192];
        record_headers_store(headers, r.headers, r.record.header_count);
        struct record record = {
            .timestamp_delta = r.record.timestamp,
            .offset_delta = i,
            .key = r.record.key,
            .value = r.record.value,
            .header_count = r.record.header_count,
            .headers = slice_of(headers, record_headers_size(r.headers, r.record.header_count)),
        };
        uint8_t at[16384];
        assert_true(record_size(&record) <= sizeof at);
        bytes_add(&records, at, record_store(at, &record));
    }
    return records;
}

static void test_random(void **state)
{
    (void)state;
    uint8_t noise[2000];
    struct prng prng;
    prng_init(&prng, 3);
    prng_fill(&prng, noise, sizeof noise);
    for (int round = 0; round < 300; round++) {
        int32_t count = 1 + (int32_t)prng_below(&prng, 12);
        struct bytes records = random_records(&prng, slice_of(noise, sizeof noise), count);
        struct outcome good = read_every_way(bytes_slice(&records), count, &prng);
        assert_int_equal(good.fault, CODEC_FINE);
        assert_int_equal(good.records, count);
        for (int i = 0; i < 20; i++) {
            uint8_t *at = &records.data[prng_below(&prng, records.size)];
            uint8_t old = *at;
            *at = (uint8_t)prng_next(&prng);
            (void)read_every_way(bytes_slice(&records), count, &prng);
            *at = old;
        }
        bytes_fini(&records);
    }
}

/* A compressed record longer than max.decompressed.message.bytes is refused; an uncompressed one
 * is as long as what was received. */
static void test_record_limit(void **state)
{
    (void)state;
    struct bytes packed = {0};
    struct slice records = slice_of("\x0c\0\0\0\1\1\0", 7);
    pack_with(pool, CODEC_GZIP, CODEC_LEVEL_DEFAULT, records, &packed);
    for (int limit = 5; limit <= 6; limit++) {
        for (int compressed = 0; compressed <= 1; compressed++) {
            struct batch_header header = client_header(1);
            header.attributes = compressed ? CODEC_GZIP : CODEC_NONE;
            struct bytes batch = {0};
            batch_wrap(&batch, &header, compressed ? bytes_slice(&packed) : records);
            struct record_reader reader;
            struct record record;
            record_reader_open(&reader, pool,
                               (struct record_source){.header = &header,
                                                      .batch = bytes_slice(&batch),
                                                      .record_size_max = limit});
            assert_int_equal(record_read(&reader, &record), !compressed || limit == 6);
            record_reader_close(&reader);
            bytes_fini(&batch);
        }
    }
    bytes_fini(&packed);
}

/* A record of many windows comes out whole, and a length that lies costs no memory. */
static void test_large_record(void **state)
{
    (void)state;
    size_t size = 3000000;
    uint8_t *value = (uint8_t *)malloc(size);
    struct prng prng;
    prng_init(&prng, 4);
    prng_fill(&prng, value, size);
    struct record in = {.key = slice_of_text("k"), .value = slice_of(value, size)};
    uint8_t *at = (uint8_t *)malloc(size + 64);
    struct slice plain = slice_of(at, record_store(at, &in));
    static const enum codec codecs[] = {CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD};
    for (size_t i = 0; i < COUNT_OF(codecs); i++) {
        struct bytes packed = {0};
        struct bytes batch = {0};
        pack_with(pool, codecs[i], CODEC_LEVEL_DEFAULT, plain, &packed);
        struct batch_header header = client_header(1);
        header.attributes = (int16_t)codecs[i];
        batch_wrap(&batch, &header, bytes_slice(&packed));
        struct record_source source = {.header = &header, .batch = bytes_slice(&batch)};
        struct record_reader reader;
        record_reader_open(&reader, pool, source);
        struct record record;
        assert_true(record_read(&reader, &record));
        assert_true(slice_equal(record.value, in.value));
        assert_false(record_read(&reader, &record));
        assert_int_equal(reader.fault, CODEC_FINE);
        record_reader_close(&reader);
        struct record_mark mark;
        record_reader_open(&reader, pool, source);
        assert_true(record_skip(&reader, &mark));
        assert_true(mark.has_key);
        assert_false(record_skip(&reader, &mark));
        assert_int_equal(reader.fault, CODEC_FINE);
        record_reader_close(&reader);
        bytes_fini(&packed);
        bytes_fini(&batch);
    }
    free(value);
    free(at);
}

static void test_codec_unknown(void **state)
{
    (void)state;
    for (int id = 5; id <= 7; id++) {
        struct batch_header header = client_header(1);
        header.attributes = (int16_t)id;
        struct bytes batch = {0};
        batch_wrap(&batch, &header, slice_of("\x0c\0\0\0\1\1\0", 7));
        assert_int_equal(read_batch(&header, bytes_slice(&batch), true).fault, CODEC_CORRUPT);
        bytes_fini(&batch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_and_parse), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_run_malformed),   cmocka_unit_test(test_varint_overflow),
        cmocka_unit_test(test_random),          cmocka_unit_test(test_record_limit),
        cmocka_unit_test(test_large_record),    cmocka_unit_test(test_codec_unknown),
    };
    return cmocka_run_group_tests(tests, make_pool, free_pool);
}
