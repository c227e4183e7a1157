/* See the header. */
#include "log/remake.h"

#include "log/verify.h"

#include <errno.h>
#include <stdlib.h>

struct log_remake *log_remake_new(int64_t base_offset, int64_t interval_bytes)
{
    struct log_remake *remake = calloc(1, sizeof *remake);
    if (remake == NULL)
        return NULL;
    remake->builder.base_offset = base_offset;
    remake->builder.interval_bytes = interval_bytes;
    remake->builder.max_timestamp = BATCH_NO_TIMESTAMP;
    remake->builder.max_timestamp_offset = base_offset;
    remake->next_offset = base_offset;
    return remake;
}

void log_remake_free(struct log_remake *remake)
{
    if (remake == NULL)
        return;
    log_index_fini(&remake->builder.index);
    free(remake);
}

void log_remake_take(struct log_remake *remake, const struct log_verify *verify, int dir_fd,
                     const char *stem)
{
    remake->position = verify->position;
    remake->next_offset = verify->next_offset;
    remake->done = verify->error == 0 && verify->position >= verify->size;
    if (!remake->done)
        return;
    remake->error = log_index_finish(&remake->builder)
                        ? log_index_replace(&remake->builder.index, dir_fd, stem)
                        : -ENOMEM;
}
