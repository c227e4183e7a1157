/* One move between directories, as move.c carries it out and moves.c keeps it. */
#ifndef REPLICA_MOVE_INT_H
#define REPLICA_MOVE_INT_H

#include "log/copy.h"
#include "replica/replica_int.h"

enum move_state {
    MOVE_QUEUED,
    MOVE_COPYING,    /* a step is under way */
    MOVE_LETTING_GO, /* waits for what the replica is at */
    MOVE_FINISHING,  /* the rest is copied, or the controller told, or names changed */
};

struct replica_move {
    struct list link; /* the set's moves, the first of which is copied */
    struct replica *replica;
    enum move_state state;
    int from;
    int to;
    bool cancelled;
    struct log_copy *copy;
    char folder[LOG_FOLDER_NAME_SIZE]; /* of the copy */
    char doomed[LOG_FOLDER_NAME_SIZE]; /* of the old files, in the end */
    struct shard_job job;
    /* of the log that was let go of */
    struct log *log;
    int64_t size;
    int64_t start_offset;
    int64_t end_offset;
    bool closed_clean;
    bool committed;
    struct log_copy_result result;
};

/* A new one, in no queue. NULL: memory is out. */
struct replica_move *replica_move_new(struct replica *, int to);
/* Carries it on from MOVE_QUEUED: it is the first of its set. */
void replica_move_go_on(struct replica_move *) ON(on_shard);
/* Ends one that is MOVE_QUEUED, or at its goal. */
void replica_move_end(struct replica_move *) ON(on_shard);

/* removal.c: removes a folder that nobody needs, in the background. */
void replica_remove_later(const struct replica_set *, int dir, const char *name) ON(on_shard);

#endif
