/* The matrix of tbl/recovery.h as data, and the look-up in it; see the header. */
#include "log/decide.h"

#include "base/always.h"

#define ROW(FINDING, PLACES, LOGS, DECISION, WHY) \
    {RECOVERY_##FINDING, (PLACES), (LOGS), RECOVERY_##DECISION, WHY},
const struct recovery_row log_recovery_rows[] = {RECOVERY_ROWS(ROW)};
#undef ROW
const int log_recovery_row_count = sizeof log_recovery_rows / sizeof log_recovery_rows[0];

const char *log_finding_text(enum recovery_finding finding)
{
#define TEXT(NAME, text) [RECOVERY_##NAME] = (text),
    static const char *const texts[] = {RECOVERY_FINDINGS(TEXT)};
#undef TEXT
    return texts[finding];
}

bool log_row_matches(const struct recovery_row *row, struct log_finding found)
{
    unsigned log = found.compacted ? RECOVERY_COMPACTED : RECOVERY_PLAIN;
    return row->finding == found.finding && (row->places & (unsigned)found.place) != 0 &&
           (row->logs & log) != 0;
}

const struct recovery_row *log_decide(struct log_finding found)
{
    for (int i = 0; i < log_recovery_row_count; i++)
        if (log_row_matches(&log_recovery_rows[i], found))
            return &log_recovery_rows[i];
    ALWAYS(false, "nothing says what is done when %s", log_finding_text(found.finding));
    return NULL;
}
