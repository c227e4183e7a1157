/* The name somebody probably meant: for "did you mean" in messages about unknown keys, commands and
 * flags. Any thread. */
#ifndef CONFIG_NEAREST_H
#define CONFIG_NEAREST_H

#include "base/slice.h"

struct nearest {
    struct slice asked;
    const char *best; /* NULL: nothing similar so far */
    size_t distance;  /* of best: insertions, deletions, replacements, swaps of neighbours */
};

void nearest_init(struct nearest *, struct slice asked);
/* Offers one candidate; the first of equally near ones stays. Names over 127 bytes never match. */
void nearest_offer(struct nearest *, const char *candidate);

#endif
