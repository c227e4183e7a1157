/* Header by header through a file of which any page may not be in memory: then the scan says so,
 * wherever a header lies, and finds all when it may wait. */
#include "log/scan.h"
#include "sim/world.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "wire/batch_builder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BATCHES 300

static int64_t write_batches(int fd)
{
    struct batch_builder builder;
    struct batch_builder_options options = batch_builder_defaults();
    int64_t position = 0;
    batch_builder_init(&builder);
    for (int i = 0; i < BATCHES; i++) {
        uint8_t value[200] = {0};
        struct batch_record record = {.value = slice_of(value, (size_t)i % sizeof value)};
        options.base_offset = i;
        batch_builder_begin(&builder, &options);
        batch_builder_add(&builder, &record);
        struct slice batch = batch_builder_finish(&builder, NULL);
        assert_int_equal(sys_file_write_at(fd, batch, position), 0);
        position += (int64_t)batch.size;
    }
    batch_builder_fini(&builder);
    return position;
}

/* From every header on, as a reader that begins there. */
static int count_found(int fd, int64_t end, bool may_wait, int *ret_cold)
{
    struct log_scan scan;
    struct batch_header header;
    int64_t position;
    int64_t from = 0;
    int found = 0;
    while (from < end) {
        log_scan_start(&scan, fd, from, end);
        scan.may_wait = may_wait;
        if (log_scan_next(&scan, &header, &position)) {
            assert_int_equal(position, from);
            assert_int_equal(header.base_offset, found);
            found++;
            from += header.size;
        } else {
            assert_int_equal(scan.error, -EAGAIN);
            ++*ret_cold;
        }
    }
    return found;
}

static void what_is_not_in_memory_is_no_fault(void **state)
{
    int cold = 0;
    (void)state;
    struct sim_world *world = sim_world_new(1);
    sim_node_use(sim_node_new(world, "alone", "10.0.0.1"));
    int fd = sys_file_open(SYS_DIR_CWD, "segment", SYS_OPEN_WRITE | SYS_OPEN_CREATE);
    assert_true(fd >= 0);
    int64_t end = write_batches(fd);
    sim_world_set_odds(world, &(struct sim_odds){.cold_read = 900});
    assert_int_equal(count_found(fd, end, true, &cold), BATCHES);
    assert_int_equal(cold, 0);
    assert_int_equal(count_found(fd, end, false, &cold), BATCHES);
    assert_true(cold > 0);
    sys_file_close(fd);
    sim_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_in_memory_is_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
