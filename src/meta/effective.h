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

/* topic: null for the broker's alone. */
void meta_layers_make(const struct meta_image *, const struct node_config *, struct slice topic,
                      struct meta_layers *ret_layers);
void meta_topic_config(const struct meta_image *, const struct node_config *,
                       const struct meta_topic *, struct topic_config *ret_config);

#endif
