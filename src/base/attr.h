/* Compiler attributes and tiny language helpers that both gcc 12 and clang 14 know.
 * No thread: everything here is compile time. */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define NORETURN __attribute__((noreturn))
#define COLD __attribute__((cold))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* AUTO(close) int fd = ...: calls auto_close(&fd) when fd leaves its scope. */
#define AUTO(name) __attribute__((cleanup(auto_##name)))

/* Yields the value and empties the source, so that an AUTO does not release what was handed on. */
#define TAKE_FD(fd) \
    __extension__({ \
        int taken_ = (fd); \
        (fd) = -1; \
        taken_; \
    })
#define TAKE_PTR(p) \
    __extension__({ \
        __typeof__(p) taken_ = (p); \
        (p) = NULL; \
        taken_; \
    })

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The struct that embeds `member`, from a pointer to that member. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((uintptr_t)(ptr)-offsetof(type, member)))

#define MIN_OF(a, b) \
    __extension__({ \
        __typeof__(a) min_a_ = (a); \
        __typeof__(b) min_b_ = (b); \
        min_a_ < min_b_ ? min_a_ : min_b_; \
    })
#define MAX_OF(a, b) \
    __extension__({ \
        __typeof__(a) max_a_ = (a); \
        __typeof__(b) max_b_ = (b); \
        max_a_ > max_b_ ? max_a_ : max_b_; \
    })

#endif
