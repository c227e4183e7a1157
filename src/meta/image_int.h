/* What image.c, replay.c and write.c share. */
#ifndef META_IMAGE_INT_H
#define META_IMAGE_INT_H

#include "meta/image.h"

#define META_CONFIG_KEY_MAX 512

extern const struct pmap_type meta_objects;

/* The key of a resource's overrides; the bytes are in buffer. */
struct slice meta_config_key(int8_t type, struct slice name, uint8_t buffer[META_CONFIG_KEY_MAX]);

#endif
