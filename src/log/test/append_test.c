/* Appending several batches in one turn: their order, what is a duplicate of what, and when a new
 * segment begins; written by the shard, and all of it once more by workers. */
#include "log/test/log_kit.h"

#include "log/write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct log_kit_open fresh = {.clean = false};

static struct log_kit_batch plain(int count)
{
    return (struct log_kit_batch){
        .producer_id = -1, .count = count, .value_size = 50, .timestamp = 1000};
}

static struct log_kit_batch sent(int16_t epoch, int32_t sequence)
{
    struct log_kit_batch batch = plain(1);
    batch.producer_id = 7;
    batch.producer_epoch = epoch;
    batch.sequence = sequence;
    return batch;
}

static bool by_worker;

static struct log_kit *new_kit(void)
{
    struct log_kit *kit = log_kit_new();
    if (by_worker)
        log_kit_write_by_worker(kit);
    return kit;
}

static struct log_kit *opened(void)
{
    struct log_kit *kit = new_kit();
    assert_int_equal(log_kit_open(kit, fresh, NULL), ERR_NONE);
    return kit;
}

static void more_than_one_write_keep_their_order(void **state)
{
    (void)state;
    struct log_kit *kit = opened();
    struct log_kit_batch batches[LOG_KIT_MANY];
    struct log_kit_appended appended[LOG_KIT_MANY];
    for (int i = 0; i < LOG_KIT_MANY; i++)
        batches[i] = plain(i % 3 + 1);
    log_kit_append_all(kit, batches, LOG_KIT_MANY, appended);
    int64_t next = 0;
    for (int i = 0; i < LOG_KIT_MANY; i++) {
        assert_int_equal(appended[i].err, ERR_NONE);
        assert_int_equal(appended[i].base_offset, next);
        next += batches[i].count;
    }
    assert_int_equal(log_end_offset(log_kit_log(kit)), next);
    log_kit_free(kit);
}

/* log_kit checks that answers come in the order of submission. */
static void what_is_refused_is_answered_in_its_turn(void **state)
{
    (void)state;
    struct log_kit *kit = opened();
    struct log_kit_batch batches[] = {plain(2),   sent(1, 0), sent(1, 0), sent(1, 5),
                                      sent(0, 1), plain(1),   sent(1, 1), sent(1, 0)};
    static const enum err wanted[] = {
        ERR_NONE, ERR_NONE, ERR_NONE, ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, ERR_INVALID_PRODUCER_EPOCH,
        ERR_NONE, ERR_NONE, ERR_NONE};
    static const int64_t offsets[] = {0, 2, 2, -1, -1, 3, 4, 2};
    struct log_kit_appended appended[COUNT_OF(batches)];
    log_kit_append_all(kit, batches, COUNT_OF(batches), appended);
    for (size_t i = 0; i < COUNT_OF(batches); i++) {
        assert_int_equal(appended[i].err, wanted[i]);
        assert_int_equal(appended[i].base_offset, offsets[i]);
        assert_int_equal(appended[i].duplicate, i == 2 || i == 7);
    }
    assert_int_equal(log_end_offset(log_kit_log(kit)), 5);
    log_kit_free(kit);
}

static int segments(struct log_kit *kit)
{
    return log_kit_log(kit)->segment_count;
}

static void append_at(struct log_kit *kit, int64_t timestamp)
{
    struct log_kit_batch batch = plain(1);
    batch.timestamp = timestamp;
    assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
}

static void a_segment_ends_by_its_batches_time(void **state)
{
    (void)state;
    struct log_kit *kit = new_kit();
    log_kit_config(kit)->segment_ms = 1000;
    assert_int_equal(log_kit_open(kit, fresh, NULL), ERR_NONE);
    append_at(kit, 5000);
    append_at(kit, 9000); /* more than a second behind the first */
    assert_int_equal(segments(kit), 2);
    append_at(kit, 10000);
    append_at(kit, 10000);
    assert_int_equal(segments(kit), 2);
    append_at(kit, 10001);
    assert_int_equal(segments(kit), 3);
    append_at(kit, 1); /* back in time is no reason */
    assert_int_equal(segments(kit), 3);
    log_kit_free(kit);
}

static void a_segment_ends_when_its_index_is_full(void **state)
{
    (void)state;
    struct log_kit *kit = new_kit();
    log_kit_config(kit)->segment_index_bytes = 5 * TIME_INDEX_ENTRY_SIZE;
    log_kit_config(kit)->index_interval_bytes = 1;
    assert_int_equal(log_kit_open(kit, fresh, NULL), ERR_NONE);
    for (int i = 0; i < 5; i++)
        append_at(kit, 1000 + i); /* the first has no entry: four are in the time index */
    assert_int_equal(segments(kit), 1);
    append_at(kit, 1005);
    assert_int_equal(segments(kit), 2);
    for (int i = 0; i < 7; i++)
        append_at(kit, 1005); /* time stands still: the offset index has room for seven */
    assert_int_equal(segments(kit), 2);
    append_at(kit, 1005);
    assert_int_equal(segments(kit), 3);
    log_kit_free(kit);
}

static void epochs_are_noted(void **state)
{
    (void)state;
    struct log_kit *kit = opened();
    static const int32_t epochs[] = {0, 0, 3, 3, 5};
    for (size_t i = 0; i < COUNT_OF(epochs); i++) {
        struct log_kit_batch batch = plain(2);
        batch.leader_epoch = epochs[i];
        assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
    }
    const struct log *log = log_kit_log(kit);
    assert_int_equal(log_latest_epoch(log), 5);
    assert_int_equal(log_epoch_end(log, 0).end_offset, 4);
    assert_int_equal(log_epoch_end(log, 1).epoch, 0);
    assert_int_equal(log_epoch_end(log, 4).epoch, 3);
    assert_int_equal(log_epoch_end(log, 4).end_offset, 8);
    assert_int_equal(log_epoch_end(log, 5).end_offset, 10);
    assert_int_equal(log_epoch_end(log, 6).epoch, -1);
    assert_int_equal(log_epoch_of(log, 5), 3);
    log_kit_free(kit);
}

/* A write of its own for what is large, and what comes behind it waits: also a duplicate of it. */
static void large_and_small_keep_their_order(void **state)
{
    (void)state;
    struct log_kit *kit = opened();
    struct log_kit_batch batches[6];
    struct log_kit_appended appended[COUNT_OF(batches)];
    for (int32_t i = 0; i < 5; i++) {
        batches[i] = sent(0, i);
        batches[i].value_size = i % 2 == 0 ? 2 * LOG_WRITE_INLINE_MAX : 10;
    }
    batches[5] = batches[4];
    log_kit_append_all(kit, batches, COUNT_OF(batches), appended);
    for (int i = 0; i < 5; i++) {
        struct log_kit_bytes bytes = log_kit_read(kit, i, 1);
        struct batch_header header;
        assert_int_equal(appended[i].base_offset, i);
        assert_int_equal(batch_parse(slice_of(bytes.data, bytes.size), &header), BATCH_OK);
        assert_true(batch_crc_ok(slice_of(bytes.data, bytes.size)));
        assert_int_equal(header.base_offset, i);
        free(bytes.data);
    }
    assert_true(appended[5].duplicate);
    assert_int_equal(appended[5].base_offset, 4);
    log_kit_free(kit);
}

/* Nobody waits for the writing of much that came behind. */
static void a_write_takes_what_is_enough(void **state)
{
    (void)state;
    struct log_kit *kit = opened();
    struct log_kit_batch batches[5];
    struct log_kit_appended appended[COUNT_OF(batches)];
    static const int64_t ends[] = {2, 2, 4, 4, 5};
    for (size_t i = 0; i < COUNT_OF(batches); i++) {
        batches[i] = plain(1);
        batches[i].value_size = 3 << 20;
    }
    log_kit_append_all(kit, batches, COUNT_OF(batches), appended);
    for (size_t i = 0; i < COUNT_OF(batches); i++) {
        assert_int_equal(appended[i].err, ERR_NONE);
        assert_int_equal(appended[i].end_offset, ends[i]);
    }
    log_kit_free(kit);
}

/* In steps of at least 16 MB, the last of which a stop has to wait for. */
static void the_disk_is_told_early(void **state)
{
    (void)state;
    struct log_kit *kit = opened();
    struct log_kit_batch batch = plain(1);
    batch.value_size = 5 << 20;
    int64_t told = 0;
    for (int i = 0; i < 12; i++) {
        assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
        log_kit_pause(kit);
        const struct log_segment *active = log_active(log_kit_log(kit));
        int64_t before = told;
        told = active->written_out;
        assert_true(told == before || told - before >= 16 << 20);
        assert_true(told <= active->size);
    }
    assert_true(told >= 16 << 20);
    log_kit_close(kit);
    log_kit_free(kit);
}

static void a_stop_waits_for_a_write(void **state)
{
    (void)state;
    struct log_kit *kit = opened();
    struct log_kit_batch batch = plain(1);
    batch.value_size = 2 * LOG_WRITE_INLINE_MAX;
    assert_int_equal(log_kit_append_and_close(kit, &batch).err, ERR_NONE);
    struct log_recovery recovery;
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = true}, &recovery), ERR_NONE);
    assert_int_equal(recovery.cut_bytes, 0);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 1);
    log_kit_free(kit);
}

static void a_stop_begins_with_an_answer(void **state)
{
    (void)state;
    struct log_kit *kit = opened();
    struct log_kit_batch batch = plain(1);
    assert_int_equal(log_kit_append_then_close(kit, &batch).err, ERR_NONE);
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = true}, NULL), ERR_NONE);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 1);
    log_kit_free(kit);
}

/* Who waited for a flush is the last to be done, and a segment was rolled meanwhile, whose upkeep
 * is then left to the close. */
static void a_stop_begins_with_the_end_of_a_flush(void **state)
{
    (void)state;
    struct log_kit *kit = new_kit();
    struct log_kit_batch batch = plain(1);
    log_kit_config(kit)->segment_bytes = 200;
    assert_int_equal(log_kit_open(kit, fresh, NULL), ERR_NONE);
    assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
    assert_int_equal(log_kit_flush_and_close(kit, &batch).err, ERR_NONE);
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = true}, NULL), ERR_NONE);
    assert_int_equal(segments(kit), 2);
    assert_int_equal(log_end_offset(log_kit_log(kit)), 2);
    log_kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_than_one_write_keep_their_order),
        cmocka_unit_test(what_is_refused_is_answered_in_its_turn),
        cmocka_unit_test(a_segment_ends_by_its_batches_time),
        cmocka_unit_test(a_segment_ends_when_its_index_is_full),
        cmocka_unit_test(epochs_are_noted),
        cmocka_unit_test(large_and_small_keep_their_order),
        cmocka_unit_test(a_write_takes_what_is_enough),
        cmocka_unit_test(the_disk_is_told_early),
        cmocka_unit_test(a_stop_waits_for_a_write),
        cmocka_unit_test(a_stop_begins_with_an_answer),
        cmocka_unit_test(a_stop_begins_with_the_end_of_a_flush),
    };
    int failed = cmocka_run_group_tests_name("the shard writes", tests, NULL, NULL);
    by_worker = true;
    return failed + cmocka_run_group_tests_name("workers write", tests, NULL, NULL);
}
