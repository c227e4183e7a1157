/* Handles of segment files that are moved between tables while somebody still sends from them. */
#include "log/handle.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "sys/process.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

#include <cmocka.h>

struct place {
    char path[64];
    int dir_fd;
    struct log_files files;
    struct log_handle *handle;
};

static void place_init(struct place *place)
{
    (void)snprintf(place->path, sizeof place->path, "/tmp/ottla-handle-test-%lld",
                   (long long)sys_process_id());
    assert_int_equal(sys_dir_make_path(place->path), 0);
    place->dir_fd = sys_dir_open(SYS_DIR_CWD, place->path);
    assert_true(place->dir_fd >= 0);
    log_files_init(&place->files, 4);
    place->handle = log_handle_new(&place->files, place->dir_fd, "0.log");
    assert_int_equal(log_handle_create(place->handle), 0);
}

static void place_fini(struct place *place)
{
    log_files_fini(&place->files);
    assert_int_equal(sys_unlink(place->dir_fd, "0.log"), 0);
    sys_file_close(place->dir_fd);
    assert_int_equal(sys_dir_remove(SYS_DIR_CWD, place->path), 0);
}

static void an_idle_one_is_closed_and_moved(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct log_handle *moved = log_handle_move(place.handle, NULL);
    assert_ptr_equal(moved, place.handle);
    assert_int_equal(moved->fd, -1);
    assert_int_equal(place.files.open_count, 0);
    log_handle_forget(moved);
    place_fini(&place);
}

/* Its user keeps the open file until the end; the log gets another handle. */
static void one_in_use_stays(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    assert_int_equal(log_handle_ref(place.handle), 0);
    struct log_handle *moved = log_handle_move(place.handle, NULL);
    assert_ptr_not_equal(moved, place.handle);
    assert_string_equal(moved->path, "0.log");
    assert_int_equal(moved->fd, -1);
    assert_true(place.handle->fd >= 0);
    log_handle_forget(moved);
    assert_int_equal(place.files.open_count, 1);
    log_handle_unref(place.handle);
    assert_int_equal(place.files.open_count, 0);
    place_fini(&place);
}

/* The process's limit may be reached before the table's bound: idle files make room. */
static void the_limit_closes_idle_ones(void **state)
{
    (void)state;
    struct place place;
    place_init(&place);
    struct log_handle *second = log_handle_new(&place.files, place.dir_fd, "1.log");
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit low = {.rlim_cur = (rlim_t)place.handle->fd + 1, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(log_handle_create(second), 0);
    assert_int_equal(place.handle->fd, -1);
    assert_int_equal(log_handle_ref(second), 0);
    assert_int_equal(log_handle_ref(place.handle), -EMFILE);
    log_handle_unref(second);
    assert_int_equal(log_handle_ref(place.handle), 0);
    assert_int_equal(second->fd, -1);
    log_handle_unref(place.handle);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    log_handle_forget(second);
    log_handle_forget(place.handle);
    assert_int_equal(sys_unlink(place.dir_fd, "1.log"), 0);
    place_fini(&place);
}

/* Who can do without leaves some to those who cannot. */
static void some_are_left_to_others(void **state)
{
    (void)state;
    struct place place;
    struct log_handle *more[4];
    place_init(&place);
    for (int i = 0; i < 4; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "%d.log", i + 1);
        more[i] = log_handle_new(&place.files, place.dir_fd, name);
        assert_int_equal(log_handle_create(more[i]), 0);
    }
    assert_int_equal(place.files.open_count, 4); /* the bound */
    for (int i = 0; i < 3; i++)
        assert_int_equal(log_handle_ref_spare(more[i]), 0);
    assert_int_equal(log_handle_ref_spare(more[3]), 0); /* it is open */
    assert_int_equal(log_handle_ref_spare(place.handle), -EMFILE);
    assert_false(log_files_have_room(&place.files));
    assert_int_equal(log_handle_ref(place.handle), 0);
    log_handle_unref(place.handle);
    assert_true(log_files_have_room(&place.files));
    log_handle_forget(place.handle);
    for (int i = 0; i < 4; i++) {
        char name[8];
        log_handle_unref(more[i]);
        log_handle_forget(more[i]);
        (void)snprintf(name, sizeof name, "%d.log", i + 1);
        assert_int_equal(sys_unlink(place.dir_fd, name), 0);
    }
    place_fini(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_one_is_closed_and_moved),
        cmocka_unit_test(one_in_use_stays),
        cmocka_unit_test(the_limit_closes_idle_ones),
        cmocka_unit_test(some_are_left_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
