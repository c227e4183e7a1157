/* sys/net.h in the simulated world. Loopback is the node itself; a node is reached by its name or
 * its address. */
#include "sys/net.h"

#include "sim/sim_int.h"

#include "base/always.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOPBACK "127.0.0.1"

/* ---- names ---- */

static bool is_any_of(const char *host, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(host, names[i]) == 0)
            return true;
    }
    return false;
}

static bool is_loopback(const char *host)
{
    static const char *const names[] = {LOOPBACK, "localhost", "::1"};
    return is_any_of(host, names, COUNT_OF(names));
}

static bool is_everywhere(const char *host)
{
    static const char *const names[] = {"", "0.0.0.0", "::"};
    return is_any_of(host, names, COUNT_OF(names));
}

/* The node that a host means, seen from this one, or NULL; writes the address it is known by. */
static struct sim_node *resolve(const char *host, char ret_host[SYS_NET_ADDRESS_MAX])
{
    struct sim_node *own = sim_node_here();
    if (is_loopback(host)) {
        (void)snprintf(ret_host, SYS_NET_ADDRESS_MAX, "%s", LOOPBACK);
        return own;
    }
    LIST_EACH (&own->world->nodes, link) {
        struct sim_node *node = CONTAINER_OF(link, struct sim_node, link);
        if (strcmp(host, node->name) != 0 && strcmp(host, node->address) != 0)
            continue;
        (void)snprintf(ret_host, SYS_NET_ADDRESS_MAX, "%s", node->address);
        return node;
    }
    return NULL;
}

/* ---- listeners ---- */

static bool is_taken(const struct sim_node *node, const struct sys_net_address *address)
{
    LIST_EACH (&node->listeners, link) {
        const struct sim_listener *other = CONTAINER_OF(link, struct sim_listener, link);
        bool overlaps = other->local.host[0] == '\0' || address->host[0] == '\0' ||
                        strcmp(other->local.host, address->host) == 0;
        if (other->local.port == address->port && overlaps)
            return true;
    }
    return false;
}

static uint16_t next_port(struct sim_world *world)
{
    world->next_port = world->next_port == UINT16_MAX ? 32768 : (uint16_t)(world->next_port + 1);
    return world->next_port;
}

int sys_net_listen(const char *host, uint16_t port, int backlog)
{
    struct sim_node *node = sim_node_here();
    struct sys_net_address local = {.port = port};
    int result = sim_call(SIM_LISTEN, host);
    if (result != 0)
        return result;
    if (!is_everywhere(host) && resolve(host, local.host) != node)
        return -EADDRNOTAVAIL;
    if (port == 0)
        local.port = next_port(node->world);
    if (is_taken(node, &local))
        return -EADDRINUSE;
    struct sim_listener *listener = (struct sim_listener *)sim_take(sizeof *listener);
    listener->local = local;
    listener->backlog = backlog;
    list_init(&listener->queue);
    listener->descriptor = sim_descriptor_new(SIM_IS_LISTENER, host);
    listener->descriptor->listener = listener;
    list_add_tail(&node->listeners, &listener->link);
    sim_trace("listen", (uint64_t)listener->descriptor->fd, local.port);
    return listener->descriptor->fd;
}

int sys_net_accept(int listen_fd, struct sys_net_address *ret_peer)
{
    const struct sim_descriptor *descriptor = sim_descriptor_at(listen_fd, SIM_IS_LISTENER);
    if (descriptor == NULL)
        return -EBADF;
    struct sim_listener *listener = descriptor->listener;
    int result = sim_call(SIM_ACCEPT, descriptor->name);
    if (result != 0)
        return result;
    struct list *link = list_take_first(&listener->queue);
    if (link == NULL)
        return -EAGAIN;
    struct sim_connection *connection = CONTAINER_OF(link, struct sim_connection, waiting);
    struct sim_end *end = &connection->ends[1];
    listener->queued--;
    end->descriptor = sim_descriptor_new(SIM_IS_STREAM, connection->ends[0].local.host);
    end->descriptor->end = end;
    *ret_peer = connection->ends[0].local;
    sim_trace("accept", (uint64_t)end->descriptor->fd, ret_peer->port);
    return end->descriptor->fd;
}

/* ---- connections ---- */

int sys_net_connect(const char *host, uint16_t port)
{
    struct sim_node *node = sim_node_here();
    struct sys_net_address remote = {.port = port};
    int result = sim_call(SIM_CONNECT, host);
    if (result != 0)
        return result;
    struct sim_node *target = resolve(host, remote.host);
    if (target == NULL)
        return -EADDRNOTAVAIL;
    struct sim_connection *connection = sim_connection_new(node, target);
    struct sim_end *end = &connection->ends[0];
    end->local.port = next_port(node->world);
    (void)snprintf(end->local.host, sizeof end->local.host, "%s",
                   is_loopback(remote.host) ? LOOPBACK : node->address);
    connection->ends[1].local = remote;
    end->descriptor = sim_descriptor_new(SIM_IS_STREAM, host);
    end->descriptor->end = end;
    const struct sim_event syn = {.kind = SIM_EVENT_SYN, .side = 1};
    sim_connection_event(connection, syn, node->world->now_ns + sim_latency_ns(node, target));
    sim_trace("connect", (uint64_t)end->descriptor->fd, port);
    return end->descriptor->fd;
}

static struct sim_end *end_at(int fd)
{
    const struct sim_descriptor *descriptor = sim_descriptor_at(fd, SIM_IS_STREAM);
    return descriptor == NULL ? NULL : descriptor->end;
}

int sys_net_connect_result(int fd)
{
    struct sim_end *end = end_at(fd);
    if (end == NULL)
        return -EBADF;
    if (end->error != 0 && !end->error_told) {
        end->error_told = true;
        return -end->error;
    }
    return end->connected ? 0 : -EAGAIN;
}

int sys_net_local(int fd, struct sys_net_address *ret_local)
{
    const struct sim_descriptor *listener = sim_descriptor_at(fd, SIM_IS_LISTENER);
    const struct sim_end *end = end_at(fd);
    if (listener == NULL && end == NULL)
        return -EBADF;
    *ret_local = listener != NULL ? listener->listener->local : end->local;
    if (ret_local->host[0] == '\0')
        (void)snprintf(ret_local->host, sizeof ret_local->host, "::");
    return 0;
}

int64_t sys_net_recv(int fd, void *ret_data, size_t size)
{
    struct sim_end *end = end_at(fd);
    if (end == NULL)
        return -EBADF;
    int result = sim_call(SIM_RECV, end->descriptor->name);
    int64_t got = result != 0 ? result : sim_way_recv(end, ret_data, size);
    sim_trace("recv", (uint64_t)fd, (uint64_t)got);
    return got;
}

static void trace_bytes(int fd, const struct slice *parts, int64_t size)
{
    uint64_t hash = 0;
    for (; size > 0; parts++) {
        struct slice part = slice_first(*parts, (size_t)size);
        hash = slice_hash(part, hash);
        size -= (int64_t)part.size;
    }
    sim_trace("send", (uint64_t)fd, hash);
}

int64_t sys_net_send(int fd, const struct slice *parts, int part_count, bool more)
{
    struct sim_end *end = end_at(fd);
    if (end == NULL)
        return -EBADF;
    int result = sim_call(SIM_SEND, end->descriptor->name);
    if (result != 0)
        return result;
    int64_t sent = sim_way_send(end, parts, part_count, more);
    trace_bytes(fd, parts, sent);
    return sent;
}

int64_t sys_net_send_file(int fd, int file_fd, int64_t position, size_t size)
{
    struct sim_end *end = end_at(fd);
    const struct sim_descriptor *file = sim_descriptor_at(file_fd, SIM_IS_FILE);
    if (end == NULL || file == NULL || position < 0)
        return -EBADF;
    int result = sim_call(SIM_SEND, end->descriptor->name);
    if (result == 0)
        result = sim_call(SIM_FILE_READ, file->name);
    if (result != 0)
        return result;
    struct slice content = slice_of(file->inode->live.data, file->inode->live.size);
    struct slice part = slice_first(slice_from(content, (size_t)position), size);
    if (part.size == 0)
        return 0;
    int64_t sent = sim_way_send(end, &part, 1, false);
    trace_bytes(fd, &part, sent);
    return sent;
}

void sys_net_set_buffers(int fd, int send_bytes, int receive_bytes)
{
    struct sim_end *end = end_at(fd);
    if (end == NULL)
        return;
    struct sim_connection *connection = end->connection;
    int side = end == &connection->ends[0] ? 0 : 1;
    if (send_bytes > 0)
        connection->ways[side].room_max = (size_t)send_bytes;
    if (receive_bytes > 0)
        connection->ways[1 - side].room_max = (size_t)receive_bytes;
}

int sys_net_host_name(char *ret_name, size_t size)
{
    const char *name = sim_node_here()->name;
    if (strlen(name) >= size)
        return -ENAMETOOLONG;
    (void)snprintf(ret_name, size, "%s", name);
    return 0;
}
