/* The group commit: those who append in one turn and want to be on the medium share its syncs, and
 * each is told only after a sync that began behind its write. */
#include "log/test/log_kit.h"
#include "sim/world.h"
#include "sys/clock.h"
#include "wire/batch_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define PRODUCERS 100

static struct sim_world *world;
static struct sim_node *node;

/* One who appends with flush.messages=1. */
struct producer_of_one {
    struct log_append append;
    struct log_flush flush;
    struct log *log;
    uint64_t syncs_at_write;
    bool told;
};

static struct producer_of_one producers_of_one[PRODUCERS];
static int told_count;

static uint64_t syncs(void)
{
    return sim_fault_calls(node, SIM_FILE_SYNC);
}

static void on_flushed(struct log_flush *flush)
{
    struct producer_of_one *one = CONTAINER_OF(flush, struct producer_of_one, flush);
    assert_int_equal(flush->err, ERR_NONE);
    assert_true(flush->end > one->append.last_offset);
    assert_true(syncs() > one->syncs_at_write);
    assert_true(log_recovery_point(one->log) > one->append.last_offset);
    one->told = true;
    told_count++;
}

static void on_written(struct log_append *append)
{
    role_now_on_shard();
    struct producer_of_one *one = CONTAINER_OF(append, struct producer_of_one, append);
    assert_int_equal(append->err, ERR_NONE);
    one->syncs_at_write = syncs();
    one->flush = (struct log_flush){.on_done = on_flushed};
    log_flush_submit(one->log, &one->flush);
}

static void submit(struct log *log, void *context)
{
    role_now_on_shard();
    struct slice bytes = *(const struct slice *)context;
    for (int i = 0; i < PRODUCERS; i++) {
        struct producer_of_one *one = &producers_of_one[i];
        free(one->append.bytes);
        *one = (struct producer_of_one){.log = log};
        one->append = (struct log_append){.bytes = malloc(bytes.size), .on_done = on_written};
        assert_non_null(one->append.bytes);
        memcpy(one->append.bytes, bytes.data, bytes.size);
        assert_int_equal(batch_parse(bytes, &one->append.header), BATCH_OK);
        log_append_submit(log, &one->append);
    }
}

static bool all_told(void *context)
{
    (void)context;
    return told_count == PRODUCERS;
}

static void many_share_a_sync(void **state)
{
    (void)state;
    struct batch_builder builder;
    struct batch_builder_options options = batch_builder_defaults();
    batch_builder_init(&builder);
    batch_builder_begin(&builder, &options);
    batch_builder_add(&builder, &(struct batch_record){.value = slice_of_text("one")});
    struct slice bytes = batch_builder_finish(&builder, NULL);
    world = sim_world_new(7);
    node = sim_node_new(world, "alone", "10.0.0.1");
    sim_node_use(node);
    struct log_kit *kit = log_kit_new_at("/data");
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = false}, NULL), ERR_NONE);
    for (int round = 0; round < 20; round++) {
        told_count = 0;
        uint64_t before = syncs();
        log_kit_run(kit, submit, &bytes);
        assert_true(sim_world_run_until(world, all_told, NULL, 1000));
        /* The first who asks begins one; the others share that or the next. The leader epochs and
         * the folder come along once. */
        assert_in_range(syncs() - before, 1, round == 0 ? 3 : 2);
    }
    log_kit_free(kit);
    for (int i = 0; i < PRODUCERS; i++)
        free(producers_of_one[i].append.bytes);
    sim_world_free(world);
    batch_builder_fini(&builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_share_a_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
