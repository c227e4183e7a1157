/* See the header. */
#include "replica/folder.h"

#include "replica/replica_int.h"
#include "sys/journal.h"

#include <stdlib.h>

/* Until checkpoints that could not be written are tried again. */
#define AGAIN_MS 1000

static struct replica_folder *of_timer(struct shard_timer *timer)
{
    return CONTAINER_OF(timer, struct replica_folder, timer);
}

struct replica_folder *replica_folder_new(struct replica *replica)
{
    struct replica_folder *folder = calloc(1, sizeof *folder);
    if (folder == NULL)
        return NULL;
    folder->set = replica->set;
    folder->replica = replica;
    folder->dir_fd = replica->set->dirs[replica->dir_index].fd;
    list_init(&folder->link);
    shard_timer_init(&folder->timer, NULL);
    return folder;
}

static void folder_free(struct replica_folder *folder)
{
    list_remove(&folder->link);
    free(folder);
}

/* ---- removing it ---- */

static void remove_run(struct shard_job *job)
{
    role_now_on_worker();
    struct replica_folder *folder = CONTAINER_OF(job, struct replica_folder, job);
    folder->error = log_remove_folder(folder->dir_fd, folder->name);
}

static void remove_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct replica_folder *folder = CONTAINER_OF(job, struct replica_folder, job);
    struct replica_set *set = folder->set;
    if (folder->error < 0)
        journal(JOURNAL_WARN, "folder_not_removed", "name=%s error=\"%s\" effect=\"%s\"",
                folder->name, strerror(-folder->error), "the next start tries again");
    folder_free(folder);
    replica_set_closed_one(set);
}

static void on_delay_over(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    struct replica_folder *folder = of_timer(timer);
    folder->set->closing_count++; /* a stop waits for it */
    folder->job =
        (struct shard_job){.run = remove_run, .on_done = remove_done, .queue = &folder->set->files};
    shard_submit(shard, &folder->job);
}

/* ---- its name becomes free ---- */

static void persist(struct replica_folder *folder) ON(on_shard);

static void on_again(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    (void)shard;
    struct replica_folder *folder = of_timer(timer);
    list_remove(&folder->link);
    persist(folder);
}

static void on_persisted(struct replica_persist *persist)
{
    role_now_on_shard();
    struct replica_folder *folder = CONTAINER_OF(persist, struct replica_folder, persist);
    struct replica_set *set = folder->set;
    if (persist->error < 0 && !set->stopping) {
        list_add_tail(&set->folders, &folder->link);
        folder->timer.on_expired = on_again;
        shard_timer_start(set->shard, &folder->timer, AGAIN_MS);
        return;
    }
    struct replica *replica = folder->replica;
    folder->replica = NULL;
    if (set->stopping) {
        folder_free(folder);
    } else {
        list_add_tail(&set->folders, &folder->link);
        folder->timer.on_expired = on_delay_over;
        shard_timer_start(set->shard, &folder->timer, MIN_OF(set->folder_delay_ms, INT64_MAX / 2));
    }
    replica_closed(replica);
}

static void persist(struct replica_folder *folder)
{
    folder->persist = (struct replica_persist){.everything = true, .on_done = on_persisted};
    replica_persist(folder->set, &folder->persist);
}

void replica_folder_wait(struct replica_folder *folder)
{
    persist(folder);
}

void replica_folders_forget(struct replica_set *set)
{
    LIST_EACH_SAFE (&set->folders, node, after) {
        struct replica_folder *folder = CONTAINER_OF(node, struct replica_folder, link);
        if (!shard_timer_is_running(&folder->timer))
            continue; /* a worker is at it */
        shard_timer_stop(set->shard, &folder->timer);
        struct replica *replica = folder->replica;
        folder_free(folder);
        if (replica != NULL)
            replica_closed(replica); /* its name is not free, but nobody needs it any more */
    }
}
