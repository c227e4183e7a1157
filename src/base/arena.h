/* A request's scratch memory: bump allocation in chunks, freed all at once. Exhaustion of its
 * limit (or of the heap) is sticky: arena_take returns NULL from then on and `failed` stays set
 * until arena_reset, so that callers may test once at the end. One thread at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunk; /* newest, the one being filled; NULL before the first take */
    struct arena_chunk *large; /* those of a single piece */
    uint8_t *next;             /* next free byte of that chunk */
    uint8_t *end;
    size_t used;  /* bytes handed out since the last reset */
    size_t limit; /* bytes that may be handed out between resets */
    bool failed;  /* sticky */
};

void arena_init(struct arena *, size_t limit_bytes);
void arena_fini(struct arena *);
/* Forgets everything taken; keeps one chunk of ordinary size for the next use. */
void arena_reset(struct arena *);

/* What was taken from `from` lives as long as what is taken from `arena`; `from` is empty after. */
void arena_adopt(struct arena *arena, struct arena *from);
/* Zeroed memory aligned to 16, or NULL once the limit is passed. */
void *arena_take(struct arena *, size_t size);
/* count * size with overflow checked; zeroed. */
void *arena_take_array(struct arena *, size_t count, size_t size);
/* A copy of the bytes; the null slice stays null. */
struct slice arena_copy(struct arena *, struct slice);
/* printf into the arena; the empty text on failure. */
const char *arena_printf(struct arena *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define ARENA_NEW(arena, type) ((type *)arena_take((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_take_array((arena), (count), sizeof(type)))

#endif
