/* The node's configuration: what starts, what it starts with, and each refusal with its words. */
#include "config/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* As Apache Kafka 4.4.0 ships it for one node, comments cut. */
static const char shipped[] = "process.roles=broker,controller\n"
                              "node.id=1\n"
                              "controller.quorum.bootstrap.servers=localhost:9093\n"
                              "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
                              "inter.broker.listener.name=PLAINTEXT\n"
                              "advertised.listeners=PLAINTEXT://localhost:9092,"
                              "CONTROLLER://localhost:9093\n"
                              "controller.listener.names=CONTROLLER\n"
                              "listener.security.protocol.map=CONTROLLER:PLAINTEXT,"
                              "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,"
                              "SASL_SSL:SASL_SSL\n"
                              "num.network.threads=3\n"
                              "num.io.threads=8\n"
                              "socket.send.buffer.bytes=102400\n"
                              "socket.receive.buffer.bytes=102400\n"
                              "socket.request.max.bytes=104857600\n"
                              "log.dirs=/tmp/kraft-combined-logs\n"
                              "num.partitions=1\n"
                              "num.recovery.threads.per.data.dir=2\n"
                              "offsets.topic.replication.factor=1\n"
                              "share.coordinator.state.topic.replication.factor=1\n"
                              "share.coordinator.state.topic.min.isr=1\n"
                              "transaction.state.log.replication.factor=1\n"
                              "transaction.state.log.min.isr=1\n"
                              "log.retention.hours=168\n"
                              "log.segment.bytes=1073741824\n"
                              "log.retention.check.interval.ms=300000\n";

/* The least that a file must have. */
#define LEAST \
    "process.roles=broker,controller\nnode.id=4\ncontroller.listener.names=CONTROLLER\n" \
    "log.dirs=/d\n"

#define SETS_MAX 8

struct load {
    struct node_config *config;
    struct text notes;
    bool ok;
};

static struct load load(const char *file_text, const char *const sets[SETS_MAX])
{
    struct load l = {0};
    size_t count = 0;
    while (sets != NULL && count < SETS_MAX && sets[count] != NULL)
        count++;
    struct node_config_input input = {.file = file_text != NULL ? "s.properties" : NULL,
                                      .file_text = slice_of_text(file_text),
                                      .settings = sets,
                                      .setting_count = count,
                                      .default_dir = "/data/ottla",
                                      .host_name = "box.example"};
    text_init(&l.notes, 65536);
    l.ok = node_config_load(&input, &l.config, &l.notes);
    return l;
}

static void finish(struct load *l)
{
    node_config_free(l->config);
    text_fini(&l->notes);
}

static struct load load_ok(const char *file_text, const char *const sets[SETS_MAX],
                           const char *notes)
{
    struct load l = load(file_text, sets);
    assert_string_equal(l.notes.data != NULL ? l.notes.data : "", notes);
    assert_true(l.ok);
    return l;
}

static void refused(const char *file_text, const char *const sets[SETS_MAX], const char *notes)
{
    struct load l = load(file_text, sets);
    assert_false(l.ok);
    assert_null(l.config);
    assert_string_equal(l.notes.data, notes);
    finish(&l);
}

#define SET(...) ((const char *const[SETS_MAX]){__VA_ARGS__})

static void without_a_file(void **state)
{
    (void)state;
    struct load l = load_ok(NULL, NULL, "");
    const struct node_config *c = l.config;
    assert_int_equal(c->node_id, 1);
    assert_true(c->is_broker && c->is_controller);
    assert_int_equal(c->listeners.count, 1);
    assert_string_equal(c->listeners.at[0].name, "PLAINTEXT");
    assert_string_equal(c->listeners.at[0].host, "127.0.0.1");
    assert_int_equal(c->listeners.at[0].port, 9092);
    assert_int_equal(c->advertised.count, 1);
    assert_string_equal(c->advertised.at[0].host, "127.0.0.1");
    assert_string_equal(c->controller.name, "CONTROLLER");
    assert_string_equal(c->controller.host, "127.0.0.1");
    assert_int_equal(c->controller.port, 9093);
    assert_true(c->loopback_by_default);
    assert_false(c->static_voters);
    assert_int_equal(c->log_dir_count, 1);
    assert_string_equal(c->log_dirs[0], "/data/ottla");
    assert_string_equal(c->metadata_log_dir, "/data/ottla");
    assert_int_equal(c->offsets_topic_replication_factor, 1);
    assert_int_equal(c->transaction_state_log_min_isr, 1);
    assert_int_equal(c->shards, 1);
    assert_int_equal(c->workers, 2);
    assert_string_equal(c->metrics_host, "127.0.0.1");
    assert_int_equal(c->metrics_port, 9464);
    assert_int_equal(c->socket_request_max_bytes, 104857600);
    assert_int_equal(c->connections_max_idle_ms, 600000);
    assert_int_equal(c->default_replication_factor, 1);
    assert_true(c->auto_create_topics_enable);
    assert_null(c->rack);
    finish(&l);
}

static void the_shipped_file(void **state)
{
    (void)state;
    struct load l = load_ok(shipped, NULL, "");
    const struct node_config *c = l.config;
    assert_int_equal(c->listeners.count, 2);
    assert_string_equal(c->listeners.at[0].host, "");
    assert_false(c->listeners.at[0].is_controller);
    assert_true(c->listeners.at[1].is_controller);
    assert_int_equal(c->advertised.count, 1);
    assert_string_equal(c->advertised.at[0].host, "localhost");
    assert_string_equal(c->controller.host, "localhost");
    assert_int_equal(c->controller.port, 9093);
    assert_string_equal(c->inter_broker_listener_name, "PLAINTEXT");
    assert_false(c->loopback_by_default);
    assert_string_equal(node_config_setting(c, "log.dirs"), "/tmp/kraft-combined-logs");
    assert_null(node_config_setting(c, "log.dir"));
    finish(&l);
}

/* As an editor of another system leaves it: a mark before it, other ends of lines, other
 * separators, values over several lines, a key twice, escapes. */
static void a_file_of_every_form(void **state)
{
    (void)state;
    struct load l = load_ok("\xef\xbb\xbf"
                            "process.roles broker,\\\r\n"
                            "   controller\r\n"
                            "! a remark\r\n"
                            "node.id : 4\r\n"
                            "controller.listener.names=CONTROLLER\r\n"
                            "log.dirs=/data\\u002Done, \\\r\n"
                            "\t/two\r\n"
                            "num.partitions=3\r\n"
                            "\r\n"
                            "num.partitions=\t9  \r\n",
                            NULL, "");
    assert_int_equal(l.config->node_id, 4);
    assert_int_equal(l.config->num_partitions, 9);
    assert_int_equal(l.config->log_dir_count, 2);
    assert_string_equal(l.config->log_dirs[0], "/data-one");
    assert_string_equal(l.config->log_dirs[1], "/two");
    finish(&l);
}

struct form {
    const char *listeners;
    const char *advertised; /* NULL: not given */
    const char *bound;
    const char *told;
};

/* "NAME host port" of each. */
static void print_listeners(const struct node_listeners *listeners, struct text *out)
{
    for (size_t i = 0; i < listeners->count; i++)
        text_printf(out, "%s%s %s %u", i > 0 ? "; " : "", listeners->at[i].name,
                    listeners->at[i].host, listeners->at[i].port);
}

static void assert_listeners(const struct node_listeners *listeners, const char *expected)
{
    struct text out;
    text_init(&out, 4096);
    print_listeners(listeners, &out);
    assert_string_equal(out.data, expected);
    text_fini(&out);
}

static void listeners_of_every_form(void **state)
{
    (void)state;
    static const struct form forms[] = {
        {"PLAINTEXT://:9092", NULL, "PLAINTEXT  9092", "PLAINTEXT box.example 9092"},
        {"PLAINTEXT://:0", NULL, "PLAINTEXT  0", "PLAINTEXT box.example 0"},
        {"PLAINTEXT://0.0.0.0:9092", "PLAINTEXT://broker.example:19092", "PLAINTEXT 0.0.0.0 9092",
         "PLAINTEXT broker.example 19092"},
        {"PLAINTEXT://[::]:9092", "PLAINTEXT://[2001:db8::7]:9092", "PLAINTEXT :: 9092",
         "PLAINTEXT 2001:db8::7 9092"},
        {"PLAINTEXT://[::1]:0", NULL, "PLAINTEXT ::1 0", "PLAINTEXT ::1 0"},
        {"plaintext://10.0.0.1:1,OUTSIDE://:2 , CONTROLLER://:9093",
         "OUTSIDE://a.example:3,PLAINTEXT://b.example:1",
         "PLAINTEXT 10.0.0.1 1; OUTSIDE  2; CONTROLLER  9093",
         "OUTSIDE a.example 3; PLAINTEXT b.example 1"},
    };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        char bound[200];
        char told[200];
        snprintf(bound, sizeof bound, "listeners=%s", forms[i].listeners);
        snprintf(told, sizeof told, "advertised.listeners=%s", forms[i].advertised);
        struct load l =
            load_ok(NULL,
                    SET(bound,
                        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,OUTSIDE:PLAINTEXT,"
                        "CONTROLLER:PLAINTEXT",
                        forms[i].advertised != NULL ? told : NULL),
                    "");
        assert_listeners(&l.config->listeners, forms[i].bound);
        assert_listeners(&l.config->advertised, forms[i].told);
        finish(&l);
    }
}

static void limits_of_single_hosts(void **state)
{
    (void)state;
    struct load l =
        load_ok(NULL, SET("max.connections.per.ip.overrides=10.0.0.1:7, ::1:3,box:0"), "");
    finish(&l);
    refused(NULL, SET("max.connections.per.ip.overrides=10.0.0.1"),
            "error: --set max.connections.per.ip.overrides: max.connections.per.ip.overrides: "
            "10.0.0.1 must be host:count\n");
    refused(NULL, SET("max.connections.per.ip.overrides=a:1,b:x"),
            "error: --set max.connections.per.ip.overrides: max.connections.per.ip.overrides: b:x "
            "must be host:count\n");
}

static void set_wins_over_the_file(void **state)
{
    (void)state;
    struct load l =
        load_ok(shipped, SET("num.partitions=7", "log.dirs = /a, /b", "num.partitions=8"), "");
    assert_int_equal(l.config->num_partitions, 8);
    assert_int_equal(l.config->log_dir_count, 2);
    assert_string_equal(l.config->log_dirs[1], "/b");
    finish(&l);
}

static void an_empty_host_is_advertised_by_name(void **state)
{
    (void)state;
    struct load l = load_ok(LEAST, NULL, "");
    assert_string_equal(l.config->listeners.at[0].host, "");
    assert_string_equal(l.config->advertised.at[0].host, "box.example");
    assert_int_equal(l.config->controller.port, 9093);
    finish(&l);
}

static void ipv6_and_several_listeners(void **state)
{
    (void)state;
    struct load l =
        load_ok(LEAST "listeners=internal://[::1]:9092, EXTERNAL://127.0.0.1:9092\n"
                      "listener.security.protocol.map=INTERNAL:PLAINTEXT,external:PLAINTEXT,"
                      "CONTROLLER:PLAINTEXT\n"
                      "inter.broker.listener.name=internal\n",
                NULL, "");
    assert_string_equal(l.config->listeners.at[0].name, "INTERNAL");
    assert_string_equal(l.config->listeners.at[0].host, "::1");
    assert_string_equal(l.config->listeners.at[1].name, "EXTERNAL");
    assert_string_equal(l.config->inter_broker_listener_name, "INTERNAL");
    finish(&l);
}

static void a_static_quorum_of_itself(void **state)
{
    (void)state;
    struct load l = load_ok(LEAST "controller.quorum.voters=4@localhost:9193\n", NULL, "");
    assert_true(l.config->static_voters);
    assert_int_equal(l.config->controller.port, 9193);
    assert_string_equal(l.config->controller.host, "localhost");
    finish(&l);
}

static void broker_id_stands_for_node_id(void **state)
{
    (void)state;
    struct load l = load_ok(NULL, SET("broker.id=9"), "");
    assert_int_equal(l.config->node_id, 9);
    finish(&l);
    refused(NULL, SET("broker.id=9", "node.id=8"),
            "error: --set broker.id: broker.id and node.id must be the same; node.id is 8\n");
}

static void warnings(void **state)
{
    (void)state;
    struct load l = load_ok(LEAST "num.partition=3\nmy.own.thing=1\n\nlog.preallocate=true\n"
                                  "metric.reporters=com.example.R\nlistener.name.plaintext."
                                  "num.network.threads=9\n",
                            NULL,
                            "warning: s.properties:5: unknown key num.partition is ignored; did "
                            "you mean num.partitions?\n"
                            "warning: s.properties:6: unknown key my.own.thing is ignored\n"
                            "warning: s.properties:8: log.preallocate has no effect in this "
                            "version\n"
                            "warning: s.properties:9: metric.reporters concerns the Java machine "
                            "and is ignored\n"
                            "warning: s.properties:10: listener.name.plaintext.num.network.threads "
                            "has no effect in this version\n");
    finish(&l);
}

static void access_that_is_not_enforced_is_refused(void **state)
{
    (void)state;
    refused(NULL,
            SET("authorizer.class.name=org.apache.kafka.metadata.authorizer."
                "StandardAuthorizer"),
            "error: --set authorizer.class.name: authorizer.class.name=org.apache.kafka.metadata."
            "authorizer.StandardAuthorizer restricts access, which this version does not enforce; "
            "remove it to start without that protection\n");
    refused(LEAST "ssl.client.auth=required\n", NULL,
            "error: s.properties:5: ssl.client.auth=required restricts access, which this version "
            "does not enforce; remove it to start without that protection\n");
    refused(LEAST "listener.name.x.ssl.client.auth=required\n", NULL,
            "error: s.properties:5: listener.name.x.ssl.client.auth=required restricts access, "
            "which this version does not enforce; remove it to start without that protection\n");
    refused(LEAST "create.topic.policy.class.name=P\n", NULL,
            "error: s.properties:5: create.topic.policy.class.name=P restricts access, which this "
            "version does not enforce; remove it to start without that protection\n");
    refused(NULL, SET("security.inter.broker.protocol=SSL"),
            "error: --set security.inter.broker.protocol: security.inter.broker.protocol=SSL "
            "restricts access, which this version does not enforce; remove it to start without "
            "that protection\n");
    refused(NULL, SET("listeners=SASL_PLAINTEXT://127.0.0.1:9092"),
            "error: --set listeners: listeners: listener SASL_PLAINTEXT asks for SASL_PLAINTEXT, "
            "which this version does not enforce; only PLAINTEXT listeners can be opened\n");
    refused(NULL,
            SET("listeners=CLIENT://127.0.0.1:9092", "listener.security.protocol.map=CLIENT:SSL"),
            "error: --set listeners: listeners: listener CLIENT asks for SSL, which this version "
            "does not enforce; only PLAINTEXT listeners can be opened\n");
}

static void none_of_them_restricts(void **state)
{
    (void)state;
    struct load l = load_ok(NULL,
                            SET("authorizer.class.name=", "ssl.client.auth=none",
                                "security.inter.broker.protocol=PLAINTEXT"),
                            "");
    finish(&l);
}

static void missing_keys(void **state)
{
    (void)state;
    refused("log.dirs=/d\n", NULL,
            "error: s.properties: Missing required configuration \"process.roles\" which has no "
            "default value.\n"
            "error: s.properties: Missing required configuration \"node.id\" which has no default "
            "value.\n"
            "error: s.properties: Missing required configuration \"controller.listener.names\" "
            "which has no default value.\n");
    refused(NULL, SET("controller.listener.names="),
            "error: --set controller.listener.names: controller.listener.names must contain at "
            "least one value\n");
}

static void bad_values_are_told_all_at_once(void **state)
{
    (void)state;
    refused(LEAST "num.partitions=none\nmessage.max.bytes=-5\nsasl.jaas.config=secret\\u00\n", NULL,
            "error: s.properties: line 7: malformed \\uXXXX escape\n"
            "error: s.properties:5: Invalid value none for configuration num.partitions: Not a "
            "number of type INT\n"
            "error: s.properties:6: Invalid value -5 for configuration message.max.bytes: Value "
            "must be at least 0\n");
    refused(NULL, SET("broker.heartbeat.interval.ms=5000"),
            "warning: --set broker.heartbeat.interval.ms: broker.heartbeat.interval.ms has no "
            "effect in this version\n"
            "error: broker.heartbeat.interval.ms should be less than or equal to half of the "
            "broker.session.timeout.ms\n");
    refused(NULL, SET("log.retention.ms=0"),
            "error: --set log.retention.ms: log.retention.ms must be unlimited (-1) or, equal or "
            "greater than 1\n");
    refused(NULL, SET("group.coordinator.rebalance.protocols=consumer"),
            "error: --set group.coordinator.rebalance.protocols: "
            "group.coordinator.rebalance.protocols: Disabling the 'classic' protocol is not "
            "supported.\n");
    refused(NULL, SET("queued.max.request.bytes=1000"),
            "error: --set queued.max.request.bytes: queued.max.request.bytes must be larger or "
            "equal to socket.request.max.bytes\n");
    refused(NULL, SET("ottla.metrics.listener=nowhere"),
            "error: --set ottla.metrics.listener: ottla.metrics.listener: nowhere is not "
            "host:port\n");
}

static void roles_and_quorums_of_others(void **state)
{
    (void)state;
    refused(NULL, SET("process.roles=broker"),
            "error: --set process.roles: process.roles=broker: this version runs as broker and "
            "controller in one; process.roles=broker,controller is what it supports\n");
    refused(NULL, SET("process.roles=broker,zookeeper"),
            "error: --set process.roles: Invalid value zookeeper for configuration process.roles: "
            "String must be one of: broker, controller\n"
            "error: --set process.roles: process.roles=broker,zookeeper: this version runs as "
            "broker and controller in one; process.roles=broker,controller is what it supports\n");
    refused(NULL, SET("controller.quorum.voters=1@a:9093,2@b:9093"),
            "error: --set controller.quorum.voters: controller.quorum.voters names another node, "
            "2@b:9093; this version runs a quorum of this node alone\n");
    refused(NULL, SET("controller.quorum.voters=a:9093"),
            "error: --set controller.quorum.voters: controller.quorum.voters: a:9093 must be "
            "id@host:port\n");
    refused(shipped, SET("controller.quorum.bootstrap.servers=elsewhere:9094"),
            "error: --set controller.quorum.bootstrap.servers: "
            "controller.quorum.bootstrap.servers names another node, elsewhere:9094; this version "
            "runs a quorum of this node alone\n");
    refused(NULL, SET("controller.quorum.bootstrap.servers=a:9093,b:9093"),
            "error: --set controller.quorum.bootstrap.servers: "
            "controller.quorum.bootstrap.servers has 2 entries; this version runs a quorum of "
            "this node alone\n");
}

static void listeners_that_cannot_be(void **state)
{
    (void)state;
    refused(NULL, SET("listeners=PLAINTEXT:/127.0.0.1:9092"),
            "error: --set listeners: listeners: Unable to parse PLAINTEXT:/127.0.0.1:9092 to a "
            "broker endpoint\n");
    refused(NULL, SET("listeners=PLAINTEXT://127.0.0.1:99999"),
            "error: --set listeners: listeners: Unable to parse PLAINTEXT://127.0.0.1:99999 to a "
            "broker endpoint\n");
    refused(NULL, SET("listeners=FOO://127.0.0.1:9092"),
            "error: --set listeners: listeners: No security protocol defined for listener FOO; "
            "listener.security.protocol.map may name one\n");
    refused(NULL, SET("listeners=PLAINTEXT://a:1,CONTROLLER://b:1"),
            "error: --set listeners: listeners: Each listener must have a different port; "
            "PLAINTEXT and CONTROLLER share 1\n");
    refused(NULL, SET("listeners=PLAINTEXT://a:1,plaintext://b:2"),
            "error: --set listeners: listeners: Each listener must have a different name; "
            "PLAINTEXT is there twice\n");
    refused(NULL, SET("listeners=PLAINTEXT://0.0.0.0:9092"),
            "error: --set listeners: advertised.listeners cannot use the nonroutable meta-address "
            "0.0.0.0. Use a routable IP address, for instance "
            "advertised.listeners=PLAINTEXT://box.example:9092\n");
    refused(NULL, SET("listeners=CONTROLLER://127.0.0.1:9093"),
            "error: --set listeners: listeners: there must be at least one listener for clients\n");
    refused(NULL,
            SET("advertised.listeners=EXTERNAL://a:1",
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,EXTERNAL:PLAINTEXT"),
            "error: --set advertised.listeners: advertised.listeners: EXTERNAL is not among "
            "listeners\n");
    refused(NULL, SET("inter.broker.listener.name=INTERNAL"),
            "error: --set inter.broker.listener.name: inter.broker.listener.name must be a "
            "listener name defined in advertised.listeners; INTERNAL is not\n");
    refused(NULL, SET("inter.broker.listener.name=CONTROLLER"),
            "error: --set inter.broker.listener.name: controller.listener.names must not contain "
            "the listener that brokers use, CONTROLLER\n");
    refused(NULL, SET("listener.security.protocol.map=PLAINTEXT:PLAINTEXT,X"),
            "error: --set listener.security.protocol.map: listener.security.protocol.map: X must "
            "be NAME:PROTOCOL, with PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL\n");
    refused(NULL, SET("log.dirs=/a,/a"), "error: --set log.dirs: log.dirs: /a is there twice\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_file),
        cmocka_unit_test(the_shipped_file),
        cmocka_unit_test(a_file_of_every_form),
        cmocka_unit_test(listeners_of_every_form),
        cmocka_unit_test(limits_of_single_hosts),
        cmocka_unit_test(set_wins_over_the_file),
        cmocka_unit_test(an_empty_host_is_advertised_by_name),
        cmocka_unit_test(ipv6_and_several_listeners),
        cmocka_unit_test(a_static_quorum_of_itself),
        cmocka_unit_test(broker_id_stands_for_node_id),
        cmocka_unit_test(warnings),
        cmocka_unit_test(access_that_is_not_enforced_is_refused),
        cmocka_unit_test(none_of_them_restricts),
        cmocka_unit_test(missing_keys),
        cmocka_unit_test(bad_values_are_told_all_at_once),
        cmocka_unit_test(roles_and_quorums_of_others),
        cmocka_unit_test(listeners_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
