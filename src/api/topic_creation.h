/* Topics that come into being because a client asked for them (auto.create.topics.enable): a
 * CreateTopics call to the controller with the defaults of the cluster, or of the internal topic
 * whose name it is. Errors are not told: the topic is then still unknown, and the client asks
 * again, as with Kafka. On the request's shard. */
#ifndef API_TOPIC_CREATION_H
#define API_TOPIC_CREATION_H

#include "api/request.h"
#include "peer/peer.h"
#include "wire/msg/create_topics_request.h"

/* In the request's arena. */
struct topic_creation {
    struct peer_call call;
    struct api_request *request;
    struct create_topics_request message;
    size_t capacity;
    void (*on_done)(struct api_request *);
};

/* For at most count topics. */
void topic_creation_init(struct topic_creation *, struct api_request *, size_t count);
/* A valid name that has no topic; borrowed until on_done. */
void topic_creation_add(struct topic_creation *, struct slice name);
/* true: on_done follows in a later turn; the image has the new topics then. false: nothing was
 * added. */
bool topic_creation_run(struct topic_creation *, void (*on_done)(struct api_request *))
    ON(on_shard);

#endif
