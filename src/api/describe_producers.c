/* DescribeProducers, version 0: the producers that each partition remembers, and since which offset
 * a transaction of theirs is open. Each partition is asked on its own shard. */
#include "api/cluster.h"
#include "api/gather.h"
#include "api/handlers.h"
#include "log/producer.h"
#include "meta/topic_name.h"
#include "wire/msg/describe_producers_request.h"
#include "wire/msg/describe_producers_response.h"

#include <stdlib.h>

#define ARENA_MAX ((size_t)256 * 1024 * 1024)

struct describing;

struct producers_part {
    struct api_part part; /* first: api/gather.h */
    struct api_shard *there;
    struct replica_waiter waiter;
    struct describe_producers_response_topics_partitions *answer;
    struct uuid topic_id;
    struct arena arena; /* of the rows, made on the partition's shard */
};

struct describing {
    struct api_gather gather;
    struct api_request *request;
    struct describe_producers_response response;
    struct producers_part *parts;
    int32_t part_count;
};

/* ---- on the partition's shard ---- */

static int by_id(const void *a, const void *b)
{
    const struct describe_producers_response_topics_partitions_active_producers *left = a;
    const struct describe_producers_response_topics_partitions_active_producers *right = b;
    return (left->producer_id > right->producer_id) - (left->producer_id < right->producer_id);
}

static void fill_row(const struct producer *producer,
                     struct describe_producers_response_topics_partitions_active_producers *row)
{
    *row = describe_producers_response_topics_partitions_active_producers_default;
    row->producer_id = producer->id;
    row->producer_epoch = producer->epoch;
    row->last_sequence = producer->batch_count > 0
                             ? producer->batches[producer->batch_count - 1].last_sequence
                             : BATCH_NO_SEQUENCE;
    row->last_timestamp = producer->last_timestamp;
    row->coordinator_epoch = producer->coordinator_epoch;
    row->current_txn_start_offset = producer->txn_first_offset;
}

static enum err list_producers(struct producers_part *part, const struct producers *producers)
{
    struct describe_producers_response_topics_partitions *answer = part->answer;
    answer->active_producers = ARENA_ARRAY(
        &part->arena, struct describe_producers_response_topics_partitions_active_producers,
        producers->table.count);
    if (part->arena.failed)
        return ERR_UNKNOWN_SERVER_ERROR;
    answer->active_producers_count = 0;
    for (struct hash_node *node = hash_table_next(&producers->table, NULL); node != NULL;
         node = hash_table_next(&producers->table, node)) {
        const struct producer *producer = CONTAINER_OF(node, const struct producer, node);
        if (producer_is_kept(producer))
            fill_row(producer, &answer->active_producers[answer->active_producers_count++]);
    }
    if (answer->active_producers_count > 0)
        qsort(answer->active_producers, (size_t)answer->active_producers_count,
              sizeof *answer->active_producers, by_id);
    return ERR_NONE;
}

static void describe(struct producers_part *part)
{
    role_now_on_shard();
    struct replica *replica;
    struct replica_place place =
        api_part_place(&part->part, part->topic_id, part->answer->partition_index);
    if (!replica_set_reach(part->there->replicas, &place, &part->waiter, &replica))
        return;
    enum err err = replica == NULL ? ERR_NOT_LEADER_OR_FOLLOWER : replica_check(replica);
    if (err == ERR_NONE)
        err = list_producers(part, log_producers(replica->log));
    part->answer->error_code = (int16_t)err;
    api_part_done(part->there, &part->part);
}

static void on_open(struct replica_waiter *waiter)
{
    describe(CONTAINER_OF(waiter, struct producers_part, waiter));
}

static void run_part(struct api_shard *there, struct api_part *api_part)
{
    struct producers_part *part = CONTAINER_OF(api_part, struct producers_part, part);
    part->there = there;
    replica_waiter_init(&part->waiter, on_open);
    describe(part);
}

/* ---- the request ---- */

static void on_done(struct api_shard *here, struct api_gather *gather)
{
    (void)here;
    struct describing *all = CONTAINER_OF(gather, struct describing, gather);
    for (int32_t i = 0; i < all->part_count; i++)
        arena_adopt(&all->request->arena, &all->parts[i].arena);
    api_request_answer(all->request, &all->response);
}

static void add_partition(struct describing *all, const struct meta_topic *topic,
                          struct describe_producers_response_topics_partitions *answer)
{
    struct api_request *request = all->request;
    if (meta_topic_partition(topic, answer->partition_index) == NULL) {
        answer->error_code = ERR_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    struct producers_part *part = &all->parts[all->part_count++];
    part->answer = answer;
    part->topic_id = topic->id;
    arena_init(&part->arena, ARENA_MAX);
    int shard = replica_shard_of(topic->name, answer->partition_index,
                                 shard_set_count(shard_siblings(request->here->shard)));
    if (!api_gather_add(&all->gather, &request->arena, shard, &part->part))
        answer->error_code = ERR_UNKNOWN_SERVER_ERROR;
}

static void add_topic(struct describing *all, const struct describe_producers_request_topics *asked,
                      struct describe_producers_response_topics *topic)
{
    struct arena *arena = &all->request->arena;
    const struct meta_topic *found = meta_topic_named(all->request->here->image, asked->name);
    const char *fault = meta_topic_name_fault(asked->name, arena);
    enum err err = found == NULL ? ERR_UNKNOWN_TOPIC_OR_PARTITION : ERR_NONE;
    if (fault != NULL)
        err = ERR_INVALID_TOPIC_EXCEPTION;
    else if (found == NULL)
        fault = "This server does not host this topic-partition.";
    topic->name = asked->name;
    topic->partitions_count = MAX_OF(asked->partition_indexes_count, (int32_t)0);
    topic->partitions = ARENA_ARRAY(arena, struct describe_producers_response_topics_partitions,
                                    (size_t)topic->partitions_count);
    for (int32_t i = 0; i < topic->partitions_count && !arena->failed; i++) {
        struct describe_producers_response_topics_partitions *answer = &topic->partitions[i];
        *answer = describe_producers_response_topics_partitions_default;
        answer->partition_index = asked->partition_indexes[i];
        answer->active_producers_count = 0;
        answer->error_code = (int16_t)err;
        if (err != ERR_NONE)
            answer->error_message = slice_of_text(fault);
        else
            add_partition(all, found, answer);
    }
}

static size_t count_partitions(const struct describe_producers_request *message)
{
    size_t count = 1;
    for (int32_t i = 0; i < message->topics_count; i++)
        count += (size_t)MAX_OF(message->topics[i].partition_indexes_count, (int32_t)0);
    return count;
}

static bool prepare(struct describing *all, const struct describe_producers_request *message)
{
    struct arena *arena = &all->request->arena;
    size_t count = (size_t)MAX_OF(message->topics_count, (int32_t)0);
    all->response = describe_producers_response_default;
    all->response.topics = ARENA_ARRAY(arena, struct describe_producers_response_topics, count);
    all->response.topics_count = (int32_t)count;
    all->parts = ARENA_ARRAY(arena, struct producers_part, count_partitions(message));
    if (arena->failed ||
        !api_gather_init(&all->gather, all->request->here, arena, run_part, on_done))
        return false;
    for (size_t i = 0; i < count && !arena->failed; i++)
        add_topic(all, &message->topics[i], &all->response.topics[i]);
    return !arena->failed;
}

void api_handle_describe_producers(struct api_request *request)
{
    struct describing *all = API_NEW(request, struct describing);
    if (all != NULL)
        all->request = request;
    if (all == NULL || !prepare(all, API_MESSAGE(request, describe_producers_request)))
        api_request_fail(request, "memory for DescribeProducers is out");
    else
        api_gather_run(&all->gather);
}
