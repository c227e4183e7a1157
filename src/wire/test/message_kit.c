/* Random messages by the tables. Must use nothing of the encoder, which it is there to test. */
#include "wire/test/message_kit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct slice random_bytes(struct maker *m)
{
    bool large = prng_chance(&m->prng, 1, 4);
    size_t size = prng_below(&m->prng, large ? 300 : 9);
    uint8_t *data = arena_take(m->arena, size);
    prng_fill(&m->prng, data, size);
    return slice_of(data, size);
}

/* Characters of one to four bytes, with those that JSON escapes. */
static struct slice random_text(struct maker *m)
{
    static const char *const parts[] = {"a",
                                        "topic-",
                                        "\"",
                                        "\\",
                                        "\n",
                                        "\x01",
                                        "\x7f",
                                        "/",
                                        "\xc3\xa9",
                                        "\xe2\x82\xac",
                                        "\xf0\x9f\x9a\x80"};
    size_t count = prng_below(&m->prng, 12);
    uint8_t *data = arena_take(m->arena, count * 8);
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        const char *part = parts[prng_below(&m->prng, COUNT_OF(parts))];
        memcpy(data + size, part, strlen(part));
        size += strlen(part);
    }
    return slice_of(data, size);
}

static void random_number(struct maker *m, size_t size, void *to)
{
    uint64_t bits = prng_next(&m->prng);
    memcpy(to, &bits, size);
}

static void random_scalar(struct maker *m, const struct wire_field *field, void *to)
{
    switch ((enum wire_type)field->type) {
    case WIRE_BOOL:
        *(bool *)to = prng_chance(&m->prng, 1, 2);
        break;
    case WIRE_INT8:
        random_number(m, 1, to);
        break;
    case WIRE_INT16:
    case WIRE_UINT16:
        random_number(m, 2, to);
        break;
    case WIRE_INT32:
    case WIRE_UINT32:
        random_number(m, 4, to);
        break;
    case WIRE_INT64:
        random_number(m, 8, to);
        break;
    case WIRE_FLOAT64:
        *(double *)to = (double)prng_below(&m->prng, 1000000) / 7;
        break;
    case WIRE_UUID:
        prng_fill(&m->prng, to, sizeof(struct uuid));
        break;
    case WIRE_STRING:
        *(struct slice *)to = m->utf8 ? random_text(m) : random_bytes(m);
        break;
    case WIRE_BYTES:
        *(struct slice *)to = random_bytes(m);
        break;
    case WIRE_RECORDS:
        ((struct wire_records *)to)->bytes = random_bytes(m);
        break;
    case WIRE_STRUCT:
        fail_msg("%s is no scalar", field->name);
    }
}

static size_t size_in_memory(const struct wire_field *field)
{
    static const size_t sizes[] = {
        [WIRE_BOOL] = sizeof(bool),          [WIRE_INT8] = sizeof(int8_t),
        [WIRE_INT16] = sizeof(int16_t),      [WIRE_UINT16] = sizeof(uint16_t),
        [WIRE_INT32] = sizeof(int32_t),      [WIRE_UINT32] = sizeof(uint32_t),
        [WIRE_INT64] = sizeof(int64_t),      [WIRE_FLOAT64] = sizeof(double),
        [WIRE_UUID] = sizeof(struct uuid),   [WIRE_STRING] = sizeof(struct slice),
        [WIRE_BYTES] = sizeof(struct slice), [WIRE_RECORDS] = sizeof(struct wire_records),
    };
    return field->type == WIRE_STRUCT ? field->element->size : sizes[field->type];
}

static void random_struct(struct maker *m, const struct wire_struct *type, uint8_t *base);

static void random_array(struct maker *m, const struct wire_field *field, uint8_t *base, bool null)
{
    int32_t count = null ? -1 : (int32_t)prng_below(&m->prng, 4);
    size_t size = size_in_memory(field);
    uint8_t *elements = count > 0 ? arena_take_array(m->arena, (size_t)count, size) : NULL;
    memcpy(base + field->offset, &elements, sizeof elements);
    memcpy(base + field->count_offset, &count, sizeof count);
    for (int32_t i = 0; i < count; i++) {
        if (field->type == WIRE_STRUCT)
            random_struct(m, field->element, elements + (size_t)i * size);
        else
            random_scalar(m, field, elements + (size_t)i * size);
    }
}

static void random_field(struct maker *m, const struct wire_field *field, uint8_t *base)
{
    uint8_t *at = base + field->offset;
    bool null = wire_versions_have(field->nullable, m->version) && prng_chance(&m->prng, 1, 4);
    if ((field->flags & WIRE_ARRAY) != 0) {
        random_array(m, field, base, null);
    } else if ((field->flags & WIRE_POINTER) != 0) {
        uint8_t *target = null ? NULL : arena_take(m->arena, field->element->size);
        memcpy(at, &target, sizeof target);
        if (target != NULL)
            random_struct(m, field->element, target);
    } else if (field->type == WIRE_STRUCT) {
        random_struct(m, field->element, at);
    } else if (null) {
        memset(at, 0, size_in_memory(field));
    } else {
        random_scalar(m, field, at);
    }
}

/* Recursion over spec/, which is ours. */
static void random_struct(struct maker *m, const struct wire_struct *type, uint8_t *base)
{
    memcpy(base, type->defaults, type->size);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct wire_field *field = &type->fields[i];
        bool tagged = field->tag >= 0 && wire_versions_have(field->tagged, m->version);
        if (wire_versions_have(field->versions, m->version) &&
            !(tagged && prng_chance(&m->prng, 1, 2)))
            random_field(m, field, base);
    }
}

void *maker_message(struct maker *m, const struct wire_message *message)
{
    void *made = arena_take(m->arena, message->type->size);
    assert_non_null(made);
    random_struct(m, message->type, made);
    return made;
}

void kit_encode(const struct wire_message *message, int version, const void *in,
                struct chain *ret_out)
{
    const char *field = NULL;
    chain_init(ret_out, KIT_ARENA_LIMIT);
    if (!wire_encode(message, version, in, ret_out, &field))
        fail_msg("%s version %d: %s", message->name, version, field != NULL ? field : "chain");
}
