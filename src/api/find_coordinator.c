/* FindCoordinator, versions 0 to 6: this node coordinates every group and transactional id. Share
 * groups are not served, which is told as Kafka tells a key that cannot be one. On the request's
 * shard. */
#include "api/cluster.h"
#include "api/handlers.h"
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

static struct coordinator find(const struct api_request *request, int8_t key_type)
{
    struct coordinator found = {
        .err = ERR_INVALID_REQUEST,
        .endpoint = {.node_id = -1, .host = slice_of_text(""), .port = -1},
        .message = TEXT_INVALID,
    };
    if (key_type != KEY_GROUP && key_type != KEY_TRANSACTION)
        return found;
    struct cluster_endpoint endpoint;
    if (!cluster_alive_endpoint(request, request->here->config->node_id, &endpoint)) {
        found.err = ERR_COORDINATOR_NOT_AVAILABLE;
        found.message = TEXT_UNAVAILABLE;
        return found;
    }
    return (struct coordinator){.err = ERR_NONE, .endpoint = endpoint, .message = "NONE"};
}

static void answer_one(struct api_request *request, const struct coordinator *found)
{
    struct find_coordinator_response response = find_coordinator_response_default;
    response.error_code = (int16_t)found->err;
    response.error_message = slice_of_text(found->message);
    response.node_id = found->endpoint.node_id;
    response.host = found->endpoint.host;
    response.port = found->endpoint.port;
    api_request_answer(request, &response);
}

/* From version 4 on only a key type nobody knows has words. */
static void answer_many(struct api_request *request, const struct coordinator *found)
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
    for (int32_t i = 0; i < count; i++)
        response.coordinators[i] = (struct find_coordinator_response_coordinators){
            .key = message->coordinator_keys[i],
            .node_id = found->endpoint.node_id,
            .host = found->endpoint.host,
            .port = found->endpoint.port,
            .error_code = (int16_t)found->err,
            .error_message = slice_of_text(is_unknown ? found->message : ""),
        };
    response.coordinators_count = count;
    api_request_answer(request, &response);
}

void api_handle_find_coordinator(struct api_request *request)
{
    const struct find_coordinator_request *message = API_MESSAGE(request, find_coordinator_request);
    struct coordinator found = find(request, message->key_type);
    if (request->header.api_version < VERSION_MANY_KEYS)
        answer_one(request, &found);
    else
        answer_many(request, &found);
}
