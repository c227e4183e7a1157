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
#include "shard/stats.h"

#define LOG_DIR_CLUSTER_ID_SIZE 64

/* meta.properties, version 1 (version 0 had broker.id). */
struct log_dir_identity {
    char cluster_id[LOG_DIR_CLUSTER_ID_SIZE];
    int32_t node_id;
    struct uuid directory_id; /* zero: version 0 had none */
};

/* What a directory is doing; for the whole process, and for good once it is offline. */
enum log_dir_state { LOG_DIR_ONLINE, LOG_DIR_OFFLINE };

struct log_dir {
    const char *path;         /* the configuration's */
    bool holds_metadata;      /* the metadata log is in it */
    bool metadata_only;       /* metadata.log.dir that is none of log.dirs: no partitions */
    struct stats_level full;  /* 1: only the reserve of its disk is left */
    struct stats_level state; /* enum log_dir_state: set by whoever finds it failed, read by all */
    void (*on_offline)(struct log_dir *); /* told once, on the thread that found it; or NULL */
    void *context;                        /* on_offline's */
    int fd;
    int lock_fd;
    bool is_formatted;          /* meta.properties is there */
    bool was_clean;             /* the marker of a clean stop was there */
    int64_t clean_broker_epoch; /* of the marker; -1: not told */
    int64_t alive_ms;           /* wall clock when a checkpoint was last written; 0: never */
    struct log_dir_identity identity;
    struct checkpoint recovery_points;
    struct checkpoint log_starts;
    struct checkpoint high_watermarks;
    struct checkpoint cleaner_offsets;
};

/* Takes the directory out of service for the rest of the process; any thread. The first word of it
 * is journalled and told on, later ones are not. */
struct log_dir_fault {
    const char *file; /* below the directory, or "." */
    const char *why;
    int error; /* -errno */
};
void log_dir_fail(struct log_dir *, const struct log_dir_fault *);
/* Errors of a write that pass: no space, no descriptors, no memory. Others take the directory
 * offline. */
bool log_error_passes(int error);
/* Any thread; a directory that is not known (NULL) is online. */
static inline bool log_dir_is_offline(const struct log_dir *dir)
{
    return dir != NULL && stats_level_get(&dir->state) == LOG_DIR_OFFLINE;
}

enum log_dir_outcome {
    LOG_DIR_OPENED,
    LOG_DIR_FAILED,  /* the medium: the directory is offline, others may serve */
    LOG_DIR_REFUSED, /* somebody else's, or it cannot be understood: not to be worked around */
};
/* Makes the folder, locks it, reads what it says of itself and its checkpoints. Where it is not
 * opened *error has one sentence with a hint. Warnings of files that could not be read are
 * journalled. */
MUST_USE enum log_dir_outcome log_dir_open(struct log_dir *, const char *path, struct text *error)
    NOT_ON(on_shard);
/* Removes the marker of a clean stop, durably: from now on a crash is a crash. */
MUST_USE int log_dir_begin(struct log_dir *) NOT_ON(on_shard);
/* Writes meta.properties, when the directory itself is sure to stay. 0 or -errno. */
MUST_USE int log_dir_identify(struct log_dir *, const struct log_dir_identity *) NOT_ON(on_shard);
/* Writes the marker of a clean stop. 0 or -errno. */
MUST_USE int log_dir_mark_clean(struct log_dir *, int64_t broker_epoch) NOT_ON(on_shard);
/* Unlocks and frees. */
void log_dir_close(struct log_dir *) NOT_ON(on_shard);

/* "topic-0.<random>-<suffix>"; the topic is cut short where a file system takes no longer name. */
#define LOG_FOLDER_NAME_SIZE 320
void log_suffixed_name(const char *name, struct uuid random, const char *suffix,
                       char ret_name[LOG_FOLDER_NAME_SIZE]);
/* Renames a partition's folder to "<topic>-<partition>.<random>-stray", durably. 0 or -errno. */
MUST_USE int log_set_folder_aside(int dir_fd, const char *name) NOT_ON(on_shard);
/* Whether the folder is what a deletion left ("...-delete"). */
bool log_dir_is_doomed(struct slice name);
/* Whether it was set aside ("...-stray"). */
bool log_dir_is_stray(struct slice name);
/* The partition that a folder is of: "topic-0", or, of one that is being moved to this directory,
 * "topic-0.<random>-future". false: it is of none. */
struct log_folder {
    struct slice name; /* "topic-0" */
    struct slice topic;
    int32_t partition;
    bool is_future;
};
MUST_USE bool log_folder_parse(struct slice name, struct log_folder *ret_folder);

#endif
