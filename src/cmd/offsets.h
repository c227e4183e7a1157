/* Where consuming begins and ends, as -o says it (the words of rpk and of kcat):
 *
 *   start beginning      from the oldest record         end          from now on
 *   N                    from offset N                  +N           N after the oldest
 *   -N                   the last N                     N:M :M N:    from N up to, without, M
 *   :end N:end           up to what is there now        @T           from a time on
 *   @T1:T2 @:T2 @T:end   between two times              s@MS e@MS    kcat's two, may be combined
 *
 * A time is milliseconds (13 digits), seconds (9 or 10), 2026-02-14, 2026-02-14T10:00:00Z, or a
 * duration: -1h before now; after T1 as T2: @2026-02-14:1h. Pure. */
#ifndef CMD_OFFSETS_H
#define CMD_OFFSETS_H

#include "base/attr.h"
#include "base/text.h"

enum offset_kind {
    OFFSET_OPEN,        /* as an end: never */
    OFFSET_AT,          /* the number itself */
    OFFSET_AFTER_START, /* number after the log start offset */
    OFFSET_BEFORE_END,  /* number before the high watermark */
    OFFSET_AT_TIME,     /* the first record at or after number, in ms */
};

struct offset_point {
    enum offset_kind kind;
    int64_t number;
};

struct offset_range {
    struct offset_point from;
    struct offset_point until; /* exclusive */
};

/* now_ms: the wall clock, for durations. false: *error has one sentence. */
MUST_USE bool offset_range_parse(const char *text, int64_t now_ms, struct offset_range *ret_range,
                                 struct text *error);

/* 1h30m, 90s, 500ms, 2d: one or more numbers with units. false: it is none. */
MUST_USE bool offset_duration_parse(struct slice, int64_t *ret_ms);

/* What a partition's range is, given its watermarks and what its times turned out to be. */
struct offset_bounds {
    int64_t low;
    int64_t high;
    int64_t from_time; /* offset of an OFFSET_AT_TIME point; -1: none that late */
    int64_t until_time;
};
/* *ret_until is INT64_MAX where it is open. */
void offset_range_resolve(const struct offset_range *, const struct offset_bounds *,
                          int64_t *ret_from, int64_t *ret_until);

#endif
