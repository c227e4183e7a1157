/* Opening, closing and deleting a partition's folder. The order at opening: what a crash left in
 * the middle of a compaction or deletion (leftovers.c); which segments there are; each sealed one
 * checked or, above the recovery point, walked through; the last one resumed after a clean stop or
 * walked through; then what is derived from batches. Never on a shard. */
#include "log/log_int.h"
#include "log/write.h"

#include "base/always.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define METADATA_FILE "partition.metadata"

/* ---- the folder ---- */

struct folder {
    int64_t *bases;
    int count;
    int capacity;
};

static bool has_suffix(const char *name, const char *suffix)
{
    size_t size = strlen(name);
    size_t suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}

static int add_base(struct folder *folder, int64_t base)
{
    if (folder->count == folder->capacity) {
        int capacity = folder->capacity > 0 ? folder->capacity * 2 : 8;
        int64_t *bases = realloc(folder->bases, (size_t)capacity * sizeof *bases);
        if (bases == NULL)
            return -ENOMEM;
        folder->bases = bases;
        folder->capacity = capacity;
    }
    folder->bases[folder->count++] = base;
    return 0;
}

static int on_entry(void *context, const char *name, bool is_directory)
{
    struct folder *folder = context;
    char *end;
    if (is_directory)
        return 0;
    if (!has_suffix(name, ".log"))
        return 0;
    int64_t base = strtoll(name, &end, 10);
    return strcmp(end, ".log") == 0 && base >= 0 ? add_base(folder, base) : 0;
}

static int note_newest(void *context, const char *name, bool is_directory)
{
    int64_t *newest = context;
    if (!is_directory && has_suffix(name, ".log"))
        *newest = MAX_OF(*newest, strtoll(name, NULL, 10));
    return 0;
}

int64_t log_folder_written_ms(int dir_fd, const char *name)
{
    char segment[64];
    int64_t newest = -1;
    AUTO(file_close) int fd = sys_dir_open(dir_fd, name);
    if (fd < 0 || sys_dir_list(fd, note_newest, &newest) < 0 || newest < 0)
        return 0;
    (void)snprintf(segment, sizeof segment, "%020lld.log", (long long)newest);
    return MAX_OF(sys_modified_ms(fd, segment), 0);
}

static int compare_bases(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static int write_metadata(const struct log *log, int folder_fd) NOT_ON(on_shard)
{
    char text[64];
    char id[UUID_TEXT_SIZE];
    uuid_format(log->topic_id, id);
    int size = snprintf(text, sizeof text, "version: 0\ntopic_id: %s", id);
    return sys_file_replace(folder_fd, METADATA_FILE, slice_of(text, (size_t)size));
}

static const char of_another_topic[] = "the folder belongs to another topic of the same name";

/* NULL, or why the folder is another topic's. */
static const char *check_metadata(const struct log *log, int folder_fd, bool *ret_missing)
    NOT_ON(on_shard)
{
    char *data = NULL;
    size_t size = 0;
    *ret_missing = false;
    if (uuid_is_zero(log->topic_id))
        return NULL;
    int error = sys_file_read_whole(folder_fd, METADATA_FILE, 4096, &data, &size);
    *ret_missing = error == -ENOENT;
    if (error == -ENOENT)
        return NULL;
    if (error < 0)
        return "partition.metadata cannot be read";
    char id[UUID_TEXT_SIZE];
    uuid_format(log->topic_id, id);
    bool ours = strstr(data, id) != NULL;
    free(data);
    return ours ? NULL : of_another_topic;
}

/* What a topic of the same name left, whose deletion a crash cut short: kept, under a name that is
 * no partition's. */
static int set_aside(const struct log *log) NOT_ON(on_shard)
{
    char stray[LOG_STEM_SIZE];
    log_suffixed_name(log->name, log->topic_id, "stray", stray);
    int error = sys_rename(log->dir_fd, log->name, stray);
    return error == 0 ? sys_dir_sync(log->dir_fd) : error;
}

static int make_folder(const struct log *log) NOT_ON(on_shard)
{
    int error = sys_dir_make(log->dir_fd, log->name);
    return error == -EEXIST ? 0 : error;
}

static const char *make_first(struct log *log, int64_t base_offset) NOT_ON(on_shard)
{
    struct log_segment *first = log_segment_add(log, base_offset);
    int made = first == NULL ? -ENOMEM
                             : sys_file_open(log->dir_fd, first->handle->path,
                                             SYS_OPEN_WRITE | SYS_OPEN_CREATE);
    sys_file_close(made < 0 ? -1 : made);
    log->folder_changed = true;
    return made < 0 ? "the first segment cannot be made" : NULL;
}

/* The folder has no segment: it is new, or the log begins, or its files were lost. */
static const char *make_first_if_new(struct log *log, const struct log_options *options)
    NOT_ON(on_shard)
{
    bool held_some = options->recovery_point > options->log_start_offset;
    struct log_finding found = {.finding = RECOVERY_NO_SEGMENT,
                                .place = held_some ? RECOVERY_BELOW : RECOVERY_ABOVE,
                                .compacted = log->config.cleanup_compact};
    return log_decide(found)->decision == RECOVERY_FAULT
               ? "the files of its segments are missing"
               : make_first(log, options->log_start_offset);
}

/* NULL or the fault; the folder is open where there is none. missing: it says no topic. */
static const char *enter_folder(const struct log *log, int *ret_fd, bool *ret_missing)
    NOT_ON(on_shard)
{
    if (make_folder(log) < 0)
        return "the folder cannot be made";
    int fd = sys_dir_open(log->dir_fd, log->name);
    if (fd < 0)
        return "the folder cannot be opened";
    const char *fault = check_metadata(log, fd, ret_missing);
    if (fault == NULL)
        *ret_fd = fd;
    else
        sys_file_close(fd);
    return fault;
}

/* Finds the segments, adding a first one where there is none. NULL or the fault. */
static const char *find_segments(struct log *log, struct log_options *options,
                                 struct log_recovery *report) NOT_ON(on_shard)
{
    int entered = -1;
    bool missing;
    const char *fault = enter_folder(log, &entered, &missing);
    if (fault == of_another_topic && set_aside(log) == 0) {
        report->set_aside = true;
        options->log_start_offset = 0; /* what was known is of the other topic */
        options->clean = false;
        log->recovery_point = 0;
        log->cleaned_to = 0;
        fault = enter_folder(log, &entered, &missing);
    }
    AUTO(file_close) int fd = entered;
    if (fault != NULL)
        return fault;
    struct folder folder = {0};
    if (log_tidy_folder(fd) < 0)
        fault = "what an interrupted compaction or deletion left cannot be tidied up";
    else if (sys_dir_list(fd, on_entry, &folder) < 0)
        fault = "the folder cannot be listed";
    if (folder.count > 1)
        qsort(folder.bases, (size_t)folder.count, sizeof *folder.bases, compare_bases);
    for (int i = 0; i < folder.count && fault == NULL; i++)
        if (log_segment_add(log, folder.bases[i]) == NULL)
            fault = "memory is out";
    bool fresh = folder.count == 0;
    free(folder.bases);
    bool stale = missing && options->offsets_by_name &&
                 (options->recovery_point > 0 || options->log_start_offset > 0);
    if (fresh && missing && options->offsets_by_name) { /* they were a deleted topic's */
        options->recovery_point = 0;
        options->log_start_offset = 0;
        log->recovery_point = 0;
        log->cleaned_to = 0;
    }
    if (fault == NULL && fresh)
        fault = make_first_if_new(log, options);
    /* Were the topic's name there and the segment's not, the old offsets would be taken for its. */
    if (fault == NULL && fresh && stale && sys_dir_sync(fd) < 0)
        fault = "the folder cannot be synced";
    /* The name of the first segment must last before another can: this syncs the folder. */
    if (fault == NULL && missing && write_metadata(log, fd) < 0)
        fault = "partition.metadata cannot be written";
    if (fault == NULL && fresh && !missing && sys_dir_sync(fd) < 0)
        fault = "the folder cannot be synced";
    return fault;
}

/* ---- opening ---- */

static struct log *log_new(const struct log_options *options)
{
    struct log *log = calloc(1, sizeof *log);
    char *name = strdup(options->name);
    if (log == NULL || name == NULL) {
        free(log);
        free(name);
        return NULL;
    }
    log->name = name;
    log->dir_fd = options->dir_fd;
    log->dir = options->dir;
    log->topic_id = options->topic_id;
    log->config = options->config;
    /* After a clean stop everything was flushed: nothing may be cut. */
    log->recovery_point = options->clean ? INT64_MAX : options->recovery_point;
    log->start_offset = options->log_start_offset;
    log->recovered_from = INT64_MAX;
    log->cleaned_to = options->cleaned_to;
    log->stored_end = -1;
    list_init(&log->appends);
    log->inline_max = LOG_WRITE_INLINE_MAX;
    list_init(&log->flushes);
    list_init(&log->flush_turn);
    list_init(&log->sealed);
    list_init(&log->discards);
    shard_chore_init(&log->write, log_write_chore);
    log_index_init(&log->index);
    log_epochs_init(&log->epochs);
    producers_init(&log->producers, options->producer_expiration_ms);
    txns_init(&log->txns);
    log->expire_interval_ms = options->producer_check_interval_ms;
    return log;
}

static void log_free(struct log *log)
{
    struct list *node;
    while ((node = list_take_first(&log->sealed)) != NULL)
        log_sealed_free(CONTAINER_OF(node, struct log_sealed, link));
    for (int i = 0; i < log->segment_count; i++)
        log_segment_free(log->segments[i]);
    free(log->segments);
    log_index_fini(&log->index);
    log_epochs_fini(&log->epochs);
    producers_fini(&log->producers);
    txns_fini(&log->txns);
    free(log->recent);
    free(log->name);
    free(log);
}

static enum recovery_finding kind_of_gap(const struct log *log, int64_t next)
{
    if (log->has_gaps || next <= log->cleaned_to)
        return RECOVERY_CLEANED_GAP;
    bool untold = log->recovery_point == 0 && log->config.cleanup_compact;
    return untold ? RECOVERY_UNTOLD_GAP : RECOVERY_GAP;
}

/* A segment above the recovery point that was walked through ends where the next one begins. When
 * it does not, the power failed: its tail was lost, and what stands behind the hole goes; or a
 * segment that was removed came back. Compaction leaves such gaps too. */
static enum err check_next(struct log *log, int at, struct log_recovery *report) NOT_ON(on_shard)
{
    int64_t next = log->segments[at + 1]->base_offset;
    if (next == log->end_offset || next <= log->start_offset)
        return ERR_NONE;
    enum recovery_finding finding =
        next > log->end_offset ? kind_of_gap(log, next) : RECOVERY_OVERLAP;
    const struct recovery_row *row = log_judge(log, finding, log->end_offset);
    if (row->decision == RECOVERY_ACCEPT)
        return ERR_NONE;
    if (row->decision == RECOVERY_CONTAIN) {
        log_contain(report, &(struct log_damage){.what = log_finding_text(finding),
                                                 .segment = log->segments[at]->base_offset,
                                                 .position = log->segments[at]->size,
                                                 .offset = log->end_offset});
        return ERR_NONE;
    }
    report->fault = log_finding_text(finding);
    report->fault_offset = log->end_offset;
    return row->decision == RECOVERY_CUT ? log_drop_behind(log, at, report)
                                         : ERR_KAFKA_STORAGE_ERROR;
}

/* Below a recovery point that no batch reaches, something was lost. */
static void check_end(struct log *log, int64_t flushed_end, struct log_recovery *report)
{
    if (log->end_offset >= flushed_end ||
        log_judge(log, RECOVERY_SHORT, flushed_end - 1)->decision != RECOVERY_CONTAIN)
        return;
    log_contain(report, &(struct log_damage){.what = log_finding_text(RECOVERY_SHORT),
                                             .segment = log_active(log)->base_offset,
                                             .position = log_active(log)->size,
                                             .offset = log->end_offset});
}

/* What is below the log's start was flushed before it became that (L9), and may have been on its
 * way out when the node died: segments between may be gone. Nobody reads them, and they go soon. */
static bool is_flushed(const struct log *log, int at, const struct log_options *options)
{
    int64_t end = log->segments[at + 1]->base_offset;
    return options->clean || end <= log->recovery_point || end <= options->log_start_offset;
}

/* Walks it through. Where that is only for its index, the epochs of this part of the log are no
 * help. */
static enum err recover_sealed(struct log *log, int at, bool flushed, struct log_recovery *report)
    NOT_ON(on_shard)
{
    if (!flushed)
        log->recovered_from = MIN_OF(log->recovered_from, log->segments[at]->base_offset);
    enum err err = log_recover_segment(log, at, report);
    if (err == ERR_NONE && at + 1 < log->segment_count)
        err = check_next(log, at, report);
    if (err == ERR_NONE && at + 1 < log->segment_count)
        err = log_seal_recovered(log, at, report);
    if (flushed)
        log_epochs_fini(&log->epochs);
    return err;
}

/* Where the last flush ended with the segment it may have been active still: a crash soon after the
 * roll leaves index files of which a part is missing, and no snapshot, which comes after them. */
static bool has_upkeep(const struct log *log, int at, const struct log_options *options)
    NOT_ON(on_shard)
{
    char path[LOG_STEM_SIZE + 16];
    int64_t end = log->segments[at + 1]->base_offset;
    if (options->clean || end != log->recovery_point || end <= options->log_start_offset)
        return true;
    (void)snprintf(path, sizeof path, "%s/%020lld.snapshot", log->name, (long long)end);
    return sys_exists(log->dir_fd, path) == 1;
}

/* Sealed segments end where the next begins, so those up to the recovery point need no walk. */
static enum err load_segments(struct log *log, const struct log_options *options,
                              struct log_recovery *report) NOT_ON(on_shard)
{
    enum err err = ERR_NONE;
    for (int i = 0; i + 1 < log->segment_count && err == ERR_NONE; i++) {
        bool flushed = is_flushed(log, i, options);
        bool loaded = flushed && has_upkeep(log, i, options) && log_load_sealed(log, i);
        if (!loaded)
            err = recover_sealed(log, i, flushed, report);
    }
    if (err != ERR_NONE)
        return err;
    int last = log->segment_count - 1;
    log_index_fini(&log->index);
    if (options->clean && log_resume_segment(log, last))
        return ERR_NONE;
    log->recovered_from = MIN_OF(log->recovered_from, log->segments[last]->base_offset);
    return log_recover_segment(log, last, report);
}

static int sync_segment(struct log *log, const struct log_segment *segment) NOT_ON(on_shard)
{
    AUTO(file_close) int fd = sys_file_open(log->dir_fd, segment->handle->path, SYS_OPEN_WRITE);
    return fd < 0 ? fd : sys_file_sync(fd);
}

static int sync_unflushed(struct log *log) NOT_ON(on_shard)
{
    int error = 0;
    for (int i = log_segment_at(log, log->recovery_point); i < log->segment_count && error == 0;
         i++)
        error = sync_segment(log, log->segments[i]);
    return error;
}

/* What recovery found above the recovery point may be in memory only. Where acknowledging means
 * having synced it must not be served so: a record that is sent again is found to be there. The
 * leader epochs come along: batches below the recovery point are not asked for theirs again. */
static enum err settle_recovered(struct log *log, struct log_recovery *report) NOT_ON(on_shard)
{
    log->recovery_point = MIN_OF(log->recovery_point, log->end_offset);
    log->folder_changed = true;
    if (log->config.flush_messages == INT64_MAX)
        return ERR_NONE;
    int error = sync_unflushed(log);
    bool passes = false; /* not an error of a sync: the kernel may have dropped what it was of */
    if (error == 0) {
        error = log_epochs_store(log);
        passes = log_error_passes(error);
    }
    if (error == 0)
        error = log_folder_sync(log);
    if (error < 0) {
        report->fault = "what was recovered cannot be synced";
        if (!passes)
            log_go_offline(log, report->fault, error);
        return ERR_KAFKA_STORAGE_ERROR;
    }
    log->recovery_point = log->end_offset;
    log->folder_changed = false;
    return ERR_NONE;
}

/* The start as it was stored, within what there is. A crash may have kept a file of before it. */
static void set_start(struct log *log, int64_t stored)
{
    log->start_offset = MAX_OF(stored, log->segments[0]->base_offset);
    log->start_offset = MIN_OF(log->start_offset, log->end_offset);
    log->recovery_point = MAX_OF(log->recovery_point, log->start_offset);
    log_forget_below_start(log);
}

/* Their age, where no timestamp tells it. */
static void note_written(struct log *log) NOT_ON(on_shard)
{
    for (int i = 0; i < log->segment_count; i++) {
        struct log_segment *segment = log->segments[i];
        if (segment->max_timestamp < 0)
            segment->written_ms = MAX_OF(sys_modified_ms(log->dir_fd, segment->handle->path), 0);
    }
}

enum err log_open(const struct log_options *given, struct log **ret_log,
                  struct log_recovery *ret_recovery)
{
    struct log_options copy = *given;
    struct log_options *options = &copy;
    struct log_recovery report = {0};
    struct log *log = log_new(options);
    enum err err = ERR_KAFKA_STORAGE_ERROR;
    if (log == NULL)
        report.fault = "memory is out";
    else
        report.fault = find_segments(log, options, &report);
    if (report.fault == NULL)
        err = load_segments(log, options, &report);
    if (err == ERR_NONE)
        check_end(log, options->recovery_point, &report);
    if (err == ERR_NONE)
        err = log_restore(log, options, &report);
    if (err == ERR_NONE && !options->clean)
        err = settle_recovered(log, &report);
    if (err == ERR_NONE) {
        if (options->clean)
            log->recovery_point = log->end_offset;
        set_start(log, options->log_start_offset);
        note_written(log);
        if (options->clean && log->recovered_from == INT64_MAX)
            log->stored_end = log->end_offset;
        log_segment_begin(log, log_active(log), options->wall_ms,
                          hash_u64((uint64_t)options->wall_ms));
        for (int i = 0; i < log->segment_count; i++)
            log->size += log->segments[i]->size;
        for (int i = log_segment_at(log, log->recovery_point);
             i < log->segment_count && log->recovery_point < log->end_offset; i++)
            log->unflushed += log->segments[i]->size;
        report.segments = log->segment_count;
        *ret_log = log;
    } else if (log != NULL) {
        log_free(log);
    }
    *ret_recovery = report;
    return err;
}

/* ---- closing ---- */

int log_file_replace(const struct log *log, const char *path, struct slice bytes)
{
    return log->leaves_sync ? sys_file_replace_unsynced(log->dir_fd, path, bytes)
                            : sys_file_replace(log->dir_fd, path, bytes);
}

int log_epochs_store(struct log *log)
{
    if (!log->epochs.changed)
        return 0;
    char path[LOG_STEM_SIZE];
    (void)snprintf(path, sizeof path, "%s/leader-epoch-checkpoint", log->name);
    struct text text;
    text_init(&text, 64U * 1024 * 1024);
    log_epochs_write(&log->epochs, &text);
    int error = text.failed ? -ENOMEM : log_file_replace(log, path, text_slice(&text));
    text_fini(&text);
    if (error == 0)
        log->epochs.changed = false;
    return error;
}

/* One that is there may be all that tells of producers whose batches are gone: no crash may take
 * it. A new one that a crash garbles is passed over. */
static int store_snapshot(const struct log *log, const char *path, struct slice bytes)
    NOT_ON(on_shard)
{
    int there = sys_exists(log->dir_fd, path);
    if (there < 0)
        return there;
    return there == 1 ? sys_file_replace(log->dir_fd, path, bytes)
                      : log_file_replace(log, path, bytes);
}

int log_snapshot_write(struct log *log, int64_t offset)
{
    char path[LOG_STEM_SIZE + 16];
    (void)snprintf(path, sizeof path, "%s/%020lld.snapshot", log->name, (long long)offset);
    size_t size = 0;
    uint8_t *bytes = producers_write(&log->producers, &size);
    int error = bytes == NULL ? -ENOMEM : store_snapshot(log, path, slice_of(bytes, size));
    free(bytes);
    return error;
}

static int store_index(const struct log *log, struct log_index *index, const char *stem)
    NOT_ON(on_shard)
{
    return log->leaves_sync ? log_index_store(index, log->dir_fd, stem)
                            : log_index_write(index, log->dir_fd, stem);
}

/* Records, and the names of files. */
static int sync_records(struct log *log) NOT_ON(on_shard)
{
    int error = 0;
    if (log->leaves_sync)
        return 0;
    if (log->recovery_point < log->end_offset || log->was_cut)
        error = sync_unflushed(log);
    return error == 0 && log->folder_changed ? log_folder_sync(log) : error;
}

/* Nothing was appended since a clean stop, nor did anything else change. */
static bool is_stored(const struct log *log)
{
    return log->stored_end == log->end_offset && log->recovery_point == log->end_offset &&
           list_is_empty(&log->sealed) && !log->was_cut && !log->folder_changed &&
           !log->epochs.changed && !log->aborted_changed;
}

int log_store(struct log *log)
{
    if (is_stored(log))
        return 0;
    struct log_segment *active = log_active(log);
    char stem[LOG_STEM_SIZE];
    int error = 0;
    LIST_EACH (&log->sealed, node) {
        struct log_sealed *sealed = CONTAINER_OF(node, struct log_sealed, link);
        log_stem(log, sealed->base_offset, stem);
        if (error == 0)
            error = store_index(log, &sealed->index, stem);
        if (error == 0)
            error = log_txn_index_write(log, log_segment_at(log, sealed->base_offset));
    }
    struct time_index_entry last = {
        .timestamp = active->max_timestamp,
        .relative_offset = (int32_t)(active->max_timestamp_offset - active->base_offset)};
    if (error == 0 && active->max_timestamp != BATCH_NO_TIMESTAMP &&
        !log_index_add_time(&log->index, last))
        error = -ENOMEM;
    log_stem(log, active->base_offset, stem);
    /* Without an offset entry the next start walks from the beginning, whatever the files hold. */
    bool tells = log->index.offset_count > 0 || log->index.offset_written > 0;
    if (error == 0)
        error = tells ? store_index(log, &log->index, stem)
                      : log_index_store(&log->index, log->dir_fd, stem);
    if (error == 0)
        error = log_txn_index_write(log, log->segment_count - 1);
    if (error == 0)
        error = sync_records(log);
    bool ever_appended = log->end_offset > log->segments[0]->base_offset;
    if (error == 0 && ever_appended)
        error = log_snapshot_write(log, log->end_offset);
    if (error == 0)
        error = log_epochs_store(log);
    return error;
}

int log_close(struct log *log, bool clean)
{
    ALWAYS(log->shard == NULL, "%s still belongs to a shard", log->name);
    int error = log_is_offline(log) ? -EIO : 0;
    if (clean && error == 0)
        error = log_store(log);
    log_free(log);
    return error;
}

int log_close_unsynced(struct log *log)
{
    log->leaves_sync = true;
    return log_close(log, true);
}

/* ---- deleting ---- */

static int unlink_entry(void *context, const char *name, bool is_directory)
{
    return is_directory ? 0 : sys_unlink(*(const int *)context, name);
}

int log_delete(struct log *log, struct uuid random, char ret_name[LOG_FOLDER_NAME_SIZE])
{
    log_suffixed_name(log->name, random, "delete", ret_name);
    int error = sys_rename(log->dir_fd, log->name, ret_name);
    if (error == 0)
        error = sys_dir_sync(log->dir_fd);
    log_free(log);
    return error;
}

int log_remove_folder(int dir_fd, const char *name)
{
    int fd = sys_dir_open(dir_fd, name);
    if (fd < 0)
        return fd;
    int error = sys_dir_list(fd, unlink_entry, &fd);
    sys_file_close(fd);
    return error < 0 ? error : sys_dir_remove(dir_fd, name);
}
