/* Answers on their way out, in virtual time: in order whatever is done first, sockets that take a
 * part of any size, ranges of files, many answers at once, and clients that do not read. */
#include "api/file_range.h"
#include "log/handle.h"
#include "server/test/server_kit.h"
#include "sim/world.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "tbl/limits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FILE_SIZE (1 << 20)

static struct sim_world *world;
static struct sim_node *server_node;
static struct sim_node *client_node;
static struct server_kit kit;
static struct kit_client client;

static uint8_t byte_at(int64_t position)
{
    return (uint8_t)(position * 31 % 253);
}

static void make_file(void *arg)
{
    (void)arg;
    uint8_t *bytes = malloc(FILE_SIZE);
    for (int64_t i = 0; i < FILE_SIZE; i++)
        bytes[i] = byte_at(i);
    int fd = sys_file_open(SYS_DIR_CWD, "segment", SYS_OPEN_WRITE | SYS_OPEN_CREATE);
    assert_true(fd >= 0);
    assert_int_equal(sys_file_write_at(fd, slice_of(bytes, FILE_SIZE), 0), 0);
    sys_file_close(fd);
    free(bytes);
}

static void start_body(void *arg)
{
    (void)arg;
    make_file(NULL);
    server_kit_start(&kit, NULL);
}

static void start(uint64_t seed, uint16_t short_send)
{
    world = sim_world_new(seed);
    struct sim_odds odds = {.short_send = short_send, .cold_read = (uint16_t)(seed % 2 * 500)};
    sim_world_set_odds(world, &odds);
    server_node = sim_node_new(world, "server", "10.0.0.1");
    client_node = sim_node_new(world, "client", "10.0.0.2");
    assert_true(sim_node_run(server_node, start_body, NULL));
    assert_true(sim_world_run_quiet(world, 1000));
    sim_node_use(client_node);
    kit_client_open(&client, "server");
    assert_true(sim_world_run_quiet(world, 1000));
}

static void end(void)
{
    if (client.fd >= 0)
        kit_client_close(&client);
    sim_node_use(server_node);
    server_kit_stop(&kit);
    sim_world_free(world);
}

/* ---- answers made by the test ---- */

/* A range of the file between bytes. */
struct piece {
    size_t before; /* bytes that stand before it */
    int64_t position;
    int64_t size;
};

struct plan {
    struct api_request *requests[70];
    int count;
};

static struct log_files files;
static struct log_handle *handle;

/* As a request that its API has. */
static struct api_request *begin_request(struct connection *c)
{
    struct shard_buffer *buffer = shard_buffer_new(1);
    struct api_request *request = api_request_new(&c->home->api, &c->client, buffer);
    shard_buffer_unref(buffer);
    request->row = api_row_find(18);
    list_add_tail(&c->requests, &request->link);
    c->request_count++;
    c->running_count++;
    return request;
}

static void finish_request(struct api_request *request)
{
    request->state = API_REQUEST_ANSWERED;
    request->client->on_answered(request->client, request);
}

static void add_bytes(struct api_request *request, size_t size, int64_t *position)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = byte_at((*position)++);
        chain_add(&request->answer, slice_of(&byte, 1));
    }
}

static void add_range(struct api_request *request, int64_t size, int64_t *position)
{
    role_now_on_shard();
    struct chain_external external;
    struct log_range range = {.handle = handle, .position = *position, .size = size};
    if (log_handle_ref(handle) != 0 ||
        !api_file_range_make(request->here, request->here->shard, &range, &external))
        abort();
    chain_add_external(&request->answer, external);
    *position += size;
}

/* ---- tests ---- */

/* Two answers of bytes and ranges, small and large, whose bytes continue the file's: what arrives
 * is the file from its start. */
static void answer_with_ranges(struct server_kit *here, void *context)
{
    int64_t position = 0;
    struct connection *c = server_kit_connection(here, 0);
    struct api_request *first = begin_request(c);
    struct api_request *second = begin_request(c);
    struct api_request *third = begin_request(c);
    (void)context;
    add_bytes(first, 10, &position);
    add_range(first, 100, &position);
    add_bytes(first, 1, &position);
    add_range(first, LIMIT_COPY_RANGE_SIZE, &position);
    add_range(first, LIMIT_COPY_RANGE_SIZE + 1, &position);
    add_bytes(second, 300, &position);
    add_range(third, 200000, &position);
    add_range(third, 1, &position);
    finish_request(third);
    finish_request(second);
    finish_request(first);
}

static void open_file(void *arg)
{
    (void)arg;
    log_files_init(&files, 4);
    handle = log_handle_new(&files, SYS_DIR_CWD, "segment");
    assert_non_null(handle);
}

static void close_file(void *arg)
{
    (void)arg;
    log_handle_forget(handle);
    log_files_fini(&files);
}

static void ranges_and_bytes_in_order(void **state)
{
    (void)state;
    enum { SIZE = 10 + 100 + 1 + 2 * LIMIT_COPY_RANGE_SIZE + 1 + 300 + 200001 };
    uint8_t *bytes = malloc(SIZE);
    for (uint64_t seed = 0; seed < 60; seed++) {
        start(seed, seed % 3 == 0 ? 0 : 900);
        assert_true(sim_node_run(server_node, open_file, NULL));
        sim_node_use(client_node);
        server_kit_post(&kit, answer_with_ranges, NULL);
        assert_true(kit_client_read(&client, bytes, SIZE));
        for (int64_t i = 0; i < SIZE; i++)
            if (bytes[i] != byte_at(i))
                fail_msg("seed %d: byte %d is wrong", (int)seed, (int)i);
        assert_true(sim_world_run_quiet(world, 1000));
        assert_int_equal(server_kit_connection(&kit, 0)->request_count, 0);
        assert_int_equal(server_kit_connection(&kit, 0)->unsent_bytes, 0);
        assert_true(sim_node_run(server_node, close_file, NULL));
        sim_node_use(client_node);
        end();
    }
    free(bytes);
}

/* The file is shorter than the answer says: the connection ends, nothing wrong is sent. */
static void answer_beyond_the_file(struct server_kit *here, void *context)
{
    int64_t position = FILE_SIZE - 100;
    struct connection *c = server_kit_connection(here, 0);
    struct api_request *request = begin_request(c);
    (void)context;
    add_range(request, 100000, &position);
    finish_request(request);
}

static void a_file_that_is_too_short(void **state)
{
    (void)state;
    uint8_t bytes[200];
    start(1, 0);
    assert_true(sim_node_run(server_node, open_file, NULL));
    sim_node_use(client_node);
    server_kit_post(&kit, answer_beyond_the_file, NULL);
    assert_false(kit_client_read(&client, bytes, 101));
    assert_true(sim_world_run_quiet(world, 1000));
    assert_int_equal(kit.locals[0].connection_count, 0);
    assert_true(sim_node_run(server_node, close_file, NULL));
    sim_node_use(client_node);
    end();
}

static void begin_many(struct server_kit *here, void *context)
{
    struct plan *plan = context;
    for (int i = 0; i < plan->count; i++)
        plan->requests[i] = begin_request(server_kit_connection(here, 0));
}

/* The last first: nothing may leave before the first is done. */
static void finish_last(struct server_kit *here, void *context)
{
    struct plan *plan = context;
    struct api_request *request = plan->requests[--plan->count];
    (void)here;
    uint8_t number = (uint8_t)plan->count;
    chain_add(&request->answer, slice_of(&number, 1));
    finish_request(request);
}

static void answers_leave_in_the_order_of_requests(void **state)
{
    (void)state;
    struct plan plan = {.count = 64};
    uint8_t bytes[64];
    start(2, 0);
    server_kit_post(&kit, begin_many, &plan);
    assert_true(sim_world_run_quiet(world, 1000));
    while (plan.count > 0) {
        uint8_t byte;
        assert_int_equal(sys_net_recv(client.fd, &byte, 1), -EAGAIN);
        server_kit_post(&kit, finish_last, &plan);
        assert_true(sim_world_run_quiet(world, 1000));
    }
    uint64_t sends = sim_fault_calls(server_node, SIM_SEND);
    assert_true(kit_client_read(&client, bytes, sizeof bytes));
    for (int i = 0; i < 64; i++)
        assert_int_equal(bytes[i], i);
    assert_true(sends <= 2); /* 62 parts fit into one send */
    end();
}

/* ---- clients that do not read ---- */

/* Asks and asks without reading, until the server takes no more. */
static int64_t ask_without_reading(void)
{
    uint8_t bytes[64 * KIT_REQUEST_SIZE];
    size_t size = 0;
    int64_t asked = 0;
    for (int32_t i = 0; i < 64; i++)
        size += kit_request(bytes + size, i, 0);
    for (int dry = 0; dry < 2;) {
        int64_t sent = kit_client_send_some(&client, slice_of(bytes, size));
        asked += sent > 0 ? sent : 0;
        dry = sent > 0 ? 0 : dry + 1;
        assert_true(sim_world_run_quiet(world, 10000));
    }
    return asked;
}

static void a_client_that_never_reads_is_ended(void **state)
{
    (void)state;
    start(3, 0);
    assert_true(ask_without_reading() > 0);
    struct connection *c = server_kit_connection(&kit, 0);
    assert_true(c->unsent_since_ms != 0);
    assert_true(c->unsent_bytes <= LIMIT_UNSENT_BYTES);
    sim_world_run_for(world, LIMIT_SEND_STALL_MS - 1000);
    assert_int_equal(kit.locals[0].connection_count, 1);
    sim_world_run_for(world, 2000);
    assert_int_equal(kit.locals[0].connection_count, 0);
    assert_int_equal(stats_get(&kit.locals[0].api.stats, METRIC_CONNECTIONS_FAULTY), 1);
    end();
}

/* Whoever reads a little now and then stays, and gets everything. */
static void a_client_that_reads_slowly_stays(void **state)
{
    (void)state;
    start(4, 0);
    (void)ask_without_reading();
    uint8_t *bytes = malloc(LIMIT_RECEIVE_BUFFER_SIZE);
    for (int i = 0; i < 8; i++) {
        sim_world_run_for(world, LIMIT_SEND_STALL_MS / 2);
        assert_true(kit_client_read(&client, bytes, LIMIT_RECEIVE_BUFFER_SIZE));
    }
    free(bytes);
    assert_int_equal(kit.locals[0].connection_count, 1);
    end();
}

/* A client that ends while its requests run: they go on without it. */
static void the_end_of_a_client_with_answers_under_way(void **state)
{
    (void)state;
    struct plan plan = {.count = 3};
    start(5, 0);
    server_kit_post(&kit, begin_many, &plan);
    assert_true(sim_world_run_quiet(world, 1000));
    kit_client_close(&client);
    assert_true(sim_world_run_quiet(world, 1000));
    assert_int_equal(kit.locals[0].connection_count, 0);
    for (int i = 0; i < 3; i++)
        assert_null(plan.requests[i]->client);
    /* Their API answers later: they are freed, and nothing is sent. */
    for (int i = 0; i < 3; i++)
        api_request_answer_nothing(plan.requests[i]);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_and_bytes_in_order),
        cmocka_unit_test(a_file_that_is_too_short),
        cmocka_unit_test(answers_leave_in_the_order_of_requests),
        cmocka_unit_test(a_client_that_never_reads_is_ended),
        cmocka_unit_test(a_client_that_reads_slowly_stays),
        cmocka_unit_test(the_end_of_a_client_with_answers_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
