/* Offsets by timestamp: which record is the first at or after a moment, and which has the largest
 * timestamp. As in Kafka the first segment that may have the answer decides, and transaction
 * markers are records too. Records are read, and decompressed where need be, on a worker; what it
 * looks at is fixed when the search is submitted, so the log goes on meanwhile. */
#include "log/log_int.h"

#include "base/always.h"
#include "log/scan.h"
#include "sys/file.h"
#include "wire/record.h"

#include <errno.h>
#include <stdlib.h>

#define FIND_OUTPUT_SIZE_MAX (1LL << 31)

/* The segment to be looked through. */
struct log_find_file {
    struct log_handle *handle; /* referenced */
    int dir_fd;
    int64_t base_offset;
    int64_t from; /* position at which the walk begins */
    int64_t size;
    bool sealed; /* its index files tell where to begin */
    char stem[LOG_STEM_SIZE];
};

/* ---- on a worker ---- */

struct search {
    struct log_find *find;
    int64_t start_offset;
    int64_t target; /* timestamp */
    struct codec_pool *pool;
};

/* Looks through the records of one batch. 1 found, 0 not, -errno. */
static int search_records(struct search *search, const struct batch_header *header,
                          struct slice batch)
{
    struct record_reader reader;
    struct record_mark mark;
    int found = 0;
    record_reader_open(&reader, search->pool,
                       (struct record_source){.header = header,
                                              .batch = batch,
                                              .output_size_max = FIND_OUTPUT_SIZE_MAX});
    while (found == 0 && record_skip(&reader, &mark)) {
        int64_t timestamp = batch_record_timestamp(header, mark.timestamp_delta);
        int64_t offset = header->base_offset + mark.offset_delta;
        if (timestamp < search->target || offset < search->start_offset)
            continue;
        search->find->found_offset = offset;
        search->find->found_timestamp = timestamp;
        search->find->found_epoch = header->partition_leader_epoch;
        found = 1;
    }
    if (reader.fault != CODEC_FINE)
        found = -EIO;
    record_reader_close(&reader);
    return found;
}

static int search_batch(struct search *search, int fd, const struct batch_header *header,
                        int64_t position) NOT_ON(on_shard)
{
    uint8_t *bytes = malloc((size_t)header->size);
    if (bytes == NULL)
        return -ENOMEM;
    int64_t got = sys_file_read_at(fd, bytes, (size_t)header->size, position);
    struct slice batch = slice_of(bytes, (size_t)header->size);
    int found = got == header->size ? 0 : got < 0 ? (int)got : -EIO;
    if (found == 0 && !batch_crc_ok(batch))
        found = -EBADMSG;
    if (found == 0)
        found = search_records(search, header, batch);
    free(bytes);
    return found;
}

/* The batch that the hint is about must say the same; otherwise the walk begins at the start. */
static int64_t position_by_index(const struct search *search, const struct log_find_file *file,
                                 struct log_scan *scan) NOT_ON(on_shard)
{
    struct log_time_hint hint;
    struct batch_header header;
    int64_t position;
    if (!log_index_time_hint(file->dir_fd, file->stem, search->target, &hint) ||
        hint.position >= file->size)
        return 0;
    int64_t offset = file->base_offset + hint.entry.relative_offset;
    log_scan_start(scan, file->handle->fd, hint.position, file->size);
    scan->may_wait = true;
    while (log_scan_next(scan, &header, &position)) {
        if (batch_last_offset(&header) < offset)
            continue;
        bool same = header.base_offset <= offset && header.max_timestamp == hint.entry.timestamp;
        return same ? position : 0;
    }
    return 0;
}

static int search_file(struct search *search, const struct log_find_file *file) NOT_ON(on_shard)
{
    struct log_scan *scan = malloc(sizeof *scan);
    if (scan == NULL)
        return -ENOMEM;
    int64_t from = file->sealed ? position_by_index(search, file, scan) : file->from;
    log_scan_start(scan, file->handle->fd, from, file->size);
    scan->may_wait = true;
    struct batch_header header;
    int64_t position;
    int found = 0;
    while (found == 0 && log_scan_next(scan, &header, &position)) {
        /* Transaction markers count, as they do for Kafka. */
        if (header.max_timestamp >= search->target &&
            batch_last_offset(&header) >= search->start_offset)
            found = search_batch(search, file->handle->fd, &header, position);
    }
    if (found == 0)
        found = scan->error;
    free(scan);
    return found;
}

static void find_run(struct shard_job *job)
{
    role_now_on_worker();
    struct log_find *find = CONTAINER_OF(job, struct log_find, job);
    struct search search = {
        .find = find,
        .start_offset = find->start_offset,
        .target = find->timestamp,
        .pool = codec_pool_new(),
    };
    int found = search.pool != NULL ? search_file(&search, find->file) : -ENOMEM;
    codec_pool_free(search.pool);
    find->err = found >= 0          ? ERR_NONE
                : found == -EBADMSG ? ERR_CORRUPT_MESSAGE
                                    : ERR_KAFKA_STORAGE_ERROR;
}

/* ---- on the shard ---- */

static void find_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct log_find *find = CONTAINER_OF(job, struct log_find, job);
    if (find->file != NULL)
        log_handle_unref(find->file->handle);
    free(find->file);
    find->file = NULL;
    find->on_done(find);
}

/* Where the walk through the active segment may begin: behind what the time index rules out. */
static int64_t active_from(const struct log *log, int64_t timestamp)
{
    const struct log_index *index = &log->index;
    for (uint32_t i = index->time_count; i > 0; i--)
        if (index->times[i - 1].timestamp < timestamp)
            return log_index_find(index, index->times[i - 1].relative_offset);
    return 0;
}

/* References the segment. 0 or -errno. */
static int take_file(struct log *log, struct log_find *find, int at)
{
    struct log_segment *segment = log->segments[at];
    struct log_find_file *file = malloc(sizeof *file);
    int error = file == NULL ? -ENOMEM : log_handle_ref(segment->handle);
    if (error < 0) {
        free(file);
        return error;
    }
    *file = (struct log_find_file){
        .handle = segment->handle,
        .dir_fd = log->dir_fd,
        .base_offset = segment->base_offset,
        .size = segment->size,
        .sealed = at + 1 < log->segment_count,
    };
    log_stem(log, segment->base_offset, file->stem);
    if (!file->sealed)
        file->from = active_from(log, find->timestamp);
    find->file = file;
    return 0;
}

/* The first with the largest timestamp; -1: nothing was written. */
static int largest(const struct log *log)
{
    int best = 0;
    for (int i = 1; i < log->segment_count; i++)
        if (log->segments[i]->max_timestamp > log->segments[best]->max_timestamp)
            best = i;
    return log->segments[best]->size > 0 ? best : -1;
}

static int first_not_below(const struct log *log, int64_t timestamp)
{
    for (int i = 0; i < log->segment_count; i++)
        if (log->segments[i]->max_timestamp >= timestamp && log->segments[i]->size > 0)
            return i;
    return -1;
}

void log_find_submit(struct log *log, struct log_find *find)
{
    find->log = log;
    find->found_offset = -1;
    find->found_timestamp = -1;
    find->found_epoch = -1;
    find->file = NULL;
    find->start_offset = log->start_offset;
    int at;
    if (find->kind == LOG_FIND_MAX_TIMESTAMP) {
        at = largest(log);
        find->timestamp = at >= 0 ? log->segments[at]->max_timestamp : -1;
        find->start_offset = 0; /* as in Kafka it may be a record that is gone */
    } else {
        at = first_not_below(log, find->timestamp);
    }
    find->job = (struct shard_job){.run = find_run, .on_done = find_done, .lane = SHARD_LANE_DATA};
    int error = log_is_offline(log) ? -EIO : at >= 0 ? take_file(log, find, at) : 0;
    find->err = error < 0 ? ERR_KAFKA_STORAGE_ERROR : ERR_NONE;
    if (find->file == NULL)
        find_done(log->shard, &find->job);
    else
        shard_submit(log->shard, &find->job);
}
