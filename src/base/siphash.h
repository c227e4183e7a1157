/* SipHash-2-4 with 128 bits of output: a keyed hash of short inputs. Whoever does not know the key
 * cannot make two inputs that collide, which no unkeyed fast hash promises; for that it is as good
 * as a cryptographic one, at some 20 ns for a short input. Aumasson and Bernstein, 2012. Pure: any
 * thread. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include "base/slice.h"

struct siphash_key {
    uint64_t words[2]; /* random, and secret where inputs come from others */
};

struct siphash {
    uint64_t low;
    uint64_t high;
};

struct siphash siphash_128(const struct siphash_key *, struct slice bytes);

#endif
