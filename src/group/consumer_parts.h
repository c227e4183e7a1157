/* Sets of partitions as members of consumer groups have them: sorted by topic id and partition,
 * each with the epoch in which the member got it. Immutable once made. One thread. */
#ifndef GROUP_CONSUMER_PARTS_H
#define GROUP_CONSUMER_PARTS_H

#include "base/arena.h"
#include "base/uuid.h"

struct consumer_part {
    struct uuid topic;
    int32_t partition;
    int32_t epoch; /* not part of its identity */
};

struct consumer_parts {
    int count;
    struct consumer_part *at;
};

/* <0, 0, >0, by topic and partition. */
int consumer_part_compare(const struct consumer_part *, const struct consumer_part *);
/* Sorts, and drops what is there twice. */
void consumer_parts_sort(struct consumer_parts *);
/* NULL: it is not in the set. */
const struct consumer_part *consumer_parts_find(const struct consumer_parts *,
                                                const struct consumer_part *);
/* The same partitions, whatever their epochs. */
bool consumer_parts_same(const struct consumer_parts *, const struct consumer_parts *);
/* The same partitions with the same epochs. */
bool consumer_parts_equal(const struct consumer_parts *, const struct consumer_parts *);
/* A copy on the heap, which the caller frees (parts.at; NULL when empty). false: memory is out. */
bool consumer_parts_copy(const struct consumer_parts *, struct consumer_parts *ret_copy);
/* Room for so many in an arena without a limit, with count 0. */
struct consumer_parts consumer_parts_room(struct arena *, int capacity);
/* There must be room. */
void consumer_parts_append(struct consumer_parts *, const struct consumer_parts *more);

/* The part of a set that is one topic's. */
struct consumer_run {
    int first;
    int count;
};
/* The run that begins at `from`; count 0 at the end. */
struct consumer_run consumer_parts_run(const struct consumer_parts *, int from);
int consumer_parts_topics(const struct consumer_parts *);
/* The numbers of a run, and their epochs, as arrays of the arena; NULL: memory is out. */
int32_t *consumer_run_partitions(struct arena *, const struct consumer_parts *,
                                 struct consumer_run);
int32_t *consumer_run_epochs(struct arena *, const struct consumer_parts *, struct consumer_run);

#endif
