/* A segment that goes while a worker looks at it, and the scrubber's way through a log. */
#include "log/check.h"
#include "log/scrub.h"
#include "log/test/log_kit.h"

#include "base/always.h"
#include "sys/file.h"
#include "sys/task.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BATCHES 60

/* What the test does on the log's shard. */
struct visit {
    struct shard_message message;
    struct sys_park *park;
    struct log *log;
    void (*run)(struct visit *);
    bool done;
    struct log_read reads[2];
    int reads_done;
    struct log_scrub scrub;
    int64_t scrubbed;
};

static void on_visit(struct shard *shard, struct shard_message *message)
{
    (void)shard;
    struct visit *visit = CONTAINER_OF(message, struct visit, message);
    visit->run(visit);
}

static const struct shard_route route = {.name = "visit", .run = {on_visit}};

static void leave(struct visit *visit)
{
    struct sys_park *park = visit->park; /* the visit may be gone with the store */
    __atomic_store_n(&visit->done, true, __ATOMIC_RELEASE);
    sys_park_wake(park);
}

static void on_the_shard(struct visit *visit, struct log_kit *kit, void (*run)(struct visit *))
{
    visit->log = log_kit_log(kit);
    visit->run = run;
    visit->park = log_kit_park(kit);
    shard_post(visit->log->shard, &visit->message, &route);
    while (!__atomic_load_n(&visit->done, __ATOMIC_ACQUIRE))
        sys_park_wait(visit->park, INT64_MAX);
}

/* Several segments, opened after a clean stop: nothing of it is checked. */
static struct log_kit *unchecked_kit(void)
{
    struct log_kit *kit = log_kit_new();
    log_kit_config(kit)->segment_bytes = 2000;
    log_kit_config(kit)->index_interval_bytes = 200;
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = false}, NULL), ERR_NONE);
    struct log_kit_batch batch = {
        .producer_id = -1, .count = 2, .value_size = 50, .timestamp = 1000};
    for (int i = 0; i < BATCHES; i++)
        assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
    log_kit_close(kit);
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = true}, NULL), ERR_NONE);
    assert_true(log_kit_log(kit)->segment_count > 3);
    return kit;
}

/* ---- */

static void on_read(struct log_read *read)
{
    role_now_on_shard();
    struct visit *visit = read->offset == 1 ? CONTAINER_OF(read, struct visit, reads[0])
                                            : CONTAINER_OF(read, struct visit, reads[1]);
    if (read->range.handle != NULL)
        log_handle_unref(read->range.handle);
    if (++visit->reads_done == 2)
        leave(visit);
}

static void read_and_trim(struct visit *visit)
{
    role_now_on_shard();
    struct log *log = visit->log;
    for (int i = 0; i < 2; i++) {
        visit->reads[i] = (struct log_read){.offset = 1 + i,
                                            .bound = INT64_MAX,
                                            .size_max = 100,
                                            .at_least_one = true,
                                            .on_done = on_read};
        log_read_submit(log, &visit->reads[i]);
    }
    ALWAYS(log->checks == 1, "one look, and both wait for it");
    log_raise_start(log, log->segments[2]->base_offset);
    ALWAYS(log_trim(log, INT_MAX) == 2, "two segments go");
    log_check(log);
}

static void a_segment_may_go_meanwhile(void **state)
{
    (void)state;
    struct log_kit *kit = unchecked_kit();
    struct visit visit = {0};
    on_the_shard(&visit, kit, read_and_trim);
    assert_int_equal(visit.reads[0].err, ERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(visit.reads[1].err, ERR_OFFSET_OUT_OF_RANGE);
    log_kit_free(kit);
}

/* ---- */

static void scrub_on(struct visit *visit)
{
    role_now_on_shard();
    if (!log_scrub_step(visit->log, &visit->scrub, 300))
        leave(visit);
}

static void on_step(struct log_scrub *scrub)
{
    struct visit *visit = CONTAINER_OF(scrub, struct visit, scrub);
    visit->scrubbed += scrub->size;
    scrub_on(visit);
}

static int64_t scrub(struct log_kit *kit, bool again)
{
    struct visit visit = {.scrub = {.on_step = on_step, .again = again}};
    on_the_shard(&visit, kit, scrub_on);
    return visit.scrubbed;
}

static void a_scrub_looks_at_all_once(void **state)
{
    (void)state;
    struct log_kit *kit = unchecked_kit();
    struct log *log = log_kit_log(kit);
    free(log_kit_read(kit, 40, 500).data); /* so much is known already */
    int64_t first = scrub(kit, false);
    assert_true(first > 0 && first < log->size);
    for (int i = 0; i < log->segment_count; i++)
        assert_int_equal(log->segments[i]->unchecked_end, 0);
    assert_int_equal(scrub(kit, false), 0);
    assert_int_equal(scrub(kit, true), log->size);
    log_kit_free(kit);
}

static void what_breaks_later_is_found_by_the_next(void **state)
{
    (void)state;
    struct log_kit *kit = unchecked_kit();
    assert_true(scrub(kit, false) > 0);
    int fd = sys_file_open(log_kit_dir(kit), "t-0/00000000000000000000.log", SYS_OPEN_WRITE);
    uint8_t byte = 0xff;
    assert_int_equal(sys_file_write_at(fd, slice_of(&byte, 1), 100), 0);
    sys_file_close(fd);
    assert_true(scrub(kit, true) > 0);
    struct log_kit_bytes bytes = log_kit_read(kit, 0, 100);
    assert_int_equal(bytes.err, ERR_CORRUPT_MESSAGE);
    bytes = log_kit_read(kit, 2, 100);
    assert_int_equal(bytes.err, ERR_NONE);
    assert_true(bytes.size > 0);
    free(bytes.data);
    log_kit_free(kit);
}

/* The cache keeps to its bound, and goes when the log does. */
static void indexes_are_kept_within_the_bound(void **state)
{
    (void)state;
    struct log_kit *kit = unchecked_kit();
    struct log_files *files = log_kit_log(kit)->files;
    for (int bound = 0; bound < 2; bound++) {
        files->index_bytes_max = bound * 300;
        for (int64_t offset = 0; offset < 2L * BATCHES; offset += 3)
            free(log_kit_read(kit, offset, 100).data);
        assert_true(files->index_bytes > 0 && files->index_bytes < 600);
    }
    log_kit_drop(kit);
    assert_int_equal(files->index_bytes, 0);
    log_kit_free(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_may_go_meanwhile),
        cmocka_unit_test(a_scrub_looks_at_all_once),
        cmocka_unit_test(what_breaks_later_is_found_by_the_next),
        cmocka_unit_test(indexes_are_kept_within_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
