/* ApiVersions: what is offered in each version, the checks of the client's name and cluster, and
 * the answer to a version that nobody knows. Expected values are Apache Kafka 4.4.0's. */
#include "api/test/api_kit.h"
#include "wire/msg/api_versions_request.h"
#include "wire/msg/api_versions_response.h"
#include "wire/msg/feature_level_record.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void set_feature(struct meta_image *image, const char *name, int16_t level)
{
    struct feature_level_record record = {.name = slice_of_text(name), .feature_level = level};
    api_kit_apply(image, &wire_feature_level_record, 0, &record);
}

static struct api_versions_request client(void)
{
    struct api_versions_request message = api_versions_request_default;
    message.client_software_name = slice_of_text("a-b.c");
    message.client_software_version = slice_of_text("1");
    return message;
}

static const struct api_versions_response *ask(struct api_kit *kit, int16_t version,
                                               const struct api_versions_request *message)
{
    return api_kit_ask(kit, API_API_VERSIONS, version, message);
}

static struct api_versions_response_api_keys key_of(const struct api_versions_response *response,
                                                    int16_t key)
{
    for (int32_t i = 0; i < response->api_keys_count; i++)
        if (response->api_keys[i].api_key == key)
            return response->api_keys[i];
    fail_msg("API %d is not offered", key);
    return api_versions_response_api_keys_default;
}

static void offers_every_row(void **state)
{
    (void)state;
    struct api_kit kit;
    api_kit_init(&kit, NULL);
    size_t count;
    const struct api_row *rows = api_rows(&count);
    for (int16_t version = 0; version <= 5; version++) {
        struct api_versions_request message =
            version >= 3 ? client() : api_versions_request_default;
        const struct api_versions_response *response = ask(&kit, version, &message);
        assert_int_equal(response->error_code, ERR_NONE);
        assert_int_equal(response->api_keys_count, count);
        for (size_t i = 0; i < count; i++) {
            struct api_versions_response_api_keys key = key_of(response, rows[i].key);
            assert_int_equal(key.min_version, rows[i].advertised_min);
            assert_int_equal(key.max_version, rows[i].version_max);
        }
    }
    api_kit_fini(&kit);
}

static void produce_is_offered_from_zero(void **state)
{
    (void)state;
    struct api_kit kit;
    api_kit_init(&kit, NULL);
    struct api_versions_request message = client();
    const struct api_versions_response *response = ask(&kit, 4, &message);
    assert_int_equal(key_of(response, API_PRODUCE).min_version, 0);
    assert_int_equal(key_of(response, API_PRODUCE).max_version, 13);
    api_kit_fini(&kit);
}

static void features_by_version(void **state)
{
    (void)state;
    struct api_kit kit;
    api_kit_init(&kit, NULL);
    set_feature(kit.image, "metadata.version", 33);
    set_feature(kit.image, "group.version", 1);
    kit.image->end_offset = 20;
    kit.image->kraft_version = 1;
    struct api_versions_request message = client();
    const struct api_versions_response *response = ask(&kit, 2, &api_versions_request_default);
    assert_int_equal(response->supported_features_count, 0);
    response = ask(&kit, 3, &message);
    assert_int_equal(response->supported_features_count, 1);
    assert_slice_is(response->supported_features[0].name, "metadata.version");
    assert_int_equal(response->supported_features[0].min_version, 7);
    assert_int_equal(response->supported_features[0].max_version, 33);
    response = ask(&kit, 4, &message);
    assert_int_equal(response->supported_features_count, 7);
    assert_int_equal(response->finalized_features_epoch, 19);
    assert_int_equal(response->finalized_features_count, 3);
    assert_slice_is(response->finalized_features[0].name, "group.version");
    assert_slice_is(response->finalized_features[1].name, "metadata.version");
    assert_int_equal(response->finalized_features[1].max_version_level, 33);
    assert_int_equal(response->finalized_features[1].min_version_level, 33);
    assert_slice_is(response->finalized_features[2].name, "kraft.version");
    assert_int_equal(response->finalized_features[2].max_version_level, 1);
    assert_false(response->zk_migration_ready);
    api_kit_fini(&kit);
}

/* A static quorum has no kraft.version. */
static void no_kraft_version_in_a_static_quorum(void **state)
{
    (void)state;
    struct api_kit kit;
    api_kit_init(&kit, NULL);
    set_feature(kit.image, "metadata.version", 33);
    struct api_versions_request message = client();
    const struct api_versions_response *response = ask(&kit, 5, &message);
    assert_int_equal(response->finalized_features_count, 1);
    api_kit_fini(&kit);
}

static void software_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *version;
        enum err err;
    } rows[] = {
        {"a", "1", ERR_NONE},
        {"apache-kafka-java", "4.4.0", ERR_NONE},
        {"A.9", "x--..y", ERR_NONE},
        {"", "1", ERR_INVALID_REQUEST},
        {"a", "", ERR_INVALID_REQUEST},
        {"-a", "1", ERR_INVALID_REQUEST},
        {"a", "1-", ERR_INVALID_REQUEST},
        {"a.", "1", ERR_INVALID_REQUEST},
        {"a b", "1", ERR_INVALID_REQUEST},
        {"a", "1_0", ERR_INVALID_REQUEST},
    };
    struct api_kit kit;
    api_kit_init(&kit, NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct api_versions_request message = client();
        message.client_software_name = slice_of_text(rows[i].name);
        message.client_software_version = slice_of_text(rows[i].version);
        const struct api_versions_response *response = ask(&kit, 3, &message);
        assert_int_equal(response->error_code, rows[i].err);
        assert_true((response->api_keys_count > 0) == (rows[i].err == ERR_NONE));
    }
    api_kit_fini(&kit);
}

/* KIP-1242: cluster and node are given both or not at all. */
static void who_is_meant(void **state)
{
    (void)state;
    static const struct {
        const char *cluster;
        int32_t node;
        enum err err;
    } rows[] = {
        {NULL, -1, ERR_NONE},
        {API_KIT_CLUSTER, 1, ERR_NONE},
        {"nope", 1, ERR_REBOOTSTRAP_REQUIRED},
        {"", 1, ERR_REBOOTSTRAP_REQUIRED},
        {API_KIT_CLUSTER, 2, ERR_REBOOTSTRAP_REQUIRED},
        {NULL, 1, ERR_INVALID_REQUEST},
        {NULL, -2, ERR_INVALID_REQUEST},
        {API_KIT_CLUSTER, -1, ERR_INVALID_REQUEST},
        {"nope", -1, ERR_INVALID_REQUEST},
    };
    struct api_kit kit;
    api_kit_init(&kit, NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct api_versions_request message = client();
        message.cluster_id = slice_of_text(rows[i].cluster);
        message.node_id = rows[i].node;
        const struct api_versions_response *response = ask(&kit, 5, &message);
        assert_int_equal(response->error_code, rows[i].err);
        assert_true((response->api_keys_count > 0) == (rows[i].err == ERR_NONE));
    }
    api_kit_fini(&kit);
}

static void unsupported_version_in_the_oldest_form(void **state)
{
    (void)state;
    struct api_kit kit;
    api_kit_init(&kit, NULL);
    struct api_exchange exchange = {.key = API_API_VERSIONS, .version = 99};
    api_kit_run(&kit, &exchange, 1);
    assert_true(exchange.answered);
    static const uint8_t expected[] = {0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 5};
    assert_int_equal(exchange.body.size, sizeof expected);
    assert_memory_equal(exchange.body.data, expected, sizeof expected);
    api_kit_fini(&kit);
}

static void controllers_offer_this_only(void **state)
{
    (void)state;
    struct api_kit kit;
    api_kit_init(&kit, NULL);
    kit.listener.is_controller = true;
    struct api_versions_request message = client();
    const struct api_versions_response *response = ask(&kit, 4, &message);
    assert_int_equal(response->api_keys_count, 1);
    assert_int_equal(response->api_keys[0].api_key, API_API_VERSIONS);
    api_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_every_row),
        cmocka_unit_test(produce_is_offered_from_zero),
        cmocka_unit_test(features_by_version),
        cmocka_unit_test(no_kraft_version_in_a_static_quorum),
        cmocka_unit_test(software_names),
        cmocka_unit_test(who_is_meant),
        cmocka_unit_test(unsupported_version_in_the_oldest_form),
        cmocka_unit_test(controllers_offer_this_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
