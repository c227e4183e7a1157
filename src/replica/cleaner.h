/* The log cleaners of a node: each goes round the shards for the log that most of all wants to be
 * compacted, has it cleaned where it is, notes how far, and begins again; where no log wants to it
 * rests for log.cleaner.backoff.ms. As many as log.cleaner.threads, which share the configured
 * memory and rate. At home on shard 0; a cleaner is on one shard at a time. */
#ifndef REPLICA_CLEANER_H
#define REPLICA_CLEANER_H

#include "config/node.h"
#include "replica/set.h"

struct cleaners;

/* sets: one a data shard. NULL when memory is out. */
struct cleaners *cleaners_new(const struct node_config *, struct replica_set *sets, int set_count);
void cleaners_start(struct cleaners *, struct shard *home) ON(on_shard);
/* No further cleaning begins; one under way ends when its log is closed. */
void cleaners_stop(struct cleaners *) ON(on_shard);
/* After the shards ended; NULL is fine. */
void cleaners_free(struct cleaners *);

/* A replica's topic is gone: nothing is known any more of how far it was cleaned. NULL is fine. On
 * the replica's shard. */
void cleaners_forget(struct cleaners *, const struct replica *) ON(on_shard);

#endif
