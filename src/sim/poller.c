/* Readiness in the simulated world. Streams are reported once an edge, with all that holds at that
 * moment; listeners and signals as long as they are ready. The order of events is drawn. */
#include "sim/sim_int.h"

#include "base/always.h"

#include <errno.h>
#include <stdlib.h>

int sys_poller_new(struct sys_poller **ret_poller)
{
    int result = sim_call(SIM_POLLER_NEW, "");
    if (result != 0)
        return result;
    struct sys_poller *poller = (struct sys_poller *)sim_take(sizeof *poller);
    list_init(&poller->interests);
    list_add_tail(&sim_node_here()->pollers, &poller->link);
    *ret_poller = poller;
    return 0;
}

void sim_interest_free(struct sim_interest *interest)
{
    list_remove(&interest->link);
    interest->descriptor->interest = NULL;
    free(interest);
}

void sys_poller_free(struct sys_poller *poller)
{
    if (poller == NULL)
        return;
    LIST_EACH_SAFE (&poller->interests, link, after)
        sim_interest_free(CONTAINER_OF(link, struct sim_interest, link));
    list_remove(&poller->link);
    free(poller);
}

static struct sim_descriptor *pollable(int fd)
{
    static const enum sim_kind kinds[] = {SIM_IS_STREAM, SIM_IS_LISTENER, SIM_IS_SIGNAL};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct sim_descriptor *descriptor = sim_descriptor_at(fd, kinds[i]);
        if (descriptor != NULL)
            return descriptor;
    }
    return NULL;
}

int sys_poller_add(struct sys_poller *poller, int fd, uint64_t key, bool stream)
{
    struct sim_descriptor *descriptor = pollable(fd);
    ALWAYS(descriptor != NULL, "descriptor %d cannot be polled", fd);
    ALWAYS(descriptor->interest == NULL, "descriptor %d is polled twice", fd);
    int result = sim_call(SIM_POLLER_ADD, descriptor->name);
    if (result != 0)
        return result;
    struct sim_interest *interest = (struct sim_interest *)sim_take(sizeof *interest);
    *interest = (struct sim_interest){
        .poller = poller,
        .descriptor = descriptor,
        .key = key,
        .stream = stream,
        .edge = true,
    };
    list_add_tail(&poller->interests, &interest->link);
    descriptor->interest = interest;
    return 0;
}

void sys_poller_remove(struct sys_poller *poller, int fd)
{
    struct sim_descriptor *descriptor = pollable(fd);
    ALWAYS(descriptor != NULL && descriptor->interest != NULL &&
               descriptor->interest->poller == poller,
           "descriptor %d is not in the poller", fd);
    sim_interest_free(descriptor->interest);
}

void sim_edge(struct sim_descriptor *descriptor)
{
    if (descriptor != NULL && descriptor->interest != NULL)
        descriptor->interest->edge = true;
}

/* What a report would say now; 0: nothing to report. */
static unsigned interest_ready(const struct sim_interest *interest)
{
    const struct sim_descriptor *descriptor = interest->descriptor;
    if (interest->stream && !interest->edge)
        return 0;
    if (descriptor->kind == SIM_IS_STREAM)
        return sim_end_ready(descriptor->end) &
               (interest->stream ? ~0u : (unsigned)(SYS_READABLE | SYS_HANGUP));
    if (descriptor->kind == SIM_IS_LISTENER)
        return sim_listener_ready(descriptor->listener);
    return descriptor->node->signals != 0 ? SYS_READABLE : 0;
}

static bool has_events(const struct sys_poller *poller)
{
    LIST_EACH (&poller->interests, link) {
        if (interest_ready(CONTAINER_OF(link, struct sim_interest, link)) != 0)
            return true;
    }
    return false;
}

bool sim_poller_is_ready(const struct sys_poller *poller)
{
    return poller->woken || has_events(poller);
}

static void shuffle(struct sys_event *events, int count)
{
    for (int i = count - 1; i > 0; i--) {
        int other = (int)prng_below(&sim_here()->prng, (uint64_t)i + 1);
        struct sys_event kept = events[i];
        events[i] = events[other];
        events[other] = kept;
    }
}

/* Reports up to event_max; those behind them keep their edges and come first the next time. */
static int collect(struct sys_poller *poller, struct sys_event *ret_events, int event_max)
{
    int count = 0;
    struct list reported;
    list_init(&reported);
    LIST_EACH_SAFE (&poller->interests, link, after) {
        struct sim_interest *interest = CONTAINER_OF(link, struct sim_interest, link);
        unsigned ready = interest_ready(interest);
        if (count == event_max)
            break;
        interest->edge = false;
        if (ready == 0)
            continue;
        ret_events[count++] = (struct sys_event){.key = interest->key, .ready = ready};
        list_remove(link);
        list_add_tail(&reported, link);
    }
    list_move_all(&reported, &poller->interests);
    shuffle(ret_events, count);
    return count;
}

int sys_poller_wait(struct sys_poller *poller, struct sys_event *ret_events, int event_max,
                    int64_t deadline_ns)
{
    struct sim_world *world = sim_here();
    struct sim_task *task = world->task;
    bool ready = sim_poller_is_ready(poller);
    if (task != NULL && !ready && deadline_ns > world->now_ns) {
        task->waits = true;
        task->on_poller = poller;
        task->on_park = NULL;
        task->deadline_ns = deadline_ns;
        return 0; /* the next turn is given when there is something */
    }
    while (!sim_poller_is_ready(poller) && deadline_ns > world->now_ns)
        ALWAYS(sim_step(world, deadline_ns), "the test waits for what cannot happen");
    poller->woken = false;
    return collect(poller, ret_events, event_max);
}

void sys_poller_wake(struct sys_poller *poller)
{
    poller->woken = true;
}
