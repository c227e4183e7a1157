/* TxnOffsetCommit, versions 0 to 6: offsets that count when their transaction is committed. Before
 * they are written the transaction has to know the partition of __consumer_offsets that they go to,
 * or nobody would end it there (KIP-890): versions from 5 on add it, older ones had it added by
 * AddOffsetsToTxn, which is verified. On the request's shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "api/offset_request.h"
#include "api/txn_guard.h"
#include "group/groups.h"
#include "meta/image.h"
#include "wire/msg/txn_offset_commit_request.h"
#include "wire/msg/txn_offset_commit_response.h"

#define VERSION_LOADING 2 /* clients know COORDINATOR_LOAD_IN_PROGRESS */
#define VERSION_TOPIC_IDS 6

/* What the request keeps. */
struct txn_commit {
    struct offset_request *all;
    struct offset_commit_request form;
    struct group_txn_commit wish;
    struct guard_claim claim;
    bool claims;
};

/* ---- its form as an OffsetCommit, and back ---- */

static struct offset_commit_request_topics *form_of(struct arena *arena,
                                                    const struct txn_offset_commit_request *message)
{
    struct offset_commit_request_topics *topics =
        ARENA_ARRAY(arena, struct offset_commit_request_topics, (size_t)message->topics_count + 1);
    for (int32_t i = 0; !arena->failed && i < message->topics_count; i++) {
        const struct txn_offset_commit_request_topics *topic = &message->topics[i];
        topics[i].name = topic->name;
        topics[i].topic_id = topic->topic_id;
        topics[i].partitions_count = topic->partitions_count;
        topics[i].partitions = ARENA_ARRAY(arena, struct offset_commit_request_topics_partitions,
                                           (size_t)topic->partitions_count + 1);
        for (int32_t j = 0; !arena->failed && j < topic->partitions_count; j++)
            topics[i].partitions[j] = (struct offset_commit_request_topics_partitions){
                .partition_index = topic->partitions[j].partition_index,
                .committed_offset = topic->partitions[j].committed_offset,
                .committed_leader_epoch = topic->partitions[j].committed_leader_epoch,
                .committed_metadata = topic->partitions[j].committed_metadata,
            };
    }
    return arena->failed ? NULL : topics;
}

static int16_t code_of(const struct api_request *request, int16_t code)
{
    bool is_unknown =
        code == ERR_COORDINATOR_LOAD_IN_PROGRESS && request->header.api_version < VERSION_LOADING;
    return is_unknown ? ERR_COORDINATOR_NOT_AVAILABLE : code;
}

static void answer(struct api_request *request, const struct offset_outcome *outcome)
{
    struct txn_commit *commit = request->state_of_api;
    const struct offset_commit_response *results = offset_request_end(commit->all, outcome);
    if (results == NULL)
        return;
    struct arena *arena = &request->arena;
    struct txn_offset_commit_response response = txn_offset_commit_response_default;
    response.topics = ARENA_ARRAY(arena, struct txn_offset_commit_response_topics,
                                  (size_t)results->topics_count + 1);
    for (int32_t i = 0; !arena->failed && i < results->topics_count; i++) {
        const struct offset_commit_response_topics *result = &results->topics[i];
        struct txn_offset_commit_response_topics *topic = &response.topics[i];
        topic->name = result->name;
        topic->topic_id = result->topic_id;
        topic->partitions_count = result->partitions_count;
        topic->partitions = ARENA_ARRAY(arena, struct txn_offset_commit_response_topics_partitions,
                                        (size_t)result->partitions_count + 1);
        for (int32_t j = 0; !arena->failed && j < result->partitions_count; j++) {
            topic->partitions[j].partition_index = result->partitions[j].partition_index;
            topic->partitions[j].error_code = code_of(request, result->partitions[j].error_code);
        }
    }
    response.topics_count = results->topics_count;
    if (arena->failed)
        api_request_fail(request, "memory for offsets is out");
    else
        api_request_answer(request, &response);
}

static void refuse(struct api_request *request, enum err err)
{
    answer(request, &(struct offset_outcome){.err = err});
}

/* ---- the offsets ---- */

static void on_committed(struct coordination *coordination)
{
    const struct coord_call *call = &coordination->parts[0].call;
    answer(coordination->request,
           &(struct offset_outcome){.err = call->err, .results = call->response});
}

static void commit_offsets(struct api_request *request)
{
    role_now_on_shard();
    struct txn_commit *commit = request->state_of_api;
    struct coordination *coordination = coordination_new(request, COORD_GROUPS, 1);
    if (coordination == NULL)
        return;
    struct coord_call *call =
        coordination_add(coordination, commit->form.group_id, groups_commit_in_txn, &commit->wish);
    call->claim = commit->claims ? &commit->claim : NULL;
    coordination_run(coordination, on_committed);
}

/* ---- the transaction ---- */

/* What a client of groups is told instead of errors of partitions. */
static enum err told_for(enum err err)
{
    switch ((int)err) {
    case ERR_NETWORK_EXCEPTION:
        return ERR_COORDINATOR_LOAD_IN_PROGRESS;
    case ERR_UNKNOWN_TOPIC_OR_PARTITION:
        return ERR_COORDINATOR_NOT_AVAILABLE;
    case ERR_NOT_LEADER_OR_FOLLOWER:
    case ERR_KAFKA_STORAGE_ERROR:
        return ERR_NOT_COORDINATOR;
    default:
        return err;
    }
}

static void on_guarded(struct txn_guard *guard)
{
    role_now_on_shard();
    struct api_request *request = guard->request;
    struct txn_commit *commit = guard->owner;
    enum err err = guard->parts[0].err;
    commit->claims = guard->checks_token;
    commit->claim = (struct guard_claim){.producer_id = guard->producer_id,
                                         .producer_epoch = guard->producer_epoch,
                                         .token = guard->parts[0].token};
    struct txn_guard_line line;
    txn_guard_leave(guard, &line);
    if (err == ERR_NONE)
        commit_offsets(request);
    else
        refuse(request, told_for(err));
    txn_guard_next(&line);
}

/* Of the group's partition of the internal topic. false: the topic is not there, so nobody
 * coordinates the group. */
static bool find_partition(const struct api_request *request, struct slice group_id,
                           struct txn_guard_part *ret_part)
{
    struct slice name = slice_of_text(coord_topic_name(COORD_GROUPS));
    const struct meta_topic *topic = meta_topic_named(request->here->image, name);
    if (topic == NULL || topic->partitions.count == 0)
        return false;
    *ret_part = (struct txn_guard_part){
        .topic = name,
        .topic_id = topic->id,
        .partition = coord_partition_of(group_id, (int32_t)topic->partitions.count),
        .sequence = BATCH_NO_SEQUENCE,
    };
    return true;
}

static void join_transaction(struct api_request *request)
{
    role_now_on_shard();
    const struct txn_offset_commit_request *message =
        API_MESSAGE(request, txn_offset_commit_request);
    struct txn_guard_part part;
    if (!find_partition(request, message->group_id, &part)) {
        refuse(request, ERR_NOT_COORDINATOR);
        return;
    }
    struct txn_guard *guard = txn_guard_new(request, 1);
    if (guard == NULL)
        return;
    guard->transactional_id = message->transactional_id;
    guard->producer_id = message->producer_id;
    guard->producer_epoch = message->producer_epoch;
    guard->kind = txn_guard_of_offset_commit(request->header.api_version);
    guard->owner = request->state_of_api;
    if (txn_guard_add(guard, &part))
        txn_guard_run(guard, on_guarded);
    else
        api_request_fail(request, "memory for offsets is out");
}

static void fill_in(struct txn_commit *commit, const struct txn_offset_commit_request *message)
{
    commit->form = offset_commit_request_default;
    commit->form.group_id = message->group_id;
    commit->form.member_id = message->member_id;
    commit->form.group_instance_id = message->group_instance_id;
    commit->form.generation_id_or_member_epoch = message->generation_id_or_member_epoch;
    commit->form.topics = commit->all->found;
    commit->form.topics_count = commit->all->found_count;
    commit->wish = (struct group_txn_commit){
        .commit = &commit->form,
        .producer_id = message->producer_id,
        .producer_epoch = message->producer_epoch,
    };
}

void api_handle_txn_offset_commit(struct api_request *request)
{
    const struct txn_offset_commit_request *message =
        API_MESSAGE(request, txn_offset_commit_request);
    int16_t version = request->header.api_version;
    struct txn_commit *commit = API_NEW(request, struct txn_commit);
    struct offset_commit_request_topics *asked = form_of(&request->arena, message);
    if (commit == NULL || asked == NULL) {
        api_request_fail(request, "memory for offsets is out");
        return;
    }
    commit->all =
        offset_request_new(request, version >= VERSION_TOPIC_IDS, asked, message->topics_count);
    if (commit->all == NULL)
        return;
    request->state_of_api = commit;
    fill_in(commit, message);
    if (commit->all->found_count == 0)
        refuse(request, ERR_NONE);
    else if (message->group_id.size == 0)
        refuse(request, ERR_INVALID_GROUP_ID);
    else
        join_transaction(request);
}
