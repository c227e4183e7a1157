/* Any message as JSON text and back, by the same tables as the wire. Names are the protocol's own
 * in camelCase ("brokerId"); ids are 22 characters of URL-safe base64, bytes and records plain
 * base64, numbers stay numbers of full width. A float that JSON cannot say is the text "NaN",
 * "Infinity" or "-Infinity". For logs, the command line and tests: not for the data path.
 * Pure functions: any thread. */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include "base/text.h"
#include "wire/message.h"

struct json_t; /* jansson's value */

/* Adds one JSON object with the fields that `version` has; a tagged field only when it differs from
 * its default. Text that is not UTF-8 loses its bad bytes (U+FFFD). Records that stand outside of
 * memory show as {"sizeInBytes": n}. Failure is the text's own, sticky. */
void wire_json_print(const struct wire_message *, int version, const void *value, struct text *out);

struct wire_json_reading {
    struct arena *arena; /* strings, bytes and arrays are taken from it */
    char fault[256];     /* on failure, with the field's path: "topics[2].name: must be a string" */
};

/* Fills *ret_message from a JSON object. A field that is missing keeps its default; one that the
 * version does not have, one of another type and a null where none is allowed are faults. version
 * must be one of the message's. On failure the struct is to be forgotten. */
MUST_USE bool wire_json_read(const struct wire_message *, int version, struct slice json,
                             struct wire_json_reading *, void *ret_message);
/* The same from a value that is parsed already, e.g. a part of a larger document. */
MUST_USE bool wire_json_read_value(const struct wire_message *, int version, const struct json_t *,
                                   struct wire_json_reading *, void *ret_message);

#endif
