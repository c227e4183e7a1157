/* CreatePartitions decided as Kafka's controller does: each topic on its own, those that pass
 * taking effect together. Work grows as n log n with the request. On the controller's shard. */
#include "meta/placement.h"
#include "wire/msg/create_partitions_request.h"
#include "wire/msg/create_partitions_response.h"

#include <stdlib.h>

#define PARTITIONS_PER_REQUEST_MAX 10000

/* One topic that is to have more of them. */
struct growth {
    struct meta *meta;
    struct arena *arena;
    const struct create_partitions_request_topics *asked;
    struct create_partitions_response_results *answer;
    const struct meta_topic *topic;
};

static bool refuse(struct growth *growth, enum err err, const char *text)
{
    growth->answer->error_code = (int16_t)err;
    growth->answer->error_message = slice_of_text(text);
    return false;
}

static int32_t count_of(const struct meta_topic *topic)
{
    return (int32_t)topic->partitions.count;
}

static int32_t additional(const struct growth *growth)
{
    return growth->asked->count - count_of(growth->topic);
}

static bool check_count(struct growth *growth)
{
    int32_t count = count_of(growth->topic);
    if (growth->asked->count == count)
        return refuse(growth, ERR_INVALID_PARTITIONS,
                      arena_printf(growth->arena, "Topic already has %d partition(s).", count));
    if (growth->asked->count < count)
        return refuse(growth, ERR_INVALID_PARTITIONS,
                      arena_printf(growth->arena,
                                   "The topic %.*s currently has %d partition(s); %d would not be "
                                   "an increase.",
                                   SLICE_ARG(growth->asked->name), count, growth->asked->count));
    return true;
}

static bool check_assignments(struct growth *growth, int32_t factor)
{
    const struct create_partitions_request_topics *asked = growth->asked;
    if (asked->assignments_count != additional(growth))
        return refuse(growth, ERR_INVALID_REPLICA_ASSIGNMENT,
                      arena_printf(growth->arena,
                                   "Attempted to add %d additional partition(s), but only %d "
                                   "assignment(s) were specified.",
                                   additional(growth), asked->assignments_count));
    for (int32_t i = 0; i < asked->assignments_count; i++) {
        const struct create_partitions_request_topics_assignments *one = &asked->assignments[i];
        struct meta_assignment assignment = {.brokers = {one->broker_ids_count, one->broker_ids},
                                             .partition = count_of(growth->topic) + i,
                                             .factor = factor};
        const char *fault = meta_assignment_fault(growth->meta->latest, &assignment, growth->arena);
        if (fault != NULL)
            return refuse(growth, ERR_INVALID_REPLICA_ASSIGNMENT, fault);
    }
    return true;
}

static bool check_placement(struct growth *growth)
{
    const struct meta_partition *first = meta_topic_partition(growth->topic, 0);
    int32_t factor = first != NULL ? first->replicas.count : 1;
    if (growth->asked->assignments_count >= 0)
        return check_assignments(growth, factor);
    const char *fault = meta_placement_fault(growth->meta->latest, (int16_t)factor, growth->arena);
    return fault == NULL || refuse(growth, ERR_INVALID_REPLICATION_FACTOR, fault);
}

static void grow(struct growth *growth, struct meta_records *records)
{
    growth->topic = meta_topic_named(growth->meta->latest, growth->asked->name);
    if (growth->topic == NULL) {
        (void)refuse(growth, ERR_UNKNOWN_TOPIC_OR_PARTITION, NULL);
        return;
    }
    if (!check_count(growth) || !check_placement(growth))
        return;
    int32_t first = count_of(growth->topic);
    for (int32_t i = 0; i < additional(growth); i++)
        meta_partition_add(
            growth->meta, records,
            &(struct meta_new_partition){.topic_id = growth->topic->id, .id = first + i});
}

/* ---- the request ---- */

static int by_name(const void *a, const void *b)
{
    const struct create_partitions_request_topics *const *left = a;
    const struct create_partitions_request_topics *const *right = b;
    return slice_compare((*left)->name, (*right)->name);
}

static bool same_name(const struct create_partitions_request_topics *a,
                      const struct create_partitions_request_topics *b)
{
    return slice_equal(a->name, b->name);
}

struct request {
    const struct create_partitions_request_topics **topics; /* sorted by name */
    size_t count;
};

/* How many from `first` on have its name. */
static size_t run_of(const struct request *request, size_t first)
{
    size_t end = first + 1;
    while (end < request->count && same_name(request->topics[end], request->topics[first]))
        end++;
    return end - first;
}

static struct create_partitions_response_results *answer_next(
    struct create_partitions_response *response, struct slice name)
{
    struct create_partitions_response_results *answer =
        &response->results[response->results_count++];
    *answer = create_partitions_response_results_default;
    answer->name = name;
    answer->error_message = (struct slice){0};
    return answer;
}

/* Of topics that are there and named once. */
static bool is_too_much(const struct meta *meta, const struct request *request)
{
    int64_t sum = 0;
    size_t run;
    for (size_t i = 0; i < request->count; i += run) {
        run = run_of(request, i);
        const struct meta_topic *topic = meta_topic_named(meta->latest, request->topics[i]->name);
        if (run == 1 && topic != NULL)
            sum += MAX_OF((int64_t)request->topics[i]->count - count_of(topic), 0);
    }
    return sum > PARTITIONS_PER_REQUEST_MAX;
}

static void decide(struct meta *meta, const struct request *request, struct meta_records *records,
                   struct create_partitions_response *response)
{
    bool too_much = is_too_much(meta, request);
    size_t run;
    for (size_t i = 0; i < request->count; i += run) {
        run = run_of(request, i);
        struct growth growth = {.meta = meta,
                                .arena = records->arena,
                                .asked = request->topics[i],
                                .answer = answer_next(response, request->topics[i]->name)};
        if (too_much)
            (void)refuse(&growth, ERR_POLICY_VIOLATION,
                         "Excessively large number of additional partitions per request.");
        else if (run > 1)
            (void)refuse(&growth, ERR_INVALID_REQUEST, "Duplicate topic name.");
        else
            grow(&growth, records);
    }
}

void meta_create_partitions(struct meta *meta, struct peer_call *call)
{
    const struct create_partitions_request *asked = call->request;
    struct arena *arena = &call->arena;
    size_t count = (size_t)MAX_OF(asked->topics_count, 0);
    struct meta_records records;
    meta_records_init(&records, arena);
    struct create_partitions_response *response =
        ARENA_NEW(arena, struct create_partitions_response);
    struct request request = {
        .topics = ARENA_ARRAY(arena, const struct create_partitions_request_topics *, count + 1),
        .count = count};
    struct create_partitions_response_results *results =
        ARENA_ARRAY(arena, struct create_partitions_response_results, count + 1);
    if (response == NULL || request.topics == NULL || results == NULL) {
        peer_answer(meta->shard, call, ERR_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    for (size_t i = 0; i < count; i++)
        request.topics[i] = &asked->topics[i];
    qsort(request.topics, count, sizeof request.topics[0], by_name);
    *response = create_partitions_response_default;
    response->results = results;
    decide(meta, &request, &records, response);
    if (asked->validate_only)
        records.count = 0;
    meta_commit(meta, &records, call, response);
}
