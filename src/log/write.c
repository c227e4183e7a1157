/* See the header. The complication is failure: sequence checks of a batch depend on the ones before
 * it in the same write, so state is noted batch by batch and undone from the last to the first when
 * the write fails, and the file is cut back. */
#include "log/write.h"

#include "base/always.h"
#include "sys/file.h"

#include <errno.h>
#include <stdlib.h>

void log_append_complete(struct log_append *append, enum err err)
{
    append->err = err;
    if (err != ERR_NONE)
        append->base_offset = -1;
    append->on_done(append);
}

/* ---- gathering ---- */

void log_write_begin(struct log_write *write, struct log *log)
{
    write->log = log;
    write->count = 0;
    write->size = 0;
    write->end_offset = log->end_offset;
    write->is_control = false;
    write->marker = TXN_MARKER_NONE;
}

static void stamp(const struct log_write *write, struct log_append *append)
{
    if (!append->keeps_offsets) {
        append->header.base_offset = write->end_offset;
        append->header.partition_leader_epoch = append->leader_epoch;
        batch_stamp(append->bytes,
                    (struct batch_place){.base_offset = write->end_offset,
                                         .partition_leader_epoch = append->leader_epoch});
    }
    append->base_offset = append->header.base_offset;
    append->last_offset = batch_last_offset(&append->header);
}

/* A control batch that ends no transaction says nothing of its producer. false: memory is out. */
static bool note_producer(struct log_write *write, const struct log_append *append)
{
    int at = write->count;
    const struct batch_header *header = &append->header;
    struct producer_note note = {.header = header, .marker = TXN_MARKER_NONE};
    if (batch_is_control(header))
        note.marker = txn_marker_read(header, slice_of(append->bytes, (size_t)header->size),
                                      &note.coordinator_epoch);
    bool tells = !batch_is_control(header) || note.marker != TXN_MARKER_NONE;
    write->marker = note.marker;
    write->noted[at] = batch_has_producer_id(header) && tells;
    return !write->noted[at] || producers_note(&write->log->producers, &note, &write->undo[at]);
}

bool log_write_add(struct log_write *write, struct log_append *append)
{
    struct log *log = write->log;
    stamp(write, append);
    int at = write->count;
    ALWAYS(at < LOG_WRITE_BATCHES_MAX, "no room for another batch of %s", log->name);
    if (!note_producer(write, append))
        return false;
    write->appends[at] = append;
    write->parts[at] = slice_of(append->bytes, (size_t)append->header.size);
    write->count++;
    write->size += append->header.size;
    write->end_offset = append->last_offset + 1;
    write->is_control = batch_is_control(&append->header);
    return true;
}

/* ---- what follows a write ---- */

static void undo_from_last(const struct log_write *write)
{
    for (int i = write->count - 1; i >= 0; i--)
        if (write->noted[i])
            producers_undo(&write->log->producers, &write->undo[i]);
}

/* The bytes are in the file: L3, L5, indexes. */
static void note_written(const struct log_write *write)
{
    struct log *log = write->log;
    struct log_segment *active = log_active(log);
    int64_t position = write->position;
    ALWAYS(position == active->size, "L3: %s was written at %lld", log->name, (long long)position);
    for (int i = 0; i < write->count; i++) {
        const struct log_append *append = write->appends[i];
        struct log_epoch epoch = {.epoch = append->header.partition_leader_epoch,
                                  .start_offset = append->header.base_offset};
        struct producer_note note = {.header = &append->header, .marker = write->marker};
        if (!log_note_indexes(log, &append->header, position) ||
            !log_epochs_assign(&log->epochs, epoch) ||
            (write->noted[i] && !log_note_marker(log, &note, &write->undo[i])))
            log_go_offline(log, "memory for its indexes is out", -ENOMEM);
        log_recent_note(log, &append->header, position);
        position += append->header.size;
    }
    active->size = position;
    active->written_ms = shard_wall_ms(log->shard);
    log->size += write->size;
    log->unflushed += write->size;
    log->end_offset = write->end_offset;
}

/* Bytes that a failed write may have left are cut; where even that fails the log is not trusted. */
static void cut_back(struct log *log, const struct log_handle *handle)
{
    int error = sys_file_truncate(handle->fd, log_active(log)->size);
    log->was_cut = true;
    if (error < 0)
        log_go_offline(log, "a failed write could not be cut off", error);
}

/* Takes what was carried out into account, or takes it back, and completes the appends. */
static void settle(struct log_write *write) ON(on_shard)
{
    struct log *log = write->log;
    if (write->error == 0) {
        note_written(write);
    } else {
        if (write->handle != NULL)
            cut_back(log, write->handle);
        undo_from_last(write);
        if (!log_error_passes(write->error))
            log_go_offline(log, "it cannot be written", write->error);
    }
    if (write->handle != NULL)
        log_handle_unref(write->handle);
    enum err err = write->error < 0 || log_is_offline(log) ? ERR_KAFKA_STORAGE_ERROR : ERR_NONE;
    int count = write->count;
    log_write_begin(write, log);
    for (int i = 0; i < count; i++)
        log_append_complete(write->appends[i], err);
}

/* ---- carrying it out ---- */

static void carry_out(struct log_write *write)
{
    write->error =
        sys_file_writev_at(write->handle->fd, write->parts, write->count, write->position);
}

static void run_on_worker(struct shard_job *job)
{
    role_now_on_worker();
    carry_out(CONTAINER_OF(job, struct log_write, job));
}

static void written(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    struct log_write *write = CONTAINER_OF(job, struct log_write, job);
    struct log *log = write->log;
    settle(write); /* the log is not idle yet, whatever those do who hear of it */
    log_write_out(log);
    log->write_job = NULL;
    free(write);
    shard_flush_later(shard, &log->write);
}

/* false: there is no memory for it. */
static bool hand_over(const struct log_write *gathered) ON(on_shard)
{
    struct log *log = gathered->log;
    struct log_write *write = malloc(sizeof *write);
    if (write == NULL)
        return false;
    *write = *gathered;
    write->job =
        (struct shard_job){.run = run_on_worker, .on_done = written, .lane = SHARD_LANE_DATA};
    log->write_job = write;
    shard_submit(log->shard, &write->job);
    return true;
}

bool log_write_end(struct log_write *write)
{
    struct log *log = write->log;
    if (write->count == 0)
        return log->write_job == NULL;
    struct log_segment *active = log_active(log);
    write->position = active->size;
    write->error = log_handle_ref(active->handle);
    write->handle = write->error == 0 ? active->handle : NULL;
    /* A write that waits for a worker keeps its file: where those are short the shard writes. */
    bool large =
        write->size > log->inline_max && !write->is_control && log_files_have_room(log->files);
    if (write->error == 0 && large && hand_over(write)) {
        log_write_begin(write, log);
        return false;
    }
    if (write->error == 0)
        carry_out(write);
    settle(write);
    return true;
}
