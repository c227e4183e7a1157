/* Accepting. A few connections are taken a turn, so that a flood of them does not starve those that
 * are open. The complication: limits are the node's, connections live on all shards; each carries a
 * ticket that comes back to shard 0 as a message when it ends. Must not block. */
#include "server/listener.h"

#include "base/always.h"
#include "meta/image.h"
#include "server/connection.h"
#include "sys/poller.h"
#include "tbl/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ACCEPTS_PER_TURN 64
#define REFUSED_LOG_INTERVAL_MS 1000
/* Out of descriptors: how long accepting rests, since the socket stays ready. */
#define ACCEPT_REST_MS 100

struct listener {
    struct node_listener at;
    struct shard_watch watch;
    struct shard_timer rest;
    struct server_shard *home;
    struct listener_gate *gate;
    int fd;
    uint16_t port;
    bool watching;
};

/* Also the message that carries a new connection to its shard, and its end back. */
struct listener_ticket {
    struct shard_message message;
    struct listener_gate *gate;
    struct host_count *host;
    struct connection_origin origin;
};

void listener_gate_init(struct listener_gate *gate, int open_max)
{
    *gate = (struct listener_gate){.open_max = open_max};
    host_counts_init(&gate->by_host);
}

void listener_gate_fini(struct listener_gate *gate)
{
    host_counts_fini(&gate->by_host);
}

int listener_open(const struct node_config *config, const struct node_listener *at,
                  struct listener **ret_listener)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return -ENOMEM;
    /* Kafka's default of 50 overflows when thousands connect at once, and each overflow costs a
     * client a second: the key can make the queue longer, not shorter. */
    int backlog = MAX_OF(config->socket_listen_backlog_size, LIMIT_LISTEN_BACKLOG);
    int fd = sys_net_listen(at->host, at->port, backlog);
    struct sys_net_address local = {0};
    int error = fd < 0 ? fd : sys_net_local(fd, &local);
    if (error < 0) {
        sys_net_close(fd);
        free(listener);
        return error;
    }
    listener->at = *at;
    listener->at.port = local.port;
    listener->port = local.port;
    listener->fd = fd;
    *ret_listener = listener;
    return 0;
}

uint16_t listener_port(const struct listener *listener)
{
    return listener->port;
}

/* ---- limits ---- */

/* max.connections.per.ip, or the host's own entry of max.connections.per.ip.overrides. */
static int host_limit(const struct node_dynamic *config, const char *host)
{
    struct slice rest = config->max_connections_per_ip_overrides;
    struct slice part;
    size_t size = strlen(host);
    while (rest.size > 0 && config_list_next(&rest, &part)) {
        if (part.size > size + 1 && memcmp(part.data, host, size) == 0 && part.data[size] == ':')
            return (int)strtol((const char *)part.data + size + 1, NULL, 10);
    }
    return config->max_connections_per_ip;
}

static bool rate_allows(struct listener_gate *gate, int64_t now_ms, int per_second)
{
    if (now_ms - gate->rate_window_ms >= 1000) {
        gate->rate_window_ms = now_ms;
        gate->rate_count = 0;
    }
    return ++gate->rate_count <= per_second;
}

/* Which limit refuses one more connection of that host, or NULL. */
static const char *gate_refusal(struct listener *listener, const struct host_count *host)
{
    const struct node_dynamic *config = &listener->home->api.image->node_dynamic;
    struct listener_gate *gate = listener->gate;
    if (host == NULL)
        return "memory is out";
    if (gate->connection_count >= config->max_connections)
        return "max.connections is reached";
    if (host->connections >= host_limit(config, host->host))
        return "max.connections.per.ip is reached";
    if (!rate_allows(gate, shard_now_ms(listener->home->api.shard),
                     config->max_connection_creation_rate))
        return "max.connection.creation.rate is reached";
    return NULL;
}

/* ---- handing over ---- */

static void ticket_close(struct listener_ticket *ticket)
{
    ticket->gate->connection_count--;
    ticket->host->connections--;
    host_counts_drop(&ticket->gate->by_host, ticket->host);
    free(ticket);
}

static void on_connection(struct shard *there, struct shard_message *message)
{
    role_now_on_shard();
    struct listener_ticket *ticket = CONTAINER_OF(message, struct listener_ticket, message);
    connection_start(server_shard_of(there), &ticket->origin);
}

static void on_connection_ended(struct shard *here, struct shard_message *message)
{
    (void)here;
    ticket_close(CONTAINER_OF(message, struct listener_ticket, message));
}

static const struct shard_route route_connection = {
    .name = "connection",
    .run = {on_connection, on_connection_ended},
};

void listener_ticket_return(struct server_shard *here, struct listener_ticket *ticket)
{
    if (ticket->message.route == NULL)
        ticket_close(ticket);
    else
        shard_forward(here->api.shard, &ticket->message);
}

static void hand_over(struct listener *listener, struct listener_ticket *ticket)
{
    role_now_on_shard();
    struct shard *here = listener->home->api.shard;
    struct shard_set *set = shard_siblings(here);
    struct listener_gate *gate = listener->gate;
    int index = gate->next_shard++ % shard_set_count(set);
    if (index == shard_index(here))
        connection_start(listener->home, &ticket->origin);
    else
        shard_send(here, shard_set_at(set, index), &ticket->message, &route_connection);
}

static void refuse(struct listener *listener, int fd, const struct sys_net_address *peer,
                   const char *why)
{
    sys_net_close(fd);
    stats_add(&listener->home->api.stats, METRIC_CONNECTIONS_REFUSED, 1);
    uint64_t held_back = 0;
    if (journal_gate_open(&listener->gate->refused_gate, REFUSED_LOG_INTERVAL_MS, &held_back))
        journal(JOURNAL_WARN, "connection_refused", "client=%s:%u why=\"%s\" not_logged=%llu",
                peer->host, peer->port, why, (unsigned long long)held_back);
}

static void admit(struct listener *listener, int fd, const struct sys_net_address *peer)
{
    struct host_count *host = host_counts_find(&listener->gate->by_host, peer->host);
    const char *refusal = gate_refusal(listener, host);
    struct listener_ticket *ticket = refusal == NULL ? calloc(1, sizeof *ticket) : NULL;
    if (ticket == NULL) {
        if (host != NULL)
            host_counts_drop(&listener->gate->by_host, host);
        refuse(listener, fd, peer, refusal != NULL ? refusal : "memory is out");
        return;
    }
    host->connections++;
    listener->gate->connection_count++;
    ticket->gate = listener->gate;
    ticket->host = host;
    ticket->origin = (struct connection_origin){
        .fd = fd, .peer = *peer, .listener = &listener->at, .ticket = ticket};
    const struct node_config *config = listener->home->api.config;
    sys_net_set_buffers(fd, config->socket_send_buffer_bytes, config->socket_receive_buffer_bytes);
    hand_over(listener, ticket);
}

/* ---- accepting ---- */

static void on_rested(struct shard *shard, struct shard_timer *timer);
static void on_ready(struct shard *shard, struct shard_watch *watch, unsigned ready);

/* The kernel has no descriptor left, or only those that files need: look again in a moment. */
static void rest(struct listener *listener, int error)
{
    role_now_on_shard();
    shard_watch_stop(listener->home->api.shard, &listener->watch);
    listener->watching = false;
    shard_timer_start(listener->home->api.shard, &listener->rest, ACCEPT_REST_MS);
    uint64_t held_back = 0;
    if (journal_gate_open(&listener->gate->refused_gate, REFUSED_LOG_INTERVAL_MS, &held_back))
        journal(JOURNAL_WARN, "accept_failed",
                "error=\"%s\" hint=\"raise the limit of open files\"", strerror(-error));
}

static void on_ready(struct shard *shard, struct shard_watch *watch, unsigned ready)
{
    role_now_on_shard();
    (void)shard;
    (void)ready;
    struct listener *listener = CONTAINER_OF(watch, struct listener, watch);
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (listener->gate->connection_count >= listener->gate->open_max) {
            rest(listener, -EMFILE);
            return;
        }
        struct sys_net_address peer;
        int fd = sys_net_accept(listener->fd, &peer);
        if (fd == -EAGAIN)
            return;
        if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS) {
            rest(listener, fd);
            return;
        }
        if (fd >= 0)
            admit(listener, fd, &peer);
    }
}

static void on_rested(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    struct listener *listener = CONTAINER_OF(timer, struct listener, rest);
    if (shard_watch_start(shard, &listener->watch, listener->fd, false, on_ready) == 0)
        listener->watching = true;
    else
        shard_timer_start(shard, &listener->rest, ACCEPT_REST_MS);
}

int listener_start(struct listener *listener, struct server_shard *here, struct listener_gate *gate)
{
    listener->home = here;
    listener->gate = gate;
    shard_timer_init(&listener->rest, on_rested);
    int error = shard_watch_start(here->api.shard, &listener->watch, listener->fd, false, on_ready);
    listener->watching = error == 0;
    return error;
}

void listener_stop(struct listener *listener)
{
    if (listener->home != NULL) {
        shard_timer_stop(listener->home->api.shard, &listener->rest);
        if (listener->watching)
            shard_watch_stop(listener->home->api.shard, &listener->watch);
        listener->watching = false;
    }
    sys_net_close(listener->fd);
    listener->fd = -1;
}

void listener_free(struct listener *listener)
{
    if (listener == NULL)
        return;
    sys_net_close(listener->fd);
    free(listener);
}
