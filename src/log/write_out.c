/* Telling the disk early of what was appended by large writes. The kernel alone begins when a tenth
 * of all memory is dirty, and makes everybody who writes wait soon after; begun at once, the disk
 * is busy while there is room, and a later sync finds little left. Small writes are left to the
 * kernel: they fill memory slowly, and write-back takes time from the processors. (1 MB batches:
 * p99 42 to 30 ms, 5 % more of them; 16 KB batches would lose 10 %.) A hint: nothing counts as
 * flushed by it.
 * It may wait for the disk's queue, so a worker does it, for one log of a shard at a time: syncs
 * need the lane too. What a log appends meanwhile is taken by its next ones. */
#include "log/log_int.h"

#include "sys/file.h"

#include <stdlib.h>

/* Less is not worth a job; more at a time would make a sync behind it wait. */
#define WRITE_OUT_MIN (16LL * 1024 * 1024)
#define WRITE_OUT_MAX (32LL * 1024 * 1024)

/* The file's end is left: the kernel would hold it fast while the next append wants to go on. */
#define TAIL_SIZE (4LL * 1024 * 1024)

struct log_write_out {
    struct shard_job job;
    struct log *log;
    struct log_handle *handle; /* referenced */
    int64_t position;
    int64_t size;
};

static void write_out_run(struct shard_job *job)
{
    role_now_on_worker();
    const struct log_write_out *out = CONTAINER_OF(job, const struct log_write_out, job);
    sys_file_write_out(out->handle->fd, out->position, out->size);
}

static void write_out_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct log_write_out *out = CONTAINER_OF(job, struct log_write_out, job);
    struct log *log = out->log;
    log_handle_unref(out->handle);
    free(out);
    log->is_writing_out = false;
    log->files->write_out_busy = false;
    log_flush_next(log); /* who waits for nothing to be under way may have waited for this */
}

void log_write_out(struct log *log)
{
    struct log_segment *active = log_active(log);
    int64_t size = active->size - TAIL_SIZE - active->written_out;
    if (size < WRITE_OUT_MIN || log->files->write_out_busy || log->on_idle != NULL)
        return;
    struct log_write_out *out = malloc(sizeof *out);
    if (out == NULL || log_handle_ref(active->handle) < 0) {
        free(out); /* the kernel does it later */
        return;
    }
    *out = (struct log_write_out){.job = {.run = write_out_run, .on_done = write_out_done},
                                  .log = log,
                                  .handle = active->handle,
                                  .position = active->written_out,
                                  .size = MIN_OF(size, WRITE_OUT_MAX)};
    active->written_out += out->size;
    log->is_writing_out = true;
    log->files->write_out_busy = true;
    shard_submit(log->shard, &out->job);
}
