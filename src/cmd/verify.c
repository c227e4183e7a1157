/* ottla log verify: what is to be looked at, in which order, and what is said of it. A folder of a
 * partition is walked segment by segment, a log directory partition by partition, its checkpoints
 * last, since they are held against where the partitions end. Its complication is that a crash
 * leaves what is no fault, and that a node may be at work. One thread. */
#include "base/always.h"
#include "cmd/segment_walk.h"
#include "cmd/verify_int.h"
#include "log/dir.h"
#include "sys/clock.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "sys/process.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FAULTS_OF_FILE_MAX 100
#define PROGRESS_NS INT64_C(250000000)

const struct command_flag verify_flag_format = {0, "format", "FORMAT",
                                                "text, or json: an object a line (text)"};

char *verify_path(const char *stem, const char *suffix)
{
    size_t size = strlen(stem) + strlen(suffix) + 1;
    char *path = malloc(size);
    ALWAYS(path != NULL, "memory for a path of %zu bytes", size);
    (void)snprintf(path, size, "%s%s", stem, suffix);
    return path;
}

/* ---- what is said ---- */

static void clear_progress(struct verify *verify)
{
    static const struct slice blank = SLICE_LIT("\r\x1b[K");
    if (verify->has_progress)
        sys_process_write(2, blank);
    verify->has_progress = false;
}

void verify_begin(struct verify *verify, const char *path)
{
    verify->file = path;
    verify->files++;
    verify->faults_of_file = 0;
}

void verify_progress(struct verify *verify, int64_t bytes)
{
    char line[256];
    verify->bytes += bytes;
    if (!verify->console->err_is_terminal)
        return;
    int64_t now_ns = sys_mono_ns();
    if (now_ns - verify->shown_ns < PROGRESS_NS)
        return;
    verify->shown_ns = now_ns;
    verify->has_progress = true;
    int size = snprintf(line, sizeof line, "\r\x1b[K%lld files, %lld MB, %lld faults  %.120s",
                        (long long)verify->files, (long long)(verify->bytes / 1000000),
                        (long long)verify->faults, verify->file);
    sys_process_write(2, slice_of(line, (size_t)MIN_OF(size, (int)sizeof line - 1)));
}

static void add_json(struct verify *verify, struct verify_place place, const char *kind,
                     const char *sentence)
{
    struct text line;
    text_init(&line, 65536);
    text_printf(&line, "{\"file\":");
    text_add_json_string(&line, slice_of_text(verify->file));
    if (place.position >= 0)
        text_printf(&line, ",\"position\":%lld", (long long)place.position);
    if (place.offset >= 0)
        text_printf(&line, ",\"offset\":%lld", (long long)place.offset);
    text_printf(&line, ",\"%s\":", kind);
    text_add_json_string(&line, slice_of_text(sentence));
    text_printf(&line, "}\n");
    console_add(verify->console, text_slice(&line));
    text_fini(&line);
}

static void add_line(struct verify *verify, struct verify_place place, const char *kind,
                     const char *sentence)
{
    clear_progress(verify);
    if (verify->json) {
        add_json(verify, place, kind, sentence);
        return;
    }
    console_printf(verify->console, "%s:", verify->file);
    if (place.position >= 0)
        console_printf(verify->console, " position %lld", (long long)place.position);
    if (place.offset >= 0)
        console_printf(verify->console, "%s offset %lld", place.position >= 0 ? "," : "",
                       (long long)place.offset);
    bool has_place = place.position >= 0 || place.offset >= 0;
    console_printf(verify->console, "%s %s%s\n", has_place ? ":" : "",
                   strcmp(kind, "note") == 0 ? "(no fault) " : "", sentence);
}

void verify_fault(struct verify *verify, struct verify_place place, const char *format, ...)
{
    char sentence[512];
    va_list args;
    verify->faults++;
    if (++verify->faults_of_file > FAULTS_OF_FILE_MAX + 1)
        return;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    bool is_last = verify->faults_of_file > FAULTS_OF_FILE_MAX;
    add_line(verify, is_last ? (struct verify_place){-1, -1} : place, "fault",
             is_last ? "further faults of this file are counted, not listed" : sentence);
}

void verify_note(struct verify *verify, struct verify_place place, const char *format, ...)
{
    char sentence[512];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    add_line(verify, place, "note", sentence);
}

static void print_summary(struct verify *verify)
{
    clear_progress(verify);
    console_printf(verify->console,
                   verify->json ? "{\"_command\":\"log verify\",\"_version\":1,\"files\":%lld,"
                                  "\"batches\":%lld,\"records\":%lld,\"bytes\":%lld,"
                                  "\"faults\":%lld}\n"
                                : "%lld files, %lld batches, %lld records, %lld bytes: %lld "
                                  "faults\n",
                   (long long)verify->files, (long long)verify->batches, (long long)verify->records,
                   (long long)verify->bytes, (long long)verify->faults);
}

/* ---- listing ---- */

struct name {
    char *text;
    bool is_folder;
};

struct names {
    struct name *at;
    size_t count;
};

static int on_name(void *context, const char *text, bool is_directory)
{
    struct names *names = context;
    if ((names->count & (names->count + 1)) == 0) {
        struct name *grown = realloc(names->at, (names->count + 1) * 2 * sizeof *grown);
        if (grown == NULL)
            return -ENOMEM;
        names->at = grown;
    }
    char *copy = strdup(text);
    if (copy == NULL)
        return -ENOMEM;
    names->at[names->count++] = (struct name){copy, is_directory};
    return 0;
}

static int by_text(const void *a, const void *b)
{
    const struct name *left = a;
    const struct name *right = b;
    return strcmp(left->text, right->text);
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->at[i].text);
    free(names->at);
}

/* Sorted. 0 or -errno. */
static int names_list(const char *folder, struct names *ret_names)
{
    *ret_names = (struct names){NULL, 0};
    AUTO(file_close) int fd = sys_dir_open(SYS_DIR_CWD, folder);
    int error = fd < 0 ? fd : sys_dir_list(fd, on_name, ret_names);
    if (error == 0 && ret_names->count > 0)
        qsort(ret_names->at, ret_names->count, sizeof ret_names->at[0], by_text);
    return error;
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t size = strlen(name);
    size_t tail = strlen(suffix);
    return size >= tail && strcmp(name + size - tail, suffix) == 0;
}

static bool is_segment(const struct name *name)
{
    return !name->is_folder && segment_base(name->text) >= 0 && has_suffix(name->text, ".log");
}

/* "topic-0", also with what a move or a restart appends. */
static bool is_partition(const struct name *name)
{
    const char *dash = strrchr(name->text, '-');
    if (!name->is_folder || dash == NULL || dash == name->text ||
        log_dir_is_doomed(slice_of_text(name->text)))
        return false;
    return (dash[1] != '\0' && strspn(dash + 1, "0123456789") == strlen(dash + 1)) ||
           strcmp(dash, "-stray") == 0 || strcmp(dash, "-future") == 0;
}

static size_t count_of(const struct names *names, bool (*is_so)(const struct name *))
{
    size_t count = 0;
    for (size_t i = 0; i < names->count; i++)
        count += is_so(&names->at[i]);
    return count;
}

/* ---- a partition ---- */

static char *path_in(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    ALWAYS(path != NULL, "memory for a path of %zu bytes", size);
    (void)snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static void verify_other(struct verify *verify, const char *folder, const char *name)
{
    char *path = path_in(folder, name);
    if (has_suffix(name, ".snapshot") && segment_base(name) >= 0)
        verify_producer_snapshot(verify, path);
    else if (strcmp(name, "partition.metadata") == 0)
        verify_partition_metadata(verify, path);
    else if (has_suffix(name, ".checkpoint"))
        verify_metadata_snapshot(verify, path);
    free(path);
}

/* A node may be at it, or died. */
static bool is_unsettled(const struct verify *verify)
{
    return verify->is_running || !verify->was_clean;
}

/* Of the segment behind one. */
static int64_t next_base(const struct names *names, size_t at)
{
    for (size_t i = at + 1; i < names->count; i++)
        if (is_segment(&names->at[i]))
            return segment_base(names->at[i].text);
    return INT64_MAX;
}

static int64_t recovery_point_of(const struct verify *verify, const char *folder)
{
    const char *slash = strrchr(folder, '/');
    return checkpoint_get(&verify->recovery_points,
                          slice_of_text(slash != NULL ? slash + 1 : folder), 0);
}

/* The offset the partition ends at; -1: it has no segment. */
static int64_t verify_partition(struct verify *verify, const char *folder,
                                const struct names *names)
{
    struct log_epochs epochs;
    char *checkpoint = path_in(folder, "leader-epoch-checkpoint");
    bool has_epochs = sys_exists(SYS_DIR_CWD, checkpoint) == 1;
    log_epochs_init(&epochs);
    if (has_epochs)
        has_epochs = verify_epochs(verify, checkpoint, &epochs);
    free(checkpoint);
    int64_t next_offset = -1;
    int64_t flushed = recovery_point_of(verify, folder);
    size_t left = count_of(names, is_segment);
    for (size_t i = 0; i < names->count; i++) {
        if (!is_segment(&names->at[i])) {
            verify_other(verify, folder, names->at[i].text);
            continue;
        }
        left--;
        char *stem = path_in(folder, names->at[i].text);
        stem[strlen(stem) - strlen(".log")] = '\0';
        bool in_flux = is_unsettled(verify) && (left == 0 || next_base(names, i) > flushed);
        struct verify_segment segment = {.stem = stem,
                                         .base_offset = segment_base(names->at[i].text),
                                         .in_flux = in_flux,
                                         .has_folder = true,
                                         .epochs = has_epochs && !in_flux ? &epochs : NULL,
                                         .next_offset = next_offset};
        verify_segment(verify, &segment);
        next_offset = MAX_OF(segment.next_offset, segment.base_offset);
        free(stem);
    }
    log_epochs_fini(&epochs);
    return next_offset;
}

/* ---- a log directory ---- */

/* Whether a node has it, and whether the last one that had it stopped cleanly. */
static void look_at_directory(struct verify *verify, const char *directory)
{
    char *marker = path_in(directory, ".kafka_cleanshutdown");
    char *lock = path_in(directory, ".lock");
    verify->was_clean = sys_exists(SYS_DIR_CWD, marker) == 1;
    verify->is_running = false;
    if (sys_exists(SYS_DIR_CWD, lock) == 1) {
        int fd = sys_dir_lock(SYS_DIR_CWD, lock);
        verify->is_running = fd == -EAGAIN;
        sys_file_close(fd);
    }
    checkpoint_fini(&verify->recovery_points);
    checkpoint_init(&verify->recovery_points);
    AUTO(file_close) int folder = sys_dir_open(SYS_DIR_CWD, directory);
    if (folder >= 0) /* what is wrong with the file is told where it is looked at */
        (void)checkpoint_read(&verify->recovery_points, folder, "recovery-point-offset-checkpoint");
    if (verify->is_running)
        console_note(verify->console,
                     "A node has %s open: what it appends to is looked at as far as it is whole.",
                     directory);
    free(marker);
    free(lock);
}

static void verify_checkpoints(struct verify *verify, const char *folder, const struct names *names,
                               const struct checkpoint *ends)
{
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->at[i].text;
        /* After a crash the high watermark may be ahead of what was cut off. */
        bool may_lead = strcmp(name, "replication-offset-checkpoint") == 0 && !verify->was_clean;
        char *path = path_in(folder, name);
        if (names->at[i].is_folder)
            ;
        else if (has_suffix(name, "-checkpoint"))
            verify_checkpoint(verify, path, verify->is_running || may_lead ? NULL : ends);
        else if (strcmp(name, "meta.properties") == 0)
            verify_properties(verify, path);
        free(path);
    }
}

static void verify_directory(struct verify *verify, const char *folder, const struct names *names)
{
    struct checkpoint ends;
    checkpoint_init(&ends);
    for (size_t i = 0; i < names->count; i++) {
        if (!is_partition(&names->at[i]))
            continue;
        struct names files;
        char *path = path_in(folder, names->at[i].text);
        int error = names_list(path, &files);
        int64_t end = error == 0 ? verify_partition(verify, path, &files) : -1;
        if (error < 0) {
            verify_begin(verify, path);
            verify_fault(verify, (struct verify_place){-1, -1}, "%s", strerror(-error));
        }
        if (end >= 0 && !checkpoint_put(&ends, slice_of_text(names->at[i].text), end))
            console_error(verify->console, "out of memory");
        names_free(&files);
        free(path);
    }
    verify_checkpoints(verify, folder, names, &ends);
    checkpoint_fini(&ends);
}

/* ---- arguments ---- */

/* The folder `levels` above a path, on the heap. */
static char *folder_of(const char *path, int levels)
{
    char *copy = path_in(path, "");
    copy[strlen(copy) - 1] = '\0';
    for (int i = 0; i < levels; i++) {
        char *slash = strrchr(copy, '/');
        if (slash == NULL) {
            char *above = path_in(i == 0 ? "." : "..", "");
            above[strlen(above) - 1] = '\0';
            free(copy);
            return above;
        }
        *slash = '\0';
        if (slash == copy)
            break;
    }
    return copy;
}

static enum exit_code verify_folder(struct verify *verify, const char *path)
{
    struct names names;
    int error = names_list(path, &names);
    enum exit_code code = EXIT_CODE_OK;
    if (error < 0) {
        console_error(verify->console, "%s: %s", path, strerror(-error));
        code = EXIT_CODE_USAGE;
    } else if (count_of(&names, is_segment) > 0) {
        char *directory = folder_of(path, 1);
        look_at_directory(verify, directory);
        (void)verify_partition(verify, path, &names);
        free(directory);
    } else if (count_of(&names, is_partition) > 0) {
        look_at_directory(verify, path);
        verify_directory(verify, path, &names);
    } else {
        console_error(verify->console, "%s: there is no segment and no partition's folder", path);
        code = EXIT_CODE_USAGE;
    }
    names_free(&names);
    return code;
}

static void verify_stem(struct verify *verify, const char *path)
{
    char *directory = folder_of(path, 2);
    char *stem = folder_of(path, 0);
    *strrchr(stem, '.') = '\0';
    look_at_directory(verify, directory);
    struct verify_segment segment = {.stem = stem,
                                     .base_offset = segment_base(path),
                                     .in_flux = is_unsettled(verify),
                                     .next_offset = -1};
    verify_segment(verify, &segment);
    free(stem);
    free(directory);
}

static enum exit_code verify_file(struct verify *verify, const char *path)
{
    static const char *const of_segment[] = {".log", ".index", ".timeindex", ".txnindex"};
    struct log_epochs epochs;
    for (size_t i = 0; i < COUNT_OF(of_segment); i++)
        if (segment_base(path) >= 0 && has_suffix(path, of_segment[i])) {
            verify_stem(verify, path);
            return EXIT_CODE_OK;
        }
    if (has_suffix(path, "leader-epoch-checkpoint")) {
        (void)verify_epochs(verify, path, &epochs);
        log_epochs_fini(&epochs);
    } else if (has_suffix(path, "-checkpoint")) {
        verify_checkpoint(verify, path, NULL);
    } else if (has_suffix(path, ".checkpoint")) {
        verify_metadata_snapshot(verify, path);
    } else if (has_suffix(path, ".snapshot")) {
        verify_producer_snapshot(verify, path);
    } else if (has_suffix(path, "partition.metadata")) {
        verify_partition_metadata(verify, path);
    } else if (has_suffix(path, "meta.properties")) {
        verify_properties(verify, path);
    } else {
        console_error(verify->console, "%s: no file of a data directory has such a name", path);
        return EXIT_CODE_USAGE;
    }
    return EXIT_CODE_OK;
}

static enum exit_code verify_argument(struct verify *verify, const char *path)
{
    int folder = sys_dir_open(SYS_DIR_CWD, path);
    sys_file_close(folder);
    if (folder >= 0)
        return verify_folder(verify, path);
    if (sys_exists(SYS_DIR_CWD, path) == 1)
        return verify_file(verify, path);
    console_error(verify->console, "%s: %s", path, strerror(-folder));
    return EXIT_CODE_USAGE;
}

enum exit_code verify_run(const struct command_call *call)
{
    const char *format = call_value(call, &verify_flag_format, "text");
    struct verify verify = {
        .call = call, .console = call->console, .json = strcmp(format, "json") == 0, .file = ""};
    enum exit_code code = EXIT_CODE_OK;
    if (!verify.json && strcmp(format, "text") != 0) {
        console_error(call->console, "--format %s: must be text or json", format);
        return EXIT_CODE_USAGE;
    }
    checkpoint_init(&verify.recovery_points);
    verify.pool = codec_pool_new();
    ALWAYS(verify.pool != NULL, "memory for codecs");
    for (int i = 0; i < call->argument_count && code == EXIT_CODE_OK; i++)
        code = verify_argument(&verify, call->arguments[i]);
    if (code == EXIT_CODE_OK)
        print_summary(&verify);
    codec_pool_free(verify.pool);
    checkpoint_fini(&verify.recovery_points);
    if (code == EXIT_CODE_OK && verify.faults > 0)
        code = EXIT_CODE_FAILED;
    return code;
}
