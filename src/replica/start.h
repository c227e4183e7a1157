/* Raising where a partition's log starts: flushed first, since nothing may start behind what is
 * sure; then at once for all who read; then, where that is asked for, stored in the directory's
 * checkpoint, so that a crash does not bring back what was said to be gone. On the partition's
 * shard. */
#ifndef REPLICA_START_H
#define REPLICA_START_H

#include "log/log.h"
#include "shard/shard.h"

struct replica;
struct replica_set;

/* A wish that the directories' checkpoints be stored, durably, as the logs are when it is served
 * (or later). Belongs to whoever serves it until on_done, which runs on the shard of the wish. */
struct replica_persist {
    struct list link;
    struct shard_message message;
    bool everything; /* not the starts of logs alone */
    int error;       /* 0 or -errno */
    void (*on_done)(struct replica_persist *);
};
/* on_done follows, now or later. */
void replica_persist(struct replica_set *, struct replica_persist *) ON(on_shard);

/* Embedded in its owner until on_done. */
struct replica_raise {
    /* in */
    struct replica *replica;
    int64_t offset; /* at most the high watermark */
    bool lasts;     /* it is stored before on_done */
    void (*on_done)(struct replica_raise *);
    /* out */
    enum err err; /* ERR_NONE, ERR_KAFKA_STORAGE_ERROR */
    /* its own */
    struct log_flush flush;
    struct replica_persist persist;
};
/* The replica has a log that is not offline. on_done follows, now or later. */
void replica_raise_start(struct replica_raise *) ON(on_shard);

#endif
