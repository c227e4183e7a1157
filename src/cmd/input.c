/* Reads records by a compiled input format. Its complication is that a field may end by a size that
 * was read before it, by the literal text after it, or with the stream. One thread. */
#include "cmd/input.h"

#include "cmd/format_int.h"
#include "cmd/input_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_LIMIT ((size_t)1 << 30)
#define STEPS_MAX 64

enum { KEY = 0, VALUE = 1 };

struct input_step {
    char verb;         /* 0: literal; k v K V p */
    uint8_t form;      /* enum format_form */
    uint8_t width;     /* bytes of a binary number */
    struct slice text; /* literal */
};

/* ---- compiling ---- */

struct compiler {
    const char *at;
    struct input_step steps[STEPS_MAX];
    size_t count;
    struct text literal;
    struct arena *arena;
    struct text *error;
};

static bool fail(struct compiler *c, const char *what)
{
    text_printf(c->error, "%s", what);
    return false;
}

static bool end_literal(struct compiler *c)
{
    if (c->literal.size == 0)
        return true;
    if (c->count == STEPS_MAX)
        return fail(c, "too many verbs");
    c->steps[c->count++] =
        (struct input_step){.text = arena_copy(c->arena, text_slice(&c->literal))};
    text_reset(&c->literal);
    return true;
}

static bool find_form(struct slice name, bool is_text, struct input_step *step)
{
    static const struct {
        const char *name;
        bool of_text;
        enum format_form form;
        uint8_t width;
    } forms[] = {
        {"hex", true, FORM_HEX, 0},          {"base64", true, FORM_BASE64, 0},
        {"ascii", false, FORM_PLAIN, 0},     {"big64", false, FORM_BIG, 8},
        {"big32", false, FORM_BIG, 4},       {"big16", false, FORM_BIG, 2},
        {"big8", false, FORM_BIG, 1},        {"byte", false, FORM_BIG, 1},
        {"little64", false, FORM_LITTLE, 8}, {"little32", false, FORM_LITTLE, 4},
        {"little16", false, FORM_LITTLE, 2}, {"little8", false, FORM_LITTLE, 1},
    };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (forms[i].of_text != is_text || !slice_is(name, forms[i].name))
            continue;
        step->form = (uint8_t)forms[i].form;
        step->width = forms[i].width;
        return true;
    }
    return false;
}

static bool compile_verb(struct compiler *c)
{
    struct input_step step = {.verb = *c->at};
    if (step.verb == '\0')
        return fail(c, "no verb stands after the last %");
    if (strchr("kvKVp", step.verb) == NULL) {
        text_printf(c->error, "%%%c cannot be read; %%k %%v %%K %%V and %%p can", step.verb);
        return false;
    }
    c->at++;
    if (*c->at == '{') {
        const char *end = strchr(c->at, '}');
        if (end == NULL)
            return fail(c, "a { without its }");
        struct slice name = slice_of(c->at + 1, (size_t)(end - c->at - 1));
        bool is_text = step.verb == 'k' || step.verb == 'v';
        if (!find_form(name, is_text, &step)) {
            text_printf(c->error, "%%%c{%.*s} cannot be read", step.verb, SLICE_ARG(name));
            return false;
        }
        c->at = end + 1;
    }
    if (!end_literal(c))
        return false;
    if (c->count == STEPS_MAX)
        return fail(c, "too many verbs");
    c->steps[c->count++] = step;
    return true;
}

static bool compile_steps(struct compiler *c)
{
    char escaped;
    while (*c->at != '\0') {
        if (*c->at == '\\') {
            c->at++;
            if (!format_escape(&c->at, &escaped))
                return fail(c, "a \\ must be followed by n, t, r, \\, 0 or xNN");
            text_add_char(&c->literal, escaped);
        } else if (*c->at == '%' && c->at[1] != '%') {
            c->at++;
            if (!compile_verb(c))
                return false;
        } else {
            c->at += *c->at == '%';
            text_add_char(&c->literal, *c->at++);
        }
    }
    return end_literal(c);
}

static bool has_step(const struct compiler *c, size_t before, char verb)
{
    for (size_t i = 0; i < before; i++)
        if (c->steps[i].verb == verb)
            return true;
    return false;
}

/* Each field must have an end. */
static bool check_steps(struct compiler *c)
{
    if (!has_step(c, c->count, 'k') && !has_step(c, c->count, 'v'))
        return fail(c, "neither %k nor %v is there");
    for (size_t i = 0; i < c->count; i++) {
        const struct input_step *step = &c->steps[i];
        bool last = i + 1 == c->count;
        bool before_text = !last && c->steps[i + 1].verb == '\0';
        bool text_sized = (step->verb == 'k' && has_step(c, i, 'K')) ||
                          (step->verb == 'v' && has_step(c, i, 'V'));
        bool binary = step->width > 0;
        if (step->verb == '\0' || before_text || text_sized || binary)
            continue;
        bool is_text = step->verb == 'k' || step->verb == 'v';
        if (!last || !is_text) {
            text_printf(c->error, "%%%c has no end: put text or a size after it", step->verb);
            return false;
        }
    }
    return true;
}

static bool compile(struct input *input, const char *format, struct text *error)
{
    struct compiler c = {.at = format, .arena = &input->arena, .error = error};
    text_init(&c.literal, 65536);
    bool ok = compile_steps(&c) && check_steps(&c);
    text_fini(&c.literal);
    if (!ok)
        return false;
    input->steps = ARENA_ARRAY(&input->arena, struct input_step, c.count);
    if (input->steps == NULL)
        return false;
    memcpy(input->steps, c.steps, c.count * sizeof *input->steps);
    input->step_count = c.count;
    return true;
}

bool input_init(struct input *input, FILE *file, const char *format, struct text *error)
{
    *input = (struct input){.file = file};
    arena_init(&input->arena, (size_t)1 << 20);
    arena_init(&input->record_arena, FIELD_LIMIT);
    for (int i = KEY; i <= VALUE; i++) {
        text_init(&input->fields[i], FIELD_LIMIT);
        text_init(&input->decoded[i], FIELD_LIMIT);
    }
    input->json = strcmp(format, "json") == 0 || strcmp(format, "jsonl") == 0;
    return input->json || compile(input, format, error);
}

void input_fini(struct input *input)
{
    for (int i = KEY; i <= VALUE; i++) {
        text_fini(&input->fields[i]);
        text_fini(&input->decoded[i]);
    }
    free(input->line);
    arena_fini(&input->arena);
    arena_fini(&input->record_arena);
}

/* ---- reading ---- */

/* One record's reading. */
struct reading {
    struct input *input;
    struct input_record *record;
    struct text *error;
    int64_t sizes[2]; /* of key and value; -1: by what follows */
};

static bool fault(struct reading *r, const char *what)
{
    text_printf(r->error, "record %lld: %s", (long long)r->input->number, what);
    return false;
}

static bool ends_with(const struct text *field, struct slice end)
{
    return field->size >= end.size &&
           memcmp(field->data + field->size - end.size, end.data, end.size) == 0;
}

/* At the end of the stream the last literal may be missing, or be cut. */
static void cut_partial(struct text *field, struct slice end)
{
    for (size_t size = end.size - 1; size > 0; size--) {
        if (ends_with(field, slice_first(end, size))) {
            field->size -= size;
            return;
        }
    }
}

/* Up to and over the literal. */
static bool read_until(struct reading *r, struct text *field, struct slice end, bool last)
{
    struct input *input = r->input;
    int delimiter = end.data[end.size - 1];
    for (;;) {
        ssize_t got = getdelim(&input->line, &input->line_capacity, delimiter, input->file);
        if (got <= 0 && last)
            cut_partial(field, end);
        if (got <= 0)
            return last || fault(r, "the input ends inside of it");
        text_add(field, slice_of(input->line, (size_t)got));
        if (field->failed)
            return fault(r, "a field is larger than 1 GiB");
        if (ends_with(field, end)) {
            field->size -= end.size;
            return true;
        }
    }
}

static bool read_sized(struct reading *r, struct text *field, int64_t size)
{
    char piece[65536];
    while (size > 0) {
        size_t wanted = (size_t)MIN_OF(size, (int64_t)sizeof piece);
        if (fread(piece, 1, wanted, r->input->file) != wanted)
            return fault(r, "the input ends inside of it");
        text_add(field, slice_of(piece, wanted));
        size -= (int64_t)wanted;
    }
    return !field->failed || fault(r, "a field is larger than 1 GiB");
}

static bool read_to_end(struct reading *r, struct text *field)
{
    char piece[65536];
    size_t got;
    while ((got = fread(piece, 1, sizeof piece, r->input->file)) > 0)
        text_add(field, slice_of(piece, got));
    return !field->failed || fault(r, "a field is larger than 1 GiB");
}

static bool read_binary(struct reading *r, const struct input_step *step, int64_t *ret_number)
{
    uint8_t bytes[8];
    uint64_t number = 0;
    if (fread(bytes, 1, step->width, r->input->file) != step->width)
        return fault(r, "the input ends inside of it");
    for (size_t i = 0; i < step->width; i++) {
        size_t at = step->form == FORM_BIG ? i : step->width - 1u - i;
        number = number << 8 | bytes[at];
    }
    *ret_number = (int64_t)number;
    return true;
}

static bool read_decimal(struct reading *r, int64_t *ret_number)
{
    int64_t number = 0;
    int digits = 0;
    int c;
    while ((c = getc(r->input->file)) >= '0' && c <= '9' && digits < 18) {
        number = number * 10 + (c - '0');
        digits++;
    }
    if (c != EOF)
        (void)ungetc(c, r->input->file);
    *ret_number = number;
    return digits > 0 || fault(r, "a number is missing");
}

static bool read_literal(struct reading *r, struct slice text, bool last)
{
    for (size_t i = 0; i < text.size; i++) {
        int c = getc(r->input->file);
        if (c == EOF && last)
            return true;
        if (c != text.data[i])
            return fault(r, "the text after a field is not there");
    }
    return true;
}

static bool read_text(struct reading *r, size_t *at, int which)
{
    struct input *input = r->input;
    struct text *field = &input->fields[which];
    size_t next = *at + 1;
    text_reset(field);
    if (r->sizes[which] >= 0)
        return read_sized(r, field, r->sizes[which]);
    if (next == input->step_count)
        return read_to_end(r, field);
    *at = next; /* the literal goes with the field */
    return read_until(r, field, input->steps[next].text, next + 1 == input->step_count);
}

static bool read_number(struct reading *r, const struct input_step *step)
{
    int64_t number;
    if (!(step->width > 0 ? read_binary(r, step, &number) : read_decimal(r, &number)))
        return false;
    if (step->verb == 'p') {
        if (number < 0 || number > INT32_MAX)
            return fault(r, "that is no partition");
        r->record->partition = (int32_t)number;
        return true;
    }
    if (number < 0 || number > (int64_t)FIELD_LIMIT)
        return fault(r, "a size is not from 0 to 1 GiB");
    r->sizes[step->verb == 'K' ? KEY : VALUE] = number;
    return true;
}

static bool read_step(struct reading *r, size_t *at)
{
    struct input *input = r->input;
    const struct input_step *step = &input->steps[*at];
    bool last = *at + 1 == input->step_count;
    switch (step->verb) {
    case '\0':
        return read_literal(r, step->text, last);
    case 'k':
        return read_text(r, at, KEY);
    case 'v':
        return read_text(r, at, VALUE);
    default:
        return read_number(r, step);
    }
}

/* A field as its form says; null where the format does not have it. */
static bool take_field(struct reading *r, int which, struct slice *ret_field)
{
    struct input *input = r->input;
    for (size_t i = 0; i < input->step_count; i++) {
        const struct input_step *step = &input->steps[i];
        if (step->verb != (which == KEY ? 'k' : 'v'))
            continue;
        struct slice raw = text_slice(&input->fields[which]);
        struct text *decoded = &input->decoded[which];
        text_reset(decoded);
        *ret_field = raw;
        if (step->form == FORM_PLAIN)
            return true;
        bool ok = step->form == FORM_HEX ? input_decode_hex(raw, decoded)
                                         : input_decode_base64(raw, decoded);
        *ret_field = text_slice(decoded);
        return ok || fault(r, step->form == FORM_HEX ? "not hex" : "not base64");
    }
    return true;
}

enum input_outcome input_end(const struct input *input, struct text *error)
{
    if (!ferror(input->file))
        return INPUT_END;
    text_printf(error, "record %lld: the input cannot be read: %s", (long long)input->number,
                strerror(errno));
    return INPUT_FAULT;
}

enum input_outcome input_next(struct input *input, struct input_record *ret_record,
                              struct text *error)
{
    struct reading r = {.input = input, .record = ret_record, .error = error, .sizes = {-1, -1}};
    *ret_record = (struct input_record){.partition = -1, .timestamp_ms = -1};
    input->number++;
    if (input->json)
        return input_next_json(input, ret_record, error);
    int first = getc(input->file);
    if (first == EOF)
        return input_end(input, error);
    (void)ungetc(first, input->file);
    for (size_t at = 0; at < input->step_count; at++)
        if (!read_step(&r, &at))
            return INPUT_FAULT;
    if (ferror(input->file))
        return input_end(input, error);
    bool ok = take_field(&r, KEY, &ret_record->key) && take_field(&r, VALUE, &ret_record->value);
    return ok ? INPUT_RECORD : INPUT_FAULT;
}
