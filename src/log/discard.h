/* Letting go of segment files. They are renamed to ".deleted" on a worker and removed when
 * file.delete.delay.ms has passed, as Kafka does; a stop leaves that to the next start
 * (leftovers.c). Whoever holds a range of such a segment finishes undisturbed: its handle is open,
 * and is not opened again once it is forgotten. On the log's shard. */
#ifndef LOG_DISCARD_H
#define LOG_DISCARD_H

#include "log/log_int.h"

/* Takes segments that were taken out of log->segments, oldest first, whose upkeep is done; frees
 * them. When this returns no read begins in them any more. The files are renamed in that order, a
 * segment's ".log" last, and the folder is synced. A file whose name belongs to a segment of
 * log->segments again (a compaction made it anew) is renamed too, but for its snapshot: the new
 * file must get its name after, by a job of the same queue (log_discard_queue).
 * The log goes offline when memory is out. */
void log_discard(struct log *, struct log_segment **, int count) ON(on_shard);
/* Jobs of this queue of the upkeep lane run one after the other, those of log_discard too, for all
 * logs of the shard. */
void *log_discard_queue(const struct log *);
/* Forgets what waits for its time; no job may be under way. */
void log_discard_forget(struct log *) ON(on_shard);

#endif
