/* DescribeGroups, versions 0 to 6: classic groups with their members. On the request's shard. */
#include "api/cluster.h"
#include "api/coordination.h"
#include "api/handlers.h"
#include "group/groups.h"
#include "wire/msg/describe_groups_request.h"
#include "wire/msg/describe_groups_response.h"

static struct describe_groups_response_groups described(const struct api_request *request,
                                                        const struct coord_call *call)
{
    const struct describe_groups_request *message = API_MESSAGE(request, describe_groups_request);
    struct describe_groups_response_groups group = describe_groups_response_groups_default;
    if (call->err == ERR_NONE)
        group = *(const struct describe_groups_response_groups *)call->response;
    else
        group.error_code = (int16_t)call->err;
    group.group_id = call->key;
    if (message->include_authorized_operations && group.error_code == ERR_NONE)
        group.authorized_operations = CLUSTER_OPERATIONS_OF_GROUP;
    return group;
}

static void on_done(struct coordination *all)
{
    struct api_request *request = all->request;
    struct describe_groups_response response = describe_groups_response_default;
    response.groups = ARENA_ARRAY(&request->arena, struct describe_groups_response_groups,
                                  (size_t)all->count + 1);
    if (response.groups == NULL) {
        api_request_fail(request, "memory for DescribeGroups is out");
        return;
    }
    for (int i = 0; i < all->count; i++)
        response.groups[i] = described(request, &all->parts[i].call);
    response.groups_count = all->count;
    api_request_answer(request, &response);
}

void api_handle_describe_groups(struct api_request *request)
{
    role_now_on_shard();
    const struct describe_groups_request *message = API_MESSAGE(request, describe_groups_request);
    int count = MAX_OF(message->groups_count, 0);
    struct coordination *all = coordination_new(request, COORD_GROUPS, count);
    if (all == NULL)
        return;
    for (int i = 0; i < count; i++)
        (void)coordination_add(all, message->groups[i], groups_describe, NULL);
    coordination_run(all, on_done);
}
