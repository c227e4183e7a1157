/* ListOffsets, versions 1 to 11: the ends of a log, or the first record at or after a moment. What
 * needs records to be read is done by a worker of the partition's shard. */
#include "api/gather.h"
#include "api/handlers.h"
#include "replica/set.h"
#include "wire/msg/list_offsets_request.h"
#include "wire/msg/list_offsets_response.h"

#include <stdlib.h>

/* Timestamps that mean something else. */
enum {
    LATEST = -1,
    EARLIEST = -2,
    MAX_TIMESTAMP = -3,    /* version 7 */
    EARLIEST_LOCAL = -4,   /* version 8 */
    LATEST_TIERED = -5,    /* version 9 */
    EARLIEST_PENDING = -6, /* version 11 */
};

struct list_offsets;

struct offset_part {
    struct api_part part; /* first: api/gather.h */
    struct list_offsets *state;
    struct list_offsets_response_topics_partitions *answer;
    struct uuid topic_id;
    int32_t leader_epoch; /* the client's; -1: not told */
    int64_t timestamp;
    struct api_shard *there;
    struct replica *replica;
    struct replica_waiter waiter;
    struct log_find find;
};

struct list_offsets {
    struct api_gather gather;
    struct api_request *request;
    struct list_offsets_response response;
    bool read_committed;
    bool senseless; /* an isolation level that does not exist: nothing is looked up */
};

static void finish(struct offset_part *part, enum err err)
{
    part->answer->error_code = (int16_t)err;
    api_part_done(part->there, &part->part);
}

static void answer_offset(struct offset_part *part, int64_t offset, int32_t epoch)
{
    part->answer->offset = offset;
    part->answer->leader_epoch = epoch;
    finish(part, ERR_NONE);
}

static void on_found(struct log_find *find)
{
    role_now_on_shard();
    struct offset_part *part = CONTAINER_OF(find, struct offset_part, find);
    struct replica *replica = part->replica;
    int64_t bound = replica_read_bound(replica, part->state->read_committed);
    if (find->err == ERR_NONE && find->found_offset >= 0 && find->found_offset < bound) {
        part->answer->offset = find->found_offset;
        part->answer->timestamp = find->found_timestamp;
        part->answer->leader_epoch = find->found_epoch;
    }
    replica_end(replica);
    finish(part, find->err);
}

static void search(struct offset_part *part)
{
    role_now_on_shard();
    part->find = (struct log_find){
        .kind = part->timestamp == MAX_TIMESTAMP ? LOG_FIND_MAX_TIMESTAMP : LOG_FIND_TIMESTAMP,
        .timestamp = part->timestamp,
        .on_done = on_found,
    };
    replica_begin(part->replica);
    log_find_submit(part->replica->log, &part->find);
}

static enum err check_epoch(const struct offset_part *part, const struct replica *replica)
{
    if (part->leader_epoch == -1 || part->leader_epoch == replica->leader_epoch)
        return ERR_NONE;
    return part->leader_epoch < replica->leader_epoch ? ERR_FENCED_LEADER_EPOCH
                                                      : ERR_UNKNOWN_LEADER_EPOCH;
}

static void look_up(struct offset_part *part)
{
    role_now_on_shard();
    struct replica *replica;
    struct replica_place place =
        api_part_place(&part->part, part->topic_id, part->answer->partition_index);
    if (!replica_set_reach(part->there->replicas, &place, &part->waiter, &replica))
        return;
    enum err err = replica == NULL ? ERR_NOT_LEADER_OR_FOLLOWER : replica_check(replica);
    if (err == ERR_NONE)
        err = check_epoch(part, replica);
    if (err != ERR_NONE) {
        finish(part, err);
        return;
    }
    part->replica = replica;
    switch (part->timestamp) {
    case LATEST:
        answer_offset(part, replica_read_bound(replica, part->state->read_committed),
                      replica->leader_epoch);
        break;
    case EARLIEST:
    case EARLIEST_LOCAL:
        answer_offset(part, log_start_offset(replica->log), replica_start_epoch(replica));
        break;
    case LATEST_TIERED:
    case EARLIEST_PENDING:
        answer_offset(part, -1, -1);
        break;
    default:
        search(part);
    }
}

static void on_open(struct replica_waiter *waiter)
{
    look_up(CONTAINER_OF(waiter, struct offset_part, waiter));
}

static void run_part(struct api_shard *there, struct api_part *api_part)
{
    struct offset_part *part = CONTAINER_OF(api_part, struct offset_part, part);
    part->there = there;
    replica_waiter_init(&part->waiter, on_open);
    look_up(part);
}

static void on_done(struct api_shard *here, struct api_gather *gather)
{
    (void)here;
    struct list_offsets *state = CONTAINER_OF(gather, struct list_offsets, gather);
    api_request_answer(state->request, &state->response);
}

/* ---- the request ---- */

/* One partition as it was asked for. */
struct asked_part {
    struct slice topic;
    int32_t partition;
    int32_t place; /* among all of the request */
};

static int by_name(const void *a, const void *b)
{
    const struct asked_part *left = a;
    const struct asked_part *right = b;
    int order = slice_compare(left->topic, right->topic);
    if (order == 0)
        order = (left->partition > right->partition) - (left->partition < right->partition);
    return order != 0 ? order : (left->place > right->place) - (left->place < right->place);
}

static bool same_part(const struct asked_part *a, const struct asked_part *b)
{
    return a->partition == b->partition && slice_equal(a->topic, b->topic);
}

/* How often each is asked for, by place. */
enum repetition {
    REPETITION_NONE,
    REPETITION_FIRST, /* there are more: refused */
    REPETITION_MORE,  /* not answered */
};

/* Work grows as n log n with the request. NULL: memory is out. */
static enum repetition *repetitions(const struct list_offsets_request *message, struct arena *arena)
{
    size_t count = 0;
    for (int32_t i = 0; i < message->topics_count; i++)
        count += (size_t)MAX_OF(message->topics[i].partitions_count, 0);
    enum repetition *result = ARENA_ARRAY(arena, enum repetition, count + 1);
    struct asked_part *all = ARENA_ARRAY(arena, struct asked_part, count + 1);
    if (result == NULL || all == NULL)
        return NULL;
    size_t at = 0;
    for (int32_t i = 0; i < message->topics_count; i++)
        for (int32_t j = 0; j < message->topics[i].partitions_count; j++, at++)
            all[at] =
                (struct asked_part){.topic = message->topics[i].name,
                                    .partition = message->topics[i].partitions[j].partition_index,
                                    .place = (int32_t)at};
    qsort(all, count, sizeof all[0], by_name);
    for (size_t i = 1; i < count; i++) {
        if (!same_part(&all[i - 1], &all[i]))
            continue;
        if (result[all[i - 1].place] == REPETITION_NONE)
            result[all[i - 1].place] = REPETITION_FIRST;
        result[all[i].place] = REPETITION_MORE;
    }
    return result;
}

static bool is_supported(int64_t timestamp, int version)
{
    static const struct {
        int64_t timestamp;
        int version;
    } since[] = {
        {MAX_TIMESTAMP, 7}, {EARLIEST_LOCAL, 8}, {LATEST_TIERED, 9}, {EARLIEST_PENDING, 11}};
    for (size_t i = 0; i < COUNT_OF(since); i++)
        if (since[i].timestamp == timestamp)
            return version >= since[i].version;
    return timestamp >= EARLIEST;
}

/* What can be said without the partition's shard. */
static enum err check_part(const struct list_offsets *state, const struct meta_topic *topic,
                           const struct offset_part *part)
{
    if (!is_supported(part->timestamp, state->request->header.api_version))
        return ERR_UNSUPPORTED_VERSION;
    if (topic == NULL || meta_topic_partition(topic, part->answer->partition_index) == NULL)
        return ERR_UNKNOWN_TOPIC_OR_PARTITION;
    return ERR_NONE;
}

/* false: memory is out. */
static bool add_part(struct list_offsets *state, struct offset_part *part,
                     const struct meta_topic *topic, bool repeated)
{
    struct api_request *request = state->request;
    enum err err =
        repeated || state->senseless ? ERR_INVALID_REQUEST : check_part(state, topic, part);
    part->answer->error_code = (int16_t)err;
    if (err != ERR_NONE)
        return true;
    part->topic_id = topic->id;
    int shards = shard_set_count(shard_siblings(request->here->shard));
    int shard = replica_shard_of(topic->name, part->answer->partition_index, shards);
    return api_gather_add(&state->gather, &request->arena, shard, &part->part);
}

/* repetitions: of this topic's partitions. */
static bool add_topic(struct list_offsets *state, const struct list_offsets_request_topics *asked,
                      struct list_offsets_response_topics *answer,
                      const enum repetition *repetitions)
{
    struct api_request *request = state->request;
    const struct meta_topic *topic = meta_topic_named(request->here->image, asked->name);
    size_t count = (size_t)MAX_OF(asked->partitions_count, 0);
    struct offset_part *parts = ARENA_ARRAY(&request->arena, struct offset_part, count);
    answer->name = asked->name;
    answer->partitions =
        ARENA_ARRAY(&request->arena, struct list_offsets_response_topics_partitions, count);
    if (request->arena.failed)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (repetitions[i] == REPETITION_MORE)
            continue;
        struct offset_part *part = &parts[i];
        part->state = state;
        part->answer = &answer->partitions[answer->partitions_count++];
        *part->answer = list_offsets_response_topics_partitions_default;
        part->answer->partition_index = asked->partitions[i].partition_index;
        part->timestamp = asked->partitions[i].timestamp;
        part->leader_epoch = asked->partitions[i].current_leader_epoch;
        if (!add_part(state, part, topic, repetitions[i] == REPETITION_FIRST))
            return false;
    }
    return true;
}

static bool add_topics(struct list_offsets *state, const struct list_offsets_request *message)
{
    const enum repetition *next = repetitions(message, &state->request->arena);
    bool fine = next != NULL;
    for (int32_t i = 0; fine && i < message->topics_count; i++) {
        const struct list_offsets_request_topics *topic = &message->topics[i];
        struct list_offsets_response_topics *answer =
            &state->response.topics[state->response.topics_count];
        fine = add_topic(state, topic, answer, next);
        /* One without partitions, or with those of others only, is not answered. */
        state->response.topics_count += answer->partitions_count > 0;
        next += MAX_OF(topic->partitions_count, 0);
    }
    return fine;
}

void api_handle_list_offsets(struct api_request *request)
{
    const struct list_offsets_request *message = API_MESSAGE(request, list_offsets_request);
    struct list_offsets *state = API_NEW(request, struct list_offsets);
    struct arena *arena = &request->arena;
    bool fine =
        state != NULL && api_gather_init(&state->gather, request->here, arena, run_part, on_done);
    if (fine) {
        state->request = request;
        state->read_committed = message->isolation_level == 1;
        state->senseless = message->isolation_level < 0 || message->isolation_level > 1;
        state->response = list_offsets_response_default;
        state->response.topics_count = 0;
        state->response.topics = ARENA_ARRAY(arena, struct list_offsets_response_topics,
                                             (size_t)MAX_OF(message->topics_count, 0));
        fine = !arena->failed;
    }
    if (fine && add_topics(state, message))
        api_gather_run(&state->gather);
    else
        api_request_fail(request, "memory is out");
}
