/* SyncGroup, versions 0 to 5. From version 5 on a client says by which protocol it joined. On the
 * request's shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "group/groups.h"
#include "wire/msg/sync_group_request.h"
#include "wire/msg/sync_group_response.h"

#define VERSION_PROTOCOL 5

static void refuse(struct api_request *request, enum err err)
{
    struct sync_group_response response = sync_group_response_default;
    response.error_code = (int16_t)err;
    api_request_answer(request, &response);
}

static void on_answer(struct api_request *request, struct coord_call *call)
{
    if (call->err != ERR_NONE)
        refuse(request, call->err);
    else
        api_request_answer(request, call->response);
}

void api_handle_sync_group(struct api_request *request)
{
    role_now_on_shard();
    const struct sync_group_request *message = API_MESSAGE(request, sync_group_request);
    bool lacks_protocol =
        request->header.api_version >= VERSION_PROTOCOL &&
        (slice_is_null(message->protocol_type) || slice_is_null(message->protocol_name));
    if (lacks_protocol)
        refuse(request, ERR_INCONSISTENT_GROUP_PROTOCOL);
    else if (message->group_id.size == 0)
        refuse(request, ERR_INVALID_GROUP_ID);
    else
        coordinate(request, COORD_GROUPS, message->group_id, groups_sync, on_answer);
}
