/* The first walk of a cleaning: the dirty part is read for the last offset of each key. It ends at
 * the end of the range, or where the map is full: then only what it covers is cleaned. On a
 * worker. */
#include "log/compact_int.h"

#include "base/always.h"

#include <errno.h>
#include <stdlib.h>

/* Records whose places in the map are brought into the cache together. */
#define WINDOW 16

struct window {
    struct log_compaction *compaction;
    struct siphash hashes[WINDOW];
    int64_t offsets[WINDOW];
    int count;
    bool full; /* the map is */
};

static void put_all(struct window *window)
{
    struct compact_map *map = &window->compaction->map;
    for (int i = 0; i < window->count && !window->full; i++)
        window->full = !compact_map_put(map, window->hashes[i], window->offsets[i]);
    window->count = 0;
}

static void take(struct window *window, struct slice key, int64_t offset)
{
    const struct compact_map *map = &window->compaction->map;
    struct siphash hash = compact_map_hash(map, key);
    compact_map_prefetch(map, hash);
    window->hashes[window->count] = hash;
    window->offsets[window->count++] = offset;
    if (window->count == WINDOW)
        put_all(window);
}

/* 1 the map is full, 0, -errno. */
static int map_records(struct log_compaction *c, const struct batch_view *view)
{
    struct window window = {.compaction = c};
    struct record_reader reader;
    struct record record;
    record_reader_open(&reader, c->filter.pool,
                       (struct record_source){.header = &view->header,
                                              .batch = view->bytes,
                                              .output_size_max = INT32_MAX,
                                              .record_size_max = c->filter.record_size_max});
    while (!window.full && record_read(&reader, &record)) {
        int64_t offset = view->header.base_offset + record.offset_delta;
        if (!slice_is_null(record.key) && offset >= c->options.range.first_dirty_offset)
            take(&window, record.key, offset);
        c->figures.mapped_records++;
    }
    put_all(&window);
    int result = window.full ? 1 : 0;
    if (reader.fault == CODEC_NO_MEMORY)
        result = -ENOMEM;
    else if (reader.fault != CODEC_FINE)
        result = compact_fault(c, reader.text);
    record_reader_close(&reader);
    return result;
}

static int map_batch(struct log_compaction *c, const struct batch_view *view)
{
    const char *fault = compact_order_fault(c, view);
    if (fault != NULL)
        return compact_fault(c, fault);
    int result = 0;
    if (batch_is_control(&view->header)) {
        int type = compact_marker_type(c->filter.pool, view, &fault);
        if (type == -EBADMSG)
            return compact_fault(c, fault);
        result = compact_txns_marker(&c->map_txns, &view->header, type);
        result = MIN_OF(result, 0);
    } else {
        int aborted = compact_txns_data(&c->map_txns, &view->header);
        result = aborted == 0 ? map_records(c, view) : MIN_OF(aborted, 0);
    }
    int64_t last_offset = batch_last_offset(&view->header);
    if (result == 0 && last_offset >= c->options.range.first_dirty_offset)
        c->map.latest_offset = last_offset;
    return result;
}

/* Where the first batch with something dirty stands, as its index has it: an index is a hint. */
static int64_t dirty_position(const struct log_compaction *c, const struct compact_source *source)
    NOT_ON(on_shard)
{
    int64_t dirty = c->options.range.first_dirty_offset;
    char stem[LOG_STEM_SIZE];
    struct log_index index;
    if (dirty <= source->base_offset)
        return 0;
    log_index_init(&index);
    log_stem(c->log, source->base_offset, stem);
    int64_t position = log_index_load(&index, c->log->dir_fd, stem)
                           ? log_index_find(&index, dirty - source->base_offset)
                           : 0;
    log_index_fini(&index);
    return position < source->size ? position : 0;
}

static int open_source(struct log_compaction *c, int64_t position) NOT_ON(on_shard)
{
    const struct compact_source *source = &c->sources[c->at];
    c->next_offset = source->base_offset;
    const struct compact_extent extent = {
        .base_offset = source->base_offset, .position = position, .size = source->size};
    return compact_reader_open(&c->reader, c->log, &extent);
}

static bool misled(const struct log_compaction *c, int got, const struct batch_view *view)
{
    return got < 0 ||
           (got == 1 && (view->header.base_offset > c->options.range.first_dirty_offset ||
                         compact_batch_fault(view) != NULL));
}

static int open_next(struct log_compaction *c) NOT_ON(on_shard)
{
    struct batch_view view;
    int64_t position = dirty_position(c, &c->sources[c->at]);
    int error = open_source(c, position);
    if (error < 0 || position == 0)
        return error;
    return misled(c, compact_reader_next(&c->reader, &view), &view) ? open_source(c, 0)
                                                                    : open_source(c, position);
}

/* One batch, or the end of a segment. 1 the map is full, 0, -errno. */
static int walk_on(struct log_compaction *c) NOT_ON(on_shard)
{
    struct batch_view view;
    int got = compact_reader_next(&c->reader, &view);
    if (got == -EBADMSG)
        return compact_fault(c, c->reader.fault);
    if (got < 0)
        return got;
    if (got == 0) {
        /* Offsets that an earlier cleaning left out at the end count as seen. */
        compact_reader_close(&c->reader);
        c->map.latest_offset = c->sources[c->at++].end_offset - 1;
        return 0;
    }
    c->moved += view.header.size;
    c->figures.mapped_bytes += view.header.size;
    return map_batch(c, &view);
}

static struct txn_ended *copy_aborted(const struct log_compaction *c, int *ret_count)
{
    *ret_count = 0;
    if (c->aborted_count == 0)
        return NULL;
    struct txn_ended *copy = (struct txn_ended *)malloc((size_t)c->aborted_count * sizeof *copy);
    /* Those that ended before have nothing to say of what is walked. */
    for (int i = 0; i < c->aborted_count && copy != NULL; i++)
        if (c->aborted[i].last_offset >= c->options.range.first_dirty_offset)
            copy[(*ret_count)++] = c->aborted[i];
    return copy;
}

/* All memory of the cleaning. */
static bool take_memory(struct log_compaction *c)
{
    const struct log_compact_options *options = &c->options;
    const struct log_cleanable *range = &options->range;
    int count;
    c->is_open = true;
    struct txn_ended *aborted = copy_aborted(c, &count);
    bool fine = aborted != NULL || c->aborted_count == 0;
    compact_txns_init(&c->map_txns, aborted, count);
    fine = compact_filter_init(&c->filter, &c->map, &c->figures) && fine;
    compact_txns_init(&c->filter.txns, TAKE_PTR(c->aborted), c->aborted_count);
    c->filter.now_ms = options->wall_ms;
    c->filter.delete_retention_ms = c->config.delete_retention_ms;
    c->filter.high_watermark = options->high_watermark;
    c->filter.record_size_max = c->config.max_decompressed_message_bytes;
    size_t buffer_size = (size_t)MAX_OF(options->buffer_size, 0);
    fine = compact_reader_init(&c->reader, buffer_size) && fine;
    fine = compact_writer_init(&c->writer, buffer_size) && fine;
    return compact_map_open(&c->map,
                            &(struct compact_map_options){
                                .memory_size = options->map_size,
                                .load_factor = options->load_factor,
                                .keys_max = range->end_offset - range->first_dirty_offset,
                                .key = options->key,
                            }) &&
           fine;
}

int compact_build_step(struct log_compaction *c)
{
    if (!c->is_open && !take_memory(c))
        return -ENOMEM;
    int result = 0;
    while (result == 0 && c->moved < COMPACT_STEP_SIZE) {
        if (c->at == c->count)
            return 1;
        if (c->reader.fd < 0)
            result = open_next(c);
        if (result == 0)
            result = walk_on(c);
    }
    return result;
}
