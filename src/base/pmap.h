/* Persistent ordered map: an update makes a new map that shares all untouched nodes with the old
 * one, so a change costs O(log n) whatever the size. Keys are byte slices copied into the nodes;
 * values are counted by the caller's functions. Both maps stay valid; each must be released.
 * Node counts are plain integers: one thread (the owner) makes, releases and counts maps, other
 * threads may read a map that the owner keeps alive. */
#ifndef BASE_PMAP_H
#define BASE_PMAP_H

#include "base/slice.h"

struct pmap_node;

/* How values are shared: called with a value of the map. */
struct pmap_type {
    void (*ref)(void *value);
    void (*unref)(void *value);
};

struct pmap {
    const struct pmap_type *type;
    struct pmap_node *root; /* NULL: empty */
    size_t count;
};

struct pmap_entry {
    struct slice key;
    void *value;
};

/* Balanced trees stay under this depth for any count that fits memory. */
#define PMAP_DEPTH_MAX 96

struct pmap_iterator {
    const struct pmap_node *stack[PMAP_DEPTH_MAX];
    int depth;
};

static inline struct pmap pmap_empty(const struct pmap_type *type)
{
    return (struct pmap){.type = type};
}

/* One more owner of the same map. */
struct pmap pmap_ref(struct pmap);
void pmap_unref(struct pmap *);
/* NULL when absent. */
void *pmap_find(struct pmap, struct slice key);
/* Replaces *map by one with key = value (its reference is taken over). false: out of memory, *map
 * unchanged, the value's reference released. */
bool pmap_put(struct pmap *map, struct slice key, void *value);
/* Replaces *map by one without the key; absent is fine. false: out of memory. */
bool pmap_remove(struct pmap *map, struct slice key);
/* In key order, from the first key >= from (null: all). */
void pmap_iterate(struct pmap, struct slice from, struct pmap_iterator *ret_iterator);
bool pmap_next(struct pmap_iterator *, struct pmap_entry *ret_entry);

#endif
