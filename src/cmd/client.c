/* The blocking client. Its complication is that sockets never block: each step is tried and, where
 * it must wait, waits in the poller until the call's deadline. One thread. */
#include "cmd/client.h"

#include "base/always.h"
#include "base/bytes.h"
#include "sys/clock.h"
#include "sys/net.h"
#include "sys/poller.h"
#include "tbl/apis.h"
#include "tbl/errors.h"
#include "wire/frame.h"
#include "wire/messages.h"
#include "wire/msg/api_versions_request.h"
#include "wire/msg/api_versions_response.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT_DEFAULT 9092
/* The oldest flexible version: asked first, the answer to a broker that lacks it is version 0. */
#define API_VERSIONS_FIRST 3
#define REQUEST_SIZE_MAX ((size_t)256 << 20)
#define ANSWER_SIZE_MAX ((size_t)1 << 30)

static bool fail(struct client *client, const char *what, int error)
{
    text_reset(&client->error);
    if (error == -ETIMEDOUT)
        text_printf(&client->error, "%s %s: no answer in %lld ms", what, client->broker.data,
                    (long long)client->timeout_ms);
    else if (error == -EADDRNOTAVAIL)
        text_printf(&client->error, "%s %s: no host of that name is known", what,
                    client->broker.data);
    else if (error != 0)
        text_printf(&client->error, "%s %s: %s", what, client->broker.data, strerror(-error));
    else
        text_printf(&client->error, "%s %s", what, client->broker.data);
    return false;
}

/* ---- waiting ---- */

static int wait_ready(struct client *client, int64_t deadline_ns)
{
    struct sys_event event;
    int count = sys_poller_wait(client->poller, &event, 1, deadline_ns);
    return count == 0 && sys_mono_ns() >= deadline_ns ? -ETIMEDOUT : 0;
}

static int connect_within(struct client *client, int64_t deadline_ns)
{
    for (;;) {
        int result = sys_net_connect_result(client->fd);
        if (result != -EAGAIN)
            return result;
        result = wait_ready(client, deadline_ns);
        if (result != 0)
            return result;
    }
}

static int send_all(struct client *client, struct slice bytes, int64_t deadline_ns)
{
    while (bytes.size > 0) {
        int64_t sent = sys_net_send(client->fd, &bytes, 1, false);
        if (sent == -EAGAIN) {
            int result = wait_ready(client, deadline_ns);
            if (result != 0)
                return result;
        } else if (sent < 0) {
            return (int)sent;
        } else {
            bytes = slice_from(bytes, (size_t)sent);
        }
    }
    return 0;
}

static int receive_all(struct client *client, uint8_t *at, size_t size, int64_t deadline_ns)
{
    while (size > 0) {
        int64_t got = sys_net_recv(client->fd, at, size);
        if (got == -EAGAIN) {
            int result = wait_ready(client, deadline_ns);
            if (result != 0)
                return result;
        } else if (got < 0) {
            return (int)got;
        } else if (got == 0) {
            return -ECONNRESET;
        } else {
            at += got;
            size -= (size_t)got;
        }
    }
    return 0;
}

/* ---- one request ---- */

static bool receive_frame(struct client *client, int64_t deadline_ns)
{
    uint8_t prefix[4];
    int result = receive_all(client, prefix, sizeof prefix, deadline_ns);
    if (result == -ECONNRESET)
        return fail(client, "connection ended without an answer by", 0);
    if (result != 0)
        return fail(client, "reading from", result);
    size_t size = load_u32(prefix);
    if (size > ANSWER_SIZE_MAX)
        return fail(client, "not an answer of Kafka's protocol from", 0);
    if (size > client->frame_capacity) {
        uint8_t *frame = realloc(client->frame, size);
        if (frame == NULL)
            return fail(client, "out of memory for the answer of", 0);
        client->frame = frame;
        client->frame_capacity = size;
    }
    client->frame_size = size;
    result = receive_all(client, client->frame, size, deadline_ns);
    return result == 0 || fail(client, "reading from", result);
}

static bool encode_request(struct client *client, const struct client_request *request,
                           const struct frame_header *header, struct chain *out)
{
    const struct wire_message *message = wire_request(request->api_key);
    const char *field = NULL;
    frame_request_begin(out, header);
    if (!wire_encode(message, request->version, request->message, out, &field)) {
        text_reset(&client->error);
        if (field != NULL)
            text_printf(&client->error, "%s version %d has no field %s", message->name,
                        request->version, field);
        else
            text_printf(&client->error, "%s is too large", message->name);
        return false;
    }
    frame_request_end(out);
    return true;
}

/* The answer's body, or the null slice. */
static struct slice exchange(struct client *client, const struct client_request *request)
{
    struct frame_header header = {.api_key = request->api_key,
                                  .api_version = (int16_t)request->version,
                                  .correlation_id = ++client->correlation_id,
                                  .client_id = slice_of_text("ottla")};
    int64_t deadline_ns = sys_mono_ns() + client->timeout_ms * 1000000;
    struct slice body = {0};
    struct chain out;
    chain_init(&out, REQUEST_SIZE_MAX);
    if (encode_request(client, request, &header, &out)) {
        int result = send_all(client, slice_of(out.data, out.size), deadline_ns);
        int32_t correlation_id = 0;
        struct slice rest;
        if (result != 0)
            fail(client, "writing to", result);
        else if (receive_frame(client, deadline_ns)) {
            struct slice frame = slice_of(client->frame, client->frame_size);
            const char *fault = frame_response_parse(frame, &header, &correlation_id, &rest);
            if (fault != NULL || correlation_id != header.correlation_id)
                fail(client, "not an answer of Kafka's protocol from", 0);
            else
                body = rest;
        }
    }
    chain_fini(&out);
    return body;
}

static bool decode_answer(struct client *client, const struct client_request *request, int version,
                          struct slice body, void *ret_response)
{
    const struct wire_message *message = wire_response(request->api_key);
    struct wire_decoded decoded;
    if (request->keep)
        body = arena_copy(request->arena, body);
    if (slice_is_null(body))
        return fail(client, "out of memory for the answer of", 0);
    if (wire_decode(message, version, body, request->arena, ret_response, &decoded))
        return true;
    text_reset(&client->error);
    text_printf(&client->error, "%s version %d from %s cannot be read: %s%s%s", message->name,
                version, client->broker.data, decoded.fault,
                decoded.fault_field != NULL ? " in " : "",
                decoded.fault_field != NULL ? decoded.fault_field : "");
    return false;
}

int client_version(const struct client *client, int16_t api_key)
{
    const struct wire_message *request = wire_request(api_key);
    if (request == NULL || api_key < 0 || api_key >= CLIENT_APIS_MAX)
        return -1;
    struct wire_versions theirs = client->versions[api_key];
    int high = MIN_OF(theirs.high, request->versions.high);
    int low = MAX_OF(theirs.low, request->versions.low);
    return high >= low ? high : -1;
}

bool client_send(struct client *client, const struct client_request *request, void *ret_response)
{
    struct client_request sent = *request;
    const struct wire_message *message = wire_request(request->api_key);
    ALWAYS(message != NULL, "no request with the number %d", request->api_key);
    if (sent.version < 0)
        sent.version = client_version(client, request->api_key);
    if (sent.version < 0) {
        text_reset(&client->error);
        text_printf(&client->error, "%s serves no version of %s that is known here",
                    client->broker.data, message->name);
        return false;
    }
    struct slice body = exchange(client, &sent);
    return !slice_is_null(body) && decode_answer(client, &sent, sent.version, body, ret_response);
}

bool client_send_unanswered(struct client *client, const struct client_request *request)
{
    struct frame_header header = {.api_key = request->api_key,
                                  .api_version = (int16_t)request->version,
                                  .correlation_id = ++client->correlation_id,
                                  .client_id = slice_of_text("ottla")};
    struct client_request behind = {
        .api_key = API_API_VERSIONS, .version = 0, .message = &api_versions_request_default};
    int64_t deadline_ns = sys_mono_ns() + client->timeout_ms * 1000000;
    struct chain out;
    chain_init(&out, REQUEST_SIZE_MAX);
    bool ok = encode_request(client, request, &header, &out);
    int result = ok ? send_all(client, slice_of(out.data, out.size), deadline_ns) : 0;
    chain_fini(&out);
    if (result != 0)
        return fail(client, "writing to", result);
    return ok && !slice_is_null(exchange(client, &behind));
}

void client_pause(struct client *client, int64_t pause_ms)
{
    int64_t deadline_ns = sys_mono_ns() + pause_ms * 1000000;
    while (wait_ready(client, deadline_ns) == 0)
        continue;
}

/* ---- connecting ---- */

static void keep_versions(struct client *client, const struct api_versions_response *response)
{
    for (size_t i = 0; i < COUNT_OF(client->versions); i++)
        client->versions[i] = (struct wire_versions){.low = 0, .high = -1};
    for (int32_t i = 0; i < response->api_keys_count; i++) {
        const struct api_versions_response_api_keys *api = &response->api_keys[i];
        if (api->api_key >= 0 && api->api_key < CLIENT_APIS_MAX)
            client->versions[api->api_key] =
                (struct wire_versions){.low = api->min_version, .high = api->max_version};
    }
}

static bool agree(struct client *client, struct arena *arena)
{
    struct api_versions_request ask = api_versions_request_default;
    struct api_versions_response answer;
    ask.client_software_name = slice_of_text("ottla");
    ask.client_software_version = slice_of_text("1");
    struct client_request request = {.api_key = API_API_VERSIONS,
                                     .version = API_VERSIONS_FIRST,
                                     .message = &ask,
                                     .arena = arena};
    struct slice body = exchange(client, &request);
    if (slice_is_null(body))
        return false;
    /* A broker that lacks the version answers error 35 in version 0. */
    bool old = body.size >= 2 && load_i16(body.data) == ERR_UNSUPPORTED_VERSION;
    if (old) {
        ask = api_versions_request_default;
        request.version = 0;
        body = exchange(client, &request);
    }
    if (slice_is_null(body) || !decode_answer(client, &request, request.version, body, &answer))
        return false;
    if (answer.error_code != 0)
        return fail(client, "ApiVersions was refused by", 0);
    keep_versions(client, &answer);
    return true;
}

static void disconnect(struct client *client)
{
    if (client->fd >= 0)
        sys_poller_remove(client->poller, client->fd);
    sys_net_close(client->fd);
    client->fd = -1;
}

static bool open_host(struct client *client, const char *host, uint16_t port)
{
    int64_t deadline_ns = sys_mono_ns() + client->timeout_ms * 1000000;
    client->fd = sys_net_connect(host, port);
    if (client->fd < 0)
        return fail(client, "connecting to", client->fd);
    int result = sys_poller_add(client->poller, client->fd, 1, true);
    if (result == 0)
        result = connect_within(client, deadline_ns);
    if (result != 0)
        return fail(client, "connecting to", result);
    struct arena arena;
    arena_init(&arena, (size_t)16 << 20);
    bool ok = agree(client, &arena);
    arena_fini(&arena);
    return ok;
}

/* "localhost" may mean two addresses of which a broker has one. */
static bool open_name(struct client *client, const char *host, uint16_t port)
{
    if (strcmp(host, "localhost") != 0)
        return open_host(client, host, port);
    if (open_host(client, "127.0.0.1", port))
        return true;
    disconnect(client);
    struct text first = client->error;
    text_init(&client->error, 4096);
    if (open_host(client, "::1", port)) {
        text_fini(&first);
        return true;
    }
    /* The first refusal is the one that helps. */
    text_fini(&client->error);
    client->error = first;
    return false;
}

/* "host", "host:port", "[v6]:port" */
static bool split_broker(struct slice text, char *ret_host, size_t size, uint16_t *ret_port)
{
    size_t colon = text.size;
    while (colon > 0 && text.data[colon - 1] != ':' && text.data[colon - 1] != ']')
        colon--;
    bool has_port = colon > 0 && text.data[colon - 1] == ':';
    if (has_port && memchr(text.data, ':', colon - 1) != NULL && text.data[0] != '[')
        return false; /* an IPv6 address without its brackets */
    struct slice host = has_port ? slice_first(text, colon - 1) : text;
    unsigned long port = PORT_DEFAULT;
    if (has_port) {
        char digits[8] = "";
        struct slice number = slice_from(text, colon);
        if (number.size == 0 || number.size >= sizeof digits)
            return false;
        memcpy(digits, number.data, number.size);
        char *end;
        port = strtoul(digits, &end, 10);
        if (*end != '\0' || port > UINT16_MAX)
            return false;
    }
    if (host.size >= 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
        host = slice_of(host.data + 1, host.size - 2);
    if (host.size == 0 || host.size >= size)
        return false;
    memcpy(ret_host, host.data, host.size);
    ret_host[host.size] = '\0';
    *ret_port = (uint16_t)port;
    return true;
}

static bool open_one(struct client *client, struct slice broker)
{
    char host[256];
    uint16_t port;
    text_reset(&client->broker);
    text_add(&client->broker, broker);
    if (!split_broker(broker, host, sizeof host, &port))
        return fail(client, "not host:port or [IPv6 address]:port:", 0);
    text_reset(&client->broker);
    text_printf(&client->broker, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host,
                (unsigned)port);
    if (open_name(client, host, port))
        return true;
    disconnect(client);
    return false;
}

bool client_open(struct client *client, const char *brokers, int64_t timeout_ms)
{
    *client = (struct client){.fd = -1, .timeout_ms = timeout_ms};
    text_init(&client->broker, 4096);
    text_init(&client->error, 4096);
    int result = sys_poller_new(&client->poller);
    if (result != 0) {
        client->poller = NULL;
        text_printf(&client->error, "no poller: %s", strerror(-result));
        return false;
    }
    while (brokers[0] != '\0') {
        size_t size = strcspn(brokers, ",");
        if (size > 0 && open_one(client, slice_of(brokers, size)))
            return true;
        brokers += size + (brokers[size] == ',');
    }
    if (client->error.size == 0)
        text_printf(&client->error, "no broker is named");
    return false;
}

void client_close(struct client *client)
{
    if (client->poller != NULL) {
        disconnect(client);
        sys_poller_free(client->poller);
    }
    text_fini(&client->broker);
    text_fini(&client->error);
    free(client->frame);
}
