/* xoshiro256** with a splitmix64 seeding, as its authors recommend. One thread. */
#include "base/prng.h"

#include "base/always.h"

#include <string.h>

static uint64_t rotate_left(uint64_t v, int bits)
{
    return v << bits | v >> (64 - bits);
}

void prng_init(struct prng *prng, uint64_t seed)
{
    for (size_t i = 0; i < COUNT_OF(prng->state); i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t v = seed;
        v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
        v = (v ^ v >> 27) * 0x94d049bb133111ebu;
        prng->state[i] = v ^ v >> 31;
    }
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    ALWAYS(bound > 0, "a number below zero was asked for");
    /* The lowest 2^64 mod bound values would be drawn once too often: they are drawn again. */
    uint64_t unfair = -bound % bound;
    uint64_t v = prng_next(prng);
    while (v < unfair)
        v = prng_next(prng);
    return v % bound;
}

bool prng_chance(struct prng *prng, uint32_t numerator, uint32_t denominator)
{
    return prng_below(prng, denominator) < numerator;
}

void prng_fill(struct prng *prng, void *ret_data, size_t size)
{
    uint8_t *at = (uint8_t *)ret_data;
    while (size > 0) {
        uint64_t v = prng_next(prng);
        size_t part = MIN_OF(size, sizeof v);
        memcpy(at, &v, part);
        at += part;
        size -= part;
    }
}
