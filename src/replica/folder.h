/* What a deleted topic's partition leaves: its folder, renamed to "...-delete", which stays for
 * file.delete.delay.ms (the node's, as with Kafka) and is removed by a worker then; and the entries
 * of its name in the directory's checkpoints, which must be gone before a log of that name is
 * opened. A stop leaves folders to the next start. On its shard. */
#ifndef REPLICA_FOLDER_H
#define REPLICA_FOLDER_H

#include "replica/set.h"

struct replica_folder {
    struct list link; /* the set's, once it waits for its time */
    struct shard_timer timer;
    struct shard_job job;
    struct replica_persist persist;
    struct replica_set *set;
    struct replica *replica; /* until its name is free */
    int dir_fd;
    int error;
    char name[LOG_FOLDER_NAME_SIZE];
};

/* NULL when memory is out. */
struct replica_folder *replica_folder_new(struct replica *);
/* The folder was renamed: replica_closed follows when a log of the old name may be opened. */
void replica_folder_wait(struct replica_folder *) ON(on_shard);
/* At the stop. */
void replica_folders_forget(struct replica_set *) ON(on_shard);

#endif
