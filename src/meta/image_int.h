/* What image.c, replay.c, overrides.c and write.c share. */
#ifndef META_IMAGE_INT_H
#define META_IMAGE_INT_H

#include "meta/image.h"

/* Type and the longest name that a record can have. */
#define META_CONFIG_KEY_MAX 32768
#define NO_MEMORY "memory is out"

extern const struct pmap_type meta_objects;

/* overrides.c: the record that sets or removes an override. NULL, or why it cannot be applied. */
const char *meta_apply_config(struct meta_image *, const struct meta_applied *);
/* The key of a resource's overrides; the bytes are in buffer. */
struct slice meta_config_key(int8_t type, struct slice name, uint8_t buffer[META_CONFIG_KEY_MAX]);

#endif
