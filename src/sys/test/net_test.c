/* The kernel's sockets, poller and threads against the contract, and what only the kernel has:
 * names, both address families, files sent without a copy, wake-ups across threads. */
#include "sys/test/net_contract.h"

#include "sys/dir.h"
#include "sys/file.h"

#include <stdio.h>
#include <string.h>

static void everywhere_means_both_families(void **state)
{
    struct sys_net_address address = {.port = 0};
    (void)state;
    int listener = sys_net_listen("", 0, 4);
    assert_true(listener >= 0);
    assert_int_equal(sys_net_local(listener, &address), 0);
    int client = sys_net_connect("127.0.0.1", address.port);
    assert_true(client >= 0);
    int accepted = -EAGAIN;
    while (accepted == -EAGAIN)
        accepted = sys_net_accept(listener, &address);
    assert_true(accepted >= 0);
    assert_string_equal(address.host, "127.0.0.1");
    sys_net_set_buffers(accepted, 8192, -1);
    sys_net_close(accepted);
    sys_net_close(client);
    sys_net_close(listener);
}

static void names_that_mean_nothing_are_refused(void **state)
{
    (void)state;
    assert_int_equal(sys_net_listen("no.such.host.invalid", 0, 1), -EADDRNOTAVAIL);
    assert_int_equal(sys_net_connect("no.such.host.invalid", 1), -EADDRNOTAVAIL);
}

static void localhost_is_one_place(void **state)
{
    struct sys_net_address address = {.port = 0};
    (void)state;
    int listener = sys_net_listen("localhost", 0, 4);
    assert_true(listener >= 0);
    assert_int_equal(sys_net_local(listener, &address), 0);
    assert_string_equal(address.host, "127.0.0.1");
    assert_int_equal(sys_net_listen("localhost", address.port, 4), -EADDRINUSE);
    int client = sys_net_connect("localhost", address.port);
    assert_true(client >= 0);
    int accepted = -EAGAIN;
    while (accepted == -EAGAIN)
        accepted = sys_net_accept(listener, &address);
    assert_true(accepted >= 0);
    sys_net_close(accepted);
    sys_net_close(client);
    sys_net_close(listener);
}

static void this_host_has_a_name(void **state)
{
    char name[256] = {0};
    (void)state;
    assert_int_equal(sys_net_host_name(name, sizeof name), 0);
    assert_true(strlen(name) > 0);
    assert_int_equal(sys_net_host_name(name, 1), -ENAMETOOLONG);
}

static void files_are_sent_from_where_they_lie(void **state)
{
    char path[64];
    char back[64];
    struct pair pair;
    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/ottla-net-test-%p", (void *)&pair);
    int fd = sys_file_open(SYS_DIR_CWD, path, SYS_OPEN_WRITE | SYS_OPEN_CREATE);
    assert_true(fd >= 0);
    assert_int_equal(sys_unlink(SYS_DIR_CWD, path), 0);
    assert_int_equal(sys_file_write_at(fd, slice_of_text("0123456789"), 0), 0);
    pair_open(&pair);
    assert_int_equal(sys_net_send_file(pair.client, fd, 3, 5), 5);
    pair_wait(&pair, KEY_SERVER, SYS_READABLE);
    assert_int_equal(sys_net_recv(pair.server, back, sizeof back), 5);
    assert_memory_equal(back, "34567", 5);
    assert_int_equal(sys_net_send_file(pair.client, fd, 10, 5), 0);
    sys_file_close(fd);
    pair_close(&pair);
}

struct waker {
    struct sys_poller *poller;
    int left;
};

static bool waker_turn(void *arg)
{
    struct waker *waker = (struct waker *)arg;
    sys_poller_wake(waker->poller);
    return --waker->left > 0;
}

static void another_thread_wakes_the_poller(void **state)
{
    struct waker waker = {.left = 1};
    struct sys_task task = {.name = "waker", .turn = waker_turn, .arg = &waker};
    struct sys_event event;
    (void)state;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(sys_poller_new(&waker.poller), 0);
        waker.left = 1;
        assert_int_equal(sys_tasks_start(&task, 1), 0);
        assert_int_equal(sys_poller_wait(waker.poller, &event, 1, INT64_MAX), 0);
        sys_tasks_join(&task, 1);
        sys_poller_free(waker.poller);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_CONTRACT(NULL, NULL),
        cmocka_unit_test(everywhere_means_both_families),
        cmocka_unit_test(names_that_mean_nothing_are_refused),
        cmocka_unit_test(localhost_is_one_place),
        cmocka_unit_test(this_host_has_a_name),
        cmocka_unit_test(files_are_sent_from_where_they_lie),
        cmocka_unit_test(another_thread_wakes_the_poller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
