/* Which version of a record a cluster's metadata.version allows, so that what this node writes can
 * be read by whatever that level was finalized for. The levels are those of Kafka's
 * MetadataVersion: 8 is 3.4-IV0, 13 is 3.6-IV1, 15 is 3.7-IV0, 17 is 3.7-IV2, 23 is 4.0-IV1, 30 is
 * 4.3-IV0. */
#ifndef META_RECORD_VERSION_H
#define META_RECORD_VERSION_H

#include "meta/features.h"
#include "meta/image.h"

enum meta_level {
    META_LEVEL_MIGRATION = 8,
    META_LEVEL_TRANSACTIONS = 13,
    META_LEVEL_CONTROLLERS = 15, /* they register */
    META_LEVEL_DIRECTORIES = 17,
    META_LEVEL_ELR = 23,
    META_LEVEL_CORDONED = 30,
};

static inline bool meta_level_has(const struct meta_image *image, enum meta_level level)
{
    return meta_feature(image, META_FEATURE_METADATA) >= level;
}

static inline int16_t meta_version_of_registration(const struct meta_image *image)
{
    if (meta_level_has(image, META_LEVEL_CORDONED))
        return 4;
    if (meta_level_has(image, META_LEVEL_DIRECTORIES))
        return 3;
    return meta_level_has(image, META_LEVEL_MIGRATION) ? 2 : 1;
}

/* Of PartitionRecord and PartitionChangeRecord. */
static inline int16_t meta_version_of_partition(const struct meta_image *image)
{
    if (meta_level_has(image, META_LEVEL_ELR))
        return 2;
    return meta_level_has(image, META_LEVEL_DIRECTORIES) ? 1 : 0;
}

#endif
