/* Assertions that stay on in production: ALWAYS(cond, "sentence", ...) prints one sentence with
 * the place and aborts. For bugs only: never on bytes that came from the network or a disk.
 * Any thread. */
#ifndef BASE_ALWAYS_H
#define BASE_ALWAYS_H

#include "base/attr.h"

/* Prints "file:line: function: condition: sentence" to stderr and aborts. */
NORETURN COLD void always_failed(const char *place, const char *condition, const char *format, ...)
    PRINTF_LIKE(3, 4);

#define ALWAYS_STR_(x) #x
#define ALWAYS_STR(x) ALWAYS_STR_(x)

/* cond must hold; otherwise the process ends with the sentence (printf style). */
#define ALWAYS(cond, ...) \
    do { \
        if (UNLIKELY(!(cond))) \
            always_failed(__FILE__ ":" ALWAYS_STR(__LINE__), #cond, __VA_ARGS__); \
    } while (0)

#endif
