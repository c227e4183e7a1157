/* A log directory and its own files; see the header. */
#include "log/log_int.h"

#include "config/properties.h"
#include "sys/dir.h"
#include "sys/entropy.h"
#include "sys/file.h"
#include "sys/journal.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define META_FILE "meta.properties"
#define CLEAN_FILE ".kafka_cleanshutdown"
#define LOCK_FILE ".lock"
#define META_SIZE_MAX 65536

struct meta_reading {
    struct log_dir_identity identity;
    bool has_cluster;
    bool has_node;
    bool fine;
};

static void copy_cluster(struct meta_reading *meta, struct slice value)
{
    meta->has_cluster = value.size > 0 && value.size < LOG_DIR_CLUSTER_ID_SIZE;
    if (meta->has_cluster)
        (void)snprintf(meta->identity.cluster_id, LOG_DIR_CLUSTER_ID_SIZE, "%.*s",
                       SLICE_ARG(value));
}

static bool on_pair(void *context, struct slice key, struct slice value, int line)
{
    (void)line;
    struct meta_reading *meta = context;
    if (slice_is(key, "cluster.id")) {
        copy_cluster(meta, value);
    } else if (slice_is(key, "node.id") || slice_is(key, "broker.id")) {
        int64_t id;
        struct slice rest = value;
        meta->has_node = checkpoint_number(&rest, &id) && id >= 0 && id <= INT32_MAX;
        if (meta->has_node)
            meta->identity.node_id = (int32_t)id;
    } else if (slice_is(key, "directory.id")) {
        meta->fine = uuid_parse(value, &meta->identity.directory_id) && meta->fine;
    } else if (slice_is(key, "version")) {
        meta->fine = (slice_is(value, "1") || slice_is(value, "0")) && meta->fine;
    }
    return true;
}

/* An absent file is fine. */
static enum log_dir_outcome read_meta(struct log_dir *dir, struct text *error) NOT_ON(on_shard)
{
    char *data = NULL;
    size_t size = 0;
    int got = sys_file_read_whole(dir->fd, META_FILE, META_SIZE_MAX, &data, &size);
    if (got == -ENOENT)
        return LOG_DIR_OPENED;
    if (got < 0 && got != -EFBIG) {
        text_printf(error, "%s/%s cannot be read: %s", dir->path, META_FILE, strerror(-got));
        return LOG_DIR_FAILED;
    }
    struct meta_reading meta = {.fine = true};
    struct text fault;
    text_init(&fault, 1024);
    bool fine = got == 0 && properties_read(slice_of(data, size), on_pair, &meta, &fault) &&
                meta.fine && meta.has_cluster && meta.has_node;
    text_fini(&fault);
    free(data);
    if (!fine) {
        text_printf(error,
                    "%s/%s cannot be understood: it must name version, cluster.id and node.id. "
                    "Restore it from a backup, or use an empty directory",
                    dir->path, META_FILE);
        return LOG_DIR_REFUSED;
    }
    dir->identity = meta.identity;
    dir->is_formatted = true;
    return LOG_DIR_OPENED;
}

static void read_clean_marker(struct log_dir *dir) NOT_ON(on_shard)
{
    char *data = NULL;
    size_t size = 0;
    dir->clean_broker_epoch = -1;
    if (sys_file_read_whole(dir->fd, CLEAN_FILE, META_SIZE_MAX, &data, &size) < 0)
        return;
    dir->was_clean = true;
    json_t *json = size > 0 ? json_loadb(data, size, 0, NULL) : NULL;
    json_t *epoch = json_object_get(json, "brokerEpoch");
    if (json_is_integer(epoch))
        dir->clean_broker_epoch = json_integer_value(epoch);
    json_decref(json);
    free(data);
}

static void read_checkpoint(struct log_dir *dir, struct checkpoint *checkpoint, const char *file)
    NOT_ON(on_shard)
{
    dir->alive_ms = MAX_OF(dir->alive_ms, sys_modified_ms(dir->fd, file));
    checkpoint_init(checkpoint);
    const char *fault = checkpoint_read(checkpoint, dir->fd, file);
    if (fault != NULL)
        journal(JOURNAL_WARN, "checkpoint_ignored", "file=%s/%s why=\"%s\" effect=\"%s\"",
                dir->path, file, fault, "more is read at this start; nothing is lost");
}

static enum log_dir_outcome lock(struct log_dir *dir, struct text *error)
{
    dir->lock_fd = sys_dir_lock(dir->fd, LOCK_FILE);
    if (dir->lock_fd >= 0)
        return LOG_DIR_OPENED;
    if (dir->lock_fd == -EWOULDBLOCK) {
        text_printf(error,
                    "%s is in use by another process. Stop that one, or give this one its own "
                    "directory with --set log.dirs=DIR",
                    dir->path);
        return LOG_DIR_REFUSED;
    }
    text_printf(error, "%s cannot be locked: %s", dir->path, strerror(-dir->lock_fd));
    return LOG_DIR_FAILED;
}

void log_dir_fail(struct log_dir *dir, const struct log_dir_fault *fault)
{
    if (stats_level_swap(&dir->state, LOG_DIR_OFFLINE) == LOG_DIR_OFFLINE)
        return;
    journal(JOURNAL_ERROR, "directory_offline",
            "directory=%s file=%s why=\"%s\" error=\"%s\" hint=\"%s\"", dir->path, fault->file,
            fault->why, strerror(-fault->error),
            "its partitions answer KAFKA_STORAGE_ERROR until this node is restarted; mend the disk "
            "first: what was acknowledged is safe as far as it was flushed");
    if (dir->on_offline != NULL)
        dir->on_offline(dir);
}

enum log_dir_outcome log_dir_open(struct log_dir *dir, const char *path, struct text *error)
{
    *dir = (struct log_dir){.path = path, .fd = -1, .lock_fd = -1};
    checkpoint_init(&dir->recovery_points);
    checkpoint_init(&dir->log_starts);
    checkpoint_init(&dir->high_watermarks);
    checkpoint_init(&dir->cleaner_offsets);
    int made = sys_dir_make_path(path);
    dir->fd = made < 0 ? made : sys_dir_open(SYS_DIR_CWD, path);
    if (dir->fd < 0) {
        text_printf(error, "the log directory %s cannot be used: %s", path, strerror(-dir->fd));
        return LOG_DIR_FAILED;
    }
    enum log_dir_outcome outcome = lock(dir, error);
    if (outcome == LOG_DIR_OPENED)
        outcome = read_meta(dir, error);
    if (outcome != LOG_DIR_OPENED)
        return outcome;
    read_clean_marker(dir);
    read_checkpoint(dir, &dir->recovery_points, CHECKPOINT_RECOVERY_POINT);
    read_checkpoint(dir, &dir->log_starts, CHECKPOINT_LOG_START);
    read_checkpoint(dir, &dir->high_watermarks, CHECKPOINT_HIGH_WATERMARK);
    read_checkpoint(dir, &dir->cleaner_offsets, CHECKPOINT_CLEANER);
    return LOG_DIR_OPENED;
}

int log_dir_begin(struct log_dir *dir)
{
    if (!dir->was_clean)
        return 0;
    int error = sys_unlink(dir->fd, CLEAN_FILE);
    return error < 0 && error != -ENOENT ? error : sys_dir_sync(dir->fd);
}

int log_dir_identify(struct log_dir *dir, const struct log_dir_identity *identity)
{
    char id[UUID_TEXT_SIZE];
    char text[256];
    uuid_format(identity->directory_id, id);
    int size =
        snprintf(text, sizeof text, "#\ncluster.id=%s\ndirectory.id=%s\nnode.id=%d\nversion=1\n",
                 identity->cluster_id, id, identity->node_id);
    int error = sys_dir_sync_above(dir->path);
    if (error == 0)
        error = sys_file_replace(dir->fd, META_FILE, slice_of(text, (size_t)size));
    if (error == 0) {
        dir->identity = *identity;
        dir->is_formatted = true;
    }
    return error;
}

int log_dir_mark_clean(struct log_dir *dir, int64_t broker_epoch)
{
    char text[64];
    int size = snprintf(text, sizeof text, "{\"version\":0,\"brokerEpoch\":%lld}",
                        (long long)broker_epoch);
    return sys_file_replace(dir->fd, CLEAN_FILE, slice_of(text, (size_t)size));
}

void log_dir_close(struct log_dir *dir)
{
    checkpoint_fini(&dir->recovery_points);
    checkpoint_fini(&dir->log_starts);
    checkpoint_fini(&dir->high_watermarks);
    checkpoint_fini(&dir->cleaner_offsets);
    sys_file_close(dir->lock_fd >= 0 ? dir->lock_fd : -1);
    sys_file_close(dir->fd >= 0 ? dir->fd : -1);
    dir->fd = -1;
    dir->lock_fd = -1;
}

int log_set_folder_aside(int dir_fd, const char *name)
{
    char stray[LOG_STEM_SIZE];
    uint8_t random[16];
    struct uuid id;
    do
        sys_entropy(random, sizeof random);
    while (!uuid_from_random(random, &id));
    log_suffixed_name(name, id, "stray", stray);
    int error = sys_rename(dir_fd, name, stray);
    return error == 0 ? sys_dir_sync(dir_fd) : error;
}

static bool ends_in(struct slice name, const char *suffix)
{
    size_t size = strlen(suffix);
    return name.size > size && memcmp(name.data + name.size - size, suffix, size) == 0;
}

bool log_dir_is_doomed(struct slice name)
{
    return ends_in(name, "-delete");
}

bool log_dir_is_stray(struct slice name)
{
    return ends_in(name, "-stray");
}

static size_t last_of(struct slice name, uint8_t byte)
{
    size_t at = name.size;
    while (at > 0 && name.data[at - 1] != byte)
        at--;
    return at; /* behind it; 0: there is none */
}

bool log_folder_parse(struct slice name, struct log_folder *ret_folder)
{
    bool is_future = ends_in(name, "-future");
    if (is_future) {
        size_t dot = last_of(name, '.');
        name = slice_first(name, dot > 0 ? dot - 1 : 0);
    }
    size_t dash = last_of(name, '-');
    struct slice digits = slice_of(name.data + dash, name.size - dash);
    int64_t partition;
    bool canonical = digits.size > 0 && (digits.data[0] != '0' || digits.size == 1);
    if (dash < 2 || !canonical || !checkpoint_number(&digits, &partition) || digits.size > 0 ||
        partition < 0 || partition > INT32_MAX)
        return false;
    *ret_folder = (struct log_folder){.name = name,
                                      .topic = slice_first(name, dash - 1),
                                      .partition = (int32_t)partition,
                                      .is_future = is_future};
    return true;
}
