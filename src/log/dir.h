/* One entry of log.dirs: the folder that holds partitions' folders and the files about them all.
 * Made, locked and identified at the start, on the main thread; its descriptor then serves every
 * log in it. Blocking: never on a shard. */
#ifndef LOG_DIR_H
#define LOG_DIR_H

#include "base/attr.h"
#include "base/role.h"
#include "base/text.h"
#include "base/uuid.h"
#include "log/checkpoint.h"

#define LOG_DIR_CLUSTER_ID_SIZE 64

/* meta.properties, version 1 (version 0 had broker.id). */
struct log_dir_identity {
    char cluster_id[LOG_DIR_CLUSTER_ID_SIZE];
    int32_t node_id;
    struct uuid directory_id; /* zero: version 0 had none */
};

struct log_dir {
    const char *path; /* the configuration's */
    int fd;
    int lock_fd;
    bool is_formatted;          /* meta.properties is there */
    bool was_clean;             /* the marker of a clean stop was there */
    int64_t clean_broker_epoch; /* of the marker; -1: not told */
    struct log_dir_identity identity;
    struct checkpoint recovery_points;
    struct checkpoint log_starts;
    struct checkpoint high_watermarks;
};

/* Makes the folder, locks it, reads what it says of itself and its checkpoints; a clean-stop marker
 * is removed. false: *error has one sentence with a hint. Warnings of files that could not be read
 * are journalled. */
MUST_USE bool log_dir_open(struct log_dir *, const char *path, struct text *error) NOT_ON(on_shard);
/* Removes the marker of a clean stop, durably: from now on a crash is a crash. */
MUST_USE int log_dir_begin(struct log_dir *) NOT_ON(on_shard);
/* Writes meta.properties, when the directory itself is sure to stay. 0 or -errno. */
MUST_USE int log_dir_identify(struct log_dir *, const struct log_dir_identity *) NOT_ON(on_shard);
/* Writes the marker of a clean stop. 0 or -errno. */
MUST_USE int log_dir_mark_clean(struct log_dir *, int64_t broker_epoch) NOT_ON(on_shard);
/* Unlocks and frees. */
void log_dir_close(struct log_dir *) NOT_ON(on_shard);

/* Whether the folder is what a deletion left ("...-delete"). */
bool log_dir_is_doomed(struct slice name);

#endif
