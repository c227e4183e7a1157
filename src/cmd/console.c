/* Gathers output and writes it. Standard output goes through stdio, which tells of a full disk; a
 * pipe that nobody reads ends the program, as is usual. One thread. */
#include "cmd/console.h"

#include "sys/process.h"

#include <stdio.h>
#include <stdlib.h>

/* Gathered before a write; also a line longer than this goes out whole. */
#define FLUSH_SIZE ((size_t)64 * 1024)
#define OUT_LIMIT ((size_t)1 << 30)

void console_init(struct console *console)
{
    const char *no_color = getenv("NO_COLOR");
    *console = (struct console){.prefix = "ottla"};
    text_init(&console->out, OUT_LIMIT);
    text_init(&console->err, OUT_LIMIT);
    console->out_is_terminal = sys_process_is_terminal(1);
    console->err_is_terminal = sys_process_is_terminal(2);
    console->color = console->out_is_terminal && (no_color == NULL || no_color[0] == '\0');
}

void console_init_captured(struct console *console)
{
    *console = (struct console){.prefix = "ottla", .captured = true};
    text_init(&console->out, OUT_LIMIT);
    text_init(&console->err, OUT_LIMIT);
}

void console_fini(struct console *console)
{
    console_flush(console);
    text_fini(&console->out);
    text_fini(&console->err);
}

void console_flush(struct console *console)
{
    if (console->captured || console->out.size == 0)
        return;
    size_t size = console->out.size;
    console->failed |= fwrite(console->out.data, 1, size, stdout) != size || fflush(stdout) != 0;
    text_reset(&console->out);
}

static void flush_if_much(struct console *console)
{
    if (console->out.size >= FLUSH_SIZE)
        console_flush(console);
}

void console_add(struct console *console, struct slice bytes)
{
    text_add(&console->out, bytes);
    flush_if_much(console);
}

void console_printf(struct console *console, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_vprintf(&console->out, format, args);
    va_end(args);
    flush_if_much(console);
}

static PRINTF_LIKE(2, 0) void write_line(struct console *console, const char *format, va_list args)
{
    console_flush(console);
    text_vprintf(&console->err, format, args);
    text_add_char(&console->err, '\n');
    if (console->captured)
        return;
    sys_process_write(2, text_slice(&console->err));
    text_reset(&console->err);
}

void console_error(struct console *console, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_printf(&console->err, "%s: ", console->prefix);
    write_line(console, format, args);
    va_end(args);
}

void console_note(struct console *console, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line(console, format, args);
    va_end(args);
}
