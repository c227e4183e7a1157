/* Calls to coordinators and back; see the header. A call that is alone uses its request's arena,
 * which belongs to the partition's shard meanwhile; of several each has one of its own. */
#include "api/coordination.h"

#include "meta/image.h"

#include <stdio.h>

/* Bytes that the answer of one of several calls may take. */
#define CALL_ARENA_MAX ((size_t)64 * 1024 * 1024)

/* ---- calls ---- */

static void on_called(struct coord_call *call)
{
    struct coordination_part *part = CONTAINER_OF(call, struct coordination_part, call);
    api_part_done(part->there, &part->part);
}

static void run_part(struct api_shard *there, struct api_part *api_part)
{
    role_now_on_shard();
    struct coordination_part *part = CONTAINER_OF(api_part, struct coordination_part, part);
    part->there = there;
    coord_set_call(there->coords, &part->place, part->op, &part->call);
}

static void on_gathered(struct api_shard *here, struct api_gather *gather)
{
    (void)here;
    struct coordination *all = CONTAINER_OF(gather, struct coordination, gather);
    for (int i = 0; i < all->count; i++)
        arena_adopt(&all->request->arena, &all->parts[i].arena);
    all->on_done(all);
}

struct coordination *coordination_new(struct api_request *request, enum coord_kind kind, int count)
{
    struct coordination *all = API_NEW(request, struct coordination);
    if (all != NULL) {
        all->request = request;
        all->kind = kind;
        all->capacity = count;
        all->parts = ARENA_ARRAY(&request->arena, struct coordination_part, (size_t)count);
    }
    if (all != NULL && (count == 0 || all->parts != NULL) &&
        api_gather_init(&all->gather, request->here, &request->arena, run_part, on_gathered))
        return all;
    api_request_fail(request, "memory for a coordinator's call is out");
    return NULL;
}

/* The peer's address as Java prints one. */
static struct slice host_of(struct coordination_part *part)
{
    const struct api_client *client = part->all->request->client;
    int size =
        snprintf(part->host, sizeof part->host, "/%s", client != NULL ? client->peer.host : "");
    return slice_of(part->host, (size_t)size);
}

struct coord_call *coordination_add(struct coordination *all, struct slice key, coord_op_fn op,
                                    const void *message)
{
    struct coordination_part *part = &all->parts[all->count++];
    const struct api_request *request = all->request;
    part->all = all;
    part->op = op;
    arena_init(&part->arena, CALL_ARENA_MAX);
    part->call = (struct coord_call){
        .key = key,
        .request = message,
        .api_version = request->header.api_version,
        .client = {.id = request->header.client_id, .host = host_of(part)},
        .arena = all->capacity == 1 ? &all->request->arena : &part->arena,
        .on_done = on_called,
    };
    return &part->call;
}

/* false: nobody coordinates it, since its topic is not there yet. */
static bool place_part(struct coordination *all, struct coordination_part *part)
{
    const struct api_shard *here = all->request->here;
    struct slice name = slice_of_text(coord_topic_name(all->kind));
    const struct meta_topic *topic = meta_topic_named(here->image, name);
    if (topic == NULL || topic->partitions.count == 0)
        return false;
    part->place = (struct coord_place){
        .kind = all->kind,
        .partition = coord_partition_of(part->call.key, (int32_t)topic->partitions.count),
        .image_end = here->image->end_offset,
    };
    int shard =
        replica_shard_of(name, part->place.partition, shard_set_count(shard_siblings(here->shard)));
    return api_gather_add(&all->gather, &all->request->arena, shard, &part->part);
}

void coordination_run(struct coordination *all, coordination_fn on_done)
{
    role_now_on_shard();
    all->on_done = on_done;
    for (int i = 0; i < all->count; i++)
        if (!place_part(all, &all->parts[i]))
            all->parts[i].call.err = ERR_NOT_COORDINATOR;
    api_gather_run(&all->gather);
}

static void on_single(struct coordination *all)
{
    all->on_answer(all->request, &all->parts[0].call);
}

void coordinate(struct api_request *request, enum coord_kind kind, struct slice key, coord_op_fn op,
                void (*on_answer)(struct api_request *, struct coord_call *))
{
    struct coordination *all = coordination_new(request, kind, 1);
    if (all == NULL)
        return;
    all->on_answer = on_answer;
    (void)coordination_add(all, key, op, request->message);
    coordination_run(all, on_single);
}

/* ---- all machines ---- */

static void on_machine(struct coord_visit *visit, struct coord_machine *machine)
{
    struct census_part *part = CONTAINER_OF(visit, struct census_part, visit);
    part->all->on_machine(part, machine);
}

static void run_census(struct api_shard *there, struct api_part *api_part)
{
    role_now_on_shard();
    struct census_part *part = CONTAINER_OF(api_part, struct census_part, part);
    part->visit = (struct coord_visit){.on_machine = on_machine};
    coord_set_each(there->coords, part->all->kind, &part->visit);
    api_part_done(there, &part->part);
}

static void on_counted(struct api_shard *here, struct api_gather *gather)
{
    (void)here;
    struct census *census = CONTAINER_OF(gather, struct census, gather);
    for (int i = 0; i < census->part_count; i++) {
        census->is_loading = census->is_loading || census->parts[i].visit.is_loading;
        arena_adopt(&census->request->arena, &census->parts[i].arena);
    }
    census->on_done(census);
}

struct census *census_new(struct api_request *request, enum coord_kind kind)
{
    struct census *census = API_NEW(request, struct census);
    int shards = shard_set_count(shard_siblings(request->here->shard));
    bool fine = census != NULL;
    if (fine) {
        census->request = request;
        census->kind = kind;
        census->parts = ARENA_ARRAY(&request->arena, struct census_part, (size_t)shards);
        fine = census->parts != NULL && api_gather_init(&census->gather, request->here,
                                                        &request->arena, run_census, on_counted);
    }
    for (int i = 0; fine && i < shards; i++) {
        struct census_part *part = &census->parts[i];
        part->all = census;
        arena_init(&part->arena, SIZE_MAX / 2);
        list_init(&part->rows);
        census->part_count++;
        fine = api_gather_add(&census->gather, &request->arena, i, &part->part);
    }
    if (fine)
        return census;
    api_request_fail(request, "memory for a coordinator's call is out");
    return NULL;
}

void census_run(struct census *census,
                void (*visitor)(struct census_part *, struct coord_machine *),
                void (*on_done)(struct census *))
{
    census->on_machine = visitor;
    census->on_done = on_done;
    api_gather_run(&census->gather);
}
