/* One client connection on its shard: bytes in, frames to requests, answers out in order. An idle
 * connection holds no buffer. On its shard only. */
#ifndef SERVER_CONNECTION_H
#define SERVER_CONNECTION_H

#include "api/request.h"
#include "server/shard.h"

struct listener_ticket;

/* Where a connection comes from. */
struct connection_origin {
    int fd;
    struct sys_net_address peer;
    const struct node_listener *listener;
    struct listener_ticket *ticket; /* its place in the node's counts, given back at its end */
};

enum connection_end {
    CONNECTION_END_CLIENT, /* the client ended it */
    CONNECTION_END_FAULTY, /* what the client sent has no answer */
    CONNECTION_END_IDLE,   /* connections.max.idle.ms passed */
    CONNECTION_END_SLOW,   /* a frame, or the reading of an answer, took too long */
    CONNECTION_END_STOP,   /* this node stops */
};

#define CONNECTION_MAGIC 0x0c0ec710u

struct connection {
    uint32_t magic;   /* CONNECTION_MAGIC */
    struct list link; /* its shard's connections */
    struct api_client client;
    struct server_shard *home;
    struct listener_ticket *ticket;
    struct shard_watch watch;
    struct shard_chore progress; /* more bytes or frames to look at */
    struct shard_chore flush;    /* answers to send at the end of the turn */
    struct shard_timer timer;    /* not later than the nearest of the deadlines */
    struct list starved;         /* its shard's list while it waits for memory */

    /* in: server/receive.c */
    struct shard_buffer *buffer; /* NULL: nothing pending */
    size_t parsed;               /* bytes of it that became requests */
    size_t size_hint;            /* of the last frame: the next buffer is made to hold one */
    int64_t charged;             /* bytes counted against the shard's memory */
    int64_t favoured_until_ms;   /* while its shard favours it */
    int64_t frame_started_ms;    /* first byte of an unfinished frame; 0: none */
    bool readable;               /* the socket may hold more */
    bool hangup;                 /* the client sends no more: read on to its end */

    /* out: server/transmit.c */
    struct list requests; /* oldest first: running or answered */
    int request_count;
    int running_count;       /* of them not answered yet */
    int64_t unsent_since_ms; /* the socket refuses bytes since; 0: it takes them */
    int64_t unsent_bytes;    /* of answered requests */
    int64_t head_sent;       /* bytes of the oldest answer that were sent */
    bool writable;
    bool doomed; /* send what is answered, then end */
    bool ended;  /* closed; its memory goes at the end of the turn */

    int64_t active_ms; /* last byte in or out */
};

/* Takes over an accepted socket with its ticket. On failure (memory, poller) ends both. */
void connection_start(struct server_shard *, const struct connection_origin *) ON(on_shard);
/* Ends it now; requests under way are left to their APIs. `why` goes to the log for faulty ones. */
void connection_end(struct connection *, enum connection_end, const char *why) ON(on_shard);
/* For api_shard.on_memory. */
void connection_memory_came_back(struct api_shard *);
/* No further requests; ends when those under way are answered and sent. */
void connection_drain(struct connection *) ON(on_shard);

#endif
