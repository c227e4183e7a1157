/* Cleaning the story's log: what is left of each batch is read from the files when it is done, held
 * against what was appended and the rules, and is what every later opening must find. */
#include "log/test/sim_states.h"

#include "base/always.h"
#include "log/log_int.h"
#include "log/test/compact_kit.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "wire/record.h"

#include <stdlib.h>

/* By what it is decided which records go. */
struct cleaning {
    struct states *story;
    int64_t start_offset;
    int64_t dirty_offset; /* from which on keys were looked for */
    int64_t end_offset;   /* up to which it went */
    int64_t wall_ms;
    int64_t last[STATES_KEYS]; /* offset of the last record of each key in front of there */
};

bool states_may_lack(const struct states_batch *batch, enum states_form form)
{
    return batch->bytes == NULL || (form != STATES_AS_THEY_WERE && batch->cleaned == NULL);
}

void states_cleaned(struct states *story, bool found)
{
    for (int i = 0; i < story->batch_count; i++) {
        struct states_batch *batch = &story->batches[i];
        if (!found || batch->was_cleaned) {
            free(batch->bytes);
            batch->bytes = batch->cleaned;
            batch->size = batch->cleaned_size;
        } else {
            batch->was_leaving = batch->was_leaving || batch->cleaned == NULL;
            free(batch->cleaned);
        }
        batch->cleaned = NULL;
        batch->cleaned_size = 0;
        batch->was_cleaned = false;
    }
}

/* ---- what is left ---- */

static void take_batch(struct states *story, int *at, struct slice bytes,
                       const struct batch_header *header)
{
    while (*at < story->batch_count && story->batches[*at].header.base_offset < header->base_offset)
        ++*at;
    HOLDS(story,
          *at < story->batch_count && story->batches[*at].header.base_offset == header->base_offset,
          "a cleaning leaves a batch at %lld, where none was", (long long)header->base_offset);
    struct states_batch *batch = &story->batches[*at];
    batch->cleaned = malloc(bytes.size);
    ALWAYS(batch->cleaned != NULL, "memory for the test");
    memcpy(batch->cleaned, bytes.data, bytes.size);
    batch->cleaned_size = bytes.size;
}

static void take_segment(struct states *story, const struct log_segment *segment, int *at)
{
    char *data = NULL;
    size_t size = 0;
    int error =
        sys_file_read_whole(log_kit_dir(story->kit), segment->handle->path, 1 << 20, &data, &size);
    HOLDS(story, error == 0 && (int64_t)size == segment->size, "a cleaned segment has its size");
    struct batch_iterator batches = batch_iterate(slice_of(data, size));
    struct batch_view view;
    while (batch_next(&batches, &view)) {
        HOLDS(story, batch_crc_ok(view.bytes), "a cleaning leaves batches with their checksums");
        take_batch(story, at, view.bytes, &view.header);
    }
    HOLDS(story, batches.stopped == BATCH_END, "a cleaning leaves whole batches");
    free(data);
}

/* ---- what may go ---- */

static void find_aborted(struct states *story)
{
    enum txn_marker next[STATES_PRODUCERS];
    for (int i = 0; i < STATES_PRODUCERS; i++)
        next[i] = TXN_MARKER_NONE;
    for (int i = story->batch_count - 1; i >= 0; i--) {
        struct states_batch *batch = &story->batches[i];
        if (!batch_is_transactional(&batch->header))
            continue;
        if (batch->marker != TXN_MARKER_NONE)
            next[batch->header.producer_id] = batch->marker;
        batch->is_aborted =
            batch->marker == TXN_MARKER_NONE && next[batch->header.producer_id] == TXN_MARKER_ABORT;
    }
}

static void begin_reading(const struct batch_header *header, struct slice bytes,
                          struct record_reader *reader)
{
    record_reader_open(reader, NULL, (struct record_source){.header = header, .batch = bytes});
}

static int key_of(const struct record *record)
{
    return record->key.data[0] - 'a';
}

static void find_last_of(struct cleaning *cleaning, const struct states_batch *batch)
{
    struct batch_header header;
    struct slice bytes = slice_of(batch->bytes, batch->size);
    struct record_reader reader;
    struct record record;
    if (batch->bytes == NULL || batch->is_aborted || batch_is_control(&batch->header))
        return;
    ALWAYS(batch_parse(bytes, &header) == BATCH_OK, "the test's batch");
    begin_reading(&header, bytes, &reader);
    while (record_read(&reader, &record))
        if (header.base_offset + record.offset_delta < cleaning->end_offset)
            cleaning->last[key_of(&record)] = header.base_offset + record.offset_delta;
    record_reader_close(&reader);
}

/* ---- one batch ---- */

/* A batch as it was, or as it is; without records where there is none. */
struct side {
    struct batch_header header;
    struct record_reader reader;
    struct record record;
    bool there; /* a record */
};

static void side_next(struct side *side)
{
    side->there = record_read(&side->reader, &side->record);
}

static void side_open(struct side *side, struct slice bytes)
{
    *side = (struct side){0};
    ALWAYS(batch_parse(bytes, &side->header) == BATCH_OK, "the test's batch");
    begin_reading(&side->header, bytes, &side->reader);
    side_next(side);
}

static bool horizon_has_passed(const struct cleaning *cleaning, const struct batch_header *header)
{
    return batch_has_delete_horizon(header) && header->base_timestamp <= cleaning->wall_ms;
}

static bool is_same_record(const struct side *was, const struct side *is)
{
    return was->record.offset_delta == is->record.offset_delta &&
           batch_record_timestamp(&was->header, was->record.timestamp_delta) ==
               batch_record_timestamp(&is->header, is->record.timestamp_delta) &&
           slice_is_null(was->record.key) == slice_is_null(is->record.key) &&
           slice_equal(was->record.key, is->record.key) &&
           slice_is_null(was->record.value) == slice_is_null(is->record.value) &&
           slice_equal(was->record.value, is->record.value);
}

/* Whether the record must be gone (1), must be there (0), or either (-1). */
static int is_due(const struct cleaning *cleaning, const struct states_batch *batch,
                  const struct side *was)
{
    int64_t offset = was->header.base_offset + was->record.offset_delta;
    if (batch->marker != TXN_MARKER_NONE)
        return horizon_has_passed(cleaning, &was->header) ? -1 : 0;
    if (offset >= cleaning->end_offset)
        return batch->is_aborted ? -1 : 0;
    if (offset < cleaning->start_offset && batch->is_aborted)
        return -1; /* nobody reads it, and what ended there is forgotten */
    int64_t last = cleaning->last[key_of(&was->record)];
    if (batch->is_aborted || last != offset)
        return batch->is_aborted || last >= cleaning->dirty_offset ? 1 : -1;
    bool tombstone = slice_is_null(was->record.value);
    return tombstone && horizon_has_passed(cleaning, &was->header) ? 1 : 0;
}

static void check_records(const struct cleaning *cleaning, const struct states_batch *batch,
                          struct side *was, struct side *is)
{
    for (; was->there; side_next(was)) {
        bool there = is->there && is->record.offset_delta == was->record.offset_delta;
        int due = is_due(cleaning, batch, was);
        long long offset = (long long)(was->header.base_offset + was->record.offset_delta);
        HOLDS(cleaning->story, there || due != 0, "a cleaning removes the record of %lld", offset);
        HOLDS(cleaning->story, !there || due <= 0, "a cleaning leaves the record of %lld", offset);
        HOLDS(cleaning->story, !there || is_same_record(was, is),
              "a cleaning changes the record of %lld", offset);
        if (there)
            side_next(is);
    }
    HOLDS(cleaning->story, !is->there && is->reader.fault == CODEC_FINE,
          "a cleaning leaves the batch of %lld as it was but for what goes",
          (long long)was->header.base_offset);
}

static void check_header(const struct cleaning *cleaning, const struct batch_header *was,
                         const struct batch_header *is)
{
    HOLDS(cleaning->story,
          is->last_offset_delta == was->last_offset_delta && is->producer_id == was->producer_id &&
              is->producer_epoch == was->producer_epoch &&
              is->base_sequence == was->base_sequence &&
              is->partition_leader_epoch == was->partition_leader_epoch &&
              ((is->attributes ^ was->attributes) & ~BATCH_DELETE_HORIZON) == 0,
          "a cleaning leaves the batch of %lld what it is", (long long)was->base_offset);
}

static void check_batch(const struct cleaning *cleaning, const struct states_batch *batch)
{
    static const struct side nothing;
    struct side was;
    struct side is = nothing;
    HOLDS(cleaning->story, batch->bytes != NULL || batch->cleaned == NULL,
          "a cleaning brings back the batch of %lld", (long long)batch->header.base_offset);
    if (batch->bytes == NULL)
        return;
    side_open(&was, slice_of(batch->bytes, batch->size));
    if (batch->cleaned != NULL) {
        side_open(&is, slice_of(batch->cleaned, batch->cleaned_size));
        check_header(cleaning, &was.header, &is.header);
    }
    check_records(cleaning, batch, &was, &is);
    record_reader_close(&was.reader);
    if (batch->cleaned != NULL)
        record_reader_close(&is.reader);
}

/* ---- the whole ---- */

static void check_cleaning(struct states *story, const struct compact_kit *compact)
{
    struct cleaning cleaning = {
        .story = story,
        .start_offset = log_start_offset(log_kit_log(story->kit)),
        .dirty_offset = compact->range.first_dirty_offset,
        .end_offset = compact->result.end_offset,
        .wall_ms = compact->wall_ms,
    };
    const struct log *log = log_kit_log(story->kit);
    int at = 0;
    for (int i = 0; i < log->segment_count; i++)
        take_segment(story, log->segments[i], &at);
    find_aborted(story);
    int64_t from = log->segments[0]->base_offset;
    for (int i = 0; i < story->batch_count; i++)
        if (story->batches[i].header.base_offset >= from)
            find_last_of(&cleaning, &story->batches[i]);
    for (int i = 0; i < story->batch_count; i++)
        if (story->batches[i].header.base_offset >= from)
            check_batch(&cleaning, &story->batches[i]);
}

bool states_compact(struct states *story)
{
    struct compact_kit compact = {
        .cleaned_to = story->cleaned_to,
        .end_max = log_recovery_point(log_kit_log(story->kit)), /* which is stored */
        .wall_ms = sys_wall_ms() + (int64_t)prng_below(&story->prng, 4) * 1000,
        .map_size = prng_below(&story->prng, 4) == 0 ? 200 : 0,
        .may_not_be_due = true,
    };
    if (compact.end_max == 0)
        return false;
    story->promise.form = STATES_EITHER;
    if (!compact_kit_run(story->kit, &compact)) {
        story->promise.form = STATES_AS_THEY_WERE;
        return false;
    }
    HOLDS(story, compact.result.end == LOG_COMPACT_DONE, "the cleaning is done: %s, %d",
          compact.result.fault, compact.result.error);
    check_cleaning(story, &compact);
    story->cleaned_to = compact.result.end_offset;
    story->promise.form = STATES_CLEANED;
    return true;
}
