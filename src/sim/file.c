/* sys/file.h on the simulated disk. */
#include "sys/file.h"

#include "sim/sim_int.h"

#include "base/always.h"
#include "sys/clock.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE_SIZE 4096

static struct sim_descriptor *file_at(int fd)
{
    return sim_descriptor_at(fd, SIM_IS_FILE);
}

static int open_found(const struct sim_place *place, unsigned flags, struct sim_inode **ret_inode)
{
    struct sim_disk *disk = sim_node_here()->disk;
    if (place->inode != NULL) {
        if ((flags & SYS_OPEN_EXCLUSIVE) != 0 && (flags & SYS_OPEN_CREATE) != 0)
            return -EEXIST;
        if (place->inode->is_directory)
            return -EISDIR;
        if ((flags & SYS_OPEN_TRUNCATE) != 0)
            sim_inode_truncate(place->inode, 0);
        *ret_inode = place->inode;
        return 0;
    }
    if ((flags & SYS_OPEN_CREATE) == 0)
        return -ENOENT;
    struct sim_inode *inode = sim_inode_new(disk, false);
    inode->modified_ms = sys_wall_ms();
    char name[sizeof place->name];
    memcpy(name, place->name, sizeof name);
    const struct sim_rename creation = {
        .to = place->directory,
        .to_name = name,
        .inode = inode,
    };
    sim_disk_rename(disk, &creation);
    *ret_inode = inode;
    return 0;
}

int sys_file_open(int dir_fd, const char *name, unsigned flags)
{
    struct sim_place place;
    struct sim_inode *inode = NULL;
    bool changes = (flags & (SYS_OPEN_CREATE | SYS_OPEN_TRUNCATE)) != 0;
    int result = changes ? sim_call_change(SIM_FILE_OPEN, name) : sim_call(SIM_FILE_OPEN, name);
    if (result == 0)
        result = sim_find(dir_fd, name, &place);
    if (result == 0)
        result = open_found(&place, flags, &inode);
    sim_trace("open", slice_hash(slice_of_text(name), flags), (uint64_t)(int64_t)result);
    if (result != 0)
        return result;
    struct sim_descriptor *descriptor = sim_descriptor_new(SIM_IS_FILE, name);
    descriptor->inode = inode;
    inode->open_count++;
    descriptor->writable = (flags & SYS_OPEN_WRITE) != 0;
    return descriptor->fd;
}

/* A write that fails may have written any part. */
static void write_some(struct sim_inode *inode, struct slice bytes, int64_t position)
{
    size_t part = (size_t)prng_below(&sim_here()->prng, bytes.size + 1);
    sim_inode_write(inode, (size_t)position, slice_first(bytes, part));
}

static int write_slice(struct sim_descriptor *file, struct slice bytes, int64_t position)
{
    const struct sim_disk *disk = file->node->disk;
    struct sim_inode *inode = file->inode;
    int64_t end = position + (int64_t)bytes.size;
    int64_t growth = MAX_OF(end - (int64_t)inode->live.size, (int64_t)0);
    bool bounded = growth > 0 && disk->capacity != SIM_CAPACITY_UNBOUNDED;
    int64_t left = bounded ? disk->capacity - sim_disk_used(disk) : growth;
    if (growth > left) {
        size_t part = (size_t)MAX_OF((int64_t)bytes.size - (growth - left), (int64_t)0);
        sim_inode_write(inode, (size_t)position, slice_first(bytes, part));
        return -ENOSPC;
    }
    sim_inode_write(inode, (size_t)position, bytes);
    return 0;
}

int sys_file_writev_at(int fd, const struct slice *parts, int part_count, int64_t position)
{
    struct sim_descriptor *file = file_at(fd);
    if (file == NULL || !file->writable)
        return -EBADF;
    if (position < 0)
        return -EINVAL;
    int result = sim_call_change(SIM_FILE_WRITE, file->name);
    if (result != 0 && part_count > 0)
        write_some(file->inode, parts[0], position);
    file->inode->modified_ms = sys_wall_ms();
    uint64_t hash = (uint64_t)position;
    for (int i = 0; i < part_count && result == 0; i++) {
        result = write_slice(file, parts[i], position);
        position += (int64_t)parts[i].size;
        hash = slice_hash(parts[i], hash);
    }
    sim_trace("write", hash, (uint64_t)(int64_t)result);
    return result;
}

int sys_file_write_at(int fd, struct slice bytes, int64_t position)
{
    return sys_file_writev_at(fd, &bytes, 1, position);
}

static struct slice content_at(const struct sim_descriptor *file, int64_t position, size_t size)
{
    struct slice content = slice_of(file->inode->live.data, file->inode->live.size);
    return slice_first(slice_from(content, (size_t)position), size);
}

int64_t sys_file_read_at(int fd, void *ret_data, size_t size, int64_t position)
{
    const struct sim_descriptor *file = file_at(fd);
    if (file == NULL)
        return -EBADF;
    if (position < 0)
        return -EINVAL;
    int result = sim_call(SIM_FILE_READ, file->name);
    if (result != 0)
        return result;
    struct slice found = content_at(file, position, size);
    if (found.size > 0)
        memcpy(ret_data, found.data, found.size);
    file->inode->warm = true;
    return (int64_t)found.size;
}

int64_t sys_file_read_cached(int fd, void *ret_data, size_t size, int64_t position)
{
    struct sim_world *world = sim_here();
    const struct sim_descriptor *file = file_at(fd);
    if (file == NULL)
        return -EBADF;
    if (position < 0)
        return -EINVAL;
    int result = sim_call(SIM_FILE_READ, file->name);
    if (result != 0)
        return result;
    struct slice found = content_at(file, position, size);
    bool cold = !file->inode->warm && found.size > 0 && sim_chance(world->odds.cold_read);
    file->inode->warm = false;
    sim_trace("read cached", found.size, cold);
    if (cold) {
        /* From the page on that is not in memory nothing comes. */
        size_t to_page = PAGE_SIZE - (size_t)position % PAGE_SIZE;
        if (found.size <= to_page || prng_chance(&world->prng, 1, 2))
            return -EAGAIN;
        found = slice_first(found, to_page);
    }
    if (found.size > 0)
        memcpy(ret_data, found.data, found.size);
    return (int64_t)found.size;
}

int64_t sys_file_read_aside(int fd, void *ret_data, size_t size, int64_t position)
{
    return sys_file_read_at(fd, ret_data, size, position);
}

void sys_file_read_ahead(int fd, int64_t position, int64_t size)
{
    const struct sim_descriptor *file = file_at(fd);
    (void)position;
    (void)size;
    if (file != NULL)
        file->inode->warm = true;
}

int64_t sys_file_size(int fd)
{
    const struct sim_descriptor *file = file_at(fd);
    return file == NULL ? -EBADF : (int64_t)file->inode->live.size;
}

int64_t sys_file_modified_ms(int fd)
{
    const struct sim_descriptor *file = file_at(fd);
    return file == NULL ? -EBADF : file->inode->modified_ms;
}

int sys_file_set_modified(int fd, int64_t modified_ms)
{
    struct sim_descriptor *file = file_at(fd);
    if (file == NULL)
        return -EBADF;
    file->inode->modified_ms = modified_ms;
    return 0;
}

int sys_file_truncate(int fd, int64_t size)
{
    struct sim_descriptor *file = file_at(fd);
    if (file == NULL)
        return -EBADF;
    if (size < 0 || !file->writable)
        return -EINVAL;
    int result = sim_call_change(SIM_FILE_TRUNCATE, file->name);
    if (result == 0)
        sim_inode_truncate(file->inode, (size_t)size);
    sim_trace("truncate", (uint64_t)size, (uint64_t)(int64_t)result);
    return result;
}

int sys_file_sync(int fd)
{
    struct sim_descriptor *file = file_at(fd);
    if (file == NULL)
        return -EBADF;
    int result = sim_call_change(SIM_FILE_SYNC, file->name);
    if (result == 0)
        sim_inode_sync(file->inode);
    else
        sim_inode_sync_failed(file->inode, &sim_here()->prng);
    sim_trace("sync", (uint64_t)fd, (uint64_t)(int64_t)result);
    return result;
}

void sys_file_write_out(int fd, int64_t position, int64_t size)
{
    ALWAYS(file_at(fd) != NULL, "descriptor %d is no file", fd);
    (void)position; /* a hint: nothing is promised, nothing happens */
    (void)size;
}

void sys_file_forget(int fd)
{
    ALWAYS(file_at(fd) != NULL, "descriptor %d is no file", fd);
}

int sys_file_read_whole(int dir_fd, const char *name, size_t size_max, char **ret_data,
                        size_t *ret_size)
{
    AUTO(file_close) int fd = sys_file_open(dir_fd, name, SYS_OPEN_READ);
    if (fd < 0)
        return fd;
    int64_t size = sys_file_size(fd);
    if ((uint64_t)size > size_max)
        return -EFBIG;
    char *data = (char *)sim_take((size_t)size + 1);
    int64_t got = sys_file_read_at(fd, data, (size_t)size, 0);
    if (got < 0) {
        free(data);
        return (int)got;
    }
    *ret_data = data;
    *ret_size = (size_t)got;
    return 0;
}
