/* What is done with what a start finds: one row of tbl/recovery.h. Pure; any thread. */
#ifndef LOG_DECIDE_H
#define LOG_DECIDE_H

#include "tbl/recovery.h"

#include <stdbool.h>

/* What was found, and where. */
struct log_finding {
    enum recovery_finding finding;
    enum recovery_place place;
    bool compacted;
};

/* The one row that matches. */
const struct recovery_row *log_decide(struct log_finding);
bool log_row_matches(const struct recovery_row *, struct log_finding);
extern const struct recovery_row log_recovery_rows[];
extern const int log_recovery_row_count;
const char *log_finding_text(enum recovery_finding);

#endif
