/* A whole record as JSON, which ottla produce -f json reads again: bytes that are not UTF-8 stand
 * as base64 under "key_base64", "value_base64". Pure. One thread. */
#include "cmd/format_int.h"

struct layout {
    const char *line; /* between members */
    const char *indent;
    const char *space; /* after a colon */
};

/* Well-formed UTF-8, without overlong forms and surrogates. */
static size_t utf8_size(struct slice s)
{
    uint8_t c = s.data[0];
    size_t size = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (size == 0 || size > s.size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((s.data[i] & 0xc0) != 0x80)
            return 0;
    bool bad = (c == 0xe0 && s.data[1] < 0xa0) || (c == 0xed && s.data[1] > 0x9f) ||
               (c == 0xf0 && s.data[1] < 0x90) || (c == 0xf4 && s.data[1] > 0x8f);
    return bad ? 0 : size;
}

static bool is_utf8(struct slice s)
{
    while (s.size > 0) {
        size_t size = utf8_size(s);
        if (size == 0)
            return false;
        s = slice_from(s, size);
    }
    return true;
}

static void add_bytes(const char *name, struct slice bytes, const struct layout *layout,
                      struct text *out)
{
    bool text = slice_is_null(bytes) || is_utf8(bytes);
    text_printf(out, "\"%s%s\":%s", name, text ? "" : "_base64", layout->space);
    if (slice_is_null(bytes)) {
        text_printf(out, "null");
    } else if (text) {
        text_add_json_string(out, bytes);
    } else {
        text_add_char(out, '"');
        text_add_base64(out, bytes);
        text_add_char(out, '"');
    }
}

void format_json_bytes(const char *name, struct slice bytes, struct text *out)
{
    static const struct layout narrow = {.line = "", .indent = "", .space = ""};
    add_bytes(name, bytes, &narrow, out);
}

static void add_headers(const struct format_record *record, const struct layout *layout,
                        struct text *out)
{
    text_printf(out, "%s\"headers\":%s[", layout->indent, layout->space);
    for (int32_t i = 0; i < record->header_count; i++) {
        text_printf(out, "%s{", i > 0 ? "," : "");
        add_bytes("key", record->headers[i].key, layout, out);
        text_printf(out, ",%s", layout->space);
        add_bytes("value", record->headers[i].value, layout, out);
        text_printf(out, "}");
    }
    text_printf(out, "],%s", layout->line);
}

static void add_number(const char *name, int64_t number, const struct layout *layout,
                       struct text *out)
{
    text_printf(out, "%s\"%s\":%s%lld,%s", layout->indent, name, layout->space, (long long)number,
                layout->line);
}

void format_json(const struct format_record *record, bool one_line, struct text *out)
{
    static const struct layout wide = {.line = "\n", .indent = "  ", .space = " "};
    static const struct layout narrow = {.line = "", .indent = "", .space = ""};
    const struct layout *layout = one_line ? &narrow : &wide;
    text_printf(out, "{%s%s", layout->line, layout->indent);
    add_bytes("topic", record->topic, layout, out);
    text_printf(out, ",%s%s", layout->line, layout->indent);
    add_bytes("key", record->key, layout, out);
    text_printf(out, ",%s%s", layout->line, layout->indent);
    add_bytes("value", record->value, layout, out);
    text_printf(out, ",%s", layout->line);
    if (record->header_count > 0)
        add_headers(record, layout, out);
    if (record->timestamp_ms >= 0)
        add_number("timestamp", record->timestamp_ms, layout, out);
    add_number("partition", record->partition, layout, out);
    text_printf(out, "%s\"offset\":%s%lld%s}\n", layout->indent, layout->space,
                (long long)record->offset, layout->line);
}
