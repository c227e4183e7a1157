/* Batches from files; see the header. */
#include "log/replay.h"

#include "log/log_int.h"
#include "sys/file.h"

#include <errno.h>
#include <stdlib.h>

#define REPLAY_BLOCK_SIZE (1024 * 1024)

int log_replay_bytes(struct slice bytes, log_batch_fn on_batch, void *context,
                     const char **ret_fault)
{
    struct batch_iterator batches = batch_iterate(bytes);
    struct batch_view view;
    while (batch_next(&batches, &view)) {
        if (!batch_crc_ok(view.bytes)) {
            *ret_fault = "a batch's checksum is wrong";
            return -EIO;
        }
        if (!on_batch(context, &view))
            return 1;
    }
    if (batches.stopped == BATCH_END)
        return 0;
    *ret_fault = batch_outcome_text(batches.stopped);
    return -EIO;
}

struct filter {
    log_batch_fn on_batch;
    void *context;
    int64_t from_offset;
};

static bool pass(void *context, const struct batch_view *view)
{
    const struct filter *filter = context;
    return batch_last_offset(&view->header) < filter->from_offset ||
           filter->on_batch(filter->context, view);
}

/* Size of whole batches at the start of the block; the next batch's size when it has none. */
static size_t whole_batches(struct slice block, size_t *ret_next)
{
    struct batch_iterator batches = batch_iterate(block);
    struct batch_view view;
    while (batch_next(&batches, &view))
        ;
    struct batch_header header;
    *ret_next = batch_parse_header(batches.rest, &header) == BATCH_OK ? (size_t)header.size : 0;
    return (size_t)batches.position;
}

static int replay_segment(int fd, int64_t size, struct filter *filter) NOT_ON(on_shard)
{
    size_t capacity = REPLAY_BLOCK_SIZE;
    uint8_t *block = malloc(capacity);
    int64_t position = 0;
    int result = block == NULL ? -ENOMEM : 0;
    while (result == 0 && position < size) {
        size_t want = (size_t)MIN_OF((int64_t)capacity, size - position);
        int64_t got = sys_file_read_at(fd, block, want, position);
        size_t next = 0;
        size_t whole = got > 0 ? whole_batches(slice_of(block, (size_t)got), &next) : 0;
        if (whole > 0) {
            const char *fault;
            result = log_replay_bytes(slice_of(block, whole), pass, filter, &fault);
            position += (int64_t)whole;
        } else if (next > capacity && (int64_t)next <= size - position) {
            free(block);
            capacity = next;
            block = malloc(capacity);
            result = block == NULL ? -ENOMEM : 0;
        } else {
            result = -EIO;
        }
    }
    free(block);
    return result;
}

int log_replay(const struct log *log, int64_t from_offset, log_batch_fn on_batch, void *context)
{
    struct filter filter = {.on_batch = on_batch, .context = context, .from_offset = from_offset};
    int result = 0;
    for (int i = log_segment_at(log, from_offset); i < log->segment_count && result == 0; i++) {
        const struct log_segment *segment = log->segments[i];
        AUTO(file_close) int fd = sys_file_open(log->dir_fd, segment->handle->path, SYS_OPEN_READ);
        result = fd < 0 ? fd : replay_segment(fd, segment->size, &filter);
    }
    return result;
}
