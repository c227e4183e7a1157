/* Writes the checkpoint files of the log directories, each at its own interval
 * (log.flush.offset.checkpoint.interval.ms and the like), so that the start after a crash need not
 * read again what was flushed. On shard 0. */
#ifndef SERVER_CHECKPOINTS_H
#define SERVER_CHECKPOINTS_H

#include "config/node.h"
#include "log/dir.h"
#include "shard/shard.h"

struct checkpoints;

/* NULL when memory is out. */
struct checkpoints *checkpoints_new(const struct node_config *, struct log_dir *dirs,
                                    int dir_count);
void checkpoints_start(struct checkpoints *, struct shard *home) ON(on_shard);
/* Recovery points have risen far, or a log was deleted, whose name another may get: recovery points
 * and log starts are written within a second. */
void checkpoints_hurry(struct checkpoints *) ON(on_shard);
/* No further round begins; one under way ends by itself. */
void checkpoints_stop(struct checkpoints *) ON(on_shard);
/* After the shards ended; NULL is fine. */
void checkpoints_free(struct checkpoints *);

#endif
