/* The whole node and its clients in the simulated world: what was acknowledged is there whatever
 * happened, and the same seed gives the same trace. The number of seeds and the first one come from
 * OTTLA_SIM_SEEDS and OTTLA_SIM_FIRST_SEED. */
#include "server/test/sim_run.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sim_run run;

static int give_up(void **state)
{
    (void)state;
    sim_run_give_up(&run);
    return 0;
}

/* ---- a quiet life ---- */

static uint64_t quiet_life(uint64_t seed, int shards)
{
    sim_run_begin(&run, seed, shards, NULL);
    sim_run_start(&run);
    struct sim_topic *synced = sim_run_add_topic(&run, "synced", 3);
    synced->syncs = true;
    struct sim_topic *stamped = sim_run_add_topic(&run, "stamped", 2);
    stamped->stamps = true;
    sim_admin_look(&run.admin);
    sim_run_finish(&run, "making topics");
    sim_run_add_writer(&run, synced,
                       (struct sim_writer_options){.acks = -1,
                                                   .idempotent = true,
                                                   .codec = CODEC_ZSTD,
                                                   .version = 13,
                                                   .calls_max = 5,
                                                   .records_max = 20,
                                                   .pause_ms_max = 10},
                       60);
    sim_run_add_writer(&run, synced,
                       (struct sim_writer_options){.acks = 0,
                                                   .codec = CODEC_NONE,
                                                   .version = 9,
                                                   .calls_max = 1,
                                                   .records_max = 5,
                                                   .pause_ms_max = 10},
                       30);
    sim_run_add_writer(&run, stamped,
                       (struct sim_writer_options){.acks = 1,
                                                   .codec = CODEC_LZ4,
                                                   .version = 3,
                                                   .calls_max = 3,
                                                   .records_max = 10,
                                                   .pause_ms_max = 5},
                       40);
    sim_run_add_reader(&run, synced, 18);
    sim_run_add_reader(&run, stamped, 4);
    sim_run_finish(&run, "the work");
    sim_run_check(&run);
    sim_run_stop(&run);
    sim_run_start(&run);
    sim_run_check(&run);
    sim_run_stop(&run);
    return sim_run_end(&run);
}

/* ---- a clean stop ---- */

#define MARKER "/data/.kafka_cleanshutdown"
#define SEGMENT "/data/synced-0/00000000000000000000.log"

static void expect_marker(void *arg)
{
    SIM_CHECK(sys_exists(SYS_DIR_CWD, MARKER) == *(const int *)arg, "the marker of a clean stop");
}

static void look_for_marker(int wanted)
{
    assert_true(sim_node_run(run.broker.machine, expect_marker, &wanted));
}

/* A bit of the first record flips, or flips back: who reads the log through would notice. */
static void flip(void *arg)
{
    uint8_t byte;
    int fd = sys_file_open(SYS_DIR_CWD, SEGMENT, SYS_OPEN_WRITE);
    (void)arg;
    SIM_CHECK(fd >= 0 && sys_file_read_at(fd, &byte, 1, 100) == 1, "no log");
    byte ^= 1;
    SIM_CHECK(sys_file_write_at(fd, slice_of(&byte, 1), 100) == 0, "no bit flips");
    sys_file_close(fd);
}

static bool log_tells_of(const char *event)
{
    struct slice log = sim_world_journal(run.world);
    return memmem(log.data, log.size, event, strlen(event)) != NULL;
}

/* After kill -9 the node's log tells that logs are looked through, and what came of it; after a
 * clean stop it does not. */
static void a_recovery_is_told(void **state)
{
    (void)state;
    sim_run_begin(&run, 1, 1, NULL);
    sim_run_start(&run);
    struct sim_topic *topics[] = {sim_run_add_topic(&run, "stamped", 4),
                                  sim_run_add_topic(&run, "others", 4)};
    sim_admin_look(&run.admin);
    sim_run_finish(&run, "making topics");
    for (size_t i = 0; i < COUNT_OF(topics); i++)
        sim_run_add_writer(&run, topics[i],
                           (struct sim_writer_options){
                               .acks = -1, .version = 9, .calls_max = 3, .records_max = 50},
                           60);
    sim_run_finish(&run, "the work");
    sim_run_stop(&run);
    sim_run_start(&run);
    sim_world_run_for(run.world, 10);
    assert_false(log_tells_of("event=recovery_started shard=0 partitions=8"));
    sim_broker_kill(&run.broker);
    sim_run_start(&run);
    sim_run_check(&run); /* a partition that is asked for is opened, whatever its turn */
    sim_world_run_for(run.world, 10);
    assert_true(log_tells_of("event=recovery_started shard=0 partitions=8"));
    assert_true(log_tells_of("event=recovery_ended shard=0 opened=8 left=0 offline=0 damaged=0"));
    sim_run_stop(&run);
    (void)sim_run_end(&run);
}

/* ---- what is unflushed ---- */

#define POINTS "/data/recovery-point-offset-checkpoint"

/* The sum of all recovery points in the file. */
static void sum_points(void *arg)
{
    char *text = NULL;
    size_t size = 0;
    int64_t *ret_sum = arg;
    SIM_CHECK(sys_file_read_whole(SYS_DIR_CWD, POINTS, 65536, &text, &size) == 0, "no points");
    for (char *line = strstr(text, "stamped"); line != NULL; line = strstr(line + 1, "stamped"))
        *ret_sum += strtoll(strchr(strchr(line, ' ') + 1, ' '), NULL, 10);
    free(text);
}

/* Nobody asks for a sync and no segment rolls: it is the bound that moves the recovery points, and
 * they are noted long before the checkpoint's own time. */
static void recovery_points_stay_near(void **state)
{
    (void)state;
    for (int shards = 1; shards <= 2; shards++) {
        int64_t sum = 0;
        sim_run_begin(&run, (uint64_t)shards, shards,
                      (const char *const[]){"ottla.flush.unflushed.bytes=65536", NULL});
        sim_run_start(&run);
        struct sim_topic *topic = sim_run_add_topic(&run, "stamped", 2);
        topic->stamps = true;
        sim_admin_look(&run.admin);
        sim_run_finish(&run, "making topics");
        sim_run_add_writer(
            &run, topic,
            (struct sim_writer_options){.acks = 1, .version = 9, .calls_max = 3, .records_max = 50},
            400);
        sim_run_finish(&run, "the work");
        sim_world_run_for(run.world, 3000);
        assert_true(sim_node_run(run.broker.machine, sum_points, &sum));
        assert_true(sum > 0);
        sim_run_stop(&run);
        (void)sim_run_end(&run);
    }
}

/* SIGTERM leaves a marker, the start after it takes it away and reads no log through; the start
 * after kill -9 does. */
static void a_clean_stop_is_believed(void **state)
{
    (void)state;
    for (int shards = 1; shards <= 3; shards++) {
        sim_run_begin(&run, (uint64_t)shards, shards, NULL);
        sim_run_start(&run);
        look_for_marker(0);
        struct sim_topic *topic = sim_run_add_topic(&run, "synced", 2);
        topic->syncs = true;
        sim_admin_look(&run.admin);
        sim_run_finish(&run, "making topics");
        sim_run_add_writer(
            &run, topic,
            (struct sim_writer_options){.acks = -1, .version = 9, .calls_max = 1, .records_max = 5},
            20);
        sim_run_finish(&run, "the work");
        sim_run_stop(&run);
        look_for_marker(1);
        assert_true(sim_node_run(run.broker.machine, flip, NULL));
        sim_run_start(&run);
        look_for_marker(0);
        assert_false(log_tells_of("partition_"));
        sim_broker_kill(&run.broker);
        sim_run_start(&run);
        sim_world_run_for(run.world, 10);
        /* Nor is what was flushed read after a crash: whoever reads it first meets it. */
        assert_false(log_tells_of("partition_"));
        sim_broker_kill(&run.broker);
        assert_true(sim_node_run(run.broker.machine, flip, NULL));
        sim_run_start(&run);
        sim_run_check(&run);
        sim_run_stop(&run);
        (void)sim_run_end(&run);
    }
}

/* ---- a stop of many partitions ---- */

/* So many that the stop syncs them at once. */
static void work_on_many(uint64_t seed)
{
    static const char *const others[] = {"idle-1", "idle-2", "idle-3", "idle-4"};
    sim_run_begin(&run, seed, 1, NULL);
    run.history.disk_fails = true;
    sim_run_start(&run);
    struct sim_topic *synced = sim_run_add_topic(&run, "synced", 4);
    synced->syncs = true;
    struct sim_topic *stamped = sim_run_add_topic(&run, "stamped", 4);
    stamped->stamps = true;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        (void)sim_run_add_topic(&run, others[i], 4);
    sim_admin_look(&run.admin);
    sim_run_finish(&run, "making topics");
    sim_run_add_writer(
        &run, synced,
        (struct sim_writer_options){
            .acks = -1, .idempotent = true, .version = 9, .calls_max = 5, .records_max = 5},
        50);
    sim_run_add_writer(
        &run, stamped,
        (struct sim_writer_options){.acks = 1, .version = 9, .calls_max = 5, .records_max = 5}, 50);
    sim_run_finish(&run, "the work");
}

/* The power may fail at any change of a stop: then there is no marker, or all is there. */
static void power_may_fail_in_a_stop(void **state)
{
    (void)state;
    sim_broker_expect_deaths();
    uint64_t synced_before = 0;
    for (uint64_t k = 0; k < 600; k += 1 + k / 4) {
        work_on_many(k);
        struct sim_node *machine = run.broker.machine;
        uint64_t before = sim_fault_calls(machine, SIM_DIR_SYNC_ALL);
        sim_fault_change(machine, k, SIM_CUT, 0);
        enum sim_outcome outcome = sim_broker_stop(&run.broker);
        bool struck = sim_fault_struck(machine);
        SIM_CHECK(outcome == (struck ? SIM_OUTCOME_DIED : SIM_OUTCOME_STOPPED), "at change %llu",
                  (unsigned long long)k);
        synced_before += sim_fault_calls(machine, SIM_DIR_SYNC_ALL) - before;
        run.history.cuts++;
        sim_fault_clear(machine);
        if (!struck)
            sim_broker_cut(&run.broker);
        sim_run_start(&run);
        sim_run_check(&run);
        sim_run_stop(&run);
        (void)sim_run_end(&run);
    }
    assert_true(synced_before > 0);
}

/* Where everything cannot be synced, the stop was no clean one, and that is told. */
static void a_failed_sync_leaves_no_marker(void **state)
{
    static const struct sim_fault fault = {
        .call = SIM_DIR_SYNC_ALL, .times = 1, .effect = SIM_FAIL, .error = EIO};
    (void)state;
    work_on_many(1);
    sim_fault_add(run.broker.machine, &fault);
    assert_int_equal(sim_broker_stop(&run.broker), SIM_OUTCOME_STOPPED);
    assert_true(sim_fault_struck(run.broker.machine));
    assert_false(run.broker.was_clean);
    look_for_marker(0);
    assert_true(log_tells_of("event=stop_not_clean directory=/data error="));
    sim_broker_cut(&run.broker);
    run.history.cuts++;
    sim_run_start(&run);
    sim_run_check(&run);
    sim_run_stop(&run);
    look_for_marker(1);
    (void)sim_run_end(&run);
}

/* ---- a stormy life ---- */

/* What is drawn for a run beside what the world draws. */
static struct prng fate;

static int64_t draw(int64_t below)
{
    return (int64_t)prng_below(&fate, (uint64_t)below);
}

/* The node was killed, or its machine lost power. */
static void note_death(bool power_fails)
{
    run.history.cuts += power_fails ? 1 : 0;
}

static bool broker_is_dead(void *context)
{
    (void)context;
    return !sim_broker_runs(&run.broker);
}

/* Dies at a change of the disk that comes soon, or at the end of that time. */
static void die(bool power_fails)
{
    struct sim_node *machine = run.broker.machine;
    if (draw(2) == 0) {
        sim_fault_change(machine, (uint64_t)draw(40), power_fails ? SIM_CUT : SIM_KILL, 0);
        bool died = sim_world_run_until(run.world, broker_is_dead, NULL, 400);
        SIM_CHECK(died == sim_fault_struck(machine), "a node lives on, or died without a fault");
        sim_fault_clear(machine);
    }
    if (sim_broker_runs(&run.broker) && power_fails)
        sim_broker_cut(&run.broker);
    else if (sim_broker_runs(&run.broker))
        sim_broker_kill(&run.broker);
    run.broker.node = NULL;
    note_death(power_fails);
}

/* Starts that die on their way, then one that does not. */
static void start_in_storm(void)
{
    struct sim_node *machine = run.broker.machine;
    while (draw(3) == 0) {
        bool power_fails = draw(2) == 0;
        sim_fault_change(machine, (uint64_t)draw(30), power_fails ? SIM_CUT : SIM_KILL, 0);
        enum sim_outcome outcome = sim_broker_start(&run.broker);
        SIM_CHECK(outcome == SIM_OUTCOME_DIED || outcome == SIM_OUTCOME_SERVES,
                  "a start that was to die ends with outcome %d: %s", outcome,
                  run.broker.error.data);
        sim_fault_clear(machine);
        if (outcome == SIM_OUTCOME_SERVES)
            return;
        note_death(power_fails);
    }
    sim_run_start(&run);
}

static void cut_link(void)
{
    struct sim_node *from = draw(2) == 0 ? run.broker.machine : run.client.machine;
    struct sim_node *to = from == run.broker.machine ? run.client.machine : run.broker.machine;
    sim_link_cut(from, to, true);
    sim_world_run_for(run.world, draw(draw(4) == 0 ? 6000 : 300));
    sim_link_cut(from, to, false);
}

static void misfortune(void)
{
    switch (draw(6)) {
    case 0:
    case 1:
        die(false);
        break;
    case 2:
    case 3:
        die(true);
        break;
    case 4:
        sim_run_stop(&run);
        break;
    default:
        cut_link();
        return;
    }
    sim_world_run_for(run.world, draw(50));
    start_in_storm();
}

static void change_topics(int round)
{
    char name[24];
    (void)snprintf(name, sizeof name, "more-%d", round);
    struct sim_topic *topic = sim_run_add_topic(&run, name, 1 + (int32_t)draw(2));
    topic->syncs = draw(2) == 0; /* a setting: all shards look at all their partitions again */
    if (draw(2) == 0)
        sim_admin_look(&run.admin);
    sim_world_run_for(run.world, draw(20));
    topic->is_doomed = draw(3) == 0;
    sim_admin_look(&run.admin);
}

static void add_storm_writers(struct sim_topic *synced, struct sim_topic *plain)
{
    for (int i = 0; i < SIM_RUN_WRITERS_MAX; i++) {
        struct sim_writer_options options = {
            .idempotent = i % 2 == 0,
            .acks = (int16_t)(i % 2 == 0 ? draw(2) * 2 - 1 : draw(3) - 1),
            .codec = (enum codec)draw(CODEC_COUNT),
            .version = (int16_t)(3 + draw(11)),
            .calls_max = 1 + (int)draw(SIM_REQUESTS_MAX),
            .records_max = 1 + (int)draw(20),
            .pause_ms_max = draw(100),
        };
        if (options.codec == CODEC_ZSTD)
            options.version = (int16_t)MAX_OF((int)options.version, 7);
        sim_run_add_writer(&run, i < 2 ? synced : plain, options, 20 + (uint32_t)draw(40));
    }
}

static uint64_t stormy_life(uint64_t seed)
{
    prng_init(&fate, seed * 2 + 1);
    char workers[32];
    (void)snprintf(workers, sizeof workers, "ottla.workers=%d", 1 + (int)draw(3));
    const char *settings[] = {
        workers,
        "message.max.bytes=8000000",
        draw(2) == 0 ? "log.roll.ms=300" : "log.roll.ms=100000",
        draw(2) == 0 ? "log.flush.offset.checkpoint.interval.ms=200" : "log.index.interval.bytes=0",
        draw(2) == 0 ? "metadata.log.max.record.bytes.between.snapshots=500" : NULL,
        NULL,
    };
    sim_run_begin(&run, seed, 1 + (int)draw(3), settings);
    if (draw(2) == 0)
        run.history.large = 24; /* nearly every batch is a worker's to write */
    sim_world_set_odds(run.world, &(struct sim_odds){.short_send = (uint16_t)draw(300),
                                                     .cold_read = (uint16_t)draw(300),
                                                     .reset = (uint16_t)draw(4)});
    start_in_storm();
    struct sim_topic *synced = sim_run_add_topic(&run, "synced", 1 + (int32_t)draw(4));
    synced->syncs = true;
    synced->stamps = draw(2) == 0;
    struct sim_topic *plain = sim_run_add_topic(&run, "plain", 1 + (int32_t)draw(4));
    plain->stamps = draw(2) == 0;
    sim_admin_look(&run.admin);
    sim_run_finish(&run, "making topics");
    add_storm_writers(synced, plain);
    sim_run_add_reader(&run, synced, (int16_t)(4 + draw(15)));
    sim_run_add_reader(&run, plain, (int16_t)(4 + draw(15)));
    for (int round = 0; round < 4; round++) {
        sim_world_run_for(run.world, draw(500));
        change_topics(round);
        misfortune();
    }
    sim_world_set_odds(run.world, &(struct sim_odds){0});
    sim_run_finish(&run, "the work");
    sim_run_check(&run);
    sim_run_stop(&run);
    sim_run_start(&run);
    sim_run_check(&run);
    sim_run_stop(&run);
    return sim_run_end(&run);
}

/* ---- seeds ---- */

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

static void each_seed(uint64_t (*life)(uint64_t seed), uint64_t count)
{
    uint64_t first = number_of("OTTLA_SIM_FIRST_SEED", 1);
    count = number_of("OTTLA_SIM_SEEDS", count);
    for (uint64_t seed = first; seed < first + count; seed++) {
        print_message("seed %llu; again: OTTLA_SIM_SEEDS=1 OTTLA_SIM_FIRST_SEED=%llu\n",
                      (unsigned long long)seed, (unsigned long long)seed);
        uint64_t trace = life(seed);
        SIM_CHECK(life(seed) == trace, "seed %llu has two traces", (unsigned long long)seed);
        print_message("trace %016llx\n", (unsigned long long)trace);
    }
}

static uint64_t quiet_seed(uint64_t seed)
{
    return quiet_life(seed, 1 + (int)(seed % 3));
}

static void a_quiet_life_repeats_itself(void **state)
{
    (void)state;
    each_seed(quiet_seed, 3);
}

static void nothing_acknowledged_is_lost_in_a_storm(void **state)
{
    (void)state;
    sim_broker_expect_deaths();
    each_seed(stormy_life, 10);
}

int main(void)
{
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_quiet_life_repeats_itself, give_up),
        cmocka_unit_test_teardown(a_clean_stop_is_believed, give_up),
        cmocka_unit_test_teardown(power_may_fail_in_a_stop, give_up),
        cmocka_unit_test_teardown(a_failed_sync_leaves_no_marker, give_up),
        cmocka_unit_test_teardown(a_recovery_is_told, give_up),
        cmocka_unit_test_teardown(recovery_points_stay_near, give_up),
        cmocka_unit_test_teardown(nothing_acknowledged_is_lost_in_a_storm, give_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
