/* CreateTopics and DeleteTopics: what goes to the controller and comes back, and what is said in
 * its stead; FindCoordinator: this node, for whatever is asked. */
#include "api/test/api_kit.h"
#include "base/always.h"
#include "wire/msg/create_topics_request.h"
#include "wire/msg/create_topics_response.h"
#include "wire/msg/delete_topics_request.h"
#include "wire/msg/delete_topics_response.h"
#include "wire/msg/find_coordinator_request.h"
#include "wire/msg/find_coordinator_response.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define INVALID_TEXT \
    "This most likely occurs because of a request being malformed by the client library or the " \
    "message was sent to an incompatible broker. See the broker logs for more details."

static void init(struct api_kit *kit, api_kit_call_fn on_call)
{
    api_kit_init(kit, NULL);
    api_kit_add_broker(kit->image,
                       &(struct api_kit_broker){.id = 1, .host = "one.example", .port = 9092});
    kit->on_call = on_call;
}

static void unreachable(struct api_kit *kit, struct shard *controller, struct peer_call *call)
{
    role_now_on_shard();
    (void)kit;
    peer_answer(controller, call, ERR_NOT_CONTROLLER, NULL);
}

/* ---- CreateTopics ---- */

struct creating {
    struct create_topics_request message;
    struct create_topics_request_topics topics[2];
};

static void creating_init(struct creating *creating)
{
    static const char *const names[2] = {"aaa", "bbb"};
    creating->message = create_topics_request_default;
    for (int i = 0; i < 2; i++) {
        creating->topics[i] = create_topics_request_topics_default;
        creating->topics[i].name = slice_of_text(names[i]);
        creating->topics[i].num_partitions = i + 1;
        creating->topics[i].replication_factor = 1;
        creating->topics[i].assignments_count = 0;
        creating->topics[i].configs_count = 0;
    }
    creating->message.topics = creating->topics;
    creating->message.topics_count = 2;
    creating->message.timeout_ms = 1000;
}

/* Answers with what it was asked. */
static void create(struct api_kit *kit, struct shard *controller, struct peer_call *call)
{
    role_now_on_shard();
    (void)kit;
    ALWAYS(call->api_key == API_CREATE_TOPICS, "API %d", call->api_key);
    const struct create_topics_request *asked = call->request;
    struct create_topics_response *response =
        ARENA_NEW(&call->arena, struct create_topics_response);
    *response = create_topics_response_default;
    response->topics = ARENA_ARRAY(&call->arena, struct create_topics_response_topics,
                                   (size_t)asked->topics_count);
    response->topics_count = asked->topics_count;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        response->topics[i] = create_topics_response_topics_default;
        response->topics[i].name = asked->topics[i].name;
        response->topics[i].topic_id = api_kit_id((uint8_t)(call->api_version + 1));
        response->topics[i].num_partitions = asked->topics[i].num_partitions;
        response->topics[i].error_code = i == 1 ? ERR_TOPIC_ALREADY_EXISTS : ERR_NONE;
    }
    peer_answer(controller, call, ERR_NONE, response);
}

static void creation_is_the_controllers(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, create);
    for (int16_t version = 2; version <= 7; version++) {
        struct creating creating;
        creating_init(&creating);
        const struct create_topics_response *response =
            api_kit_ask(&kit, API_CREATE_TOPICS, version, &creating.message);
        assert_int_equal(response->topics_count, 2);
        assert_slice_is(response->topics[0].name, "aaa");
        assert_int_equal(response->topics[0].error_code, ERR_NONE);
        assert_int_equal(response->topics[0].num_partitions, version >= 5 ? 1 : -1);
        assert_true(uuid_equal(response->topics[0].topic_id,
                               version >= 7 ? api_kit_id((uint8_t)(version + 1)) : uuid_zero));
        assert_int_equal(response->topics[1].error_code, ERR_TOPIC_ALREADY_EXISTS);
    }
    assert_int_equal(kit.calls, 6);
    api_kit_fini(&kit);
}

static void creation_fails(void **state)
{
    (void)state;
    static const struct {
        int32_t timeout_ms;
        enum err err;
        int calls;
    } rows[] = {
        {1, ERR_NOT_CONTROLLER, 1}, {0, ERR_REQUEST_TIMED_OUT, 0}, {-1, ERR_REQUEST_TIMED_OUT, 0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct api_kit kit;
        init(&kit, unreachable);
        struct creating creating;
        creating_init(&creating);
        creating.message.timeout_ms = rows[i].timeout_ms;
        const struct create_topics_response *response =
            api_kit_ask(&kit, API_CREATE_TOPICS, 7, &creating.message);
        assert_int_equal(response->topics_count, 2);
        for (int j = 0; j < 2; j++) {
            assert_int_equal(response->topics[j].error_code, rows[i].err);
            assert_true(slice_is_null(response->topics[j].error_message));
            assert_true(slice_equal(response->topics[j].name, creating.topics[j].name));
        }
        assert_int_equal(kit.calls, rows[i].calls);
        api_kit_fini(&kit);
    }
}

/* The connection ends while the controller is at work. */
static void nobody_waits(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, create);
    struct creating creating;
    creating_init(&creating);
    struct api_exchange exchanges[2];
    for (int i = 0; i < 2; i++)
        exchanges[i] = (struct api_exchange){.key = API_CREATE_TOPICS,
                                             .version = 7,
                                             .message = &creating.message,
                                             .abandoned = i == 0};
    api_kit_run(&kit, exchanges, 2);
    assert_false(exchanges[0].answered);
    assert_true(exchanges[1].answered);
    assert_int_equal(kit.calls, 2);
    api_kit_fini(&kit);
}

/* ---- DeleteTopics ---- */

static void delete_nothing_else(struct api_kit *kit, struct shard *controller,
                                struct peer_call *call)
{
    role_now_on_shard();
    (void)kit;
    ALWAYS(call->api_key == API_DELETE_TOPICS, "API %d", call->api_key);
    const struct delete_topics_request *asked = call->request;
    bool by_id = call->api_version >= 6;
    struct delete_topics_response *response =
        ARENA_NEW(&call->arena, struct delete_topics_response);
    *response = delete_topics_response_default;
    response->responses = ARENA_NEW(&call->arena, struct delete_topics_response_responses);
    response->responses_count = 1;
    response->responses[0] = delete_topics_response_responses_default;
    response->responses[0].name = by_id ? asked->topics[0].name : asked->topic_names[0];
    response->responses[0].topic_id = api_kit_id(0xa0);
    peer_answer(controller, call, ERR_NONE, response);
}

static struct delete_topics_request deleting(int16_t version,
                                             struct delete_topics_request_topics *topic,
                                             struct slice *name)
{
    struct delete_topics_request message = delete_topics_request_default;
    *topic = delete_topics_request_topics_default;
    topic->name = slice_of_text("aaa");
    *name = slice_of_text("aaa");
    message.timeout_ms = 1000;
    message.topics = topic;
    message.topics_count = version >= 6 ? 1 : 0;
    message.topic_names = name;
    message.topic_names_count = version >= 6 ? 0 : 1;
    return message;
}

static void deletion_is_the_controllers(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, delete_nothing_else);
    for (int16_t version = 1; version <= 6; version++) {
        struct delete_topics_request_topics topic;
        struct slice name;
        struct delete_topics_request message = deleting(version, &topic, &name);
        const struct delete_topics_response *response =
            api_kit_ask(&kit, API_DELETE_TOPICS, version, &message);
        assert_int_equal(response->responses_count, 1);
        assert_slice_is(response->responses[0].name, "aaa");
        assert_int_equal(response->responses[0].error_code, ERR_NONE);
        assert_true(uuid_equal(response->responses[0].topic_id,
                               version >= 6 ? api_kit_id(0xa0) : uuid_zero));
    }
    assert_int_equal(kit.calls, 6);
    api_kit_fini(&kit);
}

static void deletion_fails(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, unreachable);
    for (int16_t version = 1; version <= 6; version++)
        for (int32_t timeout_ms = -1; timeout_ms <= 1; timeout_ms++) {
            struct delete_topics_request_topics topic;
            struct slice name;
            struct delete_topics_request message = deleting(version, &topic, &name);
            message.timeout_ms = timeout_ms;
            const struct delete_topics_response *response =
                api_kit_ask(&kit, API_DELETE_TOPICS, version, &message);
            assert_int_equal(response->responses_count, 1);
            assert_slice_is(response->responses[0].name, "aaa");
            assert_int_equal(response->responses[0].error_code,
                             timeout_ms > 0 ? ERR_NOT_CONTROLLER : ERR_REQUEST_TIMED_OUT);
        }
    assert_int_equal(kit.calls, 6);
    api_kit_fini(&kit);
}

/* ---- FindCoordinator ---- */

static const struct find_coordinator_response *find(struct api_kit *kit, int16_t version,
                                                    int8_t key_type, struct slice *keys,
                                                    int32_t count)
{
    struct find_coordinator_request message = find_coordinator_request_default;
    if (version < 4)
        message.key = keys[0];
    message.coordinator_keys = keys;
    message.coordinator_keys_count = version < 4 ? 0 : count;
    message.key_type = key_type;
    return api_kit_ask(kit, API_FIND_COORDINATOR, version, &message);
}

static void this_node_coordinates(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    struct slice keys[] = {slice_of_text("g"), slice_of_text(""), slice_of_text("g")};
    for (int16_t version = 0; version <= 6; version++)
        for (int8_t type = 0; type <= (version > 0 ? 1 : 0); type++) {
            const struct find_coordinator_response *response = find(&kit, version, type, keys, 3);
            if (version < 4) {
                assert_int_equal(response->error_code, ERR_NONE);
                assert_int_equal(response->node_id, 1);
                assert_slice_is(response->host, "one.example");
                assert_int_equal(response->port, 9092);
                continue;
            }
            assert_int_equal(response->coordinators_count, 3);
            for (int i = 0; i < 3; i++) {
                assert_true(slice_equal(response->coordinators[i].key, keys[i]));
                assert_int_equal(response->coordinators[i].error_code, ERR_NONE);
                assert_int_equal(response->coordinators[i].node_id, 1);
                assert_slice_is(response->coordinators[i].host, "one.example");
                assert_slice_is(response->coordinators[i].error_message, "");
            }
        }
    api_kit_fini(&kit);
}

static void no_such_kind(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    struct slice key = slice_of_text("x");
    static const int8_t types[] = {-1, 3, INT8_MAX, INT8_MIN};
    for (int16_t version = 1; version <= 6; version++)
        for (size_t i = 0; i < COUNT_OF(types); i++) {
            const struct find_coordinator_response *response =
                find(&kit, version, types[i], &key, 1);
            bool many = version >= 4;
            assert_int_equal(many ? response->coordinators[0].error_code : response->error_code,
                             ERR_INVALID_REQUEST);
            assert_int_equal(many ? response->coordinators[0].node_id : response->node_id, -1);
            assert_int_equal(many ? response->coordinators[0].port : response->port, -1);
            assert_slice_is(many ? response->coordinators[0].error_message
                                 : response->error_message,
                            INVALID_TEXT);
        }
    api_kit_fini(&kit);
}

static void not_alive(void **state)
{
    (void)state;
    struct api_kit kit;
    api_kit_init(&kit, NULL);
    api_kit_add_broker(kit.image, &(struct api_kit_broker){
                                      .id = 1, .host = "one.example", .port = 1, .fenced = true});
    struct slice key = slice_of_text("g");
    assert_int_equal(find(&kit, 0, 0, &key, 1)->error_code, ERR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(find(&kit, 6, 1, &key, 1)->coordinators[0].error_code,
                     ERR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(find(&kit, 6, 1, &key, 0)->coordinators_count, 0);
    api_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creation_is_the_controllers),
        cmocka_unit_test(creation_fails),
        cmocka_unit_test(nobody_waits),
        cmocka_unit_test(deletion_is_the_controllers),
        cmocka_unit_test(deletion_fails),
        cmocka_unit_test(this_node_coordinates),
        cmocka_unit_test(no_such_kind),
        cmocka_unit_test(not_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
