/* Sets of partitions; see the header. One thread. */
#include "group/consumer_parts.h"

#include "base/always.h"

#include <stdlib.h>

int consumer_part_compare(const struct consumer_part *a, const struct consumer_part *b)
{
    int order = uuid_compare(a->topic, b->topic);
    if (order != 0)
        return order;
    return a->partition < b->partition ? -1 : a->partition > b->partition;
}

static int compare(const void *a, const void *b)
{
    return consumer_part_compare((const struct consumer_part *)a, (const struct consumer_part *)b);
}

/* Most are sorted already, since that is how they are stored. */
void consumer_parts_sort(struct consumer_parts *parts)
{
    bool is_sorted = true;
    for (int i = 1; i < parts->count && is_sorted; i++)
        is_sorted = compare(&parts->at[i - 1], &parts->at[i]) < 0;
    if (is_sorted)
        return;
    qsort(parts->at, (size_t)parts->count, sizeof *parts->at, compare);
    int count = 1;
    for (int i = 1; i < parts->count; i++)
        if (compare(&parts->at[count - 1], &parts->at[i]) != 0)
            parts->at[count++] = parts->at[i];
    parts->count = count;
}

const struct consumer_part *consumer_parts_find(const struct consumer_parts *parts,
                                                const struct consumer_part *wanted)
{
    if (parts->count == 0)
        return NULL;
    return bsearch(wanted, parts->at, (size_t)parts->count, sizeof *parts->at, compare);
}

bool consumer_parts_same(const struct consumer_parts *a, const struct consumer_parts *b)
{
    if (a->count != b->count)
        return false;
    for (int i = 0; i < a->count; i++)
        if (compare(&a->at[i], &b->at[i]) != 0)
            return false;
    return true;
}

bool consumer_parts_equal(const struct consumer_parts *a, const struct consumer_parts *b)
{
    if (!consumer_parts_same(a, b))
        return false;
    for (int i = 0; i < a->count; i++)
        if (a->at[i].epoch != b->at[i].epoch)
            return false;
    return true;
}

bool consumer_parts_copy(const struct consumer_parts *parts, struct consumer_parts *ret_copy)
{
    struct consumer_parts copy = {.count = parts->count};
    if (parts->count > 0) {
        copy.at = malloc((size_t)parts->count * sizeof *copy.at);
        if (copy.at == NULL)
            return false;
        memcpy(copy.at, parts->at, (size_t)parts->count * sizeof *copy.at);
    }
    *ret_copy = copy;
    return true;
}

struct consumer_parts consumer_parts_room(struct arena *arena, int capacity)
{
    struct consumer_part *at =
        ARENA_ARRAY(arena, struct consumer_part, (size_t)MAX_OF(capacity, 1));
    ALWAYS(at != NULL, "memory for %d partitions is out", capacity);
    return (struct consumer_parts){.at = at};
}

void consumer_parts_append(struct consumer_parts *parts, const struct consumer_parts *more)
{
    if (more->count > 0)
        memcpy(parts->at + parts->count, more->at, (size_t)more->count * sizeof *parts->at);
    parts->count += more->count;
}

struct consumer_run consumer_parts_run(const struct consumer_parts *parts, int from)
{
    struct consumer_run run = {.first = from};
    while (from + run.count < parts->count &&
           uuid_equal(parts->at[from + run.count].topic, parts->at[from].topic))
        run.count++;
    return run;
}

int consumer_parts_topics(const struct consumer_parts *parts)
{
    int count = 0;
    for (struct consumer_run run = consumer_parts_run(parts, 0); run.count > 0;
         run = consumer_parts_run(parts, run.first + run.count))
        count++;
    return count;
}

int32_t *consumer_run_partitions(struct arena *arena, const struct consumer_parts *parts,
                                 struct consumer_run run)
{
    int32_t *numbers = ARENA_ARRAY(arena, int32_t, (size_t)run.count);
    for (int i = 0; numbers != NULL && i < run.count; i++)
        numbers[i] = parts->at[run.first + i].partition;
    return numbers;
}

int32_t *consumer_run_epochs(struct arena *arena, const struct consumer_parts *parts,
                             struct consumer_run run)
{
    int32_t *numbers = ARENA_ARRAY(arena, int32_t, (size_t)run.count);
    for (int i = 0; numbers != NULL && i < run.count; i++)
        numbers[i] = parts->at[run.first + i].epoch;
    return numbers;
}
