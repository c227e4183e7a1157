/* Letting go of a log's beginning: first what is below the new start cannot be read any more, then,
 * when that is sure to last, the segments wholly below it go. */
#include "log/discard.h"

#include "base/always.h"

#include <stdlib.h>

void log_forget_below_start(struct log *log)
{
    log_epochs_cut_start(&log->epochs, log->start_offset);
    txns_trim(&log->txns, log->start_offset);
}

/* Producers stay known, though all their batches be gone: what they send next follows on. */
void log_raise_start(struct log *log, int64_t start_offset)
{
    ALWAYS(start_offset <= log->recovery_point, "L9: %s would start behind what is flushed",
           log->name);
    if (start_offset <= log->start_offset)
        return;
    log->start_offset = start_offset;
    log_forget_below_start(log);
}

int log_trim(struct log *log, int count_max)
{
    int count = 0;
    /* A compaction works with the segments as they are; they go when it has ended. */
    if (log->compaction != NULL)
        return 0;
    /* What a rolled segment still needs is done before its end counts as flushed (L2). */
    while (count < count_max && count + 1 < log->segment_count &&
           log_segment_end(log, count) <= log->start_offset)
        count++;
    if (count == 0)
        return 0;
    struct log_segment **gone = malloc((size_t)count * sizeof *gone);
    if (gone == NULL)
        return 0; /* they go next time */
    memcpy(gone, log->segments, (size_t)count * sizeof *gone);
    log->segment_count -= count;
    memmove(log->segments, log->segments + count,
            (size_t)log->segment_count * sizeof log->segments[0]);
    for (int i = 0; i < count; i++)
        log->size -= gone[i]->size;
    log_discard(log, gone, count);
    free(gone);
    return count;
}
