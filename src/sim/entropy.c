/* Randomness of a node, from the world's seed. */
#include "sys/entropy.h"

#include "sim/sim_int.h"

void sys_entropy(void *ret_data, size_t size)
{
    prng_fill(&sim_node_here()->prng, ret_data, size);
}
