/* A log lets go of its beginning while the k-th change of the disk fails, or the node is killed or
 * loses power there, for k = 0, 1, ... until none is struck. Whatever happens, the log opens again
 * with every batch from the start on that was acknowledged, as far as it was flushed, and with none
 * from before the start that had been made to last; whether or not it is known up to where it was
 * flushed. */
#include "log/log_int.h"
#include "log/test/log_kit.h"
#include "sim/world.h"
#include "sys/dir.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define STEPS 24
#define DELAY_MS 200

struct story {
    struct log_kit *kit;
    uint64_t k;
    enum sim_effect effect;
    int64_t acked_end;
    int64_t flushed_end;
    int64_t start; /* that was made to last, as a checkpoint would */
};

static struct sim_world *world;
static struct sim_node *node;

/* The memory of a node that was killed is nobody's: the leak checker passes over it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:sim_run_inside\n";
}

static struct log_kit *kit_of(void)
{
    struct log_kit *kit = log_kit_new_at("/data");
    struct topic_config *config = log_kit_config(kit);
    config->segment_bytes = 500;
    config->index_interval_bytes = 100;
    config->file_delete_delay_ms = DELAY_MS;
    return kit;
}

static struct log_kit_batch batch_at(int64_t sequence)
{
    return (struct log_kit_batch){.producer_id = -1,
                                  .count = 1,
                                  .value_size = 100 + (int)(sequence % 5) * 40,
                                  .timestamp = 1000 + sequence,
                                  .leader_epoch = (int32_t)(sequence / 10)};
}

static void raise_start(struct log *log, void *context)
{
    role_now_on_shard();
    struct story *story = context;
    if (story->start <= log_recovery_point(log))
        log_raise_start(log, story->start);
}

static void trim(struct log *log, void *context)
{
    (void)context;
    role_now_on_shard();
    (void)log_trim(log, INT_MAX);
    log_check(log);
}

static void step(struct story *story, int i)
{
    struct log_kit_batch batch = batch_at(story->acked_end);
    if (log_kit_append(story->kit, &batch).err == ERR_NONE)
        story->acked_end++;
    if (i % 5 != 4)
        return;
    int64_t end = log_end_offset(log_kit_log(story->kit));
    if (log_kit_flush(story->kit) != ERR_NONE)
        return;
    story->flushed_end = end;
    /* At times the start is within a segment, at times all goes. */
    story->start = i % 2 == 0 ? end - 3 : end;
    log_kit_run(story->kit, raise_start, story);
    log_kit_run(story->kit, trim, story);
    if (i % 3 == 0)
        sim_world_run_for(world, DELAY_MS * 2);
}

static void tell(void *arg)
{
    struct story *story = arg;
    story->kit = kit_of();
    int root = sys_dir_open(SYS_DIR_CWD, "/");
    assert_int_equal(sys_dir_sync(root), 0);
    sim_fault_change(node, story->k, story->effect, EIO);
    if (log_kit_open(story->kit, (struct log_kit_open){.clean = false}, NULL) != ERR_NONE)
        return;
    for (int i = 0; i < STEPS; i++)
        step(story, i);
    if (log_kit_try_close(story->kit) == 0)
        story->flushed_end = story->acked_end;
}

struct finding {
    const struct story *story;
    int64_t recovery_point;
    int64_t start;
    int64_t end;
};

static void look(void *arg)
{
    struct finding *finding = arg;
    struct log_kit *kit = kit_of();
    struct log_kit_open how = {.recovery_point = finding->recovery_point,
                               .log_start_offset = finding->story->start};
    assert_int_equal(log_kit_open(kit, how, NULL), ERR_NONE);
    const struct log *log = log_kit_log(kit);
    finding->start = log_start_offset(log);
    finding->end = log_end_offset(log);
    for (int64_t offset = finding->start; offset < finding->end; offset++) {
        struct log_kit_bytes bytes = log_kit_read(kit, offset, 1);
        struct batch_header header;
        assert_int_equal(bytes.err, ERR_NONE);
        assert_int_equal(batch_parse(slice_of(bytes.data, bytes.size), &header), BATCH_OK);
        assert_true(batch_crc_ok(slice_of(bytes.data, bytes.size)));
        assert_int_equal(header.base_offset, offset);
        assert_int_equal(header.max_timestamp, 1000 + offset);
        free(bytes.data);
    }
    if (finding->start > 0)
        assert_int_equal(log_kit_read(kit, finding->start - 1, 1).err, ERR_OFFSET_OUT_OF_RANGE);
    if (log->epochs.count > 0)
        assert_true(log->epochs.entries[0].start_offset >= finding->start);
    if (finding->end > 0)
        assert_int_equal(log_latest_epoch(log), (finding->end - 1) / 10);
    struct log_kit_batch batch = batch_at(finding->end);
    struct log_kit_appended appended = log_kit_append(kit, &batch);
    assert_int_equal(appended.err, ERR_NONE);
    assert_int_equal(appended.base_offset, finding->end);
    assert_int_equal(log_kit_try_close(kit), 0);
}

static void start_again(const struct story *story)
{
    struct sim_disk *left = sim_disk_copy(node);
    int64_t least = story->effect == SIM_CUT ? story->flushed_end : story->acked_end;
    const int64_t points[] = {0, story->flushed_end};
    for (size_t i = 0; i < COUNT_OF(points); i++) {
        struct finding finding = {.story = story, .recovery_point = points[i]};
        sim_disk_put(node, left);
        assert_true(sim_node_run(node, look, &finding));
        assert_true(finding.end >= least);
        assert_true(finding.end <= story->acked_end + 1);
        assert_true(finding.start >= story->start);
        /* Not more than was said is gone: at most what stands in front of a start. */
        assert_true(finding.start <= story->flushed_end);
        sim_node_kill(node);
    }
    sim_disk_free(left);
}

static void sweep(enum sim_effect effect, uint64_t seed)
{
    bool struck = true;
    for (uint64_t k = 0; struck; k++) {
        struct story story = {.k = k, .effect = effect};
        world = sim_world_new(k + seed);
        node = sim_node_new(world, "alone", "10.0.0.1");
        sim_node_use(node);
        bool lived = sim_node_run(node, tell, &story);
        struck = sim_fault_struck(node);
        assert_true(lived || struck);
        sim_fault_clear(node);
        if (lived)
            sim_node_kill(node);
        start_again(&story);
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
    for (uint64_t seed = 0; seed < 3; seed++)
        sweep(SIM_CUT, seed * 1000);
}

static void any_change_may_fail(void **state)
{
    (void)state;
    sweep(SIM_FAIL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_change_may_be_the_last_before_a_kill),
        cmocka_unit_test(any_change_may_fail),
        cmocka_unit_test(any_change_may_be_the_last_before_a_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
