/* Looking at every batch of a piece of a segment: its checksum, and whether its header fits what is
 * around it. What does not is told as a bad place; the walk goes on behind it, where the next good
 * batch begins. On a worker; nothing here knows a log. */
#ifndef LOG_VERIFY_H
#define LOG_VERIFY_H

#include "log/index.h"
#include "wire/batch.h"

/* Bad places that one walk tells; it ends behind the last of them. */
#define LOG_VERIFY_BAD_MAX 16

/* Bytes that are no good batch. */
struct log_bad {
    int64_t from; /* positions */
    int64_t to;
    int64_t first_offset; /* offsets that may have been in them */
    int64_t end_offset;
    const char *why;
};

struct log_verify {
    /* in */
    int fd;
    int64_t size;          /* bytes of the file that are to be looked at */
    int64_t end_offset;    /* no batch reaches it */
    int64_t until;         /* position: the walk ends with the batch that reaches it */
    bool is_boundary;      /* a batch does begin at `position`: it is not an index that says so */
    int64_t hinted_offset; /* the last offset of the batch there, where an index says so */
    bool leaves_no_traces; /* in the page cache */
    struct log_index_builder *index; /* that is told of every good batch, or NULL */
    /* in and out */
    int64_t position;
    int64_t next_offset; /* no batch from `position` on begins below it */
    /* out */
    bool misled; /* no good batch begins at `position`, which was only a hint */
    int error;   /* 0 or -errno: it cannot be read, or memory is out */
    struct log_bad bad[LOG_VERIFY_BAD_MAX];
    int bad_count;
    /* the walk's own */
    uint8_t *block;
    int64_t block_at;
    int64_t block_size;
};

void log_verify_run(struct log_verify *) NOT_ON(on_shard);

#endif
