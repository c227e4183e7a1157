/* Connections by peer host; see the header. */
#include "server/host_count.h"

#include "base/attr.h"

#include <stdio.h>
#include <stdlib.h>

static bool host_matches(const struct hash_node *node, const void *key)
{
    return strcmp(CONTAINER_OF(node, const struct host_count, node)->host, key) == 0;
}

void host_counts_init(struct host_counts *counts)
{
    hash_table_init(&counts->table);
}

void host_counts_fini(struct host_counts *counts)
{
    struct hash_node *node;
    while ((node = hash_table_next(&counts->table, NULL)) != NULL) {
        hash_table_remove(&counts->table, node);
        free(CONTAINER_OF(node, struct host_count, node));
    }
    hash_table_fini(&counts->table);
}

struct host_count *host_counts_find(struct host_counts *counts, const char *host)
{
    uint64_t hash = slice_hash(slice_of_text(host), 0);
    struct hash_node *node = hash_table_find(&counts->table, hash, host_matches, host);
    if (node != NULL)
        return CONTAINER_OF(node, struct host_count, node);
    struct host_count *count = calloc(1, sizeof *count);
    if (count == NULL)
        return NULL;
    (void)snprintf(count->host, sizeof count->host, "%s", host);
    if (!hash_table_insert(&counts->table, &count->node, hash)) {
        free(count);
        return NULL;
    }
    return count;
}

void host_counts_drop(struct host_counts *counts, struct host_count *count)
{
    if (count->connections > 0)
        return;
    hash_table_remove(&counts->table, &count->node);
    free(count);
}
