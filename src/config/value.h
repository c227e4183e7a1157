/* One configuration value: from text, checked by its row, and back to the text that Kafka would
 * show. Error texts are Kafka's own wording, because clients and people compare them. Any
 * thread. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "base/attr.h"
#include "base/slice.h"
#include "base/text.h"
#include "tbl/configs.h"

/* DescribeConfigs' ConfigSource. */
enum config_source {
    CONFIG_SOURCE_UNKNOWN = 0,
    CONFIG_SOURCE_TOPIC = 1,          /* set on the topic */
    CONFIG_SOURCE_BROKER = 2,         /* set on this broker while running */
    CONFIG_SOURCE_DEFAULT_BROKER = 3, /* set for all brokers while running */
    CONFIG_SOURCE_STATIC_BROKER = 4,  /* the file or --set */
    CONFIG_SOURCE_DEFAULT = 5,        /* the row's default */
    CONFIG_SOURCE_GROUP = 8,          /* set on the group */
};

struct config_value {
    bool is_null;
    int64_t number;    /* BOOLEAN (0, 1), SHORT, INT, LONG */
    double real;       /* DOUBLE */
    struct slice text; /* STRING, LIST, CLASS, PASSWORD: trimmed, borrowed from the input */
};

/* A name and its value, both borrowed; the value may be the null slice. */
struct config_pair {
    struct slice name;
    struct slice value;
};

struct config_pairs {
    const struct config_pair *at;
    size_t count;
};

/* The last pair of that name, or NULL. */
const struct config_pair *config_pairs_find(struct config_pairs, struct slice name);

/* Parses and checks. false: *error holds one sentence, e.g. "Invalid value 1 for configuration
 * segment.bytes: Value must be at least 1048576". error may be NULL. */
MUST_USE bool config_value_parse(const struct config_row *, struct slice text,
                                 struct config_value *ret_value, struct text *error);
/* The row's default; null where it has none. */
struct config_value config_value_default(const struct config_row *);
/* As DescribeConfigs shows it (lists joined by "," without spaces, numbers in decimal); adds
 * nothing for null. */
void config_value_print(const struct config_row *, const struct config_value *, struct text *);

/* Steps through a list's parts, trimmed. Start with *rest = the list's text; false at the end. */
bool config_list_next(struct slice *rest, struct slice *ret_part);

/* Blanks (Java's: everything up to U+0020) cut from both ends. */
struct slice config_trim(struct slice);

#endif
