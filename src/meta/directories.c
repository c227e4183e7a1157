/* Where partitions are among a broker's directories (KIP-858): the place of a new one, and what the
 * broker says of those it has. The place of a partition of the own node is decided with the
 * partition, in one record: no crash can come between the two. On the controller's shard. */
#include "meta/meta_int.h"
#include "wire/msg/assign_replicas_to_dirs_request.h"
#include "wire/msg/assign_replicas_to_dirs_response.h"
#include "wire/msg/partition_change_record.h"
#include "wire/msg/register_broker_record.h"

static const struct uuid unassigned = {.bytes = {[15] = 1}};

/* ---- a new partition ---- */

static void count_one(const struct meta_partition *partition, int32_t broker,
                      const struct meta_directories *directories, int64_t *counts)
{
    struct uuid id = meta_partition_directory(partition, broker);
    for (int i = 0; i < directories->count; i++)
        if (uuid_equal(directories->ids[i], id))
            counts[i]++;
}

void meta_count_partitions(const struct meta_image *image, int32_t broker,
                           const struct meta_directories *directories, int64_t *ret_counts)
{
    struct pmap_iterator topics;
    struct pmap_entry entry;
    memset(ret_counts, 0, (size_t)directories->count * sizeof *ret_counts);
    pmap_iterate(image->topics_by_id, (struct slice){0}, &topics);
    while (pmap_next(&topics, &entry)) {
        const struct meta_topic *topic = entry.value;
        struct pmap_iterator partitions;
        pmap_iterate(topic->partitions, (struct slice){0}, &partitions);
        while (pmap_next(&partitions, &entry))
            count_one(entry.value, broker, directories, ret_counts);
    }
}

struct uuid meta_pick_directory(struct meta *meta)
{
    const struct meta_broker *broker = meta_broker_find(meta->latest, meta->config->node_id);
    if (broker == NULL || broker->record->log_dirs_count <= 0)
        return unassigned;
    struct meta_directories all = {.ids = broker->record->log_dirs,
                                   .count =
                                       MIN_OF(broker->record->log_dirs_count, NODE_LOG_DIRS_MAX)};
    if (all.count == 1)
        return all.ids[0];
    if (meta->placed_at != meta->next_offset)
        meta_count_partitions(meta->latest, meta->config->node_id, &all, meta->placed);
    meta->placed_at = meta->next_offset;
    int best = -1;
    for (int i = 0; i < all.count; i++) {
        if (meta_uuid_find(broker->cordoned, broker->cordoned_count, all.ids[i]) != NULL)
            continue;
        if (best < 0 || meta->placed[i] < meta->placed[best])
            best = i;
    }
    if (best < 0)
        return unassigned;
    meta->placed[best]++;
    return all.ids[best];
}

/* ---- what a broker says ---- */

struct assignment {
    struct meta *meta;
    struct meta_records *records;
    const struct meta_broker *broker;
    struct uuid directory;
    const struct meta_topic *topic;
    int32_t partition;
};

/* The partition's directories with that of the broker changed; NULL: memory is out. */
static struct uuid *directories_with(const struct assignment *assignment,
                                     const struct meta_partition *partition)
{
    struct uuid *directories =
        ARENA_ARRAY(assignment->records->arena, struct uuid, (size_t)partition->replicas.count);
    if (directories == NULL)
        return NULL;
    for (int32_t i = 0; i < partition->replicas.count; i++) {
        bool told = i < partition->directory_count;
        bool ours = partition->replicas.at[i] == assignment->broker->record->broker_id;
        directories[i] = told ? partition->directories[i] : uuid_zero;
        directories[i] = ours ? assignment->directory : directories[i];
    }
    return directories;
}

static bool has_replica(const struct meta_partition *partition, int32_t broker)
{
    for (int32_t i = 0; i < partition->replicas.count; i++)
        if (partition->replicas.at[i] == broker)
            return true;
    return false;
}

static void record_change(const struct assignment *assignment,
                          const struct meta_partition *partition)
{
    const struct meta_image *image = assignment->meta->latest;
    const struct meta_broker *broker = assignment->broker;
    struct meta_records *records = assignment->records;
    int32_t broker_id = broker->record->broker_id;
    bool online = meta_directory_is_online(broker, assignment->directory);
    bool same = uuid_equal(meta_partition_directory(partition, broker_id), assignment->directory);
    bool leaves = !online && partition->leader == broker_id;
    bool returns = online && partition->leader == -1 && !broker->fenced;
    if (same && !leaves && !returns)
        return;
    struct partition_change_record *change = meta_change_of(records, assignment->topic, partition);
    if (change == NULL)
        return;
    change->directories = directories_with(assignment, partition);
    change->directories_count = partition->replicas.count;
    records->failed = records->failed || change->directories == NULL;
    if (leaves)
        meta_change_leave(image, records, change, broker_id);
    else if (returns)
        meta_change_return(records, change, partition, broker_id);
    meta_records_add(records, &wire_partition_change_record, meta_version_of_partition(image),
                     change);
}

static enum err assign_one(const struct assignment *assignment)
{
    if (assignment->topic == NULL)
        return ERR_UNKNOWN_TOPIC_ID;
    const struct meta_partition *partition =
        meta_topic_partition(assignment->topic, assignment->partition);
    if (partition == NULL)
        return ERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (!has_replica(partition, assignment->broker->record->broker_id))
        return ERR_NOT_LEADER_OR_FOLLOWER;
    record_change(assignment, partition);
    return ERR_NONE;
}

static bool assign_topic(struct assignment *assignment,
                         const struct assign_replicas_to_dirs_request_directories_topics *asked,
                         struct assign_replicas_to_dirs_response_directories_topics *answer)
{
    size_t count = (size_t)MAX_OF(asked->partitions_count, 0);
    *answer = (struct assign_replicas_to_dirs_response_directories_topics){
        .topic_id = asked->topic_id, .partitions_count = (int32_t)count};
    answer->partitions =
        ARENA_ARRAY(assignment->records->arena,
                    struct assign_replicas_to_dirs_response_directories_topics_partitions, count);
    if (answer->partitions == NULL && count > 0)
        return false;
    assignment->topic = meta_topic_by_id(assignment->meta->latest, asked->topic_id);
    for (size_t i = 0; i < count; i++) {
        assignment->partition = asked->partitions[i].partition_index;
        answer->partitions[i].partition_index = assignment->partition;
        answer->partitions[i].error_code = (int16_t)assign_one(assignment);
    }
    return true;
}

static bool assign_directory(struct assignment *assignment,
                             const struct assign_replicas_to_dirs_request_directories *asked,
                             struct assign_replicas_to_dirs_response_directories *answer)
{
    size_t count = (size_t)MAX_OF(asked->topics_count, 0);
    *answer = (struct assign_replicas_to_dirs_response_directories){.id = asked->id,
                                                                    .topics_count = (int32_t)count};
    answer->topics = ARENA_ARRAY(assignment->records->arena,
                                 struct assign_replicas_to_dirs_response_directories_topics, count);
    assignment->directory = asked->id;
    bool fine = answer->topics != NULL || count == 0;
    for (size_t i = 0; i < count && fine; i++)
        fine = assign_topic(assignment, &asked->topics[i], &answer->topics[i]);
    return fine;
}

static bool assign_all(struct assignment *assignment,
                       const struct assign_replicas_to_dirs_request *request,
                       struct assign_replicas_to_dirs_response *response)
{
    size_t count = (size_t)MAX_OF(request->directories_count, 0);
    response->directories_count = (int32_t)count;
    response->directories = ARENA_ARRAY(assignment->records->arena,
                                        struct assign_replicas_to_dirs_response_directories, count);
    bool fine = response->directories != NULL || count == 0;
    for (size_t i = 0; i < count && fine; i++)
        fine = assign_directory(assignment, &request->directories[i], &response->directories[i]);
    return fine;
}

/* AssignReplicasToDirs. A partition that is named twice in one request is judged twice by the same
 * image; a broker says each once. */
void meta_assign_directories(struct meta *meta, struct peer_call *call)
{
    const struct assign_replicas_to_dirs_request *request = call->request;
    struct assign_replicas_to_dirs_response *response =
        ARENA_NEW(&call->arena, struct assign_replicas_to_dirs_response);
    struct meta_records records;
    meta_records_init(&records, &call->arena);
    if (response == NULL) {
        peer_answer(meta->shard, call, ERR_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    *response = assign_replicas_to_dirs_response_default;
    struct assignment assignment = {.meta = meta,
                                    .records = &records,
                                    .broker = meta_broker_find(meta->latest, request->broker_id)};
    if (!meta_level_has(meta->latest, META_LEVEL_DIRECTORIES))
        response->error_code = ERR_UNSUPPORTED_VERSION;
    else if (assignment.broker == NULL)
        response->error_code = ERR_BROKER_ID_NOT_REGISTERED;
    else if (assignment.broker->record->broker_epoch != request->broker_epoch)
        response->error_code = ERR_STALE_BROKER_EPOCH;
    else if (!assign_all(&assignment, request, response))
        records.failed = true;
    meta_commit(meta, &records, call, response);
}
