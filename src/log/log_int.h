/* The inside of a log.
 *
 * Invariants, cited by number:
 *  L1  segments are in order of base offset, without overlap; the last one is active.
 *  L2  a sealed segment's index files are complete before its bytes count as flushed.
 *  L3  end_offset is the last appended batch's last offset plus one; bytes at or behind
 *      active->size are not part of the log and are cut when a write failed.
 *  L4  recovery_point <= end_offset; everything below it was synced by a call that succeeded.
 *  L5  producer state covers exactly the batches below end_offset, and those of the write that a
 *      worker is at; what it says is acted on when there is none.
 *  L6  an append is answered only after its bytes are in the file (page cache), one with a flush
 *      mode only after an fdatasync that began later succeeded.
 *  L7  offline is for good: nothing is appended, flushed or answered positively after.
 *  L8  the transaction index files tell of every transaction that was aborted below the recovery
 *      point: a start does not look for others there.
 *  L9  start_offset <= recovery_point: what a start was raised to is flushed before. */
#ifndef LOG_LOG_INT_H
#define LOG_LOG_INT_H

#include "log/decide.h"
#include "log/dir.h"
#include "log/epoch.h"
#include "log/index.h"
#include "log/log.h"
#include "log/producer.h"
#include "log/spans.h"
#include "log/txn.h"
#include "log/verify.h"

#define LOG_STEM_SIZE LOG_FOLDER_NAME_SIZE
#define LOG_RECENT_MAX 64

struct log_segment {
    int64_t base_offset;
    uint64_t serial;       /* of all segments that the log ever had; 0: not told */
    int64_t size;          /* bytes that are part of the log */
    int64_t written_out;   /* of them, the disk was told to write so many */
    int64_t max_timestamp; /* BATCH_NO_TIMESTAMP while empty */
    int64_t max_timestamp_offset;
    int64_t first_timestamp; /* of its first batch: time to roll; BATCH_NO_TIMESTAMP: none */
    int64_t created_ms;      /* or opened: time to roll where batches have no timestamps */
    int64_t written_ms;      /* last: its age where batches have no timestamps */
    int64_t jitter_ms;       /* so much sooner than segment.ms, for segments not to roll at once */
    struct log_handle *handle;
    /* what is known of its bytes and its index: check.h */
    int64_t unchecked_end;    /* what stands from here on was checked when it came */
    struct log_spans checked; /* in front of it, since the start */
    struct log_bad *bad;      /* in order; a fetch goes around them */
    int bad_count;
    bool index_was_made;              /* anew, because it was wrong: not a second time */
    struct log_check *check;          /* a worker's look at it that is under way, or NULL */
    struct log_check *ended;          /* the one whose end is being told, or NULL */
    struct log_remake *remake;        /* its index is being made anew, or NULL */
    struct list waiting;              /* log_check_waiter */
    const struct log_index *sealing;  /* of a segment whose files are not written yet, or NULL */
    struct log_sealed_index *indexed; /* in the shard's cache, or NULL */
    /* Its index while its files change their names (log/swap.h), else NULL: the file's. */
    struct log_index *swapping;
};

/* Where an append of late stands: reading the tail needs no index and no disk. */
struct log_recent {
    int64_t base_offset;
    int64_t segment_base;
    int64_t position;
    int32_t last_offset_delta;
    int32_t size;
};

struct log {
    char *name;
    int dir_fd;
    struct log_dir *dir; /* the same, or NULL */
    struct uuid topic_id;
    struct topic_config config;
    struct shard *shard;
    struct log_files *files;

    struct log_segment **segments; /* L1 */
    int segment_count;
    int segment_capacity;
    uint64_t serials;       /* given out */
    struct log_index index; /* the active segment's */
    struct log_epochs epochs;
    struct producers producers;
    struct txns txns;
    bool aborted_changed; /* in the active segment, since its transaction index was written */

    int64_t start_offset;
    int64_t end_offset;     /* L3 */
    int64_t recovery_point; /* L4 */
    int64_t recovered_from; /* while opening: base of the first segment that was walked through, so
                               that what is derived from batches behind it is made again */
    int64_t cleaned_to;     /* while opening: log_options */
    bool has_gaps;          /* while opening: within the segment that was walked through last */
    int64_t stored_end; /* the end for which all files are as a clean stop leaves them; -1: none */
    int64_t size;
    int64_t unflushed;    /* bytes that no sync has covered; of a segment in part: all of it */
    int64_t expire_at_ms; /* when producers are next looked through */
    int32_t expire_interval_ms;
    bool offline; /* L7 */

    struct log_recent *recent; /* a ring of LOG_RECENT_MAX; NULL: nothing was appended */
    uint32_t recent_next;

    struct list appends; /* submitted, not written */
    struct shard_chore write;
    bool is_writing;             /* the chore runs */
    struct log_write *write_job; /* the write that a worker is at, or NULL */
    int64_t inline_max;          /* bytes that the shard writes itself: LOG_WRITE_INLINE_MAX */

    bool is_writing_out; /* a worker tells the disk early: write_out.c */
    int checks;          /* looks at its segments under way: check.c */

    struct log_compaction *compaction; /* the one under way, or NULL: compact.h */

    struct list discards; /* files that are being let go of: discard.c */
    int discard_jobs;     /* of them, those that a worker is at */

    struct list flushes;             /* wait for the next fdatasync */
    struct log_flush_job *flush_job; /* the one under way, or NULL */
    struct list flush_turn;          /* in the queue of log_files, or itself */
    bool upkeep_rests;               /* there was no room for it: not by itself again */
    struct list sealed;              /* rolled segments whose upkeep is not done: log_sealed */
    void (*on_idle)(void *);         /* who waits for nothing to be under way, or NULL */
    void *on_idle_context;
    bool leaves_sync;    /* it is closed, and who closes it syncs everything after */
    bool was_cut;        /* a failed write, which no sync has followed for sure */
    bool folder_changed; /* segments may have been made since it was synced */
};

/* What a rolled segment still needs: its index files, and the producers as they were then. */
struct log_sealed {
    struct list link;
    int64_t base_offset;
    int64_t snapshot_offset;
    struct log_index index;
    uint8_t *snapshot;
    size_t snapshot_size;
    uint8_t *aborted; /* the transaction index; of size 0: no file */
    size_t aborted_size;
};

static inline struct log_segment *log_active(const struct log *log)
{
    return log->segments[log->segment_count - 1];
}

/* First offset behind the segment. */
static inline int64_t log_segment_end(const struct log *log, int at)
{
    return at + 1 < log->segment_count ? log->segments[at + 1]->base_offset : log->end_offset;
}

/* "topic-0/00000000000000000042", without suffix. */
void log_stem(const struct log *, int64_t base_offset, char ret_stem[LOG_STEM_SIZE]);
/* One with a closed handle; NULL when memory is out. */
struct log_segment *log_segment_new(struct log *, int64_t base_offset);
/* Adds an empty segment at the end, without touching files; NULL when memory is out. */
struct log_segment *log_segment_add(struct log *, int64_t base_offset);
void log_segment_free(struct log_segment *);
/* Sets when its time to roll comes. */
void log_segment_begin(const struct log *, struct log_segment *, int64_t wall_ms, uint64_t random);
/* Index of the segment that holds the offset. */
int log_segment_at(const struct log *, int64_t offset);
/* Counts one batch that stands at `position` of the active segment: timestamps, index entries.
 * false: memory is out. */
MUST_USE bool log_note_indexes(struct log *, const struct batch_header *, int64_t position);
/* Starts a new active segment at end_offset; the old one's upkeep is left to a flush. ERR_NONE or
 * ERR_KAFKA_STORAGE_ERROR. */
MUST_USE enum err log_roll(struct log *) ON(on_shard);
/* Lets a flush job begin when one is wanted and none is under way. */
void log_flush_next(struct log *) ON(on_shard);
void log_sealed_free(struct log_sealed *);
/* The names of segments, and of the folder itself, which may be new too. 0 or -errno. */
MUST_USE int log_folder_sync(const struct log *) NOT_ON(on_shard);
/* The log can no longer be trusted, nor, where it is the medium that failed, its directory. */
void log_go_offline(struct log *, const char *why, int error);
/* A marker that was noted by producers is in the log. false: memory is out. */
MUST_USE bool log_note_marker(struct log *, const struct producer_note *,
                              const struct producer_undo *);
/* Writes producer snapshot "<offset>.snapshot" of now. 0 or -errno. */
MUST_USE int log_snapshot_write(struct log *, int64_t offset) NOT_ON(on_shard);
/* Syncs everything and writes what is beside the records, as a clean stop does. 0 or -errno. */
MUST_USE int log_store(struct log *) NOT_ON(on_shard);
MUST_USE int log_epochs_store(struct log *) NOT_ON(on_shard);
/* Replaces a file of its folder, durably where the log syncs what it writes. 0 or -errno. */
MUST_USE int log_file_replace(const struct log *, const char *path, struct slice bytes)
    NOT_ON(on_shard);
/* restore.c: replaces a segment's transaction index; there is no file where nothing was aborted. 0
 * or -errno. */
MUST_USE int log_txn_index_write(const struct log *, int at) NOT_ON(on_shard);

/* Asserts what of the invariants can be seen in memory; for tests, after each step. */
void log_check(const struct log *);

/* write_out.c: after a large write, lets the disk begin with what was appended. */
void log_write_out(struct log *) ON(on_shard);

/* read.c: a batch was appended to the active segment. */
void log_recent_note(struct log *, const struct batch_header *, int64_t position);
/* check.c: the segment goes; whoever waits for a look at it is told when that has ended. */
void log_check_end(struct log_segment *);
/* sealed_index.c: what the flush wrote, or not, is the segment's to look up. */
void log_sealed_index_take(struct log *, struct log_sealed *) ON(on_shard);
/* trim.c: what is told of offsets below the start goes, where it is of no use there. */
void log_forget_below_start(struct log *);

/* append.c: writes what was submitted. */
void log_write_chore(struct shard *, struct shard_chore *);

/* leftovers.c: finishes or takes back what a compaction or deletion was at when the node died, by
 * Kafka's rules. 0 or -errno. */
MUST_USE int log_tidy_folder(int folder_fd) NOT_ON(on_shard);

/* recover.c: looks at every batch of the last segment (from its start, with checksums), cuts a torn
 * tail above the recovery point, makes the indexes again. */
MUST_USE enum err log_recover_segment(struct log *, int at, struct log_recovery *) NOT_ON(on_shard);
/* Relative to the recovery point. */
enum recovery_place log_place_of(const struct log *, int64_t offset);
/* The row of tbl/recovery.h for what stands at the offset. */
const struct recovery_row *log_judge(const struct log *, enum recovery_finding, int64_t offset);
/* Damage that stays. */
void log_contain(struct log_recovery *, const struct log_damage *);
/* Removes the segments behind one, durably. */
MUST_USE enum err log_drop_behind(struct log *, int at, struct log_recovery *) NOT_ON(on_shard);
/* Writes the index files of a segment that log_recover_segment walked and that is not the last. */
MUST_USE enum err log_seal_recovered(struct log *, int at, struct log_recovery *) NOT_ON(on_shard);
/* The last segment after a clean stop: its end is found without reading it through. false: it is
 * not as a clean stop leaves it. */
MUST_USE bool log_resume_segment(struct log *, int at) NOT_ON(on_shard);
/* A sealed segment that was flushed: its largest timestamp from the end of its time index. false:
 * that is missing, or cannot be of it (RECOVERY_INDEX). The offset index is looked at when it is
 * needed. */
MUST_USE bool log_load_sealed(struct log *, int at) NOT_ON(on_shard);

/* restore.c: producers, aborted transactions and leader epochs of a log whose segments stand. */
MUST_USE enum err log_restore(struct log *, const struct log_options *, struct log_recovery *)
    NOT_ON(on_shard);

#endif
