/* Look-ups in the table of error codes; a code is found by its place. Constant data: any thread. */
#include "tbl/errors.h"

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
