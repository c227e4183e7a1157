/* Counted buffers. The count is a plain number: its shard alone changes it. */
#include "shard/buffer.h"

#include "base/always.h"

#include <stdlib.h>

struct shard_buffer *shard_buffer_new(size_t capacity)
{
    if (capacity > SIZE_MAX - sizeof(struct shard_buffer))
        return NULL;
    struct shard_buffer *buffer = (struct shard_buffer *)malloc(sizeof *buffer + capacity);
    if (buffer == NULL)
        return NULL;
    buffer->references = 1;
    buffer->capacity = capacity;
    buffer->filled = 0;
    return buffer;
}

struct shard_buffer *shard_buffer_ref(struct shard_buffer *buffer)
{
    ALWAYS(buffer->references > 0 && buffer->references < UINT32_MAX, "a buffer's count is off");
    buffer->references++;
    return buffer;
}

void shard_buffer_unref(struct shard_buffer *buffer)
{
    if (buffer == NULL)
        return;
    ALWAYS(buffer->references > 0, "a buffer was released too often");
    if (--buffer->references == 0)
        free(buffer);
}
