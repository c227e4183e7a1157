/* Accepting, in virtual time: limits of the node, of a host and of a second, connections dealt out
 * to shards and given back by them, and a kernel that has no descriptor left. */
#include "server/test/server_kit.h"
#include "sim/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define CLIENTS 6
#define SETTINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct sim_world *world;
static struct sim_node *server_node;
static struct sim_node *nodes[2];
static struct server_kit kit;
static struct kit_client clients[CLIENTS];
static int homes[CLIENTS]; /* which node a client is on */

struct start {
    const char *const *settings;
};

static void start_body(void *arg)
{
    const struct start *start = arg;
    server_kit_start(&kit, start->settings);
}

static void start_with(const char *const *settings)
{
    struct start start = {.settings = settings};
    world = sim_world_new(11);
    server_node = sim_node_new(world, "server", "10.0.0.1");
    nodes[0] = sim_node_new(world, "zero", "10.0.0.2");
    nodes[1] = sim_node_new(world, "one", "10.0.0.22");
    assert_true(sim_node_run(server_node, start_body, &start));
    assert_true(sim_world_run_quiet(world, 1000));
    for (int i = 0; i < CLIENTS; i++)
        clients[i].fd = -1;
}

static void quiet(void)
{
    assert_true(sim_world_run_quiet(world, 10000));
}

static void leave(int i)
{
    sim_node_use(nodes[homes[i]]);
    kit_client_close(&clients[i]);
    quiet();
}

static void end(void)
{
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].fd >= 0)
            leave(i);
    assert_int_equal(kit.gate.connection_count, 0);
    sim_node_use(server_node);
    server_kit_stop(&kit);
    sim_world_free(world);
}

/* Client i connects from nodes[at]; true when it is let in. */
static bool connects(int i, int at)
{
    homes[i] = at;
    sim_node_use(nodes[at]);
    kit_client_open(&clients[i], "server");
    quiet();
    if (!kit_client_ended(&clients[i]))
        return true;
    kit_client_close(&clients[i]);
    return false;
}

static void as_many_as_the_node_may_have(void **state)
{
    (void)state;
    start_with(SETTINGS("max.connections=3"));
    assert_true(connects(0, 0));
    assert_true(connects(1, 1));
    assert_true(connects(2, 0));
    assert_false(connects(3, 1));
    leave(1);
    assert_true(connects(3, 0));
    assert_false(connects(4, 0));
    assert_int_equal(stats_get(&kit.locals[0].api.stats, METRIC_CONNECTIONS_REFUSED), 2);
    end();
}

static void as_many_as_a_host_may_have(void **state)
{
    (void)state;
    start_with(SETTINGS("max.connections.per.ip=2",
                        "max.connections.per.ip.overrides=10.0.0.9:7,10.0.0.22:1"));
    assert_true(connects(0, 0));
    assert_true(connects(1, 0));
    assert_false(connects(2, 0));
    assert_true(connects(2, 1));
    assert_false(connects(3, 1));
    leave(0);
    assert_true(connects(3, 0));
    leave(2);
    assert_true(connects(4, 1));
    end();
}

static void as_many_as_a_second_may_bring(void **state)
{
    (void)state;
    start_with(SETTINGS("max.connection.creation.rate=2"));
    sim_world_run_for(world, 2000);
    assert_true(connects(0, 0));
    assert_true(connects(1, 0));
    assert_false(connects(2, 0));
    sim_world_run_for(world, 1000);
    assert_true(connects(2, 0));
    end();
}

/* Dealt out in turn; the counts come back from every shard. */
static void every_shard_gets_its_share(void **state)
{
    (void)state;
    uint8_t bytes[KIT_REQUEST_SIZE];
    start_with(SETTINGS("ottla.shards=3", "max.connections=6"));
    for (int i = 0; i < 6; i++)
        assert_true(connects(i, i % 2));
    for (int i = 0; i < 3; i++)
        assert_int_equal(kit.locals[i].connection_count, 2);
    for (int32_t i = 0; i < 6; i++) {
        size_t size = kit_request(bytes, i, 0);
        sim_node_use(nodes[homes[i]]);
        assert_true(kit_client_send(&clients[i], slice_of(bytes, size)));
        assert_int_equal(kit_client_answer(&clients[i]), i);
    }
    for (int i = 0; i < 6; i++)
        leave(i);
    assert_int_equal(kit.gate.connection_count, 0);
    for (int i = 0; i < 6; i++)
        assert_true(connects(i, 0));
    end();
}

/* No descriptor is left: accepting rests instead of spinning, and goes on when there is one. */
static void a_kernel_without_descriptors(void **state)
{
    (void)state;
    const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS};
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        start_with(NULL);
        struct sim_fault fault = {
            .call = SIM_ACCEPT, .times = 0, .effect = SIM_FAIL, .error = errors[i]};
        sim_fault_add(server_node, &fault);
        homes[0] = 0;
        sim_node_use(nodes[0]);
        kit_client_open(&clients[0], "server"); /* the kernel has it; nobody accepts it */
        quiet();
        uint64_t before = sim_fault_calls(server_node, SIM_ACCEPT);
        sim_world_run_for(world, 10000);
        uint64_t calls = sim_fault_calls(server_node, SIM_ACCEPT) - before;
        assert_in_range(calls, 50, 200);
        assert_int_equal(kit.locals[0].connection_count, 0);
        sim_fault_clear(server_node);
        sim_world_run_for(world, 200);
        assert_int_equal(kit.locals[0].connection_count, 1);
        end();
    }
}

/* A connection that went before it was accepted is passed over. */
static void a_connection_that_is_gone_already(void **state)
{
    (void)state;
    start_with(NULL);
    struct sim_fault fault = {
        .call = SIM_ACCEPT, .times = 1, .effect = SIM_FAIL, .error = ECONNABORTED};
    sim_fault_add(server_node, &fault);
    assert_true(connects(0, 0));
    assert_int_equal(kit.locals[0].connection_count, 1);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_as_the_node_may_have),
        cmocka_unit_test(as_many_as_a_host_may_have),
        cmocka_unit_test(as_many_as_a_second_may_bring),
        cmocka_unit_test(every_shard_gets_its_share),
        cmocka_unit_test(a_kernel_without_descriptors),
        cmocka_unit_test(a_connection_that_is_gone_already),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
