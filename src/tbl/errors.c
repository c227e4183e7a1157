/* Look-ups in the table of error codes. A code is found by its place in the table, a name by
 * scanning it: for answers to people and for logs, never per record. Constant data: any thread. */
#include "tbl/errors.h"

#include <string.h>

struct err_row {
    enum err code;
    const char *name;
    const char *text;
    bool retriable;
};

#define ERRORS_ROW_(code, NAME, text, retriable) {ERR_##NAME, #NAME, text, retriable},
static const struct err_row rows[] = {ERRORS(ERRORS_ROW_)};
#undef ERRORS_ROW_

#define ROW_COUNT (sizeof rows / sizeof rows[0])

_Static_assert(ERR_UNKNOWN_SERVER_ERROR == -1, "the first row is code -1");
_Static_assert(ROW_COUNT == 138, "codes -1 to 136 without a gap");

/* Rows stand in the order of their codes, without gaps, from -1 on. */
static const struct err_row *row_of(int code)
{
    if (code < -1 || code >= (int)ROW_COUNT - 1)
        return NULL;
    return &rows[code + 1];
}

const char *err_name(enum err err)
{
    const struct err_row *row = row_of((int)err);
    return row != NULL ? row->name : "UNKNOWN";
}

const char *err_text(enum err err)
{
    const struct err_row *row = row_of((int)err);
    return row != NULL ? row->text : "an error code that this version does not know";
}

bool err_is_retriable(enum err err)
{
    const struct err_row *row = row_of((int)err);
    return row != NULL && row->retriable;
}

bool err_is_known(int code)
{
    return row_of(code) != NULL;
}

bool err_find(const char *name, size_t size, enum err *ret_err)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strlen(rows[i].name) == size && memcmp(rows[i].name, name, size) == 0) {
            *ret_err = rows[i].code;
            return true;
        }
    }
    return false;
}
