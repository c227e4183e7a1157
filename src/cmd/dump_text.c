/* The text files of a data directory: checkpoints, properties, JSON. One thread. */
#include "cmd/dump_int.h"
#include "config/properties.h"

#include <stdlib.h>

/* The next line, cut off its end; false at the end of the text. */
static bool next_line(struct slice *rest, struct slice *ret_line)
{
    if (rest->size == 0)
        return false;
    const uint8_t *end = memchr(rest->data, '\n', rest->size);
    size_t size = end != NULL ? (size_t)(end - rest->data) : rest->size;
    *ret_line = slice_first(*rest, size);
    *rest = slice_from(*rest, size + 1);
    return true;
}

static bool next_word(struct slice *rest, struct slice *ret_word)
{
    while (rest->size > 0 && rest->data[0] == ' ')
        *rest = slice_from(*rest, 1);
    size_t size = 0;
    while (size < rest->size && rest->data[size] != ' ')
        size++;
    *ret_word = slice_first(*rest, size);
    *rest = slice_from(*rest, size);
    return size > 0;
}

static bool is_number(struct slice s)
{
    size_t at = s.size > 1 && s.data[0] == '-';
    for (size_t i = at; i < s.size; i++)
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
    return s.size > 0;
}

static void print_fields(struct dump *dump, const char *const *names, struct slice line)
{
    struct text out;
    struct slice word;
    const char *separator = "";
    text_init(&out, 65536);
    text_printf(&out, "%s", dump->json ? "{" : "");
    for (size_t i = 0; names[i] != NULL && next_word(&line, &word); i++) {
        if (!dump->json) {
            text_printf(&out, "%s%s=%.*s", separator, names[i], SLICE_ARG(word));
            separator = " ";
            continue;
        }
        text_printf(&out, "%s\"%s\":", separator, names[i]);
        if (is_number(word) && strcmp(names[i], "topic") != 0)
            text_add(&out, word);
        else
            text_add_json_string(&out, word);
        separator = ",";
    }
    text_printf(&out, "%s\n", dump->json ? "}" : "");
    console_add(dump->console, text_slice(&out));
    text_fini(&out);
}

/* "0", the number of entries, then one entry a line. */
static void dump_entries(struct dump *dump, const char *const *names)
{
    char *data = dump_read_whole(dump);
    struct slice rest = slice_of_text(data);
    struct slice version;
    struct slice count;
    struct slice line;
    if (data == NULL)
        return;
    if (rest.size == 0) { /* made, and never written: as if it had no entries */
        free(data);
        return;
    }
    if (!next_line(&rest, &version) || !slice_is(version, "0") || !next_line(&rest, &count) ||
        !is_number(count)) {
        dump_fault(dump, "not a checkpoint of version 0");
        free(data);
        return;
    }
    long long entries = 0;
    for (; next_line(&rest, &line); entries++)
        print_fields(dump, names, line);
    if (entries != strtoll((const char *)count.data, NULL, 10))
        dump_fault(dump, "%.*s entries are announced, %lld are there", SLICE_ARG(count), entries);
    free(data);
}

void dump_checkpoint(struct dump *dump)
{
    static const char *const names[] = {"topic", "partition", "offset", NULL};
    dump_entries(dump, names);
}

void dump_epoch_checkpoint(struct dump *dump)
{
    static const char *const names[] = {"epoch", "start_offset", NULL};
    dump_entries(dump, names);
}

static bool print_pair(void *context, struct slice key, struct slice value, int line)
{
    struct dump *dump = context;
    struct text out;
    (void)line;
    text_init(&out, 65536);
    if (dump->json) {
        text_add_char(&out, '{');
        text_add_json_string(&out, key);
        text_add_char(&out, ':');
        text_add_json_string(&out, value);
        text_printf(&out, "}\n");
    } else {
        text_printf(&out, "%.*s=%.*s\n", SLICE_ARG(key), SLICE_ARG(value));
    }
    console_add(dump->console, text_slice(&out));
    text_fini(&out);
    return true;
}

void dump_properties(struct dump *dump)
{
    char *data = dump_read_whole(dump);
    struct text error;
    if (data == NULL)
        return;
    text_init(&error, 256);
    if (!properties_read(slice_of_text(data), print_pair, dump, &error))
        dump_fault(dump, "%s", error.data);
    text_fini(&error);
    free(data);
}

void dump_json_file(struct dump *dump)
{
    char *data = dump_read_whole(dump);
    struct slice rest = slice_of_text(data);
    struct slice line;
    while (data != NULL && next_line(&rest, &line))
        console_printf(dump->console, "%.*s\n", SLICE_ARG(line));
    free(data);
}
