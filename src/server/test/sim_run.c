/* See the header. */
#include "server/test/sim_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SETTINGS_MAX 16
#define WITHIN_MS 600000
#define LOG_SHOWN ((size_t)6000) /* bytes of the log after a failure */
#define LOG_PIECE ((size_t)500)  /* that cmocka prints at a time */

void sim_run_begin(struct sim_run *run, uint64_t seed, int shards, const char *const *settings)
{
    const char *all[SETTINGS_MAX] = {run->shards};
    size_t count = 1;
    *run = (struct sim_run){.world = sim_world_new(seed)};
    (void)snprintf(run->shards, sizeof run->shards, "ottla.shards=%d", shards);
    for (; settings != NULL && *settings != NULL && count < SETTINGS_MAX - 1; settings++)
        all[count++] = *settings;
    sim_history_init(&run->history, seed);
    sim_broker_init(&run->broker, run->world, all);
    struct sim_node *machine = sim_node_new(run->world, "client", "10.0.0.2");
    sim_client_start(&run->client, machine, seed);
    sim_admin_start(&run->admin, &run->client, &run->history);
}

uint64_t sim_run_end(struct sim_run *run)
{
    for (int i = 0; i < run->writer_count; i++)
        sim_writer_fini(&run->writers[i]);
    for (int i = 0; i < run->reader_count; i++)
        sim_reader_fini(&run->readers[i]);
    sim_admin_fini(&run->admin);
    sim_client_stop(&run->client);
    sim_broker_fini(&run->broker);
    sim_history_fini(&run->history);
    uint64_t trace = sim_world_trace(run->world);
    sim_world_free(run->world);
    run->world = NULL;
    return trace;
}

void sim_run_give_up(struct sim_run *run)
{
    if (run->world == NULL)
        return;
    struct slice log = sim_world_journal(run->world);
    struct slice left = slice_from(log, log.size > LOG_SHOWN ? log.size - LOG_SHOWN : 0);
    print_error("the end of the world's log:\n");
    for (; left.size > 0; left = slice_from(left, LOG_PIECE))
        print_error("%.*s", SLICE_ARG(slice_first(left, LOG_PIECE)));
    sim_world_free(run->world);
    run->world = NULL;
}

void sim_run_start(struct sim_run *run)
{
    enum sim_outcome outcome = sim_broker_start(&run->broker);
    SIM_CHECK(outcome == SIM_OUTCOME_SERVES, "the node does not start: outcome %d, %s", outcome,
              run->broker.error.size > 0 ? run->broker.error.data : "no reason given");
}

void sim_run_stop(struct sim_run *run)
{
    enum sim_outcome outcome = sim_broker_stop(&run->broker);
    SIM_CHECK(outcome == SIM_OUTCOME_STOPPED && run->broker.was_clean,
              "the node does not stop cleanly: outcome %d", outcome);
}

bool sim_run_is_done(const struct sim_run *run)
{
    bool done = sim_admin_is_done(&run->admin);
    for (int i = 0; i < run->writer_count && done; i++)
        done = sim_writer_is_done(&run->writers[i]);
    for (int i = 0; i < run->reader_count && done; i++)
        done = run->readers[i].options.whole ? sim_reader_is_done(&run->readers[i])
                                             : sim_reader_has_all(&run->readers[i]);
    return done;
}

static bool is_done(void *context)
{
    return sim_run_is_done((const struct sim_run *)context);
}

void sim_run_finish(struct sim_run *run, const char *what)
{
    SIM_CHECK(sim_world_run_until(run->world, is_done, run, WITHIN_MS), "%s does not end", what);
}

struct sim_topic *sim_run_add_topic(struct sim_run *run, const char *name, int32_t partitions)
{
    return sim_history_add_topic(&run->history, name, partitions);
}

void sim_run_add_writer(struct sim_run *run, struct sim_topic *topic,
                        struct sim_writer_options options, uint32_t batches)
{
    options.topic = topic;
    options.index = run->writer_count;
    SIM_CHECK(run->writer_count < SIM_RUN_WRITERS_MAX, "too many writers");
    sim_writer_start(&run->writers[run->writer_count++], &run->client, &run->history, &options,
                     batches);
}

void sim_run_add_reader(struct sim_run *run, struct sim_topic *topic, int16_t version)
{
    struct sim_reader_options options = {.topic = topic, .version = version};
    SIM_CHECK(run->reader_count < SIM_RUN_READERS_MAX, "too many readers");
    sim_reader_start(&run->readers[run->reader_count++], &run->client, &run->history, &options);
}

void sim_run_check(struct sim_run *run)
{
    /* Batches that nobody waits for (acks=0) may be on their way yet: a worker's writes, syncs. */
    SIM_CHECK(sim_world_run_quiet(run->world, WITHIN_MS), "the node does not come to rest");
    for (int i = 0; i < run->history.topic_count; i++) {
        struct sim_topic *topic = &run->history.topics[i];
        if (topic->is_doomed)
            continue;
        struct sim_reader_options options = {.topic = topic, .version = 17, .whole = true};
        struct sim_reader *reader = &run->readers[run->reader_count++];
        sim_reader_start(reader, &run->client, &run->history, &options);
        sim_run_finish(run, "reading all");
        sim_history_scan_check(&run->history, topic);
        sim_reader_fini(reader);
        run->reader_count--;
    }
    uint64_t before = run->admin.checks;
    sim_admin_look(&run->admin);
    sim_run_finish(run, "looking at the topics");
    SIM_CHECK(run->admin.checks > before, "the topics were not looked at");
}
