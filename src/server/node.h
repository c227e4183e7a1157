/* The node: everything put together, started, and stopped by a signal. On the main thread, which
 * waits while the shards run. */
#ifndef SERVER_NODE_H
#define SERVER_NODE_H

#include "base/role.h"
#include "base/text.h"
#include "config/node.h"

struct node_options {
    const struct node_config *config;
    const char *version;
};

/* Runs until SIGTERM or SIGINT. true: it stopped cleanly. false: *error says why it could not
 * start, or is empty when it had to stop and the log has told why. */
MUST_USE bool node_run(const struct node_options *, struct text *error) NOT_ON(on_shard);

#endif
