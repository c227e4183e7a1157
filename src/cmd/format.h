/* The language of -f for consume: text with verbs, as rpk and kcl have it.
 *
 *   %t topic  %k key  %v value  %T %K %V their sizes  %H number of headers  %h{...} each header
 *   (inside: %k %K %v %V)  %p partition  %o offset  %d timestamp  %i record, from 1
 *   %[ log start  %] high watermark  %% %{ %}
 *   \n \t \r \\ \xNN
 *
 * Braces after a text verb choose its form: {hex} {base64} {base64raw} {json}; after a number verb:
 * {ascii} {hex64}..{hex8} {big64} {big32} {big16} {big8} {little64}..{little8} {byte} {bool};
 * %d{strftime[%F %T.%L]} formats UTC, with strftime's numeric conversions and %L for milliseconds.
 * "json" alone is a whole record as indented JSON, "jsonl" the same on one line. A format is
 * compiled once and then applied to records. One thread. */
#ifndef CMD_FORMAT_H
#define CMD_FORMAT_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/text.h"

struct format_header {
    struct slice key;
    struct slice value; /* null allowed */
};

struct format_record {
    struct slice topic;
    struct slice key;   /* null allowed */
    struct slice value; /* null allowed */
    const struct format_header *headers;
    int32_t header_count;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms; /* -1: none */
    bool log_append_time;
    int64_t number; /* of the record, from 1 */
    int64_t log_start_offset;
    int64_t high_watermark;
};

struct format_step;

struct format {
    struct format_step *steps; /* in the arena */
    size_t step_count;
    bool json;  /* a whole record as JSON */
    bool lines; /* on one line */
};

/* false: *error has one sentence. */
MUST_USE bool format_compile(const char *text, struct arena *, struct format *ret_format,
                             struct text *error);
void format_apply(const struct format *, const struct format_record *, struct text *out);

#endif
