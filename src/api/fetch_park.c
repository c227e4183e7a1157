/* A fetch that waits. On every shard that has some of its partitions it has a perch: there, each
 * partition gets a waiter; the first that is told of more records flies the perch home. At home the
 * others are called back, and when all are home everything is read again. The complication: a call
 * back and a perch that flies by itself may cross; a perch that is not sitting ignores the call. */
#include "api/fetch_int.h"

#include "base/always.h"
#include "replica/set.h"

struct fetch_perch {
    struct shard_message out; /* sits down, and flies home */
    struct shard_message recall;
    struct fetch *fetch;
    struct shard *shard;
    bool away;      /* at home: sent and not back */
    bool sitting;   /* there */
    bool recalling; /* at home: the call back is on its way */
};

/* ---- there ---- */

static void leave(struct fetch_perch *perch)
{
    struct fetch *fetch = perch->fetch;
    perch->sitting = false;
    for (int32_t i = 0; i < fetch->part_count; i++)
        if (fetch->parts[i].perch == perch)
            replica_waiter_cancel(&fetch->parts[i].waiter);
}

static void came_home(struct fetch_perch *perch);

static void fly(struct fetch_perch *perch)
{
    role_now_on_shard();
    leave(perch);
    if (perch->shard == perch->fetch->request->here->shard)
        came_home(perch);
    else
        shard_forward(perch->shard, &perch->out);
}

static void on_more(struct replica_waiter *waiter)
{
    struct fetch_part *part = CONTAINER_OF(waiter, struct fetch_part, waiter);
    if (part->perch->sitting)
        fly(part->perch);
}

/* Registers with every partition of this shard; false: one has moved on already. */
static bool sit(struct fetch_perch *perch)
{
    role_now_on_shard();
    struct fetch *fetch = perch->fetch;
    for (int32_t i = 0; i < fetch->part_count; i++)
        if (fetch->parts[i].perch == perch)
            replica_waiter_init(&fetch->parts[i].waiter, on_more);
    perch->sitting = true;
    for (int32_t i = 0; i < fetch->part_count; i++) {
        struct fetch_part *part = &fetch->parts[i];
        if (part->perch != perch)
            continue;
        struct replica *replica =
            replica_set_find(part->there->replicas, part->topic_id, part->interest->partition);
        if (replica == NULL || replica_check(replica) != ERR_NONE ||
            replica_read_bound(replica, fetch->read_committed) != part->bound ||
            part->interest->fetch_offset < replica_log_start(replica))
            return false;
        replica_wait_data(replica, &part->waiter);
    }
    return true;
}

static void on_sit(struct shard *there, struct shard_message *message)
{
    (void)there;
    struct fetch_perch *perch = CONTAINER_OF(message, struct fetch_perch, out);
    if (!sit(perch))
        fly(perch);
}

static void on_recall(struct shard *there, struct shard_message *message)
{
    role_now_on_shard();
    struct fetch_perch *perch = CONTAINER_OF(message, struct fetch_perch, recall);
    if (perch->sitting)
        fly(perch);
    shard_forward(there, message);
}

/* ---- at home ---- */

static const struct shard_route route_recall;

/* Calls back what is out. A call back counts as being away too: its memory is the request's. */
static void call_back(struct fetch *fetch)
{
    role_now_on_shard();
    struct shard *here = fetch->request->here->shard;
    for (int i = 0; i < fetch->gather.leg_count; i++) {
        struct fetch_perch *perch = &fetch->perches[i];
        if (!perch->away || perch->recalling)
            continue;
        if (perch->shard == here) {
            leave(perch);
            perch->away = false;
            fetch->perches_away--;
            continue;
        }
        perch->recalling = true;
        fetch->perches_away++;
        shard_send(here, perch->shard, &perch->recall, &route_recall);
    }
}

/* Last in its callers: with it the request may be answered and gone. */
static void all_home(struct fetch *fetch)
{
    role_now_on_shard();
    if (fetch->perches_away == 0)
        fetch_again(fetch);
}

static void came_home(struct fetch_perch *perch)
{
    struct fetch *fetch = perch->fetch;
    perch->away = false;
    fetch->perches_away--;
    call_back(fetch);
    all_home(fetch);
}

void fetch_unpark(struct fetch *fetch)
{
    if (fetch->perches_away == 0)
        return;
    call_back(fetch);
    all_home(fetch);
}

static void on_home(struct shard *here, struct shard_message *message)
{
    (void)here;
    came_home(CONTAINER_OF(message, struct fetch_perch, out));
}

static void on_recalled(struct shard *here, struct shard_message *message)
{
    role_now_on_shard();
    (void)here;
    struct fetch_perch *perch = CONTAINER_OF(message, struct fetch_perch, recall);
    perch->recalling = false;
    perch->fetch->perches_away--;
    all_home(perch->fetch);
}

static const struct shard_route route_perch = {.name = "fetch_perch", .run = {on_sit, on_home}};
static const struct shard_route route_recall = {.name = "fetch_recall",
                                                .run = {on_recall, on_recalled}};

static bool make_perches(struct fetch *fetch)
{
    struct shard_set *set = shard_siblings(fetch->request->here->shard);
    int shards = fetch->gather.leg_count;
    fetch->perches = ARENA_ARRAY(&fetch->request->arena, struct fetch_perch, (size_t)shards);
    if (fetch->perches == NULL)
        return false;
    for (int i = 0; i < shards; i++) {
        fetch->perches[i].fetch = fetch;
        fetch->perches[i].shard = shard_set_at(set, i);
    }
    for (int32_t i = 0; i < fetch->part_count; i++)
        fetch->parts[i].perch = &fetch->perches[shard_index(fetch->parts[i].there->shard)];
    return true;
}

static bool has_parts(const struct fetch *fetch, const struct fetch_perch *perch)
{
    for (int32_t i = 0; i < fetch->part_count; i++)
        if (fetch->parts[i].perch == perch)
            return true;
    return false;
}

void fetch_park(struct fetch *fetch)
{
    struct shard *here = fetch->request->here->shard;
    if (fetch->perches == NULL && !make_perches(fetch)) {
        fetch->hurried = true;
        fetch_again(fetch);
        return;
    }
    struct fetch_perch *own = NULL;
    for (int i = 0; i < fetch->gather.leg_count; i++) {
        struct fetch_perch *perch = &fetch->perches[i];
        if (!has_parts(fetch, perch))
            continue;
        perch->away = true;
        fetch->perches_away++;
        if (perch->shard == here)
            own = perch;
        else
            shard_send(here, perch->shard, &perch->out, &route_perch);
    }
    /* Last, since it may fly at once. */
    if (own != NULL && !sit(own))
        fly(own);
}
