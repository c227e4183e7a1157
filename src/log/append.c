/* Appending: what was submitted in a turn is checked, stamped and written with one call at its end.
 * The complication is failure: sequence checks of a batch depend on the ones before it in the same
 * write, so state is noted batch by batch and undone from the last to the first when the write
 * fails, and the file is cut back. On the owning shard; must not wait for a disk but where the
 * kernel makes a write wait. */
#include "log/log_int.h"

#include "base/always.h"
#include "sys/file.h"

#include <errno.h>

/* Batches of one write. */
#define GROUP_MAX 64

/* One write in the making. */
struct group {
    struct log *log;
    struct log_append *appends[GROUP_MAX];
    struct slice parts[GROUP_MAX];
    struct producer_undo undo[GROUP_MAX];
    bool noted[GROUP_MAX];
    int count;
    int64_t size;
    int64_t end_offset;
};

static void complete(struct log_append *append, enum err err)
{
    append->err = err;
    if (err != ERR_NONE)
        append->base_offset = -1;
    append->on_done(append);
}

static void undo_from_last(struct group *group)
{
    for (int i = group->count - 1; i >= 0; i--)
        if (group->noted[i])
            producers_undo(&group->log->producers, &group->undo[i]);
}

/* The bytes are in the file: L3, L5, indexes. */
static void note_written(struct group *group, int64_t position)
{
    struct log *log = group->log;
    struct log_segment *active = log_active(log);
    for (int i = 0; i < group->count; i++) {
        struct log_append *append = group->appends[i];
        struct log_epoch epoch = {.epoch = append->header.partition_leader_epoch,
                                  .start_offset = append->header.base_offset};
        if (!log_note_indexes(log, &append->header, position) ||
            !log_epochs_assign(&log->epochs, epoch))
            log_go_offline(log, "memory for its indexes is out", -ENOMEM);
        log->recent[log->recent_next++ % LOG_RECENT_MAX] = (struct log_recent){
            .base_offset = append->header.base_offset,
            .last_offset = append->last_offset,
            .segment_base = active->base_offset,
            .position = position,
            .size = append->header.size,
        };
        position += append->header.size;
    }
    active->size = position;
    log->size += group->size;
    log->end_offset = group->end_offset;
}

/* Bytes that a failed write may have left are cut; where even that fails the log is not trusted. */
static void cut_back(struct log *log, struct log_handle *handle)
{
    int error = sys_file_truncate(handle->fd, log_active(log)->size);
    log->was_cut = true;
    if (error < 0)
        log_go_offline(log, "a failed write could not be cut off", error);
}

/* Writes what was gathered and completes it. */
static void group_write(struct group *group)
{
    struct log *log = group->log;
    if (group->count == 0)
        return;
    struct log_segment *active = log_active(log);
    int error = log_handle_ref(active->handle);
    if (error == 0) {
        error = sys_file_writev_at(active->handle->fd, group->parts, group->count, active->size);
        if (error < 0)
            cut_back(log, active->handle);
        else
            note_written(group, active->size);
        log_handle_unref(active->handle);
    }
    if (error < 0) {
        undo_from_last(group);
        if (!log_error_passes(error))
            log_go_offline(log, "it cannot be written", error);
    }
    enum err err = error < 0 || log->offline ? ERR_KAFKA_STORAGE_ERROR : ERR_NONE;
    int count = group->count;
    group->count = 0;
    group->size = 0;
    group->end_offset = log->end_offset;
    for (int i = 0; i < count; i++)
        complete(group->appends[i], err);
}

/* As Kafka's LogSegment.timeWaitedForRoll: by the batches' own time where they have one. */
static bool is_old(const struct log *log, const struct log_append *append)
{
    const struct log_segment *active = log_active(log);
    int64_t waited_ms = active->first_timestamp >= 0
                            ? append->max_timestamp - active->first_timestamp
                            : shard_wall_ms(log->shard) - active->created_ms;
    return waited_ms > log->config.segment_ms - active->jitter_ms;
}

/* Segment full, too old, its index full, or offsets too far from its base. */
static bool must_roll(const struct log *log, const struct group *group,
                      const struct log_append *append)
{
    const struct log_segment *active = log_active(log);
    const struct topic_config *config = &log->config;
    int64_t size = active->size + group->size;
    if (size == 0)
        return false;
    int64_t base_offset = append->keeps_offsets ? append->header.base_offset : group->end_offset;
    int64_t last_offset = base_offset + append->header.last_offset_delta;
    /* The last entry of a time index is kept for when the segment is sealed. */
    int64_t offsets_max = config->segment_index_bytes / INDEX_ENTRY_SIZE;
    int64_t times_max = config->segment_index_bytes / TIME_INDEX_ENTRY_SIZE - 1;
    return size + append->header.size > config->segment_bytes || is_old(log, append) ||
           log->index.offset_count >= offsets_max || log->index.time_count >= times_max ||
           last_offset - active->base_offset > INT32_MAX;
}

/* true: it is a duplicate or is refused, with what it is to be completed with. */
static bool check_producer(const struct log *log, struct log_append *append, enum err *ret_err)
{
    *ret_err = ERR_NONE;
    if (!batch_has_producer_id(&append->header) || append->keeps_offsets)
        return false;
    const struct producer_batch *duplicate;
    *ret_err = producers_check(&log->producers, &append->header, &duplicate);
    append->duplicate = duplicate != NULL;
    if (duplicate == NULL)
        return *ret_err != ERR_NONE;
    append->last_offset = duplicate->last_offset;
    append->base_offset = duplicate->last_offset - duplicate->offset_delta;
    append->append_time_ms = duplicate->timestamp;
    return true;
}

static void stamp(struct group *group, struct log_append *append)
{
    if (!append->keeps_offsets) {
        append->header.base_offset = group->end_offset;
        append->header.partition_leader_epoch = append->leader_epoch;
        batch_stamp(append->bytes, (struct batch_place){
                                       .base_offset = group->end_offset,
                                       .partition_leader_epoch = append->leader_epoch});
    }
    append->base_offset = append->header.base_offset;
    append->last_offset = batch_last_offset(&append->header);
}

/* Adds a batch that was checked; false: memory is out. */
static bool group_add(struct group *group, struct log_append *append)
{
    struct log *log = group->log;
    stamp(group, append);
    int at = group->count;
    group->noted[at] = batch_has_producer_id(&append->header) && !append->keeps_offsets;
    if (group->noted[at]) {
        struct producer_note note = {.header = &append->header, .marker_type = -1};
        if (!producers_note(&log->producers, &note, &group->undo[at]))
            return false;
    }
    group->appends[at] = append;
    group->parts[at] = slice_of(append->bytes, (size_t)append->header.size);
    group->count++;
    group->size += append->header.size;
    group->end_offset = append->last_offset + 1;
    return true;
}

/* Whether the batch is to be gathered; otherwise *ret_err says how it ends. */
static bool admit(struct log *log, struct log_append *append, enum err *ret_err)
{
    *ret_err = ERR_KAFKA_STORAGE_ERROR;
    return !log->offline && !check_producer(log, append, ret_err);
}

static void append_one(struct group *group, struct log_append *append) ON(on_shard)
{
    struct log *log = group->log;
    enum err err;
    append->duplicate = false;
    append->append_time_ms = -1;
    /* Whoever is not gathered is answered after those that are, and by what became of them: the
     * batch that it repeats may be among them (L6). */
    if (group->count == GROUP_MAX || must_roll(log, group, append) || !admit(log, append, &err))
        group_write(group);
    append->duplicate = false;
    if (!admit(log, append, &err)) {
        complete(append, err);
        return;
    }
    bool fits = !must_roll(log, group, append) || log_roll(log) == ERR_NONE;
    if (!fits || !group_add(group, append)) {
        group_write(group);
        if (batch_has_producer_id(&append->header) && !append->keeps_offsets)
            producers_await(&log->producers, &append->header);
        complete(append, ERR_KAFKA_STORAGE_ERROR);
    }
}

static void expire_producers(struct log *log)
{
    int64_t now_ms = shard_now_ms(log->shard);
    if (now_ms < log->expire_at_ms)
        return;
    log->expire_at_ms = now_ms + log->expire_interval_ms;
    producers_expire(&log->producers, shard_wall_ms(log->shard));
}

void log_write_chore(struct shard *shard, struct shard_chore *chore)
{
    role_now_on_shard();
    (void)shard;
    struct log *log = CONTAINER_OF(chore, struct log, write);
    expire_producers(log);
    struct group group = {.log = log, .end_offset = log->end_offset};
    struct list *node;
    while ((node = list_take_first(&log->appends)) != NULL)
        append_one(&group, CONTAINER_OF(node, struct log_append, link));
    group_write(&group);
    log_flush_next(log); /* who waits for nothing to be under way may have waited for this */
}

void log_append_submit(struct log *log, struct log_append *append)
{
    ALWAYS(log->shard != NULL, "%s has no shard", log->name);
    list_add_tail(&log->appends, &append->link);
    shard_flush_later(log->shard, &log->write);
}
