/* Ends of transactions on their way to the partitions that were part of them, which this node
 * leads: for the transaction coordinator, and for WriteTxnMarkers. On the asking shard. */
#ifndef API_MARKERS_H
#define API_MARKERS_H

#include "api/gather.h"
#include "coord/set.h"
#include "coord/world.h"

/* One partition that an end is for. */
struct marker_part {
    struct api_part part; /* first: api/gather.h */
    struct api_shard *there;
    struct replica_waiter waiter;
    struct replica_append append;
    struct coord_end coord_end;
    uint8_t *bytes;
    struct uuid topic_id;
    bool is_groups; /* of __consumer_offsets: its group coordinator writes and hears of it */
    /* in */
    struct slice topic; /* borrowed till the end */
    int32_t partition;
    const struct coord_txn_end *end;
    int16_t transaction_version;
    /* out: ERR_NONE, or ERR_UNKNOWN_TOPIC_OR_PARTITION, ERR_NOT_LEADER_OR_FOLLOWER,
     * ERR_INVALID_PRODUCER_EPOCH, ERR_TRANSACTION_COORDINATOR_FENCED or what a log answers */
    enum err err;
};

/* Embedded in its owner, its parts too, until on_done. */
struct marking {
    struct api_gather gather;
    struct arena *arena;
    void (*on_done)(struct marking *);
};

/* false: memory is out. */
MUST_USE bool marking_init(struct marking *, struct api_shard *, struct arena *,
                           void (*on_done)(struct marking *));
/* Its in-members are set. One whose partition is not there is settled at once. */
void marking_add(struct marking *, struct marker_part *) ON(on_shard);
/* on_done follows, possibly in this call. */
void marking_run(struct marking *) ON(on_shard);

/* Members of struct coord_outside; the context is the struct api_shard. */
void api_write_markers(void *context, struct coord_markers *) ON(on_shard);
void api_allocate_id(void *context, struct coord_ids *) ON(on_shard);

#endif
