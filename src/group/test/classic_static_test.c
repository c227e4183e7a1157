/* Static members of a classic group (KIP-345, KIP-814): transcripts. */
#include "group/test/classic_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* A stable group of the instances i and j, of which i leads. */
struct pair {
    const char *i;
    const char *j;
};
static struct pair begin_pair(struct coord_kit *kit)
{
    struct pair pair;
    struct kit_call *i = classic_join(kit, "i", &(struct classic_join){.instance_id = "i"});
    struct kit_call *j = classic_join(kit, "j", &(struct classic_join){.instance_id = "j"});
    coord_kit_pass(kit, 6000);
    pair.i = classic_id_of(kit, i);
    pair.j = classic_id_of(kit, j);
    (void)classic_sync(kit, "i", &(struct classic_member_of){.id = pair.i, .generation = 1},
                       (const char *const[]){pair.i, "0", pair.j, "1", NULL});
    (void)classic_sync(kit, "j", &(struct classic_member_of){.id = pair.j, .generation = 1}, NULL);
    return pair;
}

/* The others do not notice. Only who leads is told the members, and not to assign. */
static void a_static_member_comes_back_without_a_round(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    (void)begin_pair(&kit);
    classic_expect(&kit,
                   "> i\n"
                   "record {protocolType:,generation:0,protocol:null,leader:null,"
                   "currentStateTimestamp:1700000000000}\n"
                   "> j\n"
                   "< i: NONE {generationId:1,protocolName:range,leader:i#1,memberId:i#1,"
                   "members:[{memberId:i#1,groupInstanceId:i},{memberId:j#2,groupInstanceId:j}]}\n"
                   "< j: NONE {generationId:1,protocolName:range,leader:i#1,memberId:j#2}\n"
                   "> i\n"
                   "record {generation:1,protocol:range,leader:i#1,"
                   "currentStateTimestamp:1700000006000,members:[{memberId:i#1,"
                   "groupInstanceId:i,clientId:i,assignment:MA==},{memberId:j#2,"
                   "groupInstanceId:j,clientId:j,assignment:MQ==}]}\n"
                   "< i: NONE {protocolName:range,assignment:MA==}\n"
                   "> j\n"
                   "< j: NONE {protocolName:range,assignment:MQ==}\n");
    struct kit_call *again = classic_join(&kit, "j", &(struct classic_join){.instance_id = "j"});
    (void)classic_sync(&kit, "j",
                       &(struct classic_member_of){
                           .id = classic_id_of(&kit, again), .instance_id = "j", .generation = 1},
                       NULL);
    (void)classic_join(&kit, "i", &(struct classic_join){.instance_id = "i"});
    (void)classic_join(&kit, "i8", &(struct classic_join){.instance_id = "i", .version = 8});
    classic_expect(&kit,
                   "> j\n"
                   "record {generation:1,protocol:range,leader:i#1,"
                   "currentStateTimestamp:1700000006000,members:[{memberId:i#1,"
                   "groupInstanceId:i,clientId:i,assignment:MA==},{memberId:j#3,"
                   "groupInstanceId:j,clientId:j,assignment:MQ==}]}\n"
                   "< j: NONE {generationId:1,protocolName:range,leader:i#1,memberId:j#3}\n"
                   "> j\n"
                   "< j: NONE {protocolName:range,assignment:MQ==}\n"
                   "> i\n"
                   "record {generation:1,protocol:range,leader:i#4,"
                   "currentStateTimestamp:1700000006000,members:[{memberId:i#4,"
                   "groupInstanceId:i,clientId:i,assignment:MA==},{memberId:j#3,"
                   "groupInstanceId:j,clientId:j,assignment:MQ==}]}\n"
                   "< i: NONE {generationId:1,protocolName:range,leader:i#4,skipAssignment:true,"
                   "memberId:i#4,members:[{memberId:i#4,groupInstanceId:i},{memberId:j#3,"
                   "groupInstanceId:j}]}\n"
                   "> i8\n"
                   "record {generation:1,protocol:range,leader:i#5,"
                   "currentStateTimestamp:1700000006000,members:[{memberId:i#5,"
                   "groupInstanceId:i,clientId:i,assignment:MA==},{memberId:j#3,"
                   "groupInstanceId:j,clientId:j,assignment:MQ==}]}\n"
                   "< i8: NONE {generationId:1,protocolName:range,leader:i#4,memberId:i#5}\n");
    assert_string_equal(classic_state(&kit), "Stable");
    coord_kit_fini(&kit);
}

/* Two processes with one instance: the one that came first hears it with whatever it asks. */
static void who_was_replaced_is_fenced(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct pair pair = begin_pair(&kit);
    coord_kit_skip(&kit);
    (void)classic_join(&kit, "new", &(struct classic_join){.instance_id = "j"});
    struct classic_member_of old = {.id = pair.j, .instance_id = "j", .generation = 1};
    (void)classic_beat_once(&kit, "old", &old);
    (void)classic_sync(&kit, "old", &old, NULL);
    (void)classic_join(&kit, "old", &(struct classic_join){.id = pair.j, .instance_id = "j"});
    (void)classic_leave(&kit, "old", (const char *const[]){pair.j, "j", NULL});
    struct groups *groups = groups_of(kit.machine);
    struct group *group = groups_find(groups, slice_of_text("g"));
    struct group_caller caller = {
        .member_id = slice_of_text(pair.j), .instance_id = slice_of_text("j"), .generation = 1};
    assert_int_equal(group->kind->check_commit(group, &caller), ERR_FENCED_INSTANCE_ID);
    classic_expect(&kit,
                   "> new\n"
                   "record {generation:1,protocol:range,leader:i#1,"
                   "currentStateTimestamp:1700000006000,members:[{memberId:i#1,"
                   "groupInstanceId:i,clientId:i,assignment:MA==},{memberId:j#2,"
                   "groupInstanceId:j,clientId:j,assignment:MQ==}]}\n"
                   "< new: NONE {generationId:1,protocolName:range,leader:i#1,memberId:j#2}\n"
                   "> old\n"
                   "< old: FENCED_INSTANCE_ID\n"
                   "> old\n"
                   "< old: FENCED_INSTANCE_ID\n"
                   "> old\n"
                   "< old: NONE {FENCED_INSTANCE_ID,memberId:j#3}\n"
                   "> old\n"
                   "< old: NONE {members:[{memberId:j#3,groupInstanceId:j,FENCED_INSTANCE_ID}]}\n");
    coord_kit_fini(&kit);
}

/* One that waits, for the others or for its leader, is answered when it is replaced. */
static void who_waits_is_fenced(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    (void)classic_join(&kit, "i", &(struct classic_join){.instance_id = "i"});
    (void)classic_join(&kit, "j", &(struct classic_join){.instance_id = "j"});
    struct kit_call *j = classic_join(&kit, "j2", &(struct classic_join){.instance_id = "j"});
    coord_kit_pass(&kit, 6000);
    (void)classic_sync(&kit, "j2",
                       &(struct classic_member_of){.id = classic_id_of(&kit, j), .generation = 1},
                       NULL);
    (void)classic_join(&kit, "j3", &(struct classic_join){.instance_id = "j"});
    assert_string_equal(classic_state(&kit), "PreparingRebalance");
    classic_expect(&kit,
                   "> i\n"
                   "record {protocolType:,generation:0,protocol:null,leader:null,"
                   "currentStateTimestamp:1700000000000}\n"
                   "> j\n"
                   "> j2\n"
                   "< j: NONE {FENCED_INSTANCE_ID,memberId:j#1}\n"
                   "< i: NONE {generationId:1,protocolName:range,leader:i#2,memberId:i#2,"
                   "members:[{memberId:i#2,groupInstanceId:i},{memberId:j#3,groupInstanceId:j}]}\n"
                   "< j2: NONE {generationId:1,protocolName:range,leader:i#2,memberId:j#3}\n"
                   "> j2\n"
                   "> j3\n"
                   "< j2: FENCED_INSTANCE_ID\n");
    coord_kit_fini(&kit);
}

/* It may speak another protocol now; where the group chooses another for it, a round begins. */
static void a_static_member_comes_back_speaking_otherwise(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct classic_join speaks = {.instance_id = "i", .protocols = {"range", "robin"}};
    struct kit_call *i = classic_join(&kit, "i", &speaks);
    coord_kit_pass(&kit, 3000);
    const char *id = classic_id_of(&kit, i);
    (void)classic_sync(&kit, "i", &(struct classic_member_of){.id = id, .generation = 1},
                       (const char *const[]){id, "0", NULL});
    coord_kit_skip(&kit);
    speaks.protocols[0] = "robin";
    speaks.protocols[1] = NULL;
    (void)classic_join(&kit, "i", &speaks);
    speaks.protocols[0] = "other";
    (void)classic_join(&kit, "i", &speaks);
    classic_expect(&kit, "> i\n"
                         "< i: NONE {generationId:2,protocolName:robin,leader:i#1,memberId:i#1,"
                         "members:[{memberId:i#1,groupInstanceId:i}]}\n"
                         "> i\n"
                         "< i: NONE {INCONSISTENT_GROUP_PROTOCOL,memberId:}\n");
    coord_kit_fini(&kit);
}

/* An operator removes several, by instance, by id, and one that is not there. */
static void several_static_members_leave(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct pair pair = begin_pair(&kit);
    coord_kit_skip(&kit);
    (void)classic_leave(&kit, "one", (const char *const[]){"", "i", "", "k", NULL});
    assert_string_equal(classic_state(&kit), "PreparingRebalance");
    (void)classic_leave(&kit, "rest",
                        (const char *const[]){pair.j, "j", pair.j, "j", pair.i, "-", NULL});
    classic_expect(&kit,
                   "> one\n"
                   "< one: NONE {members:[{memberId:,groupInstanceId:i},{memberId:,"
                   "groupInstanceId:k,UNKNOWN_MEMBER_ID}]}\n"
                   "> rest\n"
                   "record {generation:2,protocol:null,leader:null,"
                   "currentStateTimestamp:1700000006000}\n"
                   "< rest: NONE {members:[{memberId:j#1,groupInstanceId:j},{memberId:j#1,"
                   "groupInstanceId:j,UNKNOWN_MEMBER_ID},{memberId:i#2,UNKNOWN_MEMBER_ID}]}\n");
    assert_string_equal(classic_state(&kit), "Empty");
    coord_kit_fini(&kit);
}

/* A static member keeps its place though it does not join again, until its session ends. */
static void a_static_member_may_be_late(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct classic_join i = {.instance_id = "i", .rebalance_ms = 8000};
    struct classic_join j = {.instance_id = "j", .rebalance_ms = 8000};
    struct kit_call *join_i = classic_join(&kit, "i", &i);
    struct kit_call *join_j = classic_join(&kit, "j", &j);
    coord_kit_pass(&kit, 6000);
    i.id = classic_id_of(&kit, join_i);
    j.id = classic_id_of(&kit, join_j);
    (void)classic_sync(&kit, "i", &(struct classic_member_of){.id = i.id, .generation = 1},
                       (const char *const[]){i.id, "0", j.id, "1", NULL});
    coord_kit_skip(&kit);
    (void)classic_join(&kit, "i", &i);
    coord_kit_pass(&kit, 7999);
    classic_expect(&kit, "> i\n");
    coord_kit_pass(&kit, 1);
    classic_expect(
        &kit, "< i: NONE {generationId:2,protocolName:range,leader:i#1,memberId:i#1,"
              "members:[{memberId:i#1,groupInstanceId:i},{memberId:j#2,groupInstanceId:j}]}\n");
    coord_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_static_member_comes_back_without_a_round),
        cmocka_unit_test(who_was_replaced_is_fenced),
        cmocka_unit_test(who_waits_is_fenced),
        cmocka_unit_test(a_static_member_comes_back_speaking_otherwise),
        cmocka_unit_test(several_static_members_leave),
        cmocka_unit_test(a_static_member_may_be_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
