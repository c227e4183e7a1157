/* A request on its way: made by the server when a frame is complete, handed to its API, answered
 * once (now or in a later turn), sent in the order of arrival, then back in its shard's pool. The
 * connection may end before: then nobody waits for the answer any more, but the request lives until
 * its API answers, since appends under way borrow its buffer. On its shard only. */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include "api/shard.h"
#include "base/arena.h"
#include "shard/buffer.h"
#include "sys/net.h"
#include "tbl/apis.h"
#include "wire/chain.h"
#include "wire/frame.h"
#include "wire/message.h"

struct api_request;

/* What an API may know of the connection; embedded in the server's. */
struct api_client {
    const struct node_listener *listener; /* where it came in */
    struct sys_net_address peer;
    struct api_shard *here;

    /* The server's: an answer stands in the request (or none is to be sent). */
    void (*on_answered)(struct api_client *, struct api_request *);
    /* The server's: end the connection without an answer; why goes to the log. */
    void (*on_faulty)(struct api_client *, struct api_request *, const char *why);
};

/* One row of tbl/apis.h in memory. */
struct api_row {
    int16_t key;
    int16_t version_min;
    int16_t version_max;
    int16_t advertised_min;
    const char *name;
    enum api_rule rule;
    enum api_order order;
    const struct wire_message *request;
    const struct wire_message *response;
    void (*handle)(struct api_request *);
};

enum api_request_state {
    API_REQUEST_IDLE,     /* in the pool */
    API_REQUEST_RUNNING,  /* its API has it */
    API_REQUEST_ANSWERED, /* the chain holds the frame to send, or nothing where none is due */
};

struct api_request {
    struct list link; /* its connection's queue, oldest first, or the pool */
    struct api_shard *here;
    struct api_client *client; /* NULL: the connection is gone */
    const struct api_row *row;
    enum api_request_state state;
    struct frame_header header;
    struct slice body;           /* in buffer */
    struct shard_buffer *buffer; /* one reference */
    int64_t charged;             /* counted in the shard's buffer_bytes until it is freed */
    struct arena arena;          /* the decoded request and what its API needs */
    void *message;               /* decoded, of the row's request type */
    struct chain answer;         /* size prefix, header and body, once answered */
    int64_t started_ns;
    /* Set by an API that may wait long: the connection is gone, answer soon. */
    void (*on_abandoned)(struct api_request *);
    void *state_of_api; /* what the API keeps, in the arena */
};

/* NULL: no such API is served. */
const struct api_row *api_row_find(int16_t api_key);
/* Rows in key order. */
const struct api_row *api_rows(size_t *ret_count);

/* A request with one reference to buffer taken over; NULL when memory is out (reference kept by the
 * caller). */
struct api_request *api_request_new(struct api_shard *, struct api_client *,
                                    struct shard_buffer *buffer);
/* Frees the pool; the shard has ended. */
void api_request_pool_clear(struct api_shard *);
/* Counts what its frame holds in memory, until it is freed; once. */
void api_request_charge(struct api_request *, int64_t bytes);
/* After its answer was sent or dropped. */
void api_request_free(struct api_request *);

/* Decodes the body by the header's API and version and runs its handler; ends in one of the three
 * below, now or later. */
void api_request_run(struct api_request *) ON(on_shard);

/* Encodes the response struct of the row's type; what it points to need not live longer, but
 * external pieces (file ranges) are held until sent. */
void api_request_answer(struct api_request *, const void *response);
/* Nothing is sent for it (acks=0). */
void api_request_answer_nothing(struct api_request *);
/* The connection ends, as Kafka ends it on input that has no answer. */
void api_request_fail(struct api_request *, const char *why);

/* For handlers: the decoded request and memory that lives until the answer. */
#define API_MESSAGE(request, type) ((const struct type *)(request)->message)
#define API_NEW(request, type) ARENA_NEW(&(request)->arena, type)

#endif
