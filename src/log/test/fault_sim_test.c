/* The fault sweep on simulated disks: a story of appends, rolls, flushes and a stop, during which
 * the k-th change of the disk fails, or the node is killed or loses power there, for k = 0, 1, ...
 * until none is struck. Whatever happens, the log opens again with every batch that was
 * acknowledged (after a power cut: flushed), in order, with their bytes, and nothing else; and a
 * recovery that is itself cut off changes nothing. */
#include "log/dir.h"
#include "log/test/log_kit.h"
#include "sim/world.h"
#include "sys/clock.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PATH "/data"
#define PRODUCER 7
#define STEPS 24

/* What the story was told; survives the node, as a client's memory does. */
struct story {
    struct log_kit *kit;
    uint64_t k; /* the change that is struck */
    enum sim_effect effect;
    int error;
    int64_t acked_end;   /* of what was acknowledged */
    int64_t flushed_end; /* of what a successful flush covered */
    int64_t sent_end;    /* of what was submitted */
    bool closed;         /* a clean stop succeeded */
    bool offline;
};

static struct sim_world *world;
static struct sim_node *node;

/* The memory of a node that was killed is nobody's: the leak checker passes over it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:sim_run_inside\n";
}

/* Who writes: the shard or a worker. */
static bool by_worker;

static struct log_kit *kit_of(void)
{
    struct log_kit *kit = log_kit_new_at(PATH);
    if (by_worker)
        log_kit_write_by_worker(kit);
    struct topic_config *config = log_kit_config(kit);
    config->segment_bytes = 1500;
    config->index_interval_bytes = 200;
    return kit;
}

static struct log_kit_batch batch_at(int64_t sequence)
{
    return (struct log_kit_batch){.producer_id = PRODUCER,
                                  .sequence = (int32_t)sequence,
                                  .count = 1,
                                  .value_size = 100 + (int)(sequence % 5) * 40,
                                  .timestamp = sys_wall_ms(), /* else the producer expires */
                                  .leader_epoch = (int32_t)(sequence / 10)};
}

static void step(struct story *story, int i)
{
    struct log_kit_batch batches[3];
    struct log_kit_appended appended[3];
    int count = i % 3 + 1;
    int64_t from = story->acked_end;
    for (int b = 0; b < count; b++)
        batches[b] = batch_at(from + b);
    story->sent_end = from + count > story->sent_end ? from + count : story->sent_end;
    log_kit_append_all(story->kit, batches, count, appended);
    for (int b = 0; b < count; b++) {
        if (appended[b].err != ERR_NONE)
            break;
        assert_false(story->offline);
        assert_int_equal(appended[b].base_offset, from + b);
        story->acked_end = from + b + 1;
    }
    story->offline = log_is_offline(log_kit_log(story->kit));
    if (i % 4 != 3)
        return;
    int64_t end = log_end_offset(log_kit_log(story->kit));
    if (log_kit_flush(story->kit) == ERR_NONE) {
        assert_false(story->offline);
        story->flushed_end = end;
    }
    story->offline = log_is_offline(log_kit_log(story->kit));
}

static void tell(void *arg)
{
    struct story *story = arg;
    story->kit = kit_of();
    int root = sys_dir_open(SYS_DIR_CWD, "/");
    assert_int_equal(sys_dir_sync(root), 0);
    sim_fault_change(node, story->k, story->effect, story->error);
    if (log_kit_open(story->kit, (struct log_kit_open){.clean = false}, NULL) != ERR_NONE)
        return;
    for (int i = 0; i < STEPS; i++)
        step(story, i);
    story->closed = log_kit_try_close(story->kit) == 0;
    if (story->closed)
        story->flushed_end = story->acked_end;
}

/* What a start finds: the log's end, after all in front of it was looked at. */
struct finding {
    struct story *story;
    struct log_kit *kit;
    bool clean;
    enum err err;
    int64_t end;
};

static void check_contents(struct finding *finding)
{
    struct log_kit *kit = finding->kit;
    int64_t end = log_end_offset(log_kit_log(kit));
    for (int64_t offset = 0; offset < end; offset++) {
        struct log_kit_bytes bytes = log_kit_read(kit, offset, 1);
        struct batch_header header;
        struct log_kit_batch wanted = batch_at(offset);
        assert_int_equal(bytes.err, ERR_NONE);
        assert_int_equal(batch_parse(slice_of(bytes.data, bytes.size), &header), BATCH_OK);
        assert_true(batch_crc_ok(slice_of(bytes.data, bytes.size)));
        assert_int_equal(header.base_offset, offset);
        assert_int_equal(header.base_sequence, offset);
        assert_int_equal(header.partition_leader_epoch, wanted.leader_epoch);
        free(bytes.data);
    }
    finding->end = end;
}

static void look(void *arg)
{
    struct finding *finding = arg;
    finding->kit = kit_of();
    struct log_kit_open how = {.clean = finding->clean,
                               .recovery_point = finding->story->flushed_end};
    finding->err = log_kit_open(finding->kit, how, NULL);
    if (finding->err != ERR_NONE)
        return;
    check_contents(finding);
    /* The last five are known, and what follows them is taken. */
    int64_t end = finding->end;
    for (int64_t sequence = end > 5 ? end - 5 : 0; sequence < end; sequence++) {
        struct log_kit_batch batch = batch_at(sequence);
        struct log_kit_appended again = log_kit_append(finding->kit, &batch);
        assert_int_equal(again.err, ERR_NONE);
        assert_true(again.duplicate);
        assert_int_equal(again.base_offset, sequence);
    }
    int32_t epoch = log_latest_epoch(log_kit_log(finding->kit));
    assert_int_equal(epoch, end > 0 ? (end - 1) / 10 : -1);
}

static void append_more(void *arg)
{
    struct finding *finding = arg;
    struct log_kit_batch batch = batch_at(finding->end);
    struct log_kit_appended appended = log_kit_append(finding->kit, &batch);
    assert_int_equal(appended.err, ERR_NONE);
    assert_false(appended.duplicate);
    assert_int_equal(appended.base_offset, finding->end);
    assert_int_equal(log_kit_flush(finding->kit), ERR_NONE);
    assert_true(log_kit_try_close(finding->kit) == 0);
}

static int64_t least_end(const struct story *story, enum sim_effect effect)
{
    return effect == SIM_CUT ? story->flushed_end : story->acked_end;
}

/* Opens what was left, itself struck at its k-th change, for every k; then for good. */
static void start_again(struct story *story, enum sim_effect effect)
{
    struct sim_disk *left = sim_disk_copy(node);
    int64_t least = least_end(story, effect);
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
    assert_true(finding.end >= least);
    assert_true(finding.end <= story->sent_end);
    assert_true(sim_node_run(node, append_more, &finding));
    sim_disk_free(left);
}

static void sweep(enum sim_effect effect, int error, uint64_t seed)
{
    bool struck = true;
    for (uint64_t k = 0; struck; k++) {
        struct story story = {.k = k, .effect = effect, .error = error};
        world = sim_world_new(k + seed);
        node = sim_node_new(world, "alone", "10.0.0.1");
        sim_node_use(node);
        bool lived = sim_node_run(node, tell, &story);
        struck = sim_fault_struck(node);
        assert_true(lived || struck);
        assert_true(struck || story.closed);
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
    sweep(SIM_KILL, 0, 0);
}

static void any_change_may_be_the_last_before_a_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 3; seed++)
        sweep(SIM_CUT, 0, seed * 1000);
}

static void any_change_may_fail(void **state)
{
    (void)state;
    sweep(SIM_FAIL, EIO, 0);
    sweep(SIM_FAIL, ENOSPC, 0);
}

/* ---- a start whose sync fails ---- */

static void crash(void *arg)
{
    (void)arg;
    struct log_kit *kit = kit_of();
    int root = sys_dir_open(SYS_DIR_CWD, "/");
    assert_int_equal(sys_dir_sync(root), 0);
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = false}, NULL), ERR_NONE);
    for (int i = 0; i < 4; i++) {
        struct log_kit_batch batch = batch_at(i);
        assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
    }
    log_kit_drop(kit);
    int fd = sys_file_open(log_kit_dir(kit), "t-0/00000000000000000000.log", SYS_OPEN_WRITE);
    static const uint8_t torn[20] = {[7] = 4, [11] = 99};
    assert_int_equal(sys_file_write_at(fd, slice_of(torn, sizeof torn), sys_file_size(fd)), 0);
    sys_file_close(fd);
}

/* The kernel may have dropped what it could not write: that it says so once is all there is. */
static void start_in_vain(void *arg)
{
    int flush_messages = *(const int *)arg;
    struct log_dir dir = {.path = PATH, .fd = -1};
    struct log_kit *kit = kit_of();
    struct log_kit_open how = {.dir = &dir};
    if (flush_messages > 0)
        log_kit_config(kit)->flush_messages = flush_messages;
    assert_int_equal(log_kit_open(kit, how, NULL), ERR_KAFKA_STORAGE_ERROR);
    assert_true(log_dir_is_offline(&dir));
}

/* `after` syncs of the segment succeed: that of the cut tail. */
static void start_with_fault(uint64_t after, int flush_messages)
{
    struct sim_fault fault = {.call = SIM_FILE_SYNC,
                              .name_part = ".log",
                              .after = after,
                              .times = 1,
                              .effect = SIM_FAIL,
                              .error = EIO};
    world = sim_world_new(1);
    node = sim_node_new(world, "alone", "10.0.0.1");
    sim_node_use(node);
    assert_true(sim_node_run(node, crash, NULL));
    sim_node_kill(node);
    sim_fault_add(node, &fault);
    assert_true(sim_node_run(node, start_in_vain, &flush_messages));
    assert_true(sim_fault_struck(node));
    sim_world_free(world);
}

static void a_start_whose_sync_fails_takes_the_directory_offline(void **state)
{
    (void)state;
    start_with_fault(0, 0);
    start_with_fault(1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_whose_sync_fails_takes_the_directory_offline),
        cmocka_unit_test(any_change_may_be_the_last_before_a_kill),
        cmocka_unit_test(any_change_may_fail),
        cmocka_unit_test(any_change_may_be_the_last_before_a_cut),
    };
    int failed = cmocka_run_group_tests_name("the shard writes", tests, NULL, NULL);
    by_worker = true;
    return failed + cmocka_run_group_tests_name("workers write", tests, NULL, NULL);
}
