/* OffsetDelete, version 0: a group forgets offsets of partitions that there are and that none of
 * its members reads. On the request's shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "api/offset_request.h"
#include "group/groups.h"
#include "wire/msg/offset_delete_request.h"
#include "wire/msg/offset_delete_response.h"

/* What the request keeps: its form as an OffsetCommit. */
struct deletion {
    struct offset_request *all;
    struct offset_commit_request form;
};

static struct offset_commit_request_topics *form_of(struct arena *arena,
                                                    const struct offset_delete_request *message)
{
    struct offset_commit_request_topics *topics =
        ARENA_ARRAY(arena, struct offset_commit_request_topics, (size_t)message->topics_count + 1);
    for (int32_t i = 0; !arena->failed && i < message->topics_count; i++) {
        const struct offset_delete_request_topics *topic = &message->topics[i];
        topics[i].name = topic->name;
        topics[i].partitions_count = topic->partitions_count;
        topics[i].partitions = ARENA_ARRAY(arena, struct offset_commit_request_topics_partitions,
                                           (size_t)topic->partitions_count + 1);
        for (int32_t j = 0; !arena->failed && j < topic->partitions_count; j++)
            topics[i].partitions[j].partition_index = topic->partitions[j].partition_index;
    }
    return arena->failed ? NULL : topics;
}

static void answer_error(struct api_request *request, enum err err)
{
    struct offset_delete_response response = offset_delete_response_default;
    response.error_code = (int16_t)err;
    api_request_answer(request, &response);
}

static void answer(struct api_request *request, const struct offset_commit_response *results)
{
    struct arena *arena = &request->arena;
    struct offset_delete_response response = offset_delete_response_default;
    response.topics =
        ARENA_ARRAY(arena, struct offset_delete_response_topics, (size_t)results->topics_count + 1);
    for (int32_t i = 0; !arena->failed && i < results->topics_count; i++) {
        const struct offset_commit_response_topics *result = &results->topics[i];
        struct offset_delete_response_topics *topic = &response.topics[i];
        topic->name = result->name;
        topic->partitions_count = result->partitions_count;
        topic->partitions = ARENA_ARRAY(arena, struct offset_delete_response_topics_partitions,
                                        (size_t)result->partitions_count + 1);
        for (int32_t j = 0; !arena->failed && j < result->partitions_count; j++) {
            topic->partitions[j].partition_index = result->partitions[j].partition_index;
            topic->partitions[j].error_code = result->partitions[j].error_code;
        }
    }
    response.topics_count = results->topics_count;
    if (arena->failed)
        api_request_fail(request, "memory for offsets is out");
    else
        api_request_answer(request, &response);
}

/* What is wrong with the group is told alone, whatever was refused. */
static void on_deleted(struct coordination *coordination)
{
    struct api_request *request = coordination->request;
    const struct coord_call *call = &coordination->parts[0].call;
    struct deletion *deletion = request->state_of_api;
    const struct offset_commit_response *results = offset_request_end(
        deletion->all,
        &(struct offset_outcome){.results = call->err == ERR_NONE ? call->response : NULL});
    if (results == NULL)
        return;
    if (call->err != ERR_NONE)
        answer_error(request, call->err);
    else
        answer(request, results);
}

void api_handle_offset_delete(struct api_request *request)
{
    role_now_on_shard();
    const struct offset_delete_request *message = API_MESSAGE(request, offset_delete_request);
    if (message->group_id.size == 0) {
        answer_error(request, ERR_INVALID_GROUP_ID);
        return;
    }
    struct deletion *deletion = API_NEW(request, struct deletion);
    struct offset_commit_request_topics *asked = form_of(&request->arena, message);
    if (deletion == NULL || asked == NULL) {
        api_request_fail(request, "memory for offsets is out");
        return;
    }
    deletion->all = offset_request_new(request, false, asked, message->topics_count);
    if (deletion->all == NULL)
        return;
    request->state_of_api = deletion;
    deletion->form = offset_commit_request_default;
    deletion->form.group_id = message->group_id;
    deletion->form.topics = deletion->all->found;
    deletion->form.topics_count = deletion->all->found_count;
    struct coordination *coordination = coordination_new(request, COORD_GROUPS, 1);
    if (coordination == NULL)
        return;
    (void)coordination_add(coordination, message->group_id, groups_delete_offsets, &deletion->form);
    coordination_run(coordination, on_deleted);
}
