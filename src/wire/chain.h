/* Output as a chain: bytes that were encoded, and between them pieces that stand elsewhere (ranges
 * of segment files), so that record bytes go to a socket without passing through us. Failure
 * (memory, limit) is sticky. One thread at a time. */
#ifndef WIRE_CHAIN_H
#define WIRE_CHAIN_H

#include "base/attr.h"
#include "base/slice.h"

/* A piece that is not in memory. The chain owns one reference of the handle and gives it back by
 * release, once. */
struct chain_external {
    void *handle; /* NULL: none */
    void (*release)(void *handle);
    int64_t position; /* of the first byte, in what the handle stands for */
    int64_t size;     /* bytes */
};

/* An external piece and the place in the bytes before which it stands. */
struct chain_link {
    struct chain_external external;
    size_t at;
};

struct chain {
    uint8_t *data; /* the bytes, in order, without the external pieces */
    size_t size;
    size_t capacity; /* at most the limit */
    size_t limit;
    struct chain_link *links;
    uint32_t link_count;
    uint32_t link_capacity;
    int64_t external_size; /* bytes of all external pieces */
    bool failed;
};

void chain_init(struct chain *, size_t limit_bytes);
/* Releases the external pieces and frees. */
void chain_fini(struct chain *);
/* Releases the pieces and empties; keeps memory up to keep_bytes. */
void chain_reset(struct chain *, size_t keep_bytes);

/* Makes capacity for `size` more bytes: chain_extend's rare half. false: failed, sticky. */
bool chain_reserve(struct chain *, size_t size);

/* Room for `size` (at least 1) more bytes at the end, to be filled in by the caller; NULL when it
 * failed. The pointer is valid until the next call. */
static inline uint8_t *chain_extend(struct chain *chain, size_t size)
{
    if (UNLIKELY(chain->failed || size > chain->capacity - chain->size) &&
        !chain_reserve(chain, size))
        return NULL;
    uint8_t *at = chain->data + chain->size;
    chain->size += size;
    return at;
}

void chain_add(struct chain *, struct slice);
/* Takes over the handle's reference, also on failure. */
void chain_add_external(struct chain *, struct chain_external);

/* All bytes, the external ones included. */
static inline int64_t chain_size(const struct chain *chain)
{
    return (int64_t)chain->size + chain->external_size;
}

#endif
