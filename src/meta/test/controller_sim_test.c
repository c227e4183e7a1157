/* The controller through its life: the first start says what a new cluster is, restarts replay it,
 * epochs rise, producer ids are never given twice, and every answer comes after its image. */
#include "meta/features.h"
#include "meta/test/image_kit.h"
#include "meta/test/meta_kit.h"
#include "sim/world.h"
#include "wire/msg/register_broker_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sim_world *world;
static struct text error;

static int begin(void **state)
{
    (void)state;
    world = sim_world_new(1);
    sim_node_use(sim_node_new(world, "box", "10.0.0.1"));
    text_init(&error, 65536);
    return 0;
}

static int end(void **state)
{
    (void)state;
    text_fini(&error);
    sim_world_free(world);
    return 0;
}

static struct meta_kit *open_fine(void)
{
    struct meta_kit *kit = meta_kit_open(NULL, &error);
    if (kit == NULL)
        fail_msg("it does not start: %s", error.data);
    return kit;
}

static const struct meta_partition *partition_of(const struct meta_kit *kit, const char *topic)
{
    const struct meta_topic *found = meta_topic_named(meta_kit_image(kit), slice_of_text(topic));
    assert_non_null(found);
    return meta_topic_partition(found, 0);
}

static void a_new_cluster_is_kafkas(void **state)
{
    (void)state;
    struct meta_kit *kit = open_fine();
    assert_true(meta_kit_register(kit) > 0);
    const struct meta_image *image = meta_kit_image(kit);
    assert_int_equal(meta_feature(image, "metadata.version"), 33);
    assert_int_equal(meta_feature(image, "eligible.leader.replicas.version"), 1);
    assert_int_equal(meta_feature(image, "group.version"), 1);
    assert_int_equal(meta_feature(image, "share.version"), 2);
    assert_int_equal(meta_feature(image, "streams.version"), 1);
    assert_int_equal(meta_feature(image, "transaction.version"), 2);
    assert_int_equal(image->features.count, 6);
    assert_int_equal(image->kraft_version, 1);
    struct slice min_isr =
        meta_config_value(image, META_CONFIG_BROKER, slice_of("", 0), "min.insync.replicas");
    assert_true(slice_is(min_isr, "1"));
    assert_int_equal(image->controllers.count, 1);
    assert_false(meta_broker_find(image, 1)->fenced);
    assert_true(meta_kit_stop(kit));
}

/* As Kafka 4.4.0's: 0 becomes 2 at a restart, clean or not (gone, then elected again). */
static void leader_epochs_rise_at_a_restart(void **state)
{
    (void)state;
    struct meta_kit *kit = open_fine();
    int64_t epoch = meta_kit_register(kit);
    assert_int_equal(meta_kit_create(kit, "first", 2), ERR_NONE);
    assert_int_equal(partition_of(kit, "first")->leader_epoch, 0);
    meta_kit_leave(kit, epoch);
    assert_int_equal(partition_of(kit, "first")->leader, -1);
    assert_int_equal(partition_of(kit, "first")->elr.count, 1);
    assert_true(meta_kit_stop(kit));
    kit = open_fine();
    int64_t second = meta_kit_register(kit);
    assert_true(second > epoch);
    assert_int_equal(partition_of(kit, "first")->leader_epoch, 2);
    assert_int_equal(partition_of(kit, "first")->leader, 1);
    assert_int_equal(partition_of(kit, "first")->isr.count, 1);
    assert_int_equal(partition_of(kit, "first")->elr.count, 0);
    assert_true(meta_kit_stop(kit)); /* without leaving: as after a crash */
    kit = open_fine();
    assert_true(meta_kit_register(kit) > second);
    assert_int_equal(partition_of(kit, "first")->leader_epoch, 4);
    assert_true(meta_kit_stop(kit));
}

/* The line about the controller, whose incarnation is new at every start. */
static void forget_controller(char *text)
{
    char *line = strstr(text, "\ncontroller ");
    char *rest = line != NULL ? strchr(line + 1, '\n') : NULL;
    assert_non_null(rest);
    memmove(line, rest, strlen(rest) + 1);
}

static void a_restart_replays_everything(void **state)
{
    (void)state;
    struct meta_kit *kit = open_fine();
    assert_true(meta_kit_register(kit) > 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(meta_kit_create(kit, (char[]){'t', (char)('a' + i), 0}, 3), ERR_NONE);
    char *before = image_text(meta_kit_image(kit));
    assert_true(meta_kit_stop(kit));
    kit = open_fine();
    assert_int_equal(meta_kit_image(kit)->topics_by_name.count, 20);
    assert_int_equal(meta_kit_image(kit)->partition_count, 60);
    char *after = image_text(meta_kit_image(kit));
    forget_controller(before);
    forget_controller(after);
    assert_string_equal(before, after);
    free(before);
    free(after);
    assert_true(meta_kit_stop(kit));
}

static void producer_ids_are_given_once(void **state)
{
    (void)state;
    int64_t next = 0;
    for (int start = 0; start < 4; start++) {
        struct meta_kit *kit = open_fine();
        int64_t epoch = meta_kit_register(kit);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(meta_kit_producer_ids(kit, epoch), next);
            next += 1000;
        }
        assert_int_equal(meta_kit_producer_ids(kit, epoch - 1), -1);
        assert_true(meta_kit_stop(kit));
    }
}

/* A sync that ends covers what was in the log when it began, not what was decided meanwhile. */
static void decisions_overlap(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        sim_world_free(world);
        world = sim_world_new(seed);
        sim_node_use(sim_node_new(world, "box", "10.0.0.1"));
        struct meta_kit *kit = open_fine();
        assert_true(meta_kit_register(kit) > 0);
        assert_true(meta_kit_flood(kit, "f", 100));
        assert_true(meta_kit_stop(kit));
        kit = open_fine();
        assert_int_equal(meta_kit_image(kit)->topics_by_name.count, 100);
        assert_true(meta_kit_stop(kit));
    }
}

static void unknown_calls_and_stale_brokers_are_told(void **state)
{
    (void)state;
    struct meta_kit *kit = open_fine();
    assert_null(meta_kit_call(kit, 999, 0, NULL));
    assert_int_equal(meta_kit_transport(kit), ERR_UNSUPPORTED_VERSION);
    assert_int_equal(meta_kit_create(kit, "t", 1), ERR_INVALID_REPLICATION_FACTOR);
    assert_true(meta_kit_stop(kit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_cluster_is_kafkas, begin, end),
        cmocka_unit_test_setup_teardown(leader_epochs_rise_at_a_restart, begin, end),
        cmocka_unit_test_setup_teardown(a_restart_replays_everything, begin, end),
        cmocka_unit_test_setup_teardown(producer_ids_are_given_once, begin, end),
        cmocka_unit_test_setup_teardown(decisions_overlap, begin, end),
        cmocka_unit_test_setup_teardown(unknown_calls_and_stale_brokers_are_told, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
