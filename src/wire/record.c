/* One record in contiguous bytes: parsed with a cursor whose failure is sticky, so that each form
 * of lie is told apart once at the end and none reads outside of the body. Encoding is the
 * shortest one, as every client writes it. Any thread. */
#include "wire/record.h"

#include "base/always.h"
#include "wire/record_int.h"

/* What is left of the body, or the reason why reading stopped. */
struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    const char *fault;
};

static inline size_t left_of(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

static uint64_t long_varint(struct cursor *c, size_t size_max)
{
    uint64_t v = 0;
    size_t n = uvarint_load(c->at, left_of(c), size_max, &v);
    if (UNLIKELY(n == 0)) {
        c->fault = left_of(c) < size_max ? RECORD_ENDS_EARLY : RECORD_LONG_VARINT;
        c->end = c->at;
        return 0;
    }
    c->at += n;
    return v;
}

static inline uint64_t take_varint(struct cursor *c, size_t size_max)
{
    if (LIKELY(c->at < c->end && *c->at < 0x80))
        return *c->at++;
    return long_varint(c, size_max);
}

static inline int32_t take_i32(struct cursor *c)
{
    return record_zigzag_32(take_varint(c, RECORD_VARINT_32_MAX));
}

/* Any negative size means null, as Kafka has it. */
static inline struct slice take_bytes(struct cursor *c)
{
    int32_t size = take_i32(c);
    if (size < 0)
        return (struct slice){0};
    if (UNLIKELY((size_t)size > left_of(c))) {
        c->fault = RECORD_ENDS_EARLY;
        c->end = c->at;
        return (struct slice){0};
    }
    struct slice bytes = slice_of(c->at, (size_t)size);
    c->at += size;
    return bytes;
}

/* Passes over the headers, checking each. */
static void take_headers(struct cursor *c, int32_t count)
{
    for (int32_t i = 0; i < count && c->fault == NULL; i++) {
        struct slice key = take_bytes(c);
        if (slice_is_null(key) && c->fault == NULL)
            c->fault = RECORD_HEADER_KEY_NEGATIVE;
        (void)take_bytes(c);
    }
}

const char *record_parse(struct slice body, struct record *ret_record)
{
    struct cursor c = {.at = body.data, .end = body.data + body.size};
    if (body.size == 0)
        return RECORD_ENDS_EARLY;
    struct record record = {.attributes = (int8_t)*c.at++};
    record.timestamp_delta = zigzag_decode(take_varint(&c, RECORD_VARINT_64_MAX));
    record.offset_delta = take_i32(&c);
    record.key = take_bytes(&c);
    record.value = take_bytes(&c);
    record.header_count = take_i32(&c);
    if (c.fault != NULL)
        return c.fault;
    if (record.header_count < 0)
        return RECORD_HEADER_COUNT_NEGATIVE;
    if ((size_t)record.header_count > left_of(&c))
        return RECORD_HEADER_COUNT_LARGE;
    const uint8_t *headers = c.at;
    take_headers(&c, record.header_count);
    if (c.fault != NULL)
        return c.fault;
    if (c.at != c.end)
        return RECORD_LENGTH_LARGE;
    record.headers = slice_of(headers, (size_t)(c.at - headers));
    *ret_record = record;
    return NULL;
}

bool record_header_next(struct slice *rest, struct record_header *ret_header)
{
    if (rest->size == 0)
        return false;
    struct cursor c = {.at = rest->data, .end = rest->data + rest->size};
    struct record_header header = {.key = take_bytes(&c)};
    header.value = take_bytes(&c);
    ALWAYS(c.fault == NULL, "headers are read that did not come from a parsed record");
    *rest = slice_of(c.at, left_of(&c));
    *ret_header = header;
    return true;
}

static inline size_t varint_size(int64_t v)
{
    return uvarint_size(zigzag_encode(v));
}

static inline size_t bytes_size(struct slice bytes)
{
    return slice_is_null(bytes) ? 1 : varint_size((int64_t)bytes.size) + bytes.size;
}

static size_t body_size(const struct record *record)
{
    return 1 + varint_size(record->timestamp_delta) + varint_size(record->offset_delta) +
           bytes_size(record->key) + bytes_size(record->value) + varint_size(record->header_count) +
           record->headers.size;
}

size_t record_size(const struct record *record)
{
    size_t size = body_size(record);
    return varint_size((int64_t)size) + size;
}

size_t record_headers_size(const struct record_header *headers, int32_t count)
{
    size_t size = 0;
    for (int32_t i = 0; i < count; i++)
        size += varint_size((int64_t)headers[i].key.size) + headers[i].key.size +
                bytes_size(headers[i].value);
    return size;
}

static inline uint8_t *put_varint(uint8_t *at, int64_t v)
{
    return at + uvarint_store(at, zigzag_encode(v));
}

static uint8_t *put_plain(uint8_t *at, struct slice bytes)
{
    if (bytes.size > 0)
        memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

static uint8_t *put_bytes(uint8_t *at, struct slice bytes)
{
    if (slice_is_null(bytes))
        return put_varint(at, -1);
    return put_plain(put_varint(at, (int64_t)bytes.size), bytes);
}

void record_headers_store(uint8_t *at, const struct record_header *headers, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        at = put_plain(put_varint(at, (int64_t)headers[i].key.size), headers[i].key);
        at = put_bytes(at, headers[i].value);
    }
}

static uint8_t *put_before_headers(uint8_t *at, const struct record *record)
{
    at = put_varint(at, (int64_t)body_size(record));
    *at++ = (uint8_t)record->attributes;
    at = put_varint(at, record->timestamp_delta);
    at = put_varint(at, record->offset_delta);
    at = put_bytes(at, record->key);
    at = put_bytes(at, record->value);
    return put_varint(at, record->header_count);
}

void record_store_before_headers(uint8_t *at, const struct record *record)
{
    (void)put_before_headers(at, record);
}

size_t record_store(uint8_t *at, const struct record *record)
{
    uint8_t *end = put_plain(put_before_headers(at, record), record->headers);
    return (size_t)(end - at);
}

size_t record_head_store(uint8_t *at, const struct record_head *head)
{
    size_t body = 1 + varint_size(head->timestamp_delta) + varint_size(head->offset_delta) +
                  (size_t)head->rest_size;
    uint8_t *end = put_varint(at, (int64_t)body);
    *end++ = (uint8_t)head->attributes;
    end = put_varint(end, head->timestamp_delta);
    end = put_varint(end, head->offset_delta);
    return (size_t)(end - at);
}
