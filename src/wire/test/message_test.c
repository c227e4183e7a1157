/* Messages by table: every message and version survives encoding and decoding with random values;
 * decoding stays within its bounds on hostile bytes; a few encodings are known byte for byte. */
#include "base/bytes.h"
#include "wire/msg/api_versions_request.h"
#include "wire/msg/fetch_request.h"
#include "wire/msg/metadata_request.h"
#include "wire/msg/metadata_response.h"
#include "wire/msg/produce_request.h"
#include "wire/msg/produce_response.h"
#include "wire/test/message_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Equal means: encodes to the same bytes. */
static void round_trip(const struct wire_message *message, int version, uint64_t seed)
{
    struct arena arena;
    arena_init(&arena, KIT_ARENA_LIMIT);
    struct maker maker = {.arena = &arena, .version = version};
    prng_init(&maker.prng, seed);
    void *first = maker_message(&maker, message);
    void *second = arena_take(&arena, message->type->size);
    struct chain out;
    struct chain again;
    kit_encode(message, version, first, &out);
    struct wire_decoded decoded;
    if (!wire_decode(message, version, slice_of(out.data, out.size), &arena, second, &decoded))
        fail_msg("%s version %d seed %llu: %s at %zu", message->name, version,
                 (unsigned long long)seed, decoded.fault, decoded.size);
    assert_int_equal(decoded.size, out.size);
    kit_encode(message, version, second, &again);
    assert_int_equal(again.size, out.size);
    assert_memory_equal(again.data, out.data, out.size == 0 ? 0 : out.size);
    chain_fini(&out);
    chain_fini(&again);
    arena_fini(&arena);
}

static void every_message_and_version_survives(void **state)
{
    (void)state;
    for (size_t i = 0; i < wire_message_count; i++) {
        const struct wire_message *message = wire_messages[i];
        for (int version = message->versions.low; version <= message->versions.high; version++)
            for (uint64_t seed = 1; seed <= 20; seed++)
                round_trip(message, version, seed * 1000 + i);
    }
}

/* ---- hostile bytes ---- */

static void cut_messages_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < wire_message_count; i++) {
        const struct wire_message *message = wire_messages[i];
        int version = message->versions.high;
        struct arena arena;
        arena_init(&arena, KIT_ARENA_LIMIT);
        struct maker maker = {.arena = &arena, .version = version};
        prng_init(&maker.prng, i + 7);
        void *value = maker_message(&maker, message);
        struct chain out;
        kit_encode(message, version, value, &out);
        for (size_t size = 0; size < out.size; size++) {
            struct wire_decoded decoded;
            uint8_t *copy = malloc(size + 1);
            memcpy(copy, out.data, size);
            assert_false(
                wire_decode(message, version, slice_of(copy, size), &arena, value, &decoded));
            free(copy);
        }
        chain_fini(&out);
        arena_fini(&arena);
    }
}

/* ---- known bytes ---- */

static void produce_response_has_known_bytes(void **state)
{
    (void)state;
    struct produce_response_responses_partition_responses partition =
        produce_response_responses_partition_responses_default;
    partition.index = 1;
    partition.base_offset = 42;
    struct produce_response_responses topic = {
        .name = SLICE_LIT("t"), .partition_responses = &partition, .partition_responses_count = 1};
    struct produce_response response = {.responses = &topic, .responses_count = 1};
    static const uint8_t v3[] = {0,   0,   0,   1,   0,   1,   't', 0, 0, 0, 1, 0,  0,
                                 0,   1,   0,   0,   0,   0,   0,   0, 0, 0, 0, 42, 255,
                                 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0};
    static const uint8_t v9[] = {2,   2,   't', 2,   0,   0,   0,   1,   0,   0,   0,
                                 0,   0,   0,   0,   0,   0,   42,  255, 255, 255, 255,
                                 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                                 255, 1,   0,   0,   0,   0,   0,   0,   0,   0};
    struct chain out;
    kit_encode(&wire_produce_response, 3, &response, &out);
    assert_int_equal(out.size, sizeof v3);
    assert_memory_equal(out.data, v3, sizeof v3);
    chain_fini(&out);
    kit_encode(&wire_produce_response, 9, &response, &out);
    assert_int_equal(out.size, sizeof v9);
    assert_memory_equal(out.data, v9, sizeof v9);
    chain_fini(&out);
}

static void large_tagged_fields_have_long_sizes(void **state)
{
    (void)state;
    struct produce_response_node_endpoints nodes[20];
    for (int i = 0; i < 20; i++)
        nodes[i] = (struct produce_response_node_endpoints){
            .node_id = i, .host = SLICE_LIT("a-host-name-of-some-length"), .port = 9092};
    struct produce_response response = produce_response_default;
    response.node_endpoints = nodes;
    response.node_endpoints_count = 20;
    struct chain out;
    kit_encode(&wire_produce_response, 10, &response, &out);
    struct arena arena;
    arena_init(&arena, KIT_ARENA_LIMIT);
    struct produce_response back;
    struct wire_decoded decoded;
    assert_true(wire_decode(&wire_produce_response, 10, slice_of(out.data, out.size), &arena, &back,
                            &decoded));
    assert_int_equal(back.node_endpoints_count, 20);
    assert_int_equal(back.node_endpoints[19].node_id, 19);
    arena_fini(&arena);
    chain_fini(&out);
}

static void fields_a_version_lacks_must_be_unset(void **state)
{
    (void)state;
    struct fetch_request_forgotten_topics_data forgotten = {.topic = SLICE_LIT("t")};
    struct fetch_request request = fetch_request_default;
    struct chain out;
    chain_init(&out, KIT_ARENA_LIMIT);
    const char *field = NULL;
    assert_true(wire_encode(&wire_fetch_request, 4, &request, &out, &field));
    request.forgotten_topics_data = &forgotten;
    request.forgotten_topics_data_count = 1;
    assert_false(wire_encode(&wire_fetch_request, 4, &request, &out, &field));
    assert_string_equal(field, "forgottenTopicsData");
    chain_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_and_version_survives),
        cmocka_unit_test(cut_messages_are_refused),
        cmocka_unit_test(produce_response_has_known_bytes),
        cmocka_unit_test(large_tagged_fields_have_long_sizes),
        cmocka_unit_test(fields_a_version_lacks_must_be_unset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
