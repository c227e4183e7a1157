/* Index entries in memory; see the header. Those in files are in index_file.c. */
#include "log/index.h"

#include "wire/batch.h"

#include <stdlib.h>
#include <string.h>

void log_index_init(struct log_index *index)
{
    *index = (struct log_index){0};
}

void log_index_fini(struct log_index *index)
{
    free(index->offsets);
    free(index->times);
    *index = (struct log_index){0};
}

/* Makes room for one more element. */
static bool reserve(void **array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    uint32_t wanted = *capacity > 0 ? *capacity * 2 : 16;
    void *grown = realloc(*array, wanted * size);
    if (grown == NULL)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

bool log_index_add(struct log_index *index, struct index_entry entry)
{
    if (index->offset_count > 0 &&
        index->offsets[index->offset_count - 1].relative_offset >= entry.relative_offset)
        return true;
    void *array = index->offsets;
    bool room = reserve(&array, index->offset_count, &index->offset_capacity, sizeof entry);
    index->offsets = array;
    if (room)
        index->offsets[index->offset_count++] = entry;
    return room;
}

bool log_index_add_time(struct log_index *index, struct time_index_entry entry)
{
    if (index->time_count > 0) {
        const struct time_index_entry *last = &index->times[index->time_count - 1];
        if (last->timestamp >= entry.timestamp || last->relative_offset >= entry.relative_offset)
            return true;
    }
    void *array = index->times;
    bool room = reserve(&array, index->time_count, &index->time_capacity, sizeof entry);
    index->times = array;
    if (room)
        index->times[index->time_count++] = entry;
    return room;
}

const struct index_entry *log_index_entry(const struct log_index *index, int64_t relative_offset)
{
    uint32_t low = 0;
    uint32_t high = index->offset_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index->offsets[middle].relative_offset <= relative_offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? NULL : &index->offsets[low - 1];
}

int32_t log_index_find(const struct log_index *index, int64_t relative_offset)
{
    const struct index_entry *entry = log_index_entry(index, relative_offset);
    return entry == NULL ? 0 : entry->position;
}

void log_index_drop(struct log_index *index, int32_t position)
{
    uint32_t at = 0;
    while (at < index->offset_count && index->offsets[at].position != position)
        at++;
    if (at == index->offset_count)
        return;
    index->offset_count--;
    memmove(index->offsets + at, index->offsets + at + 1,
            (index->offset_count - at) * sizeof *index->offsets);
    index->offset_written = 0;
}

void log_index_keep_offsets(struct log_index *index)
{
    free(index->times);
    index->times = NULL;
    index->time_count = 0;
    index->time_capacity = 0;
    index->time_written = 0;
    if (index->offset_count == 0 || index->offset_count == index->offset_capacity)
        return;
    struct index_entry *fitting =
        realloc(index->offsets, index->offset_count * sizeof(struct index_entry));
    if (fitting == NULL)
        return;
    index->offsets = fitting;
    index->offset_capacity = index->offset_count;
}

/* ---- from batches ---- */

static struct time_index_entry largest_so_far(const struct log_index_builder *builder)
{
    return (struct time_index_entry){
        .timestamp = builder->max_timestamp,
        .relative_offset = (int32_t)(builder->max_timestamp_offset - builder->base_offset)};
}

/* As log_note_indexes. */
bool log_index_build(struct log_index_builder *builder, const struct batch_header *header,
                     int64_t position)
{
    struct log_index *index = &builder->index;
    int64_t last_offset = batch_last_offset(header);
    if (header->max_timestamp > builder->max_timestamp) {
        builder->max_timestamp = header->max_timestamp;
        builder->max_timestamp_offset = last_offset;
    }
    bool fine = true;
    if (index->bytes_since_entry > builder->interval_bytes) {
        struct index_entry entry = {.relative_offset =
                                        (int32_t)(last_offset - builder->base_offset),
                                    .position = (int32_t)position};
        fine = log_index_add(index, entry) && log_index_add_time(index, largest_so_far(builder));
        index->bytes_since_entry = 0;
    }
    index->bytes_since_entry += header->size;
    return fine;
}

bool log_index_finish(struct log_index_builder *builder)
{
    return builder->max_timestamp == BATCH_NO_TIMESTAMP ||
           log_index_add_time(&builder->index, largest_so_far(builder));
}
