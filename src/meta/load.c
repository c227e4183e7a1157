/* Reading the metadata log at the start: the newest snapshot that can be read, then what was
 * appended behind it. Whatever is missing between them, or was finalized by a newer version,
 * refuses the start with a sentence. Before the shards run; blocking. */
#include "log/replay.h"
#include "meta/features.h"
#include "meta/format.h"
#include "meta/loading.h"
#include "meta/meta_int.h"
#include "meta/snapshot_file.h"
#include "raft/quorum_state.h"
#include "sys/clock.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "sys/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SNAPSHOT_SIZE_MAX (1024U * 1024 * 1024)
#define QUORUM_STATE_FILE META_FOLDER "/quorum-state"
#define OLD_BOOTSTRAP "bootstrap.checkpoint"

/* ---- the newest snapshot that can be read ---- */

/* 0, or -errno with the fault: what makes it unfit. */
static int read_snapshot(int dir_fd, const char *path, struct meta_loading *loading,
                         const char **ret_fault) NOT_ON(on_shard)
{
    char *data = NULL;
    size_t size = 0;
    const char *fault = "it cannot be read";
    int result = sys_file_read_whole(dir_fd, path, SNAPSHOT_SIZE_MAX, &data, &size);
    if (result == 0)
        result = log_replay_bytes(slice_of(data, size), meta_loading_batch, loading, &fault);
    free(data);
    if (result == 1)
        fault = loading->fault;
    else if (result == 0 && !loading->quorum.snapshot_ended)
        fault = "it has no footer: it was cut off";
    else if (result == 0 && loading->before != NULL)
        fault = "a metadata transaction does not end in it";
    else if (result == 0)
        return 0;
    *ret_fault = fault;
    return result < 0 ? result : -EIO;
}

/* What a start found of snapshots. */
struct snapshots {
    struct meta_snapshot_id id;      /* that was read */
    struct meta_snapshot_id damaged; /* the newest that is */
    const char *fault;               /* of that one */
};

/* Kafka up to 4.2 kept the records of a new cluster in a file of their own. */
static bool read_old_bootstrap(struct meta *meta, struct meta_loading *loading, struct text *error)
    NOT_ON(on_shard)
{
    const char *fault;
    int result = read_snapshot(meta->dir->fd, OLD_BOOTSTRAP, loading, &fault);
    if (result == 0 || result == -ENOENT)
        return true;
    text_printf(error, "%s/" OLD_BOOTSTRAP " is damaged: %s. Restore it from a backup",
                meta->dir->path, fault);
    return false;
}

/* The folder's descriptor, or -errno after a sentence. An old format that was never started has no
 * folder yet. */
static int open_folder(const struct meta *meta, struct text *error) NOT_ON(on_shard)
{
    int dir_fd = meta->dir->fd;
    int fd = sys_dir_open(dir_fd, META_FOLDER);
    if (fd == -ENOENT && sys_exists(dir_fd, OLD_BOOTSTRAP) == 1) {
        int made = sys_dir_make(dir_fd, META_FOLDER);
        fd = made < 0 ? made : sys_dir_open(dir_fd, META_FOLDER);
    }
    if (fd == -ENOENT)
        text_printf(error,
                    "%s/" META_FOLDER " is not there. Restore it from a backup, or use an "
                    "empty directory",
                    meta->dir->path);
    else if (fd < 0)
        text_printf(error, "%s/" META_FOLDER " cannot be read: %s", meta->dir->path, strerror(-fd));
    return fd;
}

static bool find_snapshot(struct meta *meta, struct meta_loading *loading,
                          struct snapshots *snapshots, struct text *error) NOT_ON(on_shard)
{
    char name[META_SNAPSHOT_NAME_SIZE];
    AUTO(file_close) int fd = open_folder(meta, error);
    if (fd < 0)
        return false;
    int failed = meta_snapshot_newest(fd, INT64_MAX, &snapshots->id);
    if (failed < 0) {
        text_printf(error, "%s/" META_FOLDER " cannot be read: %s", meta->dir->path,
                    strerror(-failed));
        return false;
    }
    meta_snapshot_sweep(fd);
    while (snapshots->id.found) {
        const char *fault;
        meta_snapshot_name(&snapshots->id, name);
        if (read_snapshot(fd, name, loading, &fault) == 0)
            return true;
        journal(JOURNAL_ERROR, "metadata_snapshot_damaged",
                "file=%s/%s/%s why=\"%s\" effect=\"%s\"", meta->dir->path, META_FOLDER, name, fault,
                "an older one and the log are read instead");
        if (!snapshots->damaged.found) {
            snapshots->damaged = snapshots->id;
            snapshots->fault = fault;
        }
        meta_loading_fini(loading);
        if (!meta_loading_init(loading, meta->config) ||
            meta_snapshot_newest(fd, snapshots->id.offset, &snapshots->id) < 0)
            return false;
    }
    return snapshots->damaged.found || read_old_bootstrap(meta, loading, error);
}

/* What formatting left is said again in the log by the first leader: as state it does not count. */
static bool take_bootstrap(struct meta *meta, struct meta_loading *loading)
{
    meta->bootstrap = loading->image;
    loading->image = meta_image_new(meta->config);
    return loading->image != NULL;
}

/* ---- the log ---- */

/* Tests of Kafka's, too, go below the limit by a key of their own. */
static int32_t segment_bytes(const struct node_config *config)
{
    const char *text = node_config_setting(config, "internal.metadata.log.segment.bytes");
    return text != NULL ? (int32_t)strtol(text, NULL, 10) : config->metadata_log_segment_bytes;
}

static bool open_log(struct meta *meta, int64_t snapshot_offset, struct text *error)
    NOT_ON(on_shard)
{
    struct log_recovery report;
    struct log_options options = {
        .dir_fd = meta->dir->fd,
        .name = META_FOLDER,
        .topic_id = META_TOPIC_ID,
        .recovery_point = snapshot_offset, /* only what was committed is in a snapshot */
        .log_start_offset = snapshot_offset,
        .clean = false,
        .wall_ms = sys_wall_ms(),
        .producer_expiration_ms = INT32_MAX,
        .producer_check_interval_ms = INT32_MAX,
    };
    struct config_layers layers = {0};
    topic_config_make(meta->config, &layers, &options.config);
    options.config.segment_bytes = segment_bytes(meta->config);
    options.config.segment_ms = meta->config->metadata_log_segment_ms;
    options.config.file_delete_delay_ms = meta->config->internal_metadata_delete_delay_millis;
    if (log_open(&options, &meta->log, &report) != ERR_NONE) {
        text_printf(error, "the metadata log in %s/%s cannot be opened: %s", meta->dir->path,
                    META_FOLDER, report.fault);
        return false;
    }
    if (report.cut_bytes > 0)
        journal(JOURNAL_WARN, "metadata_log_cut", "bytes=%lld why=\"%s\" effect=\"%s\"",
                (long long)report.cut_bytes, report.fault,
                "nothing that was answered is lost: it was never synced");
    return true;
}

static bool replay_log(struct meta *meta, struct meta_loading *loading, struct text *error)
    NOT_ON(on_shard)
{
    int64_t from = loading->next_offset;
    loading->of_log = true;
    int result = log_replay(meta->log, from, meta_loading_batch, loading);
    if (result == 0 && log_end_offset(meta->log) < from) {
        text_printf(error,
                    "the metadata log in %s/%s ends at offset %lld, before its snapshot of %lld: "
                    "records that were committed are gone. Restore the folder from a backup",
                    meta->dir->path, META_FOLDER, (long long)log_end_offset(meta->log),
                    (long long)from);
        return false;
    }
    if (result == 0)
        meta->transaction_open = meta_loading_abort(loading);
    if (result == 0)
        return true;
    text_printf(error, "the metadata log in %s/%s cannot be replayed at offset %lld: %s",
                meta->dir->path, META_FOLDER, (long long)loading->fault_offset,
                loading->fault != NULL ? loading->fault : strerror(-result));
    return false;
}

/* Damage that neither an older snapshot nor the log makes up for. */
static bool check_damage(const struct meta *meta, const struct snapshots *snapshots,
                         struct text *error)
{
    char name[META_SNAPSHOT_NAME_SIZE];
    if (!snapshots->damaged.found || snapshots->id.found || log_end_offset(meta->log) > 0)
        return true;
    meta_snapshot_name(&snapshots->damaged, name);
    text_printf(error, "the metadata snapshot %s/%s/%s is damaged: %s. Restore it from a backup",
                meta->dir->path, META_FOLDER, name, snapshots->fault);
    return false;
}

/* What a newer version finalized must not be run by this one. */
static bool check_features(const struct meta *meta, const struct meta_image *image,
                           struct text *error)
{
    struct pmap_iterator features;
    struct pmap_entry entry;
    pmap_iterate(image->features, (struct slice){0}, &features);
    while (pmap_next(&features, &entry)) {
        int64_t level = ((const struct meta_number *)entry.value)->number;
        const struct meta_feature_row *row = meta_feature_find(entry.key);
        if (row != NULL && level >= row->min_supported && level <= row->max_supported)
            continue;
        text_printf(error,
                    "the cluster of %s has %.*s at level %lld, which this version does not know",
                    meta->dir->path, SLICE_ARG(entry.key), (long long)level);
        if (row != NULL)
            text_printf(error, ": it supports %d to %d", row->min_supported, row->max_supported);
        return false;
    }
    return true;
}

/* ---- the quorum ---- */

static bool read_quorum_state(struct meta *meta, struct raft_quorum_state *ret_state,
                              struct text *error) NOT_ON(on_shard)
{
    char *data = NULL;
    size_t size = 0;
    *ret_state =
        (struct raft_quorum_state){.version = 1, .leader_id = RAFT_NOBODY, .voted_id = RAFT_NOBODY};
    int got = sys_file_read_whole(meta->dir->fd, QUORUM_STATE_FILE, 65536, &data, &size);
    if (got == -ENOENT)
        return true;
    const char *fault =
        got < 0 ? "it cannot be read" : quorum_state_read(slice_of(data, size), ret_state);
    free(data);
    if (fault == NULL)
        return true;
    text_printf(error,
                "%s/%s cannot be trusted: %s. A node that forgot how it voted must not vote again: "
                "restore the file from a backup",
                meta->dir->path, QUORUM_STATE_FILE, fault);
    return false;
}

static bool init_raft(struct meta *meta, const struct raft_quorum_state *stored, struct text *error)
{
    const struct meta_quorum *quorum = &meta->quorum;
    struct text fault;
    struct raft_start start = {
        .node_id = meta->config->node_id,
        .directory_id = meta->dir->identity.directory_id,
        .stored = *stored,
        .voters = {.known = quorum->has_voters,
                   .count = quorum->voter_count,
                   .id = quorum->voter_id,
                   .directory_id = quorum->voter_directory_id},
        .is_dynamic = quorum->kraft_version >= 1,
        .log_end_offset = log_end_offset(meta->log),
        .log_end_epoch = log_latest_epoch(meta->log),
    };
    text_init(&fault, 4096);
    bool fine = raft_start_check(&start, &fault);
    if (fine)
        raft_init(&meta->raft, &start);
    else
        text_printf(error, "%s/%s: %.*s", meta->dir->path, META_FOLDER,
                    SLICE_ARG(text_slice(&fault)));
    text_fini(&fault);
    return fine;
}

int meta_store_quorum_state(struct meta *meta)
{
    struct text text;
    text_init(&text, 4096);
    quorum_state_write(&meta->raft.stored, &text);
    int error = text.failed ? -ENOMEM
                            : sys_file_replace(meta->dir->fd, QUORUM_STATE_FILE, text_slice(&text));
    text_fini(&text);
    return error;
}

static bool load_all(struct meta *meta, struct meta_loading *loading, struct text *error)
    NOT_ON(on_shard)
{
    struct snapshots snapshots = {0};
    struct raft_quorum_state stored;
    if (!find_snapshot(meta, loading, &snapshots, error))
        return false;
    int64_t offset = snapshots.id.found ? snapshots.id.offset : 0;
    if (offset == 0 && !take_bootstrap(meta, loading))
        return false;
    loading->next_offset = offset;
    loading->image->end_offset = offset;
    loading->image->epoch = offset > 0 ? snapshots.id.epoch : -1;
    if (!open_log(meta, offset, error) || !replay_log(meta, loading, error) ||
        !check_damage(meta, &snapshots, error) || !check_features(meta, loading->image, error))
        return false;
    if (meta->bootstrap != NULL && !check_features(meta, meta->bootstrap, error))
        return false;
    meta->quorum = loading->quorum;
    meta->log_has_voters = loading->log_has_voters;
    meta->bytes_since_snapshot = loading->log_bytes;
    return read_quorum_state(meta, &stored, error) && init_raft(meta, &stored, error);
}

bool meta_load(struct meta *meta, struct text *error)
{
    struct meta_loading loading;
    if (!meta_loading_init(&loading, meta->config) || !load_all(meta, &loading, error)) {
        if (error->size == 0)
            text_printf(error, "memory is out");
        meta_loading_fini(&loading);
        return false;
    }
    loading.image->kraft_version = loading.quorum.kraft_version;
    meta->committed = loading.image;
    meta->latest = meta_image_ref(loading.image);
    meta->next_offset = log_end_offset(meta->log);
    return true;
}
