/* Index entries in memory and in files; see the header. */
#include "log/index.h"

#include "base/bytes.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define INDEX_FILE_SIZE_MAX (64U * 1024 * 1024)
#define PATH_SIZE 512
#define WRITE_ENTRIES 4096

void log_index_init(struct log_index *index)
{
    *index = (struct log_index){0};
}

void log_index_fini(struct log_index *index)
{
    free(index->offsets);
    free(index->times);
    *index = (struct log_index){0};
}

/* Makes room for one more element. */
static bool reserve(void **array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    uint32_t wanted = *capacity > 0 ? *capacity * 2 : 16;
    void *grown = realloc(*array, wanted * size);
    if (grown == NULL)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

bool log_index_add(struct log_index *index, struct index_entry entry)
{
    if (index->offset_count > 0 &&
        index->offsets[index->offset_count - 1].relative_offset >= entry.relative_offset)
        return true;
    void *array = index->offsets;
    bool room = reserve(&array, index->offset_count, &index->offset_capacity, sizeof entry);
    index->offsets = array;
    if (room)
        index->offsets[index->offset_count++] = entry;
    return room;
}

bool log_index_add_time(struct log_index *index, struct time_index_entry entry)
{
    if (index->time_count > 0) {
        const struct time_index_entry *last = &index->times[index->time_count - 1];
        if (last->timestamp >= entry.timestamp || last->relative_offset >= entry.relative_offset)
            return true;
    }
    void *array = index->times;
    bool room = reserve(&array, index->time_count, &index->time_capacity, sizeof entry);
    index->times = array;
    if (room)
        index->times[index->time_count++] = entry;
    return room;
}

int32_t log_index_find(const struct log_index *index, int64_t relative_offset)
{
    uint32_t low = 0;
    uint32_t high = index->offset_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index->offsets[middle].relative_offset <= relative_offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? 0 : index->offsets[low - 1].position;
}

/* ---- files ---- */

/* Opens "<stem><suffix>", cut to `keep` bytes. */
static int open_at(int dir_fd, const char *stem, const char *suffix, int64_t keep)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s%s", stem, suffix);
    int fd = sys_file_open(dir_fd, path, SYS_OPEN_WRITE | SYS_OPEN_CREATE);
    if (fd < 0)
        return fd;
    int error = sys_file_size(fd) == keep ? 0 : sys_file_truncate(fd, keep);
    if (error < 0) {
        sys_file_close(fd);
        return error;
    }
    return fd;
}

static int write_offsets(struct log_index *index, int fd)
{
    uint8_t block[WRITE_ENTRIES * INDEX_ENTRY_SIZE];
    while (index->offset_written < index->offset_count) {
        uint32_t from = index->offset_written;
        uint32_t count = MIN_OF(index->offset_count - from, (uint32_t)WRITE_ENTRIES);
        for (uint32_t i = 0; i < count; i++) {
            uint8_t *at = block + (size_t)i * INDEX_ENTRY_SIZE;
            store_i32(at, index->offsets[from + i].relative_offset);
            store_i32(at + 4, index->offsets[from + i].position);
        }
        int error = sys_file_write_at(fd, slice_of(block, (size_t)count * INDEX_ENTRY_SIZE),
                                      (int64_t)from * INDEX_ENTRY_SIZE);
        if (error < 0)
            return error;
        index->offset_written += count;
    }
    return 0;
}

static int write_times(struct log_index *index, int fd)
{
    uint8_t block[WRITE_ENTRIES * TIME_INDEX_ENTRY_SIZE];
    while (index->time_written < index->time_count) {
        uint32_t from = index->time_written;
        uint32_t count = MIN_OF(index->time_count - from, (uint32_t)WRITE_ENTRIES);
        for (uint32_t i = 0; i < count; i++) {
            uint8_t *at = block + (size_t)i * TIME_INDEX_ENTRY_SIZE;
            store_i64(at, index->times[from + i].timestamp);
            store_i32(at + 8, index->times[from + i].relative_offset);
        }
        int error = sys_file_write_at(fd, slice_of(block, (size_t)count * TIME_INDEX_ENTRY_SIZE),
                                      (int64_t)from * TIME_INDEX_ENTRY_SIZE);
        if (error < 0)
            return error;
        index->time_written += count;
    }
    return 0;
}

int log_index_write(struct log_index *index, int dir_fd, const char *stem)
{
    AUTO(file_close)
    int offsets =
        open_at(dir_fd, stem, ".index", (int64_t)index->offset_written * INDEX_ENTRY_SIZE);
    AUTO(file_close)
    int times =
        open_at(dir_fd, stem, ".timeindex", (int64_t)index->time_written * TIME_INDEX_ENTRY_SIZE);
    int error = offsets < 0 ? offsets : MIN_OF(times, 0);
    if (error == 0)
        error = write_offsets(index, offsets);
    if (error == 0)
        error = write_times(index, times);
    if (error == 0)
        error = sys_file_sync(offsets);
    return error == 0 ? sys_file_sync(times) : error;
}

static bool load_file(int dir_fd, const char *stem, const char *suffix, char **ret_data,
                      size_t *ret_size)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s%s", stem, suffix);
    return sys_file_read_whole(dir_fd, path, INDEX_FILE_SIZE_MAX, ret_data, ret_size) == 0;
}

/* Kafka preallocates a segment's indexes with zeroes: the entries end where nothing rises. */
static bool load_offsets(struct log_index *index, struct slice file)
{
    for (size_t at = 0; at + INDEX_ENTRY_SIZE <= file.size; at += INDEX_ENTRY_SIZE) {
        struct index_entry entry = {load_i32(file.data + at), load_i32(file.data + at + 4)};
        uint32_t before = index->offset_count;
        if (entry.relative_offset < 0 || entry.position < 0)
            return false;
        if (before == 0 && entry.relative_offset == 0 && entry.position == 0)
            return true;
        if (!log_index_add(index, entry))
            return false;
        if (index->offset_count == before)
            return entry.relative_offset == 0 && entry.position == 0;
    }
    return true;
}

static bool load_times(struct log_index *index, struct slice file)
{
    for (size_t at = 0; at + TIME_INDEX_ENTRY_SIZE <= file.size; at += TIME_INDEX_ENTRY_SIZE) {
        struct time_index_entry entry = {load_i64(file.data + at), load_i32(file.data + at + 8)};
        uint32_t before = index->time_count;
        if (entry.relative_offset < 0)
            return false;
        if (before == 0 && entry.relative_offset == 0 && entry.timestamp == 0)
            return true;
        if (!log_index_add_time(index, entry))
            return false;
        if (index->time_count == before)
            return entry.timestamp == 0 && entry.relative_offset == 0;
    }
    return true;
}

bool log_index_load(struct log_index *index, int dir_fd, const char *stem)
{
    log_index_fini(index);
    char *data = NULL;
    size_t size = 0;
    if (!load_file(dir_fd, stem, ".index", &data, &size))
        return false;
    bool fine = load_offsets(index, slice_of(data, size));
    free(data);
    if (!fine || !load_file(dir_fd, stem, ".timeindex", &data, &size))
        return false;
    fine = load_times(index, slice_of(data, size));
    free(data);
    /* What the files hold behind the entries is cut off when they are next written. */
    index->offset_written = index->offset_count;
    index->time_written = index->time_count;
    return fine;
}

int64_t log_index_find_in_file(int fd, int64_t relative_offset)
{
    int64_t size = sys_file_size(fd);
    if (size < 0)
        return size;
    int64_t low = 0;
    int64_t high = size / INDEX_ENTRY_SIZE;
    int32_t position = 0;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        uint8_t entry[INDEX_ENTRY_SIZE];
        int64_t got = sys_file_read_cached(fd, entry, sizeof entry, middle * INDEX_ENTRY_SIZE);
        if (got < 0)
            return got;
        if (got < INDEX_ENTRY_SIZE)
            return -EIO;
        bool padding = middle > 0 && load_i32(entry) == 0;
        if (!padding && load_i32(entry) <= relative_offset) {
            low = middle + 1;
            position = load_i32(entry + 4);
        } else {
            high = middle;
        }
    }
    return MAX_OF(position, 0);
}
