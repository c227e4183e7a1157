/* The persistent map against a plain array: many versions alive at once, every one still what it
 * was; and with memory running out at every allocation. */
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The map is compiled into this test once more, with an allocator that can run out. */
static int allocations_left = -1; /* -1: without end */

static void *counted_malloc(size_t size)
{
    if (allocations_left == 0)
        return NULL;
    if (allocations_left > 0)
        allocations_left--;
    return malloc(size);
}

#define malloc counted_malloc
#include "base/pmap.c"
#undef malloc

#include <cmocka.h>

#define KEYS 200
#define VERSIONS 40

struct counted {
    int references;
};

static int values_alive;

static void counted_ref(void *value)
{
    struct counted *counted = (struct counted *)value;
    assert_true(counted->references > 0);
    counted->references++;
}

static void counted_unref(void *value)
{
    struct counted *counted = (struct counted *)value;
    assert_true(counted->references > 0);
    if (--counted->references > 0)
        return;
    values_alive--;
    free(counted);
}

static const struct pmap_type counted_type = {.ref = counted_ref, .unref = counted_unref};

static struct counted *counted_new(void)
{
    struct counted *counted = (struct counted *)calloc(1, sizeof *counted);
    assert_non_null(counted);
    counted->references = 1;
    values_alive++;
    return counted;
}

struct version {
    struct pmap map;
    void *values[KEYS]; /* the model; NULL: absent */
};

static struct slice key_at(size_t index, char text[16])
{
    int size = snprintf(text, 16, "key-%zu", index * 7 % KEYS);
    return slice_of(text, (size_t)size);
}

/* Order, balance, heights and counts of one tree; returns its number of nodes. */
static size_t check_tree(const struct pmap_node *node, int depth)
{
    assert_true(depth < 40);
    if (node == NULL)
        return 0;
    size_t count = check_tree(node->left, depth + 1) + check_tree(node->right, depth + 1) + 1;
    int32_t lean = height_of(node->left) - height_of(node->right);
    assert_true(lean >= -1 && lean <= 1);
    assert_int_equal(node->height, 1 + MAX_OF(height_of(node->left), height_of(node->right)));
    assert_true(node->references > 0);
    if (node->left != NULL)
        assert_true(slice_compare(key_of(node->left), key_of(node)) < 0);
    if (node->right != NULL)
        assert_true(slice_compare(key_of(node->right), key_of(node)) > 0);
    return count;
}

static void check_version(const struct version *version)
{
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    struct slice previous = {0};
    size_t expected = 0;
    size_t seen = 0;
    for (size_t i = 0; i < KEYS; i++) {
        char text[16];
        assert_ptr_equal(pmap_find(version->map, key_at(i, text)), version->values[i]);
        expected += version->values[i] != NULL ? 1 : 0;
    }
    assert_int_equal(version->map.count, expected);
    assert_int_equal(check_tree(version->map.root, 0), expected);
    pmap_iterate(version->map, (struct slice){0}, &iterator);
    while (pmap_next(&iterator, &entry)) {
        assert_true(seen == 0 || slice_compare(previous, entry.key) < 0);
        previous = entry.key;
        seen++;
    }
    assert_int_equal(seen, expected);
}

static void change(struct version *version, struct prng *prng)
{
    char text[16];
    size_t index = (size_t)prng_below(prng, KEYS);
    struct slice key = key_at(index, text);
    if (prng_chance(prng, 2, 5)) {
        assert_true(pmap_remove(&version->map, key));
        version->values[index] = NULL;
        return;
    }
    struct counted *value = counted_new();
    assert_true(pmap_put(&version->map, key, value));
    version->values[index] = value;
}

static void every_version_stays_what_it_was(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        static struct version versions[VERSIONS];
        struct prng prng;
        prng_init(&prng, seed);
        for (size_t i = 0; i < VERSIONS; i++)
            versions[i] = (struct version){.map = pmap_empty(&counted_type)};
        for (int step = 0; step < 1500; step++) {
            size_t from = (size_t)prng_below(&prng, VERSIONS);
            size_t to = (size_t)prng_below(&prng, VERSIONS);
            if (from != to && prng_chance(&prng, 1, 20)) {
                pmap_unref(&versions[to].map);
                versions[to] = versions[from];
                versions[to].map = pmap_ref(versions[from].map);
            }
            for (int i = 0; i < 5; i++)
                change(&versions[to], &prng);
            check_version(&versions[prng_below(&prng, VERSIONS)]);
        }
        for (size_t i = 0; i < VERSIONS; i++) {
            check_version(&versions[i]);
            pmap_unref(&versions[i].map);
        }
        assert_int_equal(values_alive, 0);
    }
}

static void iteration_starts_at_the_first_key_not_below(void **state)
{
    struct pmap map = pmap_empty(&counted_type);
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    static const char *const keys[] = {"b", "d", "f", "h"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        assert_true(pmap_put(&map, slice_of_text(keys[i]), counted_new()));
    pmap_iterate(map, slice_of_text("d"), &iterator);
    assert_true(pmap_next(&iterator, &entry));
    assert_true(slice_is(entry.key, "d"));
    pmap_iterate(map, slice_of_text("e"), &iterator);
    assert_true(pmap_next(&iterator, &entry));
    assert_true(slice_is(entry.key, "f"));
    assert_true(pmap_next(&iterator, &entry));
    assert_false(pmap_next(&iterator, &entry));
    pmap_iterate(map, slice_of_text("i"), &iterator);
    assert_false(pmap_next(&iterator, &entry));
    pmap_unref(&map);
    assert_int_equal(values_alive, 0);
}

/* One change with the k-th allocation failing, for k = 0, 1, ... until it passes. */
static void change_out_of_memory(struct version *version, struct prng *prng)
{
    struct prng before = *prng;
    for (int k = 0;; k++) {
        char text[16];
        *prng = before;
        size_t index = (size_t)prng_below(prng, KEYS);
        struct slice key = key_at(index, text);
        bool removes = prng_chance(prng, 2, 5);
        struct counted *value = removes ? NULL : counted_new();
        allocations_left = k;
        bool done = removes ? pmap_remove(&version->map, key) : pmap_put(&version->map, key, value);
        allocations_left = -1;
        if (done)
            version->values[index] = value;
        check_version(version);
        if (done)
            return;
    }
}

static void running_out_of_memory_changes_nothing(void **state)
{
    static struct version version;
    struct prng prng;
    (void)state;
    prng_init(&prng, 11);
    version = (struct version){.map = pmap_empty(&counted_type)};
    for (int step = 0; step < 600; step++)
        change_out_of_memory(&version, &prng);
    pmap_unref(&version.map);
    assert_int_equal(values_alive, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_stays_what_it_was),
        cmocka_unit_test(iteration_starts_at_the_first_key_not_below),
        cmocka_unit_test(running_out_of_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
