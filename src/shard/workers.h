/* The threads that may block, and the jobs that wait for them. Any thread. */
#ifndef SHARD_WORKERS_H
#define SHARD_WORKERS_H

#include "shard/shard.h"
#include "sys/task.h"

struct workers;

/* user_count: shards that may submit; the workers end when each has left and no job waits. */
MUST_USE int workers_new(int worker_count, int user_count, struct workers **ret_workers);
void workers_free(struct workers *);
/* Describes the threads to start, called "name-0" and so on; tasks has room for worker_count. */
void workers_tasks(struct workers *, const char *name, struct sys_task *tasks);
/* Queues all jobs of the list (linked by link), which is empty after. */
void workers_submit(struct workers *, struct list *jobs);
/* One submitting shard ends. */
void workers_leave(struct workers *);

#endif
