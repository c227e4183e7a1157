/* One simulated run: a world with a broker, and on a client machine an administrator, writers and
 * readers with their common history. Most functions fail the test when what they are for does not
 * come about. From the test's thread. */
#ifndef SERVER_TEST_SIM_RUN_H
#define SERVER_TEST_SIM_RUN_H

#include "server/test/sim_admin.h"
#include "server/test/sim_broker.h"
#include "server/test/sim_client.h"
#include "server/test/sim_history.h"
#include "server/test/sim_reader.h"
#include "server/test/sim_writer.h"

#define SIM_RUN_WRITERS_MAX 4
#define SIM_RUN_READERS_MAX 3

struct sim_run {
    struct sim_world *world; /* NULL: none */
    struct sim_broker broker;
    struct sim_client client;
    struct sim_history history;
    struct sim_admin admin;
    struct sim_writer writers[SIM_RUN_WRITERS_MAX];
    int writer_count;
    struct sim_reader readers[SIM_RUN_READERS_MAX];
    int reader_count;
    char shards[32];
};

/* A new world; nothing is started but the client machine. settings: beside the shards, ends with
 * NULL. */
void sim_run_begin(struct sim_run *, uint64_t seed, int shards, const char *const *settings);
/* The world's trace. */
uint64_t sim_run_end(struct sim_run *);
/* What a failed test left: the end of the world's log is printed. */
void sim_run_give_up(struct sim_run *);

/* The node serves, or has stopped cleanly, after. */
void sim_run_start(struct sim_run *);
void sim_run_stop(struct sim_run *);

struct sim_topic *sim_run_add_topic(struct sim_run *, const char *name, int32_t partitions);
/* topic and index of the options are filled in. */
void sim_run_add_writer(struct sim_run *, struct sim_topic *, struct sim_writer_options,
                        uint32_t batches);
void sim_run_add_reader(struct sim_run *, struct sim_topic *, int16_t version);
/* Whether all have done their work; and lets the world run until they have. */
bool sim_run_is_done(const struct sim_run *);
void sim_run_finish(struct sim_run *, const char *what);
/* Reads every log from its start to its end and holds it against the history, and the topics. */
void sim_run_check(struct sim_run *);

#endif
