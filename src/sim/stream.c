/* Connections of the simulated world. Each way is a queue of bytes of which a part has arrived;
 * sending schedules arrivals in chunks, reading makes room and, where the sender was refused,
 * schedules its edge. The complication is the end of things: a close with unread bytes is a reset,
 * bytes for a closed end are answered with one, and a node without power says nothing at all. */
#include "sim/sim_int.h"

#include "base/always.h"

#include <errno.h>
#include <stdlib.h>

#define MORE_HELD_NS (200 * (int64_t)SIM_NS_PER_MS) /* as the kernel corks MSG_MORE */
#define RETRY_NS (200 * (int64_t)SIM_NS_PER_MS)     /* a retransmission on a cut link */
#define CHUNKS_MAX 3

/* ---- bytes ---- */

static void bytes_add(struct sim_bytes *bytes, const uint8_t *data, size_t size)
{
    if (bytes->start + bytes->size + size > bytes->capacity) {
        size_t capacity = MAX_OF(bytes->capacity * 2, bytes->size + size);
        uint8_t *moved = (uint8_t *)sim_take(capacity);
        if (bytes->size > 0)
            memcpy(moved, bytes->data + bytes->start, bytes->size);
        free(bytes->data);
        bytes->data = moved;
        bytes->start = 0;
        bytes->capacity = capacity;
    }
    if (size > 0)
        memcpy(bytes->data + bytes->start + bytes->size, data, size);
    bytes->size += size;
}

static void bytes_take(struct sim_bytes *bytes, void *ret_data, size_t size)
{
    ALWAYS(size <= bytes->size, "more bytes are taken than there are");
    memcpy(ret_data, bytes->data + bytes->start, size);
    bytes->start += size;
    bytes->size -= size;
}

/* ---- connections ---- */

int64_t sim_latency_ns(const struct sim_node *from, const struct sim_node *to)
{
    struct prng *prng = &sim_here()->prng;
    if (from == to)
        return (int64_t)(5 + prng_below(prng, 50)) * SIM_NS_PER_US;
    return (int64_t)(100 + prng_below(prng, 2000)) * SIM_NS_PER_US;
}

void sim_connection_event(struct sim_connection *connection, struct sim_event event, int64_t at_ns)
{
    connection->events++;
    event.connection = connection;
    event.at_ns = at_ns;
    sim_event_push(sim_here(), event);
}

struct sim_connection *sim_connection_new(struct sim_node *from, struct sim_node *to)
{
    struct sim_world *world = sim_here();
    struct sim_connection *connection = (struct sim_connection *)sim_take(sizeof *connection);
    list_init(&connection->waiting);
    for (int side = 0; side < 2; side++) {
        connection->ends[side].connection = connection;
        connection->ends[side].node = side == 0 ? from : to;
        connection->ways[side].room_max = (size_t)4096 << prng_below(&world->prng, 8);
    }
    list_add_tail(&world->connections, &connection->link);
    return connection;
}

void sim_connection_free(struct sim_connection *connection)
{
    list_remove(&connection->link);
    list_remove(&connection->waiting);
    free(connection->ways[0].bytes.data);
    free(connection->ways[1].bytes.data);
    free(connection);
}

static void free_if_over(struct sim_connection *connection)
{
    if (connection->events == 0 && connection->ends[0].closed && connection->ends[1].closed)
        sim_connection_free(connection);
}

static int side_of(const struct sim_end *end)
{
    return end == &end->connection->ends[0] ? 0 : 1;
}

/* When something sent now from that side arrives, behind all that was sent before. */
static int64_t arrival_ns(struct sim_connection *connection, int from_side)
{
    struct sim_way *way = &connection->ways[from_side];
    int64_t latency_ns =
        sim_latency_ns(connection->ends[from_side].node, connection->ends[1 - from_side].node);
    int64_t at_ns = sim_here()->now_ns + latency_ns;
    way->last_arrival_ns = MAX_OF(way->last_arrival_ns, at_ns);
    return way->last_arrival_ns;
}

static void send_event(struct sim_connection *connection, int from_side, enum sim_event_kind kind,
                       int error)
{
    const struct sim_event event = {.kind = kind, .side = 1 - from_side, .error = error};
    sim_connection_event(connection, event, arrival_ns(connection, from_side));
}

/* The last `count` bytes of the way are on their way, in a few chunks. */
static void transmit(struct sim_connection *connection, int from_side, size_t count)
{
    uint64_t chunks = 1 + prng_below(&sim_here()->prng, CHUNKS_MAX);
    while (count > 0) {
        size_t part = --chunks == 0 ? count : 1 + (size_t)prng_below(&sim_here()->prng, count);
        const struct sim_event event = {
            .kind = SIM_EVENT_BYTES,
            .side = 1 - from_side,
            .count = part,
        };
        sim_connection_event(connection, event, arrival_ns(connection, from_side));
        count -= part;
        if (chunks == 0)
            break;
    }
}

static void unhold(struct sim_connection *connection, int side)
{
    struct sim_way *way = &connection->ways[side];
    size_t count = way->held;
    way->held = 0;
    if (count > 0)
        transmit(connection, side, count);
}

/* ---- what ends do ---- */

unsigned sim_end_ready(const struct sim_end *end)
{
    int side = side_of(end);
    const struct sim_way *in = &end->connection->ways[1 - side];
    const struct sim_way *out = &end->connection->ways[side];
    unsigned ready = 0;
    if (end->error != 0)
        return SYS_READABLE | SYS_WRITABLE | SYS_HANGUP;
    if (in->arrived > 0)
        ready |= SYS_READABLE;
    if (in->end_arrived)
        ready |= SYS_READABLE | SYS_HANGUP;
    if (end->connected && out->bytes.size < out->room_max)
        ready |= SYS_WRITABLE;
    return ready;
}

/* An end's error is told once, as the kernel's is. */
static int take_error(struct sim_end *end, int afterwards)
{
    int error = end->error_told ? afterwards : -end->error;
    end->error_told = true;
    return error;
}

/* The sender was refused: it gets an edge when there is room, or soon where there is. */
static void starve(struct sim_connection *connection, int side)
{
    struct sim_way *way = &connection->ways[side];
    way->starved = true;
    if (way->relief_due || way->bytes.size >= way->room_max)
        return;
    way->relief_due = true;
    int64_t latency_ns =
        sim_latency_ns(connection->ends[1 - side].node, connection->ends[side].node);
    const struct sim_event event = {.kind = SIM_EVENT_RELIEF, .side = side};
    sim_connection_event(connection, event, sim_here()->now_ns + latency_ns);
}

/* How many of the bytes the socket takes now. */
static size_t room_for(struct sim_way *way, size_t size)
{
    struct sim_world *world = sim_here();
    size_t room = way->room_max - MIN_OF(way->bytes.size, way->room_max);
    size_t taken = MIN_OF(size, room);
    if (taken > 1 && sim_chance(world->odds.short_send))
        taken = 1 + (size_t)prng_below(&world->prng, taken);
    return taken;
}

static void add_parts(struct sim_way *way, const struct slice *parts, size_t size)
{
    for (; size > 0; parts++) {
        size_t part = MIN_OF(parts->size, size);
        bytes_add(&way->bytes, parts->data, part);
        size -= part;
    }
}

int64_t sim_way_send(struct sim_end *end, const struct slice *parts, int part_count, bool more)
{
    struct sim_connection *connection = end->connection;
    int side = side_of(end);
    struct sim_way *way = &connection->ways[side];
    size_t size = 0;
    if (end->error != 0)
        return take_error(end, -EPIPE);
    if (sim_chance(sim_here()->odds.reset)) {
        send_event(connection, side, SIM_EVENT_RESET, ECONNRESET);
        send_event(connection, 1 - side, SIM_EVENT_RESET, ECONNRESET);
    }
    for (int i = 0; i < part_count; i++)
        size += parts[i].size;
    size_t taken = end->connected ? room_for(way, size) : 0;
    add_parts(way, parts, taken);
    if (taken < size)
        starve(connection, side);
    way->held += taken;
    if (!more) {
        unhold(connection, side);
    } else if (taken > 0) {
        const struct sim_event event = {.kind = SIM_EVENT_UNHOLD, .side = side};
        sim_connection_event(connection, event, sim_here()->now_ns + MORE_HELD_NS);
    }
    return taken == 0 && size > 0 ? -EAGAIN : (int64_t)taken;
}

int64_t sim_way_recv(struct sim_end *end, void *ret_data, size_t size)
{
    struct sim_connection *connection = end->connection;
    int side = side_of(end);
    struct sim_way *way = &connection->ways[1 - side];
    size_t taken = MIN_OF(size, way->arrived);
    if (taken > 0) {
        bytes_take(&way->bytes, ret_data, taken);
        way->arrived -= taken;
        if (way->starved)
            starve(connection, 1 - side);
        return (int64_t)taken;
    }
    if (end->error != 0)
        return take_error(end, 0);
    return way->end_arrived ? 0 : -EAGAIN;
}

void sim_end_vanish(struct sim_end *end)
{
    end->closed = true;
    end->descriptor = NULL;
    free_if_over(end->connection);
}

void sim_end_close(struct sim_end *end, bool abort)
{
    struct sim_connection *connection = end->connection;
    int side = side_of(end);
    bool unread = connection->ways[1 - side].arrived > 0;
    if (end->closed)
        return;
    if (end->connected && end->error == 0) {
        if (abort || unread) {
            send_event(connection, side, SIM_EVENT_RESET, ECONNRESET);
        } else {
            unhold(connection, side);
            send_event(connection, side, SIM_EVENT_END, 0);
        }
    }
    sim_end_vanish(end);
}

unsigned sim_listener_ready(const struct sim_listener *listener)
{
    return listener->queued > 0 ? SYS_READABLE : 0;
}

void sim_listener_close(struct sim_listener *listener)
{
    for (struct list *link = list_take_first(&listener->queue); link != NULL;
         link = list_take_first(&listener->queue))
        sim_end_close(&CONTAINER_OF(link, struct sim_connection, waiting)->ends[1], true);
    list_remove(&listener->link);
    free(listener);
}

/* ---- what happens to them ---- */

static struct sim_listener *listener_for(const struct sim_node *node,
                                         const struct sys_net_address *address)
{
    LIST_EACH (&node->listeners, link) {
        struct sim_listener *listener = CONTAINER_OF(link, struct sim_listener, link);
        bool everywhere = listener->local.host[0] == '\0';
        if (listener->local.port == address->port &&
            (everywhere || strcmp(listener->local.host, address->host) == 0))
            return listener;
    }
    return NULL;
}

static void on_syn(struct sim_world *world, struct sim_connection *connection)
{
    struct sim_end *there = &connection->ends[1];
    struct sim_listener *listener = listener_for(there->node, &there->local);
    if (connection->ends[0].closed) {
        there->closed = true;
    } else if (listener == NULL) {
        there->closed = true;
        send_event(connection, 1, SIM_EVENT_RESET, ECONNREFUSED);
    } else if (listener->queued > listener->backlog) {
        const struct sim_event again = {.kind = SIM_EVENT_SYN, .side = 1};
        sim_connection_event(connection, again, world->now_ns + 5 * RETRY_NS);
    } else {
        there->connected = true;
        list_add_tail(&listener->queue, &connection->waiting);
        listener->queued++;
        sim_edge(listener->descriptor);
        send_event(connection, 1, SIM_EVENT_OPEN, 0);
    }
}

static void on_bytes(struct sim_connection *connection, int side, size_t count)
{
    struct sim_way *way = &connection->ways[1 - side];
    if (connection->ends[side].closed) {
        send_event(connection, side, SIM_EVENT_RESET, ECONNRESET);
        return;
    }
    way->arrived += count;
    ALWAYS(way->arrived + way->held <= way->bytes.size, "more bytes arrive than were sent");
    sim_edge(connection->ends[side].descriptor);
}

static void on_relief(struct sim_connection *connection, int side)
{
    struct sim_way *way = &connection->ways[side];
    way->relief_due = false;
    if (way->bytes.size >= way->room_max)
        return; /* the next read relieves it */
    way->starved = false;
    sim_edge(connection->ends[side].descriptor);
}

static void on_open(struct sim_connection *connection)
{
    struct sim_end *end = &connection->ends[0];
    if (end->closed) {
        send_event(connection, 0, SIM_EVENT_RESET, ECONNRESET);
        return;
    }
    end->connected = true;
    sim_edge(end->descriptor);
}

static void on_reset(struct sim_end *end, int error)
{
    if (end->closed || end->error != 0)
        return;
    end->error = error;
    sim_edge(end->descriptor);
}

/* Things that may not overtake others wait: an end for the bytes before it, bytes for the opening;
 * what crosses a cut link waits for its retransmission. */
static bool must_wait(const struct sim_event *event)
{
    const struct sim_connection *connection = event->connection;
    const struct sim_way *way = &connection->ways[1 - event->side];
    const struct sim_node *from = connection->ends[1 - event->side].node;
    const struct sim_node *to = connection->ends[event->side].node;
    if (event->kind == SIM_EVENT_UNHOLD || event->kind == SIM_EVENT_RELIEF)
        return false;
    if ((from->cut_ways >> to->index & 1) != 0)
        return true;
    if (event->kind == SIM_EVENT_END)
        return way->arrived < way->bytes.size && !connection->ends[event->side].closed;
    return event->kind == SIM_EVENT_BYTES && !connection->ends[event->side].connected &&
           !connection->ends[event->side].closed;
}

void sim_event_run(struct sim_world *world, struct sim_event event)
{
    struct sim_connection *connection = event.connection;
    connection->events--;
    if (must_wait(&event)) {
        sim_connection_event(connection, event, world->now_ns + RETRY_NS);
        return;
    }
    sim_trace("event", (uint64_t)event.kind << 32 | (uint64_t)event.side, event.count);
    switch (event.kind) {
    case SIM_EVENT_SYN:
        on_syn(world, connection);
        break;
    case SIM_EVENT_OPEN:
        on_open(connection);
        break;
    case SIM_EVENT_BYTES:
        on_bytes(connection, event.side, event.count);
        break;
    case SIM_EVENT_UNHOLD:
        if (!connection->ends[event.side].closed)
            unhold(connection, event.side);
        break;
    case SIM_EVENT_END:
        connection->ways[1 - event.side].end_arrived = true;
        sim_edge(connection->ends[event.side].descriptor);
        break;
    case SIM_EVENT_RESET:
        on_reset(&connection->ends[event.side], event.error);
        break;
    case SIM_EVENT_RELIEF:
        on_relief(connection, event.side);
        break;
    }
    free_if_over(connection);
}
