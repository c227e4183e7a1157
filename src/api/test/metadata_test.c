/* Metadata: brokers, topics and leaders in each version, by name and by id, errors, and topics
 * that come into being by being asked for. Expected values are Apache Kafka 4.4.0's. */
#include "api/test/api_kit.h"
#include "base/always.h"
#include "wire/msg/create_topics_request.h"
#include "wire/msg/create_topics_response.h"
#include "wire/msg/metadata_request.h"
#include "wire/msg/metadata_response.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOT_ASKED INT32_MIN
#define TOPIC_OPERATIONS 3576
#define CLUSTER_OPERATIONS 8096

static void add_usual(struct meta_image *image)
{
    api_kit_add_broker(image, &(struct api_kit_broker){
                                  .id = 1, .host = "one.example", .port = 9092, .rack = "r1"});
    api_kit_add_topic(image, &(struct api_kit_topic){"bbb", 0xb0, 1, 1});
    api_kit_add_topic(image, &(struct api_kit_topic){"aaa", 0xa0, 3, 1});
    api_kit_add_topic(image, &(struct api_kit_topic){"__consumer_offsets", 0xc0, 1, 1});
}

static void init(struct api_kit *kit, const char *const *settings)
{
    api_kit_init(kit, settings);
    add_usual(kit->image);
}

static const struct metadata_response *ask(struct api_kit *kit, int16_t version,
                                           const struct metadata_request *message)
{
    return api_kit_ask(kit, API_METADATA, version, message);
}

static struct metadata_request all_of(int16_t version)
{
    struct metadata_request message = metadata_request_default;
    message.topics_count = version == 0 ? 0 : -1;
    message.allow_auto_topic_creation = true;
    return message;
}

static struct metadata_request_topics named(const char *name)
{
    return (struct metadata_request_topics){.name = slice_of_text(name)};
}

static struct metadata_request_topics identified(uint8_t id)
{
    return (struct metadata_request_topics){.topic_id = api_kit_id(id)};
}

static struct metadata_request request_of(struct metadata_request_topics *topics, int32_t count)
{
    struct metadata_request message = metadata_request_default;
    message.topics = topics;
    message.topics_count = count;
    message.allow_auto_topic_creation = false;
    return message;
}

static const struct metadata_response_topics *topic_of(const struct metadata_response *response,
                                                       const char *name)
{
    static const struct metadata_response_topics none;
    for (int32_t i = 0; i < response->topics_count; i++)
        if (slice_is(response->topics[i].name, name))
            return &response->topics[i];
    fail_msg("no topic %s", name);
    return &none;
}

/* ---- everything ---- */

static void check_brokers(const struct metadata_response *response, int16_t version)
{
    assert_int_equal(response->brokers_count, 1);
    assert_int_equal(response->brokers[0].node_id, 1);
    assert_slice_is(response->brokers[0].host, "one.example");
    assert_int_equal(response->brokers[0].port, 9092);
    assert_true(slice_is(response->brokers[0].rack, "r1") == (version >= 1));
    assert_int_equal(response->controller_id, version >= 1 ? 1 : -1);
    assert_true(slice_is(response->cluster_id, API_KIT_CLUSTER) == (version >= 2));
}

static void check_aaa(const struct metadata_response *response, int16_t version)
{
    const struct metadata_response_topics *topic = topic_of(response, "aaa");
    assert_int_equal(topic->error_code, ERR_NONE);
    assert_false(topic->is_internal);
    assert_int_equal(topic->topic_authorized_operations, NOT_ASKED);
    assert_true(uuid_equal(topic->topic_id, version >= 10 ? api_kit_id(0xa0) : uuid_zero));
    assert_int_equal(topic->partitions_count, 3);
    for (int32_t i = 0; i < 3; i++) {
        const struct metadata_response_topics_partitions *partition = &topic->partitions[i];
        assert_int_equal(partition->error_code, ERR_NONE);
        assert_int_equal(partition->partition_index, i);
        assert_int_equal(partition->leader_id, 1);
        assert_int_equal(partition->leader_epoch, version >= 7 ? 3 : -1);
        assert_int_equal(partition->replica_nodes_count, 1);
        assert_int_equal(partition->replica_nodes[0], 1);
        assert_int_equal(partition->isr_nodes_count, 1);
        assert_int_equal(partition->offline_replicas_count, 0);
    }
}

static void all_topics_in_every_version(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    for (int16_t version = 0; version <= 13; version++) {
        struct metadata_request message = all_of(version);
        const struct metadata_response *response = ask(&kit, version, &message);
        check_brokers(response, version);
        assert_int_equal(response->topics_count, 3);
        check_aaa(response, version);
        assert_true(topic_of(response, "__consumer_offsets")->is_internal == (version >= 1));
        assert_int_equal(response->cluster_authorized_operations, NOT_ASKED);
        assert_int_equal(response->error_code, ERR_NONE);
    }
    assert_int_equal(kit.calls, 0);
    api_kit_fini(&kit);
}

static void no_topics_are_none(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    struct metadata_request message = request_of(NULL, 0);
    message.allow_auto_topic_creation = true;
    const struct metadata_response *response = ask(&kit, 1, &message);
    assert_int_equal(response->topics_count, 0);
    assert_int_equal(response->brokers_count, 1);
    api_kit_fini(&kit);
}

static void operations_when_asked(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    struct metadata_request_topics topics[] = {named("aaa"), named("zzz")};
    struct metadata_request message = request_of(topics, 2);
    message.include_cluster_authorized_operations = true;
    message.include_topic_authorized_operations = true;
    const struct metadata_response *response = ask(&kit, 8, &message);
    assert_int_equal(response->cluster_authorized_operations, CLUSTER_OPERATIONS);
    assert_int_equal(topic_of(response, "aaa")->topic_authorized_operations, TOPIC_OPERATIONS);
    assert_int_equal(topic_of(response, "zzz")->topic_authorized_operations, TOPIC_OPERATIONS);
    api_kit_fini(&kit);
}

/* ---- names and ids ---- */

static void unknown_and_invalid_names(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    char longest[251];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct metadata_request_topics topics[] = {named("aaa"), named("zzz"), named("aaa"),
                                               named("a b"), named(""),    named("."),
                                               named(".."),  named("a/b"), named(longest)};
    struct metadata_request message = request_of(topics, COUNT_OF(topics));
    const struct metadata_response *response = ask(&kit, 13, &message);
    assert_int_equal(response->topics_count, COUNT_OF(topics) - 1);
    assert_int_equal(topic_of(response, "aaa")->error_code, ERR_NONE);
    assert_int_equal(topic_of(response, "zzz")->error_code, ERR_UNKNOWN_TOPIC_OR_PARTITION);
    static const char *const invalid[] = {"a b", "", ".", "..", "a/b"};
    for (size_t i = 0; i < COUNT_OF(invalid); i++)
        assert_int_equal(topic_of(response, invalid[i])->error_code, ERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(topic_of(response, longest)->error_code, ERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(response->error_code, ERR_NONE);
    api_kit_fini(&kit);
}

static void by_id(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    struct metadata_request_topics topics[] = {identified(0xa0), identified(0x77), identified(0xa0),
                                               identified(0x77), named("bbb")};
    struct metadata_request message = request_of(topics, COUNT_OF(topics));
    message.include_topic_authorized_operations = true;
    const struct metadata_response *response = ask(&kit, 12, &message);
    assert_int_equal(response->topics_count, 2); /* the name counts for nothing beside ids */
    const struct metadata_response_topics *unknown = &response->topics[0];
    assert_int_equal(unknown->error_code, ERR_UNKNOWN_TOPIC_ID);
    assert_true(slice_is_null(unknown->name));
    assert_true(uuid_equal(unknown->topic_id, api_kit_id(0x77)));
    assert_int_equal(unknown->topic_authorized_operations, NOT_ASKED);
    assert_slice_is(response->topics[1].name, "aaa");
    assert_int_equal(response->topics[1].partitions_count, 3);
    assert_int_equal(response->topics[1].topic_authorized_operations, TOPIC_OPERATIONS);
    api_kit_fini(&kit);
}

/* Versions 10 and 11 carry ids that they may not use. */
static void ids_before_their_time(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    struct metadata_request_topics topics[] = {identified(0xa0)};
    topics[0].name = slice_of_text("aaa");
    for (int16_t version = 10; version <= 11; version++) {
        struct metadata_request message = request_of(topics, 1);
        const struct metadata_response *response = ask(&kit, version, &message);
        assert_int_equal(response->brokers_count, 0);
        assert_int_equal(response->controller_id, -1);
        assert_true(slice_is_null(response->cluster_id));
        assert_int_equal(response->topics_count, 1);
        assert_int_equal(response->topics[0].error_code, ERR_INVALID_REQUEST);
        assert_slice_is(response->topics[0].name, "aaa");
        assert_true(uuid_equal(response->topics[0].topic_id, api_kit_id(0xa0)));
    }
    api_kit_fini(&kit);
}

static void neither_name_nor_id(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    struct metadata_request_topics topics[] = {named("aaa"), {.name = {0}}};
    for (int16_t version = 12; version <= 13; version++) {
        struct metadata_request message = request_of(topics, 2);
        const struct metadata_response *response = ask(&kit, version, &message);
        assert_int_equal(response->topics_count, 2);
        assert_int_equal(response->topics[0].error_code, ERR_INVALID_REQUEST);
        assert_int_equal(response->topics[1].error_code, ERR_INVALID_REQUEST);
        assert_int_equal(response->error_code, version >= 13 ? ERR_INVALID_REQUEST : ERR_NONE);
    }
    api_kit_fini(&kit);
}

/* ---- brokers that are not there ---- */

static void no_leader(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    api_kit_add_topic(kit.image, &(struct api_kit_topic){"none", 0x11, 1, -1});
    api_kit_add_topic(kit.image, &(struct api_kit_topic){"gone", 0x12, 1, 9});
    struct metadata_request_topics topics[] = {named("none"), named("gone")};
    struct metadata_request message = request_of(topics, 2);
    const struct metadata_response *response = ask(&kit, 12, &message);
    const struct metadata_response_topics_partitions *none = topic_of(response, "none")->partitions;
    assert_int_equal(none->error_code, ERR_LEADER_NOT_AVAILABLE);
    assert_int_equal(none->leader_id, -1);
    assert_int_equal(none->leader_epoch, 3);
    assert_int_equal(none->offline_replicas_count, 0);
    const struct metadata_response_topics_partitions *gone = topic_of(response, "gone")->partitions;
    assert_int_equal(gone->error_code, ERR_LEADER_NOT_AVAILABLE);
    assert_int_equal(gone->leader_id, -1);
    assert_int_equal(gone->replica_nodes_count, 1);
    assert_int_equal(gone->replica_nodes[0], 9);
    assert_int_equal(gone->offline_replicas_count, 1);
    assert_int_equal(gone->offline_replicas[0], 9);
    message.allow_auto_topic_creation = true;
    response = ask(&kit, 0, &message); /* knows no unreachable replicas */
    assert_int_equal(topic_of(response, "gone")->partitions->replica_nodes_count, 0);
    assert_int_equal(topic_of(response, "gone")->partitions->isr_nodes_count, 0);
    api_kit_fini(&kit);
}

static void another_listener(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    api_kit_add_broker(kit.image, &(struct api_kit_broker){
                                      .id = 2, .host = "two", .port = 1, .listener = "INTERNAL"});
    api_kit_add_topic(kit.image, &(struct api_kit_topic){"apart", 0x11, 1, 2});
    struct metadata_request_topics topics[] = {named("apart")};
    struct metadata_request message = request_of(topics, 1);
    static const enum err expected[] = {[5] = ERR_LEADER_NOT_AVAILABLE, ERR_LISTENER_NOT_FOUND};
    for (int16_t version = 5; version <= 6; version++) {
        const struct metadata_response *response = ask(&kit, version, &message);
        assert_int_equal(response->brokers_count, 1);
        assert_int_equal(topic_of(response, "apart")->partitions->error_code, expected[version]);
        assert_int_equal(topic_of(response, "apart")->partitions->leader_id, -1);
    }
    kit.listener.name = "INTERNAL";
    const struct metadata_response *response = ask(&kit, 6, &message);
    assert_int_equal(response->brokers_count, 1);
    assert_int_equal(response->brokers[0].node_id, 2);
    assert_slice_is(response->brokers[0].host, "two");
    assert_int_equal(topic_of(response, "apart")->partitions->error_code, ERR_NONE);
    api_kit_fini(&kit);
}

/* A fenced broker is not among the brokers; what it leads is still said to be its. */
static void fenced(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    api_kit_add_broker(
        kit.image, &(struct api_kit_broker){.id = 1, .host = "one", .port = 9092, .fenced = true});
    struct metadata_request message = all_of(9);
    const struct metadata_response *response = ask(&kit, 9, &message);
    assert_int_equal(response->brokers_count, 0);
    assert_int_equal(response->controller_id, -1);
    const struct metadata_response_topics_partitions *partition =
        topic_of(response, "bbb")->partitions;
    assert_int_equal(partition->error_code, ERR_NONE);
    assert_int_equal(partition->leader_id, 1);
    assert_int_equal(partition->offline_replicas_count, 1);
    api_kit_add_broker(kit.image, &(struct api_kit_broker){.id = 4, .host = "four", .port = 4});
    response = ask(&kit, 9, &message);
    assert_int_equal(response->brokers_count, 1);
    assert_int_equal(response->controller_id, 4);
    api_kit_fini(&kit);
}

/* ---- topics that come into being ---- */

static struct create_topics_request seen;
static struct create_topics_request_topics seen_topics[4];

/* Remembers the call and makes what it asks for. */
static void create(struct api_kit *kit, struct shard *controller, struct peer_call *call)
{
    role_now_on_shard();
    ALWAYS(call->api_key == API_CREATE_TOPICS, "API %d", call->api_key);
    const struct create_topics_request *request = call->request;
    struct meta_image *image = meta_image_begin(kit->image);
    ALWAYS(image != NULL && request->topics_count <= (int32_t)COUNT_OF(seen_topics), "too much");
    seen = *request;
    for (int32_t i = 0; i < request->topics_count; i++) {
        char name[64] = {0};
        seen_topics[i] = request->topics[i];
        ALWAYS(request->topics[i].name.size < sizeof name, "a long name");
        memcpy(name, request->topics[i].name.data, request->topics[i].name.size);
        api_kit_add_topic(image, &(struct api_kit_topic){name, (uint8_t)(1 + i), 1, 1});
    }
    api_kit_publish(kit, controller, image);
    struct create_topics_response *response =
        ARENA_NEW(&call->arena, struct create_topics_response);
    *response = create_topics_response_default;
    peer_answer(controller, call, ERR_NONE, response);
}

static void refuse(struct api_kit *kit, struct shard *controller, struct peer_call *call)
{
    (void)kit;
    role_now_on_shard();
    peer_answer(controller, call, ERR_NOT_CONTROLLER, NULL);
}

static void created_when_asked_for(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    kit.on_call = create;
    struct metadata_request_topics topics[] = {named("new"), named("aaa"), named("a b"),
                                               named("new")};
    struct metadata_request message = request_of(topics, COUNT_OF(topics));
    message.allow_auto_topic_creation = true;
    const struct metadata_response *response = ask(&kit, 12, &message);
    assert_int_equal(kit.calls, 1);
    assert_int_equal(seen.topics_count, 1);
    assert_false(seen.validate_only);
    assert_int_equal(seen_topics[0].num_partitions, -1);
    assert_int_equal(seen_topics[0].replication_factor, -1);
    assert_int_equal(seen_topics[0].configs_count, 0);
    assert_int_equal(seen_topics[0].assignments_count, 0);
    assert_int_equal(response->topics_count, 3);
    assert_int_equal(topic_of(response, "new")->error_code, ERR_NONE);
    assert_int_equal(topic_of(response, "new")->partitions_count, 1);
    assert_int_equal(topic_of(response, "a b")->error_code, ERR_INVALID_TOPIC_EXCEPTION);
    response = ask(&kit, 12, &message);
    assert_int_equal(kit.calls, 1);
    assert_int_equal(response->topics_count, 3);
    api_kit_fini(&kit);
}

static void old_versions_always_create(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    kit.on_call = create;
    struct metadata_request_topics topics[] = {named("new")};
    struct metadata_request message = request_of(topics, 1);
    message.allow_auto_topic_creation = true; /* the only value that version 3 can say */
    const struct metadata_response *response = ask(&kit, 3, &message);
    assert_int_equal(topic_of(response, "new")->error_code, ERR_NONE);
    assert_int_equal(kit.calls, 1);
    api_kit_fini(&kit);
}

static void internal_topics_have_their_own_settings(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, API_KIT_SETTINGS("transaction.state.log.num.partitions=7",
                                "transaction.state.log.replication.factor=1",
                                "transaction.state.log.min.isr=1"));
    kit.on_call = create;
    struct metadata_request_topics topics[] = {named("__transaction_state")};
    struct metadata_request message = request_of(topics, 1);
    message.allow_auto_topic_creation = true;
    const struct metadata_response *response = ask(&kit, 12, &message);
    assert_true(topic_of(response, "__transaction_state")->is_internal);
    assert_int_equal(seen_topics[0].num_partitions, 7);
    assert_int_equal(seen_topics[0].replication_factor, 1);
    assert_int_equal(seen_topics[0].configs_count, 5);
    api_kit_fini(&kit);
}

static void not_created(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    kit.on_call = refuse;
    struct metadata_request_topics topics[] = {named("new")};
    struct metadata_request message = request_of(topics, 1);
    const struct metadata_response *response = ask(&kit, 12, &message);
    assert_int_equal(kit.calls, 0); /* not allowed by the client */
    assert_int_equal(topic_of(response, "new")->error_code, ERR_UNKNOWN_TOPIC_OR_PARTITION);
    message.allow_auto_topic_creation = true;
    response = ask(&kit, 12, &message);
    assert_int_equal(kit.calls, 1); /* the controller cannot */
    assert_int_equal(topic_of(response, "new")->error_code, ERR_UNKNOWN_TOPIC_OR_PARTITION);
    api_kit_fini(&kit);

    init(&kit, API_KIT_SETTINGS("auto.create.topics.enable=false"));
    response = ask(&kit, 12, &message);
    assert_int_equal(kit.calls, 0); /* not allowed by the node */
    assert_int_equal(topic_of(response, "new")->error_code, ERR_UNKNOWN_TOPIC_OR_PARTITION);
    api_kit_fini(&kit);
}

/* The connection ends while the controller is at work: nobody is told. */
static void client_gone(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit, NULL);
    kit.on_call = refuse;
    struct metadata_request_topics topics[] = {named("new")};
    struct metadata_request message = request_of(topics, 1);
    message.allow_auto_topic_creation = true;
    struct metadata_request_topics later[] = {named("newer")};
    struct metadata_request second = request_of(later, 1);
    second.allow_auto_topic_creation = true;
    struct api_exchange exchanges[] = {
        {.key = API_METADATA, .version = 12, .message = &message, .abandoned = true},
        {.key = API_METADATA, .version = 12, .message = &second},
    };
    api_kit_run(&kit, exchanges, 2);
    assert_false(exchanges[0].answered);
    assert_true(exchanges[1].answered);
    assert_int_equal(kit.calls, 2);
    assert_int_equal(kit.here.request_pool_count, 2);
    api_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_topics_in_every_version),
        cmocka_unit_test(no_topics_are_none),
        cmocka_unit_test(operations_when_asked),
        cmocka_unit_test(unknown_and_invalid_names),
        cmocka_unit_test(by_id),
        cmocka_unit_test(ids_before_their_time),
        cmocka_unit_test(neither_name_nor_id),
        cmocka_unit_test(no_leader),
        cmocka_unit_test(another_listener),
        cmocka_unit_test(fenced),
        cmocka_unit_test(created_when_asked_for),
        cmocka_unit_test(old_versions_always_create),
        cmocka_unit_test(internal_topics_have_their_own_settings),
        cmocka_unit_test(not_created),
        cmocka_unit_test(client_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
