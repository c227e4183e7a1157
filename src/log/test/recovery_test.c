/* The matrix of tbl/recovery.h: exactly one row for each finding, place and kind of log; and for
 * each row a log in whose folder that is found, opened: what the row decides is what happens. */
#include "log/log_int.h"
#include "log/test/log_kit.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#define BATCHES 8 /* of one record each, two a segment, of epochs 0, 0, 0, 0, 1, 1, 1, 1 */
#define BATCH_AT(offset) ((int64_t)((offset) % 2) * batch_size)

static int64_t batch_size;

static int count_rows(struct log_finding found)
{
    int count = 0;
    for (int i = 0; i < log_recovery_row_count; i++)
        count += log_row_matches(&log_recovery_rows[i], found) ? 1 : 0;
    return count;
}

static void each_finding_has_one_row(void **state)
{
    (void)state;
    static const enum recovery_place places[] = {RECOVERY_CLEAN, RECOVERY_BELOW, RECOVERY_ABOVE};
    for (int i = 0; i < RECOVERY_FINDING_COUNT * 6; i++) {
        struct log_finding found = {(enum recovery_finding)(i / 6), places[i % 3], i % 2 == 0};
        assert_int_equal(count_rows(found), 1);
    }
}

/* ---- staging ---- */

static void name_of(int64_t base, const char *suffix, char ret_name[64])
{
    (void)snprintf(ret_name, 64, "t-0/%020lld%s", (long long)base, suffix);
}

static struct log_kit *make_log(void)
{
    struct log_kit *kit = log_kit_new();
    log_kit_config(kit)->segment_bytes = 300;
    log_kit_config(kit)->index_interval_bytes = 10;
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.topic = 1}, NULL), ERR_NONE);
    for (int i = 0; i < BATCHES; i++) {
        struct log_kit_batch batch = {.producer_id = 7,
                                      .sequence = i,
                                      .count = 1,
                                      .value_size = 60,
                                      .timestamp = INT64_MAX / 2, /* never expires */
                                      .leader_epoch = i / 4};
        assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
    }
    batch_size = log_size(log_kit_log(kit)) / BATCHES;
    log_kit_close(kit);
    return kit;
}

/* Writes over a segment, whose index goes where it is to be walked through. */
static void write_at(struct log_kit *kit, int64_t offset, int64_t within, struct slice bytes)
{
    char name[64];
    name_of(offset / 2 * 2, ".log", name);
    int fd = sys_file_open(log_kit_dir(kit), name, SYS_OPEN_WRITE);
    assert_true(fd >= 0);
    assert_int_equal(sys_file_write_at(fd, bytes, BATCH_AT(offset) + within), 0);
    sys_file_close(fd);
    name_of(offset / 2 * 2, ".index", name);
    if (sys_exists(log_kit_dir(kit), name) == 1)
        assert_int_equal(sys_unlink(log_kit_dir(kit), name), 0);
}

static void write_byte(struct log_kit *kit, int64_t offset, int64_t within, uint8_t byte)
{
    write_at(kit, offset, within, slice_of(&byte, 1));
}

static void remove_file(struct log_kit *kit, int64_t base, const char *suffix)
{
    char name[64];
    name_of(base, suffix, name);
    assert_int_equal(sys_unlink(log_kit_dir(kit), name), 0);
}

static void write_file(struct log_kit *kit, const char *name, const char *text)
{
    int fd =
        sys_file_open(log_kit_dir(kit), name, SYS_OPEN_WRITE | SYS_OPEN_CREATE | SYS_OPEN_TRUNCATE);
    assert_true(fd >= 0);
    assert_int_equal(sys_file_write_at(fd, slice_of_text(text), 0), 0);
    sys_file_close(fd);
}

/* The last segment ends in the middle of offset 7. */
static void tear(struct log_kit *kit)
{
    char name[64];
    name_of(6, ".log", name);
    int fd = sys_file_open(log_kit_dir(kit), name, SYS_OPEN_WRITE);
    assert_int_equal(sys_file_truncate(fd, batch_size * 3 / 2), 0);
    sys_file_close(fd);
    remove_file(kit, 6, ".timeindex");
}

static void make_hole(struct log_kit *kit)
{
    uint8_t zeroes[512] = {0};
    write_at(kit, 7, 0, slice_of(zeroes, (size_t)batch_size));
}

static void break_checksum(struct log_kit *kit)
{
    write_byte(kit, 7, batch_size - 1, 0xa5);
}

static void break_offset(struct log_kit *kit)
{
    write_byte(kit, 7, 7, 5);
}

/* Headers do not fit, so each batch is judged. */
static void break_checksum_and_offset(struct log_kit *kit)
{
    write_byte(kit, 6, batch_size - 1, 0xa5);
    break_offset(kit);
}

static void lower_epoch(struct log_kit *kit)
{
    write_byte(kit, 7, BATCH_AT_PARTITION_LEADER_EPOCH + 3, 0);
}

/* The shortest message of magic 1, with its checksum. */
static void put_old_message(struct log_kit *kit)
{
    uint8_t bytes[34] = {[7] = 7, [11] = 22, [16] = 1};
    memset(bytes + 26, 0xff, 8); /* no key, no value */
    uLong crc = crc32(0, bytes + 16, sizeof bytes - 16);
    for (int i = 0; i < 4; i++)
        bytes[12 + i] = (uint8_t)(crc >> (24 - 8 * i));
    write_at(kit, 7, 0, slice_of(bytes, sizeof bytes));
}

static void lose_segment(struct log_kit *kit)
{
    remove_file(kit, 4, ".log");
    remove_file(kit, 4, ".timeindex");
    remove_file(kit, 2, ".timeindex"); /* for the one before to be walked through */
}

/* The segments of 2 and 4 became one, of which offsets 2 and 5 are gone. */
static void clean_segment(struct log_kit *kit)
{
    char name[64];
    char *data;
    size_t size;
    name_of(2, ".log", name);
    assert_int_equal(sys_file_read_whole(log_kit_dir(kit), name, 4096, &data, &size), 0);
    int fd = sys_file_open(log_kit_dir(kit), name, SYS_OPEN_WRITE | SYS_OPEN_TRUNCATE);
    assert_int_equal(sys_file_write_at(fd, slice_of(data + batch_size, size / 2), 0), 0);
    sys_file_close(fd);
    free(data);
    lose_segment(kit);
}

/* A segment that begins at offset 5 stands between those of 4 and 6. */
static void bring_back_segment(struct log_kit *kit)
{
    write_file(kit, "t-0/00000000000000000005.log", "");
    remove_file(kit, 4, ".timeindex");
}

static void shorten(struct log_kit *kit)
{
    char name[64];
    name_of(6, ".log", name);
    int fd = sys_file_open(log_kit_dir(kit), name, SYS_OPEN_WRITE);
    assert_int_equal(sys_file_truncate(fd, batch_size), 0);
    sys_file_close(fd);
    remove_file(kit, 6, ".timeindex");
}

static void lose_all_segments(struct log_kit *kit)
{
    for (int64_t base = 0; base < BATCHES; base += 2)
        remove_file(kit, base, ".log");
}

static void lose_metadata(struct log_kit *kit)
{
    assert_int_equal(sys_unlink(log_kit_dir(kit), "t-0/partition.metadata"), 0);
}

static void change_metadata(struct log_kit *kit)
{
    write_file(kit, "t-0/partition.metadata", "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAABQ");
}

static void lose_indexes(struct log_kit *kit)
{
    remove_file(kit, 0, ".index");
    remove_file(kit, 0, ".timeindex");
    remove_file(kit, 2, ".timeindex");
    write_file(kit, "t-0/00000000000000000004.timeindex", "???????????");
}

static void break_txn_index(struct log_kit *kit)
{
    write_file(kit, "t-0/00000000000000000002.txnindex", "no such entry");
}

static void break_snapshots(struct log_kit *kit)
{
    for (int64_t offset = 2; offset <= BATCHES; offset += 2) {
        char name[64];
        name_of(offset, ".snapshot", name);
        write_file(kit, name, "no snapshot");
    }
}

static void contradict_epochs(struct log_kit *kit)
{
    write_file(kit, "t-0/leader-epoch-checkpoint", "0\n2\n0 0\n1 7\n");
    remove_file(kit, 6, ".timeindex");
}

static void lose_epochs(struct log_kit *kit)
{
    assert_int_equal(sys_unlink(log_kit_dir(kit), "t-0/leader-epoch-checkpoint"), 0);
}

/* ---- the rows ---- */

struct row_case {
    enum recovery_finding finding;
    enum recovery_place place;
    bool compacted;
    void (*stage)(struct log_kit *);
    int64_t end; /* -1: refused */
    int damages;
    int64_t point; /* the recovery point, where it is one above which the finding is */
    int64_t cleaned_to;
};

/* Where a finding is staged at one place it is at or behind offset 4. */
static const struct row_case cases[] = {
    {RECOVERY_TORN, RECOVERY_ABOVE, false, tear, 7, 0, 0, 0},
    {RECOVERY_TORN, RECOVERY_BELOW, false, tear, -1, 0, 0, 0},
    {RECOVERY_TORN, RECOVERY_CLEAN, false, tear, -1, 0, 0, 0},
    {RECOVERY_HOLE, RECOVERY_ABOVE, false, make_hole, 7, 0, 0, 0},
    {RECOVERY_HOLE, RECOVERY_BELOW, false, make_hole, -1, 0, 0, 0},
    {RECOVERY_HOLE, RECOVERY_CLEAN, false, make_hole, -1, 0, 0, 0},
    {RECOVERY_CHECKSUM, RECOVERY_ABOVE, false, break_checksum, 7, 0, 0, 0},
    {RECOVERY_CHECKSUM, RECOVERY_BELOW, false, break_checksum, 8, 0, 0,
     0}, /* met by its first reader */
    {RECOVERY_CHECKSUM, RECOVERY_CLEAN, false, break_checksum, 8, 0, 0, 0},
    {RECOVERY_CHECKSUM, RECOVERY_CLEAN, false, break_checksum_and_offset, 7, 3, 0, 0},
    {RECOVERY_OFFSET, RECOVERY_ABOVE, false, break_offset, 7, 0, 0, 0},
    {RECOVERY_OFFSET, RECOVERY_BELOW, false, break_offset, 7, 2, 0, 0}, /* and it is too short */
    {RECOVERY_EPOCH_FALLS, RECOVERY_ABOVE, false, lower_epoch, 8, 0, 0, 0},
    {RECOVERY_EPOCH_FALLS, RECOVERY_BELOW, false, lower_epoch, 8, 0, 0, 0},
    {RECOVERY_OLD_FORMAT, RECOVERY_ABOVE, false, put_old_message, -1, 0, 0, 0},
    {RECOVERY_OLD_FORMAT, RECOVERY_BELOW, false, put_old_message, -1, 0, 0, 0},
    {RECOVERY_GAP, RECOVERY_ABOVE, false, lose_segment, 4, 0, 0, 0},
    {RECOVERY_GAP, RECOVERY_BELOW, false, lose_segment, 8, 1, 0, 0},
    {RECOVERY_GAP, RECOVERY_ABOVE, true, lose_segment, 4, 0, 2, 0},
    {RECOVERY_GAP, RECOVERY_BELOW, true, lose_segment, 8, 0, 0, 0},
    {RECOVERY_UNTOLD_GAP, RECOVERY_ABOVE, true, lose_segment, 8, 1, 0, 0},
    {RECOVERY_CLEANED_GAP, RECOVERY_ABOVE, true, lose_segment, 8, 0, 2, 6},
    {RECOVERY_CLEANED_GAP, RECOVERY_ABOVE, true, clean_segment, 8, 0, 2, 0},
    {RECOVERY_CLEANED_GAP, RECOVERY_ABOVE, false, clean_segment, 8, 0, 0, 0},
    {RECOVERY_OVERLAP, RECOVERY_ABOVE, false, bring_back_segment, 6, 0, 0, 0},
    {RECOVERY_OVERLAP, RECOVERY_BELOW, false, bring_back_segment, -1, 0, 0, 0},
    {RECOVERY_SHORT, RECOVERY_BELOW, false, shorten, 7, 1, 0, 0},
    {RECOVERY_SHORT, RECOVERY_CLEAN, false, shorten, 7, 1, 0, 0},
    {RECOVERY_SHORT, RECOVERY_ABOVE, false, shorten, 7, 0, 0, 0},
    {RECOVERY_NO_SEGMENT, RECOVERY_BELOW, false, lose_all_segments, -1, 0, 0, 0},
    {RECOVERY_NO_SEGMENT, RECOVERY_CLEAN, false, lose_all_segments, -1, 0, 0, 0},
    {RECOVERY_NO_SEGMENT, RECOVERY_ABOVE, false, lose_all_segments, 0, 0, 0, 0},
    {RECOVERY_NO_METADATA, RECOVERY_ABOVE, false, lose_metadata, 8, 0, 0, 0},
    {RECOVERY_NO_METADATA, RECOVERY_CLEAN, false, lose_metadata, 8, 0, 0, 0},
    {RECOVERY_OTHER_METADATA, RECOVERY_BELOW, false, change_metadata, 0, 0, 0, 0},
    {RECOVERY_INDEX, RECOVERY_ABOVE, false, lose_indexes, 8, 0, 0, 0},
    {RECOVERY_INDEX, RECOVERY_CLEAN, false, lose_indexes, 8, 0, 0, 0},
    {RECOVERY_TXN_INDEX, RECOVERY_BELOW, false, break_txn_index, 8, 0, 0, 0},
    {RECOVERY_SNAPSHOT, RECOVERY_ABOVE, false, break_snapshots, 8, 0, 0, 0},
    {RECOVERY_SNAPSHOT, RECOVERY_CLEAN, false, break_snapshots, 8, 0, 0, 0},
    {RECOVERY_EPOCHS, RECOVERY_ABOVE, false, contradict_epochs, 8, 0, 0, 0},
    {RECOVERY_EPOCHS, RECOVERY_CLEAN, false, lose_epochs, 8, 0, 0, 0},
};

/* What is derived from batches is right whatever was found, where the batches are. */
static void check_derived(const struct log_kit *kit, const struct row_case *row)
{
    struct log *log = log_kit_log(kit);
    if (row->end != BATCHES || row->damages > 0 || row->finding == RECOVERY_GAP ||
        row->finding == RECOVERY_CLEANED_GAP)
        return;
    for (int64_t offset = 0; offset < BATCHES; offset++)
        assert_int_equal(log_epoch_of(log, offset), offset / 4);
    const struct producer *producer = producers_find(&log->producers, 7);
    assert_non_null(producer);
    assert_int_equal(producer->batch_count, PRODUCER_BATCHES_MAX);
    for (int i = 0; i + 1 < log->segment_count; i++) {
        char stem[LOG_STEM_SIZE];
        struct log_index index;
        log_index_init(&index);
        log_stem(log, log->segments[i]->base_offset, stem);
        assert_true(log_index_load(&index, log->dir_fd, stem));
        assert_int_equal(index.offset_count, 1);
        log_index_fini(&index);
    }
}

static void check_case(const struct row_case *row)
{
    struct log_recovery found;
    struct log_kit *kit = make_log();
    log_kit_config(kit)->cleanup_compact = row->compacted;
    row->stage(kit);
    struct log_kit_open how = {.clean = row->place == RECOVERY_CLEAN,
                               .recovery_point =
                                   row->place == RECOVERY_ABOVE ? row->point : BATCHES,
                               .cleaned_to = row->cleaned_to,
                               .topic = 1};
    enum err err = log_kit_open(kit, how, &found);
    assert_int_equal(err, row->end < 0 ? ERR_KAFKA_STORAGE_ERROR : ERR_NONE);
    assert_int_equal(found.damage_count, row->damages);
    const struct recovery_row *decided =
        log_decide((struct log_finding){row->finding, row->place, row->compacted});
    assert_int_equal(err != ERR_NONE, decided->decision == RECOVERY_FAULT);
    assert_int_equal(found.cut_bytes > 0, decided->decision == RECOVERY_CUT);
    assert_int_equal(found.set_aside, decided->decision == RECOVERY_SET_ASIDE);
    if (err == ERR_NONE) {
        assert_int_equal(log_end_offset(log_kit_log(kit)), row->end);
        check_derived(kit, row);
        bool damaged = row->finding == RECOVERY_CHECKSUM && row->place != RECOVERY_ABOVE;
        struct log_kit_bytes last = log_kit_read(kit, BATCHES - 1, 1);
        assert_int_equal(last.err == ERR_CORRUPT_MESSAGE, damaged && row->damages == 0);
        free(last.data);
    }
    log_kit_free(kit);
}

static void each_row_is_what_happens(void **state)
{
    (void)state;
    bool met[64] = {false};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check_case(&cases[i]);
        for (int row = 0; row < log_recovery_row_count; row++) {
            struct log_finding found = {cases[i].finding, cases[i].place, cases[i].compacted};
            met[row] = met[row] || log_row_matches(&log_recovery_rows[row], found);
        }
    }
    for (int row = 0; row < log_recovery_row_count; row++)
        assert_true(met[row]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_finding_has_one_row),
        cmocka_unit_test(each_row_is_what_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
