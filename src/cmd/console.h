/* Where a command writes: results to standard output, gathered and written in large pieces; errors
 * to standard error, a line each, as
 *   topic create orders: INVALID_REPLICATION_FACTOR (38): asked 3, 1 broker alive. Try -r 1.
 * Colour and progress are only for terminals, and never where NO_COLOR is set. One thread. */
#ifndef CMD_CONSOLE_H
#define CMD_CONSOLE_H

#include "base/attr.h"
#include "base/text.h"

struct console {
    struct text out;
    struct text err;    /* written at once, kept only when captured */
    const char *prefix; /* the command's name: begins each error */
    bool out_is_terminal;
    bool err_is_terminal;
    bool color;    /* on standard output */
    bool captured; /* tests: nothing is written, both texts are kept */
    bool failed;   /* standard output took no more: a full disk, say; sticky */
};

void console_init(struct console *);
void console_init_captured(struct console *); /* for tests */
/* Writes what is left, which may fail: look at `failed` after. */
void console_fini(struct console *);

void console_add(struct console *, struct slice);
void console_printf(struct console *, const char *format, ...) PRINTF_LIKE(2, 3);
/* Writes what was gathered. */
void console_flush(struct console *);
/* Flushes standard output first, so that lines keep their order on a terminal. The sentence ends
 * without a line end. */
void console_error(struct console *, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same without the prefix: notes for people, as progress and banners. */
void console_note(struct console *, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
