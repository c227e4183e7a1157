/* From bytes to requests, in virtual time: frames cut at every byte, many in one read, larger than
 * the buffer, too large, too slow, and the bound on memory with its order of waiting. */
#include "replica/set.h"
#include "server/test/server_kit.h"
#include "sim/world.h"
#include "tbl/apis.h"
#include "tbl/limits.h"
#include "wire/batch_builder.h"
#include "wire/frame.h"
#include "wire/messages.h"
#include "wire/msg/partition_record.h"
#include "wire/msg/produce_request.h"
#include "wire/msg/topic_record.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sim_world *world;
static struct sim_node *server_node;
static struct sim_node *client_node;
static struct server_kit kit;

#define SETTINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

struct start {
    const char *const *settings;
};

static void start_body(void *arg)
{
    const struct start *start = arg;
    server_kit_start(&kit, start->settings);
}

static void start_with(uint64_t seed, const char *const *settings)
{
    struct start start = {.settings = settings};
    world = sim_world_new(seed);
    server_node = sim_node_new(world, "server", "10.0.0.1");
    client_node = sim_node_new(world, "client", "10.0.0.2");
    assert_true(sim_node_run(server_node, start_body, &start));
    assert_true(sim_world_run_quiet(world, 1000));
    sim_node_use(client_node);
}

static void end(void)
{
    sim_node_use(server_node);
    server_kit_stop(&kit);
    sim_world_free(world);
}

static void quiet(void)
{
    assert_true(sim_world_run_quiet(world, 10000));
}

static struct server_shard *local(void)
{
    return &kit.locals[0];
}

/* ---- frames ---- */

static void cut_at_every_byte(void **state)
{
    (void)state;
    uint8_t bytes[2 * (KIT_REQUEST_SIZE + 9)];
    start_with(1, NULL);
    struct kit_client client;
    kit_client_open(&client, "server");
    size_t size = kit_request(bytes, 7, 9);
    size += kit_request(bytes + size, 8, 0);
    for (size_t cut = 1; cut < size; cut++) {
        assert_true(kit_client_send(&client, slice_of(bytes, cut)));
        quiet();
        assert_true(kit_client_send(&client, slice_of(bytes + cut, size - cut)));
        assert_int_equal(kit_client_answer(&client), 7);
        assert_int_equal(kit_client_answer(&client), 8);
    }
    quiet();
    assert_null(server_kit_connection(&kit, 0)->buffer);
    kit_client_close(&client);
    end();
}

static void many_in_one_read(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    uint8_t *bytes = malloc(COUNT * KIT_REQUEST_SIZE);
    size_t size = 0;
    start_with(2, NULL);
    struct kit_client client;
    kit_client_open(&client, "server");
    for (int32_t i = 0; i < COUNT; i++)
        size += kit_request(bytes + size, i, 0);
    assert_true(kit_client_send(&client, slice_of(bytes, size)));
    for (int32_t i = 0; i < COUNT; i++)
        assert_int_equal(kit_client_answer(&client), i);
    kit_client_close(&client);
    free(bytes);
    end();
}

static void larger_than_the_buffer(void **state)
{
    (void)state;
    uint8_t *bytes = malloc((1 << 20) + 100);
    for (uint64_t seed = 0; seed < 20; seed++) {
        start_with(seed, NULL);
        struct kit_client client;
        kit_client_open(&client, "server");
        const size_t sizes[] = {LIMIT_RECEIVE_BUFFER_SIZE - KIT_REQUEST_SIZE,
                                LIMIT_RECEIVE_BUFFER_SIZE - KIT_REQUEST_SIZE + 1,
                                LIMIT_RECEIVE_BUFFER_SIZE, 1 << 20};
        for (int32_t i = 0; i < (int32_t)COUNT_OF(sizes); i++) {
            size_t size = kit_request(bytes, i, sizes[i]);
            size += kit_request(bytes + size, 100 + i, 0);
            assert_true(kit_client_send(&client, slice_of(bytes, size)));
            assert_int_equal(kit_client_answer(&client), i);
            assert_int_equal(kit_client_answer(&client), 100 + i);
        }
        quiet();
        assert_int_equal(local()->api.buffer_bytes, 0);
        kit_client_close(&client);
        end();
    }
    free(bytes);
}

static void sizes_that_end_the_connection(void **state)
{
    (void)state;
    const uint8_t negative[] = {0xff, 0xff, 0xff, 0xff};
    const uint8_t least[] = {0x80, 0, 0, 0};
    const uint8_t too_large[] = {0, 0, 0x10, 1}; /* 4097 */
    const uint8_t tiny[] = {0, 0, 0, 1, 0};
    const uint8_t unknown[] = {0, 0, 0, 8, 0x27, 0x0f, 0, 0, 0, 0, 0, 1};
    const struct slice all[] = {slice_of(negative, sizeof negative), slice_of(least, sizeof least),
                                slice_of(too_large, sizeof too_large), slice_of(tiny, sizeof tiny),
                                slice_of(unknown, sizeof unknown)};
    start_with(3, SETTINGS("socket.request.max.bytes=4096"));
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct kit_client client;
        kit_client_open(&client, "server");
        assert_true(kit_client_send(&client, all[i]));
        assert_int_equal(kit_client_answer(&client), -1);
        kit_client_close(&client);
    }
    uint8_t bytes[4200];
    struct kit_client client;
    kit_client_open(&client, "server");
    size_t size = kit_request(bytes, 5, 4096 - (KIT_REQUEST_SIZE - 4));
    assert_true(kit_client_send(&client, slice_of(bytes, size)));
    assert_int_equal(kit_client_answer(&client), 5);
    kit_client_close(&client);
    quiet();
    assert_int_equal(stats_get(&local()->api.stats, METRIC_CONNECTIONS_FAULTY), 5);
    end();
}

static void answers_before_the_end_are_sent(void **state)
{
    (void)state;
    uint8_t bytes[2 * KIT_REQUEST_SIZE];
    start_with(4, NULL);
    struct kit_client client;
    kit_client_open(&client, "server");
    size_t size = kit_request(bytes, 1, 0);
    assert_true(kit_client_send(&client, slice_of(bytes, size)));
    quiet();
    sys_net_close(client.fd); /* the client ends before it reads */
    quiet();
    assert_int_equal(local()->connection_count, 0);
    assert_int_equal(kit.gate.connection_count, 0);
    sys_poller_free(client.poller);
    end();
}

/* ---- deadlines ---- */

static void a_frame_that_does_not_end(void **state)
{
    (void)state;
    uint8_t bytes[KIT_REQUEST_SIZE];
    start_with(5, SETTINGS("ottla.frame.timeout.ms=60000"));
    struct kit_client client;
    kit_client_open(&client, "server");
    size_t size = kit_request(bytes, 1, 0);
    assert_true(kit_client_send(&client, slice_of(bytes, size - 1)));
    sim_world_run_for(world, 59000);
    assert_false(kit_client_ended(&client));
    sim_world_run_for(world, 2000);
    assert_true(kit_client_ended(&client));
    kit_client_close(&client);
    end();
}

/* The deadline counts from a frame's first byte: single bytes do not move it. */
static void a_frame_that_drips(void **state)
{
    (void)state;
    uint8_t bytes[KIT_REQUEST_SIZE + 200];
    start_with(6, SETTINGS("ottla.frame.timeout.ms=60000"));
    struct kit_client client;
    kit_client_open(&client, "server");
    size_t size = kit_request(bytes, 1, 200);
    size_t sent = 0;
    while (sent < size && !kit_client_ended(&client)) {
        (void)kit_client_send(&client, slice_of(bytes + sent, 1));
        sent++;
        sim_world_run_for(world, 1000);
    }
    assert_in_range(sent, 60, 62);
    kit_client_close(&client);
    end();
}

static void an_idle_connection(void **state)
{
    (void)state;
    uint8_t bytes[KIT_REQUEST_SIZE];
    start_with(7, SETTINGS("connections.max.idle.ms=5000"));
    struct kit_client busy;
    struct kit_client idle;
    kit_client_open(&idle, "server");
    kit_client_open(&busy, "server");
    for (int32_t i = 0; i < 4; i++) {
        size_t size = kit_request(bytes, i, 0);
        assert_true(kit_client_send(&busy, slice_of(bytes, size)));
        assert_int_equal(kit_client_answer(&busy), i);
        assert_int_equal(kit_client_ended(&idle), i > 1);
        sim_world_run_for(world, 3000);
    }
    assert_false(kit_client_ended(&busy));
    kit_client_close(&idle);
    kit_client_close(&busy);
    end();
}

/* ---- memory ---- */

#define MB ((size_t)1 << 20)

/* Sends what the server takes, until it takes no more. */
static size_t push(struct kit_client *client, struct slice bytes)
{
    size_t sent = 0;
    int64_t got;
    while (sent < bytes.size &&
           (got = kit_client_send_some(client, slice_from(bytes, sent))) != 0) {
        if (got == -EAGAIN) {
            size_t before = sent;
            quiet();
            got = kit_client_send_some(client, slice_from(bytes, sent));
            if (got == -EAGAIN)
                return before;
        }
        if (got < 0)
            return sent;
        sent += (size_t)got;
    }
    return sent;
}

enum { CLIENTS = 10 };

/* Each sends what the server takes of its own; false once all was sent by all. */
static bool send_round(struct kit_client *clients, size_t *sent, struct slice bytes)
{
    bool more = false;
    for (int i = 0; i < CLIENTS; i++) {
        struct slice rest = slice_from(bytes, sent[i]);
        int64_t got = rest.size > 0 ? kit_client_send_some(&clients[i], rest) : 0;
        assert_true(got >= 0 || got == -EAGAIN);
        sent[i] += got > 0 ? (size_t)got : 0;
        more = more || sent[i] < bytes.size;
    }
    return more;
}

/* Ten clients send requests of 2 MB at once where 4 MB may be held: nothing is lost, the bound
 * holds, and some had to wait for it. */
static void memory_is_bounded_and_all_get_theirs(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(2 * MB + 100);
    struct kit_client *clients = calloc(CLIENTS, sizeof *clients);
    size_t sent[CLIENTS] = {0};
    int64_t most = 0;
    bool starved = false;
    size_t size = kit_request(bytes, 1, 2 * MB);
    start_with(8,
               SETTINGS("socket.request.max.bytes=4000000", "ottla.memory.request.bytes=4194304"));
    for (int i = 0; i < CLIENTS; i++)
        kit_client_open(&clients[i], "server");
    while (send_round(clients, sent, slice_of(bytes, size))) {
        sim_world_run_for(world, 1);
        most = MAX_OF(most, local()->api.buffer_bytes);
        starved = starved || !list_is_empty(&local()->starved);
    }
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(kit_client_answer(&clients[i]), 1);
    assert_in_range(most, 4 * MB - LIMIT_RECEIVE_BUFFER_SIZE, 4 * MB + 2 * MB + 100);
    assert_true(starved);
    quiet();
    assert_int_equal(local()->api.buffer_bytes, 0);
    for (int i = 0; i < CLIENTS; i++)
        kit_client_close(&clients[i]);
    free(clients);
    free(bytes);
    end();
}

/* Unfinished frames hold all memory and nobody sends more: small requests go on, and a client that
 * has all of its large one gets its answer once the favoured that stand still were ended. */
static void those_who_stand_still_do_not_block(void **state)
{
    (void)state;
    enum { STALLED = 5 };
    uint8_t *bytes = malloc(2 * MB + 100);
    struct kit_client *stalled = calloc(STALLED + 2, sizeof *stalled);
    struct kit_client *large = &stalled[STALLED];
    struct kit_client *small = &stalled[STALLED + 1];
    size_t size = kit_request(bytes, 1, 2 * MB);
    start_with(9,
               SETTINGS("socket.request.max.bytes=4000000", "ottla.memory.request.bytes=4194304"));
    int64_t begun_ns = sim_world_now_ns(world);
    for (int i = 0; i < STALLED; i++) {
        kit_client_open(&stalled[i], "server");
        (void)push(&stalled[i], slice_of(bytes, size - 1000));
    }
    kit_client_open(small, "server");
    uint8_t little[KIT_REQUEST_SIZE];
    size_t little_size = kit_request(little, 3, 0);
    assert_true(kit_client_send(small, slice_of(little, little_size)));
    assert_int_equal(kit_client_answer(small), 3);
    kit_client_open(large, "server");
    assert_true(kit_client_send(large, slice_of(bytes, size)));
    assert_int_equal(kit_client_answer(large), 1);
    /* Before the deadline of any frame. */
    assert_in_range(sim_world_now_ns(world) - begun_ns, 1, INT64_C(60000000000));
    for (int i = 0; i < STALLED + 2; i++)
        kit_client_close(&stalled[i]);
    free(stalled);
    free(bytes);
    end();
}

/* ---- small requests that take long ---- */

#define PRODUCE_SIZE ((size_t)50000)
#define PRODUCE_COUNT 60

static void apply(struct meta_image *image, const struct wire_message *message, int16_t version,
                  const void *value)
{
    struct meta_applied applied = {.message = message, .version = version, .record = value};
    assert_null(meta_image_apply(image, &applied));
}

/* Shard 0 knows of partition "a-0" and comes to its image when the set stops: produce waits. */
static void know_of_a(struct replica_set *set)
{
    struct meta_image *image = meta_image_begin(local()->api.image);
    struct topic_record topic = topic_record_default;
    struct partition_record partition = partition_record_default;
    int32_t replica = 1;
    topic.name = slice_of_text("a");
    topic.topic_id = (struct uuid){{1}};
    apply(image, &wire_topic_record, 0, &topic);
    partition.partition_id = 0;
    partition.topic_id = topic.topic_id;
    partition.replicas = &replica;
    partition.replicas_count = 1;
    partition.isr = &replica;
    partition.isr_count = 1;
    partition.removing_replicas_count = 0;
    partition.adding_replicas_count = 0;
    partition.leader = replica;
    apply(image, &wire_partition_record, 1, &partition);
    image->end_offset = 1;
    meta_image_release(local()->api.image);
    local()->api.image = image;
    replica_set_init(set);
    log_files_init(&set->files, 1);
    set->shard = local()->api.shard;
    local()->api.replicas = set;
}

/* One batch of one record. */
static void make_produce(struct chain *frame)
{
    static const uint8_t value[PRODUCE_SIZE];
    struct batch_builder builder;
    struct batch_builder_options options = batch_builder_defaults();
    batch_builder_init(&builder);
    batch_builder_begin(&builder, &options);
    batch_builder_add(&builder, &(struct batch_record){.value = slice_of(value, sizeof value)});
    struct produce_request_topic_data_partition_data part = {
        .records = {.bytes = batch_builder_finish(&builder, NULL)}};
    struct produce_request_topic_data topic = {
        .name = slice_of_text("a"), .partition_data = &part, .partition_data_count = 1};
    struct produce_request request = produce_request_default;
    request.acks = 1;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    frame_request_begin(frame, &(struct frame_header){.api_key = API_PRODUCE, .api_version = 9});
    assert_true(wire_encode(&wire_produce_request, 9, &request, frame, NULL));
    frame_request_end(frame);
    batch_builder_fini(&builder);
}

static void stop_set(struct server_kit *server, void *context)
{
    role_now_on_shard();
    (void)server;
    replica_set_stop(context);
}

/* Requests of less than a buffer, of which each connection may have many under way: where they wait
 * for a disk they hold no more than may be held. */
static void small_requests_are_bounded_too(void **state)
{
    (void)state;
    struct replica_set set = {0};
    struct chain frame;
    size_t sent[CLIENTS] = {0};
    struct kit_client *clients = calloc(CLIENTS, sizeof *clients);
    chain_init(&frame, MB);
    make_produce(&frame);
    size_t size = frame.size;
    uint8_t *bytes = malloc(PRODUCE_COUNT * size);
    assert_non_null(bytes);
    for (size_t i = 0; i < PRODUCE_COUNT; i++)
        memcpy(bytes + i * size, frame.data, size);
    start_with(10, SETTINGS("ottla.memory.request.bytes=1048576"));
    know_of_a(&set);
    for (int i = 0; i < CLIENTS; i++)
        kit_client_open(&clients[i], "server");
    for (int i = 0; i < 1000; i++) {
        (void)send_round(clients, sent, slice_of(bytes, PRODUCE_COUNT * size));
        sim_world_run_for(world, 1);
    }
    assert_in_range(local()->api.buffer_bytes, MB, MB + CLIENTS * size);
    server_kit_post(&kit, stop_set, &set);
    while (send_round(clients, sent, slice_of(bytes, PRODUCE_COUNT * size)))
        sim_world_run_for(world, 1);
    for (int i = 0; i < CLIENTS * PRODUCE_COUNT; i++)
        assert_int_equal(kit_client_answer(&clients[i % CLIENTS]), 0);
    for (int i = 0; i < CLIENTS; i++)
        kit_client_close(&clients[i]);
    free(clients);
    free(bytes);
    chain_fini(&frame);
    end();
    replica_set_fini(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(many_in_one_read),
        cmocka_unit_test(larger_than_the_buffer),
        cmocka_unit_test(sizes_that_end_the_connection),
        cmocka_unit_test(answers_before_the_end_are_sent),
        cmocka_unit_test(a_frame_that_does_not_end),
        cmocka_unit_test(a_frame_that_drips),
        cmocka_unit_test(an_idle_connection),
        cmocka_unit_test(memory_is_bounded_and_all_get_theirs),
        cmocka_unit_test(those_who_stand_still_do_not_block),
        cmocka_unit_test(small_requests_are_bounded_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
