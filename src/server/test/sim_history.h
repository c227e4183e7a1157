/* What the clients of a simulated run have done and seen: the topics, and of every record that was
 * ever made when it was acknowledged and where it was read. Records tell by themselves what they
 * are, and all their bytes follow from that, so that a reader can check each one.
 *
 * A record may be lost by a power cut where its topic does not sync before the acknowledgement; by
 * nothing else. Nothing else in a log ever changes. Plain data: one thread. */
#ifndef SERVER_TEST_SIM_HISTORY_H
#define SERVER_TEST_SIM_HISTORY_H

#include "base/uuid.h"
#include "wire/batch_builder.h"
#include "wire/record.h"

#define SIM_TOPICS_MAX 40
#define SIM_PARTITIONS_MAX 4
#define SIM_WRITERS_MAX 16
#define SIM_HEADERS_MAX 3

/* What became of a record. */
struct sim_fact {
    int64_t timestamp;
    int64_t acked_offset; /* -1: never acknowledged */
    int64_t seen_offset;  /* by a reader while all went on; -1: never */
    int64_t found_offset; /* in the whole log when it was last looked at; -1: not there */
    uint32_t acked_cuts;  /* power cuts there had been before */
    uint32_t session;     /* of its writer: numbers of one are without gaps */
};

struct sim_facts {
    struct sim_fact *at;
    uint32_t count;
    uint32_t capacity;
};

/* The last record of a writer's newest session. */
struct sim_found {
    uint32_t session;
    uint32_t number;
};

/* One partition's log as it is read from its start to its end. */
struct sim_scan {
    int64_t start_offset; /* of the log: a power cut may have taken the first segment */
    struct sim_found last[SIM_WRITERS_MAX];
};

struct sim_topic {
    char name[24];
    struct uuid id;
    int32_t partition_count;
    bool syncs;     /* flush.messages=1 */
    bool stamps;    /* LogAppendTime */
    bool exists;    /* its creation was acknowledged, or it was seen */
    bool is_doomed; /* its deletion was asked for */
    bool is_gone;   /* its deletion was acknowledged */
    struct sim_facts facts[SIM_PARTITIONS_MAX][SIM_WRITERS_MAX];
    struct sim_scan scans[SIM_PARTITIONS_MAX];
};

struct sim_history {
    uint64_t seed;
    int topic_count;
    struct sim_topic topics[SIM_TOPICS_MAX];
    uint32_t cuts;   /* power cuts so far */
    bool disk_fails; /* KAFKA_STORAGE_ERROR is a legal answer */
    uint32_t large;  /* of 128 records so many may be larger than what a shard writes itself */
    uint64_t acked;  /* records, for the test's own curiosity */
    uint64_t seen;
};

/* Which writers' batches may be acknowledged twice or lost between others. */
struct sim_record_id {
    int topic;
    int32_t partition;
    int writer;
    uint32_t number; /* the how many-th of its writer in the partition */
};

void sim_history_init(struct sim_history *, uint64_t seed);
void sim_history_fini(struct sim_history *);
struct sim_topic *sim_history_add_topic(struct sim_history *, const char *name,
                                        int32_t partition_count);
int sim_history_topic_index(const struct sim_history *, const struct sim_topic *);
/* Whether nothing acknowledged in the topic may be missing. */
bool sim_history_is_strict(const struct sim_history *, const struct sim_topic *);

/* Makes the next record of a writer in a partition and notes it. Valid until the next one. */
uint32_t sim_history_make(struct sim_history *, struct sim_record_id, uint32_t session,
                          int64_t timestamp, struct batch_record *ret_record);
/* cuts: how many there had been when the connection was made that brought the word. */
void sim_history_ack(struct sim_history *, struct sim_record_id, int64_t offset, uint32_t cuts);

/* Reads the batches of a fetched run from *offset on and checks every record: bytes, order without
 * holes. A last batch that is cut is left out. whole: it is part of a scan of the whole log. */
struct sim_reading {
    struct sim_topic *topic;
    int32_t partition;
    int64_t *offset; /* the next one wanted, moved on */
    bool whole;
};
void sim_history_read(struct sim_history *, struct codec_pool *, const struct sim_reading *,
                      struct slice run);

/* A scan of all partitions begins; and what it must have found, when it has ended. */
void sim_history_scan_begin(struct sim_history *, struct sim_topic *);
void sim_history_scan_check(struct sim_history *, struct sim_topic *);

#endif
