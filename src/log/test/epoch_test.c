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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_whole_files_are_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
