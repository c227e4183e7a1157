/* Partitions of a member of a group. Pure. One thread. */
#include "cmd/assigned.h"

#include <stdlib.h>

void assigned_fini(struct assigned *a)
{
    for (size_t i = 0; i < a->count; i++)
        free(a->list[i].topic);
    free(a->list);
}

struct assigned_partition *assigned_find(struct assigned *a, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->list[i].partition == partition && strcmp(a->list[i].topic, topic) == 0)
            return &a->list[i];
    return NULL;
}

bool assigned_add(struct assigned *a, const char *topic, int32_t partition)
{
    if (assigned_find(a, topic, partition) != NULL)
        return true;
    if (a->count == a->capacity) {
        size_t capacity = a->capacity == 0 ? 16 : a->capacity * 2;
        struct assigned_partition *more = realloc(a->list, capacity * sizeof *more);
        if (more == NULL)
            return false;
        a->list = more;
        a->capacity = capacity;
    }
    char *copy = strdup(topic);
    if (copy == NULL)
        return false;
    a->list[a->count++] = (struct assigned_partition){
        .topic = copy, .partition = partition, .next = -1, .stored = -1, .end = -1, .high = -1};
    return true;
}

void assigned_remove(struct assigned *a, const char *topic, int32_t partition)
{
    struct assigned_partition *at = assigned_find(a, topic, partition);
    if (at == NULL)
        return;
    free(at->topic);
    *at = a->list[--a->count];
}

void assigned_read(struct assigned_partition *at, int64_t offset, int64_t high)
{
    at->next = offset + 1;
    if (high >= 0)
        at->high = high;
    if (at->end < 0)
        at->end = at->high;
    at->at_end = at->at_end || (at->end >= 0 && at->next >= at->end);
}

void assigned_reach_end(struct assigned_partition *at, int64_t offset)
{
    at->at_end = true;
    at->next = offset > at->next ? offset : at->next;
    at->high = at->next;
}

bool assigned_all_ended(const struct assigned *a)
{
    for (size_t i = 0; i < a->count; i++)
        if (!a->list[i].at_end)
            return false;
    return a->ever;
}

int64_t assigned_lag(const struct assigned *a)
{
    int64_t lag = -1;
    for (size_t i = 0; i < a->count; i++) {
        const struct assigned_partition *at = &a->list[i];
        if (at->next < 0 || at->high < 0)
            continue;
        lag = lag < 0 ? 0 : lag;
        lag += at->high > at->next ? at->high - at->next : 0;
    }
    return lag;
}
