/* Who leads a partition of one replica: its broker, while it is there and the directory that holds
 * the replica is online. On the controller's shard. */
#include "meta/meta_int.h"
#include "wire/msg/partition_change_record.h"
#include "wire/msg/register_broker_record.h"

/* Ids below this one stand for no directory (KIP-858). */
#define DIRECTORY_RESERVED 100
#define DIRECTORY_LOST 2

const struct uuid *meta_uuid_find(const struct uuid *ids, int32_t count, struct uuid wanted)
{
    for (int32_t i = 0; i < count; i++)
        if (uuid_equal(ids[i], wanted))
            return &ids[i];
    return NULL;
}

bool meta_directory_is_assigned(struct uuid id)
{
    for (size_t i = 0; i + 1 < sizeof id.bytes; i++)
        if (id.bytes[i] != 0)
            return true;
    return id.bytes[sizeof id.bytes - 1] >= DIRECTORY_RESERVED;
}

bool meta_directory_is_online(const struct meta_broker *broker, struct uuid id)
{
    const struct register_broker_record *record = broker->record;
    if (!meta_directory_is_assigned(id))
        return id.bytes[sizeof id.bytes - 1] != DIRECTORY_LOST;
    return record->log_dirs_count <= 0 || /* registered without telling its directories */
           meta_uuid_find(record->log_dirs, record->log_dirs_count, id) != NULL;
}

struct uuid meta_partition_directory(const struct meta_partition *partition, int32_t broker)
{
    for (int32_t i = 0; i < partition->replicas.count && i < partition->directory_count; i++)
        if (partition->replicas.at[i] == broker)
            return partition->directories[i];
    return uuid_zero;
}

/* A list of one id, in the arena. */
static int32_t *one_id(struct arena *arena, int32_t id)
{
    int32_t *list = ARENA_NEW(arena, int32_t);
    if (list != NULL)
        *list = id;
    return list;
}

struct partition_change_record *meta_change_of(struct meta_records *records,
                                               const struct meta_topic *topic,
                                               const struct meta_partition *partition)
{
    struct partition_change_record *change =
        ARENA_NEW(records->arena, struct partition_change_record);
    if (change == NULL) {
        records->failed = true;
        return NULL;
    }
    *change = partition_change_record_default;
    change->topic_id = topic->id;
    change->partition_id = partition->id;
    return change;
}

/* The only replica goes: nobody leads. Where eligible leader replicas are in use it is remembered
 * who may again; elsewhere it stays the last one in sync. */
void meta_change_leave(const struct meta_image *image, struct meta_records *records,
                       struct partition_change_record *change, int32_t broker)
{
    change->leader = -1;
    if (meta_feature(image, META_FEATURE_ELR) <= 0)
        return;
    change->isr_count = 0;
    change->eligible_leader_replicas = one_id(records->arena, broker);
    change->eligible_leader_replicas_count = 1;
    change->last_known_elr = one_id(records->arena, broker);
    change->last_known_elr_count = 1;
    if (change->eligible_leader_replicas == NULL || change->last_known_elr == NULL)
        records->failed = true;
}

void meta_change_return(struct meta_records *records, struct partition_change_record *change,
                        const struct meta_partition *partition, int32_t broker)
{
    if (partition->isr.count == 0) {
        change->isr = one_id(records->arena, broker);
        change->isr_count = 1;
        records->failed = records->failed || change->isr == NULL;
    }
    change->leader = broker;
    change->eligible_leader_replicas_count = partition->elr.count > 0 ? 0 : -1;
    change->last_known_elr_count = partition->last_known_elr.count > 0 ? 0 : -1;
}

/* ---- all of a broker ---- */

struct sweep {
    const struct meta_image *image;
    struct meta_records *records;
    const struct meta_broker *broker;
    int32_t broker_id;
    const struct uuid *directory; /* only what is in it; NULL: all */
    bool returns;
};

static void sweep_partition(const struct sweep *sweep, const struct meta_topic *topic,
                            const struct meta_partition *partition)
{
    struct uuid directory = meta_partition_directory(partition, sweep->broker_id);
    bool wanted = sweep->returns ? partition->leader == -1 &&
                                       meta_directory_is_online(sweep->broker, directory)
                                 : partition->leader == sweep->broker_id;
    if (!wanted || (sweep->directory != NULL && !uuid_equal(*sweep->directory, directory)))
        return;
    struct partition_change_record *change = meta_change_of(sweep->records, topic, partition);
    if (change == NULL)
        return;
    if (sweep->returns)
        meta_change_return(sweep->records, change, partition, sweep->broker_id);
    else
        meta_change_leave(sweep->image, sweep->records, change, sweep->broker_id);
    meta_records_add(sweep->records, &wire_partition_change_record,
                     meta_version_of_partition(sweep->image), change);
}

static bool has_replica(const struct meta_partition *partition, int32_t broker)
{
    for (int32_t i = 0; i < partition->replicas.count; i++)
        if (partition->replicas.at[i] == broker)
            return true;
    return false;
}

static void sweep_all(const struct sweep *sweep)
{
    struct pmap_iterator topics;
    struct pmap_entry entry;
    pmap_iterate(sweep->image->topics_by_name, (struct slice){0}, &topics);
    while (pmap_next(&topics, &entry)) {
        const struct meta_topic *topic = entry.value;
        struct pmap_iterator partitions;
        pmap_iterate(topic->partitions, (struct slice){0}, &partitions);
        while (pmap_next(&partitions, &entry))
            if (has_replica(entry.value, sweep->broker_id))
                sweep_partition(sweep, topic, entry.value);
    }
}

void meta_leave_all(const struct meta_image *image, struct meta_records *records, int32_t broker,
                    const struct uuid *directory)
{
    sweep_all(&(struct sweep){
        .image = image, .records = records, .broker_id = broker, .directory = directory});
}

void meta_return_all(const struct meta_image *image, struct meta_records *records, int32_t broker)
{
    sweep_all(&(struct sweep){.image = image,
                              .records = records,
                              .broker = meta_broker_find(image, broker),
                              .broker_id = broker,
                              .returns = true});
}
