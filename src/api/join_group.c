/* JoinGroup, versions 0 to 9. Version 0 has no rebalance timeout: it is the session's. What can be
 * refused without the group is refused here. On the request's shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "config/node.h"
#include "group/groups.h"
#include "wire/msg/join_group_request.h"
#include "wire/msg/join_group_response.h"

static void refuse(struct api_request *request, enum err err, struct slice member_id)
{
    struct join_group_response response = join_group_response_default;
    response.error_code = (int16_t)err;
    response.protocol_name = (struct slice){0};
    response.member_id = member_id;
    api_request_answer(request, &response);
}

/* A name that is empty is told as none (version 7 and later). */
static void on_answer(struct api_request *request, struct coord_call *call)
{
    if (call->err != ERR_NONE) {
        refuse(request, call->err, slice_of_text(""));
        return;
    }
    struct join_group_response *response = call->response;
    if (response->protocol_name.size == 0)
        response->protocol_name = (struct slice){0};
    api_request_answer(request, response);
}

void api_handle_join_group(struct api_request *request)
{
    role_now_on_shard();
    struct join_group_request *message = request->message;
    const struct node_config *config = request->here->config;
    if (request->header.api_version == 0)
        message->rebalance_timeout_ms = message->session_timeout_ms;
    if (message->group_id.size == 0)
        refuse(request, ERR_INVALID_GROUP_ID, message->member_id);
    else if (message->session_timeout_ms < config->group_min_session_timeout_ms ||
             message->session_timeout_ms > config->group_max_session_timeout_ms)
        refuse(request, ERR_INVALID_SESSION_TIMEOUT, message->member_id);
    else
        coordinate(request, COORD_GROUPS, message->group_id, groups_join, on_answer);
}
