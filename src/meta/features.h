/* The features this node knows, with the levels it supports and those a new cluster begins with:
 * what Kafka 4.4.0 finalizes when it formats a directory. */
#ifndef META_FEATURES_H
#define META_FEATURES_H

#include "base/slice.h"

/* X(name, min supported, max supported, level of a new cluster; 0: not finalized by a record) */
#define META_FEATURES(X) \
    X("metadata.version", 7, 33, 33) \
    X("eligible.leader.replicas.version", 0, 1, 1) \
    X("group.version", 0, 1, 1) \
    X("share.version", 0, 2, 2) \
    X("streams.version", 0, 1, 1) \
    X("transaction.version", 0, 2, 2) \
    X("kraft.version", 0, 1, 0)

#define META_FEATURE_ELR "eligible.leader.replicas.version"
#define META_FEATURE_METADATA "metadata.version"

struct meta_feature_row {
    const char *name;
    int16_t min_supported;
    int16_t max_supported;
    int16_t initial;
};

#define META_FEATURE_ROW_(name, low, high, initial) {name, low, high, initial},
static const struct meta_feature_row meta_features[] = {META_FEATURES(META_FEATURE_ROW_)};
#undef META_FEATURE_ROW_

#define META_FEATURE_COUNT (sizeof meta_features / sizeof meta_features[0])

/* NULL: no such feature. */
static inline const struct meta_feature_row *meta_feature_find(struct slice name)
{
    for (size_t i = 0; i < META_FEATURE_COUNT; i++)
        if (slice_is(name, meta_features[i].name))
            return &meta_features[i];
    return NULL;
}

#endif
