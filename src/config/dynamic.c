/* A broker's dynamic settings, judged as Kafka's brokers judge them before the controller is asked:
 * the keys by themselves first, then what the node's settings would come to with them. Its
 * complication is that some sentences are Kafka's accidents, which clients show to people: a failed
 * check of a running part is wrapped in a second "Invalid value". Any thread. */
#include "config/dynamic.h"

#include "base/always.h"
#include "config/topic.h"

#include <inttypes.h>
#include <math.h>

#define LISTENER_PREFIX "listener.name."
#define MEGABYTE 1048576

/* ---- rows ---- */

static bool has_listener(struct slice name)
{
    static const size_t size = sizeof LISTENER_PREFIX - 1;
    return name.size > size && memcmp(name.data, LISTENER_PREFIX, size) == 0;
}

/* Behind listener.name.NAME. there is the key; without a second dot there is none. */
static struct slice base_name(struct slice name)
{
    if (!has_listener(name))
        return name;
    struct slice rest = slice_from(name, sizeof LISTENER_PREFIX - 1);
    const uint8_t *dot = memchr(rest.data, '.', rest.size);
    return dot == NULL ? name : slice_from(rest, (size_t)(dot - rest.data) + 1);
}

/* Rates of replication can be set while it runs only, and so have no row of a file's key; nothing
 * is replicated here yet. */
static const struct config_row rates[] = {
    {.name = "leader.replication.throttled.rate",
     .type = CONFIG_LONG,
     .check = CHECK_RANGE,
     .max = INFINITY,
     .update = CONFIG_CLUSTER_WIDE,
     .treatment = CONFIG_ACCEPTED,
     .doc = "Most bytes a second that leaders send of throttled replicas."},
    {.name = "follower.replication.throttled.rate",
     .type = CONFIG_LONG,
     .check = CHECK_RANGE,
     .max = INFINITY,
     .update = CONFIG_CLUSTER_WIDE,
     .treatment = CONFIG_ACCEPTED,
     .doc = "Most bytes a second that followers fetch of throttled replicas."},
    {.name = "replica.alter.log.dirs.io.max.bytes.per.second",
     .type = CONFIG_LONG,
     .check = CHECK_RANGE,
     .max = INFINITY,
     .update = CONFIG_CLUSTER_WIDE,
     .treatment = CONFIG_ACCEPTED,
     .doc = "Most bytes a second that are moved between directories."},
};

const struct config_row *node_dynamic_row(struct slice name)
{
    struct slice base = base_name(name);
    for (size_t i = 0; i < COUNT_OF(rates); i++)
        if (slice_is(name, rates[i].name))
            return &rates[i];
    const char *text = (const char *)base.data;
    const struct config_row *row = config_row_find(CONFIG_BROKER, text, base.size);
    return row != NULL ? row : config_row_find(CONFIG_OWN, text, base.size);
}

/* What is bound, and who may come in by it, is settled at the start; so is what names Java
 * classes. */
static bool is_settled(const struct config_row *row)
{
    static const char *const listening[] = {"listeners", "listener.security.protocol.map"};
    for (size_t i = 0; i < COUNT_OF(listening); i++)
        if (strcmp(row->name, listening[i]) == 0)
            return true;
    return row->update == CONFIG_READ_ONLY || row->treatment == CONFIG_REFUSED ||
           row->treatment == CONFIG_JVM;
}

static bool is_fixed(struct slice name)
{
    const struct config_row *row = node_dynamic_row(name);
    return row != NULL && (has_listener(name) || is_settled(row));
}

/* Keys that Kafka lets be changed for a single listener only. */
static bool is_security(struct slice name)
{
    static const char *const keys[] = {
        "ssl.key.password",
        "ssl.keystore.certificate.chain",
        "ssl.keystore.key",
        "ssl.keystore.location",
        "ssl.keystore.password",
        "ssl.keystore.type",
        "ssl.truststore.certificates",
        "ssl.truststore.location",
        "ssl.truststore.password",
        "ssl.truststore.type",
    };
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (slice_is(name, keys[i]))
            return true;
    return false;
}

static bool is_of_one_broker(struct slice name)
{
    const struct config_row *row = node_dynamic_row(name);
    return row != NULL && row->update == CONFIG_PER_BROKER;
}

bool node_dynamic_counts(const struct config_pair *pair, bool of_all_brokers)
{
    struct config_value value;
    const struct config_row *row = node_dynamic_row(pair->name);
    if (row == NULL)
        return true;
    return !is_fixed(pair->name) && !is_security(pair->name) &&
           !(of_all_brokers && is_of_one_broker(pair->name)) &&
           config_value_parse(row, pair->value, &value, NULL);
}

/* ---- the keys ---- */

/* Names those that are so; false: there are some. */
static bool check_none(struct config_pairs pairs, bool (*is_so)(struct slice), const char *sentence,
                       struct text *error)
{
    const char *before = ": [";
    for (size_t i = 0; i < pairs.count; i++) {
        if (!is_so(pairs.at[i].name))
            continue;
        text_printf(error, "%s%s%.*s", sentence, before, SLICE_ARG(pairs.at[i].name));
        sentence = "";
        before = ", ";
    }
    if (sentence[0] != '\0')
        return true;
    text_add_char(error, ']');
    return false;
}

static bool check_values(struct config_pairs pairs, struct text *error)
{
    struct config_value value;
    for (size_t i = 0; i < pairs.count; i++) {
        const struct config_row *row = node_dynamic_row(pairs.at[i].name);
        if (row != NULL && !config_value_parse(row, pairs.at[i].value, &value, error))
            return false;
    }
    return true;
}

static bool check_pairs(const struct node_dynamic_change *change, struct text *error)
{
    struct config_pairs pairs =
        change->of_all_brokers ? change->after.default_broker : change->after.broker;
    return check_none(pairs, is_fixed, "Cannot update these configs dynamically", error) &&
           check_none(pairs, is_security,
                      "These security configs can be dynamically updated only per-listener using "
                      "the listener prefix",
                      error) &&
           check_values(pairs, error) &&
           (!change->of_all_brokers ||
            check_none(pairs, is_of_one_broker,
                       "Cannot update these configs at default cluster level, broker id must be "
                       "specified",
                       error));
}

/* ---- what the node's settings come to ---- */

static struct config_value value_of(const struct node_config *config,
                                    const struct config_layers *layers, const char *name)
{
    struct slice key = slice_of_text(name);
    const struct config_row *row = node_dynamic_row(key);
    ALWAYS(row != NULL, "%s has no row", name);
    const struct config_pair *pairs[] = {config_pairs_find(layers->broker, key),
                                         config_pairs_find(layers->default_broker, key)};
    struct config_value value;
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        if (pairs[i] != NULL && config_value_parse(row, pairs[i]->value, &value, NULL))
            return value;
    struct slice text = slice_of_text(node_config_setting(config, name));
    if (!slice_is_null(text) && config_value_parse(row, text, &value, NULL))
        return value;
    return config_value_default(row);
}

static int64_t number_of(const struct node_config *config, const struct config_layers *layers,
                         const char *name)
{
    return value_of(config, layers, name).number;
}

void node_dynamic_make(const struct node_config *config, const struct config_layers *layers,
                       struct node_dynamic *ret_values)
{
    *ret_values = (struct node_dynamic){
        .max_connections = (int32_t)number_of(config, layers, "max.connections"),
        .max_connections_per_ip = (int32_t)number_of(config, layers, "max.connections.per.ip"),
        .max_connections_per_ip_overrides =
            value_of(config, layers, "max.connections.per.ip.overrides").text,
        .max_connection_creation_rate =
            (int32_t)number_of(config, layers, "max.connection.creation.rate"),
        .producer_id_expiration_ms =
            (int32_t)number_of(config, layers, "producer.id.expiration.ms"),
        .verifies_transactions =
            value_of(config, layers, "transaction.partition.verification.enable").number != 0,
        .group_consumer_assignment_interval_ms =
            (int32_t)number_of(config, layers, "group.consumer.assignment.interval.ms"),
    };
}

/* ---- requirements ---- */

struct judgement {
    const struct node_config *config;
    const struct node_dynamic_change *change;
    struct text *error;
};

static int64_t after(const struct judgement *judgement, const char *name)
{
    return number_of(judgement->config, &judgement->change->after, name);
}

static int64_t before(const struct judgement *judgement, const char *name)
{
    return number_of(judgement->config, &judgement->change->before, name);
}

static bool require(const struct judgement *judgement, bool fine, const char *sentence)
{
    if (!fine)
        text_printf(judgement->error, "requirement failed: %s", sentence);
    return fine;
}

/* A setting without a value, or at least `low`. */
static bool is_at_least(const struct judgement *judgement, const char *name, int64_t low)
{
    struct config_value value = value_of(judgement->config, &judgement->change->after, name);
    return value.is_null || value.number >= low;
}

static bool is_host_count(struct slice entry)
{
    size_t size = entry.size;
    while (size > 0 && entry.data[size - 1] >= '0' && entry.data[size - 1] <= '9')
        size--;
    return size > 1 && size < entry.size && entry.size - size <= 9 && entry.data[size - 1] == ':';
}

static bool check_connections(const struct judgement *judgement)
{
    static const char key[] = "max.connections.per.ip.overrides";
    struct slice rest = value_of(judgement->config, &judgement->change->after, key).text;
    bool has_overrides = rest.size > 0;
    struct slice entry;
    while (has_overrides && config_list_next(&rest, &entry))
        if (!is_host_count(entry)) {
            text_printf(judgement->error,
                        "Error parsing configuration property '%s': %.*s must be host:count", key,
                        SLICE_ARG(entry));
            return false;
        }
    return require(judgement, has_overrides || after(judgement, "max.connections.per.ip") != 0,
                   "max.connections.per.ip can be set to zero only if "
                   "max.connections.per.ip.overrides property is set.");
}

static bool is_log_dir(const struct node_config *config, struct slice path)
{
    for (size_t i = 0; i < config->log_dir_count; i++)
        if (slice_is(path, config->log_dirs[i]))
            return true;
    return false;
}

static bool check_cordoned(const struct judgement *judgement)
{
    struct slice list =
        value_of(judgement->config, &judgement->change->after, "cordoned.log.dirs").text;
    struct slice rest = list;
    struct slice path;
    if (list.size == 0 || slice_is(list, "*"))
        return true;
    const char *separator = "";
    struct text missing;
    text_init(&missing, 65536);
    bool has_star = false;
    while (config_list_next(&rest, &path)) {
        has_star = has_star || slice_is(path, "*");
        if (is_log_dir(judgement->config, path))
            continue;
        text_printf(&missing, "%s%.*s", separator, SLICE_ARG(path));
        separator = ", ";
    }
    bool fine = require(judgement, !has_star,
                        "When cordoned.log.dirs is set to *, it must not contain other values");
    if (fine && missing.size > 0) {
        text_printf(judgement->error,
                    "requirement failed: All entries in cordoned.log.dirs must be present in "
                    "log.dirs or log.dir. Missing entries : %s",
                    missing.data);
        fine = false;
    }
    text_fini(&missing);
    return fine;
}

static bool check_cleaner(const struct judgement *judgement)
{
    int64_t threads = after(judgement, "log.cleaner.threads");
    int64_t memory = after(judgement, "log.cleaner.dedupe.buffer.size");
    return require(judgement, threads == 0 || memory / threads > MEGABYTE,
                   "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.");
}

static bool check_retention(const struct judgement *judgement)
{
    struct config_value retention =
        value_of(judgement->config, &judgement->change->after, "log.retention.ms");
    return require(judgement, is_at_least(judgement, "log.roll.ms", 1),
                   "log.roll.ms must be greater than or equal to 1") &&
           require(judgement, is_at_least(judgement, "log.roll.jitter.ms", 0),
                   "log.roll.jitter.ms must be greater than or equal to 0") &&
           require(judgement, retention.is_null || retention.number != 0,
                   "log.retention.ms must be unlimited (-1) or, greater than or equal to 1");
}

/* ---- what parts of a running node refuse ---- */

PRINTF_LIKE(2, 3)
static bool refuse(const struct judgement *judgement, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_printf(judgement->error, "Invalid value org.apache.kafka.common.config.ConfigException: ");
    text_vprintf(judgement->error, format, args);
    text_printf(judgement->error, " for configuration Invalid dynamic configuration");
    va_end(args);
    return false;
}

static bool check_threads(const struct judgement *judgement)
{
    static const char *const keys[] = {"num.io.threads", "num.replica.fetchers",
                                       "num.recovery.threads.per.data.dir", "background.threads",
                                       "num.network.threads"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        int64_t was = before(judgement, keys[i]);
        int64_t now = after(judgement, keys[i]);
        if (now < was / 2)
            return refuse(judgement,
                          "Dynamic thread count update validation failed for %s=%" PRId64
                          ", value should be at least half the current value %" PRId64,
                          keys[i], now, was);
        if (now > was * 2)
            return refuse(judgement,
                          "Dynamic thread count update validation failed for %s=%" PRId64
                          ", value should not be greater than double the current value %" PRId64,
                          keys[i], now, was);
    }
    return true;
}

static bool check_cleaner_threads(const struct judgement *judgement)
{
    int64_t was = before(judgement, "log.cleaner.threads");
    int64_t now = after(judgement, "log.cleaner.threads");
    if (now == was)
        return true;
    if (now < 1)
        return refuse(judgement, "Log cleaner threads should be at least 1");
    if (now < was / 2)
        return refuse(judgement,
                      "Log cleaner threads cannot be reduced to less than half the current value "
                      "%" PRId64,
                      was);
    if (now > was * 2)
        return refuse(judgement,
                      "Log cleaner threads cannot be increased to more than double the current "
                      "value %" PRId64,
                      was);
    return true;
}

/* Two settings of which one limits the other. */
struct bound {
    const char *local_key;
    const char *key;
    const char *lag_key;
    int64_t local; /* -2: as the limit */
    int64_t limit; /* -1: none */
    int64_t lag;
};

static bool check_bound(const struct judgement *judgement, const struct bound *bound)
{
    if (bound->limit > -1 && bound->local != -2) {
        if (bound->local == -1)
            return refuse(judgement,
                          "Invalid value -1 for configuration %s: Value must not be -1 as %s value "
                          "is set as %" PRId64 ".",
                          bound->local_key, bound->key, bound->limit);
        if (bound->local > bound->limit)
            return refuse(judgement,
                          "Invalid value %" PRId64 " for configuration %s: Value must not be more "
                          "than %s property value: %" PRId64,
                          bound->local, bound->local_key, bound->key, bound->limit);
    }
    int64_t effective = bound->local == -2 ? bound->limit : bound->local;
    if (effective != -1 && bound->lag > effective)
        return refuse(judgement,
                      "Invalid value %" PRId64 " for configuration %s: Value must not exceed %s "
                      "(effective value: %" PRId64 ")",
                      bound->lag, bound->lag_key, bound->local_key, effective);
    return true;
}

static void make_bounds(const struct node_config *config, const struct config_layers *layers,
                        struct bound bounds[2])
{
    struct topic_config topic;
    struct config_layers own = *layers;
    own.topic = (struct config_pairs){0};
    topic_config_make(config, &own, &topic);
    bounds[0] = (struct bound){.local_key = "log.local.retention.ms",
                               .key = "log.retention.ms",
                               .lag_key = "log.remote.copy.lag.ms",
                               .local = topic.local_retention_ms,
                               .limit = topic.retention_ms,
                               .lag = number_of(config, layers, "log.remote.copy.lag.ms")};
    bounds[1] = (struct bound){.local_key = "log.local.retention.bytes",
                               .key = "log.retention.bytes",
                               .lag_key = "log.remote.copy.lag.bytes",
                               .local = topic.local_retention_bytes,
                               .limit = topic.retention_bytes,
                               .lag = number_of(config, layers, "log.remote.copy.lag.bytes")};
}

/* Only where one of them changes. */
static bool check_bounds(const struct judgement *judgement)
{
    struct bound was[2];
    struct bound now[2];
    make_bounds(judgement->config, &judgement->change->before, was);
    make_bounds(judgement->config, &judgement->change->after, now);
    bool same = true;
    for (size_t i = 0; i < COUNT_OF(now); i++)
        same = same && was[i].local == now[i].local && was[i].limit == now[i].limit &&
               was[i].lag == now[i].lag;
    for (size_t i = 0; i < COUNT_OF(now) && !same; i++)
        if (!check_bound(judgement, &now[i]))
            return false;
    return true;
}

bool node_dynamic_check(const struct node_config *config, const struct node_dynamic_change *change,
                        struct text *error)
{
    struct judgement judgement = {.config = config, .change = change, .error = error};
    return check_pairs(change, error) && check_retention(&judgement) && check_cleaner(&judgement) &&
           check_connections(&judgement) && check_cordoned(&judgement) &&
           check_threads(&judgement) && check_cleaner_threads(&judgement) &&
           check_bounds(&judgement);
}
