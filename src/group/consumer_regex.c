/* See the header. An expression is read by RE2's rules and written anew for PCRE2, in which every
 * character stands for itself by number, every group captures nothing and every assertion is a
 * group (PCRE2 does not repeat bare ones). One thread. */
#include "group/consumer_regex.h"

#include "base/always.h"
#include "base/text.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define REPEAT_MAX 1000
#define DEPTH_MAX 1000
#define OUT_MAX ((size_t)1024 * 1024)
#define WORKSPACE_SIZE 4096
#define CODE_POINT_MAX 0x10ffff

struct consumer_regex {
    pcre2_code *code;
    pcre2_match_data *match;
};

/* One level of groups that are open. */
struct level {
    bool has_atom; /* something stands before that may be repeated */
};

struct reader {
    struct slice text;
    size_t at;
    struct text out;
    struct arena *arena;
    struct slice *names; /* of groups */
    int name_count;
    struct level *levels;
    int depth;
    bool was_repeat; /* the last thing was a repetition */
    const char *fault;
};

/* ---- reading ---- */

static bool fail(struct reader *reader, const char *fault)
{
    if (reader->fault == NULL)
        reader->fault = fault;
    return false;
}

static bool more(const struct reader *reader)
{
    return reader->at < reader->text.size;
}

static uint8_t peek(const struct reader *reader)
{
    return more(reader) ? reader->text.data[reader->at] : 0;
}

static bool looks_at(const struct reader *reader, const char *text)
{
    struct slice rest = slice_from(reader->text, reader->at);
    return slice_equal(slice_first(rest, strlen(text)), slice_of_text(text));
}

static bool skip(struct reader *reader, const char *text)
{
    if (!looks_at(reader, text))
        return false;
    reader->at += strlen(text);
    return true;
}

/* A code point; bytes that are no UTF-8 are Java's replacement. */
static uint32_t take_rune(struct reader *reader)
{
    uint8_t first = reader->text.data[reader->at++];
    int rest = first < 0x80 ? 0 : first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : -1;
    if (rest <= 0)
        return rest == 0 ? first : 0xfffd;
    uint32_t rune = first & (0x3fu >> rest);
    for (int i = 0; i < rest; i++) {
        if (!more(reader) || (peek(reader) & 0xc0) != 0x80)
            return 0xfffd;
        rune = rune << 6 | (reader->text.data[reader->at++] & 0x3fu);
    }
    return rune <= CODE_POINT_MAX && !(rune >= 0xd800 && rune < 0xe000) ? rune : 0xfffd;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hex_of(uint8_t c)
{
    if (is_digit(c))
        return c - '0';
    uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* ---- writing ---- */

static void put_rune(struct reader *reader, uint32_t rune)
{
    /* A half of a pair is no character: nothing matches it. */
    if (rune >= 0xd800 && rune < 0xe000)
        rune = 0xfffd;
    text_printf(&reader->out, "\\x{%x}", rune);
}

static struct level *level(struct reader *reader)
{
    return &reader->levels[reader->depth];
}

static void atom(struct reader *reader)
{
    level(reader)->has_atom = true;
    reader->was_repeat = false;
}

static void put_assertion(struct reader *reader, const char *text)
{
    text_printf(&reader->out, "(?:%s)", text);
    atom(reader);
}

static void put_literal(struct reader *reader, uint32_t rune)
{
    put_rune(reader, rune);
    atom(reader);
}

/* ---- escapes ---- */

static bool take_braced_hex(struct reader *reader, uint32_t *ret_rune)
{
    uint32_t rune = 0;
    int digits = 0;
    for (; more(reader) && hex_of(peek(reader)) >= 0; digits++) {
        rune = rune * 16 + (uint32_t)hex_of(peek(reader));
        reader->at++;
        if (rune > CODE_POINT_MAX)
            return fail(reader, "invalid escape sequence");
    }
    *ret_rune = rune;
    return (digits > 0 && skip(reader, "}")) || fail(reader, "invalid escape sequence");
}

static bool take_hex(struct reader *reader, uint32_t *ret_rune)
{
    if (skip(reader, "{"))
        return take_braced_hex(reader, ret_rune);
    uint32_t rune = 0;
    for (int i = 0; i < 2; i++) {
        int digit = more(reader) ? hex_of(peek(reader)) : -1;
        if (digit < 0)
            return fail(reader, "invalid escape sequence");
        rune = rune * 16 + (uint32_t)digit;
        reader->at++;
    }
    *ret_rune = rune;
    return true;
}

/* A single digit would be a reference back. */
static bool take_octal(struct reader *reader, uint32_t first, uint32_t *ret_rune)
{
    bool goes_on = peek(reader) >= '0' && peek(reader) <= '7';
    if (first != '0' && !goes_on)
        return fail(reader, "invalid escape sequence");
    uint32_t rune = first - '0';
    for (int i = 1; i < 3 && peek(reader) >= '0' && peek(reader) <= '7'; i++)
        rune = rune * 8 + (uint32_t)(reader->text.data[reader->at++] - '0');
    *ret_rune = rune;
    return true;
}

/* Behind the backslash: one that stands for a character. */
static bool take_escape(struct reader *reader, uint32_t *ret_rune)
{
    static const char plain[] = "afnrtv";
    static const char meant[] = "\a\f\n\r\t\v";
    if (!more(reader))
        return fail(reader, "trailing backslash at end of expression");
    uint32_t c = take_rune(reader);
    if (c >= '0' && c <= '7')
        return take_octal(reader, c, ret_rune);
    if (c == 'x')
        return take_hex(reader, ret_rune);
    for (size_t i = 0; i < sizeof plain - 1; i++)
        if (c == (uint32_t)plain[i]) {
            *ret_rune = (uint32_t)meant[i];
            return true;
        }
    *ret_rune = c;
    return !is_alnum(c) || fail(reader, "invalid escape sequence");
}

/* \pL or \p{Greek}, behind p or P: written as it is, for the library to know. */
static bool take_property(struct reader *reader, char letter)
{
    if (!more(reader))
        return fail(reader, "invalid character class range");
    struct slice name = slice_first(slice_from(reader->text, reader->at), 1);
    if (peek(reader) == '{') {
        struct slice rest = slice_from(reader->text, reader->at + 1);
        const uint8_t *end = memchr(rest.data, '}', rest.size);
        if (end == NULL)
            return fail(reader, "invalid character class range");
        name = slice_first(rest, (size_t)(end - rest.data));
        reader->at += 2;
    }
    reader->at += name.size;
    bool is_fine = name.size > 0;
    for (size_t i = 0; i < name.size; i++)
        is_fine = is_fine && (is_alnum(name.data[i]) || name.data[i] == '_' ||
                              (name.data[i] == '^' && i == 0 && name.size > 1));
    if (!is_fine)
        return fail(reader, "invalid character class range");
    text_printf(&reader->out, "\\%c{%.*s}", letter, SLICE_ARG(name));
    return true;
}

/* A class in a word: \d, \pL. false: it is none, or at fault. */
static bool take_class_escape(struct reader *reader)
{
    static const char *const classes[] = {"\\d", "\\D", "\\s", "\\S", "\\w", "\\W"};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (skip(reader, classes[i])) {
            /* RE2's \s has no vertical tab. */
            text_add(&reader->out, slice_of_text(i == 2   ? "[\\t\\n\\f\\r ]"
                                                 : i == 3 ? "[^\\t\\n\\f\\r ]"
                                                          : classes[i]));
            return true;
        }
    if (skip(reader, "\\p"))
        return take_property(reader, 'p');
    if (skip(reader, "\\P"))
        return take_property(reader, 'P');
    return false;
}

/* ---- classes in brackets ---- */

static bool take_class_rune(struct reader *reader, uint32_t *ret_rune)
{
    if (!more(reader))
        return fail(reader, "missing closing ]");
    if (skip(reader, "\\"))
        return take_escape(reader, ret_rune);
    *ret_rune = take_rune(reader);
    return true;
}

/* [:alpha:] in a class. false: it is none, or at fault. */
static bool take_named_class(struct reader *reader)
{
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl",
                                        "digit", "graph", "lower", "print", "punct",
                                        "space", "upper", "word",  "xdigit"};
    if (!looks_at(reader, "[:"))
        return false;
    struct slice rest = slice_from(reader->text, reader->at + 2);
    size_t size = 0;
    while (size + 1 < rest.size && !(rest.data[size] == ':' && rest.data[size + 1] == ']'))
        size++;
    if (size + 1 >= rest.size)
        return false; /* a bracket like any character */
    struct slice name = slice_first(rest, size);
    bool negated = name.size > 0 && name.data[0] == '^';
    struct slice word = slice_from(name, negated);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_is(word, names[i])) {
            text_printf(&reader->out, "[:%s%s:]", negated ? "^" : "", names[i]);
            reader->at += 2 + size + 2;
            return true;
        }
    return fail(reader, "invalid character class range");
}

/* \s of a class, whose brackets would nest. */
static bool take_space_in_class(struct reader *reader)
{
    if (skip(reader, "\\s")) {
        text_add(&reader->out, slice_of_text("\\t\\n\\f\\r\\x{20}"));
        return true;
    }
    if (skip(reader, "\\S")) {
        text_add(&reader->out,
                 slice_of_text("\\x{0}-\\x{8}\\x{b}\\x{e}-\\x{1f}\\x{21}-\\x{10ffff}"));
        return true;
    }
    return false;
}

static bool take_range(struct reader *reader)
{
    uint32_t low;
    if (!take_class_rune(reader, &low))
        return false;
    uint32_t high = low;
    if (looks_at(reader, "-") && !looks_at(reader, "-]")) {
        reader->at++;
        if (!take_class_rune(reader, &high))
            return false;
        if (high < low)
            return fail(reader, "invalid character class range");
    }
    put_rune(reader, low);
    if (high != low) {
        text_add_char(&reader->out, '-');
        put_rune(reader, high);
    }
    return true;
}

static bool take_class(struct reader *reader)
{
    text_add_char(&reader->out, '[');
    if (skip(reader, "^"))
        text_add_char(&reader->out, '^');
    for (bool first = true; !more(reader) || peek(reader) != ']' || first; first = false) {
        if (!more(reader))
            return fail(reader, "missing closing ]");
        if (take_named_class(reader) || take_space_in_class(reader) || take_class_escape(reader))
            continue;
        if (reader->fault != NULL || !take_range(reader))
            return false;
    }
    reader->at++;
    text_add_char(&reader->out, ']');
    atom(reader);
    return true;
}

/* ---- groups ---- */

static bool open_group(struct reader *reader, const char *text)
{
    if (reader->depth + 1 >= DEPTH_MAX)
        return fail(reader, "expression nests too deeply");
    text_add(&reader->out, slice_of_text(text));
    reader->levels[++reader->depth] = (struct level){0};
    reader->was_repeat = false;
    return true;
}

static bool close_group(struct reader *reader)
{
    if (reader->depth == 0)
        return fail(reader, "unexpected )");
    reader->depth--;
    text_add_char(&reader->out, ')');
    atom(reader);
    return true;
}

static bool take_name(struct reader *reader)
{
    struct slice rest = slice_from(reader->text, reader->at);
    const uint8_t *end = rest.size > 0 ? memchr(rest.data, '>', rest.size) : NULL;
    struct slice name = end != NULL ? slice_first(rest, (size_t)(end - rest.data)) : rest;
    bool is_fine = end != NULL && name.size > 0;
    for (size_t i = 0; i < name.size; i++)
        is_fine = is_fine && (is_alnum(name.data[i]) || name.data[i] == '_');
    if (!is_fine)
        return fail(reader, "invalid named capture");
    for (int i = 0; i < reader->name_count; i++)
        if (slice_equal(reader->names[i], name))
            return fail(reader, "duplicate capture group name");
    reader->names[reader->name_count++] = name;
    reader->at += name.size + 1;
    return open_group(reader, "(?:");
}

/* Behind "(?": flags, for what follows or for a group. */
static bool take_flags(struct reader *reader)
{
    size_t first = reader->at;
    bool negative = false;
    bool saw_flag = false;
    while (more(reader)) {
        uint8_t c = reader->text.data[reader->at++];
        if (c == 'i' || c == 'm' || c == 's' || c == 'U') {
            saw_flag = true;
        } else if (c == '-' && !negative) {
            negative = true;
            saw_flag = false;
        } else if ((c == ':' || c == ')') && (!negative || saw_flag)) {
            struct slice flags =
                slice_first(slice_from(reader->text, first), reader->at - 1 - first);
            text_printf(&reader->out, "(?%.*s", SLICE_ARG(flags));
            text_add_char(&reader->out, (char)c);
            return c == ')' || open_group(reader, "");
        } else {
            break;
        }
    }
    return fail(reader, more(reader) ? "invalid or unsupported Perl syntax" : "missing closing )");
}

static bool take_group(struct reader *reader)
{
    if (skip(reader, "?P<") || skip(reader, "?<"))
        return take_name(reader);
    if (skip(reader, "?"))
        return take_flags(reader);
    return open_group(reader, "(?:");
}

/* ---- repetitions ---- */

static bool repeat(struct reader *reader, struct slice sign)
{
    bool lazy = skip(reader, "?");
    if (reader->was_repeat)
        return fail(reader, "invalid nested repetition operator");
    if (!level(reader)->has_atom)
        return fail(reader, "missing argument to repetition operator");
    text_add(&reader->out, sign);
    if (lazy)
        text_add_char(&reader->out, '?');
    reader->was_repeat = true;
    return true;
}

/* -1: there is none here; beyond the most: it is too large. */
static int64_t take_count(struct reader *reader, size_t *at)
{
    size_t first = *at;
    int64_t count = 0;
    while (*at < reader->text.size && is_digit(reader->text.data[*at])) {
        if (count <= REPEAT_MAX)
            count = count * 10 + (reader->text.data[*at] - '0');
        (*at)++;
    }
    bool leads_with_zero = *at - first > 1 && reader->text.data[first] == '0';
    return *at == first || leads_with_zero ? -1 : count;
}

/* {2}, {2,} or {2,3} behind the brace; anything else is a brace like any character. */
static bool take_counts(struct reader *reader)
{
    size_t at = reader->at;
    int64_t low = take_count(reader, &at);
    int64_t high = low;
    bool has_comma = at < reader->text.size && reader->text.data[at] == ',';
    if (low >= 0 && has_comma) {
        at++;
        high =
            at < reader->text.size && reader->text.data[at] == '}' ? -2 : take_count(reader, &at);
    }
    bool closes = at < reader->text.size && reader->text.data[at] == '}';
    if (low < 0 || high == -1 || !closes) {
        put_literal(reader, '{');
        return true;
    }
    if (low > REPEAT_MAX || high > REPEAT_MAX || (high >= 0 && low > high))
        return fail(reader, "invalid repeat count");
    struct slice sign =
        slice_first(slice_from(reader->text, reader->at - 1), at + 1 - (reader->at - 1));
    reader->at = at + 1;
    return repeat(reader, sign);
}

/* ---- all of it ---- */

static void take_quoted(struct reader *reader)
{
    while (more(reader) && !skip(reader, "\\E"))
        put_literal(reader, take_rune(reader));
}

static bool take_backslash(struct reader *reader)
{
    static const char *const assertions[] = {"\\A", "\\b", "\\B", "\\z"};
    for (size_t i = 0; i < sizeof assertions / sizeof assertions[0]; i++)
        if (skip(reader, assertions[i])) {
            put_assertion(reader, assertions[i]);
            return true;
        }
    if (skip(reader, "\\Q")) {
        take_quoted(reader);
        return true;
    }
    if (take_class_escape(reader)) {
        atom(reader);
        return true;
    }
    uint32_t rune;
    if (reader->fault != NULL || !skip(reader, "\\") || !take_escape(reader, &rune))
        return false;
    put_literal(reader, rune);
    return true;
}

static bool take_one(struct reader *reader)
{
    uint8_t c = peek(reader);
    if (c == '\\')
        return take_backslash(reader);
    if (strchr("^$.[()|*+?{", c) == NULL || c == 0) {
        put_literal(reader, take_rune(reader));
        return true;
    }
    struct slice sign = slice_first(slice_from(reader->text, reader->at), 1);
    reader->at++;
    switch (c) {
    case '^':
        put_assertion(reader, "^");
        return true;
    case '$':
        put_assertion(reader, "$");
        return true;
    case '.':
        text_add_char(&reader->out, '.');
        atom(reader);
        return true;
    case '[':
        return take_class(reader);
    case '(':
        return take_group(reader);
    case ')':
        return close_group(reader);
    case '|':
        text_add_char(&reader->out, '|');
        level(reader)->has_atom = false;
        reader->was_repeat = false;
        return true;
    case '{':
        return take_counts(reader);
    default:
        return repeat(reader, sign);
    }
}

static bool translate(struct reader *reader)
{
    text_add(&reader->out, slice_of_text("(?:"));
    while (more(reader))
        if (!take_one(reader))
            return false;
    if (reader->depth > 0)
        return fail(reader, "missing closing )");
    text_add(&reader->out, slice_of_text(")\\z"));
    return !reader->out.failed || fail(reader, "expression is too large");
}

/* ---- the library ---- */

static pcre2_code *compile(struct reader *reader)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    ALWAYS(context != NULL, "memory for a regular expression is out");
    (void)pcre2_set_parens_nest_limit(context, DEPTH_MAX * 2 + 2);
    int error;
    size_t offset;
    struct slice out = text_slice(&reader->out);
    pcre2_code *code = pcre2_compile(out.data, out.size, PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &error,
                                     &offset, context);
    pcre2_compile_context_free(context);
    if (code != NULL)
        return code;
    uint8_t words[128];
    if (pcre2_get_error_message(error, words, sizeof words) < 0)
        words[0] = 0;
    (void)fail(reader, arena_printf(reader->arena, "%s", (const char *)words));
    return NULL;
}

struct consumer_regex *consumer_regex_new(struct slice text, struct arena *arena,
                                          const char **ret_fault)
{
    struct reader reader = {
        .text = text,
        .arena = arena,
        .names = malloc((text.size / 4 + 1) * sizeof(struct slice)),
        .levels = malloc(DEPTH_MAX * sizeof(struct level)),
    };
    ALWAYS(reader.names != NULL && reader.levels != NULL, "memory for an expression is out");
    reader.levels[0] = (struct level){0};
    text_init(&reader.out, OUT_MAX);
    pcre2_code *code = translate(&reader) ? compile(&reader) : NULL;
    text_fini(&reader.out);
    free(reader.names);
    free(reader.levels);
    if (code == NULL) {
        *ret_fault = reader.fault;
        return NULL;
    }
    struct consumer_regex *regex = malloc(sizeof *regex);
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    ALWAYS(regex != NULL && match != NULL, "memory for a regular expression is out");
    *regex = (struct consumer_regex){.code = code, .match = match};
    return regex;
}

void consumer_regex_free(struct consumer_regex *regex)
{
    if (regex == NULL)
        return;
    pcre2_code_free(regex->code);
    pcre2_match_data_free(regex->match);
    free(regex);
}

bool consumer_regex_matches(const struct consumer_regex *regex, struct slice text)
{
    int workspace[WORKSPACE_SIZE];
    int found =
        pcre2_dfa_match(regex->code, text.data, text.size, 0, PCRE2_ANCHORED | PCRE2_DFA_SHORTEST,
                        regex->match, NULL, workspace, WORKSPACE_SIZE);
    if (found != PCRE2_ERROR_DFA_WSSIZE)
        return found >= 0;
    /* Many ways at once: room for all of them. */
    size_t size = consumer_regex_cost(regex) * 8 + WORKSPACE_SIZE;
    int *room = malloc(size * sizeof *room);
    ALWAYS(room != NULL, "memory for matching is out");
    found = pcre2_dfa_match(regex->code, text.data, text.size, 0,
                            PCRE2_ANCHORED | PCRE2_DFA_SHORTEST, regex->match, NULL, room, size);
    free(room);
    return found >= 0;
}

size_t consumer_regex_cost(const struct consumer_regex *regex)
{
    size_t size = 0;
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_SIZE, &size);
    return size;
}
