/* A list of things for people or for programs: an aligned table with UPPER-KEBAB headers, JSON with
 * a version, or bare tab-separated lines. NULL cells show as "-" and as JSON's null. One thread. */
#ifndef CMD_LISTING_H
#define CMD_LISTING_H

#include "base/attr.h"
#include "cmd/console.h"

enum listing_format { LISTING_TABLE, LISTING_JSON, LISTING_AWK };

/* "table", "json", "awk". */
MUST_USE bool listing_format_find(const char *name, enum listing_format *ret_format);

enum listing_type {
    LISTING_TEXT,
    LISTING_NUMBER,
    LISTING_NUMBERS, /* "1,2,3", in JSON a list */
    LISTING_BOOLEAN,
};

struct listing_column {
    const char *header; /* UPPER-KEBAB; its JSON name is snake_case of it */
    enum listing_type type;
};

#define LISTING_COLUMNS_MAX 12

struct listing {
    const char *name; /* of the rows in JSON: "topics" */
    const struct listing_column *columns;
    int column_count;
    char **cells; /* row by row; NULL cells allowed */
    size_t cell_count;
    size_t cell_capacity;
    bool failed; /* memory: sticky */
};

void listing_init(struct listing *, const char *name, const struct listing_column *columns,
                  int column_count);
void listing_fini(struct listing *);
/* Cells are added in the order of the columns. */
void listing_add(struct listing *, const char *text); /* NULL: none */
void listing_printf(struct listing *, const char *format, ...) PRINTF_LIKE(2, 3);
size_t listing_row_count(const struct listing *);

/* A table or bare lines. */
void listing_print(const struct listing *, enum listing_format, struct console *);
/* "name":[{...},...] for a document that the caller opened. */
void listing_print_json(const struct listing *, struct text *out);
/* {"_command":"...","_version":1,"name":[...]} */
void listing_print_document(const struct listing *, const char *command, struct console *);

#endif
