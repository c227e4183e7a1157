/* Edit distance (Damerau's, of neighbouring swaps) with three rows of a table. Any thread. */
#include "config/nearest.h"

#include "base/attr.h"

#define NAME_MAX_SIZE 127

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

static size_t distance(struct slice a, struct slice b)
{
    size_t rows[3][NAME_MAX_SIZE + 1];
    for (size_t j = 0; j <= b.size; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t *now = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *two_above = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            bool same = a.data[i - 1] == b.data[j - 1];
            now[j] = min3(above[j] + 1, now[j - 1] + 1, above[j - 1] + !same);
            bool swapped =
                i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1];
            if (swapped)
                now[j] = MIN_OF(now[j], two_above[j - 2] + 1);
        }
    }
    return rows[a.size % 3][b.size];
}

void nearest_init(struct nearest *n, struct slice asked)
{
    /* A third of the name may be wrong, and at least one letter. */
    size_t limit = asked.size / 3 > 1 ? asked.size / 3 : 1;
    *n = (struct nearest){.asked = asked, .distance = limit + 1};
}

void nearest_offer(struct nearest *n, const char *candidate)
{
    struct slice name = slice_of_text(candidate);
    if (n->asked.size > NAME_MAX_SIZE || name.size > NAME_MAX_SIZE)
        return;
    size_t d = distance(n->asked, name);
    if (d < n->distance) {
        n->best = candidate;
        n->distance = d;
    }
}
