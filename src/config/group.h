/* Settings of a group: which there are, what they must be, and what they come to. Sentences are
 * Kafka's. Any thread. */
#ifndef CONFIG_GROUP_H
#define CONFIG_GROUP_H

#include "config/entry.h"
#include "config/node.h"
#include "config/topic.h"

/* All that is set for a group, as it would be. false: *error has the sentence for an INVALID_CONFIG
 * answer. */
MUST_USE bool group_config_check(const struct node_config *, struct config_pairs,
                                 struct text *error);
/* Every key of groups, with those of the broker that give it where it is not set. layers: the
 * broker's. */
void group_config_describe(const struct node_config *, const struct config_layers *layers,
                           struct config_pairs, config_entry_fn, void *context);

#endif
