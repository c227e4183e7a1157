/* Messages as JSON text. Nesting stands on a small stack, as in the decoder, since the depth of a
 * message is that of its table. Must not fail on any content: what JSON cannot say is replaced. */
#include "wire/json.h"

#include "base/always.h"
#include "wire/message_int.h"

#include <math.h>
#include <stdio.h>

/* One struct under way; an array of structs is one frame that starts again for each element. */
struct frame {
    const struct wire_struct *type;
    const uint8_t *base;
    uint32_t next; /* field index */
    int32_t more;  /* elements behind this one */
    bool in_array;
    bool begun; /* a field of this element was printed */
};

struct printer {
    struct text *out;
    int version;
    int depth;
    struct frame stack[WIRE_DEPTH_MAX];
};

static void print_float(struct text *out, double value)
{
    char digits[32];
    (void)snprintf(digits, sizeof digits, "%.17g", value);
    if (isnan(value))
        text_printf(out, "\"NaN\"");
    else if (isinf(value))
        text_printf(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else /* with a sign that it is no whole number, which has no negative zero */
        text_printf(out, "%s%s", digits, strpbrk(digits, ".e") != NULL ? "" : ".0");
}

static void print_uuid(struct text *out, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];
    uuid_format(*id, text);
    text_printf(out, "\"%s\"", text);
}

static void print_bytes(struct text *out, struct slice bytes)
{
    if (slice_is_null(bytes)) {
        text_printf(out, "null");
        return;
    }
    text_add_char(out, '"');
    text_add_base64(out, bytes);
    text_add_char(out, '"');
}

static void print_string(const struct printer *p, const struct wire_field *field,
                         struct slice string)
{
    if (!slice_is_null(string))
        text_add_json_string(p->out, string);
    else if (wire_versions_have(field->nullable, p->version))
        text_printf(p->out, "null");
    else /* unset text that cannot be null goes out as the empty text, as on the wire */
        text_printf(p->out, "\"\"");
}

static void print_records(struct text *out, const struct wire_records *records)
{
    if (records->external.handle != NULL)
        text_printf(out, "{\"sizeInBytes\":%lld}", (long long)records->external.size);
    else
        print_bytes(out, records->bytes);
}

static void print_scalar(struct printer *p, const struct wire_field *field, const void *from)
{
    struct text *out = p->out;
    switch ((enum wire_type)field->type) {
    case WIRE_BOOL:
        text_printf(out, *(const bool *)from ? "true" : "false");
        break;
    case WIRE_INT8:
        text_printf(out, "%d", *(const int8_t *)from);
        break;
    case WIRE_INT16:
        text_printf(out, "%d", *(const int16_t *)from);
        break;
    case WIRE_UINT16:
        text_printf(out, "%u", *(const uint16_t *)from);
        break;
    case WIRE_INT32:
        text_printf(out, "%d", *(const int32_t *)from);
        break;
    case WIRE_UINT32:
        text_printf(out, "%u", *(const uint32_t *)from);
        break;
    case WIRE_INT64:
        text_printf(out, "%lld", (long long)*(const int64_t *)from);
        break;
    case WIRE_FLOAT64:
        print_float(out, *(const double *)from);
        break;
    case WIRE_UUID:
        print_uuid(out, from);
        break;
    case WIRE_STRING:
        print_string(p, field, *(const struct slice *)from);
        break;
    case WIRE_BYTES:
        print_bytes(out, *(const struct slice *)from);
        break;
    case WIRE_RECORDS:
        print_records(out, from);
        break;
    case WIRE_STRUCT:
        ALWAYS(false, "%s is a struct, not a scalar", field->name);
    }
}

static void push(struct printer *p, const struct frame *frame)
{
    ALWAYS(p->depth < WIRE_DEPTH_MAX, "spec/ nests deeper than %d", WIRE_DEPTH_MAX);
    p->stack[p->depth++] = *frame;
    text_add_char(p->out, '{');
}

static void print_array(struct printer *p, const struct wire_field *field, const uint8_t *base)
{
    const int32_t *count = field_at_const(base, field->count_offset);
    const uint8_t *elements;
    memcpy(&elements, field_at_const(base, field->offset), sizeof elements);
    if (*count < 0) {
        text_printf(p->out, "null");
        return;
    }
    text_add_char(p->out, '[');
    if (field->type == WIRE_STRUCT && *count > 0) {
        push(p,
             &(struct frame){
                 .type = field->element, .base = elements, .more = *count - 1, .in_array = true});
        return;
    }
    uint32_t size = field_element_size(field);
    for (int32_t i = 0; i < *count; i++) {
        if (i > 0)
            text_add_char(p->out, ',');
        print_scalar(p, field, elements + (size_t)i * size);
    }
    text_add_char(p->out, ']');
}

static void print_field(struct printer *p, const struct wire_field *field, const uint8_t *base)
{
    const uint8_t *at = field_at_const(base, field->offset);
    if (field_is_array(field)) {
        print_array(p, field, base);
        return;
    }
    if (field->type != WIRE_STRUCT) {
        print_scalar(p, field, at);
        return;
    }
    if ((field->flags & WIRE_POINTER) != 0) {
        memcpy(&at, field_at_const(base, field->offset), sizeof at);
        if (at == NULL) {
            text_printf(p->out, "null");
            return;
        }
    }
    push(p, &(struct frame){.type = field->element, .base = at});
}

static void finish_struct(struct printer *p, struct frame *frame)
{
    text_add_char(p->out, '}');
    if (frame->more > 0) {
        text_printf(p->out, ",{");
        frame->base += frame->type->size;
        frame->more--;
        frame->next = 0;
        frame->begun = false;
        return;
    }
    if (frame->in_array)
        text_add_char(p->out, ']');
    p->depth--;
}

static void step(struct printer *p)
{
    struct frame *frame = &p->stack[p->depth - 1];
    if (frame->next == frame->type->field_count) {
        finish_struct(p, frame);
        return;
    }
    const struct wire_field *field = &frame->type->fields[frame->next++];
    if (!wire_versions_have(field->versions, p->version))
        return;
    if (field_is_tagged(field, p->version) &&
        wire_field_is_default(frame->type, field, frame->base))
        return;
    text_printf(p->out, frame->begun ? ",\"%s\":" : "\"%s\":", field->name);
    frame->begun = true;
    print_field(p, field, frame->base);
}

void wire_json_print(const struct wire_message *message, int version, const void *value,
                     struct text *out)
{
    struct printer p = {.out = out, .version = version};
    push(&p, &(struct frame){.type = message->type, .base = value});
    while (p.depth > 0 && !out->failed)
        step(&p);
}
