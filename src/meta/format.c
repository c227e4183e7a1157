/* Formatting; see the header. The metadata directory comes first, and in it meta.properties last: a
 * crash before that leaves directories that are formatted anew, a crash behind it one that the
 * others follow. */
#include "meta/format.h"

#include "base/always.h"
#include "meta/control.h"
#include "meta/features.h"
#include "meta/records.h"
#include "sys/clock.h"
#include "sys/dir.h"
#include "sys/entropy.h"
#include "sys/file.h"
#include "wire/msg/feature_level_record.h"

#include <errno.h>
#include <stdio.h>

#define PATH_SIZE 4096
#define FIRST_SNAPSHOT META_FOLDER "/00000000000000000000-0000000000.checkpoint"

static struct uuid random_uuid(void)
{
    uint8_t random[16];
    struct uuid id;
    do
        sys_entropy(random, sizeof random);
    while (!uuid_from_random(random, &id));
    return id;
}

static bool begin(struct batch_builder *builder, int64_t base_offset, bool control)
{
    struct batch_builder_options options = batch_builder_defaults();
    options.base_offset = base_offset;
    options.partition_leader_epoch = 0;
    options.control = control;
    batch_builder_begin(builder, &options);
    return true;
}

static bool finish(struct batch_builder *builder, struct chain *file)
{
    struct slice batch = batch_builder_finish(builder, NULL);
    chain_add(file, batch);
    return !slice_is_null(batch) && !file->failed;
}

static bool add_features(struct batch_builder *builder, int64_t now_ms)
{
    bool fine = true;
    for (size_t i = 0; i < META_FEATURE_COUNT && fine; i++) {
        struct feature_level_record record = {.name = slice_of_text(meta_features[i].name),
                                              .feature_level = meta_features[i].initial};
        struct meta_applied applied = {.message = &wire_feature_level_record, .record = &record};
        if (meta_features[i].initial > 0)
            fine = meta_record_add(builder, &applied, now_ms);
    }
    return fine;
}

/* The snapshot's bytes: header, and of a dynamic quorum its version and voter; the features; the
 * footer. */
static bool build_snapshot(const struct meta_voter *voter, struct chain *file)
{
    struct batch_builder builder;
    int64_t now_ms = sys_wall_ms();
    int64_t offset = 0;
    batch_builder_init(&builder);
    bool fine =
        begin(&builder, offset, true) && meta_control_add_snapshot_header(&builder, now_ms, now_ms);
    if (voter != NULL)
        fine = fine && meta_control_add_version(&builder, now_ms, 1) &&
               meta_control_add_voters(&builder, now_ms, voter);
    offset += builder.record_count;
    fine = fine && finish(&builder, file) && begin(&builder, offset, false) &&
           add_features(&builder, now_ms);
    offset += builder.record_count;
    fine = fine && finish(&builder, file) && begin(&builder, offset, true) &&
           meta_control_add_snapshot_footer(&builder, now_ms) && finish(&builder, file);
    batch_builder_fini(&builder);
    return fine;
}

/* voter NULL: a static quorum, whose voters are not recorded. */
static int write_snapshot(const struct log_dir *dir, const struct meta_voter *voter)
    NOT_ON(on_shard)
{
    struct chain file;
    chain_init(&file, 1024 * 1024);
    int error = build_snapshot(voter, &file) ? 0 : -ENOMEM;
    if (error == 0)
        error = sys_dir_make(dir->fd, META_FOLDER);
    if (error == 0 || error == -EEXIST)
        error = sys_file_replace(dir->fd, FIRST_SNAPSHOT, slice_of(file.data, file.size));
    if (error == 0)
        error = sys_dir_sync(dir->fd);
    chain_fini(&file);
    return error;
}

/* The metadata directory's cluster, or a new one. */
static void cluster_of(const struct log_dir *dir, char ret_id[LOG_DIR_CLUSTER_ID_SIZE])
{
    char text[UUID_TEXT_SIZE];
    uuid_format(random_uuid(), text);
    (void)snprintf(ret_id, LOG_DIR_CLUSTER_ID_SIZE, "%s",
                   dir->is_formatted ? dir->identity.cluster_id : text);
}

/* The folders on the way to the directory may be as new as itself: without their entries nothing in
 * it survives a power loss. One that may not be read was not made by this process. */
static int sync_way(const char *path) NOT_ON(on_shard)
{
    char folder[PATH_SIZE];
    size_t size = strlen(path);
    int error = 0;
    for (size_t i = 0; i < size && error == 0; i++) {
        if (path[i] != '/' && i > 0)
            continue;
        bool is_root = i == 0 && path[0] == '/';
        (void)snprintf(folder, sizeof folder, "%.*s", (int)i, path);
        AUTO(file_close)
        int fd = sys_dir_open(SYS_DIR_CWD, is_root ? "/" : (i == 0 ? "." : folder));
        error = fd < 0 ? 0 : sys_dir_sync(fd);
    }
    return error;
}

static bool format_one(const struct node_config *config, struct log_dir *dir,
                       const char *cluster_id, bool is_metadata, struct text *error)
    NOT_ON(on_shard)
{
    struct log_dir_identity identity = {.node_id = config->node_id, .directory_id = random_uuid()};
    (void)snprintf(identity.cluster_id, sizeof identity.cluster_id, "%s", cluster_id);
    int failed = sync_way(dir->path);
    if (failed == 0 && is_metadata) {
        struct meta_voter voter = {.id = config->node_id,
                                   .directory_id = identity.directory_id,
                                   .endpoint = &config->controller};
        failed = write_snapshot(dir, config->static_voters ? NULL : &voter);
    }
    if (failed == 0)
        failed = log_dir_identify(dir, &identity);
    if (failed < 0)
        text_printf(error, "the log directory %s cannot be formatted: %s", dir->path,
                    strerror(-failed));
    return failed == 0;
}

/* A directory that lost its meta.properties must not be taken for a new one. */
static bool check_fresh(const struct log_dir *dirs, int dir_count, int metadata_dir,
                        struct text *error)
{
    const struct log_dir *dir = &dirs[metadata_dir];
    if (sys_exists(dir->fd, META_FOLDER "/quorum-state") != 0) {
        text_printf(error,
                    "%s has a metadata log but no meta.properties. Restore that file from a backup",
                    dir->path);
        return false;
    }
    for (int i = 0; i < dir_count; i++) {
        if (!dirs[i].is_formatted)
            continue;
        text_printf(error,
                    "%s holds the metadata log but is empty, while other log directories are not. "
                    "Restore it, or name the directory that holds " META_FOLDER " first",
                    dir->path);
        return false;
    }
    return true;
}

/* Directories of version 0 had no id of their own; partitions are assigned by it. */
static bool give_ids(struct log_dir *dirs, int dir_count, struct text *error) NOT_ON(on_shard)
{
    for (int i = 0; i < dir_count; i++) {
        if (log_dir_is_offline(&dirs[i]) || !uuid_is_zero(dirs[i].identity.directory_id))
            continue;
        struct log_dir_identity identity = dirs[i].identity;
        identity.directory_id = random_uuid();
        int failed = log_dir_identify(&dirs[i], &identity);
        if (failed < 0) {
            text_printf(error, "meta.properties in %s cannot be written: %s", dirs[i].path,
                        strerror(-failed));
            return false;
        }
    }
    return true;
}

bool meta_format(const struct node_config *config, struct log_dir *dirs, int dir_count,
                 int metadata_dir, struct text *error)
{
    ALWAYS(metadata_dir < dir_count, "the metadata directory is one of %d", dir_count);
    char cluster_id[LOG_DIR_CLUSTER_ID_SIZE];
    struct log_dir *first = &dirs[metadata_dir];
    if (!first->is_formatted && !check_fresh(dirs, dir_count, metadata_dir, error))
        return false;
    cluster_of(first, cluster_id);
    if (!first->is_formatted && !format_one(config, first, cluster_id, true, error))
        return false;
    for (int i = 0; i < dir_count; i++)
        if (!log_dir_is_offline(&dirs[i]) && !dirs[i].is_formatted &&
            !format_one(config, &dirs[i], cluster_id, false, error))
            return false;
    return give_ids(dirs, dir_count, error);
}
