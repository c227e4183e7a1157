/* Batch by batch; see the header. The complications: a batch may be larger than any block that is
 * read, so its checksum is continued from block to block; base offsets are not under the checksum,
 * so a batch is judged with the header behind it; and a broken length says nothing of where the
 * next batch begins, so every byte behind it is tried. Must not take a byte of what it reads for
 * true. */
#include "log/verify.h"

#include "base/crc32c.h"
#include "sys/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE (256 * 1024)

/* Reads the block that begins at the position. false: the error is set. */
static bool fill(struct log_verify *v, int64_t position) NOT_ON(on_shard)
{
    size_t size = (size_t)MIN_OF(v->size - position, (int64_t)BLOCK_SIZE);
    int64_t got = v->leaves_no_traces ? sys_file_read_aside(v->fd, v->block, size, position)
                                      : sys_file_read_at(v->fd, v->block, size, position);
    v->block_at = position;
    v->block_size = MAX_OF(got, (int64_t)0);
    v->error = got < 0 ? (int)got : got == 0 ? -EIO : 0;
    return v->error == 0;
}

/* The bytes of a header at the position, or NULL: it is too near the end, or the error is set. */
static const uint8_t *header_bytes(struct log_verify *v, int64_t position) NOT_ON(on_shard)
{
    if (v->size - position < BATCH_HEADER_SIZE)
        return NULL;
    int64_t at = position - v->block_at;
    if (at >= 0 && at + BATCH_HEADER_SIZE <= v->block_size)
        return v->block + at;
    if (!fill(v, position))
        return NULL;
    if (v->block_size < BATCH_HEADER_SIZE)
        v->error = -EIO;
    return v->error == 0 ? v->block : NULL;
}

static bool crc_fits(struct log_verify *v, const struct batch_header *header, int64_t position)
    NOT_ON(on_shard)
{
    int64_t at = position + BATCH_AT_ATTRIBUTES;
    int64_t end = position + header->size;
    uint32_t crc = 0;
    while (at < end) {
        bool inside = at >= v->block_at && at < v->block_at + v->block_size;
        if (!inside && !fill(v, at))
            return false;
        int64_t skip = at - v->block_at;
        int64_t size = MIN_OF(v->block_size - skip, end - at);
        crc = crc32c(crc, v->block + skip, (size_t)size);
        at += size;
    }
    return crc == header->crc;
}

static bool offsets_fit(const struct log_verify *v, const struct batch_header *header)
{
    return header->base_offset >= v->next_offset && header->last_offset_delta >= 0 &&
           header->base_offset < v->end_offset && batch_last_offset(header) < v->end_offset;
}

/* What could be told from the header alone; NULL: nothing. */
static const char *header_fault(const struct log_verify *v, const struct batch_header *header,
                                int64_t position)
{
    if (header->size > v->size - position)
        return "a batch's length goes beyond its segment";
    return offsets_fit(v, header) ? NULL : "a batch's offsets do not fit those around it";
}

/* The header at the position, when it may be one. */
static bool parse_at(struct log_verify *v, int64_t position, struct batch_header *ret_header)
    NOT_ON(on_shard)
{
    const uint8_t *bytes = header_bytes(v, position);
    return bytes != NULL &&
           batch_parse_header(slice_of(bytes, BATCH_HEADER_SIZE), ret_header) == BATCH_OK &&
           header_fault(v, ret_header, position) == NULL;
}

/* A flipped bit may raise a base offset: then the batch behind it begins too early for it, but not
 * for what stands in front. */
static bool is_overtaken(struct log_verify *v, const struct batch_header *header, int64_t position)
    NOT_ON(on_shard)
{
    struct batch_header next;
    return header->base_offset > v->next_offset && parse_at(v, position + header->size, &next) &&
           next.base_offset <= batch_last_offset(header);
}

/* NULL: a good batch, whose header is told. */
static const char *fault_at(struct log_verify *v, int64_t position, struct batch_header *ret_header)
    NOT_ON(on_shard)
{
    const uint8_t *bytes = header_bytes(v, position);
    ret_header->size = 0;
    if (bytes == NULL)
        return "the bytes end before the batch does";
    enum batch_outcome outcome = batch_parse_header(slice_of(bytes, BATCH_HEADER_SIZE), ret_header);
    if (outcome != BATCH_OK) {
        ret_header->size = 0;
        return batch_outcome_text(outcome);
    }
    const char *fault = header_fault(v, ret_header, position);
    if (fault == NULL && !crc_fits(v, ret_header, position))
        fault = "a batch's checksum is wrong";
    if (fault == NULL && is_overtaken(v, ret_header, position))
        fault = "a batch's offsets do not fit those around it";
    return fault;
}

/* ---- behind a bad place ---- */

/* Whether the block holds the whole header of something that may be a batch, at the position. */
static bool looks_right(const struct log_verify *v, int64_t position,
                        struct batch_header *ret_header)
{
    struct slice bytes = slice_of(v->block + (position - v->block_at), BATCH_HEADER_SIZE);
    return batch_parse_header(bytes, ret_header) == BATCH_OK &&
           header_fault(v, ret_header, position) == NULL;
}

/* The next position in the block, from one on, at which a batch may begin; -1: none. */
static int64_t next_candidate(const struct log_verify *v, int64_t from,
                              struct batch_header *ret_header)
{
    int64_t last = v->block_at + v->block_size - BATCH_HEADER_SIZE;
    while (from <= last) {
        const uint8_t *start = v->block + (from - v->block_at) + BATCH_AT_MAGIC;
        const uint8_t *magic = memchr(start, BATCH_MAGIC, (size_t)(last - from) + 1);
        if (magic == NULL)
            return -1;
        from += magic - start;
        if (looks_right(v, from, ret_header))
            return from;
        from++;
    }
    return -1;
}

/* Where the next good batch begins; the end of what is to be looked at where there is none. */
static int64_t resume_from(struct log_verify *v, int64_t from) NOT_ON(on_shard)
{
    struct batch_header header;
    while (v->size - from >= BATCH_HEADER_SIZE) {
        if (!fill(v, from))
            return from;
        int64_t at = next_candidate(v, from, &header);
        if (at >= 0 && crc_fits(v, &header, at))
            return at;
        if (v->error != 0)
            return at;
        int64_t behind = v->block_size >= BATCH_HEADER_SIZE
                             ? v->block_at + v->block_size - BATCH_HEADER_SIZE + 1
                             : v->size;
        from = at >= 0 ? at + 1 : MAX_OF(behind, from + 1);
    }
    return v->size;
}

/* Notes a bad place and moves on behind it. header: of the batch that stands there, where its size
 * may be believed. */
static void note_bad(struct log_verify *v, const struct batch_header *header, const char *why)
    NOT_ON(on_shard)
{
    struct batch_header next;
    int64_t end = v->position + header->size;
    bool believed = header->size > 0 && end <= v->size;
    if (!believed || (end < v->size && !parse_at(v, end, &next)))
        end = resume_from(v, v->position + 1);
    int64_t end_offset =
        end < v->size && parse_at(v, end, &next) ? next.base_offset : v->end_offset;
    if (v->error != 0)
        return;
    v->bad[v->bad_count++] = (struct log_bad){.from = v->position,
                                              .to = end,
                                              .first_offset = v->next_offset,
                                              .end_offset = end_offset,
                                              .why = why};
    v->position = end;
}

static void walk(struct log_verify *v) NOT_ON(on_shard)
{
    while (v->position < MIN_OF(v->until, v->size) && v->bad_count < LOG_VERIFY_BAD_MAX) {
        struct batch_header header;
        const char *fault = fault_at(v, v->position, &header);
        if (v->error != 0)
            return;
        bool hinted = fault == NULL && batch_last_offset(&header) == v->hinted_offset;
        if (!v->is_boundary && !hinted) {
            v->misled = true;
            return;
        }
        v->is_boundary = true;
        if (fault != NULL) {
            note_bad(v, &header, fault);
            if (v->error != 0)
                return;
            continue;
        }
        if (v->index != NULL && !log_index_build(v->index, &header, v->position)) {
            v->error = -ENOMEM;
            return;
        }
        v->position += header.size;
        v->next_offset = batch_last_offset(&header) + 1;
    }
}

void log_verify_run(struct log_verify *v)
{
    v->misled = false;
    v->error = 0;
    v->bad_count = 0;
    v->block_at = 0;
    v->block_size = 0;
    v->block = malloc(BLOCK_SIZE);
    if (v->block == NULL)
        v->error = -ENOMEM;
    else
        walk(v);
    free(v->block);
    v->block = NULL;
}
