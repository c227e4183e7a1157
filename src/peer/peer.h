/* Calls from this node to a node of the cluster: the controller, a leader, itself. A call carries
 * the decoded request struct and comes back with the decoded response struct; the own node is
 * reached by a message to the controller's shard and answered there, so a cluster of one uses the
 * very same calls. On the caller's shard; the service runs on the controller's. */
#ifndef PEER_PEER_H
#define PEER_PEER_H

#include "base/arena.h"
#include "shard/shard.h"
#include "tbl/errors.h"

struct peer_call;
typedef void (*peer_call_fn)(struct shard *, struct peer_call *);

/* Embedded in its owner until on_done. */
struct peer_call {
    struct shard_message message;
    int32_t own_node_id;
    int16_t api_key;
    int16_t api_version;
    const void *request; /* a struct of the request's type; belongs to the service meanwhile */
    struct arena arena;  /* for the response: the caller makes and ends it */
    peer_call_fn on_done;
    /* out */
    enum err transport; /* ERR_NONE, or why there is no response */
    void *response;     /* of the response's type, in the arena */
};

/* What answers calls to the own node; first in the controller shard's context. */
struct peer_service {
    /* On the controller's shard. Ends in peer_answer, now or later. */
    void (*handle)(struct peer_service *, struct peer_call *);
};

/* on_done follows in a later turn. A node that is not the own one is ERR_BROKER_NOT_AVAILABLE: this
 * node knows no other. */
void peer_call(struct shard *here, int32_t node_id, struct peer_call *) ON(on_shard);
/* The service's answer: response (in the call's arena) or a transport error. */
void peer_answer(struct shard *controller, struct peer_call *, enum err transport, void *response)
    ON(on_shard);

#endif
