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

struct node;

/* Starts it and returns while its shards run. NULL: *error says why it could not start. */
MUST_USE struct node *node_start(const struct node_options *, struct text *error) NOT_ON(on_shard);
/* Returns when it has stopped, on SIGTERM or SIGINT or by itself, and frees it. true: it stopped
 * cleanly. false: it had to stop, and the log has told why. */
MUST_USE bool node_wait(struct node *) NOT_ON(on_shard);
/* Both. false: with an *error it could not start, without one it had to stop. */
MUST_USE bool node_run(const struct node_options *, struct text *error) NOT_ON(on_shard);

#endif
