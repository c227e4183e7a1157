/* One partition of this node as its leader: the log, the high watermark, and who waits for it. What
 * is asked while the log is still being opened (after a crash that takes a moment) waits too, so
 * that clients see a delay instead of errors. On the partition's shard only. */
#ifndef REPLICA_REPLICA_H
#define REPLICA_REPLICA_H

#include "base/hash.h"
#include "log/log.h"
#include "meta/image.h"

struct replica_set;

/* Where a partition's folder is or goes. Directories by their index; -1: none. */
struct replica_home {
    struct uuid recorded_id; /* the controller's word */
    bool is_assigned;        /* that it says something */
    int recorded;            /* that directory, where it is online */
    int fallback;            /* for a new partition that is not assigned */
    bool is_old;             /* it existed before this start */
    /* out */
    int dir;
    bool promoted; /* a finished move was carried to its end */
    char fault[160];
};

enum replica_state {
    REPLICA_OPENING, /* a worker opens or recovers the log */
    REPLICA_LEADER,
    REPLICA_IDLE,    /* open, but somebody else leads, or nobody */
    REPLICA_OFFLINE, /* the log cannot be used */
    REPLICA_CLOSING, /* a worker closes or deletes the log */
};

#define REPLICA_CLEANED_UNKNOWN (-2) /* cleaned_to until the log is open */

struct replica {
    struct hash_node node; /* the set's table, by topic id and partition */
    struct replica_set *set;
    struct uuid topic_id;
    int32_t partition;
    enum replica_state state;
    bool is_first;             /* it was opened as a new one, not after a move */
    bool doomed;               /* its topic is gone: deleted once nothing is under way */
    struct list doomed_link;   /* the set's; itself when it is not doomed */
    struct list scrub_link;    /* the set's scrubber's; itself when it does not wait for it */
    struct replica *successor; /* of the same name: opened once this one's folder is gone */
    struct log *log;           /* NULL: it is not open, or a worker closes it */
    struct log *closing;       /* that worker's */
    int dir_index;             /* -1: not known yet */
    int64_t cleaned_to;        /* by compaction; -1: never */
    bool is_cleaned;           /* now */
    bool is_uncleanable;       /* it holds what compaction does not take */
    char *name;                /* "topic-0" */
    struct topic_config config;
    int32_t producer_expiration_ms;
    int32_t leader_epoch;
    int32_t isr_count;
    int32_t replica_count;
    int64_t high_watermark;
    int64_t unflushed_records;
    int64_t lasting_start; /* of the log: what of it is stored, or told by its files */
    int operations;        /* appends, reads and searches under way */

    struct list retention_link; /* replica/retention.c; itself when it is in no list */
    int64_t retained_from;      /* while in its list of raised ones: the start that is stored */
    bool retained_again;        /* then: its active segment is due too */

    struct replica_move *move; /* to another directory; or NULL */
    int next_dir;              /* where to when that one has ended; -1 */
    struct list assign_link;   /* the set's assignments; itself where there is none */
    struct uuid assign_id;     /* the directory that the controller is to know of */
    void (*on_assigned)(struct replica *, enum err); /* or NULL */

    struct list waiting_open;       /* replica_waiter */
    struct list waiting_data;       /* replica_waiter */
    struct list waiting_commit;     /* replica_append, by offset */
    struct shard_timer flush_timer; /* flush.ms */
    struct log_flush timed_flush;
    bool timed_flush_runs;
    struct shard_job job;
    struct replica_folder *folder; /* a deleted topic's, as it is renamed: replica/folder.c */
    int close_error;
    struct replica_opening *opening;
    struct list unflushed_link; /* the set's flusher's */
    struct log_flush flusher_flush;
    struct list opening_link; /* the set's, while it waits for its turn */
    bool is_wanted;           /* somebody waits for it to open */
};

/* Somebody who waits for a replica to open, or for more records; one word, once. */
struct replica_waiter {
    struct list link; /* itself when it does not wait */
    void (*on_ready)(struct replica_waiter *);
};
static inline void replica_waiter_init(struct replica_waiter *waiter,
                                       void (*on_ready)(struct replica_waiter *))
{
    list_init(&waiter->link);
    waiter->on_ready = on_ready;
}
static inline void replica_waiter_cancel(struct replica_waiter *waiter)
{
    list_remove(&waiter->link);
}

/* Whether records can be appended and read now: ERR_NONE, or ERR_NOT_LEADER_OR_FOLLOWER,
 * ERR_KAFKA_STORAGE_ERROR. While it opens, ERR_NONE would be a lie: see replica_set_reach. */
enum err replica_check(const struct replica *);
/* Of its log; -1 when it has none. */
int64_t replica_log_start(const struct replica *);
/* Told at the next rise of the high watermark, or when the replica ends. */
void replica_wait_data(struct replica *, struct replica_waiter *) ON(on_shard);

struct replica_append;
typedef void (*replica_append_fn)(struct replica_append *);

/* One batch for one partition; embedded in its owner until on_done. */
struct replica_append {
    struct list link; /* waiting_commit */
    struct log_append log;
    struct log_flush flush;
    struct replica *replica;
    int16_t acks; /* 0, 1, -1 */
    int32_t record_count;
    replica_append_fn on_done;
    enum err err;
    int64_t log_start_offset;
};

/* log's in-members, acks, record_count and on_done are set by the caller. on_done follows: for acks
 * 0 and 1 when the batch is written, for -1 when the high watermark passed it. */
void replica_append(struct replica *, struct replica_append *) ON(on_shard);

/* Upper bound of what a consumer may read: the high watermark, or for read_committed the last
 * stable offset. */
int64_t replica_read_bound(const struct replica *, bool read_committed);
int64_t replica_last_stable_offset(const struct replica *);

/* Where a leader epoch ended (KIP-101), as Kafka tells it: the epoch that leads counts before its
 * first record, and one older than all that is left ended where that begins. {-1, -1}: none. */
struct log_epoch_end replica_epoch_end(const struct replica *, int32_t epoch);
/* The epoch that the log's first offset belongs to; the one that leads, where no record is left.
 * -1: not known. */
int32_t replica_start_epoch(const struct replica *);

/* Brackets around reads and searches: a replica with some under way is not closed. */
void replica_begin(struct replica *);
void replica_end(struct replica *) ON(on_shard);

#endif
