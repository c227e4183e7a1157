/* What sys/net.h, sys/poller.h and sys/task.h promise, as tests that run twice: on the kernel and
 * on the simulated world. */
#ifndef SYS_TEST_NET_CONTRACT_H
#define SYS_TEST_NET_CONTRACT_H

#include "sys/clock.h"
#include "sys/net.h"
#include "sys/poller.h"
#include "sys/task.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define KEY_LISTENER 1
#define KEY_CLIENT 2
#define KEY_SERVER 3

/* Two ends of one connection, watched by one poller. */
struct pair {
    struct sys_poller *poller;
    int listener;
    int client;
    int server;
    unsigned ready[4]; /* by key: what was seen since last looked at */
};

static void pair_wait(struct pair *pair, uint64_t key, unsigned wanted)
{
    while ((pair->ready[key] & wanted) == 0) {
        struct sys_event events[4];
        int count =
            sys_poller_wait(pair->poller, events, COUNT_OF(events), sys_mono_ns() + 10000000000);
        for (int i = 0; i < count; i++)
            pair->ready[events[i].key] |= events[i].ready;
        assert_true(count > 0);
    }
    pair->ready[key] &= ~wanted;
}

static void pair_open(struct pair *pair)
{
    struct sys_net_address address = {.port = 0};
    struct sys_net_address peer = {.port = 0};
    *pair = (struct pair){.listener = sys_net_listen("127.0.0.1", 0, 16)};
    assert_true(pair->listener >= 0);
    assert_int_equal(sys_net_local(pair->listener, &address), 0);
    assert_string_equal(address.host, "127.0.0.1");
    assert_int_not_equal(address.port, 0);
    assert_int_equal(sys_net_accept(pair->listener, &peer), -EAGAIN);
    assert_int_equal(sys_poller_new(&pair->poller), 0);
    assert_int_equal(sys_poller_add(pair->poller, pair->listener, KEY_LISTENER, false), 0);
    pair->client = sys_net_connect("127.0.0.1", address.port);
    assert_true(pair->client >= 0);
    assert_int_equal(sys_poller_add(pair->poller, pair->client, KEY_CLIENT, true), 0);
    pair_wait(pair, KEY_LISTENER, SYS_READABLE);
    pair->server = sys_net_accept(pair->listener, &peer);
    assert_true(pair->server >= 0);
    assert_string_equal(peer.host, "127.0.0.1");
    assert_int_equal(sys_poller_add(pair->poller, pair->server, KEY_SERVER, true), 0);
    pair_wait(pair, KEY_CLIENT, SYS_WRITABLE);
    assert_int_equal(sys_net_connect_result(pair->client), 0);
    assert_int_equal(sys_net_accept(pair->listener, &peer), -EAGAIN);
    struct sys_net_address local = {.port = 0};
    assert_int_equal(sys_net_local(pair->client, &local), 0);
    assert_int_equal(local.port, peer.port);
    pair->ready[KEY_LISTENER] = 0;
}

static void pair_close(struct pair *pair)
{
    sys_net_close(pair->client);
    sys_net_close(pair->server);
    sys_net_close(pair->listener);
    sys_poller_free(pair->poller);
}

/* Sends all parts from the client to the server as far as both let it, and checks the bytes. */
static void stream_through(struct pair *pair, size_t total)
{
    static uint8_t bytes[3000];
    static uint8_t back[5000];
    struct slice parts[100];
    size_t sent = 0;
    size_t received = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i % 251);
    while (received < total) {
        bool stuck = true;
        for (size_t i = 0; i < COUNT_OF(parts); i++)
            parts[i] = slice_of(bytes + (sent + i * 20) % 251, 20);
        int64_t took = sent < total ? sys_net_send(pair->client, parts, COUNT_OF(parts), false) : 0;
        assert_true(took >= 0 || took == -EAGAIN);
        sent += took > 0 ? (size_t)took : 0;
        stuck = took <= 0;
        int64_t got = sys_net_recv(pair->server, back, sizeof back);
        assert_true(got > 0 || got == -EAGAIN);
        for (int64_t i = 0; i < got; i++)
            assert_int_equal(back[i], (received + (size_t)i) % 251);
        received += got > 0 ? (size_t)got : 0;
        if (stuck && got == -EAGAIN)
            pair_wait(pair, KEY_SERVER, SYS_READABLE);
    }
}

static void bytes_arrive_in_order(void **state)
{
    struct pair pair;
    char back[8];
    (void)state;
    pair_open(&pair);
    assert_int_equal(sys_net_recv(pair.server, back, sizeof back), -EAGAIN);
    stream_through(&pair, 1000000);
    pair_close(&pair);
}

static void a_full_connection_says_when_it_has_room(void **state)
{
    static uint8_t bytes[100000];
    struct pair pair;
    int64_t total = 0;
    int64_t took;
    (void)state;
    pair_open(&pair);
    struct slice part = slice_of(bytes, sizeof bytes);
    while ((took = sys_net_send(pair.client, &part, 1, true)) >= 0)
        total += took;
    assert_int_equal(took, -EAGAIN);
    pair.ready[KEY_CLIENT] = 0;
    while (total > 0) {
        int64_t got = sys_net_recv(pair.server, bytes, sizeof bytes);
        if (got == -EAGAIN)
            pair_wait(&pair, KEY_SERVER, SYS_READABLE);
        else
            total -= got;
    }
    pair_wait(&pair, KEY_CLIENT, SYS_WRITABLE);
    assert_true(sys_net_send(pair.client, &part, 1, false) > 0);
    pair_close(&pair);
}

static void an_end_is_seen_after_the_bytes(void **state)
{
    struct pair pair;
    char back[8];
    int64_t got;
    (void)state;
    pair_open(&pair);
    struct slice part = slice_of_text("bye");
    assert_int_equal(sys_net_send(pair.client, &part, 1, false), 3);
    sys_poller_remove(pair.poller, pair.client);
    sys_net_close(pair.client);
    pair.client = -1;
    size_t seen = 0;
    while ((got = sys_net_recv(pair.server, back + seen, sizeof back - seen)) != 0) {
        if (got == -EAGAIN)
            pair_wait(&pair, KEY_SERVER, SYS_READABLE);
        else
            seen += (size_t)got;
    }
    assert_int_equal(seen, 3);
    assert_memory_equal(back, "bye", 3);
    pair_close(&pair);
}

/* Bytes and the end behind them may be one event: it tells of the end, since after a read that got
 * less than it had room for no further event comes. */
static void an_end_is_told_with_the_bytes(void **state)
{
    struct pair pair;
    char back[8];
    (void)state;
    pair_open(&pair);
    struct slice part = slice_of_text("bye");
    assert_int_equal(sys_net_send(pair.client, &part, 1, false), 3);
    sys_poller_remove(pair.poller, pair.client);
    sys_net_close(pair.client);
    pair.client = -1;
    pair_wait(&pair, KEY_SERVER, SYS_HANGUP);
    size_t seen = 0;
    int64_t got;
    while ((got = sys_net_recv(pair.server, back + seen, sizeof back - seen)) > 0)
        seen += (size_t)got;
    assert_int_equal(got, 0);
    assert_int_equal(seen, 3);
    pair_close(&pair);
}

static void an_abort_resets_the_peer(void **state)
{
    struct pair pair;
    char back[8];
    (void)state;
    pair_open(&pair);
    sys_poller_remove(pair.poller, pair.client);
    sys_net_abort(pair.client);
    pair.client = -1;
    pair_wait(&pair, KEY_SERVER, SYS_HANGUP);
    assert_int_equal(sys_net_recv(pair.server, back, sizeof back), -ECONNRESET);
    struct slice part = slice_of_text("x");
    assert_true(sys_net_send(pair.server, &part, 1, false) < 0);
    pair_close(&pair);
}

static void nobody_listening_refuses(void **state)
{
    struct pair pair;
    struct sys_net_address address = {.port = 0};
    (void)state;
    pair_open(&pair);
    assert_int_equal(sys_net_local(pair.listener, &address), 0);
    assert_int_equal(sys_net_listen("127.0.0.1", address.port, 1), -EADDRINUSE);
    sys_poller_remove(pair.poller, pair.client);
    sys_net_close(pair.client);
    sys_net_close(pair.listener);
    pair.listener = -1;
    pair.ready[KEY_CLIENT] = 0;
    pair.client = sys_net_connect("127.0.0.1", address.port);
    if (pair.client >= 0) {
        assert_int_equal(sys_poller_add(pair.poller, pair.client, KEY_CLIENT, true), 0);
        pair_wait(&pair, KEY_CLIENT, SYS_HANGUP);
        assert_int_equal(sys_net_connect_result(pair.client), -ECONNREFUSED);
    } else {
        assert_int_equal(pair.client, -ECONNREFUSED);
    }
    pair_close(&pair);
}

static void waiting_ends_by_wake_or_deadline(void **state)
{
    struct sys_poller *poller = NULL;
    struct sys_event event;
    (void)state;
    assert_int_equal(sys_poller_new(&poller), 0);
    assert_int_equal(sys_poller_wait(poller, &event, 1, 0), 0);
    int64_t deadline_ns = sys_mono_ns() + 3000000;
    while (sys_mono_ns() < deadline_ns)
        assert_int_equal(sys_poller_wait(poller, &event, 1, deadline_ns), 0);
    sys_poller_wake(poller);
    sys_poller_wake(poller);
    assert_int_equal(sys_poller_wait(poller, &event, 1, INT64_MAX), 0);
    deadline_ns = sys_mono_ns() + 1000000;
    while (sys_mono_ns() < deadline_ns)
        assert_int_equal(sys_poller_wait(poller, &event, 1, deadline_ns), 0);
    sys_poller_free(poller);
}

static void a_listener_reminds_until_accepted(void **state)
{
    struct pair pair;
    struct sys_net_address address = {.port = 0};
    (void)state;
    pair_open(&pair);
    assert_int_equal(sys_net_local(pair.listener, &address), 0);
    int more = sys_net_connect("127.0.0.1", address.port);
    assert_true(more >= 0);
    pair_wait(&pair, KEY_LISTENER, SYS_READABLE);
    pair_wait(&pair, KEY_LISTENER, SYS_READABLE);
    int accepted = sys_net_accept(pair.listener, &address);
    assert_true(accepted >= 0);
    sys_net_close(accepted);
    sys_net_close(more);
    pair_close(&pair);
}

/* One of two tasks that take turns by each other's park. */
struct player {
    struct sys_park *own;
    struct sys_park *other;
    int rounds;
    bool begins;
    int64_t waited_until_ns;
};

static bool player_turn(void *arg)
{
    struct player *player = (struct player *)arg;
    if (player->begins)
        sys_park_wake(player->other);
    player->begins = true;
    if (player->rounds == 0)
        return false;
    player->rounds--;
    sys_park_wait(player->own, INT64_MAX);
    return true;
}

static void tasks_wake_each_other(void **state)
{
    struct player players[2] = {{.rounds = 1000, .begins = true}, {.rounds = 1000}};
    struct sys_task tasks[2];
    (void)state;
    assert_int_equal(sys_park_new(&players[0].own), 0);
    assert_int_equal(sys_park_new(&players[1].own), 0);
    for (size_t i = 0; i < 2; i++) {
        players[i].other = players[1 - i].own;
        tasks[i] = (struct sys_task){.name = "player", .turn = player_turn, .arg = &players[i]};
    }
    assert_int_equal(sys_tasks_start(tasks, 2), 0);
    sys_tasks_join(tasks, 2);
    assert_int_equal(players[0].rounds, 0);
    assert_int_equal(players[1].rounds, 0);
    sys_park_free(players[0].own);
    sys_park_free(players[1].own);
}

static bool sleeper_turn(void *arg)
{
    struct player *player = (struct player *)arg;
    if (player->begins) {
        player->waited_until_ns = sys_mono_ns() + 5000000;
        player->begins = false;
    }
    sys_park_wait(player->own, player->waited_until_ns);
    return sys_mono_ns() < player->waited_until_ns;
}

static void a_park_ends_at_its_deadline(void **state)
{
    struct player player = {.begins = true};
    struct sys_task task = {.name = "sleeper", .turn = sleeper_turn, .arg = &player};
    (void)state;
    assert_int_equal(sys_park_new(&player.own), 0);
    assert_int_equal(sys_tasks_start(&task, 1), 0);
    sys_tasks_join(&task, 1);
    assert_true(sys_mono_ns() >= player.waited_until_ns);
    sys_park_free(player.own);
}

#define NET_CONTRACT(setup, teardown) \
    cmocka_unit_test_setup_teardown(bytes_arrive_in_order, setup, teardown), \
        cmocka_unit_test_setup_teardown(a_full_connection_says_when_it_has_room, setup, teardown), \
        cmocka_unit_test_setup_teardown(an_end_is_seen_after_the_bytes, setup, teardown), \
        cmocka_unit_test_setup_teardown(an_end_is_told_with_the_bytes, setup, teardown), \
        cmocka_unit_test_setup_teardown(an_abort_resets_the_peer, setup, teardown), \
        cmocka_unit_test_setup_teardown(nobody_listening_refuses, setup, teardown), \
        cmocka_unit_test_setup_teardown(waiting_ends_by_wake_or_deadline, setup, teardown), \
        cmocka_unit_test_setup_teardown(a_listener_reminds_until_accepted, setup, teardown), \
        cmocka_unit_test_setup_teardown(tasks_wake_each_other, setup, teardown), \
        cmocka_unit_test_setup_teardown(a_park_ends_at_its_deadline, setup, teardown)

#endif
