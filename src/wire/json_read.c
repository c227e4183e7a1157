/* Messages from JSON text: jansson parses, the message's table says what must stand where. The
 * stack of structs under way also yields the path of a field that is wrong. Must not trust the text
 * in anything: ranges, lengths, nulls and unknown names are checked here. */
#include "wire/json.h"

#include "base/always.h"
#include "wire/message_int.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* One struct under way; an array of structs is one frame that starts again for each element. */
struct frame {
    const struct wire_struct *type;
    const json_t *object;
    const json_t *array; /* that holds the object; NULL: none */
    uint8_t *base;
    size_t index;  /* of the object in the array */
    uint32_t next; /* field index; the field under way is the one before */
};

struct reader {
    struct wire_json_reading *reading;
    int version;
    int depth;
    bool failed;
    int64_t element; /* under way in an array of scalars; -1: none */
    struct frame stack[WIRE_DEPTH_MAX];
};

/* Writes the path of the field under way, e.g. "topics[0].name". */
static size_t write_path(const struct reader *r, char *to, size_t capacity)
{
    size_t size = 0;
    for (int i = 0; i < r->depth && size < capacity; i++) {
        const struct frame *frame = &r->stack[i];
        int n = 0;
        if (frame->array != NULL)
            n = snprintf(to + size, capacity - size, "[%zu]", frame->index);
        size += (size_t)(n > 0 ? n : 0);
        if (frame->next == 0 || size >= capacity)
            continue;
        const char *name = frame->type->fields[frame->next - 1].name;
        n = snprintf(to + size, capacity - size, "%s%s", size > 0 ? "." : "", name);
        size += (size_t)(n > 0 ? n : 0);
    }
    if (r->element >= 0 && size < capacity) {
        int n = snprintf(to + size, capacity - size, "[%lld]", (long long)r->element);
        size += (size_t)(n > 0 ? n : 0);
    }
    return MIN_OF(size, capacity - 1);
}

/* Only the first fault is kept. */
PRINTF_LIKE(2, 3) static void fail(struct reader *r, const char *format, ...)
{
    if (r->failed)
        return;
    r->failed = true;
    char *to = r->reading->fault;
    size_t capacity = sizeof r->reading->fault;
    size_t size = write_path(r, to, capacity);
    int n = size > 0 ? snprintf(to + size, capacity - size, ": ") : 0;
    size = MIN_OF(size + (size_t)(n > 0 ? n : 0), capacity - 1);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(to + size, capacity - size, format, args);
    va_end(args);
}

static void *take(struct reader *r, size_t size)
{
    void *memory = arena_take(r->reading->arena, size);
    if (memory == NULL)
        fail(r, "the message is too large");
    return memory;
}

/* ---- scalars ---- */

static void read_integer(struct reader *r, const json_t *value, const struct wire_field *field,
                         void *to)
{
    static const struct {
        int64_t low;
        int64_t high;
    } ranges[] = {
        [WIRE_INT8] = {INT8_MIN, INT8_MAX}, [WIRE_INT16] = {INT16_MIN, INT16_MAX},
        [WIRE_UINT16] = {0, UINT16_MAX},    [WIRE_INT32] = {INT32_MIN, INT32_MAX},
        [WIRE_UINT32] = {0, UINT32_MAX},    [WIRE_INT64] = {INT64_MIN, INT64_MAX},
    };
    if (!json_is_integer(value)) {
        fail(r, "must be a whole number");
        return;
    }
    int64_t number = json_integer_value(value);
    if (number < ranges[field->type].low || number > ranges[field->type].high) {
        fail(r, "must be between %lld and %lld", (long long)ranges[field->type].low,
             (long long)ranges[field->type].high);
        return;
    }
    memcpy(to, &number, field_element_size(field)); /* the low bytes come first */
}

static void read_float(struct reader *r, const json_t *value, double *to)
{
    const char *text = json_string_value(value);
    if (json_is_number(value))
        *to = json_number_value(value);
    else if (text != NULL && strcmp(text, "NaN") == 0)
        *to = (double)NAN;
    else if (text != NULL && strcmp(text, "Infinity") == 0)
        *to = (double)INFINITY;
    else if (text != NULL && strcmp(text, "-Infinity") == 0)
        *to = (double)-INFINITY;
    else
        fail(r, "must be a number");
}

static struct slice string_of(const json_t *value)
{
    return slice_of(json_string_value(value), json_string_length(value));
}

static void read_string(struct reader *r, const json_t *value, struct slice *to)
{
    if (!json_is_string(value)) {
        fail(r, "must be a string");
        return;
    }
    struct slice text = string_of(value);
    if (text.size > WIRE_STRING_SIZE_MAX) {
        fail(r, "is longer than %d bytes", WIRE_STRING_SIZE_MAX);
        return;
    }
    *to = arena_copy(r->reading->arena, text);
    if (slice_is_null(*to))
        fail(r, "the message is too large");
}

/* 0 to 63; -1: no digit of base64. */
static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Plain base64 with its padding. ret has room for three bytes a group. false: it is not. */
static bool base64_parse(struct slice text, uint8_t *ret, size_t *ret_size)
{
    if (text.size % 4 != 0)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < text.size && text.data[text.size - 1 - padding] == '=')
        padding++;
    size_t digits = text.size - padding;
    size_t size = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = base64_digit(text.data[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 != 0)
            ret[size++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *ret_size = size;
    return true;
}

static void read_bytes(struct reader *r, const json_t *value, struct slice *to)
{
    if (!json_is_string(value)) {
        fail(r, "must be a string of base64");
        return;
    }
    struct slice text = string_of(value);
    uint8_t *bytes = take(r, text.size / 4 * 3);
    size_t size = 0;
    if (bytes == NULL)
        return;
    if (!base64_parse(text, bytes, &size))
        fail(r, "is not base64");
    *to = slice_of(bytes, size);
}

static void read_uuid(struct reader *r, const json_t *value, struct uuid *to)
{
    if (!json_is_string(value) || !uuid_parse(string_of(value), to))
        fail(r, "must be an id of 22 characters of URL-safe base64");
}

static void read_scalar(struct reader *r, const json_t *value, const struct wire_field *field,
                        void *to)
{
    switch ((enum wire_type)field->type) {
    case WIRE_BOOL:
        if (!json_is_boolean(value))
            fail(r, "must be true or false");
        *(bool *)to = json_is_true(value);
        break;
    case WIRE_INT8:
    case WIRE_INT16:
    case WIRE_UINT16:
    case WIRE_INT32:
    case WIRE_UINT32:
    case WIRE_INT64:
        read_integer(r, value, field, to);
        break;
    case WIRE_FLOAT64:
        read_float(r, value, to);
        break;
    case WIRE_UUID:
        read_uuid(r, value, to);
        break;
    case WIRE_STRING:
        read_string(r, value, to);
        break;
    case WIRE_BYTES:
        read_bytes(r, value, to);
        break;
    case WIRE_RECORDS:
        read_bytes(r, value, &((struct wire_records *)to)->bytes);
        break;
    case WIRE_STRUCT:
        ALWAYS(false, "%s is a struct, not a scalar", field->name);
    }
}

/* ---- structs and arrays ---- */

static const struct wire_field *field_named(const struct reader *r, const struct wire_struct *type,
                                            const char *name)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct wire_field *field = &type->fields[i];
        if (strcmp(field->name, name) == 0 && wire_versions_have(field->versions, r->version))
            return field;
    }
    return NULL;
}

/* Starts on an object: all its names must be fields of this version. */
static void start_struct(struct reader *r, struct frame *frame)
{
    memcpy(frame->base, frame->type->defaults, frame->type->size);
    frame->next = 0;
    if (!json_is_object(frame->object)) {
        fail(r, "must be an object");
        return;
    }
    void *object;
    memcpy(&object, &frame->object, sizeof object); /* jansson's iterator takes no const */
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        const char *name = json_object_iter_key(at);
        if (field_named(r, frame->type, name) == NULL)
            fail(r, "version %d has no field \"%s\"", r->version, name);
    }
}

static void push(struct reader *r, const struct frame *frame)
{
    ALWAYS(r->depth < WIRE_DEPTH_MAX, "spec/ nests deeper than %d", WIRE_DEPTH_MAX);
    r->stack[r->depth++] = *frame;
    start_struct(r, &r->stack[r->depth - 1]);
}

static void read_array(struct reader *r, const json_t *value, const struct wire_field *field,
                       uint8_t *base)
{
    if (!json_is_array(value)) {
        fail(r, "must be an array");
        return;
    }
    size_t count = json_array_size(value);
    if (count > WIRE_ARRAY_COUNT_MAX) {
        fail(r, "has more than %d elements", WIRE_ARRAY_COUNT_MAX);
        return;
    }
    uint32_t size = field_element_size(field);
    uint8_t *elements = take(r, count * size);
    if (elements == NULL)
        return;
    int32_t stored = (int32_t)count;
    memcpy(field_at(base, field->offset), &elements, sizeof elements);
    memcpy(field_at(base, field->count_offset), &stored, sizeof stored);
    if (field->type == WIRE_STRUCT) {
        if (count > 0)
            push(r, &(struct frame){.type = field->element,
                                    .array = value,
                                    .base = elements,
                                    .object = json_array_get(value, 0)});
        return;
    }
    for (size_t i = 0; i < count && !r->failed; i++) {
        r->element = (int64_t)i;
        read_scalar(r, json_array_get(value, i), field, elements + i * size);
    }
    r->element = -1;
}

static void read_null(struct reader *r, const struct wire_field *field, uint8_t *base)
{
    static const int32_t null_count = -1;
    static const void *const null_pointer = NULL;
    if (!wire_versions_have(field->nullable, r->version))
        fail(r, "must not be null in version %d", r->version);
    else if (field_is_array(field))
        memcpy(field_at(base, field->count_offset), &null_count, sizeof null_count);
    else if ((field->flags & WIRE_POINTER) != 0)
        memcpy(field_at(base, field->offset), &null_pointer, sizeof null_pointer);
    else /* a slice, or records that begin with one */
        memcpy(field_at(base, field->offset), &(struct slice){0}, sizeof(struct slice));
}

static void read_struct(struct reader *r, const json_t *value, const struct wire_field *field,
                        uint8_t *base)
{
    void *target = field_at(base, field->offset);
    if ((field->flags & WIRE_POINTER) != 0) {
        target = take(r, field->element->size);
        memcpy(field_at(base, field->offset), &target, sizeof target);
    }
    if (target != NULL)
        push(r, &(struct frame){.type = field->element, .object = value, .base = target});
}

static void step(struct reader *r)
{
    struct frame *frame = &r->stack[r->depth - 1];
    if (frame->next < frame->type->field_count) {
        const struct wire_field *field = &frame->type->fields[frame->next++];
        const json_t *value = json_object_get(frame->object, field->name);
        if (value == NULL)
            return;
        if (json_is_null(value))
            read_null(r, field, frame->base);
        else if (field_is_array(field))
            read_array(r, value, field, frame->base);
        else if (field->type == WIRE_STRUCT)
            read_struct(r, value, field, frame->base);
        else
            read_scalar(r, value, field, field_at(frame->base, field->offset));
        return;
    }
    if (frame->array == NULL || ++frame->index == json_array_size(frame->array)) {
        r->depth--;
        return;
    }
    frame->base += frame->type->size;
    frame->object = json_array_get(frame->array, frame->index);
    start_struct(r, frame);
}

bool wire_json_read_value(const struct wire_message *message, int version, const json_t *value,
                          struct wire_json_reading *reading, void *ret_message)
{
    ALWAYS(wire_versions_have(message->versions, version), "%s has no version %d", message->name,
           version);
    struct reader r = {.reading = reading, .version = version, .element = -1};
    reading->fault[0] = '\0';
    push(&r, &(struct frame){.type = message->type, .object = value, .base = ret_message});
    while (r.depth > 0 && !r.failed)
        step(&r);
    return !r.failed;
}

static void auto_json(json_t **json)
{
    json_decref(*json);
}

bool wire_json_read(const struct wire_message *message, int version, struct slice text,
                    struct wire_json_reading *reading, void *ret_message)
{
    json_error_t error;
    const char *from = slice_is_null(text) ? "" : (const char *)text.data;
    AUTO(json)
    json_t *value = json_loadb(from, text.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (value != NULL)
        return wire_json_read_value(message, version, value, reading, ret_message);
    (void)snprintf(reading->fault, sizeof reading->fault, "line %d, column %d: %s", error.line,
                   error.column, error.text);
    return false;
}
