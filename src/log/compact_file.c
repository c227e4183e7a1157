/* Reading and writing segments for a cleaning; see the header. Bytes are copied once, from the read
 * buffer to the write buffer. The disk is told early of what is written, so that the sync at the
 * end finds little and does not make others wait. On a worker. */
#include "log/compact_file.h"

#include "base/always.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A buffer holds at least a header. */
#define BUFFER_SIZE_MIN ((size_t)1024)
#define WRITE_OUT_SIZE (4LL * 1024 * 1024)
#define SUFFIX ".cleaned"

/* ---- reading ---- */

bool compact_reader_init(struct compact_reader *reader, size_t buffer_size)
{
    size_t capacity = MAX_OF(buffer_size, BUFFER_SIZE_MIN);
    *reader = (struct compact_reader){
        .fd = -1,
        .capacity = capacity,
        .capacity_usual = capacity,
        .buffer = (uint8_t *)malloc(capacity),
    };
    return reader->buffer != NULL;
}

void compact_reader_fini(struct compact_reader *reader)
{
    compact_reader_close(reader);
    free(reader->buffer);
    reader->buffer = NULL;
}

int compact_reader_open(struct compact_reader *reader, const struct log *log,
                        const struct compact_extent *extent)
{
    char path[LOG_STEM_SIZE + 8];
    char stem[LOG_STEM_SIZE];
    log_stem(log, extent->base_offset, stem);
    (void)snprintf(path, sizeof path, "%s.log", stem);
    compact_reader_close(reader);
    int fd = sys_file_open(log->dir_fd, path, SYS_OPEN_READ);
    if (fd < 0)
        return fd;
    reader->fd = fd;
    reader->position = extent->position;
    reader->end = extent->size;
    reader->from = 0;
    reader->filled = 0;
    return 0;
}

/* A buffer that had to grow is given back. */
void compact_reader_close(struct compact_reader *reader)
{
    sys_file_close(reader->fd);
    reader->fd = -1;
    reader->from = 0;
    reader->filled = 0;
    if (reader->capacity == reader->capacity_usual)
        return;
    uint8_t *usual = (uint8_t *)malloc(reader->capacity_usual);
    if (usual == NULL)
        return;
    free(reader->buffer);
    reader->buffer = usual;
    reader->capacity = reader->capacity_usual;
}

static int fail(struct compact_reader *reader, const char *fault)
{
    reader->fault = fault;
    return -EBADMSG;
}

/* The bytes that are left move to the front, in a buffer of at least that size. */
static bool make_room(struct compact_reader *reader, size_t size)
{
    size_t left = reader->filled - reader->from;
    uint8_t *to = reader->buffer;
    if (size > reader->capacity) {
        to = (uint8_t *)malloc(size);
        if (to == NULL)
            return false;
    }
    if (left > 0)
        memmove(to, reader->buffer + reader->from, left);
    if (to != reader->buffer) {
        free(reader->buffer);
        reader->buffer = to;
        reader->capacity = size;
    }
    reader->from = 0;
    reader->filled = left;
    return true;
}

/* Reads on until the next batch is whole, if its size is known. */
static int fill(struct compact_reader *reader) NOT_ON(on_shard)
{
    struct slice rest = slice_of(reader->buffer + reader->from, reader->filled - reader->from);
    struct batch_header header;
    bool known = batch_parse_header(rest, &header) == BATCH_OK;
    int64_t left = reader->end - reader->position;
    if (left <= 0 || (known && header.size > left + (int64_t)rest.size))
        return fail(reader, "a segment ends in the middle of a batch");
    if (!make_room(reader, known ? (size_t)header.size : 0))
        return -ENOMEM;
    size_t room = reader->capacity - reader->filled;
    size_t wanted = (size_t)MIN_OF((int64_t)room, left);
    int64_t got =
        sys_file_read_at(reader->fd, reader->buffer + reader->filled, wanted, reader->position);
    if (got < 0)
        return (int)got;
    if (got == 0)
        return fail(reader, "a segment is shorter than it was");
    reader->filled += (size_t)got;
    reader->position += got;
    return 0;
}

int compact_reader_next(struct compact_reader *reader, struct batch_view *ret_view)
{
    for (;;) {
        struct slice rest = slice_of(reader->buffer + reader->from, reader->filled - reader->from);
        if (rest.size == 0 && reader->position >= reader->end)
            return 0;
        enum batch_outcome outcome = batch_parse(rest, &ret_view->header);
        if (outcome == BATCH_OK)
            break;
        if (outcome != BATCH_INCOMPLETE)
            return fail(reader, batch_outcome_text(outcome));
        int error = fill(reader);
        if (error < 0)
            return error;
    }
    ret_view->bytes = slice_of(reader->buffer + reader->from, (size_t)ret_view->header.size);
    reader->from += ret_view->bytes.size;
    return 1;
}

/* ---- writing ---- */

bool compact_writer_init(struct compact_writer *writer, size_t buffer_size)
{
    size_t capacity = MAX_OF(buffer_size, BUFFER_SIZE_MIN);
    *writer = (struct compact_writer){
        .fd = -1, .capacity = capacity, .buffer = (uint8_t *)malloc(capacity)};
    log_index_init(&writer->index);
    return writer->buffer != NULL;
}

void compact_writer_fini(struct compact_writer *writer)
{
    sys_file_close(writer->fd);
    writer->fd = -1;
    log_index_fini(&writer->index);
    free(writer->buffer);
    writer->buffer = NULL;
}

static void path_of(const struct compact_writer *writer, const char *kind,
                    char ret_path[LOG_STEM_SIZE + 32])
{
    char stem[LOG_STEM_SIZE];
    log_stem(writer->log, writer->base_offset, stem);
    (void)snprintf(ret_path, LOG_STEM_SIZE + 32, "%s.%s%s", stem, kind, SUFFIX);
}

/* An earlier cleaning that failed may have left some. */
static int remove_left(const struct compact_writer *writer)
{
    static const char *const kinds[] = {"index", "timeindex", "txnindex"};
    int error = 0;
    for (size_t i = 0; i < COUNT_OF(kinds) && error == 0; i++) {
        char path[LOG_STEM_SIZE + 32];
        path_of(writer, kinds[i], path);
        error = sys_unlink(writer->log->dir_fd, path);
        error = error == -ENOENT ? 0 : error;
    }
    return error;
}

int compact_writer_begin(struct compact_writer *writer, const struct compact_target *target)
{
    char path[LOG_STEM_SIZE + 32];
    sys_file_close(writer->fd);
    log_index_fini(&writer->index);
    *writer = (struct compact_writer){
        .log = target->log,
        .base_offset = target->base_offset,
        .index_interval_bytes = target->config->index_interval_bytes,
        .fd = -1,
        .buffer = writer->buffer,
        .capacity = writer->capacity,
        .max_timestamp = BATCH_NO_TIMESTAMP,
        .max_timestamp_offset = target->base_offset,
        .first_timestamp = BATCH_NO_TIMESTAMP,
    };
    int error = remove_left(writer);
    if (error < 0)
        return error;
    path_of(writer, "log", path);
    writer->fd = sys_file_open(target->log->dir_fd, path,
                               SYS_OPEN_WRITE | SYS_OPEN_CREATE | SYS_OPEN_TRUNCATE);
    return MIN_OF(writer->fd, 0);
}

static int write_at_end(struct compact_writer *writer, struct slice bytes)
{
    int64_t position = writer->size - (int64_t)writer->filled;
    return sys_file_write_at(writer->fd, bytes, position);
}

static int empty_buffer(struct compact_writer *writer) NOT_ON(on_shard)
{
    int error =
        writer->filled > 0 ? write_at_end(writer, slice_of(writer->buffer, writer->filled)) : 0;
    if (error < 0)
        return error;
    writer->filled = 0;
    if (writer->size - writer->written_out >= WRITE_OUT_SIZE) {
        sys_file_write_out(writer->fd, writer->written_out, writer->size - writer->written_out);
        writer->written_out = writer->size;
    }
    return 0;
}

/* As Kafka's LogSegment.append: as log_note_indexes does for an active segment. */
static bool note_batch(struct compact_writer *writer, const struct batch_header *header)
{
    struct log_index *index = &writer->index;
    int64_t last_offset = batch_last_offset(header);
    if (header->max_timestamp > writer->max_timestamp) {
        writer->max_timestamp = header->max_timestamp;
        writer->max_timestamp_offset = last_offset;
    }
    if (writer->size == 0)
        writer->first_timestamp = header->max_timestamp;
    bool fine = true;
    if (index->bytes_since_entry > writer->index_interval_bytes) {
        struct index_entry entry = {.relative_offset = (int32_t)(last_offset - writer->base_offset),
                                    .position = (int32_t)writer->size};
        struct time_index_entry time = {
            .timestamp = writer->max_timestamp,
            .relative_offset = (int32_t)(writer->max_timestamp_offset - writer->base_offset)};
        fine = log_index_add(index, entry) && log_index_add_time(index, time);
        index->bytes_since_entry = 0;
    }
    index->bytes_since_entry += header->size;
    return fine;
}

int compact_writer_add(struct compact_writer *writer, struct slice batch)
{
    struct batch_header header;
    ALWAYS(batch_parse(batch, &header) == BATCH_OK, "%s: no batch comes out of a batch",
           writer->log->name);
    if (batch_last_offset(&header) - writer->base_offset > INT32_MAX ||
        writer->size > INT32_MAX - header.size) {
        writer->fault = "a batch's offset or place is too far from its segment's";
        return -EBADMSG;
    }
    if (!note_batch(writer, &header))
        return -ENOMEM;
    int error = batch.size > writer->capacity - writer->filled ? empty_buffer(writer) : 0;
    if (error < 0)
        return error;
    if (batch.size > writer->capacity) {
        error = write_at_end(writer, batch);
    } else {
        memcpy(writer->buffer + writer->filled, batch.data, batch.size);
        writer->filled += batch.size;
    }
    writer->size += header.size;
    return error;
}

static int write_aborted(const struct compact_writer *writer, const struct compact_seal *seal)
    NOT_ON(on_shard)
{
    char path[LOG_STEM_SIZE + 32];
    if (seal->aborted_count == 0)
        return 0;
    size_t size = (size_t)seal->aborted_count * TXN_INDEX_ENTRY_SIZE;
    uint8_t *bytes = (uint8_t *)malloc(size);
    if (bytes == NULL)
        return -ENOMEM;
    for (int i = 0; i < seal->aborted_count; i++)
        txn_ended_store(&seal->aborted[i], bytes + (size_t)i * TXN_INDEX_ENTRY_SIZE);
    path_of(writer, "txnindex", path);
    AUTO(file_close)
    int fd = sys_file_open(writer->log->dir_fd, path,
                           SYS_OPEN_WRITE | SYS_OPEN_CREATE | SYS_OPEN_TRUNCATE);
    int error = fd < 0 ? fd : sys_file_write_at(fd, slice_of(bytes, size), 0);
    free(bytes);
    return error == 0 ? sys_file_sync(fd) : error;
}

static int write_index(struct compact_writer *writer) NOT_ON(on_shard)
{
    char stem[LOG_STEM_SIZE];
    struct time_index_entry last = {
        .timestamp = writer->max_timestamp,
        .relative_offset = (int32_t)(writer->max_timestamp_offset - writer->base_offset)};
    if (writer->max_timestamp != BATCH_NO_TIMESTAMP && !log_index_add_time(&writer->index, last))
        return -ENOMEM;
    log_stem(writer->log, writer->base_offset, stem);
    const struct index_place place = {
        .dir_fd = writer->log->dir_fd, .stem = stem, .suffix = SUFFIX};
    return log_index_write_to(&writer->index, &place);
}

/* The time of an index is nothing that anybody relies on. */
static void set_times(const struct compact_writer *writer, int64_t modified_ms)
{
    static const char *const kinds[] = {"log", "index", "timeindex"};
    for (size_t i = 0; i < COUNT_OF(kinds) && modified_ms > 0; i++) {
        char path[LOG_STEM_SIZE + 32];
        path_of(writer, kinds[i], path);
        AUTO(file_close) int fd = sys_file_open(writer->log->dir_fd, path, SYS_OPEN_READ);
        int error = fd < 0 ? fd : sys_file_set_modified(fd, modified_ms);
        (void)error;
    }
}

int compact_writer_end(struct compact_writer *writer, const struct compact_seal *seal)
{
    int error = empty_buffer(writer);
    if (error == 0)
        error = write_index(writer);
    if (error == 0)
        error = write_aborted(writer, seal);
    set_times(writer, error == 0 ? seal->modified_ms : 0);
    writer->modified_ms = sys_file_modified_ms(writer->fd);
    return error == 0 ? sys_file_sync(writer->fd) : error;
}
