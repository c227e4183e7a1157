/* What settings come to: a topic's own overrides, the dynamic ones of this broker and of all
 * brokers, the file's, the defaults. Any shard that holds the image. */
#ifndef META_EFFECTIVE_H
#define META_EFFECTIVE_H

#include "config/topic.h"
#include "meta/image.h"

#define META_OVERRIDES_MAX 256

/* The dynamic layers, borrowed from an image. */
struct meta_layers {
    struct config_layers layers;
    struct config_pair pairs[3][META_OVERRIDES_MAX];
};

/* The overrides of one resource (NULL: none), in room for META_OVERRIDES_MAX. */
struct config_pairs meta_config_pairs(const struct meta_config *, struct config_pair *pairs);
/* topic: null for the broker's alone. */
void meta_layers_make(const struct meta_image *, const struct node_config *, struct slice topic,
                      struct meta_layers *ret_layers);
/* Of a topic; the image's. Worked out when an override changed, not when it is asked for. */
const struct topic_config *meta_topic_config(const struct meta_image *, const struct meta_topic *);
/* Neither this broker's nor all brokers' were set or removed from one image to the other: topics
 * without a change of their own have what they had. */
bool meta_broker_configs_are_same(const struct meta_image *, const struct meta_image *);

#endif
