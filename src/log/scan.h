/* Walking the batch headers of a segment file without reading the records between them. Reads only
 * what is in memory where the caller is a shard. One thread at a time. */
#ifndef LOG_SCAN_H
#define LOG_SCAN_H

#include "wire/batch.h"

#define SCAN_BLOCK_SIZE (16 * 1024)

struct log_scan {
    int fd;
    bool may_wait;    /* a worker: reads from the disk */
    int64_t position; /* of the next header */
    int64_t end;      /* bytes of the file that count */
    int64_t block_at; /* file position of block[0] */
    int64_t block_size;
    int error; /* 0, -EAGAIN: not in memory, -EBADMSG: not a batch, -EIO: unreadable */
    uint8_t block[SCAN_BLOCK_SIZE];
};

void log_scan_start(struct log_scan *, int fd, int64_t position, int64_t end);
/* The header at `position`, which moves on behind that batch; false at the end and on error. */
bool log_scan_next(struct log_scan *, struct batch_header *ret_header, int64_t *ret_position);

#endif
