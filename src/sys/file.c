/* Files by descriptor on Linux. The complications are short counts, EINTR, and file systems that
 * cannot tell whether a read would wait. It must not keep anything between calls. Any thread. */
#include "sys/file.h"

#include "sys/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define IOVEC_BATCH 64 /* parts handed to the kernel in one call */
#define READ_AHEAD_STEP ((size_t)64 * 1024)
#define PAGE_SIZE ((int64_t)4096)
#define READ_AHEAD_SIZE_MAX ((int64_t)256 * 1024)
#define TRANSFER_MAX ((size_t)1 << 30) /* of one call: the kernel's own bound is just below 2 GiB */

int sys_file_open(int dir_fd, const char *name, unsigned flags)
{
    int how = O_CLOEXEC;
    how |= (flags & SYS_OPEN_WRITE) != 0 ? O_RDWR : O_RDONLY;
    how |= (flags & SYS_OPEN_CREATE) != 0 ? O_CREAT : 0;
    how |= (flags & SYS_OPEN_EXCLUSIVE) != 0 ? O_EXCL : 0;
    how |= (flags & SYS_OPEN_TRUNCATE) != 0 ? O_TRUNC : 0;
    how |= dir_fd != SYS_DIR_CWD ? O_NOFOLLOW : 0;
    int fd;
    do {
        fd = openat(dir_fd, name, how, 0644);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

void sys_file_close(int fd)
{
    if (fd >= 0)
        (void)close(fd); /* Linux frees the descriptor also when it reports an error */
}

/* The next parts from part `index` and byte `skip` of it, as the kernel wants them. */
static int fill_iovecs(struct iovec iovecs[IOVEC_BATCH], const struct slice *parts, int part_count,
                       size_t skip)
{
    int count = 0;
    for (int i = 0; i < part_count && count < IOVEC_BATCH; i++) {
        uintptr_t base = (uintptr_t)parts[i].data; /* iovec's base lacks a const */
        iovecs[count++] =
            (struct iovec){.iov_base = (void *)(base + skip), .iov_len = parts[i].size - skip};
        skip = 0;
    }
    return count;
}

int sys_file_writev_at(int fd, const struct slice *parts, int part_count, int64_t position)
{
    size_t skip = 0; /* bytes of parts[0] that are written */
    while (part_count > 0) {
        struct iovec iovecs[IOVEC_BATCH];
        int count = fill_iovecs(iovecs, parts, part_count, skip);
        ssize_t written = pwritev(fd, iovecs, count, position);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        position += written;
        skip += (size_t)written;
        bool moved = written > 0;
        while (part_count > 0 && skip >= parts->size) {
            skip -= parts->size;
            parts++;
            part_count--;
            moved = true;
        }
        if (!moved)
            return -EIO; /* the file takes nothing and says nothing */
    }
    return 0;
}

int sys_file_write_at(int fd, struct slice bytes, int64_t position)
{
    return sys_file_writev_at(fd, &bytes, 1, position);
}

/* One read; a negative errno or the bytes read. */
static int64_t read_once(int fd, struct slice room, int64_t position, int flags)
{
    uintptr_t base = (uintptr_t)room.data;
    struct iovec iovec = {.iov_base = (void *)base, .iov_len = MIN_OF(room.size, TRANSFER_MAX)};
    ssize_t got;
    do {
        got =
            flags == 0 ? preadv(fd, &iovec, 1, position) : preadv2(fd, &iovec, 1, position, flags);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

int64_t sys_file_read_at(int fd, void *ret_data, size_t size, int64_t position)
{
    struct slice room = slice_of(ret_data, size);
    while (room.size > 0) {
        int64_t got = read_once(fd, room, position, 0);
        if (got < 0)
            return got;
        if (got == 0)
            break;
        room = slice_from(room, (size_t)got);
        position += got;
    }
    return (int64_t)(size - room.size);
}

int64_t sys_file_read_cached(int fd, void *ret_data, size_t size, int64_t position)
{
    int64_t got = read_once(fd, slice_of(ret_data, size), position, RWF_NOWAIT);
    if (got == -EOPNOTSUPP || got == -ENOSYS)
        got = read_once(fd, slice_of(ret_data, size), position, 0);
    return got;
}

/* The kernel reads on behind what was asked for, so what follows goes as well when it was not there
 * before. */
int64_t sys_file_read_aside(int fd, void *ret_data, size_t size, int64_t position)
{
    struct slice room = slice_of(ret_data, size);
    uint8_t probe;
    int64_t there = sys_file_read_cached(fd, ret_data, size, position);
    there = MAX_OF(there, (int64_t)0);
    if (there == (int64_t)size)
        return there;
    bool follows = sys_file_read_cached(fd, &probe, 1, position + (int64_t)size) == 1;
    room = slice_from(room, (size_t)there);
    uintptr_t base = (uintptr_t)room.data;
    int64_t got = sys_file_read_at(fd, (void *)base, room.size, position + there);
    if (got < 0)
        return got;
    int64_t from = (position + there + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
    int64_t end = (position + (int64_t)size) / PAGE_SIZE * PAGE_SIZE;
    end += follows ? 0 : READ_AHEAD_SIZE_MAX;
    if (end > from)
        (void)posix_fadvise(fd, from, end - from, POSIX_FADV_DONTNEED);
    return there + got;
}

void sys_file_read_ahead(int fd, int64_t position, int64_t size)
{
    uint8_t scratch[READ_AHEAD_STEP];
    (void)posix_fadvise(fd, position, size, POSIX_FADV_WILLNEED);
    while (size > 0) {
        size_t step = (size_t)MIN_OF(size, (int64_t)sizeof scratch);
        int64_t got = read_once(fd, slice_of(scratch, step), position, 0);
        if (got <= 0)
            return;
        position += got;
        size -= got;
    }
}

int64_t sys_file_size(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    return status.st_size;
}

int64_t sys_file_modified_ms(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    return (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000;
}

int sys_file_set_modified(int fd, int64_t modified_ms)
{
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = modified_ms / 1000, .tv_nsec = modified_ms % 1000 * 1000000},
    };
    return futimens(fd, times) != 0 ? -errno : 0;
}

int sys_file_truncate(int fd, int64_t size)
{
    int result;
    do {
        result = ftruncate(fd, size);
    } while (result != 0 && errno == EINTR);
    return result != 0 ? -errno : 0;
}

int sys_file_sync(int fd)
{
    int result;
    do {
        result = fdatasync(fd);
    } while (result != 0 && errno == EINTR);
    return result != 0 ? -errno : 0;
}

void sys_file_write_out(int fd, int64_t position, int64_t size)
{
    (void)sync_file_range(fd, position, size, SYNC_FILE_RANGE_WRITE);
}

void sys_file_forget(int fd)
{
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* Reads until the end of the file; -EFBIG when there are more than size_max bytes. */
static int read_all(int fd, size_t size_max, char **ret_data, size_t *ret_size)
{
    int64_t size = sys_file_size(fd);
    if (size < 0)
        return (int)size;
    if ((uint64_t)size > size_max)
        return -EFBIG;
    char *data = (char *)malloc((size_t)size + 1);
    if (data == NULL)
        return -ENOMEM;
    int64_t got = sys_file_read_at(fd, data, (size_t)size, 0);
    if (got < 0) {
        free(data);
        return (int)got;
    }
    data[got] = '\0';
    *ret_data = data;
    *ret_size = (size_t)got;
    return 0;
}

int sys_file_read_whole(int dir_fd, const char *name, size_t size_max, char **ret_data,
                        size_t *ret_size)
{
    AUTO(file_close) int fd = sys_file_open(dir_fd, name, SYS_OPEN_READ);
    if (fd < 0)
        return fd;
    return read_all(fd, size_max, ret_data, ret_size);
}
