/* Counted byte buffers for record bytes: a connection reads into one, its frames are slices of it,
 * a submitted append holds a reference until its bytes are in the file. The count belongs to the
 * shard that made the buffer; crossing shards is a message. */
#ifndef SHARD_BUFFER_H
#define SHARD_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct shard_buffer {
    uint32_t references;
    size_t capacity;
    size_t filled; /* bytes of data[] that hold something */
    uint8_t data[];
};

/* One reference; NULL when memory is out. */
struct shard_buffer *shard_buffer_new(size_t capacity);
struct shard_buffer *shard_buffer_ref(struct shard_buffer *);
void shard_buffer_unref(struct shard_buffer *); /* NULL is fine */

#endif
