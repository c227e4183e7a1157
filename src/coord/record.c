/* Records in bytes; see the header. Any thread. */
#include "coord/record.h"

#include "base/bytes.h"
#include "wire/messages.h"

static bool write_one(struct chain *out, int16_t prefix, const struct wire_message *message,
                      int version, const void *body)
{
    uint8_t *at = chain_extend(out, sizeof(int16_t));
    if (at == NULL)
        return false;
    store_i16(at, prefix);
    return wire_encode(message, version, body, out, NULL);
}

bool coord_record_write(const struct coord_record *record, struct chain *out,
                        struct coord_record_sizes *ret_sizes)
{
    size_t start = out->size;
    if (!write_one(out, record->key_message->number, record->key_message, 0, record->key))
        return false;
    ret_sizes->key = out->size - start;
    ret_sizes->value = SIZE_MAX;
    if (record->value_message == NULL)
        return true;
    start = out->size;
    if (!write_one(out, record->value_version, record->value_message, record->value_version,
                   record->value))
        return false;
    ret_sizes->value = out->size - start;
    return true;
}

/* The struct of a message in the arena; NULL: its bytes are not of that version, or memory out. */
static const void *read_one(struct slice bytes, const struct wire_message *message, int version,
                            struct arena *arena)
{
    if (!wire_versions_have(message->versions, version))
        return NULL;
    void *body = arena_take(arena, message->type->size);
    struct wire_decoded decoded;
    if (body == NULL ||
        !wire_decode(message, version, slice_from(bytes, sizeof(int16_t)), arena, body, &decoded))
        return NULL;
    return body;
}

enum coord_read coord_record_read(const struct coord_raw *raw, struct arena *arena,
                                  struct coord_record *ret_record)
{
    if (raw->key.size < sizeof(int16_t))
        return COORD_READ_BAD;
    struct wire_record_name name = {
        .family = raw->family, .kind = WIRE_KEY, .number = load_i16(raw->key.data)};
    const struct wire_message *key_message = wire_record(&name);
    if (key_message == NULL)
        return COORD_READ_UNKNOWN;
    *ret_record = (struct coord_record){
        .key_message = key_message,
        .key = read_one(raw->key, key_message, 0, arena),
        .producer_id = -1,
        .producer_epoch = -1,
    };
    if (ret_record->key == NULL)
        return COORD_READ_BAD;
    if (slice_is_null(raw->value))
        return COORD_READ_OK;
    name.kind = WIRE_VALUE;
    ret_record->value_message = wire_record(&name);
    if (ret_record->value_message == NULL || raw->value.size < sizeof(int16_t))
        return COORD_READ_BAD;
    ret_record->value_version = load_i16(raw->value.data);
    ret_record->value =
        read_one(raw->value, ret_record->value_message, ret_record->value_version, arena);
    return ret_record->value != NULL ? COORD_READ_OK : COORD_READ_BAD;
}
