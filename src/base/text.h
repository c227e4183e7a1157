/* A growing text builder with a sticky failure: write on, test `failed` once at the end. Always
 * terminated. Heap memory; one thread at a time. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdarg.h>

struct text {
    char *data;  /* NUL-terminated; never NULL after the first add that succeeded */
    size_t size; /* bytes without the terminator */
    size_t capacity;
    size_t limit; /* most bytes it may hold */
    bool failed;  /* limit passed or heap exhausted: sticky */
};

void text_init(struct text *, size_t limit_bytes);
void text_fini(struct text *);
void text_reset(struct text *); /* empties, keeps the memory */

void text_add(struct text *, struct slice);
void text_add_char(struct text *, char);
void text_printf(struct text *, const char *format, ...) PRINTF_LIKE(2, 3);
void text_vprintf(struct text *, const char *format, va_list) PRINTF_LIKE(2, 0);
/* With JSON's quotes and escapes; bytes that are not UTF-8 become U+FFFD. */
void text_add_json_string(struct text *, struct slice);
void text_add_base64(struct text *, struct slice);
static inline struct slice text_slice(const struct text *t)
{
    return slice_of(t->data != NULL ? t->data : "", t->size);
}
/* Hands the NUL-terminated heap text on to the caller (free it); the builder is empty after. NULL
 * when it had failed. */
char *text_take(struct text *);

#endif
