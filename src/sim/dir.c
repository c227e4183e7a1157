/* sys/dir.h on the simulated disk. */
#include "sys/dir.h"

#include "base/text.h"
#include "sim/sim_int.h"
#include "sys/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int sys_dir_open(int dir_fd, const char *path)
{
    struct sim_place place;
    int result = sim_call(SIM_DIR_OPEN, path);
    if (result == 0)
        result = sim_find(dir_fd, path, &place);
    if (result != 0)
        return result;
    if (place.inode == NULL)
        return -ENOENT;
    if (!place.inode->is_directory)
        return -ENOTDIR;
    struct sim_descriptor *descriptor = sim_descriptor_new(SIM_IS_DIR, path);
    descriptor->inode = place.inode;
    place.inode->open_count++;
    return descriptor->fd;
}

int sys_dir_make(int dir_fd, const char *name)
{
    struct sim_place place;
    struct sim_disk *disk = sim_node_here()->disk;
    int result = sim_call_change(SIM_DIR_MAKE, name);
    if (result == 0)
        result = sim_find(dir_fd, name, &place);
    sim_trace("mkdir", slice_hash(slice_of_text(name), 0), (uint64_t)(int64_t)result);
    if (result != 0)
        return result;
    if (place.inode != NULL)
        return -EEXIST;
    const struct sim_rename creation = {
        .to = place.directory,
        .to_name = place.name,
        .inode = sim_inode_new(disk, true),
    };
    sim_disk_rename(disk, &creation);
    return 0;
}

int sys_dir_make_path(const char *path)
{
    char *partial = sim_copy_text(path);
    int result = 0;
    for (size_t i = 1; partial[i - 1] != '\0' && result == 0; i++) {
        char kept = partial[i];
        if ((kept != '/' && kept != '\0') || partial[i - 1] == '/')
            continue;
        partial[i] = '\0';
        struct sim_place place;
        result = sim_find(SYS_DIR_CWD, partial, &place);
        if (result == 0 && place.inode == NULL)
            result = sys_dir_make(SYS_DIR_CWD, partial);
        else if (result == 0 && !place.inode->is_directory)
            result = -ENOTDIR;
        partial[i] = kept;
    }
    free(partial);
    return result;
}

int sys_dir_sync(int dir_fd)
{
    const struct sim_descriptor *directory = sim_descriptor_at(dir_fd, SIM_IS_DIR);
    if (directory == NULL)
        return -EBADF;
    int result = sim_call_change(SIM_DIR_SYNC, directory->name);
    if (result == 0)
        sim_disk_sync_names(directory->node->disk, directory->inode);
    sim_trace("dir sync", (uint64_t)dir_fd, (uint64_t)(int64_t)result);
    return result;
}

/* A node's directories are all on its one disk. */
int sys_dir_sync_all(int dir_fd)
{
    const struct sim_descriptor *directory = sim_descriptor_at(dir_fd, SIM_IS_DIR);
    if (directory == NULL)
        return -EBADF;
    int result = sim_call_change(SIM_DIR_SYNC_ALL, directory->name);
    if (result == 0)
        sim_disk_sync(directory->node->disk);
    else
        sim_disk_sync_failed(directory->node->disk, &sim_here()->prng);
    sim_trace("sync all", (uint64_t)dir_fd, (uint64_t)(int64_t)result);
    return result;
}

/* Takes the name away, when what it means is of the wanted kind. */
static int remove_name(int dir_fd, const char *name, bool directory)
{
    struct sim_place place;
    int result = sim_find(dir_fd, name, &place);
    if (result != 0)
        return result;
    if (place.inode == NULL)
        return -ENOENT;
    if (place.inode->is_directory != directory)
        return directory ? -ENOTDIR : -EISDIR;
    if (directory && place.inode->names.count > 0)
        return -ENOTEMPTY;
    const struct sim_rename removal = {.from = place.directory, .name = place.name};
    sim_disk_rename(sim_node_here()->disk, &removal);
    return 0;
}

int sys_dir_remove(int dir_fd, const char *name)
{
    int result = sim_call_change(SIM_DIR_REMOVE, name);
    if (result == 0)
        result = remove_name(dir_fd, name, true);
    sim_trace("rmdir", slice_hash(slice_of_text(name), 0), (uint64_t)(int64_t)result);
    return result;
}

int sys_unlink(int dir_fd, const char *name)
{
    int result = sim_call_change(SIM_UNLINK, name);
    if (result == 0)
        result = remove_name(dir_fd, name, false);
    sim_trace("unlink", slice_hash(slice_of_text(name), 0), (uint64_t)(int64_t)result);
    return result;
}

/* Whether one may take the place of the other; 0 or a negative errno. */
static int check_replacement(const struct sim_place *from, const struct sim_place *to)
{
    if (from->inode == NULL)
        return -ENOENT;
    for (const struct sim_inode *at = to->directory; at != at->parent; at = at->parent) {
        if (at == from->inode)
            return -EINVAL; /* into itself */
    }
    if (to->inode == NULL || to->inode == from->inode)
        return 0;
    if (to->inode->is_directory != from->inode->is_directory)
        return to->inode->is_directory ? -EISDIR : -ENOTDIR;
    return to->inode->names.count > 0 ? -ENOTEMPTY : 0;
}

int sys_rename(int dir_fd, const char *from, const char *to)
{
    struct sim_place source;
    struct sim_place target;
    int result = sim_call_change(SIM_RENAME, from);
    if (result == 0)
        result = sim_find(dir_fd, from, &source);
    if (result == 0)
        result = sim_find(dir_fd, to, &target);
    if (result == 0)
        result = check_replacement(&source, &target);
    sim_trace("rename", slice_hash(slice_of_text(to), slice_hash(slice_of_text(from), 0)),
              (uint64_t)(int64_t)result);
    if (result != 0 || source.inode == target.inode)
        return result;
    const struct sim_rename move = {
        .from = source.directory,
        .name = source.name,
        .to = target.directory,
        .to_name = target.name,
        .inode = source.inode,
    };
    sim_disk_rename(sim_node_here()->disk, &move);
    return 0;
}

int sys_exists(int dir_fd, const char *name)
{
    struct sim_place place;
    int result = sim_find(dir_fd, name, &place);
    if (result == -ENOENT)
        return 0;
    return result != 0 ? result : place.inode != NULL;
}

int64_t sys_modified_ms(int dir_fd, const char *name)
{
    struct sim_place place;
    int result = sim_find(dir_fd, name, &place);
    if (result == 0 && place.inode == NULL)
        result = -ENOENT;
    return result != 0 ? result : place.inode->modified_ms;
}

/* A copy of the names, in an order drawn anew each time, as none is promised. */
static struct sim_names shuffled(const struct sim_names *names)
{
    struct sim_names copy = {0};
    for (size_t i = 0; i < names->count; i++)
        sim_names_set(&copy, names->entries[i].name, names->entries[i].inode);
    for (size_t i = copy.count; i > 1; i--) {
        size_t other = (size_t)prng_below(&sim_here()->prng, i);
        struct sim_entry kept = copy.entries[i - 1];
        copy.entries[i - 1] = copy.entries[other];
        copy.entries[other] = kept;
    }
    return copy;
}

int sys_dir_list(int dir_fd, sys_dir_entry_fn on_entry, void *context)
{
    const struct sim_descriptor *directory = sim_descriptor_at(dir_fd, SIM_IS_DIR);
    if (directory == NULL)
        return -EBADF;
    int result = sim_call(SIM_DIR_LIST, directory->name);
    if (result != 0)
        return result;
    struct sim_names names = shuffled(&directory->inode->names);
    for (size_t i = 0; i < names.count && result == 0; i++)
        result = on_entry(context, names.entries[i].name, names.entries[i].inode->is_directory);
    sim_names_clear(&names);
    return result;
}

int sys_dir_lock(int dir_fd, const char *name)
{
    int fd = sys_file_open(dir_fd, name, SYS_OPEN_WRITE | SYS_OPEN_CREATE);
    if (fd < 0)
        return fd;
    struct sim_descriptor *file = sim_descriptor_at(fd, SIM_IS_FILE);
    if (file->inode->locked) {
        sys_file_close(fd);
        return -EWOULDBLOCK;
    }
    file->inode->locked = true;
    file->holds_lock = true;
    return fd;
}

char *sys_dir_absolute(const char *path)
{
    struct text absolute;
    text_init(&absolute, 4096);
    text_printf(&absolute, "%s%s", path[0] == '/' ? "" : "/", path);
    return text_take(&absolute);
}

int sys_dir_is_same(int dir_fd, int other_fd)
{
    const struct sim_descriptor *one = sim_descriptor_at(dir_fd, SIM_IS_DIR);
    const struct sim_descriptor *other = sim_descriptor_at(other_fd, SIM_IS_DIR);
    if (one == NULL || other == NULL)
        return -EBADF;
    return one->inode == other->inode;
}

int sys_dir_space(int dir_fd, int64_t *ret_free, int64_t *ret_total)
{
    const struct sim_descriptor *directory = sim_descriptor_at(dir_fd, SIM_IS_DIR);
    if (directory == NULL)
        return -EBADF;
    const struct sim_disk *disk = directory->node->disk;
    int64_t used = sim_disk_used(disk);
    *ret_free = MAX_OF(disk->capacity - used, (int64_t)0);
    *ret_total = disk->capacity;
    return 0;
}
