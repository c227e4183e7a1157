/* The arena's limits and lifetimes, and the hash table. */
#include "base/always.h"
#include "base/arena.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    struct arena arena;
    struct prng prng;
    (void)state;
    prng_init(&prng, 1);
    arena_init(&arena, 64 * 1024 * 1024);
    for (int round = 0; round < 5; round++) {
        uint8_t *pieces[400];
        size_t sizes[400];
        for (size_t i = 0; i < COUNT_OF(pieces); i++) {
            sizes[i] = (size_t)prng_below(&prng, i % 10 == 0 ? 40000 : 300);
            pieces[i] = (uint8_t *)arena_take(&arena, sizes[i]);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            for (size_t at = 0; at < sizes[i]; at++)
                assert_int_equal(pieces[i][at], 0);
            memset(pieces[i], (int)(i & 0x7f) + 1, sizes[i]);
        }
        for (size_t i = 0; i < COUNT_OF(pieces); i++) {
            for (size_t at = 0; at < sizes[i]; at++)
                assert_int_equal(pieces[i][at], (i & 0x7f) + 1);
        }
        arena_reset(&arena);
        assert_int_equal(arena.used, 0);
    }
    arena_fini(&arena);
}

static void the_limit_is_sticky_until_reset(void **state)
{
    struct arena arena;
    (void)state;
    arena_init(&arena, 100);
    assert_non_null(arena_take(&arena, 60));
    assert_null(arena_take(&arena, 41));
    assert_true(arena.failed);
    assert_null(arena_take(&arena, 1));
    assert_string_equal(arena_printf(&arena, "%d", 1), "");
    assert_true(slice_is_null(arena_copy(&arena, slice_of_text("x"))));
    arena_reset(&arena);
    assert_false(arena.failed);
    assert_non_null(arena_take(&arena, 100));
    assert_null(arena_take_array(&arena, SIZE_MAX / 2, 3));
    assert_true(arena.failed);
    arena_fini(&arena);
}

static void copies_and_texts(void **state)
{
    struct arena arena;
    (void)state;
    arena_init(&arena, 100000);
    struct slice copy = arena_copy(&arena, slice_of_text("bytes"));
    assert_true(slice_is(copy, "bytes"));
    assert_true(slice_is_null(arena_copy(&arena, (struct slice){0})));
    assert_false(slice_is_null(arena_copy(&arena, slice_of_text(""))));
    assert_string_equal(arena_printf(&arena, "%s-%d", "topic", 7), "topic-7");
    char long_text[3000];
    memset(long_text, 'y', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    assert_int_equal(strlen(arena_printf(&arena, "%s", long_text)), 2999);
    arena_fini(&arena);
}

struct item {
    struct hash_node node;
    uint64_t key;
    bool present;
};

static bool item_matches(const struct hash_node *node, const void *key)
{
    const struct item *item = (const struct item *)(const void *)node;
    return item->key == *(const uint64_t *)key;
}

static void hash_tables_agree_with_a_model(void **state)
{
    static struct item items[500];
    struct hash_table table;
    struct prng prng;
    size_t present = 0;
    (void)state;
    prng_init(&prng, 3);
    hash_table_init(&table);
    assert_null(hash_table_next(&table, NULL));
    for (int step = 0; step < 20000; step++) {
        struct item *item = &items[prng_below(&prng, COUNT_OF(items))];
        item->key = (uint64_t)(item - items);
        uint64_t hash = hash_u64(item->key) & 0xff; /* forces chains */
        struct hash_node *found = hash_table_find(&table, hash, item_matches, &item->key);
        assert_ptr_equal(found, item->present ? &item->node : NULL);
        if (item->present)
            hash_table_remove(&table, &item->node);
        else
            assert_true(hash_table_insert(&table, &item->node, hash));
        item->present = !item->present;
        present += item->present ? 1 : (size_t)-1;
        assert_int_equal(table.count, present);
    }
    size_t seen = 0;
    for (struct hash_node *node = hash_table_next(&table, NULL); node != NULL;) {
        assert_true(((struct item *)(void *)node)->present);
        node = hash_table_next(&table, node);
        seen++;
    }
    assert_int_equal(seen, present);
    hash_table_fini(&table);
}

struct link {
    struct list list;
    int value;
};

static void lists_keep_their_order(void **state)
{
    struct list head;
    struct list other;
    struct link links[6];
    int expected = 0;
    (void)state;
    list_init(&head);
    list_init(&other);
    assert_null(list_take_first(&head));
    for (int i = 0; i < 6; i++) {
        links[i].value = i;
        list_add_tail(i < 3 ? &head : &other, &links[i].list);
    }
    list_move_all(&other, &head);
    assert_true(list_is_empty(&other));
    LIST_EACH (&head, node)
        assert_int_equal(CONTAINER_OF(node, struct link, list)->value, expected++);
    assert_int_equal(expected, 6);
    LIST_EACH_SAFE (&head, node, after) {
        if (CONTAINER_OF(node, struct link, list)->value % 2 == 0)
            list_remove(node);
    }
    list_add_head(&head, &links[0].list);
    assert_ptr_equal(list_take_first(&head), &links[0].list);
    assert_ptr_equal(list_take_first(&head), &links[1].list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(the_limit_is_sticky_until_reset),
        cmocka_unit_test(copies_and_texts),
        cmocka_unit_test(hash_tables_agree_with_a_model),
        cmocka_unit_test(lists_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
