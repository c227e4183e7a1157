/* Which logs of a shard are opened next. Only a few at a time are given to the workers, so that the
 * syncs of those that serve already do not stand behind a thousand recoveries. Those that somebody
 * waits for come first, then, after a crash, those that were written to last. Progress of the start
 * is told in the node's log. On the set's shard. */
#ifndef REPLICA_OPENING_H
#define REPLICA_OPENING_H

#include "base/list.h"
#include "log/log.h"
#include "shard/shard.h"

struct replica;
struct replica_set;
struct replica_survey;

struct replica_openings {
    struct list pending; /* replicas, the next first */
    int running;
    struct replica_survey *survey; /* asks when the pending were written to, or NULL */
    /* the start's own, for the log lines */
    bool starting; /* until all that the first image names was opened once */
    bool after_crash;
    int64_t begun_ns;
    int total;
    int done;
    int offline;
    int damaged;
    int64_t scanned_bytes;
    int64_t cut_bytes;
    struct shard_timer timer;
};

void replica_openings_init(struct replica_openings *);
/* Its turn will come; the replica's job and options are set. */
void replica_openings_add(struct replica *) ON(on_shard);
/* Somebody waits for it. */
void replica_openings_want(struct replica *);
/* The image was followed: begins with what was added. */
void replica_openings_begin(struct replica_set *) ON(on_shard);
/* One of them has ended. */
void replica_openings_done(struct replica_set *, enum err, const struct log_recovery *)
    ON(on_shard);

#endif
