/* Shards with replicas on a temporary directory, for tests of APIs that read and write logs. The
 * shards run all the while; requests come in on shard 0, one after the other or several at once,
 * and the test's thread waits for answers. Unlike in a node, there is no controller: topics come
 * into the image as the test says. */
#ifndef API_TEST_REPLICA_KIT_H
#define API_TEST_REPLICA_KIT_H

#include "api/test/api_kit.h"
#include "replica/set.h"
#include "wire/msg/fetch_request.h"
#include "wire/msg/fetch_response.h"
#include "wire/msg/produce_request.h"
#include "wire/msg/produce_response.h"

#define REPLICA_KIT_SHARDS_MAX 4

struct sys_park;

struct replica_kit {
    struct api_kit kit; /* first; its arena holds what the helpers make */
    int shard_count;
    struct log_dir dir;
    bool others_are_late; /* the next image comes to shard 0 alone, until replica_kit_catch_up */
    /* ---- inside ---- */
    struct meta_image *late_image;
    char path[64];
    struct replica_set sets[REPLICA_KIT_SHARDS_MAX];
    struct api_shard others[REPLICA_KIT_SHARDS_MAX - 1];
    struct sys_park *park;        /* the test's thread */
    struct sys_park *worker_park; /* a worker that is held */
    struct shard_job holding;
    bool holds;
    bool released;
    int settled;
    int done; /* exchanges */
};

void replica_kit_init(struct replica_kit *, int shard_count, const char *const *settings);
void replica_kit_fini(struct replica_kit *);

/* Rows of a cmocka table: the test at one shard and at several, each time with a kit of its own as
 * *state, which `set_up` made: it takes the kit and initialises it. */
#define REPLICA_KIT_EACH(test, set_up) \
    REPLICA_KIT_AT_(test, set_up, 1), REPLICA_KIT_AT_(test, set_up, 2), \
        REPLICA_KIT_AT_(test, set_up, 3)
#define REPLICA_KIT_AT_(test, set_up, shards) \
    { \
#test ", shards: " #shards, test, set_up, replica_kit_tear_down, (void *)(intptr_t)shards \
    }
/* Not initialised, but for the number of shards. */
struct replica_kit *replica_kit_take(void **state);
/* Initialised and empty. */
int replica_kit_set_up(void **state);
int replica_kit_tear_down(void **state);

/* Into the image of every shard; the replicas may still be opening. Broker 1 is this node. */
void replica_kit_add_topic(struct replica_kit *, const struct api_kit_topic *);
void replica_kit_catch_up(struct replica_kit *);
void replica_kit_remove_topic(struct replica_kit *, uint8_t id);
/* Partition 0 .. count - 1 get another leader and leader epoch. */
struct replica_kit_lead {
    uint8_t id;
    int32_t partitions;
    int32_t leader;
    int32_t leader_epoch;
};
void replica_kit_lead(struct replica_kit *, const struct replica_kit_lead *);

/* The one worker does nothing until it is released: logs that are to be opened stay closed. */
void replica_kit_hold_worker(struct replica_kit *);
void replica_kit_release_worker(struct replica_kit *);

/* Returns when the request has been begun. */
void replica_kit_begin(struct replica_kit *, struct api_exchange *);
bool replica_kit_is_done(struct replica_kit *, const struct api_exchange *);
/* Until it is answered or its connection was ended. */
void replica_kit_wait(struct replica_kit *, const struct api_exchange *);
/* The connection of a begun request ends; its answer is nobody's. */
void replica_kit_abandon(struct replica_kit *, struct api_exchange *);
/* One that must be answered: the decoded response. */
const void *replica_kit_ask(struct replica_kit *, int16_t key, int16_t version,
                            const void *message);

/* ---- usual requests ---- */

/* A batch of `count` records of which each has value_size bytes. */
struct slice replica_kit_batch(struct replica_kit *, int32_t count, size_t value_size);
/* acks -1, by name, one partition: the answer's. */
const struct produce_response_responses_partition_responses *replica_kit_produce(
    struct replica_kit *, const char *topic, int32_t partition, struct slice batch);

/* Fetch of partitions of one topic by name; members may be changed before it is asked. */
#define REPLICA_KIT_PARTS_MAX 8
struct replica_kit_fetch {
    struct fetch_request message;
    struct fetch_request_topics topic;
    struct fetch_request_topics_partitions parts[REPLICA_KIT_PARTS_MAX];
};
/* Partitions 0 .. count - 1 from offset 0; does not wait, no limits. */
void replica_kit_fetch_init(struct replica_kit_fetch *, const char *topic, int32_t count);

#endif
