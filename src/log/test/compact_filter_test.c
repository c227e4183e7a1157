/* Each rule by which compaction keeps, makes again, empties or drops a batch, one by one. */
#include "log/compact_filter.h"

#include "base/bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW INT64_C(1700000000000)
#define RETENTION INT64_C(1000)
#define PRODUCER INT64_C(7)

/* A filter and the map it looks into. */
struct bench {
    struct compact_map map;
    struct log_compact_figures figures;
    struct compact_filter filter;
    struct batch_builder builder;
    struct codec_pool *pool;
};

static struct bench *bench_new(void)
{
    struct bench *bench = (struct bench *)calloc(1, sizeof *bench);
    assert_non_null(bench);
    assert_true(compact_map_open(&bench->map, &(struct compact_map_options){.memory_size = 1 << 20,
                                                                            .load_factor = 0.9,
                                                                            .keys_max = 1000}));
    assert_true(compact_filter_init(&bench->filter, &bench->map, &bench->figures));
    bench->filter.now_ms = NOW;
    bench->filter.delete_retention_ms = RETENTION;
    bench->filter.high_watermark = 100000;
    bench->filter.record_size_max = INT32_MAX;
    batch_builder_init(&bench->builder);
    bench->pool = codec_pool_new();
    assert_non_null(bench->pool);
    return bench;
}

static void bench_free(struct bench *bench)
{
    compact_filter_fini(&bench->filter);
    compact_map_close(&bench->map);
    batch_builder_fini(&bench->builder);
    codec_pool_free(bench->pool);
    free(bench);
}

static void know(struct bench *bench, const char *key, int64_t offset)
{
    assert_true(
        compact_map_put(&bench->map, compact_map_hash(&bench->map, slice_of_text(key)), offset));
}

static void know_producer(struct bench *bench, struct compact_producer producer)
{
    struct compact_producer *copy = (struct compact_producer *)malloc(sizeof *copy);
    assert_non_null(copy);
    *copy = producer;
    compact_filter_set_producers(&bench->filter, copy, 1);
}

/* ---- batches ---- */

/* "a" with a value, "-a" a tombstone, "" no key; ends with NULL. */
struct batch_spec {
    struct batch_builder_options options;
    const char *keys[8];
};

static struct batch_builder_options at_offset(int64_t offset)
{
    struct batch_builder_options options = batch_builder_defaults();
    options.base_offset = offset;
    options.partition_leader_epoch = 3;
    return options;
}

static struct batch_builder_options of_producer(int64_t offset, bool transactional)
{
    struct batch_builder_options options = at_offset(offset);
    options.producer_id = PRODUCER;
    options.producer_epoch = 2;
    options.base_sequence = 40;
    options.transactional = transactional;
    return options;
}

static struct slice copy_of(struct slice bytes)
{
    uint8_t *copy = (uint8_t *)malloc(bytes.size);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.size);
    return slice_of(copy, bytes.size);
}

static struct batch_view view_of(struct slice bytes)
{
    struct batch_view view = {.bytes = bytes};
    assert_int_equal(batch_parse(bytes, &view.header), BATCH_OK);
    return view;
}

/* The batch's bytes are the caller's to free. */
static struct batch_view batch_of(struct bench *bench, const struct batch_spec *spec)
{
    batch_builder_begin(&bench->builder, &spec->options);
    for (int i = 0; spec->keys[i] != NULL; i++) {
        const char *key = spec->keys[i];
        bool tombstone = key[0] == '-';
        struct slice name = slice_of_text(tombstone ? key + 1 : key);
        batch_builder_add(&bench->builder,
                          &(struct batch_record){
                              .timestamp = NOW - 100 + i,
                              .key = name.size > 0 ? name : (struct slice){0},
                              .value = tombstone ? (struct slice){0} : slice_of_text("value"),
                          });
    }
    return view_of(copy_of(batch_builder_finish(&bench->builder, bench->pool)));
}

static struct batch_view marker_of(struct bench *bench, int64_t offset, int16_t type)
{
    struct batch_builder_options options = of_producer(offset, true);
    uint8_t key[4] = {0};
    options.base_sequence = -1;
    options.control = true;
    store_i16(key + 2, type);
    batch_builder_begin(&bench->builder, &options);
    batch_builder_add(&bench->builder, &(struct batch_record){.timestamp = NOW - 50,
                                                              .key = slice_of(key, sizeof key),
                                                              .value = slice_of("\0\0\0\0\0", 6)});
    return view_of(copy_of(batch_builder_finish(&bench->builder, NULL)));
}

/* The same again with a horizon in its header, as an earlier cleaning leaves it. */
static struct batch_view with_horizon(struct bench *bench, struct batch_view view, int64_t horizon)
{
    int64_t now_ms = bench->filter.now_ms;
    struct slice bytes;
    bench->filter.now_ms = horizon - RETENTION;
    assert_int_equal(compact_filter_batch(&bench->filter, &view, &bytes), 0);
    bench->filter.now_ms = now_ms;
    struct batch_view again = view_of(copy_of(bytes));
    free((void *)(uintptr_t)view.bytes.data);
    assert_true(batch_has_delete_horizon(&again.header));
    assert_int_equal(again.header.base_timestamp, horizon);
    return again;
}

/* ---- what comes out ---- */

static struct slice filtered(struct bench *bench, const struct batch_view *view)
{
    struct slice bytes;
    assert_int_equal(compact_filter_batch(&bench->filter, view, &bytes), 0);
    return bytes;
}

static void release(const struct batch_view *view)
{
    free((void *)(uintptr_t)view->bytes.data);
}

static void goes(struct bench *bench, struct batch_view view)
{
    assert_int_equal(filtered(bench, &view).size, 0);
    release(&view);
}

static void stays(struct bench *bench, struct batch_view view)
{
    assert_ptr_equal(filtered(bench, &view).data, view.bytes.data);
    release(&view);
}

/* What must be the same in a batch that was made again. */
static void same_place(const struct batch_header *after, const struct batch_header *before)
{
    assert_int_equal(after->base_offset, before->base_offset);
    assert_int_equal(after->last_offset_delta, before->last_offset_delta);
    assert_int_equal(after->producer_id, before->producer_id);
    assert_int_equal(after->producer_epoch, before->producer_epoch);
    assert_int_equal(after->base_sequence, before->base_sequence);
    assert_int_equal(after->partition_leader_epoch, before->partition_leader_epoch);
    uint16_t flags = BATCH_TRANSACTIONAL | BATCH_CONTROL | BATCH_LOG_APPEND_TIME;
    assert_int_equal(after->attributes & flags, before->attributes & flags);
}

static void becomes_empty(struct bench *bench, struct batch_view view)
{
    struct batch_view after = view_of(filtered(bench, &view));
    assert_int_equal(after.header.size, BATCH_HEADER_SIZE);
    assert_true(batch_crc_ok(after.bytes));
    same_place(&after.header, &view.header);
    assert_int_equal(after.header.record_count, 0);
    assert_int_equal(after.header.base_timestamp, -1);
    assert_int_equal(after.header.max_timestamp, view.header.max_timestamp);
    assert_int_equal(batch_codec_id(&after.header), CODEC_NONE);
    release(&view);
}

/* The batch is made again with the records at these offset deltas (ends with -1). */
struct wanted {
    int deltas[8];
    int64_t horizon; /* -1: none */
};

static void becomes(struct bench *bench, struct batch_view view, struct wanted wanted)
{
    struct batch_view after = view_of(copy_of(filtered(bench, &view)));
    assert_true(batch_crc_ok(after.bytes));
    same_place(&after.header, &view.header);
    assert_int_equal(batch_codec_id(&after.header), batch_codec_id(&view.header));
    assert_int_equal(batch_has_delete_horizon(&after.header), wanted.horizon >= 0);
    bool by_broker = batch_timestamp_type(&view.header) == TIMESTAMP_LOG_APPEND_TIME;
    struct record_reader reader;
    struct record record;
    int64_t max_timestamp = -1;
    int i = 0;
    record_reader_open(&reader, bench->pool,
                       (struct record_source){.header = &after.header, .batch = after.bytes});
    for (; record_read(&reader, &record); i++) {
        int64_t timestamp = batch_record_timestamp(&after.header, record.timestamp_delta);
        int64_t first = by_broker ? view.header.max_timestamp : NOW - 100 + wanted.deltas[0];
        assert_int_equal(record.offset_delta, wanted.deltas[i]);
        assert_int_equal(timestamp, by_broker ? first : NOW - 100 + wanted.deltas[i]);
        assert_int_equal(after.header.base_timestamp, wanted.horizon >= 0 ? wanted.horizon : first);
        max_timestamp = MAX_OF(max_timestamp, timestamp);
    }
    assert_int_equal(reader.fault, CODEC_FINE);
    record_reader_close(&reader);
    assert_int_equal(wanted.deltas[i], -1);
    assert_int_equal(after.header.record_count, i);
    assert_int_equal(after.header.max_timestamp, max_timestamp);
    release(&after);
    release(&view);
}

/* ---- the rules ---- */

static void the_last_of_each_key_stays(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    know(bench, "a", 10);
    know(bench, "b", 21);
    know(bench, "c", 900);
    stays(bench, batch_of(bench, &(struct batch_spec){at_offset(10), {"a", "x", NULL}}));
    becomes(bench, batch_of(bench, &(struct batch_spec){at_offset(20), {"a", "b", "c", NULL}}),
            (struct wanted){{0, 1, -1}, -1}); /* what is behind the last one known stays too */
    becomes(bench, batch_of(bench, &(struct batch_spec){at_offset(8), {"b", "c", "a", NULL}}),
            (struct wanted){{2, -1}, -1});
    goes(bench, batch_of(bench, &(struct batch_spec){at_offset(5), {"a", "b", NULL}}));
    stays(bench, batch_of(bench, &(struct batch_spec){at_offset(901), {"a", "c", NULL}}));
    assert_int_equal(bench->figures.keyless_records, 0);
    assert_int_equal(bench->figures.read_records, 12);
    assert_int_equal(bench->figures.written_records, 7);
    bench_free(bench);
}

static void records_without_key_go(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    know(bench, "a", 100);
    becomes(bench, batch_of(bench, &(struct batch_spec){at_offset(10), {"", "x", "", NULL}}),
            (struct wanted){{1, -1}, -1});
    assert_int_equal(bench->figures.keyless_records, 2);
    stays(bench, batch_of(bench, &(struct batch_spec){at_offset(101), {"", NULL}}));
    bench_free(bench);
}

static void a_producers_last_batch_stays_empty(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    know(bench, "a", 100);
    struct batch_spec spec = {of_producer(10, false), {"a", "a", NULL}};
    know_producer(bench, (struct compact_producer){.id = PRODUCER, .last_offset = 11, .epoch = 2});
    becomes_empty(bench, batch_of(bench, &spec));
    know_producer(bench, (struct compact_producer){.id = PRODUCER, .last_offset = 12, .epoch = 2});
    goes(bench, batch_of(bench, &spec));
    know_producer(bench, (struct compact_producer){.id = 8, .last_offset = 11, .epoch = 2});
    goes(bench, batch_of(bench, &spec));
    /* One that was emptied already stays so, and goes when it is the last no more. */
    know_producer(bench, (struct compact_producer){.id = PRODUCER, .last_offset = 11, .epoch = 2});
    struct batch_view empty = batch_of(bench, &spec);
    struct batch_view again = view_of(copy_of(filtered(bench, &empty)));
    release(&empty);
    struct batch_view once_more = view_of(copy_of(again.bytes));
    becomes_empty(bench, again);
    know_producer(bench, (struct compact_producer){.id = PRODUCER, .last_offset = 90, .epoch = 2});
    goes(bench, once_more);
    bench_free(bench);
}

static void the_batch_in_front_of_the_high_watermark_stays_empty(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    know(bench, "a", 100);
    bench->filter.high_watermark = 12;
    becomes_empty(bench, batch_of(bench, &(struct batch_spec){at_offset(10), {"a", "a", NULL}}));
    goes(bench, batch_of(bench, &(struct batch_spec){at_offset(9), {"a", "a", NULL}}));
    bench_free(bench);
}

static void tombstones_wait_for_their_horizon(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    know(bench, "a", 10);
    know(bench, "b", 11);
    know(bench, "z", 1000);
    struct batch_spec spec = {at_offset(10), {"-a", "b", NULL}};
    becomes(bench, batch_of(bench, &spec), (struct wanted){{0, 1, -1}, NOW + RETENTION});
    stays(bench, with_horizon(bench, batch_of(bench, &spec), NOW + 1));
    becomes(bench, with_horizon(bench, batch_of(bench, &spec), NOW), (struct wanted){{1, -1}, NOW});
    /* One that is not its key's last goes at once, and begins nothing. */
    becomes(bench, batch_of(bench, &(struct batch_spec){at_offset(8), {"-b", "q", NULL}}),
            (struct wanted){{1, -1}, -1});
    /* What is behind the map begins its time too. */
    becomes(bench, batch_of(bench, &(struct batch_spec){at_offset(2000), {"-a", NULL}}),
            (struct wanted){{0, -1}, NOW + RETENTION});
    /* A sum beyond all time is none. */
    bench->filter.delete_retention_ms = INT64_MAX;
    becomes(bench, batch_of(bench, &spec), (struct wanted){{0, 1, -1}, -1});
    bench_free(bench);
}

static void set_aborted(struct bench *bench, struct txn_ended aborted)
{
    struct txn_ended *copy = (struct txn_ended *)malloc(sizeof *copy);
    assert_non_null(copy);
    *copy = aborted;
    compact_txns_fini(&bench->filter.txns);
    compact_txns_init(&bench->filter.txns, copy, 1);
}

static void aborted_data_goes_before_its_marker(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    know(bench, "z", 1000);
    struct txn_ended aborted = {
        .producer_id = PRODUCER, .first_offset = 10, .last_offset = 12, .last_stable_offset = 13};
    set_aborted(bench, aborted);
    goes(bench, batch_of(bench, &(struct batch_spec){of_producer(10, true), {"a", "b", NULL}}));
    stays(bench, marker_of(bench, 12, 0)); /* its data was there in this round */
    assert_int_equal(bench->filter.txns.kept_count, 1);
    assert_int_equal(bench->filter.txns.kept[0].last_offset, 12);
    /* In the next round nothing is in front of it: its time begins. */
    set_aborted(bench, aborted);
    struct batch_view marker = marker_of(bench, 12, 0);
    struct batch_view timed = view_of(copy_of(filtered(bench, &marker)));
    assert_int_equal(timed.header.base_timestamp, NOW + RETENTION);
    assert_int_equal(timed.header.max_timestamp, NOW - 50);
    same_place(&timed.header, &marker.header);
    assert_int_equal(bench->filter.txns.kept_count, 0);
    release(&marker);
    struct batch_view later = view_of(copy_of(timed.bytes));
    bench->filter.now_ms = NOW + RETENTION - 1;
    stays(bench, timed);
    bench->filter.now_ms = NOW + RETENTION;
    struct batch_view last = view_of(copy_of(later.bytes));
    goes(bench, later);
    /* But for the marker that a producer is known by. */
    know_producer(bench, (struct compact_producer){.id = PRODUCER, .last_offset = -1, .epoch = 2});
    becomes_empty(bench, last);
    bench_free(bench);
}

static void committed_data_keeps_its_marker(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    know(bench, "a", 10);
    know(bench, "z", 1000);
    stays(bench, batch_of(bench, &(struct batch_spec){of_producer(10, true), {"a", NULL}}));
    stays(bench, marker_of(bench, 11, 1));
    /* Data that went in this round keeps it too. */
    goes(bench, batch_of(bench, &(struct batch_spec){of_producer(5, true), {"a", NULL}}));
    stays(bench, marker_of(bench, 6, 1));
    struct batch_view marker = marker_of(bench, 20, 1);
    assert_true(batch_has_delete_horizon(
        &(struct batch_header){.attributes = view_of(filtered(bench, &marker)).header.attributes}));
    release(&marker);
    stays(bench, marker_of(bench, 30, 2)); /* of the quorum: not a transaction's */
    bench_free(bench);
}

static void every_codec_is_kept(void **state)
{
    (void)state;
    for (int codec = 1; codec < CODEC_COUNT; codec++) {
        struct bench *bench = bench_new();
        know(bench, "b", 11);
        know(bench, "a", 900);
        struct batch_spec spec = {of_producer(10, false), {"a", "b", "a", "c", NULL}};
        spec.options.codec = (enum codec)codec;
        becomes(bench, batch_of(bench, &spec), (struct wanted){{1, 3, -1}, -1});
        spec.options.base_offset = 901;
        stays(bench, batch_of(bench, &spec));
        spec.options.base_offset = 500;
        spec.options.timestamp_type = TIMESTAMP_LOG_APPEND_TIME;
        spec.options.log_append_time = NOW - 7;
        becomes(bench, batch_of(bench, &spec), (struct wanted){{1, 3, -1}, -1});
        bench_free(bench);
    }
}

static void what_is_damaged_is_told(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    struct slice bytes;
    struct batch_view view = batch_of(bench, &(struct batch_spec){at_offset(1), {"a", NULL}});
    uint8_t *at = (uint8_t *)(uintptr_t)view.bytes.data;
    at[view.bytes.size - 1] ^= 1;
    assert_int_equal(compact_filter_batch(&bench->filter, &view, &bytes), -EBADMSG);
    assert_non_null(bench->filter.fault);
    at[view.bytes.size - 1] ^= 1;
    store_i32(at + BATCH_AT_RECORD_COUNT, 5);
    store_u32(at + BATCH_AT_CRC, batch_crc(view.bytes));
    view = view_of(view.bytes);
    assert_int_equal(compact_filter_batch(&bench->filter, &view, &bytes), -EBADMSG);
    assert_non_null(bench->filter.fault);
    release(&view);
    bench_free(bench);
}

static void many_records_are_told_apart(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    struct batch_builder_options options = at_offset(0);
    char key[16];
    batch_builder_begin(&bench->builder, &options);
    for (int i = 0; i < 10000; i++) {
        int size = snprintf(key, sizeof key, "%d", i % 500);
        if (i >= 9500)
            know(bench, key, i);
        batch_builder_add(&bench->builder, &(struct batch_record){
                                               .timestamp = NOW,
                                               .key = slice_of(key, (size_t)size),
                                               .value = slice_of_text("v"),
                                           });
    }
    struct batch_view view = view_of(copy_of(batch_builder_finish(&bench->builder, NULL)));
    struct batch_view after = view_of(filtered(bench, &view));
    assert_int_equal(after.header.record_count, 500);
    assert_int_equal(after.header.last_offset_delta, 9999);
    release(&view);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_of_each_key_stays),
        cmocka_unit_test(records_without_key_go),
        cmocka_unit_test(a_producers_last_batch_stays_empty),
        cmocka_unit_test(the_batch_in_front_of_the_high_watermark_stays_empty),
        cmocka_unit_test(tombstones_wait_for_their_horizon),
        cmocka_unit_test(aborted_data_goes_before_its_marker),
        cmocka_unit_test(committed_data_keeps_its_marker),
        cmocka_unit_test(every_codec_is_kept),
        cmocka_unit_test(what_is_damaged_is_told),
        cmocka_unit_test(many_records_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
