/* Removing folders that nobody needs any more, in the background: the next start removes what is
 * left where this one ends before. On the set's shard; the removing is a worker's. */
#include "replica/move_int.h"
#include "sys/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct removal {
    struct shard_job job;
    struct log_dir *dir;
    char name[LOG_FOLDER_NAME_SIZE];
};

static void removal_run(struct shard_job *job)
{
    role_now_on_worker();
    const struct removal *removal = CONTAINER_OF(job, const struct removal, job);
    int error = log_remove_folder(removal->dir->fd, removal->name);
    if (error < 0 && error != -ENOENT)
        journal(JOURNAL_WARN, "folder_not_removed", "directory=%s name=%s error=\"%s\"",
                removal->dir->path, removal->name, strerror(-error));
}

static void removal_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    free(CONTAINER_OF(job, struct removal, job));
}

void replica_remove_later(const struct replica_set *set, int dir, const char *name)
{
    struct removal *removal = calloc(1, sizeof *removal);
    if (removal == NULL)
        return; /* the next start does it */
    removal->dir = &set->dirs[dir];
    (void)snprintf(removal->name, sizeof removal->name, "%s", name);
    removal->job = (struct shard_job){.run = removal_run, .on_done = removal_done};
    shard_submit(set->shard, &removal->job);
}
