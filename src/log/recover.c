/* What a segment needs when its log is opened. Of what is below the recovery point headers are
 * enough, where each leads to the next: it was synced, and is looked at before it is served
 * (check.h). The rest, or all where they do not, is read in large blocks with every batch's
 * checksum verified, since bytes above the recovery point may be anything after a power loss: a
 * hole of zeroes with valid batches behind it is one of its images, and everything from the hole on
 * goes. What is done with what is found says tbl/recovery.h. On a worker. */
#include "log/decide.h"
#include "log/log_int.h"

#include "base/always.h"
#include "log/scan.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define RECOVER_BLOCK_SIZE (1024 * 1024)

struct recovery {
    struct log *log;
    struct log_segment *segment;
    struct log_recovery *report;
    int fd;
    int64_t file_size;
    int64_t next_offset;  /* no batch may start below it */
    int64_t doubtful_end; /* of a damaged batch that is the last so far; 0: it is not damaged */
    const struct recovery_row *row; /* why the walk ended before the end of the file, or NULL */
    const char *stopped;            /* the same in words */
    bool damaged;                   /* something was passed */
    bool old_format;                /* at a whole message of format v0 or v1 */
    uint8_t *block;
    size_t capacity;
};

static int open_segment(const struct log *log, const struct log_segment *segment)
{
    return sys_file_open(log->dir_fd, segment->handle->path, SYS_OPEN_WRITE);
}

enum recovery_place log_place_of(const struct log *log, int64_t offset)
{
    if (log->recovery_point == INT64_MAX)
        return RECOVERY_CLEAN;
    return offset < log->recovery_point ? RECOVERY_BELOW : RECOVERY_ABOVE;
}

const struct recovery_row *log_judge(const struct log *log, enum recovery_finding finding,
                                     int64_t offset)
{
    return log_decide((struct log_finding){.finding = finding,
                                           .place = log_place_of(log, offset),
                                           .compacted = log->config.cleanup_compact});
}

void log_contain(struct log_recovery *report, const struct log_damage *damage)
{
    if (report->damage_count++ == 0)
        report->damage = *damage;
}

#define FINE RECOVERY_FINDING_COUNT

static bool offsets_fit(const struct recovery *r, const struct batch_header *header)
{
    return header->base_offset >= r->next_offset && header->last_offset_delta >= 0 &&
           batch_last_offset(header) - r->segment->base_offset <= INT32_MAX;
}

static enum recovery_finding look_at_batch(const struct recovery *r, const struct batch_view *view)
{
    const struct batch_header *header = &view->header;
    if (!batch_crc_ok(view->bytes))
        return RECOVERY_CHECKSUM;
    /* The offset is not under the checksum: a flipped bit in it looks like a gap. */
    if (!offsets_fit(r, header))
        return RECOVERY_OFFSET;
    bool falls = header->partition_leader_epoch >= 0 &&
                 header->partition_leader_epoch < log_epochs_latest(&r->log->epochs);
    return falls ? RECOVERY_EPOCH_FALLS : FINE;
}

/* Whether the walk goes on behind what was found at the position. */
static bool goes_on(struct recovery *r, enum recovery_finding finding, int64_t position)
{
    const struct recovery_row *row = log_judge(r->log, finding, r->next_offset);
    if (row->decision == RECOVERY_CONTAIN)
        log_contain(r->report, &(struct log_damage){.what = log_finding_text(finding),
                                                    .segment = r->segment->base_offset,
                                                    .position = position,
                                                    .offset = r->next_offset});
    if (row->decision == RECOVERY_CONTAIN || row->decision == RECOVERY_ACCEPT)
        return true;
    r->row = row;
    r->stopped = log_finding_text(finding);
    return false;
}

/* Nothing that a damaged batch says is taken into account, but that, where it is the last one,
 * offsets up to its end were given out. */
static void pass_damaged(struct recovery *r, const struct batch_header *header)
{
    int64_t end = batch_last_offset(header);
    r->damaged = true;
    if (offsets_fit(r, header) && end < r->log->recovery_point)
        r->doubtful_end = end + 1;
}

/* false: memory is out. */
static bool take_batch(struct recovery *r, const struct batch_header *header, int64_t position)
{
    struct log_epoch epoch = {.epoch = header->partition_leader_epoch,
                              .start_offset = header->base_offset};
    bool falls = epoch.epoch < log_epochs_latest(&r->log->epochs);
    /* What is appended has none; behind damage they are its. */
    bool gap =
        header->base_offset > r->next_offset || header->record_count <= header->last_offset_delta;
    r->log->has_gaps = r->log->has_gaps || (gap && !r->damaged);
    r->next_offset = batch_last_offset(header) + 1;
    r->doubtful_end = 0;
    return log_note_indexes(r->log, header, position) &&
           (falls || log_epochs_assign(&r->log->epochs, epoch));
}

/* Takes the batches of one block. Returns the bytes taken, -ENOMEM. */
static int64_t take_block(struct recovery *r, struct slice block, enum batch_outcome *ret_stopped)
{
    struct batch_iterator batches = batch_iterate(block);
    struct batch_view view;
    int64_t position = r->segment->size;
    while (batch_next(&batches, &view)) {
        enum recovery_finding finding = look_at_batch(r, &view);
        if (finding != FINE && !goes_on(r, finding, position))
            break;
        if (finding == RECOVERY_CHECKSUM || finding == RECOVERY_OFFSET)
            pass_damaged(r, &view.header);
        else if (!take_batch(r, &view.header, position))
            return -ENOMEM;
        position += view.header.size;
    }
    *ret_stopped = batches.stopped;
    int64_t taken = position - r->segment->size;
    r->segment->size = position;
    return taken;
}

static bool grow_block(struct recovery *r, size_t size)
{
    if (size <= r->capacity)
        return true;
    uint8_t *block = realloc(r->block, size);
    if (block == NULL)
        return false;
    r->block = block;
    r->capacity = size;
    return true;
}

/* The whole size of the batch that begins the block but is not all there; 0 when it cannot be. */
static int64_t incomplete_size(const struct recovery *r, struct slice block)
{
    struct batch_header header;
    if (batch_parse_header(block, &header) != BATCH_OK)
        return 0;
    return header.size <= r->file_size - r->segment->size ? header.size : 0;
}

/* What began the block is a message of an old format, or looks like one: a header whose second half
 * was lost and reads as zeroes does. Only the checksum tells. 0 when that is decided, otherwise the
 * bytes that are needed. */
static size_t judge_old(struct recovery *r, struct slice block)
{
    size_t whole = batch_old_size(block);
    if ((int64_t)whole > r->file_size - r->segment->size)
        return 0;
    if (whole > block.size)
        return whole;
    r->old_format = batch_old_crc_ok(slice_first(block, whole));
    return 0;
}

/* Where no batch begins the walk ends, whatever stands there. */
static void stop_at(struct recovery *r, enum batch_outcome outcome)
{
    enum recovery_finding finding = r->old_format                 ? RECOVERY_OLD_FORMAT
                                    : outcome == BATCH_INCOMPLETE ? RECOVERY_TORN
                                                                  : RECOVERY_HOLE;
    bool passed = goes_on(r, finding, r->segment->size);
    ALWAYS(!passed, "nothing says how long what is no batch is");
    r->stopped = batch_outcome_text(outcome);
}

/* Walks the file; on return segment->size is the end of what is good. 0 or -errno. */
static int walk(struct recovery *r) NOT_ON(on_shard)
{
    size_t want = RECOVER_BLOCK_SIZE;
    while (r->segment->size < r->file_size && r->row == NULL) {
        if (!grow_block(r, want))
            return -ENOMEM;
        int64_t got = sys_file_read_at(r->fd, r->block, want, r->segment->size);
        if (got <= 0)
            return got < 0 ? (int)got : -EIO;
        enum batch_outcome outcome = BATCH_OK;
        struct slice block = slice_of(r->block, (size_t)got);
        int64_t taken = take_block(r, block, &outcome);
        if (taken < 0)
            return (int)taken;
        want = RECOVER_BLOCK_SIZE;
        if (taken > 0 || r->row != NULL)
            continue;
        int64_t size = outcome == BATCH_INCOMPLETE  ? incomplete_size(r, block)
                       : outcome == BATCH_OLD_MAGIC ? (int64_t)judge_old(r, block)
                                                    : 0;
        if (size <= got)
            stop_at(r, outcome);
        else
            want = (size_t)size;
    }
    return 0;
}

/* ---- what was flushed ---- */

static void begin_walk(struct recovery *r)
{
    struct log_segment *segment = r->segment;
    r->next_offset = segment->base_offset;
    r->log->has_gaps = false;
    segment->size = 0;
    segment->max_timestamp = BATCH_NO_TIMESTAMP;
    segment->first_timestamp = BATCH_NO_TIMESTAMP;
    segment->max_timestamp_offset = segment->base_offset;
    log_index_fini(&r->log->index);
}

/* false: not every header leads to the next, up to the recovery point or the end of the file. */
static bool take_headers(struct recovery *r, struct log_scan *scan, int *ret_error) NOT_ON(on_shard)
{
    struct batch_header header;
    int64_t position;
    while (log_scan_next(scan, &header, &position)) {
        if (!offsets_fit(r, &header))
            return r->next_offset >= r->log->recovery_point;
        if (batch_last_offset(&header) >= r->log->recovery_point)
            return true;
        if (!take_batch(r, &header, position)) {
            *ret_error = -ENOMEM;
            return true;
        }
        r->segment->size = scan->position;
    }
    return scan->error == 0 || r->next_offset >= r->log->recovery_point;
}

/* By headers alone, as far as the recovery point; nothing, where they do not fit: then each batch
 * is judged. 0 or -errno. */
static int walk_flushed(struct recovery *r) NOT_ON(on_shard)
{
    if (r->segment->base_offset >= r->log->recovery_point)
        return 0;
    struct log_scan *scan = malloc(sizeof *scan);
    if (scan == NULL)
        return -ENOMEM;
    int error = 0;
    log_scan_start(scan, r->fd, 0, r->file_size);
    scan->may_wait = true;
    if (!take_headers(r, scan, &error)) {
        log_epochs_cut(&r->log->epochs, r->segment->base_offset);
        begin_walk(r);
    }
    free(scan);
    return error;
}

static int64_t segment_file_size(const struct log *log, const struct log_segment *segment)
    NOT_ON(on_shard)
{
    AUTO(file_close) int fd = open_segment(log, segment);
    int64_t size = fd < 0 ? 0 : sys_file_size(fd);
    return MAX_OF(size, (int64_t)0);
}

/* 0 or -errno. */
static int remove_segment(struct log *log, const struct log_segment *segment)
{
    static const char *const suffixes[] = {".log", ".index", ".timeindex", ".txnindex"};
    char stem[LOG_STEM_SIZE];
    log_stem(log, segment->base_offset, stem);
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        char path[LOG_STEM_SIZE + 16];
        (void)snprintf(path, sizeof path, "%s%s", stem, suffixes[i]);
        int error = sys_unlink(log->dir_fd, path);
        if (error < 0 && error != -ENOENT)
            return error;
    }
    return 0;
}

/* Segments behind the one that was cut hold nothing that can be kept; they do not come back. */
enum err log_drop_behind(struct log *log, int at, struct log_recovery *report)
{
    int error = 0;
    if (log->segment_count == at + 1)
        return ERR_NONE;
    while (log->segment_count > at + 1 && error == 0) {
        struct log_segment *segment = log_active(log);
        report->cut_bytes += segment_file_size(log, segment);
        error = remove_segment(log, segment);
        log->segment_count--;
        log_segment_free(segment);
    }
    bool passes = log_error_passes(error);
    if (error == 0)
        error = log_folder_sync(log);
    if (error == 0)
        return ERR_NONE;
    report->fault = "a segment behind the torn one could not be removed";
    if (!passes)
        log_go_offline(log, report->fault, error);
    return ERR_KAFKA_STORAGE_ERROR;
}

/* What lies behind the good end goes, when it may, and does not come back: a later clean stop would
 * vouch for the file as it is. The segments behind go first: until they are gone the torn batch
 * tells that they must. */
static enum err cut_tail(struct recovery *r, int at) NOT_ON(on_shard)
{
    int64_t tail = r->file_size - r->segment->size;
    if (tail == 0)
        return ERR_NONE;
    r->report->fault = r->stopped;
    r->report->fault_offset = r->next_offset;
    if (r->row->decision != RECOVERY_CUT || log_drop_behind(r->log, at, r->report) != ERR_NONE)
        return ERR_KAFKA_STORAGE_ERROR;
    int error = sys_file_truncate(r->fd, r->segment->size);
    if (error == 0)
        error = sys_file_sync(r->fd);
    if (error < 0) {
        r->report->fault = "a torn tail could not be cut off";
        log_go_offline(r->log, r->report->fault, error);
        return ERR_KAFKA_STORAGE_ERROR;
    }
    r->report->cut_bytes += tail;
    return ERR_NONE;
}

static enum err fail(struct log_recovery *report, const char *fault)
{
    report->fault = fault;
    return ERR_KAFKA_STORAGE_ERROR;
}

enum err log_recover_segment(struct log *log, int at, struct log_recovery *report)
{
    struct log_segment *segment = log->segments[at];
    AUTO(file_close) int fd = open_segment(log, segment);
    struct recovery r = {.log = log, .segment = segment, .report = report, .fd = fd};
    r.file_size = fd < 0 ? fd : sys_file_size(fd);
    if (r.file_size < 0)
        return fail(report, "a segment cannot be opened");
    begin_walk(&r);
    report->rebuilt_indexes++;
    /* log_note_indexes counts for the active segment: the later ones are looked at afterwards. */
    int later = log->segment_count - at - 1;
    log->segment_count = at + 1;
    int error = walk_flushed(&r);
    segment->unchecked_end = segment->size;
    report->scanned_bytes += r.file_size - segment->size;
    if (error == 0)
        error = walk(&r);
    log->segment_count += later;
    free(r.block);
    if (error < 0)
        return fail(report, "a segment cannot be read");
    r.next_offset = MAX_OF(r.next_offset, r.doubtful_end);
    log->end_offset = r.next_offset;
    return cut_tail(&r, at);
}

enum err log_seal_recovered(struct log *log, int at, struct log_recovery *report)
{
    const struct log_segment *segment = log->segments[at];
    char stem[LOG_STEM_SIZE];
    log_stem(log, segment->base_offset, stem);
    struct time_index_entry last = {
        .timestamp = segment->max_timestamp,
        .relative_offset = (int32_t)(segment->max_timestamp_offset - segment->base_offset)};
    if (segment->max_timestamp != BATCH_NO_TIMESTAMP && !log_index_add_time(&log->index, last))
        return fail(report, "memory is out");
    if (log_index_write(&log->index, log->dir_fd, stem) < 0)
        return fail(report, "an index cannot be written");
    return ERR_NONE;
}

/* ---- segments that need no walk ---- */

static bool walk_headers(struct log *log, int fd, struct log_segment *segment)
{
    struct log_scan *scan = malloc(sizeof *scan);
    if (scan == NULL)
        return false;
    uint32_t last = log->index.offset_count;
    int64_t from = last > 0 ? log->index.offsets[last - 1].position : 0;
    log_scan_start(scan, fd, from, segment->size);
    scan->may_wait = true;
    struct batch_header header;
    int64_t position;
    while (log_scan_next(scan, &header, &position)) {
        log->end_offset = batch_last_offset(&header) + 1;
        if (position != from && !log_note_indexes(log, &header, position))
            scan->error = -ENOMEM;
        if (header.max_timestamp > segment->max_timestamp) {
            segment->max_timestamp = header.max_timestamp;
            segment->max_timestamp_offset = log->end_offset - 1;
        }
    }
    bool fine = scan->error == 0;
    free(scan);
    return fine;
}

static void take_max_timestamp(const struct log *log, struct log_segment *segment)
{
    if (log->index.time_count == 0)
        return;
    const struct time_index_entry *last = &log->index.times[log->index.time_count - 1];
    segment->max_timestamp = last->timestamp;
    segment->max_timestamp_offset = segment->base_offset + last->relative_offset;
}

static int64_t first_timestamp(int fd, int64_t size) NOT_ON(on_shard)
{
    uint8_t bytes[BATCH_HEADER_SIZE];
    struct batch_header header;
    if (size < BATCH_HEADER_SIZE ||
        sys_file_read_at(fd, bytes, sizeof bytes, 0) != BATCH_HEADER_SIZE ||
        batch_parse_header(slice_of(bytes, sizeof bytes), &header) != BATCH_OK)
        return BATCH_NO_TIMESTAMP;
    return header.max_timestamp;
}

bool log_resume_segment(struct log *log, int at)
{
    struct log_segment *segment = log->segments[at];
    char stem[LOG_STEM_SIZE];
    log_stem(log, segment->base_offset, stem);
    AUTO(file_close) int fd = open_segment(log, segment);
    segment->size = fd < 0 ? fd : sys_file_size(fd);
    segment->unchecked_end = segment->size;
    if (segment->size < 0 || !log_index_load(&log->index, log->dir_fd, stem))
        return false;
    uint32_t entries = log->index.offset_count;
    if (entries > 0 && log->index.offsets[entries - 1].position >= segment->size)
        return false;
    take_max_timestamp(log, segment);
    segment->first_timestamp = first_timestamp(fd, segment->size);
    log->end_offset = segment->base_offset;
    return walk_headers(log, fd, segment);
}

bool log_load_sealed(struct log *log, int at)
{
    struct log_segment *segment = log->segments[at];
    char stem[LOG_STEM_SIZE];
    log_stem(log, segment->base_offset, stem);
    AUTO(file_close) int fd = open_segment(log, segment);
    segment->size = fd < 0 ? fd : sys_file_size(fd);
    segment->unchecked_end = segment->size;
    int64_t offsets = log_segment_end(log, at) - segment->base_offset;
    struct time_index_entry last;
    if (segment->size <= 0 || !log_index_last_time(log->dir_fd, stem, &last) ||
        last.relative_offset >= offsets)
        return false;
    segment->max_timestamp = last.timestamp;
    segment->max_timestamp_offset = segment->base_offset + last.relative_offset;
    segment->first_timestamp = first_timestamp(fd, segment->size);
    return true;
}
