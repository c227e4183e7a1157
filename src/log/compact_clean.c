/* The second walk of a cleaning: segments are written again, a group of them into one segment. A
 * group holds what fits one segment, by Kafka's sums: bytes, index bytes and offsets. On a
 * worker. */
#include "log/compact_int.h"

#include "base/always.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- groups ---- */

static int64_t file_size(const struct log *log, int64_t base_offset, const char *kind)
{
    char path[LOG_STEM_SIZE + 16];
    char stem[LOG_STEM_SIZE];
    log_stem(log, base_offset, stem);
    (void)snprintf(path, sizeof path, "%s.%s", stem, kind);
    AUTO(file_close) int fd = sys_file_open(log->dir_fd, path, SYS_OPEN_READ);
    int64_t size = fd < 0 ? 0 : sys_file_size(fd);
    return MAX_OF(size, (int64_t)0);
}

static const struct compact_source *measured(struct log_compaction *c, int at)
{
    struct compact_source *source = &c->sources[at];
    if (source->index_size < 0) {
        source->index_size = file_size(c->log, source->base_offset, "index");
        source->time_index_size = file_size(c->log, source->base_offset, "timeindex");
    }
    return source;
}

static bool is_wanted(const struct log_compaction *c, int at)
{
    return at < c->count && c->sources[at].base_offset < c->end_offset;
}

/* The last offset that the source can hold. */
static int64_t last_offset_of(const struct log_compaction *c, int at)
{
    int64_t end =
        is_wanted(c, at + 1) ? c->sources[at + 1].base_offset : c->options.range.end_offset;
    return end - 1;
}

static void find_group(struct log_compaction *c)
{
    const struct compact_source *first = measured(c, c->from);
    int64_t size = first->size;
    int64_t index_size = first->index_size;
    int64_t time_index_size = first->time_index_size;
    int64_t index_max = c->config.segment_index_bytes;
    for (c->to = c->from + 1; is_wanted(c, c->to); c->to++) {
        const struct compact_source *next = measured(c, c->to);
        size += next->size;
        index_size += next->index_size;
        time_index_size += next->time_index_size;
        bool near = next->size == 0 || last_offset_of(c, c->to) - first->base_offset <= INT32_MAX;
        if (size > c->config.segment_bytes || index_size > index_max ||
            time_index_size > index_max || !near)
            break;
    }
    c->at = c->from;
}

/* ---- one group ---- */

static int begin_group(struct log_compaction *c) NOT_ON(on_shard)
{
    find_group(c);
    compact_reader_close(&c->reader); /* the map's walk may have ended within a segment */
    c->unread = 0;
    for (int i = c->from; i < c->to; i++)
        c->unread += c->sources[i].size;
    compact_txns_begin_kept(&c->filter.txns);
    struct compact_target target = {
        .log = c->log, .config = &c->config, .base_offset = c->sources[c->from].base_offset};
    return compact_writer_begin(&c->writer, &target);
}

static int filter_next(struct log_compaction *c) NOT_ON(on_shard)
{
    struct batch_view view;
    struct slice bytes;
    int got = compact_reader_next(&c->reader, &view);
    if (got == -EBADMSG)
        return compact_fault(c, c->reader.fault);
    if (got < 0)
        return got;
    if (got == 0) {
        compact_reader_close(&c->reader);
        c->at++;
        return 0;
    }
    const char *fault = compact_order_fault(c, &view);
    if (fault != NULL)
        return compact_fault(c, fault);
    int error = compact_filter_batch(&c->filter, &view, &bytes);
    if (error == -EBADMSG)
        return compact_fault(c, c->filter.fault);
    c->unread -= view.header.size;
    c->moved += view.header.size + (int64_t)bytes.size;
    if (error < 0 || bytes.size == 0)
        return error;
    error = compact_writer_add(&c->writer, bytes);
    return error == -EBADMSG ? compact_fault(c, c->writer.fault) : error;
}

/* When the last segment of the group was changed. */
static int64_t modified_ms(const struct log_compaction *c)
{
    char path[LOG_STEM_SIZE + 8];
    char stem[LOG_STEM_SIZE];
    log_stem(c->log, c->sources[c->to - 1].base_offset, stem);
    (void)snprintf(path, sizeof path, "%s.log", stem);
    AUTO(file_close) int fd = sys_file_open(c->log->dir_fd, path, SYS_OPEN_READ);
    return fd < 0 ? fd : sys_file_modified_ms(fd);
}

static int end_group(struct log_compaction *c) NOT_ON(on_shard)
{
    ALWAYS(c->unread == 0, "K3: %s: %lld bytes of what is replaced were not looked at",
           c->log->name, (long long)c->unread);
    const struct compact_seal seal = {
        .modified_ms = modified_ms(c),
        .aborted = c->filter.txns.kept,
        .aborted_count = c->filter.txns.kept_count,
    };
    int error = compact_writer_end(&c->writer, &seal);
    if (error == 0)
        error = log_swap_prepare(c->log, c->sources[c->from].base_offset);
    return error == 0 ? 1 : error;
}

static int open_source(struct log_compaction *c) NOT_ON(on_shard)
{
    const struct compact_source *source = &c->sources[c->at];
    c->next_offset = source->base_offset;
    const struct compact_extent extent = {.base_offset = source->base_offset, .size = source->size};
    return compact_reader_open(&c->reader, c->log, &extent);
}

int compact_clean_step(struct log_compaction *c)
{
    int result = c->writer.fd < 0 ? begin_group(c) : 0;
    while (result == 0 && c->moved < COMPACT_STEP_SIZE) {
        if (c->at == c->to)
            return end_group(c);
        if (c->reader.fd < 0)
            result = open_source(c);
        if (result == 0)
            result = filter_next(c);
    }
    return result;
}
