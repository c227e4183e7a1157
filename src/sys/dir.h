/* Directories and names in them. Results: 0 or a descriptor, or a negative errno. */
#ifndef SYS_DIR_H
#define SYS_DIR_H

#include "base/attr.h"
#include "base/role.h"
#include "base/slice.h"

#define SYS_DIR_CWD (-100) /* as dir_fd: paths relative to the working directory */

/* Returns a descriptor for use as dir_fd; close with sys_file_close. */
MUST_USE int sys_dir_open(int dir_fd, const char *path);
/* Makes one directory, mode 0755; -EEXIST when it is there. */
MUST_USE int sys_dir_make(int dir_fd, const char *name);
/* Makes a path with its parents; one that exists is fine. */
MUST_USE int sys_dir_make_path(const char *path);
/* Entries made, renamed or removed in it reach the medium. */
MUST_USE int sys_dir_sync(int dir_fd) NOT_ON(on_shard);
/* The names that lead to a directory reach the medium: every directory above it is synced, but what
 * may not be opened by us, where we can have made nothing. */
MUST_USE int sys_dir_sync_above(const char *path) NOT_ON(on_shard);
/* Everything that was written to the directory's file system, by whomever, reaches the medium.
 * -errno also where writing something back has failed since the descriptor was opened (Linux
 * 5.8). */
MUST_USE int sys_dir_sync_all(int dir_fd) NOT_ON(on_shard);
/* Removes an empty directory. */
MUST_USE int sys_dir_remove(int dir_fd, const char *name);
/* Atomic within a file system; replaces an existing file. */
MUST_USE int sys_rename(int dir_fd, const char *from, const char *to);
/* Removes a file; -ENOENT when absent. */
MUST_USE int sys_unlink(int dir_fd, const char *name);
/* 1 exists, 0 does not. */
MUST_USE int sys_exists(int dir_fd, const char *name);
/* When its contents last changed, on the wall clock; -errno. */
MUST_USE int64_t sys_modified_ms(int dir_fd, const char *name);

/* Calls on_entry for every name but "." and "..", in no order; a non-zero return stops and is
 * returned. */
typedef int (*sys_dir_entry_fn)(void *context, const char *name, bool is_directory);
MUST_USE int sys_dir_list(int dir_fd, sys_dir_entry_fn on_entry, void *context);

/* Takes an exclusive lock on a file (made when absent) that lasts until the returned descriptor
 * is closed or the process ends; -EWOULDBLOCK when another holds it. */
MUST_USE int sys_dir_lock(int dir_fd, const char *name);
/* The path as seen from the root: heap memory, or NULL. */
MUST_USE char *sys_dir_absolute(const char *path);
/* Whether two descriptors are of one directory: 1 or 0. */
MUST_USE int sys_dir_is_same(int dir_fd, int other_fd);
/* Bytes free for us and in all on the directory's file system. */
MUST_USE int sys_dir_space(int dir_fd, int64_t *ret_free, int64_t *ret_total);

#endif
