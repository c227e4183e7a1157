/* One partition's log: segments in Kafka's format, appended to and read by the shard that owns it.
 *
 * Appends are submitted and complete by callback, in order; usually at the end of the same turn, in
 * one write for all that were submitted in it. What blocks (opening, recovery, fsync, cold reads,
 * deletes) runs on workers. After a failed write nothing of it is visible, in memory or in the
 * file; after a failed fsync the log is offline for good, since the kernel may have dropped what
 * was not written.
 *
 * On the owning shard unless said otherwise. Source: Kafka's log format, reference version 4.4. */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include "base/text.h"
#include "base/uuid.h"
#include "config/topic.h"
#include "log/handle.h"
#include "shard/buffer.h"
#include "shard/shard.h"
#include "tbl/errors.h"
#include "wire/batch.h"

struct log;
struct log_dir;
struct producers;

#define LOG_FOLDER_NAME_SIZE 320

/* ---- opening and closing: workers, or before the shards run ---- */

struct log_options {
    int dir_fd;           /* the log directory; outlives the log */
    struct log_dir *dir;  /* the same: goes offline when the log cannot be kept; NULL: nobody's */
    const char *name;     /* "topic-0": the folder below it */
    struct uuid topic_id; /* zero: not known */
    struct topic_config config;
    int64_t recovery_point;   /* flushed up to; 0: not known */
    int64_t cleaned_to;       /* by compaction, as its checkpoint says; 0: not known */
    int64_t log_start_offset; /* of the checkpoint; 0: not known */
    bool offsets_by_name;     /* those two are not this topic's when its first segment is made */
    bool clean;               /* the node stopped cleanly before */
    int64_t wall_ms;
    int32_t producer_expiration_ms;
    int32_t producer_check_interval_ms; /* between two looks for those that expired */
};

/* What cannot be read and stays where it is: below the recovery point nothing is cut. */
struct log_damage {
    const char *what;
    int64_t segment; /* its base offset */
    int64_t position;
    int64_t offset; /* the first that may be lost */
};

/* What was found, for one log line. */
struct log_recovery {
    int64_t scanned_bytes;
    int64_t cut_bytes; /* torn tail removed */
    int32_t segments;
    int32_t rebuilt_indexes;
    bool set_aside;    /* the folder was another topic's: it is kept as "...-stray" */
    const char *fault; /* why the log cannot be served, or why the tail was cut; or NULL */
    int64_t fault_offset;
    int32_t damage_count;
    struct log_damage damage; /* the first */
};

/* Opens the folder, making it when it is absent; recovers what a crash left. ERR_NONE and the log,
 * or ERR_KAFKA_STORAGE_ERROR with *ret_recovery->fault. The log has no shard yet: log_attach. */
MUST_USE enum err log_open(const struct log_options *, struct log **ret_log,
                           struct log_recovery *ret_recovery) NOT_ON(on_shard);
/* When the newest segment of a folder was written to last, by the wall clock; 0: not known. */
int64_t log_folder_written_ms(int dir_fd, const char *name) NOT_ON(on_shard);
/* From then on the shard's; files is its table. */
void log_attach(struct log *, struct shard *, struct log_files *) ON(on_shard);
/* Calls back once nothing is under way: now, or when the flush that is has ended. No appends or
 * flushes may be submitted any more. */
void log_when_idle(struct log *, void (*on_idle)(void *), void *context) ON(on_shard);
/* Nothing may be under way, but ranges that were read may still be on their way to somebody. The
 * log has no shard from then on. */
void log_detach(struct log *) ON(on_shard);
/* Flushes, writes indexes and the producer snapshot, when clean; frees. 0 or -errno. */
int log_close(struct log *, bool clean) NOT_ON(on_shard);
/* As a clean close, but nothing is synced: it was one when the caller has then synced everything
 * (sys_dir_sync_all). After a crash before that the log is as one that was not closed. */
int log_close_unsynced(struct log *) NOT_ON(on_shard);
/* Renames the folder to "<topic>-<partition>.<random>-delete", durably, and frees. 0 or -errno. */
int log_delete(struct log *, struct uuid random, char ret_name[LOG_FOLDER_NAME_SIZE])
    NOT_ON(on_shard);
/* Removes a folder and the files in it, such as one whose deletion a crash interrupted. */
MUST_USE int log_remove_folder(int dir_fd, const char *name) NOT_ON(on_shard);

/* ---- facts ---- */

int64_t log_start_offset(const struct log *);
int64_t log_end_offset(const struct log *);
/* Whether a coordinator's record of that producer would be taken: ERR_NONE, or
 * ERR_INVALID_PRODUCER_EPOCH. */
enum err log_check_producer(const struct log *, int64_t producer_id, int16_t producer_epoch);
/* Flushed up to, known to survive a power loss. */
int64_t log_recovery_point(const struct log *);
/* First offset of a transaction that is open, or whose end is not committed; or the log's end. */
int64_t log_first_unstable_offset(const struct log *);
int64_t log_size(const struct log *);         /* bytes of all segments */
int64_t log_unflushed(const struct log *);    /* of them above the recovery point, at most */
int32_t log_latest_epoch(const struct log *); /* -1: none */
bool log_is_offline(const struct log *);
/* What it knows of its producers: log/producer.h. */
const struct producers *log_producers(const struct log *);
/* The high watermark rose: the transactions that ended below it are decided. */
void log_commit_markers(struct log *, int64_t high_watermark);
/* Takes effect with the next append. */
void log_configure(struct log *, const struct topic_config *);
void log_expire_producers_after(struct log *, int64_t expiration_ms);

/* ---- appending ---- */

struct log_append;
typedef void (*log_append_fn)(struct log_append *);

/* One batch on its way into the log; embedded in its owner, untouched by it until on_done. */
struct log_append {
    struct list link;
    /* in */
    uint8_t *bytes;             /* the whole batch, writable: offsets are stamped into it */
    struct batch_header header; /* as parsed, and validated by the caller */
    int64_t max_timestamp;      /* of its records */
    int32_t leader_epoch;
    bool keeps_offsets;  /* a follower's or the metadata log's: offsets stand in the batch */
    bool by_coordinator; /* its own: of the producer only the epoch is looked at */
    bool checks_token;   /* of a transaction: the token counts where none is under way */
    int16_t transaction_version; /* of a marker */
    uint64_t token;              /* log/guard.h */
    log_append_fn on_done;
    /* out */
    enum err err;
    int64_t base_offset; /* of the first append where it is a duplicate; -1 on error */
    int64_t last_offset;
    int64_t append_time_ms; /* of a duplicate: when it was appended; else -1 */
    bool duplicate;
};

/* Queues it. on_done follows in this turn or later, always in the order of submission. */
void log_append_submit(struct log *, struct log_append *) ON(on_shard);

/* ---- flushing ---- */

struct log_flush;
typedef void (*log_flush_fn)(struct log_flush *);

/* Wait until everything appended so far is on the medium; many share one fdatasync. */
struct log_flush {
    struct list link;
    log_flush_fn on_done;
    enum err err; /* ERR_NONE or ERR_KAFKA_STORAGE_ERROR */
    int64_t end;  /* offset that is covered */
};
void log_flush_submit(struct log *, struct log_flush *) ON(on_shard);

/* ---- letting go of the beginning ---- */

/* The log starts at the offset, which must be flushed; one below its start changes nothing. What is
 * in front of it is not read any more, but its files stay. */
void log_raise_start(struct log *, int64_t start_offset) ON(on_shard);
/* Segments wholly below the start, which is sure to last, are no longer part of the log, but for
 * the active one: their files go (log/discard.h), the oldest first. At most count_max; their number
 * is returned. */
int log_trim(struct log *, int count_max) ON(on_shard);

/* ---- reading ---- */

/* A run of whole batches in one segment file, the last of which may be cut by size_max. */
struct log_range {
    struct log_handle *handle; /* one reference, the caller's; NULL: nothing to send */
    int64_t position;
    int64_t size;
    int64_t first_batch_size;
    bool recent; /* appended a moment ago: surely in memory */
};

/* Told once, when a worker's look at a segment has ended; then it asks again. */
struct log_check_waiter {
    struct list link;
    void (*on_ready)(struct log_check_waiter *, int error); /* 0 or -errno */
    int64_t from; /* positions that were looked at, where it was a piece */
    int64_t reached;
};

struct log_read;
typedef void (*log_read_fn)(struct log_read *);

/* From an offset on; embedded in its owner. */
struct log_read {
    struct shard_job job;
    struct log *log;
    /* in */
    int64_t offset;
    int64_t bound; /* first offset that must not be read */
    int64_t size_max;
    bool at_least_one; /* the first batch whole, however large */
    log_read_fn on_done;
    /* out */
    enum err err; /* ERR_NONE, ERR_OFFSET_OUT_OF_RANGE, ERR_KAFKA_STORAGE_ERROR; or
                     ERR_CORRUPT_MESSAGE: what holds the offset is no good batch */
    struct log_range range;
    bool starved; /* nothing was read, for descriptors are short: there may be more later */
    /* the log's own */
    struct log_check_waiter waiter;
    int attempts;
    int64_t reached; /* where the segment begins that was come to: those in front have nothing */
    int misled;
};

/* on_done follows, in the same call where no disk need be waited for. */
void log_read_submit(struct log *, struct log_read *) ON(on_shard);

/* ---- offsets ---- */

enum log_find_kind {
    LOG_FIND_TIMESTAMP,     /* first record whose timestamp is at least `timestamp` */
    LOG_FIND_MAX_TIMESTAMP, /* the record with the largest timestamp */
};

struct log_find;
typedef void (*log_find_fn)(struct log_find *);

struct log_find {
    struct shard_job job;
    struct log *log;
    enum log_find_kind kind;
    int64_t timestamp;    /* out, too, for the largest */
    int64_t start_offset; /* of the log when submitted */
    log_find_fn on_done;
    enum err err;
    int64_t found_offset; /* -1: there is none */
    int64_t found_timestamp;
    int32_t found_epoch;
    struct log_find_file *file; /* the worker's share */
};

/* Runs on a worker, since records are decompressed on the way. */
void log_find_submit(struct log *, struct log_find *) ON(on_shard);

/* The largest epoch not above `epoch` and the offset at which it ends (KIP-101). epoch -1 and
 * offset -1 when there is none. */
struct log_epoch_end {
    int32_t epoch;
    int64_t end_offset;
};
struct log_epoch_end log_epoch_end(const struct log *, int32_t epoch);
/* The epoch that the offset belongs to; -1: not known. */
int32_t log_epoch_of(const struct log *, int64_t offset);

/* An aborted transaction that overlaps what is read (read_committed). */
struct log_aborted {
    int64_t producer_id;
    int64_t first_offset;
};
/* An offset behind all that a range holds, which a read from `offset` gave: as near as the index
 * tells, as in Kafka; at most the segment's end. */
int64_t log_range_bound(const struct log *, const struct log_range *, int64_t offset);
/* Those of [from, to); at most aborted_max are stored, the count is returned. */
int log_aborted_list(const struct log *, int64_t from, int64_t to, struct log_aborted *ret_aborted,
                     int aborted_max);

#endif
