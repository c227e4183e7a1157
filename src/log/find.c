/* Offsets by timestamp: which record is the first at or after a moment, and which has the largest
 * timestamp. Records are read, and decompressed where need be, on a worker; what it looks at is
 * fixed when the search is submitted, so the log goes on meanwhile. */
#include "log/log_int.h"

#include "base/always.h"
#include "log/scan.h"
#include "sys/file.h"
#include "wire/record.h"

#include <errno.h>
#include <stdlib.h>

#define FIND_OUTPUT_SIZE_MAX (1LL << 31)
/* Segments of one search: the first that fits has the answer but for offsets that are gone. */
#define FIND_FILES_MAX 4

struct log_find_file {
    struct log_handle *handle; /* referenced */
    int64_t from;              /* position at which the walk begins */
    int64_t size;
    int64_t max_timestamp;
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
    int found = got == header->size
                    ? search_records(search, header, slice_of(bytes, (size_t)header->size))
                    : -EIO;
    free(bytes);
    return found;
}

static int search_file(struct search *search, const struct log_find_file *file) NOT_ON(on_shard)
{
    struct log_scan *scan = malloc(sizeof *scan);
    if (scan == NULL)
        return -ENOMEM;
    log_scan_start(scan, file->handle->fd, file->from, file->size);
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
    int found = search.pool != NULL ? 0 : -ENOMEM;
    for (int i = 0; i < find->file_count && found == 0; i++)
        if (find->files[i].max_timestamp >= search.target)
            found = search_file(&search, &find->files[i]);
    codec_pool_free(search.pool);
    find->err = found < 0 ? ERR_KAFKA_STORAGE_ERROR : ERR_NONE;
}

/* ---- on the shard ---- */

static void find_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct log_find *find = CONTAINER_OF(job, struct log_find, job);
    for (int i = 0; i < find->file_count; i++)
        log_handle_unref(find->files[i].handle);
    free(find->files);
    find->files = NULL;
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

/* References the segments the search may need, from the first that can hold it. 0 or -errno. */
static int take_files(struct log *log, struct log_find *find)
{
    find->files = calloc((size_t)log->segment_count, sizeof *find->files);
    if (find->files == NULL)
        return -ENOMEM;
    for (int i = log_segment_at(log, log->start_offset); i < log->segment_count; i++) {
        struct log_segment *segment = log->segments[i];
        if (segment->max_timestamp < find->timestamp || segment->size == 0)
            continue;
        int error = log_handle_ref(segment->handle);
        if (error < 0)
            return error;
        bool active = i == log->segment_count - 1;
        find->files[find->file_count++] = (struct log_find_file){
            .handle = segment->handle,
            .from = active ? active_from(log, find->timestamp) : 0,
            .size = segment->size,
            .max_timestamp = segment->max_timestamp,
        };
        if (find->file_count == FIND_FILES_MAX)
            break;
    }
    return 0;
}

static int64_t largest_timestamp(const struct log *log)
{
    int64_t largest = BATCH_NO_TIMESTAMP;
    for (int i = 0; i < log->segment_count; i++)
        largest = MAX_OF(largest, log->segments[i]->max_timestamp);
    return largest;
}

void log_find_submit(struct log *log, struct log_find *find)
{
    find->log = log;
    find->found_offset = -1;
    find->found_timestamp = -1;
    find->found_epoch = -1;
    find->files = NULL;
    find->file_count = 0;
    find->start_offset = log->start_offset;
    if (find->kind == LOG_FIND_MAX_TIMESTAMP)
        find->timestamp = largest_timestamp(log);
    find->job = (struct shard_job){.run = find_run, .on_done = find_done, .lane = SHARD_LANE_DATA};
    int error = log_is_offline(log) ? -EIO : take_files(log, find);
    find->err = error < 0 ? ERR_KAFKA_STORAGE_ERROR : ERR_NONE;
    if (find->file_count == 0 || error < 0)
        find_done(log->shard, &find->job);
    else
        shard_submit(log->shard, &find->job);
}
