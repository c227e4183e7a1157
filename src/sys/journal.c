/* The program's log on standard error: one write a line, so that lines of several threads do not
 * mix. The level is the one thing that this module keeps. Any thread. */
#include "sys/journal.h"

#include "base/logfmt.h"
#include "sys/clock.h"
#include "sys/process.h"

#include <stdarg.h>
#include <stdatomic.h>

#define LINE_SIZE_MAX 4096
#define STANDARD_ERROR 2

static _Atomic int level_now = JOURNAL_INFO;

static const char *const level_names[] = {
    [JOURNAL_DEBUG] = "debug",
    [JOURNAL_INFO] = "info",
    [JOURNAL_WARN] = "warn",
    [JOURNAL_ERROR] = "error",
};

void journal(enum journal_level level, const char *event, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&level_now, memory_order_relaxed))
        return;
    char line[LINE_SIZE_MAX];
    const struct logfmt_head head = {
        .wall_ms = sys_wall_ms(),
        .level = level_names[level],
        .event = event,
    };
    va_list args;
    va_start(args, format);
    size_t size = logfmt_line(line, sizeof line, &head, format, args);
    va_end(args);
    sys_process_write(STANDARD_ERROR, slice_of(line, size));
}

void journal_set_level(enum journal_level level)
{
    atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}
