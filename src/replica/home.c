/* Where a partition's folder is among the node's directories. The controller's word decides, and
 * the disks tell the rest: a folder that stands elsewhere is used and told to the controller; a
 * finished move between directories is carried to its end; what stands in the way of the folder
 * that counts is set aside, never removed. A partition whose directory is not there is not begun
 * anew elsewhere: what it holds would be lost without a word. The finding runs on a worker. */
#include "replica/replica_int.h"

#include "sys/dir.h"
#include "sys/entropy.h"
#include "sys/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- before the job ---- */

static bool serves(const struct log_dir *dir)
{
    return !dir->metadata_only && !log_dir_is_offline(dir);
}

static int index_of(const struct replica_set *set, struct uuid id)
{
    for (int i = 0; i < set->dir_count; i++)
        if (serves(&set->dirs[i]) && uuid_equal(set->dirs[i].identity.directory_id, id))
            return i;
    return -1;
}

/* The serving directory with the fewest partitions, counting those that were just given out. */
static int pick_fewest(struct replica_set *set, const struct meta_image *image)
{
    struct replica_counts *counts = &set->counts;
    struct uuid ids[NODE_LOG_DIRS_MAX + 1];
    for (int i = 0; i < set->dir_count; i++)
        ids[i] = set->dirs[i].identity.directory_id;
    struct meta_directories all = {.ids = ids, .count = set->dir_count};
    if (counts->image_end != image->end_offset)
        meta_count_partitions(image, set->config->node_id, &all, counts->partitions);
    counts->image_end = image->end_offset;
    int best = -1;
    for (int i = 0; i < set->dir_count; i++)
        if (serves(&set->dirs[i]) && (best < 0 || counts->partitions[i] < counts->partitions[best]))
            best = i;
    if (best >= 0)
        counts->partitions[best]++;
    return best;
}

void replica_home_init(struct replica_set *set, const struct meta_image *image,
                       const struct meta_partition *partition, struct replica_home *home)
{
    struct uuid id = meta_partition_directory(partition, set->config->node_id);
    *home = (struct replica_home){
        .recorded_id = id,
        .is_assigned = meta_directory_is_assigned(id),
        .recorded = index_of(set, id),
        .fallback = -1,
        .is_old = set->image_end < 0,
        .dir = -1,
    };
    if (!home->is_assigned)
        home->fallback = pick_fewest(set, image);
}

/* ---- on the worker ---- */

/* What the disks hold of a partition. */
struct finding {
    struct replica_set *set;
    const char *name;
    int dirs[NODE_LOG_DIRS_MAX + 1]; /* with a folder of the name */
    int count;
    bool some_offline;
};

static void look(struct finding *finding) NOT_ON(on_shard)
{
    struct replica_set *set = finding->set;
    for (int i = 0; i < set->dir_count; i++) {
        struct log_dir *dir = &set->dirs[i];
        int there =
            dir->metadata_only || log_dir_is_offline(dir) ? 0 : sys_exists(dir->fd, finding->name);
        if (there < 0)
            log_dir_fail(dir, &(struct log_dir_fault){.file = finding->name,
                                                      .why = "it cannot be looked up",
                                                      .error = there});
        if (there == 1)
            finding->dirs[finding->count++] = i;
        finding->some_offline = finding->some_offline || log_dir_is_offline(dir);
    }
}

static bool is_among(const struct finding *finding, int dir)
{
    for (int i = 0; i < finding->count; i++)
        if (finding->dirs[i] == dir)
            return true;
    return false;
}

static void set_aside(const struct finding *finding, int at) NOT_ON(on_shard)
{
    struct log_dir *dir = &finding->set->dirs[at];
    int error = log_set_folder_aside(dir->fd, finding->name);
    if (error == 0)
        journal(JOURNAL_WARN, "folder_set_aside",
                "partition=%s directory=%s why=\"%s\" hint=\"%s\"", finding->name, dir->path,
                "the partition is in another directory, as the controller knows",
                "its name ends in -stray; remove it when nobody needs it");
    else
        log_dir_fail(dir, &(struct log_dir_fault){.file = finding->name,
                                                  .why = "it cannot be renamed",
                                                  .error = error});
}

static const struct replica_future *future_in(const struct replica_set *set, const char *name,
                                              int dir)
{
    const struct replica_futures *futures = set->futures;
    for (int i = 0; futures != NULL && i < futures->count; i++)
        if (futures->at[i].dir == dir && strcmp(futures->at[i].name, name) == 0)
            return &futures->at[i];
    return NULL;
}

/* The node died between the controller's word that a move is finished and its last rename. */
static bool promote(const struct finding *finding, int at) NOT_ON(on_shard)
{
    struct log_dir *dir = &finding->set->dirs[at];
    const struct replica_future *future = future_in(finding->set, finding->name, at);
    if (future == NULL)
        return false;
    int error = sys_rename(dir->fd, future->folder, finding->name);
    if (error == 0)
        error = sys_dir_sync(dir->fd);
    if (error < 0)
        log_dir_fail(dir, &(struct log_dir_fault){.file = future->folder,
                                                  .why = "it cannot be renamed",
                                                  .error = error});
    return error == 0;
}

static const char *no_home(struct replica_home *home)
{
    char id[UUID_TEXT_SIZE];
    uuid_format(home->recorded_id, id);
    (void)snprintf(home->fault, sizeof home->fault,
                   "it is in the directory with directory.id=%s, which is offline or not in "
                   "log.dirs: bring that directory back, or delete the topic",
                   id);
    return home->fault;
}

const char *replica_home_find(struct replica_set *set, const char *name, struct replica_home *home)
{
    struct finding finding = {.set = set, .name = name};
    look(&finding);
    bool has_recorded = home->recorded >= 0 && !log_dir_is_offline(&set->dirs[home->recorded]);
    if (has_recorded && is_among(&finding, home->recorded)) {
        for (int i = 0; i < finding.count; i++)
            if (finding.dirs[i] != home->recorded)
                set_aside(&finding, finding.dirs[i]);
        home->dir = home->recorded;
        return NULL;
    }
    if (finding.count > 1)
        return "it is in two directories, and the controller knows of neither: remove the folder "
               "that is not wanted";
    if (finding.count == 1) {
        home->dir = finding.dirs[0];
        return NULL;
    }
    if (has_recorded) {
        home->promoted = promote(&finding, home->recorded);
        home->dir = home->recorded;
        return NULL;
    }
    if (home->is_assigned)
        return no_home(home);
    if ((home->is_old && finding.some_offline) || home->fallback < 0)
        return "it may be in the directory that is offline: bring that directory back";
    home->dir = home->fallback;
    return NULL;
}

/* ---- what moves left ---- */

int replica_futures_add(struct replica_futures *futures, int dir, const char *folder)
{
    size_t count = (size_t)futures->count;
    struct replica_future *grown = realloc(futures->at, (count + 1) * sizeof *grown);
    struct log_folder parsed;
    if (grown == NULL)
        return -ENOMEM;
    futures->at = grown;
    if (!log_folder_parse(slice_of_text(folder), &parsed))
        return 0;
    grown[count].dir = dir;
    (void)snprintf(grown[count].name, sizeof grown->name, "%.*s", SLICE_ARG(parsed.name));
    (void)snprintf(grown[count].folder, sizeof grown->folder, "%s", folder);
    futures->count++;
    return 0;
}

void replica_futures_free(struct replica_futures *futures)
{
    free(futures->at);
}
