/* ConsumerGroupDescribe, versions 0 and 1: each group at its coordinator, on its shard; what comes
 * back is answered together. On the request's shard. */
#include "api/consumer_protocol.h"
#include "api/coordination.h"
#include "api/handlers.h"
#include "config/node.h"
#include "config/value.h"
#include "group/groups.h"
#include "meta/image.h"
#include "wire/msg/consumer_group_describe_request.h"
#include "wire/msg/consumer_group_describe_response.h"

#define FEATURE_GROUPS "group.version"

bool consumer_protocol_is_served(const struct api_request *request)
{
    struct slice rest = slice_of_text(request->here->config->group_coordinator_rebalance_protocols);
    struct slice protocol;
    while (config_list_next(&rest, &protocol))
        if (slice_is(protocol, "consumer"))
            return meta_feature(request->here->image, FEATURE_GROUPS) >= 1;
    return false;
}

static struct consumer_group_describe_response_groups error_of(struct slice group_id, enum err err)
{
    struct consumer_group_describe_response_groups group =
        consumer_group_describe_response_groups_default;
    group.group_id = group_id;
    group.error_code = (int16_t)err;
    return group;
}

/* The same error for every group that was asked for. */
static void answer_error(struct api_request *request, enum err err)
{
    const struct consumer_group_describe_request *message =
        API_MESSAGE(request, consumer_group_describe_request);
    struct consumer_group_describe_response response = consumer_group_describe_response_default;
    response.groups = ARENA_ARRAY(&request->arena, struct consumer_group_describe_response_groups,
                                  (size_t)message->group_ids_count + 1);
    if (response.groups == NULL) {
        api_request_fail(request, "memory for ConsumerGroupDescribe is out");
        return;
    }
    for (int32_t i = 0; i < message->group_ids_count; i++) {
        response.groups[i] = error_of(message->group_ids[i], err);
        response.groups[i].error_message = slice_of_text(err_text(err));
    }
    response.groups_count = message->group_ids_count;
    api_request_answer(request, &response);
}

static void on_done(struct coordination *all)
{
    struct api_request *request = all->request;
    const struct consumer_group_describe_request *message =
        API_MESSAGE(request, consumer_group_describe_request);
    struct consumer_group_describe_response response = consumer_group_describe_response_default;
    response.groups = ARENA_ARRAY(&request->arena, struct consumer_group_describe_response_groups,
                                  (size_t)message->group_ids_count + 1);
    if (response.groups == NULL) {
        api_request_fail(request, "memory for ConsumerGroupDescribe is out");
        return;
    }
    for (int32_t i = 0; i < message->group_ids_count; i++)
        if (message->group_ids[i].size == 0)
            response.groups[response.groups_count++] =
                error_of(message->group_ids[i], ERR_INVALID_GROUP_ID);
    for (int i = 0; i < all->count; i++) {
        const struct coord_call *call = &all->parts[i].call;
        response.groups[response.groups_count++] =
            call->err != ERR_NONE
                ? error_of(call->key, call->err)
                : *(const struct consumer_group_describe_response_groups *)call->response;
    }
    api_request_answer(request, &response);
}

void api_handle_consumer_group_describe(struct api_request *request)
{
    role_now_on_shard();
    const struct consumer_group_describe_request *message =
        API_MESSAGE(request, consumer_group_describe_request);
    if (!consumer_protocol_is_served(request)) {
        answer_error(request, ERR_UNSUPPORTED_VERSION);
        return;
    }
    int count = 0;
    for (int32_t i = 0; i < message->group_ids_count; i++)
        count += message->group_ids[i].size > 0;
    struct coordination *all = coordination_new(request, COORD_GROUPS, count);
    if (all == NULL)
        return;
    for (int32_t i = 0; i < message->group_ids_count; i++)
        if (message->group_ids[i].size > 0)
            (void)coordination_add(all, message->group_ids[i], groups_consumer_describe, NULL);
    coordination_run(all, on_done);
}
