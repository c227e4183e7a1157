/* The hash against values that OpenSSL's SIPHASH gave for the key 00 01 .. 0f and the inputs 00, 00
 * 01 and so on. */
#include "base/siphash.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct siphash_key key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};

static void values_are_the_known_ones(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        uint8_t hash[16];
    } known[] = {
        {0,
         {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02,
          0x93}},
        {1,
         {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc,
          0x45}},
        {8,
         {0x3b, 0x62, 0xa9, 0xba, 0x62, 0x58, 0xf5, 0x61, 0x0f, 0x83, 0xe2, 0x64, 0xf3, 0x14, 0x97,
          0xb4}},
        {15,
         {0x54, 0x93, 0xe9, 0x99, 0x33, 0xb0, 0xa8, 0x11, 0x7e, 0x08, 0xec, 0x0f, 0x97, 0xcf, 0xc3,
          0xd9}},
        {63,
         {0x51, 0x50, 0xd1, 0x77, 0x2f, 0x50, 0x83, 0x4a, 0x50, 0x3e, 0x06, 0x9a, 0x97, 0x3f, 0xbd,
          0x7c}},
    };
    uint8_t input[64];
    for (uint8_t i = 0; i < sizeof input; i++)
        input[i] = i;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        struct siphash hash = siphash_128(&key, slice_of(input, known[i].size));
        assert_memory_equal(&hash.low, known[i].hash, 8);
        assert_memory_equal(&hash.high, known[i].hash + 8, 8);
    }
}

static void another_key_gives_another_value(void **state)
{
    (void)state;
    struct siphash_key other = {{key.words[0] ^ 1, key.words[1]}};
    struct siphash one = siphash_128(&key, slice_of_text("a key"));
    struct siphash two = siphash_128(&other, slice_of_text("a key"));
    assert_true(one.low != two.low && one.high != two.high);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_the_known_ones),
        cmocka_unit_test(another_key_gives_another_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
