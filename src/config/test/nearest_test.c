/* Which name is suggested for a mistyped one. */
#include "config/nearest.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *suggest(const char *asked)
{
    static const char *const names[] = {"start", "topic", "produce", "consume",
                                        "log",   "raw",   "version", "help"};
    struct nearest nearest;
    nearest_init(&nearest, slice_of_text(asked));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        nearest_offer(&nearest, names[i]);
    return nearest.best;
}

static void one_mistake(void **state)
{
    (void)state;
    assert_string_equal(suggest("tpoic"), "topic"); /* a swap is one mistake */
    assert_string_equal(suggest("topics"), "topic");
    assert_string_equal(suggest("produc"), "produce");
    assert_string_equal(suggest("konsume"), "consume");
    assert_string_equal(suggest("hlep"), "help");
    assert_string_equal(suggest("lg"), "log");
    assert_string_equal(suggest("produce"), "produce");
}

static void too_far(void **state)
{
    (void)state;
    assert_null(suggest("frobnicate"));
    assert_null(suggest("xyz"));
}

static void long_names_never_match(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct nearest nearest;
    nearest_init(&nearest, slice_of_text(name));
    nearest_offer(&nearest, name);
    assert_null(nearest.best);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_mistake),
        cmocka_unit_test(too_far),
        cmocka_unit_test(long_names_never_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
