/* Which leader epoch began at which offset (KIP-101): decides truncation and answers
 * OffsetForLeaderEpoch. Kept in "leader-epoch-checkpoint"; can always be made again from the
 * batches. One thread at a time. */
#ifndef LOG_EPOCH_H
#define LOG_EPOCH_H

#include "base/attr.h"
#include "base/slice.h"
#include "base/text.h"

struct log_epoch {
    int32_t epoch;
    int64_t start_offset;
};

/* Both members rise from entry to entry. */
struct log_epochs {
    struct log_epoch *entries;
    int count;
    int capacity;
    bool changed; /* since it was last written */
};

void log_epochs_init(struct log_epochs *);
void log_epochs_fini(struct log_epochs *);
/* A batch of that epoch starts at the offset; entries that contradict it go. false: no memory. */
MUST_USE bool log_epochs_assign(struct log_epochs *, struct log_epoch);
/* Nothing from the offset on is left. */
void log_epochs_cut(struct log_epochs *, int64_t end_offset);
/* Nothing in front of the offset is left: the epoch that it belongs to begins there. */
void log_epochs_cut_start(struct log_epochs *, int64_t start_offset);
/* -1: none. */
int32_t log_epochs_latest(const struct log_epochs *);
/* -1: none. */
int32_t log_epochs_at(const struct log_epochs *, int64_t offset);
/* The largest epoch not above the one asked for and where it ends: the next one's start, or
 * end_offset for the latest. {-1, -1} when there is none. */
struct log_epoch log_epochs_end(const struct log_epochs *, int32_t epoch, int64_t end_offset);

void log_epochs_write(const struct log_epochs *, struct text *);
/* Where entries do not rise the later ones stand, as in Kafka. false: not such a file; what was
 * read so far stands until cut or fini. */
MUST_USE bool log_epochs_read(struct log_epochs *, struct slice text);

#endif
