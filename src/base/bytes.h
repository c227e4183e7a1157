/* Big-endian loads and stores and the protocol's variable-length integers. Any thread. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "loads and stores swap bytes");

static inline uint16_t load_u16(const void *at)
{
    uint16_t v;
    memcpy(&v, at, sizeof v);
    return __builtin_bswap16(v);
}

static inline uint32_t load_u32(const void *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return __builtin_bswap32(v);
}

static inline uint64_t load_u64(const void *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return __builtin_bswap64(v);
}

static inline int16_t load_i16(const void *at)
{
    return (int16_t)load_u16(at);
}

static inline int32_t load_i32(const void *at)
{
    return (int32_t)load_u32(at);
}

static inline int64_t load_i64(const void *at)
{
    return (int64_t)load_u64(at);
}

static inline void store_u16(void *at, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(at, &v, sizeof v);
}

static inline void store_u32(void *at, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(at, &v, sizeof v);
}

static inline void store_u64(void *at, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(at, &v, sizeof v);
}

static inline void store_i16(void *at, int16_t v)
{
    store_u16(at, (uint16_t)v);
}

static inline void store_i32(void *at, int32_t v)
{
    store_u32(at, (uint32_t)v);
}

static inline void store_i64(void *at, int64_t v)
{
    store_u64(at, (uint64_t)v);
}

static inline uint64_t zigzag_encode(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t zigzag_decode(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* Bytes that uvarint_store will write: 1 to 10. */
static inline size_t uvarint_size(uint64_t v)
{
    size_t bits = 64 - (size_t)__builtin_clzll(v | 1);
    return (bits + 6) / 7;
}

/* Writes 7 bits a byte, lowest first; returns the bytes written. */
static inline size_t uvarint_store(uint8_t *at, uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        at[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    at[n++] = (uint8_t)v;
    return n;
}

/* Reads at most size_max bytes (5 for 32-bit, 10 for 64-bit) out of `size`. Returns the bytes
 * taken, 0 when truncated or too long (then *ret_v is untouched). */
static inline size_t uvarint_load(const uint8_t *at, size_t size, size_t size_max, uint64_t *ret_v)
{
    uint64_t v = 0;
    size_t limit = size < size_max ? size : size_max;
    for (size_t n = 0; n < limit; n++) {
        v |= (uint64_t)(at[n] & 0x7f) << (7 * n);
        if ((at[n] & 0x80) == 0) {
            *ret_v = v;
            return n + 1;
        }
    }
    return 0;
}

#endif
