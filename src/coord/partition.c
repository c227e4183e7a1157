/* One coordinator's partition: its states, and the calls that come to it.
 *
 * When a batch cannot be appended, the machine knows things that are in no log. It is given up:
 * every call that waits hears the error, and the log is read again. On the partition's shard. */
#include "coord/errands.h"

#include "base/always.h"
#include "base/bytes.h"
#include "config/node.h"
#include "coord/record.h"
#include "log/guard.h"
#include "meta/effective.h"
#include "replica/set.h"
#include "sys/clock.h"
#include "sys/journal.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- states ---- */

void coord_become(struct coord_partition *partition, enum coord_state next)
{
#define COORD_EDGE_(from, to, why) \
    known = known || (partition->state == COORD_##from && next == COORD_##to);
    bool known = false;
    COORD_EDGES(COORD_EDGE_)
#undef COORD_EDGE_
    ALWAYS(known, "a coordinator's partition goes from state %d to %d", partition->state, next);
    partition->state = next;
}

/* What a client is told of a batch that could not be appended, as Kafka's coordinators tell it. */
static enum err client_error(enum err err)
{
    switch ((int)err) {
    case ERR_UNKNOWN_TOPIC_OR_PARTITION:
    case ERR_NOT_ENOUGH_REPLICAS:
    case ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case ERR_REQUEST_TIMED_OUT:
        return ERR_COORDINATOR_NOT_AVAILABLE;
    case ERR_NOT_LEADER_OR_FOLLOWER:
    case ERR_KAFKA_STORAGE_ERROR:
        return ERR_NOT_COORDINATOR;
    case ERR_MESSAGE_TOO_LARGE:
    case ERR_RECORD_LIST_TOO_LARGE:
        return ERR_UNKNOWN_SERVER_ERROR;
    default:
        return err;
    }
}

/* ---- calls ---- */

static void refuse(struct coord_call *call, enum err err)
{
    call->err = err;
    call->response = NULL;
    call->on_done(call);
}

static void run_early(struct coord_partition *partition)
{
    role_now_on_shard();
    struct list now;
    list_init(&now);
    list_move_all(&partition->early, &now);
    shard_timer_stop(partition->set->shard, &partition->patience);
    struct list *node;
    while ((node = list_take_first(&now)) != NULL) {
        struct coord_early early = *CONTAINER_OF(node, struct coord_early, link);
        free(CONTAINER_OF(node, struct coord_early, link));
        if (partition->state == COORD_LOADING)
            refuse(early.call, ERR_COORDINATOR_LOAD_IN_PROGRESS);
        else
            coord_partition_call(partition, early.op, early.call);
    }
}

static void on_patience(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    (void)shard;
    run_early(CONTAINER_OF(timer, struct coord_partition, patience));
}

/* The first call of all waits for the time, those that come then share what is left of it. */
static void wait_for_load(struct coord_partition *partition, coord_op_fn op,
                          struct coord_call *call)
{
    role_now_on_shard();
    int64_t age_ms = (sys_mono_ns() - partition->load.started_ns) / 1000000;
    struct coord_early *early = age_ms < COORD_LOAD_WAIT_MS ? malloc(sizeof *early) : NULL;
    if (early == NULL) {
        refuse(call, ERR_COORDINATOR_LOAD_IN_PROGRESS);
        return;
    }
    *early = (struct coord_early){.op = op, .call = call};
    list_add_tail(&partition->early, &early->link);
    if (!shard_timer_is_running(&partition->patience))
        shard_timer_start(partition->set->shard, &partition->patience, COORD_LOAD_WAIT_MS - age_ms);
}

static const struct log *log_of(const struct coord_partition *partition)
{
    const struct replica *replica =
        replica_set_find(partition->set->replicas, partition->topic_id, partition->partition);
    return replica != NULL ? replica->log : NULL;
}

static enum err check_claim(const struct coord_partition *partition,
                            const struct guard_claim *claim)
{
    if (claim == NULL)
        return ERR_NONE;
    const struct log *log = log_of(partition);
    return log != NULL ? log_check_guard(log, claim) : ERR_NOT_COORDINATOR;
}

void coord_partition_call(struct coord_partition *partition, coord_op_fn op,
                          struct coord_call *call)
{
    list_init(&call->link);
    call->ticket = INT64_MAX;
    switch (partition->state) {
    case COORD_LOADING:
        wait_for_load(partition, op, call);
        return;
    case COORD_FAILED:
    case COORD_ENDED:
    case COORD_STATE_COUNT:
        refuse(call, ERR_NOT_COORDINATOR);
        return;
    case COORD_ACTIVE:
        call->err = check_claim(partition, call->claim);
        if (call->err != ERR_NONE) {
            refuse(call, call->err);
            return;
        }
        coord_enter(partition);
        op(partition->machine, call);
        coord_leave(partition);
        return;
    }
}

/* ---- the end of a transaction ---- */

/* One that the log would refuse must not be applied. From here on no batch that was let in for this
 * transaction is recorded any more, though it is not in the log yet that it has ended. */
static enum err check_end(struct coord_partition *partition, const struct coord_end *end)
{
    struct replica *replica =
        replica_set_find(partition->set->replicas, partition->topic_id, partition->partition);
    if (replica == NULL || replica->log == NULL)
        return ERR_NOT_LEADER_OR_FOLLOWER;
    struct producer_marker marker = {
        .producer_id = end->end.producer_id,
        .producer_epoch = end->end.producer_epoch,
        .coordinator_epoch = end->end.coordinator_epoch,
        .transaction_version = end->transaction_version,
    };
    log_drop_guard(replica->log, marker.producer_id);
    return log_check_marker(replica->log, &marker);
}

/* Takes a ticket of its own, so that all that was recorded before stands in front of it. */
void coord_partition_end_txn(struct coord_partition *partition, struct coord_end *end)
{
    if (partition->state != COORD_ACTIVE) {
        end->err = partition->state == COORD_LOADING ? ERR_COORDINATOR_LOAD_IN_PROGRESS
                                                     : ERR_NOT_LEADER_OR_FOLLOWER;
        end->on_done(end);
        return;
    }
    end->err = check_end(partition, end);
    if (end->err != ERR_NONE) {
        end->on_done(end);
        return;
    }
    coord_seal(partition);
    struct slice bytes = batch_builder_marker(
        &partition->builder,
        &(struct batch_marker){.producer_id = end->end.producer_id,
                               .producer_epoch = end->end.producer_epoch,
                               .coordinator_epoch = end->end.coordinator_epoch,
                               .commits = end->end.commits,
                               .timestamp = shard_wall_ms(partition->set->shard)});
    partition->begun++;
    coord_enter(partition);
    partition->machine->type->replay_end(partition->machine, &end->end);
    coord_queue_batch(partition, bytes, end);
    coord_leave(partition);
}

/* ---- beginning and ending ---- */

struct coord_partition *coord_partition_new(struct coord_set *set, enum coord_kind kind,
                                            int32_t number, struct uuid topic_id)
{
    struct coord_partition *partition = calloc(1, sizeof *partition);
    if (partition == NULL)
        return NULL;
    partition->set = set;
    partition->kind = kind;
    partition->partition = number;
    partition->topic_id = topic_id;
    partition->state = COORD_LOADING;
    coord_world_init(partition);
    list_init(&partition->ended_link);
    list_init(&partition->answers);
    list_init(&partition->errands);
    list_init(&partition->errands_away);
    list_init(&partition->early);
    list_init(&partition->queue);
    replica_waiter_init(&partition->waiter, NULL);
    shard_chore_init(&partition->load.chore, NULL);
    shard_timer_init(&partition->load.again, NULL);
    shard_timer_init(&partition->patience, on_patience);
    partition->away_producer_id = BATCH_NO_PRODUCER_ID;
    shard_chore_init(&partition->flush, coord_on_flush);
    batch_builder_init(&partition->builder);
    arena_init(&partition->load.arena, SIZE_MAX / 2);
    return partition;
}

static void free_machine(struct coord_partition *partition)
{
    if (partition->machine == NULL)
        return;
    coord_errands_drop(partition);
    partition->machine->type->free(partition->machine);
    partition->machine = NULL;
}

void coord_partition_free(struct coord_partition *partition)
{
    ALWAYS(!partition->is_away && list_is_empty(&partition->answers) &&
               list_is_empty(&partition->early) && list_is_empty(&partition->queue),
           "something of a coordinator's partition is under way");
    shard_timer_stop(partition->set->shard, &partition->timer);
    shard_timer_stop(partition->set->shard, &partition->patience);
    shard_chore_cancel(&partition->flush);
    free_machine(partition);
    coord_load_free(partition);
    chain_fini(&partition->step_bytes);
    batch_builder_fini(&partition->builder);
    free(partition->step);
    free(partition);
}

/* A fresh machine, and its log from the start. */
static void begin(struct coord_partition *partition)
{
    role_now_on_shard();
    shard_timers_init(&partition->world.timers, shard_now_ms(partition->set->shard));
    partition->world.image = partition->set->image;
    partition->machine = partition->set->types[partition->kind]->make(&partition->world);
    ALWAYS(partition->machine != NULL, "memory for a coordinator is out");
    coord_load_start(partition);
}

/* What the open batch holds is in no log either. */
static void drop_open(struct coord_partition *partition)
{
    role_now_on_shard();
    shard_chore_cancel(&partition->flush);
    partition->is_open = false;
    partition->step_count = 0;
    chain_reset(&partition->step_bytes, 0);
}

static void end_machine(struct coord_partition *partition, enum err err)
{
    role_now_on_shard();
    if (partition->machine == NULL)
        return;
    coord_errands_drop(partition);
    partition->depth++; /* what it answers is refused below */
    partition->machine->type->end(partition->machine, err);
    partition->depth--;
}

/* Once nothing is on its way any more the log is read again. */
void coord_give_up(struct coord_partition *partition)
{
    if (partition->state == COORD_ENDED)
        coord_refuse_all(&partition->answers, ERR_NOT_COORDINATOR);
    if (partition->state == COORD_ACTIVE) {
        enum err err = client_error(partition->failed);
        journal(JOURNAL_WARN, "coordinator_reload",
                "topic=%s partition=%" PRId32 " error=%s hint=\"what it knew is read again\"",
                coord_topic_name(partition->kind), partition->partition,
                err_name(partition->failed));
        coord_become(partition, COORD_LOADING);
        partition->load.started_ns = sys_mono_ns();
        drop_open(partition);
        end_machine(partition, err);
        coord_refuse_all(&partition->answers, err);
    }
    bool again = partition->state == COORD_LOADING && partition->machine != NULL &&
                 !partition->is_away && partition->depth == 0;
    if (!again)
        return;
    partition->failed = ERR_NONE;
    partition->committed = partition->begun;
    free_machine(partition);
    begin(partition);
}

void coord_loaded(struct coord_partition *partition, const char *fault)
{
    struct coord_load *load = &partition->load;
    const char *topic = coord_topic_name(partition->kind);
    if (partition->state != COORD_LOADING) {
        coord_partition_consider(partition);
        return;
    }
    if (fault != NULL) {
        journal(JOURNAL_ERROR, "coordinator_unreadable",
                "topic=%s partition=%" PRId32 " offset=%" PRId64 " reason=\"%s\" "
                "hint=\"its groups or transactions are not served; ottla log verify shows more\"",
                topic, partition->partition, load->fault_offset, fault);
        coord_become(partition, COORD_FAILED);
        free_machine(partition);
    } else {
        int64_t ms = (sys_mono_ns() - load->started_ns) / 1000000;
        if (load->record_count > 0)
            journal(JOURNAL_INFO, "coordinator_loaded",
                    "topic=%s partition=%" PRId32 " records=%" PRId64 " ms=%" PRId64, topic,
                    partition->partition, load->record_count, ms);
        coord_become(partition, COORD_ACTIVE);
        coord_enter(partition);
        partition->machine->type->begin(partition->machine);
        coord_leave(partition);
    }
    run_early(partition);
}

void coord_partition_end(struct coord_partition *partition, enum err err)
{
    if (partition->state == COORD_ENDED)
        return;
    bool was_active = partition->state == COORD_ACTIVE;
    if (was_active)
        coord_seal(partition); /* what was recorded stays so where it can still be appended */
    coord_become(partition, COORD_ENDED);
    if (was_active)
        end_machine(partition, err);
    coord_stamp_answers(partition);
    coord_answer_committed(partition);
    replica_waiter_cancel(&partition->waiter);
    run_early(partition);
    coord_partition_consider(partition);
}

void coord_partition_consider(struct coord_partition *partition)
{
    role_now_on_shard();
    const struct coord_load *load = &partition->load;
    bool busy = partition->is_away || !list_is_empty(&partition->queue) || partition->is_open ||
                load->is_away || load->replica != NULL || !list_is_empty(&load->chore.link) ||
                partition->depth > 0;
    if (partition->state != COORD_ENDED || busy)
        return;
    list_remove(&partition->ended_link);
    coord_partition_free(partition);
}

void coord_partition_image(struct coord_partition *partition, const struct meta_image *before)
{
    if (partition->state != COORD_ACTIVE)
        return;
    const struct replica *replica =
        replica_set_find(partition->set->replicas, partition->topic_id, partition->partition);
    if (replica != NULL)
        partition->world.batch_size_max = replica->config.max_message_bytes;
    coord_enter(partition);
    if (partition->machine->type->on_image != NULL)
        partition->machine->type->on_image(partition->machine, before);
    coord_leave(partition);
}

void coord_partition_begin(struct coord_partition *partition)
{
    if (partition->state == COORD_FAILED)
        coord_become(partition, COORD_LOADING);
    begin(partition);
}
