/* Parses and resolves ranges of offsets. Its complication is that times may hold colons, which also
 * separate the two ends: each colon is tried until both sides parse. Pure. Any thread. */
#include "cmd/offsets.h"

#include <stdlib.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)

/* Decimal digits only. */
static bool parse_digits(struct slice s, int64_t *ret_number)
{
    int64_t number = 0;
    if (s.size == 0 || s.size > 18)
        return false;
    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        number = number * 10 + (s.data[i] - '0');
    }
    *ret_number = number;
    return true;
}

/* ---- times ---- */

bool offset_duration_parse(struct slice s, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", DAY_MS}};
    int64_t total = 0;
    if (s.size == 0)
        return false;
    while (s.size > 0) {
        size_t digits = 0;
        while (digits < s.size && s.data[digits] >= '0' && s.data[digits] <= '9')
            digits++;
        int64_t number;
        if (!parse_digits(slice_first(s, digits), &number) || number > INT64_C(100000000000))
            return false;
        s = slice_from(s, digits);
        size_t letters = 0;
        while (letters < s.size && s.data[letters] >= 'a')
            letters++;
        size_t unit = 0;
        while (unit < COUNT_OF(units) && !slice_is(slice_first(s, letters), units[unit].unit))
            unit++;
        if (unit == COUNT_OF(units))
            return false;
        total += number * units[unit].ms;
        s = slice_from(s, letters);
    }
    *ret_ms = total;
    return true;
}

/* Days since 1970-01-01 in the Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool take_number(struct slice *s, size_t digits, int64_t high, int64_t *ret_number)
{
    if (s->size < digits || !parse_digits(slice_first(*s, digits), ret_number) ||
        *ret_number > high)
        return false;
    *s = slice_from(*s, digits);
    return true;
}

static bool take_char(struct slice *s, char c)
{
    if (s->size == 0 || s->data[0] != (uint8_t)c)
        return false;
    *s = slice_from(*s, 1);
    return true;
}

/* Z, +01:00 or nothing (UTC), after an optional fraction. */
static bool parse_zone(struct slice s, int64_t *ms)
{
    int64_t hours;
    int64_t minutes;
    int64_t unit = 100;
    if (take_char(&s, '.')) {
        while (s.size > 0 && s.data[0] >= '0' && s.data[0] <= '9') {
            *ms += (s.data[0] - '0') * unit;
            unit /= 10;
            s = slice_from(s, 1);
        }
    }
    if (s.size == 0 || slice_is(s, "Z"))
        return true;
    int64_t sign = s.data[0] == '-' ? 1 : -1;
    if (!take_char(&s, '+') && !take_char(&s, '-'))
        return false;
    if (!take_number(&s, 2, 23, &hours) || !take_char(&s, ':') ||
        !take_number(&s, 2, 59, &minutes) || s.size > 0)
        return false;
    *ms += sign * (hours * 3600000 + minutes * 60000);
    return true;
}

/* 2026-02-14 or 2026-02-14T10:20:30[.123][Z|+01:00] */
static bool parse_date(struct slice s, int64_t *ret_ms)
{
    int64_t year;
    int64_t month;
    int64_t day;
    int64_t hour;
    int64_t minute;
    int64_t second;
    if (!take_number(&s, 4, 9999, &year) || !take_char(&s, '-') ||
        !take_number(&s, 2, 12, &month) || !take_char(&s, '-') || !take_number(&s, 2, 31, &day) ||
        month == 0 || day == 0)
        return false;
    int64_t ms = days_of(year, month, day) * DAY_MS;
    if (s.size == 0) {
        *ret_ms = ms;
        return true;
    }
    if ((!take_char(&s, 'T') && !take_char(&s, ' ')) || !take_number(&s, 2, 23, &hour) ||
        !take_char(&s, ':') || !take_number(&s, 2, 59, &minute) || !take_char(&s, ':') ||
        !take_number(&s, 2, 60, &second))
        return false;
    ms += hour * 3600000 + minute * 60000 + second * 1000;
    if (!parse_zone(s, &ms))
        return false;
    *ret_ms = ms;
    return true;
}

/* base_ms: what a duration without a sign comes after; negative: none may stand here. */
static bool parse_time(struct slice s, int64_t now_ms, int64_t base_ms, int64_t *ret_ms)
{
    int64_t number;
    if (parse_digits(s, &number)) {
        bool seconds = s.size == 9 || s.size == 10;
        *ret_ms = seconds ? number * 1000 : number;
        return seconds || s.size == 13;
    }
    if (parse_date(s, ret_ms))
        return true;
    bool before = take_char(&s, '-');
    if (!offset_duration_parse(s, &number) || (!before && base_ms < 0))
        return false;
    *ret_ms = before ? now_ms - number : base_ms + number;
    return true;
}

static bool parse_times(struct slice s, int64_t now_ms, struct offset_range *range)
{
    int64_t from = -1;
    int64_t until = -1;
    if (parse_time(s, now_ms, -1, &from)) {
        range->from = (struct offset_point){OFFSET_AT_TIME, from};
        return true;
    }
    for (size_t i = 0; i < s.size; i++) {
        struct slice left = slice_first(s, i);
        struct slice right = slice_from(s, i + 1);
        if (s.data[i] != ':' || (left.size > 0 && !parse_time(left, now_ms, -1, &from)))
            continue;
        bool to_end = slice_is(right, "end");
        if (!to_end && right.size > 0 && !parse_time(right, now_ms, from, &until))
            continue;
        if (left.size > 0)
            range->from = (struct offset_point){OFFSET_AT_TIME, from};
        if (to_end)
            range->until = (struct offset_point){OFFSET_BEFORE_END, 0};
        else if (right.size > 0)
            range->until = (struct offset_point){OFFSET_AT_TIME, until};
        return left.size > 0 || right.size > 0;
    }
    return false;
}

/* ---- offsets ---- */

static bool parse_point(struct slice s, struct offset_point *ret_point)
{
    if (slice_is(s, "start") || slice_is(s, "beginning") || slice_is(s, "earliest"))
        *ret_point = (struct offset_point){OFFSET_AFTER_START, 0};
    else if (slice_is(s, "end") || slice_is(s, "latest"))
        *ret_point = (struct offset_point){OFFSET_BEFORE_END, 0};
    else if (parse_digits(s, &ret_point->number))
        ret_point->kind = OFFSET_AT;
    else if (s.size > 1 && s.data[0] == '+' && parse_digits(slice_from(s, 1), &ret_point->number))
        ret_point->kind = OFFSET_AFTER_START;
    else if (s.size > 1 && s.data[0] == '-' && parse_digits(slice_from(s, 1), &ret_point->number))
        ret_point->kind = OFFSET_BEFORE_END;
    else
        return false;
    return true;
}

/* kcat's s@MS and e@MS. */
static bool parse_kcat(struct slice s, int64_t now_ms, struct offset_range *range)
{
    while (s.size > 0) {
        const uint8_t *comma = memchr(s.data, ',', s.size);
        size_t size = comma != NULL ? (size_t)(comma - s.data) : s.size;
        struct slice part = slice_first(s, size);
        int64_t ms;
        if (part.size < 3 || part.data[1] != '@' ||
            !parse_time(slice_from(part, 2), now_ms, -1, &ms))
            return false;
        if (part.data[0] == 's')
            range->from = (struct offset_point){OFFSET_AT_TIME, ms};
        else if (part.data[0] == 'e')
            range->until = (struct offset_point){OFFSET_AT_TIME, ms};
        else
            return false;
        s = slice_from(s, size + 1);
    }
    return true;
}

static bool parse_offsets(struct slice s, struct offset_range *range)
{
    const uint8_t *colon = s.size > 0 ? memchr(s.data, ':', s.size) : NULL;
    if (colon == NULL)
        return parse_point(s, &range->from);
    size_t at = (size_t)(colon - s.data);
    struct slice left = slice_first(s, at);
    struct slice right = slice_from(s, at + 1);
    if (left.size + right.size == 0)
        return false;
    return (left.size == 0 || parse_point(left, &range->from)) &&
           (right.size == 0 || parse_point(right, &range->until));
}

bool offset_range_parse(const char *text, int64_t now_ms, struct offset_range *ret_range,
                        struct text *error)
{
    struct offset_range range = {.from = {OFFSET_AFTER_START, 0}, .until = {OFFSET_OPEN, 0}};
    struct slice s = slice_of_text(text);
    bool ok = false;
    if (s.size > 1 && s.data[0] == '@')
        ok = parse_times(slice_from(s, 1), now_ms, &range);
    else if (s.size > 2 && s.data[1] == '@')
        ok = parse_kcat(s, now_ms, &range);
    else
        ok = parse_offsets(s, &range);
    if (ok)
        *ret_range = range;
    else
        text_printf(error,
                    "%s is no offset: try start, end, 42, -10, +5, 10:20, :end, @-1h or "
                    "@2026-02-14:1h",
                    text);
    return ok;
}

static int64_t resolve(struct offset_point point, const struct offset_bounds *bounds,
                       int64_t time_offset)
{
    switch (point.kind) {
    case OFFSET_AT:
        return point.number;
    case OFFSET_AFTER_START:
        return bounds->low + point.number;
    case OFFSET_BEFORE_END:
        return MAX_OF(bounds->low, bounds->high - point.number);
    case OFFSET_AT_TIME:
        return time_offset >= 0 ? time_offset : bounds->high;
    case OFFSET_OPEN:
        break;
    }
    return INT64_MAX;
}

void offset_range_resolve(const struct offset_range *range, const struct offset_bounds *bounds,
                          int64_t *ret_from, int64_t *ret_until)
{
    *ret_from = resolve(range->from, bounds, bounds->from_time);
    *ret_until = resolve(range->until, bounds, bounds->until_time);
}
