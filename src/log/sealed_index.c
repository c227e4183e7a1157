/* Offset indexes of sealed segments that a shard keeps in memory: as many bytes as its bound
 * allows, the least recently used go. They belong to their segments and go with them. On the owning
 * shard. */
#include "log/check.h"

#include "shard/stats.h"

#include <stdlib.h>

struct log_sealed_index {
    struct list link; /* log_files.indexes */
    struct log_segment *segment;
    struct log_files *files;
    struct log_index index;
    int64_t size; /* bytes */
};

static void count(struct log_files *files, int64_t size)
{
    files->index_bytes += size;
    if (files->stats != NULL)
        stats_add(files->stats, METRIC_INDEX_BYTES, size);
}

void log_sealed_index_drop(struct log_segment *segment)
{
    struct log_sealed_index *kept = segment->indexed;
    if (kept == NULL)
        return;
    segment->indexed = NULL;
    list_remove(&kept->link);
    count(kept->files, -kept->size);
    log_index_fini(&kept->index);
    free(kept);
}

bool log_sealed_index_put(struct log_files *files, struct log_segment *segment,
                          struct log_index *index)
{
    log_sealed_index_drop(segment);
    struct log_sealed_index *kept = calloc(1, sizeof *kept);
    if (kept == NULL) {
        log_index_fini(index);
        return false;
    }
    log_index_keep_offsets(index);
    *kept = (struct log_sealed_index){.segment = segment,
                                      .files = files,
                                      .index = *index,
                                      .size = (int64_t)sizeof *kept +
                                              (int64_t)index->offset_capacity *
                                                  (int64_t)sizeof(struct index_entry)};
    log_index_init(index);
    count(files, kept->size);
    list_add_tail(&files->indexes, &kept->link);
    segment->indexed = kept;
    while (files->index_bytes > files->index_bytes_max && files->indexes.next != &kept->link)
        log_sealed_index_drop(
            CONTAINER_OF(files->indexes.next, struct log_sealed_index, link)->segment);
    return true;
}

struct log_index *log_sealed_index_find(struct log_segment *segment)
{
    struct log_sealed_index *kept = segment->indexed;
    if (kept == NULL)
        return NULL;
    list_remove(&kept->link);
    list_add_tail(&kept->files->indexes, &kept->link);
    return &kept->index;
}

void log_sealed_index_take(struct log *log, struct log_sealed *sealed)
{
    struct log_segment *segment = log->segments[log_segment_at(log, sealed->base_offset)];
    if (segment->sealing != &sealed->index)
        return;
    segment->sealing = NULL;
    log_sealed_index_put(log->files, segment, &sealed->index);
}
