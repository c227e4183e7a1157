/* LeaveGroup, versions 0 to 5. Before version 3 one member leaves, and the answer is its error. On
 * the request's shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "group/groups.h"
#include "wire/msg/leave_group_request.h"
#include "wire/msg/leave_group_response.h"

#define VERSION_MEMBERS 3

static void refuse(struct api_request *request, enum err err)
{
    struct leave_group_response response = leave_group_response_default;
    response.error_code = (int16_t)err;
    api_request_answer(request, &response);
}

static void on_answer(struct api_request *request, struct coord_call *call)
{
    const struct leave_group_response *response = call->response;
    if (call->err != ERR_NONE)
        refuse(request, call->err);
    else if (request->header.api_version >= VERSION_MEMBERS || response->error_code != 0)
        api_request_answer(request, response);
    else
        refuse(request, (enum err)response->members[0].error_code);
}

/* false: memory is out. */
static bool normalise(struct api_request *request)
{
    struct leave_group_request *message = request->message;
    if (request->header.api_version >= VERSION_MEMBERS)
        return true;
    message->members = API_NEW(request, struct leave_group_request_members);
    if (message->members == NULL)
        return false;
    message->members[0] = leave_group_request_members_default;
    message->members[0].member_id = message->member_id;
    message->members_count = 1;
    return true;
}

void api_handle_leave_group(struct api_request *request)
{
    role_now_on_shard();
    const struct leave_group_request *message = API_MESSAGE(request, leave_group_request);
    if (message->group_id.size == 0)
        refuse(request, ERR_INVALID_GROUP_ID);
    else if (!normalise(request))
        api_request_fail(request, "memory for LeaveGroup is out");
    else
        coordinate(request, COORD_GROUPS, message->group_id, groups_leave, on_answer);
}
