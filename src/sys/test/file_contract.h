/* What sys/file.h and sys/dir.h promise, as tests that run twice: on the kernel's files and on the
 * simulated world's. The including test gives each an empty directory: *state is an int, its
 * descriptor. */
#ifndef SYS_TEST_FILE_CONTRACT_H
#define SYS_TEST_FILE_CONTRACT_H

#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int folder_of(void **state)
{
    return *(const int *)*state;
}

static int open_new(int folder, const char *name)
{
    int fd = sys_file_open(folder, name, SYS_OPEN_WRITE | SYS_OPEN_CREATE | SYS_OPEN_EXCLUSIVE);
    assert_true(fd >= 0);
    return fd;
}

static void make_file(int folder, const char *name, const char *text)
{
    int fd = open_new(folder, name);
    assert_int_equal(sys_file_write_at(fd, slice_of_text(text), 0), 0);
    sys_file_close(fd);
}

static void expect_file(int folder, const char *name, const char *text)
{
    char *data = NULL;
    size_t size = 0;
    assert_int_equal(sys_file_read_whole(folder, name, 10000, &data, &size), 0);
    assert_string_equal(data, text);
    assert_int_equal(size, strlen(text));
    free(data);
}

static void the_time_of_change_can_be_set(void **state)
{
    int folder = folder_of(state);
    int fd = open_new(folder, "timed");
    assert_int_equal(sys_file_write_at(fd, slice_of_text("x"), 0), 0);
    int64_t modified_ms = sys_file_modified_ms(fd);
    assert_true(modified_ms > 0);
    assert_int_equal(sys_file_set_modified(fd, modified_ms - 12345), 0);
    assert_int_equal(sys_file_modified_ms(fd), modified_ms - 12345);
    sys_file_close(fd);
    assert_int_equal(sys_file_modified_ms(-1), -EBADF);
    assert_int_equal(sys_file_set_modified(-1, 1), -EBADF);
}

static void opening_keeps_its_flags(void **state)
{
    int folder = folder_of(state);
    assert_int_equal(sys_file_open(folder, "none", SYS_OPEN_READ), -ENOENT);
    assert_int_equal(sys_file_open(folder, "none", SYS_OPEN_WRITE), -ENOENT);
    make_file(folder, "a", "text");
    assert_int_equal(
        sys_file_open(folder, "a", SYS_OPEN_WRITE | SYS_OPEN_CREATE | SYS_OPEN_EXCLUSIVE), -EEXIST);
    int fd = sys_file_open(folder, "a", SYS_OPEN_READ);
    assert_true(fd >= 0);
    assert_int_equal(sys_file_write_at(fd, slice_of_text("x"), 0), -EBADF);
    sys_file_close(fd);
    fd = sys_file_open(folder, "a", SYS_OPEN_WRITE | SYS_OPEN_CREATE);
    assert_int_equal(sys_file_size(fd), 4);
    sys_file_close(fd);
    fd = sys_file_open(folder, "a", SYS_OPEN_WRITE | SYS_OPEN_TRUNCATE);
    assert_int_equal(sys_file_size(fd), 0);
    sys_file_close(fd);
    assert_int_equal(sys_file_open(folder, "none/a", SYS_OPEN_READ), -ENOENT);
    assert_int_equal(sys_file_open(folder, "a/b", SYS_OPEN_READ), -ENOTDIR);
    sys_file_close(-1);
}

static void bytes_come_back(void **state)
{
    int folder = folder_of(state);
    char back[32];
    int fd = open_new(folder, "a");
    assert_int_equal(sys_file_write_at(fd, slice_of_text("hello"), 3), 0);
    assert_int_equal(sys_file_size(fd), 8);
    assert_int_equal(sys_file_read_at(fd, back, sizeof back, 0), 8);
    assert_memory_equal(back, "\0\0\0hello", 8);
    assert_int_equal(sys_file_read_at(fd, back, 2, 4), 2);
    assert_memory_equal(back, "el", 2);
    assert_int_equal(sys_file_read_at(fd, back, sizeof back, 8), 0);
    assert_int_equal(sys_file_read_at(fd, back, sizeof back, 100), 0);
    assert_int_equal(sys_file_read_cached(fd, back, sizeof back, 3), 5);
    assert_memory_equal(back, "hello", 5);
    assert_int_equal(sys_file_truncate(fd, 5), 0);
    assert_int_equal(sys_file_truncate(fd, 7), 0);
    assert_int_equal(sys_file_read_at(fd, back, sizeof back, 0), 7);
    assert_memory_equal(back, "\0\0\0he\0\0", 7);
    assert_int_equal(sys_file_sync(fd), 0);
    sys_file_read_ahead(fd, 0, 7);
    sys_file_write_out(fd, 0, 7);
    sys_file_forget(fd);
    sys_file_close(fd);
    assert_int_equal(sys_dir_sync(folder), 0);
}

static void many_parts_are_one_run_of_bytes(void **state)
{
    int folder = folder_of(state);
    static uint8_t bytes[200 * 7];
    static uint8_t back[200 * 7 + 1];
    struct slice parts[200];
    size_t at = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        parts[i] = slice_of(bytes + at, i % 8);
        at += i % 8;
    }
    int fd = open_new(folder, "a");
    assert_int_equal(sys_file_writev_at(fd, parts, COUNT_OF(parts), 0), 0);
    assert_int_equal(sys_file_writev_at(fd, parts, 1, 5), 0); /* an empty part */
    assert_int_equal(sys_file_writev_at(fd, parts, 0, 5), 0);
    assert_int_equal(sys_file_read_at(fd, back, sizeof back, 0), at);
    assert_memory_equal(back, bytes, at);
    sys_file_close(fd);
}

static void whole_files_are_read_and_replaced(void **state)
{
    int folder = folder_of(state);
    char *data = NULL;
    size_t size = 0;
    assert_int_equal(sys_file_read_whole(folder, "a", 10, &data, &size), -ENOENT);
    assert_int_equal(sys_file_replace(folder, "a", slice_of_text("first")), 0);
    expect_file(folder, "a", "first");
    assert_int_equal(sys_file_replace(folder, "a", slice_of_text("second")), 0);
    expect_file(folder, "a", "second");
    assert_int_equal(sys_exists(folder, "a.tmp"), 0);
    assert_int_equal(sys_file_read_whole(folder, "a", 5, &data, &size), -EFBIG);
    assert_int_equal(sys_file_replace(folder, "a", slice_of_text("")), 0);
    expect_file(folder, "a", "");
    assert_int_equal(sys_file_replace(folder, "none/a", slice_of_text("x")), -ENOENT);
    assert_int_equal(sys_file_replace_unsynced(folder, "a", slice_of_text("third")), 0);
    assert_int_equal(sys_exists(folder, "a.tmp"), 0);
    assert_int_equal(sys_dir_sync_all(folder), 0);
    expect_file(folder, "a", "third");
    assert_int_equal(sys_dir_sync_all(-1), -EBADF);
}

static void names_move_and_open_files_stay(void **state)
{
    int folder = folder_of(state);
    char back[16];
    make_file(folder, "a", "old a");
    make_file(folder, "b", "old b");
    int fd = sys_file_open(folder, "b", SYS_OPEN_WRITE);
    assert_int_equal(sys_rename(folder, "a", "b"), 0);
    assert_int_equal(sys_exists(folder, "a"), 0);
    assert_int_equal(sys_exists(folder, "b"), 1);
    assert_true(sys_modified_ms(folder, "b") > 0);
    assert_int_equal(sys_modified_ms(folder, "a"), -ENOENT);
    expect_file(folder, "b", "old a");
    assert_int_equal(sys_file_read_at(fd, back, sizeof back, 0), 5);
    assert_memory_equal(back, "old b", 5);
    assert_int_equal(sys_file_write_at(fd, slice_of_text("new"), 0), 0);
    expect_file(folder, "b", "old a");
    sys_file_close(fd);
    fd = sys_file_open(folder, "b", SYS_OPEN_READ);
    assert_int_equal(sys_unlink(folder, "b"), 0);
    assert_int_equal(sys_unlink(folder, "b"), -ENOENT);
    assert_int_equal(sys_file_read_at(fd, back, sizeof back, 0), 5);
    sys_file_close(fd);
    assert_int_equal(sys_rename(folder, "a", "b"), -ENOENT);
}

struct seen {
    int files;
    int folders;
    char last[64];
};

static int see(void *context, const char *name, bool is_directory)
{
    struct seen *seen = (struct seen *)context;
    *(is_directory ? &seen->folders : &seen->files) += 1;
    (void)snprintf(seen->last, sizeof seen->last, "%s", name);
    return strcmp(name, "stop") == 0 ? 7 : 0;
}

static void directories_hold_names(void **state)
{
    int folder = folder_of(state);
    struct seen seen = {0};
    assert_int_equal(sys_dir_list(folder, see, &seen), 0);
    assert_int_equal(seen.files + seen.folders, 0);
    assert_int_equal(sys_dir_make(folder, "d"), 0);
    assert_int_equal(sys_dir_make(folder, "d"), -EEXIST);
    assert_int_equal(sys_dir_make(folder, "none/d"), -ENOENT);
    assert_int_equal(sys_dir_open(folder, "none"), -ENOENT);
    make_file(folder, "f", "text");
    assert_int_equal(sys_dir_open(folder, "f"), -ENOTDIR);
    make_file(folder, "d/g", "text");
    int inner = sys_dir_open(folder, "d");
    assert_true(inner >= 0);
    expect_file(inner, "g", "text");
    assert_int_equal(sys_dir_list(folder, see, &seen), 0);
    assert_int_equal(seen.files, 1);
    assert_int_equal(seen.folders, 1);
    assert_int_equal(sys_dir_remove(folder, "d"), -ENOTEMPTY);
    assert_int_equal(sys_rename(folder, "d", "e"), 0);
    assert_int_equal(sys_rename(folder, "f", "e/f"), 0);
    expect_file(inner, "f", "text");
    assert_int_equal(sys_unlink(inner, "f"), 0);
    make_file(inner, "stop", "");
    assert_int_equal(sys_unlink(inner, "g"), 0);
    assert_int_equal(sys_dir_list(inner, see, &seen), 7);
    assert_string_equal(seen.last, "stop");
    assert_int_equal(sys_unlink(inner, "stop"), 0);
    assert_int_equal(sys_dir_sync(inner), 0);
    sys_file_close(inner);
    assert_int_equal(sys_dir_remove(folder, "e"), 0);
    assert_int_equal(sys_dir_remove(folder, "e"), -ENOENT);
    assert_int_equal(sys_exists(folder, "e/none"), 0);
}

static void a_lock_excludes_until_closed(void **state)
{
    int folder = folder_of(state);
    int held = sys_dir_lock(folder, ".lock");
    assert_true(held >= 0);
    assert_int_equal(sys_dir_lock(folder, ".lock"), -EWOULDBLOCK);
    sys_file_close(held);
    held = sys_dir_lock(folder, ".lock");
    assert_true(held >= 0);
    sys_file_close(held);
    assert_int_equal(sys_unlink(folder, ".lock"), 0);
}

static void there_is_space(void **state)
{
    int64_t available = -1;
    int64_t total = -1;
    assert_int_equal(sys_dir_space(folder_of(state), &available, &total), 0);
    assert_true(available > 0);
    assert_true(total >= available);
}

#define FILE_CONTRACT(setup, teardown) \
    cmocka_unit_test_setup_teardown(opening_keeps_its_flags, setup, teardown), \
        cmocka_unit_test_setup_teardown(the_time_of_change_can_be_set, setup, teardown), \
        cmocka_unit_test_setup_teardown(bytes_come_back, setup, teardown), \
        cmocka_unit_test_setup_teardown(many_parts_are_one_run_of_bytes, setup, teardown), \
        cmocka_unit_test_setup_teardown(whole_files_are_read_and_replaced, setup, teardown), \
        cmocka_unit_test_setup_teardown(names_move_and_open_files_stay, setup, teardown), \
        cmocka_unit_test_setup_teardown(directories_hold_names, setup, teardown), \
        cmocka_unit_test_setup_teardown(a_lock_excludes_until_closed, setup, teardown), \
        cmocka_unit_test_setup_teardown(there_is_space, setup, teardown)

#endif
