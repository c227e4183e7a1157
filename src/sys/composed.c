/* What consists of other calls of sys alone; src/sim links this very file. It must not make a
 * system call. Any thread. */
#include "base/logfmt.h"
#include "sys/clock.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "sys/journal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- files and directories ---- */

/* The new contents under the temporary name. */
static int write_temporary(int dir_fd, const char *name, struct slice bytes, bool syncs)
{
    AUTO(file_close)
    int fd = sys_file_open(dir_fd, name, SYS_OPEN_WRITE | SYS_OPEN_CREATE | SYS_OPEN_TRUNCATE);
    if (fd < 0)
        return fd;
    int result = sys_file_write_at(fd, bytes, 0);
    return result == 0 && syncs ? sys_file_sync(fd) : result;
}

/* Syncs the directory that `name` is in. */
static int sync_directory_of(int dir_fd, const char *name)
{
    char path[PATH_MAX];
    const char *slash = strrchr(name, '/');
    int length = slash == NULL ? snprintf(path, sizeof path, ".")
                               : snprintf(path, sizeof path, "%.*s/", (int)(slash - name), name);
    if (length < 0 || (size_t)length >= sizeof path)
        return -ENAMETOOLONG;
    AUTO(file_close) int fd = sys_dir_open(dir_fd, path);
    return fd < 0 ? fd : sys_dir_sync(fd);
}

static int replace(int dir_fd, const char *name, struct slice bytes, bool syncs)
{
    char temporary[PATH_MAX];
    int length = snprintf(temporary, sizeof temporary, "%s.tmp", name);
    if (length < 0 || (size_t)length >= sizeof temporary)
        return -ENAMETOOLONG;
    int result = write_temporary(dir_fd, temporary, bytes, syncs);
    if (result == 0)
        result = sys_rename(dir_fd, temporary, name);
    if (result != 0) {
        (void)!sys_unlink(dir_fd, temporary);
        return result;
    }
    return syncs ? sync_directory_of(dir_fd, name) : 0;
}

int sys_file_replace(int dir_fd, const char *name, struct slice bytes)
{
    return replace(dir_fd, name, bytes, true);
}

int sys_file_replace_unsynced(int dir_fd, const char *name, struct slice bytes)
{
    return replace(dir_fd, name, bytes, false);
}

static int sync_one(const char *path)
{
    AUTO(file_close) int fd = sys_dir_open(SYS_DIR_CWD, path);
    if (fd == -EACCES)
        return 0;
    return fd < 0 ? fd : sys_dir_sync(fd);
}

int sys_dir_sync_above(const char *path)
{
    char above[PATH_MAX];
    size_t size = strlen(path);
    int result = 0;
    if (size >= sizeof above)
        return -ENAMETOOLONG;
    memcpy(above, path, size + 1);
    for (size_t i = 0; i < size && result == 0; i++) {
        if (path[i] == '/' || (i > 0 && path[i - 1] != '/'))
            continue; /* not where a name begins */
        char kept = above[i];
        above[i] = '\0';
        result = sync_one(i == 0 ? "." : above);
        above[i] = kept;
    }
    return result;
}

/* ---- the log ---- */

bool journal_gate_open(struct journal_gate *gate, int64_t interval_ms, uint64_t *ret_held_back)
{
    int64_t now_ms = sys_mono_ns() / 1000000;
    if (now_ms < gate->next_ms) {
        gate->held_back++;
        return false;
    }
    *ret_held_back = gate->held_back;
    gate->held_back = 0;
    gate->next_ms = now_ms + interval_ms;
    return true;
}

const char *journal_quote(char *buffer, int size, const void *data, int data_size)
{
    return logfmt_quote(buffer, (size_t)size, data, data_size < 0 ? 0 : (size_t)data_size);
}
