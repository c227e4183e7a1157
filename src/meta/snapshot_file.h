/* Snapshots as files of the metadata folder: their names, finding the newest that can be read,
 * letting go of old ones as Kafka does. Blocking: before the shards run, or on workers. */
#ifndef META_SNAPSHOT_FILE_H
#define META_SNAPSHOT_FILE_H

#include "base/attr.h"
#include "base/role.h"
#include "base/slice.h"

/* "<offset, 20 digits>-<epoch, 10 digits>.checkpoint" */
#define META_SNAPSHOT_NAME_SIZE 43

/* A snapshot holds what the log says below the offset; the epoch is of the record before it. */
struct meta_snapshot_id {
    int64_t offset;
    int32_t epoch;
    bool found;
};

void meta_snapshot_name(const struct meta_snapshot_id *, char ret_name[META_SNAPSHOT_NAME_SIZE]);
/* false: the file is no snapshot. */
bool meta_snapshot_parse(const char *name, struct meta_snapshot_id *ret_id);
/* The newest one whose offset is below the bound; not found is fine. 0 or -errno. */
MUST_USE int meta_snapshot_newest(int folder_fd, int64_t bound, struct meta_snapshot_id *ret_id)
    NOT_ON(on_shard);
/* Removes what snapshots that were never finished, or never wholly deleted, left. */
void meta_snapshot_sweep(int folder_fd) NOT_ON(on_shard);

/* Kafka's rules (metadata.max.retention.*): oldest first, a snapshot goes when log and snapshots
 * are together larger, or it is older; the newest stays always. */
struct meta_snapshot_retention {
    int64_t size_max;   /* -1: no limit */
    int64_t age_max_ms; /* -1: no limit */
    int64_t now_ms;
    int64_t log_size;
};
/* *ret_start: the offset of the oldest that stays; the log may begin there. 0 or -errno. */
MUST_USE int meta_snapshot_retain(int folder_fd, const struct meta_snapshot_retention *,
                                  int64_t *ret_start) NOT_ON(on_shard);

#endif
