/* Crash states by the thousand: seeded stories of appends, flushes, rolls, checkpoints, trims,
 * cleanings, deletions, stops and cuts; see sim_states.h. OTTLA_SIM_STATES is how many states are
 * wanted in all, OTTLA_SIM_FIRST_SEED where to begin. */
#include "base/always.h"
#include "log/dir.h"
#include "log/log_int.h"
#include "log/retention.h"
#include "log/test/sim_states.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define STEPS 16
#define STATES_WANTED 6000

/* The memory of a node that was cut is nobody's: the leak checker passes over it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:sim_run_inside\n";
}

static void append(struct states *story)
{
    states_append(story, 3);
}

static void append_many(struct states *story)
{
    states_append(story, 8);
}

static void append_and_flush(struct states *story)
{
    states_append(story, 3);
    states_flush(story);
}

/* What a marker decides is final once it is committed, as it is here as soon as it is appended. */
static void commit_markers(struct log *log, void *context)
{
    role_now_on_shard();
    (void)context;
    log_commit_markers(log, log_end_offset(log));
}

static void end_transactions(struct states *story)
{
    states_end_transactions(story, 4);
    if (prng_chance(&story->prng, 3, 4))
        log_kit_run(story->kit, commit_markers, NULL);
    if (prng_chance(&story->prng, 1, 3))
        states_flush(story);
}

static struct states_checkpoint offsets_now(const struct states *story)
{
    const struct log *log = log_kit_log(story->kit);
    return (struct states_checkpoint){.recovery_point = log_recovery_point(log),
                                      .log_start_offset = log_start_offset(log)};
}

/* What is stored as flushed is promised, also where a roll's flush alone made it so. */
static void checkpoint(struct states *story)
{
    struct states_checkpoint offsets = offsets_now(story);
    story->promise.flushed_end = MAX_OF(story->promise.flushed_end, offsets.recovery_point);
    states_checkpoint(story, offsets);
}

/* ---- letting go of the beginning ---- */

static void raise_start(struct log *log, void *context)
{
    role_now_on_shard();
    log_raise_start(log, *(const int64_t *)context);
}

static void trim_log(struct log *log, void *context)
{
    role_now_on_shard();
    (void)context;
    (void)log_trim(log, INT_MAX);
}

static void trim(struct states *story)
{
    if (story->batch_count == 0)
        return;
    states_flush(story);
    const struct states_batch *batch =
        &story->batches[prng_below(&story->prng, (uint64_t)story->batch_count)];
    int64_t to = batch->header.base_offset;
    story->promise.start_offset = MAX_OF(story->promise.start_offset, to);
    log_kit_run(story->kit, raise_start, &to);
    states_checkpoint(story, offsets_now(story));
    log_kit_run(story->kit, trim_log, NULL);
}

/* What retention would let go, now. */
struct retaining {
    struct topic_config config;
    int64_t wall_ms;
    struct log_retention found;
};

static void find_old(struct log *log, void *context)
{
    role_now_on_shard();
    struct retaining *retaining = context;
    struct log_retention_limits limits = {.high_watermark = log_end_offset(log),
                                          .wall_ms = retaining->wall_ms};
    log_configure(log, &retaining->config);
    retaining->found = log_retention_of(log, &limits);
    if (!retaining->found.rolls || log_retention_roll(log))
        return;
    limits.high_watermark--; /* the active segment stays, this time */
    retaining->found = log_retention_of(log, &limits);
}

/* None that is younger goes, nor more bytes than are too many. */
static void check_old(struct states *story, const struct retaining *retaining)
{
    int64_t bytes = 0;
    for (int i = 0; i < story->batch_count; i++) {
        const struct states_batch *batch = &story->batches[i];
        bool goes = batch->header.base_offset < retaining->found.start_offset;
        bool went = batch->header.base_offset < log_start_offset(log_kit_log(story->kit));
        bytes += goes ? 0 : (int64_t)batch->size;
        HOLDS(story,
              went || !goes || retaining->config.retention_ms < 0 ||
                  batch->header.max_timestamp + retaining->config.retention_ms < retaining->wall_ms,
              "the batch of %lld is not old enough", (long long)batch->header.base_offset);
    }
    HOLDS(story, retaining->found.by_size == 0 || bytes >= retaining->config.retention_bytes,
          "retention leaves %lld bytes of the %lld that stay", (long long)bytes,
          (long long)retaining->config.retention_bytes);
}

/* By size or by time; as the node does it: the start is raised when all is flushed, and stored
 * before what is in front of it goes. */
static void retain(struct states *story)
{
    if (story->batch_count == 0)
        return;
    int64_t size = log_size(log_kit_log(story->kit));
    bool by_size = prng_chance(&story->prng, 1, 2);
    const struct states_batch *batch =
        &story->batches[prng_below(&story->prng, (uint64_t)story->batch_count)];
    struct retaining retaining = {.config = story->config, .wall_ms = batch->header.max_timestamp};
    retaining.config.cleanup_delete = true;
    retaining.config.retention_ms = by_size ? -1 : (int64_t)prng_below(&story->prng, 20);
    retaining.config.retention_bytes =
        by_size ? (int64_t)prng_below(&story->prng, (uint64_t)size + 1) : -1;
    log_kit_run(story->kit, find_old, &retaining);
    if (retaining.found.count == 0)
        return;
    check_old(story, &retaining);
    states_flush(story);
    int64_t to = retaining.found.start_offset;
    story->promise.start_offset = MAX_OF(story->promise.start_offset, to);
    log_kit_run(story->kit, raise_start, &to);
    states_checkpoint(story, offsets_now(story));
    log_kit_run(story->kit, trim_log, NULL);
}

/* ---- cleaning ---- */

static void compact(struct states *story)
{
    if (!story->config.cleanup_compact)
        return;
    if (prng_chance(&story->prng, 3, 4))
        states_flush(story);
    checkpoint(story); /* as a cleaner does first */
    if (!states_compact(story))
        return;
    states_look(story);
    states_cleaned(story, false);
    story->promise.form = STATES_AS_THEY_WERE;
}

/* What a start made of a cleaning that was cut off is gone on with. */
static void cut_while_compacting(struct states *story)
{
    if (!story->config.cleanup_compact)
        return;
    states_flush(story);
    checkpoint(story);
    states_look(story);
    int64_t cleaned_to = story->cleaned_to;
    if (!states_compact(story))
        return;
    story->cleaned_to = cleaned_to;
    states_cut_within(story);
}

/* ---- stopping and deleting ---- */

static void stop_cleanly(struct states *story)
{
    struct states_checkpoint offsets = offsets_now(story);
    struct log_dir dir = {.fd = log_kit_dir(story->kit)};
    int64_t end = states_end(story);
    offsets.recovery_point = end;
    log_kit_close(story->kit);
    story->promise.flushed_end = end;
    states_checkpoint(story, offsets);
    HOLDS(story, log_dir_mark_clean(&dir, 1) == 0, "the marker is written");
    states_open(story);
}

/* What a start found is checkpointed at once: the next one looks at no more than that leaves. */
static void stop_by_kill(struct states *story)
{
    states_append(story, 8);
    log_kit_drop(story->kit);
    states_open(story);
    checkpoint(story);
}

/* What a recovery cut off right behind the recovery point must not come back when a clean stop,
 * which finds nothing to sync, has vouched for the file. */
static void cut_and_stop(struct states *story)
{
    states_flush(story);
    checkpoint(story);
    states_append(story, 1);
    states_cut(story);
    stop_cleanly(story);
}

static void delete_and_make(struct states *story)
{
    states_look(story);
    states_forget(story, 0);
    story->promise = (struct states_promise){.topic = (uint8_t)(story->promise.topic + 1)};
    HOLDS(story, log_kit_delete(story->kit) == 0, "the log is deleted");
    states_checkpoint(story, (struct states_checkpoint){0});
    states_open(story);
}

static const struct states_operation operations[] = {
    {"append", 8, append},
    {"append many", 2, append_many},
    {"append and flush", 4, append_and_flush},
    {"end transactions", 5, end_transactions},
    {"flush", 1, states_flush},
    {"checkpoint", 3, checkpoint},
    {"trim", 2, trim},
    {"retain", 2, retain},
    {"compact", 3, compact},
    {"cut while compacting", 2, cut_while_compacting},
    {"clean stop", 1, stop_cleanly},
    {"kill", 2, stop_by_kill},
    {"cut", 3, states_cut},
    {"cut and clean stop", 2, cut_and_stop},
    {"delete", 1, delete_and_make},
};

static uint64_t number(const char *name, uint64_t missing)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : missing;
}

static void nothing_promised_is_lost(void **state)
{
    (void)state;
    uint64_t wanted = number("OTTLA_SIM_STATES", STATES_WANTED);
    uint64_t first = number("OTTLA_SIM_FIRST_SEED", 1);
    uint64_t states = 0;
    uint64_t seed = first;
    while (states < wanted)
        states += states_tell(seed++, operations, (int)COUNT_OF(operations), STEPS);
    (void)printf("%llu crash states of seeds %llu to %llu\n", (unsigned long long)states,
                 (unsigned long long)first, (unsigned long long)(seed - 1));
}

/* Stories that were broken once, by the log or by what is asked of it here. */
static void what_was_broken_holds(void **state)
{
    static const uint64_t seeds[] = {500172, 800028};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(seeds); i++)
        (void)states_tell(seeds[i], operations, (int)COUNT_OF(operations), STEPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_broken_holds),
        cmocka_unit_test(nothing_promised_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
