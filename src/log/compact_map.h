/* The keys of a log's dirty part and the last offset of each, for compaction: a table of bounded
 * size that holds a keyed 128-bit hash and an offset an entry, as much memory an entry as Kafka's
 * offset map takes. Keys themselves are not kept: two keys of one hash would be taken for one. The
 * hash is a keyed one with a secret of this cleaning, so that nobody can choose such keys; by
 * chance it does not happen. One thread at a time. */
#ifndef LOG_COMPACT_MAP_H
#define LOG_COMPACT_MAP_H

#include "base/attr.h"
#include "base/siphash.h"

#include <stdbool.h>

#define COMPACT_MAP_ENTRY_SIZE 24

struct compact_entry {
    uint64_t low;
    uint64_t high;
    int64_t offset_end; /* the offset plus one; 0: nothing here */
};

struct compact_map {
    struct siphash_key key;
    struct compact_entry *entries;
    uint64_t entry_count;  /* places */
    uint64_t used;         /* of them */
    uint64_t used_max;     /* at which it is full */
    int64_t latest_offset; /* what it covers; -1: nothing */
};

/* How large it may get, and how many keys may come at most: where these are few it takes less. */
struct compact_map_options {
    int64_t memory_size;
    double load_factor; /* of the places that memory_size gives */
    int64_t keys_max;
    struct siphash_key key;
};

/* Whether so little memory holds at least one key. */
bool compact_map_has_room(int64_t memory_size, double load_factor);
/* false: memory is out. */
MUST_USE bool compact_map_open(struct compact_map *, const struct compact_map_options *);
/* One that was not opened but is all zeroes is fine. */
void compact_map_close(struct compact_map *);

static inline struct siphash compact_map_hash(const struct compact_map *map, struct slice key)
{
    return siphash_128(&map->key, key);
}

/* Where the search for a hash begins. */
static inline uint64_t compact_map_place(const struct compact_map *map, struct siphash hash)
{
    return (uint64_t)(((unsigned __int128)hash.low * map->entry_count) >> 64);
}

/* Brings the place into the cache; some entries ahead of the look-ups, the memory's delay costs
 * nothing. */
static inline void compact_map_prefetch(const struct compact_map *map, struct siphash hash)
{
    __builtin_prefetch(&map->entries[compact_map_place(map, hash)]);
}

/* The key was seen at the offset, which is larger than any before. false: the map is full; so it is
 * for every key then, known or not, as with Kafka. */
MUST_USE bool compact_map_put(struct compact_map *, struct siphash hash, int64_t offset);
/* The last offset of the key; -1: none. */
int64_t compact_map_get(const struct compact_map *, struct siphash hash);

#endif
