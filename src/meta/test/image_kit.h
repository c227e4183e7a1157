/* Images for tests, and one as text, field by field and without the code that writes snapshots: two
 * images are equal when their texts are. */
#ifndef META_TEST_IMAGE_KIT_H
#define META_TEST_IMAGE_KIT_H

#include "meta/image.h"

/* An empty image of a node without settings. */
struct meta_image *image_new(void);
/* Heap text: free it. */
char *image_text(const struct meta_image *);

#endif
