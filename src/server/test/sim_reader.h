/* A consumer of the simulated client machine, on one topic: long polls in an incremental session,
 * asks for offsets in between, and hands all it gets to the history, which checks it. It either
 * follows the topic for good or reads the whole log once, up to the end that it was told first. On
 * the client's task. */
#ifndef SERVER_TEST_SIM_READER_H
#define SERVER_TEST_SIM_READER_H

#include "server/test/sim_client.h"
#include "server/test/sim_history.h"

struct sim_reader_options {
    struct sim_topic *topic;
    int16_t version; /* of Fetch: sessions from 7 on, topic ids from 13 on */
    bool whole;
    bool gives_up; /* at a partition that cannot be read, which then counts as read */
};

struct sim_reader {
    struct sim_channel channel;
    struct sim_reader_options options;
    struct sim_history *history;
    struct codec_pool *codecs;
    struct sim_request call; /* one at a time */
    struct sim_alarm pause;
    int64_t offsets[SIM_PARTITIONS_MAX];  /* wanted next */
    int64_t told[SIM_PARTITIONS_MAX];     /* as the session has it; -1: not in it */
    int64_t promised[SIM_PARTITIONS_MAX]; /* of ListOffsets: what was acknowledged before */
    int64_t ends[SIM_PARTITIONS_MAX];     /* of a whole reading; -1: not known */
    bool lost[SIM_PARTITIONS_MAX];        /* the log begins behind what is wanted */
    int64_t asked_timestamp;              /* of ListOffsets */
    int32_t session_id;
    int32_t session_epoch;
    uint32_t cuts; /* power cuts that there had been when ListOffsets was sent */
    uint64_t fetches;
    uint64_t deltas; /* answers of a session that left partitions out */
};

/* From the test's thread; `client` runs. */
void sim_reader_start(struct sim_reader *, struct sim_client *, struct sim_history *,
                      const struct sim_reader_options *);
/* A whole reading has reached the ends. */
bool sim_reader_is_done(const struct sim_reader *);
/* One that follows has read all that is acknowledged. */
bool sim_reader_has_all(const struct sim_reader *);
void sim_reader_fini(struct sim_reader *);

#endif
