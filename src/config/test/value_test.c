/* Values in and out, in Kafka's words; and that every row of the table is sound. */
#include "config/value.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct config_row *topic_row(const char *name)
{
    const struct config_row *row = config_row_find(CONFIG_TOPIC, name, strlen(name));
    assert_non_null(row);
    return row;
}

static const struct config_row *broker_row(const char *name)
{
    const struct config_row *row = config_row_find(CONFIG_BROKER, name, strlen(name));
    assert_non_null(row);
    return row;
}

static void prints(const struct config_row *row, const char *given, const char *shown)
{
    struct config_value value;
    struct text out;
    text_init(&out, 4096);
    assert_true(config_value_parse(row, slice_of_text(given), &value, NULL));
    config_value_print(row, &value, &out);
    assert_string_equal(out.data != NULL ? out.data : "", shown);
    text_fini(&out);
}

static void refused(const struct config_row *row, const char *given, const char *sentence)
{
    struct config_value value = {.number = 77};
    struct text error;
    text_init(&error, 4096);
    assert_false(config_value_parse(row, slice_of_text(given), &value, &error));
    assert_string_equal(error.data, sentence);
    assert_int_equal(value.number, 77); /* untouched */
    assert_false(config_value_parse(row, slice_of_text(given), &value, NULL));
    text_fini(&error);
}

static void numbers(void **state)
{
    (void)state;
    prints(topic_row("segment.bytes"), " 1048576 ", "1048576");
    prints(topic_row("segment.bytes"), "+2097152", "2097152");
    prints(topic_row("retention.ms"), "-1", "-1");
    prints(topic_row("flush.messages"), "9223372036854775807", "9223372036854775807");
    refused(topic_row("segment.bytes"), "1",
            "Invalid value 1 for configuration segment.bytes: Value must be at least 1048576");
    refused(topic_row("segment.bytes"), "abc",
            "Invalid value abc for configuration segment.bytes: Not a number of type INT");
    refused(topic_row("segment.bytes"), "2147483648",
            "Invalid value 2147483648 for configuration segment.bytes: Not a number of type INT");
    refused(topic_row("retention.ms"), "9223372036854775808",
            "Invalid value 9223372036854775808 for configuration retention.ms: Not a number of "
            "type LONG");
    refused(topic_row("retention.ms"), "",
            "Invalid value  for configuration retention.ms: Not a number of type LONG");
    refused(topic_row("retention.ms"), "-",
            "Invalid value - for configuration retention.ms: Not a number of type LONG");
    refused(broker_row("offsets.topic.replication.factor"), "32768",
            "Invalid value 32768 for configuration offsets.topic.replication.factor: Not a number "
            "of type SHORT");
    refused(topic_row("compression.lz4.level"), "18",
            "Invalid value 18 for configuration compression.lz4.level: Value must be no more than "
            "17");
    prints(topic_row("compression.gzip.level"), "-1", "-1");
    refused(topic_row("compression.gzip.level"), "10",
            "Invalid value 10 for configuration compression.gzip.level: Value must be between 1 "
            "and 9 or equal to -1");
    prints(broker_row("log.flush.scheduler.interval.ms"), "-9223372036854775808",
           "-9223372036854775808");
}

static void doubles(void **state)
{
    (void)state;
    const struct config_row *ratio = topic_row("min.cleanable.dirty.ratio");
    const struct config_row *rate = broker_row("log.cleaner.io.max.bytes.per.second");
    prints(ratio, "0.5", "0.5");
    prints(ratio, "1", "1.0");
    prints(ratio, "0.05d", "0.05");
    prints(ratio, "5e-4", "5.0E-4");
    prints(ratio, "NaN", "NaN");
    prints(rate, "12345678", "1.2345678E7");
    prints(rate, "1.7976931348623157E308", "1.7976931348623157E308");
    prints(rate, "100", "100.0");
    refused(ratio, "1.1",
            "Invalid value 1.1 for configuration min.cleanable.dirty.ratio: Value must be no more "
            "than 1");
    refused(ratio, "0x1p-1",
            "Invalid value 0x1p-1 for configuration min.cleanable.dirty.ratio: Not a number of "
            "type DOUBLE");
    refused(ratio, "1e",
            "Invalid value 1e for configuration min.cleanable.dirty.ratio: Not a number of type "
            "DOUBLE");
}

static void booleans_and_words(void **state)
{
    (void)state;
    prints(topic_row("preallocate"), "TRUE", "true");
    refused(topic_row("preallocate"), "yes",
            "Invalid value yes for configuration preallocate: Expected value to be either true or "
            "false");
    prints(topic_row("compression.type"), " zstd", "zstd");
    refused(topic_row("compression.type"), "Zstd",
            "Invalid value Zstd for configuration compression.type: String must be one of: "
            "uncompressed, zstd, lz4, snappy, gzip, producer");
    prints(broker_row("group.consumer.migration.policy"), "upgrade", "upgrade");
}

static void lists(void **state)
{
    (void)state;
    prints(topic_row("cleanup.policy"), "compact , delete", "compact,delete");
    prints(topic_row("cleanup.policy"), "", "");
    refused(topic_row("cleanup.policy"), "compact,never",
            "Invalid value never for configuration cleanup.policy: String must be one of: compact, "
            "delete");
    prints(topic_row("cleanup.policy"), "compact, delete ,compact", "compact,delete");
    prints(topic_row("leader.replication.throttled.replicas"), "0:1 , 0:1", "0:1,0:1");
    prints(topic_row("leader.replication.throttled.replicas"), "0:1,", "0:1,");
    refused(topic_row("cleanup.policy"), ",never",
            "Configuration 'cleanup.policy' values must not be empty.");
    refused(topic_row("cleanup.policy"), "compact,",
            "Configuration 'cleanup.policy' values must not be empty.");
    prints(topic_row("leader.replication.throttled.replicas"), "0:1,1:2", "0:1,1:2");
    prints(topic_row("leader.replication.throttled.replicas"), "*", "*");
    refused(topic_row("leader.replication.throttled.replicas"), "0:1,x",
            "Invalid value [0:1, x] for configuration leader.replication.throttled.replicas: "
            "leader.replication.throttled.replicas must be the literal '*' or a list of replicas "
            "in the following format: "
            "[partitionId]:[brokerId],[partitionId]:[brokerId],...");
}

static void durations(void **state)
{
    (void)state;
    const struct config_row *row = config_row_find(CONFIG_GROUP, "share.auto.offset.reset", 23);
    struct config_value value;
    static const char *const good[] = {"latest", "earliest", "by_duration:PT1H",
                                       "by_duration:P1DT2H3M4.5S", "by_duration:P2D"};
    static const char *const bad[] = {
        "none",           "by_duration:",      "by_duration:P",     "by_duration:1H",
        "by_duration:PT", "by_duration:PT1H2", "by_duration:PT1M1H"};
    assert_non_null(row);
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(config_value_parse(row, slice_of_text(good[i]), &value, NULL));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(config_value_parse(row, slice_of_text(bad[i]), &value, NULL));
}

static void list_steps(void **state)
{
    (void)state;
    struct slice rest = slice_of_text(" a, b ,,c");
    struct slice part;
    const char *const parts[] = {"a", "b", "", "c"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        assert_true(config_list_next(&rest, &part));
        assert_true(slice_is(part, parts[i]));
    }
    assert_false(config_list_next(&rest, &part));
}

/* Each default prints as the row writes it: so the rows' own texts are in canonical form. */
static void every_default_is_canonical(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        struct config_value value = config_value_default(row);
        struct text out;
        text_init(&out, 4096);
        config_value_print(row, &value, &out);
        assert_true(slice_is(text_slice(&out), row->default_text != NULL ? row->default_text : ""));
        assert_int_equal(value.is_null, row->default_text == NULL);
        text_fini(&out);
    }
    assert_null(config_row_at(config_row_count()));
}

static void every_default_passes_its_check(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        struct config_value value;
        if (row->default_text == NULL)
            continue;
        if (!config_value_parse(row, slice_of_text(row->default_text), &value, NULL))
            fail_msg("%s does not take its own default", row->name);
    }
}

static void rows_are_unique_and_complete(void **state)
{
    (void)state;
    size_t kafka = 0;
    for (size_t i = 0; i < config_row_count(); i++) {
        const struct config_row *row = config_row_at(i);
        assert_ptr_equal(config_row_find(row->scope, row->name, strlen(row->name)), row);
        assert_non_null(row->doc);
        assert_true(row->doc[0] >= 'A' && row->doc[strlen(row->doc) - 1] == '.');
        for (size_t j = 0; j < CONFIG_SYNONYMS_MAX && row->synonyms[j] != NULL; j++)
            (void)broker_row(row->synonyms[j]);
        assert_true(row->required ? row->default_text == NULL : true);
        assert_int_equal(row->scope == CONFIG_OWN, strncmp(row->name, "ottla.", 6) == 0);
        kafka += row->scope != CONFIG_OWN;
    }
    assert_int_equal(kafka, 444);
    assert_null(config_row_find(CONFIG_TOPIC, "segment.byte", 12));
    assert_null(config_row_find(CONFIG_TOPIC, "segment.bytes.", 14));
    assert_null(config_row_find(CONFIG_BROKER, "segment.bytes", 13));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(doubles),
        cmocka_unit_test(booleans_and_words),
        cmocka_unit_test(lists),
        cmocka_unit_test(durations),
        cmocka_unit_test(list_steps),
        cmocka_unit_test(every_default_is_canonical),
        cmocka_unit_test(every_default_passes_its_check),
        cmocka_unit_test(rows_are_unique_and_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
