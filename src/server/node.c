/* Putting a node together. What blocks is done here, on the main thread, before the shards run and
 * after they ended; in between the main thread waits. The order matters: directories are locked
 * before anything is read, ports are bound before anything is written, and the marker of a clean
 * stop is gone before the first byte can be. */
#include "server/node_int.h"

#include "api/fetch_session.h"
#include "api/markers.h"
#include "api/request.h"
#include "group/groups.h"
#include "meta/format.h"
#include "server/connection.h"
#include "sys/clock.h"
#include "sys/dir.h"
#include "sys/entropy.h"
#include "sys/journal.h"
#include "sys/process.h"
#include "txn/txns.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* The share of the descriptors that segment files may keep open. */
#define FILES_SHARE_OF_LIMIT 4
/* Descriptors for what is open for a moment (a partition that opens, a checkpoint) and for all that
 * every node has; and the connections that are let in however low the limit is. */
#define FILES_OF_THE_MOMENT 64
#define CONNECTIONS_MIN 16

/* ---- listeners ---- */

static const char *listen_hint(int error)
{
    switch (error) {
    case -EADDRINUSE:
        return ". Stop what uses the port, or choose another with --set "
               "listeners=PLAINTEXT://HOST:PORT";
    case -EADDRNOTAVAIL:
        return ". The host must be a name or an address of this machine, or empty for all";
    case -EACCES:
        return ". Ports below 1024 need a privilege; choose another";
    default:
        return "";
    }
}

static bool open_listeners(struct node *node, struct text *error) NOT_ON(on_shard)
{
    const struct node_listeners *listeners = &node->config->listeners;
    for (size_t i = 0; i < listeners->count; i++) {
        const struct node_listener *at = &listeners->at[i];
        int failed = listener_open(node->config, at, &node->listeners[node->listener_count]);
        if (failed < 0) {
            text_printf(error, "%s://%s:%u cannot be listened on: %s%s", at->name, at->host,
                        at->port, strerror(-failed), listen_hint(failed));
            return false;
        }
        node->listener_count++;
    }
    return true;
}

static void start_http(struct node *node) NOT_ON(on_shard)
{
    const struct node_config *config = node->config;
    struct http_source source = {
        .context = node, .write_metrics = node_write_metrics, .write_health = node_write_health};
    if (config->metrics_host == NULL)
        return;
    int error = http_start(config->metrics_host, config->metrics_port, &source, &node->http);
    if (error < 0)
        journal(JOURNAL_WARN, "metrics_off", "at=%s:%u error=\"%s\" hint=\"%s\"",
                config->metrics_host, config->metrics_port, strerror(-error),
                "choose another port with --set ottla.metrics.listener=HOST:PORT");
}

/* ---- shards ---- */

/* queued.max.request.bytes where it is set. */
static int64_t request_memory(const struct node_config *config)
{
    return config->queued_max_request_bytes > 0 ? config->queued_max_request_bytes
                                                : config->memory_request_bytes;
}

/* Recovery points have risen far: they are noted, by shard 0. */

static void hurry_checkpoints(struct shard *home, struct shard_message *message)
{
    role_now_on_shard();
    checkpoints_hurry(CONTAINER_OF(message, struct server_shard, flushed)->node->checkpoints);
    shard_forward(home, message);
}

static void hurry_back(struct shard *there, struct shard_message *message)
{
    (void)there;
    CONTAINER_OF(message, struct server_shard, flushed)->flushed_away = false;
}

static const struct shard_route route_hurry = {.name = "checkpoints_hurry",
                                               .run = {hurry_checkpoints, hurry_back}};

static void on_flushed(struct replica_set *set)
{
    role_now_on_shard();
    struct server_shard *local = server_shard_of(set->shard);
    if (local->flushed_away)
        return;
    local->flushed_away = true;
    shard_send(set->shard, shard_set_at(local->node->shards, 0), &local->flushed, &route_hurry);
}

static void make_coordinators(struct server_shard *local)
{
    local->outside = (struct coord_outside){
        .context = &local->api,
        .write_markers = api_write_markers,
        .allocate_id = api_allocate_id,
    };
    local->coords = (struct coord_set){
        .shard = local->api.shard,
        .config = local->api.config,
        .replicas = local->api.replicas,
        .types = {[COORD_GROUPS] = &coord_groups_type, [COORD_TXNS] = &coord_txns_type},
        .outside = &local->outside,
        .codecs = local->api.codecs,
    };
    coord_set_init(&local->coords);
    local->api.coords = &local->coords;
}

static bool make_local(struct node *node, int index)
{
    struct server_shard *local = &node->locals[index];
    struct replica_set *set = &node->replicas[index];
    struct shard *shard = shard_set_at(node->shards, index);
    int64_t files = sys_process_files_max() / FILES_SHARE_OF_LIMIT / node->shard_count;
    *set = (struct replica_set){
        .shard = shard,
        .config = node->config,
        .dirs = node->dirs,
        .dir_count = node->dir_count,
        .stats = &local->api.stats,
        .points = &node->points[index * node->dir_count],
        .persist = checkpoints_persist,
    };
    replica_set_init(set);
    set->flusher.on_flushed = on_flushed;
    log_files_init(&set->files, (int)MAX_OF(files, (int64_t)16));
    set->files.index_bytes_max = node->config->index_cache_bytes / node->shard_count;
    set->files.stats = &local->api.stats;
    for (int i = 0; i < node->dir_count; i++) {
        checkpoint_init(&set->points[i].recovery_points);
        checkpoint_init(&set->points[i].log_starts);
        checkpoint_init(&set->points[i].high_watermarks);
    }
    local->node = node;
    local->memory_max = request_memory(node->config) / node->shard_count;
    local->api.on_memory = connection_memory_came_back;
    list_init(&local->connections);
    list_init(&local->starved);
    local->api.shard = shard;
    local->api.config = node->config;
    local->api.cluster_id = node->dirs[node->metadata_dir].identity.cluster_id;
    local->api.replicas = set;
    local->api.sessions =
        fetch_session_cache_new(node->config->max_incremental_fetch_session_cache_slots);
    local->api.codecs = codec_pool_new();
    api_shard_init(&local->api);
    make_coordinators(local);
    node->rounds[index] = (struct node_round){.node = node, .shard = index};
    shard_set_context(shard, &local->api);
    return local->api.sessions != NULL && local->api.codecs != NULL;
}

static bool make_shards(struct node *node, struct text *error) NOT_ON(on_shard)
{
    uint64_t seed;
    sys_entropy(&seed, sizeof seed);
    struct shard_set_options options = {
        .shard_count = node->config->shards,
        .controller = true,
        .worker_count = node->config->workers,
        .background_count = node->config->log_cleaner_threads,
        .seed = seed,
    };
    node->shard_count = options.shard_count;
    size_t count = (size_t)node->shard_count;
    node->locals = calloc(count, sizeof *node->locals);
    node->replicas = calloc(count, sizeof *node->replicas);
    node->rounds = calloc(count, sizeof *node->rounds);
    node->points = calloc(count * (size_t)node->dir_count, sizeof *node->points);
    bool fine = node->locals != NULL && node->replicas != NULL && node->rounds != NULL &&
                node->points != NULL && shard_set_new(&options, &node->shards) == 0;
    for (int i = 0; i < node->shard_count && fine; i++)
        fine = make_local(node, i);
    if (fine)
        node->checkpoints = checkpoints_new(node->config, node->dirs, node->dir_count,
                                            shard_set_at(node->shards, 0));
    fine = fine && node->checkpoints != NULL;
    if (fine)
        node->cleaners = cleaners_new(node->config, node->replicas, node->shard_count);
    fine = fine && node->cleaners != NULL;
    if (!fine)
        text_printf(error, "memory or descriptors for %d shards are out", node->shard_count);
    return fine;
}

static bool make_meta(struct node *node, struct text *error) NOT_ON(on_shard)
{
    struct meta_options options = {
        .config = node->config,
        .dirs = node->dirs,
        .dir_count = node->dir_count,
        .metadata_dir = node->metadata_dir,
        .shards = node->shards,
        .on_image = node_on_image,
        .on_fatal = node_on_fatal,
    };
    node->meta = meta_open(&options, error);
    if (node->meta == NULL)
        return false;
    shard_set_context(shard_set_controller(node->shards), meta_service(node->meta));
    return true;
}

/* ---- running ---- */

/* The level's name was checked with the configuration. */
static enum journal_level level_of(const char *name)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i], name) == 0)
            return (enum journal_level)i;
    return JOURNAL_INFO;
}

/* Connections take no descriptor that files need: a partition that cannot open its files would be
 * offline until the next start. */
static int connections_max(void)
{
    int64_t files = sys_process_files_max();
    int64_t left = files - files / FILES_SHARE_OF_LIMIT - FILES_OF_THE_MOMENT;
    return (int)MIN_OF(MAX_OF(left, (int64_t)CONNECTIONS_MIN), (int64_t)INT_MAX);
}

static bool prepare(struct node *node, struct text *error) NOT_ON(on_shard)
{
    uint8_t random[16];
    do
        sys_entropy(random, sizeof random);
    while (!uuid_from_random(random, &node->incarnation));
    listener_gate_init(&node->gate, connections_max());
    node->signal_fd = sys_signal_open();
    return node_open_dirs(node, error) && open_listeners(node, error) &&
           meta_format(node->config, node->dirs, node->dir_count, node->metadata_dir, error) &&
           node_check_dirs(node, error) && make_shards(node, error) && make_meta(node, error) &&
           node_begin_dirs(node, error);
}

/* One directory's checkpoints of all shards, then the marker of a clean stop. */
static int store_dir(struct node *node, int dir, bool clean) NOT_ON(on_shard)
{
    struct replica_points *all = &node->points[dir];
    bool fine = true;
    for (int i = 1; i < node->shard_count && fine; i++) {
        const struct replica_points *more = &node->points[i * node->dir_count + dir];
        fine = checkpoint_add(&all->recovery_points, &more->recovery_points) &&
               checkpoint_add(&all->log_starts, &more->log_starts) &&
               checkpoint_add(&all->high_watermarks, &more->high_watermarks);
    }
    int fd = node->dirs[dir].fd;
    int error =
        fine ? checkpoint_write(&all->recovery_points, fd, CHECKPOINT_RECOVERY_POINT) : -ENOMEM;
    if (error == 0)
        error = checkpoint_write(&all->log_starts, fd, CHECKPOINT_LOG_START);
    if (error == 0)
        error = checkpoint_write(&all->high_watermarks, fd, CHECKPOINT_HIGH_WATERMARK);
    return error == 0 && clean ? log_dir_mark_clean(&node->dirs[dir], node->broker_epoch) : error;
}

/* How all shards left a directory. */
struct dir_end {
    bool close_failed;
    bool unopened;
    bool unsynced;
};

static struct dir_end end_of_dir(const struct node *node, int dir)
{
    struct dir_end end = {0};
    for (int i = 0; i < node->shard_count; i++) {
        const struct replica_points *points = &node->points[i * node->dir_count + dir];
        end.close_failed = end.close_failed || points->close_failed;
        end.unopened = end.unopened || points->left_unopened;
        end.unsynced = end.unsynced || points->unsynced;
    }
    return end;
}

/* false: the next start recovers what is in the directory. */
static bool stop_dir(struct node *node, int dir) NOT_ON(on_shard)
{
    const char *path = node->dirs[dir].path;
    struct dir_end end = end_of_dir(node, dir);
    int error = end.close_failed ? -EIO : 0;
    if (error == 0 && end.unsynced)
        error = sys_dir_sync_all(node->dirs[dir].fd);
    if (error == 0)
        error = store_dir(node, dir, !end.unopened);
    if (error < 0)
        journal(JOURNAL_WARN, "stop_not_clean", "directory=%s error=\"%s\"", path,
                end.close_failed ? "a partition could not be closed" : strerror(-error));
    else if (end.unopened)
        journal(JOURNAL_WARN, "stop_not_clean", "directory=%s why=\"%s\"", path,
                "a partition could not be opened");
    return error == 0 && !end.unopened;
}

/* What makes the next start a quick one; true when the stop was clean in every directory that is
 * not offline: of those nothing is known that could be written down. */
static bool store_stop(struct node *node) NOT_ON(on_shard)
{
    bool clean = stats_level_get(&node->state) == NODE_STOPPED;
    bool stopped = clean;
    for (int i = 0; i < node->dir_count && stopped; i++) {
        if (log_dir_is_offline(&node->dirs[i]))
            journal(JOURNAL_WARN, "stop_not_clean", "directory=%s why=\"it is offline\"",
                    node->dirs[i].path);
        else
            clean = stop_dir(node, i) && clean;
    }
    return clean;
}

static void free_local(struct node *node, int index)
{
    struct server_shard *local = &node->locals[index];
    meta_image_release(local->api.image);
    api_request_pool_clear(&local->api);
    fetch_session_cache_free(local->api.sessions);
    codec_pool_free(local->api.codecs);
    for (int i = 0; i < node->dir_count; i++) {
        struct replica_points *points = &node->points[index * node->dir_count + i];
        checkpoint_fini(&points->recovery_points);
        checkpoint_fini(&points->log_starts);
        checkpoint_fini(&points->high_watermarks);
    }
    if (stats_level_get(&node->state) != NODE_STOPPED)
        return;
    coord_set_fini(&local->coords);
    replica_set_fini(&node->replicas[index]);
}

static void node_free(struct node *node) NOT_ON(on_shard)
{
    http_stop(node->http);
    for (int i = 0; i < node->listener_count; i++)
        listener_free(node->listeners[i]);
    if (node->locals != NULL && node->shards != NULL)
        for (int i = 0; i < node->shard_count; i++)
            free_local(node, i);
    meta_free(node->meta);
    if (node->shards != NULL)
        shard_set_free(node->shards);
    checkpoints_free(node->checkpoints);
    cleaners_free(node->cleaners);
    listener_gate_fini(&node->gate);
    node_free_dirs(node);
    free(node->locals);
    free(node->replicas);
    free(node->rounds);
    free(node->points);
    free(node);
}

struct node *node_start(const struct node_options *options, struct text *error)
{
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return NULL;
    node->config = options->config;
    node->version = options->version;
    node->started_ns = sys_mono_ns();
    journal_set_level(level_of(options->config->log_level));
    bool fine = prepare(node, error);
    if (fine) {
        start_http(node);
        node_watch_dirs(node);
        node_begin(node);
        int failed = shard_set_start(node->shards);
        if (failed < 0)
            text_printf(error, "threads cannot be started: %s", strerror(-failed));
        fine = failed == 0;
    }
    if (fine)
        return node;
    node_free(node);
    return NULL;
}

bool node_wait(struct node *node)
{
    shard_set_join(node->shards);
    bool clean = store_stop(node);
    if (clean)
        journal(JOURNAL_INFO, "node_stopped", "clean=true");
    node_free(node);
    return clean;
}

bool node_run(const struct node_options *options, struct text *error)
{
    struct node *node = node_start(options, error);
    return node != NULL && node_wait(node);
}
