/* What happens later: a binary heap by time, and by sequence within one time. */
#include "sim/sim_int.h"

#include "base/always.h"

#include <stdlib.h>

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

static void swap(struct sim_event *a, struct sim_event *b)
{
    struct sim_event kept = *a;
    *a = *b;
    *b = kept;
}

void sim_event_push(struct sim_world *world, struct sim_event event)
{
    if (world->event_count == world->event_capacity) {
        size_t capacity = MAX_OF(world->event_capacity * 2, (size_t)64);
        world->events =
            (struct sim_event *)realloc(world->events, capacity * sizeof *world->events);
        ALWAYS(world->events != NULL, "no memory for the simulation");
        world->event_capacity = capacity;
    }
    event.sequence = world->event_sequence++;
    size_t at = world->event_count++;
    world->events[at] = event;
    while (at > 0 && is_before(&world->events[at], &world->events[(at - 1) / 2])) {
        swap(&world->events[at], &world->events[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

bool sim_event_pop(struct sim_world *world, int64_t until_ns, struct sim_event *ret_event)
{
    if (world->event_count == 0 || world->events[0].at_ns > until_ns)
        return false;
    *ret_event = world->events[0];
    struct sim_event *events = world->events;
    size_t count = --world->event_count;
    events[0] = events[count];
    size_t at = 0;
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++) {
            if (is_before(&events[child], &events[least]))
                least = child;
        }
        if (least == at)
            return true;
        swap(&events[at], &events[least]);
        at = least;
    }
}
