/* Turning an offset into a range of a segment file, without touching record bytes. The tail is
 * found in the ring of recent appends, the rest by index and a short walk over batch headers. Where
 * those headers are not in memory a worker brings them in and the read is tried again. On the
 * owning shard. */
#include "log/log_int.h"

#include "base/always.h"
#include "log/scan.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>

/* Each attempt waits for the disk, so many cost nothing else. What is brought in may be gone again
 * before it is looked at, and no read may fail for that while memory is merely short. */
#define READ_ATTEMPTS_MAX 200
#define READ_AHEAD_SIZE (256 * 1024)

/* A batch's place in one segment. */
struct place {
    int64_t position;
    int64_t size;
    bool recent;
};

static const struct log_recent *find_recent(const struct log *log, int64_t offset)
{
    for (uint32_t back = 1; back <= LOG_RECENT_MAX && back <= log->recent_next; back++) {
        const struct log_recent *recent = &log->recent[(log->recent_next - back) % LOG_RECENT_MAX];
        if (recent->last_offset < offset)
            return NULL;
        if (recent->base_offset <= offset && recent->size > 0)
            return recent;
    }
    return NULL;
}

static int64_t index_position(const struct log *log, int at, int64_t offset)
{
    const struct log_segment *segment = log->segments[at];
    int64_t relative = offset - segment->base_offset;
    if (at == log->segment_count - 1)
        return log_index_find(&log->index, relative);
    char path[LOG_STEM_SIZE + 8];
    char stem[LOG_STEM_SIZE];
    log_stem(log, segment->base_offset, stem);
    (void)snprintf(path, sizeof path, "%s.index", stem);
    int fd = sys_file_open(log->dir_fd, path, SYS_OPEN_READ);
    if (fd < 0)
        return 0;
    int64_t position = log_index_find_in_file(fd, relative);
    sys_file_close(fd);
    return position == -EAGAIN || (position >= 0 && position < segment->size) ? position : 0;
}

/* Walks from a batch on. An index is a hint: *ret_misled when no batch that begins at or below the
 * offset stands where it points. */
static int walk_to(const struct log_segment *segment, int64_t offset, int64_t from,
                   bool *ret_misled, struct place *ret_place)
{
    struct log_scan scan;
    struct batch_header header;
    int64_t position;
    log_scan_start(&scan, segment->handle->fd, from, segment->size);
    bool any = log_scan_next(&scan, &header, &position);
    *ret_misled = any ? header.base_offset > offset || header.base_offset < segment->base_offset
                      : scan.error == -EIO;
    while (any && batch_last_offset(&header) < offset)
        any = log_scan_next(&scan, &header, &position);
    if (any)
        *ret_place = (struct place){position, header.size, false};
    return any ? 0 : scan.error != 0 ? scan.error : 1;
}

/* The first batch of the segment whose last offset is not below the offset. 0 found, 1 none,
 * -EAGAIN not in memory, -EIO. */
static int find_place(const struct log *log, int at, int64_t offset, struct place *ret_place)
{
    struct log_segment *segment = log->segments[at];
    const struct log_recent *recent = find_recent(log, offset);
    if (recent != NULL && recent->segment_base == segment->base_offset) {
        *ret_place = (struct place){recent->position, recent->size, true};
        return 0;
    }
    int64_t from = index_position(log, at, offset);
    if (from < 0)
        return (int)from;
    bool misled;
    int found = walk_to(segment, offset, from, &misled, ret_place);
    return misled && from > 0 ? walk_to(segment, offset, 0, &misled, ret_place) : found;
}

/* How far the range may go: the whole segment, or up to the batch that holds the bound. */
static int find_limit(const struct log *log, int at, int64_t bound, int64_t *ret_limit)
{
    *ret_limit = log->segments[at]->size;
    if (bound >= log_segment_end(log, at))
        return 0;
    struct place place;
    int found = find_place(log, at, bound, &place);
    if (found == 0)
        *ret_limit = place.position;
    return found < 0 ? found : 0;
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

/* 0 done, -EAGAIN, -EIO or another -errno. */
static int read_segment(struct log *log, struct log_read *read, int at, bool *ret_next)
{
    struct log_segment *segment = log->segments[at];
    *ret_next = false;
    if (segment->size == 0) {
        *ret_next = at + 1 < log->segment_count;
        return 0;
    }
    int error = log_handle_ref(segment->handle);
    if (error < 0)
        return error;
    struct place place;
    int64_t limit = 0;
    int found = find_place(log, at, read->offset, &place);
    if (found == 0)
        found = find_limit(log, at, read->bound, &limit);
    else if (found == 1)
        *ret_next = at + 1 < log->segment_count;
    if (found == 0)
        set_range(read, segment, &place, limit);
    log_handle_unref(segment->handle);
    return MIN_OF(found, 0);
}

static void read_try(struct log *log, struct log_read *read);

static void read_ahead_run(struct shard_job *job)
{
    role_now_on_worker();
    struct log_read *read = CONTAINER_OF(job, struct log_read, job);
    sys_file_read_ahead(read->range.handle->fd, read->range.position, read->range.size);
    char path[LOG_STEM_SIZE + 8];
    char stem[LOG_STEM_SIZE];
    log_stem(read->log, read->segment_base, stem);
    (void)snprintf(path, sizeof path, "%s.index", stem);
    int fd = sys_file_open(read->log->dir_fd, path, SYS_OPEN_READ);
    if (fd >= 0)
        sys_file_read_ahead(fd, 0, sys_file_size(fd));
    sys_file_close(fd);
}

static void read_ahead_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct log_read *read = CONTAINER_OF(job, struct log_read, job);
    log_handle_unref(read->range.handle);
    read_try(read->log, read);
}

/* Brings in what the walk will look at: from the index' position on. */
static int read_ahead(struct log *log, struct log_read *read, int at)
{
    role_now_on_shard();
    struct log_segment *segment = log->segments[at];
    int error = log_handle_ref(segment->handle);
    if (error < 0)
        return error;
    int64_t from = MAX_OF(index_position(log, at, read->offset), (int64_t)0);
    read->range =
        (struct log_range){.handle = segment->handle, .position = from, .size = READ_AHEAD_SIZE};
    read->segment_base = segment->base_offset;
    read->job = (struct shard_job){
        .run = read_ahead_run, .on_done = read_ahead_done, .lane = SHARD_LANE_DATA};
    shard_submit(log->shard, &read->job);
    return 0;
}

static void read_done(struct log_read *read, enum err err)
{
    read->err = err;
    read->on_done(read);
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
    int at = log_segment_at(log, read->offset);
    bool next = true;
    int error = 0;
    while (next && error == 0 && at < log->segment_count)
        error = read_segment(log, read, at++, &next);
    if (error == -EAGAIN && ++read->attempts <= READ_ATTEMPTS_MAX)
        error = read_ahead(log, read, at - 1);
    else
        error = error == 0 ? 1 : error;
    if (error == 0)
        return;
    read_done(read, error == 1 ? ERR_NONE : ERR_KAFKA_STORAGE_ERROR);
}

void log_read_submit(struct log *log, struct log_read *read)
{
    read->log = log;
    read->attempts = 0;
    read_try(log, read);
}
