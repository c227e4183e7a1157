/* Producers, aborted transactions and leader epochs when a log is opened. A producer snapshot holds
 * only the last batch of each producer, so the batches before it are read again from the headers in
 * front of it, as far back as one bound allows: then a batch that a client sends again after our
 * restart is still recognised among the last five. On a worker. */
#include "log/log_int.h"

#include "base/always.h"
#include "base/bytes.h"
#include "log/scan.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "wire/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SNAPSHOT_SIZE_MAX (256U * 1024 * 1024)
#define TXN_INDEX_SIZE_MAX (64U * 1024 * 1024)
/* Bytes in front of the snapshot whose headers are read for the batches it leaves out. */
#define RESTORE_BACK_BYTES (64LL * 1024 * 1024)
#define SNAPSHOTS_MAX 64
#define MARKER_SIZE_MAX 4096

struct snapshot_list {
    int64_t offsets[SNAPSHOTS_MAX]; /* the largest ones */
    int count;
};

static int on_name(void *context, const char *name, bool is_directory)
{
    struct snapshot_list *list = context;
    size_t size = strlen(name);
    char *end;
    if (is_directory || size != 29 || strcmp(name + 20, ".snapshot") != 0)
        return 0;
    int64_t offset = strtoll(name, &end, 10);
    if (end != name + 20)
        return 0;
    int at = list->count;
    if (at == SNAPSHOTS_MAX) {
        at = 0;
        for (int i = 1; i < SNAPSHOTS_MAX; i++)
            if (list->offsets[i] < list->offsets[at])
                at = i;
        if (list->offsets[at] > offset)
            return 0;
    } else {
        list->count++;
    }
    list->offsets[at] = offset;
    return 0;
}

/* Where the segment begins that holds the log's start. Of those in front of it some may be gone,
 * and others not, when the node died while they were removed: such as the one with the end of a
 * transaction that began before. */
static int64_t whole_from(const struct log *log)
{
    return log->segments[log_segment_at(log, log->start_offset)]->base_offset;
}

static void snapshot_path(const struct log *log, int64_t offset, char *ret_path, size_t size)
{
    (void)snprintf(ret_path, size, "%s/%020lld.snapshot", log->name, (long long)offset);
}

static int newest(const struct snapshot_list *list)
{
    int best = -1;
    for (int i = 0; i < list->count; i++)
        if (list->offsets[i] >= 0 && (best < 0 || list->offsets[i] > list->offsets[best]))
            best = i;
    return best;
}

/* Snapshots of what is not in the log any more, or may not be the same, go for good: were one to
 * come back, it would be taken for one of what is appended there now. So do those from in front of
 * what is there as a whole. 0 or -errno. */
static int remove_untrue(const struct log *log, int folder_fd, struct snapshot_list *list)
    NOT_ON(on_shard)
{
    bool removed = false;
    for (int i = 0; i < list->count; i++) {
        if (list->offsets[i] >= whole_from(log) &&
            list->offsets[i] <= MIN_OF(log->end_offset, log->recovered_from))
            continue;
        char path[LOG_STEM_SIZE + 16];
        snapshot_path(log, list->offsets[i], path, sizeof path);
        int error = sys_unlink(log->dir_fd, path);
        if (error < 0 && error != -ENOENT)
            return error;
        list->offsets[i] = -1;
        removed = true;
    }
    return removed ? sys_dir_sync(folder_fd) : 0;
}

/* Loads the newest good snapshot at or below the end, or none (RECOVERY_SNAPSHOT); *ret_offset is
 * its offset, or where the walk begins. 0 or -errno. */
static int load_snapshot(struct log *log, int64_t wall_ms, int64_t *ret_offset, bool *ret_loaded)
    NOT_ON(on_shard)
{
    struct snapshot_list list = {.count = 0};
    AUTO(file_close) int fd = sys_dir_open(log->dir_fd, log->name);
    *ret_loaded = false;
    *ret_offset = whole_from(log);
    int error = fd < 0 ? fd : sys_dir_list(fd, on_name, &list);
    if (error == 0)
        error = remove_untrue(log, fd, &list);
    for (int best = newest(&list); best >= 0 && error == 0; best = newest(&list)) {
        int64_t offset = list.offsets[best];
        list.offsets[best] = -1;
        char path[LOG_STEM_SIZE + 16];
        snapshot_path(log, offset, path, sizeof path);
        char *data = NULL;
        size_t size = 0;
        if (sys_file_read_whole(log->dir_fd, path, SNAPSHOT_SIZE_MAX, &data, &size) < 0)
            continue;
        const char *fault = producers_read(&log->producers, slice_of(data, size), wall_ms);
        free(data);
        if (fault != NULL)
            continue;
        *ret_loaded = true;
        *ret_offset = offset;
        break;
    }
    return error;
}

/* ---- walking batches ---- */

struct walk {
    struct log *log;
    struct producers *producers; /* that are told of each batch */
    int64_t from;                /* offsets */
    int64_t to;
};

/* What the control batch says of its transaction; nothing where it cannot be read. */
static enum txn_marker read_marker(int fd, const struct batch_header *header, int64_t position,
                                   int32_t *ret_coordinator_epoch) NOT_ON(on_shard)
{
    uint8_t bytes[MARKER_SIZE_MAX];
    if (header->size > MARKER_SIZE_MAX ||
        sys_file_read_at(fd, bytes, (size_t)header->size, position) != header->size)
        return TXN_MARKER_NONE;
    return txn_marker_read(header, slice_of(bytes, (size_t)header->size), ret_coordinator_epoch);
}

/* Transactions that ended where the index of the aborted ones is made again. */
static bool note_ended(const struct walk *walk, const struct producer_note *note,
                       const struct producer_undo *undo)
{
    struct log *log = walk->log;
    bool is_known = note->header->base_offset < log->recovered_from;
    return walk->producers != &log->producers || is_known || log_note_marker(log, note, undo);
}

static bool note_batch(struct walk *walk, int fd, const struct batch_header *header,
                       int64_t position)
{
    if (!batch_has_producer_id(header) || header->base_offset < walk->from ||
        header->base_offset >= walk->to)
        return true;
    struct producer_note note = {.header = header, .marker = TXN_MARKER_NONE};
    struct producer_undo undo;
    if (batch_is_control(header)) {
        note.marker = read_marker(fd, header, position, &note.coordinator_epoch);
        if (note.marker == TXN_MARKER_NONE)
            return true;
    }
    return producers_note(walk->producers, &note, &undo) && note_ended(walk, &note, &undo);
}

/* Calls note_batch for the headers of one segment from `position` on. */
static enum err walk_segment(struct walk *walk, int at, int64_t position) NOT_ON(on_shard)
{
    struct log_segment *segment = walk->log->segments[at];
    AUTO(file_close)
    int fd = sys_file_open(walk->log->dir_fd, segment->handle->path, SYS_OPEN_READ);
    struct log_scan *scan = fd < 0 ? NULL : malloc(sizeof *scan);
    if (scan == NULL)
        return ERR_KAFKA_STORAGE_ERROR;
    log_scan_start(scan, fd, position, segment->size);
    scan->may_wait = true;
    struct batch_header header;
    int64_t found;
    bool fine = true;
    while (fine && log_scan_next(scan, &header, &found))
        fine = note_batch(walk, fd, &header, found);
    fine = fine && scan->error == 0;
    free(scan);
    return fine ? ERR_NONE : ERR_KAFKA_STORAGE_ERROR;
}

static enum err walk_from(struct walk *walk) NOT_ON(on_shard)
{
    struct log *log = walk->log;
    enum err err = ERR_NONE;
    for (int i = log_segment_at(log, walk->from); i < log->segment_count && err == ERR_NONE; i++)
        if (log->segments[i]->base_offset < walk->to)
            err = walk_segment(walk, i, 0);
    return err;
}

/* ---- the batches that the snapshot leaves out ---- */

static void take_history(struct producer *producer, const struct producer *seen)
{
    if (seen == NULL || seen->epoch != producer->epoch || seen->batch_count == 0 ||
        producer->batch_count == 0)
        return;
    if (seen->batches[seen->batch_count - 1].last_sequence != producer->batches[0].last_sequence)
        return;
    memcpy(producer->batches, seen->batches, sizeof producer->batches);
    producer->batch_count = seen->batch_count;
}

/* Position of a batch behind which `wanted` bytes and hardly more stand; the segment's size when
 * there is no index to tell one. */
static int64_t position_before_end(struct log *log, int at, int64_t wanted) NOT_ON(on_shard)
{
    const struct log_segment *segment = log->segments[at];
    if (segment->size <= wanted)
        return 0;
    char stem[LOG_STEM_SIZE];
    struct log_index loaded;
    log_index_init(&loaded);
    log_stem(log, segment->base_offset, stem);
    bool active = at == log->segment_count - 1;
    bool fine = active || log_index_load(&loaded, log->dir_fd, stem);
    const struct log_index *index = active ? &log->index : &loaded;
    int64_t position = fine ? 0 : segment->size;
    for (uint32_t i = 0; i < index->offset_count && fine; i++)
        if (index->offsets[i].position <= segment->size - wanted)
            position = index->offsets[i].position;
    log_index_fini(&loaded);
    return position;
}

/* Reads again what stands in front of the snapshot, over as many segments as it takes. */
static enum err restore_history(struct log *log, int64_t snapshot_offset) NOT_ON(on_shard)
{
    if (log->producers.table.count == 0 || snapshot_offset <= log->segments[0]->base_offset)
        return ERR_NONE;
    struct producers seen;
    producers_init(&seen, INT64_MAX);
    int last = log_segment_at(log, snapshot_offset - 1);
    int first = last;
    int64_t wanted = RESTORE_BACK_BYTES;
    for (; first > 0 && log->segments[first]->size < wanted; first--)
        wanted -= log->segments[first]->size;
    struct walk walk = {.log = log,
                        .producers = &seen,
                        .from = log->segments[first]->base_offset,
                        .to = snapshot_offset};
    enum err err = walk_segment(&walk, first, position_before_end(log, first, wanted));
    for (int i = first + 1; i <= last && err == ERR_NONE; i++)
        err = walk_segment(&walk, i, 0);
    for (struct hash_node *node = hash_table_next(&log->producers.table, NULL);
         node != NULL && err == ERR_NONE; node = hash_table_next(&log->producers.table, node)) {
        struct producer *producer = CONTAINER_OF(node, struct producer, node);
        take_history(producer, producers_find(&seen, producer->id));
    }
    producers_fini(&seen);
    return err;
}

/* ---- aborted transactions ---- */

static void txn_index_path(const struct log *log, int at, char ret_path[LOG_STEM_SIZE + 16])
{
    char stem[LOG_STEM_SIZE];
    log_stem(log, log->segments[at]->base_offset, stem);
    (void)snprintf(ret_path, LOG_STEM_SIZE + 16, "%s.txnindex", stem);
}

/* 0, -ENOMEM, or -EBADMSG: the file cannot be of the segment. */
static int load_segment_aborted(struct log *log, int at) NOT_ON(on_shard)
{
    char path[LOG_STEM_SIZE + 16];
    char *data = NULL;
    size_t size = 0;
    txn_index_path(log, at, path);
    int error = sys_file_read_whole(log->dir_fd, path, TXN_INDEX_SIZE_MAX, &data, &size);
    if (error < 0)
        return error == -ENOENT ? 0 : -EBADMSG;
    error = txns_index_read(&log->txns, slice_of(data, size),
                            (struct txns_place){.base_offset = log->segments[at]->base_offset,
                                                .end_offset = log_segment_end(log, at)});
    free(data);
    return error;
}

/* Of the segments that were not walked through. From the first on whose file is wrong they are made
 * again, as if it had been walked (RECOVERY_TXN_INDEX). */
static enum err load_aborted(struct log *log) NOT_ON(on_shard)
{
    int error = 0;
    for (int i = 0; i < log->segment_count && error == 0; i++) {
        if (log->segments[i]->base_offset >= log->recovered_from)
            break;
        error = load_segment_aborted(log, i);
        if (error == -EBADMSG)
            log->recovered_from = log->segments[i]->base_offset;
    }
    return error == -ENOMEM ? ERR_KAFKA_STORAGE_ERROR : ERR_NONE;
}

int log_txn_index_write(const struct log *log, int at)
{
    char path[LOG_STEM_SIZE + 16];
    txn_index_path(log, at, path);
    size_t size = 0;
    uint8_t *bytes = txns_index_write(&log->txns, log->segments[at]->base_offset,
                                      log_segment_end(log, at), &size);
    if (bytes == NULL)
        return -ENOMEM;
    int error = size > 0 ? log_file_replace(log, path, slice_of(bytes, size))
                         : sys_unlink(log->dir_fd, path);
    free(bytes);
    return error == -ENOENT ? 0 : error;
}

/* ---- leader epochs ---- */

static bool load_epochs(const struct log *log, struct log_epochs *ret_stored) NOT_ON(on_shard)
{
    char path[LOG_STEM_SIZE];
    char *data = NULL;
    size_t size = 0;
    (void)snprintf(path, sizeof path, "%s/leader-epoch-checkpoint", log->name);
    log_epochs_init(ret_stored);
    bool fine = sys_file_read_whole(log->dir_fd, path, SNAPSHOT_SIZE_MAX, &data, &size) == 0 &&
                log_epochs_read(ret_stored, slice_of(data, size));
    free(data);
    return fine;
}

static enum err add_epochs_of(struct log *log, const struct log_segment *segment) NOT_ON(on_shard)
{
    AUTO(file_close) int fd = sys_file_open(log->dir_fd, segment->handle->path, SYS_OPEN_READ);
    struct log_scan *scan = fd < 0 ? NULL : malloc(sizeof *scan);
    if (scan == NULL)
        return ERR_KAFKA_STORAGE_ERROR;
    log_scan_start(scan, fd, 0, segment->size);
    scan->may_wait = true;
    struct batch_header header;
    int64_t position;
    bool room = true;
    while (room && log_scan_next(scan, &header, &position))
        room = log_epochs_assign(&log->epochs,
                                 (struct log_epoch){.epoch = header.partition_leader_epoch,
                                                    .start_offset = header.base_offset});
    room = room && scan->error == 0;
    free(scan);
    return room ? ERR_NONE : ERR_KAFKA_STORAGE_ERROR;
}

/* Of the offsets that recovery walked through, what it saw stands, whatever the file says. An epoch
 * that began at the end has no batch that could be seen. */
static bool merge_epochs(const struct log *log, int64_t walked_from, struct log_epochs *stored)
{
    log_epochs_cut(stored, log->end_offset + 1);
    struct log_epoch last = {.epoch = -1};
    if (stored->count > 0 && stored->entries[stored->count - 1].start_offset == log->end_offset)
        last = stored->entries[stored->count - 1];
    log_epochs_cut(stored, walked_from);
    bool fine = true;
    for (int i = 0; i < log->epochs.count && fine; i++)
        fine = log_epochs_assign(stored, log->epochs.entries[i]);
    return fine && (last.epoch <= log_epochs_latest(stored) || log_epochs_assign(stored, last));
}

/* From the file; where it is missing or no such file, from every batch (RECOVERY_EPOCHS). */
static enum err restore_epochs(struct log *log, int64_t walked_from) NOT_ON(on_shard)
{
    struct log_epochs stored;
    if (load_epochs(log, &stored)) {
        bool fine = merge_epochs(log, walked_from, &stored);
        log_epochs_fini(&log->epochs);
        log->epochs = stored;
        return fine ? ERR_NONE : ERR_KAFKA_STORAGE_ERROR;
    }
    log_epochs_fini(&stored);
    log_epochs_fini(&log->epochs);
    enum err err = ERR_NONE;
    for (int i = 0; i < log->segment_count && err == ERR_NONE; i++)
        err = add_epochs_of(log, log->segments[i]);
    return err;
}

enum err log_restore(struct log *log, const struct log_options *options,
                     struct log_recovery *report)
{
    bool loaded = false;
    int64_t from = 0;
    int64_t walked_from = log->recovered_from;
    enum err err = load_aborted(log);
    if (err == ERR_NONE && load_snapshot(log, options->wall_ms, &from, &loaded) < 0)
        err = ERR_KAFKA_STORAGE_ERROR;
    if (err == ERR_NONE && loaded)
        err = restore_history(log, from);
    struct walk walk = {
        .log = log, .producers = &log->producers, .from = from, .to = log->end_offset};
    if (err == ERR_NONE && walk.from < walk.to)
        err = walk_from(&walk);
    log_commit_markers(log, log->end_offset);
    for (int i = 0; i < log->segment_count && err == ERR_NONE; i++)
        if (log->segments[i]->base_offset >= log->recovered_from && log_txn_index_write(log, i) < 0)
            err = ERR_KAFKA_STORAGE_ERROR;
    if (err == ERR_NONE)
        err = restore_epochs(log, walked_from);
    if (err != ERR_NONE)
        report->fault = "producers and leader epochs could not be read back";
    return err;
}
