/* Which segments have outlived their time: by the log's start, by size, by time, as far as the high
 * watermark; one after the other as Kafka does it. */
#include "log/retention.h"
#include "log/log_int.h"
#include "log/test/compact_kit.h"
#include "log/test/log_kit.h"
#include "sim/world.h"
#include "sys/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SEGMENTS 6
#define NO_TIMESTAMP (-1)

struct fixture {
    struct sim_world *world;
    struct log_kit *kit;
    struct log *log;
    int64_t end;
};

/* Each segment holds two batches of two records, the later ones with later timestamps: 0, 1, ... 11
 * seconds after `first_ms`; NO_TIMESTAMP: without. Each batch has a key of its own. */
static struct fixture make(int64_t first_ms)
{
    struct fixture f = {.world = sim_world_new(1)};
    struct sim_node *node = sim_node_new(f.world, "alone", "10.0.0.1");
    sim_node_use(node);
    f.kit = log_kit_new_at("/data");
    struct topic_config *config = log_kit_config(f.kit);
    config->segment_bytes = 500;
    config->retention_bytes = -1;
    config->retention_ms = -1;
    config->cleanup_delete = true;
    config->max_decompressed_message_bytes = INT32_MAX;
    assert_int_equal(log_kit_open(f.kit, (struct log_kit_open){0}, NULL), ERR_NONE);
    for (int i = 0; i < SEGMENTS * 2; i++) {
        int64_t timestamp = first_ms == NO_TIMESTAMP ? NO_TIMESTAMP : first_ms + i * 1000;
        char key[] = {(char)('a' + i), '\0'};
        struct log_kit_batch batch = {
            .producer_id = -1, .count = 2, .value_size = 70, .timestamp = timestamp, .key = key};
        assert_int_equal(log_kit_append(f.kit, &batch).err, ERR_NONE);
    }
    f.log = log_kit_log(f.kit);
    f.end = log_end_offset(f.log);
    assert_int_equal(f.log->segment_count, SEGMENTS);
    assert_int_equal(f.log->segments[1]->base_offset, 4);
    return f;
}

static void unmake(struct fixture *f)
{
    log_kit_free(f->kit);
    sim_world_free(f->world);
}

static struct log_retention look(struct fixture *f, int64_t wall_ms)
{
    struct log_retention_limits limits = {.high_watermark = f->end, .wall_ms = wall_ms};
    return log_retention_of(f->log, &limits);
}

static void set(struct fixture *f, const char *policy, int64_t bytes, int64_t ms)
{
    struct topic_config config = *log_kit_config(f->kit);
    config.cleanup_delete = strstr(policy, "delete") != NULL;
    config.cleanup_compact = strstr(policy, "compact") != NULL;
    config.retention_bytes = bytes;
    config.retention_ms = ms;
    log_configure(f->log, &config);
}

static void by_time(void **state)
{
    (void)state;
    struct fixture f = make(1000000);
    set(&f, "delete", -1, 10000);
    /* The largest timestamp of the first segment is 1001000. */
    assert_int_equal(look(&f, 1011000).count, 0);
    struct log_retention found = look(&f, 1011001);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.by_time, 1);
    assert_int_equal(found.start_offset, 4);
    assert_int_equal(found.bytes, f.log->segments[0]->size);
    assert_false(found.rolls);
    found = look(&f, 1021001);
    assert_int_equal(found.count, SEGMENTS);
    assert_true(found.rolls);
    assert_int_equal(found.start_offset, f.end);
    assert_int_equal(look(&f, 1021000).count, SEGMENTS - 1);
    assert_int_equal(look(&f, 0).count, 0); /* timestamps that lie ahead */
    set(&f, "delete", -1, -1);
    assert_int_equal(look(&f, INT64_MAX).count, 0);
    set(&f, "delete", -1, 0);
    assert_int_equal(look(&f, 1001001).count, 1);
    set(&f, "compact", -1, 0);
    assert_int_equal(look(&f, INT64_MAX).count, 0);
    set(&f, "", -1, 0);
    assert_int_equal(look(&f, INT64_MAX).count, 0);
    set(&f, "compact,delete", -1, 0);
    assert_int_equal(look(&f, INT64_MAX).count, SEGMENTS);
    unmake(&f);
}

static void by_size(void **state)
{
    (void)state;
    struct fixture f = make(1000000);
    int64_t size = log_size(f.log);
    int64_t one = f.log->segments[0]->size;
    set(&f, "delete", size, -1);
    assert_int_equal(look(&f, 0).count, 0);
    set(&f, "delete", size - one + 1, -1);
    assert_int_equal(look(&f, 0).count, 0);
    set(&f, "delete", size - one, -1);
    assert_int_equal(look(&f, 0).count, 1);
    assert_int_equal(look(&f, 0).by_size, 1);
    set(&f, "delete", 1, -1);
    assert_int_equal(look(&f, 0).count, SEGMENTS - 1);
    set(&f, "delete", 0, -1);
    assert_int_equal(look(&f, 0).count, SEGMENTS);
    assert_true(look(&f, 0).rolls);
    /* What goes by size is not counted again by time. */
    set(&f, "delete", size - one, 10000);
    struct log_retention both = look(&f, 1013001);
    assert_int_equal(both.by_size, 1);
    assert_int_equal(both.by_time, 1);
    set(&f, "compact", 0, -1);
    assert_int_equal(look(&f, 0).count, 0);
    unmake(&f);
}

static void not_beyond_the_high_watermark(void **state)
{
    (void)state;
    struct fixture f = make(1000000);
    set(&f, "delete", -1, 0);
    f.end = 8;
    assert_int_equal(look(&f, INT64_MAX / 2).count, 2);
    f.end = 7;
    assert_int_equal(look(&f, INT64_MAX / 2).count, 1);
    unmake(&f);
}

static void raise_start(struct log *log, void *context)
{
    role_now_on_shard();
    log_raise_start(log, *(int64_t *)context);
}

static void below_the_start_whatever_the_policy(void **state)
{
    (void)state;
    struct fixture f = make(1000000);
    int64_t start = 9;
    assert_int_equal(log_kit_flush(f.kit), ERR_NONE);
    log_kit_run(f.kit, raise_start, &start);
    static const char *const policies[] = {"", "delete", "compact", "compact,delete"};
    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        set(&f, policies[i], -1, -1);
        struct log_retention found = look(&f, 0);
        assert_int_equal(found.count, 2);
        assert_int_equal(found.below_start, 2);
        assert_int_equal(found.start_offset, 9); /* not the segment's beginning */
    }
    start = f.end;
    log_kit_run(f.kit, raise_start, &start);
    assert_int_equal(look(&f, 0).count, SEGMENTS - 1);
    unmake(&f);
}

/* Their age is that of the file; a start finds it there. */
static void without_timestamps(void **state)
{
    (void)state;
    struct fixture f = make(NO_TIMESTAMP);
    int64_t now = sys_wall_ms();
    set(&f, "delete", -1, 60000);
    assert_int_equal(look(&f, now + 50000).count, 0);
    assert_int_equal(look(&f, now + 60001).count, SEGMENTS);
    log_kit_close(f.kit);
    sim_world_run_for(f.world, 3600000);
    assert_int_equal(log_kit_open(f.kit, (struct log_kit_open){.clean = true}, NULL), ERR_NONE);
    f.log = log_kit_log(f.kit);
    set(&f, "delete", -1, 3600000);
    assert_int_equal(look(&f, sys_wall_ms() - 1000).count, 0);
    assert_int_equal(look(&f, sys_wall_ms() + 1000).count, SEGMENTS);
    unmake(&f);
}

/* What a cleaning leaves of them is as old as they were. */
static void cleaned_without_timestamps(void **state)
{
    (void)state;
    struct fixture f = make(NO_TIMESTAMP);
    int64_t now = sys_wall_ms();
    set(&f, "compact,delete", -1, 60000);
    assert_int_equal(log_kit_flush(f.kit), ERR_NONE);
    sim_world_run_for(f.world, 20000);
    struct compact_kit compact = {
        .cleaned_to = -1, .wall_ms = sys_wall_ms(), .may_not_be_due = true};
    assert_true(compact_kit_run(f.kit, &compact));
    assert_int_equal(compact.result.end, LOG_COMPACT_DONE);
    assert_int_equal(compact.result.figures.written_records, (SEGMENTS - 1) * 2);
    assert_int_equal(look(&f, now + 50000).count, 0);
    assert_int_equal(look(&f, now + 60001).count, SEGMENTS);
    unmake(&f);
}

static void roll(struct log *log, void *context)
{
    role_now_on_shard();
    *(bool *)context = log_retention_roll(log);
    log_check(log);
}

static void all_of_it_may_go(void **state)
{
    (void)state;
    struct fixture f = make(1000000);
    bool rolled = false;
    set(&f, "delete", -1, 0);
    log_kit_run(f.kit, roll, &rolled);
    assert_true(rolled);
    struct log_retention found = look(&f, INT64_MAX / 2);
    assert_int_equal(found.count, SEGMENTS);
    assert_false(found.rolls); /* the empty one stays */
    assert_int_equal(found.start_offset, f.end);
    unmake(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_time),
        cmocka_unit_test(by_size),
        cmocka_unit_test(not_beyond_the_high_watermark),
        cmocka_unit_test(below_the_start_whatever_the_policy),
        cmocka_unit_test(without_timestamps),
        cmocka_unit_test(cleaned_without_timestamps),
        cmocka_unit_test(all_of_it_may_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
