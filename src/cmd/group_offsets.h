/* What group seek, delete and offset-delete share. One thread. */
#ifndef CMD_GROUP_OFFSETS_H
#define CMD_GROUP_OFFSETS_H

#include "cmd/group.h"
#include "cmd/group_model.h"
#include "cmd/words.h"

/* The values of --topics, in the arena. false: an error line was written. */
MUST_USE bool group_topics_read(struct admin *, struct words_topic **ret_topics, int *ret_count);
/* What is committed; -1: none. */
int64_t group_committed(const struct group *, struct slice topic, int32_t partition);
/* A refusal, with a hint of what to do about it. */
void group_report(struct admin *, const char *what, int code, struct slice message);

#endif
