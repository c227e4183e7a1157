/* The intrusive hash table: chains from a power-of-two bucket array that doubles when there is
 * more than one node a bucket. Growing may fail; the table then goes on with longer chains, so
 * that an insertion only fails when there is no bucket array at all. One thread. */
#include "base/hash.h"

#include "base/always.h"

#include <stdlib.h>

#define HASH_BUCKETS_MIN 16

void hash_table_init(struct hash_table *table)
{
    *table = (struct hash_table){0};
}

void hash_table_fini(struct hash_table *table)
{
    free(table->buckets);
    *table = (struct hash_table){0};
}

static struct hash_node **bucket_of(const struct hash_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

/* False: out of memory, nothing changed. */
static bool grow(struct hash_table *table)
{
    size_t wanted = table->bucket_count == 0 ? HASH_BUCKETS_MIN : table->bucket_count * 2;
    struct hash_node **buckets = (struct hash_node **)calloc(wanted, sizeof *buckets);
    if (buckets == NULL)
        return false;
    struct hash_table grown = {.buckets = buckets, .bucket_count = wanted, .count = table->count};
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct hash_node *node = table->buckets[i];
        while (node != NULL) {
            struct hash_node *after = node->next;
            struct hash_node **bucket = bucket_of(&grown, node->hash);
            node->next = *bucket;
            *bucket = node;
            node = after;
        }
    }
    free(table->buckets);
    *table = grown;
    return true;
}

bool hash_table_insert(struct hash_table *table, struct hash_node *node, uint64_t hash)
{
    if (table->count >= table->bucket_count && !grow(table) && table->buckets == NULL)
        return false;
    struct hash_node **bucket = bucket_of(table, hash);
    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
    table->count++;
    return true;
}

struct hash_node *hash_table_find(const struct hash_table *table, uint64_t hash,
                                  hash_match_fn match, const void *key)
{
    if (table->count == 0)
        return NULL;
    struct hash_node *node = *bucket_of(table, hash);
    while (node != NULL && !(node->hash == hash && match(node, key)))
        node = node->next;
    return node;
}

void hash_table_remove(struct hash_table *table, struct hash_node *node)
{
    ALWAYS(table->count > 0, "removal from an empty hash table");
    struct hash_node **at = bucket_of(table, node->hash);
    while (*at != NULL && *at != node)
        at = &(*at)->next;
    ALWAYS(*at == node, "the node to remove is not in this hash table");
    *at = node->next;
    node->next = NULL;
    table->count--;
}

struct hash_node *hash_table_next(const struct hash_table *table, const struct hash_node *after)
{
    if (after != NULL && after->next != NULL)
        return after->next;
    size_t from = after == NULL ? 0 : (after->hash & (table->bucket_count - 1)) + 1;
    for (size_t i = from; i < table->bucket_count; i++) {
        if (table->buckets[i] != NULL)
            return table->buckets[i];
    }
    return NULL;
}
