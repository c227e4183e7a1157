/* The coordinators of one shard: one for each partition of an internal topic that this node leads
 * and whose replica is on the shard. They follow the cluster's image: a new leader reads its log
 * first and answers COORDINATOR_LOAD_IN_PROGRESS meanwhile (a call waits COORD_LOAD_WAIT_MS for
 * that, so that a start, or the first use of all, is not told). On its shard. */
#ifndef COORD_SET_H
#define COORD_SET_H

#include "base/hash.h"
#include "base/uuid.h"
#include "coord/machine.h"
#include "shard/shard.h"

struct codec_pool;
struct meta_topic;
struct replica_set;

#define COORD_LOAD_WAIT_MS 300

enum coord_kind { COORD_GROUPS, COORD_TXNS, COORD_KIND_COUNT };

/* What the node does for coordinators: the layers above set it. Called on the shard. */
struct coord_outside {
    void *context;
    void (*write_markers)(void *context, struct coord_markers *);
    void (*allocate_id)(void *context, struct coord_ids *);
};

struct coord_set {
    struct shard *shard;
    const struct node_config *config;
    struct replica_set *replicas;
    const struct coord_machine_type *types[COORD_KIND_COUNT];
    const struct coord_outside *outside;
    struct codec_pool *codecs;
    const struct meta_image *image;
    struct hash_table table; /* coord_partition */
    struct list ended;       /* coord_partition that are gone, but wait for something under way */
    bool stopping;
};

void coord_set_init(struct coord_set *);
/* Nothing of it is under way: after the shards have ended. */
void coord_set_fini(struct coord_set *);
/* After the replicas followed it. before: the image until now, or NULL. */
void coord_set_follow(struct coord_set *, const struct meta_image *before,
                      const struct meta_image *now) ON(on_shard);
/* The node stops, or its clients are to go: all calls are answered with NOT_COORDINATOR, now and
 * later. Records under way are still appended. */
void coord_set_stop(struct coord_set *) ON(on_shard);

/* The name of the topic. */
const char *coord_topic_name(enum coord_kind);
/* String.hashCode of Java. */
uint32_t coord_java_hash(struct slice text);
/* The partition that a group or transactional id belongs to, of so many: Java's hash of a string,
 * as every Kafka broker and tool computes it. */
int32_t coord_partition_of(struct slice key, int32_t partition_count);

struct coord_place {
    enum coord_kind kind;
    int32_t partition;
    int64_t image_end; /* of the image by which it was found */
};
/* Runs the operation on the partition's machine; on_done follows, possibly in this call. Errors of
 * its own: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE. */
void coord_set_call(struct coord_set *, const struct coord_place *, coord_op_fn,
                    struct coord_call *) ON(on_shard);
/* Visits the machines of a kind that lead, in order of their partitions. is_loading of the visit is
 * set where one is still reading its log. */
struct coord_visit {
    void (*on_machine)(struct coord_visit *, struct coord_machine *);
    bool is_loading;
};
void coord_set_each(struct coord_set *, enum coord_kind, struct coord_visit *) ON(on_shard);

/* Appends the end of a producer's transaction to a partition of an internal topic that this set
 * leads, and tells its machine. Embedded in its owner until on_done. */
struct coord_end {
    struct list link;
    struct coord_txn_end end;
    int16_t transaction_version;
    int64_t ticket;
    void (*on_done)(struct coord_end *);
    enum err err;
};
/* false: no coordinator's partition (on_done does not follow): it is one like any other. */
bool coord_set_end_txn(struct coord_set *, const struct coord_place *, struct coord_end *)
    ON(on_shard);

#endif
