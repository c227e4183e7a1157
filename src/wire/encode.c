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
    uint32_t next; /* field index */
    int32_t more;  /* elements behind this one */
    uint32_t tags; /* still to be written: a bit a tag */
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
    if (bytes.size > (is_string ? WIRE_STRING_SIZE_MAX : INT32_MAX)) {
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
    if (records->external.size > INT32_MAX)
        e->out->failed = true; /* the chain gives the handle back all the same */
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

/* Broker ids: what most arrays are. */
static void put_i32_array(struct encoder *e, const uint8_t *elements, size_t count)
{
    uint8_t *at = chain_extend(e->out, count * sizeof(int32_t));
    if (at == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        uint32_t value;
        memcpy(&value, elements + i * sizeof value, sizeof value);
        store_u32(at + i * sizeof value, value);
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
    if (field->type == WIRE_INT32) {
        put_i32_array(e, elements, (size_t)*count);
        return;
    }
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
        put_u8(e, target != NULL ? 1 : field_is_tagged(field, e->version) ? 0 : 0xff);
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
    const struct chain *out = e->out;
    size_t size = out->size - tag_at - 1;
    ALWAYS(out->link_count == 0 || out->links[out->link_count - 1].at <= tag_at,
           "record ranges in a tagged field would have to be moved along");
    size_t wider = uvarint_size(size) - 1;
    if (wider > 0) {
        if (chain_extend(e->out, wider) == NULL)
            return;
        memmove(e->out->data + tag_at + 1 + wider, e->out->data + tag_at + 1, size);
    }
    (void)uvarint_store(e->out->data + tag_at, size);
}

/* The tagged section: those fields that differ from their defaults, in the order of their tags. */
static void start_tags(struct encoder *e, struct frame *frame)
{
    frame->phase = FRAME_TAGS;
    frame->tags = 0;
    for (uint32_t i = 0; frame->type->has_tags && i < frame->type->field_count; i++) {
        const struct wire_field *field = &frame->type->fields[i];
        if (field_is_tagged(field, e->version) &&
            !wire_field_is_default(frame->type, field, frame->base))
            frame->tags |= UINT32_C(1) << field->tag;
    }
    put_uvarint(e, (uint64_t)__builtin_popcount(frame->tags));
}

static const struct wire_field *tagged_field(const struct encoder *e,
                                             const struct wire_struct *type, int tag)
{
    for (uint32_t i = 0; i < type->field_count; i++)
        if (type->fields[i].tag == tag && field_is_tagged(&type->fields[i], e->version))
            return &type->fields[i];
    return NULL;
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
    int tag = __builtin_ctz(frame->tags);
    const struct wire_field *field = tagged_field(e, frame->type, tag);
    ALWAYS(field != NULL, "tag %d was there a moment ago", tag);
    frame->tags &= frame->tags - 1;
    put_uvarint(e, (uint64_t)tag);
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
        if (frame->tags != 0)
            encode_next_tag(e, frame);
        else
            finish_struct(e, frame);
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
    if (!e->flexible || frame->tags == 0)
        finish_struct(e, frame);
}

bool wire_encode(const struct wire_message *message, int version, const void *in, struct chain *out,
                 const char **ret_field)
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
    while (e.depth > 0) /* also after a failure: external records must reach the chain */
        step(&e);
    if (ret_field != NULL)
        *ret_field = e.refused_field;
    return !e.refused && !out->failed;
}
