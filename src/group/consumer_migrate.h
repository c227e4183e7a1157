/* Groups that change between the classic and the consumer protocol (KIP-848). On the partition's
 * shard. */
#ifndef GROUP_CONSUMER_MIGRATE_H
#define GROUP_CONSUMER_MIGRATE_H

#include "group/consumer_int.h"

/* ---- up ---- */

/* Why a classic group cannot become one of the consumer protocol, as clients are told, in the
 * arena; NULL: it can. */
const char *consumer_upgrade_fault(const struct group *, struct arena *);
/* Members that it would have; NULL: no group, and none. */
int consumer_upgrade_size(const struct group *);
/* One of them has that member id, or that instance id. */
bool consumer_upgrade_has(const struct group *, struct slice member_id, struct slice instance_id);
/* Makes the classic group one of the consumer protocol, with records: its members have what they
 * had. Who waits for a rebalance is told to join again. One without members is buried only. */
void consumer_upgrade(const struct consumer_writer *);

/* ---- down ---- */

/* Without these only classic members are left, and the group may be theirs. */
bool consumer_may_downgrade(const struct consumer_group *, const struct consumer_leavers *);
/* Makes it a classic group without these, in which a rebalance begins. The consumer group is gone
 * then. */
void consumer_downgrade_without(struct consumer_group *, const struct consumer_leavers *,
                                const struct consumer_writer *);
/* The static member becomes a classic one, and all are classic then. */
bool consumer_may_downgrade_by(const struct consumer_group *, const struct consumer_member *);
struct consumer_downgrade {
    const struct consumer_leavers *leavers;
    int32_t generation;
    bool rebalances; /* members have not what they should have */
};
/* The consumer group is gone then. */
void consumer_downgrade(struct consumer_group *, const struct consumer_downgrade *,
                        const struct consumer_writer *);
/* The policy lets classic clients into groups of the consumer protocol. */
bool consumer_migration_is_disabled(const struct node_config *);

#endif
