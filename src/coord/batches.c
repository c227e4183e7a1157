/* A coordinator's batches on their way into the log, and the answers that wait for them. One batch
 * is under way at a time; while it is, the open one goes on gathering. On the partition's shard. */
#include "coord/errands.h"

#include "base/always.h"
#include "config/node.h"
#include "replica/set.h"

#include <stdlib.h>

/* ---- answers ---- */

void coord_answer_committed(struct coord_partition *partition)
{
    while (!list_is_empty(&partition->answers)) {
        struct coord_call *call = CONTAINER_OF(partition->answers.next, struct coord_call, link);
        if (call->ticket > partition->committed)
            return;
        list_remove(&call->link);
        call->on_done(call);
    }
}

void coord_refuse_all(struct list *calls, enum err err)
{
    struct list now;
    list_init(&now);
    list_move_all(calls, &now);
    struct list *node;
    while ((node = list_take_first(&now)) != NULL) {
        struct coord_call *call = CONTAINER_OF(node, struct coord_call, link);
        call->err = err;
        call->response = NULL;
        call->on_done(call);
    }
}

/* A step that is not over yet may still record: its answers wait for its end. */
void coord_on_answer(struct coord_world *world, struct coord_call *call)
{
    struct coord_partition *partition = CONTAINER_OF(world, struct coord_partition, world);
    list_remove(&call->link);
    call->ticket = INT64_MAX;
    list_add_tail(&partition->answers, &call->link);
}

void coord_stamp_answers(struct coord_partition *partition)
{
    for (struct list *node = partition->answers.prev; node != &partition->answers;
         node = node->prev) {
        struct coord_call *call = CONTAINER_OF(node, struct coord_call, link);
        if (call->ticket != INT64_MAX)
            return;
        call->ticket = partition->begun;
    }
}

/* ---- batches ---- */

static void settle_end(struct coord_end *end, enum err err)
{
    if (end == NULL)
        return;
    end->err = err;
    end->on_done(end);
}

static void settle_batch(struct coord_batch *batch, enum err err)
{
    struct coord_end *end = batch->end;
    free(batch);
    settle_end(end, err);
}

/* Whatever is queued rests on what could not be appended. */
static void fail_queue(struct coord_partition *partition)
{
    role_now_on_shard();
    struct list *node;
    while ((node = list_take_first(&partition->queue)) != NULL)
        settle_batch(CONTAINER_OF(node, struct coord_batch, link), partition->failed);
}

static void batch_done(struct coord_batch *batch)
{
    role_now_on_shard();
    struct coord_partition *partition = batch->partition;
    enum err err = batch->append.err;
    partition->is_away = false;
    partition->away_producer_id = BATCH_NO_PRODUCER_ID;
    if (err == ERR_NONE)
        partition->committed = batch->ticket;
    else
        partition->failed = err;
    settle_batch(batch, err);
    if (err != ERR_NONE) {
        fail_queue(partition);
        coord_give_up(partition);
    } else {
        coord_answer_committed(partition);
        coord_errands_send(partition);
        shard_flush_later(partition->set->shard, &partition->flush);
    }
    coord_partition_consider(partition);
}

static void on_appended(struct replica_append *append)
{
    batch_done(CONTAINER_OF(append, struct coord_batch, append));
}

/* One batch is under way at a time: what follows it may rest on it. */
static void send_next(struct coord_partition *partition)
{
    role_now_on_shard();
    struct list *node = partition->is_away ? NULL : list_take_first(&partition->queue);
    if (node == NULL)
        return;
    struct coord_batch *batch = CONTAINER_OF(node, struct coord_batch, link);
    partition->is_away = true;
    partition->away_producer_id = batch->append.log.header.producer_id;
    partition->away_epoch = batch->append.log.header.producer_epoch;
    struct replica *replica =
        replica_set_find(partition->set->replicas, partition->topic_id, partition->partition);
    if (replica == NULL) {
        batch->append.err = ERR_NOT_LEADER_OR_FOLLOWER;
        batch_done(batch);
    } else if (batch->append.log.header.size > replica->config.max_message_bytes) {
        batch->append.err = ERR_MESSAGE_TOO_LARGE;
        batch_done(batch);
    } else {
        replica_append(replica, &batch->append);
    }
}

/* The bytes are queued for the log, under the ticket that was begun last. Null ones are what memory
 * did not suffice for. */
void coord_queue_batch(struct coord_partition *partition, struct slice bytes, struct coord_end *end)
{
    role_now_on_shard();
    struct coord_batch *batch = slice_is_null(bytes) ? NULL : malloc(sizeof *batch + bytes.size);
    if (batch == NULL) {
        partition->failed = ERR_UNKNOWN_SERVER_ERROR;
        fail_queue(partition);
        settle_end(end, partition->failed);
        return;
    }
    *batch = (struct coord_batch){
        .partition = partition,
        .ticket = partition->begun,
        .end = end,
        .append = {.acks = -1, .on_done = on_appended},
    };
    memcpy(batch->bytes, bytes.data, bytes.size);
    struct log_append *log = &batch->append.log;
    log->bytes = batch->bytes;
    log->by_coordinator = true;
    log->transaction_version = end != NULL ? end->transaction_version : 0;
    enum batch_outcome outcome = batch_parse(slice_of(batch->bytes, bytes.size), &log->header);
    ALWAYS(outcome == BATCH_OK, "a coordinator's batch does not parse");
    log->max_timestamp = log->header.max_timestamp;
    batch->append.record_count = log->header.record_count;
    list_add_tail(&partition->queue, &batch->link);
    shard_flush_later(partition->set->shard, &partition->flush);
}

/* While a batch is under way the open one goes on gathering. */
void coord_on_flush(struct shard *shard, struct shard_chore *chore)
{
    role_now_on_shard();
    (void)shard;
    struct coord_partition *partition = CONTAINER_OF(chore, struct coord_partition, flush);
    if (partition->is_away)
        return;
    if (list_is_empty(&partition->queue))
        coord_seal(partition);
    if (partition->failed != ERR_NONE)
        coord_give_up(partition);
    else
        send_next(partition);
}
