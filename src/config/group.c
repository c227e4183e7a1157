/* See the header. A group's own value lies over that of the broker's key; bounds for it are the
 * broker's too. Any thread. */
#include "config/group.h"

#include "base/always.h"
#include "config/dynamic.h"

#include <inttypes.h>
#include <stdio.h>

/* A key, and those of the broker that bound it. */
static const struct bounded {
    const char *name;
    const char *min; /* NULL: none */
    const char *max;
} bounded[] = {
    {"consumer.heartbeat.interval.ms", "group.consumer.min.heartbeat.interval.ms",
     "group.consumer.max.heartbeat.interval.ms"},
    {"consumer.session.timeout.ms", "group.consumer.min.session.timeout.ms",
     "group.consumer.max.session.timeout.ms"},
    {"consumer.assignment.interval.ms", "group.consumer.min.assignment.interval.ms",
     "group.consumer.max.assignment.interval.ms"},
    {"share.heartbeat.interval.ms", "group.share.min.heartbeat.interval.ms",
     "group.share.max.heartbeat.interval.ms"},
    {"share.session.timeout.ms", "group.share.min.session.timeout.ms",
     "group.share.max.session.timeout.ms"},
    {"share.record.lock.duration.ms", "group.share.min.record.lock.duration.ms",
     "group.share.max.record.lock.duration.ms"},
    {"share.delivery.count.limit", "group.share.min.delivery.count.limit",
     "group.share.max.delivery.count.limit"},
    {"share.partition.max.record.locks", "group.share.min.partition.max.record.locks",
     "group.share.max.partition.max.record.locks"},
    {"share.assignment.interval.ms", "group.share.min.assignment.interval.ms",
     "group.share.max.assignment.interval.ms"},
    {"streams.heartbeat.interval.ms", "group.streams.min.heartbeat.interval.ms",
     "group.streams.max.heartbeat.interval.ms"},
    {"streams.session.timeout.ms", "group.streams.min.session.timeout.ms",
     "group.streams.max.session.timeout.ms"},
    {"streams.num.standby.replicas", NULL, "group.streams.max.standby.replicas"},
    {"streams.assignment.interval.ms", "group.streams.min.assignment.interval.ms",
     "group.streams.max.assignment.interval.ms"},
    {"streams.task.offset.interval.ms", "group.streams.min.task.offset.interval.ms", NULL},
    {"streams.num.warmup.replicas", NULL, "group.streams.max.warmup.replicas"},
};

/* ---- checking ---- */

/* Of the broker: its file's or the default. */
static int64_t node_number(const struct node_config *config, const char *name)
{
    const struct config_row *row = config_row_find(CONFIG_BROKER, name, strlen(name));
    ALWAYS(row != NULL, "%s has no row", name);
    struct config_value value;
    struct slice text = slice_of_text(node_config_setting(config, name));
    if (!slice_is_null(text) && config_value_parse(row, text, &value, NULL))
        return value.number;
    return config_value_default(row).number;
}

/* false: it is not set. */
static bool own_number(struct config_pairs pairs, const char *name, int64_t *ret_number)
{
    const struct config_pair *pair = config_pairs_find(pairs, slice_of_text(name));
    const struct config_row *row = config_row_find(CONFIG_GROUP, name, strlen(name));
    struct config_value value;
    if (pair == NULL || row == NULL || !config_value_parse(row, pair->value, &value, NULL))
        return false;
    *ret_number = value.number;
    return true;
}

static bool check_values(struct config_pairs pairs, struct text *error)
{
    for (size_t i = 0; i < pairs.count; i++) {
        struct slice name = pairs.at[i].name;
        if (config_row_find(CONFIG_GROUP, (const char *)name.data, name.size) == NULL) {
            text_printf(error, "Unknown group config name: %.*s", SLICE_ARG(name));
            return false;
        }
    }
    for (size_t i = 0; i < pairs.count; i++) {
        struct slice name = pairs.at[i].name;
        struct config_value value;
        if (!config_value_parse(config_row_find(CONFIG_GROUP, (const char *)name.data, name.size),
                                pairs.at[i].value, &value, error))
            return false;
    }
    return true;
}

static bool check_bounds(const struct node_config *config, struct config_pairs pairs,
                         const struct bounded *bounds, struct text *error)
{
    int64_t number;
    if (!own_number(pairs, bounds->name, &number))
        return true;
    int64_t low = bounds->min != NULL ? node_number(config, bounds->min) : INT64_MIN;
    int64_t high = bounds->max != NULL ? node_number(config, bounds->max) : INT64_MAX;
    if (number >= low && number <= high)
        return true;
    if (bounds->min != NULL && bounds->max != NULL)
        text_printf(error, "%s must be in the range %" PRId64 " to %" PRId64 " inclusive.",
                    bounds->name, low, high);
    else if (bounds->max != NULL)
        text_printf(error, "%s must be less than or equal to %" PRId64, bounds->name, high);
    else
        text_printf(error, "%s must be greater than or equal to %" PRId64, bounds->name, low);
    return false;
}

/* protocol: "consumer", "share" or "streams". */
static bool check_session(const struct node_config *config, struct config_pairs pairs,
                          const char *protocol, struct text *error)
{
    char session[64];
    char heartbeat[64];
    (void)snprintf(session, sizeof session, "group.%s.session.timeout.ms", protocol);
    (void)snprintf(heartbeat, sizeof heartbeat, "group.%s.heartbeat.interval.ms", protocol);
    int64_t session_ms;
    int64_t heartbeat_ms;
    bool has_session = own_number(pairs, session + strlen("group."), &session_ms);
    bool has_heartbeat = own_number(pairs, heartbeat + strlen("group."), &heartbeat_ms);
    if (!has_session)
        session_ms = node_number(config, session);
    if (!has_heartbeat)
        heartbeat_ms = node_number(config, heartbeat);
    if ((!has_session && !has_heartbeat) || session_ms > heartbeat_ms)
        return true;
    text_printf(error, "%s must be greater than %s", session + strlen("group."),
                heartbeat + strlen("group."));
    return false;
}

bool group_config_check(const struct node_config *config, struct config_pairs pairs,
                        struct text *error)
{
    if (!check_values(pairs, error))
        return false;
    for (size_t i = 0; i < COUNT_OF(bounded); i++)
        if (!check_bounds(config, pairs, &bounded[i], error))
            return false;
    return check_session(config, pairs, "consumer", error) &&
           check_session(config, pairs, "share", error) &&
           check_session(config, pairs, "streams", error);
}

/* ---- describing ---- */

/* NULL: the broker has none. */
static const char *broker_name(const struct config_row *row, char *room, size_t size)
{
    if (strcmp(row->name, "streams.assignor.name") == 0)
        return "group.streams.assignors";
    (void)snprintf(room, size, "group.%s", row->name);
    return config_row_find(CONFIG_BROKER, room, strlen(room)) != NULL ? room : NULL;
}

static void add_synonym(struct config_entry *entry, const char *name, struct slice value,
                        enum config_source source)
{
    entry->synonyms[entry->synonym_count++] =
        (struct config_synonym){.name = name, .value = value, .source = source};
}

static void add_broker(const struct node_config *config, const struct config_layers *layers,
                       const char *name, struct config_entry *entry)
{
    const struct config_row *row = config_row_find(CONFIG_BROKER, name, strlen(name));
    const struct config_pair *pair = config_pairs_find(layers->broker, slice_of_text(name));
    if (pair != NULL)
        add_synonym(entry, name, pair->value, CONFIG_SOURCE_BROKER);
    pair = config_pairs_find(layers->default_broker, slice_of_text(name));
    if (pair != NULL)
        add_synonym(entry, name, pair->value, CONFIG_SOURCE_DEFAULT_BROKER);
    const char *text = node_config_setting(config, name);
    if (text != NULL)
        add_synonym(entry, name, slice_of_text(text), CONFIG_SOURCE_STATIC_BROKER);
    if (row->default_text != NULL)
        add_synonym(entry, name, slice_of_text(row->default_text), CONFIG_SOURCE_DEFAULT);
}

void group_config_describe(const struct node_config *config, const struct config_layers *layers,
                           struct config_pairs pairs, config_entry_fn on_entry, void *context)
{
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        if (row->scope != CONFIG_GROUP)
            continue;
        struct config_entry entry = {.row = row, .name = slice_of_text(row->name)};
        const struct config_pair *pair = config_pairs_find(pairs, entry.name);
        if (row->internal && pair == NULL)
            continue;
        char room[96];
        const char *name = broker_name(row, room, sizeof room);
        if (pair != NULL)
            add_synonym(&entry, row->name, pair->value, CONFIG_SOURCE_GROUP);
        if (name != NULL)
            add_broker(config, layers, name, &entry);
        else if (row->default_text != NULL)
            add_synonym(&entry, row->name, slice_of_text(row->default_text), CONFIG_SOURCE_DEFAULT);
        entry.source = entry.synonym_count > 0 ? entry.synonyms[0].source : CONFIG_SOURCE_DEFAULT;
        if (entry.synonym_count > 0)
            entry.value = entry.synonyms[0].value;
        if (!on_entry(context, &entry))
            return;
    }
}
