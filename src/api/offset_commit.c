/* OffsetCommit, versions 2 to 10: a group's offsets of partitions that there are, to the group's
 * coordinator. Topics are named by their ids from version 10 on. On the request's shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "api/offset_request.h"
#include "group/groups.h"

#define VERSION_TOPIC_IDS 10

static void answer(struct offset_request *all, const struct offset_outcome *outcome)
{
    const struct offset_commit_response *response = offset_request_end(all, outcome);
    if (response != NULL)
        api_request_answer(all->request, response);
}

static void on_committed(struct coordination *coordination)
{
    const struct coord_call *call = &coordination->parts[0].call;
    answer(coordination->request->state_of_api,
           &(struct offset_outcome){.err = call->err, .results = call->response});
}

void api_handle_offset_commit(struct api_request *request)
{
    role_now_on_shard();
    struct offset_commit_request *message = request->message;
    struct offset_request *all =
        offset_request_new(request, request->header.api_version >= VERSION_TOPIC_IDS,
                           message->topics, message->topics_count);
    if (all == NULL)
        return;
    request->state_of_api = all;
    if (all->found_count == 0) {
        answer(all, &(struct offset_outcome){.err = ERR_NONE});
        return;
    }
    message->topics = all->found;
    message->topics_count = all->found_count;
    struct coordination *coordination = coordination_new(request, COORD_GROUPS, 1);
    if (coordination == NULL)
        return;
    (void)coordination_add(coordination, message->group_id, groups_commit, message);
    coordination_run(coordination, on_committed);
}
