/* A small blocking client of Kafka's protocol over our own message tables: one connection, one
 * request at a time, versions agreed by ApiVersions, every wait under a deadline. For the command
 * line's admin calls; records go through librdkafka. One thread. */
#ifndef CMD_CLIENT_H
#define CMD_CLIENT_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/text.h"
#include "wire/message.h"

#define CLIENT_APIS_MAX 128

struct client {
    struct sys_poller *poller;
    int fd; /* -1: not connected */
    int64_t timeout_ms;
    int32_t correlation_id;
    struct text broker; /* "host:port" of the connection, or of the last attempt */
    struct text error;  /* one sentence about the last failure */
    struct wire_versions versions[CLIENT_APIS_MAX]; /* what the broker serves; low > high: not */
    uint8_t *frame;                                 /* the last answer, without its size prefix */
    size_t frame_size;
    size_t frame_capacity;
};

/* brokers: "host:port,host:port"; the port is 9092 where it is missing. Connects to the first that
 * answers ApiVersions. false: client->error. Always to be ended by client_close. */
MUST_USE bool client_open(struct client *, const char *brokers, int64_t timeout_ms);
void client_close(struct client *);

/* The highest version that both sides know; -1 when there is none. */
int client_version(const struct client *, int16_t api_key);

struct client_request {
    int16_t api_key;
    int version;         /* -1: the highest that both know */
    const void *message; /* the request's struct */
    struct arena *arena; /* for the response's arrays; its slices stand in the client's frame until
                            the next call */
    bool keep;           /* the slices live in the arena too */
};

/* Sends and waits for the answer, decoded into *ret_response (the response's struct). false:
 * client->error, the connection is not to be used again. */
MUST_USE bool client_send(struct client *, const struct client_request *, void *ret_response);
/* Sends what has no answer, and ApiVersions behind it: when that is answered the broker has taken
 * it. false: client->error, as when the broker ends the connection over it. */
MUST_USE bool client_send_unanswered(struct client *, const struct client_request *);
/* Waits before the same is asked again. */
void client_pause(struct client *, int64_t pause_ms);

#endif
