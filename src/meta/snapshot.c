/* Snapshots of the committed image, so that a start need not read the whole log: when enough was
 * appended since the last one, or something was and the last one is old (as in Kafka, that is
 * looked at when records are committed, so nothing ticks). The bytes are made on the controller's
 * shard, which alone may look at the counts of an image's parts; a worker writes them as ".part",
 * syncs, renames, and lets go of old ones; then the log lets go of what is before the oldest. A
 * crash in between leaves the snapshot before. */
#include "meta/format.h"
#include "meta/meta_int.h"
#include "meta/snapshot_file.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "sys/journal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define SNAPSHOT_SIZE_MAX (1024U * 1024 * 1024)
/* Records of one batch of a snapshot stay under it. */
#define SNAPSHOT_BATCH_SIZE (1024 * 1024)

struct meta_snapshot_job {
    struct shard_job job;
    struct meta *meta;
    struct chain file;
    struct meta_snapshot_id id;
    struct meta_snapshot_retention retention;
    int64_t log_start; /* the oldest snapshot that stays */
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

static int write_file(struct meta_snapshot_job *job) NOT_ON(on_shard)
{
    char name[META_SNAPSHOT_NAME_SIZE];
    char part[META_SNAPSHOT_NAME_SIZE + 8];
    meta_snapshot_name(&job->id, name);
    (void)snprintf(part, sizeof part, "%s.part", name);
    AUTO(file_close) int folder = sys_dir_open(job->meta->dir->fd, META_FOLDER);
    if (folder < 0)
        return folder;
    AUTO(file_close)
    int fd = sys_file_open(folder, part, SYS_OPEN_WRITE | SYS_OPEN_CREATE | SYS_OPEN_TRUNCATE);
    int error = fd < 0 ? fd : sys_file_write_at(fd, slice_of(job->file.data, job->file.size), 0);
    if (error == 0)
        error = sys_file_sync(fd);
    if (error == 0)
        error = sys_rename(folder, part, name);
    if (error == 0)
        error = sys_dir_sync(folder);
    if (error == 0)
        error = meta_snapshot_retain(folder, &job->retention, &job->log_start);
    return error;
}

static void snapshot_run(struct shard_job *shard_job)
{
    role_now_on_worker();
    struct meta_snapshot_job *job = CONTAINER_OF(shard_job, struct meta_snapshot_job, job);
    job->error = write_file(job);
}

static void job_free(struct meta_snapshot_job *job)
{
    struct meta *meta = job->meta;
    meta->snapshot_job = NULL;
    chain_fini(&job->file);
    free(job);
}

static void snapshot_done(struct shard *shard, struct shard_job *shard_job)
{
    role_now_on_shard();
    (void)shard;
    struct meta_snapshot_job *job = CONTAINER_OF(shard_job, struct meta_snapshot_job, job);
    struct meta *meta = job->meta;
    if (job->error < 0) {
        journal(JOURNAL_WARN, "metadata_snapshot_failed", "offset=%lld error=\"%s\" effect=\"%s\"",
                (long long)job->id.offset, strerror(-job->error),
                "the log has everything; the next start reads more of it");
    } else {
        journal(JOURNAL_INFO, "metadata_snapshot", "offset=%lld bytes=%zu",
                (long long)job->id.offset, job->file.size);
    }
    if (job->error == 0 && !meta->failed) {
        log_raise_start(meta->log, job->log_start);
        (void)log_trim(meta->log, INT_MAX);
    }
    job_free(job);
    meta_stop_if_idle(meta);
}

static bool is_due(const struct meta *meta)
{
    const struct node_config *config = meta->config;
    int64_t interval_ms = config->metadata_log_max_snapshot_interval_ms;
    if (meta->snapshot_job != NULL || meta->stopping || meta->bytes_since_snapshot == 0 ||
        meta->committed->end_offset < meta->stable_from)
        return false;
    return meta->bytes_since_snapshot >= config->metadata_log_max_record_bytes_between_snapshots ||
           (interval_ms > 0 && shard_now_ms(meta->shard) - meta->snapshot_ms >= interval_ms);
}

void meta_snapshot_consider(struct meta *meta)
{
    struct meta_snapshot_job *job = is_due(meta) ? calloc(1, sizeof *job) : NULL;
    if (job == NULL)
        return;
    job->meta = meta;
    job->id = (struct meta_snapshot_id){.offset = meta->committed->end_offset,
                                        .epoch = meta->committed->epoch};
    job->retention =
        (struct meta_snapshot_retention){.size_max = meta->config->metadata_max_retention_bytes,
                                         .age_max_ms = meta->config->metadata_max_retention_ms,
                                         .now_ms = shard_wall_ms(meta->shard),
                                         .log_size = log_size(meta->log)};
    chain_init(&job->file, SNAPSHOT_SIZE_MAX);
    struct snapshot_writer writer = {
        .file = &job->file, .timestamp_ms = shard_wall_ms(meta->shard), .epoch = job->id.epoch};
    batch_builder_init(&writer.builder);
    bool fine = build(meta, &writer);
    batch_builder_fini(&writer.builder);
    meta->bytes_since_snapshot = 0;
    meta->snapshot_ms = shard_now_ms(meta->shard);
    if (!fine) {
        chain_fini(&job->file);
        free(job);
        return;
    }
    meta->snapshot_job = job;
    job->job = (struct shard_job){.run = snapshot_run, .on_done = snapshot_done};
    shard_submit(meta->shard, &job->job);
}
