/* Letting go of a log's beginning, in simulated time: its files are renamed at once and removed
 * when their time has come; who reads them is not disturbed; a stop in between leaves what the next
 * start tidies up. */
#include "log/log_int.h"
#include "log/test/log_kit.h"
#include "sim/world.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DELAY_MS 60000
#define BATCHES 40

struct fixture {
    struct sim_world *world;
    struct sim_node *node;
    struct log_kit *kit;
};

static struct fixture make(void)
{
    struct fixture f = {.world = sim_world_new(1)};
    f.node = sim_node_new(f.world, "alone", "10.0.0.1");
    sim_node_use(f.node);
    f.kit = log_kit_new_at("/data");
    struct topic_config *config = log_kit_config(f.kit);
    config->segment_bytes = 1500;
    config->index_interval_bytes = 200;
    config->file_delete_delay_ms = DELAY_MS;
    assert_int_equal(log_kit_open(f.kit, (struct log_kit_open){0}, NULL), ERR_NONE);
    for (int i = 0; i < BATCHES; i++) {
        struct log_kit_batch batch = {
            .producer_id = 7, .sequence = i, .count = 1, .value_size = 200, .timestamp = 1000 + i};
        assert_int_equal(log_kit_append(f.kit, &batch).err, ERR_NONE);
    }
    assert_int_equal(log_kit_flush(f.kit), ERR_NONE);
    return f;
}

static void unmake(struct fixture *f)
{
    log_kit_free(f->kit);
    sim_world_free(f->world);
}

struct counts {
    int live;
    int deleted;
};

static int on_name(void *context, const char *name, bool is_directory)
{
    struct counts *counts = context;
    assert_false(is_directory);
    size_t size = strlen(name);
    if (size < 21 || name[20] != '.')
        return 0;
    if (strcmp(name + size - 8, ".deleted") == 0)
        counts->deleted++;
    else
        counts->live++;
    return 0;
}

static struct counts count_files(const struct fixture *f)
{
    struct counts counts = {0};
    int fd = sys_dir_open(log_kit_dir(f->kit), "t-0");
    assert_int_equal(sys_dir_list(fd, on_name, &counts), 0);
    sys_file_close(fd);
    return counts;
}

static bool exists(const struct fixture *f, int64_t base, const char *suffix)
{
    char name[64];
    (void)snprintf(name, sizeof name, "t-0/%020lld.%s", (long long)base, suffix);
    return sys_exists(log_kit_dir(f->kit), name) == 1;
}

static void trim(struct log *log, void *context)
{
    role_now_on_shard();
    log_raise_start(log, *(int64_t *)context);
    (void)log_trim(log, INT_MAX);
    log_check(log);
}

static void trim_to(struct fixture *f, int64_t offset)
{
    log_kit_run(f->kit, trim, &offset);
}

static int64_t base_of(const struct fixture *f, int at)
{
    return log_kit_log(f->kit)->segments[at]->base_offset;
}

static void files_are_renamed_and_removed_later(void **state)
{
    (void)state;
    struct fixture f = make();
    int64_t second = base_of(&f, 1);
    int64_t third = base_of(&f, 2);
    struct counts before = count_files(&f);
    int64_t size = log_size(log_kit_log(f.kit));
    trim_to(&f, third);
    sim_world_run_for(f.world, 10);
    assert_true(exists(&f, 0, "log.deleted"));
    assert_true(exists(&f, 0, "index.deleted"));
    assert_true(exists(&f, 0, "timeindex.deleted"));
    assert_true(exists(&f, second, "log.deleted"));
    assert_true(exists(&f, second, "snapshot.deleted"));
    assert_false(exists(&f, second, "log"));
    assert_true(exists(&f, third, "log"));
    assert_true(exists(&f, third, "snapshot")); /* of producers as they were when it began */
    struct counts renamed = count_files(&f);
    assert_int_equal(renamed.live + renamed.deleted, before.live);
    assert_true(log_size(log_kit_log(f.kit)) < size);
    assert_int_equal(log_start_offset(log_kit_log(f.kit)), third);
    assert_int_equal(log_kit_read(f.kit, third - 1, 1).err, ERR_OFFSET_OUT_OF_RANGE);
    sim_world_run_for(f.world, DELAY_MS - 100);
    assert_int_equal(count_files(&f).deleted, renamed.deleted);
    sim_world_run_for(f.world, 200);
    assert_int_equal(count_files(&f).deleted, 0);
    assert_int_equal(count_files(&f).live, renamed.live);
    unmake(&f);
}

static void a_start_within_a_segment_keeps_it(void **state)
{
    (void)state;
    struct fixture f = make();
    int64_t second = base_of(&f, 1);
    trim_to(&f, second + 1);
    sim_world_run_for(f.world, 10);
    assert_true(exists(&f, 0, "log.deleted"));
    assert_true(exists(&f, second, "log"));
    assert_int_equal(log_kit_read(f.kit, second, 1).err, ERR_OFFSET_OUT_OF_RANGE);
    struct log_kit_bytes bytes = log_kit_read(f.kit, second + 1, 1);
    assert_int_equal(bytes.err, ERR_NONE);
    assert_true(bytes.size > 0);
    free(bytes.data);
    trim_to(&f, log_end_offset(log_kit_log(f.kit)));
    assert_int_equal(log_kit_log(f.kit)->segment_count, 1); /* the active one stays */
    unmake(&f);
}

struct reading {
    struct log_read read;
    bool done;
};

static void on_read(struct log_read *read)
{
    CONTAINER_OF(read, struct reading, read)->done = true;
}

static void begin_read(struct log *log, void *context)
{
    role_now_on_shard();
    log_read_submit(log, &((struct reading *)context)->read);
}

static void end_read(struct log *log, void *context)
{
    (void)log;
    log_handle_unref(((struct reading *)context)->read.range.handle);
}

static void who_reads_is_not_disturbed(void **state)
{
    (void)state;
    struct fixture f = make();
    struct reading reading = {.read = {.bound = INT64_MAX, .size_max = 4096, .on_done = on_read}};
    log_kit_run(f.kit, begin_read, &reading);
    sim_world_run_for(f.world, 10);
    assert_true(reading.done && reading.read.range.size > 0);
    trim_to(&f, base_of(&f, 2));
    sim_world_run_for(f.world, DELAY_MS + 100);
    assert_false(exists(&f, 0, "log.deleted"));
    uint8_t bytes[4096];
    const struct log_range *range = &reading.read.range;
    assert_int_equal(
        sys_file_read_at(range->handle->fd, bytes, (size_t)range->size, range->position),
        range->size);
    struct batch_header header;
    assert_int_equal(batch_parse(slice_of(bytes, (size_t)range->size), &header), BATCH_OK);
    assert_int_equal(header.base_offset, 0);
    log_kit_run(f.kit, end_read, &reading);
    unmake(&f);
}

static void a_stop_leaves_them_to_the_next_start(void **state)
{
    (void)state;
    struct fixture f = make();
    int64_t third = base_of(&f, 2);
    trim_to(&f, third); /* the worker has not come to it */
    log_kit_close(f.kit);
    assert_true(exists(&f, 0, "log.deleted"));
    assert_false(exists(&f, 0, "log"));
    sim_world_run_for(f.world, DELAY_MS + 100);
    assert_true(exists(&f, 0, "log.deleted"));
    struct log_kit_open how = {.clean = true, .log_start_offset = third};
    assert_int_equal(log_kit_open(f.kit, how, NULL), ERR_NONE);
    assert_int_equal(count_files(&f).deleted, 0);
    assert_int_equal(log_start_offset(log_kit_log(f.kit)), third);
    unmake(&f);
}

static void the_delay_is_the_topics_of_now(void **state)
{
    (void)state;
    struct fixture f = make();
    struct topic_config config = *log_kit_config(f.kit);
    config.file_delete_delay_ms = 0;
    log_configure(log_kit_log(f.kit), &config);
    trim_to(&f, base_of(&f, 1));
    sim_world_run_for(f.world, 10);
    assert_int_equal(count_files(&f).deleted, 0);
    assert_false(exists(&f, 0, "log"));
    unmake(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_renamed_and_removed_later),
        cmocka_unit_test(a_start_within_a_segment_keeps_it),
        cmocka_unit_test(who_reads_is_not_disturbed),
        cmocka_unit_test(a_stop_leaves_them_to_the_next_start),
        cmocka_unit_test(the_delay_is_the_topics_of_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
