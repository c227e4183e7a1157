/* The server's assignors (KIP-848): who of a group should have which partition. Pure: members and
 * topics are numbers here, partitions are numbered through all topics. One thread. */
#ifndef GROUP_CONSUMER_ASSIGN_H
#define GROUP_CONSUMER_ASSIGN_H

#include "base/arena.h"

#define ASSIGN_NOBODY (-1)

struct assign_topic {
    int32_t first; /* the number of its partition 0 */
    int32_t count; /* of partitions */
};

struct assign_member {
    struct slice id;
    struct slice instance_id; /* null: none */
    const int32_t *topics;    /* that it is subscribed to, ascending */
    int32_t topic_count;
    const int32_t *held; /* partitions of its last target, ascending */
    int32_t held_count;
};

struct assign {
    struct arena *arena; /* scratch, without a limit */
    const struct assign_topic *topics;
    int32_t topic_count;
    const struct assign_member *members;
    int32_t member_count;
    bool is_homogeneous;     /* all are subscribed to the same topics */
    int32_t partition_count; /* of all topics */
    int32_t *owners;         /* out, the caller's room: a member for each partition, or nobody */
};

/* Everyone as many as can be, of all topics together, taking away as little as can be. */
void assign_uniform(struct assign *);
/* Of each topic a run of partitions, in the order of instance ids and member ids. */
void assign_range(struct assign *);

/* ---- among its files ---- */

void assign_uniform_mixed(struct assign *); /* subscriptions differ */
bool assign_is_subscribed(const struct assign_member *, int32_t topic);
/* The topic that a partition belongs to, given one at or before it. */
int32_t assign_topic_of(const struct assign *, int32_t partition, int32_t from);

#endif
