/* Changes of a running broker's settings, with the sentences of Apache Kafka 4.4.0. */
#include "config/dynamic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define WRAPPED(text) \
    "Invalid value org.apache.kafka.common.config.ConfigException: " text \
    " for configuration Invalid dynamic configuration"

static struct node_config *node;

static int setup(void **state)
{
    static const char *const settings[] = {"log.retention.ms=5000", "max.connections=70"};
    struct node_config_input input = {
        .settings = settings, .setting_count = 2, .default_dir = "/d", .host_name = "box"};
    struct text notes;
    (void)state;
    text_init(&notes, 65536);
    assert_true(node_config_load(&input, &node, &notes));
    text_fini(&notes);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    node_config_free(node);
    return 0;
}

struct expectation {
    bool of_all_brokers;
    const char *name;
    const char *value;
    const char *error; /* NULL: fine */
};

static const struct expectation expectations[] = {
    {true, "log.retention.ms", "5", NULL},
    {false, "log.retention.ms", "-1", NULL},
    {false, "log.retention.ms", "0",
     "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"},
    {false, "log.roll.ms", "0",
     "requirement failed: log.roll.ms must be greater than or equal to 1"},
    {false, "num.partitions", "3", "Cannot update these configs dynamically: [num.partitions]"},
    {false, "ottla.shards", "3", "Cannot update these configs dynamically: [ottla.shards]"},
    {false, "listeners", "PLAINTEXT://:1", "Cannot update these configs dynamically: [listeners]"},
    {false, "listener.name.plaintext.max.connections", "3",
     "Cannot update these configs dynamically: [listener.name.plaintext.max.connections]"},
    {false, "log.retention.ms", "soon",
     "Invalid value soon for configuration log.retention.ms: Not a number of type LONG"},
    {false, "ssl.keystore.location", "/x",
     "These security configs can be dynamically updated only per-listener using the listener "
     "prefix: [ssl.keystore.location]"},
    {true, "sasl.enabled.mechanisms", "PLAIN",
     "Cannot update these configs at default cluster level, broker id must be specified: "
     "[sasl.enabled.mechanisms]"},
    {false, "no.such.key", "anything", NULL},
    {false, "max.connections.per.ip", "0",
     "requirement failed: max.connections.per.ip can be set to zero only if "
     "max.connections.per.ip.overrides property is set."},
    {false, "max.connections.per.ip.overrides", "127.0.0.1:5,box:6", NULL},
    {false, "cordoned.log.dirs", "/d", NULL},
    {false, "cordoned.log.dirs", "*", NULL},
    {false, "cordoned.log.dirs", "/e",
     "requirement failed: All entries in cordoned.log.dirs must be present in log.dirs or log.dir. "
     "Missing entries : /e"},
    {false, "log.cleaner.dedupe.buffer.size", "5",
     "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread."},
    {false, "num.io.threads", "16", NULL},
    {false, "num.io.threads", "17",
     WRAPPED(
         "Dynamic thread count update validation failed for num.io.threads=17, value should not "
         "be greater than double the current value 8")},
    {false, "num.io.threads", "3",
     WRAPPED("Dynamic thread count update validation failed for num.io.threads=3, value should be "
             "at least half the current value 8")},
    {false, "log.cleaner.threads", "3",
     WRAPPED("Log cleaner threads cannot be increased to more than double the current value 1")},
    {true, "log.local.retention.ms", "-1",
     WRAPPED("Invalid value -1 for configuration log.local.retention.ms: Value must not be -1 as "
             "log.retention.ms value is set as 5000.")},
    {true, "log.local.retention.ms", "5001",
     WRAPPED("Invalid value 5001 for configuration log.local.retention.ms: Value must not be more "
             "than log.retention.ms property value: 5000")},
    {true, "log.remote.copy.lag.ms", "5001",
     WRAPPED("Invalid value 5001 for configuration log.remote.copy.lag.ms: Value must not exceed "
             "log.local.retention.ms (effective value: 5000)")},
    {true, "log.local.retention.bytes", "77", NULL},
    {true, "leader.replication.throttled.rate", "-1",
     "Invalid value -1 for configuration leader.replication.throttled.rate: Value must be at least "
     "0"},
};

static void changes_are_judged_as_kafka_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(expectations); i++) {
        const struct expectation *want = &expectations[i];
        struct config_pair pair = {.name = slice_of_text(want->name),
                                   .value = slice_of_text(want->value)};
        struct config_pairs pairs = {.at = &pair, .count = 1};
        struct node_dynamic_change change = {.of_all_brokers = want->of_all_brokers};
        *(want->of_all_brokers ? &change.after.default_broker : &change.after.broker) = pairs;
        struct text error;
        text_init(&error, 65536);
        bool fine = node_dynamic_check(node, &change, &error);
        if (fine != (want->error == NULL) || (!fine && strcmp(error.data, want->error) != 0))
            fail_msg("%s=%s:\n%s, not\n%s", want->name, want->value, fine ? "fine" : error.data,
                     want->error);
        text_fini(&error);
    }
}

/* This broker's, else all brokers', else the file's, else the default; what does not parse counts
 * as not set. */
static void the_nearest_layer_counts(void **state)
{
    (void)state;
    struct config_pair own[] = {{SLICE_LIT("max.connections"), SLICE_LIT("5")},
                                {SLICE_LIT("max.connections.per.ip"), SLICE_LIT("x")}};
    struct config_pair all[] = {{SLICE_LIT("max.connections"), SLICE_LIT("6")},
                                {SLICE_LIT("max.connections.per.ip"), SLICE_LIT("7")}};
    struct config_layers layers = {.default_broker = {all, 2}};
    struct node_dynamic values;
    node_dynamic_make(node, &(struct config_layers){0}, &values);
    assert_int_equal(values.max_connections, 70);
    assert_int_equal(values.max_connections_per_ip, INT32_MAX);
    assert_int_equal(values.producer_id_expiration_ms, 86400000);
    node_dynamic_make(node, &layers, &values);
    assert_int_equal(values.max_connections, 6);
    layers.broker = (struct config_pairs){own, 2};
    node_dynamic_make(node, &layers, &values);
    assert_int_equal(values.max_connections, 5);
    assert_int_equal(values.max_connections_per_ip, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes_are_judged_as_kafka_does, setup, teardown),
        cmocka_unit_test_setup_teardown(the_nearest_layer_counts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
