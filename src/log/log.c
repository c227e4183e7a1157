/* What a log is made of, and the small facts about it. Opening is in open.c, appending in append.c,
 * flushing in flush.c, reading in read.c. */
#include "log/check.h"
#include "log/discard.h"

#include "base/always.h"
#include "sys/journal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

int64_t log_start_offset(const struct log *log)
{
    return log->start_offset;
}

int64_t log_end_offset(const struct log *log)
{
    return log->end_offset;
}

int64_t log_recovery_point(const struct log *log)
{
    return log->recovery_point;
}

int64_t log_first_unstable_offset(const struct log *log)
{
    int64_t open_from = producers_first_unstable(&log->producers);
    int64_t uncommitted = txns_first_uncommitted(&log->txns);
    int64_t first = open_from >= 0 ? MAX_OF(open_from, log->start_offset) : log->end_offset;
    return uncommitted >= 0 ? MIN_OF(first, MAX_OF(uncommitted, log->start_offset)) : first;
}

int64_t log_size(const struct log *log)
{
    return log->size;
}

int64_t log_unflushed(const struct log *log)
{
    return log->unflushed;
}

int32_t log_latest_epoch(const struct log *log)
{
    return log_epochs_latest(&log->epochs);
}

bool log_is_offline(const struct log *log)
{
    return log->offline || log_dir_is_offline(log->dir);
}

void log_configure(struct log *log, const struct topic_config *config)
{
    log->config = *config;
}

const struct producers *log_producers(const struct log *log)
{
    return &log->producers;
}

void log_expire_producers_after(struct log *log, int64_t expiration_ms)
{
    log->producers.expiration_ms = expiration_ms;
}

struct log_epoch_end log_epoch_end(const struct log *log, int32_t epoch)
{
    struct log_epoch end = log_epochs_end(&log->epochs, epoch, log->end_offset);
    return (struct log_epoch_end){.epoch = end.epoch, .end_offset = end.start_offset};
}

int32_t log_epoch_of(const struct log *log, int64_t offset)
{
    return log_epochs_at(&log->epochs, offset);
}

void log_suffixed_name(const char *name, struct uuid random, const char *suffix,
                       char ret_name[LOG_STEM_SIZE])
{
    char id[UUID_TEXT_SIZE];
    char end[64];
    const char *partition = strrchr(name, '-');
    ALWAYS(partition != NULL, "%s is no partition's folder", name);
    uuid_format(random, id);
    size_t end_size = (size_t)snprintf(end, sizeof end, "%s.%s-%s", partition, id, suffix);
    size_t topic_size = MIN_OF((size_t)(partition - name), NAME_MAX - end_size);
    memcpy(ret_name, name, topic_size);
    memcpy(ret_name + topic_size, end, end_size + 1);
}

void log_stem(const struct log *log, int64_t base_offset, char ret_stem[LOG_STEM_SIZE])
{
    (void)snprintf(ret_stem, LOG_STEM_SIZE, "%s/%020lld", log->name, (long long)base_offset);
}

void log_go_offline(struct log *log, const char *why, int error)
{
    if (log->offline)
        return;
    log->offline = true;
    if (log->dir != NULL && error != -ENOMEM) {
        log_dir_fail(log->dir,
                     &(struct log_dir_fault){.file = log->name, .why = why, .error = error});
        return;
    }
    journal(JOURNAL_ERROR, "log_offline", "log=%s why=\"%s\" error=\"%s\" hint=\"%s\"", log->name,
            why, strerror(error < 0 ? -error : error),
            "what was acknowledged is safe as far as it was flushed; mend the disk and restart");
}

bool log_error_passes(int error)
{
    return error == -ENOSPC || error == -EDQUOT || error == -EMFILE || error == -ENFILE ||
           error == -ENOMEM;
}

/* ---- segments ---- */

struct log_segment *log_segment_new(struct log *log, int64_t base_offset)
{
    char path[LOG_STEM_SIZE + 8];
    char stem[LOG_STEM_SIZE];
    log_stem(log, base_offset, stem);
    (void)snprintf(path, sizeof path, "%s.log", stem);
    struct log_segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        return NULL;
    *segment = (struct log_segment){
        .base_offset = base_offset,
        .serial = ++log->serials,
        .max_timestamp = BATCH_NO_TIMESTAMP,
        .max_timestamp_offset = base_offset,
        .first_timestamp = BATCH_NO_TIMESTAMP,
        .handle = log_handle_new(log->files, log->dir_fd, path),
    };
    list_init(&segment->waiting);
    if (segment->handle == NULL) {
        free(segment);
        return NULL;
    }
    return segment;
}

struct log_segment *log_segment_add(struct log *log, int64_t base_offset)
{
    ALWAYS(log->segment_count == 0 || log_active(log)->base_offset < base_offset,
           "L1: segment %lld of %s does not follow the others", (long long)base_offset, log->name);
    if (log->segment_count == log->segment_capacity) {
        int capacity = log->segment_capacity > 0 ? log->segment_capacity * 2 : 4;
        struct log_segment **grown =
            realloc(log->segments, (size_t)capacity * sizeof(struct log_segment *));
        if (grown == NULL)
            return NULL;
        log->segments = grown;
        log->segment_capacity = capacity;
    }
    struct log_segment *segment = log_segment_new(log, base_offset);
    if (segment != NULL)
        log->segments[log->segment_count++] = segment;
    return segment;
}

void log_segment_begin(const struct log *log, struct log_segment *segment, int64_t wall_ms,
                       uint64_t random)
{
    int64_t jitter_ms = MIN_OF(log->config.segment_jitter_ms, log->config.segment_ms);
    segment->created_ms = wall_ms;
    segment->written_ms = segment->written_ms > 0 ? segment->written_ms : wall_ms;
    segment->jitter_ms = jitter_ms > 0 ? (int64_t)(random % (uint64_t)jitter_ms) : 0;
}

void log_segment_free(struct log_segment *segment)
{
    log_check_end(segment);
    log_handle_forget(segment->handle);
    if (segment->swapping != NULL)
        log_index_fini(segment->swapping);
    free(segment->swapping);
    free(segment);
}

int log_segment_at(const struct log *log, int64_t offset)
{
    int low = 0;
    int high = log->segment_count - 1;
    while (low < high) {
        int middle = low + (high - low + 1) / 2;
        if (log->segments[middle]->base_offset <= offset)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* As Kafka's LogSegment.append: entries stand for the batch in front of which enough bytes were
 * written since the last one. */
bool log_note_indexes(struct log *log, const struct batch_header *header, int64_t position)
{
    struct log_segment *active = log_active(log);
    int64_t last_offset = batch_last_offset(header);
    if (header->max_timestamp > active->max_timestamp) {
        active->max_timestamp = header->max_timestamp;
        active->max_timestamp_offset = last_offset;
    }
    if (position == 0)
        active->first_timestamp = header->max_timestamp;
    bool fine = true;
    if (log->index.bytes_since_entry > log->config.index_interval_bytes) {
        struct index_entry entry = {.relative_offset = (int32_t)(last_offset - active->base_offset),
                                    .position = (int32_t)position};
        struct time_index_entry time = {
            .timestamp = active->max_timestamp,
            .relative_offset = (int32_t)(active->max_timestamp_offset - active->base_offset)};
        fine = log_index_add(&log->index, entry) && log_index_add_time(&log->index, time);
        log->index.bytes_since_entry = 0;
    }
    log->index.bytes_since_entry += header->size;
    return fine;
}

/* ---- transactions ---- */

bool log_note_marker(struct log *log, const struct producer_note *note,
                     const struct producer_undo *undo)
{
    int64_t first_offset = undo->existed ? undo->before.txn_first_offset : -1;
    if (note->marker == TXN_MARKER_NONE || first_offset < 0)
        return true;
    int64_t last_offset = batch_last_offset(note->header);
    int64_t open_from = producers_first_unstable(&log->producers);
    struct txn_ended ended = {.producer_id = note->header->producer_id,
                              .first_offset = first_offset,
                              .last_offset = last_offset,
                              .last_stable_offset = open_from >= 0
                                                        ? MIN_OF(open_from, last_offset + 1)
                                                        : last_offset + 1};
    log->aborted_changed = log->aborted_changed || note->marker == TXN_MARKER_ABORT;
    return (note->marker != TXN_MARKER_ABORT || txn_list_add(&log->txns.aborted, &ended)) &&
           txn_list_add(&log->txns.uncommitted, &ended);
}

void log_commit_markers(struct log *log, int64_t high_watermark)
{
    txns_commit(&log->txns, high_watermark);
}

/* NULL: it is not at hand. */
static const struct log_index *index_at(const struct log *log, int at)
{
    struct log_segment *segment = log->segments[at];
    if (segment == log_active(log))
        return &log->index;
    return segment->sealing != NULL ? segment->sealing : log_sealed_index_find(segment);
}

int64_t log_range_bound(const struct log *log, const struct log_range *range, int64_t offset)
{
    int at = log_segment_at(log, offset);
    while (at + 1 < log->segment_count && log->segments[at]->handle != range->handle)
        at++;
    const struct log_index *index = index_at(log, at);
    uint32_t low = 0;
    uint32_t high = index != NULL ? index->offset_count : 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index->offsets[middle].position < range->position + range->size)
            low = middle + 1;
        else
            high = middle;
    }
    if (index != NULL && low < index->offset_count)
        return log->segments[at]->base_offset + index->offsets[low].relative_offset;
    return log_segment_end(log, at);
}

/* Entries are in order of their end. One whose last stable offset is not below `to` tells that all
 * behind it began there or later. */
int log_aborted_list(const struct log *log, int64_t from, int64_t to,
                     struct log_aborted *ret_aborted, int aborted_max)
{
    const struct txn_list *aborted = &log->txns.aborted;
    int count = 0;
    for (int i = txn_list_at(aborted, from); i < aborted->count; i++) {
        const struct txn_ended *txn = &aborted->entries[i];
        if (txn->first_offset < to && count++ < aborted_max)
            ret_aborted[count - 1] = (struct log_aborted){.producer_id = txn->producer_id,
                                                          .first_offset = txn->first_offset};
        if (txn->last_stable_offset >= to)
            break;
    }
    return count;
}

/* ---- the owning shard ---- */

void log_attach(struct log *log, struct shard *shard, struct log_files *files)
{
    log->shard = shard;
    log->files = files;
    for (int i = 0; i < log->segment_count; i++)
        log->segments[i]->handle = log_handle_move(log->segments[i]->handle, files);
}

void log_detach(struct log *log)
{
    ALWAYS(list_is_empty(&log->appends) && log->write_job == NULL && !log->is_writing_out &&
               list_is_empty(&log->flushes) && log->flush_job == NULL && log->checks == 0 &&
               log->compaction == NULL,
           "%s is still at work", log->name);
    log_discard_forget(log);
    list_remove(&log->flush_turn);
    shard_chore_cancel(&log->write); /* it would find nothing to write */
    for (int i = 0; i < log->segment_count; i++) {
        log_sealed_index_drop(log->segments[i]);
        log->segments[i]->handle = log_handle_move(log->segments[i]->handle, NULL);
        log->offline = log->offline || log->segments[i]->handle == NULL; /* nothing is stored */
    }
    log->shard = NULL;
    log->files = NULL;
}

void log_check(const struct log *log)
{
    ALWAYS(log->segment_count > 0, "L1: %s has no segment", log->name);
    int64_t size = 0;
    for (int i = 0; i < log->segment_count; i++) {
        const struct log_segment *segment = log->segments[i];
        ALWAYS(segment->base_offset <= log_segment_end(log, i), "L1: %s: segment %lld overlaps",
               log->name, (long long)segment->base_offset);
        size += segment->size;
    }
    ALWAYS(size == log->size, "L3: %s has %lld bytes", log->name, (long long)size);
    ALWAYS(log->recovery_point <= log->end_offset, "L4: %s is flushed beyond its end", log->name);
    ALWAYS(log->start_offset <= log->recovery_point, "L8: %s starts behind what is flushed",
           log->name);
    ALWAYS(log_epochs_latest(&log->epochs) < 0 || log->epochs.entries[0].epoch >= 0,
           "%s has an epoch below zero", log->name);
    for (struct hash_node *node = hash_table_next(&log->producers.table, NULL); node != NULL;
         node = hash_table_next(&log->producers.table, node)) {
        const struct producer *producer = CONTAINER_OF(node, struct producer, node);
        int8_t count = producer->batch_count;
        ALWAYS(count == 0 || log->write_job != NULL ||
                   producer->batches[count - 1].last_offset < log->end_offset,
               "L5: %s knows a batch of %lld that it does not hold", log->name,
               (long long)producer->id);
    }
}
