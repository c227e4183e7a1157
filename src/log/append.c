/* Appending: what was submitted in a turn is checked, and gathered into one write at its end; see
 * write.h. On the owning shard; must not wait for a disk but where the kernel makes a small write
 * wait. */
#include "log/write.h"

#include "base/always.h"
#include "log/guard.h"

/* As Kafka's LogSegment.timeWaitedForRoll: by the batches' own time where they have one. */
static bool is_old(const struct log *log, const struct log_append *append)
{
    const struct log_segment *active = log_active(log);
    int64_t waited_ms = active->first_timestamp >= 0
                            ? append->max_timestamp - active->first_timestamp
                            : shard_wall_ms(log->shard) - active->created_ms;
    int64_t segment_ms = log->config.segment_ms;
    /* The active segment is not compacted: it must not be older than that is to wait. */
    if (log->config.cleanup_compact)
        segment_ms = MIN_OF(segment_ms, log->config.max_compaction_lag_ms);
    return waited_ms > segment_ms - active->jitter_ms;
}

/* Segment full, too old, its index full, or offsets too far from its base. */
static bool must_roll(const struct log *log, const struct log_write *write,
                      const struct log_append *append)
{
    const struct log_segment *active = log_active(log);
    const struct topic_config *config = &log->config;
    int64_t size = active->size + write->size;
    if (size == 0)
        return false;
    int64_t base_offset = append->keeps_offsets ? append->header.base_offset : write->end_offset;
    int64_t last_offset = base_offset + append->header.last_offset_delta;
    /* The last entry of a time index is kept for when the segment is sealed. */
    int64_t offsets_max = config->segment_index_bytes / INDEX_ENTRY_SIZE;
    int64_t times_max = config->segment_index_bytes / TIME_INDEX_ENTRY_SIZE - 1;
    return size + append->header.size > config->segment_bytes || is_old(log, append) ||
           log->index.offset_count >= offsets_max || log->index.time_count >= times_max ||
           last_offset - active->base_offset > INT32_MAX;
}

enum err log_check_producer(const struct log *log, int64_t producer_id, int16_t producer_epoch)
{
    struct batch_header header = {.producer_id = producer_id, .producer_epoch = producer_epoch};
    return producers_check_epoch(&log->producers, &header);
}

/* A marker has no sequence: its coordinator vouches for it. */
static enum err check_marker(const struct log *log, const struct log_append *append)
{
    struct producer_marker marker = {
        .producer_id = append->header.producer_id,
        .producer_epoch = append->header.producer_epoch,
        .transaction_version = append->transaction_version,
    };
    struct slice bytes = slice_of(append->bytes, (size_t)append->header.size);
    if (txn_marker_read(&append->header, bytes, &marker.coordinator_epoch) == TXN_MARKER_NONE)
        return ERR_NONE;
    return producers_check_marker(&log->producers, &marker);
}

static enum err check_token(const struct log *log, const struct log_append *append)
{
    if (!append->checks_token || !batch_is_transactional(&append->header))
        return ERR_NONE;
    return producers_check_guard(&log->producers,
                                 &(struct guard_claim){
                                     .producer_id = append->header.producer_id,
                                     .producer_epoch = append->header.producer_epoch,
                                     .token = append->token,
                                 });
}

/* A duplicate is one whatever else is wrong with it. */
static enum err check_batch(const struct log *log, struct log_append *append)
{
    if (append->by_coordinator)
        return producers_check_epoch(&log->producers, &append->header);
    const struct producer_batch *duplicate;
    enum err err = producers_check(&log->producers, &append->header, &duplicate);
    append->duplicate = duplicate != NULL;
    if (duplicate == NULL) {
        enum err unguarded = check_token(log, append);
        return unguarded != ERR_NONE ? unguarded : err;
    }
    append->last_offset = duplicate->last_offset;
    append->base_offset = duplicate->last_offset - duplicate->offset_delta;
    append->append_time_ms = duplicate->timestamp;
    return ERR_NONE;
}

/* true: it is a duplicate or is refused, with what it is to be completed with. */
static bool check_producer(const struct log *log, struct log_append *append, enum err *ret_err)
{
    *ret_err = ERR_NONE;
    if (!batch_has_producer_id(&append->header) || append->keeps_offsets)
        return false;
    *ret_err =
        batch_is_control(&append->header) ? check_marker(log, append) : check_batch(log, append);
    return *ret_err != ERR_NONE || append->duplicate;
}

/* Whether the batch is to be gathered; otherwise *ret_err says how it ends. */
static bool admit(struct log *log, struct log_append *append, enum err *ret_err)
{
    append->duplicate = false;
    append->append_time_ms = -1;
    *ret_err = ERR_KAFKA_STORAGE_ERROR;
    return !log_is_offline(log) && !check_producer(log, append, ret_err);
}

/* Gathers, answers or refuses one append. false: a write is under way, behind which it waits. */
static bool append_one(struct log_write *write, struct log_append *append) ON(on_shard)
{
    struct log *log = write->log;
    enum err err;
    /* Whoever is not gathered is answered after those that are, and by what became of them: the
     * batch that it repeats may be among them (L6). */
    bool alone = write->is_control || (write->count > 0 && batch_is_control(&append->header));
    bool has_room =
        !alone && write->count < LOG_WRITE_BATCHES_MAX && write->size < LOG_WRITE_ENOUGH;
    bool joins = has_room && !must_roll(log, write, append) && admit(log, append, &err);
    if (!joins && !log_write_end(write))
        return false;
    if (!admit(log, append, &err)) {
        list_remove(&append->link);
        log_append_complete(append, err);
        return true;
    }
    bool fits = !must_roll(log, write, append) || log_roll(log) == ERR_NONE;
    if (fits && log_write_add(write, append)) {
        list_remove(&append->link);
        return true;
    }
    if (!log_write_end(write))
        return false;
    list_remove(&append->link);
    if (batch_has_producer_id(&append->header) && !append->keeps_offsets)
        producers_await(&log->producers, &append->header);
    log_append_complete(append, ERR_KAFKA_STORAGE_ERROR);
    return true;
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
    if (log->write_job != NULL)
        return; /* this runs again when it has ended */
    expire_producers(log);
    log->is_writing = true;
    struct log_write write;
    log_write_begin(&write, log);
    bool goes_on = true;
    while (goes_on && !list_is_empty(&log->appends))
        goes_on = append_one(&write, CONTAINER_OF(log->appends.next, struct log_append, link));
    goes_on = goes_on && log_write_end(&write);
    log->is_writing = false;
    if (goes_on)
        log_flush_next(log); /* who waits for nothing to be under way may have waited for this */
}

void log_append_submit(struct log *log, struct log_append *append)
{
    ALWAYS(log->shard != NULL, "%s has no shard", log->name);
    list_add_tail(&log->appends, &append->link);
    shard_flush_later(log->shard, &log->write);
}
