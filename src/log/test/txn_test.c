/* Transactions in a log that is appended to: what is stable, what was aborted, and that files and a
 * restart say the same. */
#include "log/log_int.h"
#include "log/test/log_kit.h"

#include "base/bytes.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ENTRY_SIZE 34

static struct log_kit *opened(void)
{
    struct log_kit *kit = log_kit_new();
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = false}, NULL), ERR_NONE);
    return kit;
}

static struct log_kit_batch data(int64_t producer_id, int32_t sequence)
{
    return (struct log_kit_batch){.producer_id = producer_id,
                                  .sequence = sequence,
                                  .count = 2,
                                  .value_size = 50,
                                  .timestamp = 1000,
                                  .transactional = true};
}

static struct log_kit_batch marker(int64_t producer_id, bool commits)
{
    return (struct log_kit_batch){
        .producer_id = producer_id, .timestamp = 1000, .ends = true, .commits = commits};
}

static int64_t append(struct log_kit *kit, struct log_kit_batch batch)
{
    struct log_kit_appended appended = log_kit_append(kit, &batch);
    assert_int_equal(appended.err, ERR_NONE);
    return appended.base_offset;
}

/* Two that overlap, one that is aborted alone, one that stays open: offsets 0..14. */
static void append_story(struct log_kit *kit)
{
    assert_int_equal(append(kit, data(1, 0)), 0);
    assert_int_equal(append(kit, data(2, 0)), 2);
    assert_int_equal(append(kit, marker(1, false)), 4);
    assert_int_equal(append(kit, data(2, 2)), 5);
    assert_int_equal(append(kit, marker(2, true)), 7);
    assert_int_equal(append(kit, data(1, 2)), 8);
    assert_int_equal(append(kit, marker(1, false)), 10);
    assert_int_equal(append(kit, data(3, 0)), 11);
    assert_int_equal(append(kit, data(3, 2)), 13);
}

static void check_story(const struct log *log)
{
    struct log_aborted aborted[4];
    assert_int_equal(log_first_unstable_offset(log), 11);
    assert_int_equal(log_aborted_list(log, 0, 15, aborted, 4), 2);
    assert_int_equal(aborted[0].producer_id, 1);
    assert_int_equal(aborted[0].first_offset, 0);
    assert_int_equal(aborted[1].first_offset, 8);
    assert_int_equal(log_aborted_list(log, 0, 8, aborted, 4), 1);
    assert_int_equal(log_aborted_list(log, 5, 8, aborted, 4), 0);
    assert_int_equal(log_aborted_list(log, 5, 9, aborted, 4), 1);
    assert_int_equal(aborted[0].first_offset, 8);
    assert_int_equal(log_aborted_list(log, 11, 15, aborted, 4), 0);
}

static void markers_decide(void **state)
{
    (void)state;
    struct log_kit *kit = opened();
    struct log *log = log_kit_log(kit);
    append(kit, data(1, 0));
    assert_int_equal(log_first_unstable_offset(log), 0);
    append(kit, data(2, 0));
    append(kit, marker(1, false));
    /* What a marker says is stable once the marker is below the high watermark. */
    assert_int_equal(log_first_unstable_offset(log), 0);
    log_commit_markers(log, 4);
    assert_int_equal(log_first_unstable_offset(log), 0);
    log_commit_markers(log, 5);
    assert_int_equal(log_first_unstable_offset(log), 2);
    append(kit, marker(2, true));
    log_commit_markers(log, 6);
    assert_int_equal(log_first_unstable_offset(log), log_end_offset(log));
    append(kit, marker(2, true)); /* ends nothing */
    assert_int_equal(log_first_unstable_offset(log), log_end_offset(log));
    log_kit_free(kit);
}

static void a_marker_is_written_alone(void **state)
{
    (void)state;
    struct log_kit *kit = opened();
    struct log_kit_batch batches[] = {data(1, 0), data(2, 0),       marker(1, false),
                                      data(2, 2), marker(2, false), data(3, 0)};
    struct log_kit_appended appended[COUNT_OF(batches)];
    log_kit_append_all(kit, batches, COUNT_OF(batches), appended);
    /* What was told with the marker did not see what stands behind it. */
    assert_int_equal(appended[1].end_offset, 4);
    assert_int_equal(appended[2].end_offset, 5);
    assert_int_equal(appended[3].end_offset, 7);
    assert_int_equal(appended[4].end_offset, 8);
    /* The first abort's last stable offset is that of the other, so a list does not end with it. */
    struct log_aborted aborted[4];
    assert_int_equal(log_aborted_list(log_kit_log(kit), 0, 3, aborted, 4), 2);
    log_kit_free(kit);
}

static size_t index_size(struct log_kit *kit, const char *name, char **ret_data)
{
    size_t size = 0;
    assert_int_equal(sys_file_read_whole(log_kit_dir(kit), name, 1 << 20, ret_data, &size), 0);
    return size;
}

/* A list of what a read gave need not tell of transactions far behind it. */
static void a_range_has_a_bound(void **state)
{
    (void)state;
    struct log_kit *kit = opened();
    struct log *log = log_kit_log(kit);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            append(kit, (struct log_kit_batch){.producer_id = -1, .count = 2, .value_size = 4096}),
            2 * i);
    struct log_range range = {
        .handle = log_active(log)->handle, .position = 0, .size = log_active(log)->size / 3};
    assert_int_equal(log_range_bound(log, &range, 0), 3); /* as the index has the second batch */
    range.size = log_active(log)->size;
    assert_int_equal(log_range_bound(log, &range, 0), 6);
    log_kit_free(kit);
}

static void a_clean_stop_keeps_them(void **state)
{
    (void)state;
    struct log_kit *kit = opened();
    append_story(kit);
    log_kit_close(kit);
    char *file;
    assert_int_equal(index_size(kit, "t-0/00000000000000000000.txnindex", &file), 2 * ENTRY_SIZE);
    assert_int_equal(load_i64(file + 2), 1);
    assert_int_equal(load_i64(file + 10), 0);
    assert_int_equal(load_i64(file + 18), 4);
    assert_int_equal(load_i64(file + 26), 2); /* the other was open */
    assert_int_equal(load_i64(file + ENTRY_SIZE + 26), 11);
    free(file);
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = true}, NULL), ERR_NONE);
    check_story(log_kit_log(kit));
    log_kit_free(kit);
}

static void a_crash_does_not_lose_them(void **state)
{
    (void)state;
    struct log_kit *kit = opened();
    append_story(kit);
    log_kit_drop(kit);
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = false}, NULL), ERR_NONE);
    check_story(log_kit_log(kit));
    log_kit_free(kit);
}

/* Where a flush ended with a segment that was rolled then, a crash may come before that is done
 * with: its aborted transactions are known all the same. */
static void a_flush_keeps_them(void **state)
{
    (void)state;
    struct log_kit *kit = opened();
    append_story(kit);
    assert_int_equal(log_kit_flush(kit), ERR_NONE);
    int64_t flushed = log_recovery_point(log_kit_log(kit));
    assert_int_equal(flushed, 15);
    log_kit_drop(kit);
    int fd = sys_file_open(log_kit_dir(kit), "t-0/00000000000000000015.log",
                           SYS_OPEN_WRITE | SYS_OPEN_CREATE);
    assert_true(fd >= 0);
    sys_file_close(fd);
    struct log_kit_open again = {.clean = false, .recovery_point = flushed};
    assert_int_equal(log_kit_open(kit, again, NULL), ERR_NONE);
    check_story(log_kit_log(kit));
    log_kit_free(kit);
}

/* Each segment has those that end in it, also one that another began in. */
static void each_segment_has_its_own(void **state)
{
    (void)state;
    struct log_kit *kit = log_kit_new();
    log_kit_config(kit)->segment_bytes = 1;
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = false}, NULL), ERR_NONE);
    append_story(kit);
    assert_int_equal(log_kit_flush(kit), ERR_NONE);
    log_kit_pause(kit);
    char *file;
    assert_int_equal(index_size(kit, "t-0/00000000000000000004.txnindex", &file), ENTRY_SIZE);
    free(file);
    assert_int_equal(index_size(kit, "t-0/00000000000000000010.txnindex", &file), ENTRY_SIZE);
    free(file);
    assert_int_equal(sys_exists(log_kit_dir(kit), "t-0/00000000000000000007.txnindex"), 0);
    int64_t flushed = log_recovery_point(log_kit_log(kit));
    assert_int_equal(flushed, 15);
    log_kit_drop(kit);
    struct log_kit_open again = {.clean = false, .recovery_point = flushed};
    assert_int_equal(log_kit_open(kit, again, NULL), ERR_NONE);
    check_story(log_kit_log(kit));
    log_kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markers_decide),
        cmocka_unit_test(a_marker_is_written_alone),
        cmocka_unit_test(a_range_has_a_bound),
        cmocka_unit_test(a_clean_stop_keeps_them),
        cmocka_unit_test(a_crash_does_not_lose_them),
        cmocka_unit_test(a_flush_keeps_them),
        cmocka_unit_test(each_segment_has_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
