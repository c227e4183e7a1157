/* What cmd/input*.c share. */
#ifndef CMD_INPUT_INT_H
#define CMD_INPUT_INT_H

#include "cmd/input.h"

/* false: not of that form. */
bool input_decode_hex(struct slice, struct text *out);
bool input_decode_base64(struct slice, struct text *out); /* padding may be missing */

/* Nothing more can be read: the input's end, or a fault with its sentence in *error. */
enum input_outcome input_end(const struct input *, struct text *error);
/* One JSON value of the stream as a record. */
enum input_outcome input_next_json(struct input *, struct input_record *ret_record,
                                   struct text *error);

#endif
