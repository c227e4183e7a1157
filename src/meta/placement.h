/* Where partitions go: which brokers may hold one, and the records that give it to them. On the
 * controller's shard. */
#ifndef META_PLACEMENT_H
#define META_PLACEMENT_H

#include "meta/meta_int.h"

/* One partition's replicas as a client wants them. */
struct meta_assignment {
    struct meta_ids brokers;
    int32_t partition;
    int32_t factor; /* replicas of the other partitions */
};

/* Kafka's sentence about it (INVALID_REPLICA_ASSIGNMENT), in the arena or constant; NULL: none. */
const char *meta_assignment_fault(const struct meta_image *, const struct meta_assignment *,
                                  struct arena *);
/* The same (INVALID_REPLICATION_FACTOR) where the controller is to choose. */
const char *meta_placement_fault(const struct meta_image *, int16_t factor, struct arena *);

struct meta_new_partition {
    struct uuid topic_id;
    int32_t id;
};
/* On this node, which leads it. */
void meta_partition_add(struct meta *, struct meta_records *, const struct meta_new_partition *);

#endif
