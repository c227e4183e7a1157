/* What a consumer group keeps beside its members: topics and patterns that they are subscribed to,
 * and who has which partition. Changed by records alone. On the partition's shard. */
#include "group/consumer_int.h"

#include "base/always.h"

#include <stdlib.h>

#define OUT_OF_MEMORY "memory for a consumer group is out"
/* Higher numbers of partitions are nobody's: no topic has so many. */
#define PARTITION_MAX 10000000
#define PARTITIONS_FIRST 4

void consumer_topic_free(struct consumer_group *consumer, struct consumer_topic *topic)
{
    hash_table_remove(&consumer->topics, &topic->node);
    free(topic);
}

static struct consumer_topic *topic_add(struct consumer_group *consumer, struct slice name)
{
    struct consumer_topic *topic = calloc(1, sizeof *topic + name.size);
    ALWAYS(topic != NULL, OUT_OF_MEMORY);
    topic->name = slice_of(topic + 1, name.size);
    if (name.size > 0)
        memcpy(topic + 1, name.data, name.size);
    bool inserted = hash_table_insert(&consumer->topics, &topic->node, slice_hash(topic->name, 0));
    ALWAYS(inserted, OUT_OF_MEMORY);
    return topic;
}

void consumer_topic_count(struct consumer_group *consumer, struct slice name,
                          struct consumer_count by)
{
    struct consumer_topic *topic = consumer_topic_find(consumer, name);
    if (topic == NULL)
        topic = topic_add(consumer, name);
    topic->name_count += by.names;
    topic->pattern_count += by.patterns;
    if (topic->name_count == 0 && topic->pattern_count == 0)
        consumer_topic_free(consumer, topic);
}

struct consumer_pattern *consumer_pattern_take(struct consumer_group *consumer, struct slice text)
{
    struct consumer_pattern *pattern = consumer_pattern_find(consumer, text);
    if (pattern != NULL)
        return pattern;
    pattern = malloc(sizeof *pattern + text.size);
    ALWAYS(pattern != NULL, OUT_OF_MEMORY);
    *pattern = (struct consumer_pattern){.text = slice_of(pattern + 1, text.size)};
    if (text.size > 0)
        memcpy(pattern + 1, text.data, text.size);
    list_add_tail(&consumer->patterns, &pattern->link);
    return pattern;
}

/* ---- owners ---- */

static bool owners_match(const struct hash_node *node, const void *id)
{
    return uuid_equal(CONTAINER_OF(node, const struct consumer_owners, node)->topic,
                      *(const struct uuid *)id);
}

static struct consumer_owners *owners_find(const struct consumer_group *consumer, struct uuid topic)
{
    uint64_t hash = slice_hash(slice_of(topic.bytes, sizeof topic.bytes), 0);
    struct hash_node *node = hash_table_find(&consumer->owners, hash, owners_match, &topic);
    return node != NULL ? CONTAINER_OF(node, struct consumer_owners, node) : NULL;
}

static struct consumer_owners *owners_add(struct consumer_group *consumer, struct uuid topic)
{
    struct consumer_owners *owners = calloc(1, sizeof *owners);
    ALWAYS(owners != NULL, OUT_OF_MEMORY);
    owners->topic = topic;
    uint64_t hash = slice_hash(slice_of(topic.bytes, sizeof topic.bytes), 0);
    bool inserted = hash_table_insert(&consumer->owners, &owners->node, hash);
    ALWAYS(inserted, OUT_OF_MEMORY);
    return owners;
}

static void owners_grow(struct consumer_owners *owners, int32_t partition)
{
    int32_t capacity = owners->capacity > 0 ? owners->capacity : PARTITIONS_FIRST;
    while (capacity <= partition)
        capacity *= 2;
    int32_t *epochs = realloc(owners->epochs, (size_t)capacity * sizeof *epochs);
    ALWAYS(epochs != NULL, OUT_OF_MEMORY);
    for (int32_t i = owners->capacity; i < capacity; i++)
        epochs[i] = CONSUMER_NO_OWNER;
    owners->epochs = epochs;
    owners->capacity = capacity;
}

static bool is_possible(const struct consumer_part *part)
{
    return part->partition >= 0 && part->partition < PARTITION_MAX;
}

void consumer_own(struct consumer_group *consumer, const struct consumer_parts *parts,
                  int32_t epoch)
{
    for (int i = 0; i < parts->count; i++) {
        if (!is_possible(&parts->at[i]))
            continue;
        struct consumer_owners *owners = owners_find(consumer, parts->at[i].topic);
        if (owners == NULL)
            owners = owners_add(consumer, parts->at[i].topic);
        if (parts->at[i].partition >= owners->capacity)
            owners_grow(owners, parts->at[i].partition);
        owners->count += owners->epochs[parts->at[i].partition] == CONSUMER_NO_OWNER;
        owners->epochs[parts->at[i].partition] = epoch;
    }
}

/* What another has taken since is left alone. */
void consumer_disown(struct consumer_group *consumer, const struct consumer_parts *parts,
                     int32_t epoch)
{
    for (int i = 0; i < parts->count; i++) {
        struct consumer_owners *owners =
            is_possible(&parts->at[i]) ? owners_find(consumer, parts->at[i].topic) : NULL;
        if (owners == NULL || parts->at[i].partition >= owners->capacity ||
            owners->epochs[parts->at[i].partition] != epoch)
            continue;
        owners->epochs[parts->at[i].partition] = CONSUMER_NO_OWNER;
        if (--owners->count > 0)
            continue;
        hash_table_remove(&consumer->owners, &owners->node);
        free(owners->epochs);
        free(owners);
    }
}
