/* The life of a connection: made on accept, woken by its socket, its timer and its requests'
 * answers, ended once. The complication: it may end in the middle of its own work (an API refuses
 * what it got), so ending closes the socket at once and the memory goes at the end of the turn.
 * On its shard. */
#include "server/connection_int.h"

#include "base/always.h"
#include "config/node.h"
#include "server/listener.h"
#include "sys/journal.h"
#include "sys/poller.h"
#include "tbl/limits.h"

#include <stdlib.h>

#define FAULT_LOG_INTERVAL_MS 1000

static void connection_free(struct shard *shard, struct shard_chore *chore)
{
    struct connection *c = CONTAINER_OF(chore, struct connection, flush);
    ALWAYS(c->magic == CONNECTION_MAGIC && c->ended, "only an ended connection is freed");
    struct server_shard *home = c->home;
    c->magic = 0;
    free(c);
    (void)shard;
    home->freeing_count--;
    bool gone = home->connection_count == 0 && home->freeing_count == 0;
    if (home->draining && gone && home->on_drained != NULL)
        home->on_drained(home);
}

/* Requests that their APIs still have go on without a connection. */
static void abandon_requests(struct connection *c)
{
    LIST_EACH_SAFE (&c->requests, node, after) {
        struct api_request *request = CONTAINER_OF(node, struct api_request, link);
        list_remove(node);
        request->client = NULL;
        if (request->state == API_REQUEST_ANSWERED)
            api_request_free(request);
        else if (request->on_abandoned != NULL)
            request->on_abandoned(request);
    }
    c->request_count = 0;
    c->running_count = 0;
}

static void log_fault(struct connection *c, enum connection_end how, const char *why)
{
    struct server_shard *home = c->home;
    if (how == CONNECTION_END_CLIENT || how == CONNECTION_END_STOP || how == CONNECTION_END_IDLE)
        return;
    stats_add(&home->api.stats, METRIC_CONNECTIONS_FAULTY, 1);
    uint64_t held_back = 0;
    if (journal_gate_open(&home->fault_gate, FAULT_LOG_INTERVAL_MS, &held_back))
        journal(JOURNAL_WARN, "connection_closed", "client=%s:%u why=\"%s\" not_logged=%llu",
                c->client.peer.host, c->client.peer.port, why, (unsigned long long)held_back);
}

void connection_end(struct connection *c, enum connection_end how, const char *why)
{
    if (c->ended)
        return;
    c->ended = true;
    log_fault(c, how, why);
    int fd = c->watch.fd; /* the stopped watch forgets it */
    shard_watch_stop(c->home->api.shard, &c->watch);
    sys_net_close(fd);
    shard_timer_stop(c->home->api.shard, &c->timer);
    shard_chore_cancel(&c->progress);
    shard_chore_cancel(&c->flush);
    list_remove(&c->starved);
    list_remove(&c->link);
    connection_receive_end(c);
    abandon_requests(c);
    listener_ticket_return(c->home, c->ticket);
    c->home->connection_count--;
    c->home->freeing_count++;
    stats_add(&c->home->api.stats, METRIC_CONNECTIONS, -1);
    shard_chore_init(&c->flush, connection_free);
    shard_flush_later(c->home->api.shard, &c->flush);
}

void connection_drain(struct connection *c)
{
    c->doomed = true;
    if (c->request_count == 0) {
        connection_end(c, CONNECTION_END_STOP, "this node stops");
        return;
    }
    LIST_EACH_SAFE (&c->requests, node, after) {
        struct api_request *request = CONTAINER_OF(node, struct api_request, link);
        if (request->state == API_REQUEST_RUNNING && request->on_abandoned != NULL)
            request->on_abandoned(request);
    }
}

/* The nearest moment at which something is overdue (monotonic ms); *ret_how and *ret_why tell
 * what. */
static int64_t next_deadline(const struct connection *c, enum connection_end *ret_how,
                             const char **ret_why)
{
    const struct node_config *config = c->home->api.config;
    int64_t nearest = INT64_MAX;
    if (c->request_count == 0 && config->connections_max_idle_ms >= 0) {
        nearest = c->active_ms + config->connections_max_idle_ms;
        *ret_how = CONNECTION_END_IDLE;
        *ret_why = "it was idle for connections.max.idle.ms";
    }
    if (c->frame_started_ms != 0 && c->running_count == 0) {
        int64_t size = (int64_t)connection_frame_size(c);
        int64_t end =
            c->frame_started_ms + config->frame_timeout_ms + size / LIMIT_FRAME_BYTES_PER_MS;
        if (end < nearest) {
            nearest = end;
            *ret_how = CONNECTION_END_SLOW;
            *ret_why = "a request took too long to arrive";
        }
    }
    if (c->favoured_until_ms != 0 && c->favoured_until_ms < nearest) {
        nearest = c->favoured_until_ms;
        *ret_how = CONNECTION_END_SLOW;
        *ret_why = "memory for requests is out, and its request came too slowly";
    }
    if (c->unsent_since_ms != 0 && c->unsent_since_ms + LIMIT_SEND_STALL_MS < nearest) {
        nearest = c->unsent_since_ms + LIMIT_SEND_STALL_MS;
        *ret_how = CONNECTION_END_SLOW;
        *ret_why = "it does not read its answers";
    }
    return nearest;
}

void connection_watch_time(struct connection *c)
{
    enum connection_end how;
    const char *why;
    int64_t deadline = next_deadline(c, &how, &why);
    if (deadline == INT64_MAX)
        return;
    if (shard_timer_is_running(&c->timer) && c->timer.deadline_ms <= deadline)
        return;
    struct shard *shard = c->home->api.shard;
    shard_timer_start(shard, &c->timer, deadline - shard_now_ms(shard));
}

static void on_timer(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    struct connection *c = CONTAINER_OF(timer, struct connection, timer);
    enum connection_end how = CONNECTION_END_IDLE;
    const char *why = NULL;
    if (next_deadline(c, &how, &why) <= shard_now_ms(shard))
        connection_end(c, how, why);
    else
        connection_watch_time(c);
}

/* Whether bytes can leave now: answers behind a request that still runs wait for it. */
static bool may_send(const struct connection *c)
{
    if (!c->writable || list_is_empty(&c->requests))
        return false;
    return CONTAINER_OF(c->requests.next, struct api_request, link)->state == API_REQUEST_ANSWERED;
}

static void on_progress(struct shard *shard, struct shard_chore *chore)
{
    role_now_on_shard();
    struct connection *c = CONTAINER_OF(chore, struct connection, progress);
    if (may_send(c))
        shard_flush_later(shard, &c->flush);
    (void)connection_receive(c);
}

static void on_flush(struct shard *shard, struct shard_chore *chore)
{
    role_now_on_shard();
    struct connection *c = CONTAINER_OF(chore, struct connection, flush);
    int before = c->request_count;
    if (!connection_transmit(c))
        return;
    if (c->doomed && c->request_count == 0)
        connection_end(c, CONNECTION_END_STOP, "this node stops");
    else if (may_send(c) || (before > c->request_count && (c->buffer != NULL || c->readable)))
        shard_run_later(shard, &c->progress);
    if (!c->ended)
        connection_watch_time(c);
}

static void on_ready(struct shard *shard, struct shard_watch *watch, unsigned ready)
{
    role_now_on_shard();
    struct connection *c = CONTAINER_OF(watch, struct connection, watch);
    ALWAYS(c->magic == CONNECTION_MAGIC, "an event came for something else");
    if (ready & SYS_HANGUP)
        c->hangup = true;
    if (ready & (SYS_WRITABLE | SYS_HANGUP)) {
        c->writable = true;
        if (c->unsent_since_ms != 0)
            shard_flush_later(shard, &c->flush);
    }
    if (ready & (SYS_READABLE | SYS_HANGUP)) {
        c->readable = true;
        (void)connection_receive(c);
    }
}

static void on_answered(struct api_client *client, struct api_request *request)
{
    role_now_on_shard();
    struct connection *c = CONTAINER_OF(client, struct connection, client);
    c->running_count--;
    c->unsent_bytes += (int64_t)chain_size(&request->answer);
    shard_flush_later(c->home->api.shard, &c->flush);
}

static void on_faulty(struct api_client *client, struct api_request *request, const char *why)
{
    role_now_on_shard();
    struct connection *c = CONTAINER_OF(client, struct connection, client);
    journal(JOURNAL_DEBUG, "request_refused", "api=%s version=%d why=\"%s\"", request->row->name,
            request->header.api_version, why);
    connection_end(c, CONNECTION_END_FAULTY, why);
}

static struct connection *connection_new(struct server_shard *home,
                                         const struct connection_origin *origin)
{
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->magic = CONNECTION_MAGIC;
    c->home = home;
    c->ticket = origin->ticket;
    c->client = (struct api_client){
        .listener = origin->listener,
        .peer = origin->peer,
        .on_answered = on_answered,
        .on_faulty = on_faulty,
    };
    shard_chore_init(&c->progress, on_progress);
    shard_chore_init(&c->flush, on_flush);
    shard_timer_init(&c->timer, on_timer);
    list_init(&c->link);
    list_init(&c->starved);
    list_init(&c->requests);
    c->readable = true;
    c->writable = true;
    c->active_ms = shard_now_ms(home->api.shard);
    return c;
}

void connection_start(struct server_shard *home, const struct connection_origin *origin)
{
    struct shard *shard = home->api.shard;
    struct connection *c = home->draining ? NULL : connection_new(home, origin);
    if (c == NULL || shard_watch_start(shard, &c->watch, origin->fd, true, on_ready) != 0) {
        stats_add(&home->api.stats, METRIC_CONNECTIONS_REFUSED, 1);
        sys_net_close(origin->fd);
        listener_ticket_return(home, origin->ticket);
        free(c);
        return;
    }
    list_add_tail(&home->connections, &c->link);
    home->connection_count++;
    stats_add(&home->api.stats, METRIC_CONNECTIONS, 1);
    stats_add(&home->api.stats, METRIC_CONNECTIONS_ACCEPTED, 1);
    connection_watch_time(c);
}
