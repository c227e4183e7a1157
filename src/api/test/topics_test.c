/* CreateTopics and DeleteTopics: what goes to the controller and comes back, and what is said in
 * its stead; FindCoordinator: this node, for whatever is asked. */
#include "api/test/api_kit.h"
#include "base/always.h"
#include "wire/msg/create_topics_request.h"
#include "wire/msg/create_topics_response.h"
#include "wire/msg/delete_topics_request.h"
#include "wire/msg/delete_topics_response.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creation_is_the_controllers),
        cmocka_unit_test(creation_fails),
        cmocka_unit_test(nobody_waits),
        cmocka_unit_test(deletion_is_the_controllers),
        cmocka_unit_test(deletion_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
