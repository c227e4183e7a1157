/* An echo server on shards and a client on another node, in the simulated world: for every seed all
 * bytes come back in order, the same seed gives the same trace, and other seeds give other ones. */
#include "shard/buffer.h"
#include "shard/shard.h"
#include "sim/world.h"
#include "sys/clock.h"
#include "sys/net.h"
#include "sys/poller.h"
#include "sys/task.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS 100
#define PORT 9092
#define CONNECTIONS 4
#define TOTAL ((size_t)200000) /* bytes of each connection */

/* ---- the server: accepts on shard 0, hands each connection to a shard by message ---- */

struct echo {
    struct shard_message arrival;
    struct shard_watch watch;
    struct shard_chore progress;
    struct shard_chore flush;
    struct shard_job check; /* a worker looks at what was received now and then */
    struct shard_timer timer;
    int fd;
    bool readable;
    bool checking;
    uint8_t pending[3000];
    size_t start;
    size_t size;
    uint64_t sum;
    uint64_t ticks;
};

struct server {
    struct shard_set *set;
    struct shard_watch listener;
    struct shard_message begin;
    struct echo echoes[CONNECTIONS];
    int accepted;
    int ended;
    uint64_t checks;
};

static struct server server;

static void echo_check(struct shard_job *job)
{
    struct echo *echo = CONTAINER_OF(job, struct echo, check);
    echo->sum++;
}

static void echo_checked(struct shard *here, struct shard_job *job)
{
    struct echo *echo = CONTAINER_OF(job, struct echo, check);
    (void)here;
    echo->checking = false;
}

static void echo_end(struct shard *here, struct echo *echo)
{
    if (echo->fd < 0)
        return;
    shard_watch_stop(here, &echo->watch);
    shard_chore_cancel(&echo->progress);
    shard_chore_cancel(&echo->flush);
    shard_timer_stop(here, &echo->timer);
    sys_net_close(echo->fd);
    echo->fd = -1;
    server.ended++;
}

static void echo_flush(struct shard *here, struct shard_chore *chore)
{
    struct echo *echo = CONTAINER_OF(chore, struct echo, flush);
    struct slice part = slice_of(echo->pending + echo->start, echo->size);
    int64_t sent = part.size == 0 ? 0 : sys_net_send(echo->fd, &part, 1, false);
    if (sent < 0 && sent != -EAGAIN) {
        echo_end(here, echo);
        return;
    }
    echo->start += sent > 0 ? (size_t)sent : 0;
    echo->size -= sent > 0 ? (size_t)sent : 0;
    if (echo->size == 0 && echo->readable)
        shard_run_later(here, &echo->progress);
}

static void echo_progress(struct shard *here, struct shard_chore *chore)
{
    struct echo *echo = CONTAINER_OF(chore, struct echo, progress);
    if (echo->size > 0 || !echo->readable)
        return;
    int64_t got = sys_net_recv(echo->fd, echo->pending, sizeof echo->pending);
    if (got == 0 || (got < 0 && got != -EAGAIN)) {
        echo_end(here, echo);
        return;
    }
    if (got == -EAGAIN) {
        echo->readable = false;
        return;
    }
    echo->start = 0;
    echo->size = (size_t)got;
    shard_flush_later(here, &echo->flush);
    if (echo->checking)
        return;
    echo->checking = true;
    echo->check = (struct shard_job){
        .run = echo_check,
        .on_done = echo_checked,
        .queue = echo,
    };
    shard_submit(here, &echo->check);
}

static void echo_ready(struct shard *here, struct shard_watch *watch, unsigned ready)
{
    struct echo *echo = CONTAINER_OF(watch, struct echo, watch);
    if ((ready & SYS_READABLE) != 0) {
        echo->readable = true;
        shard_run_later(here, &echo->progress);
    }
    if ((ready & SYS_WRITABLE) != 0)
        shard_flush_later(here, &echo->flush);
}

static void echo_tick(struct shard *here, struct shard_timer *timer)
{
    struct echo *echo = CONTAINER_OF(timer, struct echo, timer);
    echo->ticks++;
    shard_timer_start(here, timer, 3);
}

static void echo_arrived(struct shard *here, struct shard_message *message)
{
    struct echo *echo = CONTAINER_OF(message, struct echo, arrival);
    shard_chore_init(&echo->progress, echo_progress);
    shard_chore_init(&echo->flush, echo_flush);
    shard_timer_init(&echo->timer, echo_tick);
    shard_timer_start(here, &echo->timer, 3);
    assert_int_equal(shard_watch_start(here, &echo->watch, echo->fd, true, echo_ready), 0);
}

static const struct shard_route arrival_route = {.name = "arrival", .run = {echo_arrived}};

static void server_accept(struct shard *here, struct shard_watch *watch, unsigned ready)
{
    struct sys_net_address peer;
    (void)ready;
    int fd = sys_net_accept(watch->fd, &peer);
    assert_true(fd >= 0);
    assert_string_equal(peer.host, "10.0.0.2");
    struct echo *echo = &server.echoes[server.accepted++];
    echo->fd = fd;
    int target = server.accepted % shard_set_count(server.set);
    shard_send(here, shard_set_at(server.set, target), &echo->arrival, &arrival_route);
}

static void server_begin(struct shard *here, struct shard_message *message)
{
    (void)message;
    int fd = sys_net_listen("", PORT, 16);
    assert_true(fd >= 0);
    assert_int_equal(shard_watch_start(here, &server.listener, fd, false, server_accept), 0);
}

static const struct shard_route begin_route = {.name = "begin", .run = {server_begin}};

static void server_start(void *arg)
{
    const struct shard_set_options *options = (const struct shard_set_options *)arg;
    memset(&server, 0, sizeof server);
    assert_int_equal(shard_set_new(options, &server.set), 0);
    shard_post(shard_set_at(server.set, 0), &server.begin, &begin_route);
    assert_int_equal(shard_set_start(server.set), 0);
}

/* ---- the client: one task with a poller of its own ---- */

struct client_stream {
    int fd;
    size_t sent;
    size_t received;
};

struct client {
    struct sys_poller *poller;
    struct client_stream streams[CONNECTIONS];
    int ended;
    struct sys_task task;
};

static uint8_t byte_at(size_t stream, size_t position)
{
    return (uint8_t)((position * 31 + stream) % 253);
}

static void stream_send(struct client_stream *stream, size_t index)
{
    uint8_t bytes[5000];
    while (stream->sent < TOTAL) {
        size_t size = MIN_OF(TOTAL - stream->sent, sizeof bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = byte_at(index, stream->sent + i);
        struct slice parts[2] = {slice_of(bytes, size / 2),
                                 slice_of(bytes + size / 2, size - size / 2)};
        int64_t sent = sys_net_send(stream->fd, parts, 2, false);
        if (sent == -EAGAIN)
            return;
        assert_true(sent > 0);
        stream->sent += (size_t)sent;
    }
}

static void stream_receive(struct client *client, struct client_stream *stream, size_t index)
{
    uint8_t bytes[7000];
    int64_t got;
    while ((got = sys_net_recv(stream->fd, bytes, sizeof bytes)) > 0) {
        for (size_t i = 0; i < (size_t)got; i++)
            assert_int_equal(bytes[i], byte_at(index, stream->received + i));
        stream->received += (size_t)got;
    }
    assert_int_equal(got, -EAGAIN);
    if (stream->received < TOTAL)
        return;
    sys_net_close(stream->fd);
    client->ended++;
}

static bool client_turn(void *arg)
{
    struct client *client = (struct client *)arg;
    struct sys_event events[2];
    int count = sys_poller_wait(client->poller, events, COUNT_OF(events), INT64_MAX);
    for (int i = 0; i < count; i++) {
        struct client_stream *stream = &client->streams[events[i].key];
        if (sys_net_connect_result(stream->fd) != 0)
            continue;
        stream_send(stream, events[i].key);
        stream_receive(client, stream, events[i].key);
    }
    return client->ended < CONNECTIONS;
}

static void client_start(struct client *client)
{
    assert_int_equal(sys_poller_new(&client->poller), 0);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        client->streams[i] = (struct client_stream){.fd = sys_net_connect("server", PORT)};
        assert_true(client->streams[i].fd >= 0);
        assert_int_equal(sys_poller_add(client->poller, client->streams[i].fd, i, true), 0);
    }
    client->task = (struct sys_task){.name = "client", .turn = client_turn, .arg = client};
    assert_int_equal(sys_tasks_start(&client->task, 1), 0);
}

static bool server_listens(void *context)
{
    (void)context;
    return server.listener.fd > 0;
}

static bool server_is_done(void *context)
{
    (void)context;
    return server.ended == CONNECTIONS;
}

static uint64_t run(uint64_t seed, int shards)
{
    static struct client client;
    const struct shard_set_options options = {
        .shard_count = shards,
        .controller = true,
        .worker_count = 2,
        .seed = seed,
    };
    struct sim_world *world = sim_world_new(seed);
    struct sim_node *server_node = sim_node_new(world, "server", "10.0.0.1");
    struct sim_node *client_node = sim_node_new(world, "client", "10.0.0.2");
    client = (struct client){.ended = 0};
    assert_true(sim_node_run(server_node, server_start, (void *)(uintptr_t)&options));
    assert_true(sim_world_run_until(world, server_listens, NULL, 1000));
    sim_node_use(client_node);
    client_start(&client);
    sys_tasks_join(&client.task, 1);
    sys_poller_free(client.poller);
    assert_true(sim_world_run_until(world, server_is_done, NULL, 10000));
    for (int i = 0; i < CONNECTIONS; i++)
        assert_true(server.echoes[i].ticks > 0 && server.echoes[i].sum > 0);
    sim_node_use(server_node);
    sys_net_close(server.listener.fd);
    shard_set_stop(server.set);
    shard_set_join(server.set);
    shard_set_free(server.set);
    uint64_t trace = sim_world_trace(world);
    sim_world_free(world);
    return trace;
}

static void every_seed_repeats_itself(void **state)
{
    uint64_t seen[SEEDS];
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        int shards = 1 + (int)(seed % 3);
        seen[seed] = run(seed, shards);
        if (run(seed, shards) != seen[seed])
            fail_msg("seed %llu has two traces", (unsigned long long)seed);
        for (uint64_t other = 0; other < seed; other++)
            assert_true(seen[other] != seen[seed]);
    }
}

/* A shard set with nothing to do gets no turn: no timer of its own, no polling. */
static void an_idle_set_sleeps(void **state)
{
    const struct shard_set_options options = {
        .shard_count = 2,
        .controller = true,
        .worker_count = 2,
    };
    struct sim_world *world = sim_world_new(1);
    struct sim_node *node = sim_node_new(world, "server", "10.0.0.1");
    (void)state;
    assert_true(sim_node_run(node, server_start, (void *)(uintptr_t)&options));
    assert_true(sim_world_run_quiet(world, 1000));
    uint64_t trace = sim_world_trace(world);
    sim_world_run_for(world, 3600000);
    assert_true(sim_world_trace(world) == trace);
    sim_node_kill(node);
    sim_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_seed_repeats_itself),
        cmocka_unit_test(an_idle_set_sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
