/* From the socket to requests. One read takes what the socket has, often several frames; a frame
 * that does not fit gets a buffer of its own size, of which only the bytes that really arrive touch
 * memory. The complication is sharing: requests under way hold references to the buffer, so what
 * is left of it may only be moved when nobody else does. Must not loop until the socket is dry:
 * others want their turn. On the connection's shard. */
#include "server/connection_int.h"

#include "base/always.h"
#include "base/bytes.h"
#include "config/node.h"
#include "sys/poller.h"
#include "tbl/limits.h"

#include <errno.h>

#define FRAME_PREFIX_SIZE 4

size_t connection_frame_size(const struct connection *c)
{
    if (c->buffer == NULL || c->buffer->filled - c->parsed < FRAME_PREFIX_SIZE)
        return 0;
    return FRAME_PREFIX_SIZE + (size_t)load_u32(c->buffer->data + c->parsed);
}

/* Whether no further request of it may begin until others were sent. */
static bool is_full(const struct connection *c)
{
    return c->doomed || c->request_count >= LIMIT_REQUESTS_PER_CONNECTION ||
           c->unsent_bytes >= LIMIT_UNSENT_BYTES;
}

static bool is_memory_out(const struct server_shard *home)
{
    return home->api.buffer_bytes >= home->memory_max;
}

/* Where memory is held by frames alone that cannot end without more of it, one is favoured: it
 * reads on until its frame is complete. While requests run, theirs comes back. A frame that could
 * not start at once is no candidate. */
static bool may_favour(const struct connection *c)
{
    const struct server_shard *home = c->home;
    return home->favoured == NULL && home->api.running_bytes == 0 && c->running_count == 0 &&
           !is_full(c);
}

void connection_wake_starved(struct server_shard *home)
{
    bool out = is_memory_out(home);
    LIST_EACH_SAFE (&home->starved, node, after) {
        struct connection *c = CONTAINER_OF(node, struct connection, starved);
        if (out && !may_favour(c))
            continue;
        list_remove(node);
        shard_run_later(home->api.shard, &c->progress);
        if (out)
            return;
    }
}

void connection_memory_came_back(struct api_shard *api)
{
    role_now_on_shard();
    connection_wake_starved(CONTAINER_OF(api, struct server_shard, api));
}

static void favour(struct connection *c)
{
    struct server_shard *home = c->home;
    size_t missing = connection_frame_size(c) - (c->buffer->filled - c->parsed);
    home->favoured = c;
    c->favoured_until_ms = shard_now_ms(home->api.shard) + LIMIT_FAVOUR_BASE_MS +
                           (int64_t)missing / LIMIT_FAVOUR_BYTES_PER_MS;
}

/* Its frame ended, or the connection did. */
static void end_favour(struct connection *c)
{
    role_now_on_shard();
    c->favoured_until_ms = 0;
    if (c->home->favoured != c)
        return;
    c->home->favoured = NULL;
    connection_wake_starved(c->home);
}

static void charge(struct connection *c, int64_t bytes)
{
    role_now_on_shard();
    bool less = bytes < c->charged;
    c->home->api.buffer_bytes += bytes - c->charged;
    stats_add(&c->home->api.stats, METRIC_BUFFER_BYTES, bytes - c->charged);
    c->charged = bytes;
    if (less)
        connection_wake_starved(c->home);
}

void connection_receive_end(struct connection *c)
{
    shard_buffer_unref(c->buffer);
    c->buffer = NULL;
    c->parsed = 0;
    charge(c, 0);
    end_favour(c);
}

/* A buffer with room for `size` bytes whose first bytes are the unfinished frame's. */
static bool make_room(struct connection *c, size_t size)
{
    size_t pending = c->buffer != NULL ? c->buffer->filled - c->parsed : 0;
    ALWAYS(pending < size, "no frame of %zu bytes can have %zu pending", size, pending);
    struct shard_buffer *fresh = shard_buffer_new(size);
    if (fresh == NULL)
        return false;
    if (pending > 0)
        memcpy(fresh->data, c->buffer->data + c->parsed, pending);
    fresh->filled = pending;
    shard_buffer_unref(c->buffer);
    c->buffer = fresh;
    c->parsed = 0;
    return true;
}

/* Sees to it that the next read has somewhere to go. */
static bool prepare_buffer(struct connection *c)
{
    size_t ordinary = MAX_OF(c->size_hint, (size_t)LIMIT_RECEIVE_BUFFER_SIZE);
    if (c->buffer == NULL)
        return make_room(c, ordinary);
    if (c->parsed == c->buffer->filled) {
        if (c->buffer->references > 1)
            return make_room(c, ordinary);
        c->parsed = 0;
        c->buffer->filled = 0;
        return true;
    }
    size_t frame = MAX_OF(connection_frame_size(c), (size_t)FRAME_PREFIX_SIZE);
    if (c->parsed + frame <= c->buffer->capacity && c->buffer->filled < c->buffer->capacity)
        return true;
    return make_room(c, MAX_OF(frame, ordinary));
}

/* Whether the frame at `parsed` may become a request now. */
static bool may_start(const struct connection *c, enum api_order order)
{
    if (is_full(c))
        return false;
    if (c->running_count == 0)
        return true;
    /* While memory is out one runs at a time, whose end looks at the next frame. */
    if (order != API_ORDER_OVERLAPS || is_memory_out(c->home))
        return false;
    struct api_request *oldest = CONTAINER_OF(c->requests.next, struct api_request, link);
    struct api_request *newest = CONTAINER_OF(c->requests.prev, struct api_request, link);
    return oldest->row->order == API_ORDER_OVERLAPS && newest->row->order == API_ORDER_OVERLAPS;
}

enum frame_outcome { FRAME_STARTED, FRAME_WAITS, FRAME_ENDED };

static enum frame_outcome fault(struct connection *c, const char *why)
{
    role_now_on_shard();
    connection_end(c, CONNECTION_END_FAULTY, why);
    return FRAME_ENDED;
}

/* What stands in the way of any request with this header, or NULL. */
static const char *header_fault(const struct connection *c, const struct api_row *row,
                                const struct frame_header *header)
{
    if (row == NULL)
        return "it asked for an API that is not served";
    if (c->client.listener->is_controller && row->key != API_API_VERSIONS)
        return "it asked for an API that is not served on the controllers' listener";
    bool served =
        header->api_version >= row->version_min && header->api_version <= row->version_max;
    if (!served && row->key != API_API_VERSIONS)
        return "it asked for a version of an API that is not served";
    return NULL;
}

/* The whole frame's bytes, prefix excluded, stand in the buffer. */
static enum frame_outcome start_request(struct connection *c, struct slice frame)
{
    role_now_on_shard();
    if (frame.size < 2)
        return fault(c, "a request is too short for a header");
    const struct api_row *row = api_row_find(load_i16(frame.data));
    if (row != NULL && !may_start(c, row->order))
        return FRAME_WAITS;
    struct frame_header header;
    struct slice body;
    const char *why = frame_header_parse(frame, &header, &body);
    if (why == NULL)
        why = header_fault(c, row, &header);
    if (why != NULL)
        return fault(c, why);
    struct api_request *request = api_request_new(&c->home->api, &c->client, c->buffer);
    if (request == NULL)
        return fault(c, "memory for its request is out");
    request->row = row;
    request->header = header;
    request->body = body;
    list_add_tail(&c->requests, &request->link);
    c->request_count++;
    c->running_count++;
    c->parsed += FRAME_PREFIX_SIZE + frame.size;
    c->size_hint = FRAME_PREFIX_SIZE + frame.size;
    c->frame_started_ms = 0;
    /* Many small ones that overlap hold as much as a large one, until they are written. */
    if (frame.size > LIMIT_RECEIVE_BUFFER_SIZE || row->order == API_ORDER_OVERLAPS)
        api_request_charge(request, (int64_t)frame.size);
    end_favour(c);
    stats_add(&c->home->api.stats, METRIC_REQUESTS, 1);
    api_request_run(request);
    return c->ended ? FRAME_ENDED : FRAME_STARTED;
}

/* Checks the prefix and starts the request when its frame is complete. */
static enum frame_outcome next_frame(struct connection *c)
{
    size_t pending = c->buffer != NULL ? c->buffer->filled - c->parsed : 0;
    if (pending < FRAME_PREFIX_SIZE)
        return FRAME_WAITS;
    const uint8_t *at = c->buffer->data + c->parsed;
    int32_t size = load_i32(at);
    if (size < 0)
        return fault(c, "a request has a negative size");
    if (size > c->home->api.config->socket_request_max_bytes)
        return fault(c, "a request is larger than socket.request.max.bytes");
    if (pending - FRAME_PREFIX_SIZE < (size_t)size)
        return FRAME_WAITS;
    return start_request(c, slice_of(at + FRAME_PREFIX_SIZE, (size_t)size));
}

/* Starts what may be started. *ret_more: complete frames are left for the next turn. */
static bool start_frames(struct connection *c, bool *ret_more)
{
    *ret_more = false;
    for (int started = 0; started < LIMIT_FRAMES_PER_TURN; started++) {
        enum frame_outcome outcome = next_frame(c);
        if (outcome == FRAME_ENDED)
            return false;
        if (outcome == FRAME_WAITS)
            return true;
    }
    *ret_more = true;
    return true;
}

/* Whether the frame under way is one for which memory must first be found. */
static bool is_starved(struct connection *c)
{
    bool large = connection_frame_size(c) > LIMIT_RECEIVE_BUFFER_SIZE;
    if (!large || !is_memory_out(c->home) || c->home->favoured == c)
        return false;
    if (may_favour(c)) {
        list_remove(&c->starved);
        favour(c);
        return false;
    }
    if (list_is_empty(&c->starved))
        list_add_tail(&c->home->starved, &c->starved);
    return true;
}

/* One read. false: the connection ended. */
static bool read_once(struct connection *c)
{
    role_now_on_shard();
    if (!prepare_buffer(c)) {
        connection_end(c, CONNECTION_END_FAULTY, "memory for its bytes is out");
        return false;
    }
    size_t room = c->buffer->capacity - c->buffer->filled;
    int64_t got = sys_net_recv(c->watch.fd, c->buffer->data + c->buffer->filled, room);
    if (got == -EAGAIN) {
        c->readable = false;
        return true;
    }
    if (got <= 0) {
        connection_end(c, CONNECTION_END_CLIENT, "the client closed the connection");
        return false;
    }
    c->buffer->filled += (size_t)got;
    c->readable = (size_t)got == room || c->hangup;
    c->active_ms = shard_now_ms(c->home->api.shard);
    stats_add(&c->home->api.stats, METRIC_REQUEST_BYTES, got);
    return true;
}

/* Lets go of what is not needed and counts what stays. */
static void settle(struct connection *c)
{
    size_t pending = c->buffer != NULL ? c->buffer->filled - c->parsed : 0;
    if (pending == 0) {
        connection_receive_end(c);
        c->frame_started_ms = 0;
        return;
    }
    charge(c, pending > LIMIT_RECEIVE_BUFFER_SIZE ? (int64_t)pending : 0);
    if (c->frame_started_ms == 0)
        c->frame_started_ms = shard_now_ms(c->home->api.shard);
}

bool connection_receive(struct connection *c)
{
    bool more = false;
    if (!start_frames(c, &more))
        return false;
    bool full = is_full(c);
    size_t frame = connection_frame_size(c);
    bool blocked = frame > 0 && c->buffer->filled - c->parsed >= frame;
    if (c->readable && !more && !full && !blocked && !is_starved(c)) {
        if (!read_once(c) || !start_frames(c, &more))
            return false;
        frame = connection_frame_size(c);
        blocked = frame > 0 && c->buffer->filled - c->parsed >= frame;
    }
    settle(c);
    if (more || (c->readable && !full && !blocked && list_is_empty(&c->starved)))
        shard_run_later(c->home->api.shard, &c->progress);
    connection_watch_time(c);
    return true;
}
