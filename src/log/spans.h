/* Parts of a file, in order and apart: which bytes of a segment were checked. Bounded: where there
 * would be too many the smallest is forgotten, which costs another look at it and nothing else. One
 * thread at a time. */
#ifndef LOG_SPANS_H
#define LOG_SPANS_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

#define LOG_SPANS_MAX 32

/* [from, to) */
struct log_span {
    int64_t from;
    int64_t to;
};

struct log_spans {
    struct log_span *at;
    int32_t count;
    int32_t capacity;
};

void log_spans_fini(struct log_spans *);
/* Joins it with those that it touches. false: memory is out, nothing changed. */
MUST_USE bool log_spans_add(struct log_spans *, struct log_span);
/* The first position from this one on that no span holds. */
int64_t log_spans_end(const struct log_spans *, int64_t position);
/* Whether one ends there. */
bool log_spans_ends_at(const struct log_spans *, int64_t position);

#endif
