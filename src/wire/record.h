/* Records inside of a batch of format v2: parsing one record from contiguous bytes, reading a
 * batch's records one after the other (streamed out of their codec where they are compressed),
 * and writing one.
 *
 * Records come from the network and from disks: every length in them may lie. A fault is a static
 * sentence, never an assertion. Nothing here allocates per record; a compressed record that spans
 * pieces is assembled in the pool's carry buffer, which grows with the bytes that really came out.
 * One thread at a time. */
#ifndef WIRE_RECORD_H
#define WIRE_RECORD_H

#include "base/slice.h"
#include "wire/codec.h"

struct batch_header;

/* A record with its payload; slices are borrowed. */
struct record {
    int64_t timestamp_delta; /* to the batch's base_timestamp */
    struct slice key;        /* null allowed */
    struct slice value;      /* null allowed */
    struct slice headers;    /* encoded, header_count of them: see record_header_next */
    int32_t header_count;
    int32_t offset_delta; /* to the batch's base_offset */
    int8_t attributes;    /* none is defined yet */
};

/* What validation needs of a record. */
struct record_mark {
    int64_t timestamp_delta;
    int32_t offset_delta;
    int32_t size; /* bytes of the body, without the length in front */
    bool has_key;
};

/* The part of a record that its place in the batch decides. What follows it in the body (key, value
 * and headers) is the same in any batch and is passed on as it is encoded. */
struct record_head {
    int64_t timestamp_delta;
    int32_t offset_delta;
    int32_t rest_size; /* bytes of the body behind the offset delta */
    int8_t attributes;
};

struct record_header {
    struct slice key;   /* never null */
    struct slice value; /* null allowed */
};

/* Bytes that record_head_store writes at most: a length, attributes and two deltas. */
#define RECORD_HEAD_SIZE_MAX 21

/* Parses the body of one record (what follows its length) which must fill `body` exactly, headers
 * included. Returns NULL or what is wrong with it; *ret_record is written on success. */
const char *record_parse(struct slice body, struct record *ret_record);

/* The first header of *rest, which is advanced. rest starts as record.headers of a record that was
 * parsed or read successfully. false at the end. */
bool record_header_next(struct slice *rest, struct record_header *ret_header);

/* The records of one batch in their order. Members are the reader's own but for `fault`, `text`,
 * and codec.output_size. */
struct record_reader {
    struct codec_reader codec;
    struct slice piece; /* not yet read part of the codec's current piece */
    int64_t record_size_max;
    int32_t left;           /* declared records not yet read */
    int32_t rest;           /* bytes that record_rest has yet to hand out */
    bool ended;             /* the end was reached and checked */
    enum codec_fault fault; /* CODEC_CORRUPT for malformed records too; sticky */
    const char *text;       /* static sentence when there is a fault */
};

/* What is read, and how much a batch may claim. Both limits concern compressed batches only, whose
 * records are larger than what was received; 0 or less means the default. */
struct record_source {
    const struct batch_header *header;
    struct slice batch;      /* the whole batch that the header was parsed from */
    int64_t output_size_max; /* bytes of all records: CODEC_TOO_LARGE past it */
    int64_t record_size_max; /* bytes of one record's body (max.decompressed.message.bytes):
                                CODEC_CORRUPT past it, as in Kafka */
};

/* pool may be NULL for an uncompressed batch. A codec that is not known is a fault of the first
 * read; so is a negative record count. */
void record_reader_open(struct record_reader *, struct codec_pool *, struct record_source);
/* The next record. false after the last one, which is also checked to be the end of the data, and
 * at a fault: look at `fault`. Slices are valid until the next call. */
bool record_read(struct record_reader *, struct record *ret_record);
/* As record_read with the same checks, but keys and values are passed over: a record never needs
 * more memory than a piece. */
bool record_skip(struct record_reader *, struct record_mark *ret_mark);
/* As record_read, but only the head is decoded. The rest of the body must then be taken piece by
 * piece until record_rest says that it is over, with the empty slice, before the next head is read;
 * nothing in it is checked: for batches that batch_validate accepted. However large, a record never
 * needs more memory than a piece. */
bool record_read_head(struct record_reader *, struct record_head *ret_head);
struct slice record_rest(struct record_reader *);
void record_reader_close(struct record_reader *);

/* Encoded size of a record with its length. */
size_t record_size(const struct record *);
/* Encoded size of headers; and the headers themselves written to `at`. */
size_t record_headers_size(const struct record_header *headers, int32_t count);
void record_headers_store(uint8_t *at, const struct record_header *headers, int32_t count);
/* Writes a record's length and all before its key to `at`, at most RECORD_HEAD_SIZE_MAX bytes;
 * returns how many. rest_size bytes must follow. */
size_t record_head_store(uint8_t *at, const struct record_head *);
/* Writes record_size() bytes to `at`; returns that size. The record's headers are copied as they
 * are encoded. */
size_t record_store(uint8_t *at, const struct record *);
/* As record_store, but headers.size bytes at the end are left for the caller to fill; headers.data
 * is not looked at. */
void record_store_before_headers(uint8_t *at, const struct record *);

#endif
