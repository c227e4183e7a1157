/* Decoding hostile bytes: lengths and counts that lie, tagged fields by the thousand, endless
 * varints, and every byte of valid messages changed. Decoding must stay inside of the input (which
 * is copied to a block of its exact size, so that sanitizers see), take a bounded amount of memory
 * and give what can be encoded again. */
#include "base/bytes.h"
#include "wire/msg/api_versions_request.h"
#include "wire/msg/fetch_request.h"
#include "wire/msg/metadata_request.h"
#include "wire/msg/metadata_response.h"
#include "wire/msg/partition_record.h"
#include "wire/test/message_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Decodes a copy of the bytes; what is fine must be fine to encode. The fault, or NULL. */
static const char *decode_fault(const struct wire_message *message, int version, const void *data,
                                size_t size)
{
    uint8_t *copy = malloc(size + (size == 0));
    assert_non_null(copy);
    memcpy(copy, data, size);
    struct arena arena;
    arena_init(&arena, KIT_ARENA_LIMIT);
    void *value = arena_take(&arena, message->type->size);
    size_t before = arena.used;
    struct wire_decoded decoded;
    bool fine = wire_decode(message, version, slice_of(copy, size), &arena, value, &decoded);
    assert_int_equal(fine, decoded.fault == NULL);
    assert_true(decoded.size <= size);
    assert_true(arena.used - before <= WIRE_MEMORY_RATIO_MAX * size);
    if (fine) {
        struct chain out;
        kit_encode(message, version, value, &out);
        chain_fini(&out);
    }
    arena_fini(&arena);
    free(copy);
    return decoded.fault;
}

static void random_bytes_are_harmless(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 99);
    for (size_t i = 0; i < wire_message_count; i++) {
        const struct wire_message *message = wire_messages[i];
        for (int n = 0; n < 150; n++) {
            uint8_t bytes[256];
            size_t size = prng_below(&prng, sizeof bytes);
            prng_fill(&prng, bytes, size);
            for (size_t at = 0; at < size; at++)
                bytes[at] = prng_chance(&prng, 2, 3) ? bytes[at] & 3 : bytes[at];
            int span = message->versions.high - message->versions.low + 1;
            int version = message->versions.low + (int)prng_below(&prng, (uint32_t)span);
            (void)decode_fault(message, version, bytes, size);
        }
    }
}

/* Each byte in turn becomes a length, count or mark that lies. */
static void change_each_byte(const struct wire_message *message, int version, struct slice encoded)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    uint8_t *bytes = malloc(encoded.size + 1);
    assert_non_null(bytes);
    for (size_t at = 0; at < encoded.size; at++) {
        memcpy(bytes, encoded.data, encoded.size);
        for (size_t i = 0; i < COUNT_OF(values); i++) {
            bytes[at] = values[i];
            (void)decode_fault(message, version, bytes, encoded.size);
        }
    }
    free(bytes);
}

static void changed_bytes_are_harmless(void **state)
{
    (void)state;
    for (size_t i = 0; i < wire_message_count; i++) {
        const struct wire_message *message = wire_messages[i];
        int versions[] = {message->versions.low, message->versions.high};
        for (size_t n = 0; n < COUNT_OF(versions); n++) {
            struct arena arena;
            arena_init(&arena, KIT_ARENA_LIMIT);
            struct maker maker = {.arena = &arena, .version = versions[n]};
            prng_init(&maker.prng, i);
            struct chain out;
            kit_encode(message, versions[n], maker_message(&maker, message), &out);
            change_each_byte(message, versions[n], slice_of(out.data, MIN_OF(out.size, 400U)));
            chain_fini(&out);
            arena_fini(&arena);
        }
    }
}

/* What the promise of WIRE_MEMORY_RATIO_MAX rests on: no element costs more than that. */
static void check_struct(const struct wire_struct *type, int version, bool flexible)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct wire_field *field = &type->fields[i];
        if (field->type != WIRE_STRUCT || !wire_versions_have(field->versions, version))
            continue;
        size_t size_min = wire_struct_size_min(field->element, version, flexible);
        assert_true(field->element->size <= size_min * WIRE_MEMORY_RATIO_MAX);
        check_struct(field->element, version, flexible);
    }
}

static void every_element_pays_for_its_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < wire_message_count; i++) {
        const struct wire_message *message = wire_messages[i];
        for (int version = message->versions.low; version <= message->versions.high; version++)
            check_struct(message->type, version, wire_versions_have(message->flexible, version));
    }
}

struct row {
    const struct wire_message *message;
    int version;
    const char *bytes;
    size_t size;
    const char *fault; /* NULL: it is fine */
};

#define BYTES(text) (text), sizeof(text) - 1
#define ENDS "the message ends too early"
#define NO_NULL "a value that must not be null is null"
#define NO_NULL_ARRAY "a collection that must not be null is null"
#define TOO_LARGE "a collection is larger than the message can hold"
#define TOO_LONG "a variable-length integer is too long"
#define TAG_ORDER "tagged fields are out of order or given twice"
#define TAG_SIZE "a tagged field has another size than it says"
#define TAG_COUNT "there are more tagged fields than bytes"
/* A Fetch v12 request up to its tags: seven numbers, then empty topics, forgotten ones and rack. */
#define FETCH "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\1\1"

static void lies_are_refused(void **state)
{
    (void)state;
    const struct wire_message *metadata = &wire_metadata_request;
    const struct wire_message *versions = &wire_api_versions_request;
    const struct wire_message *fetch = &wire_fetch_request;
    const struct row rows[] = {
        /* Metadata v0: an array of names */
        {metadata, 0, BYTES("\0\0\0\1\0\1a"), NULL},
        {metadata, 0, BYTES("\0\0\0\1\0\1ab"), NULL}, /* what is left over is the caller's */
        {metadata, 0, BYTES("\0\0\0\1\0\5ab"), ENDS},
        {metadata, 0, BYTES("\0\0\0\1\0"), TOO_LARGE},
        {metadata, 0, BYTES("\0\0\0"), ENDS},
        {metadata, 0, BYTES("\0\0\0\1\xff\xff"), NO_NULL},
        {metadata, 0, BYTES("\0\0\0\1\x80\0"), NO_NULL},
        {metadata, 0, BYTES("\0\0\0\5\0\1a"), TOO_LARGE},
        {metadata, 0, BYTES("\x7f\xff\xff\xff\0\1a"), TOO_LARGE},
        {metadata, 0, BYTES("\xff\xff\xff\xff"), NO_NULL_ARRAY},
        {metadata, 1, BYTES("\xff\xff\xff\xff"), NULL},
        {metadata, 0, BYTES("\xff\xff\xff\xfe"), NO_NULL_ARRAY},
        {metadata, 1, BYTES("\xff\xff\xff\xfe"), NULL}, /* below zero is null, as in Kafka */
        {metadata, 1, BYTES("\x80\0\0\0"), NULL},
        {metadata, 9, BYTES("\xff\xff\xff\xff\x0f\0\0\0\0"), NULL},
        {metadata, 9, BYTES("\xff\xff\xff\xff\x1f\0\0\0\0"), NULL},
        {metadata, 9, BYTES("\xff\xff\xff\xff\xff\0\0\0\0\0"), TOO_LONG},
        {metadata, 9, BYTES("\x80\x80\x80\x80\x08\0\0\0\0"), TOO_LARGE},
        /* ApiVersions v3: two compact texts and tags */
        {versions, 3, BYTES("\2a\2b\0"), NULL},
        {versions, 3, BYTES("\0\2b\0"), NO_NULL},
        {versions, 3, BYTES("\x80\x80\x80\x80\x80\1\1\0"), TOO_LONG},
        {versions, 3, BYTES("\xff\xff\xff\xff\x7f\1\1\0"), NO_NULL},
        {versions, 3, BYTES("\xff\xff\xff\xff\x07\1\1\0"), "a string is longer than 32767 bytes"},
        {versions, 3, BYTES("\x80\x80"), ENDS},
        {versions, 3, BYTES("\2a\2b\1\x63\2xy"), NULL},
        {versions, 3, BYTES("\2a\2b\1\x63\3xy"), ENDS},
        {versions, 3, BYTES("\2a\2b\2\5\0\5\0"), TAG_ORDER},
        {versions, 3, BYTES("\2a\2b\2\5\0\4\0"), TAG_ORDER},
        {versions, 3, BYTES("\2a\2b\xff\xff\xff\xff\x0f"), TAG_COUNT},
        /* Fetch v12's tag 0, a text: fitting, shorter and longer than its size, without an end */
        {fetch, 12, BYTES(FETCH "\1\0\2\2a"), NULL},
        {fetch, 12, BYTES(FETCH "\1\0\3\2ab"), TAG_SIZE},
        {fetch, 12, BYTES(FETCH "\1\0\1\2a"), TAG_SIZE},
        {fetch, 12, BYTES(FETCH "\1\0\3\2a"), ENDS},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        const char *fault = decode_fault(row->message, row->version, row->bytes, row->size);
        if (row->fault == NULL ? fault != NULL : fault == NULL || strcmp(fault, row->fault) != 0)
            fail_msg("row %zu: %s", i, fault != NULL ? fault : "fine");
    }
}

/* A block of `size` bytes of which the caller sets the first few; the rest are zero. */
static uint8_t *zeroes(size_t size)
{
    uint8_t *block = calloc(1, size);
    assert_non_null(block);
    return block;
}

static void strings_have_a_limit(void **state)
{
    (void)state;
    size_t size = 40000;
    uint8_t *bytes = zeroes(size);
    (void)uvarint_store(bytes, 32768); /* 32767 bytes of text, then an empty one and no tags */
    bytes[3 + 32767] = 1;
    assert_null(decode_fault(&wire_api_versions_request, 3, bytes, size));
    (void)uvarint_store(bytes, 32769);
    assert_string_equal(decode_fault(&wire_api_versions_request, 3, bytes, size),
                        "a string is longer than 32767 bytes");
    free(bytes);
}

/* A count that the bytes could be, but not with elements of their smallest size: nothing may be
 * taken for it. */
static void counts_are_checked_before_memory_is_taken(void **state)
{
    (void)state;
    size_t size = 60000;
    uint8_t *bytes = zeroes(size);
    bytes[4] = 1;          /* throttle time; no broker */
    size_t at = 5 + 1 + 4; /* null cluster id, controller */
    (void)uvarint_store(bytes + at, 50001);
    struct arena arena;
    arena_init(&arena, KIT_ARENA_LIMIT);
    struct metadata_response response;
    struct wire_decoded decoded;
    assert_false(wire_decode(&wire_metadata_response, 12, slice_of(bytes, size), &arena, &response,
                             &decoded));
    assert_string_equal(decoded.fault, TOO_LARGE);
    assert_string_equal(decoded.fault_field, "topics");
    assert_int_equal(arena.used, 0);
    arena_fini(&arena);
    free(bytes);
}

static void arrays_have_a_limit(void **state)
{
    (void)state;
    size_t size = 4U * WIRE_ARRAY_COUNT_MAX + 100;
    uint8_t *bytes = zeroes(size);
    size_t at = 4 + 16; /* partition, topic id; then the replicas */
    (void)uvarint_store(bytes + at, WIRE_ARRAY_COUNT_MAX + 1);
    for (size_t i = 0; i < 3; i++) /* three empty arrays behind it */
        bytes[at + 3 + 4U * WIRE_ARRAY_COUNT_MAX + i] = 1;
    assert_null(decode_fault(&wire_partition_record, 0, bytes, size));
    (void)uvarint_store(bytes + at, WIRE_ARRAY_COUNT_MAX + 2);
    assert_string_equal(decode_fault(&wire_partition_record, 0, bytes, size), TOO_LARGE);
    free(bytes);
}

/* An ApiVersions v3 request with so many unknown tagged fields, each empty. */
static const char *tags_fault(uint64_t count)
{
    struct chain chain;
    chain_init(&chain, KIT_ARENA_LIMIT);
    chain_add(&chain, slice_of("\2a\2b", 4));
    (void)uvarint_store(chain_extend(&chain, uvarint_size(count)), count);
    for (uint64_t tag = 1; tag <= count; tag++) {
        uint8_t *entry = chain_extend(&chain, uvarint_size(tag) + 1);
        entry[uvarint_store(entry, tag)] = 0;
    }
    const char *fault = decode_fault(&wire_api_versions_request, 3, chain.data, chain.size);
    chain_fini(&chain);
    return fault;
}

static void unknown_tagged_fields_are_passed_over(void **state)
{
    (void)state;
    assert_null(tags_fault(1));
    assert_null(tags_fault(WIRE_UNKNOWN_TAGS_MAX));
    assert_string_equal(tags_fault(WIRE_UNKNOWN_TAGS_MAX + 1),
                        "there are too many unknown tagged fields");
}

static void a_scarce_arena_is_a_fault(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 16);
    struct metadata_request request;
    struct wire_decoded decoded;
    assert_false(wire_decode(&wire_metadata_request, 0, slice_of("\0\0\0\2\0\1a\0\1b", 10), &arena,
                             &request, &decoded));
    assert_string_equal(decoded.fault, "the message needs more memory than it may take");
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes_are_harmless),
        cmocka_unit_test(changed_bytes_are_harmless),
        cmocka_unit_test(every_element_pays_for_its_memory),
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(strings_have_a_limit),
        cmocka_unit_test(counts_are_checked_before_memory_is_taken),
        cmocka_unit_test(arrays_have_a_limit),
        cmocka_unit_test(unknown_tagged_fields_are_passed_over),
        cmocka_unit_test(a_scarce_arena_is_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
