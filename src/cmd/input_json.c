/* Records as JSON objects, one after the other, as consume -f json writes them: "key" and "value"
 * as text, or "key_base64" and "value_base64"; "headers", "partition", "timestamp"; "topic" and
 * "offset" are passed over. One thread. */
#include "cmd/input_int.h"

#include <jansson.h>
#include <string.h>

bool input_decode_hex(struct slice s, struct text *out)
{
    static const char digits[] = "0123456789abcdef";
    if (s.size % 2 != 0)
        return false;
    for (size_t i = 0; i < s.size; i += 2) {
        int byte = 0;
        for (size_t j = i; j < i + 2; j++) {
            uint8_t c = s.data[j];
            const char *at = c != 0 ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
            if (at == NULL)
                return false;
            byte = byte * 16 + (int)(at - digits);
        }
        text_add_char(out, (char)byte);
    }
    return true;
}

bool input_decode_base64(struct slice s, struct text *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int count = 0;
    while (s.size > 0 && s.data[s.size - 1] == '=')
        s.size--;
    for (size_t i = 0; i < s.size; i++) {
        const char *at = s.data[i] != 0 ? strchr(letters, s.data[i]) : NULL;
        if (at == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(at - letters);
        count += 6;
        if (count >= 8) {
            count -= 8;
            text_add_char(out, (char)(bits >> count));
        }
    }
    return count < 6 && (bits & ((1u << count) - 1)) == 0;
}

static bool fault(const struct input *input, struct text *error, const char *what)
{
    text_printf(error, "record %lld: %s", (long long)input->number, what);
    return false;
}

/* object[name] as text, or object[name_base64] decoded; null where neither is there. */
static bool take_bytes(struct input *input, const json_t *object, const char *name,
                       struct slice *ret_bytes)
{
    char other[32];
    const json_t *plain = json_object_get(object, name);
    snprintf(other, sizeof other, "%s_base64", name);
    const json_t *coded = json_object_get(object, other);
    *ret_bytes = (struct slice){0};
    if (json_is_string(coded)) {
        struct text decoded;
        text_init(&decoded, (size_t)1 << 30);
        bool ok = input_decode_base64(slice_of(json_string_value(coded), json_string_length(coded)),
                                      &decoded);
        *ret_bytes = arena_copy(&input->record_arena, text_slice(&decoded));
        text_fini(&decoded);
        return ok;
    }
    if (plain == NULL || json_is_null(plain))
        return true;
    if (!json_is_string(plain))
        return false;
    *ret_bytes = arena_copy(&input->record_arena,
                            slice_of(json_string_value(plain), json_string_length(plain)));
    return true;
}

static bool take_headers(struct input *input, const json_t *object, struct input_record *record)
{
    const json_t *headers = json_object_get(object, "headers");
    size_t count = json_array_size(headers);
    if (headers != NULL && !json_is_array(headers))
        return false;
    record->headers = ARENA_ARRAY(&input->record_arena, struct format_header, count + 1);
    if (record->headers == NULL || count > INT32_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *header = json_array_get(headers, i);
        if (!json_is_object(header) || !take_bytes(input, header, "key", &record->headers[i].key) ||
            !take_bytes(input, header, "value", &record->headers[i].value))
            return false;
    }
    record->header_count = (int32_t)count;
    return true;
}

static bool take_record(struct input *input, const json_t *object, struct input_record *record,
                        struct text *error)
{
    const json_t *partition = json_object_get(object, "partition");
    const json_t *timestamp = json_object_get(object, "timestamp");
    if (!json_is_object(object))
        return fault(input, error, "not a JSON object");
    if (!take_bytes(input, object, "key", &record->key) ||
        !take_bytes(input, object, "value", &record->value))
        return fault(input, error, "key and value must be text, null or base64");
    if (!take_headers(input, object, record))
        return fault(input, error, "headers must be a list of objects with key and value");
    if (json_is_integer(partition) &&
        (json_integer_value(partition) < 0 || json_integer_value(partition) > INT32_MAX))
        return fault(input, error, "that is no partition");
    if (json_is_integer(partition))
        record->partition = (int32_t)json_integer_value(partition);
    if (json_is_integer(timestamp))
        record->timestamp_ms = (int64_t)json_integer_value(timestamp);
    return true;
}

enum input_outcome input_next_json(struct input *input, struct input_record *ret_record,
                                   struct text *error)
{
    json_error_t problem;
    int c = getc(input->file);
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r')
        c = getc(input->file);
    if (c == EOF)
        return input_end(input, error);
    (void)ungetc(c, input->file);
    arena_reset(&input->record_arena);
    json_t *object = json_loadf(input->file, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &problem);
    if (object == NULL) {
        text_printf(error, "record %lld: %s (line %d of it)", (long long)input->number,
                    problem.text, problem.line);
        return INPUT_FAULT;
    }
    bool ok = take_record(input, object, ret_record, error);
    json_decref(object);
    return ok ? INPUT_RECORD : INPUT_FAULT;
}
