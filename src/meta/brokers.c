/* Decisions about brokers: registration, being unfenced, controlled shutdown, blocks of producer
 * ids. A registration is a new incarnation, so partitions that named the old one as leader lose it
 * first: their epochs rise at every restart, clean or not. On the controller's shard. */
#include "base/always.h"
#include "meta/meta_int.h"
#include "wire/msg/allocate_producer_ids_request.h"
#include "wire/msg/allocate_producer_ids_response.h"
#include "wire/msg/broker_heartbeat_request.h"
#include "wire/msg/broker_heartbeat_response.h"
#include "wire/msg/broker_registration_change_record.h"
#include "wire/msg/broker_registration_request.h"
#include "wire/msg/broker_registration_response.h"
#include "wire/msg/partition_change_record.h"
#include "wire/msg/producer_ids_record.h"
#include "wire/msg/register_broker_record.h"

#define PRODUCER_ID_BLOCK 1000

/* ---- partitions of a broker ---- */

static bool ids_have(struct meta_ids ids, int32_t id)
{
    for (int32_t i = 0; i < ids.count; i++)
        if (ids.at[i] == id)
            return true;
    return false;
}

/* A list of one id, in the arena. */
static int32_t *one_id(struct arena *arena, int32_t id)
{
    int32_t *list = ARENA_NEW(arena, int32_t);
    if (list != NULL)
        *list = id;
    return list;
}

static struct partition_change_record *change_of(struct meta_records *records,
                                                 const struct meta_topic *topic,
                                                 const struct meta_partition *partition)
{
    struct partition_change_record *change =
        ARENA_NEW(records->arena, struct partition_change_record);
    if (change == NULL)
        return NULL;
    *change = partition_change_record_default;
    change->topic_id = topic->id;
    change->partition_id = partition->id;
    return change;
}

/* One decision about the partitions of a broker. */
struct round {
    struct meta_records *records;
    int32_t broker;
    int16_t version; /* of the records */
    bool has_elr;
};

/* The only replica goes: nobody leads. Where eligible leader replicas are in use it is remembered
 * who may again; elsewhere it stays the last one in sync. */
static void add_leave(const struct round *round, const struct meta_topic *topic,
                      const struct meta_partition *partition)
{
    struct meta_records *records = round->records;
    struct partition_change_record *change = change_of(records, topic, partition);
    if (change == NULL) {
        records->failed = true;
        return;
    }
    change->leader = -1;
    if (round->has_elr) {
        change->isr_count = 0;
        change->eligible_leader_replicas = one_id(records->arena, round->broker);
        change->eligible_leader_replicas_count = 1;
        change->last_known_elr = one_id(records->arena, round->broker);
        change->last_known_elr_count = 1;
    }
    meta_records_add(records, &wire_partition_change_record, round->version, change);
}

static void add_return(const struct round *round, const struct meta_topic *topic,
                       const struct meta_partition *partition)
{
    struct meta_records *records = round->records;
    struct partition_change_record *change = change_of(records, topic, partition);
    if (change == NULL) {
        records->failed = true;
        return;
    }
    if (partition->isr.count == 0) {
        change->isr = one_id(records->arena, round->broker);
        change->isr_count = 1;
    }
    change->leader = round->broker;
    change->eligible_leader_replicas_count = partition->elr.count > 0 ? 0 : -1;
    change->last_known_elr_count = partition->last_known_elr.count > 0 ? 0 : -1;
    meta_records_add(records, &wire_partition_change_record, round->version, change);
}

typedef void (*partition_fn)(const struct round *, const struct meta_topic *,
                             const struct meta_partition *);

/* Calls for each partition that has the broker as a replica and is led by it (or by nobody). */
static void each_partition(const struct meta_image *image, struct meta_records *records,
                           int32_t broker, bool led, partition_fn add)
{
    struct round round = {.records = records,
                          .broker = broker,
                          .version = meta_version_of_partition(image),
                          .has_elr = meta_feature(image, META_FEATURE_ELR) > 0};
    struct pmap_iterator topics;
    struct pmap_entry entry;
    pmap_iterate(image->topics_by_name, (struct slice){0}, &topics);
    while (pmap_next(&topics, &entry)) {
        const struct meta_topic *topic = entry.value;
        struct pmap_iterator partitions;
        pmap_iterate(topic->partitions, (struct slice){0}, &partitions);
        while (pmap_next(&partitions, &entry)) {
            const struct meta_partition *partition = entry.value;
            if (!ids_have(partition->replicas, broker))
                continue;
            if (led ? partition->leader == broker : partition->leader == -1)
                add(&round, topic, partition);
        }
    }
}

/* ---- registration ---- */

static bool fill_registration(const struct broker_registration_request *request, int64_t epoch,
                              struct arena *arena, struct register_broker_record *record)
{
    *record = (struct register_broker_record){
        .broker_id = request->broker_id,
        .incarnation_id = request->incarnation_id,
        .broker_epoch = epoch,
        .rack = request->rack,
        .fenced = true,
        .end_points_count = request->listeners_count,
        .features_count = request->features_count,
        .log_dirs = request->log_dirs,
        .log_dirs_count = request->log_dirs_count,
        .cordoned_log_dirs_count = -1,
    };
    record->end_points = ARENA_ARRAY(arena, struct register_broker_record_end_points,
                                     (size_t)request->listeners_count);
    record->features =
        ARENA_ARRAY(arena, struct register_broker_record_features, (size_t)request->features_count);
    if (record->end_points == NULL || record->features == NULL)
        return false;
    for (int32_t i = 0; i < request->listeners_count; i++)
        record->end_points[i] = (struct register_broker_record_end_points){
            .name = request->listeners[i].name,
            .host = request->listeners[i].host,
            .port = request->listeners[i].port,
            .security_protocol = request->listeners[i].security_protocol,
        };
    for (int32_t i = 0; i < request->features_count; i++)
        record->features[i] = (struct register_broker_record_features){
            .name = request->features[i].name,
            .min_supported_version = request->features[i].min_supported_version,
            .max_supported_version = request->features[i].max_supported_version,
        };
    return true;
}

void meta_register_broker(struct meta *meta, struct peer_call *call)
{
    const struct broker_registration_request *request = call->request;
    struct arena *arena = &call->arena;
    struct meta_records records;
    meta_records_init(&records, arena);
    struct broker_registration_response *response =
        ARENA_NEW(arena, struct broker_registration_response);
    struct register_broker_record *record = ARENA_NEW(arena, struct register_broker_record);
    if (record == NULL || response == NULL) {
        peer_answer(meta->shard, call, ERR_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    /* Kafka 4.4 names the epoch after the offset of the registration's first record. */
    int64_t epoch = meta_next_offset(meta);
    bool fine = fill_registration(request, epoch, arena, record);
    *response = broker_registration_response_default;
    response->broker_epoch = epoch;
    int16_t version = meta_version_of_registration(meta->latest);
    if (version < 3)
        record->log_dirs_count = 0;
    meta_records_add(&records, &wire_register_broker_record, version, record);
    struct broker_registration_change_record *change =
        ARENA_NEW(arena, struct broker_registration_change_record);
    fine = fine && change != NULL;
    if (fine) {
        *change = broker_registration_change_record_default;
        change->broker_id = request->broker_id;
        change->broker_epoch = epoch;
        change->cordoned_log_dirs_count = 0;
        if (meta_level_has(meta->latest, META_LEVEL_CORDONED))
            meta_records_add(&records, &wire_broker_registration_change_record, 3, change);
        each_partition(meta->latest, &records, request->broker_id, true, add_leave);
    }
    records.failed = records.failed || !fine;
    meta_commit(meta, &records, call, response);
}

/* ---- heartbeats ---- */

static void add_change(struct meta_records *records, const struct meta_broker *broker,
                       int8_t fenced, int8_t shutdown)
{
    struct broker_registration_change_record *change =
        ARENA_NEW(records->arena, struct broker_registration_change_record);
    if (change == NULL) {
        records->failed = true;
        return;
    }
    *change = broker_registration_change_record_default;
    change->broker_id = broker->record->broker_id;
    change->broker_epoch = broker->record->broker_epoch;
    change->fenced = fenced;
    change->in_controlled_shutdown = shutdown;
    meta_records_add(records, &wire_broker_registration_change_record, shutdown != 0 ? 1 : 0,
                     change);
}

void meta_heartbeat_broker(struct meta *meta, struct peer_call *call)
{
    const struct broker_heartbeat_request *request = call->request;
    struct broker_heartbeat_response *response =
        ARENA_NEW(&call->arena, struct broker_heartbeat_response);
    if (response == NULL) {
        peer_answer(meta->shard, call, ERR_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    *response = broker_heartbeat_response_default;
    response->is_caught_up = true;
    const struct meta_broker *broker = meta_broker_find(meta->latest, request->broker_id);
    struct meta_records records;
    meta_records_init(&records, &call->arena);
    if (broker == NULL || broker->record->broker_epoch != request->broker_epoch) {
        response->error_code =
            broker == NULL ? ERR_BROKER_ID_NOT_REGISTERED : ERR_STALE_BROKER_EPOCH;
    } else if (request->want_shut_down) {
        add_change(&records, broker, broker->fenced ? 0 : 1, 1);
        each_partition(meta->latest, &records, request->broker_id, true, add_leave);
        response->is_fenced = true;
        response->should_shut_down = true;
    } else if (!request->want_fence && broker->fenced) {
        add_change(&records, broker, -1, 0);
        each_partition(meta->latest, &records, request->broker_id, false, add_return);
        response->is_fenced = false;
    } else {
        response->is_fenced = broker->fenced;
    }
    meta_commit(meta, &records, call, response);
}

/* ---- producer ids ---- */

void meta_allocate_producer_ids(struct meta *meta, struct peer_call *call)
{
    const struct allocate_producer_ids_request *request = call->request;
    struct allocate_producer_ids_response *response =
        ARENA_NEW(&call->arena, struct allocate_producer_ids_response);
    struct producer_ids_record *record = ARENA_NEW(&call->arena, struct producer_ids_record);
    if (response == NULL || record == NULL) {
        peer_answer(meta->shard, call, ERR_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    *response = allocate_producer_ids_response_default;
    const struct meta_broker *broker = meta_broker_find(meta->latest, request->broker_id);
    struct meta_records records;
    meta_records_init(&records, &call->arena);
    if (broker == NULL || broker->record->broker_epoch != request->broker_epoch) {
        response->error_code =
            broker == NULL ? ERR_BROKER_ID_NOT_REGISTERED : ERR_STALE_BROKER_EPOCH;
    } else {
        response->producer_id_start = meta->latest->next_producer_id;
        response->producer_id_len = PRODUCER_ID_BLOCK;
        *record = (struct producer_ids_record){
            .broker_id = request->broker_id,
            .broker_epoch = request->broker_epoch,
            .next_producer_id = response->producer_id_start + PRODUCER_ID_BLOCK,
        };
        meta_records_add(&records, &wire_producer_ids_record, 0, record);
    }
    meta_commit(meta, &records, call, response);
}
