/* Offsets that are committed with transactions: transcripts. */
#include "group/groups.h"
#include "group/test/offsets_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct coord_kit kit;

static int set_up(void **state)
{
    (void)state;
    coord_kit_init(&kit, &coord_groups_type, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    coord_kit_fini(&kit);
    return 0;
}

static void commit(const char *name, int64_t producer_id, int64_t offset)
{
    (void)offsets_commit(&kit, name,
                         &(struct offsets_wish){.producer_id = producer_id,
                                                .version = 6,
                                                .at = {{0, offset, 0, NULL}}});
}

static void end(int64_t producer_id, bool commits)
{
    coord_kit_end_txn(&kit,
                      &(struct coord_txn_end){.producer_id = producer_id, .commits = commits});
}

static void fetch(bool stable)
{
    offsets_fetch(&kit, stable ? "stable" : "fetch",
                  &(struct offsets_look){.count = 2, .stable = stable});
}

static void offsets_count_when_their_transaction_is_committed(void **state)
{
    (void)state;
    commit("in 9", 9, 5);
    fetch(false);
    fetch(true);
    offsets_list(&kit);
    coord_kit_restart(&kit);
    fetch(true);
    end(9, true);
    fetch(true);
    coord_kit_restart(&kit);
    fetch(true);
    offsets_fetch(&kit, "all", &(struct offsets_look){.stable = true});
    coord_kit_expect(&kit, "> in 9\n"
                           "record (of producer 9) {\"group\":\"g\",\"topic\":\"t\","
                           "\"partition\":0} {\"offset\":5,\"leaderEpoch\":-1,\"metadata\":\"\","
                           "\"commitTimestamp\":1700000000000}\n"
                           "< in 9: NONE\n"
                           " t-0 NONE\n"
                           "> fetch\n"
                           "< fetch: NONE\n"
                           " t-0 none t-1 none\n"
                           "> stable\n"
                           "< stable: NONE\n"
                           " t-0 UNSTABLE_OFFSET_COMMIT t-1 none\n"
                           "  g Empty classic ''\n"
                           "-- restart\n"
                           "> stable\n"
                           "< stable: NONE\n"
                           " t-0 UNSTABLE_OFFSET_COMMIT t-1 none\n"
                           "marker 9 commit\n"
                           "> stable\n"
                           "< stable: NONE\n"
                           " t-0 5 t-1 none\n"
                           "-- restart\n"
                           "> stable\n"
                           "< stable: NONE\n"
                           " t-0 5 t-1 none\n"
                           "> all\n"
                           "< all: NONE\n"
                           " t-0 5\n");
}

static void an_abort_leaves_what_was(void **state)
{
    (void)state;
    commit("before", 0, 3);
    commit("in 9", 9, 5);
    offsets_fetch(&kit, "all", &(struct offsets_look){.stable = true});
    end(9, false);
    fetch(true);
    coord_kit_restart(&kit);
    fetch(true);
    coord_kit_expect(&kit, "> before\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} {\"offset\":3,"
                           "\"leaderEpoch\":-1,\"metadata\":\"\","
                           "\"commitTimestamp\":1700000000000}\n"
                           "< before: NONE\n"
                           " t-0 NONE\n"
                           "> in 9\n"
                           "record (of producer 9) {\"group\":\"g\",\"topic\":\"t\","
                           "\"partition\":0} {\"offset\":5,\"leaderEpoch\":-1,\"metadata\":\"\","
                           "\"commitTimestamp\":1700000000000}\n"
                           "< in 9: NONE\n"
                           " t-0 NONE\n"
                           "> all\n"
                           "< all: NONE\n"
                           " t-0 UNSTABLE_OFFSET_COMMIT\n"
                           "marker 9 abort\n"
                           "> stable\n"
                           "< stable: NONE\n"
                           " t-0 3 t-1 none\n"
                           "-- restart\n"
                           "> stable\n"
                           "< stable: NONE\n"
                           " t-0 3 t-1 none\n");
}

/* The newer record counts, wherever the transaction ended. */
static void a_commit_behind_a_pending_one_stays(void **state)
{
    (void)state;
    commit("in 9", 9, 5);
    commit("ordinary", 0, 7);
    commit("in 10", 10, 8);
    coord_kit_skip(&kit);
    fetch(false);
    end(9, true);
    fetch(false);
    fetch(true);
    end(10, true);
    fetch(true);
    coord_kit_restart(&kit);
    fetch(true);
    coord_kit_expect(&kit, "> fetch\n"
                           "< fetch: NONE\n"
                           " t-0 7 t-1 none\n"
                           "marker 9 commit\n"
                           "> fetch\n"
                           "< fetch: NONE\n"
                           " t-0 7 t-1 none\n"
                           "> stable\n"
                           "< stable: NONE\n"
                           " t-0 UNSTABLE_OFFSET_COMMIT t-1 none\n"
                           "marker 10 commit\n"
                           "> stable\n"
                           "< stable: NONE\n"
                           " t-0 8 t-1 none\n"
                           "-- restart\n"
                           "> stable\n"
                           "< stable: NONE\n"
                           " t-0 8 t-1 none\n");
}

static void transactions_end_in_any_order(void **state)
{
    (void)state;
    commit("in 9", 9, 5);
    commit("in 10", 10, 6);
    commit("in 9 again", 9, 7);
    coord_kit_skip(&kit);
    end(9, true);
    fetch(false);
    fetch(true);
    end(10, true);
    fetch(true);
    end(11, true);
    coord_kit_expect(&kit, "marker 9 commit\n"
                           "> fetch\n"
                           "< fetch: NONE\n"
                           " t-0 7 t-1 none\n"
                           "> stable\n"
                           "< stable: NONE\n"
                           " t-0 UNSTABLE_OFFSET_COMMIT t-1 none\n"
                           "marker 10 commit\n"
                           "> stable\n"
                           "< stable: NONE\n"
                           " t-0 7 t-1 none\n"
                           "marker 11 commit\n");
}

static void a_tombstone_ends_what_is_pending(void **state)
{
    (void)state;
    commit("in 9", 9, 5);
    coord_kit_skip(&kit);
    (void)offsets_delete(&kit, "delete", &(struct offsets_wish){0});
    fetch(true);
    end(9, true);
    fetch(true);
    coord_kit_restart(&kit);
    fetch(true);
    coord_kit_expect(&kit, "> delete\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} null\n"
                           "< delete: NONE\n"
                           " t-0 NONE\n"
                           "> stable\n"
                           "< stable: NONE\n"
                           " t-0 none t-1 none\n"
                           "marker 9 commit\n"
                           "> stable\n"
                           "< stable: NONE\n"
                           " t-0 none t-1 none\n"
                           "-- restart\n"
                           "> stable\n"
                           "< stable: NONE\n"
                           " t-0 none t-1 none\n");
}

static void a_producer_that_was_replaced_is_refused(void **state)
{
    (void)state;
    kit.fenced = (struct coord_txn_end){.producer_id = 9, .producer_epoch = 1};
    commit("old", 9, 5);
    (void)offsets_commit(
        &kit, "new", &(struct offsets_wish){.producer_id = 9, .producer_epoch = 1, .version = 6});
    coord_kit_expect(&kit, "> old\n"
                           "< old: INVALID_PRODUCER_EPOCH\n"
                           "> new\n"
                           "record (of producer 9) {\"group\":\"g\",\"topic\":\"t\","
                           "\"partition\":0} {\"offset\":0,\"leaderEpoch\":-1,\"metadata\":\"\","
                           "\"commitTimestamp\":1700000000000}\n"
                           "< new: NONE\n"
                           " t-0 NONE\n");
}

/* ---- any order of things, and a restart knows the same ---- */

static char *state_of_all(void)
{
    coord_kit_skip(&kit);
    for (int i = 0; i < 3; i++) {
        char group[] = {'g', (char)('0' + i), '\0'};
        offsets_fetch(&kit, "all", &(struct offsets_look){.group = group});
        offsets_fetch(&kit, "stable", &(struct offsets_look){.group = group, .stable = true});
        offsets_fetch(&kit, "named",
                      &(struct offsets_look){.group = group, .count = 4, .stable = true});
    }
    offsets_list(&kit);
    char *copy = strdup(kit.story.data);
    coord_kit_skip(&kit);
    return copy;
}

static void do_something(struct prng *prng)
{
    char group[] = {'g', (char)('0' + prng_next(prng) % 3), '\0'};
    char note[64] = "a note that is longer than what was there before, or not";
    note[prng_next(prng) % 50] = '\0';
    int64_t producer_id = (int64_t)(prng_next(prng) % 4); /* 0: none */
    struct offsets_wish wish = {
        .group = group,
        .topic = prng_next(prng) % 2 == 0 ? "t" : "u",
        .producer_id = producer_id,
        .at = {{(int32_t)(prng_next(prng) % 4), (int64_t)(prng_next(prng) % 1000), 0, note}}};
    uint64_t what = prng_next(prng) % 10;
    if (what < 7)
        (void)offsets_commit(&kit, "commit", &wish);
    else if (what < 8)
        (void)offsets_delete(&kit, "delete", &wish);
    else
        end(producer_id, what == 8);
}

static void a_restart_knows_what_was(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 7);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 25; i++)
            do_something(&prng);
        char *before = state_of_all();
        coord_kit_restart(&kit);
        char *after = state_of_all();
        assert_string_equal(before, after);
        free(before);
        free(after);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(offsets_count_when_their_transaction_is_committed),
        TEST(an_abort_leaves_what_was),
        TEST(a_commit_behind_a_pending_one_stays),
        TEST(transactions_end_in_any_order),
        TEST(a_tombstone_ends_what_is_pending),
        TEST(a_producer_that_was_replaced_is_refused),
        TEST(a_restart_knows_what_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
