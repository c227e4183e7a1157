/* What must be true of a log that was opened from any state: see states_examine. */
#include "log/test/sim_states.h"

#include "base/always.h"
#include "base/hash.h"
#include "log/dir.h"
#include "log/log_int.h"
#include "sys/clock.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <stdlib.h>

/* One opened log beside what was appended. */
struct check {
    struct states *story;
    const struct states_promise *promise;
    struct log *log;
    int from; /* batches of the story that the log holds */
    int to;
    int64_t flushed; /* up to, as the start was told */
    uint64_t hash;
};

struct log_kit_open states_start(struct states *story, uint8_t topic)
{
    struct log_dir dir;
    struct text error;
    text_init(&error, 1000);
    HOLDS(story, log_dir_open(&dir, STATES_FOLDER, &error) == LOG_DIR_OPENED,
          "the directory opens: %.*s", SLICE_ARG(text_slice(&error)));
    text_fini(&error);
    HOLDS(story, log_dir_begin(&dir) == 0, "the clean-stop marker goes");
    struct slice name = slice_of_text(STATES_LOG);
    struct log_kit_open how = {
        .topic = topic,
        .clean = dir.was_clean,
        .recovery_point = checkpoint_get(&dir.recovery_points, name, 0),
        .log_start_offset = checkpoint_get(&dir.log_starts, name, 0),
    };
    log_dir_close(&dir);
    story->how = how;
    return how;
}

/* ---- segments ---- */

static int find_batch(const struct check *check, int64_t base_offset)
{
    const struct states *story = check->story;
    int at = 0;
    while (at < story->batch_count && story->batches[at].header.base_offset < base_offset)
        at++;
    bool is_base = at < story->batch_count ? story->batches[at].header.base_offset == base_offset
                                           : states_end(story) == base_offset;
    HOLDS(story, is_base, "a segment begins at %lld, where no batch does", (long long)base_offset);
    return at;
}

/* A segment's batches as they stand in its file. */
struct segment_bytes {
    int64_t base_offset;
    const char *data;
    size_t size;
};

/* The batch that stands at the position, the first one's being 0; its end, or -1. */
static int64_t next_batch(const struct segment_bytes *bytes, int64_t position,
                          struct batch_header *ret_header)
{
    struct slice rest = slice_of(bytes->data + position, bytes->size - (size_t)position);
    return batch_parse(rest, ret_header) == BATCH_OK ? position + ret_header->size : -1;
}

static bool offset_entry_fits(const struct segment_bytes *bytes, const struct index_entry *entry)
{
    struct batch_header header;
    int64_t next;
    for (int64_t at = 0; (next = next_batch(bytes, at, &header)) >= 0; at = next)
        if (at == entry->position)
            return batch_last_offset(&header) - bytes->base_offset == entry->relative_offset;
    return false;
}

static bool time_entry_fits(const struct segment_bytes *bytes, const struct time_index_entry *entry)
{
    struct batch_header header;
    int64_t next;
    for (int64_t at = 0; (next = next_batch(bytes, at, &header)) >= 0; at = next)
        if (batch_last_offset(&header) - bytes->base_offset == entry->relative_offset)
            return header.max_timestamp == entry->timestamp;
    return false;
}

static void check_index(const struct check *check, const struct log_index *index,
                        const struct segment_bytes *bytes)
{
    for (uint32_t i = 0; i < index->offset_count; i++)
        HOLDS(check->story, offset_entry_fits(bytes, &index->offsets[i]),
              "entry %u of the index of segment %lld points to no batch", i,
              (long long)bytes->base_offset);
    for (uint32_t i = 0; i < index->time_count; i++)
        HOLDS(check->story, time_entry_fits(bytes, &index->times[i]),
              "entry %u of the time index of segment %lld is of no batch", i,
              (long long)bytes->base_offset);
}

/* A start does not know how far a swap goes of whose last segments nothing stays: one of them may
 * be left without its indexes. */
static bool may_leave(const struct check *check, int64_t from_offset, int64_t end_offset)
{
    bool leaves = check->story->config.cleanup_compact;
    for (int i = 0; i < check->story->batch_count && leaves; i++) {
        const struct states_batch *batch = &check->story->batches[i];
        bool in = batch->header.base_offset >= from_offset &&
                  batch->header.base_offset < end_offset && batch->bytes != NULL;
        leaves = !in || batch->was_leaving ||
                 (check->promise->form == STATES_EITHER && batch->cleaned == NULL);
    }
    return leaves;
}

static void check_index_files(const struct check *check, int at, const struct segment_bytes *bytes)
{
    struct log_index index;
    char stem[LOG_STEM_SIZE];
    log_index_init(&index);
    log_stem(check->log, bytes->base_offset, stem);
    /* They are made again when they are needed. Those of a segment that is let go of may be gone;
     * where a flush ended with it the cut may have come between the roll and what that needs. */
    int64_t end = log_segment_end(check->log, at);
    bool may_lack = end <= check->log->start_offset || end == check->flushed ||
                    may_leave(check, bytes->base_offset, end);
    HOLDS(check->story, log_index_load(&index, check->log->dir_fd, stem) || may_lack,
          "segment %d has its indexes", at);
    check_index(check, &index, bytes);
    log_index_fini(&index);
}

/* The batches that a segment may hold, and in which form. */
struct extent {
    int from;
    int to;
    bool whole; /* all of them */
    bool cleaned;
};

/* In a log that is cleaned, a tail that was lost with the power cannot be told from one that was
 * cleaned: the segments behind it stay. */
static bool may_end_at(const struct check *check, int at)
{
    return check->story->config.cleanup_compact &&
           check->story->batches[at].header.base_offset >= check->promise->acked_end;
}

/* The index behind the last batch that stands in the file; -1: others do. */
static int match(const struct check *check, const struct segment_bytes *bytes,
                 const struct extent *extent)
{
    size_t position = 0;
    int at = extent->from;
    for (; at < extent->to && (position < bytes->size || extent->whole); at++) {
        const struct states_batch *batch = &check->story->batches[at];
        const uint8_t *wanted = extent->cleaned ? batch->cleaned : batch->bytes;
        size_t size = extent->cleaned ? batch->cleaned_size : batch->size;
        if (wanted == NULL)
            continue;
        if (position == bytes->size && may_end_at(check, at))
            return at;
        if (bytes->size - position < size || memcmp(bytes->data + position, wanted, size) != 0)
            return -1;
        position += size;
    }
    return position == bytes->size ? at : -1;
}

/* What stands in the segment is what was appended there, byte by byte, or what a cleaning left of
 * all of it. */
static void match_segment(struct check *check, int at, const struct segment_bytes *bytes)
{
    const struct log *log = check->log;
    struct states *story = check->story;
    bool last = at + 1 == log->segment_count;
    struct extent extent = {.from = check->to, .to = story->batch_count};
    if (!last) {
        extent.to = find_batch(check, log->segments[at + 1]->base_offset);
        extent.whole = log->segments[at + 1]->base_offset > log->start_offset;
    }
    int to = check->promise->form != STATES_CLEANED ? match(check, bytes, &extent) : -1;
    extent.cleaned = to < 0;
    if (to < 0 && check->promise->form != STATES_AS_THEY_WERE)
        to = match(check, bytes, &extent);
    HOLDS(story, to >= 0, "segment %lld has other batches than those from %d to %d",
          (long long)bytes->base_offset, extent.from, extent.to);
    for (int i = extent.from; i < to; i++)
        story->batches[i].was_cleaned = extent.cleaned;
    for (int i = to; i < extent.to && extent.whole; i++)
        story->batches[i].was_lost = true;
    check->to = extent.whole ? extent.to : to;
}

static void check_segment(struct check *check, int at)
{
    const struct log_segment *segment = check->log->segments[at];
    char *data = NULL;
    size_t size = 0;
    int error =
        sys_file_read_whole(check->log->dir_fd, segment->handle->path, 1 << 20, &data, &size);
    HOLDS(check->story, error == 0 && (int64_t)size == segment->size, "segment %d has its size",
          at);
    const struct segment_bytes bytes = {segment->base_offset, data, size};
    match_segment(check, at, &bytes);
    check->hash = slice_hash(slice_of(data, size), check->hash);
    check->hash = hash_u64(check->hash + (uint64_t)segment->base_offset);
    if (at + 1 < check->log->segment_count)
        check_index_files(check, at, &bytes);
    else
        check_index(check, &check->log->index, &bytes);
    free(data);
}

/* Below the log's start some may be missing, of those that were being removed. */
static void check_segments(struct check *check)
{
    const struct log *log = check->log;
    for (int i = 0; i < log->segment_count; i++) {
        int at = find_batch(check, log->segments[i]->base_offset);
        if (log->segments[i]->base_offset <= log->start_offset) {
            check->from = at;
            check->to = at;
        }
        HOLDS(check->story, at == check->to, "segment %d begins with batch %d instead of %d", i, at,
              check->to);
        check_segment(check, i);
    }
}

/* ---- what is derived ---- */

static bool may_lack(const struct check *check, int at)
{
    return check->story->batches[at].was_lost ||
           states_may_lack(&check->story->batches[at], check->promise->form);
}

static void check_epochs(const struct check *check)
{
    int32_t least = -1;
    int32_t last = -1;
    for (int i = check->from; i < check->to; i++) {
        const struct batch_header *header = &check->story->batches[i].header;
        last = header->partition_leader_epoch;
        least = may_lack(check, i) ? least : last;
        if (header->base_offset < check->log->start_offset || may_lack(check, i))
            continue; /* forgotten */
        int32_t epoch = log_epoch_of(check->log, header->base_offset);
        HOLDS(check->story, epoch == header->partition_leader_epoch,
              "offset %lld is of epoch %d instead of %d", (long long)header->base_offset, epoch,
              header->partition_leader_epoch);
    }
    int32_t latest = log_latest_epoch(check->log);
    HOLDS(check->story, check->to == check->from || (latest >= least && latest <= last),
          "the last epoch is %d instead of %d", latest, last);
}

static bool is_same(const struct producer_batch *batch, const struct batch_header *header)
{
    return batch->last_offset == batch_last_offset(header) &&
           batch->last_sequence == batch_last_sequence(header);
}

/* Its batches from the last one on are those that are remembered, at most five; but for the last
 * one, a cleaning may have removed them. */
static void check_producer(const struct check *check, int64_t id)
{
    struct states *story = check->story;
    const struct producer *producer = producers_find(&check->log->producers, id);
    int count = producer != NULL ? producer->batch_count : 0;
    int seen = 0;
    bool lacks = false;
    for (int i = check->to - 1; i >= check->from && seen < PRODUCER_BATCHES_MAX; i--) {
        const struct batch_header *header = &story->batches[i].header;
        if (header->producer_id != id || batch_is_control(header) || story->batches[i].was_lost)
            continue;
        lacks = lacks || (seen > 0 && may_lack(check, i));
        bool there = count > seen && is_same(&producer->batches[count - seen - 1], header);
        HOLDS(story, there || lacks, "batch %d of producer %lld, of offset %lld, is forgotten",
              seen, (long long)id, (long long)header->base_offset);
        seen += there ? 1 : 0;
    }
    HOLDS(story, seen == count || check->from > 0, "producer %lld has %d batches, %d are its own",
          (long long)id, count, seen);
    HOLDS(story, count == 0 || producer->batches[count - 1].last_offset < check->log->end_offset,
          "L5: producer %lld has a batch behind the end", (long long)id);
}

static void check_promise(const struct check *check)
{
    const struct log *log = check->log;
    struct states *story = check->story;
    HOLDS(story, log->end_offset >= check->promise->acked_end, "it ends at %lld, %lld was promised",
          (long long)log->end_offset, (long long)check->promise->acked_end);
    HOLDS(story, log->start_offset <= check->promise->start_offset,
          "it starts at %lld, %lld was promised", (long long)log->start_offset,
          (long long)check->promise->start_offset);
    int64_t end = check->to == 0 ? 0 : batch_last_offset(&story->batches[check->to - 1].header) + 1;
    HOLDS(story, check->from == check->to || log->end_offset == end,
          "it ends with its last batch, at %lld instead of %lld", (long long)log->end_offset,
          (long long)end);
    HOLDS(story, log->segments[0]->base_offset <= log->start_offset, "its start is there");
    log_check(log);
}

struct states_found states_examine(struct states *story, const struct states_promise *promise)
{
    struct log *log = NULL;
    struct log_recovery recovery;
    struct log_kit_open how = states_start(story, promise->topic);
    struct log_options options = {
        .dir_fd = sys_dir_open(SYS_DIR_CWD, STATES_FOLDER),
        .name = STATES_LOG,
        .topic_id = {.bytes = {[15] = promise->topic}},
        .config = story->config,
        .recovery_point = how.recovery_point,
        .log_start_offset = how.log_start_offset,
        .offsets_by_name = true,
        .clean = how.clean,
        .wall_ms = sys_wall_ms(),
        .producer_expiration_ms = 86400000,
        .producer_check_interval_ms = 600000,
    };
    enum err err = log_open(&options, &log, &recovery);
    HOLDS(story, err == ERR_NONE, "the log opens: %s at offset %lld, recovery point %lld",
          recovery.fault, (long long)recovery.fault_offset, (long long)how.recovery_point);
    struct check check = {
        .story = story, .promise = promise, .log = log, .flushed = how.recovery_point};
    for (int i = 0; i < story->batch_count; i++)
        story->batches[i].was_lost = false;
    check_segments(&check);
    check_promise(&check);
    check_epochs(&check);
    for (int64_t id = 1; id < STATES_PRODUCERS; id++)
        check_producer(&check, id);
    states_check_transactions(
        story, log,
        (struct states_part){.from = check.from, .to = check.to, .form = promise->form});
    struct states_found found = {
        .start_offset = log->start_offset, .end_offset = log->end_offset, .hash = check.hash};
    (void)log_close(log, false);
    sys_file_close(options.dir_fd);
    return found;
}
