/* Records out of a stream of bytes, as -f for produce says it: text with the verbs %k %v (key and
 * value), %K %V (their sizes, when they come before), %p (partition), %% and the escapes of
 * cmd/format.h. A field without a size ends where the literal text after it begins, or with the
 * stream; %v{hex} and {base64} decode; %V{big32} and the other number forms are binary sizes.
 * "json" reads what consume -f json writes. One thread. */
#ifndef CMD_INPUT_H
#define CMD_INPUT_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/text.h"
#include "cmd/format.h"

#include <stdio.h>

struct input_record {
    struct slice key;   /* null: none */
    struct slice value; /* null: a tombstone */
    struct format_header *headers;
    int32_t header_count;
    int32_t partition;    /* -1: not said */
    int64_t timestamp_ms; /* -1: not said */
};

struct input_step;

struct input {
    FILE *file;
    struct input_step *steps;
    size_t step_count;
    bool json;
    int64_t number;        /* of the record being read, from 1 */
    struct text fields[2]; /* key, value as read */
    struct text decoded[2];
    char *line; /* getdelim's */
    size_t line_capacity;
    struct arena arena; /* steps; and a JSON record's */
    struct arena record_arena;
};

/* false: *error has one sentence. Always to be ended by input_fini. */
MUST_USE bool input_init(struct input *, FILE *, const char *format, struct text *error);
void input_fini(struct input *);

enum input_outcome { INPUT_RECORD, INPUT_END, INPUT_FAULT };
/* Slices are valid until the next call. INPUT_FAULT: *error has one sentence. */
enum input_outcome input_next(struct input *, struct input_record *ret_record, struct text *error);

#endif
