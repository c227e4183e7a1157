/* The files of a cleaning: a segment read from its start on in large pieces, and the segment that
 * comes out of it, with its indexes. On a worker; one thread at a time. */
#ifndef LOG_COMPACT_FILE_H
#define LOG_COMPACT_FILE_H

#include "log/log_int.h"

struct compact_reader {
    int fd;           /* -1: none */
    int64_t position; /* of the bytes that are read next */
    int64_t end;
    uint8_t *buffer; /* larger than usual while a batch needs it */
    size_t capacity;
    size_t capacity_usual;
    size_t from; /* of the bytes in the buffer that were not handed out */
    size_t filled;
    const char *fault;
};

/* false: memory is out. */
MUST_USE bool compact_reader_init(struct compact_reader *, size_t buffer_size);
void compact_reader_fini(struct compact_reader *);
/* The segment of the base offset, from a batch's position to the size that is part of the log. 0 or
 * -errno. */
struct compact_extent {
    int64_t base_offset;
    int64_t position;
    int64_t size;
};
MUST_USE int compact_reader_open(struct compact_reader *, const struct log *,
                                 const struct compact_extent *) NOT_ON(on_shard);
void compact_reader_close(struct compact_reader *);
/* The next batch, valid until the next call. 1; 0 at the end; -EBADMSG with fault, or -errno. */
MUST_USE int compact_reader_next(struct compact_reader *, struct batch_view *ret_view)
    NOT_ON(on_shard);

struct compact_writer {
    const struct log *log;
    int64_t base_offset;
    int32_t index_interval_bytes;
    int fd; /* "<base>.log.cleaned"; -1: none */
    uint8_t *buffer;
    size_t capacity;
    size_t filled;
    int64_t size;        /* with what is buffered */
    int64_t written_out; /* that the disk was told of */
    struct log_index index;
    int64_t max_timestamp;
    int64_t max_timestamp_offset;
    int64_t first_timestamp;
    int64_t modified_ms; /* what its file says, when it has ended */
    const char *fault;
};

MUST_USE bool compact_writer_init(struct compact_writer *, size_t buffer_size);
void compact_writer_fini(struct compact_writer *);
/* A new segment of the log; config: as the compaction found it, since the log's own is its shard's.
 * 0 or -errno. */
struct compact_target {
    const struct log *log;
    const struct topic_config *config;
    int64_t base_offset;
};
MUST_USE int compact_writer_begin(struct compact_writer *, const struct compact_target *)
    NOT_ON(on_shard);
/* Adds a batch. 0; -EBADMSG with fault: it cannot be in this segment; -errno. */
MUST_USE int compact_writer_add(struct compact_writer *, struct slice batch) NOT_ON(on_shard);
/* All of it reaches the medium, but for the names; the file says that it was last changed at
 * modified_ms. 0 or -errno. */
struct compact_seal {
    int64_t modified_ms;
    const struct txn_ended *aborted; /* the transaction index */
    int aborted_count;
};
MUST_USE int compact_writer_end(struct compact_writer *, const struct compact_seal *)
    NOT_ON(on_shard);

#endif
