/* What producers ask of their transactional ids before a transaction's end: a producer id and
 * epoch, and partitions to be part of it. On the partition's shard. */
#include "txn/txns_int.h"

#include "config/node.h"
#include "coord/set.h"
#include "meta/image.h"
#include "wire/msg/add_offsets_to_txn_request.h"
#include "wire/msg/add_offsets_to_txn_response.h"
#include "wire/msg/add_partitions_to_txn_request.h"
#include "wire/msg/add_partitions_to_txn_response.h"
#include "wire/msg/init_producer_id_request.h"
#include "wire/msg/init_producer_id_response.h"

#include <stdlib.h>

/* From here on AddPartitionsToTxn comes from producers of transaction version 2, by a broker. */
#define ADD_PARTITIONS_BATCHED 4

/* ---- a producer begins ---- */

/* What the producer holds, which goes on with its id (KIP-360). */
static bool expects(const struct init_producer_id_request *request)
{
    return request->producer_id != TXN_NO_PRODUCER_ID;
}

/* Its own id; or the one before, of which the answer with the new one was lost. */
static bool may_go_on(const struct txn *txn, const struct init_producer_id_request *request)
{
    if (!expects(request) || request->producer_id == txn->facts.producer_id)
        return true;
    return request->producer_id == txn->facts.previous_producer_id &&
           request->producer_epoch >= TXN_EPOCH_EXHAUSTED;
}

/* The id as the producer begins with it. */
struct beginning {
    int64_t producer_id;
    int16_t producer_epoch;
    int16_t last_epoch;
};

static void begin_producer(struct txns *txns, struct coord_call *call, struct txn_record *record,
                           const struct beginning *beginning)
{
    const struct init_producer_id_request *request = call->request;
    struct txn_facts *facts = &record->facts;
    facts->previous_producer_id = facts->producer_id;
    facts->producer_id = beginning->producer_id;
    facts->producer_epoch = beginning->producer_epoch;
    facts->state = TXN_EMPTY;
    facts->timeout_ms = request->transaction_timeout_ms;
    facts->started_ms = -1;
    facts->updated_ms = txns_world(txns)->wall_ms;
    record->topic_count = 0;
    struct slice id = record->id;
    txns_put(txns, record);
    txns_find(txns, id)->last_epoch = beginning->last_epoch;
    struct init_producer_id_response *response =
        ARENA_NEW(call->arena, struct init_producer_id_response);
    if (response != NULL) {
        *response = init_producer_id_response_default;
        response->producer_id = beginning->producer_id;
        response->producer_epoch = beginning->producer_epoch;
    }
    coord_answer(txns_world(txns), call, response);
}

static void begin_new(struct txns *txns, struct coord_call *call)
{
    int64_t producer_id;
    if (!txns_take_id(txns, call, txns_init_producer, &producer_id))
        return;
    struct txn_record record = {
        .id = call->key,
        .facts = {.producer_id = producer_id, .next_producer_id = TXN_NO_PRODUCER_ID},
    };
    begin_producer(txns, call, &record,
                   &(struct beginning){.producer_id = producer_id, .last_epoch = TXN_NO_EPOCH});
}

/* The next epoch; or the present one again, of which the answer was lost. */
static enum err next_epoch(const struct txn *txn, const struct init_producer_id_request *request,
                           struct beginning *ret_beginning)
{
    int16_t epoch = txn->facts.producer_epoch;
    ret_beginning->producer_id = txn->facts.producer_id;
    ret_beginning->producer_epoch = (int16_t)(epoch + 1);
    ret_beginning->last_epoch = TXN_NO_EPOCH;
    if (!expects(request))
        return ERR_NONE;
    ret_beginning->last_epoch = epoch;
    if (request->producer_epoch == epoch)
        return ERR_NONE;
    ret_beginning->producer_epoch = epoch;
    ret_beginning->last_epoch = txn->last_epoch;
    return request->producer_epoch == txn->last_epoch ? ERR_NONE : ERR_PRODUCER_FENCED;
}

static void begin_again(struct txn *txn, struct coord_call *call)
{
    struct txns *txns = txn->txns;
    const struct init_producer_id_request *request = call->request;
    struct beginning beginning = {.last_epoch = TXN_NO_EPOCH};
    bool is_known = !expects(request) || request->producer_epoch == txn->facts.producer_epoch ||
                    request->producer_epoch == txn->last_epoch;
    if (txn_is_exhausted(txn) && is_known) {
        if (!txns_take_id(txns, call, txns_init_producer, &beginning.producer_id))
            return;
        if (expects(request))
            beginning.last_epoch = txn->facts.producer_epoch;
    } else {
        enum err err = next_epoch(txn, request, &beginning);
        if (err != ERR_NONE) {
            coord_refuse(txns_world(txns), call, err);
            return;
        }
    }
    struct txn_record record = txn_record_of(txn);
    begin_producer(txns, call, &record, &beginning);
}

void txns_init_producer(struct coord_machine *machine, struct coord_call *call)
{
    struct txns *txns = txns_of(machine);
    struct txn *txn = txns_find(txns, call->key);
    if (txn == NULL) {
        begin_new(txns, call);
    } else if (!may_go_on(txn, call->request)) {
        coord_refuse(machine->world, call, ERR_PRODUCER_FENCED);
    } else if (txn_is_prepared(txn)) {
        coord_refuse(machine->world, call, ERR_CONCURRENT_TRANSACTIONS);
    } else if (txn->facts.state == TXN_ONGOING) {
        txn_fence(txn); /* it asks again, and finds that ended */
        coord_refuse(machine->world, call, ERR_CONCURRENT_TRANSACTIONS);
    } else {
        begin_again(txn, call);
    }
}

/* ---- partitions are added ---- */

/* Who adds, and in which version. */
struct adding {
    struct slice id;
    int64_t producer_id;
    int16_t producer_epoch;
    int16_t client_version;
};

static enum err check_producer(const struct txn *txn, const struct adding *adding)
{
    if (txn == NULL || txn->facts.producer_id != adding->producer_id)
        return ERR_INVALID_PRODUCER_ID_MAPPING;
    if (txn->facts.producer_epoch != adding->producer_epoch || adding->producer_epoch == INT16_MAX)
        return ERR_PRODUCER_FENCED;
    return txn_is_prepared(txn) ? ERR_CONCURRENT_TRANSACTIONS : ERR_NONE;
}

static bool contains_all(const struct txn *txn, const struct txn_topic *topics, int count)
{
    for (int i = 0; i < count; i++)
        for (int j = 0; j < topics[i].count; j++)
            if (!txn_contains(txn, topics[i].name, topics[i].ids[j]))
                return false;
    return true;
}

static struct txn_topic *topic_named(struct txn_topic *topics, int count, struct slice name)
{
    for (int i = 0; i < count; i++)
        if (slice_equal(topics[i].name, name))
            return &topics[i];
    return NULL;
}

static int by_number(const void *a, const void *b)
{
    int32_t left = *(const int32_t *)a;
    int32_t right = *(const int32_t *)b;
    return (left > right) - (left < right);
}

/* Both lists in one that rises. false: memory is out. */
static bool join_ids(struct txn_topic *topic, const struct txn_topic *more, struct arena *arena)
{
    size_t count = (size_t)topic->count + (size_t)more->count;
    int32_t *ids = ARENA_ARRAY(arena, int32_t, MAX_OF(count, (size_t)1));
    if (ids == NULL)
        return false;
    if (topic->count > 0)
        memcpy(ids, topic->ids, (size_t)topic->count * sizeof *ids);
    if (more->count > 0)
        memcpy(ids + topic->count, more->ids, (size_t)more->count * sizeof *ids);
    qsort(ids, count, sizeof *ids, by_number);
    int kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    topic->ids = ids;
    topic->count = kept;
    return true;
}

/* The transaction's topics with those added; NULL: memory is out. */
static struct txn_topic *join_topics(const struct txn *txn, const struct txn_topic *more,
                                     int more_count, struct arena *arena, int *ret_count)
{
    size_t room = (size_t)txn->topic_count + (size_t)more_count;
    struct txn_topic *topics = ARENA_ARRAY(arena, struct txn_topic, MAX_OF(room, (size_t)1));
    if (topics == NULL)
        return NULL;
    int count = txn->topic_count;
    if (count > 0)
        memcpy(topics, txn->topics, (size_t)count * sizeof *topics);
    for (int i = 0; i < more_count; i++) {
        struct txn_topic *topic = topic_named(topics, count, more[i].name);
        if (topic == NULL) {
            topic = &topics[count++];
            *topic = (struct txn_topic){.name = more[i].name};
        }
        if (!join_ids(topic, &more[i], arena))
            return NULL;
    }
    *ret_count = count;
    return topics;
}

static enum err add_partitions(struct txns *txns, const struct adding *adding,
                               const struct txn_topic *topics, int count)
{
    struct txn *txn = txns_find(txns, adding->id);
    enum err err = check_producer(txn, adding);
    if (err != ERR_NONE)
        return err;
    bool goes_on = txn->facts.state == TXN_ONGOING;
    if (goes_on && contains_all(txn, topics, count))
        return ERR_NONE;
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    struct txn_record record = txn_record_of(txn);
    record.topics = join_topics(txn, topics, count, &arena, &record.topic_count);
    if (record.topics != NULL) {
        int64_t now_ms = txns_world(txns)->wall_ms;
        record.facts.state = TXN_ONGOING;
        record.facts.previous_producer_id = record.facts.producer_id;
        record.facts.started_ms = goes_on ? record.facts.started_ms : now_ms;
        record.facts.updated_ms = now_ms;
        record.facts.client_version = adding->client_version;
        txns_put(txns, &record);
    }
    arena_fini(&arena);
    return record.topics != NULL ? ERR_NONE : ERR_COORDINATOR_NOT_AVAILABLE;
}

/* The error of one partition: of all, or where it is only asked for, whether it is part of it. */
struct verdict {
    enum err err;
    const struct txn *verified; /* NULL: it was not only asked */
};

static int16_t verdict_of(const struct verdict *verdict, struct slice topic, int32_t partition)
{
    if (verdict->err != ERR_NONE || verdict->verified == NULL)
        return (int16_t)verdict->err;
    return txn_contains(verdict->verified, topic, partition) ? ERR_NONE : ERR_TRANSACTION_ABORTABLE;
}

static struct add_partitions_to_txn_response_results_by_transaction *make_results(
    struct arena *arena, const struct add_partitions_to_txn_request_transactions *request,
    const struct verdict *verdict)
{
    struct add_partitions_to_txn_response_results_by_transaction *response =
        ARENA_NEW(arena, struct add_partitions_to_txn_response_results_by_transaction);
    size_t count = (size_t)MAX_OF(request->topics_count, (int32_t)0);
    struct add_partitions_to_txn_response_results_by_transaction_topic_results *topics =
        ARENA_ARRAY(arena,
                    struct add_partitions_to_txn_response_results_by_transaction_topic_results,
                    count);
    if (arena->failed)
        return NULL;
    response->transactional_id = request->transactional_id;
    response->topic_results = topics;
    response->topic_results_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        const struct add_partitions_to_txn_request_transactions_topics *asked = &request->topics[i];
        int32_t partitions = MAX_OF(asked->partitions_count, (int32_t)0);
        topics[i].name = asked->name;
        topics[i].results_by_partition_count = partitions;
        topics[i].results_by_partition =
            arena_take_array(arena, (size_t)partitions, sizeof *topics[i].results_by_partition);
        if (arena->failed)
            return NULL;
        for (int32_t j = 0; j < partitions; j++) {
            topics[i].results_by_partition[j].partition_index = asked->partitions[j];
            topics[i].results_by_partition[j].partition_error_code =
                verdict_of(verdict, asked->name, asked->partitions[j]);
        }
    }
    return response;
}

static enum err add_asked(struct txns *txns, struct coord_call *call, const struct adding *adding)
{
    const struct add_partitions_to_txn_request_transactions *request = call->request;
    int count = MAX_OF(request->topics_count, (int32_t)0);
    struct txn_topic *topics = ARENA_ARRAY(call->arena, struct txn_topic, (size_t)MAX_OF(count, 1));
    if (topics == NULL)
        return ERR_COORDINATOR_NOT_AVAILABLE;
    for (int i = 0; i < count; i++)
        topics[i] =
            (struct txn_topic){.name = request->topics[i].name,
                               .ids = request->topics[i].partitions,
                               .count = MAX_OF(request->topics[i].partitions_count, (int32_t)0)};
    return add_partitions(txns, adding, topics, count);
}

void txns_add_partitions(struct coord_machine *machine, struct coord_call *call)
{
    struct txns *txns = txns_of(machine);
    const struct add_partitions_to_txn_request_transactions *request = call->request;
    struct adding adding = {
        .id = call->key,
        .producer_id = request->producer_id,
        .producer_epoch = request->producer_epoch,
        .client_version =
            call->api_version >= ADD_PARTITIONS_BATCHED ? TXN_CLIENT_BUMPS : TXN_CLIENT_OLD,
    };
    struct verdict verdict = {.err = ERR_INVALID_REQUEST};
    if (call->key.size > 0 && request->verify_only) {
        verdict.verified = txns_find(txns, call->key);
        verdict.err = check_producer(verdict.verified, &adding);
    } else if (call->key.size > 0) {
        verdict.err = add_asked(txns, call, &adding);
    }
    coord_answer(machine->world, call, make_results(call->arena, request, &verdict));
}

/* ---- a group's offsets are added ---- */

static int32_t partition_of_group(const struct coord_world *world, struct slice group)
{
    struct slice name = slice_of_text(coord_topic_name(COORD_GROUPS));
    const struct meta_topic *topic = meta_topic_named(world->image, name);
    int32_t count = topic != NULL ? (int32_t)topic->partitions.count : 0;
    return coord_partition_of(group,
                              count > 0 ? count : world->config->offsets_topic_num_partitions);
}

void txns_add_offsets(struct coord_machine *machine, struct coord_call *call)
{
    const struct add_offsets_to_txn_request *request = call->request;
    int32_t partition = partition_of_group(machine->world, request->group_id);
    struct txn_topic topic = {
        .name = slice_of_text(coord_topic_name(COORD_GROUPS)), .ids = &partition, .count = 1};
    struct adding adding = {
        .id = call->key,
        .producer_id = request->producer_id,
        .producer_epoch = request->producer_epoch,
        .client_version = TXN_CLIENT_OLD,
    };
    enum err err = call->key.size == 0 ? ERR_INVALID_REQUEST
                                       : add_partitions(txns_of(machine), &adding, &topic, 1);
    struct add_offsets_to_txn_response *response =
        ARENA_NEW(call->arena, struct add_offsets_to_txn_response);
    if (response != NULL) {
        *response = add_offsets_to_txn_response_default;
        response->error_code = (int16_t)err;
    }
    coord_answer(machine->world, call, response);
}
