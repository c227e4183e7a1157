/* See the header. One entry a call: its worker renames the files, then a timer waits, then a worker
 * removes them. Renaming need not be durable for the log to be right, since what is below its start
 * goes at the next start too; it is, for those whose files come again under the same name. */
#include "log/discard.h"

#include "base/always.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "sys/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define DELETED ".deleted"

struct discarded_segment {
    int64_t base_offset;
    bool keeps_snapshot; /* a segment of this base is in the log */
};

struct discard {
    struct list link; /* log->discards */
    struct shard_timer timer;
    struct shard_job job;
    struct log *log;
    int64_t delay_ms;
    int error;
    int count;
    struct discarded_segment segments[];
};

/* The .log file goes last: what a crash leaves in between is a whole segment, whose indexes can be
 * made again, or none. */
static const char *const suffixes[] = {"snapshot", "index", "timeindex", "txnindex", "log"};

static void file_name(const struct log *log, int64_t base_offset, const char *suffix,
                      char ret_name[LOG_STEM_SIZE])
{
    (void)snprintf(ret_name, LOG_STEM_SIZE, "%s/%020lld.%s", log->name, (long long)base_offset,
                   suffix);
}

static int absent_is_fine(int error)
{
    return error == -ENOENT ? 0 : error;
}

/* ---- renaming ---- */

static int rename_segment(const struct log *log, const struct discarded_segment *segment)
{
    char from[LOG_STEM_SIZE];
    char to[LOG_STEM_SIZE + sizeof DELETED];
    int error = 0;
    for (size_t i = segment->keeps_snapshot ? 1 : 0; i < COUNT_OF(suffixes) && error == 0; i++) {
        file_name(log, segment->base_offset, suffixes[i], from);
        (void)snprintf(to, sizeof to, "%s" DELETED, from);
        error = absent_is_fine(sys_rename(log->dir_fd, from, to));
    }
    return error;
}

static void rename_run(struct shard_job *job)
{
    role_now_on_worker();
    struct discard *discard = CONTAINER_OF(job, struct discard, job);
    const struct log *log = discard->log;
    int error = 0;
    for (int i = 0; i < discard->count && error == 0; i++)
        error = rename_segment(log, &discard->segments[i]);
    AUTO(file_close) int fd = error == 0 ? sys_dir_open(log->dir_fd, log->name) : -1;
    if (error == 0)
        error = fd < 0 ? fd : sys_dir_sync(fd);
    discard->error = error;
}

/* ---- removing ---- */

static void remove_run(struct shard_job *job)
{
    role_now_on_worker();
    struct discard *discard = CONTAINER_OF(job, struct discard, job);
    char name[LOG_STEM_SIZE];
    char deleted[LOG_STEM_SIZE + sizeof DELETED];
    int error = 0;
    for (int i = 0; i < discard->count; i++) {
        for (size_t j = 0; j < COUNT_OF(suffixes); j++) {
            file_name(discard->log, discard->segments[i].base_offset, suffixes[j], name);
            (void)snprintf(deleted, sizeof deleted, "%s" DELETED, name);
            int failed = absent_is_fine(sys_unlink(discard->log->dir_fd, deleted));
            error = error < 0 ? error : failed;
        }
    }
    discard->error = error;
}

/* ---- on the shard ---- */

static void discard_free(struct discard *discard) ON(on_shard)
{
    shard_timer_stop(discard->log->shard, &discard->timer);
    list_remove(&discard->link);
    free(discard);
}

static void submit(struct discard *discard, shard_job_run_fn run, shard_job_done_fn on_done)
    ON(on_shard)
{
    struct log *log = discard->log;
    discard->job =
        (struct shard_job){.run = run, .on_done = on_done, .queue = log_discard_queue(log)};
    log->discard_jobs++;
    shard_submit(log->shard, &discard->job);
}

/* A file that stays takes room and nothing else: the next start finds that it is not needed. */
static void end_job(struct discard *discard) ON(on_shard)
{
    struct log *log = discard->log;
    ALWAYS(log->discard_jobs > 0, "%s had no files on their way", log->name);
    log->discard_jobs--;
    if (discard->error < 0)
        journal(JOURNAL_WARN, "segment_stays", "log=%s base_offset=%lld error=\"%s\" effect=\"%s\"",
                log->name, (long long)discard->segments[0].base_offset, strerror(-discard->error),
                "files that are not needed take room until the next start");
}

static void remove_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct discard *discard = CONTAINER_OF(job, struct discard, job);
    struct log *log = discard->log;
    end_job(discard);
    discard_free(discard);
    log_flush_next(log); /* who waits for nothing to be under way may have waited for this */
}

static void on_delay_over(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    (void)shard;
    submit(CONTAINER_OF(timer, struct discard, timer), remove_run, remove_done);
}

static void rename_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    struct discard *discard = CONTAINER_OF(job, struct discard, job);
    struct log *log = discard->log;
    end_job(discard);
    if (discard->error == 0)
        shard_timer_start(shard, &discard->timer, MIN_OF(discard->delay_ms, INT64_MAX / 2));
    else
        discard_free(discard);
    log_flush_next(log);
}

static bool has_segment(const struct log *log, int64_t base_offset)
{
    return log->segment_count > 0 &&
           log->segments[log_segment_at(log, base_offset)]->base_offset == base_offset;
}

static struct discard *discard_new(struct log *log, struct log_segment **segments, int count)
{
    struct discard *discard =
        calloc(1, sizeof *discard + (size_t)count * sizeof discard->segments[0]);
    if (discard == NULL)
        return NULL;
    discard->log = log;
    discard->delay_ms = log->config.file_delete_delay_ms;
    discard->count = count;
    shard_timer_init(&discard->timer, on_delay_over);
    for (int i = 0; i < count; i++) {
        int64_t base_offset = segments[i]->base_offset;
        discard->segments[i] = (struct discarded_segment){
            .base_offset = base_offset, .keeps_snapshot = has_segment(log, base_offset)};
    }
    return discard;
}

void *log_discard_queue(const struct log *log)
{
    return log->files;
}

void log_discard(struct log *log, struct log_segment **segments, int count)
{
    ALWAYS(log->shard != NULL, "%s has no shard", log->name);
    struct discard *discard = count > 0 ? discard_new(log, segments, count) : NULL;
    for (int i = 0; i < count; i++)
        log_segment_free(segments[i]);
    if (discard == NULL) {
        if (count > 0)
            log_go_offline(log, "memory to remove its files is out", -ENOMEM);
        return;
    }
    list_add_tail(&log->discards, &discard->link);
    submit(discard, rename_run, rename_done);
}

void log_discard_forget(struct log *log)
{
    ALWAYS(log->discard_jobs == 0, "files of %s are on their way", log->name);
    while (!list_is_empty(&log->discards))
        discard_free(CONTAINER_OF(log->discards.next, struct discard, link));
}
