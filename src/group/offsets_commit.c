/* Commits of offsets, ordinary ones and those of transactions, and their deletion on request. A
 * request is checked as a whole before anything of it is recorded. On the partition's shard. */
#include "group/offsets_int.h"

#include "config/node.h"
#include "wire/batch.h"
#include "wire/messages.h"
#include "wire/msg/offset_commit_key.h"
#include "wire/msg/offset_commit_request.h"
#include "wire/msg/offset_commit_response.h"
#include "wire/msg/offset_commit_value.h"

/* From these versions on clients know the error itself. */
#define VERSION_GROUP_NOT_FOUND 9
#define VERSION_TXN_GROUP_NOT_FOUND 6
#define VERSION_TXN_STALE_EPOCH 6
/* Values with an expiry of their own, and all others (OffsetCommitValue). */
#define VALUE_VERSION_EXPIRY 1
#define VALUE_VERSION 4
/* What a record takes beside its texts, at most: lengths and deltas, versions, numbers. */
#define RECORD_OVERHEAD 96

struct commit {
    struct groups *groups;
    struct coord_call *call;
    const struct offset_commit_request *request;
    struct group_caller caller;
    struct group *group; /* NULL: the first record makes it */
    int64_t producer_id; /* OFFSET_NO_PRODUCER: it is of no transaction */
    int16_t producer_epoch;
    int64_t expire_ms;
    struct offset_commit_response *response;
    size_t size; /* of the records, at most */
};

/* As Kafka counts the metadata: in UTF-16 units. */
static size_t text_length(struct slice text)
{
    size_t length = 0;
    for (size_t i = 0; i < text.size; i++)
        length += (text.data[i] & 0xC0) == 0x80 ? 0 : text.data[i] >= 0xF0 ? 2 : 1;
    return length;
}

/* ---- may it? ---- */

static enum err group_missing(const struct commit *commit)
{
    if (commit->caller.generation < 0)
        return ERR_NONE;
    int16_t since =
        commit->caller.transactional ? VERSION_TXN_GROUP_NOT_FOUND : VERSION_GROUP_NOT_FOUND;
    return commit->caller.api_version >= since ? ERR_GROUP_ID_NOT_FOUND : ERR_ILLEGAL_GENERATION;
}

/* Old producers know nothing of member epochs. */
static enum err told(const struct commit *commit, enum err err)
{
    bool is_unknown = commit->caller.transactional &&
                      commit->caller.api_version < VERSION_TXN_STALE_EPOCH &&
                      err == ERR_STALE_MEMBER_EPOCH;
    return is_unknown ? ERR_ILLEGAL_GENERATION : err;
}

static enum err check_group(const struct commit *commit)
{
    struct group *group = commit->group;
    if (group == NULL)
        return group_missing(commit);
    enum err err = told(commit, group->kind->check_commit(group, &commit->caller));
    bool goes_on = err == ERR_NONE && !commit->caller.transactional;
    if (goes_on && group->kind->on_commit != NULL)
        group->kind->on_commit(group, &commit->caller);
    return err;
}

/* ---- the answer, made before anything is recorded ---- */

static enum err answer_topic(struct commit *commit,
                             const struct offset_commit_request_topics *topic,
                             struct offset_commit_response_topics *answer)
{
    const struct groups *groups = commit->groups;
    int32_t metadata_max = groups_world(groups)->config->offset_metadata_max_bytes;
    const struct group *group = commit->group;
    bool asks = group != NULL && group->kind->check_commit_partition != NULL;
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        const struct offset_commit_request_topics_partitions *wish = &topic->partitions[i];
        struct offset_commit_response_topics_partitions *result = &answer->partitions[i];
        result->partition_index = wish->partition_index;
        if (text_length(wish->committed_metadata) > (size_t)metadata_max) {
            result->error_code = ERR_OFFSET_METADATA_TOO_LARGE;
            continue;
        }
        struct group_partition partition = {topic->topic_id, wish->partition_index};
        enum err err =
            !asks ? ERR_NONE
                  : group->kind->check_commit_partition(commit->group, &commit->caller, &partition);
        if (err != ERR_NONE)
            return told(commit, err);
        commit->size += RECORD_OVERHEAD + commit->call->key.size + topic->name.size +
                        wish->committed_metadata.size;
    }
    return ERR_NONE;
}

/* All its codes are 0; NULL: memory is out. */
static struct offset_commit_response *make_answer(const struct offset_commit_request *request,
                                                  struct arena *arena)
{
    struct offset_commit_response *response = ARENA_NEW(arena, struct offset_commit_response);
    if (response == NULL)
        return NULL;
    *response = offset_commit_response_default;
    response->topics_count = request->topics_count;
    response->topics =
        ARENA_ARRAY(arena, struct offset_commit_response_topics, (size_t)request->topics_count);
    for (int32_t i = 0; i < request->topics_count && !arena->failed; i++) {
        const struct offset_commit_request_topics *topic = &request->topics[i];
        response->topics[i] = (struct offset_commit_response_topics){
            .name = topic->name,
            .topic_id = topic->topic_id,
            .partitions = ARENA_ARRAY(arena, struct offset_commit_response_topics_partitions,
                                      (size_t)topic->partitions_count),
            .partitions_count = topic->partitions_count,
        };
    }
    return arena->failed ? NULL : response;
}

static enum err answer_topics(struct commit *commit)
{
    const struct offset_commit_request *request = commit->request;
    commit->response = make_answer(request, commit->call->arena);
    enum err err = commit->response != NULL ? ERR_NONE : ERR_UNKNOWN_SERVER_ERROR;
    for (int32_t i = 0; i < request->topics_count && err == ERR_NONE; i++)
        err = answer_topic(commit, &request->topics[i], &commit->response->topics[i]);
    return err;
}

/* A commit is in the log as a whole or not at all. */
static enum err check_size(const struct commit *commit)
{
    size_t most = (size_t)groups_world(commit->groups)->batch_size_max;
    return commit->size + BATCH_HEADER_SIZE > most ? ERR_UNKNOWN_SERVER_ERROR : ERR_NONE;
}

/* ---- the records ---- */

static void record_one(const struct commit *commit,
                       const struct offset_commit_request_topics *topic,
                       const struct offset_commit_request_topics_partitions *wish)
{
    bool expires = commit->expire_ms != OFFSET_NO_EXPIRY;
    struct offset_commit_key key = {
        .group = commit->call->key, .topic = topic->name, .partition = wish->partition_index};
    struct offset_commit_value value = {
        .offset = wish->committed_offset,
        .leader_epoch = expires ? -1 : wish->committed_leader_epoch,
        .metadata =
            slice_is_null(wish->committed_metadata) ? slice_of("", 0) : wish->committed_metadata,
        .commit_timestamp = groups_world(commit->groups)->wall_ms,
        .expire_timestamp = commit->expire_ms,
        .topic_id = expires ? uuid_zero : topic->topic_id,
    };
    groups_put(commit->groups, &(struct coord_record){
                                   .key_message = &wire_offset_commit_key,
                                   .key = &key,
                                   .value_message = &wire_offset_commit_value,
                                   .value = &value,
                                   .value_version = expires ? VALUE_VERSION_EXPIRY : VALUE_VERSION,
                                   .producer_id = commit->producer_id,
                                   .producer_epoch = commit->producer_epoch,
                               });
}

static void record_all(const struct commit *commit)
{
    const struct offset_commit_request *request = commit->request;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct offset_commit_request_topics *topic = &request->topics[i];
        const struct offset_commit_response_topics *answer = &commit->response->topics[i];
        for (int32_t j = 0; j < topic->partitions_count; j++)
            if (answer->partitions[j].error_code == ERR_NONE)
                record_one(commit, topic, &topic->partitions[j]);
    }
}

static void run(struct commit *commit)
{
    struct coord_world *world = groups_world(commit->groups);
    enum err err = check_group(commit);
    if (err == ERR_NONE)
        err = answer_topics(commit);
    if (err == ERR_NONE)
        err = check_size(commit);
    if (err == ERR_NONE && commit->caller.transactional)
        err = world->check_producer(world, commit->producer_id, commit->producer_epoch);
    if (err != ERR_NONE) {
        coord_refuse(world, commit->call, err);
        return;
    }
    record_all(commit);
    coord_answer(world, commit->call, commit->response);
}

static struct commit commit_of(struct coord_machine *machine, struct coord_call *call,
                               const struct offset_commit_request *request)
{
    struct groups *groups = groups_of(machine);
    return (struct commit){
        .groups = groups,
        .call = call,
        .request = request,
        .group = groups_find(groups, call->key),
        .producer_id = OFFSET_NO_PRODUCER,
        .producer_epoch = -1,
        .expire_ms = OFFSET_NO_EXPIRY,
        .caller = {.member_id = request->member_id,
                   .instance_id = request->group_instance_id,
                   .generation = request->generation_id_or_member_epoch,
                   .api_version = call->api_version},
    };
}

void groups_commit(struct coord_machine *machine, struct coord_call *call)
{
    const struct offset_commit_request *request = call->request;
    struct commit commit = commit_of(machine, call, request);
    if (request->retention_time_ms != -1)
        commit.expire_ms = groups_world(commit.groups)->wall_ms + request->retention_time_ms;
    run(&commit);
}

void groups_commit_in_txn(struct coord_machine *machine, struct coord_call *call)
{
    const struct group_txn_commit *request = call->request;
    struct commit commit = commit_of(machine, call, request->commit);
    commit.caller.transactional = true;
    commit.producer_id = request->producer_id;
    commit.producer_epoch = request->producer_epoch;
    run(&commit);
}

/* ---- deletion ---- */

static void delete_topic(struct group *group, const struct offset_commit_request_topics *topic,
                         struct offset_commit_response_topics *answer)
{
    bool is_subscribed = group->kind->is_subscribed(group, topic->name);
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        struct offset_place place = {topic->name, topic->partitions[i].partition_index};
        struct offset_entry *entry = is_subscribed ? NULL : offsets_find_any(group, &place);
        answer->partitions[i] = (struct offset_commit_response_topics_partitions){
            .partition_index = place.partition,
            .error_code = is_subscribed ? ERR_GROUP_SUBSCRIBED_TO_TOPIC : ERR_NONE,
        };
        if (entry != NULL)
            offsets_put_tombstone(entry);
    }
}

void groups_delete_offsets(struct coord_machine *machine, struct coord_call *call)
{
    const struct offset_commit_request *request = call->request;
    struct coord_world *world = machine->world;
    struct group *group = groups_find(groups_of(machine), call->key);
    enum err err =
        group != NULL ? group->kind->check_delete_offsets(group) : ERR_GROUP_ID_NOT_FOUND;
    if (err != ERR_NONE) {
        coord_refuse(world, call, err);
        return;
    }
    struct offset_commit_response *response = make_answer(request, call->arena);
    for (int32_t i = 0; response != NULL && i < request->topics_count; i++)
        delete_topic(group, &request->topics[i], &response->topics[i]);
    coord_answer(world, call, response);
}
