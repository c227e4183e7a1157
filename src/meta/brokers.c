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
#include "wire/msg/producer_ids_record.h"
#include "wire/msg/register_broker_record.h"

#define PRODUCER_ID_BLOCK 1000

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
        meta_leave_all(meta->latest, &records, request->broker_id, NULL);
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

/* Directories that the broker lost: those of them that it was registered with are no longer, and
 * nobody leads what is in them (KIP-858). */
static void take_offline(const struct meta_image *image, struct meta_records *records,
                         const struct broker_heartbeat_request *request)
{
    const struct register_broker_record *record =
        meta_broker_find(image, request->broker_id)->record;
    struct broker_registration_change_record *change =
        ARENA_NEW(records->arena, struct broker_registration_change_record);
    struct uuid *online =
        ARENA_ARRAY(records->arena, struct uuid, (size_t)MAX_OF(record->log_dirs_count, 0));
    if (change == NULL || (online == NULL && record->log_dirs_count > 0)) {
        records->failed = true;
        return;
    }
    *change = broker_registration_change_record_default;
    change->broker_id = request->broker_id;
    change->broker_epoch = request->broker_epoch;
    change->log_dirs = online;
    for (int32_t i = 0; i < record->log_dirs_count; i++) {
        const struct uuid *lost = meta_uuid_find(
            request->offline_log_dirs, request->offline_log_dirs_count, record->log_dirs[i]);
        if (lost == NULL)
            online[change->log_dirs_count++] = record->log_dirs[i];
        else if (!request->want_shut_down)
            meta_leave_all(image, records, request->broker_id, lost);
    }
    if (change->log_dirs_count < record->log_dirs_count && change->log_dirs_count > 0)
        meta_records_add(records, &wire_broker_registration_change_record, 2, change);
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
        take_offline(meta->latest, &records, request);
        add_change(&records, broker, broker->fenced ? 0 : 1, 1);
        meta_leave_all(meta->latest, &records, request->broker_id, NULL);
        response->is_fenced = true;
        response->should_shut_down = true;
    } else if (!request->want_fence && broker->fenced) {
        take_offline(meta->latest, &records, request);
        add_change(&records, broker, -1, 0);
        meta_return_all(meta->latest, &records, request->broker_id);
        response->is_fenced = false;
    } else {
        take_offline(meta->latest, &records, request);
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
