/* Turning an offset into a range of a segment file, without touching record bytes. The tail is
 * found in the ring of recent appends, the rest by index and a short walk over batch headers, all
 * of it within bytes that were checked: what was not yet since the start is looked at by a worker
 * first. Where headers are not in memory a worker brings them in and the read is tried again. On
 * the owning shard. */
#include "log/check.h"

#include "base/always.h"
#include "log/scan.h"
#include "sys/file.h"
#include "tbl/limits.h"

#include <errno.h>
#include <stdlib.h>

/* Each attempt waits for the disk, so many cost nothing else. What is brought in may be gone again
 * before it is looked at, and no read may fail for that while memory is merely short. */
#define READ_ATTEMPTS_MAX 200
/* Wrong index entries that one read puts up with; then it does without. */
#define READ_MISLED_MAX 8
#define READ_AHEAD_SIZE (256 * 1024)

/* How a look for a batch ended. */
enum finding {
    FOUND,
    PASSED,    /* the segment has none from that offset on */
    CORRUPT,   /* what holds the offset is no good batch */
    UNCHECKED, /* from place.position on nothing is known: log_check_piece */
    NOT_THERE, /* in memory, from place.position on */
    MISLED,    /* the index entry of place.position led to no batch of that offset */
    UNTRUE,    /* what was checked is not there any more */
    WAITS,     /* for the index */
    FAILED,    /* place.error */
};

/* A batch's place in one segment. */
struct place {
    int64_t position;
    int64_t size;
    int64_t hinted_offset; /* of the index entry that says so; -1: none does */
    int error;
    bool recent;
};

/* Without memory readers go by the index. */
void log_recent_note(struct log *log, const struct batch_header *header, int64_t position)
{
    if (log->recent == NULL)
        log->recent = calloc(LOG_RECENT_MAX, sizeof *log->recent);
    if (log->recent == NULL)
        return;
    log->recent[log->recent_next++ % LOG_RECENT_MAX] = (struct log_recent){
        .base_offset = header->base_offset,
        .segment_base = log_active(log)->base_offset,
        .position = position,
        .last_offset_delta = header->last_offset_delta,
        .size = header->size,
    };
}

static const struct log_recent *find_recent(const struct log *log, int64_t offset)
{
    for (uint32_t back = 1; back <= LOG_RECENT_MAX && back <= log->recent_next; back++) {
        const struct log_recent *recent = &log->recent[(log->recent_next - back) % LOG_RECENT_MAX];
        if (recent->base_offset + recent->last_offset_delta < offset)
            return NULL;
        if (recent->base_offset <= offset && recent->size > 0)
            return recent;
    }
    return NULL;
}

/* ---- the walk over headers ---- */

/* One stretch of checked bytes. */
static enum finding walk_stretch(const struct log_segment *segment, int64_t offset, int64_t end,
                                 struct place *place)
{
    struct log_scan scan;
    struct batch_header header;
    int64_t position;
    log_scan_start(&scan, segment->handle->fd, place->position, end);
    while (log_scan_next(&scan, &header, &position)) {
        if (place->hinted_offset >= 0 && batch_last_offset(&header) != place->hinted_offset)
            return MISLED;
        place->hinted_offset = -1;
        if (batch_last_offset(&header) < offset)
            continue;
        place->position = position;
        place->size = header.size;
        return FOUND;
    }
    bool hinted = place->hinted_offset >= 0;
    if (!hinted || scan.error == -EAGAIN)
        place->position = scan.position;
    if (scan.error == 0)
        return PASSED;
    if (scan.error == -EAGAIN)
        return NOT_THERE;
    return hinted ? MISLED : UNTRUE;
}

/* From place->position on, around what is bad. */
static enum finding walk_to(const struct log_segment *segment, int64_t offset, struct place *place)
{
    while (place->position < segment->size) {
        const struct log_bad *bad = log_bad_behind(segment, place->position);
        if (bad != NULL && bad->from <= place->position) {
            if (place->hinted_offset >= 0)
                return MISLED;
            if (offset < bad->end_offset)
                return CORRUPT;
            place->position = bad->to;
            continue;
        }
        int64_t end = log_checked_end(segment, place->position);
        if (bad != NULL)
            end = MIN_OF(end, bad->from);
        if (end == place->position)
            return UNCHECKED;
        enum finding finding = walk_stretch(segment, offset, end, place);
        if (finding != PASSED)
            return finding;
    }
    return PASSED;
}

/* Sets where the walk begins. */
static enum finding enter_by_index(struct log *log, struct log_read *read, int at, int64_t offset,
                                   struct place *place)
{
    role_now_on_shard();
    struct log_segment *segment = log->segments[at];
    *place = (struct place){.hinted_offset = -1};
    if (read->misled >= READ_MISLED_MAX)
        return FOUND;
    const struct log_index *index =
        log_check_index(log, segment, offset, &read->waiter, &place->error);
    if (index == NULL)
        return place->error < 0 ? FAILED : WAITS;
    const struct index_entry *entry = log_index_entry(index, offset - segment->base_offset);
    if (entry == NULL || entry->position >= segment->size)
        return FOUND;
    place->position = entry->position;
    place->hinted_offset = segment->base_offset + entry->relative_offset;
    return FOUND;
}

/* The first batch of the segment whose last offset is not below the offset. */
static enum finding find_place(struct log *log, struct log_read *read, int at, int64_t offset,
                               struct place *place)
{
    struct log_segment *segment = log->segments[at];
    const struct log_recent *recent = find_recent(log, offset);
    bool whole = segment->bad_count == 0;
    if (recent != NULL && whole && recent->segment_base == segment->base_offset) {
        *place = (struct place){.position = recent->position,
                                .size = recent->size,
                                .hinted_offset = -1,
                                .recent = true};
        return FOUND;
    }
    enum finding finding = enter_by_index(log, read, at, offset, place);
    return finding == FOUND ? walk_to(segment, offset, place) : finding;
}

/* ---- the range ---- */

/* How far the range may go: the whole segment, or up to the batch that holds the bound, or to what
 * is bad. */
static enum finding find_limit(struct log *log, struct log_read *read, int at, int64_t from,
                               struct place *ret_limit)
{
    const struct log_segment *segment = log->segments[at];
    const struct log_bad *bad = log_bad_behind(segment, from);
    *ret_limit = (struct place){.position = segment->size};
    if (read->bound < log_segment_end(log, at)) {
        enum finding finding = find_place(log, read, at, read->bound, ret_limit);
        if (finding == PASSED || finding == CORRUPT)
            ret_limit->position = segment->size;
        else if (finding != FOUND)
            return finding;
    }
    if (bad != NULL)
        ret_limit->position = MIN_OF(ret_limit->position, bad->from);
    return FOUND;
}

static void set_range(struct log_read *read, struct log_segment *segment, const struct place *place,
                      int64_t limit)
{
    int64_t available = limit - place->position;
    int64_t size_max = read->size_max;
    if (place->size > size_max)
        size_max = read->at_least_one ? place->size : 0;
    int64_t size = MIN_OF(available, size_max);
    read->range.first_batch_size = place->size;
    if (size <= 0)
        return;
    ALWAYS(segment->handle->references > 0, "a range of %s without a reference",
           segment->handle->path);
    segment->handle->references++;
    read->range.handle = segment->handle;
    read->range.position = place->position;
    read->range.size = size;
    read->range.recent = place->recent;
}

/* Turns the place into a range, when enough of it is checked; otherwise *place is where to look. */
static enum finding make_range(struct log *log, struct log_read *read, int at, struct place *place)
{
    struct log_segment *segment = log->segments[at];
    struct place limit;
    enum finding finding = find_limit(log, read, at, place->position, &limit);
    if (finding != FOUND) {
        *place = limit;
        return finding;
    }
    int64_t checked_end = log_checked_end(segment, place->position);
    int64_t wanted = MIN_OF(read->size_max, (int64_t)LIMIT_CHECK_ON_SIZE);
    if (checked_end < MIN_OF(limit.position, place->position + wanted)) {
        *place = (struct place){.position = checked_end, .hinted_offset = -1};
        return UNCHECKED;
    }
    set_range(read, segment, place, MIN_OF(limit.position, checked_end));
    return FOUND;
}

static enum finding read_segment(struct log *log, struct log_read *read, int at,
                                 struct place *place)
{
    struct log_segment *segment = log->segments[at];
    if (segment->size == 0)
        return PASSED;
    place->error = log_handle_ref_spare(segment->handle);
    if (place->error < 0)
        return FAILED;
    enum finding finding = find_place(log, read, at, read->offset, place);
    if (finding == FOUND)
        finding = make_range(log, read, at, place);
    log_handle_unref(segment->handle);
    return finding;
}

/* ---- what must be waited for ---- */

static void read_try(struct log *log, struct log_read *read);

static void read_done(struct log_read *read, enum err err)
{
    read->err = err;
    read->on_done(read);
}

static void read_ahead_run(struct shard_job *job)
{
    role_now_on_worker();
    struct log_read *read = CONTAINER_OF(job, struct log_read, job);
    sys_file_read_ahead(read->range.handle->fd, read->range.position, read->range.size);
}

static void read_ahead_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct log_read *read = CONTAINER_OF(job, struct log_read, job);
    log_handle_unref(read->range.handle);
    read_try(read->log, read);
}

/* Brings in what the walk will look at. 0 or -errno. */
static int read_ahead(struct log *log, struct log_read *read, int at, int64_t position)
{
    role_now_on_shard();
    struct log_segment *segment = log->segments[at];
    int error = log_handle_ref(segment->handle);
    if (error < 0)
        return error;
    read->range = (struct log_range){
        .handle = segment->handle, .position = position, .size = READ_AHEAD_SIZE};
    read->job = (struct shard_job){
        .run = read_ahead_run, .on_done = read_ahead_done, .lane = SHARD_LANE_DATA};
    shard_submit(log->shard, &read->job);
    return 0;
}

/* Descriptors are short: there is nothing to be had yet, which is no fault. */
static void fail(struct log_read *read, int error)
{
    bool passes = error == -EMFILE || error == -ENFILE;
    read->range = (struct log_range){0};
    read->starved = passes;
    read_done(read, passes ? ERR_NONE : ERR_KAFKA_STORAGE_ERROR);
}

static void on_checked(struct log_check_waiter *waiter, int error)
{
    struct log_read *read = CONTAINER_OF(waiter, struct log_read, waiter);
    if (error < 0)
        fail(read, error);
    else
        read_try(read->log, read);
}

/* 0 or -errno. */
static int check_from(struct log *log, struct log_read *read, int at, const struct place *place)
{
    role_now_on_shard();
    struct log_segment *segment = log->segments[at];
    bool goes_on = place->position > 0 && log_checked_boundary(segment, place->position);
    int64_t least = goes_on ? LIMIT_CHECK_ON_SIZE : LIMIT_CHECK_SIZE;
    int64_t asked = MIN_OF(read->size_max, (int64_t)LIMIT_CHECK_ON_SIZE);
    struct log_piece piece = {
        .position = place->position,
        .until = place->position + MAX_OF(least, asked),
        .hinted_offset = place->hinted_offset,
        .is_boundary = place->hinted_offset < 0,
    };
    return log_check_piece(log, segment, &piece, &read->waiter);
}

static int try_again(struct log_read *read)
{
    return ++read->attempts > READ_ATTEMPTS_MAX ? -EIO : 1;
}

/* Nothing was found yet: does what is needed to go on. 0: it goes on later; 1: at once; or
 * -errno. */
static int go_on(struct log *log, struct log_read *read, int at, enum finding finding,
                 const struct place *place)
{
    role_now_on_shard();
    switch (finding) {
    case WAITS:
        return 0;
    case UNCHECKED:
        return check_from(log, read, at, place);
    case NOT_THERE:
        return ++read->attempts > READ_ATTEMPTS_MAX ? -EIO
                                                    : read_ahead(log, read, at, place->position);
    case MISLED:
        read->misled++;
        log_check_index_wrong(log, log->segments[at], (int32_t)place->position);
        return try_again(read);
    case UNTRUE:
        log_check_forget(log->segments[at]);
        return try_again(read);
    case FAILED:
        return place->error;
    case FOUND:
    case PASSED:
    case CORRUPT:
        break;
    }
    return -EIO;
}

/* true: once more. */
static bool read_once(struct log *log, struct log_read *read)
{
    read->range = (struct log_range){0};
    int at = log_segment_at(log, MAX_OF(read->offset, read->reached));
    struct place place = {0};
    enum finding finding = PASSED;
    for (; at < log->segment_count && finding == PASSED; at++) {
        read->reached = log->segments[at]->base_offset;
        finding = read_segment(log, read, at, &place);
    }
    if (finding == FOUND || finding == PASSED) {
        read_done(read, ERR_NONE);
        return false;
    }
    if (finding == CORRUPT) {
        read_done(read, ERR_CORRUPT_MESSAGE);
        return false;
    }
    int next = go_on(log, read, at - 1, finding, &place);
    if (next < 0)
        fail(read, next);
    return next > 0;
}

static void read_try(struct log *log, struct log_read *read)
{
    read->range = (struct log_range){0};
    if (log_is_offline(log)) {
        read_done(read, ERR_KAFKA_STORAGE_ERROR);
        return;
    }
    if (read->offset < log->start_offset || read->offset > log->end_offset) {
        read_done(read, ERR_OFFSET_OUT_OF_RANGE);
        return;
    }
    if (read->offset >= read->bound || read->offset == log->end_offset) {
        read_done(read, ERR_NONE);
        return;
    }
    while (read_once(log, read)) {
    }
}

void log_read_submit(struct log *log, struct log_read *read)
{
    read->log = log;
    read->starved = false;
    read->attempts = 0;
    read->misled = 0;
    read->reached = 0;
    read->waiter.on_ready = on_checked;
    list_init(&read->waiter.link);
    read_try(log, read);
}
