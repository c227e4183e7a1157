/* Directories on Linux. Any thread; what syncs may wait for a disk. */
#include "sys/dir.h"

#include "sys/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

_Static_assert(SYS_DIR_CWD == AT_FDCWD, "the header names the kernel's number");

int sys_dir_open(int dir_fd, const char *path)
{
    int fd;
    do {
        fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int sys_dir_make(int dir_fd, const char *name)
{
    return mkdirat(dir_fd, name, 0755) != 0 ? -errno : 0;
}

/* 0 also where a directory of that name is there. */
static int make_or_find(const char *path)
{
    struct stat status;
    if (mkdir(path, 0755) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    if (stat(path, &status) != 0)
        return -errno;
    return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

int sys_dir_make_path(const char *path)
{
    char partial[PATH_MAX];
    size_t size = strlen(path);
    if (size >= sizeof partial)
        return -ENAMETOOLONG;
    memcpy(partial, path, size + 1);
    for (size_t i = 1; i < size; i++) {
        if (partial[i] != '/' || partial[i - 1] == '/')
            continue;
        partial[i] = '\0';
        int result = make_or_find(partial);
        if (result != 0)
            return result;
        partial[i] = '/';
    }
    return make_or_find(partial);
}

int sys_dir_sync(int dir_fd)
{
    int result;
    do {
        result = fsync(dir_fd);
    } while (result != 0 && errno == EINTR);
    return result != 0 ? -errno : 0;
}

int sys_dir_sync_all(int dir_fd)
{
    int result;
    do {
        result = syncfs(dir_fd);
    } while (result != 0 && errno == EINTR);
    return result != 0 ? -errno : 0;
}

int sys_dir_remove(int dir_fd, const char *name)
{
    return unlinkat(dir_fd, name, AT_REMOVEDIR) != 0 ? -errno : 0;
}

int sys_rename(int dir_fd, const char *from, const char *to)
{
    return renameat(dir_fd, from, dir_fd, to) != 0 ? -errno : 0;
}

int sys_unlink(int dir_fd, const char *name)
{
    return unlinkat(dir_fd, name, 0) != 0 ? -errno : 0;
}

int sys_exists(int dir_fd, const char *name)
{
    struct stat status;
    if (fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    return errno == ENOENT ? 0 : -errno;
}

int64_t sys_modified_ms(int dir_fd, const char *name)
{
    struct stat status;
    if (fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return -errno;
    return (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000;
}

static bool is_directory(int dir_fd, const struct dirent *entry)
{
    struct stat status;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(dir_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(status.st_mode);
}

static int list_stream(DIR *stream, sys_dir_entry_fn on_entry, void *context)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL)
            return -errno;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int result = on_entry(context, entry->d_name, is_directory(dirfd(stream), entry));
        if (result != 0)
            return result;
    }
}

int sys_dir_list(int dir_fd, sys_dir_entry_fn on_entry, void *context)
{
    int fd = sys_dir_open(dir_fd, "."); /* of its own, so that its position is too */
    if (fd < 0)
        return fd;
    DIR *stream = fdopendir(fd);
    if (stream == NULL) {
        int result = -errno;
        sys_file_close(fd);
        return result;
    }
    int result = list_stream(stream, on_entry, context);
    (void)closedir(stream);
    return result;
}

int sys_dir_lock(int dir_fd, const char *name)
{
    AUTO(file_close) int fd = sys_file_open(dir_fd, name, SYS_OPEN_WRITE | SYS_OPEN_CREATE);
    if (fd < 0)
        return fd;
    /* Of the open description, and of the kind that Java's file locks are: an Apache Kafka on the
     * same directory sees it, and we see its. */
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int result;
    do {
        result = fcntl(fd, F_OFD_SETLK, &whole);
    } while (result != 0 && errno == EINTR);
    if (result != 0)
        return errno == EACCES ? -EWOULDBLOCK : -errno;
    return TAKE_FD(fd);
}

char *sys_dir_absolute(const char *path)
{
    char here[PATH_MAX];
    char *absolute = NULL;
    if (path[0] == '/')
        return strdup(path);
    if (getcwd(here, sizeof here) == NULL ||
        asprintf(&absolute, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path) < 0)
        return NULL;
    return absolute;
}

int sys_dir_is_same(int dir_fd, int other_fd)
{
    struct stat one;
    struct stat other;
    if (fstat(dir_fd, &one) != 0 || fstat(other_fd, &other) != 0)
        return -errno;
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

int sys_dir_space(int dir_fd, int64_t *ret_free, int64_t *ret_total)
{
    struct statvfs status;
    int result;
    do {
        result = fstatvfs(dir_fd, &status);
    } while (result != 0 && errno == EINTR);
    if (result != 0)
        return -errno;
    *ret_free = (int64_t)(status.f_bavail * status.f_frsize);
    *ret_total = (int64_t)(status.f_blocks * status.f_frsize);
    return 0;
}
