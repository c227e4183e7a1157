/* Reading a coordinator's log from its start to its end. A worker reads whole batches, verifies and
 * decodes them; the shard applies the records in order, so many in a turn. Kafka reads the same way
 * (offsets.load.buffer.size); what is damaged stops it, since state that is missing would be taken
 * for state that never was. */
#include "coord/coord_int.h"

#include "base/always.h"
#include "config/node.h"
#include "coord/record.h"
#include "log/txn.h"
#include "replica/set.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "wire/record.h"

#include <errno.h>
#include <stdlib.h>

/* Records applied in one turn. */
#define APPLY_MAX 1000
/* Until a read is tried again for which no descriptor was left. */
#define STARVED_MS 10

static void read_next(struct coord_partition *) ON(on_shard);
static void on_open(struct replica_waiter *);

static struct coord_partition *partition_of(struct coord_load *load)
{
    return CONTAINER_OF(load, struct coord_partition, load);
}

static void finish(struct coord_partition *partition, const char *fault)
{
    role_now_on_shard();
    struct coord_load *load = &partition->load;
    if (load->replica != NULL) {
        struct replica *replica = load->replica;
        load->replica = NULL;
        replica_end(replica);
    }
    coord_loaded(partition, fault);
}

/* ---- the worker ---- */

static struct coord_item *add_item(struct coord_load *load, struct coord_item ***tail)
{
    struct coord_item *item = ARENA_NEW(&load->arena, struct coord_item);
    if (item == NULL) {
        load->fault = "memory is out";
        return NULL;
    }
    **tail = item;
    *tail = &item->next;
    load->item_count++;
    return item;
}

static void take_marker(struct coord_load *load, const struct batch_view *view,
                        struct coord_item ***tail)
{
    int32_t coordinator_epoch = -1;
    enum txn_marker marker = txn_marker_read(&view->header, view->bytes, &coordinator_epoch);
    struct coord_item *item = marker != TXN_MARKER_NONE ? add_item(load, tail) : NULL;
    if (item == NULL)
        return;
    item->is_end = true;
    item->end = (struct coord_txn_end){
        .producer_id = view->header.producer_id,
        .producer_epoch = view->header.producer_epoch,
        .coordinator_epoch = coordinator_epoch,
        .commits = marker == TXN_MARKER_COMMIT,
    };
}

static void take_record(struct coord_load *load, const struct batch_header *header,
                        const struct record *record, struct coord_item ***tail)
{
    struct coord_raw raw = {
        .family = partition_of(load)->machine->type->family,
        .key = arena_copy(&load->arena, record->key),
        .value = arena_copy(&load->arena, record->value),
    };
    struct coord_record decoded;
    enum coord_read read = coord_record_read(&raw, &load->arena, &decoded);
    if (read == COORD_READ_UNKNOWN)
        return;
    if (read == COORD_READ_BAD) {
        load->fault = "a record cannot be read";
        return;
    }
    struct coord_item *item = add_item(load, tail);
    if (item == NULL)
        return;
    item->record = decoded;
    item->record.timestamp_ms = batch_record_timestamp(header, record->timestamp_delta);
    if (batch_is_transactional(header)) {
        item->record.producer_id = header->producer_id;
        item->record.producer_epoch = header->producer_epoch;
    }
}

static void take_batch(struct coord_load *load, struct codec_pool *pool,
                       const struct batch_view *view, struct coord_item ***tail)
{
    if (!batch_crc_ok(view->bytes)) {
        load->fault = "a batch's checksum is wrong";
        return;
    }
    if (batch_is_control(&view->header)) {
        take_marker(load, view, tail);
        return;
    }
    struct record_reader reader;
    struct record record;
    record_reader_open(&reader, pool,
                       (struct record_source){.header = &view->header, .batch = view->bytes});
    while (load->fault == NULL && record_read(&reader, &record))
        take_record(load, &view->header, &record, tail);
    if (load->fault == NULL && reader.fault != CODEC_FINE)
        load->fault = reader.text;
    record_reader_close(&reader);
}

static void take_batches(struct coord_load *load, struct codec_pool *pool)
{
    struct batch_iterator batches = batch_iterate(slice_of(load->bytes, load->size));
    struct batch_view view;
    struct coord_item **tail = &load->items;
    while (load->fault == NULL && batch_next(&batches, &view)) {
        load->fault_offset = view.header.base_offset;
        if (view.header.base_offset >= load->end_offset)
            break;
        if (batch_last_offset(&view.header) >= load->next_offset)
            take_batch(load, pool, &view, &tail);
        if (load->fault == NULL)
            load->next_offset = batch_last_offset(&view.header) + 1;
    }
    bool cut = batches.stopped == BATCH_INCOMPLETE; /* by the size that was asked for */
    if (load->fault == NULL && batches.stopped != BATCH_OK && batches.stopped != BATCH_END && !cut)
        load->fault = batch_outcome_text(batches.stopped);
}

static void run_job(struct shard_job *job)
{
    role_now_on_worker();
    struct coord_load *load = CONTAINER_OF(job, struct coord_load, job);
    const struct log_range *range = &load->read.range;
    load->size = (size_t)range->size;
    load->bytes = malloc(load->size);
    struct codec_pool *pool = codec_pool_new();
    if (load->bytes == NULL || pool == NULL) {
        load->fault = "memory is out";
    } else if (sys_file_read_at(range->handle->fd, load->bytes, load->size, range->position) !=
               (int64_t)load->size) {
        load->fault = "its file cannot be read";
    } else {
        int64_t before = load->next_offset;
        take_batches(load, pool);
        if (load->fault == NULL && load->next_offset == before)
            load->fault = "it does not go on where it should";
    }
    codec_pool_free(pool);
}

/* ---- the shard ---- */

static void drop_piece(struct coord_load *load)
{
    free(load->bytes);
    load->bytes = NULL;
    arena_reset(&load->arena);
    load->items = NULL;
    load->item_count = 0;
}

static const char *apply_item(struct coord_partition *partition, const struct coord_item *item)
{
    struct coord_machine *machine = partition->machine;
    partition->load.record_count++;
    if (!item->is_end)
        return machine->type->replay(machine, &item->record);
    machine->type->replay_end(machine, &item->end);
    return NULL;
}

static void apply(struct shard *shard, struct shard_chore *chore)
{
    role_now_on_shard();
    struct coord_load *load = CONTAINER_OF(chore, struct coord_load, chore);
    struct coord_partition *partition = partition_of(load);
    if (partition->state != COORD_LOADING) {
        drop_piece(load);
        finish(partition, "it leads no longer");
        return;
    }
    coord_enter(partition);
    const char *fault = NULL;
    for (int i = 0; i < APPLY_MAX && load->items != NULL && fault == NULL; i++) {
        fault = apply_item(partition, load->items);
        load->items = load->items->next;
    }
    coord_leave(partition);
    if (fault == NULL && load->items != NULL) {
        shard_run_later(shard, chore);
        return;
    }
    drop_piece(load);
    if (fault != NULL)
        finish(partition, fault);
    else
        read_next(partition);
}

static void on_job_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    struct coord_load *load = CONTAINER_OF(job, struct coord_load, job);
    load->is_away = false;
    log_handle_unref(load->read.range.handle);
    if (load->fault != NULL) {
        const char *fault = load->fault;
        drop_piece(load);
        finish(partition_of(load), fault);
        return;
    }
    apply(shard, &load->chore);
}

static void on_read(struct log_read *read)
{
    role_now_on_shard();
    struct coord_load *load = CONTAINER_OF(read, struct coord_load, read);
    struct coord_partition *partition = partition_of(load);
    load->is_away = false;
    bool goes_on = partition->state == COORD_LOADING && read->err == ERR_NONE;
    if (goes_on && read->range.handle != NULL) {
        load->is_away = true;
        load->job =
            (struct shard_job){.run = run_job, .on_done = on_job_done, .lane = SHARD_LANE_DATA};
        shard_submit(partition->set->shard, &load->job);
        return;
    }
    if (read->range.handle != NULL)
        log_handle_unref(read->range.handle);
    load->fault_offset = load->next_offset;
    if (partition->state != COORD_LOADING)
        finish(partition, "it leads no longer");
    else if (read->starved)
        shard_timer_start(partition->set->shard, &load->again, STARVED_MS);
    else if (read->err != ERR_NONE)
        finish(partition, err_name(read->err));
    else
        finish(partition, NULL); /* nothing is left in front of the end */
}

static int64_t piece_size(const struct coord_partition *partition)
{
    const struct node_config *config = partition->set->config;
    return partition->kind == COORD_GROUPS ? config->offsets_load_buffer_size
                                           : config->transaction_state_log_load_buffer_size;
}

static void read_next(struct coord_partition *partition)
{
    struct coord_load *load = &partition->load;
    if (load->next_offset >= load->end_offset) {
        finish(partition, NULL);
        return;
    }
    load->read = (struct log_read){
        .offset = load->next_offset,
        .bound = load->end_offset,
        .size_max = piece_size(partition),
        .at_least_one = true,
        .on_done = on_read,
    };
    load->is_away = true;
    log_read_submit(load->replica->log, &load->read);
}

static void on_again(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    (void)shard;
    struct coord_partition *partition = partition_of(CONTAINER_OF(timer, struct coord_load, again));
    if (partition->state == COORD_LOADING)
        read_next(partition);
    else
        finish(partition, "it leads no longer");
}

static void begin(struct coord_partition *partition)
{
    role_now_on_shard();
    struct coord_load *load = &partition->load;
    struct replica_place place = {
        .topic_id = partition->topic_id,
        .partition = partition->partition,
        .image_end = partition->set->replicas->image_end,
    };
    struct replica *replica = NULL;
    replica_waiter_init(&partition->waiter, on_open);
    if (!replica_set_reach(partition->set->replicas, &place, &partition->waiter, &replica))
        return;
    enum err err = replica == NULL ? ERR_NOT_LEADER_OR_FOLLOWER : replica_check(replica);
    if (partition->state != COORD_LOADING || err != ERR_NONE) {
        finish(partition, partition->state != COORD_LOADING ? "it leads no longer" : err_name(err));
        return;
    }
    load->replica = replica;
    replica_begin(replica);
    partition->world.leader_epoch = replica->leader_epoch;
    partition->world.batch_size_max = replica->config.max_message_bytes;
    load->next_offset = log_start_offset(replica->log);
    load->end_offset = log_end_offset(replica->log);
    read_next(partition);
}

static void on_open(struct replica_waiter *waiter)
{
    role_now_on_shard();
    begin(CONTAINER_OF(waiter, struct coord_partition, waiter));
}

void coord_load_start(struct coord_partition *partition)
{
    struct coord_load *load = &partition->load;
    coord_load_free(partition);
    *load = (struct coord_load){.started_ns = sys_mono_ns()};
    arena_init(&load->arena, SIZE_MAX / 2);
    shard_chore_init(&load->chore, apply);
    shard_timer_init(&load->again, on_again);
    begin(partition);
}

void coord_load_free(struct coord_partition *partition)
{
    struct coord_load *load = &partition->load;
    ALWAYS(!load->is_away, "the reading of a coordinator's log is under way");
    drop_piece(load);
    arena_fini(&load->arena);
}
