/* What the APIs find on the shard they run on: its loop, its image of the cluster, its replicas and
 * fetch sessions. One per data shard, made by server at the start, reached through
 * shard_context(). On its shard only, but `stats`. */
#ifndef API_SHARD_H
#define API_SHARD_H

#include "peer/peer.h"
#include "shard/shard.h"
#include "shard/stats.h"
#include "wire/codec.h"
#include "wire/msg/allocate_producer_ids_request.h"

struct coord_set;
struct fetch_session_cache;
struct meta_image;
struct node_config;
struct replica_set;

/* Where this shard's producer ids come from: api/producer_ids.h. */
struct producer_id_source {
    int64_t next; /* of the block at hand; next == end: none is left */
    int64_t end;
    struct list waiters; /* coord_ids, in order */
    bool asks;           /* for the next block: the call is under way */
    struct peer_call call;
    struct allocate_producer_ids_request request;
};

struct api_shard {
    struct shard *shard;
    const struct node_config *config; /* lives as long as the process */
    const struct meta_image *image;   /* current; NULL until the first one arrived. Valid within
                                         one turn: copy what is needed longer */
    const char *cluster_id;           /* lives as long as the process */
    struct replica_set *replicas;
    struct coord_set *coords;
    struct fetch_session_cache *sessions;
    struct codec_pool *codecs; /* decompression contexts for validation */
    struct producer_id_source producer_ids;
    struct list txn_guards; /* api/txn_guard.h: those under way that others wait behind */
    struct stats stats;
    int64_t buffer_bytes;  /* of large frames: arriving, and of requests that run; of small ones
                              where several of a connection may run */
    int64_t running_bytes; /* of them, those of large requests that run */
    /* The server's: buffer_bytes became less. */
    void (*on_memory)(struct api_shard *);
    struct list request_pool; /* api_request, idle */
    int request_pool_count;
};

/* What must stand before its loop runs, beside the members that are set by name. */
static inline void api_shard_init(struct api_shard *shard)
{
    list_init(&shard->request_pool);
    list_init(&shard->producer_ids.waiters);
    list_init(&shard->txn_guards);
}

static inline struct api_shard *api_shard_of(const struct shard *shard)
{
    return (struct api_shard *)shard_context(shard);
}

#endif
