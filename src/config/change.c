/* Lists that get longer and shorter. The complication is Java's way of cutting a text at its
 * commas: an empty text is one empty part, and empty parts at the end are none. Any thread. */
#include "config/change.h"

#include <stdlib.h>

struct part {
    struct slice text;
    size_t place; /* where it stood, those of the list so far first */
    bool is_new;  /* of the operation */
    bool dropped;
};

struct parts {
    struct part *at;
    size_t count;
};

static size_t parts_at_most(struct slice list)
{
    size_t count = 1;
    for (size_t i = 0; i < list.size; i++)
        count += list.data[i] == ',';
    return count;
}

static struct slice cut(struct slice *rest)
{
    const uint8_t *comma = rest->size == 0 ? NULL : memchr(rest->data, ',', rest->size);
    struct slice part = comma == NULL ? *rest : slice_first(*rest, (size_t)(comma - rest->data));
    *rest = comma == NULL ? (struct slice){0} : slice_from(*rest, part.size + 1);
    return part;
}

static void add_part(struct parts *parts, struct slice text, bool is_new)
{
    parts->at[parts->count] = (struct part){.text = text, .place = parts->count, .is_new = is_new};
    parts->count++;
}

/* The list so far: its empty parts do not count. */
static void add_old(struct parts *parts, struct slice list)
{
    while (!slice_is_null(list)) {
        struct slice part = cut(&list);
        if (part.size > 0)
            add_part(parts, part, false);
    }
}

static void add_new(struct parts *parts, struct slice list)
{
    size_t size = list.size;
    while (size > 0 && list.data[size - 1] == ',')
        size--;
    struct slice rest = slice_first(list, size);
    if (size == 0 && list.size > 0)
        return;
    do
        add_part(parts, cut(&rest), true);
    while (!slice_is_null(rest));
}

static int by_text(const void *a, const void *b)
{
    const struct part *left = a;
    const struct part *right = b;
    int order = slice_compare(left->text, right->text);
    return order != 0 ? order : (left->place > right->place) - (left->place < right->place);
}

static int by_place(const void *a, const void *b)
{
    const struct part *left = a;
    const struct part *right = b;
    return (left->place > right->place) - (left->place < right->place);
}

/* Equal parts, those of the list first: a new one counts when there was none. */
static void append_run(struct part *run, size_t count)
{
    for (size_t i = 1; i < count; i++)
        run[i].dropped = run[i].is_new;
}

/* Each new one takes an old one away. */
static void subtract_run(struct part *run, size_t count)
{
    size_t taken = 0;
    for (size_t i = 0; i < count; i++)
        taken += run[i].is_new;
    for (size_t i = 0; i < count; i++)
        run[i].dropped = run[i].is_new || i < taken;
}

static void merge(struct parts *parts, enum config_op op)
{
    size_t end;
    qsort(parts->at, parts->count, sizeof parts->at[0], by_text);
    for (size_t i = 0; i < parts->count; i = end) {
        end = i + 1;
        while (end < parts->count && slice_equal(parts->at[end].text, parts->at[i].text))
            end++;
        if (op == CONFIG_OP_APPEND)
            append_run(&parts->at[i], end - i);
        else
            subtract_run(&parts->at[i], end - i);
    }
    qsort(parts->at, parts->count, sizeof parts->at[0], by_place);
}

static struct slice joined(const struct parts *parts, struct arena *arena)
{
    size_t size = 0;
    for (size_t i = 0; i < parts->count; i++)
        size += parts->at[i].text.size + 1;
    uint8_t *text = ARENA_ARRAY(arena, uint8_t, size + 1);
    if (text == NULL)
        return (struct slice){0};
    size_t used = 0;
    bool is_first = true;
    for (size_t i = 0; i < parts->count; i++) {
        const struct part *part = &parts->at[i];
        if (part->dropped)
            continue;
        if (!is_first)
            text[used++] = ',';
        is_first = false;
        if (part->text.size > 0)
            memcpy(text + used, part->text.data, part->text.size);
        used += part->text.size;
    }
    return slice_of(text, used);
}

struct slice config_change_apply(const struct config_row *row, const struct config_change *change,
                                 struct arena *arena)
{
    if (change->op == CONFIG_OP_SET)
        return change->value;
    if (change->op == CONFIG_OP_DELETE)
        return (struct slice){0};
    struct slice before =
        slice_is_null(change->before) ? slice_of_text(row->default_text) : change->before;
    struct parts parts = {
        .at = calloc(parts_at_most(before) + parts_at_most(change->value), sizeof *parts.at)};
    if (parts.at == NULL)
        return (struct slice){0};
    add_old(&parts, before);
    add_new(&parts, change->value);
    merge(&parts, change->op);
    struct slice text = joined(&parts, arena);
    free(parts.at);
    return text;
}
