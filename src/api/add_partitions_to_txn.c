/* AddPartitionsToTxn, versions 0 to 5. Producers name one transaction (up to version 3); brokers
 * name several, and may only ask whether partitions are part of them. Where a partition is not
 * there, none of its transaction is added. On the request's shard. */
#include "api/coordination.h"
#include "api/handlers.h"
#include "meta/image.h"
#include "txn/txns.h"
#include "wire/msg/add_partitions_to_txn_request.h"
#include "wire/msg/add_partitions_to_txn_response.h"

#define VERSION_BATCHED 4
/* From this version on clients know PRODUCER_FENCED. */
#define VERSION_KNOWS_FENCED 2

struct adding {
    struct coordination *all;
    struct add_partitions_to_txn_request_transactions *transactions;
    struct add_partitions_to_txn_response_results_by_transaction *results;
    struct coord_call **calls; /* NULL where the result stands already */
    int count;
};

typedef enum err (*partition_error_fn)(const struct api_request *, struct slice topic,
                                       int32_t partition, enum err all);

/* ---- results ---- */

static bool exists(const struct api_request *request, struct slice topic, int32_t partition)
{
    const struct meta_topic *found = meta_topic_named(request->here->image, topic);
    return found != NULL && meta_topic_partition(found, partition) != NULL;
}

static enum err same_error(const struct api_request *request, struct slice topic, int32_t partition,
                           enum err all)
{
    (void)request;
    (void)topic;
    (void)partition;
    return all;
}

static enum err missing_error(const struct api_request *request, struct slice topic,
                              int32_t partition, enum err all)
{
    (void)all;
    return exists(request, topic, partition) ? ERR_OPERATION_NOT_ATTEMPTED
                                             : ERR_UNKNOWN_TOPIC_OR_PARTITION;
}

/* A result of which each partition has an error of its own. false: memory is out. */
static bool fill_result(struct api_request *request,
                        const struct add_partitions_to_txn_request_transactions *asked,
                        partition_error_fn error_of, enum err all,
                        struct add_partitions_to_txn_response_results_by_transaction *result)
{
    struct arena *arena = &request->arena;
    size_t count = (size_t)MAX_OF(asked->topics_count, (int32_t)0);
    result->transactional_id = asked->transactional_id;
    result->topic_results = ARENA_ARRAY(
        arena, struct add_partitions_to_txn_response_results_by_transaction_topic_results, count);
    result->topic_results_count = (int32_t)count;
    for (size_t i = 0; i < count && !arena->failed; i++) {
        struct add_partitions_to_txn_response_results_by_transaction_topic_results *topic =
            &result->topic_results[i];
        int32_t partitions = MAX_OF(asked->topics[i].partitions_count, (int32_t)0);
        topic->name = asked->topics[i].name;
        topic->results_by_partition_count = partitions;
        topic->results_by_partition =
            arena_take_array(arena, (size_t)partitions, sizeof *topic->results_by_partition);
        for (int32_t j = 0; j < partitions && !arena->failed; j++) {
            topic->results_by_partition[j].partition_index = asked->topics[i].partitions[j];
            topic->results_by_partition[j].partition_error_code =
                (int16_t)error_of(request, topic->name, asked->topics[i].partitions[j], all);
        }
    }
    return !arena->failed;
}

/* The same in the form of old versions. */
static bool fill_old(struct api_request *request,
                     const struct add_partitions_to_txn_response_results_by_transaction *result,
                     struct add_partitions_to_txn_response *response)
{
    struct arena *arena = &request->arena;
    response->results_by_topic_v3_and_below =
        ARENA_ARRAY(arena, struct add_partitions_to_txn_response_results_by_topic_v3_and_below,
                    (size_t)result->topic_results_count);
    response->results_by_topic_v3_and_below_count = result->topic_results_count;
    for (int32_t i = 0; i < result->topic_results_count && !arena->failed; i++) {
        struct add_partitions_to_txn_response_results_by_topic_v3_and_below *topic =
            &response->results_by_topic_v3_and_below[i];
        int32_t partitions = result->topic_results[i].results_by_partition_count;
        topic->name = result->topic_results[i].name;
        topic->results_by_partition_count = partitions;
        topic->results_by_partition =
            arena_take_array(arena, (size_t)partitions, sizeof *topic->results_by_partition);
        for (int32_t j = 0; j < partitions && !arena->failed; j++) {
            topic->results_by_partition[j].partition_index =
                result->topic_results[i].results_by_partition[j].partition_index;
            int16_t code = result->topic_results[i].results_by_partition[j].partition_error_code;
            bool fenced =
                code == ERR_PRODUCER_FENCED && request->header.api_version < VERSION_KNOWS_FENCED;
            topic->results_by_partition[j].partition_error_code =
                fenced ? (int16_t)ERR_INVALID_PRODUCER_EPOCH : code;
        }
    }
    return !arena->failed;
}

static void answer(struct api_request *request, const struct adding *adding)
{
    struct add_partitions_to_txn_response response = add_partitions_to_txn_response_default;
    bool fine = true;
    if (request->header.api_version < VERSION_BATCHED) {
        fine = fill_old(request, &adding->results[0], &response);
    } else {
        response.results_by_transaction = adding->results;
        response.results_by_transaction_count = adding->count;
    }
    if (fine)
        api_request_answer(request, &response);
    else
        api_request_fail(request, "memory for AddPartitionsToTxn is out");
}

static void on_done(struct coordination *all)
{
    struct adding *adding = all->owner;
    for (int i = 0; i < adding->count; i++) {
        const struct coord_call *call = adding->calls[i];
        if (call == NULL)
            continue;
        if (call->err == ERR_NONE)
            adding->results[i] =
                *(const struct add_partitions_to_txn_response_results_by_transaction *)
                     call->response;
        else if (!fill_result(all->request, &adding->transactions[i], same_error, call->err,
                              &adding->results[i])) {
            api_request_fail(all->request, "memory for AddPartitionsToTxn is out");
            return;
        }
    }
    answer(all->request, adding);
}

/* ---- the request ---- */

static bool all_exist(const struct api_request *request,
                      const struct add_partitions_to_txn_request_transactions *asked)
{
    for (int32_t i = 0; i < asked->topics_count; i++)
        for (int32_t j = 0; j < asked->topics[i].partitions_count; j++)
            if (!exists(request, asked->topics[i].name, asked->topics[i].partitions[j]))
                return false;
    return true;
}

/* One transaction in the form of version 4. false: memory is out. */
static bool take_old(struct api_request *request, struct adding *adding)
{
    const struct add_partitions_to_txn_request *message =
        API_MESSAGE(request, add_partitions_to_txn_request);
    struct add_partitions_to_txn_request_transactions *one =
        API_NEW(request, struct add_partitions_to_txn_request_transactions);
    size_t count = (size_t)MAX_OF(message->v3_and_below_topics_count, (int32_t)0);
    struct add_partitions_to_txn_request_transactions_topics *topics = ARENA_ARRAY(
        &request->arena, struct add_partitions_to_txn_request_transactions_topics, count);
    if (one == NULL || request->arena.failed)
        return false;
    *one = (struct add_partitions_to_txn_request_transactions){
        .transactional_id = message->v3_and_below_transactional_id,
        .producer_id = message->v3_and_below_producer_id,
        .producer_epoch = message->v3_and_below_producer_epoch,
        .topics = topics,
        .topics_count = (int32_t)count,
    };
    for (size_t i = 0; i < count; i++)
        topics[i] = (struct add_partitions_to_txn_request_transactions_topics){
            .name = message->v3_and_below_topics[i].name,
            .partitions = message->v3_and_below_topics[i].partitions,
            .partitions_count = message->v3_and_below_topics[i].partitions_count,
        };
    adding->transactions = one;
    adding->count = 1;
    return true;
}

static bool prepare(struct api_request *request, struct adding *adding)
{
    const struct add_partitions_to_txn_request *message =
        API_MESSAGE(request, add_partitions_to_txn_request);
    adding->transactions = message->transactions;
    adding->count = MAX_OF(message->transactions_count, (int32_t)0);
    if (request->header.api_version < VERSION_BATCHED && !take_old(request, adding))
        return false;
    size_t count = (size_t)MAX_OF(adding->count, 1);
    adding->results = ARENA_ARRAY(
        &request->arena, struct add_partitions_to_txn_response_results_by_transaction, count);
    adding->calls = ARENA_ARRAY(&request->arena, struct coord_call *, count);
    return adding->results != NULL && adding->calls != NULL;
}

/* false: memory is out. */
static bool add_call(struct api_request *request, struct adding *adding, int at)
{
    const struct add_partitions_to_txn_request_transactions *asked = &adding->transactions[at];
    if (!all_exist(request, asked))
        return fill_result(request, asked, missing_error, ERR_NONE, &adding->results[at]);
    if (asked->transactional_id.size == 0)
        return fill_result(request, asked, same_error, ERR_INVALID_REQUEST, &adding->results[at]);
    adding->calls[at] =
        coordination_add(adding->all, asked->transactional_id, txns_add_partitions, asked);
    return true;
}

void api_handle_add_partitions_to_txn(struct api_request *request)
{
    role_now_on_shard();
    struct adding *adding = API_NEW(request, struct adding);
    bool fine = adding != NULL && prepare(request, adding);
    if (fine) {
        adding->all = coordination_new(request, COORD_TXNS, adding->count);
        if (adding->all == NULL)
            return;
        adding->all->owner = adding;
    }
    for (int i = 0; fine && i < adding->count; i++)
        fine = add_call(request, adding, i);
    if (fine)
        coordination_run(adding->all, on_done);
    else
        api_request_fail(request, "memory for AddPartitionsToTxn is out");
}
