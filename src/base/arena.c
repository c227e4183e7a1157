/* Bump allocation in chunks. Ordinary chunks grow from 16 to 64 KiB; what would not fit well gets
 * a chunk of its own, apart from those. Under AddressSanitizer the free tail of a
 * chunk is poisoned and a gap is left between neighbours, so that overruns are seen.
 * One thread at a time. */
#include "base/arena.h"

#include "base/attr.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif

#if defined(ARENA_POISONS)
#include <sanitizer/asan_interface.h>
#define POISON(at, size) ASAN_POISON_MEMORY_REGION(at, size)
#define UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION(at, size)
#define ARENA_GAP ((size_t)16)
#else
#define POISON(at, size) ((void)(at), (void)(size))
#define UNPOISON(at, size) ((void)(at), (void)(size))
#define ARENA_GAP ((size_t)0)
#endif

#define ARENA_ALIGNMENT ((size_t)16)
#define ARENA_CHUNK_MIN ((size_t)16 * 1024)
#define ARENA_CHUNK_MAX ((size_t)64 * 1024)
#define ARENA_SIZE_MAX (SIZE_MAX / 4)

struct arena_chunk {
    struct arena_chunk *older;
    size_t capacity; /* bytes of data[] */
    _Alignas(16) uint8_t data[];
};

_Static_assert(sizeof(struct arena_chunk) % 16 == 0, "a chunk's data begins aligned");

void arena_init(struct arena *arena, size_t limit_bytes)
{
    *arena = (struct arena){.limit = limit_bytes};
}

static void chunk_free(struct arena_chunk *chunk)
{
    UNPOISON(chunk->data, chunk->capacity);
    free(chunk);
}

static void chunks_free(struct arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct arena_chunk *older = chunk->older;
        chunk_free(chunk);
        chunk = older;
    }
}

void arena_fini(struct arena *arena)
{
    chunks_free(arena->chunk);
    chunks_free(arena->large);
    *arena = (struct arena){.limit = arena->limit};
}

static void fill_from(struct arena *arena, struct arena_chunk *chunk)
{
    arena->chunk = chunk;
    arena->next = chunk->data;
    arena->end = chunk->data + chunk->capacity;
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *kept = arena->chunk;
    size_t limit = arena->limit;
    chunks_free(arena->large);
    *arena = (struct arena){.limit = limit};
    if (kept == NULL)
        return;
    chunks_free(kept->older);
    kept->older = NULL;
    if (kept->capacity > ARENA_CHUNK_MAX) {
        chunk_free(kept);
        return;
    }
    POISON(kept->data, kept->capacity);
    fill_from(arena, kept);
}

static void adopt_chunks(struct arena *arena, struct arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct arena_chunk *older = chunk->older;
        chunk->older = arena->large;
        arena->large = chunk;
        chunk = older;
    }
}

void arena_adopt(struct arena *arena, struct arena *from)
{
    adopt_chunks(arena, from->chunk);
    adopt_chunks(arena, from->large);
    *from = (struct arena){.limit = from->limit};
}

static struct arena_chunk *chunk_new(size_t capacity)
{
    struct arena_chunk *chunk = (struct arena_chunk *)malloc(sizeof *chunk + capacity);
    if (chunk == NULL)
        return NULL;
    chunk->older = NULL;
    chunk->capacity = capacity;
    POISON(chunk->data, capacity);
    return chunk;
}

/* Room for `padded` bytes at arena->next, or NULL: out of memory. */
static uint8_t *take_from_new_chunk(struct arena *arena, size_t padded)
{
    if (arena->chunk != NULL && padded > ARENA_CHUNK_MIN / 2) {
        struct arena_chunk *own = chunk_new(padded);
        if (own == NULL)
            return NULL;
        own->older = arena->large;
        arena->large = own;
        return own->data;
    }
    size_t capacity = arena->chunk == NULL ? ARENA_CHUNK_MIN : ARENA_CHUNK_MAX;
    struct arena_chunk *chunk = chunk_new(MAX_OF(capacity, padded));
    if (chunk == NULL)
        return NULL;
    chunk->older = arena->chunk;
    fill_from(arena, chunk);
    arena->next += padded;
    return chunk->data;
}

static void *fail(struct arena *arena)
{
    arena->failed = true;
    return NULL;
}

void *arena_take(struct arena *arena, size_t size)
{
    if (arena->failed || size > arena->limit - arena->used || size > ARENA_SIZE_MAX)
        return fail(arena);
    size_t wanted = MAX_OF(size, (size_t)1); /* distinct addresses, also for nothing */
    size_t padded = ((wanted + ARENA_ALIGNMENT - 1) & ~(ARENA_ALIGNMENT - 1)) + ARENA_GAP;
    uint8_t *at = arena->next;
    if (at != NULL && padded <= (size_t)(arena->end - at))
        arena->next += padded;
    else
        at = take_from_new_chunk(arena, padded);
    if (at == NULL)
        return fail(arena);
    arena->used += size;
    UNPOISON(at, wanted);
    memset(at, 0, wanted);
    return at;
}

void *arena_take_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return fail(arena);
    return arena_take(arena, total);
}

struct slice arena_copy(struct arena *arena, struct slice s)
{
    if (slice_is_null(s))
        return s;
    void *copy = arena_take(arena, s.size);
    if (copy == NULL)
        return (struct slice){0};
    if (s.size > 0)
        memcpy(copy, s.data, s.size);
    return slice_of(copy, s.size);
}

const char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        (void)fail(arena);
        return "";
    }
    char *text = (char *)arena_take(arena, (size_t)length + 1);
    if (text == NULL)
        return "";
    va_start(args, format);
    (void)vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}
