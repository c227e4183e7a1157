/* Slices, varints, hashing, ids, randomness and text building. */
#include "base/bytes.h"
#include "base/prng.h"
#include "base/slice.h"
#include "base/text.h"
#include "base/uuid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void loads_undo_stores(void **state)
{
    uint8_t at[8];
    (void)state;
    store_u64(at, 0x0102030405060708u);
    assert_int_equal(at[0], 1);
    assert_int_equal(at[7], 8);
    assert_true(load_u64(at) == 0x0102030405060708u);
    store_i32(at, -2);
    assert_int_equal(at[0], 0xff);
    assert_int_equal(load_i32(at), -2);
    store_i16(at, INT16_MIN);
    assert_int_equal(load_i16(at), INT16_MIN);
    store_i64(at, INT64_MIN);
    assert_true(load_i64(at) == INT64_MIN);
}

static void varints_round_trip_at_every_width(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t v = ((uint64_t)1 << bit) + (uint64_t)(int64_t)delta;
            uint8_t at[10];
            uint64_t back = 0;
            size_t size = uvarint_store(at, v);
            assert_int_equal(size, uvarint_size(v));
            assert_int_equal(uvarint_load(at, sizeof at, 10, &back), size);
            assert_true(back == v);
            assert_int_equal(uvarint_load(at, size - 1, 10, &back), 0);
            assert_true(zigzag_decode(zigzag_encode((int64_t)v)) == (int64_t)v);
        }
    }
}

static void slices_compare_as_bytes(void **state)
{
    (void)state;
    assert_true(slice_compare(slice_of_text("a"), slice_of_text("ab")) < 0);
    assert_true(slice_compare(slice_of_text("b"), slice_of_text("ab")) > 0);
    assert_true(slice_compare(slice_of_text("\xff"), slice_of_text("a")) > 0);
    assert_int_equal(slice_compare(slice_of_text(NULL), slice_of_text("")), 0);
    assert_true(slice_is(slice_from(slice_of_text("abc"), 1), "bc"));
    assert_int_equal(slice_from(slice_of_text("abc"), 9).size, 0);
    assert_true(slice_is(slice_first(slice_of_text("abc"), 2), "ab"));
}

static void hashes_differ_in_every_byte_and_by_seed(void **state)
{
    uint8_t bytes[38] = {0};
    (void)state;
    for (size_t size = 0; size < sizeof bytes; size++) {
        struct slice s = slice_of(bytes, size);
        uint64_t plain = slice_hash(s, 1);
        assert_true(plain != slice_hash(s, 2));
        assert_true(plain != slice_hash(slice_of(bytes, size + 1), 1));
        for (size_t i = 0; i < size; i++) {
            bytes[i] = 1;
            assert_true(plain != slice_hash(s, 1));
            bytes[i] = 0;
        }
    }
}

static void ids_keep_their_text(void **state)
{
    char text[UUID_TEXT_SIZE];
    struct uuid id = {{0}};
    struct uuid back = {{0}};
    struct prng prng;
    (void)state;
    uuid_format(uuid_zero, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAA");
    id.bytes[15] = 1; /* the metadata topic's */
    uuid_format(id, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAQ");
    prng_init(&prng, 5);
    for (int i = 0; i < 1000; i++) {
        uint8_t random[16];
        prng_fill(&prng, random, sizeof random);
        if (!uuid_from_random(random, &id))
            continue;
        uuid_format(id, text);
        assert_int_not_equal(text[0], '-');
        assert_true(uuid_parse(slice_of_text(text), &back));
        assert_true(uuid_equal(id, back));
        assert_int_equal(id.bytes[6] >> 4, 4);
        assert_int_equal(id.bytes[8] >> 6, 2);
    }
    assert_false(uuid_parse(slice_of_text("AAAAAAAAAAAAAAAAAAAAA"), &back));
    assert_false(uuid_parse(slice_of_text("AAAAAAAAAAAAAAAAAAAAAAA"), &back));
    assert_false(uuid_parse(slice_of_text("AAAAAAAAAA+AAAAAAAAAAA"), &back));
}

static void an_id_may_not_start_with_a_dash(void **state)
{
    uint8_t random[16] = {0xf8};
    struct uuid id;
    (void)state;
    assert_false(uuid_from_random(random, &id));
}

static void randomness_repeats_and_spreads(void **state)
{
    struct prng a;
    struct prng b;
    unsigned counts[7] = {0};
    (void)state;
    prng_init(&a, 42);
    prng_init(&b, 42);
    for (int i = 0; i < 70000; i++) {
        uint64_t v = prng_below(&a, 7);
        assert_true(v == prng_below(&b, 7));
        counts[v]++;
    }
    for (size_t i = 0; i < 7; i++)
        assert_in_range(counts[i], 9500, 10500);
    /* The generator's published first outputs for the state 1, 2, 3, 4. */
    struct prng known = {.state = {1, 2, 3, 4}};
    assert_true(prng_next(&known) == 11520);
    assert_true(prng_next(&known) == 0);
    assert_true(prng_next(&known) == 1509978240);
}

static void text_grows_and_stays_within_its_limit(void **state)
{
    struct text text;
    (void)state;
    text_init(&text, 100);
    for (int i = 0; i < 10; i++)
        text_printf(&text, "%010d", i);
    assert_false(text.failed);
    assert_int_equal(text.size, 100);
    assert_int_equal(strlen(text.data), 100);
    text_add_char(&text, 'x');
    assert_true(text.failed);
    assert_int_equal(text.size, 100);
    text_printf(&text, "%s", "");
    assert_true(text.failed);
    assert_null(text_take(&text));
    text_reset(&text);
    text_add(&text, slice_of_text("again"));
    char *taken = text_take(&text);
    assert_string_equal(taken, "again");
    free(taken);
    taken = text_take(&text);
    assert_string_equal(taken, "");
    free(taken);
    text_fini(&text);
}

static void expect_json(const char *bytes, size_t size, const char *expected)
{
    struct text text;
    text_init(&text, 1000);
    text_add_json_string(&text, slice_of(bytes, size));
    assert_string_equal(text.data, expected);
    text_fini(&text);
}

static void json_strings_are_valid_whatever_comes(void **state)
{
    (void)state;
    expect_json("plain", 5, "\"plain\"");
    expect_json("", 0, "\"\"");
    expect_json("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    expect_json("\b\t\n\v\f\r\x1f\0", 8, "\"\\b\\t\\n\\u000b\\f\\r\\u001f\\u0000\"");
    expect_json("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
                "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
    expect_json("\xc0\x80", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");                 /* overlong */
    expect_json("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* surrogate */
    expect_json("x\xe2\x82", 3, "\"x\xef\xbf\xbd\xef\xbf\xbd\"");               /* cut */
    expect_json("\xf4\x90\x80\x80y", 5, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdy\"");
}

static void base64_pads(void **state)
{
    static const char *const expected[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                           "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    (void)state;
    for (size_t size = 0; size <= 6; size++) {
        struct text text;
        text_init(&text, 100);
        text_add(&text, slice_of_text(""));
        text_add_base64(&text, slice_of("foobar", size));
        assert_string_equal(text.data, expected[size]);
        text_fini(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_undo_stores),
        cmocka_unit_test(varints_round_trip_at_every_width),
        cmocka_unit_test(slices_compare_as_bytes),
        cmocka_unit_test(hashes_differ_in_every_byte_and_by_seed),
        cmocka_unit_test(ids_keep_their_text),
        cmocka_unit_test(an_id_may_not_start_with_a_dash),
        cmocka_unit_test(randomness_repeats_and_spreads),
        cmocka_unit_test(text_grows_and_stays_within_its_limit),
        cmocka_unit_test(json_strings_are_valid_whatever_comes),
        cmocka_unit_test(base64_pads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
