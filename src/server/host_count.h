/* How many connections each peer host has: for max.connections.per.ip. On the shard that
 * accepts. */
#ifndef SERVER_HOST_COUNT_H
#define SERVER_HOST_COUNT_H

#include "base/hash.h"
#include "sys/net.h"

struct host_count {
    struct hash_node node;
    int connections;
    char host[SYS_NET_ADDRESS_MAX];
};

struct host_counts {
    struct hash_table table;
};

void host_counts_init(struct host_counts *);
void host_counts_fini(struct host_counts *);
/* The host's count, made at 0 when it is new; NULL when memory is out. */
struct host_count *host_counts_find(struct host_counts *, const char *host);
/* Forgets the host when it has no connections. */
void host_counts_drop(struct host_counts *, struct host_count *);

#endif
