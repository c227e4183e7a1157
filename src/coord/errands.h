/* What a coordinator's machine asks of the cluster (world.h: markers, producer ids), carried out
 * once all that it recorded before is committed, and told to it only if it is still there: a
 * machine may be freed while an errand is on its way. On the partition's shard. */
#ifndef COORD_ERRANDS_H
#define COORD_ERRANDS_H

#include "coord/coord_int.h"

/* Members of struct coord_world. */
void coord_errand_markers(struct coord_world *, struct coord_markers *);
void coord_errand_id(struct coord_world *, struct coord_ids *);
/* The step is over: what it asked for rests on what was recorded. */
void coord_errands_stamp(struct coord_partition *);
/* Sends what rests on what is committed. */
void coord_errands_send(struct coord_partition *) ON(on_shard);
/* The machine goes: nothing is told to it any more. */
void coord_errands_drop(struct coord_partition *);

#endif
