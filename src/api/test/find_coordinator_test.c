/* FindCoordinator: who coordinates, and the topic that the first question makes. Expected values
 * are Apache Kafka 4.4.0's, but for share groups, which are not served. */
#include "api/test/api_kit.h"
#include "base/always.h"
#include "wire/msg/create_topics_request.h"
#include "wire/msg/create_topics_response.h"
#include "wire/msg/find_coordinator_request.h"
#include "wire/msg/find_coordinator_response.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MALFORMED \
    "This most likely occurs because of a request being malformed by the client library or the " \
    "message was sent to an incompatible broker. See the broker logs for more details."

static void add_brokers(struct api_kit *kit)
{
    api_kit_init(kit, NULL);
    api_kit_add_broker(kit->image,
                       &(struct api_kit_broker){.id = 1, .host = "one.example", .port = 9092});
}

/* With both internal topics, of which the node leads every partition. */
static void init(struct api_kit *kit)
{
    add_brokers(kit);
    api_kit_add_topic(kit->image,
                      &(struct api_kit_topic){
                          .name = "__consumer_offsets", .id = 1, .partitions = 50, .leader = 1});
    api_kit_add_topic(kit->image,
                      &(struct api_kit_topic){
                          .name = "__transaction_state", .id = 2, .partitions = 50, .leader = 1});
}

static const struct find_coordinator_response *find_one(struct api_kit *kit, int16_t version,
                                                        int8_t type)
{
    struct find_coordinator_request message = find_coordinator_request_default;
    message.key = slice_of_text("g1");
    message.key_type = type;
    return api_kit_ask(kit, API_FIND_COORDINATOR, version, &message);
}

static const struct find_coordinator_response *find_two(struct api_kit *kit, int16_t version,
                                                        int8_t type)
{
    struct slice keys[] = {slice_of_text("a"), slice_of_text("")};
    struct find_coordinator_request message = find_coordinator_request_default;
    message.coordinator_keys = keys;
    message.coordinator_keys_count = 2;
    message.key_type = type;
    return api_kit_ask(kit, API_FIND_COORDINATOR, version, &message);
}

static void this_node_coordinates(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    for (int16_t version = 0; version <= 3; version++) {
        for (int8_t type = 0; type <= (version > 0 ? 1 : 0); type++) {
            const struct find_coordinator_response *response = find_one(&kit, version, type);
            assert_int_equal(response->error_code, ERR_NONE);
            if (version > 0)
                assert_slice_is(response->error_message, "NONE");
            assert_int_equal(response->node_id, 1);
            assert_slice_is(response->host, "one.example");
            assert_int_equal(response->port, 9092);
        }
    }
    for (int16_t version = 4; version <= 6; version++) {
        for (int8_t type = 0; type <= 1; type++) {
            const struct find_coordinator_response *response = find_two(&kit, version, type);
            assert_int_equal(response->coordinators_count, 2);
            assert_slice_is(response->coordinators[0].key, "a");
            assert_slice_is(response->coordinators[1].key, "");
            assert_int_equal(response->coordinators[1].error_code, ERR_NONE);
            assert_slice_is(response->coordinators[1].error_message, "");
            assert_int_equal(response->coordinators[1].node_id, 1);
            assert_slice_is(response->coordinators[1].host, "one.example");
            assert_int_equal(response->coordinators[1].port, 9092);
        }
    }
    api_kit_fini(&kit);
}

static void no_keys(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    const struct find_coordinator_response *response =
        api_kit_ask(&kit, API_FIND_COORDINATOR, 4, &find_coordinator_request_default);
    assert_int_equal(response->coordinators_count, 0);
    assert_int_equal(response->error_code, ERR_NONE);
    api_kit_fini(&kit);
}

static void types_that_nobody_coordinates(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    static const int8_t types[] = {-1, 2, 3, 127};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        const struct find_coordinator_response *response = find_one(&kit, 3, types[i]);
        assert_int_equal(response->error_code, ERR_INVALID_REQUEST);
        assert_slice_is(response->error_message, MALFORMED);
        assert_int_equal(response->node_id, -1);
        assert_slice_is(response->host, "");
        assert_int_equal(response->port, -1);
        response = find_two(&kit, 6, types[i]);
        assert_int_equal(response->coordinators_count, 2);
        assert_int_equal(response->coordinators[0].error_code, ERR_INVALID_REQUEST);
        assert_slice_is(response->coordinators[0].error_message, types[i] == 2 ? "" : MALFORMED);
        assert_int_equal(response->coordinators[0].node_id, -1);
        assert_int_equal(response->coordinators[0].port, -1);
    }
    api_kit_fini(&kit);
}

/* Before the node is unfenced, and by a listener where it cannot be reached. */
static void out_of_reach(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    kit.listener.name = "ELSEWHERE";
    const struct find_coordinator_response *response = find_one(&kit, 1, 0);
    assert_int_equal(response->error_code, ERR_COORDINATOR_NOT_AVAILABLE);
    assert_slice_is(response->error_message, "The coordinator is not available.");
    assert_int_equal(response->node_id, -1);
    kit.listener.name = "PLAINTEXT";
    api_kit_add_broker(kit.image,
                       &(struct api_kit_broker){.id = 1, .host = "one", .port = 1, .fenced = true});
    response = find_two(&kit, 4, 0);
    assert_int_equal(response->coordinators[1].error_code, ERR_COORDINATOR_NOT_AVAILABLE);
    api_kit_fini(&kit);
}

/* ---- the first question ---- */

static struct create_topics_response *created(struct peer_call *call, enum err err)
{
    const struct create_topics_request *asked = call->request;
    ALWAYS(call->api_key == API_CREATE_TOPICS && asked->topics_count == 1, "one topic is made");
    struct create_topics_response *response =
        ARENA_NEW(&call->arena, struct create_topics_response);
    *response = create_topics_response_default;
    response->topics = ARENA_NEW(&call->arena, struct create_topics_response_topics);
    response->topics_count = 1;
    response->topics[0] = create_topics_response_topics_default;
    response->topics[0].name = asked->topics[0].name;
    response->topics[0].error_code = (int16_t)err;
    return response;
}

static void make_topic(struct api_kit *kit, struct shard *controller, struct peer_call *call)
{
    role_now_on_shard();
    const struct create_topics_request *asked = call->request;
    ALWAYS(asked->topics[0].num_partitions == 50, "as many partitions as are configured");
    struct meta_image *next = meta_image_begin(kit->image);
    api_kit_add_topic(next,
                      &(struct api_kit_topic){
                          .name = "__transaction_state", .id = 2, .partitions = 50, .leader = 1});
    api_kit_publish(kit, controller, next);
    peer_answer(controller, call, ERR_NONE, created(call, ERR_NONE));
}

static void the_first_question_makes_the_topic(void **state)
{
    (void)state;
    struct api_kit kit;
    add_brokers(&kit);
    kit.on_call = make_topic;
    const struct find_coordinator_response *response = find_one(&kit, 1, 1);
    assert_int_equal(response->error_code, ERR_NONE);
    assert_int_equal(response->node_id, 1);
    assert_int_equal(kit.calls, 1);
    api_kit_fini(&kit);
}

static void refuse_topic(struct api_kit *kit, struct shard *controller, struct peer_call *call)
{
    role_now_on_shard();
    (void)kit;
    peer_answer(controller, call, ERR_NONE, created(call, ERR_INVALID_REPLICATION_FACTOR));
}

/* As long as there are fewer brokers than replicas. */
static void a_topic_that_cannot_be_made(void **state)
{
    (void)state;
    struct api_kit kit;
    add_brokers(&kit);
    kit.on_call = refuse_topic;
    assert_int_equal(find_one(&kit, 1, 0)->error_code, ERR_COORDINATOR_NOT_AVAILABLE);
    const struct find_coordinator_response *response = find_two(&kit, 6, 1);
    assert_int_equal(response->coordinators[1].error_code, ERR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(kit.calls, 2);
    api_kit_fini(&kit);
}

static void nobody_asked_for_makes_no_topic(void **state)
{
    (void)state;
    struct api_kit kit;
    add_brokers(&kit);
    const struct find_coordinator_response *response =
        api_kit_ask(&kit, API_FIND_COORDINATOR, 6, &find_coordinator_request_default);
    assert_int_equal(response->coordinators_count, 0);
    assert_int_equal(kit.calls, 0);
    api_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_node_coordinates),
        cmocka_unit_test(no_keys),
        cmocka_unit_test(types_that_nobody_coordinates),
        cmocka_unit_test(out_of_reach),
        cmocka_unit_test(the_first_question_makes_the_topic),
        cmocka_unit_test(a_topic_that_cannot_be_made),
        cmocka_unit_test(nobody_asked_for_makes_no_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
