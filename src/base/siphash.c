/* The hash in one pass over the input; see the header. Any thread. */
#include "base/siphash.h"

#include <string.h>

/* The four words of state. */
struct state {
    uint64_t a;
    uint64_t b;
    uint64_t c;
    uint64_t d;
};

static inline uint64_t rotate(uint64_t v, int bits)
{
    return (v << bits) | (v >> (64 - bits));
}

static inline void mix(struct state *s)
{
    s->a += s->b;
    s->b = rotate(s->b, 13) ^ s->a;
    s->a = rotate(s->a, 32);
    s->c += s->d;
    s->d = rotate(s->d, 16) ^ s->c;
    s->a += s->d;
    s->d = rotate(s->d, 21) ^ s->a;
    s->c += s->b;
    s->b = rotate(s->b, 17) ^ s->c;
    s->c = rotate(s->c, 32);
}

static inline void take(struct state *s, uint64_t word)
{
    s->d ^= word;
    mix(s);
    mix(s);
    s->a ^= word;
}

static inline uint64_t finish(struct state *s)
{
    for (int i = 0; i < 4; i++)
        mix(s);
    return s->a ^ s->b ^ s->c ^ s->d;
}

struct siphash siphash_128(const struct siphash_key *key, struct slice bytes)
{
    struct state s = {
        .a = key->words[0] ^ 0x736f6d6570736575u,
        .b = key->words[1] ^ 0x646f72616e646f83u, /* the form with 128 bits: 0x6d ^ 0xee */
        .c = key->words[0] ^ 0x6c7967656e657261u,
        .d = key->words[1] ^ 0x7465646279746573u,
    };
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        take(&s, word);
    }
    uint64_t last = (uint64_t)bytes.size << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)at[i] << (8 * i);
    take(&s, last);
    s.c ^= 0xee;
    struct siphash hash = {.low = finish(&s)};
    s.b ^= 0xdd;
    hash.high = finish(&s);
    return hash;
}
