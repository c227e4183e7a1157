/* What replica.c and set.c share. */
#ifndef REPLICA_REPLICA_INT_H
#define REPLICA_REPLICA_INT_H

#include "replica/set.h"

/* true: the waiter is told when the replica is open or never will be. false: it need not wait. */
MUST_USE bool replica_wait_open(struct replica *, struct replica_waiter *) ON(on_shard);
/* Tells all of a list, which is empty then unless one of them waits again. */
void replica_wake(struct list *waiting);
/* Tells everybody who waits that the state changed. */
void replica_wake_all(struct replica *) ON(on_shard);
/* The log is open: leads at the epoch. */
void replica_lead(struct replica *, int32_t leader_epoch) ON(on_shard);
void replica_init_waiting(struct replica *);
/* The log has nothing under way: a worker closes or deletes it. */
void replica_log_idle(void *context);
/* Closes a doomed or stopping replica when nothing is under way. */
void replica_close_if_idle(struct replica *) ON(on_shard);

#endif
