/* See the header. Threads: the test's and the shards', which in the simulated world take turns. */
#include "server/test/server_kit.h"

#include "base/bytes.h"
#include "meta/image.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define API_VERSIONS 18
#define SETTINGS_MAX 8

/* ---- the server's end ---- */

static struct node_config *load_config(const char *const *settings)
{
    const char *all[SETTINGS_MAX + 1] = {"listeners=PLAINTEXT://:9092"};
    size_t count = 1;
    for (; settings != NULL && settings[count - 1] != NULL; count++)
        all[count] = settings[count - 1];
    struct node_config_input input = {
        .settings = all, .setting_count = count, .default_dir = "/d", .host_name = "server"};
    struct node_config *config = NULL;
    struct text notes;
    text_init(&notes, 65536);
    if (!node_config_load(&input, &config, &notes))
        fail_msg("%s", notes.data);
    text_fini(&notes);
    return config;
}

static void begin(struct shard *shard, struct shard_message *message)
{
    role_now_on_shard();
    (void)shard;
    struct server_kit *kit = CONTAINER_OF(message, struct server_kit, begin);
    if (listener_start(kit->listener, &kit->locals[0], &kit->gate) != 0)
        abort();
}

static const struct shard_route route_begin = {.name = "kit_begin", .run = {begin}};

static void make_local(struct server_kit *kit, int index)
{
    struct server_shard *local = &kit->locals[index];
    list_init(&local->connections);
    list_init(&local->starved);
    int64_t memory = kit->config->queued_max_request_bytes;
    if (memory <= 0)
        memory = kit->config->memory_request_bytes;
    local->memory_max = memory / kit->shard_count;
    local->api.shard = shard_set_at(kit->set, index);
    local->api.config = kit->config;
    local->api.on_memory = connection_memory_came_back;
    local->api.image = meta_image_new(local->api.config);
    api_shard_init(&local->api);
    shard_set_context(local->api.shard, &local->api);
}

void server_kit_start(struct server_kit *kit, const char *const *settings)
{
    *kit = (struct server_kit){.config = load_config(settings)};
    kit->shard_count = kit->config->shards;
    const struct shard_set_options options = {
        .shard_count = kit->shard_count, .worker_count = 1, .seed = 5};
    assert_int_equal(shard_set_new(&options, &kit->set), 0);
    for (int i = 0; i < kit->shard_count; i++)
        make_local(kit, i);
    listener_gate_init(&kit->gate, INT_MAX);
    assert_int_equal(listener_open(kit->config, &kit->config->listeners.at[0], &kit->listener), 0);
    shard_post(kit->locals[0].api.shard, &kit->begin, &route_begin);
    assert_int_equal(shard_set_start(kit->set), 0);
}

static void call(struct shard *shard, struct shard_message *message)
{
    (void)shard;
    struct server_kit *kit = CONTAINER_OF(message, struct server_kit, call);
    kit->call_fn(kit, kit->call_context);
}

static const struct shard_route route_call = {.name = "kit_call", .run = {call}};

void server_kit_post(struct server_kit *kit, server_kit_fn fn, void *context)
{
    kit->call_fn = fn;
    kit->call_context = context;
    shard_post(kit->locals[0].api.shard, &kit->call, &route_call);
}

struct end {
    struct shard_message message;
    struct server_kit *kit;
    int index;
};

static void end_here(struct shard *shard, struct shard_message *message)
{
    role_now_on_shard();
    struct end *end = CONTAINER_OF(message, struct end, message);
    struct server_shard *local = server_shard_of(shard);
    local->draining = true;
    if (end->index == 0)
        listener_stop(end->kit->listener);
    LIST_EACH_SAFE (&local->connections, node, after)
        connection_end(CONTAINER_OF(node, struct connection, link), CONNECTION_END_STOP, "end");
}

static const struct shard_route route_end = {.name = "kit_end", .run = {end_here}};

/* Tickets of other shards come back as messages: every shard ends its own before any stops. */
static bool is_empty(const struct server_kit *kit)
{
    if (kit->gate.connection_count > 0)
        return false;
    for (int i = 0; i < kit->shard_count; i++)
        if (kit->locals[i].connection_count > 0 || kit->locals[i].freeing_count > 0)
            return false;
    return kit->locals[0].draining;
}

static void stop_when_empty(struct server_kit *kit, void *context)
{
    (void)context;
    if (is_empty(kit))
        shard_set_stop(kit->set);
    else
        server_kit_post(kit, stop_when_empty, NULL);
}

void server_kit_stop(struct server_kit *kit)
{
    struct end ends[SERVER_KIT_SHARDS] = {0};
    for (int i = 0; i < kit->shard_count; i++) {
        ends[i].kit = kit;
        ends[i].index = i;
        shard_post(kit->locals[i].api.shard, &ends[i].message, &route_end);
    }
    server_kit_post(kit, stop_when_empty, NULL);
    shard_set_join(kit->set);
    for (int i = 0; i < kit->shard_count; i++) {
        struct server_shard *local = &kit->locals[i];
        assert_int_equal(local->api.buffer_bytes, 0);
        assert_int_equal(local->api.running_bytes, 0);
        assert_null(local->favoured);
        assert_true(list_is_empty(&local->starved));
        api_request_pool_clear(&local->api);
        meta_image_release(local->api.image);
    }
    shard_set_free(kit->set);
    listener_free(kit->listener);
    listener_gate_fini(&kit->gate);
    node_config_free(kit->config);
}

struct connection *server_kit_connection(struct server_kit *kit, int index)
{
    LIST_EACH (&kit->locals[0].connections, node)
        if (index-- == 0)
            return CONTAINER_OF(node, struct connection, link);
    return NULL;
}

/* ---- the client's end ---- */

static void wait_for(struct kit_client *client)
{
    struct sys_event events[4];
    while (sys_poller_wait(client->poller, events, COUNT_OF(events), INT64_MAX) == 0) {
    }
}

void kit_client_open(struct kit_client *client, const char *host)
{
    client->size = 0;
    client->poller = NULL;
    assert_int_equal(sys_poller_new(&client->poller), 0);
    client->fd = sys_net_connect(host, SERVER_KIT_PORT);
    assert_true(client->fd >= 0);
    assert_int_equal(sys_poller_add(client->poller, client->fd, 1, true), 0);
    wait_for(client);
    assert_int_equal(sys_net_connect_result(client->fd), 0);
}

void kit_client_close(struct kit_client *client)
{
    sys_net_close(client->fd);
    sys_poller_free(client->poller);
    client->fd = -1;
}

int64_t kit_client_send_some(struct kit_client *client, struct slice bytes)
{
    return sys_net_send(client->fd, &bytes, 1, false);
}

bool kit_client_send(struct kit_client *client, struct slice bytes)
{
    while (bytes.size > 0) {
        int64_t sent = kit_client_send_some(client, bytes);
        if (sent == -EAGAIN)
            wait_for(client);
        else if (sent <= 0)
            return false;
        else
            bytes = slice_from(bytes, (size_t)sent);
    }
    return true;
}

/* One read into what was not looked at yet. false: the connection ended. */
static bool fill(struct kit_client *client)
{
    while (true) {
        int64_t got = sys_net_recv(client->fd, client->bytes + client->size,
                                   sizeof client->bytes - client->size);
        if (got > 0)
            client->size += (size_t)got;
        if (got != -EAGAIN)
            return got > 0;
        wait_for(client);
    }
}

static void drop(struct kit_client *client, size_t size)
{
    memmove(client->bytes, client->bytes + size, client->size - size);
    client->size -= size;
}

bool kit_client_read(struct kit_client *client, uint8_t *ret_bytes, size_t size)
{
    while (size > 0) {
        if (client->size == 0 && !fill(client))
            return false;
        size_t part = MIN_OF(size, client->size);
        memcpy(ret_bytes, client->bytes, part);
        drop(client, part);
        ret_bytes += part;
        size -= part;
    }
    return true;
}

int32_t kit_client_answer(struct kit_client *client)
{
    uint8_t head[8];
    uint8_t rest[1024];
    if (!kit_client_read(client, head, sizeof head))
        return -1;
    int32_t left = load_i32(head) - 4;
    while (left > 0) {
        size_t part = MIN_OF((size_t)left, sizeof rest);
        if (!kit_client_read(client, rest, part))
            return -1;
        left -= (int32_t)part;
    }
    return load_i32(head + 4);
}

bool kit_client_ended(struct kit_client *client)
{
    uint8_t byte;
    int64_t got = sys_net_recv(client->fd, &byte, 1);
    return got <= 0 && got != -EAGAIN;
}

size_t kit_request(uint8_t *ret_bytes, int32_t correlation_id, size_t trailing)
{
    store_i32(ret_bytes, (int32_t)(KIT_REQUEST_SIZE - 4 + trailing));
    store_i16(ret_bytes + 4, API_VERSIONS);
    store_i16(ret_bytes + 6, 0);
    store_i32(ret_bytes + 8, correlation_id);
    store_i16(ret_bytes + 12, -1);
    memset(ret_bytes + KIT_REQUEST_SIZE, 0, trailing);
    return KIT_REQUEST_SIZE + trailing;
}
