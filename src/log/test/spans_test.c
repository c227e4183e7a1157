/* Spans beside a plain array of what is in them. */
#include "log/spans.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SIZE 200

static void check_against(const struct log_spans *spans, const bool *inside)
{
    for (int i = 0; i < SIZE; i++) {
        int end = i;
        while (end < SIZE && inside[end])
            end++;
        assert_int_equal(log_spans_end(spans, i), end);
        assert_int_equal(log_spans_ends_at(spans, i), i > 0 && inside[i - 1] && !inside[i]);
    }
    for (int32_t i = 1; i < spans->count; i++)
        assert_true(spans->at[i - 1].to < spans->at[i].from);
}

static void what_was_added_is_inside(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 5);
    for (int round = 0; round < 200; round++) {
        struct log_spans spans = {0};
        bool inside[SIZE + 1] = {0};
        for (int i = 0; i < 20; i++) {
            int64_t from = (int64_t)prng_below(&prng, SIZE);
            int64_t to = from + (int64_t)prng_below(&prng, (uint64_t)(SIZE - from) / 4 + 1);
            assert_true(log_spans_add(&spans, (struct log_span){from, to}));
            memset(inside + from, 1, (size_t)(to - from));
            check_against(&spans, inside);
        }
        log_spans_fini(&spans);
    }
}

static void too_many_lose_the_smallest(void **state)
{
    (void)state;
    struct log_spans spans = {0};
    for (int i = 0; i <= LOG_SPANS_MAX; i++) {
        int64_t from = i * 10;
        assert_true(log_spans_add(&spans, (struct log_span){from, from + (i == 7 ? 1 : 5)}));
    }
    assert_int_equal(spans.count, LOG_SPANS_MAX);
    assert_int_equal(log_spans_end(&spans, 70), 70);
    assert_int_equal(log_spans_end(&spans, 60), 65);
    log_spans_fini(&spans);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_inside),
        cmocka_unit_test(too_many_lose_the_smallest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
