/* The checkpoint files of a log directory: an offset for each partition, as text: version "0", the
 * count, then "topic partition offset" lines. A file that cannot be read is reported and counts as
 * empty, which is always safe: recovery scans more, the high watermark starts lower. */
#ifndef LOG_CHECKPOINT_H
#define LOG_CHECKPOINT_H

#include "base/attr.h"
#include "base/hash.h"
#include "base/role.h"
#include "base/slice.h"

#define CHECKPOINT_RECOVERY_POINT "recovery-point-offset-checkpoint"
#define CHECKPOINT_LOG_START "log-start-offset-checkpoint"
#define CHECKPOINT_HIGH_WATERMARK "replication-offset-checkpoint"
#define CHECKPOINT_CLEANER "cleaner-offset-checkpoint"

struct checkpoint {
    struct hash_table table; /* by "topic-partition", the folder's name */
};

void checkpoint_init(struct checkpoint *);
void checkpoint_fini(struct checkpoint *);
/* Adds or replaces. false: memory is out. */
MUST_USE bool checkpoint_put(struct checkpoint *, struct slice name, int64_t offset);
/* Adds all entries of another. false: memory is out. */
MUST_USE bool checkpoint_add(struct checkpoint *, const struct checkpoint *from);
/* No entry is fine. */
void checkpoint_remove(struct checkpoint *, struct slice name);
/* Removes those for which the directory has no folder. */
void checkpoint_drop_absent(struct checkpoint *, int dir_fd) NOT_ON(on_shard);
/* `missing` when there is no entry. */
int64_t checkpoint_get(const struct checkpoint *, struct slice name, int64_t missing);
/* NULL on success and when the file is absent or, as Kafka makes it, without a byte; otherwise what
 * is wrong, and the checkpoint is empty. */
const char *checkpoint_read(struct checkpoint *, int dir_fd, const char *file) NOT_ON(on_shard);
/* Replaces the file durably. 0 or -errno. */
MUST_USE int checkpoint_write(const struct checkpoint *, int dir_fd, const char *file)
    NOT_ON(on_shard);

/* The next decimal number of a text, blanks skipped; false at the end or at something else. */
bool checkpoint_number(struct slice *rest, int64_t *ret_number);
/* The next word up to a blank. */
bool checkpoint_word(struct slice *rest, struct slice *ret_word);

#endif
