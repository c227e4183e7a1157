/* Partition folders that Apache Kafka 4.4.0 wrote (test/wide/golden_log.py), as kill -9 left them:
 * recovered here and stopped cleanly, their files are those that Kafka's own recovery and clean
 * stop made of them: segments, indexes, aborted transactions, producers. The folders that Kafka
 * stopped cleanly open without a walk and know the same. */
#include "log/test/log_kit.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SNAPSHOT_HEAD 10
#define SNAPSHOT_ENTRY 46

static const char *const topics[] = {"plain", "gzip",       "snappy",        "lz4",
                                     "zstd",  "idempotent", "transactional", "appendtime"};

static bool ends_with(const char *name, const char *suffix)
{
    size_t size = strlen(name);
    return size >= strlen(suffix) && strcmp(name + size - strlen(suffix), suffix) == 0;
}

static int open_golden(const char *how, const char *topic)
{
    char path[512];
    (void)snprintf(path, sizeof path, TEST_FOLDER "/golden/%s/%s-0", how, topic);
    int fd = sys_dir_open(SYS_DIR_CWD, path);
    assert_true(fd >= 0);
    return fd;
}

struct copying {
    int from;
    int to;
    int64_t end; /* of the log */
};

static int copy_file(void *context, const char *name, bool is_directory)
{
    const struct copying *copying = context;
    char *data;
    size_t size;
    if (is_directory || strcmp(name, "partition.metadata") == 0) /* it has Kafka's topic id */
        return 0;
    assert_int_equal(sys_file_read_whole(copying->from, name, 1 << 20, &data, &size), 0);
    assert_int_equal(sys_file_replace(copying->to, name, slice_of(data, size)), 0);
    free(data);
    return 0;
}

static struct log_kit *kit_with(const char *how, const char *topic)
{
    struct log_kit *kit = log_kit_new();
    assert_int_equal(sys_dir_make(log_kit_dir(kit), "t-0"), 0);
    struct copying copying = {.from = open_golden(how, topic),
                              .to = sys_dir_open(log_kit_dir(kit), "t-0")};
    assert_int_equal(sys_dir_list(copying.from, copy_file, &copying), 0);
    sys_file_close(copying.from);
    sys_file_close(copying.to);
    log_kit_config(kit)->segment_index_bytes = 120;
    log_kit_config(kit)->index_interval_bytes = 0;
    return kit;
}

static int compare_entries(const void *a, const void *b)
{
    return memcmp(a, b, SNAPSHOT_ENTRY);
}

/* A snapshot's producers in order: the files have them in that of a hash table. */
static void sort_snapshot(char *data, size_t size)
{
    assert_true(size >= SNAPSHOT_HEAD && (size - SNAPSHOT_HEAD) % SNAPSHOT_ENTRY == 0);
    memset(data + 2, 0, 4); /* the checksum, of that order */
    qsort(data + SNAPSHOT_HEAD, (size - SNAPSHOT_HEAD) / SNAPSHOT_ENTRY, SNAPSHOT_ENTRY,
          compare_entries);
}

static int compare_file(void *context, const char *name, bool is_directory)
{
    const struct copying *compared = context;
    char *wanted;
    char *ours;
    size_t wanted_size;
    size_t size;
    /* A start of Kafka begins an epoch; ours have none until a batch has it. */
    if (is_directory || strcmp(name, "partition.metadata") == 0 ||
        strcmp(name, "leader-epoch-checkpoint") == 0)
        return 0;
    /* Of snapshots the one at the end counts; those that lie behind the recovery point were not
     * believed. */
    if (ends_with(name, ".snapshot") && strtoll(name, NULL, 10) != compared->end)
        return 0;
    assert_int_equal(sys_file_read_whole(compared->from, name, 1 << 20, &wanted, &wanted_size), 0);
    if (sys_file_read_whole(compared->to, name, 1 << 20, &ours, &size) != 0)
        fail_msg("%s is missing", name);
    if (ends_with(name, ".snapshot")) {
        sort_snapshot(wanted, wanted_size);
        sort_snapshot(ours, size);
    }
    if (size != wanted_size || memcmp(ours, wanted, size) != 0)
        fail_msg("%s of %zu bytes is not Kafka's of %zu", name, size, wanted_size);
    free(wanted);
    free(ours);
    return 0;
}

static void check_reads(struct log_kit *kit)
{
    int64_t end = log_end_offset(log_kit_log(kit));
    int64_t offset = 0;
    while (offset < end) {
        struct log_kit_bytes bytes = log_kit_read(kit, offset, 1);
        struct batch_header header;
        assert_int_equal(bytes.err, ERR_NONE);
        assert_int_equal(batch_parse(slice_of(bytes.data, bytes.size), &header), BATCH_OK);
        assert_true(batch_crc_ok(slice_of(bytes.data, (size_t)header.size)));
        assert_int_equal(header.base_offset, offset);
        offset = batch_last_offset(&header) + 1;
        free(bytes.data);
    }
}

static void a_killed_folder_recovers_to_kafkas_own_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(topics); i++) {
        struct log_recovery found;
        struct log_kit *kit = kit_with("killed", topics[i]);
        assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = false}, &found),
                         ERR_NONE);
        assert_null(found.fault);
        assert_int_equal(found.cut_bytes, 0);
        assert_int_equal(log_latest_epoch(log_kit_log(kit)), 0);
        check_reads(kit);
        int64_t end = log_end_offset(log_kit_log(kit));
        log_kit_close(kit);
        struct copying compared = {.end = end,
                                   .from = open_golden("clean", topics[i]),
                                   .to = sys_dir_open(log_kit_dir(kit), "t-0")};
        assert_int_equal(sys_dir_list(compared.from, compare_file, &compared), 0);
        sys_file_close(compared.from);
        sys_file_close(compared.to);
        log_kit_free(kit);
    }
}

static void a_clean_folder_opens_without_a_walk(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(topics); i++) {
        struct log_recovery found;
        struct log_kit *kit = kit_with("clean", topics[i]);
        assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = true}, &found), ERR_NONE);
        assert_null(found.fault);
        assert_int_equal(found.scanned_bytes, 0);
        check_reads(kit);
        log_kit_free(kit);
    }
}

/* Aborted transactions and the first unstable offset, from Kafka's index and made again. */
static void aborted_transactions_are_known(void **state)
{
    (void)state;
    struct log_aborted aborted[2][16];
    int count[2];
    for (int is_clean = 0; is_clean < 2; is_clean++) {
        struct log_kit *kit = kit_with(is_clean ? "clean" : "killed", "transactional");
        /* Where the index is made again, the one that is there must not matter. */
        if (!is_clean)
            assert_int_equal(sys_unlink(log_kit_dir(kit), "t-0/00000000000000000012.txnindex"), 0);
        assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = is_clean}, NULL),
                         ERR_NONE);
        const struct log *log = log_kit_log(kit);
        count[is_clean] = log_aborted_list(log, 0, INT64_MAX, aborted[is_clean], 16);
        assert_int_equal(log_first_unstable_offset(log), 84);
        assert_int_equal(log_aborted_list(log, 0, 0, aborted[is_clean], 0), 0);
        log_kit_free(kit);
    }
    assert_int_equal(count[0], 7); /* three of one producer, four of the other */
    assert_int_equal(count[1], 7);
    assert_memory_equal(aborted[0], aborted[1], 7 * sizeof aborted[0][0]);
}

/* Kafka takes a transaction's marker for a record with a timestamp like any other. */
static void a_marker_may_have_the_largest_timestamp(void **state)
{
    (void)state;
    struct log_kit *kit = kit_with("clean", "transactional");
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = true}, NULL), ERR_NONE);
    struct log_find found = log_kit_find_largest(kit);
    assert_int_equal(found.err, ERR_NONE);
    assert_int_equal(found.found_offset, 83); /* the last marker; an open transaction follows */
    assert_true(found.found_timestamp == found.timestamp);
    log_kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_folder_recovers_to_kafkas_own_bytes),
        cmocka_unit_test(a_clean_folder_opens_without_a_walk),
        cmocka_unit_test(aborted_transactions_are_known),
        cmocka_unit_test(a_marker_may_have_the_largest_timestamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
