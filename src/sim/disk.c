/* The disk of a node: inodes with what their users see (live), what survives a power cut (durable),
 * and between the two the writes and changes of names that no sync has covered, in order.
 *
 * D1. durable + all pending, in order, = live.
 * D2. A sync of a file applies its pending writes to the durable image and forgets them.
 * D3. A sync of a directory applies those pending changes of names that touch it.
 * D4. After a failed sync the pending writes are forgotten though only a part was applied: D1 no
 *     longer holds for that file, as on a kernel that marks pages clean when their write fails. */
#include "sim/sim_int.h"

#include "base/always.h"
#include "base/hash.h"

#include <stdlib.h>

/* ---- images ---- */

void sim_image_resize(struct sim_image *image, size_t size)
{
    if (size > image->capacity) {
        size_t capacity = MAX_OF(image->capacity * 2, size);
        uint8_t *grown = (uint8_t *)realloc(image->data, capacity);
        ALWAYS(grown != NULL, "no memory for a simulated file of %zu bytes", size);
        image->data = grown;
        image->capacity = capacity;
    }
    if (size > image->size)
        memset(image->data + image->size, 0, size - image->size);
    image->size = size;
}

void sim_image_write(struct sim_image *image, size_t offset, struct slice bytes)
{
    if (bytes.size == 0)
        return;
    if (offset + bytes.size > image->size)
        sim_image_resize(image, offset + bytes.size);
    memcpy(image->data + offset, bytes.data, bytes.size);
}

struct sim_image sim_image_copy(const struct sim_image *from)
{
    struct sim_image copy = {.size = from->size, .capacity = from->size};
    copy.data = (uint8_t *)sim_take(from->size);
    if (from->size > 0)
        memcpy(copy.data, from->data, from->size);
    return copy;
}

/* ---- inodes ---- */

struct sim_inode *sim_inode_new(struct sim_disk *disk, bool is_directory)
{
    struct sim_inode *inode = (struct sim_inode *)sim_take(sizeof *inode);
    inode->number = disk->next_number++;
    inode->is_directory = is_directory;
    list_init(&inode->writes);
    list_add_tail(&disk->inodes, &inode->link);
    return inode;
}

void sim_inode_forget_writes(struct sim_inode *inode)
{
    for (struct list *link = list_take_first(&inode->writes); link != NULL;
         link = list_take_first(&inode->writes)) {
        struct sim_write *write = CONTAINER_OF(link, struct sim_write, link);
        free(write->data);
        free(write);
    }
}

void sim_inode_free(struct sim_inode *inode)
{
    sim_inode_forget_writes(inode);
    free(inode->live.data);
    free(inode->durable.data);
    sim_names_clear(&inode->names);
    sim_names_clear(&inode->durable_names);
    list_remove(&inode->link);
    free(inode);
}

/* Records a copy. */
static void add_write(struct sim_inode *inode, struct sim_write like)
{
    struct sim_write *write = (struct sim_write *)sim_take(sizeof *write);
    *write = like;
    write->data = (uint8_t *)sim_take(like.size);
    if (like.size > 0)
        memcpy(write->data, like.data, like.size);
    list_init(&write->link);
    list_add_tail(&inode->writes, &write->link);
}

void sim_inode_write(struct sim_inode *inode, size_t offset, struct slice bytes)
{
    if (bytes.size == 0)
        return;
    sim_image_write(&inode->live, offset, bytes);
    add_write(inode, (struct sim_write){
                         .offset = offset,
                         .size = bytes.size,
                         .data = inode->live.data + offset,
                     });
}

void sim_inode_truncate(struct sim_inode *inode, size_t size)
{
    if (size == inode->live.size)
        return;
    sim_image_resize(&inode->live, size);
    add_write(inode, (struct sim_write){.truncates = true, .offset = size});
}

static void apply(struct sim_image *image, const struct sim_write *write)
{
    if (write->truncates)
        sim_image_resize(image, write->offset);
    else
        sim_image_write(image, write->offset, slice_of(write->data, write->size));
}

void sim_inode_sync(struct sim_inode *inode)
{
    LIST_EACH (&inode->writes, link)
        apply(&inode->durable, CONTAINER_OF(link, struct sim_write, link));
    sim_inode_forget_writes(inode);
}

void sim_inode_sync_failed(struct sim_inode *inode, struct prng *prng)
{
    LIST_EACH (&inode->writes, link) {
        if (prng_chance(prng, 1, 2))
            apply(&inode->durable, CONTAINER_OF(link, struct sim_write, link));
    }
    inode->forgot = true;
    sim_inode_forget_writes(inode);
}

/* ---- changes of names ---- */

static void lose_name(struct sim_inode *directory, const char *name)
{
    struct sim_inode *inode = sim_names_find(&directory->names, slice_of_text(name));
    if (inode != NULL)
        inode->name_count--;
}

static void rename_apply_live(const struct sim_rename *rename)
{
    if (rename->from != NULL) {
        lose_name(rename->from, rename->name);
        sim_names_remove(&rename->from->names, rename->name);
    }
    if (rename->to != NULL) {
        lose_name(rename->to, rename->to_name);
        sim_names_set(&rename->to->names, rename->to_name, rename->inode);
        rename->inode->name_count++;
    }
    if (rename->to != NULL && rename->inode->is_directory)
        rename->inode->parent = rename->to;
}

void sim_rename_settle(struct sim_rename *rename, bool happens)
{
    if (happens && rename->from != NULL)
        sim_names_remove(&rename->from->durable_names, rename->name);
    if (happens && rename->to != NULL)
        sim_names_set(&rename->to->durable_names, rename->to_name, rename->inode);
    list_remove(&rename->link);
    free(rename->name);
    free(rename->to_name);
    free(rename);
}

static struct sim_rename *rename_copy(struct sim_disk *disk, const struct sim_rename *rename)
{
    struct sim_rename *copy = (struct sim_rename *)sim_take(sizeof *copy);
    *copy = *rename;
    copy->name = rename->name != NULL ? sim_copy_text(rename->name) : NULL;
    copy->to_name = rename->to_name != NULL ? sim_copy_text(rename->to_name) : NULL;
    list_init(&copy->link);
    list_add_tail(&disk->renames, &copy->link);
    return copy;
}

void sim_disk_rename(struct sim_disk *disk, const struct sim_rename *rename)
{
    (void)rename_copy(disk, rename);
    rename_apply_live(rename);
}

void sim_disk_sync_names(struct sim_disk *disk, const struct sim_inode *directory)
{
    LIST_EACH_SAFE (&disk->renames, link, after) {
        struct sim_rename *rename = CONTAINER_OF(link, struct sim_rename, link);
        if (rename->from != directory && rename->to != directory)
            continue;
        sim_rename_settle(rename, true);
    }
}

/* ---- whole disks ---- */

struct sim_disk *sim_disk_new(void)
{
    struct sim_disk *disk = (struct sim_disk *)sim_take(sizeof *disk);
    list_init(&disk->inodes);
    list_init(&disk->renames);
    disk->capacity = SIM_CAPACITY_UNBOUNDED;
    struct sim_inode *root = sim_inode_new(disk, true);
    root->parent = root;
    return disk;
}

void sim_disk_free(struct sim_disk *disk)
{
    if (disk == NULL)
        return;
    LIST_EACH_SAFE (&disk->renames, link, after)
        sim_rename_settle(CONTAINER_OF(link, struct sim_rename, link), false);
    LIST_EACH_SAFE (&disk->inodes, node, following)
        sim_inode_free(CONTAINER_OF(node, struct sim_inode, link));
    free(disk);
}

static void file_clone(struct sim_inode *to, const struct sim_inode *from)
{
    to->live = sim_image_copy(&from->live);
    to->modified_ms = from->modified_ms;
    to->durable = sim_image_copy(&from->durable);
    LIST_EACH (&from->writes, link)
        add_write(to, *CONTAINER_OF(link, struct sim_write, link));
}

static struct sim_inode *copy_of(const struct sim_inode *inode)
{
    return inode == NULL ? NULL : inode->copy;
}

struct sim_disk *sim_disk_clone(const struct sim_disk *disk)
{
    struct sim_disk *clone = (struct sim_disk *)sim_take(sizeof *clone);
    list_init(&clone->inodes);
    list_init(&clone->renames);
    LIST_EACH (&disk->inodes, link) {
        struct sim_inode *inode = CONTAINER_OF(link, struct sim_inode, link);
        struct sim_inode *copy = sim_inode_new(clone, inode->is_directory);
        copy->number = inode->number;
        copy->name_count = inode->name_count;
        copy->forgot = inode->forgot;
        copy->modified_ms = inode->modified_ms;
        file_clone(copy, inode);
        inode->copy = copy;
    }
    LIST_EACH (&disk->inodes, link) {
        const struct sim_inode *inode = CONTAINER_OF(link, struct sim_inode, link);
        inode->copy->parent = copy_of(inode->parent);
        inode->copy->names = sim_names_clone(&inode->names);
        inode->copy->durable_names = sim_names_clone(&inode->durable_names);
    }
    LIST_EACH (&disk->renames, link) {
        struct sim_rename *copy = rename_copy(clone, CONTAINER_OF(link, struct sim_rename, link));
        copy->from = copy_of(copy->from);
        copy->to = copy_of(copy->to);
        copy->inode = copy_of(copy->inode);
    }
    clone->next_number = disk->next_number;
    clone->capacity = disk->capacity;
    return clone;
}

struct sim_disk *sim_disk_copy(const struct sim_node *node)
{
    return sim_disk_clone(node->disk);
}

void sim_disk_put(struct sim_node *node, const struct sim_disk *disk)
{
    sim_disk_give(node, sim_disk_clone(disk));
}

void sim_disk_give(struct sim_node *node, struct sim_disk *disk)
{
    for (size_t i = 0; i < node->world->descriptor_count; i++) {
        const struct sim_descriptor *descriptor = node->world->descriptors[i];
        ALWAYS(descriptor == NULL || descriptor->node != node || descriptor->inode == NULL,
               "the disk of %s is exchanged while %s is open", node->name, descriptor->name);
    }
    sim_disk_free(node->disk);
    node->disk = disk;
}

static uint64_t hash_names(const struct sim_inode *directory, uint64_t hash)
{
    for (size_t i = 0; i < directory->names.count; i++) {
        const struct sim_entry *entry = &directory->names.entries[i];
        hash = slice_hash(slice_of_text(entry->name), hash);
        hash = hash_u64(hash + entry->inode->number);
    }
    return hash;
}

uint64_t sim_disk_hash(const struct sim_disk *disk)
{
    uint64_t hash = 0;
    LIST_EACH (&disk->inodes, link) {
        const struct sim_inode *inode = CONTAINER_OF(link, struct sim_inode, link);
        hash = hash_u64(hash + inode->number);
        hash = inode->is_directory ? hash_names(inode, hash)
                                   : slice_hash(slice_of(inode->live.data, inode->live.size), hash);
    }
    return hash;
}

void sim_disk_set_capacity(struct sim_node *node, int64_t bytes)
{
    node->disk->capacity = bytes;
}

int64_t sim_disk_used(const struct sim_disk *disk)
{
    int64_t used = 0;
    LIST_EACH (&disk->inodes, link) {
        const struct sim_inode *inode = CONTAINER_OF(link, struct sim_inode, link);
        if (inode->name_count > 0 || inode->open_count > 0)
            used += (int64_t)inode->live.size;
    }
    return used;
}

void sim_disk_watch(struct sim_node *node, sim_change_fn on_change, void *context)
{
    node->on_change = on_change;
    node->on_change_context = context;
}

uint64_t sim_disk_changes(const struct sim_node *node)
{
    return node->changes;
}
