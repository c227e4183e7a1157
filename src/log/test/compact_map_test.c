/* The compaction map: last offsets, its bounds, and that memory follows from what may come. */
#include "log/compact_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct compact_map map_of(int64_t memory_size, double load_factor, int64_t keys_max)
{
    struct compact_map map;
    assert_true(compact_map_open(&map, &(struct compact_map_options){.memory_size = memory_size,
                                                                     .load_factor = load_factor,
                                                                     .keys_max = keys_max,
                                                                     .key = {{1, 2}}}));
    return map;
}

static struct siphash hash_of(const struct compact_map *map, int number)
{
    char text[16];
    int size = snprintf(text, sizeof text, "k%d", number);
    return compact_map_hash(map, slice_of(text, (size_t)size));
}

static void the_last_offset_of_each_key_is_found(void **state)
{
    (void)state;
    struct compact_map map = map_of(1 << 20, 0.9, INT32_MAX);
    int64_t offset = 0;
    for (int round = 0; round < 3; round++)
        for (int key = 0; key < 10000; key++)
            assert_true(compact_map_put(&map, hash_of(&map, key), offset++));
    assert_int_equal(map.used, 10000);
    assert_int_equal(map.latest_offset, offset - 1);
    for (int key = 0; key < 10000; key++)
        assert_int_equal(compact_map_get(&map, hash_of(&map, key)), 20000 + key);
    assert_int_equal(compact_map_get(&map, hash_of(&map, 10000)), -1);
    compact_map_close(&map);
}

static void it_is_full_where_kafkas_is(void **state)
{
    (void)state;
    /* 100 places, of which nine tenths may be used. */
    struct compact_map map = map_of(100 * COMPACT_MAP_ENTRY_SIZE + 23, 0.9, INT32_MAX);
    for (int key = 0; key < 90; key++)
        assert_true(compact_map_put(&map, hash_of(&map, key), key));
    assert_false(compact_map_put(&map, hash_of(&map, 90), 90));
    assert_false(compact_map_put(&map, hash_of(&map, 0), 91)); /* a known key neither */
    assert_int_equal(map.latest_offset, 89);
    for (int key = 0; key < 90; key++)
        assert_int_equal(compact_map_get(&map, hash_of(&map, key)), key);
    compact_map_close(&map);
    map = map_of(4 * COMPACT_MAP_ENTRY_SIZE, 1, INT32_MAX);
    for (int key = 0; key < 4; key++)
        assert_true(compact_map_put(&map, hash_of(&map, key), key));
    assert_int_equal(compact_map_get(&map, hash_of(&map, 9)), -1); /* no free place ends it */
    compact_map_close(&map);
}

static void few_keys_take_little_memory(void **state)
{
    (void)state;
    struct compact_map map = map_of(1 << 30, 0.9, 10);
    assert_true(map.entry_count <= 32);
    for (int key = 0; key < 10; key++)
        assert_true(compact_map_put(&map, hash_of(&map, key), key));
    compact_map_close(&map);
}

static void room_for_one_key_is_told(void **state)
{
    (void)state;
    assert_false(compact_map_has_room(0, 0.9));
    assert_false(compact_map_has_room(COMPACT_MAP_ENTRY_SIZE, 0.9));
    assert_true(compact_map_has_room(2 * COMPACT_MAP_ENTRY_SIZE, 0.9));
    struct compact_map map = map_of(0, 0.9, 10);
    assert_false(compact_map_put(&map, hash_of(&map, 1), 0));
    assert_int_equal(compact_map_get(&map, hash_of(&map, 1)), -1);
    compact_map_close(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_offset_of_each_key_is_found),
        cmocka_unit_test(it_is_full_where_kafkas_is),
        cmocka_unit_test(few_keys_take_little_memory),
        cmocka_unit_test(room_for_one_key_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
