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

/* Makes an index from the batches themselves, as appending them does. */
struct log_index_builder {
    struct log_index index;
    int64_t base_offset;
    int64_t interval_bytes;
    int64_t max_timestamp; /* BATCH_NO_TIMESTAMP at first */
    int64_t max_timestamp_offset;
};

struct batch_header;

void log_index_init(struct log_index *);
void log_index_fini(struct log_index *);
/* Entries that do not rise are dropped silently. false: memory is out. */
MUST_USE bool log_index_add(struct log_index *, struct index_entry);
MUST_USE bool log_index_add_time(struct log_index *, struct time_index_entry);
/* Position of the last entry not above the offset; 0 when there is none. */
int32_t log_index_find(const struct log_index *, int64_t relative_offset);
/* Appends what is not in the files yet; dir_fd and the names without suffix. 0 or
 * -errno. */
MUST_USE int log_index_store(struct log_index *, int dir_fd, const char *stem) NOT_ON(on_shard);
/* The same, and syncs them. */
MUST_USE int log_index_write(struct log_index *, int dir_fd, const char *stem) NOT_ON(on_shard);
/* The same to files whose names end in a suffix, such as ".cleaned". */
struct index_place {
    int dir_fd;
    const char *stem;
    const char *suffix;
};
MUST_USE int log_index_write_to(struct log_index *, const struct index_place *) NOT_ON(on_shard);
/* Replaces *index by what the files hold. false: missing, or not as such files are. */
MUST_USE bool log_index_load(struct log_index *, int dir_fd, const char *stem) NOT_ON(on_shard);
/* The entry itself; NULL when there is none. */
const struct index_entry *log_index_entry(const struct log_index *, int64_t relative_offset);
/* The entry of that position turned out wrong: it is forgotten, and the file is written anew with
 * the next write. */
void log_index_drop(struct log_index *, int32_t position);
/* Time entries go, and so does memory without entries. */
void log_index_keep_offsets(struct log_index *);
/* Takes note of one batch, in order. false: memory is out. */
MUST_USE bool log_index_build(struct log_index_builder *, const struct batch_header *,
                              int64_t position);
/* The last entry of a sealed segment's time index. false: memory is out. */
MUST_USE bool log_index_finish(struct log_index_builder *);
/* A sealed segment's offset entries only, of which every position must lie below size. 0; -ENOENT
 * or -EBADMSG: missing, or not as such files are; another -errno: cannot be read now. */
MUST_USE int log_index_load_offsets(struct log_index *, int dir_fd, const char *stem, int64_t size)
    NOT_ON(on_shard);
/* The last entry of a sealed segment's time index. false: there is none, or it is none. */
MUST_USE bool log_index_last_time(int dir_fd, const char *stem, struct time_index_entry *ret_entry)
    NOT_ON(on_shard);
/* What a sealed segment's files tell of a timestamp: the last batch up to which all timestamps are
 * below it, and a position in front of that batch. */
struct log_time_hint {
    struct time_index_entry entry;
    int64_t position;
};
/* false: nothing. */
MUST_USE bool log_index_time_hint(int dir_fd, const char *stem, int64_t timestamp,
                                  struct log_time_hint *ret_hint) NOT_ON(on_shard);
/* Replaces both files of a sealed segment by what the index holds. 0 or -errno. */
MUST_USE int log_index_replace(const struct log_index *, int dir_fd, const char *stem)
    NOT_ON(on_shard);

#endif
