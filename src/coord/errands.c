/* See the header. An errand is a copy of what the machine asked for, in memory of its own: what is
 * on its way to other shards outlives the machine, and ends by itself. */
#include "coord/errands.h"

#include "base/always.h"

#include <stdlib.h>

struct errand {
    struct list link;                  /* the partition's, or itself once that is gone */
    struct coord_partition *partition; /* NULL: nobody is to hear of it */
    int64_t ticket;                    /* INT64_MAX: of the step under way */
    bool is_away;
    bool wants_id;
    struct coord_ids *asked_id; /* the machine's */
    struct coord_ids ids;
    struct coord_markers *asked;
    struct coord_markers markers;
    struct arena arena;
};

static void errand_free(struct errand *errand)
{
    list_remove(&errand->link);
    list_remove(&errand->ids.link);
    arena_fini(&errand->arena);
    free(errand);
}

static struct errand *errand_new(struct coord_world *world)
{
    struct errand *errand = calloc(1, sizeof *errand);
    ALWAYS(errand != NULL, "memory for what a coordinator asks for is out");
    struct coord_partition *partition = CONTAINER_OF(world, struct coord_partition, world);
    errand->partition = partition;
    errand->ticket = INT64_MAX;
    list_init(&errand->ids.link);
    list_init(&errand->markers.link);
    arena_init(&errand->arena, SIZE_MAX / 2);
    list_init(&errand->link);
    list_add_tail(&partition->errands, &errand->link);
    return errand;
}

/* ---- coming back ---- */

static void on_marked(struct coord_markers *markers)
{
    role_now_on_shard();
    struct errand *errand = CONTAINER_OF(markers, struct errand, markers);
    struct coord_partition *partition = errand->partition;
    struct coord_markers *asked = errand->asked;
    if (partition != NULL) {
        asked->err = markers->err;
        for (int i = 0; i < asked->partition_count; i++)
            asked->partitions[i].err = markers->partitions[i].err;
    }
    errand_free(errand);
    if (partition == NULL)
        return;
    coord_enter(partition);
    asked->on_done(asked);
    coord_leave(partition);
}

static void on_allocated(struct coord_ids *ids)
{
    role_now_on_shard();
    struct errand *errand = CONTAINER_OF(ids, struct errand, ids);
    struct coord_partition *partition = errand->partition;
    struct coord_ids *asked = errand->asked_id;
    if (partition != NULL) {
        asked->err = ids->err;
        asked->producer_id = ids->producer_id;
    }
    errand_free(errand);
    if (partition == NULL)
        return;
    coord_enter(partition);
    asked->on_done(asked);
    coord_leave(partition);
}

/* ---- going ---- */

void coord_errand_markers(struct coord_world *world, struct coord_markers *asked)
{
    struct errand *errand = errand_new(world);
    size_t count = (size_t)asked->partition_count;
    struct coord_markers_partition *copy =
        ARENA_ARRAY(&errand->arena, struct coord_markers_partition, count);
    ALWAYS(count == 0 || copy != NULL, "memory for the ends of a transaction is out");
    for (size_t i = 0; i < count; i++) {
        copy[i] = asked->partitions[i];
        copy[i].topic = arena_copy(&errand->arena, copy[i].topic);
    }
    ALWAYS(!errand->arena.failed, "memory for the ends of a transaction is out");
    errand->asked = asked;
    errand->markers = (struct coord_markers){
        .end = asked->end,
        .transaction_version = asked->transaction_version,
        .partitions = copy,
        .partition_count = asked->partition_count,
        .on_done = on_marked,
    };
    list_init(&errand->markers.link);
}

void coord_errand_id(struct coord_world *world, struct coord_ids *asked)
{
    struct errand *errand = errand_new(world);
    errand->wants_id = true;
    errand->asked_id = asked;
    errand->ids.on_done = on_allocated;
}

void coord_errands_stamp(struct coord_partition *partition)
{
    for (struct list *node = partition->errands.prev; node != &partition->errands;
         node = node->prev) {
        struct errand *errand = CONTAINER_OF(node, struct errand, link);
        if (errand->ticket != INT64_MAX)
            return;
        errand->ticket = partition->begun;
    }
}

static struct errand *next_ready(const struct coord_partition *partition)
{
    if (partition->depth > 0 || list_is_empty(&partition->errands))
        return NULL;
    struct errand *errand = CONTAINER_OF(partition->errands.next, struct errand, link);
    return errand->ticket <= partition->committed ? errand : NULL;
}

void coord_errands_send(struct coord_partition *partition)
{
    const struct coord_outside *outside = partition->set->outside;
    struct errand *errand;
    while ((errand = next_ready(partition)) != NULL) {
        errand->is_away = true;
        list_remove(&errand->link);
        list_add_tail(&partition->errands_away, &errand->link);
        if (errand->wants_id)
            outside->allocate_id(outside->context, &errand->ids);
        else
            outside->write_markers(outside->context, &errand->markers);
    }
}

void coord_errands_drop(struct coord_partition *partition)
{
    list_move_all(&partition->errands_away, &partition->errands);
    LIST_EACH_SAFE (&partition->errands, node, after) {
        struct errand *errand = CONTAINER_OF(node, struct errand, link);
        errand->partition = NULL;
        list_remove(&errand->link);
        /* A wish for an id waits in a list of this shard, and is taken out of it. */
        if (!errand->is_away || errand->wants_id)
            errand_free(errand);
    }
}
