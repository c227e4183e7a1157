/* Offsets that are committed with transactions: transcripts. */
#include "coord/groups.h"
#include "coord/test/offsets_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
