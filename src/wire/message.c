/* Facts about messages that both directions need: smallest sizes, defaults, finding by name. */
#include "wire/messages.h"

#include "base/always.h"
#include "wire/message_int.h"

/* Encoded size of the smallest value of a field that is not a struct. */
static size_t scalar_size_min(const struct wire_field *field, bool compact)
{
    static const uint8_t sizes[] = {
        [WIRE_BOOL] = 1,   [WIRE_INT8] = 1,   [WIRE_INT16] = 2, [WIRE_UINT16] = 2,
        [WIRE_INT32] = 4,  [WIRE_UINT32] = 4, [WIRE_INT64] = 8, [WIRE_FLOAT64] = 8,
        [WIRE_UUID] = 16,  [WIRE_STRING] = 2, [WIRE_BYTES] = 4, [WIRE_RECORDS] = 4,
        [WIRE_STRUCT] = 1,
    };
    bool has_length =
        field->type == WIRE_STRING || field->type == WIRE_BYTES || field->type == WIRE_RECORDS;
    return compact && has_length ? 1 : sizes[field->type];
}

size_t wire_struct_size_min(const struct wire_struct *type, int version, bool flexible)
{
    size_t size = flexible ? 1 : 0;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct wire_field *field = &type->fields[i];
        if (!wire_versions_have(field->versions, version) || field_is_tagged(field, version))
            continue;
        if (field_is_array(field))
            size += field_is_compact(field, flexible) ? 1 : 4;
        else
            size += scalar_size_min(field, field_is_compact(field, flexible));
    }
    return size > 0 ? size : 1;
}

static bool scalar_is_default(const struct wire_field *field, const void *at, const void *standard)
{
    if (field->type == WIRE_STRING || field->type == WIRE_BYTES) {
        const struct slice *value = at;
        const struct slice *expected = standard;
        return slice_is_null(*value) == slice_is_null(*expected) && slice_equal(*value, *expected);
    }
    if (field->type == WIRE_RECORDS) {
        const struct wire_records *records = at;
        return slice_is_null(records->bytes) && records->external.handle == NULL;
    }
    return memcmp(at, standard, field_element_size(field)) == 0;
}

static const void *pointer_at(const void *base, const struct wire_field *field)
{
    const void *pointer;
    memcpy(&pointer, field_at_const(base, field->offset), sizeof pointer);
    return pointer;
}

/* Whether a field holds its default, but for the fields of a struct that it is: that struct is
 * *ret_inner, otherwise NULL. */
static bool is_default(const struct wire_struct *type, const struct wire_field *field,
                       const void *base, const void **ret_inner)
{
    *ret_inner = NULL;
    if (field_is_array(field)) {
        const int32_t *count = field_at_const(base, field->count_offset);
        const int32_t *expected = field_at_const(type->defaults, field->count_offset);
        return *count == *expected;
    }
    if ((field->flags & WIRE_POINTER) != 0) {
        const void *target = pointer_at(base, field);
        const void *expected = pointer_at(type->defaults, field);
        if (target != expected && target != NULL && expected != NULL)
            *ret_inner = target;
        return (target == NULL) == (expected == NULL);
    }
    const void *at = field_at_const(base, field->offset);
    const void *standard = field_at_const(type->defaults, field->offset);
    if (field->type != WIRE_STRUCT)
        return scalar_is_default(field, at, standard);
    if (memcmp(at, standard, field->element->size) != 0) /* else settled without a closer look */
        *ret_inner = at;
    return true;
}

bool wire_field_is_default(const struct wire_struct *type, const struct wire_field *field,
                           const void *base)
{
    const void *inner;
    if (!is_default(type, field, base, &inner))
        return false;
    if (inner == NULL)
        return true;
    struct {
        const struct wire_struct *type;
        const void *base;
        uint32_t next; /* field index */
    } stack[WIRE_DEPTH_MAX] = {{.type = field->element, .base = inner}};
    for (int depth = 1; depth > 0;) {
        type = stack[depth - 1].type;
        base = stack[depth - 1].base;
        if (stack[depth - 1].next == type->field_count) {
            depth--;
            continue;
        }
        field = &type->fields[stack[depth - 1].next++];
        if (!is_default(type, field, base, &inner))
            return false;
        if (inner == NULL)
            continue;
        ALWAYS(depth < WIRE_DEPTH_MAX, "spec/ nests deeper than %d", WIRE_DEPTH_MAX);
        stack[depth].type = field->element;
        stack[depth].base = inner;
        stack[depth++].next = 0;
    }
    return true;
}

const struct wire_message *wire_record(const struct wire_record_name *name)
{
    for (size_t i = 0; i < wire_message_count; i++) {
        const struct wire_message *message = wire_messages[i];
        if (message->kind == name->kind && message->number == name->number &&
            strcmp(message->family, name->family) == 0)
            return message;
    }
    return NULL;
}

const struct wire_message *wire_message_named(struct slice name)
{
    for (size_t i = 0; i < wire_message_count; i++)
        if (slice_is(name, wire_messages[i]->name))
            return wire_messages[i];
    return NULL;
}
