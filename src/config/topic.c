/* A topic's effective values. Its complication is the order in which a value is looked for: the
 * topic's override, then each broker key that stands behind the topic's, in the dynamic layers and
 * the file, with hours and minutes turned into milliseconds, then the default. Any thread. */
#include "config/topic.h"

#include "base/always.h"
#include "config/node_int.h"

#include <limits.h>

/* ---- one key's value ---- */

static const struct config_row *topic_row(struct slice name)
{
    return config_row_find(CONFIG_TOPIC, (const char *)name.data, name.size);
}

static struct slice layer_text(const struct node_config *config, const struct config_layers *layers,
                               const char *name)
{
    struct slice key = slice_of_text(name);
    const struct config_pair *pair = config_pairs_find(layers->broker, key);
    if (pair == NULL)
        pair = config_pairs_find(layers->default_broker, key);
    return pair != NULL ? pair->value : slice_of_text(node_config_setting(config, name));
}

static int64_t unit_of(const char *broker_key)
{
    const char *dot = strrchr(broker_key, '.');
    if (dot != NULL && strcmp(dot, ".hours") == 0)
        return INT64_C(3600000);
    return dot != NULL && strcmp(dot, ".minutes") == 0 ? INT64_C(60000) : 1;
}

/* From the broker key's text to the topic key's value. false: not set, or not a value. */
static bool broker_value(const struct node_config *config, const struct config_layers *layers,
                         const char *name, struct config_value *ret_value)
{
    const struct config_row *row = config_row_find(CONFIG_BROKER, name, strlen(name));
    ALWAYS(row != NULL, "a topic key has the synonym %s, which has no row", name);
    struct slice text = layer_text(config, layers, name);
    if (slice_is_null(text) || !config_value_parse(row, text, ret_value, NULL))
        return false;
    bool is_retention = strncmp(name, "log.retention.", 14) == 0 && row->type != CONFIG_LONG;
    if (is_retention && ret_value->number < 0)
        ret_value->number = -1;
    else
        ret_value->number *= unit_of(name);
    return true;
}

/* Without the topic's own override. */
static struct config_value inherited_value(const struct node_config *config,
                                           const struct config_layers *layers,
                                           const struct config_row *row)
{
    struct config_value value;
    for (size_t i = 0; i < CONFIG_SYNONYMS_MAX && row->synonyms[i] != NULL; i++)
        if (broker_value(config, layers, row->synonyms[i], &value))
            return value;
    return config_value_default(row);
}

static struct config_value effective_value(const struct node_config *config,
                                           const struct config_layers *layers,
                                           const struct config_row *row)
{
    struct config_value value;
    const struct config_pair *pair = config_pairs_find(layers->topic, slice_of_text(row->name));
    if (pair != NULL && !slice_is_null(pair->value) &&
        config_value_parse(row, pair->value, &value, NULL))
        return value;
    return inherited_value(config, layers, row);
}

/* ---- the struct ---- */

struct field {
    const char *key;
    size_t offset;
    size_t size;
};

#define FIELD(member, key_name) \
    { \
        .key = (key_name), .offset = offsetof(struct topic_config, member), \
        .size = sizeof(((struct topic_config *)0)->member) \
    }

static const struct field fields[] = {
    FIELD(compression_gzip_level, "compression.gzip.level"),
    FIELD(compression_lz4_level, "compression.lz4.level"),
    FIELD(compression_zstd_level, "compression.zstd.level"),
    FIELD(delete_retention_ms, "delete.retention.ms"),
    FIELD(file_delete_delay_ms, "file.delete.delay.ms"),
    FIELD(flush_messages, "flush.messages"),
    FIELD(flush_ms, "flush.ms"),
    FIELD(index_interval_bytes, "index.interval.bytes"),
    FIELD(local_retention_bytes, "local.retention.bytes"),
    FIELD(local_retention_ms, "local.retention.ms"),
    FIELD(max_compaction_lag_ms, "max.compaction.lag.ms"),
    FIELD(max_decompressed_message_bytes, "max.decompressed.message.bytes"),
    FIELD(max_message_bytes, "max.message.bytes"),
    FIELD(message_timestamp_after_max_ms, "message.timestamp.after.max.ms"),
    FIELD(message_timestamp_before_max_ms, "message.timestamp.before.max.ms"),
    FIELD(min_cleanable_dirty_ratio, "min.cleanable.dirty.ratio"),
    FIELD(min_compaction_lag_ms, "min.compaction.lag.ms"),
    FIELD(min_insync_replicas, "min.insync.replicas"),
    FIELD(preallocate, "preallocate"),
    FIELD(remote_log_copy_disable, "remote.log.copy.disable"),
    FIELD(remote_log_delete_on_disable, "remote.log.delete.on.disable"),
    FIELD(remote_storage_enable, "remote.storage.enable"),
    FIELD(retention_bytes, "retention.bytes"),
    FIELD(retention_ms, "retention.ms"),
    FIELD(segment_bytes, "segment.bytes"),
    FIELD(segment_index_bytes, "segment.index.bytes"),
    FIELD(segment_jitter_ms, "segment.jitter.ms"),
    FIELD(segment_ms, "segment.ms"),
    FIELD(unclean_leader_election_enable, "unclean.leader.election.enable"),
};

static const struct field *find_field(const char *key)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        if (strcmp(fields[i].key, key) == 0)
            return &fields[i];
    return NULL;
}

static void store_number(struct topic_config *config, const struct field *field,
                         const struct config_row *row, const struct config_value *value)
{
    char *at = (char *)config + field->offset;
    int32_t narrow = (int32_t)value->number;
    bool flag = value->number != 0;
    const void *from = row->type == CONFIG_INT       ? (const void *)&narrow
                       : row->type == CONFIG_BOOLEAN ? (const void *)&flag
                       : row->type == CONFIG_DOUBLE  ? (const void *)&value->real
                                                     : (const void *)&value->number;
    size_t size = row->type == CONFIG_INT       ? sizeof narrow
                  : row->type == CONFIG_BOOLEAN ? sizeof flag
                                                : sizeof value->number;
    ALWAYS(size == field->size, "the field of %s has %zu bytes, its type %zu", row->name,
           field->size, size);
    memcpy(at, from, size);
}

static void store_policy(struct topic_config *config, struct slice list)
{
    struct slice part;
    config->cleanup_compact = false;
    config->cleanup_delete = false;
    while (config_list_next(&list, &part)) {
        config->cleanup_compact |= slice_is(part, "compact");
        config->cleanup_delete |= slice_is(part, "delete");
    }
}

static enum topic_compression compression_of(struct slice name)
{
    static const char *const names[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (slice_is(name, names[i]))
            return (enum topic_compression)i;
    return TOPIC_COMPRESSION_PRODUCER;
}

static void store_value(struct topic_config *config, const struct config_row *row,
                        const struct config_value *value)
{
    const struct field *field = find_field(row->name);
    if (field != NULL) {
        store_number(config, field, row, value);
    } else if (strcmp(row->name, "cleanup.policy") == 0) {
        store_policy(config, value->text);
    } else if (strcmp(row->name, "compression.type") == 0) {
        config->compression_type = compression_of(value->text);
    } else if (strcmp(row->name, "message.timestamp.type") == 0) {
        config->message_timestamp_log_append = slice_is(value->text, "LogAppendTime");
    } else if (strcmp(row->name, "internal.segment.bytes") == 0 && !value->is_null) {
        config->segment_bytes = (int32_t)value->number;
    }
}

static void make_all(const struct node_config *node, const struct config_layers *layers,
                     struct topic_config *ret_config)
{
    const struct config_row *row;
    *ret_config = (struct topic_config){0};
    for (size_t i = 0; (row = config_row_at(i)) != NULL; i++) {
        if (row->scope != CONFIG_TOPIC || row->internal)
            continue;
        struct config_value value = effective_value(node, layers, row);
        store_value(ret_config, row, &value);
    }
}

static void apply(const struct config_row *row, const struct config_pairs *pairs,
                  struct topic_config *config)
{
    struct config_value value;
    const struct config_pair *pair = config_pairs_find(*pairs, slice_of_text(row->name));
    if (pair != NULL && !slice_is_null(pair->value) &&
        config_value_parse(row, pair->value, &value, NULL))
        store_value(config, row, &value);
}

/* The internal segment size last, since it wins. */
void topic_config_override(const struct config_pairs *pairs, struct topic_config *config)
{
    static const char internal_segment[] = "internal.segment.bytes";
    for (size_t i = 0; i < pairs->count; i++) {
        struct slice name = pairs->at[i].name;
        const struct config_row *row = topic_row(name);
        if (row != NULL && !row->internal)
            apply(row, pairs, config);
    }
    const struct config_row *last =
        config_row_find(CONFIG_TOPIC, internal_segment, sizeof internal_segment - 1);
    ALWAYS(last != NULL, "%s has no row", internal_segment);
    apply(last, pairs, config);
}

void topic_config_make(const struct node_config *node, const struct config_layers *layers,
                       struct topic_config *ret_config)
{
    make_all(node, layers, ret_config);
    topic_config_override(&layers->topic, ret_config);
}

/* ---- checks ---- */

/* All nulls are named in one sentence. */
static bool check_nulls(struct config_pairs pairs, struct text *error)
{
    const char *before = "Null value not supported for topic configs: ";
    bool ok = true;
    for (size_t i = 0; i < pairs.count; i++) {
        if (!slice_is_null(pairs.at[i].value))
            continue;
        text_printf(error, "%s%.*s", before, SLICE_ARG(pairs.at[i].name));
        before = ",";
        ok = false;
    }
    return ok;
}

/* In Kafka's order: nulls, then names, then values. */
static bool check_pairs(struct config_pairs pairs, struct text *error)
{
    struct config_value value;
    if (!check_nulls(pairs, error))
        return false;
    for (size_t i = 0; i < pairs.count; i++) {
        if (topic_row(pairs.at[i].name) != NULL)
            continue;
        text_printf(error, "Unknown topic config name: %.*s", SLICE_ARG(pairs.at[i].name));
        return false;
    }
    for (size_t i = 0; i < pairs.count; i++)
        if (!config_value_parse(topic_row(pairs.at[i].name), pairs.at[i].value, &value, error))
            return false;
    return true;
}

bool topic_config_check(const struct node_config *node, const struct config_layers *layers,
                        struct text *error)
{
    if (!check_pairs(layers->topic, error))
        return false;
    struct topic_config config;
    topic_config_make(node, layers, &config);
    if (config.min_compaction_lag_ms > config.max_compaction_lag_ms) {
        text_printf(error,
                    "conflict topic config setting min.compaction.lag.ms (%lld) > "
                    "max.compaction.lag.ms (%lld)",
                    (long long)config.min_compaction_lag_ms,
                    (long long)config.max_compaction_lag_ms);
        return false;
    }
    if (config.remote_storage_enable) {
        text_printf(error, "Tiered Storage functionality is disabled in the broker. Topic cannot "
                           "be configured with remote log storage.");
        return false;
    }
    return true;
}

/* ---- DescribeConfigs of a topic ---- */

static bool describe_one(const struct node_config *node, const struct config_layers *layers,
                         const struct config_row *row, config_entry_fn on_entry, void *context)
{
    struct config_entry entry = {.row = row,
                                 .name = slice_of_text(row->name),
                                 .source = CONFIG_SOURCE_DEFAULT,
                                 .sensitive = config_row_is_sensitive(row)};
    struct text printed;
    text_init(&printed, 65536);
    struct config_value value = effective_value(node, layers, row);
    config_value_print(row, &value, &printed);
    entry.value = value.is_null ? (struct slice){0} : text_slice(&printed);
    if (config_pairs_find(layers->topic, entry.name) != NULL)
        entry.synonyms[entry.synonym_count++] = (struct config_synonym){
            .name = row->name, .value = entry.value, .source = CONFIG_SOURCE_TOPIC};
    if (row->synonyms[0] != NULL)
        node_config_synonyms(node, layers, row->synonyms[0], &entry);
    if (entry.synonym_count > 0)
        entry.source = entry.synonyms[0].source;
    bool go_on = on_entry(context, &entry);
    text_fini(&printed);
    return go_on;
}

void topic_config_describe(const struct node_config *node, const struct config_layers *layers,
                           struct slice name, config_entry_fn on_entry, void *context)
{
    const struct config_row *row;
    for (size_t i = 0; (row = config_row_at(i)) != NULL; i++) {
        struct slice key = slice_of_text(row->name);
        bool shown = !row->internal || config_pairs_find(layers->topic, key) != NULL;
        if (row->scope != CONFIG_TOPIC || !shown ||
            (!slice_is_null(name) && !slice_equal(name, key)))
            continue;
        if (!describe_one(node, layers, row, on_entry, context))
            return;
    }
}
