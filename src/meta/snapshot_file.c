/* Snapshot files; see the header. */
#include "meta/snapshot_file.h"

#include "meta/control.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>

#define HEADER_BATCH_MAX 65536
#define DIGITS_OF_OFFSET 20
#define DIGITS_OF_EPOCH 10

void meta_snapshot_name(const struct meta_snapshot_id *id, char ret_name[META_SNAPSHOT_NAME_SIZE])
{
    (void)snprintf(ret_name, META_SNAPSHOT_NAME_SIZE, "%020lld-%010d.checkpoint",
                   (long long)id->offset, id->epoch);
}

/* So many digits, then `mark`; the number must be below the limit. */
static bool parse_digits(const char *text, int digits, char mark, int64_t *ret_number)
{
    int64_t number = 0;
    for (int i = 0; i < digits; i++) {
        int digit = text[i] - '0';
        if (digit < 0 || digit > 9 || number > (INT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return text[digits] == mark;
}

bool meta_snapshot_parse(const char *name, struct meta_snapshot_id *ret_id)
{
    int64_t offset;
    int64_t epoch;
    const char *second = name + DIGITS_OF_OFFSET + 1;
    if (!parse_digits(name, DIGITS_OF_OFFSET, '-', &offset) ||
        !parse_digits(second, DIGITS_OF_EPOCH, '.', &epoch) || epoch > INT32_MAX ||
        strcmp(second + DIGITS_OF_EPOCH, ".checkpoint") != 0)
        return false;
    *ret_id = (struct meta_snapshot_id){.offset = offset, .epoch = (int32_t)epoch, .found = true};
    return true;
}

/* ---- finding ---- */

struct search {
    int64_t low; /* smallest offset that is looked for */
    int64_t bound;
    bool oldest; /* else the newest */
    struct meta_snapshot_id found;
};

static int on_file(void *context, const char *name, bool is_directory)
{
    struct search *search = context;
    struct meta_snapshot_id id;
    if (is_directory || !meta_snapshot_parse(name, &id) || id.offset < search->low ||
        id.offset >= search->bound)
        return 0;
    bool older = id.offset < search->found.offset;
    bool newer = id.offset > search->found.offset ||
                 (id.offset == search->found.offset && id.epoch > search->found.epoch);
    if (!search->found.found || (search->oldest ? older : newer))
        search->found = id;
    return 0;
}

int meta_snapshot_newest(int folder_fd, int64_t bound, struct meta_snapshot_id *ret_id)
{
    struct search search = {.bound = bound};
    int error = sys_dir_list(folder_fd, on_file, &search);
    if (error == 0)
        *ret_id = search.found;
    return error;
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t size = strlen(name);
    size_t suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}

static int sweep_file(void *context, const char *name, bool is_directory)
{
    const int *folder_fd = context;
    bool left = ends_in(name, ".checkpoint.part") || ends_in(name, ".checkpoint.deleted");
    if (!is_directory && left)
        (void)!sys_unlink(*folder_fd, name); /* it is only in the way */
    return 0;
}

void meta_snapshot_sweep(int folder_fd)
{
    (void)!sys_dir_list(folder_fd, sweep_file, &folder_fd);
}

/* ---- retention ---- */

struct retention {
    const struct meta_snapshot_retention *rules;
    int folder_fd;
    int64_t size; /* of the log and all snapshots that are left */
    int error;
};

static int64_t size_of(int folder_fd, const char *name)
{
    AUTO(file_close) int fd = sys_file_open(folder_fd, name, SYS_OPEN_READ);
    return fd < 0 ? fd : sys_file_size(fd);
}

static int add_size(void *context, const char *name, bool is_directory)
{
    struct retention *retention = context;
    struct meta_snapshot_id id;
    int64_t size =
        is_directory || !meta_snapshot_parse(name, &id) ? 0 : size_of(retention->folder_fd, name);
    retention->size += MAX_OF(size, (int64_t)0);
    return 0;
}

/* When the newest record of the snapshot was written, as its header says; -1: it does not say. */
static int64_t age_mark(int folder_fd, const char *name) NOT_ON(on_shard)
{
    _Static_assert(HEADER_BATCH_MAX <= 65536, "it stands on the stack of a worker");
    uint8_t bytes[HEADER_BATCH_MAX];
    AUTO(file_close) int fd = sys_file_open(folder_fd, name, SYS_OPEN_READ);
    int64_t size = fd < 0 ? fd : sys_file_read_at(fd, bytes, sizeof bytes, 0);
    if (size <= 0)
        return -1;
    struct batch_iterator batches = batch_iterate(slice_of(bytes, (size_t)size));
    struct batch_view view;
    struct meta_quorum quorum = {.snapshot_timestamp_ms = -1};
    if (!batch_next(&batches, &view) || !batch_is_control(&view.header) ||
        meta_control_note(&quorum, &view) != NULL)
        return -1;
    return quorum.snapshot_timestamp_ms;
}

static bool must_go(const struct retention *retention, const char *name) NOT_ON(on_shard)
{
    const struct meta_snapshot_retention *rules = retention->rules;
    if (rules->size_max >= 0 && retention->size > rules->size_max)
        return true;
    int64_t written_ms = rules->age_max_ms >= 0 ? age_mark(retention->folder_fd, name) : -1;
    return written_ms >= 0 && rules->now_ms - written_ms > rules->age_max_ms;
}

int meta_snapshot_retain(int folder_fd, const struct meta_snapshot_retention *rules,
                         int64_t *ret_start)
{
    struct retention retention = {.rules = rules, .folder_fd = folder_fd, .size = rules->log_size};
    int error = sys_dir_list(folder_fd, add_size, &retention);
    struct search oldest = {.bound = INT64_MAX, .oldest = true};
    if (error == 0)
        error = sys_dir_list(folder_fd, on_file, &oldest);
    while (error == 0) {
        struct search next = {.low = oldest.found.offset + 1, .bound = INT64_MAX, .oldest = true};
        char name[META_SNAPSHOT_NAME_SIZE];
        meta_snapshot_name(&oldest.found, name);
        error = sys_dir_list(folder_fd, on_file, &next);
        if (error < 0 || !next.found.found || !must_go(&retention, name))
            break;
        retention.size -= MAX_OF(size_of(folder_fd, name), (int64_t)0);
        error = sys_unlink(folder_fd, name);
        oldest = next;
    }
    if (error == 0)
        *ret_start = oldest.found.found ? oldest.found.offset : 0;
    return error;
}
