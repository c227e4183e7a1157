/* Two log directories in the simulated world, and one that fails while the node works: the other
 * serves on, what was acknowledged in either is there after the next start, and the directory of
 * the metadata log ends the node. Then moves between the two, cut short at every change of the
 * disk. */
#include "server/test/sim_run.h"
#include "sys/poller.h"
#include "tbl/apis.h"
#include "tbl/errors.h"
#include "wire/msg/alter_replica_log_dirs_request.h"
#include "wire/msg/alter_replica_log_dirs_response.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS 6
#define WORK_MS 60000

/* Partitions go to the directories in turn. */
#define IN_DATA "synced-0/"
#define IN_MORE "synced-1/"

static struct sim_run run;

static int give_up(void **state)
{
    (void)state;
    sim_run_give_up(&run);
    return 0;
}

static const char *const settings[] = {"log.dirs=/data,/more", "log.roll.ms=30",
                                       "log.index.interval.bytes=0", NULL};

static int count_in_log(const char *text)
{
    struct slice log = sim_world_journal(run.world);
    int count = 0;
    for (;;) {
        const uint8_t *found = memmem(log.data, log.size, text, strlen(text));
        if (found == NULL)
            return count;
        count++;
        log = slice_from(log, (size_t)(found - log.data) + 1);
    }
}

static void begin(uint64_t seed)
{
    sim_run_begin(&run, seed, 1 + (int)(seed % 3), settings);
    run.history.disk_fails = true;
    sim_run_start(&run);
    sim_run_add_topic(&run, "synced", 4)->syncs = true;
    sim_admin_look(&run.admin);
    sim_run_finish(&run, "making topics");
}

static void write_some(int16_t acks, uint32_t batches)
{
    sim_run_add_writer(
        &run, &run.history.topics[0],
        (struct sim_writer_options){
            .acks = acks, .version = 9, .calls_max = 3, .records_max = 5, .pause_ms_max = 5},
        batches);
}

static bool work_is_over(void *context)
{
    (void)context;
    return !sim_broker_runs(&run.broker) || sim_run_is_done(&run);
}

static void one_fails(uint64_t seed, enum sim_call call)
{
    begin(seed);
    struct sim_fault fault = {
        .call = call, .name_part = IN_MORE, .after = seed, .effect = SIM_FAIL, .error = EIO};
    sim_fault_add(run.broker.machine, &fault);
    write_some(-1, 60);
    write_some(1, 30);
    sim_run_finish(&run, "the work");
    SIM_CHECK(sim_broker_runs(&run.broker), "the node ended with one of two directories");
    SIM_CHECK(sim_fault_struck(run.broker.machine), "nothing failed");
    SIM_CHECK(count_in_log("directory_offline") == 1, "%d lines tell of it",
              count_in_log("directory_offline"));
    sim_run_stop(&run);
    sim_fault_clear(run.broker.machine);
    run.history.disk_fails = false;
    sim_run_start(&run);
    sim_run_check(&run);
    sim_run_stop(&run);
    (void)sim_run_end(&run);
}

static void one_directory_fails(void **state)
{
    (void)state;
    static const enum sim_call calls[] = {SIM_FILE_SYNC, SIM_FILE_WRITE};
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        for (size_t i = 0; i < COUNT_OF(calls); i++)
            one_fails(seed, calls[i]);
}

static void the_metadata_directory_fails(void **state)
{
    (void)state;
    sim_broker_expect_deaths();
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        begin(seed);
        struct sim_fault fault = {.call = SIM_FILE_SYNC,
                                  .name_part = IN_DATA,
                                  .after = seed,
                                  .effect = SIM_FAIL,
                                  .error = EIO};
        sim_fault_add(run.broker.machine, &fault);
        write_some(-1, 60);
        SIM_CHECK(sim_world_run_until(run.world, work_is_over, NULL, WORK_MS), "it hangs");
        SIM_CHECK(!sim_broker_runs(&run.broker), "the node goes on without the metadata log");
        SIM_CHECK(count_in_log("node_failed") > 0, "nobody was told");
        SIM_CHECK(sim_broker_stop(&run.broker) == SIM_OUTCOME_DIED, "it stopped in good order");
        sim_fault_clear(run.broker.machine);
        run.history.disk_fails = false;
        sim_run_start(&run);
        sim_run_finish(&run, "the work");
        sim_run_check(&run);
        sim_run_stop(&run);
        (void)sim_run_end(&run);
    }
}

/* ---- moves ---- */

#define MOVES_MAX 8

/* Moves partitions from one directory to the other, one request after the other. */
struct mover {
    struct sim_channel channel;
    struct sim_request call;
    struct sim_alarm pause;
    int32_t moves;
};

static void ask(struct mover *mover);

static void on_asked(struct sim_request *call, const void *response)
{
    struct mover *mover = CONTAINER_OF(call, struct mover, call);
    const struct alter_replica_log_dirs_response *answer =
        (const struct alter_replica_log_dirs_response *)response;
    if (answer == NULL)
        return;
    SIM_CHECK(answer->results[0].partitions[0].error_code == ERR_NONE, "a move is refused: %d",
              answer->results[0].partitions[0].error_code);
    mover->moves++;
    sim_alarm_set(mover->channel.client, &mover->pause, 3);
}

static void ask(struct mover *mover)
{
    int32_t partition = mover->moves / 2 % 2;
    struct alter_replica_log_dirs_request_dirs_topics topic = {
        .name = SLICE_LIT("synced"), .partitions = &partition, .partitions_count = 1};
    struct alter_replica_log_dirs_request_dirs dir = {
        .path = mover->moves % 2 == 0 ? slice_of_text("/more") : slice_of_text("/data"),
        .topics = &topic,
        .topics_count = 1};
    struct alter_replica_log_dirs_request request = alter_replica_log_dirs_request_default;
    request.dirs = &dir;
    request.dirs_count = 1;
    if (mover->moves >= MOVES_MAX || !mover->channel.is_up)
        return;
    mover->call = (struct sim_request){
        .header = {.api_key = API_ALTER_REPLICA_LOG_DIRS, .api_version = 2}, .on_done = on_asked};
    sim_channel_call(&mover->channel, &mover->call, &request);
}

static void on_pause(struct sim_alarm *alarm)
{
    ask(CONTAINER_OF(alarm, struct mover, pause));
}

static void on_up(struct sim_channel *channel)
{
    ask(CONTAINER_OF(channel, struct mover, channel));
}

static void on_down(struct sim_channel *channel)
{
    (void)channel;
}

static bool moved_or_died(void *context)
{
    const struct mover *mover = (const struct mover *)context;
    return !sim_broker_runs(&run.broker) || (mover->moves >= MOVES_MAX && sim_run_is_done(&run));
}

/* False: it did not come to a k-th change. */
static bool move_and_die(uint64_t k, enum sim_effect effect)
{
    struct mover mover = {.channel = {.on_up = on_up, .on_down = on_down}};
    begin(k);
    run.history.disk_fails = false;
    write_some(-1, 20);
    sim_run_finish(&run, "the work before");
    sim_alarm_init(&mover.pause, on_pause);
    sim_fault_change(run.broker.machine, k, effect, 0);
    sim_channel_open(&mover.channel, &run.client, "broker", 9092);
    write_some(-1, 10);
    SIM_CHECK(sim_world_run_until(run.world, moved_or_died, &mover, WORK_MS), "it hangs");
    bool struck = sim_fault_struck(run.broker.machine);
    sim_alarm_stop(&mover.pause);
    sim_channel_close(&mover.channel);
    sim_fault_clear(run.broker.machine);
    if (struck) {
        SIM_CHECK(sim_broker_stop(&run.broker) == SIM_OUTCOME_DIED, "it outlives its end");
        run.history.cuts += effect == SIM_CUT;
        sim_run_start(&run);
        sim_run_finish(&run, "the work after");
    }
    sim_run_check(&run);
    sim_run_stop(&run);
    sim_run_start(&run);
    sim_run_check(&run);
    sim_run_stop(&run);
    (void)sim_run_end(&run);
    return struck;
}

static void moves_may_end_at_any_change(void **state)
{
    (void)state;
    sim_broker_expect_deaths();
    uint64_t k = 0;
    while (move_and_die(k, k % 3 == 0 ? SIM_KILL : SIM_CUT))
        k++;
    print_message("%llu changes\n", (unsigned long long)k);
    assert_true(k > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(one_directory_fails, give_up),
        cmocka_unit_test_teardown(the_metadata_directory_fails, give_up),
        cmocka_unit_test_teardown(moves_may_end_at_any_change, give_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
