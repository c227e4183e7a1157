/* Records by the tables; see the header. */
#include "meta/test/record_kit.h"

#include "base/always.h"
#include "wire/messages.h"
#include "wire/msg/client_quota_record.h"

#define POOL 6

uint64_t author_below(struct record_author *author, uint64_t bound)
{
    return prng_below(&author->prng, bound);
}

const struct wire_message *author_message(int type)
{
    return wire_record(&(struct wire_record_name){"cluster_metadata", WIRE_RECORD, (int16_t)type});
}

static struct slice some_name(struct record_author *author)
{
    static const char *const names[POOL] = {"a", "b.c", "b_c", "d", "", "a-longer-name"};
    return slice_of_text(names[author_below(author, POOL)]);
}

static void fill_scalar(struct record_author *author, const struct wire_field *field, void *at)
{
    int small = (int)author_below(author, POOL);
    switch ((enum wire_type)field->type) {
    case WIRE_BOOL:
        *(bool *)at = small % 2 == 0;
        return;
    case WIRE_INT8:
        *(int8_t *)at = (int8_t)(small % 3 - 1);
        return;
    case WIRE_INT16:
    case WIRE_UINT16:
        *(int16_t *)at = (int16_t)small;
        return;
    case WIRE_INT32:
    case WIRE_UINT32:
        *(int32_t *)at = strcmp(field->name, "leader") == 0 ? small - 2 : small;
        return;
    case WIRE_INT64:
        *(int64_t *)at = (int64_t)author_below(author, 1 << 30);
        return;
    case WIRE_FLOAT64:
        *(double *)at = small / 7.0;
        return;
    case WIRE_UUID:
        *(struct uuid *)at = (struct uuid){{1, (uint8_t)small}};
        return;
    case WIRE_STRING:
    case WIRE_BYTES:
        *(struct slice *)at = some_name(author);
        return;
    case WIRE_RECORDS:
    case WIRE_STRUCT:
        break;
    }
    ALWAYS(false, "%s is no scalar", field->name);
}

static size_t size_of(const struct wire_field *field)
{
    switch ((enum wire_type)field->type) {
    case WIRE_STRUCT:
        return field->element->size;
    case WIRE_UUID:
        return sizeof(struct uuid);
    case WIRE_STRING:
        return sizeof(struct slice);
    case WIRE_INT32:
        return sizeof(int32_t);
    case WIRE_BOOL:
    case WIRE_INT8:
    case WIRE_INT16:
    case WIRE_UINT16:
    case WIRE_UINT32:
    case WIRE_INT64:
    case WIRE_FLOAT64:
    case WIRE_BYTES:
    case WIRE_RECORDS:
        break;
    }
    ALWAYS(false, "no record has an array of %s", field->name);
    return 0;
}

static void fill_fields(struct record_author *author, const struct wire_struct *type, uint8_t *base,
                        int version)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct wire_field *field = &type->fields[i];
        bool nullable = wire_versions_have(field->nullable, version);
        bool is_null = nullable && author_below(author, 4) == 0;
        if (!wire_versions_have(field->versions, version))
            continue;
        if ((field->flags & WIRE_ARRAY) == 0) {
            struct slice none = {0};
            if (is_null)
                memcpy(base + field->offset, &none, sizeof none);
            else
                fill_scalar(author, field, base + field->offset);
            continue;
        }
        int32_t count = is_null ? -1 : (int32_t)author_below(author, 4);
        size_t size = size_of(field);
        uint8_t *elements = count > 0 ? arena_take_array(author->arena, (size_t)count, size) : NULL;
        memcpy(base + field->offset, &elements, sizeof elements);
        memcpy(base + field->count_offset, &count, sizeof count);
        for (int32_t j = 0; j < count && field->type != WIRE_STRUCT; j++)
            fill_scalar(author, field, elements + (size_t)j * size);
    }
}

/* Structs inside of a record's arrays; they hold scalars only. */
static void fill_elements(struct record_author *author, const struct wire_struct *type,
                          uint8_t *base, int version)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct wire_field *field = &type->fields[i];
        int32_t count = 0;
        uint8_t *elements = NULL;
        if (field->type != WIRE_STRUCT || !wire_versions_have(field->versions, version))
            continue;
        memcpy(&elements, base + field->offset, sizeof elements);
        memcpy(&count, base + field->count_offset, sizeof count);
        for (int32_t j = 0; j < count; j++)
            fill_fields(author, field->element, elements + (size_t)j * field->element->size,
                        version);
    }
}

/* Quotas are of users, clients and addresses, each once. */
static void name_entities(struct client_quota_record *quota)
{
    static const char *const types[] = {"user", "client-id", "ip"};
    for (int32_t i = 0; i < quota->entity_count; i++)
        quota->entity[i].entity_type = slice_of_text(types[i]);
}

struct meta_applied author_record(struct record_author *author, const struct wire_message *message)
{
    int low = message->versions.low;
    int version = low + (int)author_below(author, (uint64_t)(message->versions.high - low) + 1);
    void *record = arena_take(author->arena, message->type->size);
    ALWAYS(record != NULL, "memory for a record");
    wire_default(message, record);
    fill_fields(author, message->type, record, version);
    fill_elements(author, message->type, record, version);
    if (message == &wire_client_quota_record)
        name_entities(record);
    return (struct meta_applied){.message = message, .version = (int16_t)version, .record = record};
}
