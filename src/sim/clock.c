/* The world's clocks: one monotonic for all nodes, a wall clock that each may have jumped. */
#include "sys/clock.h"

#include "sim/sim_int.h"

int64_t sys_mono_ns(void)
{
    return sim_here()->now_ns;
}

int64_t sys_wall_ms(void)
{
    const struct sim_world *world = sim_here();
    int64_t offset_ms = world->node != NULL ? world->node->wall_offset_ms : 0;
    return world->wall_base_ms + world->now_ns / SIM_NS_PER_MS + offset_ms;
}
