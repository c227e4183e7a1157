/* The controller's inside: what load.c, meta.c, commit.c and the decisions share. */
#ifndef META_META_INT_H
#define META_META_INT_H

#include "log/log.h"
#include "meta/control.h"
#include "meta/meta.h"
#include "meta/record_version.h"
#include "meta/records.h"
#include "raft/raft.h"

/* The metadata partition's fixed topic id. */
#define META_TOPIC_ID \
    { \
        { \
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 \
        } \
    }

struct meta_publication;

struct meta {
    struct peer_service service; /* first: the controller shard's context */
    struct meta_options options;
    const struct node_config *config;
    struct shard *shard;
    struct log_dir *dir; /* that holds the metadata log */
    struct log_files files;
    struct log *log;
    struct raft raft;
    struct meta_quorum quorum;
    struct batch_builder builder;
    struct uuid incarnation;      /* of this start's controller */
    bool log_has_voters;          /* not only the first snapshot */
    bool transaction_open;        /* a transaction without an end was read: it is aborted */
    struct meta_image *bootstrap; /* what formatting left, for the first transaction; or NULL */

    struct meta_image *latest;    /* with what is appended */
    struct meta_image *committed; /* published */
    int64_t next_offset;          /* of the next batch */
    struct list appended;         /* meta_op, not committed, in order */
    struct list decided;          /* meta_op, committed, whose image is not yet sent to all */
    struct log_flush flush;
    bool attached; /* the log is the shard's */
    bool flushing;
    bool flush_again;
    bool failed;

    struct meta_publication *publications; /* one a data shard */
    int publication_count;

    int64_t placed_at;                 /* next_offset for which `placed` holds; -1: none */
    int64_t placed[NODE_LOG_DIRS_MAX]; /* partitions in the directories of this broker */

    int64_t bytes_since_snapshot;
    int64_t snapshot_ms; /* monotonic: when the last one was made, or this start */
    int64_t stable_from; /* a snapshot below it would lie inside of a transaction */
    struct meta_snapshot_job *snapshot_job;

    bool stopping;
    bool resigned;
    struct shard_message begin_message;
    struct shard_message stop_message;
    struct shard_job stop_job;
    void (*on_stopped)(void *);
    void *on_stopped_context;
};

/* One batch on its way to being committed, and the call that asked for it. */
struct meta_op {
    struct list link;
    struct meta *meta;
    struct log_append append;
    struct meta_image *after;
    int64_t end_offset;
    struct peer_call *call; /* NULL: nobody waits */
    void *response;
    uint8_t bytes[];
};

/* Appends the records (none: the call is answered at once). Consumes nothing of the caller's. */
void meta_commit(struct meta *, const struct meta_records *, struct peer_call *, void *response)
    ON(on_shard);
/* Appends a batch as it is, with the image unchanged. */
void meta_commit_batch(struct meta *, struct slice batch) ON(on_shard);
void meta_fail(struct meta *, const char *why);
/* The offset that the next record will have. */
static inline int64_t meta_next_offset(const struct meta *meta)
{
    return meta->next_offset;
}

/* commit.c: one publication a data shard. false: memory is out. */
MUST_USE bool meta_publications_make(struct meta *);
/* After the shards ended. */
void meta_publications_free(struct meta *);

/* meta.c: lets go of the log when that was asked for and nothing is under way. */
void meta_stop_if_idle(struct meta *) ON(on_shard);

/* load.c: before the shards run. */
MUST_USE bool meta_load(struct meta *, struct text *error) NOT_ON(on_shard);
MUST_USE int meta_store_quorum_state(struct meta *) NOT_ON(on_shard);

/* snapshot.c */
void meta_snapshot_consider(struct meta *) ON(on_shard);

/* elect.c: who leads. Records that are added take effect together. */
struct partition_change_record;
const struct uuid *meta_uuid_find(const struct uuid *ids, int32_t count, struct uuid wanted);
struct partition_change_record *meta_change_of(struct meta_records *, const struct meta_topic *,
                                               const struct meta_partition *);
void meta_change_leave(const struct meta_image *, struct meta_records *,
                       struct partition_change_record *, int32_t broker);
void meta_change_return(struct meta_records *, struct partition_change_record *,
                        const struct meta_partition *, int32_t broker);
/* Nobody leads any more what the broker leads: all of it, or what is in one directory of it. */
void meta_leave_all(const struct meta_image *, struct meta_records *, int32_t broker,
                    const struct uuid *directory);
/* It leads again what nobody does and what is in a directory that is online. */
void meta_return_all(const struct meta_image *, struct meta_records *, int32_t broker);

/* directories.c: where this node's next partition goes: of its directories that are online and not
 * cordoned the one with the fewest partitions. Counts what it gave out for the next record. */
struct uuid meta_pick_directory(struct meta *);

/* Decisions: on the controller's shard; each ends in meta_commit or peer_answer. */
void meta_create_topics(struct meta *, struct peer_call *) ON(on_shard);
void meta_delete_topics(struct meta *, struct peer_call *) ON(on_shard);
void meta_create_partitions(struct meta *, struct peer_call *) ON(on_shard);
void meta_alter_configs(struct meta *, struct peer_call *) ON(on_shard);
void meta_incremental_alter_configs(struct meta *, struct peer_call *) ON(on_shard);
void meta_allocate_producer_ids(struct meta *, struct peer_call *) ON(on_shard);
void meta_register_broker(struct meta *, struct peer_call *) ON(on_shard);
void meta_heartbeat_broker(struct meta *, struct peer_call *) ON(on_shard);
void meta_assign_directories(struct meta *, struct peer_call *) ON(on_shard);

#endif
