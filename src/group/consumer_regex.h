/* Regular expressions of subscriptions, in the syntax of RE2, which Kafka's clients send: what RE2
 * lacks (references back, looking around, atomic groups) is refused though the library that matches
 * has it. Matching takes time that grows with the text only, since all ways are followed at once.
 * One thread. */
#ifndef GROUP_CONSUMER_REGEX_H
#define GROUP_CONSUMER_REGEX_H

#include "base/arena.h"

struct consumer_regex;

/* NULL: it is none, and *ret_fault says why, in the arena. */
struct consumer_regex *consumer_regex_new(struct slice text, struct arena *,
                                          const char **ret_fault);
void consumer_regex_free(struct consumer_regex *);
/* The whole text matches. */
bool consumer_regex_matches(const struct consumer_regex *, struct slice text);
/* About what one match costs, by bytes of the text. */
size_t consumer_regex_cost(const struct consumer_regex *);

#endif
