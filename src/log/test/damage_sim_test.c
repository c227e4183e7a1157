/* Bits flip on the disk of a stopped node, in a segment or in its index: no byte of a batch that is
 * not as it was appended is ever given to a reader; every other batch is, by whatever way to it the
 * index still tells. Page cache and order are drawn from the seed. */
#include "log/log_int.h"
#include "log/test/log_kit.h"

#include "sim/world.h"
#include "sys/dir.h"
#include "sys/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FOLDER "/damage"
#define BATCHES 120
#define PLACES_MAX (BATCHES + 1)

/* One batch as it was appended. */
struct written {
    int64_t first_offset;
    int64_t last_offset;
    int segment;
    int64_t position;
    int64_t size;
};

struct file {
    char name[64]; /* below the folder */
    char *data;
    size_t size;
};

struct story {
    struct prng prng;
    struct written batches[BATCHES];
    struct file segments[32];
    struct file indexes[32];
    int segment_count;
    int64_t end;
    /* the flip */
    struct file *flipped;
    size_t at;
    bool removes; /* the whole file instead */
    int corrupt;  /* reads that were told so */
    bool mended;  /* the flipped index is as it was */
};

static int load(struct file *file, int64_t base, const char *suffix)
{
    (void)snprintf(file->name, sizeof file->name, FOLDER "/t-0/%020lld%s", (long long)base, suffix);
    return sys_file_read_whole(SYS_DIR_CWD, file->name, 1 << 24, &file->data, &file->size);
}

static void note_batches(struct story *story, const struct log *log)
{
    int at = 0;
    story->segment_count = log->segment_count;
    assert_true(story->segment_count < 32);
    for (int i = 0; i < log->segment_count; i++) {
        struct batch_iterator batches;
        struct batch_view view;
        assert_int_equal(load(&story->segments[i], log->segments[i]->base_offset, ".log"), 0);
        batches = batch_iterate(slice_of(story->segments[i].data, story->segments[i].size));
        for (int64_t position = 0; batch_next(&batches, &view); position = batches.position)
            story->batches[at++] =
                (struct written){view.header.base_offset, batch_last_offset(&view.header), i,
                                 position, view.header.size};
    }
    assert_int_equal(at, BATCHES);
}

static struct log_kit *kit_of_the_story(void)
{
    struct log_kit *kit = log_kit_new_at(FOLDER);
    log_kit_config(kit)->segment_bytes = 8192;
    log_kit_config(kit)->index_interval_bytes = 300;
    return kit;
}

static void write_all(void *arg)
{
    struct story *story = arg;
    struct log_kit *kit = kit_of_the_story();
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = false}, NULL), ERR_NONE);
    for (int i = 0; i < BATCHES; i++) {
        struct log_kit_batch batch = {.producer_id = -1,
                                      .count = 1 + (int)prng_below(&story->prng, 4),
                                      .value_size = (int)prng_below(&story->prng, 300),
                                      .timestamp = 1000 + i};
        assert_int_equal(log_kit_append(kit, &batch).err, ERR_NONE);
    }
    assert_int_equal(log_kit_flush(kit), ERR_NONE);
    note_batches(story, log_kit_log(kit));
    story->end = log_end_offset(log_kit_log(kit));
    log_kit_close(kit);
    log_kit_leave(kit);
    for (int i = 0; i < story->segment_count; i++) {
        int64_t base = strtoll(story->segments[i].name + sizeof FOLDER "/t-0", NULL, 10);
        assert_int_equal(load(&story->indexes[i], base, ".index"), 0);
    }
}

static void flip(struct story *story)
{
    if (story->removes) {
        assert_int_equal(sys_unlink(SYS_DIR_CWD, story->flipped->name), 0);
        return;
    }
    uint8_t bit = (uint8_t)(1U << prng_below(&story->prng, 8));
    uint8_t byte = (uint8_t)((uint8_t)story->flipped->data[story->at] ^ bit);
    AUTO(file_close) int fd = sys_file_open(SYS_DIR_CWD, story->flipped->name, SYS_OPEN_WRITE);
    assert_true(fd >= 0);
    assert_int_equal(sys_file_write_at(fd, slice_of(&byte, 1), (int64_t)story->at), 0);
    assert_int_equal(sys_file_sync(fd), 0);
}

/* The batch that holds the flipped byte, or -1. */
static int damaged(const struct story *story)
{
    for (int i = 0; i < BATCHES; i++) {
        const struct written *batch = &story->batches[i];
        if (story->flipped == &story->segments[batch->segment] &&
            (int64_t)story->at >= batch->position &&
            (int64_t)story->at < batch->position + batch->size)
            return i;
    }
    return -1;
}

static void check_read(struct story *story, struct log_kit *kit, int at)
{
    const struct written *batch = &story->batches[at];
    struct log_kit_bytes got =
        log_kit_read(kit, batch->last_offset, (int64_t)prng_below(&story->prng, 4000));
    if (damaged(story) == at) {
        assert_int_equal(got.err, ERR_CORRUPT_MESSAGE);
        assert_int_equal(got.size, 0);
        story->corrupt++;
        return;
    }
    assert_int_equal(got.err, ERR_NONE);
    assert_true(got.size > 0);
    /* From its batch on, and only what was written. */
    const struct file *segment = &story->segments[batch->segment];
    assert_true((size_t)batch->position + got.size <= segment->size);
    assert_memory_equal(got.data, segment->data + batch->position, got.size);
    free(got.data);
}

static void read_all(void *arg)
{
    struct story *story = arg;
    struct log_kit *kit = kit_of_the_story();
    flip(story);
    assert_int_equal(log_kit_open(kit, (struct log_kit_open){.clean = true}, NULL), ERR_NONE);
    assert_int_equal(log_end_offset(log_kit_log(kit)), story->end);
    for (int i = 0; i < 40; i++)
        check_read(story, kit, (int)prng_below(&story->prng, BATCHES));
    if (damaged(story) >= 0)
        check_read(story, kit, damaged(story));
    for (int i = 0; i < BATCHES; i++)
        check_read(story, kit, i);
    log_check(log_kit_log(kit));
    log_kit_close(kit);
    log_kit_leave(kit);
    struct file after = {0};
    int64_t base = strtoll(story->flipped->name + sizeof FOLDER "/t-0", NULL, 10);
    assert_int_equal(load(&after, base, ".index"), 0);
    for (int i = 0; i < story->segment_count; i++)
        if (story->flipped == &story->indexes[i])
            story->mended = after.size == story->flipped->size &&
                            memcmp(after.data, story->flipped->data, after.size) == 0;
    free(after.data);
}

static void story_free(struct story *story)
{
    for (int i = 0; i < story->segment_count; i++) {
        free(story->segments[i].data);
        free(story->indexes[i].data);
    }
}

/* Writes, chooses where to flip, reads. */
static void tell(uint64_t seed, struct story *story, void (*choose)(struct story *))
{
    struct sim_world *world = sim_world_new(seed);
    sim_world_set_odds(world, &(struct sim_odds){.cold_read = seed % 2 == 0 ? 300 : 0});
    struct sim_node *node = sim_node_new(world, "alone", "10.0.0.1");
    sim_node_use(node);
    prng_init(&story->prng, seed);
    assert_true(sim_node_run(node, write_all, story));
    choose(story);
    assert_true(sim_node_run(node, read_all, story));
    sim_world_free(world);
}

static void in_a_sealed_segment(struct story *story)
{
    int at = (int)prng_below(&story->prng, (uint64_t)story->segment_count - 1);
    story->flipped = &story->segments[at];
    do
        story->at = (size_t)prng_below(&story->prng, story->flipped->size);
    while (story->at - (size_t)story->batches[damaged(story)].position - 12 < 4); /* its epoch */
}

static void no_flipped_byte_of_a_segment_is_served(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct story story = {0};
        tell(seed, &story, in_a_sealed_segment);
        assert_true(story.corrupt >= 2);
        story_free(&story);
    }
}

/* Records of the active segment: a clean start walks its last headers, but not them. */
static void in_the_active_segment(struct story *story)
{
    int last = story->segment_count - 1;
    const struct written *batch;
    do
        batch = &story->batches[prng_below(&story->prng, BATCHES)];
    while (batch->segment != last);
    story->flipped = &story->segments[last];
    story->at = (size_t)batch->position + BATCH_HEADER_SIZE +
                (size_t)prng_below(&story->prng, (uint64_t)batch->size - BATCH_HEADER_SIZE);
}

static void the_active_one_is_no_exception(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 120; seed++) {
        struct story story = {0};
        tell(seed, &story, in_the_active_segment);
        assert_true(story.corrupt >= 2);
        story_free(&story);
    }
}

static void in_an_index(struct story *story)
{
    int at;
    do
        at = (int)prng_below(&story->prng, (uint64_t)story->segment_count - 1);
    while (story->indexes[at].size == 0);
    story->flipped = &story->indexes[at];
    story->at = (size_t)prng_below(&story->prng, story->flipped->size);
}

static void a_wrong_index_misleads_nobody(void **state)
{
    int mended = 0;
    (void)state;
    for (uint64_t seed = 200; seed < 240; seed++) {
        struct story story = {0};
        tell(seed, &story, in_an_index);
        assert_int_equal(story.corrupt, 0);
        mended += story.mended;
        story_free(&story);
    }
    assert_true(mended > 20); /* in the others nobody came by the entry */
}

static void a_missing_index_is_made_again(void **state)
{
    (void)state;
    for (uint64_t seed = 300; seed < 310; seed++) {
        struct story story = {.removes = true};
        tell(seed, &story, in_an_index);
        assert_int_equal(story.corrupt, 0);
        assert_true(story.mended);
        story_free(&story);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_flipped_byte_of_a_segment_is_served),
        cmocka_unit_test(the_active_one_is_no_exception),
        cmocka_unit_test(a_wrong_index_misleads_nobody),
        cmocka_unit_test(a_missing_index_is_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
