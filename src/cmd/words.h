/* What flags of the group and transaction commands say, parsed. Pure. Any thread. */
#ifndef CMD_WORDS_H
#define CMD_WORDS_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/text.h"

/* "a,b,c" in the arena; empty parts are passed over. false: out of memory. */
MUST_USE bool words_split(struct slice, struct arena *, struct slice **ret_words, int *ret_count);

/* "1,2,3" in the arena; "" is none. false: it is something else, or memory is out. */
MUST_USE bool words_numbers_parse(const char *text, struct arena *, int64_t **ret_numbers,
                                  int32_t *ret_count);

/* "orders" (all partitions), "orders:3" or "orders:0,1,7". */
struct words_topic {
    struct slice topic;
    int32_t *partitions; /* in order, each once */
    int partition_count; /* -1: all */
};
/* false: it is none of these, or memory is out. */
MUST_USE bool words_topic_parse(const char *text, struct arena *, struct words_topic *ret_topic);
bool words_topic_has(const struct words_topic *, struct slice topic, int32_t partition);

/* A line of a file of offsets: topic, partition and offset with blanks, tabs or commas between. */
struct words_offset {
    struct slice topic;
    int32_t partition;
    int64_t offset;
};
enum words_line { WORDS_LINE_OFFSET, WORDS_LINE_EMPTY, WORDS_LINE_WRONG };
/* Empty are also lines that begin with #, and those with - for the offset: none is committed. */
enum words_line words_offset_parse(struct slice line, struct words_offset *ret_offset);

/* Where a group is to begin. */
enum words_place {
    WORDS_START,
    WORDS_END,
    WORDS_OFFSET, /* number */
    WORDS_SHIFT,  /* number after (or before) what is committed */
    WORDS_TIME,   /* number: milliseconds since 1970 */
};
struct words_target {
    enum words_place place;
    int64_t number;
};
/* start, end, 42, +5, -5, @time as consume -o knows it. false: none of these. */
MUST_USE bool words_target_parse(const char *text, int64_t now_ms, struct words_target *ret_target);

/* What a target comes to within a partition; *ret_clamped: it would lie outside. committed: -1:
 * none; of_time: -1: no record that late. false: a shift of what has no committed offset. */
struct words_bounds {
    int64_t low;
    int64_t high;
    int64_t committed;
    int64_t of_time;
};
MUST_USE bool words_target_resolve(struct words_target, const struct words_bounds *,
                                   int64_t *ret_offset, bool *ret_clamped);

#endif
