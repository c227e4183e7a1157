/* The leader's checks, in the order in which Apache Kafka 4.4.0 makes them, because the first one
 * that fails decides the error code a client sees: framing, format, checksum, header, records. A
 * malformed record outweighs refused ones before it, as there. Any thread. */
#include "wire/batch_validate.h"

#include "base/attr.h"
#include "base/bytes.h"
#include "wire/record.h"

#define RECORD_ERRORS_FIRST 16

/* The validation of one batch under way. */
struct check {
    const struct batch_rules *rules;
    struct codec_pool *pool;
    struct arena *arena;
    struct batch_verdict *verdict;
    struct batch_record_error *errors; /* verdict->record_errors, writable */
    int32_t error_capacity;
    bool timestamp_refused;
};

static bool refuse(struct batch_verdict *verdict, enum err err, enum batch_fault fault,
                   const char *text)
{
    verdict->err = err;
    verdict->fault = fault;
    verdict->text = text;
    return false;
}

/* The first batch of the payload. Old formats must be whole to be told from nothing at all. */
static bool check_frame(struct slice payload, struct batch_verdict *verdict)
{
    enum batch_outcome outcome = batch_parse(payload, &verdict->header);
    switch (outcome) {
    case BATCH_OK:
        verdict->bytes = slice_first(payload, (size_t)verdict->header.size);
        return true;
    case BATCH_END:
    case BATCH_INCOMPLETE:
        return refuse(verdict, ERR_INVALID_RECORD, BATCH_FAULT_FRAME,
                      "the request holds no whole record batch for the partition");
    case BATCH_BAD_SIZE:
        return refuse(verdict, ERR_CORRUPT_MESSAGE, BATCH_FAULT_FRAME,
                      "the batch's size is smaller than its header");
    case BATCH_BAD_MAGIC:
        return refuse(verdict, ERR_CORRUPT_MESSAGE, BATCH_FAULT_MAGIC,
                      "the batch's format is unknown");
    case BATCH_OLD_MAGIC:
        return refuse(verdict, ERR_INVALID_RECORD, BATCH_FAULT_MAGIC,
                      "only record batches of format v2 are accepted");
    }
    return false;
}

/* Behind the batch there may be a torn rest, which is dropped, but nothing that is corrupt or
 * another whole batch, of whatever format. */
static bool check_single(struct slice payload, struct batch_verdict *verdict)
{
    struct slice rest = slice_from(payload, verdict->bytes.size);
    if (LIKELY(rest.size < BATCH_LENGTH_OVERHEAD))
        return true;
    int64_t length = load_i32(rest.data + BATCH_AT_LENGTH);
    if (length < BATCH_OLD_LENGTH_MIN)
        return refuse(verdict, ERR_CORRUPT_MESSAGE, BATCH_FAULT_REST,
                      "what follows the batch is corrupt");
    if (rest.size < BATCH_PROLOGUE_SIZE)
        return true;
    if (rest.data[BATCH_AT_MAGIC] > BATCH_MAGIC)
        return refuse(verdict, ERR_CORRUPT_MESSAGE, BATCH_FAULT_REST,
                      "what follows the batch is corrupt");
    if ((int64_t)rest.size < length + BATCH_LENGTH_OVERHEAD)
        return true;
    return refuse(verdict, ERR_INVALID_RECORD, BATCH_FAULT_REST,
                  "the request holds more than one record batch for the partition");
}

static bool check_whole(const struct batch_rules *rules, struct batch_verdict *verdict)
{
    const struct batch_header *header = &verdict->header;
    if (rules->from_client && header->base_offset != 0)
        return refuse(verdict, ERR_INVALID_RECORD, BATCH_FAULT_OFFSET,
                      "the base offset of a client's batch must be 0");
    if (header->size > rules->message_size_max)
        return refuse(verdict, ERR_MESSAGE_TOO_LARGE, BATCH_FAULT_SIZE,
                      "the batch is larger than max.message.bytes");
    if (!batch_crc_ok(verdict->bytes))
        return refuse(verdict, ERR_CORRUPT_MESSAGE, BATCH_FAULT_CRC,
                      "the batch's checksum does not match its bytes");
    if (!codec_is_known(batch_codec_id(header)))
        return refuse(verdict, ERR_UNSUPPORTED_COMPRESSION_TYPE, BATCH_FAULT_CODEC,
                      "the batch's compression type is unknown");
    return true;
}

static bool check_client_header(struct batch_verdict *verdict)
{
    const struct batch_header *header = &verdict->header;
    if (header->last_offset_delta < 0)
        return refuse(verdict, ERR_INVALID_RECORD, BATCH_FAULT_OFFSET,
                      "the batch's last offset is before its first");
    if (header->record_count <= 0)
        return refuse(verdict, ERR_INVALID_RECORD, BATCH_FAULT_OFFSET,
                      "the batch's record count is not positive");
    if ((int64_t)header->last_offset_delta + 1 != header->record_count)
        return refuse(verdict, ERR_INVALID_RECORD, BATCH_FAULT_OFFSET,
                      "the batch's record count does not match its offsets");
    if (batch_is_control(header))
        return refuse(verdict, ERR_INVALID_RECORD, BATCH_FAULT_CONTROL,
                      "clients may not write control records");
    if (batch_has_producer_id(header) && header->base_sequence < 0)
        return refuse(verdict, ERR_INVALID_RECORD, BATCH_FAULT_SEQUENCE,
                      "a batch with a producer id needs a sequence number");
    return true;
}

/* Sums and negations wrap as Java's: a timestamp from the network may be any number. */
static bool is_out_of_window(const struct batch_rules *rules, int64_t timestamp)
{
    int64_t age = (int64_t)((uint64_t)rules->now_ms - (uint64_t)timestamp);
    int64_t lead = (int64_t)(0 - (uint64_t)age);
    return age > rules->timestamp_before_max_ms || lead > rules->timestamp_after_max_ms;
}

static bool is_timestamp_refused(const struct check *check, int64_t timestamp)
{
    if (check->rules->timestamp_type == TIMESTAMP_CREATE_TIME && timestamp != BATCH_NO_TIMESTAMP)
        return is_out_of_window(check->rules, timestamp);
    return batch_timestamp_type(&check->verdict->header) == TIMESTAMP_LOG_APPEND_TIME;
}

/* Room for one more error; doubles in the arena. */
static bool has_error_room(struct check *check)
{
    int32_t stored = check->verdict->record_error_stored;
    if (stored < check->error_capacity)
        return true;
    int32_t capacity = stored == 0 ? RECORD_ERRORS_FIRST : stored * 2;
    capacity = MIN_OF(capacity, BATCH_RECORD_ERRORS_MAX);
    if (capacity <= stored)
        return false;
    struct batch_record_error *errors =
        ARENA_ARRAY(check->arena, struct batch_record_error, (size_t)capacity);
    if (errors == NULL)
        return false;
    if (stored > 0)
        memcpy(errors, check->errors, (size_t)stored * sizeof *errors);
    check->errors = errors;
    check->error_capacity = capacity;
    return true;
}

static COLD void refuse_record(struct check *check, struct batch_record_error error)
{
    struct batch_verdict *verdict = check->verdict;
    if (error.fault == BATCH_FAULT_TIMESTAMP)
        check->timestamp_refused = true;
    if (has_error_room(check))
        check->errors[verdict->record_error_stored++] = error;
    verdict->record_error_count++;
}

static inline void check_record(struct check *check, const struct record_mark *mark, int32_t index)
{
    struct batch_verdict *verdict = check->verdict;
    int64_t timestamp = batch_record_timestamp(&verdict->header, mark->timestamp_delta);
    enum batch_fault fault = BATCH_FAULT_NONE;
    if (UNLIKELY(check->rules->compacted && !mark->has_key))
        fault = BATCH_FAULT_KEY;
    else if (UNLIKELY(is_timestamp_refused(check, timestamp)))
        fault = BATCH_FAULT_TIMESTAMP;
    if (UNLIKELY(fault != BATCH_FAULT_NONE)) {
        refuse_record(check, (struct batch_record_error){
                                 .index = index, .fault = fault, .timestamp = timestamp});
        return;
    }
    if (timestamp > verdict->max_timestamp) {
        verdict->max_timestamp = timestamp;
        verdict->max_timestamp_delta = index;
    }
    if (mark->offset_delta != index)
        verdict->misnumbered = true;
}

static bool refuse_reading(struct batch_verdict *verdict, const struct record_reader *reader)
{
    switch (reader->fault) {
    case CODEC_FINE:
        break;
    case CODEC_CORRUPT:
        return refuse(verdict, ERR_INVALID_RECORD,
                      reader->codec.fault == CODEC_CORRUPT ? BATCH_FAULT_COMPRESSED_DATA
                                                           : BATCH_FAULT_RECORD,
                      reader->text);
    case CODEC_TOO_LARGE:
        return refuse(verdict, ERR_MESSAGE_TOO_LARGE, BATCH_FAULT_DECOMPRESSED_SIZE, reader->text);
    case CODEC_NO_MEMORY:
        return refuse(verdict, ERR_UNKNOWN_SERVER_ERROR, BATCH_FAULT_MEMORY, reader->text);
    }
    return true;
}

static bool check_records(struct check *check)
{
    struct batch_verdict *verdict = check->verdict;
    struct record_reader reader;
    record_reader_open(&reader, check->pool,
                       (struct record_source){
                           .header = &verdict->header,
                           .batch = verdict->bytes,
                           .output_size_max = check->rules->decompressed_size_max,
                           .record_size_max = check->rules->decompressed_record_size_max,
                       });
    struct record_mark mark;
    for (int32_t index = 0; record_skip(&reader, &mark); index++)
        check_record(check, &mark, index);
    record_reader_close(&reader);
    verdict->records_size = reader.codec.output_size;
    return refuse_reading(verdict, &reader);
}

/* What the refused records make of the batch. */
static void conclude(struct check *check)
{
    struct batch_verdict *verdict = check->verdict;
    verdict->record_errors = check->errors;
    if (verdict->record_error_count > 0) {
        if (check->timestamp_refused)
            (void)refuse(verdict, ERR_INVALID_TIMESTAMP, BATCH_FAULT_TIMESTAMP,
                         "records were refused for their timestamps");
        else
            (void)refuse(verdict, ERR_INVALID_RECORD, BATCH_FAULT_KEY,
                         "records were refused: a compacted topic needs keys");
        return;
    }
    if (check->rules->timestamp_type == TIMESTAMP_LOG_APPEND_TIME) {
        verdict->max_timestamp = check->rules->now_ms;
        verdict->max_timestamp_delta = 0;
    }
}

void batch_validate(struct slice payload, const struct batch_rules *rules, struct codec_pool *pool,
                    struct arena *arena, struct batch_verdict *ret_verdict)
{
    struct batch_verdict *verdict = ret_verdict;
    *verdict = (struct batch_verdict){.err = ERR_NONE, .max_timestamp = BATCH_NO_TIMESTAMP};
    struct check check = {.rules = rules, .pool = pool, .arena = arena, .verdict = verdict};
    if (!check_frame(payload, verdict))
        return;
    if (rules->refuses_zstd && batch_codec_id(&verdict->header) == CODEC_ZSTD) {
        (void)refuse(verdict, ERR_UNSUPPORTED_COMPRESSION_TYPE, BATCH_FAULT_CODEC,
                     "zstd needs version 7 of the produce request");
        return;
    }
    if (!check_single(payload, verdict) || !check_whole(rules, verdict))
        return;
    if (rules->from_client && !check_client_header(verdict))
        return;
    if (check_records(&check)) {
        conclude(&check);
    } else {
        verdict->record_error_stored = 0;
        verdict->record_error_count = 0;
    }
}
