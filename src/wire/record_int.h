/* What the two ways of reading a record share: the sentences about malformed ones and the decoding
 * of 32-bit varints. Included by record*.c only. Any thread. */
#ifndef WIRE_RECORD_INT_H
#define WIRE_RECORD_INT_H

#include "base/bytes.h"
#include "wire/record.h"

#define RECORD_VARINT_32_MAX 5
#define RECORD_VARINT_64_MAX 10

#define RECORD_ENDS_EARLY "a record ends before its fields do"
#define RECORD_LONG_VARINT "a variable-length number in a record is too long"
#define RECORD_LENGTH_NEGATIVE "a record's length is negative"
#define RECORD_LENGTH_LARGE "a record's length is larger than its fields"
#define RECORD_LENGTH_OVER_LIMIT "a record is larger than max.decompressed.message.bytes"
#define RECORD_HEADER_COUNT_NEGATIVE "a record's header count is negative"
#define RECORD_HEADER_COUNT_LARGE "a record's header count is larger than the bytes left"
#define RECORD_HEADER_KEY_NEGATIVE "a record header's key has a negative size"
#define RECORD_COUNT_NEGATIVE "the batch's record count is negative"
#define RECORD_BATCH_ENDS_EARLY "the batch ends before its records do"
#define RECORD_BYTES_REMAIN "bytes remain behind the batch's last record"
#define RECORD_CODEC_UNKNOWN "the batch's compression type is unknown"

/* Bits above the 32nd of a five-byte varint are dropped, as in Kafka. */
static inline int32_t record_zigzag_32(uint64_t v)
{
    uint32_t low = (uint32_t)v;
    return (int32_t)(low >> 1) ^ -(int32_t)(low & 1);
}

#endif
