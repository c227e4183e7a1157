/* Workers' looks at segments; see the header. The complications: a segment may go while one is
 * under way (retention, compaction), so the look outlives it; and making an index anew walks the
 * whole segment, so it goes piece by piece, and whoever waits for an offset that it has passed is
 * served in between. */
#include "log/check.h"

#include "base/always.h"
#include "log/remake.h"
#include "shard/stats.h"
#include "sys/journal.h"
#include "tbl/limits.h"

#include <errno.h>
#include <stdlib.h>

enum check_kind {
    CHECK_PIECE,
    CHECK_LOAD,   /* reads the index file */
    CHECK_REMAKE, /* the next piece of making an index anew; the last one writes it */
};

struct log_check {
    struct shard_job job;
    struct log *log;
    struct log_segment *segment; /* NULL: it went meanwhile */
    struct list left;            /* log_check_waiter: those whose segment went */
    struct log_handle *handle;   /* referenced */
    enum check_kind kind;
    int64_t from;
    struct log_verify verify;
    struct log_index loaded;
    int load_error;
    struct log_remake *remake; /* the worker's while it is at it */
    char stem[LOG_STEM_SIZE];
};

/* ---- what is known ---- */

int64_t log_checked_end(const struct log_segment *segment, int64_t position)
{
    if (position >= segment->unchecked_end)
        return segment->size;
    int64_t end = log_spans_end(&segment->checked, position);
    return end == segment->unchecked_end ? segment->size : end;
}

bool log_checked_boundary(const struct log_segment *segment, int64_t position)
{
    return position == 0 || position == segment->unchecked_end ||
           log_spans_ends_at(&segment->checked, position);
}

const struct log_bad *log_bad_behind(const struct log_segment *segment, int64_t position)
{
    for (int i = 0; i < segment->bad_count; i++)
        if (segment->bad[i].to > position)
            return &segment->bad[i];
    return NULL;
}

void log_check_forget(struct log_segment *segment)
{
    log_spans_fini(&segment->checked);
    segment->unchecked_end = segment->size;
}

static void take_checked(struct log_segment *segment, struct log_span span)
{
    span.to = MIN_OF(span.to, segment->unchecked_end);
    if (span.from >= span.to)
        return;
    /* Without memory it is looked at again. */
    if (!log_spans_add(&segment->checked, span))
        return;
    if (log_spans_end(&segment->checked, 0) == segment->unchecked_end) {
        segment->unchecked_end = 0;
        log_spans_fini(&segment->checked);
    }
}

/* false: it was known, or memory is out. */
static bool add_bad(struct log_segment *segment, const struct log_bad *bad)
{
    int at = 0;
    while (at < segment->bad_count && segment->bad[at].from < bad->from)
        at++;
    struct log_bad *next = at < segment->bad_count ? &segment->bad[at] : NULL;
    const struct log_bad *last = at > 0 ? &segment->bad[at - 1] : NULL;
    if ((next != NULL && next->from < bad->to) || (last != NULL && last->to > bad->from))
        return false;
    if (segment->bad_count == LOG_BAD_MAX) {
        struct log_bad *wide = &segment->bad[LOG_BAD_MAX - 1];
        wide->to = MAX_OF(wide->to, bad->to);
        wide->end_offset = MAX_OF(wide->end_offset, bad->end_offset);
        return true;
    }
    struct log_bad *grown = realloc(segment->bad, (size_t)(segment->bad_count + 1) * sizeof *grown);
    if (grown == NULL)
        return false;
    segment->bad = grown;
    memmove(grown + at + 1, grown + at, (size_t)(segment->bad_count - at) * sizeof *grown);
    grown[at] = *bad;
    segment->bad_count++;
    return true;
}

static void tell_bad(const struct log *log, const struct log_segment *segment,
                     const struct log_bad *bad)
{
    journal(
        JOURNAL_ERROR, "batch_corrupt",
        "file=%s position=%lld size=%lld offset=%lld end_offset=%lld why=\"%s\" hint=\"%s\"",
        segment->handle->path, (long long)bad->from, (long long)(bad->to - bad->from),
        (long long)bad->first_offset, (long long)bad->end_offset, bad->why,
        "these offsets are answered with CORRUPT_MESSAGE; the rest is served. Look at the disk");
    if (log->files->stats != NULL)
        stats_add(log->files->stats, METRIC_CORRUPT_BATCHES, 1);
}

/* ---- on a worker ---- */

static void check_run(struct shard_job *job)
{
    role_now_on_worker();
    struct log_check *check = CONTAINER_OF(job, struct log_check, job);
    switch (check->kind) {
    case CHECK_LOAD:
        check->load_error = log_index_load_offsets(&check->loaded, check->log->dir_fd, check->stem,
                                                   check->verify.size);
        break;
    case CHECK_PIECE:
        log_verify_run(&check->verify);
        break;
    case CHECK_REMAKE:
        log_verify_run(&check->verify);
        log_remake_take(check->remake, &check->verify, check->log->dir_fd, check->stem);
        break;
    }
}

/* ---- its beginning ---- */

static void check_done(struct shard *shard, struct shard_job *job);

/* A check that is not submitted yet; NULL with *ret_error. */
static struct log_check *check_new(struct log *log, struct log_segment *segment,
                                   enum check_kind kind, int *ret_error) ON(on_shard)
{
    ALWAYS(segment->check == NULL, "%s is being looked at", segment->handle->path);
    struct log_check *check = calloc(1, sizeof *check);
    *ret_error = check == NULL ? -ENOMEM : log_handle_ref(segment->handle);
    if (*ret_error < 0) {
        free(check);
        return NULL;
    }
    list_init(&check->left);
    check->log = log;
    check->segment = segment;
    check->handle = segment->handle;
    check->kind = kind;
    check->verify.fd = segment->handle->fd;
    check->verify.size = segment->size;
    check->verify.next_offset = segment->base_offset;
    check->verify.end_offset = log_segment_end(log, log_segment_at(log, segment->base_offset));
    log_stem(log, segment->base_offset, check->stem);
    return check;
}

static void submit(struct log_check *check) ON(on_shard)
{
    check->segment->check = check;
    check->log->checks++;
    check->job =
        (struct shard_job){.run = check_run, .on_done = check_done, .lane = SHARD_LANE_DATA};
    shard_submit(check->log->shard, &check->job);
}

static void wait(struct log_segment *segment, struct log_check_waiter *waiter)
{
    list_add_tail(&segment->waiting, &waiter->link);
}

int log_check_piece(struct log *log, struct log_segment *segment, const struct log_piece *piece,
                    struct log_check_waiter *waiter)
{
    int error = 0;
    if (segment->check == NULL) {
        struct log_check *check = check_new(log, segment, CHECK_PIECE, &error);
        if (check == NULL)
            return error;
        check->from = piece->position;
        check->verify.position = piece->position;
        check->verify.until = piece->until;
        check->verify.is_boundary = piece->is_boundary;
        check->verify.hinted_offset = piece->hinted_offset;
        check->verify.leaves_no_traces = piece->leaves_no_traces;
        submit(check);
    }
    wait(segment, waiter);
    return 0;
}

/* ---- indexes ---- */

/* The next piece of it. 0 or -errno. */
static int remake_on(struct log *log, struct log_segment *segment) ON(on_shard)
{
    struct log_remake *remake = segment->remake;
    int error;
    struct log_check *check = check_new(log, segment, CHECK_REMAKE, &error);
    if (check == NULL)
        return error;
    check->from = remake->position;
    check->remake = remake;
    check->verify.position = remake->position;
    check->verify.next_offset = remake->next_offset;
    check->verify.until = remake->position + LIMIT_CHECK_ON_SIZE;
    check->verify.is_boundary = true;
    check->verify.index = &remake->builder;
    submit(check);
    return 0;
}

/* It goes on with go_on. false: memory is out. */
static bool remake_begin(const struct log *log, struct log_segment *segment)
{
    struct log_remake *remake =
        log_remake_new(segment->base_offset, log->config.index_interval_bytes);
    if (remake == NULL)
        return false;
    log_sealed_index_drop(segment);
    segment->remake = remake;
    segment->index_was_made = true;
    return true;
}

static void tell_all(struct list *waiting, struct log_span looked_at, int error)
{
    struct list now;
    struct list *node;
    list_init(&now);
    list_move_all(waiting, &now);
    while ((node = list_take_first(&now)) != NULL) {
        struct log_check_waiter *waiter = CONTAINER_OF(node, struct log_check_waiter, link);
        waiter->from = looked_at.from;
        waiter->reached = looked_at.to;
        waiter->on_ready(waiter, error);
    }
}

/* The next piece of an index that is being made, where nothing else is under way. */
static void go_on(struct log *log, struct log_segment *segment) ON(on_shard)
{
    if (segment->remake == NULL || segment->check != NULL || segment->ended != NULL)
        return;
    if (log->on_idle == NULL && remake_on(log, segment) == 0)
        return;
    log_remake_free(segment->remake);
    segment->remake = NULL;
    segment->index_was_made = false;
    tell_all(&segment->waiting, (struct log_span){0}, -EAGAIN);
}

static const struct log_index *index_in_memory(const struct log *log, struct log_segment *segment)
{
    if (segment == log_active(log))
        return &log->index;
    return segment->sealing != NULL ? segment->sealing : log_sealed_index_find(segment);
}

const struct log_index *log_check_index(struct log *log, struct log_segment *segment,
                                        int64_t offset, struct log_check_waiter *waiter,
                                        int *ret_error)
{
    const struct log_index *index = index_in_memory(log, segment);
    *ret_error = 0;
    if (index != NULL)
        return index;
    struct log_remake *remake = segment->remake;
    bool at_work = segment->check != NULL;
    if (remake != NULL && !at_work && offset < remake->next_offset)
        return &remake->builder.index;
    if (remake == NULL && !at_work) {
        struct log_check *check = check_new(log, segment, CHECK_LOAD, ret_error);
        if (check == NULL)
            return NULL;
        submit(check);
    }
    wait(segment, waiter);
    return NULL;
}

/* Without the next step. */
static void note_wrong(struct log *log, struct log_segment *segment, int32_t position) ON(on_shard)
{
    if (segment == log_active(log)) {
        log_index_drop(&log->index, position);
        return;
    }
    if (segment->remake != NULL || segment->sealing != NULL)
        return;
    if (!segment->index_was_made && remake_begin(log, segment))
        return;
    struct log_index *index = log_sealed_index_find(segment);
    if (index != NULL)
        log_index_drop(index, position);
}

void log_check_index_wrong(struct log *log, struct log_segment *segment, int32_t position)
{
    note_wrong(log, segment, position);
    go_on(log, segment);
}

/* ---- its end ---- */

static void loaded(struct log_check *check) ON(on_shard)
{
    struct log_segment *segment = check->segment;
    if (segment == NULL) {
        log_index_fini(&check->loaded);
        return;
    }
    bool wrong = check->load_error == -ENOENT || check->load_error == -EBADMSG;
    if (check->load_error < 0)
        log_index_fini(&check->loaded);
    if (check->load_error < 0 && !wrong) {
        check->verify.error = check->load_error;
        return;
    }
    /* One that cannot even be made again is as good as an empty one. */
    if (wrong && !segment->index_was_made && remake_begin(check->log, segment))
        return;
    if (!log_sealed_index_put(check->log->files, segment, &check->loaded))
        check->verify.error = -ENOMEM;
}

static void take_verified(struct log_check *check) ON(on_shard)
{
    struct log_segment *segment = check->segment;
    const struct log_verify *verify = &check->verify;
    if (segment == NULL)
        return;
    for (int i = 0; i < verify->bad_count; i++)
        if (add_bad(segment, &verify->bad[i]))
            tell_bad(check->log, segment, &verify->bad[i]);
    take_checked(segment, (struct log_span){check->from, verify->position});
    if (verify->misled)
        note_wrong(check->log, segment, (int32_t)check->from);
}

/* Takes what a piece of it brought; the last one's index is the segment's from now on. */
static void take_remade(struct log_check *check) ON(on_shard)
{
    struct log_remake *remake = check->remake;
    struct log_segment *segment = check->segment;
    if (segment != NULL && !remake->done && check->verify.error == 0)
        return;
    if (segment != NULL)
        segment->remake = NULL;
    if (segment != NULL && remake->done) {
        journal(JOURNAL_WARN, "index_made_again", "file=%s.index why=\"%s\"%s", check->stem,
                "it was missing, or not as the segment is",
                remake->error == 0 ? ""
                                   : " effect=\"it could not be written, and is kept in memory\"");
        if (check->log->files->stats != NULL)
            stats_add(check->log->files->stats, METRIC_INDEXES_MADE, 1);
        log_sealed_index_put(check->log->files, segment, &remake->builder.index);
    }
    log_remake_free(remake);
}

static void check_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct log_check *check = CONTAINER_OF(job, struct log_check, job);
    struct log *log = check->log;
    struct log_segment *segment = check->segment;
    if (segment != NULL) {
        segment->check = NULL;
        segment->ended = check;
    }
    log_handle_unref(check->handle);
    if (check->kind == CHECK_LOAD)
        loaded(check);
    else
        take_verified(check);
    if (check->kind == CHECK_REMAKE)
        take_remade(check);
    if (segment != NULL)
        tell_all(&segment->waiting, (struct log_span){check->from, check->verify.position},
                 check->verify.error);
    /* Whoever was told may have let the segment go. */
    segment = check->segment;
    if (segment != NULL) {
        segment->ended = NULL;
        go_on(log, segment);
    }
    tell_all(&check->left, (struct log_span){0}, 0);
    free(check);
    log->checks--;
    log_flush_next(log); /* who waits for nothing to be under way may have waited for this */
}

/* Nobody is told here: the log is being changed. */
void log_check_end(struct log_segment *segment)
{
    struct log_check *last = segment->check != NULL ? segment->check : segment->ended;
    ALWAYS(last != NULL || list_is_empty(&segment->waiting), "%s is waited for in vain",
           segment->handle->path);
    if (last != NULL) {
        last->segment = NULL;
        list_move_all(&segment->waiting, &last->left);
    }
    /* A worker that is at it frees what is being made. */
    if (segment->check == NULL || segment->check->remake == NULL)
        log_remake_free(segment->remake);
    log_sealed_index_drop(segment);
    log_spans_fini(&segment->checked);
    free(segment->bad);
}
