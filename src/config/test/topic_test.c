/* A topic's effective values from all layers, the checks of overrides, and DescribeConfigs for
 * topics and brokers with sources and synonyms. */
#include "config/topic.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SETS_MAX 8

static struct node_config *node_with(const char *const sets[SETS_MAX])
{
    size_t count = 0;
    while (sets != NULL && count < SETS_MAX && sets[count] != NULL)
        count++;
    struct node_config_input input = {
        .settings = sets, .setting_count = count, .default_dir = "/d", .host_name = "box"};
    struct text notes;
    struct node_config *config;
    text_init(&notes, 65536);
    assert_true(node_config_load(&input, &config, &notes));
    text_fini(&notes);
    return config;
}

#define SET(...) ((const char *const[SETS_MAX]){__VA_ARGS__})

static struct config_pairs pairs(const struct config_pair *at, size_t count)
{
    return (struct config_pairs){.at = at, .count = count};
}

#define PAIR(n, v) \
    { \
        .name = {(const uint8_t *)(n), sizeof(n) - 1}, .value = { \
            (const uint8_t *)(v), \
            sizeof(v) - 1 \
        } \
    }

static void defaults(void **state)
{
    (void)state;
    struct node_config *node = node_with(NULL);
    struct config_layers layers = {0};
    struct topic_config c;
    topic_config_make(node, &layers, &c);
    assert_true(c.cleanup_delete && !c.cleanup_compact);
    assert_int_equal(c.compression_type, TOPIC_COMPRESSION_PRODUCER);
    assert_int_equal(c.compression_gzip_level, -1);
    assert_int_equal(c.compression_zstd_level, 3);
    assert_true(c.flush_messages == INT64_MAX);
    assert_true(c.flush_ms == INT64_MAX);
    assert_int_equal(c.index_interval_bytes, 4096);
    assert_int_equal(c.max_message_bytes, 1048588);
    assert_int_equal(c.message_timestamp_after_max_ms, 3600000);
    assert_false(c.message_timestamp_log_append);
    assert_true(c.min_cleanable_dirty_ratio == 0.5);
    assert_int_equal(c.retention_ms, 604800000);
    assert_int_equal(c.retention_bytes, -1);
    assert_int_equal(c.segment_bytes, 1073741824);
    assert_int_equal(c.segment_ms, 604800000);
    assert_int_equal(c.segment_jitter_ms, 0);
    assert_int_equal(c.min_insync_replicas, 1);
    node_config_free(node);
}

static void broker_keys_give_defaults(void **state)
{
    (void)state;
    struct node_config *node = node_with(SET(
        "log.retention.hours=2", "log.roll.hours=3", "log.segment.bytes=2097152",
        "message.max.bytes=77", "compression.type=zstd", "log.message.timestamp.type=LogAppendTime",
        "log.flush.interval.messages=1", "log.flush.scheduler.interval.ms=5000"));
    struct config_layers layers = {0};
    struct topic_config c;
    topic_config_make(node, &layers, &c);
    assert_int_equal(c.retention_ms, 7200000);
    assert_int_equal(c.segment_ms, 10800000);
    assert_int_equal(c.segment_bytes, 2097152);
    assert_int_equal(c.max_message_bytes, 77);
    assert_int_equal(c.compression_type, TOPIC_COMPRESSION_ZSTD);
    assert_true(c.message_timestamp_log_append);
    assert_int_equal(c.flush_messages, 1);
    assert_int_equal(c.flush_ms, 5000);
    node_config_free(node);
}

static void precedence_of_units(void **state)
{
    (void)state;
    struct config_layers layers = {0};
    struct topic_config c;
    struct node_config *node = node_with(SET("log.retention.hours=2", "log.retention.minutes=3"));
    topic_config_make(node, &layers, &c);
    assert_int_equal(c.retention_ms, 180000);
    node_config_free(node);
    node = node_with(SET("log.retention.hours=2", "log.retention.minutes=3", "log.retention.ms=9"));
    topic_config_make(node, &layers, &c);
    assert_int_equal(c.retention_ms, 9);
    node_config_free(node);
    node = node_with(SET("log.retention.hours=-1"));
    topic_config_make(node, &layers, &c);
    assert_int_equal(c.retention_ms, -1);
    node_config_free(node);
}

static void layers_in_order(void **state)
{
    (void)state;
    struct node_config *node = node_with(SET("log.segment.bytes=2097152"));
    static const struct config_pair all[] = {PAIR("log.segment.bytes", "3145728"),
                                             PAIR("log.retention.ms", "1000")};
    static const struct config_pair own[] = {PAIR("log.segment.bytes", "4194304")};
    static const struct config_pair topic[] = {PAIR("segment.bytes", "5242880")};
    struct config_layers layers = {.default_broker = pairs(all, 2)};
    struct topic_config c;
    topic_config_make(node, &layers, &c);
    assert_int_equal(c.segment_bytes, 3145728);
    assert_int_equal(c.retention_ms, 1000);
    layers.broker = pairs(own, 1);
    topic_config_make(node, &layers, &c);
    assert_int_equal(c.segment_bytes, 4194304);
    layers.topic = pairs(topic, 1);
    topic_config_make(node, &layers, &c);
    assert_int_equal(c.segment_bytes, 5242880);
    node_config_free(node);
}

static void overrides(void **state)
{
    (void)state;
    struct node_config *node = node_with(NULL);
    static const struct config_pair topic[] = {
        PAIR("cleanup.policy", "compact,delete"), PAIR("internal.segment.bytes", "1000"),
        PAIR("segment.bytes", "1048576"),         PAIR("preallocate", "true"),
        PAIR("retention.ms", "not a number"),     PAIR("of.the.future", "1"),
        PAIR("min.cleanable.dirty.ratio", "0.1")};
    struct config_layers layers = {.topic = pairs(topic, 7)};
    struct topic_config c;
    topic_config_make(node, &layers, &c);
    assert_true(c.cleanup_compact && c.cleanup_delete);
    assert_int_equal(c.segment_bytes, 1000);
    assert_true(c.preallocate);
    assert_int_equal(c.retention_ms, 604800000); /* what cannot be read is as if not set */
    assert_true(c.min_cleanable_dirty_ratio == 0.1);
    node_config_free(node);
}

static void checks(const struct config_pair *topic, size_t count, const char *sentence)
{
    struct node_config *node = node_with(NULL);
    struct config_layers layers = {.topic = pairs(topic, count)};
    struct text error;
    text_init(&error, 4096);
    assert_int_equal(topic_config_check(node, &layers, &error), sentence == NULL);
    assert_string_equal(error.data != NULL ? error.data : "", sentence != NULL ? sentence : "");
    text_fini(&error);
    node_config_free(node);
}

static void each_and_together(void **state)
{
    (void)state;
    static const struct config_pair good[] = {PAIR("retention.ms", "1"),
                                              PAIR("cleanup.policy", "compact")};
    static const struct config_pair unknown[] = {PAIR("no.such.key", "1")};
    static const struct config_pair broker_key[] = {PAIR("log.segment.bytes", "1048576")};
    static const struct config_pair null[] = {{.name = SLICE_LIT("retention.ms")}};
    static const struct config_pair nulls[] = {
        PAIR("no.such.key", "1"), {.name = SLICE_LIT("a")}, {.name = SLICE_LIT("b")}};
    static const struct config_pair both[] = {PAIR("segment.bytes", "14"),
                                              PAIR("no.such.key", "1")};
    static const struct config_pair small[] = {PAIR("segment.bytes", "14")};
    static const struct config_pair lags[] = {PAIR("min.compaction.lag.ms", "10"),
                                              PAIR("max.compaction.lag.ms", "5")};
    static const struct config_pair remote[] = {PAIR("remote.storage.enable", "true")};
    checks(good, 2, NULL);
    checks(unknown, 1, "Unknown topic config name: no.such.key");
    checks(broker_key, 1, "Unknown topic config name: log.segment.bytes");
    checks(null, 1, "Null value not supported for topic configs: retention.ms");
    checks(nulls, 3, "Null value not supported for topic configs: a,b");
    checks(both, 2, "Unknown topic config name: no.such.key");
    checks(small, 1,
           "Invalid value 14 for configuration segment.bytes: Value must be at least 1048576");
    checks(lags, 2,
           "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)");
    checks(remote, 1,
           "Tiered Storage functionality is disabled in the broker. Topic cannot be configured "
           "with remote log storage.");
}

/* ---- DescribeConfigs ---- */

static bool print_entry(void *context, const struct config_entry *entry)
{
    struct text *out = context;
    text_printf(out, "%.*s=%.*s source=%d%s%s", SLICE_ARG(entry->name), SLICE_ARG(entry->value),
                (int)entry->source, entry->read_only ? " read-only" : "",
                entry->sensitive ? " sensitive" : "");
    for (size_t i = 0; i < entry->synonym_count; i++)
        text_printf(out, " %s:%.*s:%d", entry->synonyms[i].name,
                    SLICE_ARG(entry->synonyms[i].value), (int)entry->synonyms[i].source);
    text_printf(out, "\n");
    return true;
}

static bool count_entry(void *context, const struct config_entry *entry)
{
    (void)entry;
    return ++*(size_t *)context < 1000;
}

static bool names_ascend(void *context, const struct config_entry *entry)
{
    struct slice *last = context;
    assert_true(slice_compare(*last, entry->name) < 0);
    *last = entry->name;
    return true;
}

static void topic_shows(const struct node_config *node, const struct config_layers *layers,
                        const char *name, const char *shown)
{
    struct text out;
    text_init(&out, 4096);
    topic_config_describe(node, layers, slice_of_text(name), print_entry, &out);
    assert_string_equal(out.data != NULL ? out.data : "", shown);
    text_fini(&out);
}

static void broker_shows(const struct node_config *node, struct node_describe what,
                         const char *name, const char *shown)
{
    struct text out;
    text_init(&out, 4096);
    what.name = slice_of_text(name);
    node_config_describe(node, &what, print_entry, &out);
    assert_string_equal(out.data != NULL ? out.data : "", shown);
    text_fini(&out);
}

static void topics_described(void **state)
{
    (void)state;
    struct node_config *node = node_with(SET("log.segment.bytes=2097152", "log.retention.ms=99"));
    static const struct config_pair topic[] = {PAIR("segment.bytes", " 5242880"),
                                               PAIR("cleanup.policy", "compact, delete")};
    static const struct config_pair own[] = {PAIR("log.segment.bytes", "4194304")};
    struct config_layers layers = {.topic = pairs(topic, 2), .broker = pairs(own, 1)};
    size_t count = 0;
    topic_config_describe(node, &layers, (struct slice){0}, count_entry, &count);
    assert_int_equal(count, 37); /* all but the internal one */
    struct slice last = {0};
    topic_config_describe(node, &layers, (struct slice){0}, names_ascend, &last);
    topic_shows(node, &layers, "segment.bytes",
                "segment.bytes=5242880 source=1 segment.bytes:5242880:1 "
                "log.segment.bytes:4194304:2 log.segment.bytes:2097152:4 "
                "log.segment.bytes:1073741824:5\n");
    topic_shows(node, &layers, "cleanup.policy",
                "cleanup.policy=compact,delete source=1 cleanup.policy:compact,delete:1 "
                "log.cleanup.policy:delete:5\n");
    topic_shows(node, &layers, "retention.ms",
                "retention.ms=99 source=4 log.retention.ms:99:4 log.retention.hours:168:5\n");
    topic_shows(node, &layers, "segment.ms", "segment.ms=604800000 source=5\n");
    topic_shows(node, &layers, "preallocate",
                "preallocate=false source=5 log.preallocate:false:5\n");
    topic_shows(node, &layers, "remote.storage.enable", "remote.storage.enable=false source=5\n");
    topic_shows(node, &layers, "internal.segment.bytes", "");
    topic_shows(node, &layers, "no.such.key", "");
    node_config_free(node);
}

static void brokers_described(void **state)
{
    (void)state;
    struct node_config *node =
        node_with(SET("log.segment.bytes=2097152", "log.retention.hours=5", "unknown.key=1",
                      "ssl.key.password=secret", "listener.name.x.num.io.threads=9"));
    static const struct config_pair all[] = {PAIR("log.segment.bytes", "3145728")};
    struct node_describe what = {.layers = {.default_broker = pairs(all, 1)}};
    broker_shows(node, what, "log.segment.bytes",
                 "log.segment.bytes=3145728 source=3 log.segment.bytes:3145728:3 "
                 "log.segment.bytes:2097152:4 log.segment.bytes:1073741824:5\n");
    broker_shows(node, what, "node.id", "node.id=1 source=4 read-only node.id:1:4\n");
    broker_shows(node, what, "log.retention.hours",
                 "log.retention.hours=5 source=4 read-only log.retention.hours:5:4 "
                 "log.retention.hours:168:5\n");
    broker_shows(node, what, "log.retention.ms", "log.retention.ms= source=5\n");
    broker_shows(node, what, "unknown.key",
                 "unknown.key= source=4 read-only sensitive unknown.key::4\n");
    broker_shows(node, what, "ssl.key.password",
                 "ssl.key.password= source=4 sensitive ssl.key.password::4\n");
    broker_shows(node, what, "listener.name.x.num.io.threads",
                 "listener.name.x.num.io.threads=9 source=4 read-only "
                 "listener.name.x.num.io.threads:9:4 num.io.threads:8:5\n");
    broker_shows(node, what, "broker.id",
                 "broker.id=1 source=4 read-only broker.id:1:4 broker.id:-1:5\n");
    broker_shows(node, what, "ottla.shards",
                 "ottla.shards=1 source=5 read-only ottla.shards:1:5\n");
    what.only_default = true;
    broker_shows(node, what, NULL,
                 "log.segment.bytes=3145728 source=3 log.segment.bytes:3145728:3\n");
    node_config_free(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(broker_keys_give_defaults),
        cmocka_unit_test(precedence_of_units),
        cmocka_unit_test(layers_in_order),
        cmocka_unit_test(overrides),
        cmocka_unit_test(each_and_together),
        cmocka_unit_test(topics_described),
        cmocka_unit_test(brokers_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
