/* The world of a coordinator's machine in a node: its records become a step, which is part of one
 * batch, the open one; its timers turn with the shard's clock. On the partition's shard. */
#include "coord/errands.h"

#include "base/always.h"
#include "config/node.h"
#include "coord/record.h"
#include "replica/set.h"

#include <stdlib.h>

/* A batch with more than this is appended before the turn ends. */
#define BATCH_SIZE_GOOD ((size_t)64 * 1024)

static struct coord_partition *partition_of(struct coord_world *world)
{
    return CONTAINER_OF(world, struct coord_partition, world);
}

/* ---- the open batch ---- */

void coord_seal(struct coord_partition *partition)
{
    role_now_on_shard();
    if (!partition->is_open)
        return;
    partition->is_open = false;
    coord_queue_batch(partition, batch_builder_finish(&partition->builder, partition->set->codecs),
                      NULL);
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
        coord_seal(partition);
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
    coord_stamp_answers(partition);
    coord_errands_stamp(partition);
    if (partition->failed != ERR_NONE) {
        coord_give_up(partition);
    } else {
        coord_answer_committed(partition);
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

void coord_world_init(struct coord_partition *partition)
{
    partition->world = (struct coord_world){
        .config = partition->set->config,
        .prng = &partition->prng,
        .image = partition->set->image,
        .partition = partition->partition,
        .record = on_record,
        .cut = cut,
        .deletion_ms = deletion_ms,
        .check_producer = check_producer,
        .answer = coord_on_answer,
        .write_markers = coord_errand_markers,
        .allocate_id = coord_errand_id,
    };
    prng_init(&partition->prng, prng_next(shard_prng(partition->set->shard)));
    shard_timer_init(&partition->timer, on_timer);
    partition->timer_at_ms = INT64_MAX;
    chain_init(&partition->step_bytes, INT32_MAX);
}
