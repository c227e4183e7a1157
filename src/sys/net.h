/* TCP sockets, always non-blocking and closed on exec. Results: a descriptor, a byte count or 0, or
 * a negative errno (-EAGAIN: not now). Any thread. */
#ifndef SYS_NET_H
#define SYS_NET_H

#include "base/attr.h"
#include "base/role.h"
#include "base/slice.h"

#define SYS_NET_ADDRESS_MAX 64

/* An address in text, for logs and answers: host without brackets, port apart. */
struct sys_net_address {
    char host[SYS_NET_ADDRESS_MAX];
    uint16_t port;
};

/* host: IPv4, IPv6 or a name; "" means every address (IPv6 and IPv4). port 0: the kernel picks.
 * Looks names up, so it may wait. */
MUST_USE int sys_net_listen(const char *host, uint16_t port, int backlog) NOT_ON(on_shard);
MUST_USE int sys_net_accept(int listen_fd, struct sys_net_address *ret_peer);
/* Starts connecting; the descriptor is writable when it ended, then sys_net_connect_result. */
MUST_USE int sys_net_connect(const char *host, uint16_t port) NOT_ON(on_shard);
MUST_USE int sys_net_connect_result(int fd);
MUST_USE int sys_net_local(int fd, struct sys_net_address *ret_local);
void sys_net_close(int fd); /* -1 is fine */
/* Ends both directions at once with a reset, dropping what is queued. */
void sys_net_abort(int fd);

/* 0 bytes: the peer ended. */
MUST_USE int64_t sys_net_recv(int fd, void *ret_data, size_t size);
/* more: further bytes follow at once, do not send a partial segment. */
MUST_USE int64_t sys_net_send(int fd, const struct slice *parts, int part_count, bool more);
/* From a file to a socket without copying through us. */
MUST_USE int64_t sys_net_send_file(int fd, int file_fd, int64_t position, size_t size);

/* Kernel buffer sizes in bytes; -1 leaves the kernel's. TCP_NODELAY is always set on accept and
 * connect. */
void sys_net_set_buffers(int fd, int send_bytes, int receive_bytes);

/* Host name of this machine, fully qualified where that resolves. */
MUST_USE int sys_net_host_name(char *ret_name, size_t size) NOT_ON(on_shard);

#endif
