/* The program's log: logfmt lines on standard error, one call a line. Modules below api return
 * errors and do not log; who translates an error at a module's edge logs it there, once. A line is
 *   ts=2026-11-24T02:57:35.123Z level=info event=partition_recovered topic=t partition=3 ...
 * Any thread. */
#ifndef SYS_JOURNAL_H
#define SYS_JOURNAL_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

enum journal_level { JOURNAL_DEBUG, JOURNAL_INFO, JOURNAL_WARN, JOURNAL_ERROR };

/* event: snake_case name of what happened. format: "key=%s other=%d" pairs; a text value that may
 * hold anything is passed through journal_quote first. */
void journal(enum journal_level level, const char *event, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Lines below it are dropped; JOURNAL_INFO at the start. */
void journal_set_level(enum journal_level level);

/* A place that may repeat: at most one line in interval_ms; counts what it held back. */
struct journal_gate {
    int64_t next_ms; /* monotonic */
    uint64_t held_back;
};
/* True when the caller may log now; *ret_held_back is what was held back since. */
bool journal_gate_open(struct journal_gate *, int64_t interval_ms, uint64_t *ret_held_back);

/* Quotes and escapes bytes for a logfmt value into the caller's buffer; cut with an ellipsis. */
const char *journal_quote(char *buffer, int size, const void *data, int data_size);

#endif
