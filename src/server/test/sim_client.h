/* A client machine of the simulated world: one task with any number of channels to brokers.
 * Requests are made of our own wire tables, pipelined, and answered by callback; what is to be done
 * later is an alarm. Everything on the client's task, but what says otherwise. What must not happen
 * fails the test at once. */
#ifndef SERVER_TEST_SIM_CLIENT_H
#define SERVER_TEST_SIM_CLIENT_H

#include "base/arena.h"
#include "base/list.h"
#include "sim/world.h"
#include "sys/task.h"
#include "wire/chain.h"
#include "wire/frame.h"

struct sim_client {
    struct sim_node *machine;
    struct sys_poller *poller;
    struct sys_task task;
    struct list channels;
    struct list alarms;
    struct arena arena; /* of the answer at hand */
    struct prng prng;
    bool ended;
};

/* Something to be done at a time. */
struct sim_alarm {
    struct list link;
    int64_t at_ns;
    void (*on_ring)(struct sim_alarm *);
};

/* A request under way; embedded in its owner. header.api_key and api_version are the owner's to
 * set. */
struct sim_request {
    struct list link;
    struct frame_header header;
    /* response: the decoded struct, valid during the call; NULL: the connection ended first. */
    void (*on_done)(struct sim_request *, const void *response);
};

/* One connection after the other to one broker: it connects again by itself when one ends. */
struct sim_channel {
    struct list link;
    struct sim_client *client;
    const char *host;
    uint16_t port;
    int fd; /* -1: none */
    bool is_up;
    bool closed;       /* for good */
    struct list calls; /* sent, oldest first */
    struct chain out;
    size_t sent; /* bytes of it */
    uint8_t *in;
    size_t in_size;
    size_t in_capacity;
    int32_t correlation_id;
    struct sim_alarm reconnect;
    struct sim_alarm patience; /* with a broker that does not answer */
    void (*on_up)(struct sim_channel *);
    void (*on_down)(struct sim_channel *); /* after its calls were told */
    uint64_t downs;
};

/* From the test's thread. */
void sim_client_start(struct sim_client *, struct sim_node *machine, uint64_t seed);
void sim_client_stop(struct sim_client *);

/* Sets on_up and on_down before. From the test's thread or the task. */
void sim_channel_open(struct sim_channel *, struct sim_client *, const char *host, uint16_t port);
/* Its calls are told, on_down is not called. */
void sim_channel_close(struct sim_channel *);
/* Drops the connection; another is made later. */
void sim_channel_drop(struct sim_channel *);
/* Only while it is up. The message is encoded at once. */
void sim_channel_call(struct sim_channel *, struct sim_request *, const void *message);
/* A request that has no answer: Produce with acks 0. */
void sim_channel_tell(struct sim_channel *, const struct frame_header *, const void *message);

void sim_alarm_init(struct sim_alarm *, void (*on_ring)(struct sim_alarm *));
/* Set once more: moved. */
void sim_alarm_set(struct sim_client *, struct sim_alarm *, int64_t delay_ms);
void sim_alarm_stop(struct sim_alarm *);

/* Ends the test with a sentence. */
void sim_fail(const char *format, ...) PRINTF_LIKE(1, 2) NORETURN;
#define SIM_CHECK(cond, ...) \
    do { \
        if (!(cond)) \
            sim_fail(__VA_ARGS__); \
    } while (0)

#endif
