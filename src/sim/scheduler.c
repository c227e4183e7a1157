/* The scheduler: one turn at a time. A turn that waits does not block: the wait returns at once and
 * is remembered, and the task gets no further turn until what it waited for is there. Time stands
 * still while any task can run, but for a few microseconds a turn; when none can, it jumps to the
 * next thing that happens.
 * The complication is a node that dies inside a turn: the turn is left by longjmp, and what the
 * node had allocated stays where it was. */
#include "sim/sim_int.h"

#include "base/always.h"

#include <setjmp.h>

#define TURN_NS_MAX 20000

/* ---- turns ---- */

/* Calls what is to be left should its node die; false: it was. */
bool sim_run_inside(struct sim_world *world, struct sim_node *node, bool (*call)(void *arg),
                    void *arg)
{
    jmp_buf exit;
    bool result = false;
    world->exit = &exit;
    world->inside = node;
    world->inside_deaths = node->deaths;
    world->node = node;
    if (setjmp(exit) == 0)
        result = call(arg);
    return result;
}

/* Leaves the turn or body that runs, when it is of a node that died in it. */
void sim_leave_if_dead(struct sim_world *world)
{
    if (world->exit != NULL && world->inside->deaths != world->inside_deaths)
        longjmp(*world->exit, 1);
}

static bool is_runnable(const struct sim_world *world, const struct sim_task *task)
{
    if (task->ended)
        return false;
    if (!task->waits || task->deadline_ns <= world->now_ns)
        return true;
    if (task->on_poller != NULL)
        return sim_poller_is_ready(task->on_poller);
    return task->on_park->given;
}

static size_t count_runnable(const struct sim_world *world)
{
    size_t count = 0;
    LIST_EACH (&world->tasks, link)
        count += is_runnable(world, CONTAINER_OF(link, struct sim_task, link)) ? 1 : 0;
    return count;
}

/* One of those that can run, drawn at random; NULL: none can. */
static struct sim_task *choose(struct sim_world *world)
{
    size_t count = count_runnable(world);
    if (count == 0)
        return NULL;
    size_t index = (size_t)prng_below(&world->prng, count);
    LIST_EACH (&world->tasks, link) {
        struct sim_task *task = CONTAINER_OF(link, struct sim_task, link);
        if (is_runnable(world, task) && index-- == 0)
            return task;
    }
    return NULL;
}

static bool run_task(void *arg)
{
    struct sim_task *task = (struct sim_task *)arg;
    task->ended = !task->task->turn(task->task->arg);
    return true;
}

/* One turn of the task, inside of what the test's own thread runs. */
static void run_turn(struct sim_world *world, struct sim_task *task)
{
    struct sim_node *node = world->node;
    struct sim_node *inside = world->inside;
    uint64_t inside_deaths = world->inside_deaths;
    jmp_buf *exit = world->exit;
    sim_trace(task->task->name, (uint64_t)task->node->index, 0);
    if (task->waits && task->on_park != NULL)
        task->on_park->given = false; /* its wait ends with this turn */
    task->waits = false;
    world->task = task;
    (void)sim_run_inside(world, task->node, run_task, task);
    world->task = NULL;
    world->exit = exit;
    world->inside = inside;
    world->inside_deaths = inside_deaths;
    world->node = node;
    world->now_ns += (int64_t)prng_below(&world->prng, TURN_NS_MAX);
    sim_leave_if_dead(world);
}

/* The next moment at which anything can happen; INT64_MAX: none. */
static int64_t next_moment_ns(const struct sim_world *world)
{
    int64_t next_ns = world->event_count > 0 ? world->events[0].at_ns : INT64_MAX;
    LIST_EACH (&world->tasks, link) {
        const struct sim_task *task = CONTAINER_OF(link, struct sim_task, link);
        if (!task->ended && task->waits)
            next_ns = MIN_OF(next_ns, task->deadline_ns);
    }
    return next_ns;
}

static void run_due_events(struct sim_world *world)
{
    struct sim_event event;
    while (sim_event_pop(world, world->now_ns, &event))
        sim_event_run(world, event);
}

bool sim_step(struct sim_world *world, int64_t until_ns)
{
    ALWAYS(world->task == NULL, "a turn waits for other turns");
    run_due_events(world);
    struct sim_task *task = choose(world);
    if (task != NULL) {
        run_turn(world, task);
        return true;
    }
    int64_t next_ns = MIN_OF(next_moment_ns(world), until_ns);
    if (next_ns == INT64_MAX)
        return false;
    world->now_ns = MAX_OF(world->now_ns, next_ns);
    run_due_events(world);
    return true;
}

/* ---- running, as the test's own thread ---- */

bool sim_world_run_until(struct sim_world *world, sim_condition_fn condition, void *context,
                         int64_t within_ms)
{
    int64_t until_ns = world->now_ns + within_ms * SIM_NS_PER_MS;
    while (!condition(context)) {
        if (world->now_ns >= until_ns || !sim_step(world, until_ns))
            return false;
    }
    return true;
}

void sim_world_run_for(struct sim_world *world, int64_t time_ms)
{
    int64_t until_ns = world->now_ns + time_ms * SIM_NS_PER_MS;
    while (world->now_ns < until_ns && sim_step(world, until_ns)) {
    }
}

static bool is_quiet(void *context)
{
    const struct sim_world *world = (const struct sim_world *)context;
    return world->event_count == 0 && count_runnable(world) == 0;
}

bool sim_world_run_quiet(struct sim_world *world, int64_t within_ms)
{
    return sim_world_run_until(world, is_quiet, world, within_ms);
}
