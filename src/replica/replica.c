/* A leader's appends and its high watermark; see the header. With one replica the high watermark is
 * the end of what was written, or of what was synced where a flush is due. On the partition's
 * shard. */
#include "replica/replica_int.h"

#include "base/always.h"

enum err replica_check(const struct replica *replica)
{
    switch (replica->state) {
    case REPLICA_LEADER:
        return log_is_offline(replica->log) ? ERR_KAFKA_STORAGE_ERROR : ERR_NONE;
    case REPLICA_OFFLINE:
        return ERR_KAFKA_STORAGE_ERROR;
    case REPLICA_OPENING:
    case REPLICA_IDLE:
    case REPLICA_CLOSING:
        return ERR_NOT_LEADER_OR_FOLLOWER;
    }
    return ERR_NOT_LEADER_OR_FOLLOWER;
}

int64_t replica_log_start(const struct replica *replica)
{
    return replica->log != NULL ? log_start_offset(replica->log) : -1;
}

bool replica_wait_open(struct replica *replica, struct replica_waiter *waiter)
{
    if (replica->state != REPLICA_OPENING)
        return false;
    list_add_tail(&replica->waiting_open, &waiter->link);
    replica_openings_want(replica);
    return true;
}

void replica_wait_data(struct replica *replica, struct replica_waiter *waiter)
{
    list_add_tail(&replica->waiting_data, &waiter->link);
}

void replica_wake(struct list *waiting)
{
    struct list now;
    list_init(&now);
    list_move_all(waiting, &now);
    struct list *node;
    while ((node = list_take_first(&now)) != NULL) {
        struct replica_waiter *waiter = CONTAINER_OF(node, struct replica_waiter, link);
        waiter->on_ready(waiter);
    }
}

static void append_finish(struct replica_append *append, enum err err)
{
    role_now_on_shard();
    struct replica *replica = append->replica;
    append->err = err;
    append->log_start_offset = replica_log_start(replica);
    append->on_done(append);
    replica_end(replica);
}

/* Who waits for the high watermark need not any more: it will not come, or not from here. */
static void refuse_uncommitted(struct replica *replica, enum err err)
{
    struct list now;
    list_init(&now);
    list_move_all(&replica->waiting_commit, &now);
    struct list *node;
    while ((node = list_take_first(&now)) != NULL)
        append_finish(CONTAINER_OF(node, struct replica_append, link), err);
}

void replica_wake_all(struct replica *replica)
{
    replica_refuse_all(replica, ERR_NOT_LEADER_OR_FOLLOWER);
}

void replica_refuse_all(struct replica *replica, enum err err)
{
    refuse_uncommitted(replica, err);
    replica_wake(&replica->waiting_open);
    replica_wake(&replica->waiting_data);
}

void replica_init_waiting(struct replica *replica)
{
    list_init(&replica->waiting_open);
    list_init(&replica->waiting_data);
    list_init(&replica->waiting_commit);
}

/* ---- the high watermark ---- */

static void answer_committed(struct replica *replica)
{
    while (!list_is_empty(&replica->waiting_commit)) {
        struct replica_append *append =
            CONTAINER_OF(replica->waiting_commit.next, struct replica_append, link);
        if (append->log.last_offset >= replica->high_watermark)
            return;
        list_remove(&append->link);
        append_finish(append, ERR_NONE);
    }
}

static void raise_high_watermark(struct replica *replica, int64_t offset)
{
    if (offset <= replica->high_watermark)
        return;
    replica->high_watermark = offset;
    replica->set->changes++;
    log_commit_markers(replica->log, offset);
    answer_committed(replica);
    replica_wake(&replica->waiting_data);
}

void replica_lead(struct replica *replica, int32_t leader_epoch)
{
    bool leads_on = replica->state == REPLICA_LEADER;
    replica->state = REPLICA_LEADER;
    replica->leader_epoch = leader_epoch;
    /* What comes behind the high watermark of a leader may not be synced yet. */
    if (!leads_on)
        raise_high_watermark(replica, log_end_offset(replica->log));
}

/* ---- flushing by time ---- */

static void on_timed_flush(struct log_flush *flush)
{
    role_now_on_shard();
    struct replica *replica = CONTAINER_OF(flush, struct replica, timed_flush);
    replica->timed_flush_runs = false;
    replica->set->changes++;
    replica_end(replica);
}

void replica_flush(struct replica *replica)
{
    if (replica->timed_flush_runs || replica->log == NULL)
        return;
    replica->timed_flush_runs = true;
    replica->unflushed_records = 0;
    replica->timed_flush = (struct log_flush){.on_done = on_timed_flush};
    replica_begin(replica);
    log_flush_submit(replica->log, &replica->timed_flush);
}

static void on_flush_due(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    (void)shard;
    replica_flush(CONTAINER_OF(timer, struct replica, flush_timer));
}

static void consider_timed_flush(struct replica *replica)
{
    role_now_on_shard();
    if (replica->config.flush_ms == INT64_MAX || shard_timer_is_running(&replica->flush_timer))
        return;
    replica->flush_timer.on_expired = on_flush_due;
    shard_timer_start(replica->set->shard, &replica->flush_timer, replica->config.flush_ms);
}

/* A timer may run with the old flush.ms: what it is for is done now instead. */
void replica_configure(struct replica *replica)
{
    role_now_on_shard();
    log_configure(replica->log, &replica->config);
    log_expire_producers_after(replica->log, replica->producer_expiration_ms);
    shard_timer_stop(replica->set->shard, &replica->flush_timer);
    if (replica->unflushed_records > 0 && replica->config.flush_ms != INT64_MAX)
        on_flush_due(replica->set->shard, &replica->flush_timer);
}

/* ---- appending ---- */

/* Written (and synced, where that was due): answered, or left to wait for the high watermark. So
 * does a duplicate, of which the first may not be synced yet. */
static void append_settled(struct replica_append *append)
{
    struct replica *replica = append->replica;
    bool waits = append->acks == -1 || append->log.duplicate;
    if (waits && append->log.last_offset >= replica->high_watermark) {
        list_add_tail(&replica->waiting_commit, &append->link);
        return;
    }
    append_finish(append, ERR_NONE);
}

static void on_flushed(struct log_flush *flush)
{
    role_now_on_shard();
    struct replica_append *append = CONTAINER_OF(flush, struct replica_append, flush);
    struct replica *replica = append->replica;
    replica->set->changes++;
    if (flush->err != ERR_NONE) {
        refuse_uncommitted(replica, flush->err); /* duplicates of what was not synced */
        append_finish(append, flush->err);
        return;
    }
    raise_high_watermark(replica, flush->end);
    append_settled(append);
}

static void flush_append(struct replica_append *append) ON(on_shard)
{
    append->flush = (struct log_flush){.on_done = on_flushed};
    log_flush_submit(append->replica->log, &append->flush);
}

static void on_written(struct log_append *log_append)
{
    role_now_on_shard();
    struct replica_append *append = CONTAINER_OF(log_append, struct replica_append, log);
    struct replica *replica = append->replica;
    if (log_append->err != ERR_NONE) {
        append_finish(append, log_append->err);
        return;
    }
    if (log_append->duplicate) {
        /* The sync of the first may have failed for want of room: nobody else asks for another. */
        if (log_append->last_offset >= replica->high_watermark)
            flush_append(append);
        else
            append_settled(append);
        return;
    }
    replica->unflushed_records += append->record_count;
    if (replica->unflushed_records >= replica->config.flush_messages) {
        replica->unflushed_records = 0;
        flush_append(append);
        return;
    }
    consider_timed_flush(replica);
    replica_flusher_note(replica, log_append->header.size);
    raise_high_watermark(replica, log_append->last_offset + 1);
    append_settled(append);
}

void replica_append(struct replica *replica, struct replica_append *append)
{
    append->replica = replica;
    list_init(&append->link);
    replica_begin(replica);
    enum err err = replica_check(replica);
    int32_t needed = MIN_OF(replica->config.min_insync_replicas, replica->replica_count);
    if (err == ERR_NONE && append->acks == -1 && replica->isr_count < needed)
        err = ERR_NOT_ENOUGH_REPLICAS;
    if (err == ERR_NONE && !replica_room_take(replica, append->log.header.size))
        err = ERR_KAFKA_STORAGE_ERROR;
    if (err != ERR_NONE) {
        append_finish(append, err);
        return;
    }
    append->log.leader_epoch = replica->leader_epoch;
    append->log.keeps_offsets = false;
    append->log.on_done = on_written;
    log_append_submit(replica->log, &append->log);
}

/* ---- reading ---- */

int64_t replica_last_stable_offset(const struct replica *replica)
{
    int64_t unstable = log_first_unstable_offset(replica->log);
    return MIN_OF(unstable, replica->high_watermark);
}

int64_t replica_read_bound(const struct replica *replica, bool read_committed)
{
    return read_committed ? replica_last_stable_offset(replica) : replica->high_watermark;
}

struct log_epoch_end replica_epoch_end(const struct replica *replica, int32_t epoch)
{
    int32_t latest = log_latest_epoch(replica->log);
    struct log_epoch_end end = {.epoch = epoch, .end_offset = log_end_offset(replica->log)};
    if (epoch == -1 || epoch > replica->leader_epoch)
        return (struct log_epoch_end){.epoch = -1, .end_offset = -1};
    if (epoch == replica->leader_epoch || latest < 0)
        return end;
    if (epoch <= latest)
        return log_epoch_end(replica->log, epoch);
    end.epoch = latest;
    return end;
}

int32_t replica_start_epoch(const struct replica *replica)
{
    int64_t start = log_start_offset(replica->log);
    bool empty = start == log_end_offset(replica->log);
    return empty ? replica->leader_epoch : log_epoch_of(replica->log, start);
}

void replica_begin(struct replica *replica)
{
    replica->operations++;
}

void replica_end(struct replica *replica)
{
    ALWAYS(replica->operations > 0, "%s ended more than it began", replica->name);
    replica->operations--;
    replica_close_if_idle(replica);
}
