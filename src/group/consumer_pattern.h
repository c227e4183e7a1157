/* Patterns that members subscribe to: which topics they match is found beside the heartbeats, step
 * by step, and recorded. On the partition's shard. */
#ifndef GROUP_CONSUMER_PATTERN_H
#define GROUP_CONSUMER_PATTERN_H

#include "group/consumer_int.h"

/* Why the text is no regular expression, in the arena; NULL: it is one. */
const char *consumer_pattern_fault(struct slice text, struct arena *);
/* The member, whose profile is recorded, had another pattern before. true: the topics of what it
 * has now are known, or it has none. */
bool consumer_pattern_changed(const struct consumer_member *, struct slice before,
                              const struct consumer_writer *);
/* Begins to look for topics where patterns are new, topics are, or the last time is long ago. */
void consumer_patterns_consider(struct consumer_group *);
/* Gives up what is under way. */
void consumer_resolution_stop(struct consumer_group *);

#endif
