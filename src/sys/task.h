/* Threads as tasks: something with a turn. In production each task is a thread that takes turns
 * until one returns false; in the simulated world one scheduler gives the turns, in an order drawn
 * from the seed. A turn may wait only in sys_poller_wait or sys_park_wait, once, and must be ready
 * for that wait to end without cause: in the simulated world it returns at once, and it is the next
 * turn that comes when there is something. */
#ifndef SYS_TASK_H
#define SYS_TASK_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sys_task {
    char name[16];           /* shown by ps and top */
    bool background;         /* gives way to all others, on the processors and at the disk */
    bool (*turn)(void *arg); /* false: this task has ended */
    void *arg;
    void *thread; /* sys's own */
};

/* Starts tasks; the storage stays the caller's until sys_tasks_join returned. 0 or -errno; on
 * failure none runs. Signals are blocked in the threads made. */
MUST_USE int sys_tasks_start(struct sys_task *tasks, size_t count);
/* Returns when every one has ended. */
void sys_tasks_join(struct sys_task *tasks, size_t count);

/* A place where one task waits for others' word. */
struct sys_park;
MUST_USE int sys_park_new(struct sys_park **ret_park);
void sys_park_free(struct sys_park *);
/* Returns after a wake given since the last return, or at the deadline (monotonic ns). */
void sys_park_wait(struct sys_park *, int64_t deadline_ns);
void sys_park_wake(struct sys_park *); /* any thread */

/* Mutual exclusion for a few instructions; whoever holds one does not wait for anything. */
struct sys_lock;
MUST_USE int sys_lock_new(struct sys_lock **ret_lock);
void sys_lock_free(struct sys_lock *);
void sys_lock_take(struct sys_lock *); /* any thread */
void sys_lock_give(struct sys_lock *);

#endif
