/* A producer of the simulated client machine, on one topic: batches to all its partitions, several
 * requests under way at a time, what is acknowledged noted in the history. An idempotent one sends
 * again, in order and with the same sequence numbers, until it is told what became of a batch, as
 * real clients do; another sends everything once. On the client's task. */
#ifndef SERVER_TEST_SIM_WRITER_H
#define SERVER_TEST_SIM_WRITER_H

#include "server/test/sim_client.h"
#include "server/test/sim_history.h"

#define SIM_REQUESTS_MAX 5
#define SIM_CALL_BATCHES_MAX 3

struct sim_writer_options {
    struct sim_topic *topic;
    int index; /* which writer it is */
    int16_t acks;
    bool idempotent; /* with acks 1 or -1 */
    enum codec codec;
    int16_t version; /* of Produce; 13 names topics by id */
    int calls_max;
    int records_max;      /* in a batch */
    int64_t pause_ms_max; /* between requests */
};

/* The batches of one partition that no answer has settled, oldest first. */
struct sim_lane {
    struct list batches;
    int32_t next_sequence;
};

struct sim_batch {
    struct list link;
    int32_t partition;
    uint32_t first_number;
    int32_t count;
    int32_t sequence;
    bool is_sent;       /* and not answered */
    struct slice bytes; /* heap memory */
};

struct sim_writer;

struct sim_produce {
    struct sim_request call;
    struct sim_writer *writer;
    struct sim_batch *batches[SIM_CALL_BATCHES_MAX];
    int batch_count; /* 0: free */
};

struct sim_writer {
    struct sim_channel channel;
    struct sim_writer_options options;
    struct sim_history *history;
    struct batch_builder builder;
    struct codec_pool *codecs;
    struct sim_lane lanes[SIM_PARTITIONS_MAX];
    struct sim_produce calls[SIM_REQUESTS_MAX];
    struct sim_request init;
    struct sim_alarm pause;
    int64_t producer_id; /* -1: none */
    int16_t producer_epoch;
    uint32_t session;
    uint32_t cuts;    /* of the history, when the connection was made */
    uint32_t left;    /* batches still to make */
    uint64_t refused; /* batches answered with an error that ends them */
};

/* From the test's thread; `client` runs. */
void sim_writer_start(struct sim_writer *, struct sim_client *, struct sim_history *,
                      const struct sim_writer_options *, uint32_t batches);
/* All were made, and every one is settled. */
bool sim_writer_is_done(const struct sim_writer *);
/* After it is done or the client was stopped. */
void sim_writer_fini(struct sim_writer *);

#endif
