/* Requests: the pool, dispatch by the table of APIs, answering. The complication is the end of a
 * connection while an API is at work: then there is no client, and the answer is dropped. On the
 * request's shard. */
#include "api/request.h"

#include "api/handlers.h"
#include "base/always.h"
#include "tbl/limits.h"
#include "wire/messages.h"
#include "wire/msg/add_offsets_to_txn_request.h"
#include "wire/msg/add_offsets_to_txn_response.h"
#include "wire/msg/add_partitions_to_txn_request.h"
#include "wire/msg/add_partitions_to_txn_response.h"
#include "wire/msg/alter_configs_request.h"
#include "wire/msg/alter_configs_response.h"
#include "wire/msg/alter_replica_log_dirs_request.h"
#include "wire/msg/alter_replica_log_dirs_response.h"
#include "wire/msg/api_versions_request.h"
#include "wire/msg/api_versions_response.h"
#include "wire/msg/consumer_group_describe_request.h"
#include "wire/msg/consumer_group_describe_response.h"
#include "wire/msg/consumer_group_heartbeat_request.h"
#include "wire/msg/consumer_group_heartbeat_response.h"
#include "wire/msg/create_partitions_request.h"
#include "wire/msg/create_partitions_response.h"
#include "wire/msg/create_topics_request.h"
#include "wire/msg/create_topics_response.h"
#include "wire/msg/delete_groups_request.h"
#include "wire/msg/delete_groups_response.h"
#include "wire/msg/delete_records_request.h"
#include "wire/msg/delete_records_response.h"
#include "wire/msg/delete_topics_request.h"
#include "wire/msg/delete_topics_response.h"
#include "wire/msg/describe_cluster_request.h"
#include "wire/msg/describe_cluster_response.h"
#include "wire/msg/describe_configs_request.h"
#include "wire/msg/describe_configs_response.h"
#include "wire/msg/describe_groups_request.h"
#include "wire/msg/describe_groups_response.h"
#include "wire/msg/describe_log_dirs_request.h"
#include "wire/msg/describe_log_dirs_response.h"
#include "wire/msg/describe_producers_request.h"
#include "wire/msg/describe_producers_response.h"
#include "wire/msg/describe_topic_partitions_request.h"
#include "wire/msg/describe_topic_partitions_response.h"
#include "wire/msg/describe_transactions_request.h"
#include "wire/msg/describe_transactions_response.h"
#include "wire/msg/end_txn_request.h"
#include "wire/msg/end_txn_response.h"
#include "wire/msg/fetch_request.h"
#include "wire/msg/fetch_response.h"
#include "wire/msg/find_coordinator_request.h"
#include "wire/msg/find_coordinator_response.h"
#include "wire/msg/heartbeat_request.h"
#include "wire/msg/heartbeat_response.h"
#include "wire/msg/incremental_alter_configs_request.h"
#include "wire/msg/incremental_alter_configs_response.h"
#include "wire/msg/init_producer_id_request.h"
#include "wire/msg/init_producer_id_response.h"
#include "wire/msg/join_group_request.h"
#include "wire/msg/join_group_response.h"
#include "wire/msg/leave_group_request.h"
#include "wire/msg/leave_group_response.h"
#include "wire/msg/list_groups_request.h"
#include "wire/msg/list_groups_response.h"
#include "wire/msg/list_offsets_request.h"
#include "wire/msg/list_offsets_response.h"
#include "wire/msg/list_transactions_request.h"
#include "wire/msg/list_transactions_response.h"
#include "wire/msg/metadata_request.h"
#include "wire/msg/metadata_response.h"
#include "wire/msg/offset_commit_request.h"
#include "wire/msg/offset_commit_response.h"
#include "wire/msg/offset_delete_request.h"
#include "wire/msg/offset_delete_response.h"
#include "wire/msg/offset_fetch_request.h"
#include "wire/msg/offset_fetch_response.h"
#include "wire/msg/offset_for_leader_epoch_request.h"
#include "wire/msg/offset_for_leader_epoch_response.h"
#include "wire/msg/produce_request.h"
#include "wire/msg/produce_response.h"
#include "wire/msg/sync_group_request.h"
#include "wire/msg/sync_group_response.h"
#include "wire/msg/txn_offset_commit_request.h"
#include "wire/msg/txn_offset_commit_response.h"
#include "wire/msg/write_txn_markers_request.h"
#include "wire/msg/write_txn_markers_response.h"

#include <stdlib.h>

/* Idle requests that a shard keeps, with their arenas and chains. */
#define REQUEST_POOL_MAX 256
#define CHAIN_KEEP_BYTES (16 * 1024)
/* A response is at most what a frame can say. */
#define CHAIN_LIMIT ((size_t)INT32_MAX)

#define ROW_(KEY, NAME, handler, min, max, advertised, rule_, order_) \
    {.key = (KEY), \
     .version_min = (min), \
     .version_max = (max), \
     .advertised_min = (advertised), \
     .name = #NAME, \
     .rule = API_RULE_##rule_, \
     .order = API_ORDER_##order_, \
     .request = &wire_##handler##_request, \
     .response = &wire_##handler##_response, \
     .handle = api_handle_##handler},

static const struct api_row rows[] = {APIS(ROW_)};

const struct api_row *api_rows(size_t *ret_count)
{
    *ret_count = COUNT_OF(rows);
    return rows;
}

const struct api_row *api_row_find(int16_t api_key)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].key == api_key)
            return &rows[i];
    return NULL;
}

/* ---- the pool ---- */

struct api_request *api_request_new(struct api_shard *here, struct api_client *client,
                                    struct shard_buffer *buffer)
{
    struct list *node = list_take_first(&here->request_pool);
    struct api_request *request;
    if (node != NULL) {
        request = CONTAINER_OF(node, struct api_request, link);
        here->request_pool_count--;
    } else {
        request = calloc(1, sizeof *request);
        if (request == NULL)
            return NULL;
        arena_init(&request->arena, LIMIT_REQUEST_ARENA_BASE);
        chain_init(&request->answer, CHAIN_LIMIT);
    }
    list_init(&request->link);
    request->here = here;
    request->client = client;
    request->state = API_REQUEST_RUNNING;
    request->buffer = shard_buffer_ref(buffer);
    request->charged = 0;
    request->message = NULL;
    request->on_abandoned = NULL;
    request->state_of_api = NULL;
    request->started_ns = shard_now_ns(here->shard);
    return request;
}

static void request_destroy(struct api_request *request)
{
    arena_fini(&request->arena);
    chain_fini(&request->answer);
    free(request);
}

/* Small frames come and go all the time: they are not what a large one may wait for. */
static bool is_large(int64_t bytes)
{
    return bytes > LIMIT_RECEIVE_BUFFER_SIZE;
}

static void count_bytes(struct api_shard *here, int64_t bytes)
{
    here->buffer_bytes += bytes;
    if (is_large(bytes) || is_large(-bytes))
        here->running_bytes += bytes;
    stats_add(&here->stats, METRIC_BUFFER_BYTES, bytes);
}

void api_request_charge(struct api_request *request, int64_t bytes)
{
    ALWAYS(request->charged == 0, "%s is charged twice", request->row->name);
    request->charged = bytes;
    count_bytes(request->here, bytes);
}

/* What its frame held is free again. */
static void discharge(struct api_request *request)
{
    struct api_shard *here = request->here;
    int64_t bytes = request->charged;
    if (bytes == 0)
        return;
    request->charged = 0;
    count_bytes(here, -bytes);
    if (here->on_memory != NULL)
        here->on_memory(here);
}

void api_request_free(struct api_request *request)
{
    struct api_shard *here = request->here;
    shard_buffer_unref(request->buffer);
    request->buffer = NULL;
    request->state = API_REQUEST_IDLE;
    chain_reset(&request->answer, CHAIN_KEEP_BYTES);
    arena_reset(&request->arena);
    discharge(request);
    if (here->request_pool_count >= REQUEST_POOL_MAX) {
        request_destroy(request);
        return;
    }
    list_add_head(&here->request_pool, &request->link);
    here->request_pool_count++;
}

void api_request_pool_clear(struct api_shard *here)
{
    struct list *node;
    while ((node = list_take_first(&here->request_pool)) != NULL)
        request_destroy(CONTAINER_OF(node, struct api_request, link));
    here->request_pool_count = 0;
}

/* ---- dispatch ---- */

void api_request_run(struct api_request *request)
{
    const struct api_row *row = request->row;
    int16_t version = request->header.api_version;
    if (version < row->version_min || version > row->version_max) {
        ALWAYS(row->key == API_API_VERSIONS, "%s v%d got past the connection", row->name, version);
        request->header.api_version = 0;
        api_answer_unsupported_version(request);
        return;
    }
    request->arena.limit =
        LIMIT_REQUEST_ARENA_BASE + request->body.size * LIMIT_REQUEST_ARENA_FACTOR;
    request->message = arena_take(&request->arena, row->request->type->size);
    struct wire_decoded decoded = {.fault = "memory is out"};
    if (request->message == NULL || !wire_decode(row->request, version, request->body,
                                                 &request->arena, request->message, &decoded)) {
        api_request_fail(request, decoded.fault);
        return;
    }
    if (decoded.size < request->body.size)
        stats_add(&request->here->stats, METRIC_TRAILING_BYTES,
                  (int64_t)(request->body.size - decoded.size));
    /* A handler may need room for its answer beyond what the request's size paid for. */
    request->arena.limit = SIZE_MAX / 2;
    row->handle(request);
}

/* ---- answering ---- */

static void finish(struct api_request *request)
{
    ALWAYS(request->state == API_REQUEST_RUNNING, "%s was answered twice", request->row->name);
    request->state = API_REQUEST_ANSWERED;
    request->on_abandoned = NULL;
    if (request->client == NULL) {
        api_request_free(request);
        return;
    }
    request->client->on_answered(request->client, request);
}

void api_request_answer(struct api_request *request, const void *response)
{
    const char *field = NULL;
    if (request->client == NULL) {
        chain_reset(&request->answer, CHAIN_KEEP_BYTES);
        finish(request);
        return;
    }
    frame_response_begin(&request->answer, &request->header);
    bool fine = wire_encode(request->row->response, request->header.api_version, response,
                            &request->answer, &field);
    /* Handlers fill in what any version knows; what this one lacks is left out, and the rest
     * stands. */
    if (!fine && (field == NULL || request->answer.failed)) {
        api_request_fail(request, "memory for the answer is out");
        return;
    }
    frame_response_end(&request->answer);
    finish(request);
}

void api_request_answer_nothing(struct api_request *request)
{
    finish(request);
}

void api_request_fail(struct api_request *request, const char *why)
{
    struct api_client *client = request->client;
    chain_reset(&request->answer, CHAIN_KEEP_BYTES);
    if (client == NULL) {
        finish(request);
        return;
    }
    /* The connection's end abandons what it has; this one is ended here. */
    request->state = API_REQUEST_ANSWERED;
    request->on_abandoned = NULL;
    client->on_faulty(client, request, why);
}
