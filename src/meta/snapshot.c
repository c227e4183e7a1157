/* Snapshots of the committed image, so that a start need not read the whole log: when enough was
 * appended since the last one. The bytes are made on the controller's shard, which alone may look
 * at the counts of an image's parts; a worker writes them as ".part", syncs, renames, and removes
 * older ones. A crash in between leaves the snapshot before. */
#include "meta/format.h"
#include "meta/meta_int.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "sys/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SNAPSHOT_SIZE_MAX (1024U * 1024 * 1024)
/* Records of one batch of a snapshot stay under it. */
#define SNAPSHOT_BATCH_SIZE (1024 * 1024)

struct meta_snapshot_job {
    struct shard_job job;
    struct meta *meta;
    struct chain file;
    int64_t offset;
    int32_t epoch;
    int error;
};

struct snapshot_writer {
    struct batch_builder builder;
    struct chain *file;
    int64_t next_offset;
    int64_t timestamp_ms;
    int32_t epoch;
};

static void begin_batch(struct snapshot_writer *writer, bool control)
{
    struct batch_builder_options options = batch_builder_defaults();
    options.base_offset = writer->next_offset;
    options.partition_leader_epoch = writer->epoch;
    options.control = control;
    batch_builder_begin(&writer->builder, &options);
}

static bool end_batch(struct snapshot_writer *writer)
{
    writer->next_offset += writer->builder.record_count;
    struct slice batch = batch_builder_finish(&writer->builder, NULL);
    chain_add(writer->file, batch);
    return !slice_is_null(batch) && !writer->file->failed;
}

static bool on_record(void *context, const struct meta_applied *record)
{
    struct snapshot_writer *writer = context;
    if (batch_builder_size(&writer->builder) >= SNAPSHOT_BATCH_SIZE) {
        if (!end_batch(writer))
            return false;
        begin_batch(writer, false);
    }
    return meta_record_add(&writer->builder, record, writer->timestamp_ms);
}

static bool build(struct meta *meta, struct snapshot_writer *writer)
{
    const struct meta_image *image = meta->committed;
    struct meta_voter voter = {.id = meta->config->node_id,
                               .directory_id = meta->dir->identity.directory_id,
                               .endpoint = &meta->config->controller};
    begin_batch(writer, true);
    bool fine = meta_control_add_snapshot_header(&writer->builder, writer->timestamp_ms,
                                                 image->timestamp_ms);
    if (meta->quorum.kraft_version >= 1)
        fine = fine && meta_control_add_version(&writer->builder, writer->timestamp_ms, 1) &&
               meta_control_add_voters(&writer->builder, writer->timestamp_ms, &voter);
    fine = fine && end_batch(writer);
    begin_batch(writer, false);
    fine = fine && meta_image_write(image, on_record, writer);
    if (writer->builder.record_count > 0)
        fine = fine && end_batch(writer);
    begin_batch(writer, true);
    return fine && meta_control_add_snapshot_footer(&writer->builder, writer->timestamp_ms) &&
           end_batch(writer);
}

/* ---- on a worker ---- */

static int remove_older(void *context, const char *name, bool is_directory)
{
    const struct meta_snapshot_job *job = context;
    long long offset;
    int epoch;
    int end = 0;
    if (is_directory || sscanf(name, "%20lld-%10d.checkpoint%n", &offset, &epoch, &end) != 2 ||
        end == 0 || name[end] != '\0' || offset >= job->offset)
        return 0;
    char path[320];
    (void)snprintf(path, sizeof path, META_FOLDER "/%s", name);
    int error = sys_unlink(job->meta->dir->fd, path);
    return error == -ENOENT ? 0 : error;
}

static int write_file(struct meta_snapshot_job *job) NOT_ON(on_shard)
{
    char part[320];
    char name[300];
    int dir_fd = job->meta->dir->fd;
    (void)snprintf(name, sizeof name, META_FOLDER "/%020lld-%010d.checkpoint",
                   (long long)job->offset, job->epoch);
    (void)snprintf(part, sizeof part, "%s.part", name);
    AUTO(file_close) int fd =
        sys_file_open(dir_fd, part, SYS_OPEN_WRITE | SYS_OPEN_CREATE | SYS_OPEN_TRUNCATE);
    int error = fd < 0 ? fd : sys_file_write_at(fd, slice_of(job->file.data, job->file.size), 0);
    if (error == 0)
        error = sys_file_sync(fd);
    if (error == 0)
        error = sys_rename(dir_fd, part, name);
    AUTO(file_close) int folder = sys_dir_open(dir_fd, META_FOLDER);
    if (error == 0)
        error = folder < 0 ? folder : sys_dir_sync(folder);
    if (error == 0)
        error = sys_dir_list(folder, remove_older, job);
    return error;
}

static void snapshot_run(struct shard_job *shard_job)
{
    role_now_on_worker();
    struct meta_snapshot_job *job = CONTAINER_OF(shard_job, struct meta_snapshot_job, job);
    job->error = write_file(job);
}

static void snapshot_done(struct shard *shard, struct shard_job *shard_job)
{
    role_now_on_shard();
    (void)shard;
    struct meta_snapshot_job *job = CONTAINER_OF(shard_job, struct meta_snapshot_job, job);
    struct meta *meta = job->meta;
    if (job->error < 0) {
        journal(JOURNAL_WARN, "metadata_snapshot_failed", "offset=%lld error=\"%s\" effect=\"%s\"",
                (long long)job->offset, strerror(-job->error),
                "the log has everything; the next start reads more of it");
    } else {
        meta->snapshot_offset = job->offset;
        journal(JOURNAL_INFO, "metadata_snapshot", "offset=%lld bytes=%zu", (long long)job->offset,
                job->file.size);
    }
    meta->snapshot_job = NULL;
    chain_fini(&job->file);
    free(job);
    meta_stop_if_idle(meta);
}

void meta_snapshot_consider(struct meta *meta)
{
    if (meta->snapshot_job != NULL || meta->stopping ||
        meta->bytes_since_snapshot < meta->config->metadata_log_max_record_bytes_between_snapshots)
        return;
    struct meta_snapshot_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return;
    job->meta = meta;
    job->offset = meta->committed->end_offset;
    job->epoch = meta->committed->epoch;
    chain_init(&job->file, SNAPSHOT_SIZE_MAX);
    struct snapshot_writer writer = {.file = &job->file,
                                     .timestamp_ms = shard_wall_ms(meta->shard),
                                     .epoch = job->epoch};
    batch_builder_init(&writer.builder);
    bool fine = build(meta, &writer);
    batch_builder_fini(&writer.builder);
    meta->bytes_since_snapshot = 0;
    if (!fine) {
        chain_fini(&job->file);
        free(job);
        return;
    }
    meta->snapshot_job = job;
    job->job = (struct shard_job){.run = snapshot_run, .on_done = snapshot_done};
    shard_submit(meta->shard, &job->job);
}
