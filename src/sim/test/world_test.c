/* The world itself: nodes that die inside a turn, links that are cut, clocks, signals, faults by
 * number, and waits that nothing can end. */
#include "sim/world.h"
#include "sys/clock.h"
#include "sys/dir.h"
#include "sys/entropy.h"
#include "sys/file.h"
#include "sys/journal.h"
#include "sys/net.h"
#include "sys/poller.h"
#include "sys/process.h"
#include "sys/task.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sim_world *world;
static struct sim_node *nodes[2];

static void begin(uint64_t seed)
{
    world = sim_world_new(seed);
    nodes[0] = sim_node_new(world, "zero", "10.0.0.10");
    nodes[1] = sim_node_new(world, "one", "10.0.0.11");
    sim_node_use(nodes[0]);
}

/* ---- connections between nodes ---- */

struct link {
    struct sys_poller *poller;
    int fd;
    int peer; /* of node 1 */
};

static void wait_for(struct sys_poller *poller)
{
    struct sys_event events[4];
    while (sys_poller_wait(poller, events, COUNT_OF(events), INT64_MAX) == 0) {
    }
}

static void link_open(struct link *link)
{
    struct sys_net_address peer;
    struct sys_poller *poller = NULL;
    sim_node_use(nodes[1]);
    int listener = sys_net_listen("", 5000, 4);
    assert_true(listener >= 0);
    assert_int_equal(sys_poller_new(&poller), 0);
    assert_int_equal(sys_poller_add(poller, listener, 1, false), 0);
    sim_node_use(nodes[0]);
    assert_int_equal(sys_poller_new(&link->poller), 0);
    link->fd = sys_net_connect("one", 5000);
    assert_true(link->fd >= 0);
    assert_int_equal(sys_poller_add(link->poller, link->fd, 1, true), 0);
    sim_node_use(nodes[1]);
    wait_for(poller);
    link->peer = sys_net_accept(listener, &peer);
    assert_true(link->peer >= 0);
    assert_string_equal(peer.host, "10.0.0.10");
    sys_net_close(listener);
    sys_poller_free(poller);
    sim_node_use(nodes[0]);
    wait_for(link->poller);
    assert_int_equal(sys_net_connect_result(link->fd), 0);
}

/* Reads from node 0's end until something other than -EAGAIN comes. */
static int64_t link_read(struct link *link, char *bytes, size_t size)
{
    int64_t got;
    sim_node_use(nodes[0]);
    while ((got = sys_net_recv(link->fd, bytes, size)) == -EAGAIN)
        wait_for(link->poller);
    return got;
}

static void send_from_one(struct link *link, const char *text)
{
    struct slice part = slice_of_text(text);
    sim_node_use(nodes[1]);
    while (part.size > 0) {
        int64_t sent = sys_net_send(link->peer, &part, 1, false);
        assert_true(sent > 0);
        part = slice_from(part, (size_t)sent);
    }
}

static void a_killed_peer_ends_or_resets(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct link link;
        char bytes[16];
        size_t seen = 0;
        int64_t got;
        begin(seed);
        link_open(&link);
        send_from_one(&link, "last words");
        bool unread = seed % 2 == 1;
        struct slice part = slice_of_text("x");
        sim_node_use(nodes[0]);
        if (unread)
            assert_int_equal(sys_net_send(link.fd, &part, 1, false), 1);
        sim_world_run_for(world, 50);
        sim_node_kill(nodes[1]);
        while ((got = link_read(&link, bytes, sizeof bytes)) > 0)
            seen += (size_t)got;
        assert_int_equal(seen, 10);
        assert_int_equal(got, unread ? -ECONNRESET : 0);
        sim_world_free(world);
    }
}

static void a_peer_without_power_is_silent_until_spoken_to(void **state)
{
    struct link link;
    char bytes[16];
    (void)state;
    begin(1);
    link_open(&link);
    sim_node_cut(nodes[1]);
    sim_world_run_for(world, 60000);
    assert_int_equal(sys_net_recv(link.fd, bytes, sizeof bytes), -EAGAIN);
    struct slice part = slice_of_text("anybody?");
    assert_true(sys_net_send(link.fd, &part, 1, false) > 0);
    assert_int_equal(link_read(&link, bytes, sizeof bytes), -ECONNRESET);
    sim_world_free(world);
}

static void a_cut_link_delivers_later_and_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct link link;
        char bytes[64];
        size_t seen = 0;
        begin(seed);
        link_open(&link);
        sim_link_cut(nodes[1], nodes[0], true);
        send_from_one(&link, "before ");
        sim_world_run_for(world, 5000);
        sim_node_use(nodes[0]);
        assert_int_equal(sys_net_recv(link.fd, bytes, sizeof bytes), -EAGAIN);
        sim_link_cut(nodes[1], nodes[0], false);
        send_from_one(&link, "after");
        sim_node_use(nodes[1]);
        sys_net_close(link.peer);
        int64_t got;
        while ((got = link_read(&link, bytes + seen, sizeof bytes - seen)) > 0)
            seen += (size_t)got;
        assert_int_equal(got, 0);
        assert_int_equal(seen, 12);
        assert_memory_equal(bytes, "before after", 12);
        sim_world_free(world);
    }
}

static void bytes_announced_but_never_followed_come_late(void **state)
{
    struct link link;
    char bytes[16];
    struct slice part = slice_of_text("more");
    (void)state;
    begin(1);
    link_open(&link);
    sim_node_use(nodes[1]);
    int64_t from_ns = sys_mono_ns();
    int64_t sent = sys_net_send(link.peer, &part, 1, true);
    assert_true(sent > 0);
    assert_true(link_read(&link, bytes, sizeof bytes) == sent);
    assert_true(sys_mono_ns() - from_ns >= 200000000);
    sim_world_free(world);
}

/* ---- nodes that die where it hurts ---- */

struct writer {
    struct sys_task task;
    struct sys_park *park;
    int folder;
    int written;
};

static bool writer_turn(void *arg)
{
    struct writer *writer = (struct writer *)arg;
    int fd = sys_file_open(writer->folder, "log", SYS_OPEN_WRITE | SYS_OPEN_CREATE);
    if (fd < 0)
        return false;
    char digit = (char)('0' + writer->written);
    int result = sys_file_write_at(fd, slice_of(&digit, 1), writer->written);
    if (result == 0)
        result = sys_file_sync(fd);
    sys_file_close(fd);
    writer->written += result == 0 ? 1 : 0;
    return result == 0 && writer->written < 5;
}

static void writer_start(void *arg)
{
    struct writer *writer = (struct writer *)arg;
    writer->folder = sys_dir_open(SYS_DIR_CWD, "/");
    writer->task = (struct sys_task){.name = "writer", .turn = writer_turn, .arg = writer};
    assert_int_equal(sys_park_new(&writer->park), 0);
    assert_int_equal(sys_tasks_start(&writer->task, 1), 0);
}

/* The fault sweep: the k-th change of the disk is struck, for k = 0, 1, ... until none is. */
static void sweep(enum sim_effect effect)
{
    uint64_t k = 0;
    bool struck = true;
    for (; struck; k++) {
        struct writer *writer = (struct writer *)calloc(1, sizeof *writer);
        size_t size = 0;
        char *data = NULL;
        assert_non_null(writer);
        begin(k);
        sim_fault_change(nodes[0], k, effect, EIO);
        assert_true(sim_node_run(nodes[0], writer_start, writer));
        sim_world_run_for(world, 1000);
        struck = sim_fault_struck(nodes[0]);
        if (effect == SIM_FAIL || !struck)
            sys_tasks_join(&writer->task, 1);
        assert_int_equal(writer->written < 5, struck);
        int folder = sys_dir_open(SYS_DIR_CWD, "/");
        int result = sys_file_read_whole(folder, "log", 100, &data, &size);
        if (effect == SIM_KILL)
            assert_true(result == 0 ? (int)size >= writer->written : writer->written == 0);
        free(data);
        sim_world_free(world);
        free(writer);
    }
    assert_int_equal(k, 3 * 5 + 1); /* open, write, sync: each five times; then none */
}

static void any_change_may_be_the_last(void **state)
{
    (void)state;
    sweep(SIM_KILL);
    sweep(SIM_CUT);
    sweep(SIM_FAIL);
}

static void start_and_die(void *arg)
{
    int fd = sys_file_open(SYS_DIR_CWD, "a", SYS_OPEN_WRITE | SYS_OPEN_CREATE);
    assert_true(fd >= 0);
    *(int *)arg = 1;
    assert_int_equal(sys_file_sync(fd), 0);
    *(int *)arg = 2;
}

static void a_body_may_die_too(void **state)
{
    int reached = 0;
    const struct sim_fault fault = {.call = SIM_FILE_SYNC, .effect = SIM_KILL};
    (void)state;
    begin(1);
    sim_fault_add(nodes[0], &fault);
    assert_false(sim_node_run(nodes[0], start_and_die, &reached));
    assert_int_equal(reached, 1);
    sim_fault_clear(nodes[0]);
    assert_true(sim_node_run(nodes[0], start_and_die, &reached));
    assert_int_equal(reached, 2);
    assert_int_equal(sim_fault_calls(nodes[0], SIM_FILE_SYNC), 2);
    assert_int_equal(sim_fault_calls(nodes[0], SIM_CALL_COUNT), 4);
    assert_int_equal(sim_disk_changes(nodes[0]), 4);
    sim_world_free(world);
}

static bool exit_turn(void *arg)
{
    *(int *)arg = 1;
    sys_process_exit(1);
}

static bool run_for_good(void *arg)
{
    ++*(int *)arg;
    return true;
}

static void start_to_exit(void *arg)
{
    struct sys_task *tasks = (struct sys_task *)arg;
    assert_int_equal(sys_tasks_start(tasks, 2), 0);
}

/* A process that ends itself takes all its tasks along, from a turn as from a body. */
static void a_process_may_end_itself(void **state)
{
    int counts[2] = {0};
    struct sys_task tasks[2] = {
        {.name = "exits", .turn = exit_turn, .arg = &counts[0]},
        {.name = "stays", .turn = run_for_good, .arg = &counts[1]},
    };
    (void)state;
    begin(1);
    assert_false(sim_node_runs(nodes[0]));
    assert_true(sim_node_run(nodes[0], start_to_exit, tasks));
    assert_true(sim_node_runs(nodes[0]));
    assert_false(sim_node_runs(nodes[1]));
    sim_world_run_for(world, 10);
    assert_int_equal(counts[0], 1);
    int turns = counts[1];
    assert_false(sim_node_runs(nodes[0]));
    assert_int_equal(sim_node_deaths(nodes[0]), 1);
    assert_int_equal(sim_node_deaths(nodes[1]), 0);
    sim_world_run_for(world, 10);
    assert_int_equal(counts[1], turns);
    sim_world_free(world);
}

static void faults_choose_by_name_and_number(void **state)
{
    const struct sim_fault fault = {
        .call = SIM_FILE_OPEN,
        .name_part = "index",
        .after = 1,
        .times = 2,
        .error = EMFILE,
    };
    static const int expected[] = {0, 0, -EMFILE, -EMFILE, 0};
    static const char *const names[] = {"0.index", "0.log", "1.index", "1.timeindex", "2.index"};
    (void)state;
    begin(1);
    sim_fault_add(nodes[0], &fault);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        int fd = sys_file_open(SYS_DIR_CWD, names[i], SYS_OPEN_WRITE | SYS_OPEN_CREATE);
        assert_int_equal(MIN_OF(fd, 0), expected[i]);
    }
    sim_world_free(world);
}

/* ---- clocks, signals, streams ---- */

static void each_node_has_its_own_wall_clock(void **state)
{
    (void)state;
    begin(1);
    int64_t zero_ms = sys_wall_ms();
    sim_node_jump_wall(nodes[0], 3600000);
    assert_int_equal(sys_wall_ms() - zero_ms, 3600000);
    sim_node_use(nodes[1]);
    assert_int_equal(sys_wall_ms(), zero_ms);
    int64_t mono_ns = sys_mono_ns();
    sim_world_run_for(world, 1500);
    assert_int_equal(sys_mono_ns() - mono_ns, 1500000000);
    assert_int_equal(sys_wall_ms() - zero_ms, 1500);
    sim_world_free(world);
}

static void signals_wake_the_poller(void **state)
{
    struct sys_poller *poller = NULL;
    struct sys_event event;
    (void)state;
    begin(1);
    int fd = sys_signal_open();
    assert_int_equal(sys_poller_new(&poller), 0);
    assert_int_equal(sys_poller_add(poller, fd, 7, false), 0);
    assert_int_equal(sys_poller_wait(poller, &event, 1, 0), 0);
    sim_node_signal(nodes[0], SIGTERM);
    sim_node_signal(nodes[0], SIGHUP);
    assert_int_equal(sys_poller_wait(poller, &event, 1, INT64_MAX), 1);
    assert_int_equal(event.key, 7);
    assert_int_equal(sys_signal_take(fd), SIGHUP);
    assert_int_equal(sys_signal_take(fd), SIGTERM);
    assert_int_equal(sys_signal_take(fd), 0);
    sim_world_free(world);
}

static void what_nodes_say_is_kept(void **state)
{
    (void)state;
    begin(1);
    sys_process_write(1, slice_of_text("to the output"));
    journal(JOURNAL_INFO, "started", "port=%d", 9092);
    journal(JOURNAL_DEBUG, "unseen", "x=1");
    assert_true(slice_is(sim_node_output(nodes[0], 1), "to the output"));
    assert_int_equal(sim_node_output(nodes[0], 2).size, 0);
    const char *text = (const char *)sim_world_journal(world).data;
    assert_non_null(strstr(text, "level=info event=started port=9092\n"));
    assert_null(strstr(text, "unseen"));
    sim_world_free(world);
}

static void seeds_decide_what_is_random(void **state)
{
    uint64_t drawn[3];
    static const uint64_t seeds[] = {5, 5, 6};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(seeds); i++) {
        begin(seeds[i]);
        sys_entropy(&drawn[i], sizeof drawn[i]);
        sim_world_free(world);
    }
    assert_true(drawn[0] == drawn[1] && drawn[0] != drawn[2]);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static void a_world_where_nothing_can_happen_says_so(void **state)
{
    (void)state;
    begin(1);
    int64_t from_ns = sim_world_now_ns(world);
    assert_false(sim_world_run_until(world, never, NULL, 100));
    assert_int_equal(sim_world_now_ns(world) - from_ns, 100000000);
    assert_true(sim_world_run_quiet(world, 100));
    sim_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_peer_ends_or_resets),
        cmocka_unit_test(a_peer_without_power_is_silent_until_spoken_to),
        cmocka_unit_test(a_cut_link_delivers_later_and_in_order),
        cmocka_unit_test(bytes_announced_but_never_followed_come_late),
        cmocka_unit_test(any_change_may_be_the_last),
        cmocka_unit_test(a_body_may_die_too),
        cmocka_unit_test(a_process_may_end_itself),
        cmocka_unit_test(faults_choose_by_name_and_number),
        cmocka_unit_test(each_node_has_its_own_wall_clock),
        cmocka_unit_test(signals_wake_the_poller),
        cmocka_unit_test(what_nodes_say_is_kept),
        cmocka_unit_test(seeds_decide_what_is_random),
        cmocka_unit_test(a_world_where_nothing_can_happen_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
