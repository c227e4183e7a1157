/* A listener and its shards without the rest of a node, and a client's end of connections to it:
 * for tests of frames, answers, deadlines and limits. The APIs are the real ones, with an empty
 * image. For the simulated world: the test's thread looks into a shard's data between turns. */
#ifndef SERVER_TEST_SERVER_KIT_H
#define SERVER_TEST_SERVER_KIT_H

#include "server/connection_int.h"
#include "server/listener.h"
#include "sys/poller.h"

#define SERVER_KIT_PORT 9092
#define SERVER_KIT_SHARDS 4

struct server_kit;
typedef void (*server_kit_fn)(struct server_kit *, void *context);

struct server_kit {
    struct node_config *config;
    struct shard_set *set;
    struct server_shard locals[SERVER_KIT_SHARDS];
    int shard_count;
    struct listener_gate gate;
    struct listener *listener;
    struct shard_message begin;
    /* ---- inside ---- */
    struct shard_message call;
    server_kit_fn call_fn;
    void *call_context;
};

/* As the node of the server: listens on every address. settings: of --set, NULL at the end. */
void server_kit_start(struct server_kit *, const char *const *settings);
/* Has fn run on shard 0 in its next turn. */
void server_kit_post(struct server_kit *, server_kit_fn fn, void *context);
/* As the node of the server: ends every connection and all shards. */
void server_kit_stop(struct server_kit *);
/* Connection number `index` of shard 0, oldest first; NULL when there are less. */
struct connection *server_kit_connection(struct server_kit *, int index);

/* ---- the client's end ---- */

struct kit_client {
    struct sys_poller *poller;
    int fd;
    uint8_t bytes[65536]; /* of an answer that is not complete, or of the next ones */
    size_t size;
};

/* As the node of the client: connected to host. */
void kit_client_open(struct kit_client *, const char *host);
void kit_client_close(struct kit_client *);
/* Sends all, however long the server takes. false: the connection ended. */
bool kit_client_send(struct kit_client *, struct slice bytes);
/* What the socket takes now: bytes, or -EAGAIN. */
int64_t kit_client_send_some(struct kit_client *, struct slice bytes);
/* Waits for one whole answer: its correlation id, or -1 when the connection ended. */
int32_t kit_client_answer(struct kit_client *);
/* Waits for exactly so many bytes. false: the connection ended before. */
bool kit_client_read(struct kit_client *, uint8_t *ret_bytes, size_t size);
/* Whether the server has ended the connection by now. */
bool kit_client_ended(struct kit_client *);

/* Writes an ApiVersions request of version 0 with `trailing` bytes that mean nothing behind it.
 * Returns its size: KIT_REQUEST_SIZE + trailing. */
#define KIT_REQUEST_SIZE 14
size_t kit_request(uint8_t *ret_bytes, int32_t correlation_id, size_t trailing);

#endif
