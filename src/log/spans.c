/* Parts of a file; see the header. There are few: looking through them all is the quickest. */
#include "log/spans.h"

#include "base/always.h"

#include <stdlib.h>
#include <string.h>

void log_spans_fini(struct log_spans *spans)
{
    free(spans->at);
    *spans = (struct log_spans){0};
}

static void remove_at(struct log_spans *spans, int32_t first, int32_t count)
{
    memmove(spans->at + first, spans->at + first + count,
            (size_t)(spans->count - first - count) * sizeof *spans->at);
    spans->count -= count;
}

static void forget_smallest(struct log_spans *spans)
{
    int32_t smallest = 0;
    for (int32_t i = 1; i < spans->count; i++)
        if (spans->at[i].to - spans->at[i].from < spans->at[smallest].to - spans->at[smallest].from)
            smallest = i;
    remove_at(spans, smallest, 1);
}

static bool grow(struct log_spans *spans)
{
    if (spans->count < spans->capacity)
        return true;
    int32_t capacity = spans->capacity > 0 ? spans->capacity * 2 : 2;
    struct log_span *at = realloc(spans->at, (size_t)capacity * sizeof *at);
    if (at == NULL)
        return false;
    spans->at = at;
    spans->capacity = capacity;
    return true;
}

bool log_spans_add(struct log_spans *spans, struct log_span added)
{
    ALWAYS(added.from <= added.to, "a span from %lld to %lld", (long long)added.from,
           (long long)added.to);
    if (added.from == added.to)
        return true;
    if (!grow(spans))
        return false;
    int32_t first = 0;
    while (first < spans->count && spans->at[first].to < added.from)
        first++;
    int32_t touched = 0;
    while (first + touched < spans->count && spans->at[first + touched].from <= added.to) {
        added.from = MIN_OF(added.from, spans->at[first + touched].from);
        added.to = MAX_OF(added.to, spans->at[first + touched].to);
        touched++;
    }
    remove_at(spans, first, touched);
    memmove(spans->at + first + 1, spans->at + first,
            (size_t)(spans->count - first) * sizeof *spans->at);
    spans->at[first] = added;
    spans->count++;
    if (spans->count > LOG_SPANS_MAX)
        forget_smallest(spans);
    return true;
}

int64_t log_spans_end(const struct log_spans *spans, int64_t position)
{
    for (int32_t i = 0; i < spans->count; i++)
        if (spans->at[i].from <= position && position < spans->at[i].to)
            return spans->at[i].to;
    return position;
}

bool log_spans_ends_at(const struct log_spans *spans, int64_t position)
{
    for (int32_t i = 0; i < spans->count; i++)
        if (spans->at[i].to == position)
            return true;
    return false;
}
