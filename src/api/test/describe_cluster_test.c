/* DescribeCluster: who is there. Expected values are Apache Kafka 4.4.0's. */
#include "api/test/api_kit.h"
#include "wire/msg/describe_cluster_request.h"
#include "wire/msg/describe_cluster_response.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void init(struct api_kit *kit)
{
    api_kit_init(kit, NULL);
    api_kit_add_broker(kit->image, &(struct api_kit_broker){
                                       .id = 1, .host = "one.example", .port = 9092, .rack = "r1"});
    api_kit_add_broker(kit->image,
                       &(struct api_kit_broker){.id = 2, .host = "two", .port = 2, .fenced = true});
    api_kit_add_broker(kit->image, &(struct api_kit_broker){
                                       .id = 3, .host = "three", .port = 3, .listener = "OTHER"});
}

/* ---- DescribeCluster ---- */

static void brokers_in_every_version(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    for (int16_t version = 0; version <= 2; version++) {
        const struct describe_cluster_response *response =
            api_kit_ask(&kit, API_DESCRIBE_CLUSTER, version, &describe_cluster_request_default);
        assert_int_equal(response->error_code, ERR_NONE);
        assert_true(slice_is_null(response->error_message));
        assert_int_equal(response->endpoint_type, 1);
        assert_slice_is(response->cluster_id, API_KIT_CLUSTER);
        assert_int_equal(response->controller_id, 1);
        assert_int_equal(response->cluster_authorized_operations, INT32_MIN);
        assert_int_equal(response->brokers_count, 1);
        assert_int_equal(response->brokers[0].broker_id, 1);
        assert_slice_is(response->brokers[0].host, "one.example");
        assert_int_equal(response->brokers[0].port, 9092);
        assert_slice_is(response->brokers[0].rack, "r1");
        assert_false(response->brokers[0].is_fenced);
    }
    api_kit_fini(&kit);
}

static void fenced_brokers_and_operations_when_asked(void **state)
{
    (void)state;
    struct api_kit kit;
    init(&kit);
    struct describe_cluster_request message = describe_cluster_request_default;
    message.include_fenced_brokers = true;
    message.include_cluster_authorized_operations = true;
    const struct describe_cluster_response *response =
        api_kit_ask(&kit, API_DESCRIBE_CLUSTER, 2, &message);
    assert_int_equal(response->cluster_authorized_operations, 8096);
    assert_int_equal(response->brokers_count, 2);
    assert_false(response->brokers[0].is_fenced);
    assert_int_equal(response->brokers[1].broker_id, 2);
    assert_true(response->brokers[1].is_fenced);
    assert_true(slice_is_null(response->brokers[1].rack));
    api_kit_fini(&kit);
}

static void wrong_endpoints(void **state)
{
    (void)state;
    static const struct {
        int8_t type;
        enum err err;
        const char *text;
    } rows[] = {
        {0, ERR_UNSUPPORTED_ENDPOINT_TYPE, "Unsupported endpoint type 0"},
        {2, ERR_MISMATCHED_ENDPOINT_TYPE,
         "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type "
         "CONTROLLER"},
        {3, ERR_UNSUPPORTED_ENDPOINT_TYPE, "Unsupported endpoint type 3"},
        {-1, ERR_UNSUPPORTED_ENDPOINT_TYPE, "Unsupported endpoint type -1"},
    };
    struct api_kit kit;
    init(&kit);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct describe_cluster_request message = describe_cluster_request_default;
        message.endpoint_type = rows[i].type;
        const struct describe_cluster_response *response =
            api_kit_ask(&kit, API_DESCRIBE_CLUSTER, 1, &message);
        assert_int_equal(response->error_code, rows[i].err);
        assert_slice_is(response->error_message, rows[i].text);
        assert_int_equal(response->endpoint_type, 1);
        assert_slice_is(response->cluster_id, "");
        assert_int_equal(response->controller_id, -1);
        assert_int_equal(response->brokers_count, 0);
    }
    api_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brokers_in_every_version),
        cmocka_unit_test(fenced_brokers_and_operations_when_asked),
        cmocka_unit_test(wrong_endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
