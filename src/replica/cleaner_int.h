/* What cleaner.c and cleaner_point.c share. */
#ifndef REPLICA_CLEANER_INT_H
#define REPLICA_CLEANER_INT_H

#include "log/compact_map.h"
#include "replica/cleaner.h"
#include "replica/start.h"

/* A rate is looked at over this time, as Kafka's throttler does. */
#define CLEANER_PACE_INTERVAL_MS 300

/* The dirtiest log that was met so far in a round. */
struct cleaner_choice {
    double ratio; /* -1: none */
    int shard;
    struct uuid topic_id;
    int32_t partition;
};

enum cleaner_outcome { CLEANER_CLEANED, CLEANER_FAILED };

struct cleaner {
    struct cleaners *all;
    struct shard_message message; /* itself on its way */
    struct shard_timer timer;     /* home's: it rests */
    int asked;                    /* shards of this round */
    struct cleaner_choice choice;
    /* where it cleans */
    struct shard *there;
    struct replica *replica; /* that is cleaned */
    struct replica_persist persist;
    int64_t stored_point; /* its recovery point, which is being stored in dir_index */
    int64_t paced_from_ms;
    int64_t paced_bytes;
    /* what it brings home */
    enum cleaner_outcome outcome;
    int64_t cleaned_to;
    int dir_index;
    char name[288];
    struct shard_job job; /* writing the checkpoint */
    struct checkpoint points;
    int error;
};

struct cleaners {
    const struct node_config *config;
    struct replica_set *sets;
    int set_count;
    struct shard *home; /* NULL before the start */
    bool stopped;
    struct checkpoint *points; /* one a directory: how far each log was cleaned; home's */
    int dir_count;
    int count;
    struct cleaner cleaners[];
};

/* Home: asks all shards again. */
void cleaner_begin_round(struct cleaner *) ON(on_shard);
/* cleaner_point.c; home: notes what the cleaner brought, durably; then the next round begins. */
void cleaner_note(struct cleaner *) ON(on_shard);
/* false: memory is out. */
MUST_USE bool cleaner_points_init(struct cleaners *);
void cleaner_points_fini(struct cleaners *);

#endif
