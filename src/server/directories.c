/* The node's log directories: opened, checked and begun at the start, and what follows when one
 * fails. A directory whose medium fails is offline for the rest of the process, and the others go
 * on; without the metadata log, or without any directory for partitions, the node ends. What says
 * that a directory is somebody else's refuses the start instead. On the main thread before the
 * shards run; failures come from any thread and are followed up on shard 0. */
#include "server/node_int.h"

#include "sys/dir.h"
#include "sys/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- opening ---- */

static bool serves_partitions(const struct log_dir *dir)
{
    return !dir->metadata_only && !log_dir_is_offline(dir);
}

static int serving_count(const struct node *node)
{
    int count = 0;
    for (int i = 0; i < node->dir_count; i++)
        count += serves_partitions(&node->dirs[i]);
    return count;
}

/* What is wrong with the medium of one directory ends the start only where it is indispensable; the
 * text is then the start's error. */
static bool do_without(const struct node *node, struct log_dir *dir, struct text *error)
    NOT_ON(on_shard)
{
    stats_level_set(&dir->state, LOG_DIR_OFFLINE);
    if (dir->holds_metadata || serving_count(node) == 0)
        return false;
    journal(JOURNAL_ERROR, "directory_offline", "directory=%s why=\"%s\" hint=\"%s\"", dir->path,
            error->data != NULL ? error->data : "",
            "its partitions answer KAFKA_STORAGE_ERROR until this node is restarted; mend the disk "
            "first, or take the directory out of log.dirs");
    text_reset(error);
    return true;
}

static bool is_there_already(const struct node *node, const struct log_dir *dir, struct text *error)
{
    for (int i = 0; i < node->dir_count; i++) {
        const struct log_dir *other = &node->dirs[i];
        if (other->fd < 0 || sys_dir_is_same(other->fd, dir->fd) != 1)
            continue;
        text_reset(error);
        text_printf(error, "%s and %s are one directory: name it once in log.dirs", other->path,
                    dir->path);
        return true;
    }
    return false;
}

static bool open_dir(struct node *node, const char *path, bool metadata_only, struct text *error)
    NOT_ON(on_shard)
{
    struct log_dir *dir = &node->dirs[node->dir_count];
    char *absolute = sys_dir_absolute(path); /* as clients are told it */
    if (absolute == NULL) {
        text_printf(error, "%s cannot be made an absolute path", path);
        return false;
    }
    node->dir_paths[node->dir_count] = absolute;
    enum log_dir_outcome outcome = log_dir_open(dir, absolute, error);
    dir->metadata_only = metadata_only;
    dir->holds_metadata = strcmp(path, node->config->metadata_log_dir) == 0;
    if (dir->holds_metadata)
        node->metadata_dir = node->dir_count;
    if (outcome != LOG_DIR_OPENED)
        stats_level_set(&dir->state, LOG_DIR_OFFLINE);
    bool again = dir->fd >= 0 && is_there_already(node, dir, error);
    node->dir_count++;
    return !again && outcome != LOG_DIR_REFUSED;
}

/* The sentences of those that failed: which of them can be done without is known when all were
 * tried. */
static bool settle_failed(struct node *node, struct text errors[], struct text *error)
    NOT_ON(on_shard)
{
    for (int i = 0; i < node->dir_count; i++) {
        if (!log_dir_is_offline(&node->dirs[i]))
            continue;
        if (do_without(node, &node->dirs[i], &errors[i]))
            continue;
        text_reset(error);
        text_add(error, text_slice(&errors[i]));
        return false;
    }
    return true;
}

bool node_open_dirs(struct node *node, struct text *error)
{
    const struct node_config *config = node->config;
    struct text errors[NODE_DIRS_MAX];
    bool fine = true;
    bool has_metadata = false;
    for (int i = 0; i < NODE_DIRS_MAX; i++)
        text_init(&errors[i], ERROR_TEXT_MAX);
    for (size_t i = 0; i < config->log_dir_count && fine; i++) {
        int at = node->dir_count;
        fine = open_dir(node, config->log_dirs[i], false, &errors[at]);
        has_metadata = has_metadata || node->dirs[at].holds_metadata;
        if (!fine)
            text_add(error, text_slice(&errors[at]));
    }
    if (fine && !has_metadata) {
        int at = node->dir_count;
        fine = open_dir(node, config->metadata_log_dir, true, &errors[at]);
        if (!fine)
            text_add(error, text_slice(&errors[at]));
    }
    fine = fine && settle_failed(node, errors, error);
    for (int i = 0; i < NODE_DIRS_MAX; i++)
        text_fini(&errors[i]);
    return fine;
}

/* ---- whose they are ---- */

static bool check_one(const struct node *node, const struct log_dir *dir, struct text *error)
{
    const struct log_dir *metadata = &node->dirs[node->metadata_dir];
    if (dir->identity.node_id != node->config->node_id) {
        text_printf(error,
                    "%s belongs to node %d, and this is node %d: set node.id=%d, or use another "
                    "directory",
                    dir->path, dir->identity.node_id, node->config->node_id, dir->identity.node_id);
        return false;
    }
    if (strcmp(dir->identity.cluster_id, metadata->identity.cluster_id) != 0) {
        text_printf(error,
                    "%s is of cluster %s, but %s is of cluster %s: take the one that does not "
                    "belong here out of log.dirs",
                    dir->path, dir->identity.cluster_id, metadata->path,
                    metadata->identity.cluster_id);
        return false;
    }
    for (const struct log_dir *other = node->dirs; other < dir; other++)
        if (!log_dir_is_offline(other) &&
            uuid_equal(other->identity.directory_id, dir->identity.directory_id)) {
            text_printf(error,
                        "%s and %s have the same directory.id: one is a copy of the other. Take "
                        "the copy out of log.dirs",
                        other->path, dir->path);
            return false;
        }
    return true;
}

bool node_check_dirs(const struct node *node, struct text *error)
{
    for (int i = 0; i < node->dir_count; i++)
        if (!log_dir_is_offline(&node->dirs[i]) && !check_one(node, &node->dirs[i], error))
            return false;
    return true;
}

/* ---- the beginning of writing ---- */

/* A look through one directory. */
struct survey {
    struct node *node;
    int dir;
    int stray_count;
};

static bool is_ours(const struct node *node, const struct log_folder *folder)
{
    const struct meta_image *image = meta_loaded(node->meta);
    const struct meta_topic *topic = meta_topic_named(image, folder->topic);
    const struct meta_partition *partition =
        topic != NULL ? meta_topic_partition(topic, folder->partition) : NULL;
    for (int32_t i = 0; partition != NULL && i < partition->replicas.count; i++)
        if (partition->replicas.at[i] == node->config->node_id)
            return true;
    return false;
}

static void remove_doomed(const struct log_dir *dir, const char *name) NOT_ON(on_shard)
{
    int error = log_remove_folder(dir->fd, name);
    if (error < 0)
        journal(JOURNAL_WARN, "folder_not_removed", "directory=%s name=%s error=\"%s\"", dir->path,
                name, strerror(-error));
}

/* What a deletion left goes, what a move between directories left is noted for the partition's
 * replica, and what is of no partition is set aside: a topic that was deleted while this directory
 * was offline, or something that was put there. */
static int on_folder(void *context, const char *name, bool is_directory)
{
    role_now_on_worker();
    struct survey *survey = context;
    struct log_dir *dir = &survey->node->dirs[survey->dir];
    struct log_folder folder;
    if (!is_directory)
        return 0;
    survey->stray_count += log_dir_is_stray(slice_of_text(name));
    if (log_dir_is_doomed(slice_of_text(name))) {
        remove_doomed(dir, name);
        return 0;
    }
    if (!log_folder_parse(slice_of_text(name), &folder) ||
        slice_is(folder.topic, "__cluster_metadata"))
        return 0;
    if (is_ours(survey->node, &folder))
        return folder.is_future ? replica_futures_add(&survey->node->futures, survey->dir, name)
                                : 0;
    survey->stray_count++;
    return log_set_folder_aside(dir->fd, name);
}

/* Looks through the directory, and then removes the marker of a clean stop. */
static int begin_dir(struct node *node, int at) NOT_ON(on_shard)
{
    struct log_dir *dir = &node->dirs[at];
    struct survey survey = {.node = node, .dir = at};
    int failed = sys_dir_list(dir->fd, on_folder, &survey);
    if (survey.stray_count > 0)
        journal(JOURNAL_WARN, "folders_set_aside", "directory=%s count=%d hint=\"%s\"", dir->path,
                survey.stray_count,
                "folders whose names end in -stray belong to no partition; look at them, and "
                "remove them when nobody needs them");
    return failed == 0 ? log_dir_begin(dir) : failed;
}

bool node_begin_dirs(struct node *node, struct text *error)
{
    for (int i = 0; i < node->dir_count; i++) {
        struct log_dir *dir = &node->dirs[i];
        if (log_dir_is_offline(dir))
            continue;
        int failed = begin_dir(node, i);
        if (failed == 0)
            continue;
        text_printf(error, "the log directory %s cannot be used: %s", dir->path, strerror(-failed));
        if (!do_without(node, dir, error))
            return false;
    }
    for (int i = 0; i < node->shard_count; i++) {
        node->replicas[i].futures = &node->futures;
    }
    return true;
}

/* ---- a failure while the node runs ---- */

static void mark_here(struct shard *there, struct shard_message *message)
{
    role_now_on_shard();
    struct node_dir_failure *failure = CONTAINER_OF(message, struct node_dir_failure, message);
    replica_set_dir_failed(server_shard_of(there)->api.replicas, failure->dir);
    shard_forward(there, message);
}

static void mark_next(struct shard *here, struct node_dir_failure *failure);

static void marked(struct shard *here, struct shard_message *message)
{
    mark_next(here, CONTAINER_OF(message, struct node_dir_failure, message));
}

static const struct shard_route route_mark = {.name = "dir_failed", .run = {mark_here, marked}};

/* Each shard in turn, and then the controller. */
static void mark_next(struct shard *here, struct node_dir_failure *failure)
{
    role_now_on_shard();
    struct node *node = failure->node;
    if (failure->next_shard < node->shard_count)
        shard_send(here, shard_set_at(node->shards, failure->next_shard++), &failure->message,
                   &route_mark);
    else
        node_tell_dirs(node);
}

static void on_failed(struct shard *shard, struct shard_message *message)
{
    mark_next(shard, CONTAINER_OF(message, struct node_dir_failure, message));
}

static const struct shard_route route_failed = {.name = "dir_failed_first", .run = {on_failed}};

/* On the thread that found it. What was promised stands on the directories that are left. */
static void on_offline(struct log_dir *dir)
{
    struct node *node = dir->context;
    if (dir->holds_metadata || serving_count(node) == 0) {
        journal(JOURNAL_ERROR, "node_failed", "what=\"%s\" directory=%s",
                dir->holds_metadata ? "the directory of the metadata log failed"
                                    : "the last log directory failed",
                dir->path);
        node_on_fatal("a log directory failed");
        return;
    }
    int index = (int)(dir - node->dirs);
    shard_post(shard_set_at(node->shards, 0), &node->dir_failures[index].message, &route_failed);
}

void node_watch_dirs(struct node *node)
{
    for (int i = 0; i < node->dir_count; i++) {
        node->dir_failures[i] = (struct node_dir_failure){.node = node, .dir = i};
        node->dirs[i].context = node;
        node->dirs[i].on_offline = on_offline;
    }
}

int node_offline_dirs(const struct node *node)
{
    int count = 0;
    for (int i = 0; i < node->dir_count; i++)
        count += log_dir_is_offline(&node->dirs[i]);
    return count;
}

void node_free_dirs(struct node *node)
{
    for (int i = 0; i < node->dir_count; i++) {
        log_dir_close(&node->dirs[i]);
        free(node->dir_paths[i]);
    }
    replica_futures_free(&node->futures);
}
