/* The placement of partitions with Kafka's rules and sentences. Since there is one node, it gets
 * them all. On the controller's shard. */
#include "meta/placement.h"

#include "wire/msg/partition_record.h"

#include <stdlib.h>

static int brokers_count(const struct meta_image *image, bool unfenced_only)
{
    int count = 0;
    struct pmap_iterator brokers;
    struct pmap_entry entry;
    pmap_iterate(image->brokers, (struct slice){0}, &brokers);
    while (pmap_next(&brokers, &entry))
        if (!unfenced_only || !((const struct meta_broker *)entry.value)->fenced)
            count++;
    return count;
}

const char *meta_placement_fault(const struct meta_image *image, int16_t factor,
                                 struct arena *arena)
{
    int brokers = brokers_count(image, false);
    if (factor > brokers)
        return arena_printf(arena,
                            "Unable to replicate the partition %d time(s): The target replication "
                            "factor of %d cannot be reached because only %d broker(s) are "
                            "registered or some brokers have all their log directories "
                            "cordoned.",
                            factor, factor, brokers);
    if (brokers_count(image, true) == 0)
        return arena_printf(arena,
                            "Unable to replicate the partition %d time(s): All brokers are "
                            "currently fenced.",
                            factor);
    return NULL;
}

static int by_number(const void *a, const void *b)
{
    const int32_t *left = a;
    const int32_t *right = b;
    return (*left > *right) - (*left < *right);
}

/* The brokers are looked at in order of their ids, as Kafka does. */
const char *meta_assignment_fault(const struct meta_image *image,
                                  const struct meta_assignment *given, struct arena *arena)
{
    size_t count = (size_t)MAX_OF(given->brokers.count, 0);
    if (count == 0)
        return "The manual partition assignment includes an empty replica list.";
    int32_t *ids = ARENA_ARRAY(arena, int32_t, count);
    if (ids == NULL)
        return "memory is out";
    memcpy(ids, given->brokers.at, count * sizeof ids[0]);
    qsort(ids, count, sizeof ids[0], by_number);
    for (size_t i = 0; i < count; i++) {
        if (meta_broker_find(image, ids[i]) == NULL)
            return arena_printf(arena,
                                "The manual partition assignment includes broker %d, but no such "
                                "broker is registered.",
                                ids[i]);
        if (i > 0 && ids[i] == ids[i - 1])
            return arena_printf(arena,
                                "The manual partition assignment includes the broker %d more "
                                "than once.",
                                ids[i]);
    }
    if (given->brokers.count != given->factor)
        return arena_printf(arena,
                            "The manual partition assignment includes a partition with %d "
                            "replica(s), but this is not consistent with previous partitions, "
                            "which have %d replica(s).",
                            given->brokers.count, given->factor);
    for (size_t i = 0; i < count; i++)
        if (!meta_broker_find(image, ids[i])->fenced)
            return NULL;
    return arena_printf(arena,
                        "All brokers specified in the manual partition assignment for partition %d "
                        "are fenced or in controlled shutdown.",
                        given->partition);
}

void meta_partition_add(struct meta *meta, struct meta_records *records,
                        const struct meta_new_partition *partition)
{
    struct arena *arena = records->arena;
    struct partition_record *record = ARENA_NEW(arena, struct partition_record);
    int32_t *replicas = ARENA_NEW(arena, int32_t);
    struct uuid *directory = ARENA_NEW(arena, struct uuid);
    if (record == NULL || replicas == NULL || directory == NULL) {
        records->failed = true;
        return;
    }
    *replicas = meta->config->node_id;
    *directory = meta_pick_directory(meta);
    *record = partition_record_default;
    record->partition_id = partition->id;
    record->topic_id = partition->topic_id;
    record->replicas = replicas;
    record->replicas_count = 1;
    record->isr = replicas;
    record->isr_count = 1;
    record->leader = meta->config->node_id;
    record->leader_epoch = 0;
    record->partition_epoch = 0;
    int16_t version = meta_version_of_partition(meta->latest);
    record->directories = directory;
    record->directories_count = version >= 1 ? 1 : 0;
    meta_records_add(records, &wire_partition_record, version, record);
}
