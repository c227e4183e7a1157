/* The HTTP side door, on libevent's evhttp. Special complication: libevent is not told about our
 * threads, so nothing but the pipe's write end is touched from outside while its loop runs. It must
 * not read anything of a shard but statistics. Its own thread; never part of the simulated
 * world. */
#include "server/http.h"

#include "sys/net.h"
#include "sys/task.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HTTP_BODY_MAX (16U * 1024 * 1024)
#define HTTP_REQUEST_MAX 8192
#define HTTP_IDLE_SECONDS 10

struct http {
    struct event_base *base;
    struct evhttp *server;
    struct event *on_stop;
    int stop_pipe[2];
    struct http_source source;
    struct sys_task task;
    bool running;
};

static void add_size(struct evkeyvalq *headers, size_t size)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%zu", size);
    (void)evhttp_add_header(headers, "Content-Length", text);
}

static void answer(struct evhttp_request *request, int code, const char *type, struct text *body)
{
    struct evbuffer *out = evbuffer_new();
    if (out == NULL || body->failed) {
        evhttp_send_error(request, HTTP_INTERNAL, "Out of memory");
    } else {
        struct slice bytes = text_slice(body);
        struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
        (void)evhttp_add_header(headers, "Content-Type", type);
        if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD)
            add_size(headers, bytes.size); /* libevent would send a body as it stands */
        else
            (void)evbuffer_add(out, bytes.data, bytes.size);
        evhttp_send_reply(request, code, code == HTTP_OK ? "OK" : "Service Unavailable", out);
    }
    if (out != NULL)
        evbuffer_free(out);
}

static void on_metrics(struct evhttp_request *request, void *arg)
{
    struct http *http = arg;
    struct text body;
    text_init(&body, HTTP_BODY_MAX);
    http->source.write_metrics(http->source.context, &body);
    answer(request, HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &body);
    text_fini(&body);
}

static void on_health(struct evhttp_request *request, void *arg)
{
    struct http *http = arg;
    struct text body;
    text_init(&body, HTTP_BODY_MAX);
    bool healthy = http->source.write_health(http->source.context, &body);
    answer(request, healthy ? HTTP_OK : HTTP_SERVUNAVAIL, "text/plain; charset=utf-8", &body);
    text_fini(&body);
}

static void on_other(struct evhttp_request *request, void *arg)
{
    (void)arg;
    evhttp_send_error(request, HTTP_NOTFOUND, "There are /metrics and /healthz here");
}

/* A connection that closes its own socket, when it has left epoll: evhttp would close it before,
 * and then name a descriptor to epoll that may by then be another thread's file. */
static struct bufferevent *make_connection(struct event_base *base, void *arg)
{
    (void)arg;
    return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http *http = arg;
    (void)event_base_loopbreak(http->base);
}

static bool http_turn(void *arg)
{
    struct http *http = arg;
    (void)event_base_dispatch(http->base);
    return false;
}

static void http_free(struct http *http)
{
    if (http->on_stop != NULL)
        event_free(http->on_stop);
    if (http->server != NULL)
        evhttp_free(http->server);
    if (http->base != NULL)
        event_base_free(http->base);
    for (int end = 0; end < 2; end++)
        if (http->stop_pipe[end] >= 0)
            (void)close(http->stop_pipe[end]);
    free(http);
}

/* Makes everything but the thread. 0 or -errno. */
static int http_prepare(struct http *http, const char *host, uint16_t port)
{
    http->base = event_base_new();
    http->server = http->base != NULL ? evhttp_new(http->base) : NULL;
    if (http->server == NULL || pipe(http->stop_pipe) != 0)
        return -ENOMEM;
    http->on_stop = event_new(http->base, http->stop_pipe[0], EV_READ, on_stop, http);
    if (http->on_stop == NULL || event_add(http->on_stop, NULL) != 0)
        return -ENOMEM;
    evhttp_set_allowed_methods(http->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_max_headers_size(http->server, HTTP_REQUEST_MAX);
    evhttp_set_max_body_size(http->server, HTTP_REQUEST_MAX);
    evhttp_set_timeout(http->server, HTTP_IDLE_SECONDS);
    evhttp_set_bevcb(http->server, make_connection, http);
    evhttp_set_gencb(http->server, on_other, http);
    if (evhttp_set_cb(http->server, "/metrics", on_metrics, http) != 0 ||
        evhttp_set_cb(http->server, "/healthz", on_health, http) != 0)
        return -ENOMEM;
    int fd = sys_net_listen(host, port, 16);
    if (fd < 0)
        return fd;
    if (evhttp_accept_socket(http->server, fd) != 0) {
        sys_net_close(fd);
        return -ENOMEM;
    }
    return 0;
}

int http_start(const char *host, uint16_t port, const struct http_source *source,
               struct http **ret_http)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return -ENOMEM;
    http->stop_pipe[0] = -1;
    http->stop_pipe[1] = -1;
    http->source = *source;
    int error = http_prepare(http, host, port);
    if (error == 0) {
        http->task = (struct sys_task){.name = "http", .turn = http_turn, .arg = http};
        error = sys_tasks_start(&http->task, 1);
    }
    if (error != 0) {
        http_free(http);
        return error;
    }
    http->running = true;
    *ret_http = http;
    return 0;
}

void http_stop(struct http *http)
{
    if (http == NULL)
        return;
    ssize_t written = write(http->stop_pipe[1], "", 1);
    (void)written;
    sys_tasks_join(&http->task, 1);
    http_free(http);
}
