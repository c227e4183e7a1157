/* Lists that operations change: what Apache Kafka 4.4.0 makes of them. */
#include "config/change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct expectation {
    const char *before; /* NULL: not set */
    enum config_op op;
    const char *value;
    const char *after;
};

static const struct expectation expectations[] = {
    {NULL, CONFIG_OP_APPEND, "compact", "delete,compact"},
    {"delete,compact", CONFIG_OP_APPEND, "compact,delete", "delete,compact"},
    {"", CONFIG_OP_APPEND, "delete", "delete"},
    {"", CONFIG_OP_APPEND, "", ""},
    {"a", CONFIG_OP_APPEND, "", "a,"},
    {"a", CONFIG_OP_APPEND, ",,b,,", "a,,b"},
    {"a", CONFIG_OP_APPEND, ",", "a"},
    {"a,,b,", CONFIG_OP_APPEND, "c", "a,b,c"},
    {"a", CONFIG_OP_APPEND, "c,b,c", "a,c,b"},
    {"a,a", CONFIG_OP_APPEND, "b", "a,a,b"},
    {"a", CONFIG_OP_APPEND, " a", "a, a"},
    {NULL, CONFIG_OP_SUBTRACT, "delete", ""},
    {"a,b,c", CONFIG_OP_SUBTRACT, "c,a", "b"},
    {"a,b,a", CONFIG_OP_SUBTRACT, "a", "b,a"},
    {"a,b,a", CONFIG_OP_SUBTRACT, "a,a,a", "b"},
    {"a", CONFIG_OP_SUBTRACT, "b", "a"},
    {"a", CONFIG_OP_SUBTRACT, "", "a"},
    {"a", CONFIG_OP_SET, "b", "b"},
    {"a", CONFIG_OP_DELETE, "b", NULL},
};

static void lists_change_as_kafkas_do(void **state)
{
    (void)state;
    static const char key[] = "cleanup.policy";
    const struct config_row *row = config_row_find(CONFIG_TOPIC, key, sizeof key - 1);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(expectations); i++) {
        const struct expectation *want = &expectations[i];
        struct config_change change = {.op = want->op,
                                       .before = slice_of_text(want->before),
                                       .value = slice_of_text(want->value)};
        struct slice after = config_change_apply(row, &change, &arena);
        assert_int_equal(slice_is_null(after), want->after == NULL);
        if (!slice_equal(after, slice_of_text(want->after)))
            fail_msg("row %zu: %.*s, not %s", i, SLICE_ARG(after), want->after);
    }
    arena_fini(&arena);
}

/* Work that grew as the square of a list would take minutes. */
static void long_lists_take_no_time(void **state)
{
    (void)state;
    static const char key[] = "cleanup.policy";
    const struct config_row *row = config_row_find(CONFIG_TOPIC, key, sizeof key - 1);
    struct text list;
    struct arena arena;
    text_init(&list, 1 << 24);
    arena_init(&arena, 1 << 26);
    for (int i = 0; i < 300000; i++)
        text_printf(&list, "%d,", i);
    struct config_change change = {
        .op = CONFIG_OP_APPEND, .before = text_slice(&list), .value = text_slice(&list)};
    assert_int_equal(config_change_apply(row, &change, &arena).size, list.size - 1);
    change.op = CONFIG_OP_SUBTRACT;
    assert_int_equal(config_change_apply(row, &change, &arena).size, 0);
    arena_fini(&arena);
    text_fini(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_change_as_kafkas_do),
        cmocka_unit_test(long_lists_take_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
