/* The output chain: one growing run of bytes plus the places where external pieces stand. */
#include "wire/chain.h"

#include "base/always.h"

#include <stdlib.h>

#define CHAIN_CAPACITY_MIN 512
#define CHAIN_LINKS_MIN 8

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
    if (chain->capacity > keep_bytes || chain->link_capacity > CHAIN_LINKS_MIN)
        chain_fini(chain);
    chain->size = 0;
    chain->failed = false;
}

static bool grow(struct chain *chain, size_t size)
{
    size_t wanted = chain->size + size;
    size_t capacity = MAX_OF(chain->capacity * 2, (size_t)CHAIN_CAPACITY_MIN);
    if (capacity < wanted)
        capacity = wanted;
    uint8_t *data = realloc(chain->data, capacity);
    if (data == NULL)
        return false;
    chain->data = data;
    chain->capacity = capacity;
    return true;
}

uint8_t *chain_extend(struct chain *chain, size_t size)
{
    if (chain->failed || size > chain->limit - chain->size) {
        chain->failed = true;
        return NULL;
    }
    if (chain->capacity - chain->size < size && !grow(chain, size)) {
        chain->failed = true;
        return NULL;
    }
    uint8_t *at = chain->data + chain->size;
    chain->size += size;
    ALWAYS(chain->size <= chain->capacity, "a chain of %zu bytes holds %zu", chain->capacity,
           chain->size);
    return at;
}

void chain_add(struct chain *chain, struct slice bytes)
{
    uint8_t *at = chain_extend(chain, bytes.size);
    if (at != NULL && bytes.size > 0)
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
