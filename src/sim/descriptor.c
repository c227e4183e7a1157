/* Descriptors of the simulated world: numbers above SIM_FD_BASE, the lowest free one first. Using
 * another node's, or closing one twice, is a bug that ends the test. */
#include "sim/sim_int.h"

#include "base/always.h"
#include "sys/file.h"

#include <stdlib.h>

struct sim_descriptor *sim_descriptor_new(enum sim_kind kind, const char *name)
{
    struct sim_world *world = sim_here();
    size_t index = 0;
    while (index < world->descriptor_count && world->descriptors[index] != NULL)
        index++;
    if (index == world->descriptor_count) {
        size_t count = MAX_OF(world->descriptor_count * 2, (size_t)64);
        struct sim_descriptor **grown =
            (struct sim_descriptor **)realloc(world->descriptors, count * sizeof *grown);
        ALWAYS(grown != NULL, "no memory for the simulation");
        memset(grown + world->descriptor_count, 0,
               (count - world->descriptor_count) * sizeof *grown);
        world->descriptors = grown;
        world->descriptor_count = count;
    }
    struct sim_descriptor *descriptor = (struct sim_descriptor *)sim_take(sizeof *descriptor);
    descriptor->kind = kind;
    descriptor->fd = SIM_FD_BASE + (int)index;
    descriptor->node = sim_node_here();
    descriptor->name = sim_copy_text(name);
    world->descriptors[index] = descriptor;
    return descriptor;
}

static struct sim_descriptor *any_at(int fd)
{
    const struct sim_world *world = sim_here();
    if (fd < SIM_FD_BASE || (size_t)(fd - SIM_FD_BASE) >= world->descriptor_count)
        return NULL;
    return world->descriptors[fd - SIM_FD_BASE];
}

struct sim_descriptor *sim_descriptor_at(int fd, enum sim_kind kind)
{
    struct sim_descriptor *descriptor = any_at(fd);
    if (descriptor == NULL || descriptor->kind != kind)
        return NULL;
    ALWAYS(descriptor->node == sim_node_here(), "node %s uses descriptor %d (%s) of node %s",
           sim_node_here()->name, fd, descriptor->name, descriptor->node->name);
    return descriptor;
}

void sim_descriptor_free(struct sim_descriptor *descriptor)
{
    struct sim_world *world = sim_here();
    if (descriptor->interest != NULL)
        sim_interest_free(descriptor->interest);
    if (descriptor->inode != NULL) {
        descriptor->inode->open_count--;
        descriptor->inode->locked = descriptor->inode->locked && !descriptor->holds_lock;
    }
    world->descriptors[descriptor->fd - SIM_FD_BASE] = NULL;
    free(descriptor->name);
    free(descriptor);
}

/* Any descriptor may be closed by either of sys's two functions, as on the kernel. */
static void close_any(int fd, bool abort)
{
    if (fd < 0)
        return;
    struct sim_descriptor *descriptor = any_at(fd);
    ALWAYS(descriptor != NULL, "descriptor %d is closed twice or never was", fd);
    ALWAYS(descriptor->node == sim_node_here(), "node %s closes descriptor %d (%s) of node %s",
           sim_node_here()->name, fd, descriptor->name, descriptor->node->name);
    sim_trace("close", (uint64_t)fd, abort ? 1 : 0);
    if (descriptor->kind == SIM_IS_STREAM)
        sim_end_close(descriptor->end, abort);
    else if (descriptor->kind == SIM_IS_LISTENER)
        sim_listener_close(descriptor->listener);
    else if (descriptor->kind == SIM_IS_SIGNAL)
        descriptor->node->signal_fd = -1;
    sim_descriptor_free(descriptor);
}

void sys_file_close(int fd)
{
    close_any(fd, false);
}

void sys_net_close(int fd)
{
    close_any(fd, false);
}

void sys_net_abort(int fd)
{
    close_any(fd, true);
}
