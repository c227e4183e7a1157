/* Copying a log; see the header. What was copied is known by the serial number of its segment: one
 * that a compaction replaced meanwhile is copied again, and one that went is removed from the copy.
 * Index files of segments that are sealed and flushed go along with them: they change no more (L2);
 * all else is copied at the end. */
#include "log/copy.h"

#include "log/log_int.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Bytes of one step, and of one read. */
#define STEP_SIZE (32LL * 1024 * 1024)
#define CHUNK_SIZE (1024 * 1024)
#define PATH_SIZE 1024

struct copied {
    int64_t base_offset;
    uint64_t serial;
    int64_t size;
    bool has_indexes;
};

struct log_copy {
    struct log_dir *to;
    char folder[LOG_STEM_SIZE];
    bool is_made;
    struct copied *segments; /* in order of base offset */
    int count;
    int64_t size; /* of all */
    /* the step under way */
    struct shard_job job;
    struct log *log;
    struct log_handle *handle;
    struct copied step; /* as it will be when the step is done */
    int64_t from;
    struct log_copy_result result;
    log_copy_fn on_done;
    void *context;
};

static const char *const index_suffixes[] = {".index", ".timeindex", ".txnindex"};

struct log_copy *log_copy_new(struct log_dir *to, const char *folder)
{
    struct log_copy *copy = calloc(1, sizeof *copy);
    if (copy == NULL)
        return NULL;
    copy->to = to;
    (void)snprintf(copy->folder, sizeof copy->folder, "%s", folder);
    return copy;
}

void log_copy_free(struct log_copy *copy)
{
    if (copy == NULL)
        return;
    free(copy->segments);
    free(copy);
}

/* ---- what was copied ---- */

static struct copied *find(const struct log_copy *copy, const struct log_segment *segment)
{
    for (int i = 0; i < copy->count; i++)
        if (copy->segments[i].base_offset == segment->base_offset)
            return segment->serial != 0 && copy->segments[i].serial == segment->serial
                       ? &copy->segments[i]
                       : NULL;
    return NULL;
}

static int64_t copied_of(const struct log_copy *copy, const struct log_segment *segment)
{
    const struct copied *copied = find(copy, segment);
    return copied != NULL ? copied->size : 0;
}

int64_t log_copy_size(const struct log_copy *copy)
{
    return copy->size;
}

int64_t log_copy_lag(const struct log_copy *copy, const struct log *log)
{
    int64_t lag = 0;
    for (int i = 0; i < log->segment_count; i++)
        lag += log->segments[i]->size - copied_of(copy, log->segments[i]);
    return lag;
}

int64_t log_copy_offset(const struct log_copy *copy, const struct log *log)
{
    for (int i = 0; i < log->segment_count; i++)
        if (copied_of(copy, log->segments[i]) < log->segments[i]->size)
            return log->segments[i]->base_offset;
    return log->end_offset;
}

static bool note(struct log_copy *copy, const struct copied *now)
{
    for (int i = 0; i < copy->count; i++) {
        if (copy->segments[i].base_offset != now->base_offset)
            continue;
        copy->size += now->size - copy->segments[i].size;
        copy->segments[i] = *now;
        return true;
    }
    struct copied *grown =
        realloc(copy->segments, ((size_t)copy->count + 1) * sizeof *copy->segments);
    if (grown == NULL)
        return false;
    copy->segments = grown;
    grown[copy->count++] = *now;
    copy->size += now->size;
    return true;
}

/* ---- files ---- */

static void stem_of(const char *folder, int64_t base_offset, const char *suffix,
                    char ret_path[PATH_SIZE])
{
    (void)snprintf(ret_path, PATH_SIZE, "%s/%020lld%s", folder, (long long)base_offset, suffix);
}

static int remove_entry(void *context, const char *name, bool is_directory)
{
    role_now_on_worker();
    return is_directory ? 0 : sys_unlink(*(const int *)context, name);
}

static int make_folder(struct log_copy *copy) NOT_ON(on_shard)
{
    int error = copy->is_made ? 0 : sys_dir_make(copy->to->fd, copy->folder);
    if (error == -EEXIST) {
        AUTO(file_close) int fd = sys_dir_open(copy->to->fd, copy->folder);
        error = fd < 0 ? fd : sys_dir_list(fd, remove_entry, &fd);
    }
    copy->is_made = copy->is_made || error == 0;
    return error;
}

static struct log_copy_result fault_of(int error, bool from_source)
{
    return (struct log_copy_result){.error = error, .from_source = from_source && error < 0};
}

/* [from, end) of one file to the same place of the other. */
struct stretch {
    int source;
    int target;
    int64_t from;
    int64_t end;
};

static struct log_copy_result copy_stretch(const struct stretch *stretch) NOT_ON(on_shard)
{
    uint8_t *chunk = malloc(CHUNK_SIZE);
    struct log_copy_result result = fault_of(chunk == NULL ? -ENOMEM : 0, false);
    int64_t at = stretch->from;
    while (at < stretch->end && result.error == 0) {
        size_t wanted = (size_t)MIN_OF(stretch->end - at, (int64_t)CHUNK_SIZE);
        int64_t got = sys_file_read_at(stretch->source, chunk, wanted, at);
        if (got <= 0) {
            result = fault_of(got < 0 ? (int)got : -EIO, true);
            break;
        }
        result =
            fault_of(sys_file_write_at(stretch->target, slice_of(chunk, (size_t)got), at), false);
        at += got;
    }
    free(chunk);
    if (result.error == 0)
        result = fault_of(sys_file_sync(stretch->target), false);
    return result;
}

static struct log_copy_result copy_segment(struct log_copy *copy, int source, int64_t base_offset,
                                           const struct stretch *range) NOT_ON(on_shard)
{
    char path[PATH_SIZE];
    stem_of(copy->folder, base_offset, ".log", path);
    unsigned flags = SYS_OPEN_WRITE | SYS_OPEN_CREATE;
    AUTO(file_close)
    int target = sys_file_open(copy->to->fd, path,
                               flags | (range->from == 0 ? (unsigned)SYS_OPEN_TRUNCATE : 0U));
    if (target < 0)
        return fault_of(target, false);
    return copy_stretch(&(struct stretch){
        .source = source, .target = target, .from = range->from, .end = range->end});
}

/* A whole small file; one that is not there is none of the copy either. */
static struct log_copy_result copy_file(const struct log_copy *copy, const struct log *log,
                                        const char *name) NOT_ON(on_shard)
{
    char from[PATH_SIZE];
    char to[PATH_SIZE];
    (void)snprintf(from, sizeof from, "%s/%s", log->name, name);
    (void)snprintf(to, sizeof to, "%s/%s", copy->folder, name);
    AUTO(file_close) int source = sys_file_open(log->dir_fd, from, SYS_OPEN_READ);
    if (source == -ENOENT)
        return fault_of(0, false);
    int64_t size = source < 0 ? source : sys_file_size(source);
    if (size < 0)
        return fault_of((int)size, true);
    AUTO(file_close)
    int target =
        sys_file_open(copy->to->fd, to, SYS_OPEN_WRITE | SYS_OPEN_CREATE | SYS_OPEN_TRUNCATE);
    if (target < 0)
        return fault_of(target, false);
    return copy_stretch(&(struct stretch){.source = source, .target = target, .end = size});
}

static struct log_copy_result copy_indexes(const struct log_copy *copy, const struct log *log,
                                           int64_t base_offset) NOT_ON(on_shard)
{
    struct log_copy_result result = {0};
    for (size_t i = 0; i < COUNT_OF(index_suffixes) && result.error == 0; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%020lld%s", (long long)base_offset, index_suffixes[i]);
        result = copy_file(copy, log, name);
    }
    return result;
}

/* ---- steps ---- */

static void step_run(struct shard_job *job)
{
    role_now_on_worker();
    struct log_copy *copy = CONTAINER_OF(job, struct log_copy, job);
    struct stretch range = {.from = copy->from, .end = copy->step.size};
    if (copy->result.error == 0)
        copy->result = fault_of(make_folder(copy), false);
    if (copy->result.error == 0 && copy->handle != NULL)
        copy->result = copy_segment(copy, copy->handle->fd, copy->step.base_offset, &range);
    if (copy->result.error == 0 && copy->step.has_indexes)
        copy->result = copy_indexes(copy, copy->log, copy->step.base_offset);
}

static void step_done(struct shard *shard, struct shard_job *job)
{
    role_now_on_shard();
    (void)shard;
    struct log_copy *copy = CONTAINER_OF(job, struct log_copy, job);
    if (copy->handle != NULL) {
        log_handle_unref(copy->handle);
        if (copy->result.error == 0 && !note(copy, &copy->step))
            copy->result = fault_of(-ENOMEM, false);
    }
    copy->on_done(copy->context, &copy->result);
}

/* Sets up the copying of a part of the first segment that is not wholly copied. */
static int plan(struct log_copy *copy, const struct log *log) ON(on_shard)
{
    copy->handle = NULL;
    copy->step.has_indexes = false;
    for (int i = 0; i < log->segment_count; i++) {
        const struct log_segment *segment = log->segments[i];
        copy->from = copied_of(copy, segment);
        if (copy->from >= segment->size)
            continue;
        int error = log_handle_ref(segment->handle);
        if (error < 0)
            return error;
        copy->handle = segment->handle;
        copy->step = (struct copied){.base_offset = segment->base_offset,
                                     .serial = segment->serial,
                                     .size = MIN_OF(segment->size, copy->from + STEP_SIZE)};
        bool sealed = i + 1 < log->segment_count && log_segment_end(log, i) <= log->recovery_point;
        copy->step.has_indexes = sealed && copy->step.size == segment->size;
        return 0;
    }
    return 0;
}

void log_copy_step(struct log_copy *copy, struct log *log, log_copy_fn on_done, void *context)
{
    copy->log = log;
    copy->on_done = on_done;
    copy->context = context;
    copy->result = fault_of(plan(copy, log), true);
    copy->job = (struct shard_job){.run = step_run, .on_done = step_done};
    shard_submit(log->shard, &copy->job);
}

/* ---- the end ---- */

static struct log_copy_result finish_segment(struct log_copy *copy, const struct log *log,
                                             const struct log_segment *segment) NOT_ON(on_shard)
{
    struct stretch range = {.from = copied_of(copy, segment), .end = segment->size};
    if (find(copy, segment) != NULL && range.from >= range.end)
        return fault_of(0, false);
    char path[PATH_SIZE];
    stem_of(log->name, segment->base_offset, ".log", path);
    AUTO(file_close) int source = sys_file_open(log->dir_fd, path, SYS_OPEN_READ);
    if (source < 0)
        return fault_of(source, true);
    struct log_copy_result result = copy_segment(copy, source, segment->base_offset, &range);
    struct copied done = {
        .base_offset = segment->base_offset, .serial = segment->serial, .size = segment->size};
    if (result.error == 0 && !note(copy, &done))
        result = fault_of(-ENOMEM, false);
    return result;
}

/* Looks through a folder at the end. */
struct finishing {
    struct log_copy *copy;
    const struct log *log;
    int fd;
    struct log_copy_result result;
};

static bool ends_in(const char *name, const char *suffix)
{
    size_t size = strlen(name);
    size_t suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}

static bool has_segment(const struct log *log, int64_t base_offset)
{
    return log->segments[log_segment_at(log, base_offset)]->base_offset == base_offset;
}

/* In the copy: what the log has no more. */
static int remove_gone(void *context, const char *name, bool is_directory)
{
    role_now_on_worker();
    const struct finishing *finishing = context;
    char *end;
    int64_t base_offset = strtoll(name, &end, 10);
    bool of_segment = end != name && *end == '.' && !ends_in(name, ".snapshot");
    if (is_directory || !of_segment || has_segment(finishing->log, base_offset))
        return 0;
    return sys_unlink(finishing->fd, name);
}

/* In the log's folder: what is beside the records. */
static int copy_beside(void *context, const char *name, bool is_directory)
{
    role_now_on_worker();
    struct finishing *finishing = context;
    static const char *const left[] = {".log", ".deleted", ".cleaned", ".swap", ".tmp"};
    if (is_directory)
        return 0;
    for (size_t i = 0; i < COUNT_OF(left); i++)
        if (ends_in(name, left[i]))
            return 0;
    int64_t base_offset = strtoll(name, NULL, 10);
    for (int i = 0; i < finishing->copy->count; i++)
        if (finishing->copy->segments[i].has_indexes &&
            finishing->copy->segments[i].base_offset == base_offset && !ends_in(name, ".snapshot"))
            return 0;
    finishing->result = copy_file(finishing->copy, finishing->log, name);
    return finishing->result.error;
}

static struct log_copy_result copy_all_beside(struct log_copy *copy, const struct log *log)
    NOT_ON(on_shard)
{
    AUTO(file_close) int fd = sys_dir_open(log->dir_fd, log->name);
    struct finishing finishing = {.copy = copy, .log = log, .fd = fd};
    int error = fd < 0 ? fd : sys_dir_list(fd, copy_beside, &finishing);
    return finishing.result.error < 0 ? finishing.result : fault_of(error, true);
}

static int tidy_and_sync(struct log_copy *copy, const struct log *log) NOT_ON(on_shard)
{
    AUTO(file_close) int fd = sys_dir_open(copy->to->fd, copy->folder);
    struct finishing finishing = {.copy = copy, .log = log, .fd = fd};
    int error = fd < 0 ? fd : sys_dir_list(fd, remove_gone, &finishing);
    if (error == 0)
        error = sys_dir_sync(fd);
    return error == 0 ? sys_dir_sync(copy->to->fd) : error;
}

struct log_copy_result log_copy_finish(struct log_copy *copy, struct log *log,
                                       bool *ret_closed_clean)
{
    struct log_copy_result result = fault_of(make_folder(copy), false);
    for (int i = 0; i < log->segment_count && result.error == 0; i++)
        result = finish_segment(copy, log, log->segments[i]);
    int stored = log_is_offline(log) ? -EIO : log_store(log);
    *ret_closed_clean = stored == 0;
    if (result.error == 0)
        result = fault_of(stored, true);
    if (result.error == 0)
        result = copy_all_beside(copy, log);
    if (result.error == 0)
        result = fault_of(tidy_and_sync(copy, log), false);
    int closed = log_close(log, false);
    return result.error == 0 ? fault_of(closed, true) : result;
}
