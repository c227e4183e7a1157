/* The one encoder: walks a message's table and appends to a chain in one pass. The complication are
 * tagged fields, whose size stands in front of them: one byte is left for it, and the few fields of
 * 128 bytes and more are moved up when their size is known. Nesting is an explicit stack, as in the
 * decoder. */
#include "wire/message_int.h"

#include "base/always.h"
#include "base/bytes.h"

enum frame_phase { FRAME_FIELDS, FRAME_TAGS };

struct frame {
    const struct wire_struct *type;
    const uint8_t *base;
    uint32_t next; /* field index, in either phase */
    int32_t more;
    enum frame_phase phase;
    size_t tag_at; /* place of the size byte of the tagged field that holds this frame; 0: none */
};

struct encoder {
    struct chain *out;
    int version;
    bool flexible;
    bool refused; /* a field is set that this version lacks */
    const char *refused_field;
    int depth;
    struct frame stack[WIRE_DEPTH_MAX];
};

static void put_u8(struct encoder *e, uint8_t value)
{
    uint8_t *at = chain_extend(e->out, 1);
    if (at != NULL)
        *at = value;
}

static void put_uvarint(struct encoder *e, uint64_t value)
{
    uint8_t *at = chain_extend(e->out, uvarint_size(value));
    if (at != NULL)
        (void)uvarint_store(at, value);
}

/* A length or count; -1 is null. */
static void put_length(struct encoder *e, int64_t length, bool compact, size_t prefix_size)
{
    if (compact) {
        put_uvarint(e, (uint64_t)(length + 1));
        return;
    }
    uint8_t *at = chain_extend(e->out, prefix_size);
    if (at == NULL)
        return;
    if (prefix_size == 2)
        store_i16(at, (int16_t)length);
    else
        store_i32(at, (int32_t)length);
}

static void check_null(const struct encoder *e, const struct wire_field *field)
{
    ALWAYS(wire_versions_have(field->nullable, e->version), "%s must not be null in version %d",
           field->name, e->version);
}

static void put_bytes(struct encoder *e, const struct wire_field *field, struct slice bytes)
{
    bool is_string = field->type == WIRE_STRING;
    bool is_null = slice_is_null(bytes);
    if (is_null && bytes.size == 0 && !wire_versions_have(field->nullable, e->version))
        is_null = false; /* an unset text of a field that cannot be null is the empty text */
    if (is_string && bytes.size > WIRE_STRING_SIZE_MAX) {
        e->out->failed = true;
        return;
    }
    put_length(e, is_null ? -1 : (int64_t)bytes.size, field_is_compact(field, e->flexible),
               is_string ? 2 : 4);
    chain_add(e->out, bytes);
}

static void put_records(struct encoder *e, const struct wire_field *field,
                        const struct wire_records *records)
{
    if (records->external.handle == NULL) {
        put_bytes(e, field, records->bytes);
        return;
    }
    put_length(e, records->external.size, field_is_compact(field, e->flexible), 4);
    chain_add_external(e->out, records->external);
}

static void encode_scalar(struct encoder *e, const struct wire_field *field, const void *from)
{
    if (field->type == WIRE_RECORDS) {
        put_records(e, field, from);
        return;
    }
    if (field->type == WIRE_STRING || field->type == WIRE_BYTES) {
        put_bytes(e, field, *(const struct slice *)from);
        return;
    }
    uint32_t size = field_element_size(field);
    uint8_t *at = chain_extend(e->out, size);
    if (at == NULL)
        return;
    uint64_t word;
    switch (size) {
    case 1:
        *at = *(const uint8_t *)from;
        break;
    case 2:
        store_u16(at, *(const uint16_t *)from);
        break;
    case 4:
        store_u32(at, *(const uint32_t *)from);
        break;
    case 8:
        memcpy(&word, from, sizeof word);
        store_u64(at, word);
        break;
    default:
        memcpy(at, from, size);
    }
}

static void push(struct encoder *e, const struct wire_struct *type, const void *base, int32_t count)
{
    ALWAYS(e->depth < WIRE_DEPTH_MAX, "spec/ nests deeper than %d", WIRE_DEPTH_MAX);
    e->stack[e->depth++] = (struct frame){.type = type, .base = base, .more = count - 1};
}

static void encode_array(struct encoder *e, const struct wire_field *field, const uint8_t *base)
{
    const int32_t *count = field_at_const(base, field->count_offset);
    const uint8_t *elements;
    memcpy(&elements, field_at_const(base, field->offset), sizeof elements);
    if (*count < 0)
        check_null(e, field);
    put_length(e, *count, field_is_compact(field, e->flexible), 4);
    if (*count <= 0)
        return;
    if (field->type == WIRE_STRUCT) {
        push(e, field->element, elements, *count);
        return;
    }
    uint32_t size = field_element_size(field);
    for (int32_t i = 0; i < *count; i++)
        encode_scalar(e, field, elements + (size_t)i * size);
}

static void encode_pointer(struct encoder *e, const struct wire_field *field, const uint8_t *base)
{
    const void *target;
    memcpy(&target, field_at_const(base, field->offset), sizeof target);
    if (target == NULL)
        check_null(e, field);
    if (wire_versions_have(field->nullable, e->version))
        put_u8(e, target == NULL ? 0xff : 1);
    if (target != NULL)
        push(e, field->element, target, 1);
}

static void encode_field(struct encoder *e, const struct wire_field *field, const uint8_t *base)
{
    if (field_is_array(field))
        encode_array(e, field, base);
    else if ((field->flags & WIRE_POINTER) != 0)
        encode_pointer(e, field, base);
    else if (field->type == WIRE_STRUCT)
        push(e, field->element, field_at_const(base, field->offset), 1);
    else
        encode_scalar(e, field, field_at_const(base, field->offset));
}

/* A field that this version lacks must be unset, or such that nobody misses it. */
static void check_absent(struct encoder *e, const struct wire_struct *type,
                         const struct wire_field *field, const uint8_t *base)
{
    if ((field->flags & WIRE_IGNORABLE) != 0 || e->refused)
        return;
    if (!wire_field_is_default(type, field, base)) {
        e->refused = true;
        e->refused_field = field->name;
    }
}

/* Writes the real size of the tagged field whose size byte stands at tag_at. */
static void close_tag(struct encoder *e, size_t tag_at)
{
    if (e->out->failed)
        return;
    size_t size = e->out->size - tag_at - 1;
    size_t wider = uvarint_size(size) - 1;
    if (wider > 0) {
        if (chain_extend(e->out, wider) == NULL)
            return;
        memmove(e->out->data + tag_at + 1 + wider, e->out->data + tag_at + 1, size);
    }
    (void)uvarint_store(e->out->data + tag_at, size);
}

/* The tag to be written next of those that are not smaller than `from`, or NULL. Tags go out in
 * their order, which need not be that of the fields. */
static const struct wire_field *next_tag(const struct encoder *e, const struct frame *frame,
                                         uint32_t from)
{
    const struct wire_field *best = NULL;
    for (uint32_t i = 0; i < frame->type->field_count; i++) {
        const struct wire_field *field = &frame->type->fields[i];
        if (!field_is_tagged(field, e->version) || (uint32_t)field->tag < from)
            continue;
        if (best != NULL && best->tag < field->tag)
            continue;
        if (!wire_field_is_default(frame->type, field, frame->base))
            best = field;
    }
    return best;
}

static void start_tags(struct encoder *e, struct frame *frame)
{
    uint32_t count = 0;
    for (const struct wire_field *field = next_tag(e, frame, 0); field != NULL;
         field = next_tag(e, frame, (uint32_t)field->tag + 1))
        count++;
    put_uvarint(e, count);
    frame->phase = FRAME_TAGS;
    frame->next = 0;
}

static void finish_struct(struct encoder *e, struct frame *frame)
{
    if (frame->more > 0) {
        frame->base += frame->type->size;
        frame->more--;
        frame->next = 0;
        frame->phase = FRAME_FIELDS;
        return;
    }
    size_t tag_at = frame->tag_at;
    e->depth--;
    if (tag_at != 0)
        close_tag(e, tag_at);
}

static void encode_next_tag(struct encoder *e, struct frame *frame)
{
    const struct wire_field *field = next_tag(e, frame, frame->next);
    if (field == NULL) {
        finish_struct(e, frame);
        return;
    }
    frame->next = (uint32_t)field->tag + 1;
    put_uvarint(e, (uint64_t)field->tag);
    size_t tag_at = e->out->size;
    put_u8(e, 0);
    int depth = e->depth;
    encode_field(e, field, frame->base);
    if (e->depth > depth)
        e->stack[e->depth - 1].tag_at = tag_at;
    else
        close_tag(e, tag_at);
}

static void step(struct encoder *e)
{
    struct frame *frame = &e->stack[e->depth - 1];
    if (frame->phase == FRAME_TAGS) {
        encode_next_tag(e, frame);
        return;
    }
    int depth = e->depth;
    while (frame->next < frame->type->field_count && e->depth == depth) {
        const struct wire_field *field = &frame->type->fields[frame->next++];
        if (field_is_tagged(field, e->version))
            continue;
        if (wire_versions_have(field->versions, e->version))
            encode_field(e, field, frame->base);
        else
            check_absent(e, frame->type, field, frame->base);
    }
    if (e->depth != depth)
        return;
    if (e->flexible)
        start_tags(e, frame);
    else
        finish_struct(e, frame);
}

bool wire_encode(const struct wire_message *message, int version, const void *in,
                 struct chain *out, const char **ret_field)
{
    ALWAYS(wire_versions_have(message->versions, version), "%s has no version %d", message->name,
           version);
    struct encoder e;
    e.out = out;
    e.version = version;
    e.flexible = wire_versions_have(message->flexible, version);
    e.refused = false;
    e.refused_field = NULL;
    e.depth = 0;
    push(&e, message->type, in, 1);
    while (e.depth > 0 && !out->failed)
        step(&e);
    if (ret_field != NULL)
        *ret_field = e.refused_field;
    return !e.refused && !out->failed;
}
