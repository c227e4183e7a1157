/* The names of a simulated directory: an array kept sorted, so that no order depends on anything
 * but the names. */
#include "sim/sim_int.h"

#include "base/always.h"

#include <stdlib.h>

static int compare_name(const struct sim_entry *entry, struct slice name)
{
    return slice_compare(slice_of_text(entry->name), name);
}

/* Where the name is, or would be. */
static size_t position_of(const struct sim_names *names, struct slice name)
{
    size_t low = 0;
    size_t high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_name(&names->entries[middle], name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct sim_names *names, size_t at, struct slice name)
{
    return at < names->count && compare_name(&names->entries[at], name) == 0;
}

struct sim_inode *sim_names_find(const struct sim_names *names, struct slice name)
{
    size_t at = position_of(names, name);
    return is_at(names, at, name) ? names->entries[at].inode : NULL;
}

void sim_names_set(struct sim_names *names, const char *name, struct sim_inode *inode)
{
    size_t at = position_of(names, slice_of_text(name));
    if (is_at(names, at, slice_of_text(name))) {
        names->entries[at].inode = inode;
        return;
    }
    if (names->count == names->capacity) {
        size_t capacity = MAX_OF(names->capacity * 2, (size_t)8);
        struct sim_entry *grown =
            (struct sim_entry *)realloc(names->entries, capacity * sizeof *grown);
        ALWAYS(grown != NULL, "no memory for a simulated directory");
        names->entries = grown;
        names->capacity = capacity;
    }
    memmove(names->entries + at + 1, names->entries + at,
            (names->count - at) * sizeof *names->entries);
    size_t size = strlen(name) + 1;
    ALWAYS(size <= SIM_NAME_SIZE, "a name of %zu bytes on a simulated disk", size);
    memcpy(names->entries[at].name, name, size);
    names->entries[at].inode = inode;
    names->count++;
}

void sim_names_remove(struct sim_names *names, const char *name)
{
    size_t at = position_of(names, slice_of_text(name));
    if (!is_at(names, at, slice_of_text(name)))
        return;
    names->count--;
    memmove(names->entries + at, names->entries + at + 1,
            (names->count - at) * sizeof *names->entries);
}

void sim_names_clear(struct sim_names *names)
{
    free(names->entries);
    *names = (struct sim_names){0};
}

struct sim_names sim_names_clone(const struct sim_names *from)
{
    struct sim_names clone = {.count = from->count, .capacity = from->count};
    clone.entries = (struct sim_entry *)sim_take(from->count * sizeof *clone.entries);
    for (size_t i = 0; i < from->count; i++) {
        clone.entries[i] = from->entries[i];
        clone.entries[i].inode = from->entries[i].inode->copy;
    }
    return clone;
}
