/* The search for hanging transactions. Pure. Any thread. */
#include "cmd/hanging.h"

bool hanging_is_candidate(const struct hanging_open *open, int64_t now_ms, int64_t timeout_ms_max)
{
    return open->start_offset >= 0 && now_ms - open->last_ms > timeout_ms_max;
}

static bool is_expected(const struct hanging_open *open, const struct hanging_expected *expected,
                        size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (expected[i].producer_id == open->producer_id &&
            expected[i].partition == open->partition && slice_equal(expected[i].topic, open->topic))
            return true;
    return false;
}

size_t hanging_keep(struct hanging_open *open, size_t count,
                    const struct hanging_expected *expected, size_t expected_count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_expected(&open[i], expected, expected_count))
            open[kept++] = open[i];
    return kept;
}
