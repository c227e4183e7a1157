/* DescribeConfigs of a broker, in Kafka's sense: a key's value comes from the most specific of four
 * layers; keys that mean the same (log.retention.ms, .minutes, .hours) are its synonyms; those more
 * specific than the key itself are left out of its list. Any thread. */
#include "config/dynamic.h"
#include "config/node_int.h"

/* Keys that stand for one another, in order of precedence. */
static const char *const families[][CONFIG_SYNONYMS_MAX] = {
    {"log.roll.ms", "log.roll.hours", NULL},
    {"log.roll.jitter.ms", "log.roll.jitter.hours", NULL},
    {"log.flush.interval.ms", "log.flush.scheduler.interval.ms", NULL},
    {"log.retention.ms", "log.retention.minutes", "log.retention.hours"},
};

static bool is_member(const char *const family[CONFIG_SYNONYMS_MAX], const char *name)
{
    for (size_t i = 0; i < CONFIG_SYNONYMS_MAX && family[i] != NULL; i++)
        if (strcmp(family[i], name) == 0)
            return true;
    return false;
}

/* The scheduler's interval lends its value to log.flush.interval.ms, not the other way round. */
static const char *const *family_of(const char *name)
{
    if (strcmp(name, "log.flush.scheduler.interval.ms") == 0)
        return NULL;
    for (size_t i = 0; i < COUNT_OF(families); i++)
        if (is_member(families[i], name))
            return families[i];
    return NULL;
}

static void add_synonym(struct config_entry *entry, const char *name, struct slice value,
                        enum config_source source)
{
    if (entry->synonym_count < CONFIG_ENTRY_SYNONYMS_MAX)
        entry->synonyms[entry->synonym_count++] =
            (struct config_synonym){.name = name, .value = value, .source = source};
}

static void add_from_pairs(struct config_entry *entry, struct config_pairs pairs, const char *name,
                           enum config_source source)
{
    const struct config_pair *pair = config_pairs_find(pairs, slice_of_text(name));
    if (pair != NULL)
        add_synonym(entry, name, entry->sensitive ? (struct slice){0} : pair->value, source);
}

static void add_from_layer(const struct node_config *config, const struct config_layers *layers,
                           const char *name, enum config_source source, struct config_entry *entry)
{
    const struct config_row *row = config_row_find(CONFIG_BROKER, name, strlen(name));
    switch (source) {
    case CONFIG_SOURCE_BROKER:
        add_from_pairs(entry, layers->broker, name, source);
        break;
    case CONFIG_SOURCE_DEFAULT_BROKER:
        add_from_pairs(entry, layers->default_broker, name, source);
        break;
    case CONFIG_SOURCE_STATIC_BROKER: {
        const char *value = node_config_setting(config, name);
        if (value != NULL)
            add_synonym(entry, name, slice_of_text(entry->sensitive ? NULL : value), source);
        break;
    }
    case CONFIG_SOURCE_DEFAULT:
        if (row == NULL)
            row = config_row_find(CONFIG_OWN, name, strlen(name));
        if (row != NULL && row->default_text != NULL)
            add_synonym(entry, name, slice_of_text(row->default_text), source);
        break;
    case CONFIG_SOURCE_TOPIC:
    case CONFIG_SOURCE_GROUP:
    case CONFIG_SOURCE_UNKNOWN:
        break;
    }
}

/* Keeps the list from the key's own name on. */
static void drop_before(struct config_entry *entry, size_t first, const char *name)
{
    size_t at = first;
    while (at < entry->synonym_count && strcmp(entry->synonyms[at].name, name) != 0)
        at++;
    size_t kept = entry->synonym_count - at;
    memmove(&entry->synonyms[first], &entry->synonyms[at], kept * sizeof entry->synonyms[0]);
    entry->synonym_count = first + kept;
}

void node_config_synonyms(const struct node_config *config, const struct config_layers *layers,
                          const char *name, struct config_entry *entry)
{
    static const enum config_source order[] = {
        CONFIG_SOURCE_BROKER,
        CONFIG_SOURCE_DEFAULT_BROKER,
        CONFIG_SOURCE_STATIC_BROKER,
        CONFIG_SOURCE_DEFAULT,
    };
    size_t first = entry->synonym_count;
    /* A key of one listener falls back to the same key of all. */
    bool of_listener = strncmp(name, "listener.name.", 14) == 0 && entry->row != NULL;
    const char *const alone[CONFIG_SYNONYMS_MAX] = {name, of_listener ? entry->row->name : NULL};
    const char *const *names = family_of(name);
    if (names == NULL)
        names = alone;
    for (size_t i = 0; i < COUNT_OF(order); i++)
        for (size_t j = 0; j < CONFIG_SYNONYMS_MAX && names[j] != NULL; j++)
            add_from_layer(config, layers, names[j], order[i], entry);
    drop_before(entry, first, name);
}

/* ---- entries ---- */

/* The key's own value, whatever stands in for it elsewhere. */
static struct slice own_value(const struct config_entry *entry, const char *name)
{
    for (size_t i = 0; i < entry->synonym_count; i++)
        if (strcmp(entry->synonyms[i].name, name) == 0)
            return entry->synonyms[i].value;
    return (struct slice){0};
}

static void keep_default_broker(struct config_entry *entry)
{
    size_t kept = 0;
    for (size_t i = 0; i < entry->synonym_count; i++)
        if (entry->synonyms[i].source == CONFIG_SOURCE_DEFAULT_BROKER)
            entry->synonyms[kept++] = entry->synonyms[i];
    entry->synonym_count = kept;
}

/* Who is told. */
struct receiver {
    config_entry_fn on_entry;
    void *context;
};

/* name is NUL-terminated. */
static bool describe_one(const struct node_config *config, const struct node_describe *what,
                         const struct config_row *row, const char *name,
                         const struct receiver *receiver)
{
    struct config_entry entry = {.row = row,
                                 .name = slice_of_text(name),
                                 .source = CONFIG_SOURCE_DEFAULT,
                                 .read_only = row == NULL || strcmp(row->name, name) != 0 ||
                                              row->update == CONFIG_READ_ONLY,
                                 .sensitive = row == NULL || config_row_is_sensitive(row)};
    struct text printed;
    text_init(&printed, 65536);
    node_config_synonyms(config, &what->layers, name, &entry);
    if (what->only_default)
        keep_default_broker(&entry);
    struct slice value = own_value(&entry, name);
    struct config_value parsed;
    if (!slice_is_null(value) && row != NULL && config_value_parse(row, value, &parsed, NULL)) {
        config_value_print(row, &parsed, &printed);
        value = text_slice(&printed);
    }
    entry.value = value;
    if (entry.synonym_count > 0)
        entry.source = entry.synonyms[0].source;
    bool go_on = receiver->on_entry(receiver->context, &entry);
    text_fini(&printed);
    return go_on;
}

static bool is_asked(const struct node_describe *what, const char *name)
{
    struct slice asked = slice_of_text(name);
    if (!slice_is_null(what->name) && !slice_equal(what->name, asked))
        return false;
    return !what->only_default || config_pairs_find(what->layers.default_broker, asked) != NULL;
}

static bool describe_rows(const struct node_config *config, const struct node_describe *what,
                          const struct receiver *receiver)
{
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        bool ours = row->scope == CONFIG_BROKER || row->scope == CONFIG_OWN;
        bool shown = !row->internal || node_config_setting(config, row->name) != NULL;
        if (!ours || !shown || !is_asked(what, row->name))
            continue;
        if (!describe_one(config, what, row, row->name, receiver))
            return false;
    }
    return true;
}

/* A key that only a dynamic layer has. */
static bool describe_pair(const struct node_config *config, const struct node_describe *what,
                          struct slice name, const struct receiver *receiver)
{
    struct text copy;
    bool go_on = true;
    text_init(&copy, 65536);
    text_add(&copy, name);
    const struct config_row *row = node_dynamic_row(name);
    const char *text = (const char *)name.data;
    bool has_row = config_row_find(CONFIG_BROKER, text, name.size) != NULL ||
                   config_row_find(CONFIG_OWN, text, name.size) != NULL;
    if (!has_row && !copy.failed && node_config_setting(config, copy.data) == NULL &&
        is_asked(what, copy.data))
        go_on = describe_one(config, what, row, copy.data, receiver);
    text_fini(&copy);
    return go_on;
}

/* What the dynamic layers have beside the rows and the file. */
static bool describe_layers(const struct node_config *config, const struct node_describe *what,
                            const struct receiver *receiver)
{
    const struct config_layers *layers = &what->layers;
    for (size_t i = 0; i < layers->broker.count; i++)
        if (!describe_pair(config, what, layers->broker.at[i].name, receiver))
            return false;
    for (size_t i = 0; i < layers->default_broker.count; i++) {
        struct slice name = layers->default_broker.at[i].name;
        if (config_pairs_find(layers->broker, name) == NULL &&
            !describe_pair(config, what, name, receiver))
            return false;
    }
    return true;
}

void node_config_describe(const struct node_config *config, const struct node_describe *what,
                          config_entry_fn on_entry, void *context)
{
    struct receiver receiver = {.on_entry = on_entry, .context = context};
    if (!describe_rows(config, what, &receiver) || !describe_layers(config, what, &receiver))
        return;
    /* What the file has beside the rows: unknown keys and those of single listeners. */
    for (size_t i = 0; i < config->setting_count; i++) {
        const struct node_setting *setting = &config->settings[i];
        bool has_row = setting->row != NULL && strcmp(setting->row->name, setting->name) == 0;
        if (has_row || !is_asked(what, setting->name))
            continue;
        if (!describe_one(config, what, setting->row, setting->name, &receiver))
            return;
    }
}
