/* Rounds of a classic group, and what of them a restart leaves: transcripts. */
#include "config/node.h"
#include "group/test/classic_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* A stable group of two of the first generation, a leads; its story is forgotten. */
struct pair {
    const char *a;
    const char *b;
};
static struct pair begin_pair(struct coord_kit *kit, const struct classic_join *options)
{
    struct pair pair;
    struct kit_call *a = classic_join_anew(kit, "a", options);
    struct kit_call *b = classic_join_anew(kit, "b", options);
    coord_kit_pass(kit, 6000);
    pair.a = classic_id_of(kit, a);
    pair.b = classic_id_of(kit, b);
    (void)classic_sync(kit, "b", &(struct classic_member_of){.id = pair.b, .generation = 1}, NULL);
    (void)classic_sync(kit, "a", &(struct classic_member_of){.id = pair.a, .generation = 1},
                       (const char *const[]){pair.a, "0", pair.b, "1", NULL});
    coord_kit_commit(kit);
    coord_kit_skip(kit);
    assert_string_equal(classic_state(kit), "Stable");
    return pair;
}

/* a has given 1 up and asks for the second round; its list is another one now. */
static void second_round(struct coord_kit *kit, const char *a, const char *b)
{
    struct classic_join again = {.protocols = {"cooperative-sticky"}};
    again.id = a;
    again.metadata = "owns 0";
    (void)classic_join(kit, "a", &again);
    (void)classic_beat_once(kit, "b", &(struct classic_member_of){.id = b, .generation = 2});
    again.id = b;
    again.metadata = "owns nothing";
    (void)classic_join(kit, "b", &again);
    (void)classic_sync(kit, "a", &(struct classic_member_of){.id = a, .generation = 3},
                       (const char *const[]){a, "0", b, "1", NULL});
    (void)classic_sync(kit, "b", &(struct classic_member_of){.id = b, .generation = 3}, NULL);
    classic_expect(kit, "> a\n"
                        "> b\n"
                        "< b: REBALANCE_IN_PROGRESS\n"
                        "> b\n"
                        "< a: NONE {generationId:3,protocolName:cooperative-sticky,leader:a#1,"
                        "memberId:a#1,members:[{memberId:a#1,metadata:b3ducyAw},{memberId:b#2,"
                        "metadata:b3ducyBub3RoaW5n}]}\n"
                        "< b: NONE {generationId:3,protocolName:cooperative-sticky,leader:a#1,"
                        "memberId:b#2}\n"
                        "> a\n"
                        "record {generation:3,protocol:cooperative-sticky,leader:a#1,"
                        "currentStateTimestamp:1700000000001,members:[{memberId:a#1,clientId:a,"
                        "subscription:b3ducyAw,assignment:MA==},{memberId:b#2,clientId:b,"
                        "subscription:b3ducyBub3RoaW5n,assignment:MQ==}]}\n"
                        "< a: NONE {protocolName:cooperative-sticky,assignment:MA==}\n"
                        "> b\n"
                        "< b: NONE {protocolName:cooperative-sticky,assignment:MQ==}\n");
}

/* KIP-429: the first round takes partitions from who has them, the second gives them away. */
static void partitions_are_handed_over_in_two_rounds(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, (const char *const[]){"group.initial.rebalance.delay.ms=0", NULL});
    const struct classic_join as = {.protocols = {"cooperative-sticky"}};
    struct kit_call *first = classic_join_anew(&kit, "a", &as);
    coord_kit_pass(&kit, 1);
    const char *a = classic_id_of(&kit, first);
    (void)classic_sync(&kit, "a", &(struct classic_member_of){.id = a, .generation = 1},
                       (const char *const[]){a, "0 1", NULL});
    struct kit_call *second = classic_join_anew(&kit, "b", &as);
    (void)classic_beat_once(&kit, "a", &(struct classic_member_of){.id = a, .generation = 1});
    struct classic_join again = as;
    again.id = a;
    (void)classic_join(&kit, "a", &again);
    const char *b = classic_id_of(&kit, second);
    (void)classic_sync(&kit, "b", &(struct classic_member_of){.id = b, .generation = 2}, NULL);
    (void)classic_sync(&kit, "a", &(struct classic_member_of){.id = a, .generation = 2},
                       (const char *const[]){a, "0", b, "", NULL});
    classic_expect(&kit, "> a\n"
                         "record {protocolType:,generation:0,protocol:null,leader:null,"
                         "currentStateTimestamp:1700000000000}\n"
                         "< a: NONE {MEMBER_ID_REQUIRED,memberId:a#1}\n"
                         "> a\n"
                         "< a: NONE {generationId:1,protocolName:cooperative-sticky,leader:a#1,"
                         "memberId:a#1,members:[{memberId:a#1}]}\n"
                         "> a\n"
                         "record {generation:1,protocol:cooperative-sticky,leader:a#1,"
                         "currentStateTimestamp:1700000000001,members:[{memberId:a#1,clientId:a,"
                         "assignment:MCAx}]}\n"
                         "< a: NONE {protocolName:cooperative-sticky,assignment:MCAx}\n"
                         "> b\n"
                         "< b: NONE {MEMBER_ID_REQUIRED,memberId:b#2}\n"
                         "> b\n"
                         "> a\n"
                         "< a: REBALANCE_IN_PROGRESS\n"
                         "> a\n"
                         "< b: NONE {generationId:2,protocolName:cooperative-sticky,leader:a#1,"
                         "memberId:b#2}\n"
                         "< a: NONE {generationId:2,protocolName:cooperative-sticky,leader:a#1,"
                         "memberId:a#1,members:[{memberId:a#1},{memberId:b#2}]}\n"
                         "> b\n"
                         "> a\n"
                         "record {generation:2,protocol:cooperative-sticky,leader:a#1,"
                         "currentStateTimestamp:1700000000001,members:[{memberId:a#1,clientId:a,"
                         "assignment:MA==},{memberId:b#2,clientId:b,assignment:}]}\n"
                         "< b: NONE {protocolName:cooperative-sticky,assignment:}\n"
                         "< a: NONE {protocolName:cooperative-sticky,assignment:MA==}\n");
    second_round(&kit, a, b);
    coord_kit_fini(&kit);
}

/* b crashes: its session ends, a hears it with its next beat and goes on alone. */
static void a_member_that_is_silent_is_removed(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct pair pair = begin_pair(&kit, &(struct classic_join){0});
    struct classic_member_of a = {.id = pair.a, .generation = 1};
    coord_kit_pass(&kit, 9999);
    (void)classic_beat_once(&kit, "a", &a);
    coord_kit_pass(&kit, 1);
    (void)classic_beat_once(&kit, "a", &a);
    (void)classic_beat_once(&kit, "b", &(struct classic_member_of){.id = pair.b, .generation = 1});
    (void)classic_join(&kit, "a", &(struct classic_join){.id = pair.a});
    a.generation = 2;
    (void)classic_sync(&kit, "a", &a, (const char *const[]){pair.a, "0 1", NULL});
    classic_expect(&kit, "> a\n"
                         "< a: NONE\n"
                         "> a\n"
                         "< a: REBALANCE_IN_PROGRESS\n"
                         "> b\n"
                         "< b: UNKNOWN_MEMBER_ID\n"
                         "> a\n"
                         "< a: NONE {generationId:2,protocolName:range,leader:a#1,memberId:a#1,"
                         "members:[{memberId:a#1}]}\n"
                         "> a\n"
                         "record {generation:2,protocol:range,leader:a#1,"
                         "currentStateTimestamp:1700000016000,members:[{memberId:a#1,clientId:a,"
                         "assignment:MCAx}]}\n"
                         "< a: NONE {protocolName:range,assignment:MCAx}\n");
    coord_kit_fini(&kit);
}

/* The leader is gone before it assigned: who waits for it is told to join again. */
static void a_leader_crashes_before_it_assigns(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct kit_call *join_a = classic_join_anew(&kit, "a", &(struct classic_join){0});
    struct kit_call *join_b = classic_join_anew(&kit, "b", &(struct classic_join){0});
    coord_kit_pass(&kit, 6000);
    (void)classic_id_of(&kit, join_a);
    const char *b = classic_id_of(&kit, join_b);
    coord_kit_skip(&kit);
    (void)classic_sync(&kit, "b", &(struct classic_member_of){.id = b, .generation = 1}, NULL);
    coord_kit_pass(&kit, 9999);
    classic_expect(&kit, "> b\n");
    coord_kit_pass(&kit, 1);
    assert_string_equal(classic_state(&kit), "PreparingRebalance");
    (void)classic_join(&kit, "b", &(struct classic_join){.id = b});
    (void)classic_sync(&kit, "b", &(struct classic_member_of){.id = b, .generation = 2},
                       (const char *const[]){b, "0 1", NULL});
    classic_expect(&kit, "< b: REBALANCE_IN_PROGRESS\n"
                         "> b\n"
                         "< b: NONE {generationId:2,protocolName:range,leader:b#1,memberId:b#1,"
                         "members:[{memberId:b#1}]}\n"
                         "> b\n"
                         "record {generation:2,protocol:range,leader:b#1,"
                         "currentStateTimestamp:1700000016000,members:[{memberId:b#1,clientId:b,"
                         "assignment:MCAx}]}\n"
                         "< b: NONE {protocolName:range,assignment:MCAx}\n");
    coord_kit_fini(&kit);
}

/* b beats but does not sync: a rebalance timeout later it is out. */
static void who_does_not_sync_is_removed(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct kit_call *join_a = classic_join_anew(&kit, "a", &(struct classic_join){0});
    struct kit_call *join_b = classic_join_anew(&kit, "b", &(struct classic_join){0});
    coord_kit_pass(&kit, 6000);
    struct classic_member_of a = {.id = classic_id_of(&kit, join_a), .generation = 1};
    struct classic_member_of b = {.id = classic_id_of(&kit, join_b), .generation = 1};
    (void)classic_sync(&kit, "a", &a, (const char *const[]){a.id, "0", b.id, "1", NULL});
    for (int i = 0; i < 9; i++) {
        coord_kit_pass(&kit, i < 8 ? 7000 : 999);
        (void)classic_beat_once(&kit, "a", &a);
        (void)classic_beat_once(&kit, "b", &b);
    }
    coord_kit_pass(&kit, 3000);
    assert_string_equal(classic_state(&kit), "Stable");
    coord_kit_skip(&kit);
    coord_kit_pass(&kit, 1);
    (void)classic_beat_once(&kit, "a", &a);
    (void)classic_beat_once(&kit, "b", &b);
    classic_expect(&kit, "> a\n"
                         "< a: REBALANCE_IN_PROGRESS\n"
                         "> b\n"
                         "< b: UNKNOWN_MEMBER_ID\n");
    coord_kit_fini(&kit);
}

/* b still works on what it has when the round's time is over. */
static void who_does_not_join_again_in_time_is_removed(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct pair pair =
        begin_pair(&kit, &(struct classic_join){.rebalance_ms = 20000, .session_ms = 30000});
    (void)classic_join(
        &kit, "a",
        &(struct classic_join){.id = pair.a, .rebalance_ms = 20000, .session_ms = 30000});
    coord_kit_pass(&kit, 19999);
    (void)classic_beat_once(&kit, "b", &(struct classic_member_of){.id = pair.b, .generation = 1});
    coord_kit_pass(&kit, 1);
    (void)classic_join(&kit, "b", &(struct classic_join){.id = pair.b});
    classic_expect(&kit, "> a\n"
                         "> b\n"
                         "< b: REBALANCE_IN_PROGRESS\n"
                         "< a: NONE {generationId:2,protocolName:range,leader:a#1,memberId:a#1,"
                         "members:[{memberId:a#1}]}\n"
                         "> b\n"
                         "< b: NONE {UNKNOWN_MEMBER_ID,memberId:b#2}\n");
    coord_kit_fini(&kit);
}

/* Nothing of a round under way is in the log: the stable generation before it is back, with all
 * sessions new, and the members' beats tell them nothing new. */
static void a_restart_in_the_middle_of_a_round(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct pair pair = begin_pair(&kit, &(struct classic_join){0});
    coord_kit_pass(&kit, 5000);
    (void)classic_join_anew(&kit, "c", &(struct classic_join){0});
    (void)classic_join(&kit, "b", &(struct classic_join){.id = pair.b});
    coord_kit_restart(&kit);
    assert_string_equal(classic_state(&kit), "Stable");
    coord_kit_pass(&kit, 9999);
    (void)classic_beat_once(&kit, "a", &(struct classic_member_of){.id = pair.a, .generation = 1});
    (void)classic_join(&kit, "b", &(struct classic_join){.id = pair.b});
    (void)classic_sync(&kit, "b", &(struct classic_member_of){.id = pair.b, .generation = 1}, NULL);
    classic_expect(&kit, "> c\n"
                         "< c: NONE {MEMBER_ID_REQUIRED,memberId:c#1}\n"
                         "> c\n"
                         "> b\n"
                         "< c: NONE {NOT_COORDINATOR,memberId:c#1}\n"
                         "< b: NONE {NOT_COORDINATOR,memberId:b#2}\n"
                         "-- restart\n"
                         "> a\n"
                         "< a: NONE\n"
                         "> b\n"
                         "< b: NONE {generationId:1,protocolName:range,leader:a#3,memberId:b#2}\n"
                         "> b\n"
                         "< b: NONE {protocolName:range,assignment:MQ==}\n");
    coord_kit_pass(&kit, 1);
    assert_string_equal(classic_state(&kit), "PreparingRebalance");
    coord_kit_fini(&kit);
}

/* The append of the leader's assignment fails: nobody has heard it, and the group is as before. */
static void an_assignment_that_cannot_be_stored(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct pair pair = begin_pair(&kit, &(struct classic_join){0});
    (void)classic_join(&kit, "a", &(struct classic_join){.id = pair.a});
    (void)classic_join(&kit, "b", &(struct classic_join){.id = pair.b});
    kit.holds_commits = true;
    (void)classic_sync(&kit, "b", &(struct classic_member_of){.id = pair.b, .generation = 2}, NULL);
    (void)classic_sync(&kit, "a", &(struct classic_member_of){.id = pair.a, .generation = 2},
                       (const char *const[]){pair.a, "0", pair.b, "1", NULL});
    coord_kit_restart(&kit);
    (void)classic_beat_once(&kit, "a", &(struct classic_member_of){.id = pair.a, .generation = 2});
    classic_expect(&kit, "> a\n"
                         "> b\n"
                         "< a: NONE {generationId:2,protocolName:range,leader:a#1,memberId:a#1,"
                         "members:[{memberId:a#1},{memberId:b#2}]}\n"
                         "< b: NONE {generationId:2,protocolName:range,leader:a#1,memberId:b#2}\n"
                         "> b\n"
                         "> a\n"
                         "record {generation:2,protocol:range,leader:a#1,"
                         "currentStateTimestamp:1700000006000,members:[{memberId:a#1,clientId:a,"
                         "assignment:MA==},{memberId:b#2,clientId:b,assignment:MQ==}]}\n"
                         "< b: NOT_COORDINATOR\n"
                         "< a: NOT_COORDINATOR\n"
                         "-- restart\n"
                         "> a\n"
                         "< a: ILLEGAL_GENERATION\n");
    assert_string_equal(classic_state(&kit), "Stable");
    coord_kit_fini(&kit);
}

/* One that no batch could hold is not even tried. */
static void an_assignment_that_is_too_large(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct pair pair = begin_pair(&kit, &(struct classic_join){0});
    kit.world.batch_size_max = 700;
    (void)classic_join(&kit, "a", &(struct classic_join){.id = pair.a});
    (void)classic_join(&kit, "b", &(struct classic_join){.id = pair.b});
    char large[500] = {0};
    memset(large, 'x', sizeof large - 1);
    (void)classic_sync(&kit, "b", &(struct classic_member_of){.id = pair.b, .generation = 2}, NULL);
    (void)classic_sync(&kit, "a", &(struct classic_member_of){.id = pair.a, .generation = 2},
                       (const char *const[]){pair.a, large, NULL});
    classic_expect(&kit, "> a\n"
                         "> b\n"
                         "< a: NONE {generationId:2,protocolName:range,leader:a#1,memberId:a#1,"
                         "members:[{memberId:a#1},{memberId:b#2}]}\n"
                         "< b: NONE {generationId:2,protocolName:range,leader:a#1,memberId:b#2}\n"
                         "> b\n"
                         "> a\n"
                         "< b: UNKNOWN_SERVER_ERROR\n"
                         "< a: UNKNOWN_SERVER_ERROR\n");
    assert_string_equal(classic_state(&kit), "PreparingRebalance");
    coord_kit_fini(&kit);
}

/* The setting was lowered: who comes back last is refused. */
static void a_group_that_is_too_large_at_a_start(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct pair pair = begin_pair(&kit, &(struct classic_join){0});
    kit.config->group_max_size = 1;
    coord_kit_restart(&kit);
    assert_string_equal(classic_state(&kit), "PreparingRebalance");
    (void)classic_join(&kit, "b", &(struct classic_join){.id = pair.b});
    (void)classic_join(&kit, "a", &(struct classic_join){.id = pair.a});
    coord_kit_pass(&kit, 60000);
    classic_expect(&kit, "-- restart\n"
                         "> b\n"
                         "> a\n"
                         "< a: NONE {GROUP_MAX_SIZE_REACHED,memberId:}\n"
                         "< b: NONE {generationId:2,protocolName:range,leader:b#1,memberId:b#1,"
                         "members:[{memberId:b#1}]}\n");
    coord_kit_fini(&kit);
}

/* The client gave a request up and asks again: the one before is not left without an answer. */
static void a_request_that_was_given_up_is_answered(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct pair pair = begin_pair(&kit, &(struct classic_join){0});
    (void)classic_join(&kit, "b", &(struct classic_join){.id = pair.b, .metadata = "new"});
    (void)classic_join(&kit, "b again", &(struct classic_join){.id = pair.b, .metadata = "new"});
    (void)classic_join(&kit, "a", &(struct classic_join){.id = pair.a});
    struct classic_member_of b = {.id = pair.b, .generation = 2};
    (void)classic_sync(&kit, "b", &b, NULL);
    (void)classic_sync(&kit, "b again", &b, NULL);
    classic_expect(&kit,
                   "> b\n"
                   "> b again\n"
                   "< b: NONE {REBALANCE_IN_PROGRESS,memberId:b#1}\n"
                   "> a\n"
                   "< b again: NONE {generationId:2,protocolName:range,leader:a#2,memberId:b#1}\n"
                   "< a: NONE {generationId:2,protocolName:range,leader:a#2,memberId:a#2,"
                   "members:[{memberId:a#2},{memberId:b#1,metadata:bmV3}]}\n"
                   "> b\n"
                   "> b again\n"
                   "< b: REBALANCE_IN_PROGRESS\n");
    coord_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_are_handed_over_in_two_rounds),
        cmocka_unit_test(a_member_that_is_silent_is_removed),
        cmocka_unit_test(a_leader_crashes_before_it_assigns),
        cmocka_unit_test(who_does_not_sync_is_removed),
        cmocka_unit_test(who_does_not_join_again_in_time_is_removed),
        cmocka_unit_test(a_restart_in_the_middle_of_a_round),
        cmocka_unit_test(an_assignment_that_cannot_be_stored),
        cmocka_unit_test(an_assignment_that_is_too_large),
        cmocka_unit_test(a_group_that_is_too_large_at_a_start),
        cmocka_unit_test(a_request_that_was_given_up_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
