/* CRC-32C twice: ISA-L's carry-less multiplication and a table that takes eight bytes a step.
 * ISA-L's function works on the raw register, so both ends are inverted here. Which of the two
 * runs is asked at each call of what libgcc learnt about the processor at the start: one load and
 * one test. Any thread. */
#include "base/crc32c.h"

#include "base/attr.h"

#include <isa-l/crc.h>

/* One cell of a table is the sum of the cells of its index's bits, so each row is spelled by the
 * eight cells at 1, 2, 4, ... 128; the compiler works out the rest. Row k holds row 0 moved on by
 * k zero bytes. */
#define CELL(n, a, b, c, d, e, f, g, h) \
    ((((n)&1u) != 0 ? (a) : 0u) ^ (((n)&2u) != 0 ? (b) : 0u) ^ (((n)&4u) != 0 ? (c) : 0u) ^ \
     (((n)&8u) != 0 ? (d) : 0u) ^ (((n)&16u) != 0 ? (e) : 0u) ^ (((n)&32u) != 0 ? (f) : 0u) ^ \
     (((n)&64u) != 0 ? (g) : 0u) ^ (((n)&128u) != 0 ? (h) : 0u))
#define CELLS_4(n, ...) \
    CELL(n, __VA_ARGS__), CELL((n) + 1u, __VA_ARGS__), CELL((n) + 2u, __VA_ARGS__), \
        CELL((n) + 3u, __VA_ARGS__)
#define CELLS_16(n, ...) \
    CELLS_4(n, __VA_ARGS__), CELLS_4((n) + 4u, __VA_ARGS__), CELLS_4((n) + 8u, __VA_ARGS__), \
        CELLS_4((n) + 12u, __VA_ARGS__)
#define CELLS_64(n, ...) \
    CELLS_16(n, __VA_ARGS__), CELLS_16((n) + 16u, __VA_ARGS__), CELLS_16((n) + 32u, __VA_ARGS__), \
        CELLS_16((n) + 48u, __VA_ARGS__)
#define CELLS_256(...) \
    CELLS_64(0u, __VA_ARGS__), CELLS_64(64u, __VA_ARGS__), CELLS_64(128u, __VA_ARGS__), \
        CELLS_64(192u, __VA_ARGS__)

static const uint32_t rows[8][256] = {
    {CELLS_256(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu,
               0x417b1dbcu, 0x82f63b78u)},
    {CELLS_256(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u, 0x7f8be302u,
               0xff17c604u, 0xfbc3faf9u)},
    {CELLS_256(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au, 0xe144fb14u,
               0xc76580d9u, 0x8b277743u)},
    {CELLS_256(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du, 0xd725148bu,
               0xaba65fe7u, 0x52a0c93fu)},
    {CELLS_256(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u, 0x1ba8b557u,
               0x37516aaeu, 0x6ea2d55cu)},
    {CELLS_256(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu, 0x85f4168du,
               0x0e045bebu, 0x1c08b7d6u)},
    {CELLS_256(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u, 0x3d5b83bdu,
               0x7ab7077au, 0xf56e0ef4u)},
    {CELLS_256(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u, 0x0d006599u,
               0x1a00cb32u, 0x34019664u)},
};

/* ISA-L counts in int. */
#define FAST_STEP_MAX ((size_t)1 << 30)

static uint32_t byte_step(uint32_t state, uint8_t byte)
{
    return state >> 8 ^ rows[0][(state ^ byte) & 0xff];
}

static uint32_t word_step(uint32_t state, const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    word ^= state;
    return rows[7][word & 0xff] ^ rows[6][word >> 8 & 0xff] ^ rows[5][word >> 16 & 0xff] ^
           rows[4][word >> 24 & 0xff] ^ rows[3][word >> 32 & 0xff] ^ rows[2][word >> 40 & 0xff] ^
           rows[1][word >> 48 & 0xff] ^ rows[0][word >> 56];
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *at = (const uint8_t *)data;
    uint32_t state = ~crc;
    for (; size >= sizeof(uint64_t); at += sizeof(uint64_t), size -= sizeof(uint64_t))
        state = word_step(state, at);
    for (; size > 0; at++, size--)
        state = byte_step(state, *at);
    return ~state;
}

#if defined(__x86_64__)
static bool has_fast_crc(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}
#else
static bool has_fast_crc(void)
{
    return false;
}
#endif

static uint32_t crc32c_fast(uint32_t crc, const void *data, size_t size)
{
    uintptr_t at = (uintptr_t)data; /* the library's parameter lacks a const */
    uint32_t state = ~crc;
    while (size > 0) {
        size_t part = MIN_OF(size, FAST_STEP_MAX);
        state = crc32_iscsi((unsigned char *)at, (int)part, state);
        at += part;
        size -= part;
    }
    return ~state;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    return has_fast_crc() ? crc32c_fast(crc, data, size) : crc32c_portable(crc, data, size);
}
