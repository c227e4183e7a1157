/* Applies a compiled format to records. Pure. One thread. */
#include "cmd/format_int.h"

#include <string.h>

static void add_hex(struct slice s, struct text *out)
{
    for (size_t i = 0; i < s.size; i++)
        text_printf(out, "%02x", s.data[i]);
}

/* Without the padding. */
static void add_base64raw(struct slice s, struct text *out)
{
    text_add_base64(out, s);
    while (out->size > 0 && out->data[out->size - 1] == '=')
        out->data[--out->size] = '\0';
}

static void add_text(const struct format_step *step, struct slice s, struct text *out)
{
    switch ((enum format_form)step->form) {
    case FORM_HEX:
        add_hex(s, out);
        break;
    case FORM_BASE64:
        text_add_base64(out, s);
        break;
    case FORM_BASE64RAW:
        add_base64raw(s, out);
        break;
    case FORM_JSON:
        if (slice_is_null(s))
            text_printf(out, "null");
        else
            text_add_json_string(out, s);
        break;
    case FORM_PLAIN:
    case FORM_HEX_NUMBER:
    case FORM_BIG:
    case FORM_LITTLE:
    case FORM_BYTE:
    case FORM_BOOL:
    case FORM_STRFTIME:
        text_add(out, s);
        break;
    }
}

static void add_number(const struct format_step *step, int64_t number, struct text *out)
{
    uint64_t bits = (uint64_t)number;
    int width = step->width;
    switch ((enum format_form)step->form) {
    case FORM_HEX_NUMBER:
        if (width < 16)
            bits &= (UINT64_C(1) << (4 * width)) - 1;
        text_printf(out, "%0*llx", width, (unsigned long long)bits);
        break;
    case FORM_BIG:
        for (int i = width - 1; i >= 0; i--)
            text_add_char(out, (char)(bits >> (8 * i)));
        break;
    case FORM_LITTLE:
        for (int i = 0; i < width; i++)
            text_add_char(out, (char)(bits >> (8 * i)));
        break;
    case FORM_BYTE:
        text_add_char(out, (char)bits);
        break;
    case FORM_BOOL:
        text_printf(out, "%s", number != 0 ? "true" : "false");
        break;
    case FORM_STRFTIME:
        format_time(step->text, number, out);
        break;
    case FORM_PLAIN:
    case FORM_HEX:
    case FORM_BASE64:
    case FORM_BASE64RAW:
    case FORM_JSON:
        text_printf(out, "%lld", (long long)number);
        break;
    }
}

static void apply_header(const struct format_step *step, const struct format_header *header,
                         struct text *out)
{
    for (size_t i = 0; i < step->inner_count; i++) {
        const struct format_step *inner = &step->inner[i];
        switch (inner->verb) {
        case 'k':
            add_text(inner, header->key, out);
            break;
        case 'v':
            add_text(inner, header->value, out);
            break;
        case 'K':
            add_number(inner, (int64_t)header->key.size, out);
            break;
        case 'V':
            add_number(inner, (int64_t)header->value.size, out);
            break;
        default:
            text_add(out, inner->text);
            break;
        }
    }
}

static int64_t number_of(char verb, const struct format_record *record)
{
    switch (verb) {
    case 'T':
        return (int64_t)record->topic.size;
    case 'K':
        return (int64_t)record->key.size;
    case 'V':
        return (int64_t)record->value.size;
    case 'H':
        return record->header_count;
    case 'p':
        return record->partition;
    case 'o':
        return record->offset;
    case 'd':
        return record->timestamp_ms;
    case 'i':
        return record->number;
    case '[':
        return record->log_start_offset;
    default:
        return record->high_watermark; /* ']': the compiler lets no other pass */
    }
}

static void apply_step(const struct format_step *step, const struct format_record *record,
                       struct text *out)
{
    switch (step->verb) {
    case '\0':
        text_add(out, step->text);
        break;
    case 't':
        add_text(step, record->topic, out);
        break;
    case 'k':
        add_text(step, record->key, out);
        break;
    case 'v':
        add_text(step, record->value, out);
        break;
    case 'h':
        for (int32_t i = 0; i < record->header_count; i++)
            apply_header(step, &record->headers[i], out);
        break;
    default:
        add_number(step, number_of(step->verb, record), out);
        break;
    }
}

void format_apply(const struct format *format, const struct format_record *record, struct text *out)
{
    if (format->json)
        format_json(record, format->lines, out);
    for (size_t i = 0; i < format->step_count; i++)
        apply_step(&format->steps[i], record, out);
}
