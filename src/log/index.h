/* The offset index and the time index of one segment, in Kafka's formats: 8-byte entries (relative
 * offset, position) and 12-byte entries (timestamp, relative offset), big-endian, both rising. The
 * active segment's entries are in memory and written when it is rolled, flushed or closed; a sealed
 * segment's are read from its file where they are needed. An index is a hint: what it says is
 * verified against the segment, and it can always be made again. */
#ifndef LOG_INDEX_H
#define LOG_INDEX_H

#include "base/attr.h"
#include "base/role.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_ENTRY_SIZE 8
#define TIME_INDEX_ENTRY_SIZE 12

struct index_entry {
    int32_t relative_offset;
    int32_t position;
};

struct time_index_entry {
    int64_t timestamp;
    int32_t relative_offset;
};

struct log_index {
    struct index_entry *offsets;
    struct time_index_entry *times;
    uint32_t offset_count;
    uint32_t offset_capacity;
    uint32_t offset_written; /* of them in the file */
    uint32_t time_count;
    uint32_t time_capacity;
    uint32_t time_written;
    int64_t bytes_since_entry;
};

void log_index_init(struct log_index *);
void log_index_fini(struct log_index *);
/* Entries that do not rise are dropped silently. false: memory is out. */
MUST_USE bool log_index_add(struct log_index *, struct index_entry);
MUST_USE bool log_index_add_time(struct log_index *, struct time_index_entry);
/* Position of the last entry not above the offset; 0 when there is none. */
int32_t log_index_find(const struct log_index *, int64_t relative_offset);
/* Appends what is not in the files yet and syncs them; dir_fd and the names without suffix. 0 or
 * -errno. */
MUST_USE int log_index_write(struct log_index *, int dir_fd, const char *stem) NOT_ON(on_shard);
/* Replaces *index by what the files hold. false: missing, or not as such files are. */
MUST_USE bool log_index_load(struct log_index *, int dir_fd, const char *stem) NOT_ON(on_shard);
/* The same lookup in a sealed segment's file. -errno, -EAGAIN where a disk must be waited for. */
MUST_USE int64_t log_index_find_in_file(int fd, int64_t relative_offset);

#endif
