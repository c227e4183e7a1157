/* Heartbeat, versions 0 to 4. While the coordinator still reads its log a beat is taken as good:
 * sessions begin when it is done. On the request's shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "group/groups.h"
#include "wire/msg/heartbeat_request.h"
#include "wire/msg/heartbeat_response.h"

static void answer(struct api_request *request, enum err err)
{
    struct heartbeat_response response = heartbeat_response_default;
    response.error_code = (int16_t)err;
    api_request_answer(request, &response);
}

static void on_answer(struct api_request *request, struct coord_call *call)
{
    if (call->err == ERR_COORDINATOR_LOAD_IN_PROGRESS)
        answer(request, ERR_NONE);
    else if (call->err != ERR_NONE)
        answer(request, call->err);
    else
        api_request_answer(request, call->response);
}

void api_handle_heartbeat(struct api_request *request)
{
    role_now_on_shard();
    const struct heartbeat_request *message = API_MESSAGE(request, heartbeat_request);
    if (message->group_id.size == 0)
        answer(request, ERR_INVALID_GROUP_ID);
    else
        coordinate(request, COORD_GROUPS, message->group_id, groups_heartbeat, on_answer);
}
