/* What the transaction coordinator needs of the cluster: the ends of transactions written to the
 * partitions that were part of them, and producer ids. On the coordinator's shard. */
#ifndef API_MARKERS_H
#define API_MARKERS_H

#include "api/shard.h"
#include "coord/world.h"

/* Members of struct coord_outside; the context is the struct api_shard. */
void api_write_markers(void *context, struct coord_markers *) ON(on_shard);
void api_allocate_id(void *context, struct coord_ids *) ON(on_shard);

#endif
