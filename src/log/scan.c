/* Header by header through a segment; see the header. */
#include "log/scan.h"

#include "sys/file.h"

#include <errno.h>

void log_scan_start(struct log_scan *scan, int fd, int64_t position, int64_t end)
{
    scan->fd = fd;
    scan->may_wait = false;
    scan->position = position;
    scan->end = end;
    scan->block_at = 0;
    scan->block_size = 0;
    scan->error = 0;
}

/* A worker's reads may wait; the role is the caller's word. */
static int64_t read_block(struct log_scan *scan, size_t size)
{
    if (!scan->may_wait)
        return sys_file_read_cached(scan->fd, scan->block, size, scan->position);
    role_now_on_worker();
    return sys_file_read_at(scan->fd, scan->block, size, scan->position);
}

/* The header's bytes at `position`, or NULL with the error set. */
static const uint8_t *header_bytes(struct log_scan *scan)
{
    int64_t at = scan->position - scan->block_at;
    if (at >= 0 && at + BATCH_HEADER_SIZE <= scan->block_size)
        return scan->block + at;
    int64_t left = scan->end - scan->position;
    int64_t got = read_block(scan, (size_t)MIN_OF(left, (int64_t)SCAN_BLOCK_SIZE));
    if (got < BATCH_HEADER_SIZE) {
        /* A header may begin in a page that is in memory and end in one that is not. */
        int rest = scan->may_wait || left < BATCH_HEADER_SIZE ? -EIO : -EAGAIN;
        scan->error = got < 0 ? (int)got : rest;
        return NULL;
    }
    scan->block_at = scan->position;
    scan->block_size = got;
    return scan->block;
}

bool log_scan_next(struct log_scan *scan, struct batch_header *ret_header, int64_t *ret_position)
{
    if (scan->error != 0 || scan->position >= scan->end)
        return false;
    const uint8_t *bytes = header_bytes(scan);
    if (bytes == NULL)
        return false;
    enum batch_outcome outcome = batch_parse_header(slice_of(bytes, BATCH_HEADER_SIZE), ret_header);
    if (outcome != BATCH_OK || ret_header->size > scan->end - scan->position) {
        scan->error = -EBADMSG;
        return false;
    }
    *ret_position = scan->position;
    scan->position += ret_header->size;
    return true;
}
