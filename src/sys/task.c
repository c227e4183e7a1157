/* Tasks as POSIX threads, the park on a futex, the lock. Threads wait at a gate until all of them
 * could be made, so that a failed start runs none. */
#include "sys/task.h"

#include "base/always.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- tasks ---- */

/* Shared by the threads of one start; the starter holds the lock until all are made. Freed when
 * the last of them was joined: until then a thread may still be leaving its lock. */
struct gate {
    pthread_mutex_t lock;
    bool go; /* read and written under the lock */
    size_t unjoined;
};

struct thread {
    pthread_t id;
    struct gate *gate;
    struct sys_task *task;
};

#define NICE_LEAST 19
/* ioprio_set, which libc lacks: the least of the ordinary class, for the calling thread. */
#define IOPRIO_WHO_THREAD 1
#define IOPRIO_LEAST ((2 << 13) | 7)

/* What the kernel does not grant is left as it is. */
static void give_way(void)
{
    const struct sched_param none = {0};
    (void)sched_setscheduler(0, SCHED_BATCH, &none);
    (void)setpriority(PRIO_PROCESS, 0, NICE_LEAST); /* 0: on Linux the calling thread */
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_THREAD, 0, IOPRIO_LEAST);
}

static void *run(void *arg)
{
    const struct thread *thread = (const struct thread *)arg;
    const struct sys_task *task = thread->task;
    (void)pthread_mutex_lock(&thread->gate->lock);
    bool go = thread->gate->go;
    (void)pthread_mutex_unlock(&thread->gate->lock);
    if (task->background)
        give_way();
    while (go)
        go = task->turn(task->arg);
    return NULL;
}

/* Every signal but those that a thread's own mistake raises. */
static sigset_t signals_to_block(void)
{
    sigset_t signals;
    (void)sigfillset(&signals);
    (void)sigdelset(&signals, SIGSEGV);
    (void)sigdelset(&signals, SIGBUS);
    (void)sigdelset(&signals, SIGFPE);
    (void)sigdelset(&signals, SIGILL);
    (void)sigdelset(&signals, SIGABRT);
    return signals;
}

/* The thread waits at the gate. */
static int start_one(struct sys_task *task, struct gate *gate)
{
    struct thread *thread = (struct thread *)calloc(1, sizeof *thread);
    if (thread == NULL)
        return -ENOMEM;
    thread->gate = gate;
    thread->task = task;
    int result = pthread_create(&thread->id, NULL, run, thread);
    if (result != 0) {
        free(thread);
        return -result;
    }
    (void)pthread_setname_np(thread->id, task->name);
    task->thread = thread;
    gate->unjoined++;
    return 0;
}

static void gate_free(struct gate *gate)
{
    (void)pthread_mutex_destroy(&gate->lock);
    free(gate);
}

int sys_tasks_start(struct sys_task *tasks, size_t count)
{
    struct gate *gate = (struct gate *)calloc(1, sizeof *gate);
    if (gate == NULL)
        return -ENOMEM;
    sigset_t blocked = signals_to_block();
    sigset_t before;
    int result = -pthread_mutex_init(&gate->lock, NULL);
    if (result != 0) {
        free(gate);
        return result;
    }
    (void)pthread_sigmask(SIG_BLOCK, &blocked, &before);
    (void)pthread_mutex_lock(&gate->lock);
    size_t started = 0;
    while (started < count && result == 0) {
        result = start_one(&tasks[started], gate);
        started += result == 0 ? 1 : 0;
    }
    gate->go = result == 0;
    (void)pthread_mutex_unlock(&gate->lock);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started == 0)
        gate_free(gate);
    else if (result != 0)
        sys_tasks_join(tasks, started);
    return result;
}

void sys_tasks_join(struct sys_task *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct thread *thread = (struct thread *)tasks[i].thread;
        int result = pthread_join(thread->id, NULL);
        ALWAYS(result == 0, "task %s cannot be joined: errno %d", tasks[i].name, result);
        if (--thread->gate->unjoined == 0)
            gate_free(thread->gate);
        tasks[i].thread = NULL;
        free(thread);
    }
}

/* ---- the park ---- */

enum park_state {
    PARK_EMPTY,  /* no wake given, nobody waits */
    PARK_GIVEN,  /* a wake was given that nobody has taken */
    PARK_ASLEEP, /* the waiter is in the kernel or on its way there */
};

/* The futex makes the waiter's last look and its falling asleep one step: the kernel sleeps only
 * while the word still says PARK_ASLEEP, so a wake given in between is never lost. */
struct sys_park {
    _Atomic uint32_t state; /* enum park_state; the futex */
};

int sys_park_new(struct sys_park **ret_park)
{
    struct sys_park *park = (struct sys_park *)calloc(1, sizeof *park);
    if (park == NULL)
        return -ENOMEM;
    *ret_park = park;
    return 0;
}

void sys_park_free(struct sys_park *park)
{
    free(park);
}

/* Sleeps while the word says PARK_ASLEEP. False: the deadline passed. */
static bool sleep_until(struct sys_park *park, int64_t deadline_ns)
{
    struct timespec deadline = {
        .tv_sec = deadline_ns / 1000000000,
        .tv_nsec = deadline_ns % 1000000000,
    };
    long result =
        syscall(SYS_futex, &park->state, FUTEX_WAIT_BITSET_PRIVATE, PARK_ASLEEP,
                deadline_ns == INT64_MAX ? NULL : &deadline, NULL, FUTEX_BITSET_MATCH_ANY);
    return result == 0 || errno != ETIMEDOUT;
}

void sys_park_wait(struct sys_park *park, int64_t deadline_ns)
{
    uint32_t expected = PARK_EMPTY;
    if (atomic_compare_exchange_strong(&park->state, &expected, PARK_ASLEEP)) {
        bool in_time = deadline_ns > 0;
        while (in_time && atomic_load(&park->state) == PARK_ASLEEP)
            in_time = sleep_until(park, deadline_ns);
    }
    (void)atomic_exchange(&park->state, PARK_EMPTY);
}

void sys_park_wake(struct sys_park *park)
{
    if (atomic_exchange(&park->state, PARK_GIVEN) == PARK_ASLEEP)
        (void)syscall(SYS_futex, &park->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* ---- the lock ---- */

struct sys_lock {
    pthread_mutex_t mutex;
};

int sys_lock_new(struct sys_lock **ret_lock)
{
    struct sys_lock *lock = (struct sys_lock *)calloc(1, sizeof *lock);
    if (lock == NULL)
        return -ENOMEM;
    int result = pthread_mutex_init(&lock->mutex, NULL);
    if (result != 0) {
        free(lock);
        return -result;
    }
    *ret_lock = lock;
    return 0;
}

void sys_lock_free(struct sys_lock *lock)
{
    if (lock == NULL)
        return;
    (void)pthread_mutex_destroy(&lock->mutex);
    free(lock);
}

void sys_lock_take(struct sys_lock *lock)
{
    int result = pthread_mutex_lock(&lock->mutex);
    ALWAYS(result == 0, "a lock cannot be taken: errno %d", result);
}

void sys_lock_give(struct sys_lock *lock)
{
    int result = pthread_mutex_unlock(&lock->mutex);
    ALWAYS(result == 0, "a lock cannot be given back: errno %d", result);
}
