/* Headers and chains: the hand-written headers are held against the tables of spec/header for every
 * API and version; malformed ones are refused; a chain gives each external piece back once. */
#include "base/bytes.h"
#include "wire/frame.h"
#include "wire/msg/fetch_response.h"
#include "wire/msg/request_header.h"
#include "wire/msg/response_header.h"
#include "wire/test/message_kit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PREFIX_SIZE 4

/* ---- headers ---- */

static void check_prefix(const struct chain *chain)
{
    assert_false(chain->failed);
    assert_int_equal(load_i32(chain->data), chain_size(chain) - PREFIX_SIZE);
}

/* The same header by the table, and then what follows it. */
static void assert_header(const struct wire_message *table, int version, const void *header,
                          const struct chain *built)
{
    struct chain expected;
    kit_encode(table, version, header, &expected);
    assert_int_equal(built->size, PREFIX_SIZE + expected.size + 4);
    assert_memory_equal(built->data + PREFIX_SIZE, expected.data, expected.size);
    assert_memory_equal(built->data + PREFIX_SIZE + expected.size, "body", 4);
    chain_fini(&expected);
}

static void request_goes_there_and_back(const struct frame_header *sent, bool flexible)
{
    struct chain chain;
    chain_init(&chain, KIT_ARENA_LIMIT);
    frame_request_begin(&chain, sent);
    chain_add(&chain, slice_of("body", 4));
    frame_request_end(&chain);
    check_prefix(&chain);
    struct request_header header = {.request_api_key = sent->api_key,
                                    .request_api_version = sent->api_version,
                                    .correlation_id = sent->correlation_id,
                                    .client_id = sent->client_id};
    assert_header(&wire_request_header, flexible ? 2 : 1, &header, &chain);
    struct frame_header got;
    struct slice body;
    struct slice frame = slice_of(chain.data + PREFIX_SIZE, chain.size - PREFIX_SIZE);
    assert_null(frame_header_parse(frame, &got, &body));
    assert_int_equal(got.api_key, sent->api_key);
    assert_int_equal(got.api_version, sent->api_version);
    assert_int_equal(got.correlation_id, sent->correlation_id);
    assert_int_equal(slice_is_null(got.client_id), slice_is_null(sent->client_id));
    assert_true(slice_equal(got.client_id, sent->client_id));
    assert_true(slice_is(body, "body"));
    chain_fini(&chain);
}

static void response_goes_there_and_back(const struct frame_header *sent, bool flexible)
{
    struct chain chain;
    chain_init(&chain, KIT_ARENA_LIMIT);
    frame_response_begin(&chain, sent);
    chain_add(&chain, slice_of("body", 4));
    frame_response_end(&chain);
    check_prefix(&chain);
    struct response_header header = {.correlation_id = sent->correlation_id};
    assert_header(&wire_response_header, flexible ? 1 : 0, &header, &chain);
    int32_t correlation_id;
    struct slice body;
    struct slice frame = slice_of(chain.data + PREFIX_SIZE, chain.size - PREFIX_SIZE);
    assert_null(frame_response_parse(frame, sent, &correlation_id, &body));
    assert_int_equal(correlation_id, sent->correlation_id);
    assert_true(slice_is(body, "body"));
    chain_fini(&chain);
}

static void headers_are_as_the_tables_say(void **state)
{
    (void)state;
    int apis = 0;
    for (int16_t key = 0; key < wire_api_count; key++) {
        const struct wire_message *request = wire_request(key);
        if (request == NULL)
            continue;
        apis++;
        int16_t high = request->versions.high;
        for (int16_t version = request->versions.low; version <= high; version++) {
            bool flexible = wire_versions_have(request->flexible, version);
            struct frame_header sent = {.api_key = key,
                                        .api_version = version,
                                        .correlation_id = -7 * key,
                                        .client_id = SLICE_LIT("a-client")};
            request_goes_there_and_back(&sent, flexible);
            response_goes_there_and_back(&sent, flexible && key != 18);
            sent.client_id = (struct slice){0};
            request_goes_there_and_back(&sent, flexible);
        }
    }
    assert_true(apis > 80);
}

static void two_apis_are_never_flexible(void **state)
{
    (void)state;
    for (int16_t key = 0; key < wire_api_count; key++) {
        const struct wire_message *request = wire_request(key);
        if (request == NULL)
            continue;
        bool never = request->flexible.low > request->flexible.high;
        assert_int_equal(never, key == 17 || key == 47); /* SaslHandshake, OffsetDelete */
    }
}

static void malformed_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *fault;
    } rows[] = {
        {"", 0, "the request is too short for a header"},
        {"\0\3\0\0\0\0\0\1\0", 9, "the request is too short for a header"},
        {"\0\3\0\0\0\0\0\1\0\2a", 11, "the client id's length is wrong"},
        {"\0\3\0\0\0\0\0\1\xff\xfe", 10, NULL}, /* below zero is null, as in Kafka */
        {"\0\3\0\0\0\0\0\1\xff\xff", 10, NULL},
        {"\0\3\0\0\0\0\0\1\0\0", 10, NULL},
        /* Metadata v12 has tags behind the client id */
        {"\0\3\0\x0c\0\0\0\1\0\0", 10, "the header's tagged fields are malformed"},
        {"\0\3\0\x0c\0\0\0\1\0\0\0", 11, NULL},
        {"\0\3\0\x0c\0\0\0\1\0\0\1\5\2ab", 15, NULL},
        {"\0\3\0\x0c\0\0\0\1\0\0\1\5\3ab", 15, "the header's tagged fields are malformed"},
        {"\0\3\0\x0c\0\0\0\1\0\0\1\5", 12, "the header's tagged fields are malformed"},
        {"\0\3\0\x0c\0\0\0\1\0\0\x91\x4e", 12, "the header's tagged fields are malformed"},
        {"\0\3\0\x0c\0\0\0\1\0\0\x80\x80\x80\x80\x80\1", 16,
         "the header's tagged fields are malformed"},
        /* an API that nobody knows is read up to its client id */
        {"\x7f\xff\0\x0c\0\0\0\1\0\0", 10, NULL},
        {"\xff\xff\xff\xff\0\0\0\1\0\0", 10, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct frame_header header;
        struct slice body;
        const char *fault =
            frame_header_parse(slice_of(rows[i].bytes, rows[i].size), &header, &body);
        if (rows[i].fault == NULL ? fault != NULL
                                  : fault == NULL || strcmp(fault, rows[i].fault) != 0)
            fail_msg("row %zu: %s", i, fault != NULL ? fault : "fine");
    }
}

static void malformed_response_headers_are_refused(void **state)
{
    (void)state;
    int32_t id;
    struct slice body;
    const struct frame_header sent = {.api_key = 3, .api_version = 12};
    assert_non_null(frame_response_parse(slice_of("\0\0\0", 3), &sent, &id, &body));
    assert_non_null(frame_response_parse(slice_of("\0\0\0\1", 4), &sent, &id, &body));
    assert_non_null(frame_response_parse(slice_of("\0\0\0\1\1\0", 6), &sent, &id, &body));
    assert_null(frame_response_parse(slice_of("\0\0\0\1\0", 5), &sent, &id, &body));
    assert_int_equal(id, 1);
    assert_int_equal(body.size, 0);
}

/* ---- chains ---- */

static void count_release(void *handle)
{
    ++*(int *)handle;
}

static struct chain_external piece(int *released, int64_t size)
{
    return (struct chain_external){.handle = released, .release = count_release, .size = size};
}

static void pieces_keep_their_places(void **state)
{
    (void)state;
    int released = 0;
    struct chain chain;
    chain_init(&chain, 4096);
    chain_add(&chain, slice_of("", 0));
    chain_add_external(&chain, piece(&released, 10));
    for (int i = 0; i < 20; i++) {
        chain_add(&chain, slice_of("abc", 3));
        chain_add_external(&chain, piece(&released, 100));
    }
    assert_false(chain.failed);
    assert_int_equal(chain.link_count, 21);
    assert_int_equal(chain.links[0].at, 0);
    assert_int_equal(chain.links[7].at, 21);
    assert_int_equal(chain_size(&chain), 20 * 3 + 10 + 20 * 100);
    assert_int_equal(released, 0);
    chain_reset(&chain, 4096);
    assert_int_equal(released, 21);
    assert_int_equal(chain_size(&chain), 0);
    chain_add_external(&chain, piece(&released, 1));
    chain_fini(&chain);
    assert_int_equal(released, 22);
}

static void the_limit_is_a_sticky_failure(void **state)
{
    (void)state;
    int released = 0;
    struct chain chain;
    chain_init(&chain, 1000);
    assert_non_null(chain_extend(&chain, 600));
    assert_non_null(chain_extend(&chain, 400));
    assert_true(chain.capacity <= 1000);
    assert_null(chain_extend(&chain, 1));
    assert_true(chain.failed);
    chain_reset(&chain, 1000);
    assert_false(chain.failed);
    assert_null(chain_extend(&chain, 1001));
    assert_null(chain_extend(&chain, 1));
    chain_add_external(&chain, piece(&released, 5));
    assert_int_equal(released, 1);
    frame_response_end(&chain);
    assert_true(chain.failed);
    chain_fini(&chain);
    assert_int_equal(released, 1);
}

/* A Fetch answer of two partitions whose records stand in files. */
static bool encode_external(struct chain *chain, int *released, int64_t size)
{
    struct fetch_response_responses_partitions partitions[2];
    for (int i = 0; i < 2; i++) {
        partitions[i] = fetch_response_responses_partitions_default;
        partitions[i].records.external = piece(released, size);
    }
    struct fetch_response_responses topic = {.partitions = partitions, .partitions_count = 2};
    struct fetch_response response = fetch_response_default;
    response.responses = &topic;
    response.responses_count = 1;
    struct frame_header header = {.api_key = 1, .api_version = 17};
    frame_response_begin(chain, &header);
    bool fine = wire_encode(&wire_fetch_response, 17, &response, chain, NULL);
    frame_response_end(chain);
    return fine && !chain->failed;
}

static void record_ranges_ride_along(void **state)
{
    (void)state;
    int released = 0;
    struct chain chain;
    chain_init(&chain, KIT_ARENA_LIMIT);
    assert_true(encode_external(&chain, &released, 1000000));
    check_prefix(&chain);
    assert_int_equal(chain.link_count, 2);
    assert_int_equal(chain.external_size, 2000000);
    /* in front of each stands its size, one more than it is, as a varint; behind it no tags */
    static const uint8_t size[] = {0xc1, 0x84, 0x3d};
    for (int i = 0; i < 2; i++) {
        size_t at = chain.links[i].at;
        assert_memory_equal(chain.data + at - sizeof size, size, sizeof size);
        assert_int_equal(chain.data[at], 0);
    }
    assert_int_equal(released, 0);
    chain_fini(&chain);
    assert_int_equal(released, 2);
}

static void record_ranges_are_given_back_on_failure(void **state)
{
    (void)state;
    struct chain chain;
    for (size_t limit = 1; limit < 60; limit++) {
        int released = 0;
        chain_init(&chain, limit);
        assert_false(encode_external(&chain, &released, 100));
        chain_fini(&chain);
        assert_int_equal(released, 2);
    }
    /* a frame that its prefix cannot say; a range that its length cannot */
    static const int64_t sizes[] = {INT32_MAX - 10, (int64_t)INT32_MAX + 1};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        int released = 0;
        chain_init(&chain, KIT_ARENA_LIMIT);
        assert_false(encode_external(&chain, &released, sizes[i]));
        chain_fini(&chain);
        assert_int_equal(released, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_as_the_tables_say),
        cmocka_unit_test(two_apis_are_never_flexible),
        cmocka_unit_test(malformed_headers_are_refused),
        cmocka_unit_test(malformed_response_headers_are_refused),
        cmocka_unit_test(pieces_keep_their_places),
        cmocka_unit_test(the_limit_is_a_sticky_failure),
        cmocka_unit_test(record_ranges_ride_along),
        cmocka_unit_test(record_ranges_are_given_back_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
