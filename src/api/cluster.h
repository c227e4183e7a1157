/* The cluster as a client is told about it: brokers by the endpoint of the listener it came in by,
 * partitions, topics that belong to the cluster itself, and the operations that everybody may do
 * here, since there is no authorizer. Reads the shard's image of this turn; slices point into it.
 * On the request's shard. */
#ifndef API_CLUSTER_H
#define API_CLUSTER_H

#include "api/request.h"
#include "meta/image.h"
#include "tbl/errors.h"

/* Bits by the number of the ACL operation: all that the resource type has. */
#define CLUSTER_OPERATIONS_OF_TOPIC \
    (1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11)
#define CLUSTER_OPERATIONS_OF_GROUP (1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11)
#define CLUSTER_OPERATIONS_OF_CLUSTER \
    (1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12)

/* Where clients of one listener reach a broker. */
struct cluster_endpoint {
    int32_t node_id;
    struct slice host;
    int32_t port;
    struct slice rack; /* null: none */
};

/* Node ids in the request's arena, as the responses want them. */
struct cluster_ids {
    int32_t *at;
    int32_t count;
};

/* The listener the request came in by; the inter-broker listener's name once its connection is
 * gone. */
struct slice cluster_listener_name(const struct api_request *);
/* false: the broker has no such listener. */
bool cluster_broker_endpoint(const struct meta_broker *, struct slice listener,
                             struct cluster_endpoint *ret_endpoint);
/* By the client's listener; false: not registered, fenced, or without that listener. */
bool cluster_alive_endpoint(const struct api_request *, int32_t node_id,
                            struct cluster_endpoint *ret_endpoint);
/* A broker that takes what is meant for the controller (any does, it forwards): this one if it is
 * alive. -1: none. */
int32_t cluster_contact_id(const struct api_request *);

/* Topics that the cluster itself writes; clients are told so. */
bool cluster_topic_is_internal(struct slice name);
/* Whether a topic of that name may exist. */
bool cluster_topic_name_is_valid(struct slice name);

/* NONE, LEADER_NOT_AVAILABLE (there is none) or LISTENER_NOT_FOUND (out of this client's reach). */
enum err cluster_leader_error(const struct api_request *, const struct meta_partition *);
/* Replicas on brokers that are gone or fenced, or in directories that failed. false: the arena is
 * exhausted; so are the two below. */
bool cluster_offline_replicas(struct api_request *, const struct meta_partition *,
                              struct cluster_ids *ret_offline);
/* Those of brokers that have the client's listener. */
bool cluster_reachable_ids(struct api_request *, struct meta_ids,
                           struct cluster_ids *ret_reachable);
bool cluster_all_ids(struct api_request *, struct meta_ids, struct cluster_ids *ret_ids);

#endif
