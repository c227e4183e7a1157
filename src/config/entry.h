/* What DescribeConfigs tells about one key: value, where it comes from, and the keys that would
 * have given it. Built by config/node.h and config/topic.h, handed out by callback. Any thread. */
#ifndef CONFIG_ENTRY_H
#define CONFIG_ENTRY_H

#include "config/value.h"

struct config_synonym {
    const char *name;
    struct slice value; /* null: sensitive or not set */
    enum config_source source;
};

/* Three broker keys in four layers, and the topic's own. */
#define CONFIG_ENTRY_SYNONYMS_MAX (CONFIG_SYNONYMS_MAX * 4 + 1)

struct config_entry {
    const struct config_row *row; /* NULL: a key nobody knows, from the file */
    struct slice name;
    struct slice value; /* null: sensitive, or the value is null */
    enum config_source source;
    bool read_only;
    bool sensitive;
    struct config_synonym synonyms[CONFIG_ENTRY_SYNONYMS_MAX]; /* most specific first */
    size_t synonym_count;
};

/* The entry and its slices end with the call. false stops. */
typedef bool (*config_entry_fn)(void *context, const struct config_entry *);

#endif
