/* Batches of a file in large blocks; see the header. Its complication is that a file may end in a
 * torn batch or in zeroes, which after a crash is no fault. One thread. */
#include "cmd/segment_walk.h"

#include "base/bytes.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "wire/record.h"

#include <stdlib.h>

#define BLOCK_SIZE ((size_t)1 << 20)

int segment_walk_open(struct segment_walk *walk, const char *path)
{
    *walk = (struct segment_walk){.fd = sys_file_open(SYS_DIR_CWD, path, SYS_OPEN_READ)};
    walk->size = walk->fd < 0 ? walk->fd : sys_file_size(walk->fd);
    if (walk->size >= 0)
        return 0;
    int error = (int)walk->size;
    sys_file_close(walk->fd);
    walk->fd = -1;
    return error;
}

void segment_walk_close(struct segment_walk *walk)
{
    sys_file_close(walk->fd);
    free(walk->block);
    *walk = (struct segment_walk){.fd = -1};
}

static bool end(struct segment_walk *walk, const char *fault, bool is_tail)
{
    walk->fault = fault;
    walk->is_tail = is_tail;
    return false;
}

/* So many bytes from the position on, where the file has them; NULL: told. */
static const uint8_t *bytes_at(struct segment_walk *walk, size_t size)
{
    int64_t at = walk->position - walk->block_at;
    if (at >= 0 && (size_t)at + size <= walk->block_size)
        return walk->block + at;
    size_t want = MAX_OF(size, BLOCK_SIZE);
    if (want > walk->capacity) {
        uint8_t *grown = realloc(walk->block, want);
        if (grown == NULL) {
            (void)end(walk, "memory is out for a batch of that size", false);
            return NULL;
        }
        walk->block = grown;
        walk->capacity = want;
    }
    int64_t got = sys_file_read_at(walk->fd, walk->block, want, walk->position);
    walk->block_at = walk->position;
    walk->block_size = got > 0 ? (size_t)got : 0;
    if (walk->block_size >= size)
        return walk->block;
    (void)end(walk, got < 0 ? "the file cannot be read there" : "the file became shorter", false);
    return NULL;
}

/* Zeroes to the end: room that was taken and never written. */
static bool is_zero_from(struct segment_walk *walk)
{
    for (int64_t at = walk->position; at < walk->size;) {
        uint8_t bytes[4096];
        int64_t got = sys_file_read_at(walk->fd, bytes, sizeof bytes, at);
        if (got <= 0)
            return false;
        for (int64_t i = 0; i < got; i++)
            if (bytes[i] != 0)
                return false;
        at += got;
    }
    return true;
}

bool segment_walk_next(struct segment_walk *walk)
{
    if (walk->fault != NULL)
        return false;
    walk->position += walk->begun ? walk->header.size : 0;
    walk->begun = true;
    int64_t left = walk->size - walk->position;
    walk->header.size = 0;
    if (left == 0)
        return false;
    if (left < BATCH_HEADER_SIZE)
        return end(walk, "the file ends within a batch's header", true);
    const uint8_t *bytes = bytes_at(walk, BATCH_HEADER_SIZE);
    if (bytes == NULL)
        return false;
    struct batch_header header;
    enum batch_outcome outcome = batch_parse_header(slice_of(bytes, BATCH_HEADER_SIZE), &header);
    if (outcome == BATCH_OK && header.size > left)
        return end(walk, "the file ends within a batch", true);
    if (outcome != BATCH_OK)
        return end(walk, batch_outcome_text(outcome),
                   outcome == BATCH_INCOMPLETE || is_zero_from(walk));
    bytes = bytes_at(walk, (size_t)header.size);
    if (bytes == NULL)
        return false;
    walk->header = header;
    walk->batch = slice_of(bytes, (size_t)header.size);
    return true;
}

int64_t segment_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    if (strspn(name, "0123456789") != SEGMENT_NAME_SIZE || name[SEGMENT_NAME_SIZE] != '.')
        return -1;
    return strtoll(name, NULL, 10);
}

int segment_marker(const struct batch_header *header, struct slice batch)
{
    struct record_reader reader;
    struct record record;
    int type = -1;
    if (!batch_is_control(header) || batch_codec_id(header) != 0)
        return -1;
    record_reader_open(&reader, NULL, (struct record_source){.header = header, .batch = batch});
    if (record_read(&reader, &record) && record.key.size >= 4)
        type = load_i16(record.key.data + 2);
    record_reader_close(&reader);
    return type == 0 || type == 1 ? type : -1;
}
