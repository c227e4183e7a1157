/* The one decoder: walks a message's table over untrusted bytes. The complication is nesting
 * without recursion: what is under way stands on a small stack of frames, one per struct, whose
 * depth the tables bound. Must not assert on input, nor take memory before the bytes that pay for
 * it are seen. Pure: any thread. */
#include "wire/message_int.h"

#include "base/always.h"
#include "base/bytes.h"

enum frame_phase {
    FRAME_FIELDS, /* field by field */
    FRAME_TAGS,   /* the tagged section behind them */
};

/* One struct under way; an array of structs is one frame that starts again for each element. */
struct frame {
    const struct wire_struct *type;
    uint8_t *base; /* the element being filled */
    uint32_t next; /* field index */
    int32_t more;  /* elements behind this one */
    enum frame_phase phase;
    uint32_t tags_left;
    int64_t last_tag;
    size_t tag_end; /* where the tagged field that holds this frame must end; 0: not tagged */
};

struct decoder {
    const uint8_t *data;
    size_t size;
    size_t at;
    struct arena *arena;
    int version;
    bool flexible;
    const char *fault; /* sticky */
    const char *fault_field;
    int unknown_tags;
    int depth;
    struct frame stack[WIRE_DEPTH_MAX];
};

static void fail(struct decoder *d, const char *fault)
{
    if (d->fault == NULL)
        d->fault = fault;
}

static const uint8_t *take(struct decoder *d, size_t size)
{
    if (size > d->size - d->at) {
        fail(d, "the message ends too early");
        return NULL;
    }
    const uint8_t *at = d->data + d->at;
    d->at += size;
    return at;
}

static uint32_t take_uvarint(struct decoder *d)
{
    uint64_t value = 0;
    size_t size = uvarint_load(d->data + d->at, d->size - d->at, 5, &value);
    if (size == 0) {
        fail(d, d->size - d->at < 5 ? "the message ends too early"
                                    : "a variable-length integer is too long");
        return 0;
    }
    d->at += size;
    return (uint32_t)value; /* the bits beyond are nobody's, as in Kafka */
}

/* A length or count: anything below zero is null, as in Kafka. */
static int64_t take_length(struct decoder *d, bool compact, size_t prefix_size)
{
    if (compact)
        return (int32_t)(take_uvarint(d) - 1);
    const uint8_t *at = take(d, prefix_size);
    if (at == NULL)
        return 0;
    return prefix_size == 2 ? load_i16(at) : load_i32(at);
}

static struct slice take_bytes(struct decoder *d, const struct wire_field *field, bool element)
{
    static const uint8_t empty[1];
    bool is_string = field->type == WIRE_STRING;
    int64_t length = take_length(d, field_is_compact(field, d->flexible), is_string ? 2 : 4);
    if (length < 0) {
        if (element || !wire_versions_have(field->nullable, d->version))
            fail(d, "a value that must not be null is null");
        return (struct slice){0};
    }
    if (is_string && length > WIRE_STRING_SIZE_MAX) {
        fail(d, "a string is longer than 32767 bytes");
        return (struct slice){0};
    }
    const uint8_t *at = take(d, (size_t)length);
    return slice_of(length == 0 ? empty : at, at != NULL ? (size_t)length : 0);
}

/* Stores one value that is not a struct. */
static void decode_scalar(struct decoder *d, const struct wire_field *field, void *to, bool element)
{
    static const uint8_t sizes[] = {
        [WIRE_BOOL] = 1,   [WIRE_INT8] = 1,    [WIRE_INT16] = 2,
        [WIRE_UINT16] = 2, [WIRE_INT32] = 4,   [WIRE_UINT32] = 4,
        [WIRE_INT64] = 8,  [WIRE_FLOAT64] = 8, [WIRE_UUID] = 16,
    };
    if (field->type == WIRE_RECORDS) {
        ((struct wire_records *)to)->bytes = take_bytes(d, field, element);
        return;
    }
    if (field->type == WIRE_STRING || field->type == WIRE_BYTES) {
        *(struct slice *)to = take_bytes(d, field, element);
        return;
    }
    const uint8_t *at = take(d, sizes[field->type]);
    if (at == NULL)
        return;
    switch (sizes[field->type]) {
    case 1:
        if (field->type == WIRE_BOOL)
            *(bool *)to = *at != 0;
        else
            *(uint8_t *)to = *at;
        break;
    case 2:
        *(uint16_t *)to = load_u16(at);
        break;
    case 4:
        *(uint32_t *)to = load_u32(at);
        break;
    case 8: {
        uint64_t value = load_u64(at);
        memcpy(to, &value, sizeof value);
        break;
    }
    default:
        memcpy(to, at, 16);
    }
}

static void push(struct decoder *d, const struct wire_struct *type, void *base, int32_t count)
{
    ALWAYS(d->depth < WIRE_DEPTH_MAX, "spec/ nests deeper than %d", WIRE_DEPTH_MAX);
    memcpy(base, type->defaults, type->size);
    d->stack[d->depth++] = (struct frame){.type = type, .base = base, .more = count - 1};
}

/* Smallest encoded size of one element. */
static size_t element_size_min(const struct decoder *d, const struct wire_field *field)
{
    if (field->type == WIRE_STRUCT)
        return wire_struct_size_min(field->element, d->version, d->flexible);
    if (field->type == WIRE_STRING)
        return field_is_compact(field, d->flexible) ? 1 : 2;
    if (field->type == WIRE_BYTES || field->type == WIRE_RECORDS)
        return field_is_compact(field, d->flexible) ? 1 : 4;
    return field_element_size(field);
}

/* Broker ids: what most arrays are. */
static void take_i32_array(struct decoder *d, uint8_t *elements, size_t count)
{
    const uint8_t *at = take(d, count * sizeof(uint32_t));
    for (size_t i = 0; at != NULL && i < count; i++) {
        uint32_t value = load_u32(at + i * sizeof value);
        memcpy(elements + i * sizeof value, &value, sizeof value);
    }
}

static void decode_array(struct decoder *d, const struct wire_field *field, uint8_t *base)
{
    int64_t count = take_length(d, field_is_compact(field, d->flexible), 4);
    int32_t *ret_count = field_at(base, field->count_offset);
    if (d->fault != NULL)
        return;
    if (count < 0) {
        if (!wire_versions_have(field->nullable, d->version))
            fail(d, "a collection that must not be null is null");
        *ret_count = -1;
        return;
    }
    size_t left = d->size - d->at;
    if (count > WIRE_ARRAY_COUNT_MAX || (size_t)count * element_size_min(d, field) > left) {
        fail(d, "a collection is larger than the message can hold");
        return;
    }
    *ret_count = (int32_t)count;
    if (count == 0)
        return;
    uint32_t size = field_element_size(field);
    uint8_t *elements = arena_take_array(d->arena, (size_t)count, size);
    if (elements == NULL) {
        fail(d, "the message needs more memory than it may take");
        return;
    }
    memcpy(field_at(base, field->offset), &elements, sizeof elements);
    if (field->type == WIRE_STRUCT) {
        push(d, field->element, elements, (int32_t)count);
        return;
    }
    if (field->type == WIRE_INT32) {
        take_i32_array(d, elements, (size_t)count);
        return;
    }
    for (int64_t i = 0; i < count && d->fault == NULL; i++)
        decode_scalar(d, field, elements + (size_t)i * size, true);
}

/* Whether a struct that may be null is there: a byte in front of it says so, negative for null; a
 * tagged one has a varint instead, 0 for null. */
static bool take_presence(struct decoder *d, const struct wire_field *field)
{
    if (!wire_versions_have(field->nullable, d->version))
        return true;
    if (field_is_tagged(field, d->version))
        return take_uvarint(d) != 0;
    const uint8_t *mark = take(d, 1);
    return mark != NULL && (int8_t)*mark >= 0;
}

static void decode_pointer(struct decoder *d, const struct wire_field *field, uint8_t *base)
{
    void *target = NULL;
    bool there = take_presence(d, field);
    if (d->fault != NULL)
        return;
    if (there) {
        target = arena_take(d->arena, field->element->size);
        if (target == NULL)
            fail(d, "the message needs more memory than it may take");
        else
            push(d, field->element, target, 1);
    }
    memcpy(field_at(base, field->offset), &target, sizeof target);
}

static void decode_field(struct decoder *d, const struct wire_field *field, uint8_t *base)
{
    if (field_is_array(field))
        decode_array(d, field, base);
    else if ((field->flags & WIRE_POINTER) != 0)
        decode_pointer(d, field, base);
    else if (field->type == WIRE_STRUCT)
        push(d, field->element, field_at(base, field->offset), 1);
    else
        decode_scalar(d, field, field_at(base, field->offset), false);
    if (d->fault != NULL && d->fault_field == NULL)
        d->fault_field = field->name;
}

static const struct wire_field *tagged_field(const struct decoder *d,
                                             const struct wire_struct *type, uint32_t tag)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct wire_field *field = &type->fields[i];
        if (field->tag >= 0 && (uint32_t)field->tag == tag && field_is_tagged(field, d->version))
            return field;
    }
    return NULL;
}

static void decode_tag(struct decoder *d, struct frame *frame)
{
    uint32_t tag = take_uvarint(d);
    uint32_t size = take_uvarint(d);
    frame->tags_left--;
    if (d->fault != NULL)
        return;
    if ((int64_t)tag <= frame->last_tag) {
        fail(d, "tagged fields are out of order or given twice");
        return;
    }
    frame->last_tag = tag;
    const struct wire_field *field = tagged_field(d, frame->type, tag);
    if (field == NULL) {
        if (++d->unknown_tags > WIRE_UNKNOWN_TAGS_MAX)
            fail(d, "there are too many unknown tagged fields");
        (void)take(d, size);
        return;
    }
    if (size > d->size - d->at) {
        fail(d, "the message ends too early");
        return;
    }
    size_t end = d->at + size;
    int depth = d->depth;
    decode_field(d, field, frame->base);
    if (d->depth > depth)
        d->stack[d->depth - 1].tag_end = end;
    else if (d->fault == NULL && d->at != end)
        fail(d, "a tagged field has another size than it says");
}

/* The struct's last byte was read: on to the next element, or back to what holds it. */
static void finish_struct(struct decoder *d, struct frame *frame)
{
    if (frame->more > 0) {
        uint8_t *next = frame->base + frame->type->size;
        memcpy(next, frame->type->defaults, frame->type->size);
        frame->base = next;
        frame->more--;
        frame->next = 0;
        frame->phase = FRAME_FIELDS;
        return;
    }
    if (frame->tag_end != 0 && d->at != frame->tag_end)
        fail(d, "a tagged field has another size than it says");
    d->depth--;
}

static void start_tags(struct decoder *d, struct frame *frame)
{
    frame->phase = FRAME_TAGS;
    frame->last_tag = -1;
    frame->tags_left = take_uvarint(d);
    if (frame->tags_left > d->size - d->at)
        fail(d, "there are more tagged fields than bytes");
}

static void step(struct decoder *d)
{
    struct frame *frame = &d->stack[d->depth - 1];
    if (frame->phase == FRAME_TAGS) {
        if (frame->tags_left > 0)
            decode_tag(d, frame);
        else
            finish_struct(d, frame);
        return;
    }
    int depth = d->depth;
    while (frame->next < frame->type->field_count && d->depth == depth && d->fault == NULL) {
        const struct wire_field *field = &frame->type->fields[frame->next++];
        if (wire_versions_have(field->versions, d->version) && !field_is_tagged(field, d->version))
            decode_field(d, field, frame->base);
    }
    if (d->depth != depth || d->fault != NULL)
        return;
    if (d->flexible)
        start_tags(d, frame);
    else
        finish_struct(d, frame);
}

bool wire_decode(const struct wire_message *message, int version, struct slice in,
                 struct arena *arena, void *ret_message, struct wire_decoded *ret_decoded)
{
    ALWAYS(wire_versions_have(message->versions, version), "%s has no version %d", message->name,
           version);
    struct decoder d;
    d.data = in.data;
    d.size = in.size;
    d.at = 0;
    d.arena = arena;
    d.version = version;
    d.flexible = wire_versions_have(message->flexible, version);
    d.fault = NULL;
    d.fault_field = NULL;
    d.unknown_tags = 0;
    d.depth = 0;
    push(&d, message->type, ret_message, 1);
    while (d.depth > 0 && d.fault == NULL)
        step(&d);
    *ret_decoded =
        (struct wire_decoded){.size = d.at, .fault = d.fault, .fault_field = d.fault_field};
    return d.fault == NULL;
}
