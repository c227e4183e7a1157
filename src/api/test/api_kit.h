/* A shard with an image and a controller, for tests of APIs: an exchange is run on the shard, its
 * answer decoded from the bytes that a client would get. Each run starts the threads and ends
 * them. */
#ifndef API_TEST_API_KIT_H
#define API_TEST_API_KIT_H

#include "api/request.h"
#include "api/shard.h"
#include "config/node.h"
#include "meta/image.h"
#include "peer/peer.h"

#define API_KIT_CLUSTER "u0Q3x0VgQ2a5K0mC2iK6xA"
#define API_KIT_SETTINGS_MAX 8

struct api_kit;
struct api_exchange;

/* The kit's controller: answers one call (peer_answer), on the controller's shard. */
typedef void (*api_kit_call_fn)(struct api_kit *, struct shard *controller, struct peer_call *);

/* What the controller's shard finds as its context. */
struct api_kit_controller {
    struct peer_service service; /* first */
    struct api_kit *kit;
};

struct api_kit {
    struct node_config *config;
    struct meta_image *image;      /* may be changed between runs */
    struct node_listener listener; /* that the clients come in by */
    api_kit_call_fn on_call;
    int calls;                                                /* made to the controller so far */
    void (*on_done)(struct api_kit *, struct api_exchange *); /* on the shard; or NULL */
    struct arena arena;                                       /* of what was decoded */
    /* ---- inside ---- */
    struct api_shard here;
    struct api_kit_controller controller;
    struct shard_set *set;
    struct shard_message begin;
    struct shard_message swap;
    struct meta_image *next_image;
    struct api_exchange *exchanges;
    int exchange_count;
    int open;
};

struct api_exchange {
    int16_t key;
    int16_t version;
    const void *message; /* a struct of the request's type */
    bool abandoned;      /* the connection ends as soon as the request was begun */
    /* out */
    bool answered;
    const char *fault; /* the connection was ended: why */
    void *response;    /* decoded, in the kit's arena; NULL: nothing is sent */
    struct slice body; /* as sent */
    bool done;         /* set by whoever drives the kit when it has ended */
    /* inside */
    struct api_kit *kit;
    struct api_client client;
    struct api_request *request;
};

#define API_KIT_SETTINGS(...) ((const char *const[API_KIT_SETTINGS_MAX + 1]){__VA_ARGS__})

/* Node 1 with --set settings (NULL at the end, or NULL), an empty image and the listener
 * PLAINTEXT. */
void api_kit_init(struct api_kit *, const char *const *settings);
void api_kit_fini(struct api_kit *);

/* Runs all, begun in this order in one turn of the shard, until the last is done. */
void api_kit_run(struct api_kit *, struct api_exchange *exchanges, int count);
/* One exchange that must be answered: the decoded response. */
const void *api_kit_ask(struct api_kit *, int16_t key, int16_t version, const void *message);

/* Begins one on shard 0, whose thread this is. */
void api_kit_begin(struct api_kit *, struct api_exchange *) ON(on_shard);

/* Within on_call, on the controller's shard: what the data shard sees before the answer. Takes over
 * the reference. */
void api_kit_publish(struct api_kit *, struct shard *controller, struct meta_image *) ON(on_shard);

/* ---- what the image holds ---- */

struct api_kit_broker {
    int32_t id;
    const char *host;
    uint16_t port;
    const char *listener; /* NULL: PLAINTEXT */
    const char *rack;     /* NULL: none */
    bool fenced;
};
void api_kit_add_broker(struct meta_image *, const struct api_kit_broker *);
/* Partitions 0 .. count - 1 on broker `leader` (-1: no leader, replica on 1); the id is made of one
 * repeated byte. */
struct api_kit_topic {
    const char *name;
    uint8_t id;
    int32_t partitions;
    int32_t leader;
};
void api_kit_add_topic(struct meta_image *, const struct api_kit_topic *);
void api_kit_apply(struct meta_image *, const struct wire_message *, int16_t version,
                   const void *record);
struct uuid api_kit_id(uint8_t byte);

#define assert_slice_is(slice_, text_) \
    do { \
        struct slice left_ = (slice_); \
        assert_int_equal(left_.size, strlen(text_)); \
        assert_memory_equal(left_.data, (text_), left_.size); \
    } while (0)

#endif
