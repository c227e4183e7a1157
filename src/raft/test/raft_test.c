/* The quorum of one as stories: what happens goes in line by line, what it asks for comes out below
 * it. A story is compared as a whole. Then what must hold whatever happens, over random orders. */
#include "base/prng.h"
#include "raft/raft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct story {
    struct raft raft;
    struct text text;
};

static const struct uuid directory = {{7, 7, 7}};

static void tell_update(struct story *story, const struct raft_update *update)
{
    const struct raft *raft = &story->raft;
    if (update->role_changed)
        text_printf(&story->text, "    is %s, epoch %d\n", raft_role_name(raft->role), raft->epoch);
    if (update->store_quorum_state)
        text_printf(&story->text, "    store: version %d leader %d epoch %d voted %d\n",
                    raft->stored.version, raft->stored.leader_id, raft->stored.leader_epoch,
                    raft->stored.voted_id);
    if (update->append_leader_change)
        text_printf(&story->text, "    append LeaderChange of epoch %d\n", raft->epoch);
    if (update->sync_log)
        text_printf(&story->text, "    sync the log\n");
    if (update->commit_moved)
        text_printf(&story->text, "    committed up to %lld\n", (long long)raft->high_watermark);
}

static void tell(struct story *story, const char *what, struct raft_event event)
{
    struct raft_update update;
    text_printf(&story->text, "%s\n", what);
    raft_step(&story->raft, &event, &update);
    tell_update(story, &update);
}

static void happens(struct story *story, enum raft_event_type type)
{
    static const char *const names[] = {
        [RAFT_EVENT_START] = "start", [RAFT_EVENT_STORED] = "stored", [RAFT_EVENT_STOP] = "stop"};
    tell(story, names[type], (struct raft_event){.type = type});
}

static void reaches(struct story *story, enum raft_event_type type, int64_t offset)
{
    char what[64];
    (void)snprintf(what, sizeof what, "%s to %lld",
                   type == RAFT_EVENT_APPENDED ? "appended" : "synced", (long long)offset);
    tell(story, what, (struct raft_event){.type = type, .end_offset = offset});
}

static struct raft_start fresh(void)
{
    return (struct raft_start){
        .node_id = 1,
        .directory_id = directory,
        .stored = {.version = 1, .leader_id = RAFT_NOBODY, .voted_id = RAFT_NOBODY},
        .voters = {.known = true, .count = 1, .id = 1, .directory_id = directory},
        .is_dynamic = true,
        .log_end_epoch = -1,
    };
}

static void begin(struct story *story, const struct raft_start *start)
{
    struct text error;
    text_init(&error, 1000);
    assert_true(raft_start_check(start, &error));
    assert_int_equal(error.size, 0);
    text_fini(&error);
    text_init(&story->text, 1 << 20);
    raft_init(&story->raft, start);
}

static void end(struct story *story, const char *expected)
{
    assert_string_equal(story->text.data, expected);
    text_fini(&story->text);
}

/* ---- stories ---- */

static void first_start(void **state)
{
    (void)state;
    struct story story;
    struct raft_start start = fresh();
    begin(&story, &start);
    happens(&story, RAFT_EVENT_START);
    happens(&story, RAFT_EVENT_STORED);
    reaches(&story, RAFT_EVENT_APPENDED, 3);
    reaches(&story, RAFT_EVENT_SYNCED, 3);
    reaches(&story, RAFT_EVENT_APPENDED, 12);
    reaches(&story, RAFT_EVENT_APPENDED, 13);
    reaches(&story, RAFT_EVENT_SYNCED, 12);
    reaches(&story, RAFT_EVENT_SYNCED, 13);
    happens(&story, RAFT_EVENT_STOP);
    end(&story, "start\n"
                "    is candidate, epoch 1\n"
                "    store: version 1 leader 1 epoch 1 voted -1\n"
                "stored\n"
                "    is leader, epoch 1\n"
                "    append LeaderChange of epoch 1\n"
                "appended to 3\n"
                "    sync the log\n"
                "synced to 3\n"
                "    committed up to 3\n"
                "appended to 12\n"
                "    sync the log\n"
                "appended to 13\n"
                "    sync the log\n"
                "synced to 12\n"
                "    committed up to 12\n"
                "synced to 13\n"
                "    committed up to 13\n"
                "stop\n"
                "    is resigned, epoch 1\n");
}

/* What the log held is committed only when a record of the new epoch is durable (Raft, 5.4.2). */
static void restart(void **state)
{
    (void)state;
    struct story story;
    struct raft_start start = fresh();
    start.stored.leader_id = 1;
    start.stored.leader_epoch = 4;
    start.log_end_offset = 100;
    start.log_end_epoch = 4;
    begin(&story, &start);
    assert_int_equal(story.raft.high_watermark, -1);
    happens(&story, RAFT_EVENT_START);
    happens(&story, RAFT_EVENT_STORED);
    reaches(&story, RAFT_EVENT_SYNCED, 100);
    assert_int_equal(story.raft.high_watermark, -1);
    reaches(&story, RAFT_EVENT_APPENDED, 101);
    reaches(&story, RAFT_EVENT_SYNCED, 100);
    reaches(&story, RAFT_EVENT_SYNCED, 101);
    end(&story, "start\n"
                "    is candidate, epoch 5\n"
                "    store: version 1 leader 1 epoch 5 voted -1\n"
                "stored\n"
                "    is leader, epoch 5\n"
                "    append LeaderChange of epoch 5\n"
                "synced to 100\n"
                "appended to 101\n"
                "    sync the log\n"
                "synced to 100\n"
                "synced to 101\n"
                "    committed up to 101\n");
}

/* It voted and crashed before the log had anything of that epoch; or the file is behind the log. */
static void epoch_is_above_vote_and_log(void **state)
{
    (void)state;
    struct story story;
    struct raft_start start = fresh();
    start.stored.leader_epoch = 9;
    start.stored.voted_id = 1;
    start.stored.voted_directory_id = directory;
    start.log_end_offset = 50;
    start.log_end_epoch = 7;
    begin(&story, &start);
    happens(&story, RAFT_EVENT_START);
    text_printf(&story.text, "----\n");
    start.stored.leader_epoch = 3;
    raft_init(&story.raft, &start);
    happens(&story, RAFT_EVENT_START);
    assert_true(uuid_is_zero(story.raft.stored.voted_directory_id));
    end(&story, "start\n"
                "    is candidate, epoch 10\n"
                "    store: version 1 leader 1 epoch 10 voted -1\n"
                "----\n"
                "start\n"
                "    is candidate, epoch 8\n"
                "    store: version 1 leader 1 epoch 8 voted -1\n");
}

static void static_directory(void **state)
{
    (void)state;
    struct story story;
    struct raft_start start = fresh();
    start.is_dynamic = false;
    start.voters.known = false;
    start.stored = (struct raft_quorum_state){
        .leader_id = 1, .leader_epoch = 2, .voted_id = -1, .voter_count = 1, .voter_id = 1};
    begin(&story, &start);
    happens(&story, RAFT_EVENT_START);
    assert_int_equal(story.raft.stored.voter_count, 1);
    assert_int_equal(story.raft.stored.voter_id, 1);
    happens(&story, RAFT_EVENT_STORED);
    end(&story, "start\n"
                "    is candidate, epoch 3\n"
                "    store: version 0 leader 1 epoch 3 voted -1\n"
                "stored\n"
                "    is leader, epoch 3\n"
                "    append LeaderChange of epoch 3\n");
}

static void stop_before_it_led(void **state)
{
    (void)state;
    struct story story;
    struct raft_start start = fresh();
    begin(&story, &start);
    happens(&story, RAFT_EVENT_STOP);
    happens(&story, RAFT_EVENT_START);
    happens(&story, RAFT_EVENT_STOP);
    end(&story, "stop\n"
                "start\n"
                "    is candidate, epoch 1\n"
                "    store: version 1 leader 1 epoch 1 voted -1\n"
                "stop\n");
}

/* What was under way when it resigned may still become durable, but commits nothing. */
static void nothing_is_committed_after_the_stop(void **state)
{
    (void)state;
    struct story story;
    struct raft_start start = fresh();
    begin(&story, &start);
    happens(&story, RAFT_EVENT_START);
    happens(&story, RAFT_EVENT_STORED);
    reaches(&story, RAFT_EVENT_APPENDED, 3);
    happens(&story, RAFT_EVENT_STOP);
    reaches(&story, RAFT_EVENT_SYNCED, 3);
    assert_int_equal(story.raft.high_watermark, -1);
    end(&story, "start\n"
                "    is candidate, epoch 1\n"
                "    store: version 1 leader 1 epoch 1 voted -1\n"
                "stored\n"
                "    is leader, epoch 1\n"
                "    append LeaderChange of epoch 1\n"
                "appended to 3\n"
                "    sync the log\n"
                "stop\n"
                "    is resigned, epoch 1\n"
                "synced to 3\n");
}

/* ---- refusals ---- */

static void refused(const struct raft_start *start, const char *expected)
{
    struct text error;
    text_init(&error, 1000);
    assert_false(raft_start_check(start, &error));
    assert_string_equal(error.data, expected);
    text_fini(&error);
}

static void other_voters_are_refused(void **state)
{
    (void)state;
    struct raft_start start = fresh();
    start.voters.count = 3;
    refused(&start, "the log names 3 voter(s), the first is node 1, but this version runs a "
                    "quorum of this node (1) alone");
    start = fresh();
    start.voters.id = 2;
    refused(&start, "the log names 1 voter(s), the first is node 2, but this version runs a "
                    "quorum of this node (1) alone");
    start = fresh();
    start.voters.count = 0;
    refused(&start, "the log names 0 voter(s), the first is node -1, but this version runs a "
                    "quorum of this node (1) alone");
    start = fresh();
    start.directory_id = (struct uuid){{8}};
    refused(&start,
            "the log names node 1 with directory BwcHAAAAAAAAAAAAAAAAAA as the voter, but this "
            "directory is CAAAAAAAAAAAAAAAAAAAAA. Give meta.properties the directory.id it had");
    start = fresh();
    start.voters.known = false;
    start.stored.voter_count = 3;
    start.stored.voter_id = 1;
    refused(&start, "quorum-state lists 3 voter(s), the first is node 1, but this version runs "
                    "a quorum of this node (1) alone");
    start.stored.voter_count = 1;
    start.stored.voter_id = 4;
    refused(&start, "quorum-state lists 1 voter(s), the first is node 4, but this version runs "
                    "a quorum of this node (1) alone");
}

static void the_last_epoch_is_refused(void **state)
{
    (void)state;
    struct raft_start start = fresh();
    start.stored.leader_epoch = INT32_MAX;
    refused(&start, "the quorum is at epoch 2147483647, the last that there can be");
    start = fresh();
    start.log_end_epoch = INT32_MAX;
    refused(&start, "the quorum is at epoch 2147483647, the last that there can be");
    struct story story;
    start.log_end_epoch = INT32_MAX - 1;
    begin(&story, &start);
    happens(&story, RAFT_EVENT_START);
    assert_int_equal(story.raft.epoch, INT32_MAX);
    text_fini(&story.text);
}

/* ---- whatever happens ---- */

struct durable {
    struct raft_quorum_state stored;
    int64_t appended; /* in the page cache */
    int64_t synced;
    int32_t epoch_appended;
    int32_t epoch_synced;
    int64_t promised; /* the highest offset that was ever committed */
};

/* One life of the node on the disk, ended at a random point. */
static void live(struct prng *prng, struct durable *disk)
{
    struct raft raft;
    struct raft_update update;
    struct raft_start start = fresh();
    start.stored = disk->stored;
    start.log_end_offset = disk->appended;
    start.log_end_epoch = disk->epoch_appended;
    raft_init(&raft, &start);
    raft_step(&raft, &(struct raft_event){.type = RAFT_EVENT_START}, &update);
    assert_true(update.store_quorum_state);
    assert_true(raft.epoch > disk->stored.leader_epoch && raft.epoch > disk->epoch_appended);
    if (prng_below(prng, 10) == 0)
        return;
    disk->stored = raft.stored;
    if (prng_below(prng, 10) == 0)
        return;
    raft_step(&raft, &(struct raft_event){.type = RAFT_EVENT_STORED}, &update);
    assert_true(update.append_leader_change);
    int64_t epoch_start = disk->appended;
    while (prng_below(prng, 20) > 0) {
        struct raft_event event = {.type = RAFT_EVENT_SYNCED, .end_offset = disk->appended};
        if (prng_below(prng, 2) == 0) {
            disk->appended += 1 + (int64_t)prng_below(prng, 5);
            disk->epoch_appended = raft.epoch;
            event = (struct raft_event){.type = RAFT_EVENT_APPENDED, .end_offset = disk->appended};
        } else {
            disk->synced = disk->appended;
            disk->epoch_synced = disk->epoch_appended;
        }
        raft_step(&raft, &event, &update);
        assert_true(raft.high_watermark <= disk->synced);
        assert_true(raft.high_watermark == -1 || raft.high_watermark > epoch_start);
        assert_true(raft.high_watermark == -1 || raft.high_watermark >= disk->promised);
        if (raft.high_watermark > disk->promised)
            disk->promised = raft.high_watermark;
    }
}

static void committed_is_durable_and_epochs_rise(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct prng prng;
        prng_init(&prng, seed);
        struct durable disk = {.stored = fresh().stored, .epoch_appended = -1, .epoch_synced = -1};
        for (int life = 0; life < 20; life++) {
            live(&prng, &disk);
            if (prng_below(&prng, 2) == 0) {
                disk.appended = disk.synced; /* the power failed */
                disk.epoch_appended = disk.epoch_synced;
            }
            assert_true(disk.promised <= disk.appended);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_start),
        cmocka_unit_test(restart),
        cmocka_unit_test(epoch_is_above_vote_and_log),
        cmocka_unit_test(static_directory),
        cmocka_unit_test(stop_before_it_led),
        cmocka_unit_test(nothing_is_committed_after_the_stop),
        cmocka_unit_test(other_voters_are_refused),
        cmocka_unit_test(the_last_epoch_is_refused),
        cmocka_unit_test(committed_is_durable_and_epochs_rise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
