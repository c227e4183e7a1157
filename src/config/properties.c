/* Java's .properties text. Its complication is that lines are joined before they are split and
 * that escapes may hide the separator. Makes no system call and keeps nothing. Any thread. */
#include "config/properties.h"

struct reader {
    struct slice rest;
    int line;           /* of the next natural line */
    struct text joined; /* one logical line, continuations joined, escapes as written */
    struct text key;
    struct text value;
    struct text *error;
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

/* One natural line without its end: \n, \r or \r\n. */
static struct slice take_line(struct reader *r)
{
    size_t size = 0;
    while (size < r->rest.size && r->rest.data[size] != '\n' && r->rest.data[size] != '\r')
        size++;
    struct slice line = slice_first(r->rest, size);
    bool crlf =
        size + 1 < r->rest.size && r->rest.data[size] == '\r' && r->rest.data[size + 1] == '\n';
    r->rest = slice_from(r->rest, size + (crlf ? 2 : 1));
    r->line++;
    return line;
}

static struct slice skip_blanks(struct slice s)
{
    while (s.size > 0 && is_blank(s.data[0]))
        s = slice_from(s, 1);
    return s;
}

/* An odd number of backslashes at the end continues the line. */
static bool is_continued(struct slice line)
{
    size_t count = 0;
    while (count < line.size && line.data[line.size - 1 - count] == '\\')
        count++;
    return count % 2 == 1;
}

/* Gathers the next logical line into r->joined; comments and blank lines are passed over. Returns
 * the number of its first natural line, 0 at the end of the text. */
static int join_line(struct reader *r)
{
    text_reset(&r->joined);
    int first = 0;
    while (r->rest.size > 0) {
        struct slice line = skip_blanks(take_line(r));
        if (first == 0) {
            if (line.size == 0 || line.data[0] == '#' || line.data[0] == '!')
                continue;
            first = r->line;
        }
        if (!is_continued(line)) {
            text_add(&r->joined, line);
            return first;
        }
        text_add(&r->joined, slice_first(line, line.size - 1));
    }
    return first;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The unit after "\u"; -1 where four hex digits are missing. */
static int32_t unicode_unit(struct slice s)
{
    int32_t unit = 0;
    if (s.size < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(s.data[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static void add_utf8(struct text *out, uint32_t c)
{
    if (c < 0x80) {
        text_add_char(out, (char)c);
        return;
    }
    int shift = c < 0x800 ? 6 : c < 0x10000 ? 12 : 18;
    uint32_t lead = c < 0x800 ? 0xc0 : c < 0x10000 ? 0xe0 : 0xf0;
    text_add_char(out, (char)(lead | (c >> shift)));
    for (shift -= 6; shift >= 0; shift -= 6)
        text_add_char(out, (char)(0x80 | ((c >> shift) & 0x3f)));
}

/* s begins after "\u". Returns the bytes taken, 0 when malformed. */
static size_t unescape_unicode(struct slice s, struct text *out)
{
    int32_t unit = unicode_unit(s);
    if (unit < 0)
        return 0;
    if (unit < 0xd800 || unit > 0xdfff) {
        add_utf8(out, (uint32_t)unit);
        return 4;
    }
    int32_t low =
        s.size >= 10 && s.data[4] == '\\' && s.data[5] == 'u' ? unicode_unit(slice_from(s, 6)) : -1;
    if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) {
        add_utf8(out, 0xfffd); /* half a pair: no character */
        return 4;
    }
    add_utf8(out, 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
    return 10;
}

static bool unescape(struct slice s, struct text *out)
{
    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] != '\\' || i + 1 == s.size) {
            text_add_char(out, (char)s.data[i]);
            continue;
        }
        uint8_t c = s.data[++i];
        if (c == 'u') {
            size_t taken = unescape_unicode(slice_from(s, i + 1), out);
            if (taken == 0)
                return false;
            i += taken;
            continue;
        }
        static const char letters[] = "tnrf";
        static const char plain[] = "\t\n\r\f";
        const char *at = c != 0 ? strchr(letters, c) : NULL;
        text_add_char(out, at != NULL ? plain[at - letters] : (char)c);
    }
    return true;
}

/* Splits at the first unescaped '=', ':' or blank; blanks around one separator belong to it. */
static void split(struct slice line, struct slice *ret_key, struct slice *ret_value)
{
    size_t at = 0;
    while (at < line.size) {
        uint8_t c = line.data[at];
        if (c == '=' || c == ':' || is_blank(c))
            break;
        at += c == '\\' && at + 1 < line.size ? 2 : 1;
    }
    *ret_key = slice_first(line, at);
    struct slice value = skip_blanks(slice_from(line, at));
    if (value.size > 0 && (value.data[0] == '=' || value.data[0] == ':'))
        value = skip_blanks(slice_from(value, 1));
    *ret_value = value;
}

static bool decode_pair(struct reader *r, int line)
{
    struct slice key;
    struct slice value;
    split(text_slice(&r->joined), &key, &value);
    text_reset(&r->key);
    text_reset(&r->value);
    if (!unescape(key, &r->key) || !unescape(value, &r->value)) {
        text_printf(r->error, "line %d: malformed \\uXXXX escape", line);
        return false;
    }
    if (r->joined.failed || r->key.failed || r->value.failed) {
        text_printf(r->error, "line %d: too long", line);
        return false;
    }
    return true;
}

/* Some editors put a byte order mark before UTF-8; it is no part of the first key. */
static struct slice without_mark(struct slice file)
{
    bool marked = slice_equal(slice_first(file, 3), slice_of("\xef\xbb\xbf", 3));
    return marked ? slice_from(file, 3) : file;
}

bool properties_read(struct slice file, properties_pair_fn on_pair, void *context,
                     struct text *error)
{
    struct reader r = {.rest = without_mark(file), .error = error};
    size_t limit = file.size + 16;
    text_init(&r.joined, limit);
    text_init(&r.key, limit);
    text_init(&r.value, limit);
    bool ok = true;
    for (int line = join_line(&r); ok && line != 0; line = join_line(&r)) {
        ok = decode_pair(&r, line);
        if (ok)
            ok = on_pair(context, text_slice(&r.key), text_slice(&r.value), line);
    }
    text_fini(&r.joined);
    text_fini(&r.key);
    text_fini(&r.value);
    return ok;
}
