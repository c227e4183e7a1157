/* The node's states, on shard 0: register with the controller, be unfenced, serve; on a signal
 * drain, let the controller take the partitions, close the logs, stop. Every step waits for an
 * event; the one timer is for a controller that does not answer at the start, and for clients that
 * do not read while the node drains. */
#include "server/node_int.h"

#include "base/always.h"
#include "meta/features.h"
#include "server/connection.h"
#include "sys/journal.h"
#include "sys/process.h"
#include "wire/msg/broker_heartbeat_request.h"
#include "wire/msg/broker_heartbeat_response.h"
#include "wire/msg/broker_registration_request.h"
#include "wire/msg/broker_registration_response.h"

#include <stdlib.h>

#define CALL_ARENA_MAX (64U * 1024 * 1024)
#define DRAIN_MS 5000
#define REGISTRATION_VERSION 4
#define HEARTBEAT_VERSION 1

enum { BROKER_REGISTRATION = 62, BROKER_HEARTBEAT = 63 };

void node_set_state(struct node *node, enum node_state state)
{
    stats_level_set(&node->state, (int)state);
}

static enum node_state node_state(struct node *node)
{
    return (enum node_state)stats_level_get(&node->state);
}

static struct shard *shard_zero(const struct node *node)
{
    return shard_set_at(node->shards, 0);
}

/* The controller cannot keep its word: nothing more is promised, at once. */
void node_on_fatal(const char *why)
{
    (void)why;
    sys_process_exit(1);
}

/* ---- calls to the controller ---- */

static void call_begin(const struct node *node, struct peer_call *call, peer_call_fn on_done)
{
    arena_init(&call->arena, CALL_ARENA_MAX);
    call->own_node_id = node->config->node_id;
    call->on_done = on_done;
}

/* The start cannot go on; half of it cannot be undone. */
static void give_up(const char *what, enum err err)
{
    journal(JOURNAL_ERROR, "node_failed", "what=\"%s\" error=%s", what, err_name(err));
    node_on_fatal(what);
}

static void node_stop(struct node *node, int signal);

static void start_listeners(struct node *node)
{
    role_now_on_shard();
    for (int i = 0; i < node->listener_count; i++) {
        int error = listener_start(node->listeners[i], &node->locals[0], &node->gate);
        if (error < 0)
            journal(JOURNAL_ERROR, "listener_failed", "error=\"%s\"", strerror(-error));
    }
}

static void on_unfenced(struct shard *shard, struct peer_call *call)
{
    role_now_on_shard();
    struct node *node = CONTAINER_OF(call, struct node, call);
    const struct broker_heartbeat_response *response = call->response;
    enum err err = response != NULL ? (enum err)response->error_code : call->transport;
    arena_fini(&call->arena);
    if (err != ERR_NONE) {
        give_up("the controller does not unfence this node", err);
        return;
    }
    node_set_state(node, NODE_RUNNING);
    shard_timer_stop(shard, &node->timer);
    start_listeners(node);
    checkpoints_start(node->checkpoints);
    cleaners_start(node->cleaners, shard_zero(node));
    node_banner(node);
    node_tell_dirs(node);
    if (node->stop_signal != 0)
        node_stop(node, node->stop_signal);
}

/* Ids of directories that are offline and of log.dirs; one that failed before it was read has
 * none. */
static void fill_offline(struct node *node, struct arena *arena,
                         struct broker_heartbeat_request *request)
{
    request->offline_log_dirs = ARENA_ARRAY(arena, struct uuid, (size_t)node->dir_count);
    for (int i = 0; i < node->dir_count && request->offline_log_dirs != NULL; i++) {
        const struct log_dir *dir = &node->dirs[i];
        if (log_dir_is_offline(dir) && dir->is_formatted)
            request->offline_log_dirs[request->offline_log_dirs_count++] =
                dir->identity.directory_id;
    }
}

static void heartbeat(struct node *node, struct peer_call *call, bool leaves, peer_call_fn on_done)
{
    role_now_on_shard();
    call_begin(node, call, on_done);
    call->api_key = BROKER_HEARTBEAT;
    call->api_version = HEARTBEAT_VERSION;
    struct broker_heartbeat_request *request =
        ARENA_NEW(&call->arena, struct broker_heartbeat_request);
    ALWAYS(request != NULL, "memory for one heartbeat");
    *request = broker_heartbeat_request_default;
    request->broker_id = node->config->node_id;
    request->broker_epoch = node->broker_epoch;
    request->want_shut_down = leaves;
    fill_offline(node, &call->arena, request);
    call->request = request;
    peer_call(shard_zero(node), node->config->node_id, call);
}

static void on_dirs_told(struct shard *shard, struct peer_call *call)
{
    role_now_on_shard();
    (void)shard;
    struct node *node = CONTAINER_OF(call, struct node, dirs_call);
    const struct broker_heartbeat_response *response = call->response;
    enum err err = response != NULL ? (enum err)response->error_code : call->transport;
    arena_fini(&call->arena);
    node->dirs_call_away = false;
    if (err != ERR_NONE)
        journal(JOURNAL_WARN, "directories_not_told", "error=%s", err_name(err));
    else
        node_tell_dirs(node);
}

void node_tell_dirs(struct node *node)
{
    int offline = node_offline_dirs(node);
    if (node_state(node) != NODE_RUNNING || node->dirs_call_away || offline == node->dirs_told)
        return;
    node->dirs_told = offline;
    node->dirs_call_away = true;
    heartbeat(node, &node->dirs_call, false, on_dirs_told);
}

static void on_registered(struct shard *shard, struct peer_call *call)
{
    (void)shard;
    struct node *node = CONTAINER_OF(call, struct node, call);
    const struct broker_registration_response *response = call->response;
    enum err err = response != NULL ? (enum err)response->error_code : call->transport;
    if (err == ERR_NONE)
        node->broker_epoch = response->broker_epoch;
    arena_fini(&call->arena);
    if (err != ERR_NONE) {
        give_up("the controller does not register this node", err);
        return;
    }
    node_set_state(node, NODE_REGISTERED);
    heartbeat(node, &node->call, false, on_unfenced);
}

static void fill_listeners(const struct node *node, struct arena *arena,
                           struct broker_registration_request *request)
{
    const struct node_listeners *advertised = &node->config->advertised;
    request->listeners =
        ARENA_ARRAY(arena, struct broker_registration_request_listeners, advertised->count);
    for (size_t i = 0; i < advertised->count && request->listeners != NULL; i++) {
        const struct node_listener *at = &advertised->at[i];
        if (at->is_controller)
            continue;
        request->listeners[request->listeners_count++] =
            (struct broker_registration_request_listeners){
                .name = slice_of_text(at->name),
                .host = slice_of_text(at->host),
                .port = at->port != 0 ? at->port : listener_port(node->listeners[i]),
                .security_protocol = (int16_t)at->protocol,
            };
    }
}

static void fill_features(struct arena *arena, struct broker_registration_request *request)
{
    request->features =
        ARENA_ARRAY(arena, struct broker_registration_request_features, META_FEATURE_COUNT);
    for (size_t i = 0; i < META_FEATURE_COUNT && request->features != NULL; i++)
        request->features[request->features_count++] =
            (struct broker_registration_request_features){
                .name = slice_of_text(meta_features[i].name),
                .min_supported_version = meta_features[i].min_supported,
                .max_supported_version = meta_features[i].max_supported,
            };
}

static void register_node(struct node *node)
{
    role_now_on_shard();
    call_begin(node, &node->call, on_registered);
    node->call.api_key = BROKER_REGISTRATION;
    node->call.api_version = REGISTRATION_VERSION;
    struct arena *arena = &node->call.arena;
    struct broker_registration_request *request =
        ARENA_NEW(arena, struct broker_registration_request);
    ALWAYS(request != NULL, "memory for one registration");
    *request = broker_registration_request_default;
    request->broker_id = node->config->node_id;
    request->cluster_id = slice_of_text(node->dirs[node->metadata_dir].identity.cluster_id);
    request->incarnation_id = node->incarnation;
    request->rack = slice_of_text(node->config->rack);
    fill_listeners(node, arena, request);
    fill_features(arena, request);
    request->log_dirs = ARENA_ARRAY(arena, struct uuid, (size_t)node->dir_count);
    for (int i = 0; i < node->dir_count && request->log_dirs != NULL; i++)
        if (!node->dirs[i].metadata_only && !log_dir_is_offline(&node->dirs[i]))
            request->log_dirs[request->log_dirs_count++] = node->dirs[i].identity.directory_id;
    request->previous_broker_epoch = node->dirs[0].clean_broker_epoch;
    node->call.request = request;
    peer_call(shard_zero(node), node->config->node_id, &node->call);
}

/* ---- images ---- */

const struct meta_image *node_on_image(struct shard *shard, const struct meta_image *image)
{
    role_now_on_shard();
    struct server_shard *local = server_shard_of(shard);
    const struct meta_image *before = local->api.image;
    local->api.image = image;
    replica_set_follow(local->api.replicas, before, image);
    coord_set_follow(&local->coords, before, image);
    if (before == NULL && shard_index(shard) == 0)
        register_node(local->node);
    return before;
}

/* ---- stopping ---- */

static void round_start(struct node *node, const struct shard_route *route)
{
    role_now_on_shard();
    node->rounds_away = node->shard_count;
    for (int i = 0; i < node->shard_count; i++)
        shard_send(shard_zero(node), shard_set_at(node->shards, i), &node->rounds[i].message,
                   route);
}

static void on_meta_stopped(void *context)
{
    struct node *node = context;
    node_set_state(node, NODE_STOPPED);
    shard_set_stop(node->shards);
}

static void round_back(struct node *node, void (*next)(struct node *))
{
    if (--node->rounds_away == 0)
        next(node);
}

/* Third: the logs, each on its shard. */

static void closed_everywhere(struct node *node)
{
    meta_stop(node->meta, on_meta_stopped, node);
}

static void on_settled(struct replica_set *set)
{
    role_now_on_shard();
    struct server_shard *local = server_shard_of(set->shard);
    if (!set->stopping || set->table.count > 0)
        return;
    set->on_settled = NULL;
    shard_forward(set->shard, &local->node->rounds[shard_index(set->shard)].message);
}

static void close_here(struct shard *there, struct shard_message *message)
{
    role_now_on_shard();
    (void)message;
    struct replica_set *set = server_shard_of(there)->api.replicas;
    set->on_settled = on_settled;
    replica_set_stop(set);
}

static void close_back(struct shard *here, struct shard_message *message)
{
    (void)here;
    round_back(CONTAINER_OF(message, struct node_round, message)->node, closed_everywhere);
}

static const struct shard_route route_close = {.name = "node_close",
                                               .run = {close_here, close_back}};

/* Second: the controller moves what this node leads, unless controlled.shutdown.enable is off. */

static void close_all(struct node *node)
{
    node_set_state(node, NODE_CLOSING);
    round_start(node, &route_close);
}

static void on_left(struct shard *shard, struct peer_call *call)
{
    (void)shard;
    struct node *node = CONTAINER_OF(call, struct node, call);
    arena_fini(&call->arena);
    close_all(node);
}

static void drained_everywhere(struct node *node)
{
    role_now_on_shard();
    shard_timer_stop(shard_zero(node), &node->timer);
    if (!node->config->controlled_shutdown_enable) {
        close_all(node);
        return;
    }
    node_set_state(node, NODE_LEAVING);
    heartbeat(node, &node->call, true, on_left);
}

/* First: no new connections or requests; those under way are answered. */

static void on_drained(struct server_shard *local)
{
    role_now_on_shard();
    local->on_drained = NULL;
    struct shard *shard = local->api.shard;
    shard_forward(shard, &local->node->rounds[shard_index(shard)].message);
}

static void drain_here(struct shard *there, struct shard_message *message)
{
    role_now_on_shard();
    (void)message;
    struct server_shard *local = server_shard_of(there);
    local->draining = true;
    local->on_drained = on_drained;
    coord_set_stop(&local->coords); /* members may wait for minutes */
    LIST_EACH_SAFE (&local->connections, node, after)
        connection_drain(CONTAINER_OF(node, struct connection, link));
    if (local->connection_count == 0 && local->freeing_count == 0)
        on_drained(local);
}

static void drain_back(struct shard *here, struct shard_message *message)
{
    (void)here;
    round_back(CONTAINER_OF(message, struct node_round, message)->node, drained_everywhere);
}

static const struct shard_route route_drain = {.name = "node_drain",
                                               .run = {drain_here, drain_back}};

static void cut_here(struct shard *there, struct shard_message *message)
{
    role_now_on_shard();
    struct server_shard *local = server_shard_of(there);
    LIST_EACH_SAFE (&local->connections, node, after)
        connection_end(CONTAINER_OF(node, struct connection, link), CONNECTION_END_STOP,
                       "this node stops");
    free(message);
}

static const struct shard_route route_cut = {.name = "node_cut", .run = {cut_here}};

static void on_drain_overdue(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    struct node *node = CONTAINER_OF(timer, struct node, timer);
    for (int i = 0; i < node->shard_count; i++) {
        struct shard_message *message = calloc(1, sizeof *message);
        if (message != NULL)
            shard_send(shard, shard_set_at(node->shards, i), message, &route_cut);
    }
}

/* A start that was begun ends first: it takes a moment, and half of it could not be undone. */
static void node_stop(struct node *node, int signal)
{
    role_now_on_shard();
    if (node_state(node) < NODE_RUNNING)
        node->stop_signal = signal;
    if (node_state(node) != NODE_RUNNING)
        return;
    journal(JOURNAL_INFO, "node_stopping", "signal=%d", signal);
    node_set_state(node, NODE_DRAINING);
    checkpoints_stop(node->checkpoints);
    cleaners_stop(node->cleaners);
    for (int i = 0; i < node->listener_count; i++)
        listener_stop(node->listeners[i]);
    shard_timer_init(&node->timer, on_drain_overdue);
    shard_timer_start(shard_zero(node), &node->timer, DRAIN_MS);
    round_start(node, &route_drain);
}

static void on_signal(struct shard *shard, struct shard_watch *watch, unsigned ready)
{
    role_now_on_shard();
    (void)shard;
    (void)ready;
    struct node *node = CONTAINER_OF(watch, struct node, signal_watch);
    int signal = sys_signal_take(watch->fd);
    if (signal == SYS_SIGNAL_TERMINATE || signal == SYS_SIGNAL_INTERRUPT)
        node_stop(node, signal);
}

/* ---- the beginning ---- */

static void on_start_overdue(struct shard *shard, struct shard_timer *timer)
{
    (void)shard;
    (void)timer;
    give_up("it was not registered within initial.broker.registration.timeout.ms",
            ERR_REQUEST_TIMED_OUT);
}

static void on_begin(struct shard *shard, struct shard_message *message)
{
    role_now_on_shard();
    struct node *node = CONTAINER_OF(message, struct node, begin);
    int error = shard_watch_start(shard, &node->signal_watch, node->signal_fd, false, on_signal);
    if (error < 0)
        give_up("signals cannot be watched", ERR_UNKNOWN_SERVER_ERROR);
    shard_timer_init(&node->timer, on_start_overdue);
    shard_timer_start(shard, &node->timer,
                      MAX_OF(node->config->initial_broker_registration_timeout_ms, 0));
}

static const struct shard_route route_begin = {.name = "node_begin", .run = {on_begin}};

void node_begin(struct node *node)
{
    shard_post(shard_zero(node), &node->begin, &route_begin);
    meta_begin(node->meta);
}
