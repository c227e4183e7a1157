/* Producer ids of one shard: they come from the controller in blocks, and the next block is asked
 * for when the one at hand is used up; who wants one meanwhile waits in order. On its shard. */
#ifndef API_PRODUCER_IDS_H
#define API_PRODUCER_IDS_H

#include "api/shard.h"
#include "coord/world.h"

/* on_done follows, possibly in this call: with an id, or ERR_COORDINATOR_LOAD_IN_PROGRESS, Kafka's
 * answer while none can be had. Whoever waits may take its link out of the list: then it does not
 * follow. */
void producer_ids_take(struct api_shard *, struct coord_ids *) ON(on_shard);

#endif
