/* How far each log was cleaned: Kafka's "cleaner-offset-checkpoint" of each directory. Home has all
 * of it in memory and writes a directory's file anew after each cleaning; writes follow each other
 * in one queue, so that a file never goes back. Logs that are gone are left out. */
#include "replica/cleaner_int.h"

#include "sys/dir.h"
#include "sys/journal.h"

#include <stdio.h>
#include <stdlib.h>

static struct log_dir *dir_at(const struct cleaners *all, int dir_index)
{
    return &all->sets[0].dirs[dir_index];
}

bool cleaner_points_init(struct cleaners *all)
{
    all->dir_count = all->sets[0].dir_count;
    all->points = calloc((size_t)all->dir_count, sizeof *all->points);
    bool fine = all->points != NULL;
    for (int i = 0; i < all->dir_count && fine; i++) {
        checkpoint_init(&all->points[i]);
        fine = checkpoint_add(&all->points[i], &dir_at(all, i)->cleaner_offsets);
    }
    return fine;
}

void cleaner_points_fini(struct cleaners *all)
{
    for (int i = 0; i < all->dir_count; i++)
        checkpoint_fini(&all->points[i]);
    free(all->points);
}

static void write_run(struct shard_job *job)
{
    role_now_on_worker();
    struct cleaner *cleaner = CONTAINER_OF(job, struct cleaner, job);
    const struct log_dir *dir = dir_at(cleaner->all, cleaner->dir_index);
    checkpoint_drop_absent(&cleaner->points, dir->fd);
    cleaner->error = checkpoint_write(&cleaner->points, dir->fd, CHECKPOINT_CLEANER);
}

static void write_done(struct shard *home, struct shard_job *job)
{
    role_now_on_shard();
    (void)home;
    struct cleaner *cleaner = CONTAINER_OF(job, struct cleaner, job);
    checkpoint_fini(&cleaner->points);
    if (cleaner->error < 0)
        journal(JOURNAL_WARN, "checkpoint_failed", "directory=%s error=\"%s\" effect=\"%s\"",
                dir_at(cleaner->all, cleaner->dir_index)->path, strerror(-cleaner->error),
                "what was cleaned is cleaned again after a restart");
    cleaner_begin_round(cleaner);
}

void cleaner_note(struct cleaner *cleaner)
{
    struct cleaners *all = cleaner->all;
    struct checkpoint *points = &all->points[cleaner->dir_index];
    checkpoint_init(&cleaner->points);
    if (!checkpoint_put(points, slice_of_text(cleaner->name), cleaner->cleaned_to) ||
        !checkpoint_add(&cleaner->points, points)) {
        checkpoint_fini(&cleaner->points);
        cleaner_begin_round(cleaner); /* without memory: it is cleaned again after a restart */
        return;
    }
    cleaner->job = (struct shard_job){.run = write_run, .on_done = write_done, .queue = all};
    shard_submit(all->home, &cleaner->job);
}

/* ---- logs that are gone ---- */

struct forgetting {
    struct shard_message message;
    struct cleaners *all;
    int dir_index;
    char name[288];
};

static void forget(struct shard *home, struct shard_message *message)
{
    (void)home;
    struct forgetting *forgetting = CONTAINER_OF(message, struct forgetting, message);
    checkpoint_remove(&forgetting->all->points[forgetting->dir_index],
                      slice_of_text(forgetting->name));
    free(forgetting);
}

static const struct shard_route route_forget = {.name = "cleaner forgets", .run = {forget}};

void cleaners_forget(struct cleaners *all, const struct replica *replica)
{
    struct forgetting *forgetting =
        all != NULL && all->home != NULL ? calloc(1, sizeof *forgetting) : NULL;
    if (forgetting == NULL)
        return;
    forgetting->all = all;
    forgetting->dir_index = replica->dir_index;
    (void)snprintf(forgetting->name, sizeof forgetting->name, "%s", replica->name);
    shard_send(replica->set->shard, all->home, &forgetting->message, &route_forget);
}
