/* Paths of the simulated disk. There are no links; "." and ".." mean what they do everywhere, and
 * an absolute path starts at the node's root, as does one relative to the working directory. */
#include "sim/sim_int.h"

#include "sys/dir.h"

#include <errno.h>

/* The directory a path starts from. */
static int start_of(int dir_fd, const char *path, struct sim_inode **ret_directory)
{
    const struct sim_node *node = sim_node_here();
    if (path[0] == '/' || dir_fd == SYS_DIR_CWD) {
        *ret_directory = CONTAINER_OF(node->disk->inodes.next, struct sim_inode, link);
        return 0;
    }
    const struct sim_descriptor *descriptor = sim_descriptor_at(dir_fd, SIM_IS_DIR);
    if (descriptor == NULL)
        return sim_descriptor_at(dir_fd, SIM_IS_FILE) != NULL ? -ENOTDIR : -EBADF;
    *ret_directory = descriptor->inode;
    return 0;
}

/* The next component, without its slashes; empty at the end of the path. */
static struct slice next_component(const char **path)
{
    const char *from = *path + strspn(*path, "/");
    size_t size = strcspn(from, "/");
    *path = from + size;
    return slice_of(from, size);
}

static struct sim_inode *look_up(struct sim_inode *directory, struct slice name)
{
    if (slice_is(name, "."))
        return directory;
    if (slice_is(name, ".."))
        return directory->parent;
    return sim_names_find(&directory->names, name);
}

int sim_find(int dir_fd, const char *path, struct sim_place *ret_place)
{
    struct sim_inode *at = NULL;
    int result = start_of(dir_fd, path, &at);
    if (result != 0)
        return result;
    if (path[0] == '\0')
        return -ENOENT;
    *ret_place = (struct sim_place){.directory = at, .inode = at, .name = "."};
    for (struct slice name = next_component(&path); name.size > 0; name = next_component(&path)) {
        if (at == NULL)
            return -ENOENT;
        if (!at->is_directory)
            return -ENOTDIR;
        if (name.size >= sizeof ret_place->name)
            return -ENAMETOOLONG;
        ret_place->directory = at;
        at = look_up(at, name);
        ret_place->inode = at;
        memcpy(ret_place->name, name.data, name.size);
        ret_place->name[name.size] = '\0';
    }
    if (path[-1] == '/' && at != NULL && !at->is_directory)
        return -ENOTDIR;
    return 0;
}
