/* Every batch of a segment, every record of a batch. Its complication is compaction: offsets have
 * gaps, batches have lost records and may be empty. One thread. */
#include "cmd/segment_walk.h"
#include "cmd/verify_int.h"
#include "wire/record.h"

#include <stdlib.h>

#define RECORDS_SIZE_MAX ((int64_t)1 << 30)

struct walked {
    struct verify *verify;
    struct verify_segment *segment;
    struct segment_walk walk;
    int32_t epoch_told; /* of whose absence was told already */
};

static struct verify_place here(const struct walked *w)
{
    return (struct verify_place){w->walk.position, w->walk.header.base_offset};
}

/* ---- records ---- */

/* What the records of a batch come to. */
struct sum {
    int32_t last_delta;
    int64_t max_timestamp;
    bool any;
};

static const char *record_fault(const struct batch_header *header, const struct record_mark *record,
                                struct sum *sum)
{
    if (record->offset_delta < 0 || record->offset_delta > header->last_offset_delta)
        return "a record's offset is not within its batch";
    if (sum->any && record->offset_delta <= sum->last_delta)
        return "records' offsets do not rise";
    int64_t timestamp = batch_record_timestamp(header, record->timestamp_delta);
    sum->last_delta = record->offset_delta;
    sum->max_timestamp = sum->any ? MAX_OF(sum->max_timestamp, timestamp) : timestamp;
    sum->any = true;
    return NULL;
}

static void check_records(struct walked *w)
{
    const struct batch_header *header = &w->walk.header;
    struct record_reader reader;
    struct record record;
    struct sum sum = {.last_delta = -1};
    const char *fault = NULL;
    record_reader_open(&reader, w->verify->pool,
                       (struct record_source){.header = header,
                                              .batch = w->walk.batch,
                                              .output_size_max = RECORDS_SIZE_MAX,
                                              .record_size_max = RECORDS_SIZE_MAX});
    while (fault == NULL && record_read(&reader, &record)) {
        struct record_mark mark = {.timestamp_delta = record.timestamp_delta,
                                   .offset_delta = record.offset_delta};
        fault = record_fault(header, &mark, &sum);
        w->verify->records++;
    }
    if (fault == NULL && reader.fault != CODEC_FINE)
        fault = reader.text;
    record_reader_close(&reader);
    if (fault == NULL && sum.any && sum.max_timestamp != header->max_timestamp)
        fault = "the batch's largest timestamp is none of its records'";
    if (fault != NULL)
        verify_fault(w->verify, here(w), "%s", fault);
}

/* ---- batches ---- */

static const char *header_fault(const struct walked *w)
{
    const struct batch_header *header = &w->walk.header;
    const struct verify_segment *segment = w->segment;
    if (header->base_offset < segment->base_offset)
        return "the batch's offset lies before its segment's";
    if (segment->next_offset >= 0 && header->base_offset < segment->next_offset)
        return "the batch's offset does not follow the one before";
    if (header->last_offset_delta < 0)
        return "the batch's last offset is below its first";
    if (batch_last_offset(header) - segment->base_offset > INT32_MAX)
        return "the batch's offset is too far from its segment's";
    if (header->record_count > (int64_t)header->last_offset_delta + 1)
        return "the batch has more records than offsets";
    if (!codec_is_known(batch_codec_id(header)))
        return "the batch's codec is not known";
    return NULL;
}

/* The checkpoint names the epoch that each offset belongs to. */
static void check_epoch(struct walked *w)
{
    const struct log_epochs *epochs = w->segment->epochs;
    int32_t epoch = w->walk.header.partition_leader_epoch;
    if (epochs == NULL || epoch < 0 || epoch == w->epoch_told ||
        log_epochs_at(epochs, w->walk.header.base_offset) == epoch)
        return;
    w->epoch_told = epoch;
    verify_fault(w->verify, here(w),
                 "leader epoch %d is not what leader-epoch-checkpoint has for that offset", epoch);
}

/* Whether the batch is good enough for its neighbours to be held against it. */
static bool check_batch(struct walked *w)
{
    const struct batch_header *header = &w->walk.header;
    w->verify->batches++;
    verify_progress(w->verify, header->size);
    if (!batch_crc_ok(w->walk.batch)) {
        verify_fault(w->verify, here(w), "the checksum does not match");
        return false;
    }
    const char *fault = header_fault(w);
    if (fault != NULL) {
        verify_fault(w->verify, here(w), "%s", fault);
        return false;
    }
    check_records(w);
    check_epoch(w);
    return true;
}

static void check_end(struct walked *w)
{
    struct verify_place place = {w->walk.position, w->segment->next_offset};
    long long left = (long long)(w->walk.size - w->walk.position);
    if (w->walk.fault == NULL)
        return;
    if (w->segment->in_flux && w->walk.is_tail)
        verify_note(w->verify, place, "%s: %lld bytes that the next start cuts off", w->walk.fault,
                    left);
    else
        verify_fault(w->verify, place, "%s; %lld bytes from there on were not looked at",
                     w->walk.fault, left);
}

void verify_segment(struct verify *verify, struct verify_segment *segment)
{
    struct walked w = {.verify = verify, .segment = segment, .epoch_told = -1};
    struct verify_indexes indexes;
    char *path = verify_path(segment->stem, ".log");
    verify_begin(verify, path);
    int error = segment_walk_open(&w.walk, path);
    if (error < 0) {
        verify_fault(verify, (struct verify_place){-1, -1}, "%s", strerror(-error));
        free(path);
        return;
    }
    verify_indexes_open(&indexes, verify, segment);
    verify->file = path;
    while (segment_walk_next(&w.walk)) {
        bool good = check_batch(&w);
        verify_indexes_meet(&indexes, &w.walk.header, w.walk.position,
                            segment_marker(&w.walk.header, w.walk.batch) == 0);
        verify->file = path;
        if (good)
            segment->next_offset = batch_last_offset(&w.walk.header) + 1;
    }
    check_end(&w);
    verify_indexes_close(&indexes, w.walk.fault == NULL);
    segment_walk_close(&w.walk);
    free(path);
}
