/* Hashing of byte runs: eight bytes a step, multiplied and folded, mixed once more at the end.
 * The result depends on the bytes and the seed only, so iteration orders repeat. Any thread. */
#include "base/slice.h"

#define HASH_PRIME_A 0x9e3779b97f4a7c15u
#define HASH_PRIME_B 0xbf58476d1ce4e5b9u

static uint64_t fold(uint64_t state, uint64_t word)
{
    state = (state ^ word) * HASH_PRIME_A;
    return state ^ (state >> 32);
}

uint64_t slice_hash(struct slice s, uint64_t seed)
{
    uint64_t state = seed ^ ((uint64_t)s.size * HASH_PRIME_B);
    size_t at = 0;
    for (; s.size - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, s.data + at, sizeof word);
        state = fold(state, word);
    }
    uint64_t tail = 0;
    if (at < s.size)
        memcpy(&tail, s.data + at, s.size - at);
    state = fold(state, tail);
    state *= HASH_PRIME_B;
    return state ^ (state >> 29);
}
