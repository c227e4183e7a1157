/* See the header. The complication is order: requests of one connection overlap, and one that finds
 * its transaction under way would overtake one in front of it that still asks. */
#include "api/txn_guard.h"

#include "base/always.h"
#include "config/node.h"
#include "meta/image.h"
#include "txn/txns.h"
#include "wire/msg/add_partitions_to_txn_request.h"
#include "wire/msg/add_partitions_to_txn_response.h"

/* The version in which brokers ask each other. */
#define ADD_PARTITIONS_VERSION 5
/* Looks at the logs after the coordinator's word. */
#define LOOKS_MAX 3

static void begin(struct txn_guard *) ON(on_shard);

enum txn_guard_kind txn_guard_of_produce(int16_t api_version)
{
    if (api_version > 11)
        return TXN_GUARD_ADDS;
    return api_version > 10 ? TXN_GUARD_VERIFIES : TXN_GUARD_VERIFIES_OLD;
}

enum txn_guard_kind txn_guard_of_offset_commit(int16_t api_version)
{
    if (api_version > 4)
        return TXN_GUARD_ADDS;
    return api_version > 3 ? TXN_GUARD_VERIFIES : TXN_GUARD_VERIFIES_OLD;
}

static void end(struct txn_guard *guard)
{
    guard->on_done(guard);
}

/* ---- the partitions: is the transaction under way there ---- */

static void ask_log(struct txn_guard_part *part)
{
    role_now_on_shard();
    const struct txn_guard *guard = part->guard;
    struct replica *replica;
    struct replica_place place = api_part_place(&part->part, part->topic_id, part->partition);
    if (!replica_set_reach(part->there->replicas, &place, &part->waiter, &replica))
        return;
    part->token = GUARD_NO_TOKEN;
    part->err = replica == NULL ? ERR_NOT_LEADER_OR_FOLLOWER : replica_check(replica);
    struct guard_wish wish = {
        .producer_id = guard->producer_id,
        .producer_epoch = guard->producer_epoch,
        .sequence = part->sequence,
        .adds = guard->kind == TXN_GUARD_ADDS,
    };
    if (part->err == ERR_NONE)
        part->err = log_guard(replica->log, &wish, &part->token);
    api_part_done(part->there, &part->part);
}

static void on_open(struct replica_waiter *waiter)
{
    ask_log(CONTAINER_OF(waiter, struct txn_guard_part, waiter));
}

static void run_part(struct api_shard *there, struct api_part *api_part)
{
    struct txn_guard_part *part = CONTAINER_OF(api_part, struct txn_guard_part, part);
    part->there = there;
    replica_waiter_init(&part->waiter, on_open);
    ask_log(part);
}

/* ---- the coordinator ---- */

static void fail_asked(struct txn_guard *guard, enum err err)
{
    for (int i = 0; i < guard->count; i++)
        if (guard->parts[i].token != GUARD_NO_TOKEN)
            guard->parts[i].err = err;
}

/* What producers and their batches know of the coordinator's errors. */
static enum err partition_error(const struct txn_guard *guard, int16_t code)
{
    enum err err = (enum err)code;
    if (err == ERR_PRODUCER_FENCED)
        return ERR_INVALID_PRODUCER_EPOCH;
    if (err == ERR_TRANSACTION_ABORTABLE && guard->kind == TXN_GUARD_VERIFIES_OLD)
        return ERR_INVALID_TXN_STATE;
    return err;
}

static struct txn_guard_part *next_asked(struct txn_guard *guard, int *at)
{
    while (*at < guard->count) {
        struct txn_guard_part *part = &guard->parts[(*at)++];
        if (part->token != GUARD_NO_TOKEN)
            return part;
    }
    return NULL;
}

/* Results come in the order in which was asked. */
static void take_response(
    struct txn_guard *guard,
    const struct add_partitions_to_txn_response_results_by_transaction *response)
{
    int at = 0;
    for (int32_t i = 0; i < response->topic_results_count; i++) {
        const struct add_partitions_to_txn_response_results_by_transaction_topic_results *topic =
            &response->topic_results[i];
        for (int32_t j = 0; j < topic->results_by_partition_count; j++) {
            struct txn_guard_part *part = next_asked(guard, &at);
            ALWAYS(part != NULL, "a coordinator answered more than it was asked");
            part->err = partition_error(guard, topic->results_by_partition[j].partition_error_code);
        }
    }
}

static void on_again(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    (void)shard;
    begin(CONTAINER_OF(timer, struct txn_guard, again));
}

/* The transaction before is about to have ended: that is not worth a round trip to the client. */
static bool asks_again(struct txn_guard *guard)
{
    role_now_on_shard();
    struct api_shard *here = guard->request->here;
    bool concurrent = false;
    for (int i = 0; i < guard->count; i++)
        concurrent = concurrent || guard->parts[i].err == ERR_CONCURRENT_TRANSACTIONS;
    int64_t age_ms = shard_now_ms(here->shard) - guard->started_ms;
    if (!guard->retries || guard->kind != TXN_GUARD_ADDS || !concurrent ||
        age_ms >= here->config->add_partitions_to_txn_retry_backoff_max_ms)
        return false;
    shard_timer_start(here->shard, &guard->again,
                      here->config->add_partitions_to_txn_retry_backoff_ms);
    return true;
}

/* The end of the transaction before may have come to a log after its token was taken, and have made
 * that void, while the coordinator has begun the next one since. So the logs are asked once more:
 * where a token has changed, so is the coordinator. No earlier end is on its way any more then. */
static bool looks_again(struct txn_guard *guard)
{
    role_now_on_shard();
    bool fine = guard->kind == TXN_GUARD_ADDS && guard->looks < LOOKS_MAX;
    for (int i = 0; i < guard->count; i++)
        fine = fine && guard->parts[i].err == ERR_NONE;
    if (!fine)
        return false;
    for (int i = 0; i < guard->count; i++)
        guard->parts[i].shown = guard->parts[i].token;
    guard->looks++;
    guard->is_look = true;
    api_gather_run(&guard->gather);
    return true;
}

static bool has_changed(const struct txn_guard *guard)
{
    for (int i = 0; i < guard->count; i++) {
        const struct txn_guard_part *part = &guard->parts[i];
        if (part->token != GUARD_NO_TOKEN && part->token != part->shown)
            return true;
    }
    return false;
}

static void on_coordinated(struct coordination *all)
{
    role_now_on_shard();
    struct txn_guard *guard = all->owner;
    const struct coord_call *call = &all->parts[0].call;
    if (call->err != ERR_NONE)
        fail_asked(guard, call->err);
    else
        take_response(guard, call->response);
    if (!asks_again(guard) && !looks_again(guard))
        end(guard);
}

/* Partitions of a topic stand side by side. */
static bool fill_topics(struct txn_guard *guard)
{
    struct add_partitions_to_txn_request_transactions *asked = guard->asked;
    struct add_partitions_to_txn_request_transactions_topics *topic = NULL;
    int at = 0;
    struct txn_guard_part *part;
    asked->topics_count = 0;
    while ((part = next_asked(guard, &at)) != NULL) {
        if (topic == NULL || !slice_equal(topic->name, part->topic)) {
            topic = &asked->topics[asked->topics_count++];
            *topic =
                (struct add_partitions_to_txn_request_transactions_topics){.name = part->topic};
            topic->partitions = &guard->numbers[at - 1];
        }
        topic->partitions[topic->partitions_count++] = part->partition;
    }
    return asked->topics_count > 0;
}

static bool has_coordinator(const struct txn_guard *guard)
{
    const struct meta_image *image = guard->request->here->image;
    return meta_topic_named(image, slice_of_text(coord_topic_name(COORD_TXNS))) != NULL;
}

static void ask_coordinator(struct txn_guard *guard)
{
    role_now_on_shard();
    if (!has_coordinator(guard)) {
        fail_asked(guard, ERR_COORDINATOR_NOT_AVAILABLE);
        end(guard);
        return;
    }
    struct coordination *all = coordination_new(guard->request, COORD_TXNS, 1);
    if (all == NULL)
        return;
    all->owner = guard;
    struct coord_call *call =
        coordination_add(all, guard->transactional_id, txns_add_partitions, guard->asked);
    call->api_version = ADD_PARTITIONS_VERSION;
    coordination_run(all, on_coordinated);
}

static void on_asked_logs(struct api_shard *here, struct api_gather *gather)
{
    (void)here;
    struct txn_guard *guard = CONTAINER_OF(gather, struct txn_guard, gather);
    bool is_settled = guard->is_look && !has_changed(guard);
    guard->is_look = false;
    if (!is_settled && fill_topics(guard))
        ask_coordinator(guard);
    else
        end(guard);
}

/* ---- the whole ---- */

struct txn_guard *txn_guard_new(struct api_request *request, int count)
{
    struct arena *arena = &request->arena;
    size_t size = (size_t)MAX_OF(count, 1);
    struct txn_guard *guard = ARENA_NEW(arena, struct txn_guard);
    bool fine = guard != NULL;
    if (fine) {
        guard->request = request;
        guard->parts = ARENA_ARRAY(arena, struct txn_guard_part, size);
        guard->numbers = ARENA_ARRAY(arena, int32_t, size);
        guard->asked = ARENA_NEW(arena, struct add_partitions_to_txn_request_transactions);
        fine = guard->parts != NULL && guard->numbers != NULL && guard->asked != NULL;
    }
    if (fine) {
        list_init(&guard->link);
        list_init(&guard->followers);
        shard_timer_init(&guard->again, on_again);
        guard->asked->topics =
            ARENA_ARRAY(arena, struct add_partitions_to_txn_request_transactions_topics, size);
        fine = guard->asked->topics != NULL &&
               api_gather_init(&guard->gather, request->here, arena, run_part, on_asked_logs);
    }
    if (fine)
        return guard;
    api_request_fail(request, "memory for asking a transaction's coordinator is out");
    return NULL;
}

bool txn_guard_add(struct txn_guard *guard, const struct txn_guard_part *in)
{
    struct txn_guard_part *part = &guard->parts[guard->count++];
    struct api_request *request = guard->request;
    *part = *in;
    part->guard = guard;
    part->err = ERR_NONE;
    part->token = GUARD_NO_TOKEN;
    int shard = replica_shard_of(part->topic, part->partition,
                                 shard_set_count(shard_siblings(request->here->shard)));
    return api_gather_add(&guard->gather, &request->arena, shard, &part->part);
}

static void begin(struct txn_guard *guard)
{
    guard->asked->transactional_id = guard->transactional_id;
    guard->asked->producer_id = guard->producer_id;
    guard->asked->producer_epoch = guard->producer_epoch;
    guard->asked->verify_only = guard->kind != TXN_GUARD_ADDS;
    api_gather_run(&guard->gather);
}

static struct txn_guard *in_front(const struct txn_guard *guard)
{
    LIST_EACH (&guard->request->here->txn_guards, node) {
        struct txn_guard *other = CONTAINER_OF(node, struct txn_guard, link);
        if (other->producer_id == guard->producer_id)
            return other;
    }
    return NULL;
}

void txn_guard_run(struct txn_guard *guard, void (*on_done)(struct txn_guard *))
{
    struct api_shard *here = guard->request->here;
    guard->on_done = on_done;
    guard->checks_token = here->image->node_dynamic.verifies_transactions;
    guard->started_ms = shard_now_ms(here->shard);
    if (!guard->checks_token && guard->kind != TXN_GUARD_ADDS) {
        end(guard);
        return;
    }
    struct txn_guard *front = in_front(guard);
    if (front != NULL) {
        list_add_tail(&front->followers, &guard->link);
        return;
    }
    list_add_tail(&here->txn_guards, &guard->link);
    begin(guard);
}

void txn_guard_leave(struct txn_guard *guard, struct txn_guard_line *ret_line)
{
    ret_line->here = guard->request->here;
    list_init(&ret_line->followers);
    list_move_all(&guard->followers, &ret_line->followers);
    list_remove(&guard->link);
}

/* The first of those behind takes the place, in front of the others. */
void txn_guard_next(struct txn_guard_line *line)
{
    struct list *node = list_take_first(&line->followers);
    if (node == NULL)
        return;
    struct txn_guard *next = CONTAINER_OF(node, struct txn_guard, link);
    list_move_all(&line->followers, &next->followers);
    list_add_tail(&line->here->txn_guards, &next->link);
    begin(next);
}
