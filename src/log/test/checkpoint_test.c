/* Checkpoint files as text: what is read, what is told, and what is no such file. */
#include "log/checkpoint.h"

#include "base/attr.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FILE_NAME "checkpoint_test.tmp"

static void only_whole_files_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int count; /* -1: not such a file */
    } rows[] = {
        {"0\n0\n", 0},
        {"0\n2\na 0 5\nb-c 3 17\n", 2},
        {"0\n2\na 0 5\nb-c 3 17", 2},
        {"", 0}, /* as Kafka makes it, and leaves it while there is nothing to say */
        {"\n", -1},
        {"0\n", -1},
        {"1\n0\n", -1},
        {"0\n2\na 0 5\n", -1},
        {"0\n1\na 0 5\nb 0 6\n", -1},
        {"0\n1\na 0\n", -1},
        {"0\n1\na -1 5\n", -1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct checkpoint checkpoint;
        checkpoint_init(&checkpoint);
        assert_int_equal(sys_file_replace(SYS_DIR_CWD, FILE_NAME, slice_of_text(rows[i].text)), 0);
        bool fine = checkpoint_read(&checkpoint, SYS_DIR_CWD, FILE_NAME) == NULL;
        int count = (int)checkpoint.table.count;
        if (fine != (rows[i].count >= 0) || count != (fine ? rows[i].count : 0))
            fail_msg("row %zu: %s with %d entries", i, fine ? "read" : "refused", count);
        checkpoint_fini(&checkpoint);
    }
    assert_int_equal(sys_unlink(SYS_DIR_CWD, FILE_NAME), 0);
}

int main(void)
{
    role_now_on_worker();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_whole_files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
