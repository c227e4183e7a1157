/* The story, the moments at which the power may fail, and the disks that are left then. */
#include "log/test/sim_states.h"

#include "base/always.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "log/checkpoint.h"
#include "log/log_int.h"
#include "sys/clock.h"
#include "sys/dir.h"
#include "sys/file.h"
#include "wire/batch_builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* So many states of one moment are all looked at; of more, so many are drawn. */
#define STATES_ALL_MAX 40
#define STATES_DRAWN 24
/* One of so many states is opened with a second cut at each change. */
#define STATES_DEEP_ONE_OF 12
#define STATES_DEEP_DRAWN 2
/* A story ends early when it has come to so many. */
#define STATES_PER_STORY 3000
#define UNIT 512

struct states_point {
    struct sim_disk *disk;
    struct states_promise promise;
};

/* ---- states that were seen ---- */

struct states_seen {
    uint64_t *hashes; /* 0: free */
    size_t count;
    size_t capacity; /* a power of two */
};

static void seen_put(struct states_seen *seen, uint64_t hash)
{
    size_t at = hash & (seen->capacity - 1);
    while (seen->hashes[at] != 0 && seen->hashes[at] != hash)
        at = (at + 1) & (seen->capacity - 1);
    seen->count += seen->hashes[at] == 0 ? 1 : 0;
    seen->hashes[at] = hash;
}

static void seen_grow(struct states_seen *seen)
{
    struct states_seen grown = {.capacity = MAX_OF(seen->capacity * 2, (size_t)4096)};
    grown.hashes = calloc(grown.capacity, sizeof *grown.hashes);
    ALWAYS(grown.hashes != NULL, "memory for the test");
    for (size_t i = 0; i < seen->capacity; i++)
        if (seen->hashes[i] != 0)
            seen_put(&grown, seen->hashes[i]);
    free(seen->hashes);
    *seen = grown;
}

/* Whether it is the first of its kind: the same disk with the same promise need not be opened
 * again. */
static bool is_new(struct states *story, const struct sim_disk *disk,
                   const struct states_promise *promise, uint64_t salt)
{
    struct states_seen *seen = story->seen;
    uint64_t hash = hash_u64(sim_disk_hash(disk) ^ salt);
    hash = hash_u64(hash + (uint64_t)promise->flushed_end);
    hash = hash_u64(hash + (uint64_t)promise->acked_end);
    hash = hash_u64(hash + (uint64_t)promise->start_offset);
    hash = hash_u64(hash + (uint64_t)promise->form) | 1;
    if (seen->count * 2 >= seen->capacity)
        seen_grow(seen);
    size_t before = seen->count;
    seen_put(seen, hash);
    return seen->count > before;
}

/* ---- looking at the states of one moment ---- */

void states_broken(const struct states *story, const char *condition, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr,
                  "broken: %s (%s)\n  seed %llu, step %d (%s), change %d, state %llu%s\n"
                  "  opened %s, flushed up to %lld, starting at %lld\n"
                  "  again: ./dev sim states 1 %llu\n",
                  text, condition, (unsigned long long)story->seed, story->step, story->operation,
                  story->point, (unsigned long long)story->draw,
                  story->second ? ", after a second cut" : "",
                  story->how.clean ? "after a clean stop" : "after a crash",
                  (long long)story->how.recovery_point, (long long)story->how.log_start_offset,
                  (unsigned long long)story->seed);
    abort();
}

struct second_cuts {
    struct states *story;
    struct sim_disk **disks;
    int count;
    int capacity;
};

static void on_second_change(void *context, struct sim_node *node)
{
    struct second_cuts *cuts = context;
    if (cuts->count == cuts->capacity) {
        cuts->capacity = MAX_OF(cuts->capacity * 2, 16);
        cuts->disks = realloc(cuts->disks, (size_t)cuts->capacity * sizeof(struct sim_disk *));
        ALWAYS(cuts->disks != NULL, "memory for the test");
    }
    cuts->disks[cuts->count++] = sim_disk_copy(node);
}

/* One of the disks that a cut may leave. */
static struct sim_disk *draw(struct states *story, const struct sim_disk *before)
{
    struct sim_disk *disk = sim_disk_clone(before);
    sim_disk_become_any(disk, &story->prng);
    return disk;
}

/* The power fails again, at one change of the recovery that found `wanted`. */
static void cut_again(struct states *story, const struct sim_disk *before,
                      const struct states_promise *promise, const struct states_found *wanted)
{
    for (int i = 0; i < STATES_DEEP_DRAWN; i++) {
        struct sim_disk *disk = draw(story, before);
        if (!is_new(story, disk, promise, wanted->hash)) {
            sim_disk_free(disk);
            continue;
        }
        story->state_count++;
        sim_disk_give(story->mirror, disk);
        struct states_found found = states_examine(story, promise);
        HOLDS(story, found.end_offset == wanted->end_offset,
              "a recovery that was cut off ends at %lld instead of %lld",
              (long long)found.end_offset, (long long)wanted->end_offset);
        HOLDS(story, found.hash == wanted->hash, "a recovery that was cut off leaves other bytes");
    }
}

/* Opens the disk, which is taken, twice; deeply: with a second cut at each change of the first. */
static void look_at(struct states *story, struct sim_disk *disk,
                    const struct states_promise *promise, bool deeply)
{
    struct second_cuts cuts = {.story = story};
    story->state_count++;
    sim_disk_give(story->mirror, disk);
    if (deeply)
        sim_disk_watch(story->mirror, on_second_change, &cuts);
    struct states_found first = states_examine(story, promise);
    sim_disk_watch(story->mirror, NULL, NULL);
    struct states_found again = states_examine(story, promise);
    HOLDS(story, first.end_offset == again.end_offset && first.hash == again.hash,
          "opened twice, the log ends at %lld and %lld", (long long)first.end_offset,
          (long long)again.end_offset);
    story->second = true;
    for (int i = 0; i < cuts.count; i++) {
        cut_again(story, cuts.disks[i], promise, &first);
        sim_disk_free(cuts.disks[i]);
    }
    free(cuts.disks);
    story->second = false;
}

static void look_at_cuts(struct states *story, const struct states_point *point)
{
    struct states_promise promise = point->promise;
    promise.acked_end = promise.flushed_end;
    uint64_t count = sim_disk_state_count(point->disk, UNIT);
    bool all = count <= STATES_ALL_MAX;
    for (story->draw = 0; story->draw < (all ? count : STATES_DRAWN); story->draw++) {
        struct sim_disk *disk = all ? sim_disk_clone(point->disk) : draw(story, point->disk);
        if (all)
            sim_disk_become(disk, UNIT, story->draw);
        if (is_new(story, disk, &promise, 0))
            look_at(story, disk, &promise, prng_below(&story->prng, STATES_DEEP_ONE_OF) == 0);
        else
            sim_disk_free(disk);
    }
}

/* Nothing is lost of what was written. */
static void look_at_kill(struct states *story, struct states_point *point)
{
    if (is_new(story, point->disk, &point->promise, 1))
        look_at(story, point->disk, &point->promise, false);
    else
        sim_disk_free(point->disk);
}

void states_look(struct states *story)
{
    sim_node_use(story->mirror);
    for (story->point = 0; story->point < story->point_count; story->point++) {
        look_at_cuts(story, &story->points[story->point]);
        look_at_kill(story, &story->points[story->point]);
    }
    story->point_count = 0;
    sim_node_use(story->node);
}

/* ---- moments ---- */

static void add_point(struct states *story)
{
    if (story->point_count == story->point_capacity) {
        story->point_capacity = MAX_OF(story->point_capacity * 2, 64);
        story->points =
            realloc(story->points, (size_t)story->point_capacity * sizeof(struct states_point));
        ALWAYS(story->points != NULL, "memory for the test");
    }
    story->points[story->point_count++] =
        (struct states_point){.disk = sim_disk_copy(story->node), .promise = story->promise};
}

static void on_change(void *context, struct sim_node *node)
{
    (void)node;
    add_point(context);
}

/* ---- what operations do ---- */

static void note(struct states *story, struct slice bytes, int64_t base_offset)
{
    if (story->batch_count == story->batch_capacity) {
        story->batch_capacity = MAX_OF(story->batch_capacity * 2, 64);
        story->batches =
            realloc(story->batches, (size_t)story->batch_capacity * sizeof(struct states_batch));
        ALWAYS(story->batches != NULL, "memory for the test");
    }
    struct states_batch *batch = &story->batches[story->batch_count++];
    *batch = (struct states_batch){.bytes = malloc(bytes.size), .size = bytes.size};
    ALWAYS(batch->bytes != NULL, "memory for the test");
    memcpy(batch->bytes, bytes.data, bytes.size);
    store_i64(batch->bytes, base_offset);
    store_i32(batch->bytes + BATCH_AT_PARTITION_LEADER_EPOCH, story->leader_epoch);
    HOLDS(story, batch_parse(slice_of(batch->bytes, bytes.size), &batch->header) == BATCH_OK,
          "the test makes batches");
    int32_t coordinator_epoch;
    batch->marker = batch_is_control(&batch->header)
                        ? txn_marker_read(&batch->header, bytes, &coordinator_epoch)
                        : TXN_MARKER_NONE;
}

int64_t states_end(const struct states *story)
{
    return story->batch_count == 0
               ? 0
               : batch_last_offset(&story->batches[story->batch_count - 1].header) + 1;
}

void states_forget(struct states *story, int64_t from_offset)
{
    while (states_end(story) > from_offset)
        free(story->batches[--story->batch_count].bytes);
    story->cleaned_to = MIN_OF(story->cleaned_to, from_offset);
    for (int i = 0; i < STATES_PRODUCERS; i++)
        story->sequences[i] = 0;
    for (int i = 0; i < story->batch_count; i++) {
        const struct batch_header *header = &story->batches[i].header;
        if (batch_has_producer_id(header) && !batch_is_control(header))
            story->sequences[header->producer_id] = batch_last_sequence(header) + 1;
    }
}

/* A marker, of a transaction that is open or not. */
static struct slice make_marker(struct states *story, struct batch_builder *builder)
{
    struct batch_builder_options options = batch_builder_defaults();
    uint8_t key[4] = {[3] = (uint8_t)prng_below(&story->prng, 2)};
    static const uint8_t value[6] = {[5] = 5};
    options.producer_id =
        STATES_TRANSACTIONAL +
        (int64_t)prng_below(&story->prng, STATES_PRODUCERS - STATES_TRANSACTIONAL);
    options.producer_epoch = 0;
    options.transactional = true;
    options.control = true;
    batch_builder_begin(builder, &options);
    batch_builder_add(builder, &(struct batch_record){.timestamp = sys_wall_ms(),
                                                      .key = slice_of(key, sizeof key),
                                                      .value = slice_of(value, sizeof value)});
    return batch_builder_finish(builder, NULL);
}

/* A batch of one to four records; producer 0 is none. */
static struct slice make_batch(struct states *story, struct batch_builder *builder)
{
    struct batch_builder_options options = batch_builder_defaults();
    int producer = (int)prng_below(&story->prng, STATES_PRODUCERS);
    int count = (int)prng_below(&story->prng, 4) + 1;
    if (producer > 0) {
        options.producer_id = producer;
        options.producer_epoch = 0;
        options.base_sequence = story->sequences[producer];
        options.transactional = producer >= STATES_TRANSACTIONAL;
        story->sequences[producer] += count;
    }
    batch_builder_begin(builder, &options);
    for (int i = 0; i < count; i++) {
        uint8_t value[512];
        char key = (char)('a' + prng_below(&story->prng, STATES_KEYS));
        size_t size = prng_below(&story->prng, sizeof value);
        bool tombstone = prng_below(&story->prng, 8) == 0;
        prng_fill(&story->prng, value, size);
        batch_builder_add(
            builder,
            &(struct batch_record){.timestamp = sys_wall_ms(), /* else the producer expires */
                                   .key = slice_of(&key, 1),
                                   .value = tombstone ? (struct slice){0} : slice_of(value, size)});
    }
    return batch_builder_finish(builder, NULL);
}

typedef struct slice (*make_fn)(struct states *, struct batch_builder *);

static void append_made(struct states *story, int count_max, make_fn make)
{
    struct batch_builder builders[8];
    struct slice batches[8];
    struct log_kit_appended appended[8];
    int count = (int)prng_below(&story->prng, (uint64_t)MIN_OF(count_max, 8)) + 1;
    int64_t end = states_end(story);
    if (prng_below(&story->prng, 8) == 0)
        story->leader_epoch++;
    for (int i = 0; i < count; i++) {
        batch_builder_init(&builders[i]);
        batches[i] = make(story, &builders[i]);
        note(story, batches[i], states_end(story));
    }
    log_kit_append_bytes(story->kit, batches, count, story->leader_epoch, appended);
    for (int i = 0; i < count; i++) {
        HOLDS(story, appended[i].err == ERR_NONE && appended[i].base_offset == end,
              "a batch is appended at its place");
        end = appended[i].last_offset + 1;
        batch_builder_fini(&builders[i]);
    }
    story->promise.acked_end = end;
}

void states_append(struct states *story, int count_max)
{
    append_made(story, count_max, make_batch);
}

static struct slice make_mostly_markers(struct states *story, struct batch_builder *builder)
{
    return prng_chance(&story->prng, 2, 3) ? make_marker(story, builder)
                                           : make_batch(story, builder);
}

void states_end_transactions(struct states *story, int count_max)
{
    append_made(story, count_max, make_mostly_markers);
}

void states_flush(struct states *story)
{
    int64_t end = states_end(story);
    HOLDS(story, log_kit_flush(story->kit) == ERR_NONE, "a flush succeeds");
    story->promise.flushed_end = end;
}

static void write_checkpoint(const struct states *story, const char *file, int64_t offset)
{
    struct checkpoint checkpoint;
    checkpoint_init(&checkpoint);
    bool put = offset == 0 || checkpoint_put(&checkpoint, slice_of_text(STATES_LOG), offset);
    HOLDS(story, put && checkpoint_write(&checkpoint, log_kit_dir(story->kit), file) == 0,
          "a checkpoint is written");
    checkpoint_fini(&checkpoint);
}

void states_checkpoint(struct states *story, struct states_checkpoint offsets)
{
    write_checkpoint(story, CHECKPOINT_RECOVERY_POINT, offsets.recovery_point);
    write_checkpoint(story, CHECKPOINT_LOG_START, offsets.log_start_offset);
}

void states_open(struct states *story)
{
    struct log_recovery recovery;
    struct log_kit_open how = states_start(story, story->promise.topic);
    enum err err = log_kit_open(story->kit, how, &recovery);
    HOLDS(story, err == ERR_NONE, "the log opens: %s", recovery.fault);
    /* A producer of which only a marker is left begins again. */
    for (int i = 1; i < STATES_PRODUCERS; i++) {
        const struct producer *producer = producers_find(&log_kit_log(story->kit)->producers, i);
        if (producer != NULL && producer->batch_count == 0)
            story->sequences[i] = 0;
    }
    /* Who sends again what a start found is told that it is there: it must be so for good. */
    if (story->config.flush_messages == 1)
        story->promise.flushed_end = states_end(story);
}

static void make_kit(struct states *story)
{
    story->kit = log_kit_new_at(STATES_FOLDER);
    *log_kit_config(story->kit) = story->config;
    if (prng_chance(&story->prng, 1, 2))
        log_kit_write_by_worker(story->kit);
}

/* What died with its node is never freed: its tasks are in the middle of it. */
static struct log_kit *dead_kits[64];
static size_t dead_kit_count;

/* Of what was lost from the middle nothing stays but its offsets. */
static void forget_lost(struct states *story)
{
    for (int i = 0; i < story->batch_count; i++) {
        struct states_batch *batch = &story->batches[i];
        if (!batch->was_lost)
            continue;
        free(batch->bytes);
        batch->bytes = NULL;
        batch->size = 0;
        batch->marker = TXN_MARKER_NONE;
        batch->header.producer_id = BATCH_NO_PRODUCER_ID;
        batch->header.attributes = 0;
    }
}

/* The node dies and has this disk, of which nothing is pending. */
static void go_on_from(struct states *story, const struct sim_disk *left,
                       struct states_promise promise)
{
    dead_kits[dead_kit_count++ % COUNT_OF(dead_kits)] = story->kit;
    sim_disk_watch(story->node, NULL, NULL);
    sim_node_cut(story->node);
    sim_disk_put(story->node, left);
    sim_disk_put(story->mirror, left);
    sim_node_use(story->mirror);
    promise.acked_end = promise.flushed_end;
    struct states_found found = states_examine(story, &promise);
    sim_node_use(story->node);
    if (promise.form != STATES_AS_THEY_WERE)
        states_cleaned(story, true);
    forget_lost(story);
    states_forget(story, found.end_offset);
    promise.acked_end = found.end_offset;
    promise.form = STATES_AS_THEY_WERE;
    story->promise = promise;
    story->leader_epoch++;
    make_kit(story);
    sim_disk_watch(story->node, on_change, story);
    states_open(story);
}

void states_cut(struct states *story)
{
    states_look(story);
    struct sim_disk *left = sim_disk_copy(story->node);
    sim_disk_become_any(left, &story->prng);
    go_on_from(story, left, story->promise);
    sim_disk_free(left);
}

void states_cut_within(struct states *story)
{
    if (story->point_count == 0)
        return;
    uint64_t at = prng_below(&story->prng, (uint64_t)story->point_count);
    struct states_promise promise = story->points[at].promise;
    struct sim_disk *left = draw(story, story->points[at].disk);
    states_look(story);
    go_on_from(story, left, promise);
    sim_disk_free(left);
}

/* ---- the story ---- */

static void begin(struct states *story, uint64_t seed)
{
    static const int segment_sizes[] = {600, 2500, 9000};
    *story = (struct states){
        .seed = seed, .operation = "beginning", .promise = {.topic = 1}, .cleaned_to = -1};
    prng_init(&story->prng, seed);
    story->world = sim_world_new(seed);
    story->node = sim_node_new(story->world, "alone", "10.0.0.1");
    story->mirror = sim_node_new(story->world, "mirror", "10.0.0.2");
    story->seen = calloc(1, sizeof *story->seen);
    ALWAYS(story->seen != NULL, "memory for the test");
    story->config = (struct topic_config){
        .segment_bytes = segment_sizes[prng_below(&story->prng, 3)],
        .segment_ms = INT64_MAX,
        .segment_index_bytes = 10 << 20,
        .index_interval_bytes = prng_chance(&story->prng, 1, 2) ? 200 : 4096,
        .flush_messages = prng_chance(&story->prng, 1, 2) ? 1 : INT64_MAX,
        .flush_ms = INT64_MAX,
        .file_delete_delay_ms = prng_chance(&story->prng, 1, 2) ? 0 : 60000,
        .cleanup_compact = prng_chance(&story->prng, 1, 2),
        .delete_retention_ms = 1000,
        .max_compaction_lag_ms = INT64_MAX,
        .max_decompressed_message_bytes = INT32_MAX,
    };
    sim_node_use(story->node);
    make_kit(story);
    int root = sys_dir_open(SYS_DIR_CWD, "/");
    HOLDS(story, root >= 0 && sys_dir_sync(root) == 0, "the folder is made");
    sys_file_close(root);
    sim_disk_watch(story->node, on_change, story);
    states_open(story);
    states_look(story);
}

static void end(struct states *story)
{
    sim_disk_watch(story->node, NULL, NULL);
    log_kit_free(story->kit);
    while (story->batch_count > 0)
        free(story->batches[--story->batch_count].bytes);
    free(story->batches);
    free(story->points);
    free(story->seen->hashes);
    free(story->seen);
    sim_world_free(story->world);
}

static const struct states_operation *choose(struct states *story,
                                             const struct states_operation *operations,
                                             int operation_count)
{
    int total = 0;
    for (int i = 0; i < operation_count; i++)
        total += operations[i].weight;
    int left = (int)prng_below(&story->prng, (uint64_t)total);
    int at = 0;
    while (left >= operations[at].weight)
        left -= operations[at++].weight;
    return &operations[at];
}

uint64_t states_tell(uint64_t seed, const struct states_operation *operations, int operation_count,
                     int steps)
{
    struct states story;
    begin(&story, seed);
    for (story.step = 0; story.step < steps && story.state_count < STATES_PER_STORY; story.step++) {
        const struct states_operation *operation = choose(&story, operations, operation_count);
        story.operation = operation->name;
        operation->run(&story);
        add_point(&story); /* the moment after it */
        states_look(&story);
    }
    end(&story);
    return story.state_count;
}
