/* How transactions end: by their producer, or in its stead; the markers that tell their partitions,
 * and the record that completes them. On the partition's shard. */
#include "txn/txns_int.h"

#include "base/always.h"
#include "wire/msg/end_txn_request.h"
#include "wire/msg/end_txn_response.h"

#include <stdlib.h>

/* From here on EndTxn raises the producer's epoch. */
#define END_TXN_BUMPS 5
/* Between two tries to write markers. */
#define MARKERS_RETRY_MS 100

/* ---- completing ---- */

static void complete(struct txn *txn)
{
    struct txns *txns = txn->txns;
    ALWAYS(txn_is_prepared(txn), "a transaction is completed in state %d", (int)txn->facts.state);
    struct txn_record record = txn_record_of(txn);
    struct txn_facts *facts = &record.facts;
    facts->previous_producer_id = facts->producer_id;
    if (facts->client_version >= TXN_CLIENT_BUMPS &&
        facts->next_producer_id != TXN_NO_PRODUCER_ID) {
        facts->producer_id = facts->next_producer_id;
        facts->producer_epoch = 0;
    }
    facts->next_producer_id = TXN_NO_PRODUCER_ID;
    facts->state = facts->state == TXN_PREPARE_COMMIT ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT;
    facts->updated_ms = txns_world(txns)->wall_ms;
    record.topic_count = 0;
    txns_put(txns, &record);
}

/* ---- markers ---- */

/* The producer went on there under another epoch, or another coordinator took over: this end is
 * none of that partition's business any more. */
static bool is_settled(enum err err)
{
    return err == ERR_NONE || err == ERR_INVALID_PRODUCER_EPOCH ||
           err == ERR_TRANSACTION_COORDINATOR_FENCED;
}

static void drop_markers(struct txn *txn)
{
    free(txn->unmarked);
    txn->unmarked = NULL;
}

static void on_marked(struct coord_markers *markers)
{
    struct txn *txn = CONTAINER_OF(markers, struct txn, markers);
    int left = 0;
    for (int i = 0; i < markers->partition_count; i++)
        if (!is_settled(txn->unmarked[i].err))
            txn->unmarked[left++] = txn->unmarked[i];
    markers->partition_count = left;
    if (left > 0) {
        coord_timer_start(txns_world(txn->txns), &txn->again, MARKERS_RETRY_MS);
        return;
    }
    drop_markers(txn);
    complete(txn);
}

static int count_partitions(const struct txn *txn)
{
    int count = 0;
    for (int i = 0; i < txn->topic_count; i++)
        count += txn->topics[i].count;
    return count;
}

/* All partitions are without it. */
static void list_unmarked(struct txn *txn, int count)
{
    struct coord_markers_partition *all = calloc((size_t)count, sizeof *all);
    ALWAYS(all != NULL, "memory for the ends of a transaction is out");
    int at = 0;
    for (int i = 0; i < txn->topic_count; i++)
        for (int j = 0; j < txn->topics[i].count; j++)
            all[at++] = (struct coord_markers_partition){.topic = txn->topics[i].name,
                                                         .partition = txn->topics[i].ids[j]};
    txn->unmarked = all;
    txn->markers.partition_count = count;
}

void txn_write_markers(struct txn *txn)
{
    struct coord_world *world = txns_world(txn->txns);
    int count = count_partitions(txn);
    if (txn->unmarked == NULL && count == 0) {
        complete(txn);
        return;
    }
    if (txn->unmarked == NULL)
        list_unmarked(txn, count);
    txn->markers.end = (struct coord_txn_end){
        .producer_id = txn->facts.producer_id,
        .producer_epoch = txn->facts.producer_epoch,
        .coordinator_epoch = world->leader_epoch,
        .commits = txn->facts.state == TXN_PREPARE_COMMIT,
    };
    txn->markers.transaction_version = txn->facts.client_version;
    txn->markers.partitions = txn->unmarked;
    txn->markers.on_done = on_marked;
    world->write_markers(world, &txn->markers);
}

/* ---- deciding ---- */

/* How it ends. */
struct decision {
    bool commits;
    bool bumps;               /* the producer's epoch: transaction version 2 */
    bool began_nothing;       /* no partition was added */
    int64_t next_producer_id; /* where its epochs are used up by this; or none */
    int16_t producer_epoch;   /* of its records, unless it bumps */
    int16_t last_epoch;
};

static void prepare(struct txn *txn, const struct decision *decision)
{
    struct txns *txns = txn->txns;
    struct txn_record record = txn_record_of(txn);
    struct txn_facts *facts = &record.facts;
    int64_t now_ms = txns_world(txns)->wall_ms;
    int16_t epoch = facts->producer_epoch;
    facts->previous_producer_id = facts->producer_id;
    facts->next_producer_id = decision->next_producer_id;
    facts->producer_epoch = decision->bumps ? (int16_t)(epoch + 1) : decision->producer_epoch;
    facts->client_version = decision->bumps ? TXN_CLIENT_BUMPS : TXN_CLIENT_OLD;
    facts->state = decision->commits ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT;
    facts->started_ms = decision->began_nothing ? now_ms : facts->started_ms;
    facts->updated_ms = now_ms;
    txns_put(txns, &record);
    txn->last_epoch = decision->bumps ? epoch : decision->last_epoch;
}

/* The last epoch is nobody's, so that one is left; but a log may say otherwise. */
void txn_fence(struct txn *txn)
{
    bool is_last = txn->facts.producer_epoch == INT16_MAX;
    prepare(txn,
            &(struct decision){
                .bumps = !is_last && txns_cluster_version(txn->txns) >= TXN_CLIENT_BUMPS,
                .next_producer_id = TXN_NO_PRODUCER_ID,
                .producer_epoch = is_last ? INT16_MAX : (int16_t)(txn->facts.producer_epoch + 1),
                .last_epoch = TXN_NO_EPOCH,
            });
    txn_write_markers(txn);
}

/* ---- EndTxn ---- */

static void answer_end(struct coord_world *world, struct coord_call *call, int64_t producer_id,
                       int16_t producer_epoch)
{
    struct end_txn_response *response = ARENA_NEW(call->arena, struct end_txn_response);
    if (response != NULL) {
        *response = end_txn_response_default;
        response->producer_id = producer_id;
        response->producer_epoch = producer_epoch;
    }
    coord_answer(world, call, response);
}

/* What an EndTxn comes to. */
enum ending {
    ENDING_PREPARES,
    ENDING_ABORTS_NOTHING, /* transaction version 2 */
    ENDING_WAS_DONE,       /* its answer was lost */
    ENDING_REFUSED,
};

static enum ending refuse_ending(enum err err, enum err *ret_err)
{
    *ret_err = err;
    return ENDING_REFUSED;
}

static enum ending ending_of_prepared(const struct txn *txn, bool commits, enum err *ret_err)
{
    bool same = commits == (txn->facts.state == TXN_PREPARE_COMMIT);
    return refuse_ending(same ? ERR_CONCURRENT_TRANSACTIONS : ERR_INVALID_TXN_STATE, ret_err);
}

/* Of clients that keep their epoch: an end that comes again cannot be told from a late one. */
static enum ending ending_of_old(const struct txn *txn, const struct end_txn_request *request,
                                 enum err *ret_err)
{
    if (txn->facts.producer_id != request->producer_id)
        return refuse_ending(ERR_INVALID_PRODUCER_ID_MAPPING, ret_err);
    if (txn->facts.producer_epoch != request->producer_epoch)
        return refuse_ending(ERR_PRODUCER_FENCED, ret_err);
    if (txn->facts.state == TXN_ONGOING)
        return ENDING_PREPARES;
    if (txn_is_prepared(txn))
        return ending_of_prepared(txn, request->committed, ret_err);
    enum txn_state done = request->committed ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT;
    return txn->facts.state == done ? ENDING_WAS_DONE
                                    : refuse_ending(ERR_INVALID_TXN_STATE, ret_err);
}

/* Of what was completed: `again` where the epoch is the one before. */
static enum ending ending_of_completed(const struct txn *txn, bool commits, bool again,
                                       enum err *ret_err)
{
    enum txn_state done = commits ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT;
    if (again && txn->facts.state == done)
        return ENDING_WAS_DONE;
    return again || commits ? refuse_ending(ERR_INVALID_TXN_STATE, ret_err) : ENDING_ABORTS_NOTHING;
}

static enum ending ending_of(const struct txn *txn, const struct end_txn_request *request,
                             enum err *ret_err)
{
    const struct txn_facts *facts = &txn->facts;
    bool is_current =
        request->producer_epoch == facts->producer_epoch && request->producer_epoch < INT16_MAX;
    bool after_bump = facts->producer_epoch == request->producer_epoch + 1;
    bool after_overflow = facts->previous_producer_id == request->producer_id &&
                          request->producer_epoch == TXN_EPOCH_EXHAUSTED &&
                          facts->producer_epoch == 0;
    if (facts->producer_id != request->producer_id && !after_overflow)
        return refuse_ending(ERR_INVALID_PRODUCER_ID_MAPPING, ret_err);
    switch (facts->state) {
    case TXN_ONGOING:
        return is_current ? ENDING_PREPARES : refuse_ending(ERR_PRODUCER_FENCED, ret_err);
    case TXN_EMPTY:
        if (!is_current)
            return refuse_ending(ERR_PRODUCER_FENCED, ret_err);
        return request->committed ? refuse_ending(ERR_INVALID_TXN_STATE, ret_err)
                                  : ENDING_ABORTS_NOTHING;
    case TXN_PREPARE_COMMIT:
    case TXN_PREPARE_ABORT:
        return after_bump ? ending_of_prepared(txn, request->committed, ret_err)
                          : refuse_ending(ERR_PRODUCER_FENCED, ret_err);
    case TXN_COMPLETE_COMMIT:
    case TXN_COMPLETE_ABORT:
        if (!after_bump && !after_overflow && !is_current)
            return refuse_ending(ERR_PRODUCER_FENCED, ret_err);
        return ending_of_completed(txn, request->committed, after_bump || after_overflow, ret_err);
    case TXN_DEAD:
    case TXN_PREPARE_EPOCH_FENCE:
    case TXN_STATE_COUNT:
        break;
    }
    return refuse_ending(ERR_PRODUCER_FENCED, ret_err);
}

static void end_bumping(struct txn *txn, struct coord_call *call, bool began_nothing)
{
    struct txns *txns = txn->txns;
    const struct end_txn_request *request = call->request;
    struct decision decision = {
        .commits = request->committed,
        .bumps = true,
        .began_nothing = began_nothing,
        .next_producer_id = TXN_NO_PRODUCER_ID,
    };
    if (txn_is_exhausted(txn) && !txns_take_id(txns, call, txns_end, &decision.next_producer_id))
        return;
    prepare(txn, &decision);
    bool is_next = decision.next_producer_id != TXN_NO_PRODUCER_ID;
    answer_end(txns_world(txns), call, is_next ? decision.next_producer_id : txn->facts.producer_id,
               is_next ? (int16_t)0 : txn->facts.producer_epoch);
    txn_write_markers(txn);
}

static void end_keeping(struct txn *txn, struct coord_call *call)
{
    const struct end_txn_request *request = call->request;
    prepare(txn, &(struct decision){
                     .commits = request->committed,
                     .next_producer_id = TXN_NO_PRODUCER_ID,
                     .producer_epoch = txn->facts.producer_epoch,
                     .last_epoch = txn->last_epoch,
                 });
    answer_end(txns_world(txn->txns), call, TXN_NO_PRODUCER_ID, TXN_NO_EPOCH);
    txn_write_markers(txn);
}

void txns_end(struct coord_machine *machine, struct coord_call *call)
{
    struct txns *txns = txns_of(machine);
    const struct end_txn_request *request = call->request;
    bool bumps = call->api_version >= END_TXN_BUMPS;
    struct txn *txn = txns_find(txns, call->key);
    enum err err = call->key.size == 0 ? ERR_INVALID_REQUEST : ERR_INVALID_PRODUCER_ID_MAPPING;
    enum ending ending = ENDING_REFUSED;
    if (txn != NULL)
        ending = bumps ? ending_of(txn, request, &err) : ending_of_old(txn, request, &err);
    switch (ending) {
    case ENDING_REFUSED:
        coord_refuse(machine->world, call, err);
        return;
    case ENDING_WAS_DONE:
        answer_end(machine->world, call, bumps ? txn->facts.producer_id : TXN_NO_PRODUCER_ID,
                   bumps ? txn->facts.producer_epoch : (int16_t)TXN_NO_EPOCH);
        return;
    case ENDING_PREPARES:
    case ENDING_ABORTS_NOTHING:
        if (bumps)
            end_bumping(txn, call, ending == ENDING_ABORTS_NOTHING);
        else
            end_keeping(txn, call);
        return;
    }
}
