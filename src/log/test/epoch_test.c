/* The leader epoch checkpoint as text: what is read, and what is no such file. */
#include "log/epoch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void only_whole_files_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int count; /* -1: not such a file */
    } rows[] = {
        {"0\n0\n", 0},
        {"0\n2\n0 0\n3 17\n", 2},
        {"0\n2\n0 0\n3 17", 2},
        {"0\n2\n3 17\n3 18\n", 1}, /* as Kafka does: what contradicts the later one goes */
        {"0\n2\n3 17\n4 5\n", 1},
        {"", -1},
        {"1\n0\n", -1},
        {"0\n-1\n", -1},
        {"0\n2\n0 0\n", -1},
        {"0\n1\n0 0\n3 17\n", -1},
        {"0\n1\n0 0 x\n", -1},
        {"0\n1\n-1 0\n", -1},
        {"0\n1\n0 -1\n", -1},
        {"0\n1\n2147483648 0\n", -1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct log_epochs epochs;
        log_epochs_init(&epochs);
        bool fine = log_epochs_read(&epochs, slice_of_text(rows[i].text));
        if (fine != (rows[i].count >= 0) || (fine && epochs.count != rows[i].count))
            fail_msg("row %zu: %s with %d entries", i, fine ? "read" : "refused", epochs.count);
        log_epochs_fini(&epochs);
    }
}

static void the_epoch_of_the_start_stays(void **state)
{
    (void)state;
    static const struct {
        int64_t start;
        const char *left;
    } rows[] = {
        {0, "0\n3\n0 0\n1 100\n4 200\n"},   {1, "0\n3\n0 1\n1 100\n4 200\n"},
        {99, "0\n3\n0 99\n1 100\n4 200\n"}, {100, "0\n2\n1 100\n4 200\n"},
        {150, "0\n2\n1 150\n4 200\n"},      {200, "0\n1\n4 200\n"},
        {5000, "0\n1\n4 5000\n"}, /* all records are gone */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct log_epochs epochs;
        struct text text;
        log_epochs_init(&epochs);
        text_init(&text, 1024);
        assert_true(log_epochs_read(&epochs, slice_of_text("0\n3\n0 0\n1 100\n4 200\n")));
        log_epochs_cut_start(&epochs, rows[i].start);
        log_epochs_write(&epochs, &text);
        assert_true(slice_is(text_slice(&text), rows[i].left));
        assert_true(epochs.changed == (rows[i].start > 0));
        text_fini(&text);
        log_epochs_fini(&epochs);
    }
    struct log_epochs none;
    log_epochs_init(&none);
    log_epochs_cut_start(&none, 5);
    assert_int_equal(none.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_whole_files_are_read),
                                       cmocka_unit_test(the_epoch_of_the_start_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
