/* Every configuration key: the 444 of Apache Kafka 4.4.0 (broker, topic and group scope) and our
 * own, which begin with "ottla.". A row is the one place where a key's type, default, limits and
 * meaning stand; the file reader, the checks, DescribeConfigs and the reference page come from it.
 * Constant data: any thread. */
#ifndef TBL_CONFIGS_H
#define TBL_CONFIGS_H

#include <stdbool.h>
#include <stddef.h>

/* The numbers are DescribeConfigs' ConfigType. */
enum config_type {
    CONFIG_BOOLEAN = 1,
    CONFIG_STRING = 2,
    CONFIG_INT = 3,
    CONFIG_SHORT = 4,
    CONFIG_LONG = 5,
    CONFIG_DOUBLE = 6,
    CONFIG_LIST = 7, /* comma-separated; defaults are written without spaces */
    CONFIG_CLASS = 8,
    CONFIG_PASSWORD = 9, /* sensitive: never shown */
};

enum config_scope { CONFIG_BROKER, CONFIG_TOPIC, CONFIG_GROUP, CONFIG_OWN };

/* How a key of a running broker may be changed; topic and group keys are always dynamic. */
enum config_update { CONFIG_READ_ONLY, CONFIG_PER_BROKER, CONFIG_CLUSTER_WIDE };

/* What setting the key does here. */
enum config_treatment {
    CONFIG_HONOURED, /* does what it says */
    CONFIG_ACCEPTED, /* checked, kept and shown, without effect: said in a warning when changed */
    CONFIG_REFUSED,  /* restricts access and is not enforced: the start is refused when changed */
    CONFIG_JVM,      /* names a Java class or concerns the Java machine: named in a warning */
};

enum config_check {
    CHECK_NONE,
    CHECK_RANGE,       /* min .. max, either may be infinite */
    CHECK_RANGE_OR,    /* min .. max, or -1 */
    CHECK_WORDS,       /* a STRING: one of `words`; a LIST: each of its parts */
    CHECK_WORDS_ANY,   /* as CHECK_WORDS, upper and lower case alike */
    CHECK_NON_EMPTY,   /* a text or list that is set has something in it */
    CHECK_THROTTLED,   /* partition:broker,... or * or nothing */
    CHECK_OFFSET_RESET /* latest, earliest or by_duration:<ISO-8601 duration> */
};

#define CONFIG_SYNONYMS_MAX 3

struct config_row {
    const char *name;
    const char *default_text; /* NULL: null, or required */
    const char *doc;          /* one sentence */
    const char *words;        /* CHECK_WORDS*: separated by ", " in Kafka's order */
    double min;
    double max;
    /* TOPIC: the broker keys that give its default, in order of precedence. */
    const char *synonyms[CONFIG_SYNONYMS_MAX];
    enum config_type type;
    enum config_scope scope;
    enum config_check check;
    enum config_update update;
    enum config_treatment treatment;
    bool internal; /* not shown by DescribeConfigs */
    bool required; /* no default: must be given in a file */
};

/* All rows: broker, topic, group, own scope, by subject within a scope. */
size_t config_row_count(void);
/* NULL past the end. */
const struct config_row *config_row_at(size_t index);
/* name need not be terminated. NULL when the scope has no such key. */
const struct config_row *config_row_find(enum config_scope scope, const char *name, size_t size);

static inline bool config_row_is_sensitive(const struct config_row *row)
{
    return row->type == CONFIG_PASSWORD;
}

#endif
