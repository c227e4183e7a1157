/* GET /metrics (Prometheus text, from tbl/metrics.h) and GET /healthz, on a thread of their own so
 * that a scrape never waits for a shard nor a shard for a scrape. */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include "base/attr.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

struct http;

/* Both run on the http thread and only read what is safe from there. */
struct http_source {
    void *context;
    void (*write_metrics)(void *context, struct text *);
    /* true: able to serve. Adds one line that says so or why not. */
    bool (*write_health)(void *context, struct text *);
};

/* Listens and starts the thread. -errno when the address cannot be had: the caller warns and goes
 * on without. */
MUST_USE int http_start(const char *host, uint16_t port, const struct http_source *source,
                        struct http **ret_http);
/* Ends the thread and frees; NULL is fine. */
void http_stop(struct http *);

#endif
