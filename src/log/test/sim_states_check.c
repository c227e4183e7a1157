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

static bool offset_entry_fits(const struct check *check, int from, int to,
                              const struct index_entry *entry)
{
    int64_t position = 0;
    int64_t base = from < to ? check->story->batches[from].header.base_offset : 0;
    for (int i = from; i < to; i++) {
        const struct batch_header *header = &check->story->batches[i].header;
        if (position == entry->position)
            return batch_last_offset(header) - base == entry->relative_offset;
        position += header->size;
    }
    return false;
}

static bool time_entry_fits(const struct check *check, int from, int to,
                            const struct time_index_entry *entry)
{
    int64_t base = from < to ? check->story->batches[from].header.base_offset : 0;
    for (int i = from; i < to; i++) {
        const struct batch_header *header = &check->story->batches[i].header;
        if (batch_last_offset(header) - base == entry->relative_offset)
            return header->max_timestamp == entry->timestamp;
    }
    return false;
}

/* The index of a segment that holds the story's batches [from, to). */
static void check_index(const struct check *check, const struct log_index *index, int from, int to)
{
    for (uint32_t i = 0; i < index->offset_count; i++)
        HOLDS(check->story, offset_entry_fits(check, from, to, &index->offsets[i]),
              "entry %u of an index of batches %d to %d points to no batch", i, from, to);
    for (uint32_t i = 0; i < index->time_count; i++)
        HOLDS(check->story, time_entry_fits(check, from, to, &index->times[i]),
              "entry %u of a time index of batches %d to %d is of no batch", i, from, to);
}

static void check_index_files(const struct check *check, int at, int from, int to)
{
    struct log_index index;
    char stem[LOG_STEM_SIZE];
    log_index_init(&index);
    log_stem(check->log, check->log->segments[at]->base_offset, stem);
    /* They are made again when they are needed. Those of a segment that is let go of may be gone;
     * where a flush ended with it the cut may have come between the roll and what that needs. */
    int64_t end = log_segment_end(check->log, at);
    bool may_lack = end <= check->log->start_offset || end == check->flushed;
    HOLDS(check->story, log_index_load(&index, check->log->dir_fd, stem) || may_lack,
          "segment %d has its indexes", at);
    check_index(check, &index, from, to);
    log_index_fini(&index);
}

/* Byte by byte; on return check->to is behind its last batch. */
static void check_segment(struct check *check, int at)
{
    const struct log_segment *segment = check->log->segments[at];
    struct states *story = check->story;
    char *data = NULL;
    size_t size = 0;
    int from = check->to;
    int error =
        sys_file_read_whole(check->log->dir_fd, segment->handle->path, 1 << 20, &data, &size);
    HOLDS(story, error == 0 && (int64_t)size == segment->size, "segment %d has its size", at);
    for (size_t position = 0; position < size; check->to++) {
        HOLDS(story, check->to < story->batch_count, "batches stand that were not appended");
        const struct states_batch *batch = &story->batches[check->to];
        HOLDS(story,
              size - position >= (size_t)batch->header.size &&
                  memcmp(data + position, batch->bytes, (size_t)batch->header.size) == 0,
              "the batch of offset %lld is another", (long long)batch->header.base_offset);
        position += (size_t)batch->header.size;
    }
    check->hash = slice_hash(slice_of(data, size), check->hash);
    check->hash = hash_u64(check->hash + (uint64_t)segment->base_offset);
    free(data);
    if (at + 1 < check->log->segment_count)
        check_index_files(check, at, from, check->to);
    else
        check_index(check, &check->log->index, from, check->to);
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

static void check_epochs(const struct check *check)
{
    for (int i = check->from; i < check->to; i++) {
        const struct batch_header *header = &check->story->batches[i].header;
        if (header->base_offset < check->log->start_offset)
            continue; /* forgotten */
        int32_t epoch = log_epoch_of(check->log, header->base_offset);
        HOLDS(check->story, epoch == header->partition_leader_epoch,
              "offset %lld is of epoch %d instead of %d", (long long)header->base_offset, epoch,
              header->partition_leader_epoch);
    }
    int32_t last = check->to > check->from
                       ? check->story->batches[check->to - 1].header.partition_leader_epoch
                       : -1;
    HOLDS(check->story, check->to == check->from || log_latest_epoch(check->log) == last,
          "the last epoch is %d instead of %d", log_latest_epoch(check->log), last);
}

/* Its batches from the last one on are those that are remembered, at most five. */
static void check_producer(const struct check *check, int64_t id)
{
    struct states *story = check->story;
    const struct producer *producer = producers_find(&check->log->producers, id);
    int seen = 0;
    for (int i = check->to - 1; i >= check->from && seen < PRODUCER_BATCHES_MAX; i--) {
        const struct batch_header *header = &story->batches[i].header;
        if (header->producer_id != id || batch_is_control(header))
            continue;
        seen++;
        HOLDS(story, producer != NULL && producer->batch_count >= seen,
              "batch %d of producer %lld is forgotten", seen, (long long)id);
        const struct producer_batch *batch = &producer->batches[producer->batch_count - seen];
        HOLDS(story,
              batch->last_offset == batch_last_offset(header) &&
                  batch->last_sequence == batch_last_sequence(header),
              "batch %d of producer %lld is remembered as another", seen, (long long)id);
    }
    HOLDS(story,
          producer == NULL || producer->batch_count == 0 ||
              producer->batches[producer->batch_count - 1].last_offset < check->log->end_offset,
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
    HOLDS(story, check->from == check->to || log->end_offset == end, "it ends with its last batch");
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
    check_segments(&check);
    check_promise(&check);
    check_epochs(&check);
    for (int64_t id = 1; id < STATES_PRODUCERS; id++)
        check_producer(&check, id);
    states_check_transactions(story, log, check.from, check.to);
    struct states_found found = {
        .start_offset = log->start_offset, .end_offset = log->end_offset, .hash = check.hash};
    (void)log_close(log, false);
    sys_file_close(options.dir_fd);
    return found;
}
