/* A cleaning from its beginning to its end: the shard's side, which takes what it needs of the log,
 * lets a worker go on step by step, and puts each group's segment in its place. On the log's
 * shard, but for the steps. */
#include "log/compact.h"

#include "base/always.h"
#include "log/compact_int.h"
#include "log/discard.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int compact_fault(struct log_compaction *c, const char *fault)
{
    c->result.fault = fault;
    c->result.fault_offset = c->sources[c->at].base_offset;
    return -EBADMSG;
}

const char *compact_order_fault(struct log_compaction *c, const struct batch_view *view)
{
    const char *fault = compact_batch_fault(view);
    if (fault != NULL)
        return fault;
    int64_t last_offset = batch_last_offset(&view->header);
    if (view->header.base_offset < c->next_offset || last_offset >= c->sources[c->at].end_offset)
        return "a batch's offset does not follow the one before";
    c->next_offset = last_offset + 1;
    return NULL;
}

/* ---- taking what is needed ---- */

/* K1 */
static bool take_sources(struct log_compaction *c)
{
    const struct log *log = c->log;
    const struct log_cleanable *range = &c->options.range;
    ALWAYS(range->end_offset <= log->recovery_point &&
               range->end_offset <= log_active(log)->base_offset,
           "K1: %s would be cleaned up to %lld", log->name, (long long)range->end_offset);
    c->sources = calloc((size_t)log->segment_count, sizeof *c->sources);
    c->bases = calloc((size_t)log->segment_count, sizeof *c->bases);
    if (c->sources == NULL || c->bases == NULL)
        return false;
    for (int i = 0; log->segments[i]->base_offset < range->end_offset; i++) {
        int64_t end_offset = log_segment_end(log, i);
        c->sources[c->count++] = (struct compact_source){
            .base_offset = log->segments[i]->base_offset,
            .end_offset = end_offset,
            .size = log->segments[i]->size,
            .index_size = -1,
        };
        if (end_offset <= range->first_dirty_offset)
            c->at = c->count;
    }
    return true;
}

/* Those whose markers are in front of the log say nothing of what is in it. */
static bool take_aborted(struct log_compaction *c)
{
    const struct log *log = c->log;
    if (log->txns.aborted.count == 0)
        return true;
    c->aborted = malloc((size_t)log->txns.aborted.count * sizeof *c->aborted);
    for (int i = 0; i < log->txns.aborted.count && c->aborted != NULL; i++)
        if (log->txns.aborted.entries[i].last_offset >= log->segments[0]->base_offset)
            c->aborted[c->aborted_count++] = log->txns.aborted.entries[i];
    return c->aborted != NULL;
}

/* What is known of it that a flush from now on makes sure to last: not what is still being
 * written. */
static struct compact_producer last_of(const struct log *log, const struct producer *producer)
{
    int at = producer->batch_count - 1;
    while (at >= 0 && producer->batches[at].last_offset >= log->end_offset)
        at--;
    return (struct compact_producer){
        .id = producer->id,
        .last_offset = at >= 0 ? producer->batches[at].last_offset : -1,
        .epoch = producer->epoch,
        .is_unsure = at < 0 && producer->batch_count > 0,
    };
}

static bool take_producers(struct log_compaction *c)
{
    const struct hash_table *table = &c->log->producers.table;
    c->producers = malloc((table->count + 1) * sizeof *c->producers);
    if (c->producers == NULL)
        return false;
    for (struct hash_node *node = hash_table_next(table, NULL); node != NULL;
         node = hash_table_next(table, node)) {
        const struct producer *producer = CONTAINER_OF(node, const struct producer, node);
        if (producer->awaited == BATCH_NO_SEQUENCE) /* else nothing of it is in the log */
            c->producers[c->producer_count++] = last_of(c->log, producer);
    }
    return true;
}

/* ---- the end ---- */

static void release(struct log_compaction *c)
{
    if (c->is_open) {
        compact_txns_fini(&c->map_txns);
        compact_filter_fini(&c->filter);
        compact_reader_fini(&c->reader);
        compact_writer_fini(&c->writer);
        compact_map_close(&c->map);
    }
    log_index_fini(&c->swap.index);
    sys_file_close(c->swap.fd);
    free(c->producers);
    free(c->aborted);
    free(c->sources);
    free(c->bases);
    free(c);
}

static void finish(struct log_compaction *c, enum log_compact_end end) ON(on_shard)
{
    struct log *log = c->log;
    struct log_compact_result *result = &c->result;
    result->end = end;
    result->end_offset = c->end_offset;
    result->figures = c->figures;
    result->all_ns = shard_now_ns(log->shard) - c->started_ns;
    if (c->map.used_max > 0)
        result->map_used = (double)c->map.used / (double)c->map.used_max;
    log->compaction = NULL;
    c->options.on_done(c->options.context, result);
    release(c);
    log_flush_next(log); /* who waits for nothing to be under way may have waited for this */
}

/* What a negative step means. */
static enum log_compact_end end_of(const struct log_compaction *c)
{
    if (c->result.error == -EBADMSG)
        return LOG_COMPACT_CORRUPT;
    return c->result.error < 0 ? LOG_COMPACT_FAILED : LOG_COMPACT_ABORTED;
}

/* ---- steps ---- */

static void step_run(struct shard_job *job)
{
    role_now_on_worker();
    struct log_compaction *c = CONTAINER_OF(job, struct log_compaction, job);
    switch (c->phase) {
    case COMPACT_BUILD:
        c->step = c->flush.err == ERR_NONE ? compact_build_step(c) : -ENOSPC;
        return;
    case COMPACT_CLEAN:
        c->step = compact_clean_step(c);
        return;
    case COMPACT_SWAP:
        c->step = log_swap_rename(&c->swap);
        return;
    case COMPACT_UNDO:
        log_swap_undo(c->log, c->sources[c->from].base_offset);
        return;
    }
}

static void step_done(struct shard *shard, struct shard_job *job);

static void submit(struct log_compaction *c) ON(on_shard)
{
    c->moved = 0;
    c->job =
        (struct shard_job){.run = step_run, .on_done = step_done, .lane = SHARD_LANE_BACKGROUND};
    if (c->phase == COMPACT_SWAP) { /* behind the renaming of the old files */
        c->job.lane = SHARD_LANE_UPKEEP;
        c->job.queue = log_discard_queue(c->log);
    }
    shard_submit(c->log->shard, &c->job);
}

static void on_time(struct shard *shard, struct shard_timer *timer)
{
    role_now_on_shard();
    (void)shard;
    submit(CONTAINER_OF(timer, struct log_compaction, timer));
}

/* Another step of the same phase, when its time has come. */
static void go_on(struct log_compaction *c) ON(on_shard)
{
    int64_t wait_ms = c->options.pace != NULL ? c->options.pace(c->options.context, c->moved) : 0;
    if (wait_ms > 0)
        shard_timer_start(c->log->shard, &c->timer, wait_ms);
    else
        submit(c);
}

/* Ends it; first what the group under way wrote is removed. */
static void give_up(struct log_compaction *c) ON(on_shard)
{
    if (c->phase == COMPACT_CLEAN && c->writer.fd >= 0) {
        c->phase = COMPACT_UNDO;
        submit(c);
        return;
    }
    finish(c, end_of(c));
}

static void next_group(struct log_compaction *c) ON(on_shard)
{
    c->phase = COMPACT_CLEAN;
    if (c->from == c->count || c->sources[c->from].base_offset >= c->end_offset) {
        finish(c, LOG_COMPACT_DONE);
        return;
    }
    go_on(c);
}

static void end_build(struct log_compaction *c) ON(on_shard)
{
    c->result.map_ns = shard_now_ns(c->log->shard) - c->started_ns;
    c->end_offset = MAX_OF(c->map.latest_offset + 1, c->options.range.first_dirty_offset);
    compact_filter_set_producers(&c->filter, TAKE_PTR(c->producers), c->producer_count);
    next_group(c);
}

static void begin_swap(struct log_compaction *c) ON(on_shard)
{
    struct compact_writer *writer = &c->writer;
    int count = c->to - c->from;
    for (int i = 0; i < count; i++)
        c->bases[i] = c->sources[c->from + i].base_offset;
    c->swap = (struct log_swap){
        .log = c->log,
        .bases = c->bases,
        .count = count,
        .end_offset = c->sources[c->to - 1].end_offset,
        .fd = TAKE_FD(writer->fd),
        .size = writer->size,
        .max_timestamp = writer->max_timestamp,
        .max_timestamp_offset = writer->max_timestamp_offset,
        .first_timestamp = writer->first_timestamp,
        .modified_ms = writer->modified_ms,
        .index = writer->index,
        .aborted = c->filter.txns.kept,
        .aborted_count = c->filter.txns.kept_count,
    };
    log_index_init(&writer->index);
    c->phase = log_swap_in(&c->swap) ? COMPACT_SWAP : COMPACT_UNDO;
    submit(c);
}

static void end_swap(struct log_compaction *c) ON(on_shard)
{
    log_swap_settle(&c->swap, c->step);
    c->from = c->to;
    if (c->step < 0)
        finish(c, LOG_COMPACT_FAILED);
    else if (c->is_aborted)
        finish(c, LOG_COMPACT_ABORTED);
    else
        next_group(c);
}

/* A sync that failed: what was written may be lost, and nobody knows what else is. */
static void note_error(struct log_compaction *c)
{
    c->result.error = c->step;
    bool passes = c->step == -EBADMSG || c->step == -ENOENT || log_error_passes(c->step);
    if (!passes)
        log_go_offline(c->log, "it could not be compacted", c->step);
}

static void step_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct log_compaction *c = CONTAINER_OF(job, struct log_compaction, job);
    if (c->phase == COMPACT_SWAP) {
        end_swap(c);
        return;
    }
    if (c->phase == COMPACT_UNDO) {
        finish(c, end_of(c));
        return;
    }
    if (c->step < 0)
        note_error(c);
    if (c->step < 0 || c->is_aborted || c->log->offline)
        give_up(c);
    else if (c->step == 0)
        go_on(c);
    else if (c->phase == COMPACT_BUILD)
        end_build(c);
    else
        begin_swap(c);
}

/* ---- beginning and aborting ---- */

/* A failure is told by the step: whoever waits for the log may be told of its end there only. */
static void on_flushed(struct log_flush *flush)
{
    role_now_on_shard();
    submit(CONTAINER_OF(flush, struct log_compaction, flush));
}

bool log_compact(struct log *log, const struct log_compact_options *options)
{
    ALWAYS(log->compaction == NULL, "%s is compacted already", log->name);
    struct log_compaction *c = calloc(1, sizeof *c);
    if (c == NULL)
        return false;
    c->log = log;
    c->options = *options;
    c->config = log->config;
    c->started_ns = shard_now_ns(log->shard);
    c->swap.fd = -1;
    shard_timer_init(&c->timer, on_time);
    c->flush = (struct log_flush){.on_done = on_flushed, .err = ERR_NONE};
    if (!take_sources(c) || !take_aborted(c) || !take_producers(c)) {
        release(c);
        return false;
    }
    log->compaction = c;
    if (log->recovery_point < log->end_offset)
        log_flush_submit(log, &c->flush);
    else
        submit(c);
    return true;
}

void log_compact_abort(struct log *log)
{
    struct log_compaction *c = log->compaction;
    if (c == NULL)
        return;
    c->is_aborted = true;
    if (!shard_timer_is_running(&c->timer))
        return; /* the step under way ends first */
    shard_timer_stop(log->shard, &c->timer);
    give_up(c);
}
