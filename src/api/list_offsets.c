/* ListOffsets, versions 1 to 11: the ends of a log, or the first record at or after a moment. What
 * needs records to be read is done by a worker of the partition's shard. */
#include "api/gather.h"
#include "api/handlers.h"
#include "replica/set.h"
#include "wire/msg/list_offsets_request.h"
#include "wire/msg/list_offsets_response.h"

/* Timestamps that mean something else. */
enum {
    LATEST = -1,
    EARLIEST = -2,
    MAX_TIMESTAMP = -3,        /* version 7 */
    EARLIEST_LOCAL = -4,       /* version 8 */
    LATEST_TIERED = -5,        /* version 9 */
    EARLIEST_PENDING = -6,     /* version 11 */
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
    if (part->leader_epoch < 0 || part->leader_epoch == replica->leader_epoch)
        return ERR_NONE;
    return part->leader_epoch < replica->leader_epoch ? ERR_FENCED_LEADER_EPOCH
                                                      : ERR_UNKNOWN_LEADER_EPOCH;
}

static void look_up(struct offset_part *part)
{
    role_now_on_shard();
    struct replica *replica =
        replica_set_find(part->there->replicas, part->topic_id, part->answer->partition_index);
    if (replica != NULL && replica_wait_open(replica, &part->waiter))
        return;
    enum err err = replica == NULL ? ERR_NOT_LEADER_OR_FOLLOWER : replica_check(replica);
    if (err == ERR_NONE)
        err = check_epoch(part, replica);
    if (err != ERR_NONE) {
        finish(part, err);
        return;
    }
    part->replica = replica;
    int64_t start = log_start_offset(replica->log);
    switch (part->timestamp) {
    case LATEST:
        answer_offset(part, replica_read_bound(replica, part->state->read_committed),
                      replica->leader_epoch);
        break;
    case EARLIEST:
    case EARLIEST_LOCAL:
        answer_offset(part, start, log_epoch_of(replica->log, start));
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

static bool is_repeated(const struct list_offsets_request *message, int32_t topic,
                        int32_t partition)
{
    int32_t index = message->topics[topic].partitions[partition].partition_index;
    for (int32_t i = 0; i < message->topics_count; i++) {
        if (!slice_equal(message->topics[i].name, message->topics[topic].name))
            continue;
        for (int32_t j = 0; j < message->topics[i].partitions_count; j++)
            if ((i != topic || j != partition) &&
                message->topics[i].partitions[j].partition_index == index)
                return true;
    }
    return false;
}

static bool is_supported(int64_t timestamp, int version)
{
    static const struct {
        int64_t timestamp;
        int version;
    } since[] = {{MAX_TIMESTAMP, 7},
                 {EARLIEST_LOCAL, 8},
                 {LATEST_TIERED, 9},
                 {EARLIEST_PENDING, 11}};
    for (size_t i = 0; i < COUNT_OF(since); i++)
        if (since[i].timestamp == timestamp)
            return version >= since[i].version;
    return timestamp >= EARLIEST;
}

/* What can be said without the partition's shard. */
static enum err check_part(const struct list_offsets *state, const struct meta_topic *topic,
                           const struct offset_part *part)
{
    if (topic == NULL || meta_topic_partition(topic, part->answer->partition_index) == NULL)
        return ERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (!is_supported(part->timestamp, state->request->header.api_version))
        return ERR_UNSUPPORTED_VERSION;
    return ERR_NONE;
}

static bool add_topic(struct list_offsets *state, const struct list_offsets_request *message,
                      int32_t index)
{
    struct api_request *request = state->request;
    const struct list_offsets_request_topics *asked = &message->topics[index];
    struct list_offsets_response_topics *answer = &state->response.topics[index];
    const struct meta_topic *topic = meta_topic_named(request->here->image, asked->name);
    size_t count = (size_t)MAX_OF(asked->partitions_count, 0);
    struct offset_part *parts = ARENA_ARRAY(&request->arena, struct offset_part, count);
    answer->name = asked->name;
    answer->partitions_count = (int32_t)count;
    answer->partitions =
        ARENA_ARRAY(&request->arena, struct list_offsets_response_topics_partitions, count);
    if (request->arena.failed)
        return false;
    int shards = shard_set_count(shard_siblings(request->here->shard));
    for (size_t i = 0; i < count; i++) {
        struct offset_part *part = &parts[i];
        answer->partitions[i] = list_offsets_response_topics_partitions_default;
        answer->partitions[i].partition_index = asked->partitions[i].partition_index;
        part->state = state;
        part->answer = &answer->partitions[i];
        part->timestamp = asked->partitions[i].timestamp;
        part->leader_epoch = asked->partitions[i].current_leader_epoch;
        enum err err = is_repeated(message, index, (int32_t)i) ? ERR_INVALID_REQUEST
                                                               : check_part(state, topic, part);
        part->answer->error_code = (int16_t)err;
        if (err != ERR_NONE)
            continue;
        part->topic_id = topic->id;
        int shard = replica_shard_of(topic->id, part->answer->partition_index, shards);
        if (!api_gather_add(&state->gather, &request->arena, shard, &part->part))
            return false;
    }
    return true;
}

void api_handle_list_offsets(struct api_request *request)
{
    const struct list_offsets_request *message = API_MESSAGE(request, list_offsets_request);
    struct list_offsets *state = API_NEW(request, struct list_offsets);
    struct arena *arena = &request->arena;
    bool fine = state != NULL &&
                api_gather_init(&state->gather, request->here, arena, run_part, on_done);
    if (fine) {
        state->request = request;
        state->read_committed = message->isolation_level == 1;
        state->response = list_offsets_response_default;
        state->response.topics_count = MAX_OF(message->topics_count, 0);
        state->response.topics = ARENA_ARRAY(arena, struct list_offsets_response_topics,
                                             (size_t)state->response.topics_count);
        fine = !arena->failed;
    }
    for (int32_t i = 0; fine && i < state->response.topics_count; i++)
        fine = add_topic(state, message, i);
    if (fine)
        api_gather_run(&state->gather);
    else
        api_request_fail(request, "memory is out");
}
