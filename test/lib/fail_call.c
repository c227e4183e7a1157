/* Preloaded into a node, makes one of its system calls on a directory fail: the sweep of
 * test/suite/faults.py. Tracers count calls of each thread by itself and make short writes that
 * wrote nothing; this counts over all threads, and what it does is what a kernel could do.
 *
 * OTTLA_FAIL="CALL ACTION FIRST LAST": calls number FIRST to LAST of the name CALL fail, ACTION
 *   being an errno, or 0 for a write that writes half and says so.
 * OTTLA_FAIL_UNDER: only calls on what is below this directory count.
 * OTTLA_FAIL_LOG: a file that gets a line for each call that counts: nanoseconds, number (0: not
 *   the call that is to fail), 1 where it failed, name, path. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static struct {
    char call[32]; /* the name of those that fail */
    int action;
    long first, last;
    const char *under;
    int log_fd;
    atomic_long count;
} fault = {.under = "", .log_fd = -1};

__attribute__((constructor)) static void prepare(void)
{
    const char *told = getenv("OTTLA_FAIL");
    const char *path = getenv("OTTLA_FAIL_LOG");
    if (getenv("OTTLA_FAIL_UNDER") != NULL)
        fault.under = getenv("OTTLA_FAIL_UNDER");
    if (told != NULL &&
        sscanf(told, "%31s %d %ld %ld", fault.call, &fault.action, &fault.first, &fault.last) != 4)
        abort();
    if (path != NULL)
        fault.log_fd = (int)syscall(SYS_openat, AT_FDCWD, path,
                                    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/* The path of a descriptor, with a name below it. */
static void path_of(int fd, const char *name, char ret_path[2 * PATH_MAX])
{
    char link[64] = "/proc/self/cwd";
    char folder[PATH_MAX] = "";
    if (fd != AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    bool is_whole = name != NULL && name[0] == '/';
    ssize_t size = is_whole ? 0 : readlink(link, folder, sizeof folder - 1);
    folder[size > 0 ? size : 0] = '\0';
    snprintf(ret_path, 2 * PATH_MAX, "%s%s%s", folder, name == NULL || is_whole ? "" : "/",
             name == NULL ? "" : name);
}

/* Whether this call is to fail. */
static int strikes(const char *call, int fd, const char *name)
{
    char path[2 * PATH_MAX];
    char line[3 * PATH_MAX];
    struct timespec now;
    path_of(fd, name, path);
    if (strncmp(path, fault.under, strlen(fault.under)) != 0)
        return 0;
    long number = strcmp(call, fault.call) == 0 ? atomic_fetch_add(&fault.count, 1) + 1 : 0;
    int struck = number > 0 && number >= fault.first && number <= fault.last;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int size =
        snprintf(line, sizeof line, "%lld %ld %d %s %s\n",
                 (long long)now.tv_sec * 1000000000 + now.tv_nsec, number, struck, call, path);
    if (fault.log_fd >= 0 && write(fault.log_fd, line, (size_t)size) < 0)
        abort();
    if (struck && fault.action != 0)
        errno = fault.action;
    return struck;
}

/* The next definition of a function. */
#define NEXT(name, ...) ((int (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

int openat64(int fd, const char *name, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int mode = (flags & O_CREAT) != 0 ? va_arg(more, int) : 0;
    va_end(more);
    if (strikes("openat", fd, name))
        return -1;
    return (int)syscall(SYS_openat, fd, name, flags, mode);
}

int openat(int fd, const char *name, int flags, ...) __attribute__((alias("openat64")));

int mkdirat(int fd, const char *name, mode_t mode)
{
    return strikes("mkdirat", fd, name) ? -1
                                        : NEXT(mkdirat, int, const char *, mode_t)(fd, name, mode);
}

int unlinkat(int fd, const char *name, int flags)
{
    return strikes("unlinkat", fd, name) ? -1
                                         : NEXT(unlinkat, int, const char *, int)(fd, name, flags);
}

int renameat(int fd, const char *name, int to_fd, const char *to)
{
    if (strikes("renameat", fd, name))
        return -1;
    return NEXT(renameat, int, const char *, int, const char *)(fd, name, to_fd, to);
}

int ftruncate64(int fd, off_t size)
{
    return strikes("ftruncate", fd, NULL) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate(int fd, off_t size) __attribute__((alias("ftruncate64")));

int fdatasync(int fd)
{
    return strikes("fdatasync", fd, NULL) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return strikes("fsync", fd, NULL) ? -1 : (int)syscall(SYS_fsync, fd);
}

/* The first half of what is asked for, one byte at least. */
static ssize_t half(int fd, const struct iovec *parts, int part_count, off_t position)
{
    size_t size = 0, done = 0;
    for (int i = 0; i < part_count; i++)
        size += parts[i].iov_len;
    size = size > 1 ? size / 2 : size;
    for (int i = 0; i < part_count && done < size; i++) {
        size_t part = parts[i].iov_len < size - done ? parts[i].iov_len : size - done;
        ssize_t wrote = pwrite(fd, parts[i].iov_base, part, position + (off_t)done);
        if (wrote < 0)
            return done > 0 ? (ssize_t)done : -1;
        done += (size_t)wrote;
    }
    return (ssize_t)done;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int part_count, off_t position)
{
    if (strikes("pwritev", fd, NULL))
        return fault.action == 0 ? half(fd, parts, part_count, position) : -1;
    return syscall(SYS_pwritev, fd, parts, part_count, position, 0);
}

ssize_t pwritev(int, const struct iovec *, int, off_t) __attribute__((alias("pwritev64")));

ssize_t preadv64(int fd, const struct iovec *parts, int part_count, off_t position)
{
    return strikes("preadv", fd, NULL) ? -1
                                       : syscall(SYS_preadv, fd, parts, part_count, position, 0);
}

ssize_t preadv(int, const struct iovec *, int, off_t) __attribute__((alias("preadv64")));
