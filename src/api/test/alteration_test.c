/* IncrementalAlterConfigs, AlterConfigs and CreatePartitions: what the broker refuses itself, what
 * goes to the controller, and what is said in its stead. */
#include "api/test/api_kit.h"
#include "base/always.h"
#include "config/change.h"
#include "wire/msg/alter_configs_request.h"
#include "wire/msg/alter_configs_response.h"
#include "wire/msg/create_partitions_request.h"
#include "wire/msg/create_partitions_response.h"
#include "wire/msg/incremental_alter_configs_request.h"
#include "wire/msg/incremental_alter_configs_response.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void unreachable(struct api_kit *kit, struct shard *controller, struct peer_call *call)
{
    role_now_on_shard();
    (void)kit;
    peer_answer(controller, call, ERR_NOT_CONTROLLER, NULL);
}

/* Each of topics named "x...", in order: an error with the name as its sentence, others none. */
static void answer_by_name(struct api_kit *kit, struct shard *controller, struct peer_call *call)
{
    role_now_on_shard();
    (void)kit;
    ALWAYS(call->api_key == API_INCREMENTAL_ALTER_CONFIGS, "API %d", call->api_key);
    const struct incremental_alter_configs_request *asked = call->request;
    struct incremental_alter_configs_response *response =
        ARENA_NEW(&call->arena, struct incremental_alter_configs_response);
    *response = incremental_alter_configs_response_default;
    response->responses =
        ARENA_ARRAY(&call->arena, struct incremental_alter_configs_response_responses,
                    (size_t)asked->resources_count);
    response->responses_count = asked->resources_count;
    for (int32_t i = 0; i < asked->resources_count; i++) {
        struct slice name = asked->resources[i].resource_name;
        bool fails = name.data[0] == 'x';
        response->responses[i] = (struct incremental_alter_configs_response_responses){
            .error_code = fails ? ERR_INVALID_CONFIG : ERR_NONE,
            .error_message = fails ? arena_copy(&call->arena, name) : (struct slice){0},
            .resource_type = asked->resources[i].resource_type,
            .resource_name = name};
    }
    peer_answer(controller, call, ERR_NONE, response);
}

#define RESOURCES 7

struct altering {
    struct incremental_alter_configs_request message;
    struct incremental_alter_configs_request_resources resources[RESOURCES];
    struct incremental_alter_configs_request_resources_configs configs[RESOURCES];
};

static void altering_init(struct altering *altering)
{
    static const char *const names[RESOURCES] = {"twice", "a", "xb", "twice", "7", "1", "xc"};
    static const int8_t types[RESOURCES] = {2, 2, 2, 2, 4, 4, 2};
    altering->message = incremental_alter_configs_request_default;
    for (int i = 0; i < RESOURCES; i++) {
        altering->configs[i] = (struct incremental_alter_configs_request_resources_configs){
            .name = slice_of_text(types[i] == 4 ? "log.retention.ms" : "retention.ms"),
            .value = SLICE_LIT("5")};
        altering->resources[i] = (struct incremental_alter_configs_request_resources){
            .resource_type = types[i],
            .resource_name = slice_of_text(names[i]),
            .configs = &altering->configs[i],
            .configs_count = 1};
    }
    altering->message.resources = altering->resources;
    altering->message.resources_count = RESOURCES;
}

static void answers_come_in_the_requests_order(void **state)
{
    (void)state;
    static const struct {
        enum err err;
        const char *text;
    } rows[RESOURCES] = {
        {ERR_INVALID_REQUEST, "Each resource must appear at most once."},
        {ERR_NONE, NULL},
        {ERR_INVALID_CONFIG, "xb"},
        {ERR_INVALID_REQUEST, "Each resource must appear at most once."},
        {ERR_INVALID_REQUEST, "Unexpected broker id, expected 1, but received 7"},
        {ERR_NONE, NULL},
        {ERR_INVALID_CONFIG, "xc"},
    };
    struct api_kit kit;
    api_kit_init(&kit, NULL);
    kit.on_call = answer_by_name;
    for (int16_t version = 0; version <= 1; version++) {
        struct altering altering;
        altering_init(&altering);
        const struct incremental_alter_configs_response *response =
            api_kit_ask(&kit, API_INCREMENTAL_ALTER_CONFIGS, version, &altering.message);
        assert_int_equal(response->responses_count, RESOURCES);
        for (int i = 0; i < RESOURCES; i++) {
            assert_int_equal(response->responses[i].error_code, rows[i].err);
            assert_true(slice_equal(response->responses[i].resource_name,
                                    altering.resources[i].resource_name));
            assert_int_equal(slice_is_null(response->responses[i].error_message),
                             rows[i].text == NULL);
            if (rows[i].text != NULL)
                assert_slice_is(response->responses[i].error_message, rows[i].text);
        }
    }
    assert_int_equal(kit.calls, 2);
    api_kit_fini(&kit);
}

static void without_a_controller_its_part_fails(void **state)
{
    (void)state;
    struct api_kit kit;
    api_kit_init(&kit, NULL);
    kit.on_call = unreachable;
    struct altering altering;
    altering_init(&altering);
    const struct incremental_alter_configs_response *response =
        api_kit_ask(&kit, API_INCREMENTAL_ALTER_CONFIGS, 1, &altering.message);
    assert_int_equal(response->responses[0].error_code, ERR_INVALID_REQUEST);
    assert_int_equal(response->responses[1].error_code, ERR_NOT_CONTROLLER);
    assert_int_equal(response->responses[4].error_code, ERR_INVALID_REQUEST);
    assert_int_equal(response->responses[6].error_code, ERR_NOT_CONTROLLER);
    api_kit_fini(&kit);
}

/* What is wrong with every resource never reaches the controller. */
static void the_older_form_is_checked_too(void **state)
{
    (void)state;
    struct api_kit kit;
    api_kit_init(&kit, NULL);
    kit.on_call = unreachable;
    struct alter_configs_request_resources_configs twice[] = {
        {.name = SLICE_LIT("retention.ms"), .value = SLICE_LIT("1")},
        {.name = SLICE_LIT("retention.ms"), .value = SLICE_LIT("2")}};
    struct alter_configs_request_resources_configs null[] = {{.name = SLICE_LIT("retention.ms")}};
    struct alter_configs_request_resources resources[] = {
        {.resource_type = 2, .resource_name = SLICE_LIT("t"), .configs = twice, .configs_count = 2},
        {.resource_type = 2, .resource_name = SLICE_LIT("u"), .configs = null, .configs_count = 1},
        {.resource_type = 8, .resource_name = SLICE_LIT("1")},
        {.resource_type = 16, .resource_name = SLICE_LIT("m")},
        {.resource_type = 2, .resource_name = SLICE_LIT("v")},
        {.resource_type = 2, .resource_name = SLICE_LIT("v")},
    };
    static const char *const sentences[] = {
        "Error due to duplicate config keys",
        "Null value not supported for : retention.ms",
        "Unknown resource type 8",
        "Unknown resource type 16",
        "Each resource must appear at most once.",
        "Each resource must appear at most once.",
    };
    struct alter_configs_request message = {.resources = resources, .resources_count = 6};
    for (int16_t version = 0; version <= 2; version++) {
        const struct alter_configs_response *response =
            api_kit_ask(&kit, API_ALTER_CONFIGS, version, &message);
        assert_int_equal(response->responses_count, 6);
        for (int i = 0; i < 6; i++) {
            assert_int_equal(response->responses[i].error_code, ERR_INVALID_REQUEST);
            assert_slice_is(response->responses[i].error_message, sentences[i]);
        }
    }
    assert_int_equal(kit.calls, 0);
    api_kit_fini(&kit);
}

static void partitions_are_the_controllers(void **state)
{
    (void)state;
    static const struct {
        int32_t timeout_ms;
        enum err err;
        int calls;
    } rows[] = {{1, ERR_NOT_CONTROLLER, 1}, {0, ERR_REQUEST_TIMED_OUT, 0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct api_kit kit;
        api_kit_init(&kit, NULL);
        kit.on_call = unreachable;
        struct create_partitions_request_topics topic = {
            .name = SLICE_LIT("t"), .count = 3, .assignments_count = -1};
        struct create_partitions_request message = {
            .topics = &topic, .topics_count = 1, .timeout_ms = rows[i].timeout_ms};
        const struct create_partitions_response *response =
            api_kit_ask(&kit, API_CREATE_PARTITIONS, 3, &message);
        assert_int_equal(response->results_count, 1);
        assert_slice_is(response->results[0].name, "t");
        assert_int_equal(response->results[0].error_code, rows[i].err);
        assert_true(slice_is_null(response->results[0].error_message));
        assert_int_equal(kit.calls, rows[i].calls);
        api_kit_fini(&kit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_in_the_requests_order),
        cmocka_unit_test(without_a_controller_its_part_fails),
        cmocka_unit_test(the_older_form_is_checked_too),
        cmocka_unit_test(partitions_are_the_controllers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
