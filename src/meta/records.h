/* Records of the metadata log: lists of them in the making, and their framing as values of a batch
 * (frame version 1, record type, version, message). One thread at a time. */
#ifndef META_RECORDS_H
#define META_RECORDS_H

#include "base/arena.h"
#include "meta/image.h"
#include "wire/batch_builder.h"

/* Records that one decision makes; they take effect together. Memory is the arena's. */
struct meta_records {
    struct arena *arena;
    struct meta_applied *at;
    int count;
    int capacity;
    bool failed; /* memory is out: sticky */
};

void meta_records_init(struct meta_records *, struct arena *);
/* The record's struct must live as long as the list. */
void meta_records_add(struct meta_records *, const struct wire_message *, int16_t version,
                      const void *record);

/* The same with a copy of the record, in the arena. */
void meta_records_add_copy(struct meta_records *, const struct meta_applied *);

/* One batch of all records. The null slice on failure. Valid until the builder's next use. */
struct meta_batch {
    int64_t timestamp_ms;
    int64_t base_offset;
    int32_t epoch;
};
struct slice meta_records_batch(const struct meta_records *, struct batch_builder *,
                                const struct meta_batch *);
/* Adds one framed record to a builder that was begun. */
bool meta_record_add(struct batch_builder *, const struct meta_applied *, int64_t timestamp_ms);

/* Decodes a value; the struct and what it points to are in the arena, slices in the value. NULL, or
 * what is wrong with it. */
const char *meta_record_decode(struct slice value, struct arena *, struct meta_applied *ret_record);

#endif
