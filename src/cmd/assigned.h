/* The partitions that a member of a group reads: how far each is, what of that is to be committed,
 * and whether its end was reached. Pure. One thread. */
#ifndef CMD_ASSIGNED_H
#define CMD_ASSIGNED_H

#include "base/attr.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct assigned_partition {
    char *topic;
    int32_t partition;
    int64_t next;   /* offset behind what was read; -1: nothing was */
    int64_t stored; /* what was handed on to be committed; -1: nothing */
    int64_t end;    /* the high watermark as it was when reading began; -1: not known */
    int64_t high;   /* the newest high watermark; -1: not known */
    bool at_end;    /* it has been at its end */
};

struct assigned {
    struct assigned_partition *list;
    size_t count;
    size_t capacity;
    bool ever; /* there was an assignment, if of nothing */
};

void assigned_fini(struct assigned *);
/* One that is there already stays as it is. false: out of memory. */
MUST_USE bool assigned_add(struct assigned *, const char *topic, int32_t partition);
void assigned_remove(struct assigned *, const char *topic, int32_t partition);
/* NULL: not assigned. */
struct assigned_partition *assigned_find(struct assigned *, const char *topic, int32_t partition);

/* A record was read. high: the partition's high watermark; negative: unknown. */
void assigned_read(struct assigned_partition *, int64_t offset, int64_t high);
/* There is nothing behind this offset at present. */
void assigned_reach_end(struct assigned_partition *, int64_t offset);
/* Whether each has been at its end. */
bool assigned_all_ended(const struct assigned *);
/* Of those where it is known; -1: of none. */
int64_t assigned_lag(const struct assigned *);

#endif
