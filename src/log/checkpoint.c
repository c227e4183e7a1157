/* Checkpoint files; see the header. Blocking: not on a shard. */
#include "log/checkpoint.h"

#include "base/text.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECKPOINT_SIZE_MAX (256U * 1024 * 1024)

struct entry {
    struct hash_node node;
    int64_t offset;
    size_t name_size;
    char name[];
};

static struct entry *of_node(struct hash_node *node)
{
    return CONTAINER_OF(node, struct entry, node);
}

static bool name_matches(const struct hash_node *node, const void *key)
{
    const struct entry *entry = CONTAINER_OF(node, const struct entry, node);
    return slice_equal(slice_of(entry->name, entry->name_size), *(const struct slice *)key);
}

void checkpoint_init(struct checkpoint *checkpoint)
{
    hash_table_init(&checkpoint->table);
}

static void clear(struct checkpoint *checkpoint)
{
    struct hash_node *node;
    while ((node = hash_table_next(&checkpoint->table, NULL)) != NULL) {
        hash_table_remove(&checkpoint->table, node);
        free(of_node(node));
    }
}

void checkpoint_fini(struct checkpoint *checkpoint)
{
    clear(checkpoint);
    hash_table_fini(&checkpoint->table);
}

static struct entry *find(const struct checkpoint *checkpoint, struct slice name)
{
    struct hash_node *node =
        hash_table_find(&checkpoint->table, slice_hash(name, 0), name_matches, &name);
    return node != NULL ? of_node(node) : NULL;
}

bool checkpoint_put(struct checkpoint *checkpoint, struct slice name, int64_t offset)
{
    struct entry *entry = find(checkpoint, name);
    if (entry != NULL) {
        entry->offset = offset;
        return true;
    }
    entry = malloc(sizeof *entry + name.size);
    if (entry == NULL)
        return false;
    entry->offset = offset;
    entry->name_size = name.size;
    memcpy(entry->name, name.data, name.size);
    if (!hash_table_insert(&checkpoint->table, &entry->node, slice_hash(name, 0))) {
        free(entry);
        return false;
    }
    return true;
}

bool checkpoint_add(struct checkpoint *checkpoint, const struct checkpoint *from)
{
    bool fine = true;
    for (struct hash_node *node = hash_table_next(&from->table, NULL); node != NULL && fine;
         node = hash_table_next(&from->table, node)) {
        const struct entry *entry = of_node(node);
        fine = checkpoint_put(checkpoint, slice_of(entry->name, entry->name_size), entry->offset);
    }
    return fine;
}

static void drop(struct checkpoint *checkpoint, struct entry *entry)
{
    hash_table_remove(&checkpoint->table, &entry->node);
    free(entry);
}

void checkpoint_remove(struct checkpoint *checkpoint, struct slice name)
{
    struct entry *entry = find(checkpoint, name);
    if (entry != NULL)
        drop(checkpoint, entry);
}

void checkpoint_drop_absent(struct checkpoint *checkpoint, int dir_fd)
{
    struct hash_node *node = hash_table_next(&checkpoint->table, NULL);
    while (node != NULL) {
        struct entry *entry = of_node(node);
        char name[NAME_MAX + 1];
        node = hash_table_next(&checkpoint->table, node);
        int size = (int)MIN_OF(entry->name_size, sizeof name - 1);
        (void)snprintf(name, sizeof name, "%.*s", size, entry->name);
        if (sys_exists(dir_fd, name) == 0)
            drop(checkpoint, entry);
    }
}

int64_t checkpoint_get(const struct checkpoint *checkpoint, struct slice name, int64_t missing)
{
    const struct entry *entry = find(checkpoint, name);
    return entry != NULL ? entry->offset : missing;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

bool checkpoint_word(struct slice *rest, struct slice *ret_word)
{
    size_t from = 0;
    while (from < rest->size && is_blank(rest->data[from]))
        from++;
    size_t to = from;
    while (to < rest->size && !is_blank(rest->data[to]))
        to++;
    if (to == from)
        return false;
    *ret_word = slice_of(rest->data + from, to - from);
    *rest = slice_from(*rest, to);
    return true;
}

bool checkpoint_number(struct slice *rest, int64_t *ret_number)
{
    struct slice word;
    if (!checkpoint_word(rest, &word) || word.size > 20)
        return false;
    char digits[24];
    memcpy(digits, word.data, word.size);
    digits[word.size] = '\0';
    char *end;
    errno = 0;
    long long number = strtoll(digits, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *ret_number = number;
    return true;
}

/* One "topic partition offset" line. */
static bool read_entry(struct checkpoint *checkpoint, struct slice *rest)
{
    struct slice topic;
    int64_t partition;
    int64_t offset;
    if (!checkpoint_word(rest, &topic) || !checkpoint_number(rest, &partition) ||
        !checkpoint_number(rest, &offset) || partition < 0 || topic.size > 255)
        return false;
    char name[288];
    int size = snprintf(name, sizeof name, "%.*s-%lld", SLICE_ARG(topic), (long long)partition);
    return checkpoint_put(checkpoint, slice_of(name, (size_t)size), offset);
}

static bool read_all(struct checkpoint *checkpoint, struct slice text)
{
    int64_t version;
    int64_t count;
    if (!checkpoint_number(&text, &version) || version != 0 || !checkpoint_number(&text, &count))
        return false;
    for (int64_t i = 0; i < count; i++)
        if (!read_entry(checkpoint, &text))
            return false;
    struct slice more;
    return !checkpoint_word(&text, &more);
}

const char *checkpoint_read(struct checkpoint *checkpoint, int dir_fd, const char *file)
{
    char *data = NULL;
    size_t size = 0;
    int error = sys_file_read_whole(dir_fd, file, CHECKPOINT_SIZE_MAX, &data, &size);
    if (error == -ENOENT)
        return NULL;
    if (error < 0)
        return "it cannot be read";
    bool fine = size == 0 || read_all(checkpoint, slice_of(data, size));
    free(data);
    if (fine)
        return NULL;
    clear(checkpoint);
    return "its contents are malformed";
}

static void write_entry(const struct entry *entry, struct text *text)
{
    size_t dash = entry->name_size;
    while (dash > 0 && entry->name[dash - 1] != '-')
        dash--;
    if (dash < 2)
        return;
    text_printf(text, "%.*s %.*s %lld\n", (int)dash - 1, entry->name,
                (int)(entry->name_size - dash), entry->name + dash, (long long)entry->offset);
}

int checkpoint_write(const struct checkpoint *checkpoint, int dir_fd, const char *file)
{
    struct text text;
    text_init(&text, CHECKPOINT_SIZE_MAX);
    text_printf(&text, "0\n%zu\n", checkpoint->table.count);
    for (struct hash_node *node = hash_table_next(&checkpoint->table, NULL); node != NULL;
         node = hash_table_next(&checkpoint->table, node))
        write_entry(of_node(node), &text);
    int error = text.failed ? -ENOMEM : sys_file_replace(dir_fd, file, text_slice(&text));
    text_fini(&text);
    return error;
}
