/* The output chain: one growing run of bytes plus the places where external pieces stand. Its
 * memory is kept between answers, so that the data path takes none. One thread at a time. */
#include "wire/chain.h"

#include "base/always.h"

#include <stdlib.h>

#define CHAIN_CAPACITY_MIN 512
#define CHAIN_LINKS_MIN 8
#define CHAIN_LINKS_KEPT 256

void chain_init(struct chain *chain, size_t limit_bytes)
{
    *chain = (struct chain){.limit = limit_bytes};
}

static void release_all(struct chain *chain)
{
    for (uint32_t i = 0; i < chain->link_count; i++)
        chain->links[i].external.release(chain->links[i].external.handle);
    chain->link_count = 0;
    chain->external_size = 0;
}

void chain_fini(struct chain *chain)
{
    release_all(chain);
    free(chain->data);
    free(chain->links);
    *chain = (struct chain){.limit = chain->limit};
}

void chain_reset(struct chain *chain, size_t keep_bytes)
{
    release_all(chain);
    if (chain->capacity > keep_bytes || chain->link_capacity > CHAIN_LINKS_KEPT)
        chain_fini(chain);
    chain->size = 0;
    chain->failed = false;
}

static bool grow(struct chain *chain, size_t wanted)
{
    size_t doubled = MAX_OF(chain->capacity * 2, (size_t)CHAIN_CAPACITY_MIN);
    size_t capacity = MIN_OF(MAX_OF(doubled, wanted), chain->limit);
    uint8_t *data = realloc(chain->data, capacity);
    if (data == NULL)
        return false;
    chain->data = data;
    chain->capacity = capacity;
    return true;
}

bool chain_reserve(struct chain *chain, size_t size)
{
    if (chain->failed || size > chain->limit - chain->size || !grow(chain, chain->size + size)) {
        chain->failed = true;
        return false;
    }
    ALWAYS(size <= chain->capacity - chain->size, "a chain of %zu bytes, %zu used, grew too little",
           chain->capacity, chain->size);
    return true;
}

void chain_add(struct chain *chain, struct slice bytes)
{
    if (bytes.size == 0)
        return;
    uint8_t *at = chain_extend(chain, bytes.size);
    if (at != NULL)
        memcpy(at, bytes.data, bytes.size);
}

void chain_add_external(struct chain *chain, struct chain_external external)
{
    if (chain->link_count == chain->link_capacity) {
        uint32_t capacity = MAX_OF(chain->link_capacity * 2, (uint32_t)CHAIN_LINKS_MIN);
        struct chain_link *links = realloc(chain->links, capacity * sizeof *links);
        if (links != NULL) {
            chain->links = links;
            chain->link_capacity = capacity;
        }
    }
    if (chain->failed || chain->link_count == chain->link_capacity) {
        chain->failed = true;
        external.release(external.handle);
        return;
    }
    chain->links[chain->link_count++] =
        (struct chain_link){.external = external, .at = chain->size};
    chain->external_size += external.size;
}
