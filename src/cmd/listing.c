/* Tables and their JSON. Widths count characters, not bytes, so that UTF-8 names stay aligned. One
 * thread. */
#include "cmd/listing.h"

#include "base/always.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_VERSION 1

bool listing_format_find(const char *name, enum listing_format *ret_format)
{
    static const char *const names[] = {"table", "json", "awk"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_format = (enum listing_format)i;
            return true;
        }
    }
    return false;
}

void listing_init(struct listing *l, const char *name, const struct listing_column *columns,
                  int column_count)
{
    ALWAYS(column_count > 0 && column_count <= LISTING_COLUMNS_MAX, "%d columns", column_count);
    *l = (struct listing){.name = name, .columns = columns, .column_count = column_count};
}

void listing_fini(struct listing *l)
{
    for (size_t i = 0; i < l->cell_count; i++)
        free(l->cells[i]);
    free(l->cells);
}

void listing_add(struct listing *l, const char *text)
{
    if (l->cell_count == l->cell_capacity) {
        size_t capacity = l->cell_capacity == 0 ? 64 : l->cell_capacity * 2;
        char **cells = realloc(l->cells, capacity * sizeof *cells);
        if (cells == NULL) {
            l->failed = true;
            return;
        }
        l->cells = cells;
        l->cell_capacity = capacity;
    }
    char *copy = text != NULL ? strdup(text) : NULL;
    l->failed |= text != NULL && copy == NULL;
    l->cells[l->cell_count++] = copy;
}

void listing_printf(struct listing *l, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    listing_add(l, text);
}

size_t listing_row_count(const struct listing *l)
{
    return l->cell_count / (size_t)l->column_count;
}

static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static const char *cell_at(const struct listing *l, size_t row, int column)
{
    return l->cells[row * (size_t)l->column_count + (size_t)column];
}

static void measure(const struct listing *l, size_t ret_widths[LISTING_COLUMNS_MAX])
{
    for (int c = 0; c < l->column_count; c++) {
        ret_widths[c] = width_of(l->columns[c].header);
        for (size_t r = 0; r < listing_row_count(l); r++) {
            const char *cell = cell_at(l, r, c);
            ret_widths[c] = MAX_OF(ret_widths[c], width_of(cell != NULL ? cell : "-"));
        }
    }
}

/* Numbers stand right, the last column is not filled up. */
static void print_cell(const struct listing *l, int column, const char *cell, size_t width,
                       struct text *line)
{
    const char *text = cell != NULL && cell[0] != '\0' ? cell : "-";
    size_t own = width_of(text);
    int fill = (int)(width > own ? width - own : 0);
    if (column > 0)
        text_printf(line, "  ");
    if (l->columns[column].type == LISTING_NUMBER)
        text_printf(line, "%*s%s", fill, "", text);
    else if (column + 1 < l->column_count)
        text_printf(line, "%s%*s", text, fill, "");
    else
        text_printf(line, "%s", text);
}

static void print_line(struct console *console, const struct text *line, bool bold)
{
    console_printf(console, "%s", bold ? "\033[1m" : "");
    console_add(console, text_slice(line));
    console_printf(console, "%s\n", bold ? "\033[0m" : "");
}

static void print_table(const struct listing *l, struct console *console)
{
    size_t widths[LISTING_COLUMNS_MAX];
    struct text line;
    text_init(&line, 1 << 20);
    measure(l, widths);
    for (int c = 0; c < l->column_count; c++)
        print_cell(l, c, l->columns[c].header, widths[c], &line);
    print_line(console, &line, console->color);
    for (size_t r = 0; r < listing_row_count(l); r++) {
        text_reset(&line);
        for (int c = 0; c < l->column_count; c++)
            print_cell(l, c, cell_at(l, r, c), widths[c], &line);
        print_line(console, &line, false);
    }
    text_fini(&line);
}

static void print_awk(const struct listing *l, struct console *console)
{
    for (size_t i = 0; i < l->cell_count; i++) {
        const char *cell = l->cells[i] != NULL && l->cells[i][0] != '\0' ? l->cells[i] : "-";
        bool last = (i + 1) % (size_t)l->column_count == 0;
        console_printf(console, "%s%c", cell, last ? '\n' : '\t');
    }
}

void listing_print(const struct listing *l, enum listing_format format, struct console *console)
{
    if (l->failed)
        console_error(console, "out of memory: the list is not complete");
    if (format == LISTING_AWK)
        print_awk(l, console);
    else
        print_table(l, console);
}

static void print_json_name(const char *header, struct text *out)
{
    text_add_char(out, '"');
    for (; *header != '\0'; header++) {
        char c = *header;
        text_add_char(out, c == '-' ? '_' : c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    text_add_char(out, '"');
}

static void print_json_cell(enum listing_type type, const char *cell, struct text *out)
{
    if (cell == NULL)
        text_printf(out, "null");
    else if (type == LISTING_TEXT)
        text_add_json_string(out, slice_of_text(cell));
    else
        text_printf(out, type == LISTING_NUMBERS ? "[%s]" : "%s", cell);
}

void listing_print_json(const struct listing *l, struct text *out)
{
    text_add_json_string(out, slice_of_text(l->name));
    text_printf(out, ":[");
    for (size_t r = 0; r < listing_row_count(l); r++) {
        text_printf(out, "%s{", r > 0 ? "," : "");
        for (int c = 0; c < l->column_count; c++) {
            text_printf(out, "%s", c > 0 ? "," : "");
            print_json_name(l->columns[c].header, out);
            text_add_char(out, ':');
            print_json_cell(l->columns[c].type, cell_at(l, r, c), out);
        }
        text_add_char(out, '}');
    }
    text_add_char(out, ']');
}

void listing_print_document(const struct listing *l, const char *command, struct console *console)
{
    struct text document;
    text_init(&document, (size_t)1 << 30);
    text_printf(&document, "{\"_command\":");
    text_add_json_string(&document, slice_of_text(command));
    text_printf(&document, ",\"_version\":%d,", JSON_VERSION);
    listing_print_json(l, &document);
    text_printf(&document, "}\n");
    if (document.failed || l->failed)
        console_error(console, "out of memory");
    else
        console_add(console, text_slice(&document));
    text_fini(&document);
}
