/* One request, many partitions, several shards: the one place that spreads a request's parts over
 * the shards that own them and calls back when all are done. Parts on the request's own shard run
 * at once without any message; the others travel in one message a shard, are run there, and come
 * back in one message when the last of them is done. While a part is away its memory belongs to the
 * shard that runs it. */
#ifndef API_GATHER_H
#define API_GATHER_H

#include "api/shard.h"
#include "base/arena.h"
#include "replica/set.h"

struct api_gather;
struct api_leg;
struct api_part;

/* Runs on the part's shard; ends in api_part_done, now or in a later turn. */
typedef void (*api_part_fn)(struct api_shard *there, struct api_part *);
/* Runs on the request's shard when every part is done. */
typedef void (*api_gather_fn)(struct api_shard *here, struct api_gather *);

/* Embedded first in what a handler keeps about one partition. */
struct api_part {
    struct list link;
    struct api_leg *leg; /* its shard's share of the request */
};

/* Embedded in the handler's state of one request. */
struct api_gather {
    struct api_shard *home;
    api_part_fn run;
    api_gather_fn on_done;
    int64_t image_end;     /* of the image by which the parts were found */
    struct api_leg **legs; /* one per data shard, NULL where there is no part */
    int leg_count;
    int legs_open;
};

/* false: the arena is exhausted. */
bool api_gather_init(struct api_gather *, struct api_shard *home, struct arena *, api_part_fn run,
                     api_gather_fn on_done);
/* Before api_gather_run: this part runs on the shard of that index. false: arena exhausted. */
bool api_gather_add(struct api_gather *, struct arena *, int shard_index, struct api_part *);
/* Runs all; on_done is called once, also when there is no part, possibly before this returns. The
 * gather may be run again after on_done with the same parts. */
void api_gather_run(struct api_gather *);
/* On the part's shard: where its partition is to be found. */
struct replica_place api_part_place(const struct api_part *, struct uuid topic_id,
                                    int32_t partition);
/* On the part's shard: its result stands. */
void api_part_done(struct api_shard *there, struct api_part *);

#endif
