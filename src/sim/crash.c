/* What a disk may look like after a power cut. A file's space is cut into units; the page cache
 * writes a page as it is at that moment, so each unit holds the result of some prefix of the
 * writes to it, units independently; the size is recorded apart, so it may be any that the file
 * has had since its last sync, and what lies beyond it is gone. Names change atomically, each
 * change by itself. */
#include "sim/sim_int.h"

#include "base/always.h"

#include <stdlib.h>

/* One file's choices. */
struct plan {
    size_t unit;
    size_t unit_count;
    size_t size_max;    /* the largest it has had */
    uint32_t *touches;  /* by unit: pending writes that touch it */
    uint32_t *versions; /* by unit: how many of them happened */
    size_t *sizes;      /* the durable one, then each that it has had */
    size_t size_count;
};

struct unit_range {
    size_t first;
    size_t end; /* one behind the last */
};

/* Units that a pending write touches in a file of that size. */
static struct unit_range touched(const struct sim_write *write, size_t size, size_t unit)
{
    size_t from = write->offset;
    size_t end = write->truncates ? size : write->offset + write->size;
    if (from >= end)
        return (struct unit_range){0, 0}; /* a truncation that lengthens */
    return (struct unit_range){from / unit, (end - 1) / unit + 1};
}

static size_t size_after(const struct sim_write *write, size_t size)
{
    return write->truncates ? write->offset : MAX_OF(size, write->offset + write->size);
}

static size_t count_writes(const struct sim_inode *inode, size_t *ret_size_max)
{
    size_t count = 0;
    size_t size = inode->durable.size;
    *ret_size_max = size;
    LIST_EACH (&inode->writes, link) {
        size = size_after(CONTAINER_OF(link, struct sim_write, link), size);
        *ret_size_max = MAX_OF(*ret_size_max, size);
        count++;
    }
    return count;
}

static struct plan plan_new(const struct sim_inode *inode, size_t unit)
{
    struct plan plan = {.unit = unit};
    size_t writes = count_writes(inode, &plan.size_max);
    size_t size = inode->durable.size;
    plan.unit_count = (plan.size_max + unit - 1) / unit;
    plan.touches = (uint32_t *)sim_take(plan.unit_count * sizeof *plan.touches);
    plan.versions = (uint32_t *)sim_take(plan.unit_count * sizeof *plan.versions);
    plan.sizes = (size_t *)sim_take((writes + 1) * sizeof *plan.sizes);
    plan.sizes[plan.size_count++] = size;
    LIST_EACH (&inode->writes, link) {
        const struct sim_write *write = CONTAINER_OF(link, struct sim_write, link);
        struct unit_range range = touched(write, size, unit);
        for (size_t i = range.first; i < range.end; i++)
            plan.touches[i]++;
        size_t after = size_after(write, size);
        if (after != size)
            plan.sizes[plan.size_count++] = after;
        size = after;
    }
    return plan;
}

static void plan_free(struct plan *plan)
{
    free(plan->touches);
    free(plan->versions);
    free(plan->sizes);
}

/* The part of one unit that the write has changed. */
static void apply_to_unit(uint8_t *buffer, const struct plan *plan, size_t index,
                          const struct sim_write *write)
{
    size_t from = MAX_OF(index * plan->unit, write->offset);
    size_t unit_end = MIN_OF((index + 1) * plan->unit, plan->size_max);
    if (write->truncates) {
        memset(buffer + from, 0, unit_end - from);
        return;
    }
    size_t end = MIN_OF(unit_end, write->offset + write->size);
    memcpy(buffer + from, write->data + (from - write->offset), end - from);
}

/* The file becomes what the plan's versions say, of that size; nothing is pending after. */
static void settle(struct sim_inode *inode, const struct plan *plan, size_t size)
{
    uint8_t *buffer = (uint8_t *)sim_take(plan->size_max);
    uint32_t *seen = (uint32_t *)sim_take(plan->unit_count * sizeof *seen);
    size_t size_now = inode->durable.size;
    if (size_now > 0)
        memcpy(buffer, inode->durable.data, size_now);
    LIST_EACH (&inode->writes, link) {
        const struct sim_write *write = CONTAINER_OF(link, struct sim_write, link);
        struct unit_range range = touched(write, size_now, plan->unit);
        for (size_t i = range.first; i < range.end; i++) {
            if (seen[i]++ < plan->versions[i])
                apply_to_unit(buffer, plan, i, write);
        }
        size_now = size_after(write, size_now);
    }
    sim_inode_forget_writes(inode);
    free(inode->durable.data);
    free(inode->live.data);
    inode->durable = (struct sim_image){.data = buffer, .size = size, .capacity = plan->size_max};
    inode->live = sim_image_copy(&inode->durable);
    free(seen);
}

/* ---- counting and choosing by number ---- */

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* States of the file at one of its sizes: units beyond it make no difference. */
static uint64_t count_at_size(const struct plan *plan, size_t size)
{
    uint64_t count = 1;
    for (size_t i = 0; i * plan->unit < size; i++)
        count = times(count, plan->touches[i] + 1);
    return count;
}

static uint64_t count_file(const struct plan *plan)
{
    uint64_t count = 0;
    for (size_t i = 0; i < plan->size_count; i++) {
        uint64_t more = count_at_size(plan, plan->sizes[i]);
        count = more > UINT64_MAX - count ? UINT64_MAX : count + more;
    }
    return count;
}

/* state is below count_file. */
static void settle_by_number(struct sim_inode *inode, struct plan *plan, uint64_t state)
{
    size_t at = 0;
    while (state >= count_at_size(plan, plan->sizes[at]))
        state -= count_at_size(plan, plan->sizes[at++]);
    for (size_t i = 0; i * plan->unit < plan->sizes[at]; i++) {
        uint64_t choices = plan->touches[i] + 1;
        plan->versions[i] = (uint32_t)(state % choices);
        state /= choices;
    }
    settle(inode, plan, plan->sizes[at]);
}

static size_t count_renames(const struct sim_disk *disk)
{
    size_t count = 0;
    LIST_EACH (&disk->renames, link)
        count++;
    return count;
}

static uint64_t count_names(const struct sim_disk *disk)
{
    size_t count = count_renames(disk);
    return count <= SIM_SUBSET_MAX ? (uint64_t)1 << count : (uint64_t)count + 1;
}

/* subset: bit k tells whether change k happens; else the first `state` of them do. */
static void settle_names(struct sim_disk *disk, bool subset, uint64_t state)
{
    uint64_t index = 0;
    LIST_EACH_SAFE (&disk->renames, link, after) {
        bool happens = subset ? (state >> index % 64 & 1) != 0 : index < state;
        sim_rename_settle(CONTAINER_OF(link, struct sim_rename, link), happens);
        index++;
    }
}

/* ---- the disk after it ---- */

static void keep_children(const struct sim_names *names, bool *ret_grew)
{
    for (size_t i = 0; i < names->count; i++) {
        *ret_grew = *ret_grew || !names->entries[i].inode->kept;
        names->entries[i].inode->kept = true;
    }
}

/* Frees what no durable name reaches. */
static void sweep(struct sim_disk *disk)
{
    bool grew = true;
    LIST_EACH (&disk->inodes, link)
        CONTAINER_OF(link, struct sim_inode, link)->kept = link == disk->inodes.next;
    while (grew) {
        grew = false;
        LIST_EACH (&disk->inodes, link) {
            const struct sim_inode *inode = CONTAINER_OF(link, struct sim_inode, link);
            if (inode->kept)
                keep_children(&inode->durable_names, &grew);
        }
    }
    LIST_EACH_SAFE (&disk->inodes, link, after) {
        struct sim_inode *inode = CONTAINER_OF(link, struct sim_inode, link);
        if (!inode->kept)
            sim_inode_free(inode);
    }
}

/* What is durable is all there is. */
static void start_again(struct sim_disk *disk)
{
    sweep(disk);
    LIST_EACH (&disk->inodes, link) {
        struct sim_inode *inode = CONTAINER_OF(link, struct sim_inode, link);
        inode->name_count = 0;
        inode->warm = false;
        if (inode->forgot) {
            free(inode->live.data);
            inode->live = sim_image_copy(&inode->durable);
            inode->forgot = false;
        }
        sim_names_clear(&inode->names);
    }
    LIST_EACH (&disk->inodes, link) {
        struct sim_inode *inode = CONTAINER_OF(link, struct sim_inode, link);
        for (size_t i = 0; i < inode->durable_names.count; i++) {
            const struct sim_entry *entry = &inode->durable_names.entries[i];
            sim_names_set(&inode->names, entry->name, entry->inode);
            entry->inode->name_count++;
            if (entry->inode->is_directory)
                entry->inode->parent = inode;
        }
    }
}

uint64_t sim_disk_state_count(const struct sim_disk *disk, size_t unit)
{
    uint64_t count = count_names(disk);
    LIST_EACH (&disk->inodes, link) {
        const struct sim_inode *inode = CONTAINER_OF(link, struct sim_inode, link);
        if (list_is_empty(&inode->writes))
            continue;
        struct plan plan = plan_new(inode, unit);
        count = times(count, count_file(&plan));
        plan_free(&plan);
    }
    return count;
}

void sim_disk_become(struct sim_disk *disk, size_t unit, uint64_t state)
{
    uint64_t names = count_names(disk);
    ALWAYS(state < sim_disk_state_count(disk, unit), "a disk has no crash state %llu",
           (unsigned long long)state);
    settle_names(disk, count_renames(disk) <= SIM_SUBSET_MAX, state % names);
    state /= names;
    LIST_EACH (&disk->inodes, link) {
        struct sim_inode *inode = CONTAINER_OF(link, struct sim_inode, link);
        if (list_is_empty(&inode->writes))
            continue;
        struct plan plan = plan_new(inode, unit);
        uint64_t count = count_file(&plan);
        settle_by_number(inode, &plan, state % count);
        state /= count;
        plan_free(&plan);
    }
    start_again(disk);
}

/* ---- choosing at random ---- */

/* The first writes happened as a whole, the one after them in part. */
static size_t choose_prefix(const struct sim_inode *inode, struct plan *plan, struct prng *prng)
{
    size_t size_max;
    uint64_t left = prng_below(prng, count_writes(inode, &size_max) + 1);
    size_t size = inode->durable.size;
    LIST_EACH (&inode->writes, link) {
        const struct sim_write *write = CONTAINER_OF(link, struct sim_write, link);
        struct unit_range range = touched(write, size, plan->unit);
        for (size_t i = range.first; i < range.end; i++)
            plan->versions[i] += left > 0 || prng_chance(prng, 1, 2) ? 1 : 0;
        if (left == 0)
            return prng_chance(prng, 1, 2) ? size_after(write, size) : size;
        size = size_after(write, size);
        left--;
    }
    return size;
}

static size_t choose_freely(struct plan *plan, struct prng *prng)
{
    for (size_t i = 0; i < plan->unit_count; i++)
        plan->versions[i] = (uint32_t)prng_below(prng, (uint64_t)plan->touches[i] + 1);
    return plan->sizes[prng_below(prng, plan->size_count)];
}

static void settle_any(struct sim_inode *inode, struct prng *prng)
{
    struct plan plan = plan_new(inode, prng_chance(prng, 1, 2) ? 512 : 4096);
    size_t size = inode->durable.size;
    uint64_t shape = prng_below(prng, 6); /* 0: nothing happened */
    if (shape == 1) {
        memcpy(plan.versions, plan.touches, plan.unit_count * sizeof *plan.versions);
        size = plan.sizes[plan.size_count - 1];
    } else if (shape == 2 || shape == 3) {
        size = choose_prefix(inode, &plan, prng);
    } else if (shape > 3) {
        size = choose_freely(&plan, prng);
    }
    settle(inode, &plan, size);
    plan_free(&plan);
}

void sim_disk_become_any(struct sim_disk *disk, struct prng *prng)
{
    bool subset = prng_chance(prng, 1, 2);
    uint64_t count = (uint64_t)count_renames(disk);
    settle_names(disk, subset, subset ? prng_next(prng) : prng_below(prng, count + 1));
    LIST_EACH (&disk->inodes, link) {
        struct sim_inode *inode = CONTAINER_OF(link, struct sim_inode, link);
        if (!list_is_empty(&inode->writes))
            settle_any(inode, prng);
    }
    start_again(disk);
}

/* ---- syncing everything ---- */

void sim_disk_sync(struct sim_disk *disk)
{
    LIST_EACH (&disk->inodes, link)
        sim_inode_sync(CONTAINER_OF(link, struct sim_inode, link));
    LIST_EACH_SAFE (&disk->renames, rename, after)
        sim_rename_settle(CONTAINER_OF(rename, struct sim_rename, link), true);
}

void sim_disk_sync_failed(struct sim_disk *disk, struct prng *prng)
{
    LIST_EACH (&disk->inodes, link) {
        struct sim_inode *inode = CONTAINER_OF(link, struct sim_inode, link);
        if (!list_is_empty(&inode->writes))
            sim_inode_sync_failed(inode, prng);
    }
}
