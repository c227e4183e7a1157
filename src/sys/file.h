/* Files by descriptor. Every function that can fail returns 0 or a count, or a negative errno;
 * interrupted calls are repeated inside; partial writes are completed inside. Any thread, but what
 * is marked NOT_ON(on_shard) may wait for a disk. */
#ifndef SYS_FILE_H
#define SYS_FILE_H

#include "base/attr.h"
#include "base/role.h"
#include "base/slice.h"

enum sys_open {
    SYS_OPEN_READ = 1,      /* read only */
    SYS_OPEN_WRITE = 2,     /* read and write */
    SYS_OPEN_CREATE = 4,    /* create when absent, mode 0644 */
    SYS_OPEN_EXCLUSIVE = 8, /* with CREATE: must not exist */
    SYS_OPEN_TRUNCATE = 16,
};

/* Opens `name` below the directory `dir_fd` (SYS_DIR_CWD for a path); never follows a symbolic
 * link in the last component when below a directory. Returns a descriptor. */
MUST_USE int sys_file_open(int dir_fd, const char *name, unsigned flags);
void sys_file_close(int fd); /* -1 is fine */

/* Writes all bytes at `position`. A short write is continued; on error some of the bytes may have
 * been written: the caller truncates back. */
MUST_USE int sys_file_write_at(int fd, struct slice bytes, int64_t position);
MUST_USE int sys_file_writev_at(int fd, const struct slice *parts, int part_count,
                                int64_t position);
/* Reads up to size bytes; fewer only at the end of the file. Returns the bytes read. May wait. */
MUST_USE int64_t sys_file_read_at(int fd, void *ret_data, size_t size, int64_t position)
    NOT_ON(on_shard);
/* As above but only what is in memory: -EAGAIN when the first byte is not. Where the file system
 * cannot tell, reads. */
MUST_USE int64_t sys_file_read_cached(int fd, void *ret_data, size_t size, int64_t position);
/* Reads as sys_file_read_at and leaves no more of it in memory than there was: for what walks
 * through everything and must not push out what others use. */
MUST_USE int64_t sys_file_read_aside(int fd, void *ret_data, size_t size, int64_t position)
    NOT_ON(on_shard);
/* Asks the kernel to bring a range into memory, reading it through. */
void sys_file_read_ahead(int fd, int64_t position, int64_t size) NOT_ON(on_shard);

MUST_USE int64_t sys_file_size(int fd);
/* When its bytes were last changed, by the wall clock; -errno. */
MUST_USE int64_t sys_file_modified_ms(int fd);
/* Says so instead; not durable before a sync. 0 or -errno. */
MUST_USE int sys_file_set_modified(int fd, int64_t modified_ms);
MUST_USE int sys_file_truncate(int fd, int64_t size);
/* Data and what is needed to read it back reach the medium (fdatasync). */
MUST_USE int sys_file_sync(int fd) NOT_ON(on_shard);
/* Starts write-back of a range without waiting for it to end; a hint, errors ignored. */
void sys_file_write_out(int fd, int64_t position, int64_t size) NOT_ON(on_shard);
/* Nobody will read the file again: its bytes need not stay in memory; a hint. */
void sys_file_forget(int fd);

/* Whole small files. read: at most size_max bytes into heap memory (free it), NUL-terminated. */
MUST_USE int sys_file_read_whole(int dir_fd, const char *name, size_t size_max, char **ret_data,
                                 size_t *ret_size) NOT_ON(on_shard);
/* Writes `<name>.tmp`, syncs it, renames it over `name`, syncs the directory. */
MUST_USE int sys_file_replace(int dir_fd, const char *name, struct slice bytes) NOT_ON(on_shard);
/* The same without a sync: until there was one of everything (sys_dir_sync_all), a crash may leave
 * the file as it was, as it is now, or as neither. */
MUST_USE int sys_file_replace_unsynced(int dir_fd, const char *name, struct slice bytes);

static inline void auto_file_close(int *fd)
{
    sys_file_close(*fd);
}

#endif
