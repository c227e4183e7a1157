/* Compiles a format. Its complication is that braces mean a form after most verbs and a nested
 * format after %h, one level deep. Pure. One thread. */
#include "cmd/format_int.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 256
#define TEXT_VERBS "tkv"
#define NUMBER_VERBS "TKVHpodi[]"
#define HEADER_TEXT_VERBS "kv"
#define HEADER_NUMBER_VERBS "KV"

struct compiler {
    const char *at;
    struct arena *arena;
    struct text *error;
    bool inside; /* of %h{...} */
    struct format_step steps[STEPS_MAX];
    size_t count;
    struct text literal;
};

static bool fail(struct compiler *c, const char *what)
{
    text_printf(c->error, "%s", what);
    return false;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

bool format_escape(const char **at, char *ret_c)
{
    static const char letters[] = "ntr\\0%{}";
    static const char plain[] = "\n\t\r\\\0%{}";
    char c = **at;
    if (c == 'x' && hex_digit((*at)[1]) >= 0 && hex_digit((*at)[2]) >= 0) {
        *ret_c = (char)(hex_digit((*at)[1]) * 16 + hex_digit((*at)[2]));
        *at += 3;
        return true;
    }
    const char *found = c != '\0' ? strchr(letters, c) : NULL;
    if (found == NULL)
        return false;
    *ret_c = plain[found - letters];
    *at += 1;
    return true;
}

static bool add_step(struct compiler *c, const struct format_step *step)
{
    if (c->count == STEPS_MAX)
        return fail(c, "too many verbs");
    c->steps[c->count++] = *step;
    return true;
}

/* What was gathered of literal text becomes a step. */
static bool end_literal(struct compiler *c)
{
    if (c->literal.size == 0)
        return true;
    struct format_step step = {.text = arena_copy(c->arena, text_slice(&c->literal))};
    text_reset(&c->literal);
    return add_step(c, &step);
}

/* {name}: taken where one follows. */
static bool take_braces(struct compiler *c, struct slice *ret_name)
{
    *ret_name = (struct slice){0};
    if (*c->at != '{')
        return true;
    const char *end = strchr(c->at, '}');
    if (end == NULL)
        return fail(c, "a { without its }");
    *ret_name = slice_of(c->at + 1, (size_t)(end - c->at - 1));
    c->at = end + 1;
    return true;
}

static bool text_form(struct compiler *c, struct slice name, struct format_step *step)
{
    static const struct {
        const char *name;
        enum format_form form;
    } forms[] = {{"hex", FORM_HEX},
                 {"base64", FORM_BASE64},
                 {"base64raw", FORM_BASE64RAW},
                 {"json", FORM_JSON}};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (slice_is(name, forms[i].name)) {
            step->form = (uint8_t)forms[i].form;
            return true;
        }
    }
    text_printf(c->error, "%%%c{%.*s}: a text can be {hex}, {base64}, {base64raw} or {json}",
                step->verb, SLICE_ARG(name));
    return false;
}

/* hex64, big32, little8: a word and a number of bits. */
static bool sized_form(struct slice name, struct format_step *step)
{
    static const struct {
        const char *prefix;
        enum format_form form;
        unsigned bits; /* of one unit of width */
    } forms[] = {{"hex", FORM_HEX_NUMBER, 4}, {"big", FORM_BIG, 8}, {"little", FORM_LITTLE, 8}};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        size_t size = strlen(forms[i].prefix);
        if (name.size <= size || memcmp(name.data, forms[i].prefix, size) != 0)
            continue;
        struct slice bits = slice_from(name, size);
        static const char *const widths[] = {"64", "32", "16", "8"};
        for (size_t w = 0; w < COUNT_OF(widths); w++) {
            if (slice_is(bits, widths[w])) {
                step->form = (uint8_t)forms[i].form;
                step->width = (uint8_t)((64u >> w) / forms[i].bits);
                return true;
            }
        }
    }
    return false;
}

static bool number_form(struct compiler *c, struct slice name, struct format_step *step)
{
    if (slice_is(name, "ascii") || sized_form(name, step))
        return true;
    if (slice_is(name, "byte") || slice_is(name, "bool")) {
        step->form = (uint8_t)(slice_is(name, "byte") ? FORM_BYTE : FORM_BOOL);
        return true;
    }
    text_printf(c->error,
                "%%%c{%.*s}: a number can be {ascii}, {hexN}, {bigN}, {littleN} with N 64, 32, 16 "
                "or 8, {byte} or {bool}",
                step->verb, SLICE_ARG(name));
    return false;
}

/* %d{strftime[%F %T]} holds braces of neither kind inside its brackets. */
static bool time_form(struct compiler *c, struct format_step *step)
{
    static const char start[] = "{strftime[";
    if (strncmp(c->at, start, sizeof start - 1) != 0)
        return false;
    const char *pattern = c->at + sizeof start - 1;
    const char *end = strstr(pattern, "]}");
    if (end == NULL)
        return false;
    const char *copy = arena_printf(c->arena, "%.*s", (int)(end - pattern), pattern);
    step->form = FORM_STRFTIME;
    step->text = slice_of_text(copy);
    c->at = end + 2;
    return true;
}

/* All verbs but %h. */
static bool compile_verb(struct compiler *c)
{
    struct format_step step = {.verb = *c->at};
    struct slice form;
    const char *texts = c->inside ? HEADER_TEXT_VERBS : TEXT_VERBS;
    const char *numbers = c->inside ? HEADER_NUMBER_VERBS : NUMBER_VERBS;
    bool is_text = step.verb != '\0' && strchr(texts, step.verb) != NULL;
    bool is_number = step.verb != '\0' && strchr(numbers, step.verb) != NULL;
    if (step.verb == '\0')
        return fail(c, "no verb stands after the last %");
    if (!is_text && !is_number) {
        text_printf(c->error, "%%%c is no verb%s; see ottla consume --help", step.verb,
                    c->inside ? " of a header" : "");
        return false;
    }
    c->at++;
    if (step.verb == 'd' && time_form(c, &step))
        return add_step(c, &step);
    if (!take_braces(c, &form))
        return false;
    if (slice_is_null(form))
        return add_step(c, &step);
    bool ok = is_text ? text_form(c, form, &step) : number_form(c, form, &step);
    return ok && add_step(c, &step);
}

/* An escape or a character as it is. false: a verb begins here, or *ret_ok is false. */
static bool take_literal(struct compiler *c, bool *ret_ok)
{
    char escaped;
    *ret_ok = true;
    if (*c->at == '\\') {
        c->at++;
        *ret_ok = format_escape(&c->at, &escaped) ||
                  fail(c, "a \\ must be followed by n, t, r, \\, 0 or xNN");
        if (*ret_ok)
            text_add_char(&c->literal, escaped);
        return *ret_ok;
    }
    if (*c->at == '%' && (c->at[1] == '\0' || strchr("%{}", c->at[1]) == NULL))
        return false;
    c->at += *c->at == '%';
    text_add_char(&c->literal, *c->at++);
    return true;
}

/* Up to the closing brace, which is not taken. */
static bool compile_inner(struct compiler *c)
{
    bool ok = true;
    while (*c->at != '}' && ok) {
        if (*c->at == '\0')
            return fail(c, "a { without its }");
        if (take_literal(c, &ok) || !ok)
            continue;
        c->at++;
        ok = end_literal(c) && compile_verb(c);
    }
    return ok && end_literal(c);
}

/* %h{...} */
static bool header_verb(struct compiler *c)
{
    struct format_step step = {.verb = 'h'};
    struct compiler inner = {.arena = c->arena, .error = c->error, .inside = true};
    if (c->at[1] != '{')
        return fail(c, "%h needs braces: %h{%k=%v }");
    inner.at = c->at + 2;
    text_init(&inner.literal, 65536);
    bool ok = compile_inner(&inner);
    text_fini(&inner.literal);
    if (!ok)
        return false;
    c->at = inner.at + 1;
    step.inner = ARENA_ARRAY(c->arena, struct format_step, inner.count + 1);
    step.inner_count = inner.count;
    if (step.inner != NULL)
        memcpy(step.inner, inner.steps, inner.count * sizeof *step.inner);
    return add_step(c, &step);
}

static bool compile_all(struct compiler *c)
{
    bool ok = true;
    while (*c->at != '\0' && ok) {
        if (take_literal(c, &ok) || !ok)
            continue;
        c->at++;
        ok = end_literal(c) && (*c->at == 'h' ? header_verb(c) : compile_verb(c));
    }
    return ok && end_literal(c);
}

bool format_compile(const char *text, struct arena *arena, struct format *ret_format,
                    struct text *error)
{
    bool lines = strcmp(text, "jsonl") == 0;
    if (lines || strcmp(text, "json") == 0) {
        *ret_format = (struct format){.json = true, .lines = lines};
        return true;
    }
    struct compiler c = {.at = text, .arena = arena, .error = error};
    text_init(&c.literal, 65536);
    bool ok = compile_all(&c);
    text_fini(&c.literal);
    if (!ok)
        return false;
    struct format_step *steps = ARENA_ARRAY(arena, struct format_step, c.count + 1);
    if (steps == NULL || arena->failed) {
        text_printf(error, "out of memory");
        return false;
    }
    memcpy(steps, c.steps, c.count * sizeof *steps);
    *ret_format = (struct format){.steps = steps, .step_count = c.count};
    return true;
}
