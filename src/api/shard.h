/* What the APIs find on the shard they run on: its loop, its image of the cluster, its replicas and
 * fetch sessions. One per data shard, made by server at the start, reached through
 * shard_context(). On its shard only, but `stats`. */
#ifndef API_SHARD_H
#define API_SHARD_H

#include "shard/shard.h"
#include "shard/stats.h"
#include "wire/codec.h"

struct coord_set;
struct fetch_session_cache;
struct meta_image;
struct node_config;
struct replica_set;

/* Producer ids this shard may hand out; next == end: none. */
struct producer_id_block {
    int64_t next;
    int64_t end;
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
    struct producer_id_block producer_ids;
    struct list producer_id_waiters; /* requests that wait for the next block */
    struct stats stats;
    int64_t buffer_bytes;  /* of large frames: arriving, and of requests that run; of small ones
                              where several of a connection may run */
    int64_t running_bytes; /* of them, those of large requests that run */
    /* The server's: buffer_bytes became less. */
    void (*on_memory)(struct api_shard *);
    struct list request_pool; /* api_request, idle */
    int request_pool_count;
};

static inline struct api_shard *api_shard_of(const struct shard *shard)
{
    return (struct api_shard *)shard_context(shard);
}

#endif
