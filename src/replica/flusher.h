/* Keeps what is unflushed in each directory below a bound (ottla.flush.unflushed.bytes), so that a
 * start after a crash has little to read: above it the logs with the most are synced by workers,
 * one a directory at a time, until half of it is left. Acknowledgement does not wait for that. On
 * the set's shard. */
#ifndef REPLICA_FLUSHER_H
#define REPLICA_FLUSHER_H

#include "base/list.h"
#include "base/role.h"

#include <stdbool.h>
#include <stdint.h>

struct replica;
struct replica_set;

#define FLUSHER_DIRS_MAX 64

struct replica_flusher {
    struct list unflushed; /* replicas to which something was appended since they were flushed */
    struct {
        int64_t bytes;        /* at most so many are unflushed */
        struct replica *runs; /* whose log is being flushed, or NULL */
    } dirs[FLUSHER_DIRS_MAX];
    /* The bound holds again, or a log is gone: a time to note recovery points. */
    void (*on_flushed)(struct replica_set *);
};

void replica_flusher_init(struct replica_flusher *);
/* Bytes were appended. */
void replica_flusher_note(struct replica *, int64_t bytes) ON(on_shard);
/* The replica closes; no flush of its runs. */
void replica_flusher_forget(struct replica *);

#endif
