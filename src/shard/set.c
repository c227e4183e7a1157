/* All shards of a process and their workers, from making to joining. The thread that makes the set
 * also starts, joins and frees it; stopping is anybody's. */
#include "shard/shard_int.h"

#include "base/always.h"
#include "base/hash.h"
#include "sys/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SHARDS_MAX 1024

static int shard_init(struct shard *shard, struct shard_set *set, int index, uint64_t seed)
{
    shard->set = set;
    shard->index = index;
    list_init(&shard->letters);
    list_init(&shard->chores);
    list_init(&shard->flushes);
    for (int i = 0; i < SHARD_LANE_COUNT; i++)
        list_init(&shard->jobs[i]);
    shard->watches.first_free = UINT32_MAX;
    prng_init(&shard->prng, hash_u64(seed + (uint64_t)index));
    shard->now_ns = sys_mono_ns();
    shard->wall_ms = sys_wall_ms();
    shard_timers_init(&shard->timers, shard_now_ms(shard));
    /* A lone data shard gets mail too seldom to pay for telling senders that it is awake. */
    mailbox_init(&shard->mailbox, set->shard_count > 1);
    shard->outboxes = set->outboxes + (size_t)index * (size_t)set->total_count;
    return sys_poller_new(&shard->poller);
}

static void shard_fini(struct shard *shard)
{
    sys_poller_free(shard->poller);
    free(shard->watches.slots);
}

int shard_set_new(const struct shard_set_options *options, struct shard_set **ret_set)
{
    int total = options->shard_count + (options->controller ? 1 : 0);
    if (options->shard_count < 1 || total > SHARDS_MAX || options->worker_count < 1)
        return -EINVAL;
    struct shard_set *set =
        (struct shard_set *)calloc(1, sizeof *set + (size_t)total * sizeof(struct shard));
    if (set == NULL)
        return -ENOMEM;
    set->shard_count = options->shard_count;
    set->total_count = total;
    for (int i = 0; i < SHARD_LANE_COUNT; i++)
        set->worker_counts[i] = options->worker_count;
    set->worker_counts[SHARD_LANE_BACKGROUND] = MAX_OF(options->background_count, 1);
    atomic_flag_clear(&set->stopped);
    size_t routes = (size_t)total * (size_t)total;
    set->outboxes = (struct mailbox_batch *)calloc(routes, sizeof *set->outboxes);
    int result = set->outboxes == NULL ? -ENOMEM : 0;
    for (int i = 0; i < SHARD_LANE_COUNT && result == 0; i++)
        result = workers_new(set->worker_counts[i], total, &set->workers[i]);
    for (int i = 0; i < total && result == 0; i++)
        result = shard_init(&set->shards[i], set, i, options->seed);
    if (result != 0) {
        shard_set_free(set);
        return result;
    }
    *ret_set = set;
    return 0;
}

void shard_set_free(struct shard_set *set)
{
    if (set == NULL)
        return;
    for (int i = 0; i < set->total_count; i++)
        shard_fini(&set->shards[i]);
    for (int i = 0; i < SHARD_LANE_COUNT; i++)
        workers_free(set->workers[i]);
    free(set->outboxes);
    free(set->tasks);
    free(set);
}

int shard_set_count(const struct shard_set *set)
{
    return set->shard_count;
}

struct shard *shard_set_at(const struct shard_set *set, int index)
{
    ALWAYS(index >= 0 && index < set->shard_count, "there is no shard %d", index);
    const struct shard *shard = &set->shards[index];
    return shard->set->shards + index; /* the set is its holder's to change, as the shard is */
}

struct shard *shard_set_controller(const struct shard_set *set)
{
    struct shard_set *own = set->shards[0].set;
    return set->total_count > set->shard_count ? &own->shards[set->shard_count] : NULL;
}

void shard_set_context(struct shard *shard, void *context)
{
    shard->context = context;
}

static void shard_tasks(struct shard_set *set)
{
    for (int i = 0; i < set->total_count; i++) {
        struct sys_task *task = &set->tasks[i];
        *task = (struct sys_task){.turn = shard_turn, .arg = &set->shards[i]};
        if (i < set->shard_count)
            (void)snprintf(task->name, sizeof task->name, "shard-%d", i % SHARDS_MAX);
        else
            (void)snprintf(task->name, sizeof task->name, "controller");
    }
}

static void worker_tasks(struct shard_set *set)
{
    static const char *const names[] = {"upkeep", "data", "background"};
    _Static_assert(COUNT_OF(names) == SHARD_LANE_COUNT, "a name for each lane");
    struct sys_task *tasks = set->tasks + set->total_count;
    for (int lane = 0; lane < SHARD_LANE_COUNT; lane++) {
        workers_tasks(set->workers[lane], names[lane], tasks);
        for (int i = 0; i < set->worker_counts[lane]; i++)
            tasks[i].background = lane == SHARD_LANE_BACKGROUND;
        tasks += set->worker_counts[lane];
    }
}

static size_t task_count(const struct shard_set *set)
{
    size_t count = (size_t)set->total_count;
    for (int i = 0; i < SHARD_LANE_COUNT; i++)
        count += (size_t)set->worker_counts[i];
    return count;
}

int shard_set_start(struct shard_set *set)
{
    ALWAYS(set->tasks == NULL, "a set is started twice");
    set->tasks = (struct sys_task *)calloc(task_count(set), sizeof *set->tasks);
    if (set->tasks == NULL)
        return -ENOMEM;
    shard_tasks(set);
    worker_tasks(set);
    int result = sys_tasks_start(set->tasks, task_count(set));
    if (result != 0) {
        free(set->tasks);
        set->tasks = NULL;
    }
    return result;
}

static void stop_here(struct shard *here, struct shard_message *message)
{
    (void)message;
    here->stopping = true;
}

static const struct shard_route stop_route = {.name = "stop", .run = {stop_here}};

void shard_set_stop(struct shard_set *set)
{
    if (atomic_flag_test_and_set(&set->stopped))
        return;
    for (int i = 0; i < set->total_count; i++)
        shard_post(&set->shards[i], &set->shards[i].stop, &stop_route);
}

void shard_set_join(struct shard_set *set)
{
    ALWAYS(set->tasks != NULL, "a set is joined that was not started");
    sys_tasks_join(set->tasks, task_count(set));
}
