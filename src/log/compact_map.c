/* A table with open addressing; see the header. Places follow from the hash's high bits, so no
 * division is needed; from there on the next free place is taken. One thread at a time. */
#include "log/compact_map.h"

#include "base/always.h"

#include <stdlib.h>

_Static_assert(sizeof(struct compact_entry) == COMPACT_MAP_ENTRY_SIZE,
               "an entry is a hash of 16 bytes and an offset of 8");

/* Places and entries that so much memory gives, by Kafka's sums. */
static uint64_t places_of(int64_t memory_size)
{
    return memory_size > 0 ? (uint64_t)memory_size / COMPACT_MAP_ENTRY_SIZE : 0;
}

static uint64_t used_max_of(uint64_t places, double load_factor)
{
    double wanted = (double)places * load_factor;
    return wanted >= 1 ? MIN_OF((uint64_t)wanted, places) : 0;
}

bool compact_map_has_room(int64_t memory_size, double load_factor)
{
    return used_max_of(places_of(memory_size), load_factor) > 0;
}

bool compact_map_open(struct compact_map *map, const struct compact_map_options *options)
{
    uint64_t places = places_of(options->memory_size);
    uint64_t used_max = used_max_of(places, options->load_factor);
    /* Twice as many places as keys leave searches short. */
    uint64_t enough = (uint64_t)MAX_OF(options->keys_max, 1) * 2 + 1;
    places = MIN_OF(places, enough);
    *map = (struct compact_map){
        .key = options->key, .entry_count = places, .used_max = used_max, .latest_offset = -1};
    /* Fresh pages are zero and cost nothing until they are touched. */
    map->entries = (struct compact_entry *)calloc(MAX_OF(places, 1U), sizeof *map->entries);
    return map->entries != NULL;
}

void compact_map_close(struct compact_map *map)
{
    free(map->entries);
    map->entries = NULL;
}

/* The entry of the hash, or the free place where it would go; NULL when all are taken by others. */
static struct compact_entry *find(const struct compact_map *map, struct siphash hash)
{
    uint64_t at = compact_map_place(map, hash);
    for (uint64_t i = 0; i < map->entry_count; i++) {
        struct compact_entry *entry = &map->entries[at];
        if (entry->offset_end == 0 || (entry->low == hash.low && entry->high == hash.high))
            return entry;
        at = at + 1 < map->entry_count ? at + 1 : 0;
    }
    return NULL;
}

bool compact_map_put(struct compact_map *map, struct siphash hash, int64_t offset)
{
    if (map->used >= map->used_max)
        return false;
    struct compact_entry *entry = find(map, hash);
    if (entry == NULL)
        return false;
    map->used += entry->offset_end == 0 ? 1 : 0;
    *entry = (struct compact_entry){.low = hash.low, .high = hash.high, .offset_end = offset + 1};
    map->latest_offset = offset;
    return true;
}

int64_t compact_map_get(const struct compact_map *map, struct siphash hash)
{
    if (map->entry_count == 0)
        return -1;
    const struct compact_entry *entry = find(map, hash);
    return entry != NULL ? entry->offset_end - 1 : -1;
}
