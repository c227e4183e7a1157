/* A simulated process: signals that a test raises, streams that it reads. */
#include "sys/process.h"

#include "sim/sim_int.h"

#include "base/always.h"

#define FILES_MAX 1048576

int sys_signal_open(void)
{
    struct sim_node *node = sim_node_here();
    ALWAYS(node->signal_fd < 0, "signals are opened twice");
    node->signal_fd = sim_descriptor_new(SIM_IS_SIGNAL, "signals")->fd;
    return node->signal_fd;
}

int sys_signal_take(int signal_fd)
{
    struct sim_descriptor *descriptor = sim_descriptor_at(signal_fd, SIM_IS_SIGNAL);
    if (descriptor == NULL || descriptor->node->signals == 0)
        return 0;
    int number = __builtin_ctzll(descriptor->node->signals);
    descriptor->node->signals &= descriptor->node->signals - 1;
    return number;
}

void sys_process_costs(struct sys_process_costs *ret_costs)
{
    const struct sim_node *node = sim_node_here();
    *ret_costs = (struct sys_process_costs){0};
    for (size_t i = 0; i < node->world->descriptor_count; i++) {
        const struct sim_descriptor *descriptor = node->world->descriptors[i];
        if (descriptor != NULL && descriptor->node == node)
            ret_costs->open_files++;
    }
}

int64_t sys_process_files_max(void)
{
    return FILES_MAX;
}

int64_t sys_process_id(void)
{
    return 100 + sim_node_here()->index;
}

int sys_process_cores(void)
{
    return 2;
}

/* The node ends as if it had been killed; the code of its end is for the trace. */
void sys_process_exit(int code)
{
    sim_trace("exit", (uint64_t)code, 0);
    sim_node_kill(sim_node_here());
    ALWAYS(false, "a process ends itself outside of what runs as its node");
    __builtin_unreachable();
}

void sys_process_write(int stream, struct slice bytes)
{
    sim_trace("write", (uint64_t)stream, slice_hash(bytes, 0));
    text_add(&sim_node_here()->output[stream == 1 ? 0 : 1], bytes);
}

bool sys_process_is_terminal(int stream)
{
    (void)stream;
    return false;
}

/* The process is the test's. */
void sys_process_give_memory_back(void)
{
}
