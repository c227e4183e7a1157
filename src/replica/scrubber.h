/* The background look at all bytes of a shard's partitions: after the start what was not checked
 * yet, then everything again from time to time, at a bounded rate and one piece at a time. On the
 * set's shard. */
#ifndef REPLICA_SCRUBBER_H
#define REPLICA_SCRUBBER_H

#include "log/scrub.h"

struct replica;
struct replica_set;

struct replica_scrubber {
    struct shard_timer timer; /* the next step, or the next pass */
    struct list queue;        /* replicas that this pass has not come to */
    struct replica *current;  /* or NULL */
    struct log_scrub scrub;
    int64_t pass_ms; /* monotonic: when this pass began */
    bool again;      /* not the first pass */
    bool is_started;
    bool is_away; /* a step is under way */
};

void replica_scrubber_init(struct replica_scrubber *);
/* Once is enough. */
void replica_scrubber_start(struct replica_set *) ON(on_shard);
void replica_scrubber_stop(struct replica_set *) ON(on_shard);
/* The replica goes; nothing of it is under way. */
void replica_scrubber_forget(struct replica_scrubber *, struct replica *);

#endif
