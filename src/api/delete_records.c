/* DeleteRecords, versions 0 to 2: raises where partitions start. What is answered is stored, so
 * that no crash takes it back (Kafka stores it within a minute). With one replica the low watermark
 * is the start of the leader's log: nobody waits for followers, and the timeout is never
 * reached. */
#include "api/cluster.h"
#include "api/gather.h"
#include "api/handlers.h"
#include "replica/start.h"
#include "wire/msg/delete_records_request.h"
#include "wire/msg/delete_records_response.h"

#include <stdlib.h>

#define TO_HIGH_WATERMARK (-1)

struct delete_records;

struct deletion_part {
    struct api_part part; /* first: api/gather.h */
    struct delete_records *state;
    struct delete_records_response_topics_partitions *answer;
    struct uuid topic_id;
    int64_t offset; /* as asked for */
    struct api_shard *there;
    struct replica_waiter waiter;
    struct replica_raise raise;
};

struct delete_records {
    struct api_gather gather;
    struct api_request *request;
    struct delete_records_response response;
};

static void finish(struct deletion_part *part, enum err err)
{
    part->answer->error_code = (int16_t)err;
    api_part_done(part->there, &part->part);
}

static void on_raised(struct replica_raise *raise)
{
    role_now_on_shard();
    struct deletion_part *part = CONTAINER_OF(raise, struct deletion_part, raise);
    if (raise->err == ERR_NONE)
        part->answer->low_watermark = replica_log_start(raise->replica);
    finish(part, raise->err);
}

/* What is kept by key cannot lose its beginning; where nothing at all is deleted by itself, it
 * can. */
static enum err check_replica(const struct replica *replica)
{
    if (replica == NULL)
        return ERR_NOT_LEADER_OR_FOLLOWER;
    enum err err = replica_check(replica);
    if (err == ERR_NONE && replica->config.cleanup_compact && !replica->config.cleanup_delete)
        err = ERR_POLICY_VIOLATION;
    return err;
}

static void delete_in(struct deletion_part *part)
{
    role_now_on_shard();
    struct replica *replica;
    struct replica_place place =
        api_part_place(&part->part, part->topic_id, part->answer->partition_index);
    if (!replica_set_reach(part->there->replicas, &place, &part->waiter, &replica))
        return;
    enum err err = check_replica(replica);
    if (err != ERR_NONE) {
        finish(part, err);
        return;
    }
    int64_t offset = part->offset == TO_HIGH_WATERMARK ? replica->high_watermark : part->offset;
    if (offset < 0 || offset > replica->high_watermark) {
        finish(part, ERR_OFFSET_OUT_OF_RANGE);
        return;
    }
    part->raise = (struct replica_raise){
        .replica = replica, .offset = offset, .lasts = true, .on_done = on_raised};
    replica_raise_start(&part->raise);
}

static void on_open(struct replica_waiter *waiter)
{
    delete_in(CONTAINER_OF(waiter, struct deletion_part, waiter));
}

static void run_part(struct api_shard *there, struct api_part *api_part)
{
    struct deletion_part *part = CONTAINER_OF(api_part, struct deletion_part, part);
    part->there = there;
    replica_waiter_init(&part->waiter, on_open);
    delete_in(part);
}

static void on_done(struct api_shard *here, struct api_gather *gather)
{
    (void)here;
    struct delete_records *state = CONTAINER_OF(gather, struct delete_records, gather);
    api_request_answer(state->request, &state->response);
}

/* ---- the request ---- */

/* One partition as it was asked for. */
struct asked {
    struct slice topic;
    int32_t partition;
    int32_t place; /* among all of the request */
    int64_t offset;
};

static int by_name(const void *a, const void *b)
{
    const struct asked *left = a;
    const struct asked *right = b;
    int order = slice_compare(left->topic, right->topic);
    if (order == 0)
        order = (left->partition > right->partition) - (left->partition < right->partition);
    return order != 0 ? order : (left->place > right->place) - (left->place < right->place);
}

static bool same_topic(const struct asked *a, const struct asked *b)
{
    return slice_equal(a->topic, b->topic);
}

static size_t count_all(const struct delete_records_request *message)
{
    size_t count = 0;
    for (int32_t i = 0; i < message->topics_count; i++)
        count += (size_t)MAX_OF(message->topics[i].partitions_count, 0);
    return count;
}

/* All of the request in order of name; of one that is asked for more than once the last counts, and
 * it is answered once. NULL: memory is out. */
static struct asked *sort_all(const struct delete_records_request *message, struct arena *arena,
                              size_t *ret_count)
{
    size_t count = count_all(message);
    struct asked *all = ARENA_ARRAY(arena, struct asked, count + 1);
    if (all == NULL)
        return NULL;
    size_t at = 0;
    for (int32_t i = 0; i < message->topics_count; i++)
        for (int32_t j = 0; j < message->topics[i].partitions_count; j++, at++)
            all[at] = (struct asked){.topic = message->topics[i].name,
                                     .partition = message->topics[i].partitions[j].partition_index,
                                     .place = (int32_t)at,
                                     .offset = message->topics[i].partitions[j].offset};
    qsort(all, count, sizeof all[0], by_name);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool more = i + 1 < count && same_topic(&all[i], &all[i + 1]) &&
                    all[i].partition == all[i + 1].partition;
        if (!more)
            all[kept++] = all[i];
    }
    *ret_count = kept;
    return all;
}

/* What can be said without the partition's shard. */
static enum err check_part(const struct meta_topic *topic, const struct asked *asked)
{
    if (topic == NULL || meta_topic_partition(topic, asked->partition) == NULL)
        return ERR_UNKNOWN_TOPIC_OR_PARTITION;
    return cluster_topic_is_internal(asked->topic) ? ERR_INVALID_TOPIC_EXCEPTION : ERR_NONE;
}

/* false: memory is out. */
static bool add_part(struct delete_records *state, struct deletion_part *part,
                     const struct meta_topic *topic, const struct asked *asked)
{
    struct api_request *request = state->request;
    *part->answer = delete_records_response_topics_partitions_default;
    part->answer->partition_index = asked->partition;
    part->answer->low_watermark = -1;
    enum err err = check_part(topic, asked);
    part->answer->error_code = (int16_t)err;
    if (err != ERR_NONE)
        return true;
    part->state = state;
    part->topic_id = topic->id;
    part->offset = asked->offset;
    int shards = shard_set_count(shard_siblings(request->here->shard));
    int shard = replica_shard_of(topic->name, asked->partition, shards);
    return api_gather_add(&state->gather, &request->arena, shard, &part->part);
}

/* The first `count` of a topic. false: memory is out. */
static bool add_topic(struct delete_records *state, const struct asked *asked, size_t count)
{
    struct api_request *request = state->request;
    const struct meta_topic *topic = meta_topic_named(request->here->image, asked->topic);
    struct delete_records_response_topics *answer =
        &state->response.topics[state->response.topics_count++];
    struct deletion_part *parts = ARENA_ARRAY(&request->arena, struct deletion_part, count);
    *answer = delete_records_response_topics_default;
    answer->name = asked->topic;
    answer->partitions =
        ARENA_ARRAY(&request->arena, struct delete_records_response_topics_partitions, count);
    if (request->arena.failed)
        return false;
    for (size_t i = 0; i < count; i++) {
        parts[i].answer = &answer->partitions[answer->partitions_count++];
        if (!add_part(state, &parts[i], topic, &asked[i]))
            return false;
    }
    return true;
}

static bool add_all(struct delete_records *state, const struct delete_records_request *message)
{
    struct arena *arena = &state->request->arena;
    size_t count;
    const struct asked *all = sort_all(message, arena, &count);
    state->response = delete_records_response_default;
    state->response.topics_count = 0;
    state->response.topics =
        all != NULL ? ARENA_ARRAY(arena, struct delete_records_response_topics, count + 1) : NULL;
    bool fine = state->response.topics != NULL;
    size_t from = 0;
    while (fine && from < count) {
        size_t to = from + 1;
        while (to < count && same_topic(&all[from], &all[to]))
            to++;
        fine = add_topic(state, &all[from], to - from);
        from = to;
    }
    return fine;
}

void api_handle_delete_records(struct api_request *request)
{
    const struct delete_records_request *message = API_MESSAGE(request, delete_records_request);
    struct delete_records *state = API_NEW(request, struct delete_records);
    struct arena *arena = &request->arena;
    bool fine =
        state != NULL && api_gather_init(&state->gather, request->here, arena, run_part, on_done);
    if (fine)
        state->request = request;
    if (fine && add_all(state, message))
        api_gather_run(&state->gather);
    else
        api_request_fail(request, "memory is out");
}
