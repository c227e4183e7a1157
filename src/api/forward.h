/* Requests that the controller answers: the decoded request goes there as it is, its response comes
 * back as it is to be sent. On the request's shard. */
#ifndef API_FORWARD_H
#define API_FORWARD_H

#include "api/request.h"
#include "peer/peer.h"

/* Answers the request in the controller's stead, with the error on everything it names. */
typedef void (*forward_failed_fn)(struct api_request *, enum err);

/* A later turn answers the request, by the controller's response or by on_failed. */
void api_forward(struct api_request *, forward_failed_fn on_failed) ON(on_shard);

/* One call to the controller: own_node_id and arena are set, the rest is the caller's. */
void api_call_init(struct peer_call *, const struct api_shard *);

#endif
