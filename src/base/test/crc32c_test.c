/* CRC-32C against published values, and its two implementations against each other. */
#include "base/crc32c.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* RFC 3720, B.4, and the customary check value. */
static void published_values(void **state)
{
    uint8_t bytes[32] = {0};
    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43u);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, bytes, 32), 0x46dd794eu);
    assert_int_equal(crc32c_portable(0, bytes, 32), 0x46dd794eu);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

/* Bit by bit, straight from the definition. */
static uint32_t slow_crc32c(const uint8_t *data, size_t size)
{
    uint32_t state = ~0u;
    for (size_t i = 0; i < size; i++) {
        state ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            state = state >> 1 ^ ((state & 1) != 0 ? 0x82f63b78u : 0u);
    }
    return ~state;
}

static void all_ways_agree_at_every_length_and_alignment(void **state)
{
    static uint8_t bytes[1200];
    struct prng prng;
    (void)state;
    prng_init(&prng, 7);
    prng_fill(&prng, bytes, sizeof bytes);
    for (size_t from = 0; from < 17; from++) {
        for (size_t size = 0; size + from <= sizeof bytes; size += size < 80 ? 1 : 61) {
            uint32_t expected = slow_crc32c(bytes + from, size);
            assert_int_equal(crc32c(0, bytes + from, size), expected);
            assert_int_equal(crc32c_portable(0, bytes + from, size), expected);
            size_t half = size / 3;
            uint32_t first = crc32c(0, bytes + from, half);
            assert_int_equal(crc32c(first, bytes + from + half, size - half), expected);
            assert_int_equal(crc32c_portable(first, bytes + from + half, size - half), expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values),
        cmocka_unit_test(all_ways_agree_at_every_length_and_alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
