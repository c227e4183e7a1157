/* A compiled format: for cmd/format*.c only. */
#ifndef CMD_FORMAT_INT_H
#define CMD_FORMAT_INT_H

#include "cmd/format.h"

enum format_form {
    FORM_PLAIN, /* text as it is, numbers in decimal */
    FORM_HEX,
    FORM_BASE64,
    FORM_BASE64RAW,
    FORM_JSON,
    FORM_HEX_NUMBER, /* width: hex digits */
    FORM_BIG,        /* width: bytes */
    FORM_LITTLE,
    FORM_BYTE,
    FORM_BOOL,
    FORM_STRFTIME,
};

struct format_step {
    char verb;    /* 0: literal text */
    uint8_t form; /* enum format_form */
    uint8_t width;
    struct slice text;         /* literal, or strftime's pattern */
    struct format_step *inner; /* %h{...} */
    size_t inner_count;
};

/* One character after a backslash; *at is moved past it. false: not an escape. */
bool format_escape(const char **at, char *ret_c);
/* strftime's %Y %y %m %d %e %j %H %M %S %F %T %s %z %%, and %L for milliseconds; always UTC. What
 * is none of them stands as it is. */
void format_time(struct slice pattern, int64_t ms, struct text *out);
/* "name":"text", "name_base64":"..." where the bytes are not UTF-8, "name":null. */
void format_json_bytes(const char *name, struct slice bytes, struct text *out);
/* The whole record as JSON. */
void format_json(const struct format_record *, bool one_line, struct text *out);

#endif
