/* The swap's steps; see the header. Renaming is a worker's, changing the log is the shard's. A
 * rename that fails half-way leaves names that only a start can sort out: the log goes offline. */
#include "log/swap.h"

#include "base/always.h"
#include "log/check.h"
#include "log/discard.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_SIZE 64

static const char *const index_kinds[] = {"index", "timeindex", "txnindex"};

/* ---- names ---- */

/* "<base>.<kind><suffix>" */
static void name_of(int64_t base_offset, const char *kind, const char *suffix,
                    char ret_name[NAME_SIZE])
{
    (void)snprintf(ret_name, NAME_SIZE, "%020lld.%s%s", (long long)base_offset, kind, suffix);
}

/* What one rename is about. */
struct change {
    int64_t base_offset;
    const char *from; /* suffixes */
    const char *to;
};

/* An absent file is fine: an index may be missing. */
static int change_name(int folder_fd, const struct change *change, const char *kind)
{
    char from[NAME_SIZE];
    char to[NAME_SIZE];
    name_of(change->base_offset, kind, change->from, from);
    name_of(change->base_offset, kind, change->to, to);
    int error = sys_rename(folder_fd, from, to);
    return error == -ENOENT ? 0 : error;
}

static int change_indexes(int folder_fd, const struct change *change)
{
    int error = 0;
    for (size_t i = 0; i < COUNT_OF(index_kinds) && error == 0; i++)
        error = change_name(folder_fd, change, index_kinds[i]);
    return error;
}

/* ---- S2, and back ---- */

int log_swap_prepare(const struct log *log, int64_t base_offset)
{
    AUTO(file_close) int fd = sys_dir_open(log->dir_fd, log->name);
    if (fd < 0)
        return fd;
    const struct change change = {base_offset, ".cleaned", ".swap"};
    int error = sys_dir_sync(fd);
    if (error == 0)
        error = change_indexes(fd, &change);
    if (error == 0)
        error = change_name(fd, &change, "log");
    return error == 0 ? sys_dir_sync(fd) : error;
}

static void remove_name(int folder_fd, int64_t base_offset, const char *kind, const char *suffix)
{
    char name[NAME_SIZE];
    name_of(base_offset, kind, suffix, name);
    int error = sys_unlink(folder_fd, name);
    (void)error; /* the next start removes it, or swaps it in, which is as good */
}

/* The segment's file last: without it the others would be taken for the old one's. */
void log_swap_undo(const struct log *log, int64_t base_offset)
{
    static const char *const suffixes[] = {".cleaned", ".swap"};
    AUTO(file_close) int fd = sys_dir_open(log->dir_fd, log->name);
    for (size_t s = 0; s < COUNT_OF(suffixes) && fd >= 0; s++) {
        for (size_t i = 0; i < COUNT_OF(index_kinds); i++)
            remove_name(fd, base_offset, index_kinds[i], suffixes[s]);
        if (sys_dir_sync(fd) == 0)
            remove_name(fd, base_offset, "log", suffixes[s]);
    }
}

/* ---- S3 ---- */

/* Where the old segments stand; -1: they do not any more. */
static int find_old(const struct log_swap *swap)
{
    const struct log *log = swap->log;
    int at = log_segment_at(log, swap->bases[0]);
    if (at + swap->count >= log->segment_count || log->offline)
        return -1;
    for (int i = 0; i < swap->count; i++)
        if (log->segments[at + i]->base_offset != swap->bases[i])
            return -1;
    return log_segment_end(log, at + swap->count - 1) == swap->end_offset ? at : -1;
}

static struct log_segment *make_fresh(struct log_swap *swap)
{
    struct log_segment *fresh = log_segment_new(swap->log, swap->bases[0]);
    struct log_index *index = malloc(sizeof *index);
    if (fresh == NULL || index == NULL) {
        free(index);
        if (fresh != NULL)
            log_segment_free(fresh);
        return NULL;
    }
    *index = swap->index;
    log_index_init(&swap->index);
    fresh->size = swap->size;
    fresh->written_out = swap->size;
    fresh->max_timestamp = swap->max_timestamp;
    fresh->max_timestamp_offset = swap->max_timestamp_offset;
    fresh->first_timestamp = swap->first_timestamp;
    fresh->written_ms = MAX_OF(swap->modified_ms, (int64_t)0);
    fresh->unchecked_end = swap->size; /* a worker looks at it before it is served */
    fresh->swapping = index;
    fresh->sealing = index;
    log_handle_adopt(fresh->handle, swap->fd);
    swap->fd = -1;
    return fresh;
}

/* Positions in a file that is no more. */
static void forget_recent(const struct log_swap *swap)
{
    struct log *log = swap->log;
    for (int i = 0; i < LOG_RECENT_MAX && log->recent != NULL; i++) {
        struct log_recent *recent = &log->recent[i];
        if (recent->segment_base >= swap->bases[0] && recent->segment_base < swap->end_offset)
            recent->size = 0;
    }
}

/* The old segments, in memory of their own, and the new one in their place. */
static void replace_segments(struct log *log, int at, const struct log_swap *swap,
                             struct log_segment **ret_old)
{
    int behind = at + swap->count;
    memcpy(ret_old, log->segments + at, (size_t)swap->count * sizeof log->segments[0]);
    for (int i = 0; i < swap->count; i++)
        log->size -= ret_old[i]->size;
    log->segments[at] = swap->fresh;
    log->size += swap->fresh->size;
    memmove(log->segments + at + 1, log->segments + behind,
            (size_t)(log->segment_count - behind) * sizeof log->segments[0]);
    log->segment_count -= swap->count - 1;
}

bool log_swap_in(struct log_swap *swap)
{
    struct log *log = swap->log;
    int at = find_old(swap);
    if (at < 0 || !txn_list_reserve(&log->txns.aborted, swap->aborted_count))
        return false;
    struct log_segment **old = malloc((size_t)swap->count * sizeof *old);
    struct log_segment *fresh = old != NULL ? make_fresh(swap) : NULL;
    if (fresh == NULL) {
        free(old);
        return false;
    }
    ALWAYS(swap->end_offset <= log->recovery_point, "%s: what is not flushed was compacted",
           log->name);
    swap->fresh = fresh;
    replace_segments(log, at, swap, old);
    txn_list_replace(&log->txns.aborted, &(struct txn_part){.base_offset = swap->bases[0],
                                                            .end_offset = swap->end_offset,
                                                            .entries = swap->aborted,
                                                            .count = swap->aborted_count});
    forget_recent(swap);
    log_discard(log, old, swap->count); /* what reads them has their handles */
    free(old);
    return true;
}

/* ---- S5 ---- */

/* S4 must have succeeded: what is left of the old segments would be served beside the new one. */
static int check_gone(const struct log_swap *swap, int folder_fd)
{
    int there = 0;
    for (int i = 0; i < swap->count && there == 0; i++) {
        char name[NAME_SIZE];
        name_of(swap->bases[i], "log", "", name);
        there = sys_exists(folder_fd, name);
    }
    return there > 0 ? -EEXIST : there;
}

int log_swap_rename(const struct log_swap *swap)
{
    const struct log *log = swap->log;
    const struct change change = {swap->bases[0], ".swap", ""};
    AUTO(file_close) int fd = sys_dir_open(log->dir_fd, log->name);
    int error = fd < 0 ? fd : check_gone(swap, fd);
    if (error == 0)
        error = change_name(fd, &change, "log");
    /* While ".log.swap" is there, a start takes indexes of that name for the old segment's. */
    if (error == 0)
        error = sys_dir_sync(fd);
    if (error == 0)
        error = change_indexes(fd, &change);
    return error == 0 ? sys_dir_sync(fd) : error;
}

void log_swap_settle(struct log_swap *swap, int error)
{
    struct log_segment *fresh = swap->fresh;
    ALWAYS(fresh != NULL && fresh->swapping != NULL, "%s has no swap under way", swap->log->name);
    swap->fresh = NULL;
    log_handle_unref(fresh->handle);
    if (error < 0) {
        log_go_offline(swap->log, "the files of a compaction could not be renamed", error);
        return;
    }
    fresh->sealing = NULL;
    log_sealed_index_put(swap->log->files, fresh, fresh->swapping);
    free(fresh->swapping);
    fresh->swapping = NULL;
}
