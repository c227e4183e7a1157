/* The kernel's files against the contract, and what only the kernel has: symbolic links, other
 * processes. */
#include "sys/test/file_contract.h"

#include <sys/wait.h>
#include <unistd.h>

struct folder {
    int fd; /* first: the contract reads it */
    char path[64];
};

static int folder_setup(void **state)
{
    struct folder *folder = (struct folder *)calloc(1, sizeof *folder);
    if (folder == NULL)
        return -1;
    (void)snprintf(folder->path, sizeof folder->path, "/tmp/ottla-file-test-XXXXXX");
    if (mkdtemp(folder->path) == NULL)
        return -1;
    folder->fd = sys_dir_open(SYS_DIR_CWD, folder->path);
    *state = folder;
    return folder->fd < 0 ? -1 : 0;
}

static int remove_entry(void *context, const char *name, bool is_directory)
{
    int folder = *(const int *)context;
    return is_directory ? sys_dir_remove(folder, name) : sys_unlink(folder, name);
}

static int folder_teardown(void **state)
{
    struct folder *folder = (struct folder *)*state;
    int result = sys_dir_list(folder->fd, remove_entry, &folder->fd);
    sys_file_close(folder->fd);
    if (result == 0)
        result = sys_dir_remove(SYS_DIR_CWD, folder->path);
    free(folder);
    return result;
}

static void links_below_a_directory_are_not_followed(void **state)
{
    const struct folder *folder = (const struct folder *)*state;
    make_file(folder->fd, "target", "text");
    assert_int_equal(symlinkat("target", folder->fd, "link"), 0);
    assert_int_equal(sys_file_open(folder->fd, "link", SYS_OPEN_READ), -ELOOP);
    assert_int_equal(sys_exists(folder->fd, "link"), 1);
}

static void paths_are_made_with_their_parents(void **state)
{
    const struct folder *folder = (const struct folder *)*state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/a//b/c/", folder->path);
    assert_int_equal(sys_dir_make_path(path), 0);
    assert_int_equal(sys_dir_make_path(path), 0);
    assert_int_equal(sys_exists(folder->fd, "a/b/c"), 1);
    assert_int_equal(sys_dir_sync_above(path), 0);
    assert_int_equal(sys_dir_sync_above("relative"), 0);
    assert_int_equal(sys_dir_sync_above("/nowhere/a"), -ENOENT);
    make_file(folder->fd, "a/f", "text");
    (void)snprintf(path, sizeof path, "%s/a/f/d", folder->path);
    assert_int_equal(sys_dir_make_path(path), -ENOTDIR);
    assert_int_equal(sys_unlink(folder->fd, "a/f"), 0);
    assert_int_equal(sys_dir_remove(folder->fd, "a/b/c"), 0);
    assert_int_equal(sys_dir_remove(folder->fd, "a/b"), 0);
}

/* Runs in a process of its own: 0 when the lock is refused there. */
static int try_lock_elsewhere(int folder)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(sys_dir_lock(folder, ".lock") == -EWOULDBLOCK ? 0 : 1);
    return waitpid(child, &status, 0) == child ? status : -1;
}

static void a_lock_holds_against_other_processes(void **state)
{
    const struct folder *folder = (const struct folder *)*state;
    int held = sys_dir_lock(folder->fd, ".lock");
    assert_true(held >= 0);
    assert_int_equal(try_lock_elsewhere(folder->fd), 0);
    sys_file_close(held);
    assert_int_not_equal(try_lock_elsewhere(folder->fd), 0);
}

static void a_full_device_is_reported(void **state)
{
    (void)state;
    int fd = sys_file_open(SYS_DIR_CWD, "/dev/full", SYS_OPEN_WRITE);
    assert_true(fd >= 0);
    assert_int_equal(sys_file_write_at(fd, slice_of_text("x"), 0), -ENOSPC);
    sys_file_close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_CONTRACT(folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(links_below_a_directory_are_not_followed, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(paths_are_made_with_their_parents, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(a_lock_holds_against_other_processes, folder_setup,
                                        folder_teardown),
        cmocka_unit_test(a_full_device_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
