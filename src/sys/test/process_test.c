/* The process's own: signals, costs, streams, randomness, clocks and the log. */
#include "sys/clock.h"
#include "sys/entropy.h"
#include "sys/journal.h"
#include "sys/net.h"
#include "sys/poller.h"
#include "sys/process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void signals_are_read_not_died_of(void **state)
{
    struct sys_poller *poller = NULL;
    struct sys_event event;
    (void)state;
    int fd = sys_signal_open();
    assert_true(fd >= 0);
    assert_int_equal(sys_signal_take(fd), 0);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(sys_poller_new(&poller), 0);
    assert_int_equal(sys_poller_add(poller, fd, 5, false), 0);
    assert_int_equal(sys_poller_wait(poller, &event, 1, INT64_MAX), 1);
    assert_int_equal(event.key, 5);
    assert_int_equal(sys_signal_take(fd), SIGTERM);
    assert_int_equal(sys_signal_take(fd), 0);
    assert_int_equal(raise(SIGPIPE), 0);
    sys_poller_free(poller);
    sys_net_close(fd);
}

static void costs_are_plausible(void **state)
{
    struct sys_process_costs costs = {0};
    (void)state;
    sys_process_costs(&costs);
    assert_in_range(costs.resident_bytes, 100 * 1024, (int64_t)4 << 30);
    assert_true(costs.cpu_ns > 0);
    assert_in_range(costs.open_files, 1, 1000);
    assert_true(sys_process_files_max() >= 64);
    assert_true(sys_process_cores() >= 1);
    assert_int_equal(sys_process_id(), getpid());
}

static void an_exit_is_at_once(void **state)
{
    int status = 0;
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        sys_process_exit(7);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void randomness_differs(void **state)
{
    uint8_t a[16] = {0};
    uint8_t b[16] = {0};
    (void)state;
    sys_entropy(a, sizeof a);
    sys_entropy(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    sys_entropy(a, 0);
}

static void clocks_go(void **state)
{
    (void)state;
    int64_t before_ns = sys_mono_ns();
    while (sys_mono_ns() == before_ns) {
    }
    assert_true(sys_mono_ns() > before_ns);
    assert_true(sys_wall_ms() > 1700000000000);
}

/* What the body of the test writes to standard error. */
static size_t captured(void (*body)(void), char *ret_text, size_t size)
{
    int ends[2];
    int kept = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    body();
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(ends[1]), 0);
    ssize_t got = read(ends[0], ret_text, size - 1);
    assert_true(got >= 0);
    ret_text[got] = '\0';
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(kept), 0);
    return (size_t)got;
}

static void log_something(void)
{
    char quoted[32];
    journal(JOURNAL_DEBUG, "unseen", "a=1");
    journal(JOURNAL_WARN, "disk_slow", "dir=%s ms=%d",
            journal_quote(quoted, sizeof quoted, "my data", 7), 12);
    journal_set_level(JOURNAL_ERROR);
    journal(JOURNAL_WARN, "unseen", "a=1");
    journal_set_level(JOURNAL_INFO);
}

static void the_log_is_one_line_a_call(void **state)
{
    char text[1000];
    (void)state;
    assert_true(captured(log_something, text, sizeof text) > 25);
    assert_memory_equal(text, "ts=20", 5);
    assert_string_equal(text + strlen("ts=2026-11-24T02:57:35.123Z"),
                        " level=warn event=disk_slow dir=\"my data\" ms=12\n");
}

static void a_gate_counts_what_it_holds_back(void **state)
{
    struct journal_gate gate = {0};
    uint64_t held_back = 99;
    (void)state;
    assert_true(journal_gate_open(&gate, 3600000, &held_back));
    assert_int_equal(held_back, 0);
    assert_false(journal_gate_open(&gate, 3600000, &held_back));
    assert_false(journal_gate_open(&gate, 3600000, &held_back));
    gate.next_ms = 0;
    assert_true(journal_gate_open(&gate, 3600000, &held_back));
    assert_int_equal(held_back, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_are_read_not_died_of),
        cmocka_unit_test(costs_are_plausible),
        cmocka_unit_test(an_exit_is_at_once),
        cmocka_unit_test(randomness_differs),
        cmocka_unit_test(clocks_go),
        cmocka_unit_test(the_log_is_one_line_a_call),
        cmocka_unit_test(a_gate_counts_what_it_holds_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
