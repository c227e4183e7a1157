/* A record as one JSON object. Records of internal topics are decoded by the tables of their
 * messages: what their key and value begin with says which message it is. What cannot be decoded is
 * shown as it is and told as a fault. One thread. */
#include "base/bytes.h"
#include "cmd/dump_int.h"
#include "cmd/format_int.h"
#include "wire/json.h"
#include "wire/messages.h"
#include "wire/record.h"

#include <stdlib.h>

#define MESSAGE_LIMIT ((size_t)1 << 30)
#define FRAME_VERSION 1

/* A message and where its bytes begin. */
struct typed {
    const struct wire_message *message;
    int version;
    struct slice bytes;
    const char *type; /* shown; the message's name, but for markers */
};

/* A part of a record, and the message that it is where that is known. */
struct part {
    const char *name; /* in the JSON */
    struct slice raw;
    bool known;
    struct typed typed;
};

/* ---- control records ---- */

static const struct {
    const char *type;
    const char *message;
} controls[] = {
    {"ABORT", "EndTxnMarker"},
    {"COMMIT", "EndTxnMarker"},
    {"LEADER_CHANGE", "LeaderChangeMessage"},
    {"SNAPSHOT_HEADER", "SnapshotHeaderRecord"},
    {"SNAPSHOT_FOOTER", "SnapshotFooterRecord"},
    {"KRAFT_VERSION", "KRaftVersionRecord"},
    {"KRAFT_VOTERS", "VotersRecord"},
};

/* The key is a version and a type. A marker's value has its version in front; the others carry it
 * as their first field. */
static bool type_control(const struct record *record, struct typed *ret_typed)
{
    if (record->key.size < 4 || record->value.size < 2)
        return false;
    int type = load_i16(record->key.data + 2);
    if (type < 0 || type >= (int)COUNT_OF(controls))
        return false;
    bool marker = type <= 1;
    *ret_typed = (struct typed){
        .message = wire_message_named(slice_of_text(controls[type].message)),
        .version = load_i16(record->value.data),
        .bytes = slice_from(record->value, marker ? 2 : 0),
        .type = controls[type].type,
    };
    return ret_typed->message != NULL;
}

/* ---- records of topics ---- */

static const struct {
    const char *topic;
    const char *family;
    bool framed; /* one framed value and no key; else key and value with a number each */
} families[] = {
    {"__cluster_metadata", "cluster_metadata", true},
    {"__remote_log_metadata", "remote_log", true},
    {"__consumer_offsets", "consumer_offsets", false},
    {"__transaction_state", "transaction_state", false},
    {"__share_group_state", "share_group_state", false},
};

/* uvarints: frame version, type, version. */
static bool type_framed(const char *family, struct slice value, struct typed *ret_typed)
{
    uint64_t numbers[3];
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        size_t taken = uvarint_load(value.data, value.size, 5, &numbers[i]);
        if (taken == 0 || numbers[i] > INT16_MAX)
            return false;
        value = slice_from(value, taken);
    }
    struct wire_record_name name = {
        .family = family, .kind = WIRE_RECORD, .number = (int16_t)numbers[1]};
    *ret_typed =
        (struct typed){.message = wire_record(&name), .version = (int)numbers[2], .bytes = value};
    return numbers[0] == FRAME_VERSION && ret_typed->message != NULL;
}

static bool type_key(const char *family, struct slice key, struct typed *ret_typed)
{
    if (key.size < 2)
        return false;
    struct wire_record_name name = {
        .family = family, .kind = WIRE_KEY, .number = load_i16(key.data)};
    ret_typed->message = wire_record(&name);
    if (ret_typed->message == NULL)
        return false;
    ret_typed->version = ret_typed->message->versions.low;
    ret_typed->bytes = slice_from(key, 2);
    return true;
}

static bool type_value(const char *family, struct slice key, struct slice value,
                       struct typed *ret_typed)
{
    if (key.size < 2 || value.size < 2)
        return false;
    struct wire_record_name name = {
        .family = family, .kind = WIRE_VALUE, .number = load_i16(key.data)};
    *ret_typed = (struct typed){.message = wire_record(&name),
                                .version = load_i16(value.data),
                                .bytes = slice_from(value, 2)};
    return ret_typed->message != NULL;
}

/* ---- printing ---- */

/* "name":{"type":...,"version":...,"data":{...}} */
static bool add_message(const char *name, const struct typed *typed, struct text *out)
{
    struct arena arena;
    struct wire_decoded decoded;
    if (!wire_versions_have(typed->message->versions, typed->version))
        return false;
    arena_init(&arena, MESSAGE_LIMIT);
    void *data = arena_take(&arena, typed->message->type->size);
    bool ok = data != NULL &&
              wire_decode(typed->message, typed->version, typed->bytes, &arena, data, &decoded);
    if (ok) {
        text_printf(out, "\"%s\":{\"type\":\"%s\",\"version\":%d,\"data\":", name,
                    typed->type != NULL ? typed->type : typed->message->name, typed->version);
        wire_json_print(typed->message, typed->version, data, out);
        text_add_char(out, '}');
    }
    arena_fini(&arena);
    return ok;
}

/* Decoded where `known`, as it is otherwise; told where it should have been decodable. */
static bool add_decoded(struct dump *dump, const struct dump_record *where, const struct part *part,
                        struct text *out)
{
    if (slice_is_null(part->raw)) {
        text_printf(out, "\"%s\":null", part->name);
        return true;
    }
    if (part->known && add_message(part->name, &part->typed, out))
        return true;
    format_json_bytes(part->name, part->raw, out);
    dump_fault(dump, "offset %lld: the %s is no record of %s that is known",
               (long long)where->offset, part->name, where->control ? "control" : where->topic);
    return false;
}

static void add_headers(const struct record *record, struct text *out)
{
    struct slice rest = record->headers;
    struct record_header header;
    const char *comma = "";
    if (record->header_count == 0)
        return;
    text_printf(out, ",\"headers\":[");
    while (record_header_next(&rest, &header)) {
        text_printf(out, "%s{", comma);
        format_json_bytes("key", header.key, out);
        text_add_char(out, ',');
        format_json_bytes("value", header.value, out);
        text_add_char(out, '}');
        comma = ",";
    }
    text_add_char(out, ']');
}

static bool add_internal(struct dump *dump, const struct dump_record *where,
                         const struct record *record, size_t family, struct text *out)
{
    struct part key = {.name = "key", .raw = record->key};
    struct part value = {.name = "value", .raw = record->value};
    const char *name = families[family].family;
    if (families[family].framed) {
        value.known = type_framed(name, record->value, &value.typed);
        return add_decoded(dump, where, &value, out);
    }
    key.known = type_key(name, record->key, &key.typed);
    value.known = type_value(name, record->key, record->value, &value.typed);
    bool ok = add_decoded(dump, where, &key, out);
    text_add_char(out, ',');
    return add_decoded(dump, where, &value, out) && ok;
}

static bool add_payload(struct dump *dump, const struct dump_record *where,
                        const struct record *record, struct text *out)
{
    struct part control = {.name = "control", .raw = record->value};
    if (where->control) {
        control.known = type_control(record, &control.typed);
        return add_decoded(dump, where, &control, out);
    }
    for (size_t i = 0; i < COUNT_OF(families); i++)
        if (strcmp(families[i].topic, where->topic) == 0)
            return add_internal(dump, where, record, i, out);
    format_json_bytes("key", record->key, out);
    text_add_char(out, ',');
    format_json_bytes("value", record->value, out);
    return true;
}

bool dump_record_json(struct dump *dump, const struct dump_record *where,
                      const struct record *record, struct text *out)
{
    text_printf(out, "{\"offset\":%lld,\"timestamp\":%lld,", (long long)where->offset,
                (long long)where->timestamp);
    bool ok = add_payload(dump, where, record, out);
    add_headers(record, out);
    text_add_char(out, '}');
    return ok;
}
