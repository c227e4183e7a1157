/* Lines of the program's log: key=value pairs that people and programs read. Formatting only; who
 * writes the line where is sys's. Any thread. */
#ifndef BASE_LOGFMT_H
#define BASE_LOGFMT_H

#include "base/attr.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define LOGFMT_TIME_SIZE 25 /* 2026-11-24T02:57:35.123Z and the terminator */

/* What stands before the pairs of one line. */
struct logfmt_head {
    int64_t wall_ms;
    const char *level;
    const char *event;
};

/* ISO 8601 in UTC with milliseconds; what lies outside 1970..9999 is written as the nearest end. */
void logfmt_time(int64_t wall_ms, char ret_text[LOGFMT_TIME_SIZE]);
/* One line with its line end into the buffer (at least 64 bytes). What does not fit is cut and
 * marked with "..."; line ends inside become spaces. Returns its size without the terminator. */
size_t logfmt_line(char *buffer, size_t size, const struct logfmt_head *head, const char *format,
                   va_list args) __attribute__((format(printf, 4, 0)));
/* Quotes and escapes bytes for a value into the buffer (at least 8 bytes); bare where the bytes
 * need no quotes; cut with an ellipsis where they do not fit. Returns the buffer. */
const char *logfmt_quote(char *buffer, size_t size, const void *data, size_t data_size);

#endif
