/* ottla log index: offset, time and transaction index as a node would have written them, byte for
 * byte. Each file is replaced durably and only where it would be other. Nothing is written where a
 * segment is not whole, or where a node has the directory. One thread. */
#include "cmd/reindex_int.h"

#include "base/always.h"
#include "base/bytes.h"
#include "log/index.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define INDEX_SIZE_MAX ((size_t)1 << 31)
#define PATH_SIZE 4096
#define INTERVAL_DEFAULT 4096

const struct command_flag reindex_flag_check = {'n', "check", NULL,
                                                "only say which files would be other"};
const struct command_flag reindex_flag_interval = {0, "interval", "BYTES",
                                                   "index.interval.bytes of the topic (4096)"};

struct reindex {
    const struct command_call *call;
    struct console *console;
    bool only_check;
    int64_t interval;
    int64_t segments;
    int64_t changed; /* files that are, or would be, other */
    bool failed;
    bool is_wrong; /* an argument is */
};

/* One segment's files in the making. */
struct rebuilt {
    struct log_index index;
    struct text offsets;
    struct text times;
    struct text txns;
    int64_t base;
    int64_t max_timestamp;
    int64_t max_timestamp_offset;
};

static void fail(struct reindex *reindex, const char *path, const char *sentence)
{
    console_error(reindex->console, "%s: %s", path, sentence);
    reindex->failed = true;
}

/* ---- making ---- */

static void add_time(struct rebuilt *rebuilt)
{
    struct time_index_entry entry = {.timestamp = rebuilt->max_timestamp,
                                     .relative_offset =
                                         (int32_t)(rebuilt->max_timestamp_offset - rebuilt->base)};
    bool fine = log_index_add_time(&rebuilt->index, entry);
    ALWAYS(fine, "memory for an index of %u entries", rebuilt->index.time_count);
}

/* As log_note_indexes does where batches are appended. */
static void note(const struct reindex *reindex, struct rebuilt *rebuilt,
                 const struct batch_header *header, int64_t position)
{
    struct log_index *index = &rebuilt->index;
    int64_t last_offset = batch_last_offset(header);
    if (header->max_timestamp > rebuilt->max_timestamp) {
        rebuilt->max_timestamp = header->max_timestamp;
        rebuilt->max_timestamp_offset = last_offset;
    }
    if (index->bytes_since_entry > reindex->interval) {
        struct index_entry entry = {.relative_offset = (int32_t)(last_offset - rebuilt->base),
                                    .position = (int32_t)position};
        bool fine = log_index_add(index, entry);
        ALWAYS(fine, "memory for an index of %u entries", index->offset_count);
        add_time(rebuilt);
        index->bytes_since_entry = 0;
    }
    index->bytes_since_entry += header->size;
}

static void encode(struct rebuilt *rebuilt)
{
    uint8_t entry[TIME_INDEX_ENTRY_SIZE];
    for (uint32_t i = 0; i < rebuilt->index.offset_count; i++) {
        store_i32(entry, rebuilt->index.offsets[i].relative_offset);
        store_i32(entry + 4, rebuilt->index.offsets[i].position);
        text_add(&rebuilt->offsets, slice_of(entry, INDEX_ENTRY_SIZE));
    }
    for (uint32_t i = 0; i < rebuilt->index.time_count; i++) {
        store_i64(entry, rebuilt->index.times[i].timestamp);
        store_i32(entry + 8, rebuilt->index.times[i].relative_offset);
        text_add(&rebuilt->times, slice_of(entry, TIME_INDEX_ENTRY_SIZE));
    }
}

static const char *batch_fault(const struct segment_walk *walk, int64_t base, int64_t next_offset)
{
    if (!batch_crc_ok(walk->batch))
        return "the checksum does not match";
    if (walk->header.base_offset < next_offset || walk->header.last_offset_delta < 0 ||
        batch_last_offset(&walk->header) - base > INT32_MAX)
        return "the batch's offset cannot be there";
    return NULL;
}

/* false: told. */
static bool rebuild(struct reindex *reindex, const char *path, struct open_txns *txns,
                    struct rebuilt *rebuilt)
{
    struct segment_walk walk;
    int error = segment_walk_open(&walk, path);
    if (error < 0) {
        fail(reindex, path, strerror(-error));
        return false;
    }
    const char *fault = NULL;
    int64_t next_offset = rebuilt->base;
    while (fault == NULL && segment_walk_next(&walk)) {
        fault = batch_fault(&walk, rebuilt->base, next_offset);
        next_offset = batch_last_offset(&walk.header) + 1;
        note(reindex, rebuilt, &walk.header, walk.position);
        open_txns_take(txns, &walk.header, walk.batch, &rebuilt->txns);
    }
    fault = fault != NULL ? fault : walk.fault;
    if (fault != NULL) {
        console_error(reindex->console,
                      "%s: position %lld: %s; its indexes stay as they are. A start of the node "
                      "cuts off what a crash left at the end of the last segment.",
                      path, (long long)walk.position, fault);
        reindex->failed = true;
    }
    segment_walk_close(&walk);
    if (fault == NULL && rebuilt->max_timestamp != BATCH_NO_TIMESTAMP)
        add_time(rebuilt);
    encode(rebuilt);
    return fault == NULL;
}

/* ---- files ---- */

static bool is_zero_from(const char *data, size_t from, size_t size)
{
    for (size_t i = from; i < size; i++)
        if (data[i] != 0)
            return false;
    return true;
}

/* Room behind the entries counts for nothing. */
static bool is_same(const char *path, struct slice wanted, bool *ret_exists)
{
    char *data = NULL;
    size_t size = 0;
    int error = sys_file_read_whole(SYS_DIR_CWD, path, INDEX_SIZE_MAX, &data, &size);
    *ret_exists = error != -ENOENT;
    bool same = error == 0 && size >= wanted.size &&
                (wanted.size == 0 || memcmp(data, wanted.data, wanted.size) == 0) &&
                is_zero_from(data, wanted.size, size);
    free(data);
    return same;
}

static int put(const char *folder, const char *name, struct slice bytes, bool is_removed)
{
    AUTO(file_close) int fd = sys_dir_open(SYS_DIR_CWD, folder);
    if (fd < 0)
        return fd;
    int error = is_removed ? sys_unlink(fd, name) : sys_file_replace(fd, name, bytes);
    return error == 0 && is_removed ? sys_dir_sync(fd) : error;
}

/* is_optional: a file without entries is none. */
static void settle(struct reindex *reindex, const char *folder, const char *name,
                   const struct text *entries, bool is_optional)
{
    char path[PATH_SIZE];
    bool exists;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    struct slice wanted = text_slice(entries);
    bool same = is_same(path, wanted, &exists);
    bool is_absent = is_optional && wanted.size == 0;
    if (same || (is_absent && !exists))
        return;
    reindex->changed++;
    int error = reindex->only_check ? 0 : put(folder, name, wanted, is_absent);
    if (error < 0)
        fail(reindex, path, strerror(-error));
    else
        console_printf(reindex->console, "%s: %s%s\n", path, reindex->only_check ? "would be " : "",
                       is_absent ? "removed"
                       : exists  ? "made again"
                                 : "made");
}

static void settle_all(struct reindex *reindex, const char *folder, const struct rebuilt *rebuilt)
{
    char name[64];
    const struct {
        const char *suffix;
        const struct text *entries;
    } files[] = {
        {"index", &rebuilt->offsets}, {"timeindex", &rebuilt->times}, {"txnindex", &rebuilt->txns}};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        if (files[i].entries->failed) {
            fail(reindex, folder, "memory is out");
            return;
        }
        (void)snprintf(name, sizeof name, "%020lld.%s", (long long)rebuilt->base, files[i].suffix);
        settle(reindex, folder, name, files[i].entries, i == 2);
    }
}

static void index_segment(struct reindex *reindex, const char *folder, int64_t base)
{
    char path[PATH_SIZE];
    struct open_txns txns = {.at = NULL};
    struct rebuilt rebuilt = {
        .base = base, .max_timestamp = BATCH_NO_TIMESTAMP, .max_timestamp_offset = base};
    struct text error;
    (void)snprintf(path, sizeof path, "%s/%020lld.log", folder, (long long)base);
    log_index_init(&rebuilt.index);
    text_init(&rebuilt.offsets, INDEX_SIZE_MAX);
    text_init(&rebuilt.times, INDEX_SIZE_MAX);
    text_init(&rebuilt.txns, INDEX_SIZE_MAX);
    text_init(&error, 65536);
    reindex->segments++;
    if (!open_txns_load(&txns, folder, base, &error)) {
        console_error(reindex->console, "%s", error.data);
        reindex->failed = true;
    } else if (rebuild(reindex, path, &txns, &rebuilt)) {
        settle_all(reindex, folder, &rebuilt);
    }
    text_fini(&error);
    text_fini(&rebuilt.offsets);
    text_fini(&rebuilt.times);
    text_fini(&rebuilt.txns);
    log_index_fini(&rebuilt.index);
    free(txns.at);
}

/* ---- arguments ---- */

struct bases {
    int64_t *at;
    size_t count;
};

static int on_name(void *context, const char *name, bool is_directory)
{
    struct bases *bases = context;
    int64_t base = segment_base(name);
    if (is_directory || base < 0 || strcmp(name + SEGMENT_NAME_SIZE, ".log") != 0)
        return 0;
    int64_t *grown = realloc(bases->at, (bases->count + 1) * sizeof *grown);
    if (grown == NULL)
        return -ENOMEM;
    bases->at = grown;
    bases->at[bases->count++] = base;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;
    return (*left > *right) - (*left < *right);
}

/* The lock of the log directory that holds the folder: a descriptor to be closed, -1 where the
 * directory has no lock (a copy), -EAGAIN where a node has it. */
static int take_lock(const char *folder)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/../.lock", folder);
    return sys_exists(SYS_DIR_CWD, path) == 1 ? sys_dir_lock(SYS_DIR_CWD, path) : -1;
}

/* All segments of the folder, or the one of that base. */
static void index_folder(struct reindex *reindex, const char *folder, int64_t only)
{
    struct bases bases = {.at = NULL};
    AUTO(file_close) int lock = take_lock(folder);
    AUTO(file_close) int fd = sys_dir_open(SYS_DIR_CWD, folder);
    int listed = fd < 0 ? fd : sys_dir_list(fd, on_name, &bases);
    if (lock == -EAGAIN && !reindex->only_check) {
        fail(reindex, folder, "a node has the directory open: stop it first");
    } else if (listed < 0 || bases.count == 0) {
        console_error(reindex->console, "%s: %s", folder,
                      listed < 0 ? strerror(-listed) : "there is no segment");
        reindex->is_wrong = true;
    } else {
        qsort(bases.at, bases.count, sizeof bases.at[0], by_number);
        for (size_t i = 0; i < bases.count; i++)
            if (only < 0 || bases.at[i] == only)
                index_segment(reindex, folder, bases.at[i]);
    }
    free(bases.at);
}

static void index_argument(struct reindex *reindex, const char *argument)
{
    char folder[PATH_SIZE];
    size_t size = strlen(argument);
    while (size > 1 && argument[size - 1] == '/')
        size--;
    (void)snprintf(folder, sizeof folder, "%.*s", (int)MIN_OF(size, (size_t)PATH_SIZE - 100),
                   argument);
    int64_t base = segment_base(folder);
    if (base < 0) {
        index_folder(reindex, folder, -1);
        return;
    }
    if (strcmp(folder + strlen(folder) - 4, ".log") != 0 || sys_exists(SYS_DIR_CWD, folder) != 1) {
        console_error(reindex->console, "%s: there is no such segment (….log)", argument);
        reindex->is_wrong = true;
        return;
    }
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    index_folder(reindex, slash == NULL ? "." : slash == folder ? "/" : folder, base);
}

enum exit_code reindex_run(const struct command_call *call)
{
    struct reindex reindex = {
        .call = call, .console = call->console, .only_check = call_has(call, &reindex_flag_check)};
    struct call_number interval = {&reindex_flag_interval, 0, INT32_MAX, INTERVAL_DEFAULT};
    if (!call_number(call, interval, &reindex.interval))
        return EXIT_CODE_USAGE;
    for (int i = 0; i < call->argument_count && !reindex.is_wrong; i++)
        index_argument(&reindex, call->arguments[i]);
    if (reindex.is_wrong)
        return EXIT_CODE_USAGE;
    console_printf(call->console, "%lld segments, %lld files %s\n", (long long)reindex.segments,
                   (long long)reindex.changed,
                   reindex.only_check ? "would be other" : "were made again");
    bool other = reindex.only_check && reindex.changed > 0;
    return reindex.failed || other ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
