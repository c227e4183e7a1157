/* Java's .properties text: "key=value", "key: value" and "key value" lines, # and ! comments,
 * lines continued by a backslash, \t \n \r \f \\ \uXXXX escapes (surrogate pairs included), the
 * last value of a key wins. Calls back for each pair, in order; makes no system call. Any
 * thread. */
#ifndef CONFIG_PROPERTIES_H
#define CONFIG_PROPERTIES_H

#include "base/attr.h"
#include "base/slice.h"
#include "base/text.h"

/* line: where the pair begins, from 1. The slices end with the call. false stops the reading. */
typedef bool (*properties_pair_fn)(void *context, struct slice key, struct slice value, int line);

/* false: a malformed \uXXXX escape, memory out (both told in *error as "line N: ...") or stopped by
 * the callback (nothing added). */
MUST_USE bool properties_read(struct slice file, properties_pair_fn on_pair, void *context,
                              struct text *error);

#endif
