/* Groups that change between the classic and the consumer protocol (KIP-848). On the partition's
 * shard. */
#ifndef COORD_CONSUMER_MIGRATE_H
#define COORD_CONSUMER_MIGRATE_H

#include "coord/consumer_int.h"

/* Why a classic group cannot become one of the consumer protocol, as clients are told; NULL: it
 * can. */
const char *consumer_upgrade_fault(struct group *, struct arena *);
/* Members that it would have; NULL: no group, and none. */
int consumer_upgrade_size(const struct group *);
/* One of them has that member id, or that instance id. */
bool consumer_upgrade_has(const struct group *, struct slice member_id, struct slice instance_id);
/* Makes it one, with records. */
void consumer_upgrade(const struct consumer_writer *);

#endif
