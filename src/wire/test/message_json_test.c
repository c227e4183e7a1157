/* Messages as JSON: every message and version survives the way there and back; what is printed is
 * what Kafka's own converters print; a wrong document names the field. */
#include "wire/json.h"
#include "wire/msg/api_versions_response.h"
#include "wire/msg/client_quota_record.h"
#include "wire/msg/create_topics_request.h"
#include "wire/msg/fetch_response.h"
#include "wire/msg/metadata_request.h"
#include "wire/msg/register_broker_record.h"
#include "wire/msg/sasl_authenticate_request.h"
#include "wire/test/message_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <math.h>

#include <cmocka.h>

#define TEXT_LIMIT ((size_t)16 << 20)

/* Equal means: encodes to the same bytes. */
static void assert_same(const struct wire_message *message, int version, const void *a,
                        const void *b)
{
    struct chain first;
    struct chain second;
    kit_encode(message, version, a, &first);
    kit_encode(message, version, b, &second);
    assert_int_equal(first.size, second.size);
    if (first.size > 0)
        assert_memory_equal(first.data, second.data, first.size);
    chain_fini(&first);
    chain_fini(&second);
}

static void round_trip(const struct wire_message *message, int version, uint64_t seed)
{
    struct arena arena;
    struct text out;
    arena_init(&arena, KIT_ARENA_LIMIT);
    text_init(&out, TEXT_LIMIT);
    struct maker maker = {.arena = &arena, .version = version, .utf8 = true};
    prng_init(&maker.prng, seed);
    void *made = maker_message(&maker, message);
    void *back = arena_take(&arena, message->type->size);
    wire_json_print(message, version, made, &out);
    assert_false(out.failed);
    struct wire_json_reading reading = {.arena = &arena};
    if (!wire_json_read(message, version, text_slice(&out), &reading, back))
        fail_msg("%s version %d seed %llu: %s\n%s", message->name, version,
                 (unsigned long long)seed, reading.fault, out.data);
    assert_same(message, version, made, back);
    text_fini(&out);
    arena_fini(&arena);
}

static void every_message_and_version_survives(void **state)
{
    (void)state;
    for (size_t i = 0; i < wire_message_count; i++) {
        const struct wire_message *message = wire_messages[i];
        for (int version = message->versions.low; version <= message->versions.high; version++)
            for (uint64_t seed = 1; seed <= 4; seed++)
                round_trip(message, version, seed * 1000 + i);
    }
}

static void assert_prints(const struct wire_message *message, int version, const void *value,
                          const char *expected)
{
    struct text out;
    text_init(&out, TEXT_LIMIT);
    wire_json_print(message, version, value, &out);
    assert_false(out.failed);
    assert_string_equal(out.data, expected);
    text_fini(&out);
}

static void names_and_forms_are_the_protocols(void **state)
{
    (void)state;
    struct metadata_request_topics topics[] = {
        {.topic_id = {{0xff}}, .name = SLICE_LIT("a\"b")},
        {.name = {NULL, 0}},
    };
    struct metadata_request request = metadata_request_default;
    request.topics = topics;
    request.topics_count = 2;
    assert_prints(&wire_metadata_request, 12, &request,
                  "{\"topics\":[{\"topicId\":\"_wAAAAAAAAAAAAAAAAAAAA\",\"name\":\"a\\\"b\"},"
                  "{\"topicId\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"name\":null}],"
                  "\"allowAutoTopicCreation\":true,\"includeTopicAuthorizedOperations\":false}");
    assert_prints(&wire_metadata_request, 0, &request,
                  "{\"topics\":[{\"name\":\"a\\\"b\"},{\"name\":\"\"}]}");
    request.topics_count = -1;
    assert_prints(&wire_metadata_request, 1, &request, "{\"topics\":null}");
}

static void tagged_fields_show_only_when_set(void **state)
{
    (void)state;
    struct api_versions_response response = api_versions_response_default;
    assert_prints(&wire_api_versions_response, 3, &response,
                  "{\"errorCode\":0,\"apiKeys\":[],\"throttleTimeMs\":0}");
    response.finalized_features_epoch = 7;
    response.zk_migration_ready = true;
    assert_prints(&wire_api_versions_response, 3, &response,
                  "{\"errorCode\":0,\"apiKeys\":[],\"throttleTimeMs\":0,"
                  "\"finalizedFeaturesEpoch\":7,\"zkMigrationReady\":true}");
}

static void keep(void *handle)
{
    (void)handle;
}

static void records_show_as_bytes_or_size(void **state)
{
    (void)state;
    struct fetch_response_responses_partitions partitions[] = {
        fetch_response_responses_partitions_default, fetch_response_responses_partitions_default};
    partitions[0].records.bytes = slice_of("\x00\x01\xff\xfe", 4);
    partitions[1].records.external =
        (struct chain_external){.handle = state, .release = keep, .size = 1 << 20};
    struct fetch_response_responses topic = {
        .topic = SLICE_LIT("t"), .partitions = partitions, .partitions_count = 2};
    struct fetch_response response = fetch_response_default;
    response.responses = &topic;
    response.responses_count = 1;
    struct text out;
    text_init(&out, TEXT_LIMIT);
    wire_json_print(&wire_fetch_response, 4, &response, &out);
    assert_non_null(strstr(out.data, "\"records\":\"AAH//g==\"}"));
    assert_non_null(strstr(out.data, "\"records\":{\"sizeInBytes\":1048576}}"));
    text_fini(&out);
}

/* The fault of a CreateTopics document, or "" when it is fine. */
static const char *fault_of(int version, const char *json, struct wire_json_reading *reading)
{
    struct create_topics_request request;
    struct arena arena;
    arena_init(&arena, KIT_ARENA_LIMIT);
    reading->arena = &arena;
    bool fine = wire_json_read(&wire_create_topics_request, version, slice_of_text(json), reading,
                               &request);
    assert_int_equal(fine, reading->fault[0] == '\0');
    arena_fini(&arena);
    return reading->fault;
}

static void a_fault_names_the_field(void **state)
{
    (void)state;
    static const struct {
        int version;
        const char *json;
        const char *fault;
    } rows[] = {
        {2, "{}", ""},
        {2, "{\"topics\":[{\"name\":\"a\"}]}", ""},
        {2, "[]", "must be an object"},
        {2, "{\"topics\":[],\"quotas\":1}", "version 2 has no field \"quotas\""},
        {2, "{\"topics\":null}", "topics: must not be null in version 2"},
        {2, "{\"topics\":{}}", "topics: must be an array"},
        {2, "{\"topics\":[{},7]}", "topics[1]: must be an object"},
        {2, "{\"topics\":[{},{\"nam\":1}]}", "topics[1]: version 2 has no field \"nam\""},
        {2, "{\"topics\":[{\"name\":1}]}", "topics[0].name: must be a string"},
        {2, "{\"topics\":[{\"numPartitions\":3000000000}]}",
         "topics[0].numPartitions: must be between -2147483648 and 2147483647"},
        {2, "{\"topics\":[{\"numPartitions\":1.5}]}",
         "topics[0].numPartitions: must be a whole number"},
        {2, "{\"topics\":[{\"assignments\":[{\"brokerIds\":[1,\"2\"]}]}]}",
         "topics[0].assignments[0].brokerIds[1]: must be a whole number"},
        {2, "{\"validateOnly\":0}", "validateOnly: must be true or false"},
        {2, "{\"topics\":[],\"topics\":[]}",
         "line 1, column 21: duplicate object key near '\"topics\"'"},
        {2, "{\"topics\":", "line 1, column 10: unexpected token near end of file"},
        {2, "", "line 1, column 0: '[' or '{' expected near end of file"},
    };
    struct wire_json_reading reading;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_string_equal(fault_of(rows[i].version, rows[i].json, &reading), rows[i].fault);
}

static void a_long_string_is_refused(void **state)
{
    (void)state;
    struct text json;
    text_init(&json, TEXT_LIMIT);
    text_printf(&json, "{\"topics\":[{\"name\":\"%040000d\"}]}", 0);
    struct wire_json_reading reading;
    assert_string_equal(fault_of(2, json.data, &reading),
                        "topics[0].name: is longer than 32767 bytes");
    text_fini(&json);
}

static void scarce_memory_is_a_fault(void **state)
{
    (void)state;
    struct create_topics_request request;
    struct arena arena;
    arena_init(&arena, 100);
    struct wire_json_reading reading = {.arena = &arena};
    assert_false(wire_json_read(&wire_create_topics_request, 2,
                                slice_of_text("{\"topics\":[{},{},{},{}]}"), &reading, &request));
    assert_string_equal(reading.fault, "topics: the message is too large");
    arena_fini(&arena);
}

static void missing_fields_keep_their_defaults(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, KIT_ARENA_LIMIT);
    struct wire_json_reading reading = {.arena = &arena};
    struct register_broker_record record;
    assert_true(wire_json_read(&wire_register_broker_record, 1,
                               slice_of_text("{\"brokerId\":3,\"rack\":\"r\"}"), &reading,
                               &record));
    assert_int_equal(record.broker_id, 3);
    assert_true(slice_is(record.rack, "r"));
    assert_true(record.fenced);
    assert_int_equal(record.end_points_count, 0);
    arena_fini(&arena);
}

/* Base64 of every length, and what is none. */
static void bytes_are_base64(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *bytes; /* NULL: refused */
    } rows[] = {
        {"", ""},           {"YQ==", "a"},  {"YWI=", "ab"}, {"YWJj", "abc"}, {"YWJjZA==", "abcd"},
        {"YQ=", NULL},      {"YQ", NULL},   {"Y===", NULL}, {"YW=j", NULL},  {"YWJ-", NULL},
        {"YQ==YQ==", NULL}, {"====", NULL},
    };
    const struct wire_message *message = &wire_sasl_authenticate_request;
    struct arena arena;
    arena_init(&arena, KIT_ARENA_LIMIT);
    struct wire_json_reading reading = {.arena = &arena};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sasl_authenticate_request request;
        const char *json = arena_printf(&arena, "{\"authBytes\":\"%s\"}", rows[i].text);
        bool fine = wire_json_read(message, 0, slice_of_text(json), &reading, &request);
        assert_int_equal(fine, rows[i].bytes != NULL);
        if (fine)
            assert_true(slice_is(request.auth_bytes, rows[i].bytes));
        else
            assert_string_equal(reading.fault, "authBytes: is not base64");
    }
    arena_fini(&arena);
}

static void floats_survive(void **state)
{
    (void)state;
    static const double values[] = {
        0, -0.0, 0.1, 1e300, -123456.789, (double)NAN, (double)INFINITY, -(double)INFINITY};
    const struct wire_message *message = &wire_client_quota_record;
    struct arena arena;
    arena_init(&arena, KIT_ARENA_LIMIT);
    struct wire_json_reading reading = {.arena = &arena};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct text out;
        text_init(&out, TEXT_LIMIT);
        struct client_quota_record in = {.value = values[i]};
        struct client_quota_record back;
        wire_json_print(message, 0, &in, &out);
        assert_true(wire_json_read(message, 0, text_slice(&out), &reading, &back));
        assert_true(isnan(in.value) ? isnan(back.value) : memcmp(&back.value, &in.value, 8) == 0);
        text_fini(&out);
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_and_version_survives),
        cmocka_unit_test(names_and_forms_are_the_protocols),
        cmocka_unit_test(tagged_fields_show_only_when_set),
        cmocka_unit_test(records_show_as_bytes_or_size),
        cmocka_unit_test(a_fault_names_the_field),
        cmocka_unit_test(a_long_string_is_refused),
        cmocka_unit_test(scarce_memory_is_a_fault),
        cmocka_unit_test(missing_fields_keep_their_defaults),
        cmocka_unit_test(bytes_are_base64),
        cmocka_unit_test(floats_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
