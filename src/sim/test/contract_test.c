/* The promises of sys's headers, held by the simulated world: the same tests that the kernel's
 * implementation runs, for many seeds. */
#include "sim/world.h"
#include "sys/test/file_contract.h"
#include "sys/test/net_contract.h"

#define SEEDS 30

static struct {
    uint64_t seed;
    struct sim_world *world;
    int folder; /* what the file contract works in */
} fixture;

static int world_setup(void **state)
{
    fixture.world = sim_world_new(fixture.seed);
    sim_node_use(sim_node_new(fixture.world, "alone", "10.0.0.1"));
    if (sys_dir_make_path("/var/data") != 0)
        return -1;
    fixture.folder = sys_dir_open(SYS_DIR_CWD, "/var/data");
    *state = &fixture.folder;
    return fixture.folder < 0 ? -1 : 0;
}

static int world_teardown(void **state)
{
    (void)state;
    sys_file_close(fixture.folder);
    sim_world_free(fixture.world);
    return 0;
}

static void paths_are_walked(void **state)
{
    int folder = folder_of(state);
    assert_int_equal(sys_dir_make_path("/var//data/a/b/"), 0);
    assert_int_equal(sys_exists(folder, "a/b"), 1);
    assert_int_equal(sys_exists(folder, "../data/./a/b"), 1);
    assert_int_equal(sys_exists(SYS_DIR_CWD, "var/data/a"), 1);
    assert_int_equal(sys_exists(folder, "/var/data/a"), 1);
    assert_int_equal(sys_exists(folder, ""), 0);
    make_file(folder, "f", "");
    assert_int_equal(sys_dir_make_path("/var/data/f/g"), -ENOTDIR);
    assert_int_equal(sys_exists(folder, "f/g"), -ENOTDIR);
    assert_int_equal(sys_rename(folder, "a", "a/b/c"), -EINVAL);
    assert_int_equal(sys_rename(folder, "a", "f"), -ENOTDIR);
    assert_int_equal(sys_rename(folder, "f", "a"), -EISDIR);
    assert_int_equal(sys_unlink(folder, "a"), -EISDIR);
    assert_int_equal(sys_dir_remove(folder, "f"), -ENOTDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_CONTRACT(world_setup, world_teardown),
        NET_CONTRACT(world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(paths_are_walked, world_setup, world_teardown),
    };
    int failed = 0;
    for (fixture.seed = 1; fixture.seed <= SEEDS && failed == 0; fixture.seed++) {
        print_message("seed %llu\n", (unsigned long long)fixture.seed);
        failed = cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
