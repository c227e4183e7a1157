/* Whether groups of the consumer protocol (KIP-848) are served. On the request's shard. */
#ifndef API_CONSUMER_PROTOCOL_H
#define API_CONSUMER_PROTOCOL_H

#include "api/request.h"

/* The cluster's feature group.version and the node's group.coordinator.rebalance.protocols. */
bool consumer_protocol_is_served(const struct api_request *);

#endif
