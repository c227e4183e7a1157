/* Configurations changed and partitions added: what the image has afterwards, what a start finds,
 * and what is refused. The answers one by one are held against Apache Kafka's by
 * test/differential. */
#include "meta/effective.h"
#include "meta/test/image_kit.h"
#include "meta/test/meta_kit.h"

#include "config/change.h"
#include "sim/world.h"
#include "wire/msg/alter_configs_request.h"
#include "wire/msg/alter_configs_response.h"
#include "wire/msg/create_partitions_request.h"
#include "wire/msg/create_partitions_response.h"
#include "wire/msg/incremental_alter_configs_request.h"
#include "wire/msg/incremental_alter_configs_response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sim_world *world;
static struct meta_kit *kit;

static int open_kit(void)
{
    struct text error;
    text_init(&error, 65536);
    kit = meta_kit_open(NULL, &error);
    text_fini(&error);
    return kit == NULL || meta_kit_register(kit) < 0;
}

static int begin(void **state)
{
    (void)state;
    world = sim_world_new(1);
    sim_node_use(sim_node_new(world, "box", "10.0.0.1"));
    return open_kit() != 0 || meta_kit_create(kit, "t", 1) != ERR_NONE;
}

static int end(void **state)
{
    (void)state;
    bool clean = meta_kit_stop(kit);
    sim_world_free(world);
    return clean ? 0 : -1;
}

static void restart(void)
{
    assert_true(meta_kit_stop(kit));
    assert_int_equal(open_kit(), 0);
}

/* ---- configurations ---- */

struct change {
    int8_t type;
    const char *resource;
    int8_t op;
    const char *key;
    const char *value;
    bool only_validate;
};

/* The error code and, of a refusal, the sentence. */
static int alter(struct change change, const char **ret_text)
{
    struct incremental_alter_configs_request_resources_configs config = {
        .name = slice_of_text(change.key),
        .config_operation = change.op,
        .value = slice_of_text(change.value)};
    struct incremental_alter_configs_request_resources resource = {
        .resource_type = change.type,
        .resource_name = slice_of_text(change.resource),
        .configs = &config,
        .configs_count = 1};
    struct incremental_alter_configs_request request = {
        .resources = &resource, .resources_count = 1, .validate_only = change.only_validate};
    const struct incremental_alter_configs_response *response = meta_kit_call(kit, 44, 1, &request);
    assert_non_null(response);
    assert_int_equal(response->responses_count, 1);
    assert_true(slice_is(response->responses[0].resource_name, change.resource));
    struct slice text = response->responses[0].error_message;
    *ret_text = arena_printf(meta_kit_arena(kit), "%.*s", SLICE_ARG(text));
    return response->responses[0].error_code;
}

static void set(int8_t type, const char *resource, const char *key, const char *value)
{
    const char *text;
    struct change change = {type, resource, CONFIG_OP_SET, key, value, false};
    if (alter(change, &text) != ERR_NONE)
        fail_msg("%s: %s", key, text);
}

static const struct topic_config *settings_of(const char *topic)
{
    const struct meta_image *image = meta_kit_image(kit);
    return meta_topic_config(image, meta_topic_named(image, slice_of_text(topic)));
}

static void a_change_is_there_and_stays(void **state)
{
    (void)state;
    const char *text;
    set(META_CONFIG_TOPIC, "t", "max.message.bytes", "2000");
    set(META_CONFIG_BROKER, "", "log.retention.ms", "3000");
    set(META_CONFIG_BROKER, "1", "log.segment.bytes", "4000000");
    set(META_CONFIG_BROKER, "1", "max.connections", "50");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(settings_of("t")->max_message_bytes, 2000);
        assert_int_equal(settings_of("t")->retention_ms, 3000);
        assert_int_equal(settings_of("t")->segment_bytes, 4000000);
        assert_int_equal(meta_kit_image(kit)->node_dynamic.max_connections, 50);
        restart();
    }
    struct change away = {META_CONFIG_TOPIC,   "t",  CONFIG_OP_DELETE,
                          "max.message.bytes", NULL, false};
    assert_int_equal(alter(away, &text), ERR_NONE);
    assert_int_equal(settings_of("t")->max_message_bytes, 1048588);
}

static void lists_grow_and_shrink(void **state)
{
    (void)state;
    const char *text;
    struct change grow = {META_CONFIG_TOPIC, "t",       CONFIG_OP_APPEND,
                          "cleanup.policy",  "compact", false};
    struct change shrink = {META_CONFIG_TOPIC, "t",      CONFIG_OP_SUBTRACT,
                            "cleanup.policy",  "delete", false};
    assert_int_equal(alter(grow, &text), ERR_NONE);
    assert_true(settings_of("t")->cleanup_compact && settings_of("t")->cleanup_delete);
    assert_int_equal(alter(shrink, &text), ERR_NONE);
    assert_true(settings_of("t")->cleanup_compact && !settings_of("t")->cleanup_delete);
}

static void refusals_change_nothing(void **state)
{
    (void)state;
    static const struct {
        struct change change;
        int code;
        const char *text;
    } rows[] = {
        {{META_CONFIG_TOPIC, "t", CONFIG_OP_SET, "no.such", "1", false},
         ERR_INVALID_CONFIG,
         "Unknown topic config name: no.such"},
        {{META_CONFIG_TOPIC, "t", CONFIG_OP_APPEND, "retention.ms", "1", false},
         ERR_INVALID_CONFIG,
         "Can't APPEND to key retention.ms because its type is not LIST."},
        {{META_CONFIG_TOPIC, "a b", CONFIG_OP_APPEND, "retention.ms", "1", false},
         ERR_INVALID_CONFIG,
         "Can't APPEND to key retention.ms because its type is not LIST."},
        {{META_CONFIG_TOPIC, "..", CONFIG_OP_SET, "no.such", "1", false},
         ERR_INVALID_TOPIC_EXCEPTION,
         "Topic name is invalid: '..' is not allowed"},
        {{META_CONFIG_TOPIC, "none", CONFIG_OP_SET, "retention.ms", "1", false},
         ERR_UNKNOWN_TOPIC_OR_PARTITION,
         "The topic 'none' does not exist."},
        {{META_CONFIG_TOPIC, "", CONFIG_OP_SET, "retention.ms", "1", false},
         ERR_INVALID_REQUEST,
         "Default topic resources are not allowed."},
        {{META_CONFIG_BROKER, "7", CONFIG_OP_SET, "log.retention.ms", "1", false},
         ERR_BROKER_ID_NOT_REGISTERED,
         "No node with id 7 found."},
        {{META_CONFIG_BROKER, "-7", CONFIG_OP_SET, "log.retention.ms", "1", false},
         ERR_INVALID_REQUEST,
         "Invalid negative broker ID."},
        {{META_CONFIG_BROKER, "x", CONFIG_OP_SET, "log.retention.ms", "1", false},
         ERR_INVALID_REQUEST,
         "Unable to parse broker name as a base 10 number."},
        {{META_CONFIG_BROKER, "1", CONFIG_OP_SET, "min.insync.replicas", "1", false},
         ERR_INVALID_CONFIG,
         "Broker-level min.insync.replicas cannot be altered while ELR is enabled."},
        {{META_CONFIG_BROKER, "", CONFIG_OP_DELETE, "min.insync.replicas", NULL, false},
         ERR_INVALID_CONFIG,
         "Cluster-level min.insync.replicas cannot be removed while ELR is enabled."},
        {{16, "m", CONFIG_OP_SET, "interval.ms", "1", false},
         ERR_INVALID_REQUEST,
         "Unknown resource type 16"},
        {{META_CONFIG_TOPIC, "t", 9, "retention.ms", "1", false},
         ERR_INVALID_REQUEST,
         "Unknown operations type 9"},
        {{META_CONFIG_TOPIC, "t", CONFIG_OP_SET, "retention.ms", "1", true}, ERR_NONE, ""},
    };
    int64_t before = meta_kit_image(kit)->end_offset;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *text;
        assert_int_equal(alter(rows[i].change, &text), rows[i].code);
        assert_string_equal(text, rows[i].text);
    }
    assert_int_equal(meta_kit_image(kit)->end_offset, before);
    assert_int_equal(settings_of("t")->retention_ms, 604800000);
}

/* A list that grows past what a record may hold. */
static void values_have_a_longest(void **state)
{
    (void)state;
    struct text list;
    const char *text;
    text_init(&list, 1 << 20);
    for (int i = 0; i < 4000; i++)
        text_printf(&list, "%s%d:1", i > 0 ? "," : "", i);
    set(META_CONFIG_TOPIC, "t", "leader.replication.throttled.replicas", list.data);
    text_reset(&list);
    for (int i = 4000; i < 8000; i++)
        text_printf(&list, "%s%d:1", i > 4000 ? "," : "", i);
    struct change grow = {META_CONFIG_TOPIC, "t",
                          CONFIG_OP_APPEND,  "leader.replication.throttled.replicas",
                          list.data,         false};
    assert_int_equal(alter(grow, &text), ERR_INVALID_CONFIG);
    assert_string_equal(text, "The configuration value cannot be added because it exceeds the "
                              "maximum value size of 32767 bytes.");
    text_fini(&list);
}

static void what_is_not_named_goes(void **state)
{
    (void)state;
    set(META_CONFIG_TOPIC, "t", "retention.ms", "5");
    set(META_CONFIG_TOPIC, "t", "segment.ms", "6");
    struct alter_configs_request_resources_configs configs[] = {
        {.name = SLICE_LIT("segment.ms"), .value = SLICE_LIT("7")},
        {.name = SLICE_LIT("flush.ms"), .value = SLICE_LIT("8")}};
    struct alter_configs_request_resources resource = {.resource_type = META_CONFIG_TOPIC,
                                                       .resource_name = SLICE_LIT("t"),
                                                       .configs = configs,
                                                       .configs_count = 2};
    struct alter_configs_request request = {.resources = &resource, .resources_count = 1};
    const struct alter_configs_response *response = meta_kit_call(kit, 33, 2, &request);
    assert_non_null(response);
    assert_int_equal(response->responses[0].error_code, ERR_NONE);
    assert_int_equal(settings_of("t")->retention_ms, 604800000);
    assert_int_equal(settings_of("t")->segment_ms, 7);
    assert_int_equal(settings_of("t")->flush_ms, 8);
}

/* ---- partitions ---- */

static int grow(int32_t count, bool only_validate)
{
    struct create_partitions_request_topics topic = {
        .name = SLICE_LIT("t"), .count = count, .assignments_count = -1};
    struct create_partitions_request request = {
        .topics = &topic, .topics_count = 1, .timeout_ms = 1, .validate_only = only_validate};
    const struct create_partitions_response *response = meta_kit_call(kit, 37, 3, &request);
    assert_non_null(response);
    assert_int_equal(response->results_count, 1);
    return response->results[0].error_code;
}

static int64_t partitions(void)
{
    const struct meta_topic *topic = meta_topic_named(meta_kit_image(kit), slice_of_text("t"));
    return (int64_t)topic->partitions.count;
}

static void partitions_are_added_and_stay(void **state)
{
    (void)state;
    int64_t all = meta_kit_image(kit)->partition_count;
    assert_int_equal(grow(5, true), ERR_NONE);
    assert_int_equal(partitions(), 1);
    assert_int_equal(grow(5, false), ERR_NONE);
    assert_int_equal(grow(5, false), ERR_INVALID_PARTITIONS);
    assert_int_equal(grow(4, false), ERR_INVALID_PARTITIONS);
    assert_int_equal(grow(20000, false), ERR_POLICY_VIOLATION);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(partitions(), 5);
        assert_int_equal(meta_kit_image(kit)->partition_count, all + 4);
        const struct meta_topic *topic = meta_topic_named(meta_kit_image(kit), slice_of_text("t"));
        const struct meta_partition *last = meta_topic_partition(topic, 4);
        assert_non_null(last);
        assert_int_equal(last->leader, 1);
        if (i == 0)
            assert_int_equal(last->leader_epoch, 0);
        assert_int_equal(last->replicas.count, 1);
        assert_int_equal(last->directory_count, 1);
        restart();
    }
}

static void names_given_twice_are_refused_once(void **state)
{
    (void)state;
    struct create_partitions_request_topics topics[] = {
        {.name = SLICE_LIT("t"), .count = 2, .assignments_count = -1},
        {.name = SLICE_LIT("u"), .count = 2, .assignments_count = -1},
        {.name = SLICE_LIT("t"), .count = 3, .assignments_count = -1}};
    struct create_partitions_request request = {
        .topics = topics, .topics_count = 3, .timeout_ms = 1};
    const struct create_partitions_response *response = meta_kit_call(kit, 37, 3, &request);
    assert_non_null(response);
    assert_int_equal(response->results_count, 2);
    assert_int_equal(response->results[0].error_code, ERR_INVALID_REQUEST);
    assert_int_equal(response->results[1].error_code, ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(partitions(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_change_is_there_and_stays, begin, end),
        cmocka_unit_test_setup_teardown(lists_grow_and_shrink, begin, end),
        cmocka_unit_test_setup_teardown(refusals_change_nothing, begin, end),
        cmocka_unit_test_setup_teardown(values_have_a_longest, begin, end),
        cmocka_unit_test_setup_teardown(what_is_not_named_goes, begin, end),
        cmocka_unit_test_setup_teardown(partitions_are_added_and_stay, begin, end),
        cmocka_unit_test_setup_teardown(names_given_twice_are_refused_once, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
