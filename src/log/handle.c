/* Counted segment files; see the header. Must not keep more descriptors than the table's bound
 * unless that many are in use at once. On the table's shard. */
#include "log/handle.h"

#include "base/always.h"
#include "sys/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The share of the bound that those leave who can do without. */
#define LEFT_TO_OTHERS 4

void log_files_init(struct log_files *files, int open_max)
{
    *files = (struct log_files){.open_max = open_max};
    list_init(&files->idle);
    list_init(&files->indexes);
    list_init(&files->flush_queue);
}

static void handle_close(struct log_handle *handle)
{
    if (handle->fd < 0)
        return;
    list_remove(&handle->idle);
    sys_file_close(handle->fd);
    handle->fd = -1;
    handle->files->open_count--;
}

/* false: all are in use. */
static bool close_one(struct log_files *files)
{
    if (list_is_empty(&files->idle))
        return false;
    handle_close(CONTAINER_OF(files->idle.next, struct log_handle, idle));
    return true;
}

static void make_room(struct log_files *files)
{
    while (files->open_count >= files->open_max && close_one(files)) {
    }
}

bool log_files_have_room(const struct log_files *files)
{
    return files->open_count < files->open_max || !list_is_empty(&files->idle);
}

void log_files_fini(struct log_files *files)
{
    ALWAYS(list_is_empty(&files->idle), "segment files are still open");
    ALWAYS(files->open_count == 0, "%d segment files are still in use", files->open_count);
    ALWAYS(list_is_empty(&files->indexes), "indexes of segments are still kept");
}

struct log_handle *log_handle_new(struct log_files *files, int dir_fd, const char *path)
{
    struct log_handle *handle = calloc(1, sizeof *handle);
    char *copy = strdup(path);
    if (handle == NULL || copy == NULL) {
        free(handle);
        free(copy);
        return NULL;
    }
    *handle = (struct log_handle){.files = files, .dir_fd = dir_fd, .path = copy, .fd = -1};
    list_init(&handle->idle);
    return handle;
}

static int handle_open(struct log_handle *handle, unsigned flags)
{
    make_room(handle->files);
    int fd;
    do
        fd = sys_file_open(handle->dir_fd, handle->path, SYS_OPEN_WRITE | flags);
    while ((fd == -EMFILE || fd == -ENFILE) && close_one(handle->files));
    if (fd < 0)
        return fd;
    handle->fd = fd;
    handle->files->open_count++;
    return 0;
}

int log_handle_create(struct log_handle *handle)
{
    ALWAYS(handle->fd < 0, "%s is open already", handle->path);
    int error = handle_open(handle, SYS_OPEN_CREATE | SYS_OPEN_EXCLUSIVE);
    if (error == 0)
        list_add_tail(&handle->files->idle, &handle->idle);
    return error;
}

void log_handle_adopt(struct log_handle *handle, int fd)
{
    ALWAYS(handle->fd < 0 && handle->references == 0, "%s is open already", handle->path);
    make_room(handle->files);
    handle->fd = fd;
    handle->files->open_count++;
    handle->references = 1;
}

int log_handle_ref(struct log_handle *handle)
{
    ALWAYS(!handle->forgotten, "%s is gone", handle->path);
    if (handle->fd < 0) {
        int error = handle_open(handle, 0);
        if (error < 0)
            return error;
    }
    list_remove(&handle->idle);
    handle->references++;
    return 0;
}

int log_handle_ref_spare(struct log_handle *handle)
{
    const struct log_files *files = handle->files;
    int spare_max = files->open_max - files->open_max / LEFT_TO_OTHERS;
    if (handle->fd < 0 && list_is_empty(&files->idle) && files->open_count >= spare_max)
        return -EMFILE;
    return log_handle_ref(handle);
}

static void handle_free(struct log_handle *handle)
{
    handle_close(handle);
    free(handle->path);
    free(handle);
}

void log_handle_unref(struct log_handle *handle)
{
    ALWAYS(handle->references > 0, "%s was given back too often", handle->path);
    if (--handle->references > 0)
        return;
    if (handle->forgotten)
        handle_free(handle);
    else
        list_add_tail(&handle->files->idle, &handle->idle);
}

void log_handle_forget(struct log_handle *handle)
{
    if (handle == NULL)
        return;
    handle->forgotten = true;
    if (handle->references == 0)
        handle_free(handle);
}

struct log_handle *log_handle_move(struct log_handle *handle, struct log_files *to)
{
    if (handle->references > 0) {
        struct log_handle *another = log_handle_new(to, handle->dir_fd, handle->path);
        log_handle_forget(handle);
        return another;
    }
    handle_close(handle);
    handle->files = to;
    return handle;
}
