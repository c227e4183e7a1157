/* Framing of metadata records; see the header. */
#include "meta/records.h"

#include "base/bytes.h"
#include "wire/messages.h"

#define FRAME_VERSION 1
#define RECORD_SIZE_MAX (8U * 1024 * 1024)

void meta_records_init(struct meta_records *records, struct arena *arena)
{
    *records = (struct meta_records){.arena = arena};
}

void meta_records_add(struct meta_records *records, const struct wire_message *message,
                      int16_t version, const void *record)
{
    if (records->count == records->capacity) {
        int capacity = records->capacity > 0 ? records->capacity * 2 : 16;
        struct meta_applied *grown =
            ARENA_ARRAY(records->arena, struct meta_applied, (size_t)capacity);
        if (grown == NULL || record == NULL) {
            records->failed = true;
            return;
        }
        if (records->count > 0)
            memcpy(grown, records->at, (size_t)records->count * sizeof *grown);
        records->at = grown;
        records->capacity = capacity;
    }
    records->at[records->count++] =
        (struct meta_applied){.message = message, .version = version, .record = record};
}

void meta_records_add_copy(struct meta_records *records, const struct meta_applied *applied)
{
    struct chain chain;
    struct wire_decoded decoded;
    chain_init(&chain, RECORD_SIZE_MAX);
    bool fine = wire_encode(applied->message, applied->version, applied->record, &chain, NULL);
    struct slice bytes =
        fine ? arena_copy(records->arena, slice_of(chain.data, chain.size)) : (struct slice){0};
    chain_fini(&chain);
    void *copy = arena_take(records->arena, applied->message->type->size);
    fine = fine && copy != NULL && !records->arena->failed &&
           wire_decode(applied->message, applied->version, bytes, records->arena, copy, &decoded);
    if (fine)
        meta_records_add(records, applied->message, applied->version, copy);
    else
        records->failed = true;
}

bool meta_record_add(struct batch_builder *builder, const struct meta_applied *applied,
                     int64_t timestamp_ms)
{
    struct chain value;
    chain_init(&value, RECORD_SIZE_MAX);
    uint8_t frame[30];
    size_t size = uvarint_store(frame, FRAME_VERSION);
    size += uvarint_store(frame + size, (uint64_t)applied->message->number);
    size += uvarint_store(frame + size, (uint64_t)applied->version);
    chain_add(&value, slice_of(frame, size));
    bool fine = wire_encode(applied->message, applied->version, applied->record, &value, NULL);
    if (fine)
        batch_builder_add(builder,
                          &(struct batch_record){.timestamp = timestamp_ms,
                                                 .value = slice_of(value.data, value.size)});
    chain_fini(&value);
    return fine;
}

struct slice meta_records_batch(const struct meta_records *records, struct batch_builder *builder,
                                const struct meta_batch *batch)
{
    struct batch_builder_options options = batch_builder_defaults();
    options.base_offset = batch->base_offset;
    options.partition_leader_epoch = batch->epoch;
    batch_builder_begin(builder, &options);
    bool fine = !records->failed;
    for (int i = 0; i < records->count && fine; i++)
        fine = meta_record_add(builder, &records->at[i], batch->timestamp_ms);
    return fine ? batch_builder_finish(builder, NULL) : (struct slice){0};
}

const char *meta_record_decode(struct slice value, struct arena *arena,
                               struct meta_applied *ret_record)
{
    uint64_t numbers[3];
    struct slice rest = value;
    for (int i = 0; i < 3; i++) {
        size_t size = uvarint_load(rest.data, rest.size, 5, &numbers[i]);
        if (size == 0)
            return "a metadata record has no frame";
        rest = slice_from(rest, size);
    }
    if (numbers[0] != FRAME_VERSION || numbers[1] > INT16_MAX || numbers[2] > INT16_MAX)
        return "a metadata record has an unknown frame";
    const struct wire_message *message = wire_record(
        &(struct wire_record_name){"cluster_metadata", WIRE_RECORD, (int16_t)numbers[1]});
    if (message == NULL)
        return "a metadata record has an unknown type: it was written by a newer version";
    if (!wire_versions_have(message->versions, (int)numbers[2]))
        return "a metadata record has an unknown version: it was written by a newer version";
    void *record = arena_take(arena, message->type->size);
    struct wire_decoded decoded;
    if (record == NULL)
        return "memory is out";
    if (!wire_decode(message, (int)numbers[2], rest, arena, record, &decoded))
        return decoded.fault;
    *ret_record =
        (struct meta_applied){.message = message, .version = (int16_t)numbers[2], .record = record};
    return NULL;
}
