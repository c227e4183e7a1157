/* Which names a topic may have. Pure: any thread. */
#ifndef META_TOPIC_NAME_H
#define META_TOPIC_NAME_H

#include "base/arena.h"

/* Kafka's sentence about a name that no topic may have (in the arena), or NULL. */
const char *meta_topic_name_fault(struct slice name, struct arena *);
/* Whether two names differ in dots and underscores only: their metrics would collide. */
bool meta_topic_names_collide(struct slice a, struct slice b);

#endif
