/* Spreads the parts of a request over shards and collects them; see the header. The complication:
 * a leg on the own shard may finish while later legs are still being sent, so the start holds one
 * count of its own. Runs on the request's shard, but leg_start and api_part_done run on the
 * part's. */
#include "api/gather.h"

#include "base/always.h"

struct api_leg {
    struct shard_message message;
    struct api_gather *gather;
    struct list parts;
    struct shard *target;
    int open; /* parts not done, plus one while the leg is being started */
    int count;
};

bool api_gather_init(struct api_gather *gather, struct api_shard *home, struct arena *arena,
                     api_part_fn run, api_gather_fn on_done)
{
    int shards = shard_set_count(shard_siblings(home->shard));
    *gather = (struct api_gather){
        .home = home,
        .run = run,
        .on_done = on_done,
        .image_end = home->image->end_offset,
        .legs = ARENA_ARRAY(arena, struct api_leg *, (size_t)shards),
        .leg_count = shards,
    };
    return gather->legs != NULL;
}

bool api_gather_add(struct api_gather *gather, struct arena *arena, int shard_index,
                    struct api_part *part)
{
    ALWAYS(shard_index >= 0 && shard_index < gather->leg_count, "no shard %d", shard_index);
    struct api_leg *leg = gather->legs[shard_index];
    if (leg == NULL) {
        leg = ARENA_NEW(arena, struct api_leg);
        if (leg == NULL)
            return false;
        leg->gather = gather;
        list_init(&leg->parts);
        leg->target = shard_set_at(shard_siblings(gather->home->shard), shard_index);
        gather->legs[shard_index] = leg;
    }
    part->leg = leg;
    list_add_tail(&leg->parts, &part->link);
    leg->count++;
    return true;
}

static void leg_close(struct api_leg *leg)
{
    struct api_gather *gather = leg->gather;
    ALWAYS(gather->legs_open > 0, "a leg of the gather closed twice");
    if (--gather->legs_open == 0)
        gather->on_done(gather->home, gather);
}

static void leg_returned(struct shard *here, struct shard_message *message)
{
    (void)here;
    leg_close(CONTAINER_OF(message, struct api_leg, message));
}

static void leg_part_closed(struct shard *there, struct api_leg *leg)
{
    role_now_on_shard();
    ALWAYS(leg->open > 0, "a part was done twice");
    if (--leg->open > 0)
        return;
    if (there == leg->gather->home->shard)
        leg_close(leg);
    else
        shard_forward(there, &leg->message);
}

static void leg_start(struct shard *there, struct api_leg *leg)
{
    struct api_shard *local = api_shard_of(there);
    leg->open = leg->count + 1;
    LIST_EACH_SAFE (&leg->parts, node, after)
        leg->gather->run(local, CONTAINER_OF(node, struct api_part, link));
    leg_part_closed(there, leg);
}

static void leg_arrived(struct shard *there, struct shard_message *message)
{
    leg_start(there, CONTAINER_OF(message, struct api_leg, message));
}

static const struct shard_route route_gather = {
    .name = "gather",
    .run = {leg_arrived, leg_returned},
};

void api_gather_run(struct api_gather *gather)
{
    role_now_on_shard();
    struct shard *home = gather->home->shard;
    gather->legs_open = 1;
    for (int i = 0; i < gather->leg_count; i++) {
        struct api_leg *leg = gather->legs[i];
        if (leg == NULL)
            continue;
        gather->legs_open++;
        if (leg->target == home)
            leg_start(home, leg);
        else
            shard_send(home, leg->target, &leg->message, &route_gather);
    }
    if (--gather->legs_open == 0)
        gather->on_done(gather->home, gather);
}

struct replica_place api_part_place(const struct api_part *part, struct uuid topic_id,
                                    int32_t partition)
{
    return (struct replica_place){
        .topic_id = topic_id, .partition = partition, .image_end = part->leg->gather->image_end};
}

void api_part_done(struct api_shard *there, struct api_part *part)
{
    leg_part_closed(there->shard, part->leg);
}
