/* Writes the checkpoint files of the log directories, each at its own interval
 * (log.flush.offset.checkpoint.interval.ms and the like), so that the start after a crash need not
 * read again what was flushed. On shard 0. */
#ifndef SERVER_CHECKPOINTS_H
#define SERVER_CHECKPOINTS_H

#include "config/node.h"
#include "log/dir.h"
#include "replica/set.h"
#include "shard/shard.h"

struct checkpoints;

/* home: shard 0, that is. NULL when memory is out. */
struct checkpoints *checkpoints_new(const struct node_config *, struct log_dir *dirs, int dir_count,
                                    struct shard *home);
void checkpoints_start(struct checkpoints *) ON(on_shard);
/* Recovery points have risen far: they and log starts are written within a second. */
void checkpoints_hurry(struct checkpoints *) ON(on_shard);
/* No further round begins by itself; one under way ends by itself. */
void checkpoints_stop(struct checkpoints *) ON(on_shard);
/* Stores the starts of all logs, or everything, as soon as it can be; also while the node stops. On
 * the set's shard. */
void checkpoints_persist(struct replica_set *, struct replica_persist *) ON(on_shard);
/* After the shards ended; NULL is fine. */
void checkpoints_free(struct checkpoints *);

#endif
