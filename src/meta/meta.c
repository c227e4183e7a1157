/* The controller's life on its shard: begin (a new epoch, what a first leader must say), calls,
 * stop. Blocking work of the beginning is done before the shards run. */
#include "meta/meta_int.h"

#include "base/always.h"
#include "meta/features.h"
#include "meta/format.h"
#include "sys/clock.h"
#include "sys/entropy.h"
#include "sys/journal.h"
#include "tbl/errors.h"
#include "wire/msg/abort_transaction_record.h"
#include "wire/msg/begin_transaction_record.h"
#include "wire/msg/config_record.h"
#include "wire/msg/end_transaction_record.h"
#include "wire/msg/feature_level_record.h"
#include "wire/msg/register_controller_record.h"

#include <stdio.h>
#include <stdlib.h>

#define META_FILES_OPEN_MAX 16
#define BEGIN_ARENA_MAX (16 * 1024 * 1024)

enum peer_api {
    PEER_CREATE_TOPICS = 19,
    PEER_DELETE_TOPICS = 20,
    PEER_ALTER_CONFIGS = 33,
    PEER_CREATE_PARTITIONS = 37,
    PEER_INCREMENTAL_ALTER_CONFIGS = 44,
    PEER_BROKER_REGISTRATION = 62,
    PEER_BROKER_HEARTBEAT = 63,
    PEER_ALLOCATE_PRODUCER_IDS = 67,
    PEER_ASSIGN_REPLICAS_TO_DIRS = 73,
};

/* ---- calls ---- */

static void handle(struct peer_service *service, struct peer_call *call)
{
    role_now_on_shard();
    struct meta *meta = CONTAINER_OF(service, struct meta, service);
    if (meta->failed || meta->raft.role != RAFT_LEADER) {
        peer_answer(meta->shard, call, ERR_NOT_CONTROLLER, NULL);
        return;
    }
    switch (call->api_key) {
    case PEER_CREATE_TOPICS:
        meta_create_topics(meta, call);
        break;
    case PEER_DELETE_TOPICS:
        meta_delete_topics(meta, call);
        break;
    case PEER_CREATE_PARTITIONS:
        meta_create_partitions(meta, call);
        break;
    case PEER_ALTER_CONFIGS:
        meta_alter_configs(meta, call);
        break;
    case PEER_INCREMENTAL_ALTER_CONFIGS:
        meta_incremental_alter_configs(meta, call);
        break;
    case PEER_BROKER_REGISTRATION:
        meta_register_broker(meta, call);
        break;
    case PEER_BROKER_HEARTBEAT:
        meta_heartbeat_broker(meta, call);
        break;
    case PEER_ALLOCATE_PRODUCER_IDS:
        meta_allocate_producer_ids(meta, call);
        break;
    case PEER_ASSIGN_REPLICAS_TO_DIRS:
        meta_assign_directories(meta, call);
        break;
    default:
        peer_answer(meta->shard, call, ERR_UNSUPPORTED_VERSION, NULL);
    }
}

struct peer_service *meta_service(struct meta *meta)
{
    return &meta->service;
}

/* ---- the beginning of an epoch ---- */

static void append_leader_change(struct meta *meta)
{
    role_now_on_shard();
    int64_t now_ms = shard_wall_ms(meta->shard);
    struct batch_builder_options options = batch_builder_defaults();
    options.control = true;
    options.base_offset = meta->next_offset;
    options.partition_leader_epoch = meta->raft.epoch;
    batch_builder_begin(&meta->builder, &options);
    bool fine = meta_control_add_leader_change(&meta->builder, now_ms, meta->config->node_id);
    if (!meta->log_has_voters && meta->quorum.kraft_version >= 1) {
        struct meta_voter voter = {.id = meta->config->node_id,
                                   .directory_id = meta->dir->identity.directory_id,
                                   .endpoint = &meta->config->controller};
        fine = fine && meta_control_add_version(&meta->builder, now_ms, 1) &&
               meta_control_add_voters(&meta->builder, now_ms, &voter);
    }
    struct slice batch = fine ? batch_builder_finish(&meta->builder, NULL) : (struct slice){0};
    meta_commit_batch(meta, batch);
}

static bool on_bootstrap(void *context, const struct meta_applied *applied)
{
    struct meta_records *records = context;
    meta_records_add_copy(records, applied);
    return !records->failed;
}

static void add_feature(struct meta_records *records, const struct meta_feature_row *row)
{
    struct feature_level_record record = {.name = slice_of_text(row->name),
                                          .feature_level = row->initial};
    struct meta_applied applied = {.message = &wire_feature_level_record, .record = &record};
    meta_records_add_copy(records, &applied);
}

/* Kafka's controller makes its own min.insync.replicas everybody's where eligible leader replicas
 * are in use, so that the two agree. */
static void add_min_isr(const struct meta *meta, struct meta_records *records)
{
    char value[16];
    (void)snprintf(value, sizeof value, "%d", meta->latest->topic_defaults.min_insync_replicas);
    struct config_record isr = {.resource_type = META_CONFIG_BROKER,
                                .resource_name = SLICE_LIT(""),
                                .name = SLICE_LIT("min.insync.replicas"),
                                .value = slice_of_text(value)};
    struct meta_applied applied = {.message = &wire_config_record, .record = &isr};
    meta_records_add_copy(records, &applied);
}

/* The first leader of a cluster says again what formatting decided: features, and what else stands
 * there, such as credentials. Where nothing does, the features of a new cluster. */
static void append_bootstrap(struct meta *meta)
{
    role_now_on_shard();
    struct arena arena;
    struct meta_records records;
    arena_init(&arena, BEGIN_ARENA_MAX);
    meta_records_init(&records, &arena);
    struct begin_transaction_record begin = {.name = SLICE_LIT("Bootstrap records")};
    struct end_transaction_record end = {0};
    bool is_formatted = meta->bootstrap != NULL && meta->bootstrap->features.count > 0;
    bool has_elr = !is_formatted || meta_feature(meta->bootstrap, META_FEATURE_ELR) > 0;
    bool at_once = !is_formatted || meta_level_has(meta->bootstrap, META_LEVEL_TRANSACTIONS);
    if (at_once)
        meta_records_add(&records, &wire_begin_transaction_record, 0, &begin);
    for (size_t i = 0; i < META_FEATURE_COUNT && !is_formatted; i++)
        if (meta_features[i].initial > 0)
            add_feature(&records, &meta_features[i]);
    if (meta->bootstrap != NULL && !meta_image_write(meta->bootstrap, on_bootstrap, &records))
        records.failed = true;
    if (has_elr)
        add_min_isr(meta, &records);
    if (at_once)
        meta_records_add(&records, &wire_end_transaction_record, 0, &end);
    meta_commit(meta, &records, NULL, NULL);
    arena_fini(&arena);
}

static void append_abort(struct meta *meta)
{
    role_now_on_shard();
    struct arena arena;
    struct meta_records records;
    arena_init(&arena, BEGIN_ARENA_MAX);
    meta_records_init(&records, &arena);
    struct abort_transaction_record abort = {.reason = SLICE_LIT("Controller failover")};
    meta_records_add(&records, &wire_abort_transaction_record, 0, &abort);
    meta_commit(meta, &records, NULL, NULL);
    arena_fini(&arena);
}

static void append_registration(struct meta *meta)
{
    role_now_on_shard();
    struct arena arena;
    struct meta_records records;
    arena_init(&arena, BEGIN_ARENA_MAX);
    meta_records_init(&records, &arena);
    struct register_controller_record_end_points endpoint = {
        .name = slice_of_text(meta->config->controller.name),
        .host = slice_of_text(meta->config->controller.host),
        .port = meta->config->controller.port,
        .security_protocol = (int16_t)meta->config->controller.protocol,
    };
    struct register_controller_record_features features[META_FEATURE_COUNT];
    for (size_t i = 0; i < META_FEATURE_COUNT; i++)
        features[i] = (struct register_controller_record_features){
            .name = slice_of_text(meta_features[i].name),
            .min_supported_version = meta_features[i].min_supported,
            .max_supported_version = meta_features[i].max_supported,
        };
    struct register_controller_record record = {
        .controller_id = meta->config->node_id,
        .incarnation_id = meta->incarnation,
        .end_points = &endpoint,
        .end_points_count = 1,
        .features = features,
        .features_count = META_FEATURE_COUNT,
    };
    meta_records_add(&records, &wire_register_controller_record, 0, &record);
    meta_commit(meta, &records, NULL, NULL);
    arena_fini(&arena);
}

static void on_begin(struct shard *shard, struct shard_message *message)
{
    role_now_on_shard();
    struct meta *meta = CONTAINER_OF(message, struct meta, begin_message);
    log_files_init(&meta->files, META_FILES_OPEN_MAX);
    log_attach(meta->log, shard, &meta->files);
    meta->attached = true;
    struct raft_update update;
    raft_step(&meta->raft, &(struct raft_event){.type = RAFT_EVENT_STORED}, &update);
    ALWAYS(update.append_leader_change, "the only voter leads");
    meta->snapshot_ms = shard_now_ms(shard);
    append_leader_change(meta);
    if (meta->transaction_open)
        append_abort(meta);
    meta->stable_from = meta->transaction_open ? meta->next_offset : 0;
    if (meta->latest->features.count == 0)
        append_bootstrap(meta);
    if (meta_level_has(meta->latest, META_LEVEL_CONTROLLERS))
        append_registration(meta);
}

static const struct shard_route route_begin = {.name = "meta_begin", .run = {on_begin}};

/* ---- opening ---- */

static void random_incarnation(struct uuid *ret_id)
{
    uint8_t random[16];
    do
        sys_entropy(random, sizeof random);
    while (!uuid_from_random(random, ret_id));
}

struct meta *meta_open(const struct meta_options *options, struct text *error)
{
    struct meta *meta = calloc(1, sizeof *meta);
    if (meta == NULL)
        return NULL;
    meta->service.handle = handle;
    meta->options = *options;
    meta->config = options->config;
    meta->dir = &options->dirs[options->metadata_dir];
    meta->shard = shard_set_controller(options->shards);
    meta->placed_at = -1;
    list_init(&meta->appended);
    list_init(&meta->decided);
    batch_builder_init(&meta->builder);
    random_incarnation(&meta->incarnation);
    if (!meta_publications_make(meta) || !meta_load(meta, error)) {
        meta_free(meta);
        return NULL;
    }
    struct raft_update update;
    raft_step(&meta->raft, &(struct raft_event){.type = RAFT_EVENT_START}, &update);
    int stored = update.store_quorum_state ? meta_store_quorum_state(meta) : 0;
    if (stored < 0) {
        text_printf(error, "quorum-state in %s cannot be written: %s", meta->dir->path,
                    strerror(-stored));
        meta_free(meta);
        return NULL;
    }
    return meta;
}

const struct meta_image *meta_loaded(const struct meta *meta)
{
    return meta->latest;
}

void meta_begin(struct meta *meta)
{
    shard_post(meta->shard, &meta->begin_message, &route_begin);
}

/* ---- stopping ---- */

static void stop_run(struct shard_job *job)
{
    role_now_on_worker();
    struct meta *meta = CONTAINER_OF(job, struct meta, stop_job);
    int error = log_close(meta->log, true);
    meta->log = NULL;
    if (error < 0)
        journal(JOURNAL_WARN, "metadata_log_close", "error=\"%s\"", strerror(-error));
}

static void stop_done(struct shard *shard, struct shard_job *job)
{
    (void)shard;
    struct meta *meta = CONTAINER_OF(job, struct meta, stop_job);
    meta->on_stopped(meta->on_stopped_context);
}

static void close_log(struct meta *meta)
{
    role_now_on_shard();
    meta->stop_job = (struct shard_job){.run = stop_run, .on_done = stop_done};
    shard_submit(meta->shard, &meta->stop_job);
}

static void on_log_idle(void *context)
{
    role_now_on_shard();
    struct meta *meta = context;
    log_detach(meta->log);
    meta->attached = false;
    close_log(meta);
}

void meta_stop_if_idle(struct meta *meta)
{
    role_now_on_shard();
    bool busy = meta->flushing || !list_is_empty(&meta->appended) ||
                !list_is_empty(&meta->decided) || meta->snapshot_job != NULL;
    if (!meta->stopping || meta->resigned || (busy && !meta->failed))
        return;
    meta->resigned = true;
    struct raft_update update;
    raft_step(&meta->raft, &(struct raft_event){.type = RAFT_EVENT_STOP}, &update);
    if (meta->failed) {
        meta->on_stopped(meta->on_stopped_context);
        return;
    }
    if (meta->attached)
        log_when_idle(meta->log, on_log_idle, meta);
    else
        close_log(meta);
}

/* What is appended is synced first; then the log is let go. */
static void on_stop(struct shard *shard, struct shard_message *message)
{
    role_now_on_shard();
    (void)shard;
    struct meta *meta = CONTAINER_OF(message, struct meta, stop_message);
    meta->stopping = true;
    meta_stop_if_idle(meta);
}

static const struct shard_route route_stop = {.name = "meta_stop", .run = {on_stop}};

void meta_stop(struct meta *meta, void (*on_stopped)(void *), void *context)
{
    meta->on_stopped = on_stopped;
    meta->on_stopped_context = context;
    shard_post(meta->shard, &meta->stop_message, &route_stop);
}

void meta_free(struct meta *meta)
{
    if (meta == NULL)
        return;
    /* Shards that ended without meta_stop may have left it in the middle of a write: the next start
     * finds what a crash leaves. */
    if (meta->log != NULL && !meta->failed && !meta->attached)
        (void)log_close(meta->log, false);
    meta_image_unref(meta->latest);
    meta_image_unref(meta->committed);
    meta_image_unref(meta->bootstrap);
    batch_builder_fini(&meta->builder);
    meta_publications_free(meta);
    free(meta);
}
