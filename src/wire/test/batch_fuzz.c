/* Fuzz target of record batches: the bytes are taken as a batch as they are, and once more as the
 * records of a well-formed header whose codec and count the first bytes choose, so that the
 * decoders behind the checksum are reached. What validation accepts must read to its end, both
 * ways alike, and survive being encoded again. */
#include "base/always.h"
#include "base/bytes.h"
#include "wire/batch.h"
#include "wire/batch_builder.h"
#include "wire/batch_validate.h"
#include "wire/record.h"

#include <stdlib.h>

#define OUTPUT_SIZE_MAX (4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct batch_rules rules_of(uint8_t choice)
{
    return (struct batch_rules){
        .now_ms = 1700000000000,
        .timestamp_before_max_ms = (choice & 1) != 0 ? INT64_MAX : 1000,
        .timestamp_after_max_ms = (choice & 1) != 0 ? INT64_MAX : 1000,
        .message_size_max = INT32_MAX,
        .decompressed_size_max = OUTPUT_SIZE_MAX,
        .timestamp_type = (choice & 2) != 0 ? TIMESTAMP_LOG_APPEND_TIME : TIMESTAMP_CREATE_TIME,
        .compacted = (choice & 4) != 0,
        .from_client = (choice & 8) == 0,
    };
}

/* Reads all records; returns how many. */
static int64_t read_all(struct codec_pool *pool, struct slice batch,
                        const struct batch_header *header, enum codec_fault *ret_fault)
{
    struct record_reader reader;
    record_reader_open(&reader, pool,
                       (struct record_source){
                           .header = header, .batch = batch, .output_size_max = OUTPUT_SIZE_MAX});
    int64_t count = 0;
    struct record record;
    while (record_read(&reader, &record)) {
        struct slice rest = record.headers;
        struct record_header one;
        int32_t headers = 0;
        while (record_header_next(&rest, &one))
            headers++;
        ALWAYS(headers == record.header_count, "%d headers of %d", headers, record.header_count);
        count++;
    }
    record_reader_close(&reader);
    *ret_fault = reader.fault;
    return count;
}

static void check_accepted(struct codec_pool *pool, const struct batch_verdict *verdict)
{
    enum codec_fault fault;
    int64_t count = read_all(pool, verdict->bytes, &verdict->header, &fault);
    ALWAYS(fault == CODEC_FINE, "an accepted batch does not read");
    ALWAYS(count == verdict->header.record_count, "an accepted batch has another count");
    struct batch_rebuild_options options = {.codec = CODEC_LZ4,
                                            .level = CODEC_LEVEL_DEFAULT,
                                            .size_max = INT32_MAX,
                                            .records_size = verdict->records_size};
    struct batch_rebuilt made = batch_rebuild(pool, verdict->bytes, &options);
    ALWAYS(made.text == NULL, "an accepted batch is not encoded again: %s", made.text);
    struct slice again = slice_of(made.bytes, made.size);
    struct batch_header header;
    ALWAYS(batch_parse(again, &header) == BATCH_OK, "a built batch does not parse");
    ALWAYS(read_all(pool, again, &header, &fault) == count, "a built batch lost records");
    free(made.bytes);
}

static void run(struct codec_pool *pool, struct slice bytes, uint8_t choice)
{
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct batch_rules rules = rules_of(choice);
    struct batch_verdict verdict;
    batch_validate(bytes, &rules, pool, &arena, &verdict);
    if (verdict.err == ERR_NONE && verdict.header.record_count > 0)
        check_accepted(pool, &verdict);
    struct batch_iterator it = batch_iterate(bytes);
    struct batch_view view;
    enum codec_fault fault;
    while (batch_next(&it, &view))
        (void)read_all(pool, view.bytes, &view.header, &fault);
    arena_fini(&arena);
}

static void run_wrapped(struct codec_pool *pool, const uint8_t *data, size_t size)
{
    size_t records_size = size - 2;
    uint8_t *batch = (uint8_t *)calloc(1, BATCH_HEADER_SIZE + records_size);
    ALWAYS(batch != NULL, "out of memory");
    int32_t count = data[1];
    store_u32(batch + BATCH_AT_LENGTH,
              (uint32_t)(BATCH_HEADER_SIZE - BATCH_LENGTH_OVERHEAD + records_size));
    batch[BATCH_AT_MAGIC] = BATCH_MAGIC;
    store_i16(batch + BATCH_AT_ATTRIBUTES, (int16_t)(data[0] & BATCH_CODEC_MASK));
    store_i32(batch + BATCH_AT_LAST_OFFSET_DELTA, count - 1);
    store_i64(batch + BATCH_AT_PRODUCER_ID, BATCH_NO_PRODUCER_ID);
    store_i32(batch + BATCH_AT_RECORD_COUNT, count);
    memcpy(batch + BATCH_AT_RECORDS, data + 2, records_size);
    struct slice whole = slice_of(batch, BATCH_HEADER_SIZE + records_size);
    store_u32(batch + BATCH_AT_CRC, batch_crc(whole));
    run(pool, whole, data[0] >> 3);
    free(batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct codec_pool *pool = codec_pool_new();
    ALWAYS(pool != NULL, "out of memory");
    if (size > 0)
        run(pool, slice_of(data + 1, size - 1), data[0]);
    if (size > 2)
        run_wrapped(pool, data, size);
    codec_pool_free(pool);
    return 0;
}
