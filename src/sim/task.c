/* Tasks and parks of the simulated world: starting registers, joining runs the world. Locks only
 * check that no turn ends holding one. */
#include "sim/sim_int.h"

#include "base/always.h"

#include <errno.h>
#include <stdlib.h>

int sys_tasks_start(struct sys_task *tasks, size_t count)
{
    struct sim_world *world = sim_here();
    int result = sim_call(SIM_TASKS_START, "");
    if (result != 0)
        return result;
    for (size_t i = 0; i < count; i++) {
        struct sim_task *task = (struct sim_task *)sim_take(sizeof *task);
        task->task = &tasks[i];
        task->node = sim_node_here();
        list_add_tail(&world->tasks, &task->link);
        tasks[i].thread = task;
    }
    return 0;
}

void sys_tasks_join(struct sys_task *tasks, size_t count)
{
    struct sim_world *world = sim_here();
    for (size_t i = 0; i < count; i++) {
        struct sim_task *task = (struct sim_task *)tasks[i].thread;
        while (!task->ended)
            ALWAYS(sim_step(world, INT64_MAX), "task %s of %s waits for what cannot happen",
                   task->task->name, task->node->name);
        list_remove(&task->link);
        free(task);
        tasks[i].thread = NULL;
    }
}

int sys_park_new(struct sys_park **ret_park)
{
    struct sys_park *park = (struct sys_park *)sim_take(sizeof *park);
    list_add_tail(&sim_node_here()->parks, &park->link);
    *ret_park = park;
    return 0;
}

void sys_park_free(struct sys_park *park)
{
    if (park == NULL)
        return;
    list_remove(&park->link);
    free(park);
}

void sys_park_wait(struct sys_park *park, int64_t deadline_ns)
{
    struct sim_world *world = sim_here();
    struct sim_task *task = world->task;
    if (task != NULL && !park->given && deadline_ns > world->now_ns) {
        task->waits = true;
        task->on_park = park;
        task->on_poller = NULL;
        task->deadline_ns = deadline_ns;
        return; /* the next turn is given when it is over */
    }
    while (!park->given && deadline_ns > world->now_ns)
        ALWAYS(sim_step(world, deadline_ns), "the test waits for what cannot happen");
    park->given = false;
}

void sys_park_wake(struct sys_park *park)
{
    park->given = true;
}

struct sys_lock {
    bool taken;
};

int sys_lock_new(struct sys_lock **ret_lock)
{
    *ret_lock = (struct sys_lock *)sim_take(sizeof(struct sys_lock));
    return 0;
}

void sys_lock_free(struct sys_lock *lock)
{
    free(lock);
}

void sys_lock_take(struct sys_lock *lock)
{
    ALWAYS(!lock->taken, "a lock is taken twice, or by a turn that ended with it");
    lock->taken = true;
}

void sys_lock_give(struct sys_lock *lock)
{
    ALWAYS(lock->taken, "a lock is given back that nobody holds");
    lock->taken = false;
}
