/* Intrusive hash table with chains: nodes live in their owners, the table owns its bucket array
 * only and doubles it as it fills. Used for mutable, shard-owned lookups (sessions, connections,
 * partitions). Iteration order depends on hashes only, never on addresses. One thread. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/slice.h"

struct hash_node {
    struct hash_node *next;
    uint64_t hash;
};

struct hash_table {
    struct hash_node **buckets; /* power of two; NULL until the first insertion */
    size_t bucket_count;
    size_t count;
};

/* True when the node is the one that `key` means. */
typedef bool (*hash_match_fn)(const struct hash_node *, const void *key);

void hash_table_init(struct hash_table *);
/* Frees the buckets; nodes are their owners'. */
void hash_table_fini(struct hash_table *);
/* The node must not be in a table. false: out of memory, nothing changed. */
bool hash_table_insert(struct hash_table *, struct hash_node *, uint64_t hash);
struct hash_node *hash_table_find(const struct hash_table *, uint64_t hash, hash_match_fn,
                                  const void *key);
/* The node must be in this table. */
void hash_table_remove(struct hash_table *, struct hash_node *);
/* Iteration: NULL starts; returns NULL at the end. The current node may not be removed before
 * its successor was asked for. */
struct hash_node *hash_table_next(const struct hash_table *, const struct hash_node *after);

/* Mixes an integer key. */
static inline uint64_t hash_u64(uint64_t v)
{
    v ^= v >> 32;
    v *= 0x9e3779b97f4a7c15u;
    v ^= v >> 29;
    v *= 0xbf58476d1ce4e5b9u;
    return v ^ (v >> 32);
}

#endif
