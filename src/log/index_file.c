/* Index entries in files; see index.h. What a file says is never taken on trust: entries must rise,
 * and positions are looked at where they are used. Mostly on workers. */
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

/* Opens "<stem>.<kind><suffix>", cut to `keep` bytes. */
static int open_at(const struct index_place *place, const char *kind, int64_t keep)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s.%s%s", place->stem, kind, place->suffix);
    int fd = sys_file_open(place->dir_fd, path, SYS_OPEN_WRITE | SYS_OPEN_CREATE);
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

static int store(struct log_index *index, const struct index_place *place, bool syncs)
    NOT_ON(on_shard)
{
    AUTO(file_close)
    int offsets = open_at(place, "index", (int64_t)index->offset_written * INDEX_ENTRY_SIZE);
    AUTO(file_close)
    int times = open_at(place, "timeindex", (int64_t)index->time_written * TIME_INDEX_ENTRY_SIZE);
    int error = offsets < 0 ? offsets : MIN_OF(times, 0);
    if (error == 0)
        error = write_offsets(index, offsets);
    if (error == 0)
        error = write_times(index, times);
    if (error == 0 && syncs)
        error = sys_file_sync(offsets);
    return error == 0 && syncs ? sys_file_sync(times) : error;
}

int log_index_store(struct log_index *index, int dir_fd, const char *stem)
{
    const struct index_place place = {.dir_fd = dir_fd, .stem = stem, .suffix = ""};
    return store(index, &place, false);
}

int log_index_write(struct log_index *index, int dir_fd, const char *stem)
{
    const struct index_place place = {.dir_fd = dir_fd, .stem = stem, .suffix = ""};
    return store(index, &place, true);
}

int log_index_write_to(struct log_index *index, const struct index_place *place)
{
    return store(index, place, true);
}

static int load_file(int dir_fd, const char *stem, const char *suffix, char **ret_data,
                     size_t *ret_size) NOT_ON(on_shard)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s%s", stem, suffix);
    return sys_file_read_whole(dir_fd, path, INDEX_FILE_SIZE_MAX, ret_data, ret_size);
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
    if (load_file(dir_fd, stem, ".index", &data, &size) < 0)
        return false;
    bool fine = load_offsets(index, slice_of(data, size));
    free(data);
    if (!fine || load_file(dir_fd, stem, ".timeindex", &data, &size) < 0)
        return false;
    fine = load_times(index, slice_of(data, size));
    free(data);
    /* What the files hold behind the entries is cut off when they are next written. */
    index->offset_written = index->offset_count;
    index->time_written = index->time_count;
    return fine;
}

int log_index_load_offsets(struct log_index *index, int dir_fd, const char *stem, int64_t size)
{
    log_index_fini(index);
    char *data = NULL;
    size_t file_size = 0;
    int error = load_file(dir_fd, stem, ".index", &data, &file_size);
    if (error < 0)
        return error == -EFBIG ? -EBADMSG : error;
    bool fine = load_offsets(index, slice_of(data, file_size));
    free(data);
    index->offset_written = index->offset_count;
    fine = fine &&
           (index->offset_count == 0 || index->offsets[index->offset_count - 1].position < size);
    return fine ? 0 : -EBADMSG;
}

/* ---- lookups in files ---- */

static int open_to_read(int dir_fd, const char *stem, const char *suffix)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s%s", stem, suffix);
    return sys_file_open(dir_fd, path, SYS_OPEN_READ);
}

bool log_index_last_time(int dir_fd, const char *stem, struct time_index_entry *ret_entry)
{
    uint8_t bytes[2 * TIME_INDEX_ENTRY_SIZE] = {0};
    AUTO(file_close) int fd = open_to_read(dir_fd, stem, ".timeindex");
    int64_t count = fd < 0 ? 0 : sys_file_size(fd) / TIME_INDEX_ENTRY_SIZE;
    int64_t wanted = MIN_OF(count, (int64_t)2) * TIME_INDEX_ENTRY_SIZE;
    if (count < 1 || sys_file_read_at(fd, bytes, (size_t)wanted,
                                      count * TIME_INDEX_ENTRY_SIZE - wanted) != wanted)
        return false;
    const uint8_t *last = bytes + wanted - TIME_INDEX_ENTRY_SIZE;
    struct time_index_entry entry = {load_i64(last), load_i32(last + 8)};
    bool rises = count == 1 ? entry.timestamp != 0 || entry.relative_offset != 0
                            : entry.timestamp > load_i64(bytes) &&
                                  entry.relative_offset > load_i32(bytes + 8);
    *ret_entry = entry;
    return rises && entry.relative_offset >= 0;
}

/* Whether an entry, of which `bytes` has the file's, comes in front of what is looked for. */
typedef bool (*index_before_fn)(const uint8_t *bytes, int64_t wanted);

static bool time_before(const uint8_t *bytes, int64_t timestamp)
{
    return load_i64(bytes) < timestamp;
}

static bool offset_not_after(const uint8_t *bytes, int64_t relative_offset)
{
    return load_i32(bytes) <= relative_offset;
}

struct lookup {
    int fd;
    int64_t entry_size;
    index_before_fn before;
    int64_t wanted;
};

/* The last entry that comes in front; false: none, or it cannot be read. Zeroes behind the entries
 * are Kafka's preallocation, but for an entry that is itself the first. */
static bool find_last(const struct lookup *lookup, uint8_t ret_bytes[TIME_INDEX_ENTRY_SIZE])
    NOT_ON(on_shard)
{
    static const uint8_t nothing[TIME_INDEX_ENTRY_SIZE];
    size_t entry_size = (size_t)lookup->entry_size;
    int64_t low = 0;
    int64_t high = MAX_OF(sys_file_size(lookup->fd), (int64_t)0) / lookup->entry_size;
    bool found = false;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        uint8_t bytes[TIME_INDEX_ENTRY_SIZE];
        if (sys_file_read_at(lookup->fd, bytes, entry_size, middle * lookup->entry_size) !=
            lookup->entry_size)
            return false;
        bool padding = memcmp(bytes, nothing, entry_size) == 0;
        if (!padding && lookup->before(bytes, lookup->wanted)) {
            memcpy(ret_bytes, bytes, entry_size);
            found = true;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return found;
}

bool log_index_time_hint(int dir_fd, const char *stem, int64_t timestamp,
                         struct log_time_hint *ret_hint)
{
    uint8_t bytes[TIME_INDEX_ENTRY_SIZE];
    AUTO(file_close) int times = open_to_read(dir_fd, stem, ".timeindex");
    AUTO(file_close) int offsets = open_to_read(dir_fd, stem, ".index");
    struct lookup by_time = {times, TIME_INDEX_ENTRY_SIZE, time_before, timestamp};
    if (times < 0 || offsets < 0 || !find_last(&by_time, bytes))
        return false;
    struct time_index_entry entry = {load_i64(bytes), load_i32(bytes + 8)};
    struct lookup by_offset = {offsets, INDEX_ENTRY_SIZE, offset_not_after, entry.relative_offset};
    bool found = find_last(&by_offset, bytes);
    *ret_hint = (struct log_time_hint){.entry = entry, .position = found ? load_i32(bytes + 4) : 0};
    return entry.relative_offset >= 0 && ret_hint->position >= 0;
}

/* ---- anew ---- */

int log_index_replace(const struct log_index *index, int dir_fd, const char *stem)
{
    char path[PATH_SIZE];
    size_t offsets_size = (size_t)index->offset_count * INDEX_ENTRY_SIZE;
    size_t times_size = (size_t)index->time_count * TIME_INDEX_ENTRY_SIZE;
    uint8_t *bytes = malloc(MAX_OF(offsets_size, times_size) + 1);
    if (bytes == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < index->offset_count; i++) {
        store_i32(bytes + (size_t)i * INDEX_ENTRY_SIZE, index->offsets[i].relative_offset);
        store_i32(bytes + (size_t)i * INDEX_ENTRY_SIZE + 4, index->offsets[i].position);
    }
    (void)snprintf(path, sizeof path, "%s.index", stem);
    int error = sys_file_replace(dir_fd, path, slice_of(bytes, offsets_size));
    for (uint32_t i = 0; i < index->time_count; i++) {
        store_i64(bytes + (size_t)i * TIME_INDEX_ENTRY_SIZE, index->times[i].timestamp);
        store_i32(bytes + (size_t)i * TIME_INDEX_ENTRY_SIZE + 8, index->times[i].relative_offset);
    }
    (void)snprintf(path, sizeof path, "%s.timeindex", stem);
    if (error == 0)
        error = sys_file_replace(dir_fd, path, slice_of(bytes, times_size));
    free(bytes);
    return error;
}
