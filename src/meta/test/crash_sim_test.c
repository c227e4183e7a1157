/* A fault at every change of the disk, from formatting to the stop: the call fails, the process is
 * killed, the power goes. The next start has everything that was answered, gives no producer id
 * again, and says so in full even when the fault strikes the restart. */
#include "meta/test/meta_kit.h"
#include "sim/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TOPICS 6

/* Two directories; snapshots that come soon and go soon, so that the sweep meets them. */
#define SETTINGS \
    META_KIT_SETTINGS("log.dirs=/a,/b", "metadata.log.max.record.bytes.between.snapshots=700", \
                      "metadata.max.retention.bytes=2000", \
                      "internal.metadata.log.segment.bytes=600")

/* A node that dies leaves its memory as it is, as it would in a process that ends. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:meta_kit_open\nleak:sim_run_inside\n";
}

/* What was answered, outside of the node's memory. */
static struct {
    bool answered[TOPICS];
    struct uuid ids[TOPICS];
    int64_t producer_ids; /* all below it are given away */
    int64_t broker_epoch;
    bool ended; /* the life went to its end */
    char why[1000];
} told;

static const char *topic_name(int i)
{
    static const char *const names[TOPICS] = {"t0", "t1", "t2", "t3", "t4", "t5"};
    return names[i];
}

static void assert_kept(const struct meta_image *image)
{
    for (int i = 0; i < TOPICS; i++) {
        const struct meta_topic *topic = meta_topic_named(image, slice_of_text(topic_name(i)));
        if (!told.answered[i])
            continue;
        if (topic == NULL)
            fail_msg("topic %d was answered and is gone", i);
        assert_true(uuid_equal(topic->id, told.ids[i]));
        assert_int_equal(topic->partitions.count, 3);
    }
    assert_true(image->next_producer_id >= told.producer_ids);
}

static void create(struct meta_kit *kit, int i)
{
    int err = meta_kit_create(kit, topic_name(i), 3);
    if (err != ERR_NONE && err != ERR_TOPIC_ALREADY_EXISTS)
        return;
    const struct meta_topic *topic =
        meta_topic_named(meta_kit_image(kit), slice_of_text(topic_name(i)));
    assert_non_null(topic);
    told.answered[i] = true;
    told.ids[i] = topic->id;
}

static void take_producer_ids(struct meta_kit *kit, int64_t epoch)
{
    int64_t first = meta_kit_producer_ids(kit, epoch);
    if (first < 0)
        return;
    assert_true(first >= told.producer_ids);
    told.producer_ids = first + 1000;
}

/* One life of the node; it may end anywhere. */
static void live(void *arg)
{
    struct text error;
    (void)arg;
    text_init(&error, sizeof told.why);
    struct meta_kit *kit = meta_kit_open(SETTINGS, &error);
    if (kit == NULL) {
        (void)snprintf(told.why, sizeof told.why, "%s", error.size > 0 ? error.data : "failed");
        text_fini(&error);
        return;
    }
    assert_kept(meta_kit_image(kit));
    int64_t epoch = meta_kit_register(kit);
    assert_true(epoch < 0 || epoch > told.broker_epoch);
    told.broker_epoch = epoch > 0 ? epoch : told.broker_epoch;
    for (int i = 0; i < TOPICS && epoch > 0; i++) {
        create(kit, i);
        take_producer_ids(kit, epoch);
    }
    told.ended = meta_kit_stop(kit);
    text_fini(&error);
}

/* Faults at the k-th change of the first life; the second one must have it all. True: it struck. */
static bool strike(uint64_t k, enum sim_effect effect)
{
    struct sim_world *world = sim_world_new(k);
    struct sim_node *node = sim_node_new(world, "box", "10.0.0.1");
    memset(&told, 0, sizeof told);
    sim_fault_change(node, k, effect, EIO);
    (void)sim_node_run(node, live, NULL);
    bool struck = sim_fault_struck(node);
    if (struck && effect == SIM_FAIL)
        sim_node_kill(node);
    sim_fault_clear(node);
    told.ended = false;
    told.why[0] = '\0';
    bool lived = sim_node_run(node, live, NULL);
    if (!lived || !told.ended)
        fail_msg("effect %d at change %llu: the next start fails: %s", effect,
                 (unsigned long long)k, told.why);
    for (int i = 0; i < TOPICS; i++)
        assert_true(told.answered[i]);
    sim_world_free(world);
    return struck;
}

static void sweep(enum sim_effect effect)
{
    uint64_t k = 0;
    while (strike(k, effect))
        k++;
    assert_true(k > 40);
}

static void every_change_fails(void **state)
{
    (void)state;
    sweep(SIM_FAIL);
}

static void killed_at_every_change(void **state)
{
    (void)state;
    sweep(SIM_KILL);
}

static void power_goes_at_every_change(void **state)
{
    (void)state;
    sweep(SIM_CUT);
}

/* Many lives on one disk, each ended by a power cut at a random change. */
static void lives_that_end_anywhere(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct sim_world *world = sim_world_new(seed);
        struct sim_node *node = sim_node_new(world, "box", "10.0.0.1");
        memset(&told, 0, sizeof told);
        for (int life = 0; life < 12; life++) {
            uint64_t k = prng_below(sim_world_prng(world), 80);
            sim_fault_change(node, k,
                             prng_below(sim_world_prng(world), 2) == 0 ? SIM_KILL : SIM_CUT, 0);
            told.ended = false;
            told.why[0] = '\0';
            bool lived = sim_node_run(node, live, NULL);
            if (lived && !told.ended)
                fail_msg("seed %llu life %d: %s", (unsigned long long)seed, life, told.why);
            sim_fault_clear(node);
        }
        sim_world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change_fails),
        cmocka_unit_test(killed_at_every_change),
        cmocka_unit_test(power_goes_at_every_change),
        cmocka_unit_test(lives_that_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
