/* What the server keeps on one data shard: its connections and the APIs' state. Made by server/node
 * before the start; on its shard only, but `api.stats`. */
#ifndef SERVER_SHARD_H
#define SERVER_SHARD_H

#include "api/shard.h"
#include "coord/set.h"
#include "sys/journal.h"

struct connection;
struct node;

struct server_shard {
    struct api_shard api; /* first: shard_context() is this struct */
    struct node *node;
    struct coord_set coords;
    struct coord_outside outside; /* what they ask of the layers above them */
    struct list connections;
    int connection_count;
    int freeing_count;   /* ended connections whose memory goes at the end of the turn */
    struct list starved; /* connections that wait for memory, the longest waiting first */
    /* Reads on though memory is out, so that one frame ends; or NULL. */
    struct connection *favoured;
    int64_t memory_max;                        /* bytes of large frames at one time */
    struct journal_gate fault_gate;            /* lines about faulty connections */
    struct shard_message flushed;              /* to shard 0: checkpoints are due */
    bool flushed_away;                         /* it is under way */
    bool draining;                             /* no new connections or requests */
    void (*on_drained)(struct server_shard *); /* the last connection ended while draining */
};

static inline struct server_shard *server_shard_of(const struct shard *shard)
{
    return CONTAINER_OF(api_shard_of(shard), struct server_shard, api);
}

#endif
