/* A borrowed run of bytes: pointer and size, no terminator, no ownership.
 * data == NULL means "null" where the protocol tells null from empty. Any thread. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t size; /* bytes */
};

/* For printf: "%.*s", SLICE_ARG(s). */
#define SLICE_ARG(s) \
    (int)(s).size, (const char *)((s).data != NULL ? (s).data : (const uint8_t *)"")
/* A slice of a string literal, usable in constant initialisers. */
#define SLICE_LIT(text) \
    { \
        (const uint8_t *)(text), sizeof(text) - 1 \
    }

static inline struct slice slice_of(const void *data, size_t size)
{
    return (struct slice){.data = (const uint8_t *)data, .size = size};
}

/* text may be NULL: the null slice. */
static inline struct slice slice_of_text(const char *text)
{
    return (struct slice){.data = (const uint8_t *)text, .size = text != NULL ? strlen(text) : 0};
}

static inline bool slice_is_null(struct slice s)
{
    return s.data == NULL;
}

/* Equal bytes; null equals empty. */
static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool slice_is(struct slice s, const char *text)
{
    return slice_equal(s, slice_of_text(text));
}

/* Byte order, shorter first on a common prefix: <0, 0, >0. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

/* The part from `from` on; an offset beyond the end gives the empty end. */
static inline struct slice slice_from(struct slice s, size_t from)
{
    size_t at = from < s.size ? from : s.size;
    if (at == 0)
        return s; /* also null, to which not even zero may be added */
    return (struct slice){.data = s.data + at, .size = s.size - at};
}

static inline struct slice slice_first(struct slice s, size_t size)
{
    return (struct slice){.data = s.data, .size = size < s.size ? size : s.size};
}

/* FNV-like 64-bit hash with a final mix; for hash tables, not for adversaries with `seed` 0. */
uint64_t slice_hash(struct slice s, uint64_t seed);

#endif
