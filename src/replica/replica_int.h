/* What replica.c and set.c share. */
#ifndef REPLICA_REPLICA_INT_H
#define REPLICA_REPLICA_INT_H

#include "replica/set.h"

/* What an opening's job carries to the worker and back. */
struct replica_opening {
    struct replica *replica;
    struct log_options options;
    struct replica_home home;
    struct log *log;
    struct log_recovery recovery;
    enum err err;
    int32_t leader_epoch;
    bool leads;
    bool is_forgotten; /* what the start found under that name is of the past */
    bool fresh;        /* there was no folder, or another topic's */
    struct replica_persist persist;
    int64_t started_ns;
};

/* An opening with what the shard knows; NULL: memory is out. */
struct replica_opening *replica_opening_new(struct replica *);
/* The opening under way has ended: with a log, or without one. */
void replica_opened(struct replica *) ON(on_shard);

/* move.c */
void replica_moves_init(struct replica_set *);
void replica_moves_fini(struct replica_set *);
void replica_moves_stop(struct replica_set *) ON(on_shard);
/* It is open for the first time: a move that was remembered or cut short begins. */
void replica_move_first(struct replica *) ON(on_shard);
/* A move that waited for another begins. */
void replica_move_resume(struct replica *) ON(on_shard);
/* Nothing may be under way any more: it is let go of where that was waited for. */
void replica_move_consider(struct replica *) ON(on_shard);

/* home.c: what is known of where the partition is, before its job; on its shard. */
void replica_home_init(struct replica_set *, const struct meta_image *,
                       const struct meta_partition *, struct replica_home *);
/* Decides by what is on the disks, setting aside what stands in the way. NULL, or why there is no
 * home to be used. */
const char *replica_home_find(struct replica_set *, const char *name, struct replica_home *)
    NOT_ON(on_shard);

/* room.c: whether the disk has room for so many bytes more of the partition. */
MUST_USE bool replica_room_take(struct replica *, int64_t size) ON(on_shard);
void replica_room_init(struct replica_set *);
void replica_room_stop(struct replica_set *) ON(on_shard);

/* assign.c: tells the controller which directory the replica is in, until it takes that or the set
 * stops; on_done (or NULL) follows. false: something else is being told of it. */
MUST_USE bool replica_assign(struct replica *, struct uuid directory_id,
                             void (*on_done)(struct replica *, enum err)) ON(on_shard);
void replica_assigner_init(struct replica_set *);
/* Tells what there is to tell, now. */
void replica_assigner_go(struct replica_set *) ON(on_shard);
void replica_assigner_stop(struct replica_set *) ON(on_shard);

/* true: the waiter is told when the replica is open or never will be. false: it need not wait. */
MUST_USE bool replica_wait_open(struct replica *, struct replica_waiter *) ON(on_shard);
/* Tells all of a list, which is empty then unless one of them waits again. */
void replica_wake(struct list *waiting);
/* Tells everybody who waits that the state changed. */
void replica_wake_all(struct replica *) ON(on_shard);
/* The same, where those who wait for the high watermark are to hear this error. */
void replica_refuse_all(struct replica *, enum err) ON(on_shard);
/* The log is open: leads at the epoch. */
void replica_lead(struct replica *, int32_t leader_epoch) ON(on_shard);
/* The log, which is open, follows the replica's settings. */
void replica_configure(struct replica *) ON(on_shard);
void replica_init_waiting(struct replica *);
/* What was appended so far is flushed, if no such flush is under way. */
void replica_flush(struct replica *) ON(on_shard);
/* The log has nothing under way: a worker closes or deletes it. */
void replica_log_idle(void *context);
/* Nothing is left of it: frees it; one of the same name is opened. */
void replica_closed(struct replica *) ON(on_shard);
/* One of closing_count is done. */
void replica_set_closed_one(struct replica_set *) ON(on_shard);
/* Closes a doomed or stopping replica when nothing is under way. */
void replica_close_if_idle(struct replica *) ON(on_shard);

#endif
