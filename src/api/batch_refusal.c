/* The sentences are Kafka's own, since clients log them and people search for them. */
#include "api/batch_refusal.h"

#include "base/bytes.h"

#define RECORD_ERRORS_SHOWN 3

bool batch_refusal_tells_log_start(const struct batch_refusal *refusal)
{
    switch (refusal->verdict->fault) {
    case BATCH_FAULT_OFFSET:
    case BATCH_FAULT_SEQUENCE:
    case BATCH_FAULT_CONTROL:
    case BATCH_FAULT_COMPRESSED_DATA:
    case BATCH_FAULT_RECORD:
    case BATCH_FAULT_KEY:
    case BATCH_FAULT_TIMESTAMP:
        return true;
    case BATCH_FAULT_CODEC: /* one that is too new for the request is seen at once */
        return batch_codec_id(&refusal->verdict->header) != CODEC_ZSTD;
    case BATCH_FAULT_NONE:
    case BATCH_FAULT_FRAME:
    case BATCH_FAULT_REST:
    case BATCH_FAULT_MAGIC:
    case BATCH_FAULT_CRC:
    case BATCH_FAULT_SIZE:
    case BATCH_FAULT_DECOMPRESSED_SIZE:
    case BATCH_FAULT_MEMORY:
        return false;
    }
    return false;
}

/* Kafka's own sum: a window without an end wraps. */
static int64_t wrapping_sum(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* NULL: the arena is exhausted. */
static const char *record_error_text(const struct batch_refusal *refusal,
                                     const struct batch_record_error *error, struct arena *arena)
{
    const struct batch_rules *rules = refusal->rules;
    if (error->fault == BATCH_FAULT_KEY)
        return arena_printf(arena,
                            "Compacted topic cannot accept message without key in topic partition "
                            "%.*s-%d",
                            SLICE_ARG(refusal->topic), refusal->partition);
    if (rules->timestamp_type == TIMESTAMP_LOG_APPEND_TIME ||
        error->timestamp == BATCH_NO_TIMESTAMP)
        return "Invalid timestamp type in message. Producer should not set timestamp type to "
               "LogAppendTime.";
    return arena_printf(arena,
                        "Timestamp %lld of message with offset %d is out of range. The timestamp "
                        "should be within [%lld, %lld]",
                        (long long)error->timestamp, error->index,
                        (long long)wrapping_sum(rules->now_ms, -rules->timestamp_before_max_ms),
                        (long long)wrapping_sum(rules->now_ms, rules->timestamp_after_max_ms));
}

static bool tell_records(const struct batch_refusal *refusal, struct arena *arena,
                         struct produce_response_responses_partition_responses *answer)
{
    const struct batch_verdict *verdict = refusal->verdict;
    struct produce_response_responses_partition_responses_record_errors *errors =
        ARENA_ARRAY(arena, struct produce_response_responses_partition_responses_record_errors,
                    (size_t)verdict->record_error_stored);
    if (errors == NULL)
        return false;
    for (int32_t i = 0; i < verdict->record_error_stored; i++) {
        errors[i].batch_index = verdict->record_errors[i].index;
        errors[i].batch_index_error_message =
            slice_of_text(record_error_text(refusal, &verdict->record_errors[i], arena));
    }
    answer->record_errors = errors;
    answer->record_errors_count = verdict->record_error_stored;
    return true;
}

static const char *first_records(
    const struct batch_refusal *refusal, struct arena *arena,
    const struct produce_response_responses_partition_responses *answer)
{
    const char *list = "";
    int32_t shown = MIN_OF(answer->record_errors_count, RECORD_ERRORS_SHOWN);
    for (int32_t i = 0; i < shown && list != NULL; i++)
        list = arena_printf(arena, "%s%sRecordError(batchIndex=%d, message='%.*s')", list,
                            i > 0 ? ", " : "", answer->record_errors[i].batch_index,
                            SLICE_ARG(answer->record_errors[i].batch_index_error_message));
    if (list == NULL)
        return NULL;
    return arena_printf(arena,
                        "One or more records have been rejected due to %d record errors in total, "
                        "and only showing the first three errors at most: [%s]",
                        refusal->verdict->record_error_count, list);
}

enum err batch_refusal_of_request(struct slice records, struct arena *arena,
                                  struct slice *ret_message)
{
    if (records.size < BATCH_LENGTH_OVERHEAD)
        return ERR_NONE;
    int32_t size = load_i32(records.data + BATCH_AT_LENGTH);
    if (size < BATCH_OLD_LENGTH_MIN) {
        *ret_message = slice_of_text(
            arena_printf(arena, "Record size %d is less than the minimum record overhead (%d)",
                         size, BATCH_OLD_LENGTH_MIN));
        return ERR_CORRUPT_MESSAGE;
    }
    int8_t magic = records.size < BATCH_PROLOGUE_SIZE ? 0 : (int8_t)records.data[BATCH_AT_MAGIC];
    if (magic >= 0 && magic <= BATCH_MAGIC)
        return ERR_NONE;
    *ret_message = slice_of_text(arena_printf(arena, "Invalid magic found in record: %d", magic));
    return ERR_CORRUPT_MESSAGE;
}

void batch_refusal_tell(const struct batch_refusal *refusal, struct arena *arena,
                        struct produce_response_responses_partition_responses *answer)
{
    const struct batch_verdict *verdict = refusal->verdict;
    const char *message = NULL;
    if (verdict->record_error_count > 0) {
        if (!tell_records(refusal, arena, answer))
            return;
        message = verdict->fault == BATCH_FAULT_TIMESTAMP
                      ? "One or more records have been rejected due to invalid timestamp"
                      : first_records(refusal, arena, answer);
    }
    answer->error_message = slice_of_text(message);
}
