/* OffsetForLeaderEpoch, versions 2 to 4: where a leader epoch ended (KIP-101), by which clients
 * find out that the log they read was cut. */
#include "api/gather.h"
#include "api/handlers.h"
#include "replica/set.h"
#include "wire/msg/offset_for_leader_epoch_request.h"
#include "wire/msg/offset_for_leader_epoch_response.h"

struct epoch_state;

struct epoch_part {
    struct api_part part; /* first: api/gather.h */
    struct offset_for_leader_epoch_response_topics_partitions *answer;
    struct uuid topic_id;
    int32_t current_leader_epoch;
    int32_t asked_epoch;
    struct api_shard *there;
    struct replica_waiter waiter;
};

struct epoch_state {
    struct api_gather gather;
    struct api_request *request;
    struct offset_for_leader_epoch_response response;
};

static enum err check(const struct epoch_part *part, const struct replica *replica)
{
    enum err err = replica == NULL ? ERR_NOT_LEADER_OR_FOLLOWER : replica_check(replica);
    int32_t epoch = part->current_leader_epoch;
    if (err != ERR_NONE || epoch == -1 || epoch == replica->leader_epoch)
        return err;
    return epoch < replica->leader_epoch ? ERR_FENCED_LEADER_EPOCH : ERR_UNKNOWN_LEADER_EPOCH;
}

static void look_up(struct epoch_part *part)
{
    role_now_on_shard();
    struct replica *replica;
    struct replica_place place =
        api_part_place(&part->part, part->topic_id, part->answer->partition);
    if (!replica_set_reach(part->there->replicas, &place, &part->waiter, &replica))
        return;
    enum err err = check(part, replica);
    part->answer->error_code = (int16_t)err;
    if (err == ERR_NONE) {
        struct log_epoch_end end = replica_epoch_end(replica, part->asked_epoch);
        part->answer->leader_epoch = end.epoch;
        part->answer->end_offset = end.end_offset;
    }
    api_part_done(part->there, &part->part);
}

static void on_open(struct replica_waiter *waiter)
{
    look_up(CONTAINER_OF(waiter, struct epoch_part, waiter));
}

static void run_part(struct api_shard *there, struct api_part *api_part)
{
    struct epoch_part *part = CONTAINER_OF(api_part, struct epoch_part, part);
    part->there = there;
    replica_waiter_init(&part->waiter, on_open);
    look_up(part);
}

static void on_done(struct api_shard *here, struct api_gather *gather)
{
    (void)here;
    struct epoch_state *state = CONTAINER_OF(gather, struct epoch_state, gather);
    api_request_answer(state->request, &state->response);
}

static bool add_topic(struct epoch_state *state,
                      const struct offset_for_leader_epoch_request_topics *asked,
                      struct offset_for_leader_epoch_response_topics *answer)
{
    struct api_request *request = state->request;
    struct arena *arena = &request->arena;
    const struct meta_topic *topic = meta_topic_named(request->here->image, asked->topic);
    size_t count = (size_t)MAX_OF(asked->partitions_count, 0);
    struct epoch_part *parts = ARENA_ARRAY(arena, struct epoch_part, count);
    answer->topic = asked->topic;
    answer->partitions_count = (int32_t)count;
    answer->partitions =
        ARENA_ARRAY(arena, struct offset_for_leader_epoch_response_topics_partitions, count);
    if (arena->failed)
        return false;
    int shards = shard_set_count(shard_siblings(request->here->shard));
    for (size_t i = 0; i < count; i++) {
        struct epoch_part *part = &parts[i];
        answer->partitions[i] = offset_for_leader_epoch_response_topics_partitions_default;
        answer->partitions[i].partition = asked->partitions[i].partition;
        part->answer = &answer->partitions[i];
        part->current_leader_epoch = asked->partitions[i].current_leader_epoch;
        part->asked_epoch = asked->partitions[i].leader_epoch;
        if (topic == NULL || meta_topic_partition(topic, part->answer->partition) == NULL) {
            part->answer->error_code = ERR_UNKNOWN_TOPIC_OR_PARTITION;
            continue;
        }
        part->topic_id = topic->id;
        int shard = replica_shard_of(topic->name, part->answer->partition, shards);
        if (!api_gather_add(&state->gather, arena, shard, &part->part))
            return false;
    }
    return true;
}

void api_handle_offset_for_leader_epoch(struct api_request *request)
{
    const struct offset_for_leader_epoch_request *message =
        API_MESSAGE(request, offset_for_leader_epoch_request);
    struct epoch_state *state = API_NEW(request, struct epoch_state);
    struct arena *arena = &request->arena;
    bool fine =
        state != NULL && api_gather_init(&state->gather, request->here, arena, run_part, on_done);
    if (fine) {
        state->request = request;
        state->response = offset_for_leader_epoch_response_default;
        state->response.topics_count = MAX_OF(message->topics_count, 0);
        state->response.topics = ARENA_ARRAY(arena, struct offset_for_leader_epoch_response_topics,
                                             (size_t)state->response.topics_count);
        fine = !arena->failed;
    }
    for (int32_t i = 0; fine && i < state->response.topics_count; i++)
        fine = add_topic(state, &message->topics[i], &state->response.topics[i]);
    if (fine)
        api_gather_run(&state->gather);
    else
        api_request_fail(request, "memory is out");
}
