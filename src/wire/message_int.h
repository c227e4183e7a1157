/* What decoder, encoder and JSON share: reaching a field in a struct, and its encoding. */
#ifndef WIRE_MESSAGE_INT_H
#define WIRE_MESSAGE_INT_H

#include "wire/message.h"

static inline void *field_at(void *base, uint32_t offset)
{
    return (uint8_t *)base + offset;
}

static inline const void *field_at_const(const void *base, uint32_t offset)
{
    return (const uint8_t *)base + offset;
}

static inline bool field_is_array(const struct wire_field *field)
{
    return (field->flags & WIRE_ARRAY) != 0;
}

static inline bool field_is_tagged(const struct wire_field *field, int version)
{
    return field->tag >= 0 && wire_versions_have(field->tagged, version);
}

/* Whether the field uses compact lengths where the message is flexible. */
static inline bool field_is_compact(const struct wire_field *field, bool flexible)
{
    return flexible && (field->flags & WIRE_NEVER_COMPACT) == 0;
}

/* Bytes of one element of an array, in memory. */
static inline uint32_t field_element_size(const struct wire_field *field)
{
    static const uint8_t sizes[] = {
        [WIRE_BOOL] = sizeof(bool),
        [WIRE_INT8] = 1,
        [WIRE_INT16] = 2,
        [WIRE_UINT16] = 2,
        [WIRE_INT32] = 4,
        [WIRE_UINT32] = 4,
        [WIRE_INT64] = 8,
        [WIRE_FLOAT64] = 8,
        [WIRE_UUID] = sizeof(struct uuid),
        [WIRE_STRING] = sizeof(struct slice),
        [WIRE_BYTES] = sizeof(struct slice),
        [WIRE_RECORDS] = sizeof(struct wire_records),
    };
    return field->type == WIRE_STRUCT ? field->element->size : sizes[field->type];
}

#endif
