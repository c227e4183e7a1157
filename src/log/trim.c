/* Letting go of a log's beginning. The shard forgets the segments; their files go on a worker,
 * oldest first and the .log file last, so that a crash in between leaves segments that a start
 * below the offset finds whole or not at all. */
#include "log/log_int.h"

#include "base/always.h"
#include "sys/dir.h"

#include <errno.h>
#include <stdio.h>

int log_trim(struct log *log, int64_t start_offset, int64_t *ret_bases, int bases_max)
{
    ALWAYS(start_offset <= log->recovery_point, "%s would start behind what is flushed", log->name);
    int count = 0;
    /* What a rolled segment still needs is done before its end counts as flushed (L2). */
    while (count < bases_max && count + 1 < log->segment_count &&
           log_segment_end(log, count) <= start_offset)
        count++;
    for (int i = 0; i < count; i++) {
        ret_bases[i] = log->segments[i]->base_offset;
        log->size -= log->segments[i]->size;
        log_segment_free(log->segments[i]);
    }
    log->segment_count -= count;
    memmove(log->segments, log->segments + count,
            (size_t)log->segment_count * sizeof log->segments[0]);
    log->start_offset = MAX_OF(log->start_offset, start_offset);
    return count;
}

int log_remove_segment(int dir_fd, const char *name, int64_t base_offset)
{
    static const char *const suffixes[] = {"index", "timeindex", "txnindex", "snapshot", "log"};
    char path[LOG_STEM_SIZE + 16];
    int error = 0;
    for (size_t i = 0; i < COUNT_OF(suffixes) && error == 0; i++) {
        (void)snprintf(path, sizeof path, "%s/%020lld.%s", name, (long long)base_offset,
                       suffixes[i]);
        error = sys_unlink(dir_fd, path);
        error = error == -ENOENT ? 0 : error;
    }
    return error;
}
