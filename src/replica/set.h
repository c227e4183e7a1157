/* The replicas of one shard: follows the image of the cluster, opening, leading and deleting what
 * it says. On its shard only. */
#ifndef REPLICA_SET_H
#define REPLICA_SET_H

#include "config/node.h"
#include "log/dir.h"
#include "peer/peer.h"
#include "replica/flusher.h"
#include "replica/opening.h"
#include "replica/replica.h"
#include "replica/scrubber.h"
#include "replica/retention.h"
#include "shard/stats.h"
#include "sys/journal.h"

/* The offsets that a directory's checkpoint files hold. */
struct replica_points {
    struct checkpoint recovery_points;
    struct checkpoint log_starts;
    struct checkpoint high_watermarks;
    bool left_unopened; /* at the stop: a log in it could not be opened */
    bool unsynced;      /* its file system is still to be synced: sys_dir_sync_all */
    bool close_failed;  /* what is in it is not what a clean stop leaves */
};

/* A folder that a move between directories left: "topic-0.<random>-future". */
struct replica_future {
    char name[LOG_FOLDER_NAME_SIZE];   /* "topic-0" */
    char folder[LOG_FOLDER_NAME_SIZE]; /* with the rest */
    int dir;
};

/* Those of all directories. */
struct replica_futures {
    struct replica_future *at;
    int count;
};
/* Adds a folder of that name; before the shards run. 0 or -ENOMEM. */
MUST_USE int replica_futures_add(struct replica_futures *, int dir, const char *folder);
void replica_futures_free(struct replica_futures *);

/* Where a partition is to go that does not exist yet. */
struct replica_wish {
    char name[LOG_FOLDER_NAME_SIZE];
    int to;
};

/* Tells the controller of directories: assign.c. */
struct replica_assigner {
    struct replica_set *set;
    struct peer_call call;
    struct list waiting; /* replicas */
    struct list sent;
    struct shard_timer retry;
    int64_t retry_ms;
    bool away;
};

/* Partitions by directory in one image, and those placed since. */
struct replica_counts {
    int64_t image_end;
    int64_t partitions[NODE_LOG_DIRS_MAX + 1];
};

/* What one shard knows of a directory's disk. */
struct replica_room {
    int64_t allowance; /* bytes until the next look */
    bool full;         /* only the reserve is left */
    bool half_full;    /* half of it */
};

struct cleaners;

struct replica_set {
    struct shard *shard;
    const struct node_config *config;
    struct log_dir *dirs; /* of the node; their checkpoints stay as the start found them */
    int dir_count;
    const struct replica_futures *futures; /* as the start found them; NULL: none */
    int64_t broker_epoch;                  /* by the image */
    bool tells_dirs;                       /* the cluster's level knows of directories */
    struct replica_assigner assigner;
    struct replica_counts counts;
    struct list moves; /* replica_move: the first is copied */
    struct replica_wish *wishes;
    int wish_count;
    bool moves_wait; /* a replica is to be moved on, once the one under way has ended */
    struct shard_chore move_chore;
    struct replica_room rooms[NODE_LOG_DIRS_MAX + 1];
    struct shard_timer room_timer;
    struct stats *stats;
    struct log_files files;
    struct hash_table table;
    struct list doomed;        /* replicas whose topic is gone and whose folder is not yet */
    struct cleaners *cleaners; /* NULL: none */
    struct journal_gate clean_gate;
    struct list waiting_image; /* waiters for an image that other shards have already */
    int64_t image_end;         /* of the last one followed; -1: none */
    struct replica_openings openings;
    struct replica_flusher flusher;
    int opening_count;
    int closing_count;
    bool stopping;
    bool leaves_sync; /* a stop that syncs everything at its end; not changed while it goes on */
    struct replica_points *points; /* one a directory: filled as replicas are closed; or NULL */
    struct replica_scrubber scrubber;
    uint64_t changes; /* high watermarks, recovery points: rises with each */
    void (*on_settled)(struct replica_set *); /* the last opening or closing under way has ended */
    /* The server's, for replica_persist; NULL: nothing is stored, and said to be at once. */
    void (*persist)(struct replica_set *, struct replica_persist *);
    struct replica_retention retention;
    struct list folders;         /* of deleted topics, that wait for their time: replica_folder */
    int64_t folder_delay_ms;     /* file.delete.delay.ms of topics without one of their own */
    struct checkpoint forgotten; /* names whose entries in the dirs' checkpoints are of the past */
};

/* Which data shard owns a partition. By name, so that a topic that is deleted and made again meets
 * what is left of the one before on its own shard. */
int replica_shard_of(struct slice topic, int32_t partition, int shard_count);

void replica_set_init(struct replica_set *);
/* Every replica is closed. */
void replica_set_fini(struct replica_set *);
/* before: the image until now, or NULL. */
void replica_set_follow(struct replica_set *, const struct meta_image *before,
                        const struct meta_image *now) ON(on_shard);
/* NULL when this shard has no such replica. */
struct replica *replica_set_find(const struct replica_set *, struct uuid topic_id,
                                 int32_t partition);
/* A partition as it stands in an image that ends at image_end. */
struct replica_place {
    struct uuid topic_id;
    int32_t partition;
    int64_t image_end;
};
/* The replica, or NULL when this shard has none. false: the waiter will be told, to ask again: its
 * log is being opened, or this shard has not come to that image yet, which the shard that asks had
 * a moment earlier. */
MUST_USE bool replica_set_reach(struct replica_set *, const struct replica_place *,
                                struct replica_waiter *, struct replica **ret_replica) ON(on_shard);
/* A partition's files in one directory. */
struct replica_place_row {
    int dir;
    struct slice topic; /* the replica's */
    int32_t partition;
    bool is_future; /* it is being moved there */
    int64_t size;
    int64_t offset_lag;
};
/* Calls for what is open on this shard, in no order. */
void replica_set_places(const struct replica_set *,
                        void (*on_row)(void *, const struct replica_place_row *), void *context)
    ON(on_shard);
/* The directory failed: what is in it is offline. */
void replica_set_dir_failed(struct replica_set *, int dir_index) ON(on_shard);
/* Closes all, cleanly, noting their offsets in points; on_settled follows. */
void replica_set_stop(struct replica_set *) ON(on_shard);

/* Adds every partition of one directory to the checkpoints: an open one as it is, another as the
 * start found it. false: memory is out. */
MUST_USE bool replica_set_points(const struct replica_set *, int dir_index,
                                 struct replica_points *);

#endif
