/* A segment's file from batch to batch, each read whole, for commands that look at files while no
 * node has them. One thread. */
#ifndef CMD_SEGMENT_WALK_H
#define CMD_SEGMENT_WALK_H

#include "wire/batch.h"

#define SEGMENT_NAME_SIZE 20 /* digits of "00000000000000000042" */

struct segment_walk {
    int fd;
    int64_t size;
    int64_t position; /* of the batch, or where the walk ended */
    struct batch_header header;
    struct slice batch;
    const char *fault; /* why it ended before the file's end; NULL: it did not */
    bool is_tail;      /* what is left may be what a crash leaves: zeroes, or a batch's beginning */
    int64_t block_at;
    size_t block_size;
    uint8_t *block;
    size_t capacity;
    bool begun;
};

/* 0 or -errno. */
MUST_USE int segment_walk_open(struct segment_walk *, const char *path);
void segment_walk_close(struct segment_walk *);
/* The next batch; its checksum is not looked at. false: the end, or look at `fault`. */
bool segment_walk_next(struct segment_walk *);

/* "…/00000000000000000042.log" is 42; -1: not called so. */
int64_t segment_base(const char *path);

/* A marker's kind: 0 abort, 1 commit; -1: not an end of a transaction. */
int segment_marker(const struct batch_header *, struct slice batch);

#endif
