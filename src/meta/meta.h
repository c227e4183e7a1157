/* The controller: the metadata log, the quorum that commits it, and the image of what is committed.
 * Lives on the controller's shard; data shards get each new image by message and call the
 * controller by peer_call. A decision makes records against the newest image, appends them as one
 * batch, and is answered after they are durable and the image that has them is on its way to every
 * shard. When the metadata log can no longer be written the node ends: it could not keep its
 * word. */
#ifndef META_META_H
#define META_META_H

#include "config/node.h"
#include "log/dir.h"
#include "meta/image.h"
#include "peer/peer.h"

struct meta;

/* A data shard's side of publishing. Runs on that shard; returns the image it had before (NULL at
 * first), which is then the controller's again. */
typedef const struct meta_image *(*meta_image_fn)(struct shard *, const struct meta_image *);

struct meta_options {
    const struct node_config *config;
    struct log_dir *dirs; /* of the node; formatted */
    int dir_count;
    int metadata_dir; /* index in dirs */
    struct shard_set *shards;
    meta_image_fn on_image;
    void (*on_fatal)(const char *why); /* the metadata log failed: ends the process */
};

/* Opens and replays the metadata log. Before the shards run; blocking. NULL with *error telling
 * why. */
struct meta *meta_open(const struct meta_options *, struct text *error) NOT_ON(on_shard);
/* The cluster as the log that was opened has it; before the shards run. */
const struct meta_image *meta_loaded(const struct meta *);
/* For shard_set_context of the controller's shard. */
struct peer_service *meta_service(struct meta *);
/* Lets the quorum begin; posted to the controller's shard before or after it starts. */
void meta_begin(struct meta *);
/* Resigns and closes the log; on_stopped runs on the controller's shard. */
void meta_stop(struct meta *, void (*on_stopped)(void *), void *context);
/* After the shards ended. */
void meta_free(struct meta *) NOT_ON(on_shard);

#endif
