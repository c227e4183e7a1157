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
#include <stdlib.h>

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
        return part->is_known ? ERR_REPLICA_NOT_AVAILABLE : ERR_UNKNOWN_TOPIC_OR_PARTITION;
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

/* One partition as it was asked for. */
struct asked {
    struct slice topic;
    struct slice path;
    int32_t partition;
    int32_t turn; /* of one that is named more than once the last counts, as in Kafka */
};

static int by_partition(const void *a, const void *b)
{
    const struct asked *left = a;
    const struct asked *right = b;
    int order = slice_compare(left->topic, right->topic);
    if (order == 0)
        order = (left->partition > right->partition) - (left->partition < right->partition);
    return order != 0 ? order : (left->turn > right->turn) - (left->turn < right->turn);
}

/* All that is asked for, in order of topic and partition. NULL: memory is out. */
static struct asked *list_asked(const struct alter_replica_log_dirs_request *message,
                                struct arena *arena, size_t *ret_count)
{
    size_t count = 0;
    for (int32_t d = 0; d < message->dirs_count; d++)
        for (int32_t t = 0; t < message->dirs[d].topics_count; t++)
            count += (size_t)MAX_OF(message->dirs[d].topics[t].partitions_count, 0);
    struct asked *asked = ARENA_ARRAY(arena, struct asked, count + 1);
    *ret_count = 0;
    for (int32_t d = 0; asked != NULL && d < message->dirs_count; d++)
        for (int32_t t = 0; t < message->dirs[d].topics_count; t++)
            for (int32_t p = 0; p < message->dirs[d].topics[t].partitions_count; p++) {
                asked[*ret_count] =
                    (struct asked){.topic = message->dirs[d].topics[t].name,
                                   .path = message->dirs[d].path,
                                   .partition = message->dirs[d].topics[t].partitions[p],
                                   .turn = (int32_t)*ret_count};
                (*ret_count)++;
            }
    if (asked != NULL)
        qsort(asked, count, sizeof *asked, by_partition);
    return asked;
}

static bool is_again(const struct asked *one, const struct asked *next)
{
    return slice_equal(one->topic, next->topic) && one->partition == next->partition;
}

static bool add_all(struct move_state *state)
{
    struct arena *arena = &state->request->arena;
    size_t count;
    const struct asked *asked =
        list_asked(API_MESSAGE(state->request, alter_replica_log_dirs_request), arena, &count);
    struct alter_replica_log_dirs_response_results *topics =
        ARENA_ARRAY(arena, struct alter_replica_log_dirs_response_results, count + 1);
    struct alter_replica_log_dirs_response_results_partitions *answers =
        ARENA_ARRAY(arena, struct alter_replica_log_dirs_response_results_partitions, count + 1);
    struct move_part *parts = ARENA_ARRAY(arena, struct move_part, count + 1);
    bool fine = !arena->failed;
    struct alter_replica_log_dirs_response_results *topic = NULL;
    state->response.results = topics;
    state->response.results_count = 0;
    for (size_t i = 0; i < count && fine; i++) {
        if (i + 1 < count && is_again(&asked[i], &asked[i + 1]))
            continue;
        if (topic == NULL || !slice_equal(topic->topic_name, asked[i].topic)) {
            topic = &topics[state->response.results_count++];
            *topic = (struct alter_replica_log_dirs_response_results){.topic_name = asked[i].topic,
                                                                      .partitions = &answers[i]};
        }
        parts[i].answer = &topic->partitions[topic->partitions_count++];
        parts[i].topic = asked[i].topic;
        parts[i].partition = asked[i].partition;
        fine = add_partition(state, &parts[i], asked[i].path);
    }
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
