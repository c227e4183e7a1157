/* TCP sockets on Linux. The complications: listeners that take both IPv6 and IPv4, accept errors
 * that concern one lost connection only, and part arrays longer than one call takes. Any thread;
 * what looks names up may wait. */
#include "sys/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define IOVEC_BATCH 64 /* parts handed to the kernel in one call */
#define SEND_FILE_MAX ((size_t)1 << 30)

static int set_flag(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) != 0 ? -errno : 0;
}

static int stream_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0)
        return -errno;
    int result = set_flag(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (result != 0) {
        sys_net_close(fd);
        return result;
    }
    return fd;
}

static void auto_net_close(int *fd)
{
    sys_net_close(*fd);
}

/* Sockets that a listener accepts inherit TCP_NODELAY and the buffer sizes from it. */
static int listen_on(const struct sockaddr *address, socklen_t size, int backlog)
{
    AUTO(net_close) int fd = stream_socket(address->sa_family);
    if (fd < 0)
        return fd;
    int result = set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (result != 0)
        return result;
    if (bind(fd, address, size) != 0 || listen(fd, backlog) != 0)
        return -errno;
    return TAKE_FD(fd);
}

static int listen_everywhere(uint16_t port, int backlog)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    AUTO(net_close) int fd = stream_socket(AF_INET6);
    if (fd == -EAFNOSUPPORT)
        return listen_on((const struct sockaddr *)&four, sizeof four, backlog);
    if (fd < 0)
        return fd;
    int result = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (result == 0)
        result = set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (result != 0)
        return result;
    if (bind(fd, (const struct sockaddr *)&six, sizeof six) != 0) {
        if (errno == EADDRNOTAVAIL) /* IPv6 is there but switched off */
            return listen_on((const struct sockaddr *)&four, sizeof four, backlog);
        return -errno;
    }
    return listen(fd, backlog) != 0 ? -errno : TAKE_FD(fd);
}

static void auto_addresses_free(struct addrinfo **addresses)
{
    if (*addresses != NULL)
        freeaddrinfo(*addresses);
}

/* Looks a host up; -EADDRNOTAVAIL when its name means nothing. */
static int look_up(const char *host, uint16_t port, int flags, struct addrinfo **ret_addresses)
{
    char service[8];
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = flags | AI_NUMERICSERV,
    };
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    int result = getaddrinfo(host, service, &hints, ret_addresses);
    if (result == EAI_SYSTEM)
        return errno != 0 ? -errno : -EIO;
    if (result == EAI_MEMORY)
        return -ENOMEM;
    return result != 0 ? -EADDRNOTAVAIL : 0;
}

/* The addresses of a name in the order to try them: IPv4 first, as Java does, so that a name that
 * means both is the same place for both sides. NULL starts, NULL ends. */
static const struct addrinfo *next_address(const struct addrinfo *first,
                                           const struct addrinfo *after)
{
    bool four = after == NULL || after->ai_family == AF_INET;
    const struct addrinfo *at = after == NULL ? first : after->ai_next;
    while (at != NULL && (at->ai_family == AF_INET) != four)
        at = at->ai_next;
    if (at != NULL || !four)
        return at;
    at = first;
    while (at != NULL && at->ai_family == AF_INET)
        at = at->ai_next;
    return at;
}

int sys_net_listen(const char *host, uint16_t port, int backlog)
{
    if (host[0] == '\0')
        return listen_everywhere(port, backlog);
    AUTO(addresses_free) struct addrinfo *addresses = NULL;
    int result = look_up(host, port, AI_PASSIVE, &addresses);
    if (result != 0)
        return result;
    result = -EADDRNOTAVAIL;
    const struct addrinfo *at = next_address(addresses, NULL);
    /* Another family is tried where this one does not exist; a port in use is an error. */
    while (at != NULL && (result == -EADDRNOTAVAIL || result == -EAFNOSUPPORT)) {
        result = listen_on(at->ai_addr, at->ai_addrlen, backlog);
        at = next_address(addresses, at);
    }
    return result;
}

/* An IPv4 address that came through an IPv6 socket is shown as IPv4. */
static void format_address(const struct sockaddr_storage *address, struct sys_net_address *ret)
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    const char *text = NULL;
    *ret = (struct sys_net_address){.port = 0};
    if (address->ss_family == AF_INET) {
        memcpy(&four, address, sizeof four);
        ret->port = ntohs(four.sin_port);
        text = inet_ntop(AF_INET, &four.sin_addr, ret->host, sizeof ret->host);
    } else if (address->ss_family == AF_INET6) {
        memcpy(&six, address, sizeof six);
        ret->port = ntohs(six.sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
            text = inet_ntop(AF_INET, &six.sin6_addr.s6_addr[12], ret->host, sizeof ret->host);
        else
            text = inet_ntop(AF_INET6, &six.sin6_addr, ret->host, sizeof ret->host);
    }
    if (text == NULL)
        ret->host[0] = '\0';
}

/* Errors of the connection that was to be accepted, which is gone, not of the listener. */
static bool is_lost_connection(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN ||
           error == ENOPROTOOPT || error == EHOSTDOWN || error == ENONET || error == EHOSTUNREACH ||
           error == ENETUNREACH;
}

int sys_net_accept(int listen_fd, struct sys_net_address *ret_peer)
{
    struct sockaddr_storage address;
    socklen_t size;
    int fd;
    do {
        size = sizeof address;
        fd = accept4(listen_fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && is_lost_connection(errno));
    if (fd < 0)
        return -errno;
    format_address(&address, ret_peer);
    return fd;
}

static int connect_to(const struct sockaddr *address, socklen_t size)
{
    AUTO(net_close) int fd = stream_socket(address->sa_family);
    if (fd < 0)
        return fd;
    /* An interrupted connect goes on by itself, as one in progress does. */
    if (connect(fd, address, size) != 0 && errno != EINPROGRESS && errno != EINTR)
        return -errno;
    return TAKE_FD(fd);
}

int sys_net_connect(const char *host, uint16_t port)
{
    AUTO(addresses_free) struct addrinfo *addresses = NULL;
    int result = look_up(host, port, 0, &addresses);
    if (result != 0)
        return result;
    result = -EADDRNOTAVAIL;
    const struct addrinfo *at = next_address(addresses, NULL);
    for (; at != NULL && result < 0; at = next_address(addresses, at))
        result = connect_to(at->ai_addr, at->ai_addrlen);
    return result;
}

int sys_net_connect_result(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return -errno;
    if (error != 0)
        return -error;
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0)
        return 0;
    return errno == ENOTCONN ? -EAGAIN : -errno;
}

int sys_net_local(int fd, struct sys_net_address *ret_local)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return -errno;
    format_address(&address, ret_local);
    return 0;
}

void sys_net_close(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

void sys_net_abort(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (fd < 0)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)close(fd);
}

int64_t sys_net_recv(int fd, void *ret_data, size_t size)
{
    ssize_t got;
    do {
        got = recv(fd, ret_data, size, 0);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/* One call's worth of parts; the bytes that the socket took, or a negative errno. */
static int64_t send_batch(int fd, const struct slice *parts, int part_count, bool more)
{
    struct iovec iovecs[IOVEC_BATCH];
    for (int i = 0; i < part_count; i++) {
        uintptr_t base = (uintptr_t)parts[i].data; /* iovec's base lacks a const */
        iovecs[i] = (struct iovec){.iov_base = (void *)base, .iov_len = parts[i].size};
    }
    struct msghdr message = {.msg_iov = iovecs, .msg_iovlen = (size_t)part_count};
    ssize_t sent;
    do {
        sent = sendmsg(fd, &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

int64_t sys_net_send(int fd, const struct slice *parts, int part_count, bool more)
{
    int64_t total = 0;
    while (part_count > 0) {
        int count = MIN_OF(part_count, IOVEC_BATCH);
        int64_t size = 0;
        for (int i = 0; i < count; i++)
            size += (int64_t)parts[i].size;
        int64_t sent = send_batch(fd, parts, count, more || part_count > count);
        if (sent < 0)
            return total > 0 ? total : sent; /* the next call meets the error again */
        total += sent;
        if (sent < size)
            break;
        parts += count;
        part_count -= count;
    }
    return total;
}

int64_t sys_net_send_file(int fd, int file_fd, int64_t position, size_t size)
{
    off_t from = position;
    ssize_t sent;
    do {
        sent = sendfile(fd, file_fd, &from, MIN_OF(size, SEND_FILE_MAX));
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

void sys_net_set_buffers(int fd, int send_bytes, int receive_bytes)
{
    if (send_bytes >= 0)
        (void)!set_flag(fd, SOL_SOCKET, SO_SNDBUF, send_bytes);
    if (receive_bytes >= 0)
        (void)!set_flag(fd, SOL_SOCKET, SO_RCVBUF, receive_bytes);
}

int sys_net_host_name(char *ret_name, size_t size)
{
    char name[256] = {0};
    if (gethostname(name, sizeof name - 1) != 0)
        return -errno;
    AUTO(addresses_free) struct addrinfo *addresses = NULL;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_flags = AI_CANONNAME};
    const char *best = name;
    if (getaddrinfo(name, NULL, &hints, &addresses) == 0 && addresses->ai_canonname != NULL)
        best = addresses->ai_canonname;
    if (strlen(best) >= size)
        return -ENAMETOOLONG;
    memcpy(ret_name, best, strlen(best) + 1);
    return 0;
}
