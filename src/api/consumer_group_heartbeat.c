/* ConsumerGroupHeartbeat, versions 0 and 1: what a request lacks is told here, the rest is the
 * coordinator's of the group. On the request's shard. */
#include "api/consumer_protocol.h"
#include "api/coordination.h"
#include "api/handlers.h"
#include "config/node.h"
#include "config/value.h"
#include "group/groups.h"
#include "wire/msg/consumer_group_heartbeat_request.h"
#include "wire/msg/consumer_group_heartbeat_response.h"

#define VERSION_OWN_MEMBER_IDS 1 /* members choose their ids */
#define EPOCH_LEAVES (-1)
#define EPOCH_LEAVES_STATIC (-2)

static void answer_error(struct api_request *request, enum err err, const char *message)
{
    struct consumer_group_heartbeat_response response = consumer_group_heartbeat_response_default;
    response.error_code = (int16_t)err;
    response.error_message = slice_of_text(message);
    api_request_answer(request, &response);
}

static void on_answer(struct api_request *request, struct coord_call *call)
{
    if (call->err != ERR_NONE)
        answer_error(request, call->err, err_text(call->err));
    else
        api_request_answer(request, call->response);
}

/* There, but blank. */
static bool is_blank(struct slice text)
{
    return !slice_is_null(text) && config_trim(text).size == 0;
}

static const char *blank_fault(const struct consumer_group_heartbeat_request *message,
                               int16_t version)
{
    bool needs_member = version >= VERSION_OWN_MEMBER_IDS || message->member_epoch > 0 ||
                        message->member_epoch == EPOCH_LEAVES;
    if (needs_member && is_blank(message->member_id))
        return "MemberId can't be empty.";
    if (is_blank(message->group_id))
        return "GroupId can't be empty.";
    if (is_blank(message->instance_id))
        return "InstanceId can't be empty.";
    return is_blank(message->rack_id) ? "RackId can't be empty." : NULL;
}

static const char *joining_fault(const struct consumer_group_heartbeat_request *message)
{
    if (message->rebalance_timeout_ms == -1)
        return "RebalanceTimeoutMs must be provided in first request.";
    if (message->topic_partitions_count != 0)
        return "TopicPartitions must be empty when (re-)joining.";
    bool subscribes = message->subscribed_topic_names_count >= 0 ||
                      !slice_is_null(message->subscribed_topic_regex);
    return subscribes ? NULL
                      : "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when "
                        "(re-)joining.";
}

static const char *epoch_fault(const struct consumer_group_heartbeat_request *message)
{
    if (message->member_epoch == 0)
        return joining_fault(message);
    if (message->member_epoch == EPOCH_LEAVES_STATIC && slice_is_null(message->instance_id))
        return "InstanceId can't be null.";
    return message->member_epoch < EPOCH_LEAVES_STATIC ? "MemberEpoch is invalid." : NULL;
}

/* NULL: it is one of those that are configured. */
static const char *assignor_fault(struct api_request *request, struct slice name)
{
    struct slice rest = slice_of_text(request->here->config->group_consumer_assignors);
    struct slice known;
    struct text list;
    text_init(&list, 4096);
    bool found = slice_is_null(name);
    while (!found && config_list_next(&rest, &known)) {
        found = slice_equal(known, name);
        text_printf(&list, "%s%.*s", list.size > 0 ? ", " : "", SLICE_ARG(known));
    }
    const char *fault =
        found ? NULL
              : arena_printf(&request->arena,
                             "ServerAssignor %.*s is not supported. Supported assignors: %.*s.",
                             SLICE_ARG(name), SLICE_ARG(text_slice(&list)));
    text_fini(&list);
    return fault;
}

void api_handle_consumer_group_heartbeat(struct api_request *request)
{
    role_now_on_shard();
    const struct consumer_group_heartbeat_request *message =
        API_MESSAGE(request, consumer_group_heartbeat_request);
    if (!consumer_protocol_is_served(request)) {
        answer_error(request, ERR_UNSUPPORTED_VERSION, err_text(ERR_UNSUPPORTED_VERSION));
        return;
    }
    const char *fault = blank_fault(message, request->header.api_version);
    if (fault == NULL)
        fault = epoch_fault(message);
    if (fault != NULL) {
        answer_error(request, ERR_INVALID_REQUEST, fault);
        return;
    }
    fault = assignor_fault(request, message->server_assignor);
    if (fault != NULL)
        answer_error(request, ERR_UNSUPPORTED_ASSIGNOR, fault);
    else
        coordinate(request, COORD_GROUPS, message->group_id, groups_consumer_heartbeat, on_answer);
}
