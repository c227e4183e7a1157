/* Files that a crash left in a partition's folder in the middle of a compaction, a split or a
 * deletion, treated as Apache Kafka's LogLoader does: ".deleted" and ".cleaned" go; ".swap" files
 * are complete and take their names, after the segments they stand for are gone; those that a split
 * had not finished (a ".cleaned" file at or below them) go. An index without its segment goes too.
 * Each pass can be cut off and done again. Never on a shard. */
#include "log/log_int.h"

#include "log/scan.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_DIGITS 20

struct tidying {
    int fd;
    bool changed;
    bool has_swap;
    int64_t least_cleaned;
    int64_t swap_from; /* the offsets that ".log.swap" files stand for */
    int64_t swap_end;
};

static bool has_suffix(const char *name, const char *suffix)
{
    size_t size = strlen(name);
    size_t suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}

/* The offset that the name begins with; -1: none. */
static int64_t offset_of(const char *name)
{
    char *end;
    int64_t offset = strtoll(name, &end, 10);
    return end == name + NAME_DIGITS && *end == '.' ? offset : -1;
}

static int remove_file(struct tidying *tidying, const char *name) NOT_ON(on_shard)
{
    tidying->changed = true;
    return sys_unlink(tidying->fd, name);
}

static int remove_unfinished(void *context, const char *name, bool is_directory)
{
    role_now_on_worker();
    struct tidying *tidying = context;
    int64_t offset = offset_of(name);
    if (is_directory)
        return 0;
    tidying->has_swap = tidying->has_swap || has_suffix(name, ".swap");
    if (has_suffix(name, ".cleaned") && offset >= 0)
        tidying->least_cleaned = MIN_OF(tidying->least_cleaned, offset);
    bool goes =
        has_suffix(name, ".deleted") || has_suffix(name, ".cleaned") || has_suffix(name, ".tmp");
    /* Cleaned files last: they tell which swap files are not to be trusted. */
    return goes && !has_suffix(name, ".cleaned") ? remove_file(tidying, name) : 0;
}

static int remove_split(void *context, const char *name, bool is_directory)
{
    role_now_on_worker();
    struct tidying *tidying = context;
    bool split = has_suffix(name, ".swap") && offset_of(name) >= tidying->least_cleaned;
    return split && !is_directory ? remove_file(tidying, name) : 0;
}

static int remove_cleaned(void *context, const char *name, bool is_directory)
{
    role_now_on_worker();
    return has_suffix(name, ".cleaned") && !is_directory ? remove_file(context, name) : 0;
}

/* First offset behind the last batch of the file. */
static int64_t end_of_segment(int fd, int64_t base) NOT_ON(on_shard)
{
    struct log_scan *scan = malloc(sizeof *scan);
    if (scan == NULL)
        return -ENOMEM;
    int64_t end = base;
    struct batch_header header;
    int64_t position;
    log_scan_start(scan, fd, 0, sys_file_size(fd));
    scan->may_wait = true;
    while (log_scan_next(scan, &header, &position))
        end = batch_last_offset(&header) + 1;
    end = scan->error < 0 ? scan->error : end;
    free(scan);
    return end;
}

static int measure_swap(void *context, const char *name, bool is_directory)
{
    role_now_on_worker();
    struct tidying *tidying = context;
    int64_t base = offset_of(name);
    if (is_directory || base < 0 || !has_suffix(name, ".log.swap"))
        return 0;
    AUTO(file_close) int fd = sys_file_open(tidying->fd, name, SYS_OPEN_READ);
    int64_t end = fd < 0 ? fd : end_of_segment(fd, base);
    if (end < 0)
        return (int)end;
    tidying->swap_from = MIN_OF(tidying->swap_from, base);
    tidying->swap_end = MAX_OF(tidying->swap_end, end);
    return 0;
}

static int remove_replaced(void *context, const char *name, bool is_directory)
{
    role_now_on_worker();
    struct tidying *tidying = context;
    int64_t offset = offset_of(name);
    bool replaced = offset >= 0 && !has_suffix(name, ".swap") && offset >= tidying->swap_from &&
                    offset < tidying->swap_end;
    return replaced && !is_directory ? remove_file(tidying, name) : 0;
}

static int take_name(struct tidying *tidying, const char *name) NOT_ON(on_shard)
{
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "%.*s", (int)(strlen(name) - strlen(".swap")), name);
    tidying->changed = true;
    return sys_rename(tidying->fd, name, wanted);
}

static int take_segment_name(void *context, const char *name, bool is_directory)
{
    role_now_on_worker();
    bool swap = offset_of(name) >= 0 && has_suffix(name, ".log.swap");
    return swap && !is_directory ? take_name(context, name) : 0;
}

static int take_index_name(void *context, const char *name, bool is_directory)
{
    role_now_on_worker();
    bool swap = offset_of(name) >= 0 && has_suffix(name, ".swap");
    return swap && !is_directory ? take_name(context, name) : 0;
}

static int remove_orphan(void *context, const char *name, bool is_directory)
{
    role_now_on_worker();
    struct tidying *tidying = context;
    char segment[NAME_DIGITS + 8];
    bool index = has_suffix(name, ".index") || has_suffix(name, ".timeindex") ||
                 has_suffix(name, ".txnindex");
    if (is_directory || offset_of(name) < 0 || !index)
        return 0;
    (void)snprintf(segment, sizeof segment, "%.20s.log", name);
    int there = sys_exists(tidying->fd, segment);
    return there == 0 ? remove_file(tidying, name) : MIN_OF(there, 0);
}

/* One pass after the other; the folder is synced between them where the next one relies on it. */
static int run_pass(struct tidying *tidying, sys_dir_entry_fn on_name) NOT_ON(on_shard)
{
    int error = sys_dir_list(tidying->fd, on_name, tidying);
    if (error == 0 && tidying->changed)
        error = sys_dir_sync(tidying->fd);
    tidying->changed = false;
    return error;
}

int log_tidy_folder(int folder_fd)
{
    struct tidying tidying = {
        .fd = folder_fd, .least_cleaned = INT64_MAX, .swap_from = INT64_MAX, .swap_end = -1};
    int error = run_pass(&tidying, remove_unfinished);
    if (error == 0 && tidying.has_swap && tidying.least_cleaned != INT64_MAX)
        error = run_pass(&tidying, remove_split);
    if (error == 0 && tidying.least_cleaned != INT64_MAX)
        error = run_pass(&tidying, remove_cleaned);
    if (error == 0 && tidying.has_swap)
        error = run_pass(&tidying, measure_swap);
    if (error == 0 && tidying.has_swap)
        error = run_pass(&tidying, remove_replaced);
    /* The segment first: while it is called ".log.swap", indexes that have their names are taken
     * for those of what it replaces. */
    if (error == 0 && tidying.has_swap)
        error = run_pass(&tidying, take_segment_name);
    if (error == 0 && tidying.has_swap)
        error = run_pass(&tidying, take_index_name);
    return error == 0 ? run_pass(&tidying, remove_orphan) : error;
}
