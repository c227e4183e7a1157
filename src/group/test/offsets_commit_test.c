/* Commits of offsets without transactions, and what is read of them: transcripts. */
#include "group/groups_int.h"
#include "group/test/classic_kit.h"
#include "group/test/offsets_kit.h"
#include "wire/messages.h"
#include "wire/msg/offset_commit_key.h"
#include "wire/msg/offset_commit_value.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct coord_kit kit;

static int set_up(void **state)
{
    (void)state;
    static const char *const settings[] = {"offset.metadata.max.bytes=16", NULL};
    coord_kit_init(&kit, &coord_groups_type, settings);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    coord_kit_fini(&kit);
    return 0;
}

static void who_is_in_no_group_commits_and_a_restart_knows(void **state)
{
    (void)state;
    offsets_fetch(&kit, "fetch", &(struct offsets_look){.count = 1});
    (void)offsets_commit(
        &kit, "commit",
        &(struct offsets_wish){.id = 7, .count = 2, .at = {{0, 5, 0, NULL}, {1, 6, 3, "note"}}});
    offsets_fetch(&kit, "fetch", &(struct offsets_look){.count = 3});
    offsets_list(&kit);
    coord_kit_restart(&kit);
    offsets_fetch(&kit, "fetch", &(struct offsets_look){.count = 3});
    offsets_list(&kit);
    coord_kit_expect(&kit, "> fetch\n"
                           "< fetch: NONE\n"
                           " t-0 none\n"
                           "> commit\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} {\"offset\":5,"
                           "\"leaderEpoch\":-1,\"metadata\":\"\",\"commitTimestamp\":1700000000000,"
                           "\"topicId\":\"BwcHBwcHBwcHBwcHBwcHBw\"}\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":1} {\"offset\":6,"
                           "\"leaderEpoch\":3,\"metadata\":\"note\","
                           "\"commitTimestamp\":1700000000000,"
                           "\"topicId\":\"BwcHBwcHBwcHBwcHBwcHBw\"}\n"
                           "< commit: NONE\n"
                           " t-0 NONE t-1 NONE\n"
                           "> fetch\n"
                           "< fetch: NONE\n"
                           " t-0 5 t-1 6 epoch 3 'note' t-2 none\n"
                           "  g Empty classic ''\n"
                           "-- restart\n"
                           "> fetch\n"
                           "< fetch: NONE\n"
                           " t-0 5 t-1 6 epoch 3 'note' t-2 none\n"
                           "  g Empty classic ''\n");
}

static void an_answer_waits_for_its_records(void **state)
{
    (void)state;
    kit.holds_commits = true;
    (void)offsets_commit(&kit, "first", &(struct offsets_wish){.at = {{0, 5, 0, NULL}}});
    coord_kit_commit(&kit);
    (void)offsets_commit(&kit, "second", &(struct offsets_wish){.at = {{0, 6, 0, NULL}}});
    coord_kit_restart(&kit);
    offsets_fetch(&kit, "fetch", &(struct offsets_look){.count = 1});
    coord_kit_expect(&kit, "> first\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} {\"offset\":5,"
                           "\"leaderEpoch\":-1,\"metadata\":\"\","
                           "\"commitTimestamp\":1700000000000}\n"
                           "< first: NONE\n"
                           "> second\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} {\"offset\":6,"
                           "\"leaderEpoch\":-1,\"metadata\":\"\","
                           "\"commitTimestamp\":1700000000000}\n"
                           "< second: NOT_COORDINATOR\n"
                           "-- restart\n"
                           "> fetch\n"
                           "< fetch: NONE\n"
                           " t-0 5\n");
}

static void metadata_has_a_limit(void **state)
{
    (void)state;
    char text[] = "0123456789abcdef\0";
    (void)offsets_commit(&kit, "fits", &(struct offsets_wish){.at = {{0, 5, 0, text}}});
    coord_kit_skip(&kit);
    text[16] = 'x';
    (void)offsets_commit(
        &kit, "too large",
        &(struct offsets_wish){.count = 2, .at = {{0, 6, 0, text}, {1, 7, 0, ""}}});
    offsets_fetch(&kit, "fetch", &(struct offsets_look){.topic = "u", .count = 2});
    /* Eight characters of two units each are 16, one more is too much. */
    char faces[4 * 9 + 1];
    for (int i = 0; i < 9; i++)
        memcpy(faces + 4 * (size_t)i, "\xF0\x9F\x98\x80", 5);
    (void)offsets_commit(&kit, "faces",
                         &(struct offsets_wish){.topic = "u", .at = {{0, 6, 0, faces}}});
    coord_kit_expect(&kit, "> too large\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":1} {\"offset\":7,"
                           "\"leaderEpoch\":-1,\"metadata\":\"\","
                           "\"commitTimestamp\":1700000000000}\n"
                           "< too large: NONE\n"
                           " t-0 OFFSET_METADATA_TOO_LARGE t-1 NONE\n"
                           "> fetch\n"
                           "< fetch: NONE\n"
                           " u-0 none u-1 none\n"
                           "> faces\n"
                           "< faces: NONE\n"
                           " u-0 OFFSET_METADATA_TOO_LARGE\n");
    faces[4 * 8] = '\0';
    (void)offsets_commit(&kit, "faces",
                         &(struct offsets_wish){.topic = "u", .at = {{0, 6, 0, faces}}});
    coord_kit_skip(&kit);
    (void)offsets_commit(&kit, "again",
                         &(struct offsets_wish){.topic = "u", .at = {{0, 7, 0, "short"}}});
    offsets_fetch(&kit, "fetch", &(struct offsets_look){.topic = "u", .count = 2});
    coord_kit_expect(&kit, "> again\n"
                           "record {\"group\":\"g\",\"topic\":\"u\",\"partition\":0} {\"offset\":7,"
                           "\"leaderEpoch\":-1,\"metadata\":\"short\","
                           "\"commitTimestamp\":1700000000000}\n"
                           "< again: NONE\n"
                           " u-0 NONE\n"
                           "> fetch\n"
                           "< fetch: NONE\n"
                           " u-0 7 'short' u-1 none\n");
}

static void all_offsets_are_told_in_order(void **state)
{
    (void)state;
    for (int i = 3; i >= 0; i--)
        (void)offsets_commit(&kit, "commit",
                             &(struct offsets_wish){.topic = i % 2 == 0 ? "b" : "a",
                                                    .count = 2,
                                                    .at = {{i, i, 0, NULL}, {i + 4, 9, 0, NULL}}});
    coord_kit_skip(&kit);
    offsets_fetch(&kit, "all", &(struct offsets_look){0});
    offsets_fetch(&kit, "all of another", &(struct offsets_look){.group = "h"});
    coord_kit_expect(&kit, "> all\n"
                           "< all: NONE\n"
                           " a-1 1 a-3 3 a-5 9 a-7 9 b-0 0 b-2 2 b-4 9 b-6 9\n"
                           "> all of another\n"
                           "< all of another: NONE\n"
                           "\n");
}

static void a_topic_made_anew_has_no_offsets(void **state)
{
    (void)state;
    (void)offsets_commit(&kit, "commit", &(struct offsets_wish){.id = 1, .at = {{0, 5, 0, NULL}}});
    coord_kit_skip(&kit);
    offsets_fetch(&kit, "of that id", &(struct offsets_look){.id = 1, .count = 1, .version = 10});
    offsets_fetch(&kit, "of another", &(struct offsets_look){.id = 2, .count = 1, .version = 10});
    offsets_fetch(&kit, "by name", &(struct offsets_look){.count = 1});
    coord_kit_expect(&kit, "> of that id\n"
                           "< of that id: NONE\n"
                           " t-0 5\n"
                           "> of another\n"
                           "< of another: NONE\n"
                           " t-0 none\n"
                           "> by name\n"
                           "< by name: NONE\n"
                           " t-0 5\n");
}

static void members_commit_and_others_do_not(void **state)
{
    (void)state;
    const char *a = classic_id_of(&kit, classic_join(&kit, "a", &(struct classic_join){0}));
    (void)classic_join(&kit, "a", &(struct classic_join){.id = a});
    coord_kit_pass(&kit, 3000);
    (void)classic_sync(&kit, "a", &(struct classic_member_of){.id = a, .generation = 1},
                       (const char *const[]){a, "all", NULL});
    coord_kit_skip(&kit);
    (void)offsets_commit(
        &kit, "a", &(struct offsets_wish){.member = a, .generation = 1, .at = {{0, 5, 0, NULL}}});
    (void)offsets_commit(
        &kit, "old", &(struct offsets_wish){.member = a, .generation = 7, .at = {{0, 6, 0, NULL}}});
    (void)offsets_commit(&kit, "stranger", &(struct offsets_wish){.at = {{0, 6, 0, NULL}}});
    (void)offsets_commit(
        &kit, "unknown",
        &(struct offsets_wish){.member = "b", .generation = 1, .at = {{0, 6, 0, NULL}}});
    (void)offsets_delete(&kit, "delete", &(struct offsets_wish){0});
    (void)offsets_delete(&kit, "delete of another topic", &(struct offsets_wish){.topic = "u"});
    coord_kit_expect(&kit, "> a\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} {\"offset\":5,"
                           "\"leaderEpoch\":-1,\"metadata\":\"\","
                           "\"commitTimestamp\":1700000003000}\n"
                           "< a: NONE\n"
                           " t-0 NONE\n"
                           "> old\n"
                           "< old: ILLEGAL_GENERATION\n"
                           "> stranger\n"
                           "< stranger: UNKNOWN_MEMBER_ID\n"
                           "> unknown\n"
                           "< unknown: UNKNOWN_MEMBER_ID\n"
                           "> delete\n"
                           "< delete: NONE\n"
                           " t-0 GROUP_SUBSCRIBED_TO_TOPIC\n"
                           "> delete of another topic\n"
                           "< delete of another topic: NONE\n"
                           " u-0 NONE\n");
    /* A commit is a sign of life. */
    for (int i = 0; i < 3; i++) {
        coord_kit_pass(&kit, 9000);
        (void)offsets_commit(
            &kit, "alive",
            &(struct offsets_wish){
                .member = a, .generation = 1, .topic = "u", .at = {{0, 5, 0, NULL}}});
    }
    assert_string_equal(classic_state(&kit), "Stable");
    coord_kit_skip(&kit);
}

static void groups_that_nobody_knows(void **state)
{
    (void)state;
    for (int16_t version = 8; version <= 9; version++)
        (void)offsets_commit(
            &kit, "commit",
            &(struct offsets_wish){.member = "a", .generation = 1, .version = version});
    for (int16_t version = 5; version <= 6; version++)
        (void)offsets_commit(
            &kit, "in a transaction",
            &(struct offsets_wish){
                .member = "a", .generation = 1, .producer_id = 9, .version = version});
    (void)offsets_delete(&kit, "delete", &(struct offsets_wish){0});
    offsets_fetch(&kit, "fetch", &(struct offsets_look){.count = 2});
    offsets_fetch(&kit, "all", &(struct offsets_look){0});
    offsets_list(&kit);
    coord_kit_expect(&kit, "> commit\n"
                           "< commit: ILLEGAL_GENERATION\n"
                           "> commit\n"
                           "< commit: GROUP_ID_NOT_FOUND\n"
                           "> in a transaction\n"
                           "< in a transaction: ILLEGAL_GENERATION\n"
                           "> in a transaction\n"
                           "< in a transaction: GROUP_ID_NOT_FOUND\n"
                           "> delete\n"
                           "< delete: GROUP_ID_NOT_FOUND\n"
                           "> fetch\n"
                           "< fetch: NONE\n"
                           " t-0 none t-1 none\n"
                           "> all\n"
                           "< all: NONE\n"
                           "\n");
}

static void offsets_are_deleted_on_request(void **state)
{
    (void)state;
    (void)offsets_commit(&kit, "commit",
                         &(struct offsets_wish){.count = 2, .at = {{0, 5, 0, ""}, {1, 6, 0, ""}}});
    coord_kit_skip(&kit);
    (void)offsets_delete(
        &kit, "delete",
        &(struct offsets_wish){.count = 3,
                               .at = {{.partition = 1}, {.partition = 1}, {.partition = 2}}});
    offsets_fetch(&kit, "all", &(struct offsets_look){0});
    coord_kit_restart(&kit);
    offsets_fetch(&kit, "all", &(struct offsets_look){0});
    coord_kit_expect(&kit, "> delete\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":1} null\n"
                           "< delete: NONE\n"
                           " t-1 NONE t-1 NONE t-2 NONE\n"
                           "> all\n"
                           "< all: NONE\n"
                           " t-0 5\n"
                           "-- restart\n"
                           "> all\n"
                           "< all: NONE\n"
                           " t-0 5\n");
}

static void a_group_is_deleted_with_its_offsets(void **state)
{
    (void)state;
    (void)offsets_commit(&kit, "commit", &(struct offsets_wish){.at = {{0, 5, 0, ""}}});
    (void)offsets_commit(
        &kit, "in a transaction",
        &(struct offsets_wish){.producer_id = 9, .count = 2, .at = {{0, 5, 0, ""}, {1, 5, 0, ""}}});
    coord_kit_skip(&kit);
    (void)coord_kit_call(&kit, groups_delete,
                         &(struct kit_call_options){.name = "delete", .key = "g", .api_key = -1});
    offsets_list(&kit);
    coord_kit_end_txn(&kit, &(struct coord_txn_end){.producer_id = 9, .commits = true});
    offsets_fetch(&kit, "all", &(struct offsets_look){0});
    coord_kit_restart(&kit);
    offsets_list(&kit);
    coord_kit_expect(&kit, "> delete\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} null\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":1} null\n"
                           "record {\"group\":\"g\"} null\n"
                           "< delete: NONE\n"
                           "marker 9 commit\n"
                           "> all\n"
                           "< all: NONE\n"
                           "\n"
                           "-- restart\n");
}

static void a_commit_that_no_batch_holds_is_refused(void **state)
{
    (void)state;
    kit.world.batch_size_max = 300;
    (void)offsets_commit(&kit, "fits", &(struct offsets_wish){.at = {{0, 5, 0, ""}}});
    (void)offsets_commit(
        &kit, "does not",
        &(struct offsets_wish){.count = 3, .at = {{0, 6, 0, ""}, {1, 6, 0, ""}, {2, 6, 0, ""}}});
    offsets_fetch(&kit, "all", &(struct offsets_look){0});
    coord_kit_expect(&kit, "> fits\n"
                           "record {\"group\":\"g\",\"topic\":\"t\",\"partition\":0} {\"offset\":5,"
                           "\"leaderEpoch\":-1,\"metadata\":\"\","
                           "\"commitTimestamp\":1700000000000}\n"
                           "< fits: NONE\n"
                           " t-0 NONE\n"
                           "> does not\n"
                           "< does not: UNKNOWN_SERVER_ERROR\n"
                           "> all\n"
                           "< all: NONE\n"
                           " t-0 5\n");
}

/* ---- memory ---- */

#define MANY 10000

static void replay_many(int64_t offset)
{
    for (int i = 0; i < MANY; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "group-%d", i);
        struct offset_commit_key key = {.group = slice_of_text(name), .topic = slice_of_text("t")};
        struct offset_commit_value value = offset_commit_value_default;
        value.offset = offset;
        struct coord_record record = {.key_message = &wire_offset_commit_key,
                                      .key = &key,
                                      .value_message = &wire_offset_commit_value,
                                      .value = &value,
                                      .value_version = 4,
                                      .producer_id = -1};
        assert_null(kit.type->replay(kit.machine, &record));
    }
}

/* Groups that only keep offsets are small, and a commit of what was committed before takes nothing.
 * (A sanitizer's allocator counts nothing.) */
static void many_groups_are_small(void **state)
{
    (void)state;
    size_t before = mallinfo2().uordblks;
    replay_many(1);
    size_t first = mallinfo2().uordblks - before;
    replay_many(2);
    size_t second = mallinfo2().uordblks - before;
    print_message("%zu bytes a group with one offset\n", first / MANY);
    assert_in_range(first / MANY, 0, 1024);
    assert_int_equal(second, first);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_is_in_no_group_commits_and_a_restart_knows),
        TEST(an_answer_waits_for_its_records),
        TEST(metadata_has_a_limit),
        TEST(all_offsets_are_told_in_order),
        TEST(a_topic_made_anew_has_no_offsets),
        TEST(members_commit_and_others_do_not),
        TEST(groups_that_nobody_knows),
        TEST(offsets_are_deleted_on_request),
        TEST(a_group_is_deleted_with_its_offsets),
        TEST(a_commit_that_no_batch_holds_is_refused),
        TEST(many_groups_are_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
