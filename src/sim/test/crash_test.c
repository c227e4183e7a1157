/* What power cuts leave on a simulated disk: everything legal, nothing else; and the sweep over all
 * crash states of a small protocol, as storage engines are to be tested with. */
#include "sim/world.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sim_world *world;
static struct sim_node *node;
static int folder;

static void begin(uint64_t seed)
{
    world = sim_world_new(seed);
    node = sim_node_new(world, "alone", "10.0.0.1");
    sim_node_use(node);
    folder = sys_dir_open(SYS_DIR_CWD, "/");
    assert_true(folder >= 0);
}

/* The power fails, and the machine comes back. */
static void cut(void)
{
    sim_node_cut(node);
    folder = sys_dir_open(SYS_DIR_CWD, "/");
    assert_true(folder >= 0);
}

static int open_file(const char *name)
{
    int fd = sys_file_open(folder, name, SYS_OPEN_WRITE | SYS_OPEN_CREATE);
    assert_true(fd >= 0);
    return fd;
}

static void fill(int fd, uint8_t value, int64_t position, size_t size)
{
    uint8_t bytes[8192];
    memset(bytes, value, sizeof bytes);
    assert_true(size <= sizeof bytes);
    assert_int_equal(sys_file_write_at(fd, slice_of(bytes, size), position), 0);
}

/* The file's bytes, NUL-terminated; NULL when it is not there. */
static char *contents(const char *name, size_t *ret_size)
{
    char *data = NULL;
    int result = sys_file_read_whole(folder, name, 1000000, &data, ret_size);
    assert_true(result == 0 || result == -ENOENT);
    return data;
}

/* A path that was made is there after a power cut when what stands above it was synced. */
static void a_path_stays_when_it_is_synced_above(void **state)
{
    int lost = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        begin(seed);
        assert_int_equal(sys_dir_make_path("/a/b//c/"), 0);
        if (seed % 2 == 0)
            assert_int_equal(sys_dir_sync_above("/a/b//c/"), 0);
        cut();
        int there = sys_exists(SYS_DIR_CWD, "/a/b/c");
        assert_true(there == 1 || seed % 2 == 1);
        lost += there == 1 ? 0 : 1;
        sim_world_free(world);
    }
    assert_true(lost > 0);
}

static void what_is_synced_stays(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        size_t size = 0;
        begin(seed);
        int fd = open_file("a");
        fill(fd, 'x', 0, 5000);
        assert_int_equal(sys_file_sync(fd), 0);
        assert_int_equal(sys_dir_sync(folder), 0);
        cut();
        char *data = contents("a", &size);
        assert_non_null(data);
        assert_int_equal(size, 5000);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(data[i], 'x');
        free(data);
        sim_world_free(world);
    }
}

/* One sync of everything does for files and names alike; one that fails for neither. */
static void a_sync_of_everything_is_one(void **state)
{
    static const struct sim_fault fault = {
        .call = SIM_DIR_SYNC_ALL, .times = 1, .effect = SIM_FAIL, .error = EIO};
    int lost = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        size_t size = 0;
        begin(seed);
        bool fails = seed % 2 == 0;
        assert_int_equal(sys_dir_make_path("/a/b"), 0);
        assert_int_equal(sys_file_replace_unsynced(folder, "a/b/c", slice_of_text("text")), 0);
        assert_int_equal(sys_file_replace_unsynced(folder, "d", slice_of_text("text")), 0);
        if (fails)
            sim_fault_add(node, &fault);
        assert_int_equal(sys_dir_sync_all(folder), fails ? -EIO : 0);
        cut();
        char *inner = contents("a/b/c", &size);
        bool there = inner != NULL && size == 4;
        char *outer = contents("d", &size);
        there = there && outer != NULL && size == 4;
        assert_true(there || fails);
        lost += there ? 0 : 1;
        free(inner);
        free(outer);
        sim_world_free(world);
    }
    assert_in_range(lost, 10, 25);
}

/* A write that is not synced may be lost, kept, torn, or leave a hole before what follows it. */
static void what_is_not_synced_may_be_anything_legal(void **state)
{
    unsigned lost = 0;
    unsigned kept = 0;
    unsigned holes = 0;
    unsigned torn = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 400; seed++) {
        size_t size = 0;
        begin(seed);
        int fd = open_file("a");
        fill(fd, 'a', 0, 4096);
        assert_int_equal(sys_file_sync(fd), 0);
        assert_int_equal(sys_dir_sync(folder), 0);
        fill(fd, 'b', 4096, 8192);
        fill(fd, 'c', 12288, 4096);
        cut();
        char *data = contents("a", &size);
        assert_non_null(data);
        assert_true(size == 4096 || size == 12288 || size == 16384);
        unsigned counts[3] = {0}; /* of 'b', of 'c', of zeros, by 512 */
        for (size_t i = 0; i < size; i++) {
            char wanted = i < 4096 ? 'a' : i < 12288 ? 'b' : 'c';
            assert_true(data[i] == wanted || (data[i] == 0 && i >= 4096));
            assert_int_equal(data[i], data[i / 512 * 512]);
            if (i >= 4096 && i % 512 == 0)
                counts[data[i] == 0 ? 2 : data[i] - 'b']++;
        }
        lost += size == 4096 ? 1 : 0;
        kept += counts[0] == 16 && counts[1] == 8 ? 1 : 0;
        holes += counts[0] == 0 && counts[1] > 0 ? 1 : 0;
        torn += counts[0] > 0 && counts[0] < 16 ? 1 : 0;
        free(data);
        sim_world_free(world);
    }
    assert_true(lost > 20 && kept > 20 && holes > 0 && torn > 20);
}

static void names_need_the_directorys_sync(void **state)
{
    unsigned gone = 0;
    unsigned old = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        size_t size = 0;
        begin(seed);
        assert_int_equal(sys_file_replace(folder, "a", slice_of_text("old")), 0);
        int fd = open_file("new.tmp");
        assert_int_equal(sys_file_write_at(fd, slice_of_text("new"), 0), 0);
        assert_int_equal(sys_file_sync(fd), 0);
        sys_file_close(fd);
        fd = open_file("fresh");
        assert_int_equal(sys_file_sync(fd), 0);
        assert_int_equal(sys_rename(folder, "new.tmp", "a"), 0);
        cut();
        char *data = contents("a", &size);
        assert_non_null(data);
        assert_true(strcmp(data, "old") == 0 || strcmp(data, "new") == 0);
        old += strcmp(data, "old") == 0 ? 1 : 0;
        gone += sys_exists(folder, "fresh") == 0 ? 1 : 0;
        free(data);
        assert_int_equal(sys_file_replace(folder, "a", slice_of_text("newest")), 0);
        cut();
        data = contents("a", &size);
        assert_string_equal(data, "newest");
        free(data);
        sim_world_free(world);
    }
    assert_in_range(old, 10, 90);
    assert_in_range(gone, 10, 90);
}

static void a_kill_keeps_what_was_written(void **state)
{
    size_t size = 0;
    (void)state;
    begin(1);
    int fd = open_file("a");
    fill(fd, 'k', 0, 100);
    sim_node_kill(node);
    folder = sys_dir_open(SYS_DIR_CWD, "/");
    char *data = contents("a", &size);
    assert_int_equal(size, 100);
    free(data);
    sim_world_free(world);
}

/* Truncations are ordered with the writes around them. */
static void truncations_are_writes_too(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        size_t size = 0;
        begin(seed);
        int fd = open_file("a");
        fill(fd, 'a', 0, 8192);
        assert_int_equal(sys_file_sync(fd), 0);
        assert_int_equal(sys_dir_sync(folder), 0);
        assert_int_equal(sys_file_truncate(fd, 1000), 0);
        fill(fd, 'b', 1000, 100);
        cut();
        char *data = contents("a", &size);
        assert_true(size == 8192 || size == 1000 || size == 1100);
        for (size_t i = 0; i < size; i++) {
            bool ok = i < 1000 ? data[i] == 'a' : data[i] != 'b' || i < 1100;
            assert_true(ok);
        }
        free(data);
        sim_world_free(world);
    }
}

static void states_can_be_counted_and_visited(void **state)
{
    static char seen[64][4];
    (void)state;
    begin(1);
    int fd = open_file("a");
    assert_int_equal(sys_dir_sync(folder), 0);
    fill(fd, '1', 0, 512);
    fill(fd, '2', 512, 512);
    fill(fd, '3', 0, 512);
    struct sim_disk *disk = sim_disk_copy(node);
    sys_file_close(fd);
    sys_file_close(folder);
    /* Size 0: one state. 512: three versions of one unit. 1024: three times two. */
    uint64_t count = sim_disk_state_count(disk, 512);
    assert_int_equal(count, 1 + 3 + 3 * 2);
    for (uint64_t number = 0; number < count; number++) {
        size_t size = 0;
        struct sim_disk *crashed = NULL;
        sim_disk_put(node, disk);
        crashed = sim_disk_copy(node);
        sim_disk_become(crashed, 512, number);
        assert_int_equal(sim_disk_state_count(crashed, 512), 1);
        sim_disk_put(node, crashed);
        sim_disk_free(crashed);
        folder = sys_dir_open(SYS_DIR_CWD, "/");
        char *data = contents("a", &size);
        sys_file_close(folder);
        (void)snprintf(seen[number], sizeof seen[number], "%c%c",
                       size == 0      ? '-'
                       : data[0] == 0 ? '0'
                                      : data[0],
                       size < 1024      ? '-'
                       : data[512] == 0 ? '0'
                                        : data[512]);
        for (uint64_t other = 0; other < number; other++)
            assert_string_not_equal(seen[other], seen[number]);
        free(data);
    }
    sim_disk_free(disk);
    sim_world_free(world);
}

/* ---- the sweep: every crash state at every change of a replacement ---- */

#define COPIES_MAX 64

struct sweep {
    struct sim_disk *copies[COPIES_MAX];
    size_t count;
};

static void copy_disk(void *context, struct sim_node *changing)
{
    struct sweep *sweep = (struct sweep *)context;
    assert_true(sweep->count < COPIES_MAX);
    sweep->copies[sweep->count++] = sim_disk_copy(changing);
}

static void check_state(const struct sim_disk *disk, size_t unit, uint64_t number)
{
    size_t size = 0;
    sim_disk_put(node, disk);
    struct sim_disk *crashed = sim_disk_copy(node);
    sim_disk_become(crashed, unit, number);
    sim_disk_put(node, crashed);
    sim_disk_free(crashed);
    folder = sys_dir_open(SYS_DIR_CWD, "/");
    char *data = contents("a", &size);
    sys_file_close(folder);
    assert_non_null(data);
    assert_true(strcmp(data, "first") == 0 || (size == 3000 && data[0] == 's'));
    for (size_t i = 0; size == 3000 && i < size; i++)
        assert_int_equal(data[i], 's');
    free(data);
}

static void a_replacement_is_whole_in_every_crash_state(void **state)
{
    struct sweep sweep = {.count = 0};
    uint64_t visited = 0;
    char second[3000];
    (void)state;
    memset(second, 's', sizeof second);
    begin(3);
    assert_int_equal(sys_file_replace(folder, "a", slice_of_text("first")), 0);
    sim_disk_watch(node, copy_disk, &sweep);
    assert_int_equal(sys_file_replace(folder, "a", slice_of(second, sizeof second)), 0);
    sim_disk_watch(node, NULL, NULL);
    sys_file_close(folder);
    sweep.copies[sweep.count++] = sim_disk_copy(node);
    assert_int_equal(sweep.count, 6); /* open, write, sync, rename, directory's sync, the end */
    for (size_t i = 0; i < sweep.count; i++) {
        uint64_t count = sim_disk_state_count(sweep.copies[i], 512);
        for (uint64_t number = 0; number < count; number++, visited++)
            check_state(sweep.copies[i], 512, number);
        sim_disk_free(sweep.copies[i]);
    }
    assert_true(visited > 60);
    sim_world_free(world);
}

/* ---- errors ---- */

static void a_failed_sync_loses_what_it_should_have_kept(void **state)
{
    unsigned lost = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        size_t size = 0;
        const struct sim_fault fault = {
            .call = SIM_FILE_SYNC,
            .name_part = "a",
            .times = 1,
            .error = EIO,
        };
        begin(seed);
        int fd = open_file("a");
        assert_int_equal(sys_dir_sync(folder), 0);
        fill(fd, 'a', 0, 512);
        sim_fault_add(node, &fault);
        assert_int_equal(sys_file_sync(fd), -EIO);
        assert_true(sim_fault_struck(node));
        assert_int_equal(sys_file_sync(fd), 0); /* and yet: */
        cut();
        char *data = contents("a", &size);
        assert_true(size == 0 || size == 512);
        lost += size == 0 ? 1 : 0;
        free(data);
        sim_world_free(world);
    }
    assert_in_range(lost, 10, 50);
}

static void a_full_disk_takes_what_fits(void **state)
{
    size_t size = 0;
    uint8_t bytes[1000] = {1};
    int64_t left = 0;
    int64_t total = 0;
    (void)state;
    begin(1);
    sim_disk_set_capacity(node, 2500);
    int fd = open_file("a");
    assert_int_equal(sys_file_write_at(fd, slice_of(bytes, 1000), 0), 0);
    assert_int_equal(sys_file_write_at(fd, slice_of(bytes, 1000), 1000), 0);
    assert_int_equal(sys_file_write_at(fd, slice_of(bytes, 1000), 2000), -ENOSPC);
    assert_int_equal(sys_file_size(fd), 2500);
    assert_int_equal(sys_file_write_at(fd, slice_of(bytes, 1000), 0), 0); /* overwrites */
    assert_int_equal(sys_dir_space(folder, &left, &total), 0);
    assert_int_equal(left, 0);
    assert_int_equal(total, 2500);
    assert_int_equal(sys_unlink(folder, "a"), 0);
    assert_int_equal(sys_dir_space(folder, &left, &total), 0);
    assert_int_equal(left, 0); /* still open */
    sys_file_close(fd);
    assert_int_equal(sys_dir_space(folder, &left, &total), 0);
    assert_int_equal(left, 2500);
    assert_null(contents("a", &size));
    sim_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_synced_stays),
        cmocka_unit_test(a_sync_of_everything_is_one),
        cmocka_unit_test(a_path_stays_when_it_is_synced_above),
        cmocka_unit_test(what_is_not_synced_may_be_anything_legal),
        cmocka_unit_test(names_need_the_directorys_sync),
        cmocka_unit_test(a_kill_keeps_what_was_written),
        cmocka_unit_test(truncations_are_writes_too),
        cmocka_unit_test(states_can_be_counted_and_visited),
        cmocka_unit_test(a_replacement_is_whole_in_every_crash_state),
        cmocka_unit_test(a_failed_sync_loses_what_it_should_have_kept),
        cmocka_unit_test(a_full_disk_takes_what_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
