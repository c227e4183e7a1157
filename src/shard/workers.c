/* The worker pool. Jobs wait in one line; a worker takes the first whose queue no other worker is
 * busy with. A job that must wait for a busy queue is moved behind that worker the first time it
 * is met, so that no job is looked at twice in the line: the worker runs what stands behind it
 * before it takes from the line again. Order within a queue follows, because what stands behind a
 * worker came out of the line from its front.
 * Queues are told apart by address but never ordered or hashed by it: which worker runs what
 * depends on the sequence of calls only. */
#include "shard/workers.h"

#include "base/always.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct worker {
    struct workers *pool;
    struct sys_park *park;
    void *queue;        /* of the job under way; NULL: none, or a job of no queue */
    struct list behind; /* jobs of that queue, in order */
    bool idle;          /* parked, or about to be */
};

/* All but `lock` itself is read and written under it. */
struct workers {
    struct sys_lock *lock;
    struct list line; /* jobs, oldest first */
    int user_count;   /* shards that may still submit */
    int worker_count;
    struct worker workers[];
};

int workers_new(int worker_count, int user_count, struct workers **ret_workers)
{
    size_t size = sizeof(struct workers) + (size_t)worker_count * sizeof(struct worker);
    struct workers *pool = (struct workers *)calloc(1, size);
    if (pool == NULL)
        return -ENOMEM;
    int result = sys_lock_new(&pool->lock);
    if (result != 0) {
        free(pool);
        return result;
    }
    list_init(&pool->line);
    pool->user_count = user_count;
    pool->worker_count = worker_count;
    for (int i = 0; i < worker_count && result == 0; i++) {
        struct worker *worker = &pool->workers[i];
        worker->pool = pool;
        list_init(&worker->behind);
        result = sys_park_new(&worker->park);
    }
    if (result != 0) {
        workers_free(pool);
        return result;
    }
    *ret_workers = pool;
    return 0;
}

void workers_free(struct workers *pool)
{
    if (pool == NULL)
        return;
    for (int i = 0; i < pool->worker_count; i++)
        sys_park_free(pool->workers[i].park);
    sys_lock_free(pool->lock);
    free(pool);
}

static struct shard_job *job_of(struct list *link)
{
    return CONTAINER_OF(link, struct shard_job, link);
}

/* The worker that is busy with the queue, or NULL. */
static struct worker *busy_with(struct workers *pool, const void *queue)
{
    for (int i = 0; i < pool->worker_count && queue != NULL; i++) {
        if (pool->workers[i].queue == queue)
            return &pool->workers[i];
    }
    return NULL;
}

/* Under the lock: the next job for this worker, or NULL. */
static struct shard_job *pick(struct worker *worker)
{
    struct workers *pool = worker->pool;
    struct list *link = list_take_first(&worker->behind);
    if (link != NULL)
        return job_of(link);
    worker->queue = NULL;
    while ((link = list_take_first(&pool->line)) != NULL) {
        struct shard_job *job = job_of(link);
        struct worker *busy = busy_with(pool, job->queue);
        if (busy == NULL) {
            worker->queue = job->queue;
            return job;
        }
        list_add_tail(&busy->behind, &job->link);
    }
    return NULL;
}

static void job_done(struct shard *here, struct shard_message *message)
{
    struct shard_job *job = CONTAINER_OF(message, struct shard_job, done);
    job->on_done(here, job);
}

static const struct shard_route done_route = {.name = "job done", .run = {job_done}};

static bool worker_turn(void *arg)
{
    struct worker *worker = (struct worker *)arg;
    struct workers *pool = worker->pool;
    sys_lock_take(pool->lock);
    struct shard_job *job = pick(worker);
    bool over = job == NULL && pool->user_count == 0;
    worker->idle = job == NULL && !over; /* one that has ended must not be chosen to be woken */
    sys_lock_give(pool->lock);
    if (over)
        return false;
    if (job == NULL) {
        sys_park_wait(worker->park, INT64_MAX);
        return true;
    }
    role_now_on_worker();
    job->run(job);
    shard_post(job->owner, &job->done, &done_route);
    return true;
}

void workers_tasks(struct workers *pool, const char *name, struct sys_task *tasks)
{
    for (int i = 0; i < pool->worker_count; i++) {
        tasks[i] = (struct sys_task){.turn = worker_turn, .arg = &pool->workers[i]};
        (void)snprintf(tasks[i].name, sizeof tasks[i].name, "%s-%d", name, i % 1000);
    }
}

/* Under the lock: an idle worker, which is idle no more, or NULL. The last one is the first to be
 * woken, so that few workers do what few can. */
static struct worker *take_idle(struct workers *pool)
{
    for (int i = pool->worker_count - 1; i >= 0; i--) {
        struct worker *worker = &pool->workers[i];
        if (worker->idle) {
            worker->idle = false;
            return worker;
        }
    }
    return NULL;
}

/* Wakes up to `count` idle workers. A worker that is not idle looks at the line again before it
 * parks, so that none is needed for it. */
static void wake(struct workers *pool, int count)
{
    for (; count > 0; count--) {
        sys_lock_take(pool->lock);
        struct worker *worker = take_idle(pool);
        sys_lock_give(pool->lock);
        if (worker == NULL)
            return;
        sys_park_wake(worker->park);
    }
}

void workers_submit(struct workers *pool, struct list *jobs)
{
    int count = 0;
    LIST_EACH (jobs, link)
        count += count < pool->worker_count ? 1 : 0;
    sys_lock_take(pool->lock);
    list_move_all(jobs, &pool->line);
    sys_lock_give(pool->lock);
    wake(pool, count);
}

void workers_leave(struct workers *pool)
{
    sys_lock_take(pool->lock);
    ALWAYS(pool->user_count > 0, "more shards leave than there were");
    pool->user_count--;
    sys_lock_give(pool->lock);
    wake(pool, pool->worker_count);
}
