/* One batch after the other; see the header. A batch is read once to decide, and once more where it
 * has to be made again: what a record is worth is known only when all were seen, since a delete
 * horizon changes the timestamps of all. Records are looked up some at a time, so that the map's
 * memory is on its way while the next are parsed. On a worker. */
#include "log/compact_filter.h"

#include "base/always.h"
#include "base/bytes.h"

#include <errno.h>
#include <stdlib.h>

/* Records that are looked up together. */
#define WINDOW 16
/* Bytes of a batch's records. */
#define OUTPUT_SIZE_MAX INT32_MAX

bool compact_filter_init(struct compact_filter *filter, const struct compact_map *map,
                         struct log_compact_figures *figures)
{
    *filter = (struct compact_filter){.map = map, .figures = figures};
    batch_builder_init(&filter->builder);
    compact_txns_init(&filter->txns, NULL, 0);
    filter->pool = codec_pool_new();
    return filter->pool != NULL;
}

void compact_filter_fini(struct compact_filter *filter)
{
    compact_txns_fini(&filter->txns);
    batch_builder_fini(&filter->builder);
    codec_pool_free(filter->pool);
    free(filter->producers);
    free(filter->keep);
}

/* ---- what stands in front of records ---- */

const char *compact_batch_fault(const struct batch_view *view)
{
    if (view->header.last_offset_delta < 0)
        return "a batch's last offset is below its first";
    return batch_crc_ok(view->bytes) ? NULL : "a batch's checksum is wrong";
}

int compact_marker_type(struct codec_pool *pool, const struct batch_view *view,
                        const char **ret_fault)
{
    struct record_reader reader;
    struct record record;
    int type = -1;
    record_reader_open(&reader, pool,
                       (struct record_source){.header = &view->header, .batch = view->bytes});
    if (record_read(&reader, &record)) {
        bool fits = record.key.size >= 4 && load_i16(record.key.data) >= 0;
        type = fits ? load_i16(record.key.data + 2) & INT16_MAX : -EBADMSG;
        if (!fits)
            *ret_fault = "a control record's key is no such key";
    } else if (reader.fault != CODEC_FINE) {
        *ret_fault = reader.text;
        type = -EBADMSG;
    }
    record_reader_close(&reader);
    return type;
}

/* ---- producers ---- */

static int compare_ids(const void *a, const void *b)
{
    int64_t left = ((const struct compact_producer *)a)->id;
    int64_t right = ((const struct compact_producer *)b)->id;
    return left < right ? -1 : left > right;
}

void compact_filter_set_producers(struct compact_filter *filter, struct compact_producer *producers,
                                  int count)
{
    free(filter->producers);
    filter->producers = producers;
    filter->producer_count = count;
    if (count > 1)
        qsort(producers, (size_t)count, sizeof *producers, compare_ids);
}

/* Whether the batch is what a producer that is alive is known by. */
static bool is_last_of_producer(const struct compact_filter *filter,
                                const struct batch_header *header)
{
    if (!batch_has_producer_id(header) || filter->producer_count == 0)
        return false;
    const struct compact_producer wanted = {.id = header->producer_id};
    const struct compact_producer *producer = (const struct compact_producer *)bsearch(
        &wanted, filter->producers, (size_t)filter->producer_count, sizeof *filter->producers,
        compare_ids);
    if (producer == NULL)
        return false;
    if (producer->is_unsure)
        return true;
    if (producer->last_offset >= 0)
        return batch_last_offset(header) == producer->last_offset;
    return batch_is_control(header) && header->producer_epoch == producer->epoch;
}

/* ---- which records stay ---- */

/* One record whose fate is not decided yet. */
struct candidate {
    struct siphash hash;
    int64_t offset;
    bool has_key;
    bool has_value;
};

/* A batch while it is looked through. */
struct look {
    struct compact_filter *filter;
    const struct batch_header *header;
    struct candidate window[WINDOW];
    int waiting;         /* in the window */
    int32_t seen;        /* records */
    int32_t kept;        /* of them */
    bool keeps_deletes;  /* the horizon has not passed, or there is none yet */
    bool has_tombstones; /* among those kept */
};

static bool stays(const struct look *look, const struct candidate *candidate)
{
    const struct compact_filter *filter = look->filter;
    if (candidate->offset > filter->map->latest_offset)
        return true;
    if (!candidate->has_key) {
        filter->figures->keyless_records++;
        return false;
    }
    return candidate->offset >= compact_map_get(filter->map, candidate->hash) &&
           (candidate->has_value || look->keeps_deletes);
}

/* A record has seven bytes at least, so many of so large a batch: what claims more is refused when
 * its records are read. */
static bool reserve_keep(struct compact_filter *filter, int32_t record_count)
{
    size_t size = (size_t)MIN_OF(MAX_OF(record_count, 0), OUTPUT_SIZE_MAX / 7) / 8 + 1;
    if (size <= filter->keep_size)
        return true;
    uint8_t *keep = (uint8_t *)realloc(filter->keep, size);
    if (keep == NULL)
        return false;
    filter->keep = keep;
    filter->keep_size = size;
    return true;
}

static void mark(struct compact_filter *filter, int32_t record, bool kept)
{
    uint8_t *byte = &filter->keep[record / 8];
    int bit = record % 8;
    int before = bit > 0 ? *byte : 0;
    *byte = (uint8_t)(before | (kept ? 1 << bit : 0));
}

static bool is_kept(const struct compact_filter *filter, int32_t record)
{
    return (filter->keep[record / 8] >> (record % 8) & 1) != 0;
}

static void decide(struct look *look)
{
    for (int i = 0; i < look->waiting; i++) {
        const struct candidate *candidate = &look->window[i];
        bool kept = stays(look, candidate);
        mark(look->filter, look->seen++, kept);
        look->kept += kept ? 1 : 0;
        look->has_tombstones = look->has_tombstones || (kept && !candidate->has_value);
    }
    look->waiting = 0;
}

static void take_candidate(struct look *look, const struct record *record)
{
    struct candidate *candidate = &look->window[look->waiting++];
    candidate->offset = look->header->base_offset + record->offset_delta;
    candidate->has_key = !slice_is_null(record->key);
    candidate->has_value = !slice_is_null(record->value);
    if (!candidate->has_key)
        return;
    candidate->hash = compact_map_hash(look->filter->map, record->key);
    compact_map_prefetch(look->filter->map, candidate->hash);
}

static int fail(struct compact_filter *filter, const struct record_reader *reader)
{
    if (reader->fault == CODEC_NO_MEMORY)
        return -ENOMEM;
    filter->fault = reader->text;
    return -EBADMSG;
}

static void open_reader(struct compact_filter *filter, const struct batch_view *view,
                        struct record_reader *reader)
{
    record_reader_open(reader, filter->pool,
                       (struct record_source){.header = &view->header,
                                              .batch = view->bytes,
                                              .output_size_max = OUTPUT_SIZE_MAX,
                                              .record_size_max = filter->record_size_max});
}

/* Marks the records that stay. 0 or -errno. */
static int look_through(struct look *look, const struct batch_view *view)
{
    struct compact_filter *filter = look->filter;
    struct record_reader reader;
    struct record record;
    if (!reserve_keep(filter, view->header.record_count))
        return -ENOMEM;
    open_reader(filter, view, &reader);
    while (record_read(&reader, &record)) {
        take_candidate(look, &record);
        if (look->waiting == WINDOW)
            decide(look);
    }
    decide(look);
    int error = reader.fault != CODEC_FINE ? fail(filter, &reader) : 0;
    record_reader_close(&reader);
    return error;
}

/* ---- making a batch again ---- */

static struct batch_builder_options options_of(const struct batch_header *header, int64_t horizon)
{
    struct batch_builder_options options = batch_builder_defaults();
    options.base_offset = header->base_offset;
    options.last_offset_delta = header->last_offset_delta;
    options.producer_id = header->producer_id;
    options.producer_epoch = header->producer_epoch;
    options.base_sequence = header->base_sequence;
    options.partition_leader_epoch = header->partition_leader_epoch;
    options.transactional = batch_is_transactional(header);
    options.control = batch_is_control(header);
    options.codec = (enum codec)batch_codec_id(header);
    options.timestamp_type = batch_timestamp_type(header);
    options.log_append_time = header->max_timestamp;
    options.delete_horizon = horizon >= 0 ? horizon : BATCH_NO_TIMESTAMP;
    return options;
}

/* The records that stay, in a batch of the same place, producer and codec. all: every one. */
static int make_again(struct compact_filter *filter, const struct batch_view *view, int64_t horizon,
                      bool all, struct slice *ret_bytes)
{
    const struct batch_header *header = &view->header;
    struct batch_builder_options options = options_of(header, horizon);
    struct record_reader reader;
    struct record record;
    batch_builder_begin(&filter->builder, &options);
    open_reader(filter, view, &reader);
    for (int32_t i = 0; record_read(&reader, &record); i++) {
        if (!all && !is_kept(filter, i))
            continue;
        record.attributes = 0;
        batch_builder_add_read(
            &filter->builder, &record,
            (struct batch_record_place){
                .timestamp = batch_record_timestamp(header, record.timestamp_delta),
                .offset_delta = record.offset_delta,
            });
    }
    int error = reader.fault != CODEC_FINE ? fail(filter, &reader) : 0;
    record_reader_close(&reader);
    if (error < 0)
        return error;
    *ret_bytes = batch_builder_finish(&filter->builder, filter->pool);
    return ret_bytes->size > 0 ? 0 : -ENOMEM;
}

/* The batch without records: what its producer is known by, and where the log goes on. */
static struct slice make_empty(struct compact_filter *filter, const struct batch_view *view)
{
    uint8_t *at = filter->empty;
    uint16_t kept = BATCH_LOG_APPEND_TIME | BATCH_TRANSACTIONAL | BATCH_CONTROL;
    memcpy(at, view->bytes.data, BATCH_HEADER_SIZE);
    store_u32(at + BATCH_AT_LENGTH, BATCH_HEADER_SIZE - BATCH_LENGTH_OVERHEAD);
    store_u16(at + BATCH_AT_ATTRIBUTES, load_u16(at + BATCH_AT_ATTRIBUTES) & kept);
    store_i64(at + BATCH_AT_BASE_TIMESTAMP, BATCH_NO_TIMESTAMP);
    store_i32(at + BATCH_AT_RECORD_COUNT, 0);
    struct slice bytes = slice_of(at, BATCH_HEADER_SIZE);
    store_u32(at + BATCH_AT_CRC, batch_crc(bytes));
    return bytes;
}

/* ---- what becomes of a batch ---- */

/* 1: its transaction says that it may go; 0; -errno. */
static int may_go(struct compact_filter *filter, const struct batch_view *view)
{
    if (!batch_is_control(&view->header))
        return compact_txns_data(&filter->txns, &view->header);
    int type = compact_marker_type(filter->pool, view, &filter->fault);
    return type == -EBADMSG ? type : compact_txns_marker(&filter->txns, &view->header, type);
}

/* Delete horizons are set when a tombstone, or a marker without data, is met for the first time. */
static int64_t horizon_of(const struct compact_filter *filter, const struct batch_header *header,
                          bool begins)
{
    if (batch_has_delete_horizon(header))
        return header->base_timestamp;
    /* A sum that overflows is no horizon, as in Kafka. */
    return begins ? (int64_t)((uint64_t)filter->now_ms + (uint64_t)filter->delete_retention_ms)
                  : BATCH_NO_TIMESTAMP;
}

/* Its records are looked at one by one. */
static int filter_data(struct compact_filter *filter, const struct batch_view *view,
                       struct slice *ret_bytes)
{
    const struct batch_header *header = &view->header;
    struct look look = {.filter = filter,
                        .header = header,
                        .keeps_deletes = !batch_has_delete_horizon(header) ||
                                         filter->now_ms < header->base_timestamp};
    int error = look_through(&look, view);
    if (error < 0)
        return error;
    filter->figures->read_records += look.seen;
    filter->figures->written_records += look.kept;
    bool begins = look.has_tombstones && !batch_has_delete_horizon(header);
    *ret_bytes = (struct slice){0};
    if (look.kept == 0)
        return 0;
    if (look.kept == look.seen && !begins)
        *ret_bytes = view->bytes;
    else
        error = make_again(filter, view, horizon_of(filter, header, begins), false, ret_bytes);
    return error;
}

/* A marker that stays. */
static int filter_marker(struct compact_filter *filter, const struct batch_view *view, bool begins,
                         struct slice *ret_bytes)
{
    const struct batch_header *header = &view->header;
    filter->figures->read_records += header->record_count;
    filter->figures->written_records += header->record_count;
    *ret_bytes = header->record_count > 0 ? view->bytes : (struct slice){0};
    if (header->record_count > 0 && begins && !batch_has_delete_horizon(header))
        return make_again(filter, view, horizon_of(filter, header, true), true, ret_bytes);
    return 0;
}

int compact_filter_batch(struct compact_filter *filter, const struct batch_view *view,
                         struct slice *ret_bytes)
{
    const struct batch_header *header = &view->header;
    filter->fault = compact_batch_fault(view);
    int goes = filter->fault != NULL ? -EBADMSG : may_go(filter, view);
    if (goes < 0)
        return goes;
    filter->figures->read_bytes += header->size;
    bool control = batch_is_control(header);
    bool passed =
        !control || (batch_has_delete_horizon(header) && header->base_timestamp <= filter->now_ms);
    bool discards = goes == 1 && passed;
    bool stays_empty = is_last_of_producer(filter, header) ||
                       batch_last_offset(header) + 1 == filter->high_watermark;
    int error = 0;
    *ret_bytes = (struct slice){0};
    if (discards)
        filter->figures->read_records += header->record_count;
    else if (control)
        error = filter_marker(filter, view, goes == 1, ret_bytes);
    else
        error = filter_data(filter, view, ret_bytes);
    if (error == 0 && ret_bytes->size == 0 && stays_empty)
        *ret_bytes = make_empty(filter, view);
    if (error == 0)
        filter->figures->written_bytes += (int64_t)ret_bytes->size;
    return error;
}
