/* Nodes: machines with a disk, sockets and tasks that can die at any moment. */
#include "sim/sim_int.h"

#include "base/always.h"

#include <stdio.h>
#include <stdlib.h>

#define OUTPUT_SIZE_MAX ((size_t)16 * 1024 * 1024)
#define NODES_MAX 64

/* What dead nodes had running, so that their memory stays reachable: the leak checker knows it for
 * what it is. */
struct grave {
    struct grave *next;
    void *arg;
};
static struct grave *graves;

struct sim_node *sim_node_new(struct sim_world *world, const char *name, const char *address)
{
    ALWAYS(world->node_count < NODES_MAX, "too many simulated nodes");
    struct sim_node *node = (struct sim_node *)sim_take(sizeof *node);
    node->world = world;
    node->index = world->node_count++;
    (void)snprintf(node->name, sizeof node->name, "%s", name);
    (void)snprintf(node->address, sizeof node->address, "%s", address);
    prng_init(&node->prng, prng_next(&world->prng));
    node->disk = sim_disk_new();
    list_init(&node->pollers);
    list_init(&node->parks);
    list_init(&node->listeners);
    list_init(&node->faults);
    node->signal_fd = -1;
    text_init(&node->output[0], OUTPUT_SIZE_MAX);
    text_init(&node->output[1], OUTPUT_SIZE_MAX);
    list_add_tail(&world->nodes, &node->link);
    return node;
}

void sim_node_free(struct sim_node *node)
{
    sim_fault_clear(node);
    sim_disk_free(node->disk);
    text_fini(&node->output[0]);
    text_fini(&node->output[1]);
    free(node);
}

void sim_node_use(struct sim_node *node)
{
    struct sim_world *world = sim_here();
    ALWAYS(world->task == NULL, "a task cannot change the node it runs on");
    world->node = node;
}

struct body {
    void (*run)(void *arg);
    void *arg;
};

static bool run_body(void *arg)
{
    const struct body *body = (const struct body *)arg;
    body->run(body->arg);
    return true;
}

bool sim_node_run(struct sim_node *node, void (*run)(void *arg), void *arg)
{
    struct sim_world *world = sim_here();
    struct sim_node *before = world->node;
    struct body body = {.run = run, .arg = arg};
    ALWAYS(world->task == NULL && world->exit == NULL, "a body is run inside a turn or a body");
    bool returned = sim_run_inside(world, node, run_body, &body);
    world->exit = NULL;
    world->inside = NULL;
    world->node = before;
    return returned;
}

/* Ends a dead node's tasks where they are. */
static void bury_tasks(struct sim_node *node)
{
    LIST_EACH (&node->world->tasks, link) {
        struct sim_task *task = CONTAINER_OF(link, struct sim_task, link);
        if (task->node != node || task->ended)
            continue;
        struct grave *grave = (struct grave *)sim_take(sizeof *grave);
        grave->next = graves;
        grave->arg = task->task->arg;
        graves = grave;
        task->ended = true;
        task->task = NULL;
    }
}

/* As the kernel does it for a process that is gone; a machine that is gone does nothing. */
static void release_descriptor(struct sim_descriptor *descriptor, bool power_fails)
{
    if (descriptor->kind == SIM_IS_STREAM && power_fails)
        sim_end_vanish(descriptor->end);
    else if (descriptor->kind == SIM_IS_STREAM)
        sim_end_close(descriptor->end, false);
    else if (descriptor->kind == SIM_IS_LISTENER)
        sim_listener_close(descriptor->listener);
    sim_descriptor_free(descriptor);
}

/* All that the node ran or held is gone; its disk is not touched. */
void sim_node_stop(struct sim_node *node, bool power_fails)
{
    struct sim_world *world = node->world;
    node->deaths++;
    bury_tasks(node);
    for (size_t i = 0; i < world->descriptor_count; i++) {
        if (world->descriptors[i] != NULL && world->descriptors[i]->node == node)
            release_descriptor(world->descriptors[i], power_fails);
    }
    for (struct list *link = node->pollers.next; link != &node->pollers; link = node->pollers.next)
        sys_poller_free(CONTAINER_OF(link, struct sys_poller, link));
    for (struct list *link = node->parks.next; link != &node->parks; link = node->parks.next)
        sys_park_free(CONTAINER_OF(link, struct sys_park, link));
    node->signal_fd = -1;
    node->signals = 0;
}

void sim_node_kill(struct sim_node *node)
{
    sim_trace("kill", (uint64_t)node->index, 0);
    sim_node_stop(node, false);
    sim_leave_if_dead(node->world);
}

void sim_node_cut(struct sim_node *node)
{
    sim_trace("power cut", (uint64_t)node->index, 0);
    sim_node_stop(node, true);
    sim_disk_become_any(node->disk, &node->world->prng);
    sim_leave_if_dead(node->world);
}

bool sim_node_runs(const struct sim_node *node)
{
    LIST_EACH (&node->world->tasks, link) {
        const struct sim_task *task = CONTAINER_OF(link, struct sim_task, link);
        if (task->node == node && !task->ended)
            return true;
    }
    return false;
}

uint64_t sim_node_deaths(const struct sim_node *node)
{
    return node->deaths;
}

void sim_node_signal(struct sim_node *node, int number)
{
    struct sim_world *world = node->world;
    sim_trace("signal", (uint64_t)node->index, (uint64_t)number);
    node->signals |= (uint64_t)1 << number;
    if (node->signal_fd >= 0)
        sim_edge(world->descriptors[node->signal_fd - SIM_FD_BASE]);
}

void sim_node_jump_wall(struct sim_node *node, int64_t by_ms)
{
    sim_trace("wall jump", (uint64_t)node->index, (uint64_t)by_ms);
    node->wall_offset_ms += by_ms;
}

struct slice sim_node_output(const struct sim_node *node, int stream)
{
    return text_slice(&node->output[stream == 1 ? 0 : 1]);
}

void sim_link_cut(struct sim_node *from, struct sim_node *to, bool cut)
{
    uint64_t bit = (uint64_t)1 << to->index;
    sim_trace(cut ? "link cut" : "link healed", (uint64_t)from->index, (uint64_t)to->index);
    from->cut_ways = cut ? from->cut_ways | bit : from->cut_ways & ~bit;
}
