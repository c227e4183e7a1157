/* A regular expression of a client's, which a text must match as a whole: the syntax that RE2/J
 * (Kafka's) and PCRE2 have in common. What a match may cost is bounded, since RE2/J never
 * backtracks and PCRE2 does: a text for which it would cost more does not match. One thread at a
 * time. */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include "base/slice.h"

#include <stdbool.h>

#define PATTERN_FAULT_MAX 160

struct pattern;

/* NULL: *ret_fault, of PATTERN_FAULT_MAX, says why it is none. */
struct pattern *pattern_new(struct slice expression, char *ret_fault);
void pattern_free(struct pattern *);
bool pattern_matches(const struct pattern *, struct slice text);

#endif
