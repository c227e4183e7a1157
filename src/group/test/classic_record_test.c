/* What of a classic group is in the log and in memory, and what it answers about offsets. */
#include "group/classic_int.h"
#include "group/test/classic_kit.h"
#include "wire/msg/group_metadata_key.h"
#include "wire/msg/group_metadata_value.h"
#include "wire/msg/join_group_request.h"
#include "wire/msg/join_group_response.h"
#include "wire/msg/sync_group_request.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct group *group_of(struct coord_kit *kit)
{
    struct group *group = groups_find(groups_of(kit->machine), slice_of_text("g"));
    assert_non_null(group);
    return group;
}

/* A stable group of one; its member's id. */
static const char *begin_one(struct coord_kit *kit, const struct classic_join *options)
{
    struct kit_call *call = classic_join_anew(kit, "a", options);
    coord_kit_pass(kit, 3000);
    const char *id = classic_id_of(kit, call);
    (void)classic_sync(kit, "a", &(struct classic_member_of){.id = id, .generation = 1},
                       (const char *const[]){id, "all", NULL});
    coord_kit_skip(kit);
    return id;
}

static enum err commit(struct coord_kit *kit, const char *id, int32_t generation,
                       bool transactional)
{
    struct group *group = group_of(kit);
    struct group_caller caller = {
        .member_id = slice_of_text(id),
        .generation = generation,
        .transactional = transactional,
    };
    return group->kind->check_commit(group, &caller);
}

static void commits_are_checked_as_by_kafka(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct kit_call *first = classic_join(&kit, "a", &(struct classic_join){0});
    const char *id = classic_id_of(&kit, first);
    /* Empty: a client that manages its partitions itself. */
    assert_int_equal(commit(&kit, "", -1, false), ERR_NONE);
    assert_int_equal(commit(&kit, "", 0, false), ERR_UNKNOWN_MEMBER_ID);
    struct kit_call *call = classic_join(&kit, "a", &(struct classic_join){.id = id});
    assert_int_equal(commit(&kit, "", -1, false), ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit(&kit, "", -1, true), ERR_NONE);
    coord_kit_pass(&kit, 3000);
    assert_true(call->answered);
    assert_int_equal(commit(&kit, id, 1, false), ERR_REBALANCE_IN_PROGRESS);
    assert_int_equal(commit(&kit, id, 1, true), ERR_NONE);
    (void)classic_sync(&kit, "a", &(struct classic_member_of){.id = id, .generation = 1}, NULL);
    assert_int_equal(commit(&kit, id, 1, false), ERR_NONE);
    assert_int_equal(commit(&kit, id, 0, false), ERR_ILLEGAL_GENERATION);
    assert_int_equal(commit(&kit, id, 2, true), ERR_ILLEGAL_GENERATION);
    assert_int_equal(commit(&kit, "other", 1, false), ERR_UNKNOWN_MEMBER_ID);
    struct group *group = group_of(&kit);
    assert_int_equal(group->kind->check_delete(group), ERR_NON_EMPTY_GROUP);
    assert_int_equal(group->kind->check_delete_offsets(group), ERR_NONE);
    coord_kit_fini(&kit);
}

/* A member that commits is there, though it does not beat. */
static void a_commit_goes_on_with_the_session(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    const char *id = begin_one(&kit, &(struct classic_join){0});
    struct group *group = group_of(&kit);
    coord_kit_pass(&kit, 9999);
    group->kind->on_commit(group, &(struct group_caller){.member_id = slice_of_text(id)});
    coord_kit_pass(&kit, 9999);
    assert_string_equal(classic_state(&kit), "Stable");
    coord_kit_pass(&kit, 1);
    assert_string_equal(classic_state(&kit), "Empty");
    coord_kit_fini(&kit);
}

static void offsets_expire_by_the_state(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    const char *id = begin_one(&kit, &(struct classic_join){0});
    struct group *group = group_of(&kit);
    int64_t since_ms = 0;
    assert_true(group->kind->offsets_may_expire(group, &since_ms));
    assert_int_equal(since_ms, -1);
    assert_true(group->kind->is_subscribed(group, slice_of_text("t")));
    assert_false(group->kind->is_subscribed(group, slice_of_text("u")));
    coord_kit_pass(&kit, 5000);
    (void)classic_leave(&kit, "a", (const char *const[]){id, "-", NULL});
    assert_true(group->kind->offsets_may_expire(group, &since_ms));
    assert_int_equal(since_ms, 1700000008000);
    assert_false(group->kind->is_subscribed(group, slice_of_text("t")));
    assert_int_equal(group->kind->check_delete(group), ERR_NONE);
    coord_kit_fini(&kit);
}

/* What a member says to its leader is no matter of the broker's: then nothing is known. */
static void metadata_that_is_not_a_consumers(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    (void)begin_one(&kit, &(struct classic_join){.metadata = "whatever"});
    struct group *group = group_of(&kit);
    int64_t since_ms;
    assert_true(group->kind->is_subscribed(group, slice_of_text("any")));
    assert_false(group->kind->offsets_may_expire(group, &since_ms));
    coord_kit_fini(&kit);

    classic_kit_init(&kit, NULL);
    (void)begin_one(&kit, &(struct classic_join){.type = "connect"});
    group = group_of(&kit);
    assert_false(group->kind->is_subscribed(group, slice_of_text("any")));
    assert_false(group->kind->offsets_may_expire(group, &since_ms));
    assert_int_equal(group->kind->check_delete_offsets(group), ERR_NON_EMPTY_GROUP);
    coord_kit_fini(&kit);
}

static void delete_group(struct coord_kit *kit)
{
    (void)coord_kit_call(kit, groups_delete,
                         &(struct kit_call_options){.name = "delete", .key = "g", .api_key = -1});
}

/* An empty group is told of until it is deleted; its tombstone ends it for a restart too. */
static void an_empty_group_stays_until_it_is_deleted(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    const char *id = begin_one(&kit, &(struct classic_join){0});
    delete_group(&kit);
    (void)classic_leave(&kit, "a", (const char *const[]){id, "-", NULL});
    coord_kit_restart(&kit);
    assert_string_equal(classic_state(&kit), "Empty");
    /* Told its id, and not there yet: that keeps nobody from deleting it. */
    (void)classic_join(&kit, "b", &(struct classic_join){0});
    delete_group(&kit);
    assert_string_equal(classic_state(&kit), "none");
    coord_kit_restart(&kit);
    assert_string_equal(classic_state(&kit), "none");
    delete_group(&kit);
    coord_kit_pass(&kit, 60000);
    classic_expect(&kit, "> delete\n"
                         "< delete: NON_EMPTY_GROUP\n"
                         "> a\n"
                         "record {generation:2,protocol:null,leader:null,"
                         "currentStateTimestamp:1700000003000}\n"
                         "< a: NONE {members:[{memberId:a#1}]}\n"
                         "-- restart\n"
                         "> b\n"
                         "< b: NONE {MEMBER_ID_REQUIRED,memberId:b#2}\n"
                         "> delete\n"
                         "record null\n"
                         "< delete: NONE\n"
                         "-- restart\n"
                         "> delete\n"
                         "< delete: GROUP_ID_NOT_FOUND\n");
    coord_kit_fini(&kit);
}

/* Versions of the record that older brokers wrote lack what came later. */
static void records_of_old_brokers_are_read(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct group_metadata_key key = {.group = slice_of_text("g")};
    struct group_metadata_value_members member = group_metadata_value_members_default;
    member.member_id = slice_of_text("m");
    member.session_timeout = 7000;
    member.rebalance_timeout = -1;
    struct group_metadata_value value = group_metadata_value_default;
    value.protocol_type = slice_of_text("consumer");
    value.generation = 4;
    value.protocol = slice_of_text("range");
    value.leader = slice_of_text("m");
    value.members = &member;
    value.members_count = 1;
    const struct coord_record record = {
        .key_message = &wire_group_metadata_key,
        .key = &key,
        .value_message = &wire_group_metadata_value,
        .value = &value,
        .producer_id = -1,
    };
    assert_null(classic_replay(groups_of(kit.machine), &record));
    const struct classic_group *classic = group_of(&kit)->classic;
    assert_int_equal(classic_member_at(classic->members.next)->rebalance_timeout_ms, 7000);
    assert_int_equal(classic->state_since_ms, -1);
    assert_string_equal(classic_state(&kit), "Stable");
    coord_kit_fini(&kit);
}

/* ---- memory ---- */

#define GROUPS 1000
/* What a group of one member may cost in all. */
#define GROUP_SIZE_MAX 5000

static void stable_group(struct coord_kit *kit, const char *id)
{
    struct join_group_request_protocols protocol = {
        .name = slice_of_text("range"),
        .metadata = slice_of("\0\0\0\0\0\1\0\1t\xff\xff\xff\xff", 13)};
    struct join_group_request join = join_group_request_default;
    join.session_timeout_ms = 1000000;
    join.rebalance_timeout_ms = 1000000;
    join.protocol_type = slice_of_text("consumer");
    join.protocols = &protocol;
    join.protocols_count = 1;
    struct kit_call *call = coord_kit_call(
        kit, groups_join,
        &(struct kit_call_options){.name = "join", .key = id, .api_key = 11, .request = &join});
    coord_kit_pass(kit, 1);
    const struct join_group_response *response = call->call.response;
    struct sync_group_request_assignments all = {.member_id = response->member_id,
                                                 .assignment = slice_of_text("all of them")};
    struct sync_group_request sync = sync_group_request_default;
    sync.generation_id = 1;
    sync.member_id = response->member_id;
    sync.assignments = &all;
    sync.assignments_count = 1;
    call = coord_kit_call(
        kit, groups_sync,
        &(struct kit_call_options){.name = "sync", .key = id, .api_key = 14, .request = &sync});
    assert_true(call->answered);
    assert_int_equal(call->call.err, ERR_NONE);
}

/* The log's part is read again, so that only the machine is counted. */
static void a_group_of_one_costs_little(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, (const char *const[]){"group.initial.rebalance.delay.ms=0", NULL});
    char names[GROUPS][16];
    for (int i = 0; i < GROUPS; i++) {
        (void)snprintf(names[i], sizeof names[i], "group-%d", i);
        stable_group(&kit, names[i]);
        coord_kit_skip(&kit);
    }
    size_t with = mallinfo2().uordblks;
    kit.type->end(kit.machine, ERR_NOT_COORDINATOR);
    size_t without = mallinfo2().uordblks;
    size_t each = (with - without) / GROUPS;
    if (with > without) /* allocators of sanitizers do not tell */
        assert_true(each > 200 && each < GROUP_SIZE_MAX);
    printf("a group of one member takes %zu bytes\n", each);
    coord_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commits_are_checked_as_by_kafka),
        cmocka_unit_test(a_commit_goes_on_with_the_session),
        cmocka_unit_test(offsets_expire_by_the_state),
        cmocka_unit_test(metadata_that_is_not_a_consumers),
        cmocka_unit_test(an_empty_group_stays_until_it_is_deleted),
        cmocka_unit_test(records_of_old_brokers_are_read),
        cmocka_unit_test(a_group_of_one_costs_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
