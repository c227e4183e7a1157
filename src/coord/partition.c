/* One coordinator's partition: the machine's world in a node. What the machine records in one call
 * is gathered here and becomes part of the open batch, which is appended at the end of the turn
 * with whatever else came in it. Answers wait until the batches in front of them are committed.
 *
 * When a batch cannot be appended, the machine knows things that are in no log. It is given up:
 * every call that waits hears the error, and the log is read again. On the partition's shard. */
#include "coord/errands.h"

#include "base/always.h"
#include "base/bytes.h"
#include "config/node.h"
#include "coord/groups.h"
#include "coord/record.h"
#include "coord/txns.h"
#include "log/guard.h"
#include "meta/effective.h"
#include "replica/set.h"
#include "sys/clock.h"
#include "sys/journal.h"

#include <inttypes.h>
#include <stdlib.h>

const struct coord_machine_type *const coord_types[COORD_KIND_COUNT] = {
    [COORD_GROUPS] = &coord_groups_type,
    [COORD_TXNS] = &coord_txns_type,
};
const char *const coord_families[COORD_KIND_COUNT] = {
    [COORD_GROUPS] = "consumer_offsets",
    [COORD_TXNS] = "transaction_state",
};

/* A batch with more than this is appended before the turn ends. */
#define BATCH_SIZE_GOOD (64 * 1024)
/* The key and value of a transaction's end: versions, type and coordinator epoch. */
#define MARKER_KEY_SIZE 4
#define MARKER_VALUE_SIZE 6

static void give_up(struct coord_partition *) ON(on_shard);
static void seal(struct coord_partition *) ON(on_shard);

static struct coord_partition *partition_of(struct coord_world *world)
{
    return CONTAINER_OF(world, struct coord_partition, world);
}

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

/* ---- answers ---- */

static void answer_committed(struct coord_partition *partition)
{
    while (!list_is_empty(&partition->answers)) {
        struct coord_call *call = CONTAINER_OF(partition->answers.next, struct coord_call, link);
        if (call->ticket > partition->committed)
            return;
        list_remove(&call->link);
        call->on_done(call);
    }
}

static void refuse_all(struct list *calls, enum err err)
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
static void on_answer(struct coord_world *world, struct coord_call *call)
{
    struct coord_partition *partition = partition_of(world);
    list_remove(&call->link);
    call->ticket = INT64_MAX;
    list_add_tail(&partition->answers, &call->link);
}

static void stamp_answers(struct coord_partition *partition)
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
        give_up(partition);
    } else {
        answer_committed(partition);
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
static void queue_batch(struct coord_partition *partition, struct slice bytes,
                        struct coord_end *end)
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

static void seal(struct coord_partition *partition)
{
    role_now_on_shard();
    if (!partition->is_open)
        return;
    partition->is_open = false;
    queue_batch(partition, batch_builder_finish(&partition->builder, partition->set->codecs), NULL);
}

/* While a batch is under way the open one goes on gathering. */
static void on_flush(struct shard *shard, struct shard_chore *chore)
{
    role_now_on_shard();
    (void)shard;
    struct coord_partition *partition = CONTAINER_OF(chore, struct coord_partition, flush);
    if (partition->is_away)
        return;
    if (list_is_empty(&partition->queue))
        seal(partition);
    if (partition->failed != ERR_NONE)
        give_up(partition);
    else
        send_next(partition);
}

/* Numbers that no codec has are none, as for Kafka. */
static enum codec codec_of(const struct node_config *config)
{
    int32_t id = config->offsets_topic_compression_codec;
    return codec_is_known(id) ? (enum codec)id : CODEC_NONE;
}

static void open_batch(struct coord_partition *partition, int64_t producer_id,
                       int16_t producer_epoch)
{
    role_now_on_shard();
    struct batch_builder_options options = batch_builder_defaults();
    options.producer_id = producer_id;
    options.producer_epoch = producer_id < 0 ? BATCH_NO_PRODUCER_EPOCH : producer_epoch;
    options.transactional = producer_id >= 0;
    options.base_sequence = partition->machine->type->base_sequence;
    if (partition->kind == COORD_GROUPS)
        options.codec = codec_of(partition->set->config);
    batch_builder_begin(&partition->builder, &options);
    partition->open_options = options;
    partition->is_open = true;
    partition->begun++;
    shard_flush_later(partition->set->shard, &partition->flush);
}

/* ---- steps ---- */

static void on_record(struct coord_world *world, const struct coord_record *record)
{
    struct coord_partition *partition = partition_of(world);
    ALWAYS(partition->depth > 0, "a coordinator records outside of its calls");
    if (partition->step_count == partition->step_capacity) {
        size_t capacity = partition->step_capacity * 2 + 8;
        struct coord_step_record *more = realloc(partition->step, capacity * sizeof *more);
        if (more == NULL) {
            partition->step_failed = true;
            return;
        }
        partition->step = more;
        partition->step_capacity = capacity;
    }
    struct coord_step_record *at = &partition->step[partition->step_count];
    at->at = partition->step_bytes.size;
    struct coord_record_sizes sizes;
    if (!coord_record_write(record, &partition->step_bytes, &sizes)) {
        partition->step_failed = true;
        return;
    }
    at->key_size = sizes.key;
    at->value_size = sizes.value;
    at->producer_id = record->producer_id;
    at->producer_epoch = record->producer_epoch;
    partition->step_count++;
}

static void add_step(struct coord_partition *partition)
{
    role_now_on_shard();
    const struct coord_step_record *first = &partition->step[0];
    bool fits =
        partition->is_open && partition->open_options.producer_id == first->producer_id &&
        (first->producer_id < 0 ||
         partition->open_options.producer_epoch == first->producer_epoch) &&
        batch_builder_size(&partition->builder) + partition->step_bytes.size <= BATCH_SIZE_GOOD;
    if (!fits) {
        seal(partition);
        open_batch(partition, first->producer_id, first->producer_epoch);
    }
    for (size_t i = 0; i < partition->step_count; i++) {
        const struct coord_step_record *at = &partition->step[i];
        const uint8_t *bytes = partition->step_bytes.data + at->at;
        ALWAYS(at->producer_id == first->producer_id, "a step records for two transactions");
        struct batch_record record = {
            .timestamp = partition->world.wall_ms,
            .key = slice_of(bytes, at->key_size),
            .value = at->value_size == SIZE_MAX ? (struct slice){0}
                                                : slice_of(bytes + at->key_size, at->value_size),
        };
        batch_builder_add(&partition->builder, &record);
    }
    partition->step_count = 0;
    chain_reset(&partition->step_bytes, BATCH_SIZE_GOOD);
}

static void cut(struct coord_world *world)
{
    role_now_on_shard();
    struct coord_partition *partition = partition_of(world);
    bool is_large = partition->step_bytes.size >= BATCH_SIZE_GOOD;
    if (is_large && !partition->step_failed && partition->failed == ERR_NONE)
        add_step(partition);
}

static int64_t deletion_ms(const struct coord_world *world)
{
    role_now_on_shard();
    return replica_retention_wall_ms(
        CONTAINER_OF(world, const struct coord_partition, world)->set->replicas);
}

/* Batches that are in no log yet count: the producer's epoch may be raised by one of them. */
static enum err check_producer(const struct coord_world *world, int64_t producer_id,
                               int16_t producer_epoch)
{
    role_now_on_shard();
    const struct coord_partition *partition =
        CONTAINER_OF(world, const struct coord_partition, world);
    const struct replica *replica =
        replica_set_find(partition->set->replicas, partition->topic_id, partition->partition);
    if (replica == NULL || replica->log == NULL)
        return ERR_NOT_COORDINATOR;
    int newest = partition->away_producer_id == producer_id ? partition->away_epoch : -1;
    LIST_EACH (&partition->queue, node) {
        const struct batch_header *header =
            &CONTAINER_OF(node, const struct coord_batch, link)->append.log.header;
        if (header->producer_id == producer_id)
            newest = MAX_OF(newest, header->producer_epoch);
    }
    if (partition->is_open && partition->open_options.producer_id == producer_id)
        newest = MAX_OF(newest, partition->open_options.producer_epoch);
    if (producer_epoch < newest)
        return ERR_INVALID_PRODUCER_EPOCH;
    return log_check_producer(replica->log, producer_id, producer_epoch);
}

static void arm(struct coord_partition *partition)
{
    role_now_on_shard();
    int64_t next_ms = shard_timers_next_ms(&partition->world.timers);
    if (next_ms >= partition->timer_at_ms)
        return;
    partition->timer_at_ms = next_ms;
    shard_timer_start(partition->set->shard, &partition->timer,
                      MAX_OF(next_ms - shard_now_ms(partition->set->shard), 0));
}

void coord_enter(struct coord_partition *partition)
{
    if (partition->depth++ > 0)
        return;
    struct coord_world *world = &partition->world;
    world->now_ms = shard_now_ms(partition->set->shard);
    world->wall_ms = shard_wall_ms(partition->set->shard);
    world->image = partition->set->image;
}

void coord_leave(struct coord_partition *partition)
{
    if (--partition->depth > 0)
        return;
    if (partition->step_failed && partition->failed == ERR_NONE)
        partition->failed = ERR_UNKNOWN_SERVER_ERROR;
    partition->step_failed = false;
    if (partition->step_count > 0 && partition->failed == ERR_NONE)
        add_step(partition);
    stamp_answers(partition);
    coord_errands_stamp(partition);
    if (partition->failed != ERR_NONE) {
        give_up(partition);
    } else {
        answer_committed(partition);
        coord_errands_send(partition);
    }
    if (partition->state == COORD_ACTIVE)
        arm(partition);
}

static void on_timer(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    struct coord_partition *partition = CONTAINER_OF(timer, struct coord_partition, timer);
    partition->timer_at_ms = INT64_MAX;
    if (partition->state != COORD_ACTIVE)
        return;
    coord_enter(partition);
    shard_timers_tick(&partition->world.timers, NULL, shard_now_ms(shard));
    coord_leave(partition);
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
    seal(partition);
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
    queue_batch(partition, bytes, end);
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
    partition->world = (struct coord_world){
        .config = set->config,
        .prng = &partition->prng,
        .image = set->image,
        .partition = number,
        .record = on_record,
        .cut = cut,
        .deletion_ms = deletion_ms,
        .check_producer = check_producer,
        .answer = on_answer,
        .write_markers = coord_errand_markers,
        .allocate_id = coord_errand_id,
    };
    prng_init(&partition->prng, prng_next(shard_prng(set->shard)));
    list_init(&partition->ended_link);
    list_init(&partition->answers);
    list_init(&partition->errands);
    list_init(&partition->errands_away);
    list_init(&partition->early);
    list_init(&partition->queue);
    replica_waiter_init(&partition->waiter, NULL);
    shard_chore_init(&partition->load.chore, NULL);
    shard_timer_init(&partition->timer, on_timer);
    shard_timer_init(&partition->patience, on_patience);
    partition->timer_at_ms = INT64_MAX;
    partition->away_producer_id = BATCH_NO_PRODUCER_ID;
    shard_chore_init(&partition->flush, on_flush);
    chain_init(&partition->step_bytes, INT32_MAX);
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
    partition->machine = coord_types[partition->kind]->make(&partition->world);
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
static void give_up(struct coord_partition *partition)
{
    if (partition->state == COORD_ENDED)
        refuse_all(&partition->answers, ERR_NOT_COORDINATOR);
    if (partition->state == COORD_ACTIVE) {
        enum err err = client_error(partition->failed);
        journal(JOURNAL_WARN, "coordinator_reload",
                "topic=%s partition=%" PRId32 " error=%s hint=\"what it knew is read again\"",
                coord_types[partition->kind]->topic, partition->partition,
                err_name(partition->failed));
        coord_become(partition, COORD_LOADING);
        partition->load.started_ns = sys_mono_ns();
        drop_open(partition);
        end_machine(partition, err);
        refuse_all(&partition->answers, err);
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
    const char *topic = coord_types[partition->kind]->topic;
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
        seal(partition); /* what was recorded stays so where it can still be appended */
    coord_become(partition, COORD_ENDED);
    if (was_active)
        end_machine(partition, err);
    stamp_answers(partition);
    answer_committed(partition);
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
