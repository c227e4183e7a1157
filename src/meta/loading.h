/* Records becoming an image at the start, batch by batch, of a snapshot or of the log behind it.
 * Metadata transactions that were aborted leave no trace. Before the shards run. */
#ifndef META_LOADING_H
#define META_LOADING_H

#include "meta/control.h"
#include "meta/image.h"

struct meta_loading {
    struct meta_image *image;
    struct meta_image *before; /* of the open transaction; NULL: none */
    struct meta_quorum quorum;
    int64_t next_offset; /* the log must go on here */
    int64_t log_bytes;   /* read of the log */
    const char *fault;
    int64_t fault_offset;
    bool of_log; /* not of a snapshot */
    bool log_has_voters;
};

/* false: memory is out. */
MUST_USE bool meta_loading_init(struct meta_loading *, const struct node_config *);
void meta_loading_fini(struct meta_loading *);
/* A log_batch_fn; false: context->fault says why. */
bool meta_loading_batch(void *context, const struct batch_view *);
/* Takes back what an open transaction said; true: there was one. */
bool meta_loading_abort(struct meta_loading *);

#endif
