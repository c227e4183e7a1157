/* What a topic's settings come to: its own overrides, the dynamic ones of this broker and of all
 * brokers, the file's, the defaults. Any shard that holds the image. */
#ifndef META_EFFECTIVE_H
#define META_EFFECTIVE_H

#include "config/topic.h"
#include "meta/image.h"

void meta_topic_config(const struct meta_image *, const struct node_config *,
                       const struct meta_topic *, struct topic_config *ret_config);

#endif
