/* A log that is appended to, read and opened again: after a clean stop, after kill -9, with a tail
 * torn at every byte, with files missing or damaged. What was appended whole is there, nothing
 * else. */
#include "log/log_int.h"
#include "log/test/log_kit.h"
#include "sys/clock.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#define SEGMENT "t-0/00000000000000000000.log"

static const struct log_kit_open unclean = {.clean = false};
static const struct log_kit_open clean = {.clean = true};

static struct log_kit_appended append(struct log_kit *kit, int count)
{
    struct log_kit_batch batch = {
        .producer_id = -1, .count = count, .value_size = 50, .timestamp = 1000};
    struct log_kit_appended appended = log_kit_append(kit, &batch);
    assert_int_equal(appended.err, ERR_NONE);
    return appended;
}

/* Every offset is found by a read of any size, in a batch that holds it. */
static void check_reads(struct log_kit *kit, int64_t from, int64_t to)
{
    static const int64_t sizes[] = {0, 1, 100, 500, 1 << 20};
    for (int64_t offset = from; offset < to; offset++) {
        struct log_kit_bytes bytes = log_kit_read(kit, offset, sizes[offset % 5]);
        struct batch_header header;
        assert_int_equal(bytes.err, ERR_NONE);
        assert_int_equal(batch_parse(slice_of(bytes.data, bytes.size), &header), BATCH_OK);
        assert_true(batch_crc_ok(slice_of(bytes.data, (size_t)header.size)));
        assert_true(header.base_offset <= offset && batch_last_offset(&header) >= offset);
        free(bytes.data);
    }
    struct log_kit_bytes end = log_kit_read(kit, to, 1000);
    assert_int_equal(end.err, ERR_NONE);
    assert_int_equal(end.size, 0);
    assert_int_equal(log_kit_read(kit, to + 1, 1000).err, ERR_OFFSET_OUT_OF_RANGE);
}

static void appends_are_read_back(void **state)
{
    (void)state;
    struct log_kit *kit = log_kit_new();
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    int64_t next = 0;
    for (int i = 1; i <= 120; i++) {
        struct log_kit_appended appended = append(kit, i % 7 + 1);
        assert_int_equal(appended.base_offset, next);
        next = appended.last_offset + 1;
    }
    check_reads(kit, 0, next);
    log_kit_free(kit);
}

static void segments_roll(void **state)
{
    (void)state;
    struct log_kit *kit = log_kit_new();
    log_kit_config(kit)->segment_bytes = 2000;
    log_kit_config(kit)->index_interval_bytes = 300;
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    for (int i = 0; i < 100; i++)
        (void)append(kit, 3);
    check_reads(kit, 0, 300);
    assert_int_equal(log_kit_flush(kit), ERR_NONE);
    assert_int_equal(log_recovery_point(log_kit_log(kit)), 300);
    log_kit_close(kit);
    struct log_recovery found;
    assert_int_equal(log_kit_open(kit, clean, &found), ERR_NONE);
    assert_int_equal(found.scanned_bytes, 0);
    assert_true(found.segments > 5);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 300);
    check_reads(kit, 0, 300);
    log_kit_drop(kit);
    assert_int_equal(log_kit_open(kit, unclean, &found), ERR_NONE);
    assert_int_equal(found.cut_bytes, 0);
    check_reads(kit, 0, 300);
    log_kit_free(kit);
}

/* Copies the segment's first `size` bytes back over it, as a crash that lost the rest. */
static void cut_segment(struct log_kit *kit, const char *bytes, size_t size)
{
    int fd = sys_file_open(log_kit_dir(kit), SEGMENT, SYS_OPEN_WRITE);
    assert_true(fd >= 0);
    assert_int_equal(sys_file_truncate(fd, 0), 0);
    assert_int_equal(sys_file_write_at(fd, slice_of(bytes, size), 0), 0);
    sys_file_close(fd);
}

static void a_tail_torn_at_any_byte_is_cut(void **state)
{
    (void)state;
    struct log_kit *kit = log_kit_new();
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    (void)append(kit, 2);
    int64_t first = log_size(log_kit_log(kit));
    (void)append(kit, 3);
    int64_t second = log_size(log_kit_log(kit));
    log_kit_drop(kit);
    char *bytes;
    size_t size;
    assert_int_equal(sys_file_read_whole(log_kit_dir(kit), SEGMENT, 1 << 20, &bytes, &size), 0);
    assert_int_equal(size, second);
    for (size_t cut = 0; cut <= size; cut++) {
        struct log_recovery found;
        cut_segment(kit, bytes, cut);
        assert_int_equal(log_kit_open(kit, unclean, &found), ERR_NONE);
        int64_t end = (int64_t)cut < first ? 0 : (int64_t)cut < second ? 2 : 5;
        assert_int_equal(log_end_offset(log_kit_log(kit)), end);
        assert_int_equal(append(kit, 1).base_offset, end);
        check_reads(kit, 0, end + 1);
        log_kit_drop(kit);
    }
    free(bytes);
    log_kit_free(kit);
}

/* A segment's file; the bytes are heap memory. */
struct whole_segment {
    char name[64];
    char *bytes;
    size_t size;
};

static struct whole_segment read_segment(struct log_kit *kit, int64_t base_offset)
{
    struct whole_segment segment = {0};
    (void)snprintf(segment.name, sizeof segment.name, "t-0/%020lld.log", (long long)base_offset);
    assert_int_equal(
        sys_file_read_whole(log_kit_dir(kit), segment.name, 1 << 20, &segment.bytes, &segment.size),
        0);
    return segment;
}

/* A power loss may take whole batches from the end of a segment, or a whole one, and leave those
 * behind: they go too, unless the log is compacted. */
static void offsets_missing_between_segments_end_the_log(void **state)
{
    (void)state;
    struct log_kit *kit = log_kit_new();
    struct log_recovery found;
    log_kit_config(kit)->segment_bytes = 300;
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    for (int i = 0; i < 8; i++)
        (void)append(kit, 1); /* two a segment */
    log_kit_drop(kit);
    struct whole_segment second = read_segment(kit, 2);
    assert_int_equal(sys_unlink(log_kit_dir(kit), second.name), 0);
    log_kit_config(kit)->cleanup_compact = true;
    assert_int_equal(log_kit_open(kit, unclean, &found), ERR_NONE);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 8);
    log_kit_drop(kit);
    log_kit_config(kit)->cleanup_compact = false;
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.recovery_point = 3}, &found),
                     ERR_NONE);
    assert_int_equal(found.damage.offset, 2);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 8);
    log_kit_drop(kit);
    assert_int_equal(log_kit_open(kit, unclean, &found), ERR_NONE);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 2);
    assert_non_null(found.fault);
    assert_true(found.cut_bytes > (int64_t)second.size);
    for (int i = 0; i < 4; i++)
        assert_int_equal(append(kit, 1).base_offset, 2 + i);
    log_kit_drop(kit);
    struct whole_segment first = read_segment(kit, 0);
    cut_segment(kit, first.bytes, first.size / 2);
    assert_int_equal(log_kit_open(kit, unclean, &found), ERR_NONE);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 1);
    assert_int_equal(append(kit, 1).base_offset, 1);
    check_reads(kit, 0, 2);
    free(first.bytes);
    free(second.bytes);
    log_kit_free(kit);
}

static void flip(struct log_kit *kit, int64_t at)
{
    uint8_t byte;
    int fd = sys_file_open(log_kit_dir(kit), SEGMENT, SYS_OPEN_WRITE);
    assert_int_equal(sys_file_read_at(fd, &byte, 1, at), 1);
    byte ^= 0x40;
    assert_int_equal(sys_file_write_at(fd, slice_of(&byte, 1), at), 0);
    sys_file_close(fd);
}

static void damage_below_the_recovery_point_is_never_cut(void **state)
{
    (void)state;
    struct log_kit *kit = log_kit_new();
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    for (int i = 0; i < 10; i++)
        (void)append(kit, 1);
    int64_t size = log_size(log_kit_log(kit));
    log_kit_drop(kit);
    flip(kit, size / 2);
    struct log_recovery found;
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.recovery_point = 10}, &found),
                     ERR_NONE);
    assert_int_equal(found.damage_count, 1);
    assert_int_equal(found.damage.offset, 5);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 10);
    log_kit_drop(kit);
    /* Nothing was cut: mended, it is whole again. */
    flip(kit, size / 2);
    assert_int_equal(log_kit_open(kit, unclean, &found), ERR_NONE);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 10);
    log_kit_free(kit);
}

/* Where acknowledging means having synced, a start after a crash syncs what it finds, and then the
 * leader epochs are on the disk too: the next start does not read those batches again. */
static void epochs_are_stored_with_what_a_start_syncs(void **state)
{
    (void)state;
    struct log_kit *kit = log_kit_new();
    log_kit_config(kit)->segment_bytes = 300;
    log_kit_config(kit)->flush_messages = 1;
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    for (int i = 0; i < 9; i++) {
        struct log_kit_batch batch = {.producer_id = -1,
                                      .count = 1,
                                      .value_size = 50,
                                      .timestamp = 1000,
                                      .leader_epoch = i / 3};
        assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
    }
    log_kit_drop(kit);
    assert_int_equal(sys_unlink(log_kit_dir(kit), "t-0/leader-epoch-checkpoint"), 0);
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    int64_t point = log_recovery_point(log_kit_log(kit));
    assert_int_equal(point, 9);
    log_kit_drop(kit);
    assert_int_equal(sys_exists(log_kit_dir(kit), "t-0/leader-epoch-checkpoint"), 1);
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.recovery_point = point}, NULL),
                     ERR_NONE);
    for (int i = 0; i < 9; i++)
        assert_int_equal(log_epoch_of(log_kit_log(kit), i), i / 3);
    log_kit_free(kit);
}

static void a_hole_of_zeroes_ends_the_log(void **state)
{
    (void)state;
    struct log_kit *kit = log_kit_new();
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    (void)append(kit, 1);
    int64_t from = log_size(log_kit_log(kit));
    (void)append(kit, 1);
    int64_t to = log_size(log_kit_log(kit));
    (void)append(kit, 1);
    log_kit_drop(kit);
    uint8_t zeroes[4096] = {0};
    int fd = sys_file_open(log_kit_dir(kit), SEGMENT, SYS_OPEN_WRITE);
    assert_int_equal(sys_file_write_at(fd, slice_of(zeroes, (size_t)(to - from)), from), 0);
    sys_file_close(fd);
    struct log_recovery found;
    assert_int_equal(log_kit_open(kit, unclean, &found), ERR_NONE);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 1);
    assert_true(found.cut_bytes > 0);
    log_kit_free(kit);
}

/* A message of format v1 (magic 1) with a value of one byte. */
static size_t old_message(uint8_t ret_bytes[64], bool whole)
{
    static const uint8_t body[] = {1,   0,   0,   0,   0, 0, 0, 0, 0,  9,
                                   255, 255, 255, 255, 0, 0, 0, 1, 'v'};
    memset(ret_bytes, 0, 64);
    ret_bytes[11] = 4 + sizeof body;
    memcpy(ret_bytes + 16, body, sizeof body);
    uLong crc = crc32(0, body, sizeof body) ^ (whole ? 0 : 1);
    for (int i = 0; i < 4; i++)
        ret_bytes[12 + i] = (uint8_t)(crc >> (24 - 8 * i));
    return 16 + sizeof body;
}

static void an_old_format_is_named_and_never_cut(void **state)
{
    (void)state;
    uint8_t message[64];
    for (int whole = 0; whole < 2; whole++) {
        struct log_kit *kit = log_kit_new();
        assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
        (void)append(kit, 1);
        int64_t size = log_size(log_kit_log(kit));
        log_kit_drop(kit);
        size_t more = old_message(message, whole);
        int fd = sys_file_open(log_kit_dir(kit), SEGMENT, SYS_OPEN_WRITE);
        assert_int_equal(sys_file_write_at(fd, slice_of(message, more), size), 0);
        struct log_recovery found;
        enum err err = log_kit_open(kit, unclean, &found);
        assert_int_equal(err, whole ? ERR_KAFKA_STORAGE_ERROR : ERR_NONE);
        assert_string_equal(found.fault, batch_outcome_text(BATCH_OLD_MAGIC));
        assert_int_equal(sys_file_size(fd), whole ? size + (int64_t)more : size);
        sys_file_close(fd);
        log_kit_free(kit);
    }
}

/* Of the segment that holds the recovery point, what is above that is read, and of the rest headers
 * only: whoever reads it first has it looked at. */
static void what_was_flushed_is_not_read_again(void **state)
{
    (void)state;
    struct log_kit *kit = log_kit_new();
    log_kit_config(kit)->index_interval_bytes = 200;
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    for (int i = 0; i < 40; i++)
        (void)append(kit, 1);
    int64_t size = log_size(log_kit_log(kit));
    uint32_t entries = log_kit_log(kit)->index.offset_count;
    log_kit_drop(kit);
    flip(kit, size / 4 - 1); /* of offset 9, its record */
    struct log_recovery found;
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.recovery_point = 30}, &found),
                     ERR_NONE);
    struct log *log = log_kit_log(kit);
    assert_int_equal(found.scanned_bytes, size / 4);
    assert_int_equal(log_end_offset(log), 40);
    assert_int_equal(log->index.offset_count, entries);
    assert_int_equal(log_active(log)->unchecked_end, size / 4 * 3);
    for (int64_t offset = 0; offset < 40; offset++) {
        struct log_kit_bytes bytes = log_kit_read(kit, offset, 1);
        assert_int_equal(bytes.err, offset == 9 ? ERR_CORRUPT_MESSAGE : ERR_NONE);
        free(bytes.data);
    }
    log_kit_free(kit);
}

/* After a clean stop nothing is a torn tail. */
static void damage_after_a_clean_stop_is_never_cut(void **state)
{
    (void)state;
    struct log_kit *kit = log_kit_new();
    log_kit_config(kit)->segment_bytes = 1000;
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    for (int i = 0; i < 40; i++)
        (void)append(kit, 1);
    log_kit_close(kit);
    assert_int_equal(sys_unlink(log_kit_dir(kit), "t-0/00000000000000000000.timeindex"), 0);
    flip(kit, 100);
    struct log_recovery found;
    assert_int_equal(log_kit_open(kit, clean, &found), ERR_NONE);
    assert_int_equal(found.cut_bytes, 0);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 40);
    struct log_kit_bytes bytes = log_kit_read(kit, 0, 1);
    assert_int_equal(bytes.err, ERR_CORRUPT_MESSAGE);
    free(bytes.data);
    log_kit_drop(kit);
    assert_int_equal(sys_unlink(log_kit_dir(kit), "t-0/00000000000000000000.index"), 0);
    flip(kit, 100);
    assert_int_equal(log_kit_open(kit, clean, &found), ERR_NONE);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 40);
    log_kit_free(kit);
}

/* An index that points anywhere costs a longer walk. */
static void a_wrong_index_misleads_nobody(void **state)
{
    (void)state;
    struct log_kit *kit = log_kit_new();
    log_kit_config(kit)->segment_bytes = 3000;
    log_kit_config(kit)->index_interval_bytes = 200;
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    for (int i = 0; i < 80; i++)
        (void)append(kit, 2);
    log_kit_close(kit);
    for (uint32_t bit = 0; bit < 64; bit += 3) {
        int fd = sys_file_open(log_kit_dir(kit), "t-0/00000000000000000000.index", SYS_OPEN_WRITE);
        assert_true(fd >= 0);
        uint8_t whole[16];
        assert_int_equal(sys_file_read_at(fd, whole, sizeof whole, 0), sizeof whole);
        uint8_t damaged = whole[8 + bit / 8] ^ (uint8_t)(1U << bit % 8);
        assert_int_equal(sys_file_write_at(fd, slice_of(&damaged, 1), 8 + bit / 8), 0);
        assert_int_equal(log_kit_open(kit, clean, NULL), ERR_NONE);
        check_reads(kit, 0, 160);
        log_kit_drop(kit);
        assert_int_equal(sys_file_write_at(fd, slice_of(whole, sizeof whole), 0), 0);
        sys_file_close(fd);
    }
    log_kit_free(kit);
}

static void rename_in(struct log_kit *kit, const char *from, const char *to)
{
    char names[2][64];
    (void)snprintf(names[0], sizeof names[0], "t-0/%020d%s", 0, from);
    (void)snprintf(names[1], sizeof names[1], "t-0/%020d%s", 0, to);
    assert_int_equal(sys_rename(log_kit_dir(kit), names[0], names[1]), 0);
}

static void make_empty(struct log_kit *kit, const char *name)
{
    int fd = sys_file_open(log_kit_dir(kit), name, SYS_OPEN_WRITE | SYS_OPEN_CREATE);
    assert_true(fd >= 0);
    sys_file_close(fd);
}

/* Several segments; their number. */
static struct log_kit *with_segments(int *ret_count)
{
    struct log_recovery found;
    struct log_kit *kit = log_kit_new();
    log_kit_config(kit)->segment_bytes = 1000;
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    for (int i = 0; i < 40; i++)
        (void)append(kit, 1);
    log_kit_close(kit);
    assert_int_equal(log_kit_open(kit, clean, &found), ERR_NONE);
    log_kit_close(kit);
    *ret_count = found.segments;
    return kit;
}

static void an_interrupted_compaction_is_finished(void **state)
{
    (void)state;
    int before;
    struct log_recovery found;
    struct log_kit *kit = with_segments(&before);
    /* The first segment is replaced by a swap file; what it replaced is still there. */
    rename_in(kit, ".log", ".log.swap");
    rename_in(kit, ".index", ".index.swap");
    rename_in(kit, ".timeindex", ".timeindex.swap");
    make_empty(kit, "t-0/00000000000000000000.log");
    make_empty(kit, "t-0/00000000000000000001.log");
    make_empty(kit, "t-0/00000000000000000001.log.deleted");
    make_empty(kit, "t-0/00000000000000000003.txnindex"); /* of no segment */
    assert_int_equal(log_kit_open(kit, unclean, &found), ERR_NONE);
    assert_int_equal(found.segments, before);
    assert_int_equal(found.cut_bytes, 0);
    check_reads(kit, 0, 40);
    assert_int_equal(sys_exists(log_kit_dir(kit), "t-0/00000000000000000001.log.deleted"), 0);
    assert_int_equal(sys_exists(log_kit_dir(kit), "t-0/00000000000000000003.txnindex"), 0);
    assert_int_equal(sys_exists(log_kit_dir(kit), "t-0/00000000000000000000.log.swap"), 0);
    log_kit_free(kit);
}

/* A split that was cut off: its swap files are not complete, the segment stands. */
static void an_unfinished_split_is_taken_back(void **state)
{
    (void)state;
    int before;
    struct log_recovery found;
    struct log_kit *kit = with_segments(&before);
    make_empty(kit, "t-0/00000000000000000000.log.cleaned");
    make_empty(kit, "t-0/00000000000000000002.log.swap");
    assert_int_equal(log_kit_open(kit, unclean, &found), ERR_NONE);
    assert_int_equal(found.segments, before);
    check_reads(kit, 0, 40);
    assert_int_equal(sys_exists(log_kit_dir(kit), "t-0/00000000000000000000.log.cleaned"), 0);
    assert_int_equal(sys_exists(log_kit_dir(kit), "t-0/00000000000000000002.log.swap"), 0);
    log_kit_free(kit);
}

static void lost_indexes_are_made_again(void **state)
{
    (void)state;
    static const char *const files[] = {"t-0/00000000000000000000.index",
                                        "t-0/00000000000000000000.timeindex",
                                        "t-0/leader-epoch-checkpoint"};
    struct log_kit *kit = log_kit_new();
    log_kit_config(kit)->segment_bytes = 3000;
    log_kit_config(kit)->index_interval_bytes = 200;
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    for (int i = 0; i < 80; i++)
        (void)append(kit, 2);
    log_kit_close(kit);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        assert_int_equal(sys_unlink(log_kit_dir(kit), files[i]), 0);
        assert_int_equal(log_kit_open(kit, clean, NULL), ERR_NONE);
        check_reads(kit, 0, 160);
        assert_int_equal(log_latest_epoch(log_kit_log(kit)), 0);
        log_kit_close(kit);
    }
    log_kit_free(kit);
}

/* A topic of that name was deleted, and a crash came before its folder was gone. */
static void another_topics_folder_is_set_aside(void **state)
{
    (void)state;
    struct log_kit *kit = log_kit_new();
    struct log_recovery recovery;
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = true}, &recovery), ERR_NONE);
    assert_false(recovery.set_aside);
    struct log_kit_batch batch = {.producer_id = -1, .count = 3, .value_size = 10};
    assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
    log_kit_close(kit);
    struct slice other = slice_of_text("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAg");
    assert_int_equal(sys_file_replace(log_kit_dir(kit), "t-0/partition.metadata", other), 0);
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = true}, &recovery), ERR_NONE);
    assert_true(recovery.set_aside);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 0);
    assert_int_equal(log_kit_append(kit, &batch).base_offset, 0);
    struct uuid own = {{1}};
    char id[UUID_TEXT_SIZE];
    char stray[64];
    uuid_format(own, id);
    (void)snprintf(stray, sizeof stray, "t-0.%s-stray", id);
    assert_int_equal(sys_exists(log_kit_dir(kit), stray), 1);
    log_kit_free(kit);
}

static void a_suffix_shortens_the_topic_alone(void **state)
{
    (void)state;
    char name[260];
    char suffixed[LOG_STEM_SIZE];
    struct uuid random = {{1}};
    log_suffixed_name("a.b-c-12", random, "delete", suffixed);
    assert_string_equal(suffixed, "a.b-c-12.AQAAAAAAAAAAAAAAAAAAAA-delete");
    (void)snprintf(name, sizeof name, "%0249d-1234", 0);
    log_suffixed_name(name, random, "stray", suffixed);
    assert_int_equal(strlen(suffixed), 255);
    assert_string_equal(suffixed + 255 - 34, "-1234.AQAAAAAAAAAAAAAAAAAAAA-stray");
}

static void send(struct log_kit *kit, int32_t sequence, bool again)
{
    struct log_kit_batch batch = {.producer_id = 9,
                                  .sequence = sequence,
                                  .count = 1,
                                  .value_size = 10,
                                  .timestamp = sys_wall_ms()};
    struct log_kit_appended appended = log_kit_append(kit, &batch);
    assert_int_equal(appended.err, ERR_NONE);
    assert_int_equal(appended.duplicate, again);
    assert_int_equal(appended.base_offset, sequence);
}

static void five_batches_are_remembered_over_any_restart(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        struct log_kit *kit = log_kit_new();
        bool is_clean = (way & 1) != 0;
        if ((way & 2) != 0)
            log_kit_config(kit)->segment_bytes = 200; /* two a segment */
        assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
        for (int32_t i = 0; i < 8; i++)
            send(kit, i, false);
        assert_int_equal(log_kit_flush(kit), ERR_NONE);
        if (is_clean)
            log_kit_close(kit);
        else
            log_kit_drop(kit);
        assert_int_equal(log_kit_open(kit, is_clean ? clean : unclean, NULL), ERR_NONE);
        for (int32_t i = 3; i < 8; i++)
            send(kit, i, true);
        send(kit, 8, false);
        log_kit_free(kit);
    }
}

static void lose_files(struct log_kit *kit, int64_t base_offset, bool segment)
{
    static const char *const suffixes[] = {"snapshot", "log", "index", "timeindex"};
    for (size_t i = 0; i < (segment ? COUNT_OF(suffixes) : 1); i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "t-0/%020lld.%s", (long long)base_offset, suffixes[i]);
        assert_int_equal(sys_unlink(log_kit_dir(kit), name), 0);
    }
}

static void let_go(struct log *log, void *context)
{
    role_now_on_shard();
    (void)context;
    log_raise_start(log, log_active(log)->base_offset);
    assert_int_equal(log_trim(log, 1), 1);
}

/* A snapshot of before the first segment knows a transaction whose end went with the segments that
 * followed it, where the power took the later ones. */
static void a_snapshot_from_before_the_log_is_no_help(void **state)
{
    (void)state;
    struct log_kit *kit = log_kit_new();
    struct log_kit_batch data = {.producer_id = 7,
                                 .count = 1,
                                 .value_size = 50,
                                 .timestamp = sys_wall_ms(),
                                 .transactional = true};
    struct log_kit_batch marker = data;
    marker.ends = true;
    log_kit_config(kit)->segment_bytes = 400;
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    assert_int_equal(log_kit_append(kit, &data).err, ERR_NONE);
    log_kit_close(kit);
    assert_int_equal(log_kit_open(kit, clean, NULL), ERR_NONE);
    assert_int_equal(log_kit_append(kit, &marker).err, ERR_NONE);
    append(kit, 1);
    append(kit, 1);
    assert_int_equal(log_kit_log(kit)->segment_count, 2);
    assert_int_equal(log_kit_flush(kit), ERR_NONE);
    int64_t base = log_active(log_kit_log(kit))->base_offset;
    int64_t point = log_recovery_point(log_kit_log(kit));
    log_kit_run(kit, let_go, NULL);
    log_kit_drop(kit);
    lose_files(kit, base, false);
    struct log_kit_open how = {.recovery_point = point, .log_start_offset = base};
    assert_int_equal(log_kit_open(kit, how, NULL), ERR_NONE);
    assert_int_equal(log_first_unstable_offset(log_kit_log(kit)), log_end_offset(log_kit_log(kit)));
    log_kit_free(kit);
}

/* The power failed while segments were let go: the second one is gone, the first one is not. */
static void a_gap_below_the_start_hides_no_end(void **state)
{
    (void)state;
    struct log_kit *kit = log_kit_new();
    struct log_kit_batch batch = {.producer_id = 7,
                                  .count = 1,
                                  .value_size = 50,
                                  .timestamp = sys_wall_ms(),
                                  .transactional = true};
    log_kit_config(kit)->segment_bytes = 150; /* one a segment, but for the marker */
    assert_int_equal(log_kit_open(kit, unclean, NULL), ERR_NONE);
    assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
    append(kit, 1);
    append(kit, 1);
    batch.ends = true;
    int64_t marker = log_kit_append(kit, &batch).base_offset;
    append(kit, 1);
    append(kit, 1);
    assert_int_equal(log_kit_flush(kit), ERR_NONE);
    struct log *log = log_kit_log(kit);
    int at = log_segment_at(log, marker);
    int64_t bases[] = {log->segments[at]->base_offset, log->segments[at + 1]->base_offset,
                       log_active(log)->base_offset};
    assert_true(at > 0 && at + 2 < log->segment_count);
    struct log_kit_open how = {.recovery_point = log_recovery_point(log),
                               .log_start_offset = log_active(log)->base_offset};
    log_kit_drop(kit);
    lose_files(kit, bases[0], true);
    lose_files(kit, bases[1], false);
    lose_files(kit, bases[2], false);
    assert_int_equal(log_kit_open(kit, how, NULL), ERR_NONE);
    assert_int_equal(log_first_unstable_offset(log_kit_log(kit)), log_end_offset(log_kit_log(kit)));
    log_kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_are_read_back),
        cmocka_unit_test(segments_roll),
        cmocka_unit_test(a_tail_torn_at_any_byte_is_cut),
        cmocka_unit_test(offsets_missing_between_segments_end_the_log),
        cmocka_unit_test(damage_below_the_recovery_point_is_never_cut),
        cmocka_unit_test(epochs_are_stored_with_what_a_start_syncs),
        cmocka_unit_test(a_hole_of_zeroes_ends_the_log),
        cmocka_unit_test(an_old_format_is_named_and_never_cut),
        cmocka_unit_test(what_was_flushed_is_not_read_again),
        cmocka_unit_test(damage_after_a_clean_stop_is_never_cut),
        cmocka_unit_test(an_interrupted_compaction_is_finished),
        cmocka_unit_test(an_unfinished_split_is_taken_back),
        cmocka_unit_test(a_wrong_index_misleads_nobody),
        cmocka_unit_test(lost_indexes_are_made_again),
        cmocka_unit_test(another_topics_folder_is_set_aside),
        cmocka_unit_test(a_suffix_shortens_the_topic_alone),
        cmocka_unit_test(five_batches_are_remembered_over_any_restart),
        cmocka_unit_test(a_snapshot_from_before_the_log_is_no_help),
        cmocka_unit_test(a_gap_below_the_start_hides_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
