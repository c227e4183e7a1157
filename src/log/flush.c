/* Making what was appended safe from a power loss, and the upkeep of segments that were rolled,
 * which must be done before their bytes count as flushed (L2). One job per log at a time; whoever
 * asks while it is under way shares the next one: the group commit. A sync that fails takes the log
 * offline, since the kernel may have dropped the pages (L7). */
#include "log/log_int.h"

#include "log/compact.h"

#include "base/always.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Flush jobs of one shard: each keeps files open, and more than workers can carry out at a time
 * gain nothing. */
#define FLUSH_JOBS_MAX 32
#define EPOCHS_TEXT_MAX (64U * 1024 * 1024)

struct log_flush_job {
    struct shard_job job;
    struct log *log;
    int64_t end;                 /* offset that will be covered */
    int64_t bytes;               /* unflushed until then */
    struct list waiting;         /* log_flush */
    struct list sealed;          /* log_sealed */
    struct log_handle **handles; /* referenced */
    int handle_count;
    uint8_t *aborted; /* the active segment's transaction index, where it changed; or NULL */
    size_t aborted_size;
    int64_t aborted_base;
    struct text epochs; /* the leader epoch checkpoint, when it changed */
    bool store_epochs;
    bool sync_folder;
    bool passes; /* the error is of a file that is written anew, not of a sync of records */
    int error;
};

void log_sealed_free(struct log_sealed *sealed)
{
    log_index_fini(&sealed->index);
    free(sealed->snapshot);
    free(sealed->aborted);
    free(sealed);
}

/* ---- rolling ---- */

static struct log_sealed *seal(struct log *log)
{
    struct log_segment *active = log_active(log);
    struct log_sealed *sealed = calloc(1, sizeof *sealed);
    if (sealed == NULL)
        return NULL;
    sealed->snapshot = producers_write(&log->producers, &sealed->snapshot_size);
    sealed->aborted =
        txns_index_write(&log->txns, active->base_offset, log->end_offset, &sealed->aborted_size);
    struct time_index_entry last = {
        .timestamp = active->max_timestamp,
        .relative_offset = (int32_t)(active->max_timestamp_offset - active->base_offset)};
    bool noted =
        active->max_timestamp == BATCH_NO_TIMESTAMP || log_index_add_time(&log->index, last);
    if (sealed->snapshot == NULL || sealed->aborted == NULL || !noted) {
        log_sealed_free(sealed);
        return NULL;
    }
    sealed->base_offset = active->base_offset;
    sealed->snapshot_offset = log->end_offset;
    sealed->index = log->index;
    log_index_init(&log->index);
    return sealed;
}

enum err log_roll(struct log *log)
{
    struct log_sealed *sealed = seal(log);
    if (sealed == NULL)
        return ERR_KAFKA_STORAGE_ERROR;
    struct log_segment *fresh = log_segment_add(log, log->end_offset);
    int error = fresh != NULL ? log_handle_create(fresh->handle) : -ENOMEM;
    if (fresh != NULL)
        log_segment_begin(log, fresh, shard_wall_ms(log->shard), prng_next(shard_prng(log->shard)));
    if (error < 0) {
        log->index = sealed->index;
        log_index_init(&sealed->index);
        log_sealed_free(sealed);
        if (fresh != NULL) {
            log->segment_count--;
            log_segment_free(fresh);
        }
        if (!log_error_passes(error))
            log_go_offline(log, "a new segment could not be made", error);
        return ERR_KAFKA_STORAGE_ERROR;
    }
    list_add_tail(&log->sealed, &sealed->link);
    log->aborted_changed = false;
    log->upkeep_rests = false;
    log->segments[log->segment_count - 2]->sealing = &sealed->index;
    log->folder_changed = true;
    log_flush_next(log);
    return ERR_NONE;
}

/* ---- the job ---- */

static int write_file(const struct log *log, const char *name, struct slice bytes) NOT_ON(on_shard)
{
    int fd = sys_file_open(log->dir_fd, name, SYS_OPEN_WRITE | SYS_OPEN_CREATE | SYS_OPEN_TRUNCATE);
    if (fd < 0)
        return fd;
    int error = sys_file_write_at(fd, bytes, 0);
    if (error == 0)
        error = sys_file_sync(fd);
    sys_file_close(fd);
    return error;
}

/* What is in the file may be flushed already, so it is replaced whole. */
static int write_aborted(const struct log *log, int64_t base_offset, struct slice bytes)
    NOT_ON(on_shard)
{
    char name[LOG_STEM_SIZE + 16];
    char stem[LOG_STEM_SIZE];
    log_stem(log, base_offset, stem);
    (void)snprintf(name, sizeof name, "%s.txnindex", stem);
    return bytes.size > 0 ? sys_file_replace(log->dir_fd, name, bytes) : 0;
}

/* The producers as they were behind the segment, and its aborted transactions. */
static int write_beside(const struct log *log, const struct log_sealed *sealed) NOT_ON(on_shard)
{
    char name[LOG_STEM_SIZE + 16];
    (void)snprintf(name, sizeof name, "%s/%020lld.snapshot", log->name,
                   (long long)sealed->snapshot_offset);
    int error = write_file(log, name, slice_of(sealed->snapshot, sealed->snapshot_size));
    return error < 0 ? error
                     : write_aborted(log, sealed->base_offset,
                                     slice_of(sealed->aborted, sealed->aborted_size));
}

int log_folder_sync(const struct log *log)
{
    int fd = sys_dir_open(log->dir_fd, log->name);
    if (fd < 0)
        return fd;
    int error = sys_dir_sync(fd);
    sys_file_close(fd);
    return error < 0 ? error : sys_dir_sync(log->dir_fd);
}

static int store_epochs(const struct log *log, const struct text *epochs) NOT_ON(on_shard)
{
    char path[LOG_STEM_SIZE];
    (void)snprintf(path, sizeof path, "%s/leader-epoch-checkpoint", log->name);
    return epochs->failed ? -ENOMEM : sys_file_replace(log->dir_fd, path, text_slice(epochs));
}

static void flush_run(struct shard_job *job)
{
    role_now_on_worker();
    struct log_flush_job *flush = CONTAINER_OF(job, struct log_flush_job, job);
    const struct log *log = flush->log;
    int error = 0;
    LIST_EACH (&flush->sealed, node) {
        struct log_sealed *sealed = CONTAINER_OF(node, struct log_sealed, link);
        char stem[LOG_STEM_SIZE];
        log_stem(log, sealed->base_offset, stem);
        if (error == 0)
            error = log_index_write(&sealed->index, log->dir_fd, stem);
        if (error == 0)
            error = write_beside(log, sealed);
    }
    if (error == 0 && flush->aborted != NULL)
        error =
            write_aborted(log, flush->aborted_base, slice_of(flush->aborted, flush->aborted_size));
    flush->passes = log_error_passes(error);
    for (int i = 0; i < flush->handle_count && error == 0; i++)
        error = sys_file_sync(flush->handles[i]->fd);
    if (error == 0 && flush->store_epochs) {
        error = store_epochs(log, &flush->epochs);
        flush->passes = log_error_passes(error);
    }
    if (error == 0 && flush->sync_folder)
        error = log_folder_sync(log);
    flush->error = error;
}

static void flush_free(struct log_flush_job *flush) ON(on_shard)
{
    struct list *node;
    while ((node = list_take_first(&flush->sealed)) != NULL) {
        struct log_sealed *sealed = CONTAINER_OF(node, struct log_sealed, link);
        log_sealed_index_take(flush->log, sealed);
        log_sealed_free(sealed);
    }
    for (int i = 0; i < flush->handle_count; i++)
        log_handle_unref(flush->handles[i]);
    text_fini(&flush->epochs);
    free(flush->aborted);
    free(flush->handles);
    free(flush);
}

static void complete_all(struct list *waiting, enum err err, int64_t end) ON(on_shard)
{
    struct list *node;
    while ((node = list_take_first(waiting)) != NULL) {
        struct log_flush *waiter = CONTAINER_OF(node, struct log_flush, link);
        waiter->err = err;
        waiter->end = end;
        waiter->on_done(waiter);
    }
}

/* No room for the files beside the records, none of which was synced: what was to be done is left
 * for the next flush that somebody asks for. */
static void take_back(struct log *log, struct log_flush_job *flush)
{
    list_move_all(&log->sealed, &flush->sealed);
    list_move_all(&flush->sealed, &log->sealed);
    log->epochs.changed = log->epochs.changed || flush->store_epochs;
    log->aborted_changed = log->aborted_changed || flush->aborted != NULL;
    log->folder_changed = log->folder_changed || flush->sync_folder;
    log->upkeep_rests = true;
}

static bool has_turn(const struct log_files *files)
{
    return files->flush_count < MIN_OF(FLUSH_JOBS_MAX, files->open_max / 4 + 1);
}

/* One job less: the next log in the queue that still wants to has its turn. */
static void pass_turn(struct log_files *files) ON(on_shard)
{
    files->flush_count--;
    while (has_turn(files) && !list_is_empty(&files->flush_queue))
        log_flush_next(CONTAINER_OF(list_take_first(&files->flush_queue), struct log, flush_turn));
}

/* false: the log has to wait for its turn. */
static bool take_turn(struct log *log)
{
    struct log_files *files = log->files;
    if (!has_turn(files)) {
        list_remove(&log->flush_turn);
        list_add_tail(&files->flush_queue, &log->flush_turn);
        return false;
    }
    files->flush_count++;
    list_remove(&log->flush_turn);
    return true;
}

static void flush_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct log_flush_job *flush = CONTAINER_OF(job, struct log_flush_job, job);
    struct log *log = flush->log;
    if (flush->passes)
        take_back(log, flush);
    else if (flush->error < 0)
        log_go_offline(log, "it could not be synced", flush->error);
    else
        log->recovery_point = MAX_OF(log->recovery_point, flush->end);
    log->unflushed -= flush->bytes;
    ALWAYS(log->recovery_point <= log->end_offset, "L4: %s is flushed beyond its end", log->name);
    enum err err = flush->error < 0 || log_is_offline(log) ? ERR_KAFKA_STORAGE_ERROR : ERR_NONE;
    complete_all(&flush->waiting, err, flush->end);
    flush_free(flush);
    log->flush_job = NULL;
    struct log_files *files = log->files;
    log_flush_next(log); /* which may let the log go */
    pass_turn(files);
}

/* References every segment that holds bytes above the recovery point. 0 or -errno. */
static int take_handles(struct log_flush_job *flush)
{
    struct log *log = flush->log;
    int from = log_segment_at(log, log->recovery_point);
    flush->handles = calloc((size_t)(log->segment_count - from), sizeof *flush->handles);
    if (flush->handles == NULL)
        return -ENOMEM;
    for (int i = from; i < log->segment_count; i++) {
        int error = log_handle_ref(log->segments[i]->handle);
        if (error < 0)
            return error;
        flush->handles[flush->handle_count++] = log->segments[i]->handle;
    }
    return 0;
}

/* What ended by an abort below the flush's end is told by a file from then on (L8). 0 or
 * -ENOMEM. */
static int take_aborted(struct log_flush_job *flush)
{
    struct log *log = flush->log;
    if (!log->aborted_changed)
        return 0;
    flush->aborted_base = log_active(log)->base_offset;
    flush->aborted =
        txns_index_write(&log->txns, flush->aborted_base, log->end_offset, &flush->aborted_size);
    log->aborted_changed = flush->aborted == NULL;
    return flush->aborted == NULL ? -ENOMEM : 0;
}

static void refuse_waiting(struct log *log) ON(on_shard)
{
    struct list waiting;
    list_init(&waiting);
    list_move_all(&log->flushes, &waiting);
    complete_all(&waiting, ERR_KAFKA_STORAGE_ERROR, log->recovery_point);
}

/* Who is told lets the log go. So nobody is told while the log is still at work with it: those who
 * hear the end of their append or flush may be the last whom a stop waits for. */
static void report_idle(struct log *log)
{
    void (*on_idle)(void *) = log->on_idle;
    if (on_idle == NULL || !list_is_empty(&log->appends) || log->is_writing ||
        log->write_job != NULL || log->is_writing_out || log->compaction != NULL ||
        log->discard_jobs > 0 || log->checks > 0)
        return;
    log->on_idle = NULL;
    on_idle(log->on_idle_context);
}

void log_when_idle(struct log *log, void (*on_idle)(void *), void *context)
{
    log_compact_abort(log);
    log->on_idle = on_idle;
    log->on_idle_context = context;
    if (log->flush_job == NULL && list_is_empty(&log->flushes))
        report_idle(log);
}

void log_flush_next(struct log *log)
{
    bool has_upkeep = !list_is_empty(&log->sealed) && !log->upkeep_rests;
    bool wanted = !list_is_empty(&log->flushes) || (has_upkeep && log->on_idle == NULL);
    if (!wanted && log->flush_job == NULL)
        report_idle(log);
    if (!wanted || log->flush_job != NULL)
        return;
    bool is_offline = log_is_offline(log); /* once: another thread may find the directory failed */
    if (!is_offline && !take_turn(log))
        return;
    struct log_flush_job *flush = is_offline ? NULL : calloc(1, sizeof *flush);
    if (flush == NULL) {
        log->files->flush_count -= is_offline ? 0 : 1;
        refuse_waiting(log);
        report_idle(log);
        return;
    }
    flush->log = log;
    list_init(&flush->waiting);
    list_init(&flush->sealed);
    text_init(&flush->epochs, EPOCHS_TEXT_MAX);
    int error = take_handles(flush);
    if (error == 0)
        error = take_aborted(flush);
    if (error < 0) {
        log->files->flush_count--;
        flush_free(flush);
        refuse_waiting(log);
        report_idle(log);
        return;
    }
    flush->end = log->end_offset;
    flush->bytes = log->unflushed;
    flush->sync_folder = log->folder_changed;
    flush->store_epochs = log->epochs.changed;
    if (flush->store_epochs)
        log_epochs_write(&log->epochs, &flush->epochs);
    log->epochs.changed = false;
    log->folder_changed = false;
    list_move_all(&log->flushes, &flush->waiting);
    list_move_all(&log->sealed, &flush->sealed);
    flush->job = (struct shard_job){.run = flush_run, .on_done = flush_done};
    log->flush_job = flush;
    shard_submit(log->shard, &flush->job);
}

void log_flush_submit(struct log *log, struct log_flush *flush)
{
    list_add_tail(&log->flushes, &flush->link);
    log_flush_next(log);
}
