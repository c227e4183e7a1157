/* See the header. The complication is that anything may end a connection at any time: its calls are
 * told then, in order, and whoever is told may call again only once the channel is up again. */
#include "server/test/sim_client.h"

#include "base/bytes.h"
#include "sys/clock.h"
#include "sys/net.h"
#include "sys/poller.h"
#include "wire/messages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NANOS_PER_MS 1000000
#define OUT_SIZE_MAX ((size_t)64 << 20)
#define ARENA_SIZE_MAX ((size_t)256 << 20)
#define READ_SIZE ((size_t)16384)
#define PATIENCE_MS 4000
#define EVENT_MAX 8

void sim_fail(const char *format, ...)
{
    char sentence[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    print_error("%s\n", sentence);
    fail();
    __builtin_unreachable();
}

/* ---- alarms ---- */

void sim_alarm_init(struct sim_alarm *alarm, void (*on_ring)(struct sim_alarm *))
{
    *alarm = (struct sim_alarm){.on_ring = on_ring};
    list_init(&alarm->link);
}

void sim_alarm_stop(struct sim_alarm *alarm)
{
    list_remove(&alarm->link);
}

void sim_alarm_set(struct sim_client *client, struct sim_alarm *alarm, int64_t delay_ms)
{
    list_remove(&alarm->link);
    alarm->at_ns = sys_mono_ns() + delay_ms * NANOS_PER_MS;
    list_add_tail(&client->alarms, &alarm->link);
}

static int64_t next_alarm_ns(const struct sim_client *client)
{
    int64_t next_ns = INT64_MAX;
    LIST_EACH (&client->alarms, link)
        next_ns = MIN_OF(next_ns, CONTAINER_OF(link, struct sim_alarm, link)->at_ns);
    return next_ns;
}

static struct sim_alarm *due_alarm(const struct sim_client *client)
{
    LIST_EACH (&client->alarms, link) {
        struct sim_alarm *alarm = CONTAINER_OF(link, struct sim_alarm, link);
        if (alarm->at_ns <= sys_mono_ns())
            return alarm;
    }
    return NULL;
}

/* ---- connecting ---- */

static void connect_now(struct sim_alarm *alarm)
{
    struct sim_channel *channel = CONTAINER_OF(alarm, struct sim_channel, reconnect);
    channel->fd = sys_net_connect(channel->host, channel->port);
    SIM_CHECK(channel->fd >= 0, "no socket for %s", channel->host);
    int error = sys_poller_add(channel->client->poller, channel->fd, (uintptr_t)channel, true);
    SIM_CHECK(error == 0, "the socket cannot be polled");
    sim_alarm_set(channel->client, &channel->patience, PATIENCE_MS);
}

/* Ends the connection, whatever its state; calls are told. */
static void disconnect(struct sim_channel *channel)
{
    struct list told;
    if (channel->fd >= 0) {
        sys_poller_remove(channel->client->poller, channel->fd);
        sys_net_close(channel->fd);
    }
    channel->fd = -1;
    channel->is_up = false;
    channel->downs++;
    channel->in_size = 0;
    channel->sent = 0;
    chain_reset(&channel->out, READ_SIZE);
    sim_alarm_stop(&channel->reconnect);
    sim_alarm_stop(&channel->patience);
    list_init(&told);
    list_move_all(&channel->calls, &told);
    for (struct list *link = list_take_first(&told); link != NULL; link = list_take_first(&told)) {
        struct sim_request *call = CONTAINER_OF(link, struct sim_request, link);
        call->on_done(call, NULL);
    }
}

void sim_channel_drop(struct sim_channel *channel)
{
    struct prng *prng = &channel->client->prng;
    disconnect(channel);
    if (channel->on_down != NULL)
        channel->on_down(channel);
    if (!channel->closed)
        sim_alarm_set(channel->client, &channel->reconnect, 5 + (int64_t)prng_below(prng, 100));
}

static void on_patience_over(struct sim_alarm *alarm)
{
    sim_channel_drop(CONTAINER_OF(alarm, struct sim_channel, patience));
}

void sim_channel_open(struct sim_channel *channel, struct sim_client *client, const char *host,
                      uint16_t port)
{
    channel->client = client;
    channel->host = host;
    channel->port = port;
    channel->fd = -1;
    channel->is_up = false;
    channel->closed = false;
    list_init(&channel->calls);
    list_add_tail(&client->channels, &channel->link);
    chain_init(&channel->out, OUT_SIZE_MAX);
    sim_alarm_init(&channel->reconnect, connect_now);
    sim_alarm_init(&channel->patience, on_patience_over);
    sim_alarm_set(client, &channel->reconnect, 0);
    sys_poller_wake(client->poller);
}

void sim_channel_close(struct sim_channel *channel)
{
    if (channel->closed || channel->client == NULL)
        return;
    channel->closed = true;
    disconnect(channel);
    list_remove(&channel->link);
    chain_fini(&channel->out);
    free(channel->in);
    channel->in = NULL;
    channel->in_capacity = 0;
}

/* ---- sending ---- */

static void send_out(struct sim_channel *channel)
{
    while (channel->is_up && channel->sent < channel->out.size) {
        struct slice left =
            slice_from(slice_of(channel->out.data, channel->out.size), channel->sent);
        int64_t sent = sys_net_send(channel->fd, &left, 1, false);
        if (sent == -EAGAIN)
            return;
        if (sent < 0)
            return; /* reading tells what happened */
        channel->sent += (size_t)sent;
    }
    channel->sent = 0;
    chain_reset(&channel->out, READ_SIZE);
}

static void encode(struct sim_channel *channel, const struct frame_header *header,
                   const void *message)
{
    const struct wire_message *request = wire_request(header->api_key);
    const char *field = NULL;
    struct chain one;
    SIM_CHECK(channel->is_up, "a request on a channel that is down");
    chain_init(&one, OUT_SIZE_MAX);
    frame_request_begin(&one, header);
    SIM_CHECK(wire_encode(request, header->api_version, message, &one, &field),
              "%s version %d has no %s", request->name, header->api_version,
              field != NULL ? field : "room");
    frame_request_end(&one);
    chain_add(&channel->out, slice_of(one.data, one.size));
    SIM_CHECK(!one.failed && !channel->out.failed, "a request is too large");
    chain_fini(&one);
    send_out(channel);
}

void sim_channel_call(struct sim_channel *channel, struct sim_request *call, const void *message)
{
    call->header.correlation_id = ++channel->correlation_id;
    call->header.client_id = slice_of_text("sim");
    if (list_is_empty(&channel->calls))
        sim_alarm_set(channel->client, &channel->patience, PATIENCE_MS);
    list_init(&call->link);
    list_add_tail(&channel->calls, &call->link);
    encode(channel, &call->header, message);
}

void sim_channel_tell(struct sim_channel *channel, const struct frame_header *header,
                      const void *message)
{
    struct frame_header sent = *header;
    sent.correlation_id = ++channel->correlation_id;
    sent.client_id = slice_of_text("sim");
    encode(channel, &sent, message);
}

/* ---- receiving ---- */

/* One answer, which must be that of the oldest call. */
static void take_answer(struct sim_channel *channel, struct slice frame)
{
    struct list *link = list_take_first(&channel->calls);
    SIM_CHECK(link != NULL, "an answer that nobody asked for");
    struct sim_request *call = CONTAINER_OF(link, struct sim_request, link);
    const struct wire_message *message = wire_response(call->header.api_key);
    int32_t correlation_id = -1;
    struct slice body;
    struct wire_decoded decoded;
    struct arena *arena = &channel->client->arena;
    const char *fault = frame_response_parse(frame, &call->header, &correlation_id, &body);
    SIM_CHECK(fault == NULL, "%s: %s", message->name, fault);
    SIM_CHECK(correlation_id == call->header.correlation_id, "%s: the answer to %d where %d is due",
              message->name, correlation_id, call->header.correlation_id);
    void *response = arena_take(arena, message->type->size);
    SIM_CHECK(wire_decode(message, call->header.api_version, body, arena, response, &decoded),
              "%s version %d cannot be read: %s", message->name, call->header.api_version,
              decoded.fault);
    SIM_CHECK(decoded.size == body.size, "%s has bytes left over", message->name);
    if (list_is_empty(&channel->calls))
        sim_alarm_stop(&channel->patience);
    call->on_done(call, response);
    arena_reset(arena);
}

static void take_answers(struct sim_channel *channel)
{
    uint64_t downs = channel->downs;
    size_t at = 0;
    while (channel->downs == downs && channel->in_size - at >= 4) {
        size_t size = load_u32(channel->in + at);
        if (channel->in_size - at - 4 < size)
            break;
        at += 4 + size;
        take_answer(channel, slice_of(channel->in + at - size, size));
    }
    if (channel->downs != downs)
        return; /* an answer ended the connection, and with it what was received */
    memmove(channel->in, channel->in + at, channel->in_size - at);
    channel->in_size -= at;
}

static void receive(struct sim_channel *channel)
{
    uint64_t downs = channel->downs;
    while (channel->downs == downs) {
        if (channel->in_capacity - channel->in_size < READ_SIZE) {
            channel->in_capacity += channel->in_capacity + READ_SIZE;
            channel->in = (uint8_t *)realloc(channel->in, channel->in_capacity);
            SIM_CHECK(channel->in != NULL, "no memory");
        }
        int64_t got = sys_net_recv(channel->fd, channel->in + channel->in_size, READ_SIZE);
        if (got == -EAGAIN)
            return;
        if (got <= 0) {
            sim_channel_drop(channel);
            return;
        }
        if (!list_is_empty(&channel->calls))
            sim_alarm_set(channel->client, &channel->patience, PATIENCE_MS);
        channel->in_size += (size_t)got;
        take_answers(channel);
    }
}

static void on_ready(struct sim_channel *channel)
{
    if (channel->fd < 0)
        return;
    if (!channel->is_up) {
        int result = sys_net_connect_result(channel->fd);
        if (result == -EAGAIN)
            return;
        if (result != 0) {
            sim_channel_drop(channel);
            return;
        }
        channel->is_up = true;
        sim_alarm_stop(&channel->patience);
        channel->on_up(channel);
    }
    send_out(channel);
    if (channel->is_up)
        receive(channel);
}

/* ---- the task ---- */

static bool client_turn(void *arg)
{
    struct sim_client *client = (struct sim_client *)arg;
    struct sys_event events[EVENT_MAX];
    struct sim_alarm *alarm;
    int count = sys_poller_wait(client->poller, events, EVENT_MAX, next_alarm_ns(client));
    for (int i = 0; i < count; i++)
        on_ready((struct sim_channel *)(uintptr_t)events[i].key);
    while ((alarm = due_alarm(client)) != NULL) {
        list_remove(&alarm->link);
        alarm->on_ring(alarm);
    }
    return !client->ended;
}

void sim_client_start(struct sim_client *client, struct sim_node *machine, uint64_t seed)
{
    *client = (struct sim_client){.machine = machine};
    prng_init(&client->prng, seed);
    list_init(&client->channels);
    list_init(&client->alarms);
    arena_init(&client->arena, ARENA_SIZE_MAX);
    client->task = (struct sys_task){.name = "client", .turn = client_turn, .arg = client};
    sim_node_use(machine);
    assert_int_equal(sys_poller_new(&client->poller), 0);
    assert_int_equal(sys_tasks_start(&client->task, 1), 0);
}

void sim_client_stop(struct sim_client *client)
{
    sim_node_use(client->machine);
    while (!list_is_empty(&client->channels))
        sim_channel_close(CONTAINER_OF(client->channels.next, struct sim_channel, link));
    client->ended = true;
    sys_poller_wake(client->poller);
    sys_tasks_join(&client->task, 1);
    sys_poller_free(client->poller);
    arena_fini(&client->arena);
}
