/* Faults that a test orders, and the counts of calls that it needs to order them. */
#include "sim/sim_int.h"

#include "base/always.h"

#include <stdlib.h>
#include <string.h>

static const char *const call_names[] = {
#define SIM_CALLS_NAME_(NAME, text) [SIM_##NAME] = text,
    SIM_CALLS(SIM_CALLS_NAME_)
#undef SIM_CALLS_NAME_
};

static struct sim_fault_state *add(struct sim_node *node, const struct sim_fault *fault)
{
    struct sim_fault_state *state = (struct sim_fault_state *)sim_take(sizeof *state);
    ALWAYS(fault->effect != SIM_FAIL || fault->error > 0, "a call fails with a positive errno");
    state->fault = *fault;
    list_add_tail(&node->faults, &state->link);
    return state;
}

void sim_fault_add(struct sim_node *node, const struct sim_fault *fault)
{
    (void)add(node, fault);
}

void sim_fault_change(struct sim_node *node, uint64_t k, enum sim_effect effect, int error)
{
    const struct sim_fault fault = {.after = k, .times = 1, .effect = effect, .error = error};
    add(node, &fault)->any_change = true;
}

void sim_fault_clear(struct sim_node *node)
{
    for (struct list *link = list_take_first(&node->faults); link != NULL;
         link = list_take_first(&node->faults))
        free(CONTAINER_OF(link, struct sim_fault_state, link));
    node->struck = false;
}

uint64_t sim_fault_calls(const struct sim_node *node, enum sim_call call)
{
    uint64_t total = 0;
    if (call < SIM_CALL_COUNT)
        return node->calls[call];
    for (int i = 0; i < SIM_CALL_COUNT; i++)
        total += node->calls[i];
    return total;
}

bool sim_fault_struck(const struct sim_node *node)
{
    return node->struck;
}

/* Counts the call; true when the fault strikes it. */
static bool strikes(struct sim_fault_state *state, enum sim_call call, const char *name,
                    bool changes)
{
    const struct sim_fault *fault = &state->fault;
    if (state->any_change ? !changes : fault->call != call)
        return false;
    if (fault->name_part != NULL && strstr(name, fault->name_part) == NULL)
        return false;
    uint64_t index = state->seen++;
    return index >= fault->after && (fault->times == 0 || index - fault->after < fault->times);
}

static int check(enum sim_call call, const char *name, bool changes)
{
    struct sim_node *node = sim_node_here();
    node->calls[call]++;
    LIST_EACH (&node->faults, link) {
        struct sim_fault_state *state = CONTAINER_OF(link, struct sim_fault_state, link);
        if (!strikes(state, call, name, changes))
            continue;
        node->struck = true;
        sim_trace(call_names[call], (uint64_t)state->fault.effect, (uint64_t)state->fault.error);
        if (state->fault.effect == SIM_FAIL)
            return -state->fault.error;
        ALWAYS(sim_here()->exit != NULL, "%s would die outside of any turn: use sim_node_run",
               node->name);
        if (state->fault.effect == SIM_KILL)
            sim_node_kill(node);
        else
            sim_node_cut(node);
    }
    return 0;
}

int sim_call(enum sim_call call, const char *name)
{
    return check(call, name, false);
}

int sim_call_change(enum sim_call call, const char *name)
{
    struct sim_node *node = sim_node_here();
    node->changes++;
    if (node->on_change != NULL)
        node->on_change(node->on_change_context, node);
    return check(call, name, true);
}
