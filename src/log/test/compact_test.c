/* Whole compactions of logs on a real disk: what is left, in memory and for the next start. */
#include "log/test/compact_kit.h"

#include "base/bytes.h"
#include "log/compact_map.h"
#include "log/log_int.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "wire/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Far ahead, so that no producer has expired. */
#define NOW INT64_C(4100000000000)
#define KEYS 7

static struct log_kit *kit_of(int segment_bytes)
{
    struct log_kit *kit = log_kit_new();
    struct topic_config *config = log_kit_config(kit);
    config->segment_bytes = segment_bytes;
    config->index_interval_bytes = 200;
    config->cleanup_compact = true;
    config->max_compaction_lag_ms = INT64_MAX;
    config->max_decompressed_message_bytes = INT32_MAX;
    config->delete_retention_ms = 1000;
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){0}, NULL), ERR_NONE);
    return kit;
}

static const char *key_of(int64_t offset)
{
    static const char *const keys[KEYS] = {"a", "b", "c", "d", "e", "f", "g"};
    return keys[offset % KEYS];
}

static void append(struct log_kit *kit, int count)
{
    for (int i = 0; i < count; i++) {
        char value[24];
        int64_t offset = log_end_offset(log_kit_log(kit));
        (void)snprintf(value, sizeof value, "%lld", (long long)offset);
        struct log_kit_batch batch = {.producer_id = -1,
                                      .count = 1,
                                      .timestamp = NOW + offset,
                                      .key = key_of(offset),
                                      .value = value};
        assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
    }
    assert_int_equal(log_kit_flush(kit), ERR_NONE);
}

/* Whether the log has a record of that offset; what it reads must be what was appended there. */
static bool has(struct log_kit *kit, int64_t offset)
{
    struct log_kit_bytes bytes = log_kit_read(kit, offset, 1);
    assert_int_equal(bytes.err, ERR_NONE);
    struct batch_view view = {.bytes = slice_of(bytes.data, bytes.size)};
    if (bytes.size == 0)
        return false;
    assert_int_equal(batch_parse(view.bytes, &view.header), BATCH_OK);
    assert_true(batch_crc_ok(view.bytes));
    assert_true(view.header.base_offset >= offset);
    bool found = view.header.base_offset == offset && view.header.record_count > 0;
    struct record_reader reader;
    struct record record;
    record_reader_open(&reader, NULL,
                       (struct record_source){.header = &view.header, .batch = view.bytes});
    if (found) {
        char value[24];
        (void)snprintf(value, sizeof value, "%lld", (long long)offset);
        assert_true(record_read(&reader, &record));
        assert_true(slice_is(record.key, key_of(offset)));
        assert_true(slice_is(record.value, value));
        assert_int_equal(batch_record_timestamp(&view.header, record.timestamp_delta),
                         NOW + offset);
    }
    record_reader_close(&reader);
    free(bytes.data);
    return found;
}

/* Below `cleaned_to` only the last of each key is left; behind it everything is. */
static void is_compacted(struct log_kit *kit, int64_t cleaned_to)
{
    int64_t end = log_end_offset(log_kit_log(kit));
    log_check(log_kit_log(kit));
    for (int64_t offset = 0; offset < end; offset++)
        assert_int_equal(has(kit, offset), offset + KEYS >= cleaned_to);
}

static int count_names(void *context, const char *name, bool is_directory)
{
    (void)is_directory;
    size_t size = strlen(name);
    if (size > 8 && strcmp(name + size - 8, ".deleted") == 0)
        ++*(int *)context;
    assert_null(strstr(name, ".cleaned"));
    assert_null(strstr(name, ".swap"));
    return 0;
}

static int deleted_files(struct log_kit *kit)
{
    int count = 0;
    int fd = sys_dir_open(log_kit_dir(kit), "t-0");
    assert_true(fd >= 0);
    assert_int_equal(sys_dir_list(fd, count_names, &count), 0);
    sys_file_close(fd);
    return count;
}

static void the_last_of_each_key_is_left(void **state)
{
    (void)state;
    struct log_kit *kit = kit_of(1000);
    log_kit_config(kit)->file_delete_delay_ms = 60000;
    log_kit_log(kit)->config.file_delete_delay_ms = 60000;
    append(kit, 100);
    int segments = log_kit_log(kit)->segment_count;
    assert_true(segments > 5);
    struct compact_kit compact = {.cleaned_to = -1, .wall_ms = NOW};
    assert_true(compact_kit_run(kit, &compact));
    assert_int_equal(compact.result.end, LOG_COMPACT_DONE);
    assert_int_equal(compact.range.first_dirty_offset, 0);
    assert_int_equal(compact.range.end_offset, log_active(log_kit_log(kit))->base_offset);
    assert_int_equal(compact.result.end_offset, compact.range.end_offset);
    assert_int_equal(compact.result.figures.written_records, KEYS);
    assert_true(deleted_files(kit) > 5);
    is_compacted(kit, compact.result.end_offset);
    /* Again, with what came since: now the whole clean part is in front of it. */
    append(kit, 50);
    compact.cleaned_to = compact.result.end_offset;
    assert_true(compact_kit_run(kit, &compact));
    assert_int_equal(compact.result.end, LOG_COMPACT_DONE);
    assert_true(log_kit_log(kit)->segment_count < segments); /* what became small is one */
    is_compacted(kit, compact.result.end_offset);
    log_kit_close(kit);
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = true}, NULL), ERR_NONE);
    assert_int_equal(deleted_files(kit), 0);
    is_compacted(kit, compact.result.end_offset);
    log_kit_drop(kit);
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = false}, NULL), ERR_NONE);
    is_compacted(kit, compact.result.end_offset);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 150);
    append(kit, 1);
    log_kit_free(kit);
}

static void a_log_without_appends_since_its_start_is_compacted(void **state)
{
    (void)state;
    struct log_kit *kit = kit_of(1000);
    append(kit, 100);
    log_kit_close(kit);
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = true}, NULL), ERR_NONE);
    struct compact_kit compact = {.cleaned_to = -1, .wall_ms = NOW};
    assert_true(compact_kit_run(kit, &compact));
    assert_int_equal(compact.result.end, LOG_COMPACT_DONE);
    is_compacted(kit, compact.result.end_offset);
    log_kit_free(kit);
}

static void what_is_not_due_is_left(void **state)
{
    (void)state;
    struct log_kit *kit = kit_of(1000);
    struct topic_config *config = &log_kit_log(kit)->config;
    append(kit, 100);
    struct compact_kit compact = {.cleaned_to = -1, .wall_ms = NOW + 100};
    config->cleanup_compact = false;
    assert_false(compact_kit_run(kit, &compact));
    config->cleanup_compact = true;
    config->min_cleanable_dirty_ratio = 1;
    assert_false(compact_kit_run(kit, &compact)); /* more than all cannot be */
    config->max_compaction_lag_ms = 99;
    assert_true(log_cleanable_ratio(&compact.range) == 1);
    assert_true(compact_kit_run(kit, &compact)); /* the first record is older */
    assert_int_equal(compact.range.overdue_ms, 1);
    /* Nothing new has become whole since. */
    compact.cleaned_to = compact.result.end_offset;
    assert_false(compact_kit_run(kit, &compact));
    assert_int_equal(compact.range.dirty_bytes, 0);
    log_kit_free(kit);
}

static void a_lag_and_what_is_not_stable_bound_it(void **state)
{
    (void)state;
    struct log_kit *kit = kit_of(1000);
    const struct log *log = log_kit_log(kit);
    append(kit, 100);
    struct log_cleanable range;
    int64_t third = log->segments[2]->base_offset;
    struct log_cleanable_query query = {.cleaned_to = -1, .stable_offset = third + 1};
    log_cleanable(log, &query, &range);
    assert_int_equal(range.end_offset, third);
    assert_int_equal(range.dirty_bytes, log->segments[0]->size + log->segments[1]->size);
    query.stable_offset = 100;
    query.wall_ms = NOW + third;
    log_kit_log(kit)->config.min_compaction_lag_ms = 1;
    log_cleanable(log, &query, &range);
    assert_int_equal(range.end_offset, third);
    /* A checkpoint within a segment counts that one as clean and as dirty. */
    query.cleaned_to = log->segments[1]->base_offset + 1;
    log_cleanable(log, &query, &range);
    assert_int_equal(range.clean_bytes, log->segments[0]->size + log->segments[1]->size);
    assert_int_equal(range.dirty_bytes, log->segments[1]->size);
    assert_false(range.was_invalid);
    query.cleaned_to = 101;
    log_cleanable(log, &query, &range);
    assert_true(range.was_invalid);
    assert_int_equal(range.first_dirty_offset, 0);
    log_kit_free(kit);
}

/* Where records have no timestamps it counts from when the last of them was written. */
static void a_lag_without_timestamps(void **state)
{
    (void)state;
    struct log_kit *kit = kit_of(1000);
    struct log *log = log_kit_log(kit);
    append(kit, 100);
    log->config.min_compaction_lag_ms = 50;
    log->segments[1]->max_timestamp = BATCH_NO_TIMESTAMP;
    log->segments[1]->written_ms = NOW + 950;
    struct log_cleanable range;
    struct log_cleanable_query query = {
        .cleaned_to = -1, .stable_offset = 100, .wall_ms = NOW + 999};
    log_cleanable(log, &query, &range);
    assert_int_equal(range.end_offset, log->segments[1]->base_offset);
    query.wall_ms = NOW + 1000;
    log_cleanable(log, &query, &range);
    assert_int_equal(range.end_offset, log_active(log)->base_offset);
    log_kit_free(kit);
}

static void a_full_map_ends_the_round_there(void **state)
{
    (void)state;
    struct log_kit *kit = kit_of(1000);
    append(kit, 100);
    /* Three keys fit: the map covers the first three records. */
    struct compact_kit compact = {
        .cleaned_to = -1, .wall_ms = NOW, .map_size = 4 * COMPACT_MAP_ENTRY_SIZE};
    assert_true(compact_kit_run(kit, &compact));
    assert_int_equal(compact.result.end, LOG_COMPACT_DONE);
    assert_int_equal(compact.result.end_offset, 3);
    for (int64_t offset = 0; offset < 100; offset++)
        assert_true(has(kit, offset)); /* nothing came twice in so little */
    log_kit_free(kit);
}

static void tombstones_go_in_the_round_after_their_time(void **state)
{
    (void)state;
    struct log_kit *kit = kit_of(1000);
    struct log_kit_batch batch = {
        .producer_id = -1, .count = 1, .timestamp = NOW, .key = "a", .tombstone = true};
    append(kit, 1);
    assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
    append(kit, 40);
    struct compact_kit compact = {.cleaned_to = -1, .wall_ms = NOW};
    assert_true(compact_kit_run(kit, &compact));
    assert_int_equal(compact.result.end, LOG_COMPACT_DONE);
    log_kit_free(kit);
}

static void a_producer_that_lives_is_known_after(void **state)
{
    (void)state;
    struct log_kit *kit = kit_of(600);
    struct log_kit_batch batch = {.producer_id = 9,
                                  .producer_epoch = 1,
                                  .count = 1,
                                  .timestamp = NOW,
                                  .key = "a",
                                  .value = "of nine"};
    assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
    append(kit, 60);
    struct compact_kit compact = {.cleaned_to = -1, .wall_ms = NOW};
    assert_true(compact_kit_run(kit, &compact));
    assert_int_equal(compact.result.end, LOG_COMPACT_DONE);
    log_kit_drop(kit);
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){0}, NULL), ERR_NONE);
    struct log_kit_appended again = log_kit_append(kit, &batch);
    assert_int_equal(again.err, ERR_NONE);
    assert_true(again.duplicate);
    assert_int_equal(again.base_offset, 0);
    log_kit_free(kit);
}

/* K4: else a power cut would take the later batch, and nothing would tell of the producer. */
static void what_a_producer_is_known_by_is_flushed_first(void **state)
{
    (void)state;
    struct log_kit *kit = kit_of(1000);
    struct log_kit_batch batch = {
        .producer_id = 5, .count = 1, .timestamp = NOW, .key = "a", .value = "0"};
    assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
    append(kit, 50);
    batch.sequence = 1;
    assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
    struct log *log = log_kit_log(kit);
    assert_true(log_recovery_point(log) < log_end_offset(log));
    struct compact_kit compact = {.cleaned_to = -1, .wall_ms = NOW};
    assert_true(compact_kit_run(kit, &compact));
    assert_int_equal(compact.result.end, LOG_COMPACT_DONE);
    assert_int_equal(log_recovery_point(log), log_end_offset(log));
    log_kit_free(kit);
}

static void damage_is_told_and_left(void **state)
{
    (void)state;
    struct log_kit *kit = kit_of(1000);
    append(kit, 100);
    int fd = sys_file_open(log_kit_dir(kit), "t-0/00000000000000000000.log", SYS_OPEN_WRITE);
    assert_true(fd >= 0);
    assert_int_equal(sys_file_write_at(fd, slice_of_text("x"), 68), 0);
    sys_file_close(fd);
    struct compact_kit compact = {.cleaned_to = -1, .wall_ms = NOW};
    assert_true(compact_kit_run(kit, &compact));
    assert_int_equal(compact.result.end, LOG_COMPACT_CORRUPT);
    assert_string_equal(compact.result.fault, "a batch's checksum is wrong");
    assert_false(log_is_offline(log_kit_log(kit)));
    assert_int_equal(deleted_files(kit), 0);
    assert_true(has(kit, 1));
    log_kit_free(kit);
}

static void old_files_go_when_their_time_has_come(void **state)
{
    (void)state;
    struct log_kit *kit = kit_of(1000); /* file.delete.delay.ms is 0 */
    append(kit, 100);
    struct compact_kit compact = {.cleaned_to = -1, .wall_ms = NOW};
    assert_true(compact_kit_run(kit, &compact));
    while (deleted_files(kit) > 0)
        log_kit_pause(kit);
    log_kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_of_each_key_is_left),
        cmocka_unit_test(a_log_without_appends_since_its_start_is_compacted),
        cmocka_unit_test(what_is_not_due_is_left),
        cmocka_unit_test(a_lag_and_what_is_not_stable_bound_it),
        cmocka_unit_test(a_lag_without_timestamps),
        cmocka_unit_test(a_full_map_ends_the_round_there),
        cmocka_unit_test(tombstones_go_in_the_round_after_their_time),
        cmocka_unit_test(a_producer_that_lives_is_known_after),
        cmocka_unit_test(what_a_producer_is_known_by_is_flushed_first),
        cmocka_unit_test(damage_is_told_and_left),
        cmocka_unit_test(old_files_go_when_their_time_has_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
