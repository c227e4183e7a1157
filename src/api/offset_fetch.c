/* OffsetFetch, versions 1 to 10: committed offsets of one group, from version 8 on of several. What
 * is wrong with a group is told with it, in version 1 with each of its partitions. On the request's
 * shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "group/groups.h"
#include "meta/image.h"
#include "wire/msg/offset_fetch_request.h"
#include "wire/msg/offset_fetch_response.h"

#define VERSION_GROUP_ERRORS 2
#define VERSION_MANY_GROUPS 8
#define VERSION_TOPIC_IDS 10
#define NO_OFFSET (-1)

/* One group of the request. */
struct fetch_group {
    const struct offset_fetch_request_groups *asked;
    struct offset_fetch_request_groups found; /* topics that there are, with their names */
    struct offset_fetch_request_groups_topics *refused;
    int32_t refused_count;
    struct group_offsets_wish wish;
};

struct fetch_state {
    struct fetch_group *groups;
    int32_t count;
};

static struct fetch_state *state_of(const struct api_request *request)
{
    return request->state_of_api;
}

static bool uses_ids(const struct api_request *request)
{
    return request->header.api_version >= VERSION_TOPIC_IDS;
}

/* ---- the request ---- */

/* The one group of an old request in the new form; NULL: memory is out. */
static struct offset_fetch_request_groups *only_group(struct api_request *request)
{
    const struct offset_fetch_request *message = API_MESSAGE(request, offset_fetch_request);
    int32_t count = message->topics_count;
    struct offset_fetch_request_groups *group =
        API_NEW(request, struct offset_fetch_request_groups);
    if (group == NULL)
        return NULL;
    *group = offset_fetch_request_groups_default;
    group->group_id = message->group_id;
    group->topics_count = count;
    if (count < 0)
        return group;
    group->topics =
        ARENA_ARRAY(&request->arena, struct offset_fetch_request_groups_topics, (size_t)count + 1);
    for (int32_t i = 0; group->topics != NULL && i < count; i++) {
        group->topics[i].name = message->topics[i].name;
        group->topics[i].partition_indexes = message->topics[i].partition_indexes;
        group->topics[i].partition_indexes_count = message->topics[i].partition_indexes_count;
    }
    return group->topics != NULL ? group : NULL;
}

/* Topics that are named by their ids get their names, or are refused. */
static bool find_topics(struct api_request *request, struct fetch_group *group)
{
    int32_t count = group->asked->topics_count;
    group->found = *group->asked;
    if (count < 0 || !uses_ids(request))
        return true;
    struct arena *arena = &request->arena;
    group->found.topics =
        ARENA_ARRAY(arena, struct offset_fetch_request_groups_topics, (size_t)count + 1);
    group->refused =
        ARENA_ARRAY(arena, struct offset_fetch_request_groups_topics, (size_t)count + 1);
    group->found.topics_count = 0;
    for (int32_t i = 0; !arena->failed && i < count; i++) {
        struct offset_fetch_request_groups_topics topic = group->asked->topics[i];
        const struct meta_topic *known = meta_topic_by_id(request->here->image, topic.topic_id);
        if (known == NULL) {
            group->refused[group->refused_count++] = topic;
            continue;
        }
        topic.name = arena_copy(arena, known->name);
        group->found.topics[group->found.topics_count++] = topic;
    }
    return !arena->failed;
}

static struct fetch_state *make_state(struct api_request *request)
{
    const struct offset_fetch_request *message = API_MESSAGE(request, offset_fetch_request);
    bool many = request->header.api_version >= VERSION_MANY_GROUPS;
    const struct offset_fetch_request_groups *asked = many ? message->groups : only_group(request);
    struct fetch_state *state = API_NEW(request, struct fetch_state);
    int32_t count = many ? message->groups_count : 1;
    if (state == NULL || (asked == NULL && count > 0))
        return NULL;
    state->count = asked != NULL ? count : 0;
    state->groups = ARENA_ARRAY(&request->arena, struct fetch_group, (size_t)state->count + 1);
    bool fine = state->groups != NULL;
    for (int32_t i = 0; fine && i < state->count; i++) {
        struct fetch_group *group = &state->groups[i];
        group->asked = &asked[i];
        fine = find_topics(request, group);
        group->wish = (struct group_offsets_wish){.group = &group->found,
                                                  .require_stable = message->require_stable};
    }
    return fine ? state : NULL;
}

/* ---- the answer ---- */

static bool refuse_topic(struct arena *arena,
                         const struct offset_fetch_request_groups_topics *topic, enum err err,
                         struct offset_fetch_response_groups_topics *ret_topic)
{
    int32_t count = topic->partition_indexes_count;
    *ret_topic = (struct offset_fetch_response_groups_topics){
        .name = topic->name,
        .topic_id = topic->topic_id,
        .partitions = ARENA_ARRAY(arena, struct offset_fetch_response_groups_topics_partitions,
                                  (size_t)count + 1),
        .partitions_count = count,
    };
    for (int32_t i = 0; ret_topic->partitions != NULL && i < count; i++)
        ret_topic->partitions[i] = (struct offset_fetch_response_groups_topics_partitions){
            .partition_index = topic->partition_indexes[i],
            .committed_offset = NO_OFFSET,
            .committed_leader_epoch = -1,
            .metadata = slice_of("", 0),
            .error_code = (int16_t)err,
        };
    return ret_topic->partitions != NULL;
}

static bool refuse_topics(struct arena *arena, const struct fetch_group *group, enum err err,
                          struct offset_fetch_response_groups *answer)
{
    int32_t count = group->asked->topics_count;
    answer->topics = ARENA_ARRAY(arena, struct offset_fetch_response_groups_topics,
                                 (size_t)(count > 0 ? count : 0) + 1);
    bool fine = answer->topics != NULL;
    for (int32_t i = 0; fine && i < count; i++)
        fine = refuse_topic(arena, &group->asked->topics[i], err,
                            &answer->topics[answer->topics_count++]);
    return fine;
}

/* What is refused stands behind what was found. */
static bool add_refused(struct arena *arena, const struct fetch_group *group,
                        struct offset_fetch_response_groups *answer)
{
    if (group->refused_count == 0)
        return true;
    struct offset_fetch_response_groups_topics *topics =
        ARENA_ARRAY(arena, struct offset_fetch_response_groups_topics,
                    (size_t)answer->topics_count + (size_t)group->refused_count);
    bool fine = topics != NULL;
    for (int32_t i = 0; fine && i < answer->topics_count; i++)
        topics[i] = answer->topics[i];
    for (int32_t i = 0; fine && i < group->refused_count; i++)
        fine = refuse_topic(arena, &group->refused[i], ERR_UNKNOWN_TOPIC_ID,
                            &topics[answer->topics_count + i]);
    answer->topics = topics;
    answer->topics_count += group->refused_count;
    return fine;
}

/* All of a group's topics: those that are gone have no id to be named by. */
static void add_ids(const struct meta_image *image, struct offset_fetch_response_groups *answer)
{
    int32_t count = 0;
    for (int32_t i = 0; i < answer->topics_count; i++) {
        const struct meta_topic *known = meta_topic_named(image, answer->topics[i].name);
        if (known == NULL)
            continue;
        answer->topics[count] = answer->topics[i];
        answer->topics[count++].topic_id = known->id;
    }
    answer->topics_count = count;
}

static bool answer_group(const struct api_request *request, struct arena *arena,
                         const struct fetch_group *group, const struct coord_call *call,
                         struct offset_fetch_response_groups *ret_answer)
{
    *ret_answer = offset_fetch_response_groups_default;
    if (call->err == ERR_NONE) {
        *ret_answer = *(const struct offset_fetch_response_groups *)call->response;
        if (uses_ids(request) && group->asked->topics_count < 0)
            add_ids(request->here->image, ret_answer);
        return add_refused(arena, group, ret_answer);
    }
    ret_answer->group_id = group->asked->group_id;
    if (request->header.api_version < VERSION_GROUP_ERRORS)
        return refuse_topics(arena, group, call->err, ret_answer);
    ret_answer->error_code = (int16_t)call->err;
    return true;
}

/* The form of versions with a single group. */
static bool flatten(struct arena *arena, struct offset_fetch_response *response)
{
    const struct offset_fetch_response_groups *group = &response->groups[0];
    response->error_code = group->error_code;
    response->topics =
        ARENA_ARRAY(arena, struct offset_fetch_response_topics, (size_t)group->topics_count + 1);
    for (int32_t i = 0; !arena->failed && i < group->topics_count; i++) {
        const struct offset_fetch_response_groups_topics *from = &group->topics[i];
        struct offset_fetch_response_topics *topic = &response->topics[i];
        topic->name = from->name;
        topic->partitions_count = from->partitions_count;
        topic->partitions = ARENA_ARRAY(arena, struct offset_fetch_response_topics_partitions,
                                        (size_t)from->partitions_count + 1);
        for (int32_t j = 0; !arena->failed && j < from->partitions_count; j++)
            topic->partitions[j] = (struct offset_fetch_response_topics_partitions){
                .partition_index = from->partitions[j].partition_index,
                .committed_offset = from->partitions[j].committed_offset,
                .committed_leader_epoch = from->partitions[j].committed_leader_epoch,
                .metadata = from->partitions[j].metadata,
                .error_code = from->partitions[j].error_code,
            };
    }
    response->topics_count = group->topics_count;
    return !arena->failed;
}

static void on_fetched(struct coordination *coordination)
{
    struct api_request *request = coordination->request;
    const struct fetch_state *state = state_of(request);
    struct arena *arena = &request->arena;
    struct offset_fetch_response response = offset_fetch_response_default;
    response.groups =
        ARENA_ARRAY(arena, struct offset_fetch_response_groups, (size_t)state->count + 1);
    bool fine = response.groups != NULL;
    for (int32_t i = 0; fine && i < state->count; i++)
        fine = answer_group(request, arena, &state->groups[i], &coordination->parts[i].call,
                            &response.groups[i]);
    response.groups_count = state->count;
    if (fine && request->header.api_version < VERSION_MANY_GROUPS)
        fine = flatten(arena, &response);
    if (fine)
        api_request_answer(request, &response);
    else
        api_request_fail(request, "memory for offsets is out");
}

void api_handle_offset_fetch(struct api_request *request)
{
    role_now_on_shard();
    struct fetch_state *state = make_state(request);
    if (state == NULL) {
        api_request_fail(request, "memory for offsets is out");
        return;
    }
    request->state_of_api = state;
    struct coordination *coordination = coordination_new(request, COORD_GROUPS, state->count);
    if (coordination == NULL)
        return;
    for (int32_t i = 0; i < state->count; i++)
        (void)coordination_add(coordination, state->groups[i].asked->group_id, groups_fetch_offsets,
                               &state->groups[i].wish);
    coordination_run(coordination, on_fetched);
}
