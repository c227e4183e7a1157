/* FindCoordinator, versions 0 to 6: the leader of the partition that the key belongs to, of
 * __consumer_offsets or __transaction_state. The first one asked for makes the topic, and the
 * answer waits for that, so that a fresh node's first group does not. Share groups are not served,
 * which is told as Kafka tells a key that cannot be one. On the request's shard. */
#include "api/cluster.h"
#include "api/handlers.h"
#include "api/topic_creation.h"
#include "coord/set.h"
#include "config/node.h"
#include "wire/msg/find_coordinator_request.h"
#include "wire/msg/find_coordinator_response.h"

enum key_type { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2 };

#define VERSION_MANY_KEYS 4

struct coordinator {
    enum err err;
    struct cluster_endpoint endpoint;
    const char *message; /* Kafka's words, where it has some */
};

/* Kafka's words for what has no better ones. */
#define TEXT_UNAVAILABLE "The coordinator is not available."
#define TEXT_INVALID \
    "This most likely occurs because of a request being malformed by the client library or the " \
    "message was sent to an incompatible broker. See the broker logs for more details."

static bool is_served(int8_t key_type)
{
    return key_type == KEY_GROUP || key_type == KEY_TRANSACTION;
}

static struct slice topic_of(int8_t key_type)
{
    return slice_of_text(coord_topic_name(key_type == KEY_GROUP ? COORD_GROUPS : COORD_TXNS));
}

/* -1: the key's partition has none. */
static int32_t leader_of(const struct meta_image *image, int8_t key_type, struct slice key)
{
    const struct meta_topic *topic = meta_topic_named(image, topic_of(key_type));
    if (topic == NULL || topic->partitions.count == 0)
        return -1;
    int32_t partition = coord_partition_of(key, (int32_t)topic->partitions.count);
    const struct meta_partition *found = meta_topic_partition(topic, partition);
    return found != NULL ? found->leader : -1;
}

static struct coordinator find(const struct api_request *request, int8_t key_type, struct slice key)
{
    struct coordinator found = {
        .err = ERR_INVALID_REQUEST,
        .endpoint = {.node_id = -1, .host = slice_of_text(""), .port = -1},
        .message = TEXT_INVALID,
    };
    if (!is_served(key_type))
        return found;
    struct cluster_endpoint endpoint;
    int32_t leader = leader_of(request->here->image, key_type, key);
    if (leader < 0 || !cluster_alive_endpoint(request, leader, &endpoint)) {
        found.err = ERR_COORDINATOR_NOT_AVAILABLE;
        found.message = TEXT_UNAVAILABLE;
        return found;
    }
    return (struct coordinator){.err = ERR_NONE, .endpoint = endpoint, .message = "NONE"};
}

static void answer_one(struct api_request *request)
{
    const struct find_coordinator_request *message = API_MESSAGE(request, find_coordinator_request);
    struct coordinator found = find(request, message->key_type, message->key);
    struct find_coordinator_response response = find_coordinator_response_default;
    response.error_code = (int16_t)found.err;
    response.error_message = slice_of_text(found.message);
    response.node_id = found.endpoint.node_id;
    response.host = found.endpoint.host;
    response.port = found.endpoint.port;
    api_request_answer(request, &response);
}

/* From version 4 on only a key type nobody knows has words. */
static void answer_many(struct api_request *request)
{
    const struct find_coordinator_request *message = API_MESSAGE(request, find_coordinator_request);
    struct find_coordinator_response response = find_coordinator_response_default;
    bool is_unknown = message->key_type < KEY_GROUP || message->key_type > KEY_SHARE;
    int32_t count = message->coordinator_keys_count > 0 ? message->coordinator_keys_count : 0;
    response.coordinators = ARENA_ARRAY(
        &request->arena, struct find_coordinator_response_coordinators, (size_t)count + 1);
    if (response.coordinators == NULL) {
        api_request_fail(request, "memory for FindCoordinator is out");
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        struct coordinator found = find(request, message->key_type, message->coordinator_keys[i]);
        response.coordinators[i] = (struct find_coordinator_response_coordinators){
            .key = message->coordinator_keys[i],
            .node_id = found.endpoint.node_id,
            .host = found.endpoint.host,
            .port = found.endpoint.port,
            .error_code = (int16_t)found.err,
            .error_message = slice_of_text(is_unknown ? found.message : ""),
        };
    }
    response.coordinators_count = count;
    api_request_answer(request, &response);
}

static void answer(struct api_request *request)
{
    if (request->header.api_version < VERSION_MANY_KEYS)
        answer_one(request);
    else
        answer_many(request);
}

/* true: the topic is being made, and the answer follows. */
static bool makes_topic(struct api_request *request, int8_t key_type)
{
    role_now_on_shard();
    const struct find_coordinator_request *message = API_MESSAGE(request, find_coordinator_request);
    bool names_none =
        request->header.api_version >= VERSION_MANY_KEYS && message->coordinator_keys_count <= 0;
    if (names_none || !is_served(key_type) ||
        meta_topic_named(request->here->image, topic_of(key_type)) != NULL)
        return false;
    struct topic_creation *creation = API_NEW(request, struct topic_creation);
    if (creation == NULL)
        return false;
    topic_creation_init(creation, request, 1);
    topic_creation_add(creation, topic_of(key_type));
    return topic_creation_run(creation, answer);
}

void api_handle_find_coordinator(struct api_request *request)
{
    const struct find_coordinator_request *message = API_MESSAGE(request, find_coordinator_request);
    if (!makes_topic(request, message->key_type))
        answer(request);
}
