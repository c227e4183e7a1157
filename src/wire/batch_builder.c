/* Building a batch: records are encoded behind the room for a header, compressed in one go at the
 * end, and the header with its checksum is written last. A client's batch that is encoded again
 * may be a bomb: it goes through as a stream instead. Offsets of fields come from batch.h. One
 * thread at a time. */
#include "wire/batch_builder.h"

#include "base/bytes.h"

#include <stdlib.h>

#define CAPACITY_FIRST ((size_t)1024)
/* Buffers larger than this are given back when the next batch begins. */
#define KEEP_SIZE_MAX ((size_t)4 * 1024 * 1024)

void batch_builder_init(struct batch_builder *builder)
{
    *builder = (struct batch_builder){.failed = true};
}

void batch_builder_fini(struct batch_builder *builder)
{
    free(builder->bytes);
    free(builder->packed);
    batch_builder_init(builder);
}

static void trim(uint8_t **buffer, size_t *capacity)
{
    if (*capacity <= KEEP_SIZE_MAX)
        return;
    free(*buffer);
    *buffer = NULL;
    *capacity = 0;
}

void batch_builder_begin(struct batch_builder *builder, const struct batch_builder_options *options)
{
    trim(&builder->bytes, &builder->capacity);
    trim(&builder->packed, &builder->packed_capacity);
    builder->options = *options;
    builder->size = BATCH_HEADER_SIZE;
    builder->base_timestamp = options->delete_horizon;
    builder->max_timestamp = BATCH_NO_TIMESTAMP;
    builder->max_timestamp_delta = 0;
    builder->next_offset_delta = 0;
    builder->record_count = 0;
    builder->failed = !codec_is_known((int)options->codec) ||
                      !codec_level_is_valid(options->codec, options->level);
}

/* Bytes that header and records may have: what the options allow and a length field can say. */
static size_t size_limit(const struct batch_builder *builder)
{
    int64_t size_max = MAX_OF(builder->options.size_max, 0);
    return MIN_OF((size_t)size_max, (size_t)INT32_MAX - BATCH_HEADER_SIZE) + BATCH_HEADER_SIZE;
}

/* Room for `size` more bytes at the end of the records, or the builder fails. */
static uint8_t *take_room(struct batch_builder *builder, size_t size)
{
    if (builder->failed)
        return NULL;
    size_t limit = size_limit(builder);
    if (size > limit || builder->size > limit - size) {
        builder->failed = true;
        return NULL;
    }
    size_t needed = builder->size + size;
    if (needed > builder->capacity) {
        size_t doubled = MAX_OF(2 * builder->capacity, CAPACITY_FIRST);
        size_t capacity = MAX_OF(needed, doubled);
        uint8_t *bytes = (uint8_t *)realloc(builder->bytes, capacity);
        if (bytes == NULL) {
            builder->failed = true;
            return NULL;
        }
        builder->bytes = bytes;
        builder->capacity = capacity;
    }
    uint8_t *at = builder->bytes + builder->size;
    builder->size = needed;
    return at;
}

/* Fills in the deltas and keeps the header's sums; false when they cannot be said. */
static bool place_record(struct batch_builder *builder, struct record *record,
                         struct batch_record_place place)
{
    if (place.offset_delta < builder->next_offset_delta || place.offset_delta == INT32_MAX) {
        builder->failed = true;
        return false;
    }
    bool horizon = builder->options.delete_horizon != BATCH_NO_TIMESTAMP;
    if (builder->record_count == 0 && !horizon)
        builder->base_timestamp = place.timestamp;
    record->timestamp_delta =
        (int64_t)((uint64_t)place.timestamp - (uint64_t)builder->base_timestamp);
    record->offset_delta = place.offset_delta;
    if (place.timestamp > builder->max_timestamp) {
        builder->max_timestamp = place.timestamp;
        builder->max_timestamp_delta = place.offset_delta;
    }
    builder->next_offset_delta = place.offset_delta + 1;
    builder->record_count++;
    return true;
}

void batch_builder_add_read(struct batch_builder *builder, const struct record *read,
                            struct batch_record_place place)
{
    struct record record = *read;
    if (builder->failed || !place_record(builder, &record, place))
        return;
    uint8_t *at = take_room(builder, record_size(&record));
    if (at != NULL)
        (void)record_store(at, &record);
}

void batch_builder_add(struct batch_builder *builder, const struct batch_record *from)
{
    struct record record = {.key = from->key, .value = from->value};
    struct batch_record_place place = {.timestamp = from->timestamp,
                                       .offset_delta = builder->next_offset_delta};
    if (builder->failed || !place_record(builder, &record, place))
        return;
    record.header_count = from->header_count;
    record.headers.size = record_headers_size(from->headers, from->header_count);
    size_t size = record_size(&record);
    uint8_t *at = take_room(builder, size);
    if (at == NULL)
        return;
    /* Headers end the record: what comes before them is written as if they were empty. */
    record_store_before_headers(at, &record);
    record_headers_store(at + size - record.headers.size, from->headers, from->header_count);
}

static int16_t attributes_of(const struct batch_builder_options *options, enum codec codec)
{
    int attributes = (int)codec;
    if (options->timestamp_type == TIMESTAMP_LOG_APPEND_TIME)
        attributes |= BATCH_LOG_APPEND_TIME;
    if (options->transactional)
        attributes |= BATCH_TRANSACTIONAL;
    if (options->control)
        attributes |= BATCH_CONTROL;
    if (options->delete_horizon != BATCH_NO_TIMESTAMP)
        attributes |= BATCH_DELETE_HORIZON;
    return (int16_t)attributes;
}

static void store_header(const struct batch_builder *builder, uint8_t *at, size_t size,
                         enum codec codec)
{
    const struct batch_builder_options *options = &builder->options;
    int32_t last = MAX_OF(builder->next_offset_delta - 1, options->last_offset_delta);
    bool log_append_time = options->timestamp_type == TIMESTAMP_LOG_APPEND_TIME;
    store_i64(at + BATCH_AT_BASE_OFFSET, options->base_offset);
    store_u32(at + BATCH_AT_LENGTH, (uint32_t)(size - BATCH_LENGTH_OVERHEAD));
    store_i32(at + BATCH_AT_PARTITION_LEADER_EPOCH, options->partition_leader_epoch);
    at[BATCH_AT_MAGIC] = BATCH_MAGIC;
    store_i16(at + BATCH_AT_ATTRIBUTES, attributes_of(options, codec));
    store_i32(at + BATCH_AT_LAST_OFFSET_DELTA, last);
    store_i64(at + BATCH_AT_BASE_TIMESTAMP, builder->base_timestamp);
    store_i64(at + BATCH_AT_MAX_TIMESTAMP,
              log_append_time ? options->log_append_time : builder->max_timestamp);
    store_i64(at + BATCH_AT_PRODUCER_ID, options->producer_id);
    store_i16(at + BATCH_AT_PRODUCER_EPOCH, options->producer_epoch);
    store_i32(at + BATCH_AT_BASE_SEQUENCE, options->base_sequence);
    store_i32(at + BATCH_AT_RECORD_COUNT, builder->record_count);
    store_u32(at + BATCH_AT_CRC, batch_crc(slice_of(at, size)));
}

/* Compresses the records behind a header's room in `packed`; the size with it, or 0. */
static size_t pack(struct batch_builder *builder, struct codec_pool *pool)
{
    enum codec codec = builder->options.codec;
    struct slice plain =
        slice_of(builder->bytes + BATCH_HEADER_SIZE, builder->size - BATCH_HEADER_SIZE);
    size_t bound = codec_bound(codec, plain.size);
    size_t needed = bound + BATCH_HEADER_SIZE;
    if (needed > builder->packed_capacity) {
        free(builder->packed);
        builder->packed = (uint8_t *)malloc(needed);
        builder->packed_capacity = builder->packed != NULL ? needed : 0;
        if (builder->packed == NULL)
            return 0;
    }
    size_t made = codec_write(pool, plain,
                              (struct codec_target){
                                  .codec = codec,
                                  .level = builder->options.level,
                                  .out = builder->packed + BATCH_HEADER_SIZE,
                                  .capacity = bound,
                              });
    if (made == 0 || made + BATCH_HEADER_SIZE > size_limit(builder))
        return 0;
    return made + BATCH_HEADER_SIZE;
}

struct slice batch_builder_finish(struct batch_builder *builder, struct codec_pool *pool)
{
    if (!builder->failed && builder->capacity < BATCH_HEADER_SIZE) {
        builder->size = 0; /* a batch without records: only the header needs room */
        (void)take_room(builder, BATCH_HEADER_SIZE);
    }
    if (builder->failed)
        return (struct slice){0};
    /* Without records there is nothing to compress; the attributes say so. */
    if (builder->options.codec == CODEC_NONE || builder->record_count == 0) {
        store_header(builder, builder->bytes, builder->size, CODEC_NONE);
        return slice_of(builder->bytes, builder->size);
    }
    size_t size = pack(builder, pool);
    if (size == 0) {
        builder->failed = true;
        return (struct slice){0};
    }
    store_header(builder, builder->packed, size, builder->options.codec);
    return slice_of(builder->packed, size);
}

/* ---- the end of a transaction ---- */

/* Versions of what follows; the type of the key: 0 aborts, 1 commits. */
#define MARKER_VERSION 0
#define MARKER_KEY_SIZE 4
#define MARKER_VALUE_SIZE 6

struct slice batch_builder_marker(struct batch_builder *builder, const struct batch_marker *marker)
{
    struct batch_builder_options options = batch_builder_defaults();
    options.producer_id = marker->producer_id;
    options.producer_epoch = marker->producer_epoch;
    options.transactional = true;
    options.control = true;
    uint8_t key[MARKER_KEY_SIZE];
    uint8_t value[MARKER_VALUE_SIZE];
    store_i16(key, MARKER_VERSION);
    store_i16(key + 2, marker->commits);
    store_i16(value, MARKER_VERSION);
    store_i32(value + 2, marker->coordinator_epoch);
    batch_builder_begin(builder, &options);
    batch_builder_add(builder, &(struct batch_record){.timestamp = marker->timestamp,
                                                      .key = slice_of(key, sizeof key),
                                                      .value = slice_of(value, sizeof value)});
    return batch_builder_finish(builder, NULL);
}

/* ---- encoding again ---- */

/* What is at work: the builder only keeps the header's sums and options. */
struct rebuild {
    struct batch_builder sums;
    struct batch_header header; /* of the batch that is read */
    struct record_reader reader;
    struct codec_writer writer;
};

/* A record's head says its new place; the rest is passed on as it comes out of its codec. */
static void copy_record(struct rebuild *rebuild, struct record_head head)
{
    struct batch_record_place place = {
        .timestamp = batch_record_timestamp(&rebuild->header, head.timestamp_delta),
        .offset_delta = rebuild->sums.next_offset_delta,
    };
    struct record record = {0};
    if (!place_record(&rebuild->sums, &record, place))
        return;
    head.timestamp_delta = record.timestamp_delta;
    head.offset_delta = record.offset_delta;
    uint8_t stored[RECORD_HEAD_SIZE_MAX];
    codec_writer_add(&rebuild->writer, slice_of(stored, record_head_store(stored, &head)));
    struct slice piece;
    while (rebuild->writer.fault == CODEC_FINE && (piece = record_rest(&rebuild->reader)).size > 0)
        codec_writer_add(&rebuild->writer, piece);
}

static void copy_records(struct rebuild *rebuild)
{
    struct record_head head;
    while (!rebuild->sums.failed && rebuild->writer.fault == CODEC_FINE &&
           record_read_head(&rebuild->reader, &head))
        copy_record(rebuild, head);
}

/* Ends the output and seals it; what went wrong before comes first. */
static struct batch_rebuilt finish(struct rebuild *rebuild)
{
    const struct record_reader *reader = &rebuild->reader;
    if (reader->fault != CODEC_FINE)
        return (struct batch_rebuilt){.fault = reader->fault, .text = reader->text};
    if (rebuild->sums.failed)
        return (struct batch_rebuilt){.fault = CODEC_CORRUPT,
                                      .text = "the records cannot be numbered"};
    struct batch_rebuilt made = {0};
    codec_writer_take(&rebuild->writer, &made.bytes, &made.size);
    made.fault = rebuild->writer.fault;
    if (made.fault == CODEC_TOO_LARGE)
        made.text = "the batch is larger than allowed once it is encoded again";
    else if (made.fault != CODEC_FINE)
        made.text = "no memory to encode the batch again";
    else
        store_header(&rebuild->sums, made.bytes, made.size, rebuild->writer.sink.codec);
    return made;
}

static struct batch_builder_options options_of(const struct batch_header *header,
                                               const struct batch_rebuild_options *options)
{
    struct batch_builder_options wanted = batch_builder_defaults();
    wanted.base_offset = header->base_offset;
    wanted.producer_id = header->producer_id;
    wanted.producer_epoch = header->producer_epoch;
    wanted.base_sequence = header->base_sequence;
    wanted.partition_leader_epoch = header->partition_leader_epoch;
    wanted.transactional = batch_is_transactional(header);
    wanted.control = batch_is_control(header);
    wanted.codec = options->codec;
    wanted.level = options->level;
    wanted.timestamp_type = options->timestamp_type;
    wanted.log_append_time = options->log_append_time;
    return wanted;
}

struct batch_rebuilt batch_rebuild(struct codec_pool *pool, struct slice batch,
                                   const struct batch_rebuild_options *options)
{
    struct rebuild rebuild;
    enum batch_outcome outcome = batch_parse(batch, &rebuild.header);
    if (outcome != BATCH_OK)
        return (struct batch_rebuilt){.fault = CODEC_CORRUPT, .text = batch_outcome_text(outcome)};
    const struct batch_header *header = &rebuild.header;
    struct batch_builder_options wanted = options_of(header, options);
    batch_builder_init(&rebuild.sums);
    batch_builder_begin(&rebuild.sums, &wanted);
    record_reader_open(&rebuild.reader, pool,
                       (struct record_source){
                           .header = header,
                           .batch = slice_first(batch, (size_t)header->size),
                           .output_size_max = options->records_size,
                       });
    int64_t size_max = MIN_OF(MAX_OF(options->size_max, 0), INT32_MAX);
    codec_writer_open(&rebuild.writer, pool,
                      (struct codec_sink){
                          /* Without records there is nothing to compress. */
                          .codec = header->record_count > 0 ? options->codec : CODEC_NONE,
                          .level = options->level,
                          .size_first = BATCH_HEADER_SIZE,
                          .size_max = (size_t)size_max,
                          .plain_size_hint = options->records_size,
                      });
    copy_records(&rebuild);
    struct batch_rebuilt made = finish(&rebuild);
    codec_writer_close(&rebuild.writer);
    record_reader_close(&rebuild.reader);
    return made;
}
