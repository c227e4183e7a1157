/* A listening socket on data shard 0: accepts, checks the limits on connections, and hands each
 * connection to a shard in turn. On shard 0 only, but tickets travel with their connections. */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include "config/node.h"
#include "server/host_count.h"
#include "server/shard.h"
#include "sys/net.h"

struct listener;
struct listener_ticket; /* one accepted connection's place in the counts */

/* What all listeners of the node share: the limits are the node's. */
struct listener_gate {
    struct host_counts by_host; /* connections per peer host */
    int connection_count;
    int open_max; /* connections for which there are descriptors */
    int next_shard;
    int64_t rate_window_ms; /* start of the second that is being counted */
    int rate_count;
    struct journal_gate refused_gate;
};

/* At open_max connections the next one waits in the kernel's queue. */
void listener_gate_init(struct listener_gate *, int open_max);
/* After every ticket came back or its shard ended. */
void listener_gate_fini(struct listener_gate *);

/* Binds and listens, before the shards run. -errno on failure. */
MUST_USE int listener_open(const struct node_config *, const struct node_listener *,
                           struct listener **ret_listener) NOT_ON(on_shard);
/* Starts accepting. 0 or -errno. */
MUST_USE int listener_start(struct listener *, struct server_shard *here, struct listener_gate *)
    ON(on_shard);
/* Stops accepting and closes the socket. */
void listener_stop(struct listener *) ON(on_shard);
/* After listener_stop, or when it was never started. NULL is fine. */
void listener_free(struct listener *);
/* The port that is bound, which differs from the configured one where that is 0. */
uint16_t listener_port(const struct listener *);

/* From the shard of a connection that ended: it is counted no more. */
void listener_ticket_return(struct server_shard *here, struct listener_ticket *) ON(on_shard);

#endif
