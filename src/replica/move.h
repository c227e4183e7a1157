/* Moving a partition between the node's directories; see move.c. On the set's shard. */
#ifndef REPLICA_MOVE_H
#define REPLICA_MOVE_H

#include "replica/set.h"

/* Moves it to the directory, in the background; one under way to another is given up. ERR_NONE or
 * ERR_KAFKA_STORAGE_ERROR. Not while it is being opened. */
MUST_USE enum err replica_move_to(struct replica *, int to) ON(on_shard);
/* A partition that this shard does not have yet is moved there as soon as it does. */
void replica_move_remember(struct replica_set *, const char *name, int to);
/* Bytes of its log, while that is let go of for a move; else -1. */
int64_t replica_move_size(const struct replica *);
/* Where it is being moved to. false: nowhere. */
MUST_USE bool replica_move_place(const struct replica *, struct replica_place_row *ret_row);

#endif
