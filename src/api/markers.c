/* See the header. Each end is a control batch of its own; those of __consumer_offsets go through
 * the coordinator of that partition, so that it is told in the order of its log. */
#include "api/markers.h"

#include "api/producer_ids.h"
#include "base/always.h"
#include "meta/image.h"
#include "wire/batch_builder.h"

#include <stdlib.h>

static void write_part(struct marker_part *) ON(on_shard);

static void part_done(struct marker_part *part, enum err err)
{
    part->err = err;
    free(part->bytes);
    part->bytes = NULL;
    api_part_done(part->there, &part->part);
}

static void on_appended(struct replica_append *append)
{
    part_done(CONTAINER_OF(append, struct marker_part, append), append->err);
}

/* The transaction coordinator knows no errors of group coordinators: that one is not ready yet. */
static void on_ended(struct coord_end *end)
{
    enum err err = end->err;
    if (err == ERR_COORDINATOR_NOT_AVAILABLE || err == ERR_COORDINATOR_LOAD_IN_PROGRESS ||
        err == ERR_NOT_COORDINATOR)
        err = ERR_NOT_LEADER_OR_FOLLOWER;
    part_done(CONTAINER_OF(end, struct marker_part, coord_end), err);
}

static bool end_by_groups(struct marker_part *part)
{
    role_now_on_shard();
    struct coord_place place = {
        .kind = COORD_GROUPS,
        .partition = part->partition,
        .image_end = part->there->image->end_offset,
    };
    part->coord_end = (struct coord_end){
        .end = *part->end,
        .transaction_version = part->transaction_version,
        .on_done = on_ended,
    };
    list_init(&part->coord_end.link);
    return coord_set_end_txn(part->there->coords, &place, &part->coord_end);
}

/* false: memory is out. */
static bool build(struct marker_part *part)
{
    struct batch_builder builder;
    batch_builder_init(&builder);
    struct slice bytes = batch_builder_marker(
        &builder, &(struct batch_marker){.producer_id = part->end->producer_id,
                                         .producer_epoch = part->end->producer_epoch,
                                         .coordinator_epoch = part->end->coordinator_epoch,
                                         .commits = part->end->commits,
                                         .timestamp = shard_wall_ms(part->there->shard)});
    part->bytes = slice_is_null(bytes) ? NULL : malloc(bytes.size);
    if (part->bytes != NULL) {
        memcpy(part->bytes, bytes.data, bytes.size);
        part->append = (struct replica_append){.acks = -1, .on_done = on_appended};
        part->append.log.bytes = part->bytes;
        part->append.log.by_coordinator = true;
        part->append.log.transaction_version = part->transaction_version;
        enum batch_outcome outcome =
            batch_parse(slice_of(part->bytes, bytes.size), &part->append.log.header);
        ALWAYS(outcome == BATCH_OK, "the end of a transaction does not parse");
        part->append.log.max_timestamp = part->append.log.header.max_timestamp;
        part->append.record_count = 1;
    }
    batch_builder_fini(&builder);
    return part->bytes != NULL;
}

static void write_part(struct marker_part *part)
{
    if (part->is_groups) {
        if (!end_by_groups(part))
            part_done(part, ERR_NOT_LEADER_OR_FOLLOWER); /* it is tried again */
        return;
    }
    struct replica *replica;
    struct replica_place place = api_part_place(&part->part, part->topic_id, part->partition);
    if (!replica_set_reach(part->there->replicas, &place, &part->waiter, &replica))
        return;
    enum err err = replica == NULL ? ERR_NOT_LEADER_OR_FOLLOWER : replica_check(replica);
    if (err == ERR_NONE && !build(part))
        err = ERR_KAFKA_STORAGE_ERROR;
    if (err == ERR_NONE)
        replica_append(replica, &part->append);
    else
        part_done(part, err);
}

static void on_open(struct replica_waiter *waiter)
{
    role_now_on_shard();
    write_part(CONTAINER_OF(waiter, struct marker_part, waiter));
}

static void run_part(struct api_shard *there, struct api_part *api_part)
{
    role_now_on_shard();
    struct marker_part *part = CONTAINER_OF(api_part, struct marker_part, part);
    part->there = there;
    replica_waiter_init(&part->waiter, on_open);
    write_part(part);
}

static void on_gathered(struct api_shard *here, struct api_gather *gather)
{
    (void)here;
    struct marking *marking = CONTAINER_OF(gather, struct marking, gather);
    marking->on_done(marking);
}

bool marking_init(struct marking *marking, struct api_shard *here, struct arena *arena,
                  void (*on_done)(struct marking *))
{
    marking->arena = arena;
    marking->on_done = on_done;
    return api_gather_init(&marking->gather, here, arena, run_part, on_gathered);
}

void marking_add(struct marking *marking, struct marker_part *part)
{
    const struct api_shard *here = marking->gather.home;
    const struct meta_topic *topic = meta_topic_named(here->image, part->topic);
    part->err = ERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (topic == NULL || meta_topic_partition(topic, part->partition) == NULL)
        return;
    part->topic_id = topic->id;
    part->is_groups = slice_is(part->topic, coord_topic_name(COORD_GROUPS));
    int shard = replica_shard_of(part->topic, part->partition,
                                 shard_set_count(shard_siblings(here->shard)));
    if (!api_gather_add(&marking->gather, marking->arena, shard, &part->part))
        part->err = ERR_KAFKA_STORAGE_ERROR; /* it is tried again */
}

void marking_run(struct marking *marking)
{
    api_gather_run(&marking->gather);
}

/* ---- for the transaction coordinator ---- */

struct coord_marking {
    struct marking marking;
    struct coord_markers *markers;
    struct arena arena;
    struct marker_part *parts;
};

/* A partition that is not there was deleted: nobody waits for its end. */
static enum err outcome_of(enum err err)
{
    return err == ERR_UNKNOWN_TOPIC_OR_PARTITION ? ERR_NONE : err;
}

static void on_marked(struct marking *marking)
{
    struct coord_marking *all = CONTAINER_OF(marking, struct coord_marking, marking);
    struct coord_markers *markers = all->markers;
    markers->err = ERR_NONE;
    for (int i = 0; i < markers->partition_count; i++) {
        markers->partitions[i].err = outcome_of(all->parts[i].err);
        if (markers->partitions[i].err != ERR_NONE)
            markers->err = markers->partitions[i].err;
    }
    arena_fini(&all->arena);
    free(all);
    markers->on_done(markers);
}

static bool begin_marking(struct coord_marking *all, struct api_shard *here)
{
    role_now_on_shard();
    struct coord_markers *markers = all->markers;
    all->parts =
        ARENA_ARRAY(&all->arena, struct marker_part, (size_t)MAX_OF(markers->partition_count, 1));
    if (all->parts == NULL || !marking_init(&all->marking, here, &all->arena, on_marked))
        return false;
    for (int i = 0; i < markers->partition_count; i++) {
        struct marker_part *part = &all->parts[i];
        part->topic = markers->partitions[i].topic;
        part->partition = markers->partitions[i].partition;
        part->end = &markers->end;
        part->transaction_version = markers->transaction_version;
        marking_add(&all->marking, part);
    }
    marking_run(&all->marking);
    return true;
}

void api_write_markers(void *context, struct coord_markers *markers)
{
    struct coord_marking *all = calloc(1, sizeof *all);
    ALWAYS(all != NULL, "memory for the ends of a transaction is out");
    all->markers = markers;
    arena_init(&all->arena, SIZE_MAX / 2);
    bool begun = begin_marking(all, context);
    ALWAYS(begun, "memory for the ends of a transaction is out");
}

void api_allocate_id(void *context, struct coord_ids *ids)
{
    producer_ids_take(context, ids);
}
