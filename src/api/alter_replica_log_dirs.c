/* AlterReplicaLogDirs, versions 1 and 2: moves partitions to other directories of this node, in the
 * background, or remembers to where partitions that are yet to come shall go. Each is asked of its
 * partition's shard. */
#include "api/gather.h"
#include "api/handlers.h"
#include "meta/image.h"
#include "replica/move.h"
#include "wire/msg/alter_replica_log_dirs_request.h"
#include "wire/msg/alter_replica_log_dirs_response.h"

#include <limits.h>
#include <stdio.h>

/* ".<32 digits>-future": so much is behind a partition's name where Kafka moves it. */
#define FUTURE_SIZE 40
#define PARTITION_NAME_SIZE 288

struct move_part {
    struct api_part part; /* first: api/gather.h */
    struct alter_replica_log_dirs_response_results_partitions *answer;
    struct slice topic;
    bool is_known;
    struct uuid topic_id;
    int32_t partition;
    int to;
    struct api_shard *there;
    struct replica_waiter waiter;
};

struct move_state {
    struct api_gather gather;
    struct api_request *request;
    struct alter_replica_log_dirs_response response;
};

/* The directory that is called so: ERR_LOG_DIR_NOT_FOUND, ERR_KAFKA_STORAGE_ERROR. */
static enum err find_dir(const struct replica_set *set, struct slice path, int *ret_dir)
{
    for (int i = 0; i < set->dir_count; i++) {
        if (set->dirs[i].metadata_only || !slice_is(path, set->dirs[i].path))
            continue;
        *ret_dir = i;
        return log_dir_is_offline(&set->dirs[i]) ? ERR_KAFKA_STORAGE_ERROR : ERR_NONE;
    }
    return ERR_LOG_DIR_NOT_FOUND;
}

static bool some_are_offline(const struct replica_set *set)
{
    for (int i = 0; i < set->dir_count; i++)
        if (log_dir_is_offline(&set->dirs[i]))
            return true;
    return false;
}

/* While one directory is offline nothing is moved: it may hold what another move left (as in
 * Kafka). */
static enum err begin_move(const struct move_part *part, struct replica *replica)
{
    role_now_on_shard();
    struct replica_set *set = part->there->replicas;
    if (replica == NULL) {
        char name[PARTITION_NAME_SIZE];
        (void)snprintf(name, sizeof name, "%.*s-%d", SLICE_ARG(part->topic), part->partition);
        replica_move_remember(set, name, part->to);
        return ERR_REPLICA_NOT_AVAILABLE;
    }
    if (replica->dir_index != part->to && some_are_offline(set))
        return ERR_KAFKA_STORAGE_ERROR;
    return replica_move_to(replica, part->to);
}

static void move(struct move_part *part)
{
    role_now_on_shard();
    struct replica *replica = NULL;
    struct replica_place place = api_part_place(&part->part, part->topic_id, part->partition);
    if (part->is_known &&
        !replica_set_reach(part->there->replicas, &place, &part->waiter, &replica))
        return;
    part->answer->error_code = (int16_t)begin_move(part, replica);
    api_part_done(part->there, &part->part);
}

static void on_open(struct replica_waiter *waiter)
{
    move(CONTAINER_OF(waiter, struct move_part, waiter));
}

static void run_part(struct api_shard *there, struct api_part *api_part)
{
    struct move_part *part = CONTAINER_OF(api_part, struct move_part, part);
    part->there = there;
    replica_waiter_init(&part->waiter, on_open);
    move(part);
}

static void on_done(struct api_shard *here, struct api_gather *gather)
{
    (void)here;
    struct move_state *state = CONTAINER_OF(gather, struct move_state, gather);
    api_request_answer(state->request, &state->response);
}

/* ---- the request ---- */

/* Before a partition's shard is asked. */
static enum err check(const struct api_request *request, const struct move_part *part,
                      struct slice path, int *ret_dir)
{
    char number[16];
    int digits = snprintf(number, sizeof number, "-%d", part->partition);
    if (part->topic.size + (size_t)digits + FUTURE_SIZE > NAME_MAX)
        return ERR_INVALID_TOPIC_EXCEPTION;
    return find_dir(request->here->replicas, path, ret_dir);
}

static bool add_partition(struct move_state *state, struct move_part *part, struct slice path)
{
    struct api_request *request = state->request;
    const struct meta_topic *topic = meta_topic_named(request->here->image, part->topic);
    enum err err = check(request, part, path, &part->to);
    part->answer->partition_index = part->partition;
    part->answer->error_code = (int16_t)err;
    if (err != ERR_NONE)
        return true;
    part->is_known = topic != NULL && meta_topic_partition(topic, part->partition) != NULL;
    part->topic_id = part->is_known ? topic->id : uuid_zero;
    int shards = shard_set_count(shard_siblings(request->here->shard));
    return api_gather_add(&state->gather, &request->arena,
                          replica_shard_of(part->topic, part->partition, shards), &part->part);
}

/* One topic of one directory. */
static bool add_topic(struct move_state *state, struct slice path,
                      const struct alter_replica_log_dirs_request_dirs_topics *asked,
                      struct alter_replica_log_dirs_response_results *answer)
{
    struct arena *arena = &state->request->arena;
    size_t count = (size_t)MAX_OF(asked->partitions_count, 0);
    struct move_part *parts = ARENA_ARRAY(arena, struct move_part, count);
    answer->topic_name = asked->name;
    answer->partitions_count = (int32_t)count;
    answer->partitions =
        ARENA_ARRAY(arena, struct alter_replica_log_dirs_response_results_partitions, count);
    bool fine = !arena->failed;
    for (size_t i = 0; i < count && fine; i++) {
        parts[i].answer = &answer->partitions[i];
        parts[i].topic = asked->name;
        parts[i].partition = asked->partitions[i];
        fine = add_partition(state, &parts[i], path);
    }
    return fine;
}

static bool add_all(struct move_state *state)
{
    const struct alter_replica_log_dirs_request *message =
        API_MESSAGE(state->request, alter_replica_log_dirs_request);
    size_t count = 0;
    for (int32_t i = 0; i < message->dirs_count; i++)
        count += (size_t)MAX_OF(message->dirs[i].topics_count, 0);
    state->response.results = ARENA_ARRAY(
        &state->request->arena, struct alter_replica_log_dirs_response_results, count + 1);
    bool fine = state->response.results != NULL;
    state->response.results_count = 0;
    for (int32_t i = 0; i < message->dirs_count && fine; i++)
        for (int32_t t = 0; t < message->dirs[i].topics_count && fine; t++)
            fine = add_topic(state, message->dirs[i].path, &message->dirs[i].topics[t],
                             &state->response.results[state->response.results_count++]);
    return fine;
}

void api_handle_alter_replica_log_dirs(struct api_request *request)
{
    struct move_state *state = API_NEW(request, struct move_state);
    bool fine = state != NULL &&
                api_gather_init(&state->gather, request->here, &request->arena, run_part, on_done);
    if (fine) {
        state->request = request;
        state->response = alter_replica_log_dirs_response_default;
        fine = add_all(state);
    }
    if (fine)
        api_gather_run(&state->gather);
    else
        api_request_fail(request, "memory is out");
}
