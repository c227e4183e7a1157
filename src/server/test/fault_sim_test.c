/* The fault sweep: the k-th change that the node makes to its disk fails, or is the last thing it
 * does, for k = 0, 1, 2, ... until there is none. Whatever it is, the node says so, nothing that it
 * acknowledged is lost, and the next start works. With OTTLA_SIM_SEEDS of 100 and more every k is
 * tried in every way, else in one of them. */
#include "server/test/sim_run.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WAYS 4
#define WORK_MS 3000 /* a log that is offline refuses for good: writers are not waited for */
#define THOROUGH 100
#define ANSWERS_MS 20 /* by then what was sent has come, also from a node that is no more */

static struct sim_run run;

static int give_up(void **state)
{
    (void)state;
    sim_run_give_up(&run);
    return 0;
}

static int ways_tried(void)
{
    const char *text = getenv("OTTLA_SIM_SEEDS");
    return text != NULL && strtol(text, NULL, 10) >= THOROUGH ? WAYS : 1;
}

static const char checkpoint_setting[] = "log.flush.offset.checkpoint.interval.ms=100";
static const char *const settings[] = {"log.roll.ms=30", "log.index.interval.bytes=0",
                                       "message.max.bytes=8000000", NULL};

static bool topics_are_there(void *context)
{
    (void)context;
    return !sim_broker_runs(&run.broker) || sim_admin_is_done(&run.admin);
}

static void add_topics(void)
{
    if (run.history.topic_count > 0)
        return;
    sim_run_add_topic(&run, "synced", 2)->syncs = true;
    (void)sim_run_add_topic(&run, "plain", 1);
    sim_admin_look(&run.admin);
}

static void add_writers(void)
{
    struct sim_topic *synced = &run.history.topics[0];
    struct sim_topic *plain = &run.history.topics[1];
    if (run.writer_count > 0)
        return;
    sim_run_add_writer(&run, synced,
                       (struct sim_writer_options){.acks = -1,
                                                   .idempotent = true,
                                                   .codec = CODEC_LZ4,
                                                   .version = 9,
                                                   .calls_max = 3,
                                                   .records_max = 5,
                                                   .pause_ms_max = 10},
                       8);
    sim_run_add_writer(
        &run, plain,
        (struct sim_writer_options){
            .acks = 1, .version = 7, .calls_max = 1, .records_max = 5, .pause_ms_max = 20},
        5);
}

static bool work_is_over(void *context)
{
    (void)context;
    return !sim_broker_runs(&run.broker) || sim_run_is_done(&run);
}

/* After whatever happened: the node starts, all work is done, and nothing is missing. */
static void check_life_goes_on(void)
{
    sim_fault_clear(run.broker.machine);
    sim_world_run_for(run.world, ANSWERS_MS);
    run.history.disk_fails = false;
    sim_run_start(&run);
    add_topics();
    sim_run_finish(&run, "making topics");
    add_writers();
    sim_run_finish(&run, "the work");
    sim_run_check(&run);
    sim_run_stop(&run);
}

/* ---- the last thing it does ---- */

/* False: it did not come to a k-th change. */
static bool die_in_first_start(uint64_t k, bool power_fails)
{
    print_message("start, %s at change %llu\n", power_fails ? "power cut" : "kill",
                  (unsigned long long)k);
    sim_run_begin(&run, k, 1 + (int)(k % 2), settings);
    sim_fault_change(run.broker.machine, k, power_fails ? SIM_CUT : SIM_KILL, 0);
    enum sim_outcome outcome = sim_broker_start(&run.broker);
    bool struck = sim_fault_struck(run.broker.machine);
    SIM_CHECK(outcome == (struck ? SIM_OUTCOME_DIED : SIM_OUTCOME_SERVES), "outcome %d: %s",
              outcome, run.broker.error.data);
    run.history.cuts += struck && power_fails ? 1 : 0;
    sim_fault_clear(run.broker.machine);
    if (!struck)
        sim_run_stop(&run);
    check_life_goes_on();
    (void)sim_run_end(&run);
    return struck;
}

static void a_first_start_may_die_at_any_change(void **state)
{
    (void)state;
    sim_broker_expect_deaths();
    for (int power_fails = 0; power_fails < 2; power_fails++) {
        uint64_t k = 0;
        while (die_in_first_start(k, power_fails != 0))
            k++;
        assert_true(k > 20);
    }
}

/* ---- what fails ---- */

/* Starts, works and stops while the fault waits for its moment. */
static void live_with_fault(void)
{
    enum sim_outcome outcome = sim_broker_start(&run.broker);
    SIM_CHECK(outcome != SIM_OUTCOME_HANGS, "the start hangs");
    SIM_CHECK(outcome == SIM_OUTCOME_SERVES || sim_fault_struck(run.broker.machine),
              "the start fails without a fault: outcome %d", outcome);
    SIM_CHECK(outcome != SIM_OUTCOME_REFUSED || run.broker.error.size > 0,
              "the start is refused without a word");
    if (outcome != SIM_OUTCOME_SERVES)
        return;
    add_topics();
    bool over = sim_world_run_until(run.world, topics_are_there, NULL, WORK_MS);
    if (over && sim_broker_runs(&run.broker)) {
        add_writers();
        over = sim_world_run_until(run.world, work_is_over, NULL, WORK_MS);
    }
    SIM_CHECK(over || sim_fault_struck(run.broker.machine), "the work does not end");
    outcome = sim_broker_stop(&run.broker);
    SIM_CHECK(outcome != SIM_OUTCOME_HANGS, "the stop hangs");
}

static bool log_has(const char *text)
{
    struct slice log = sim_world_journal(run.world);
    return memmem(log.data, log.size, text, strlen(text)) != NULL;
}

/* False: it did not come to a k-th change. */
static bool fail_at(uint64_t k, int way)
{
    int error = way % 2 == 0 ? EIO : ENOSPC;
    bool power_fails = way / 2 != 0;
    print_message("life, %s at change %llu%s\n", error == EIO ? "EIO" : "ENOSPC",
                  (unsigned long long)k, power_fails ? ", then a power cut" : "");
    sim_run_begin(&run, k, 1 + (int)(k % 3), settings);
    run.history.disk_fails = true;
    run.history.large = k / WAYS % 2 == 0 ? 1 : 64; /* who writes: the shard or a worker */
    sim_fault_change(run.broker.machine, k, SIM_FAIL, error);
    live_with_fault();
    bool struck = sim_fault_struck(run.broker.machine);
    SIM_CHECK(!struck || run.broker.was_clean || run.broker.error.size > 0 ||
                  log_has("level=error") || log_has("level=warn"),
              "a fault stopped the node, and nobody was told");
    if (power_fails) {
        sim_broker_cut(&run.broker);
        run.history.cuts++;
    }
    check_life_goes_on();
    (void)sim_run_end(&run);
    return struck;
}

static void any_change_may_fail(void **state)
{
    (void)state;
    sim_broker_expect_deaths(); /* a failed sync of its one directory ends a node */
    bool struck = true;
    uint64_t k = 0;
    for (; struck; k++) {
        struck = false;
        for (int turn = 0; turn < ways_tried(); turn++)
            struck |= fail_at(k, (int)((k + (uint64_t)turn) % WAYS));
    }
    assert_true(k > 60);
}

/* ---- damage ---- */

#define DAMAGED "/data/synced-0/00000000000000000000.log"

/* A bit flips in the middle of what was flushed. */
static void damage(void *arg)
{
    uint8_t byte;
    int fd = sys_file_open(SYS_DIR_CWD, DAMAGED, SYS_OPEN_WRITE);
    int64_t middle = sys_file_size(fd) / 2;
    (void)arg;
    SIM_CHECK(fd >= 0 && sys_file_read_at(fd, &byte, 1, middle) == 1, "no log to damage");
    byte ^= 1;
    SIM_CHECK(sys_file_write_at(fd, slice_of(&byte, 1), middle) == 0, "it cannot be damaged");
    sys_file_close(fd);
}

static uint64_t count_damaged(void)
{
    static const char line[] = "event=batch_corrupt file=synced-0/";
    struct slice left = sim_world_journal(run.world);
    uint64_t count = 0;
    for (;;) {
        const uint8_t *at = (const uint8_t *)memmem(left.data, left.size, line, sizeof line - 1);
        if (at == NULL)
            return count;
        left = slice_from(left, (size_t)(at - left.data) + sizeof line - 1);
        count++;
    }
}

/* Flushed records that are damaged are told of after every start, when the scrubber comes to them,
 * until somebody mends them: neither a checkpoint nor a stop, clean or not, makes a torn tail of
 * them. */
static void damage_is_not_forgotten(void **state)
{
    (void)state;
    sim_broker_expect_deaths();
    sim_run_begin(&run, 1, 1, (const char *const[]){checkpoint_setting, NULL});
    sim_run_start(&run);
    add_topics();
    sim_run_finish(&run, "making topics");
    add_writers();
    sim_run_finish(&run, "the work");
    sim_run_stop(&run);
    sim_run_start(&run);
    sim_broker_kill(&run.broker);
    assert_true(sim_node_run(run.broker.machine, damage, NULL));
    for (uint64_t starts = 1; starts <= 4; starts++) {
        sim_run_start(&run);
        sim_world_run_for(run.world, 60000); /* with checkpoints, of what else there is */
        assert_int_equal(count_damaged(), starts);
        if (starts % 2 == 0)
            sim_broker_kill(&run.broker);
        else
            assert_int_equal(sim_broker_stop(&run.broker), SIM_OUTCOME_STOPPED);
    }
    assert_true(sim_node_run(run.broker.machine, damage, NULL)); /* mended */
    sim_run_start(&run);
    sim_world_run_for(run.world, 60000);
    assert_int_equal(count_damaged(), 4);
    sim_run_check(&run);
    sim_run_stop(&run);
    (void)sim_run_end(&run);
}

int main(void)
{
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(any_change_may_fail, give_up),
        cmocka_unit_test_teardown(damage_is_not_forgotten, give_up),
        cmocka_unit_test_teardown(a_first_start_may_die_at_any_change, give_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
