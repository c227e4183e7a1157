/* xoshiro256**: a seeded generator for placement, jitter and simulation. Not for secrets. The
 * seed is handed in; the same seed gives the same sequence everywhere. One thread. */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prng {
    uint64_t state[4];
};

void prng_init(struct prng *, uint64_t seed);
uint64_t prng_next(struct prng *);
/* Uniform in [0, bound); bound > 0. */
uint64_t prng_below(struct prng *, uint64_t bound);
/* True with probability numerator / denominator. */
bool prng_chance(struct prng *, uint32_t numerator, uint32_t denominator);
void prng_fill(struct prng *, void *ret_data, size_t size);

#endif
