/* An index of a sealed segment that is being made anew, piece by piece: by the worker that looks at
 * the next piece, looked up in by the shard in between. */
#ifndef LOG_REMAKE_H
#define LOG_REMAKE_H

#include "log/index.h"

struct log_verify;

struct log_remake {
    struct log_index_builder builder;
    int64_t position; /* up to which it was made */
    int64_t next_offset;
    bool done;
    int error; /* of writing the files: 0 or -errno */
};

/* NULL: memory is out. */
struct log_remake *log_remake_new(int64_t base_offset, int64_t interval_bytes);
void log_remake_free(struct log_remake *);
/* Takes over how far the walk came, and writes the files when that was all. */
void log_remake_take(struct log_remake *, const struct log_verify *, int dir_fd, const char *stem)
    NOT_ON(on_shard);

#endif
