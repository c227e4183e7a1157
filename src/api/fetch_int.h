/* What fetch.c and fetch_park.c share of one fetch request. */
#ifndef API_FETCH_INT_H
#define API_FETCH_INT_H

#include "api/fetch_session.h"
#include "api/gather.h"
#include "api/request.h"
#include "replica/replica.h"
#include "wire/msg/fetch_request.h"
#include "wire/msg/fetch_response.h"

struct fetch;
struct fetch_perch;

/* The order in which an answer has its partitions, as in Kafka. */
enum fetch_rank { FETCH_RANK_THERE, FETCH_RANK_UNKNOWN_ID, FETCH_RANK_UNKNOWN };

struct fetch_part {
    struct api_part part; /* first: api/gather.h */
    struct fetch *fetch;
    struct fetch_interest *interest; /* the session's */
    struct uuid topic_id;
    int shard; /* that owns the partition */
    struct api_shard *there;
    struct replica *replica; /* on its shard, while it is read */
    struct replica_waiter waiter;
    struct fetch_perch *perch;
    struct log_read read;
    enum err err;
    enum fetch_rank rank;
    struct log_range range;
    struct log_epoch_end diverging; /* epoch -1: none */
    int64_t bound;
    int64_t high_watermark;
    int64_t last_stable_offset;
    int64_t log_start_offset;
    struct log_aborted *aborted; /* heap memory: made on the partition's shard, told on the other */
    int aborted_count;
    bool aborted_known; /* false: nothing is said of them, which is null and not an empty list */
};

struct fetch {
    struct api_gather gather;
    struct api_request *request;
    struct fetch_plan plan;
    struct fetch_part *parts;
    int32_t part_count;
    bool is_replica;
    bool read_committed;
    bool hurried; /* answer with what there is */
    int64_t size_max;
    int64_t size_min;
    struct shard_timer timer;
    struct fetch_perch *perches; /* one a shard, while parked; NULL before the first time */
    int perches_away;            /* that are out, parked */
};

/* Reads everything again. */
void fetch_again(struct fetch *) ON(on_shard);
/* Waits for more records of any of its partitions, then reads again. */
void fetch_park(struct fetch *) ON(on_shard);
/* Ends the waiting, if it waits. */
void fetch_unpark(struct fetch *) ON(on_shard);

#endif
