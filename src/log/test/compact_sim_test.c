/* Compactions in the simulated world: the machine dies, or the power fails, at any change of the
 * disk in the middle of them, then again while it starts; or a call fails. What was flushed and is
 * the last of its key is there after, nothing else than what was appended is, and it can be cleaned
 * again. */
#include "log/test/compact_kit.h"

#include "log/log_int.h"
#include "sim/world.h"
#include "sys/dir.h"
#include "wire/record.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Far ahead, so that no producer has expired. */
#define NOW INT64_C(4100000000000)
#define KEYS 5
#define APPENDS 18
#define PRODUCER 3

static struct sim_world *world;
static struct sim_node *node;

/* The memory of a node that was killed is nobody's: the leak checker passes over it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:sim_run_inside\n";
}

struct story {
    struct log_kit *kit;
    uint64_t k;
    enum sim_effect effect;
    int error;
    int64_t acked_end;
    int64_t flushed_end;
    int64_t stored_point; /* of what was flushed, as a checkpoint would say: before a cleaning */
    int64_t cleaned_to;   /* as a checkpoint would say */
    int cleanings;
    bool closed;
    bool goes_on;
};

static struct log_kit *kit_of(void)
{
    struct log_kit *kit = log_kit_new_at("/data");
    struct topic_config *config = log_kit_config(kit);
    config->segment_bytes = 420;
    config->index_interval_bytes = 100;
    config->cleanup_compact = true;
    config->max_compaction_lag_ms = INT64_MAX;
    config->max_decompressed_message_bytes = INT32_MAX;
    config->file_delete_delay_ms = 60000;
    return kit;
}

static const char *key_of(int64_t offset)
{
    static const char *const keys[KEYS] = {"a", "b", "c", "d", "e"};
    return keys[offset % KEYS];
}

static const char *value_of(int64_t offset)
{
    static char value[24];
    (void)snprintf(value, sizeof value, "%lld", (long long)offset);
    return value;
}

static struct log_kit_batch batch_at(int64_t offset)
{
    return (struct log_kit_batch){.producer_id = PRODUCER,
                                  .sequence = (int32_t)offset,
                                  .count = 1,
                                  .timestamp = NOW + offset,
                                  .leader_epoch = (int32_t)(offset / 10),
                                  .key = key_of(offset),
                                  .value = value_of(offset)};
}

static bool append(struct story *story, int count)
{
    for (int i = 0; i < count; i++) {
        struct log_kit_batch batch = batch_at(story->acked_end);
        batch.producer_id = story->goes_on ? -1 : PRODUCER; /* a sequence may be lost */
        struct log_kit_appended appended = log_kit_append(story->kit, &batch);
        if (appended.err != ERR_NONE)
            return false;
        assert_int_equal(appended.base_offset, story->acked_end);
        story->acked_end++;
    }
    int64_t end = story->acked_end;
    if (log_kit_flush(story->kit) != ERR_NONE)
        return false;
    story->flushed_end = end;
    return true;
}

static void clean(struct story *story)
{
    story->stored_point = story->flushed_end;
    struct compact_kit compact = {.cleaned_to = story->cleaned_to,
                                  .wall_ms = NOW,
                                  .end_max = story->stored_point,
                                  .may_not_be_due = true};
    if (!compact_kit_run(story->kit, &compact) || compact.result.end != LOG_COMPACT_DONE)
        return;
    story->cleaned_to = compact.result.end_offset;
    story->cleanings++;
}

static void tell(void *arg)
{
    struct story *story = (struct story *)arg;
    story->kit = kit_of();
    int root = sys_dir_open(SYS_DIR_CWD, "/");
    assert_int_equal(sys_dir_sync(root), 0);
    if (log_kit_open(story->kit, (struct log_kit_open){.clean = false}, NULL) != ERR_NONE)
        return;
    if (!append(story, APPENDS))
        return;
    story->stored_point = story->flushed_end;
    sim_fault_change(node, story->k, story->effect, story->error);
    clean(story);
    if (append(story, APPENDS / 2))
        clean(story);
    story->closed = log_kit_try_close(story->kit) == 0;
}

/* ---- what a start finds ---- */

struct finding {
    struct story *story;
    bool clean;
    enum err err;
};

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
        assert_true(record_read(&reader, &record));
        assert_true(slice_is(record.key, key_of(offset)));
        assert_true(slice_is(record.value, value_of(offset)));
    }
    record_reader_close(&reader);
    free(bytes.data);
    return found;
}

static void look(void *arg)
{
    struct finding *finding = (struct finding *)arg;
    struct story *story = finding->story;
    struct log_kit *kit = kit_of();
    struct log_kit_open how = {.clean = finding->clean, .recovery_point = story->stored_point};
    finding->err = log_kit_open(kit, how, NULL);
    story->kit = kit;
    if (finding->err != ERR_NONE)
        return;
    int64_t end = log_end_offset(log_kit_log(kit));
    log_check(log_kit_log(kit));
    for (int64_t offset = 0; offset < end; offset++) {
        bool found = has(kit, offset);
        /* The last of its key is there: in front of a tail that was lost the log ends. */
        assert_true(found || offset + KEYS < end);
        assert_true(found || offset < APPENDS + APPENDS / 2);
    }
    assert_true(end >= (story->effect == SIM_CUT ? story->flushed_end : story->acked_end));
    /* The producer's last batch is known, and the next is taken. */
    if (end == 0 || !has(kit, end - 1))
        return;
    struct log_kit_batch last = batch_at(end - 1);
    struct log_kit_appended again = log_kit_append(kit, &last);
    assert_int_equal(again.err, ERR_NONE);
    assert_true(again.duplicate);
    assert_int_equal(again.base_offset, end - 1);
    assert_int_equal(log_latest_epoch(log_kit_log(kit)), (end - 1) / 10);
}

/* It goes on as if nothing had been. */
static void go_on(void *arg)
{
    struct story *story = ((struct finding *)arg)->story;
    story->acked_end = log_end_offset(log_kit_log(story->kit));
    story->goes_on = true;
    assert_true(append(story, APPENDS / 2));
    int cleanings = story->cleanings;
    clean(story);
    assert_int_equal(story->cleanings, cleanings + 1);
    for (int64_t offset = 0; offset < story->acked_end; offset++)
        assert_true(has(story->kit, offset) || offset + KEYS < story->acked_end);
    assert_int_equal(log_kit_try_close(story->kit), 0);
}

/* Opens what was left, itself struck at its k-th change, for every k; then for good. */
static void start_again(struct story *story, enum sim_effect effect)
{
    struct sim_disk *left = sim_disk_copy(node);
    bool struck = true;
    for (uint64_t k = 0; struck; k++) {
        struct finding finding = {.story = story};
        sim_disk_put(node, left);
        sim_fault_clear(node);
        sim_fault_change(node, k, effect, EIO);
        bool lived = sim_node_run(node, look, &finding);
        struck = sim_fault_struck(node);
        assert_true(lived || struck);
        sim_fault_clear(node);
        if (lived)
            sim_node_kill(node);
    }
    struct finding finding = {.story = story, .clean = story->closed};
    assert_true(sim_node_run(node, look, &finding));
    assert_int_equal(finding.err, ERR_NONE);
    assert_true(sim_node_run(node, go_on, &finding));
    sim_disk_free(left);
}

static void sweep(enum sim_effect effect, int error)
{
    bool struck = true;
    for (uint64_t k = 0; struck; k++) {
        struct story story = {.k = k, .effect = effect, .error = error, .cleaned_to = -1};
        world = sim_world_new(k);
        node = sim_node_new(world, "alone", "10.0.0.1");
        sim_node_use(node);
        bool lived = sim_node_run(node, tell, &story);
        struck = sim_fault_struck(node);
        assert_true(lived || struck);
        assert_true(struck || (story.closed && story.cleanings == 2));
        sim_fault_clear(node);
        if (lived)
            sim_node_kill(node);
        start_again(&story, effect == SIM_CUT ? SIM_CUT : SIM_KILL);
        sim_world_free(world);
    }
}

static void any_change_may_be_the_last_before_a_kill(void **state)
{
    (void)state;
    sweep(SIM_KILL, 0);
}

static void any_change_may_be_the_last_before_a_cut(void **state)
{
    (void)state;
    sweep(SIM_CUT, 0);
}

static void any_change_may_fail(void **state)
{
    (void)state;
    sweep(SIM_FAIL, EIO);
    sweep(SIM_FAIL, ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_change_may_be_the_last_before_a_kill),
        cmocka_unit_test(any_change_may_be_the_last_before_a_cut),
        cmocka_unit_test(any_change_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
