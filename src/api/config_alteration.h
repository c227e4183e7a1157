/* What AlterConfigs and IncrementalAlterConfigs have in common before the controller is asked: each
 * resource is named once, its keys are named once and have values, and what concerns this broker
 * passes its own check. On the request's shard. */
#ifndef API_CONFIG_ALTERATION_H
#define API_CONFIG_ALTERATION_H

#include "api/request.h"
#include "config/change.h"
#include "peer/peer.h"

enum config_resource {
    CONFIG_RESOURCE_TOPIC = 2,
    CONFIG_RESOURCE_BROKER = 4,
    CONFIG_RESOURCE_BROKER_LOGGER = 8,
    CONFIG_RESOURCE_CLIENT_METRICS = 16,
    CONFIG_RESOURCE_GROUP = 32,
};

struct altered_key {
    struct slice name;
    struct slice value;
    int8_t op; /* enum config_op or a number nobody knows */
};

/* One resource of the request, in either's form. */
struct altered_resource {
    int8_t type;
    struct slice name;
    struct altered_key *keys; /* in the request's order */
    size_t key_count;
    bool replaces; /* AlterConfigs: the keys are all it is to have */
    /* out: */
    bool settled; /* its answer stands; the controller is not asked */
    enum err err;
    const char *text; /* NULL: none */
};

/* What the controller said of one resource. */
struct altered_outcome {
    enum err err;
    struct slice text; /* null: none */
};

/* A request on its way; in its arena. The two forms of requests and answers differ in their types
 * only: what depends on these is given by functions. */
struct config_alteration {
    struct peer_call call;
    struct api_request *request;
    struct altered_resource *resources;
    size_t count;
    /* What the controller is asked: the resources that are not settled. NULL: memory is out. */
    const void *(*ask)(struct config_alteration *);
    /* The controller's `index`th answer; they come in the order of what it was asked. */
    struct altered_outcome (*outcome)(const void *response, size_t index);
    /* Ends the request. */
    void (*answer)(struct config_alteration *);
};

/* Settles what is wrong, asks the controller about the rest, answers; in this or a later turn. */
void config_alteration_run(struct config_alteration *) ON(on_shard);

#endif
