/* Deleting what has outlived its time. Every log.retention.check.interval.ms all partitions of the
 * shard are looked at, some in each turn; where segments are due, the log's start is raised behind
 * them, the new starts of many logs are stored together, and then the files go (log/discard.h). On
 * its shard. */
#ifndef REPLICA_RETENTION_H
#define REPLICA_RETENTION_H

#include "replica/clock_guard.h"
#include "replica/start.h"

struct replica_retention {
    struct shard_timer timer;
    struct shard_chore chore; /* goes on with the look */
    struct clock_guard guard;
    int64_t wall_ms;       /* of this look */
    struct list left;      /* replicas that it has not come to */
    struct list raised;    /* those whose segments go once their starts are stored */
    struct list postponed; /* those whose active segment alone is due */
    int raised_count;
    bool may_roll;              /* in this look something could be stored: the disk is not full */
    struct replica_raise raise; /* the one under way */
    struct replica_persist persist;
    bool began;
    bool busy; /* raise or persist is under way */
    bool stopped;
};

void replica_retention_init(struct replica_set *);
/* The first look comes after log.initial.task.delay.ms. Called again it does nothing. */
void replica_retention_begin(struct replica_set *) ON(on_shard);
/* How late it is for what is deleted by time, here and elsewhere: the wall clock where it is
 * believed (clock_guard.h). */
int64_t replica_retention_wall_ms(struct replica_set *) ON(on_shard);
/* No further look begins; what is under way ends by itself. */
void replica_retention_stop(struct replica_set *) ON(on_shard);

#endif
