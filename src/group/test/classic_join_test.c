/* How members of a classic group come together: transcripts. */
#include "group/classic_int.h"
#include "group/test/classic_kit.h"
#include "tbl/limits.h"
#include "wire/msg/join_group_response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void one_member_joins_syncs_and_leaves(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    const char *a = classic_id_of(&kit, classic_join(&kit, "a", &(struct classic_join){0}));
    (void)classic_join(&kit, "a", &(struct classic_join){.id = a});
    coord_kit_pass(&kit, 3000);
    (void)classic_sync(&kit, "a", &(struct classic_member_of){.id = a, .generation = 1},
                       (const char *const[]){a, "all", NULL});
    (void)classic_beat_once(&kit, "a", &(struct classic_member_of){.id = a, .generation = 1});
    (void)classic_leave(&kit, "a", (const char *const[]){a, "-", NULL});
    assert_string_equal(classic_state(&kit), "Empty");
    coord_kit_expect(
        &kit,
        "> a\n"
        "record {\"group\":\"g\"} {\"protocolType\":\"\",\"generation\":0,\"protocol\":null,"
        "\"leader\":null,\"currentStateTimestamp\":1700000000000,\"members\":[]}\n"
        "< a: NONE "
        "{\"throttleTimeMs\":0,\"errorCode\":79,\"generationId\":-1,\"protocolType\":null,"
        "\"protocolName\":null,\"leader\":\"\",\"skipAssignment\":false,\"memberId\":\"<$a>\","
        "\"members\":[]}\n"
        "> a\n"
        "< a: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"generationId\":1,"
        "\"protocolType\":\"consumer\",\"protocolName\":\"range\",\"leader\":\"<$a>\","
        "\"skipAssignment\":false,\"memberId\":\"<$a>\",\"members\":[{\"memberId\":\"<$a>\","
        "\"groupInstanceId\":null,\"metadata\":\"AAAAAAABAAF0/////w==\"}]}\n"
        "> a\n"
        "record {\"group\":\"g\"} {\"protocolType\":\"consumer\",\"generation\":1,"
        "\"protocol\":\"range\",\"leader\":\"<$a>\",\"currentStateTimestamp\":1700000003000,"
        "\"members\":[{\"memberId\":\"<$a>\",\"groupInstanceId\":null,\"clientId\":\"a\","
        "\"clientHost\":\"/127.0.0.1\",\"rebalanceTimeout\":60000,\"sessionTimeout\":10000,"
        "\"subscription\":\"AAAAAAABAAF0/////w==\",\"assignment\":\"YWxs\"}]}\n"
        "< a: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"protocolType\":\"consumer\","
        "\"protocolName\":\"range\",\"assignment\":\"YWxs\"}\n"
        "> a\n"
        "< a: NONE\n"
        "> a\n"
        "record {\"group\":\"g\"} {\"protocolType\":\"consumer\",\"generation\":2,"
        "\"protocol\":null,\"leader\":null,\"currentStateTimestamp\":1700000003000,"
        "\"members\":[]}\n"
        "< a: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"members\":[{\"memberId\":\"<$a>\","
        "\"groupInstanceId\":null,\"errorCode\":0}]}\n");
    coord_kit_fini(&kit);
}

/* Members come a second after one another: the delay goes on while they do. */
static void a_storm_of_members_waits_for_the_delay(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    const char *names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        (void)classic_join_anew(&kit, names[i], &(struct classic_join){0});
        coord_kit_pass(&kit, 2000);
    }
    assert_string_equal(classic_state(&kit), "PreparingRebalance");
    classic_expect(&kit, "> a\n"
                         "record {protocolType:,generation:0,protocol:null,leader:null,"
                         "currentStateTimestamp:1700000000000}\n"
                         "< a: NONE {MEMBER_ID_REQUIRED,memberId:a#1}\n"
                         "> a\n"
                         "> b\n"
                         "< b: NONE {MEMBER_ID_REQUIRED,memberId:b#2}\n"
                         "> b\n"
                         "> c\n"
                         "< c: NONE {MEMBER_ID_REQUIRED,memberId:c#3}\n"
                         "> c\n");
    coord_kit_pass(&kit, 2999);
    classic_expect(&kit, "");
    coord_kit_pass(&kit, 1);
    classic_expect(&kit, "< a: NONE {generationId:1,protocolName:range,leader:a#1,memberId:a#1,"
                         "members:[{memberId:a#1},{memberId:b#2},{memberId:c#3}]}\n"
                         "< b: NONE {generationId:1,protocolName:range,leader:a#1,memberId:b#2}\n"
                         "< c: NONE {generationId:1,protocolName:range,leader:a#1,memberId:c#3}\n");
    assert_string_equal(classic_state(&kit), "CompletingRebalance");
    coord_kit_fini(&kit);
}

/* However many come, nobody waits longer than a rebalance may take. */
static void a_storm_ends_with_the_rebalance_timeout(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct kit_call *first = NULL;
    for (int i = 0; i < 40; i++) {
        struct kit_call *call = classic_join_anew(
            &kit, "m", &(struct classic_join){.rebalance_ms = 10000, .version = 9});
        first = first != NULL ? first : call;
        coord_kit_pass(&kit, 250);
        assert_true(call->answered == (i == 39));
    }
    const struct join_group_response *response = first->call.response;
    assert_int_equal(response->members_count, 40);
    coord_kit_fini(&kit);
}

/* A version 3 client is a member at once; one of today that never comes back holds nobody up. */
static void a_client_that_was_told_its_id_is_waited_for(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, (const char *const[]){"group.initial.rebalance.delay.ms=0", NULL});
    (void)classic_join(&kit, "old", &(struct classic_join){.version = 3});
    coord_kit_pass(&kit, 1);
    classic_expect(&kit,
                   "> old\n"
                   "record {protocolType:,generation:0,protocol:null,leader:null,"
                   "currentStateTimestamp:1700000000000}\n"
                   "< old: NONE {generationId:1,protocolName:range,leader:old#1,memberId:old#1,"
                   "members:[{memberId:old#1}]}\n");
    (void)classic_join(&kit, "lost", &(struct classic_join){.session_ms = 6000});
    (void)classic_join(&kit, "next", &(struct classic_join){.version = 3});
    classic_expect(&kit, "> lost\n"
                         "< lost: NONE {MEMBER_ID_REQUIRED,memberId:lost#2}\n"
                         "> next\n");
    coord_kit_pass(&kit, 5999);
    classic_expect(&kit, "");
    coord_kit_pass(&kit, 4001);
    classic_expect(&kit, "< next: NONE {generationId:2,protocolName:range,leader:next#3,"
                         "memberId:next#3,members:[{memberId:next#3}]}\n");
    coord_kit_fini(&kit);
}

static void a_full_group_refuses(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, (const char *const[]){"group.max.size=2", NULL});
    const char *a =
        classic_id_of(&kit, classic_join(&kit, "a", &(struct classic_join){.version = 9}));
    (void)classic_join(&kit, "a", &(struct classic_join){.id = a});
    (void)classic_join_anew(&kit, "b", &(struct classic_join){0});
    (void)classic_join(&kit, "c", &(struct classic_join){0});
    coord_kit_pass(&kit, 6000);
    (void)classic_join(&kit, "d", &(struct classic_join){0});
    /* Who is in it may come back. */
    (void)classic_join(&kit, "a", &(struct classic_join){.id = a});
    classic_expect(&kit, "> a\n"
                         "record {protocolType:,generation:0,protocol:null,leader:null,"
                         "currentStateTimestamp:1700000000000}\n"
                         "< a: NONE {MEMBER_ID_REQUIRED,memberId:a#1}\n"
                         "> a\n"
                         "> b\n"
                         "< b: NONE {MEMBER_ID_REQUIRED,memberId:b#2}\n"
                         "> b\n"
                         "> c\n"
                         "< c: NONE {GROUP_MAX_SIZE_REACHED,memberId:}\n"
                         "< a: NONE {generationId:1,protocolName:range,leader:a#1,memberId:a#1,"
                         "members:[{memberId:a#1},{memberId:b#2}]}\n"
                         "< b: NONE {generationId:1,protocolName:range,leader:a#1,memberId:b#2}\n"
                         "> d\n"
                         "< d: NONE {GROUP_MAX_SIZE_REACHED,memberId:}\n"
                         "> a\n"
                         "< a: NONE {generationId:1,protocolName:range,leader:a#1,memberId:a#1,"
                         "members:[{memberId:a#1},{memberId:b#2}]}\n");
    coord_kit_fini(&kit);
}

/* What all speak counts, and of that what most prefer. */
static void members_choose_a_protocol(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    (void)classic_join_anew(&kit, "a",
                            &(struct classic_join){.protocols = {"sticky", "range", "robin"}});
    (void)classic_join_anew(&kit, "b", &(struct classic_join){.protocols = {"robin", "range"}});
    (void)classic_join_anew(&kit, "c", &(struct classic_join){.protocols = {"robin", "range"}});
    (void)classic_join(&kit, "d", &(struct classic_join){.protocols = {"sticky"}});
    (void)classic_join(&kit, "e",
                       &(struct classic_join){.type = "connect", .protocols = {"robin"}});
    coord_kit_pass(&kit, 6000);
    classic_expect(&kit, "> a\n"
                         "record {protocolType:,generation:0,protocol:null,leader:null,"
                         "currentStateTimestamp:1700000000000}\n"
                         "< a: NONE {MEMBER_ID_REQUIRED,memberId:a#1}\n"
                         "> a\n"
                         "> b\n"
                         "< b: NONE {MEMBER_ID_REQUIRED,memberId:b#2}\n"
                         "> b\n"
                         "> c\n"
                         "< c: NONE {MEMBER_ID_REQUIRED,memberId:c#3}\n"
                         "> c\n"
                         "> d\n"
                         "< d: NONE {INCONSISTENT_GROUP_PROTOCOL,memberId:}\n"
                         "> e\n"
                         "< e: NONE {INCONSISTENT_GROUP_PROTOCOL,memberId:}\n"
                         "< a: NONE {generationId:1,protocolName:robin,leader:a#1,memberId:a#1,"
                         "members:[{memberId:a#1},{memberId:b#2},{memberId:c#3}]}\n"
                         "< b: NONE {generationId:1,protocolName:robin,leader:a#1,memberId:b#2}\n"
                         "< c: NONE {generationId:1,protocolName:robin,leader:a#1,memberId:c#3}\n");
    coord_kit_fini(&kit);
}

/* Kafka lets a Java hash table decide, in which "range" stands before "roundrobin". */
static void a_tie_is_broken_as_by_kafka(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    (void)classic_join_anew(&kit, "a",
                            &(struct classic_join){.protocols = {"range", "roundrobin"}});
    (void)classic_join_anew(&kit, "b",
                            &(struct classic_join){.protocols = {"roundrobin", "range"}});
    coord_kit_pass(&kit, 6000);
    classic_expect(&kit, "> a\n"
                         "record {protocolType:,generation:0,protocol:null,leader:null,"
                         "currentStateTimestamp:1700000000000}\n"
                         "< a: NONE {MEMBER_ID_REQUIRED,memberId:a#1}\n"
                         "> a\n"
                         "> b\n"
                         "< b: NONE {MEMBER_ID_REQUIRED,memberId:b#2}\n"
                         "> b\n"
                         "< a: NONE {generationId:1,protocolName:range,leader:a#1,memberId:a#1,"
                         "members:[{memberId:a#1},{memberId:b#2}]}\n"
                         "< b: NONE {generationId:1,protocolName:range,leader:a#1,memberId:b#2}\n");
    coord_kit_fini(&kit);
}

static void unknown_members_are_told(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    (void)classic_join(&kit, "a", &(struct classic_join){.id = "nobody"});
    assert_string_equal(classic_state(&kit), "none");
    (void)classic_join(&kit, "b", &(struct classic_join){.type = ""});
    assert_string_equal(classic_state(&kit), "Empty");
    (void)classic_join(&kit, "c", &(struct classic_join){.id = "nobody"});
    (void)classic_join(&kit, "d", &(struct classic_join){.id = "nobody", .instance_id = "i"});
    (void)classic_sync(&kit, "e", &(struct classic_member_of){.id = "nobody"}, NULL);
    (void)classic_beat_once(&kit, "f", &(struct classic_member_of){.id = "nobody"});
    (void)classic_leave(&kit, "g", (const char *const[]){"nobody", "-", "", "i", NULL});
    classic_expect(&kit, "> a\n"
                         "< a: NONE {UNKNOWN_MEMBER_ID,memberId:nobody}\n"
                         "> b\n"
                         "record {protocolType:,generation:0,protocol:null,leader:null,"
                         "currentStateTimestamp:1700000000000}\n"
                         "< b: NONE {INCONSISTENT_GROUP_PROTOCOL,memberId:}\n"
                         "> c\n"
                         "< c: NONE {UNKNOWN_MEMBER_ID,memberId:nobody}\n"
                         "> d\n"
                         "< d: NONE {UNKNOWN_MEMBER_ID,memberId:nobody}\n"
                         "> e\n"
                         "< e: UNKNOWN_MEMBER_ID\n"
                         "> f\n"
                         "< f: UNKNOWN_MEMBER_ID\n"
                         "> g\n"
                         "< g: NONE {members:[{memberId:nobody,UNKNOWN_MEMBER_ID},{memberId:,"
                         "groupInstanceId:i,UNKNOWN_MEMBER_ID}]}\n");
    coord_kit_fini(&kit);
}

static enum err refusal_of(const struct kit_call *call)
{
    const struct join_group_response *response = call->call.response;
    return call->answered ? (enum err)response->error_code : ERR_NONE;
}

/* Bounds of our own: clients that ask for an id and never come, and large lists of protocols. */
static void a_group_does_not_grow_without_end(void **state)
{
    (void)state;
    struct coord_kit kit;
    classic_kit_init(&kit, NULL);
    struct kit_call *call = classic_join(&kit, "m", &(struct classic_join){0});
    assert_int_equal(refusal_of(call), ERR_MEMBER_ID_REQUIRED);
    struct group *group = groups_find(groups_of(kit.machine), slice_of_text("g"));
    for (int i = 1; i < LIMIT_CLASSIC_GROUP_MEMBERS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "m%d", i);
        assert_true(classic_pending_add(group, slice_of_text(id), 10000));
    }
    call = classic_join(&kit, "m", &(struct classic_join){0});
    assert_int_equal(refusal_of(call), ERR_GROUP_MAX_SIZE_REACHED);
    coord_kit_pass(&kit, 10000);

    const size_t size = LIMIT_CLASSIC_GROUP_METADATA_BYTES / 4;
    char *metadata = malloc(size);
    assert_non_null(metadata);
    memset(metadata, 'x', size - 1);
    metadata[size - 1] = '\0';
    for (int i = 0; i < 4; i++) {
        call = classic_join(&kit, "m", &(struct classic_join){.metadata = metadata, .version = 3});
        assert_int_equal(refusal_of(call), i < 3 ? ERR_NONE : ERR_GROUP_MAX_SIZE_REACHED);
    }
    free(metadata);
    coord_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_member_joins_syncs_and_leaves),
        cmocka_unit_test(a_storm_of_members_waits_for_the_delay),
        cmocka_unit_test(a_storm_ends_with_the_rebalance_timeout),
        cmocka_unit_test(a_client_that_was_told_its_id_is_waited_for),
        cmocka_unit_test(a_full_group_refuses),
        cmocka_unit_test(members_choose_a_protocol),
        cmocka_unit_test(a_tie_is_broken_as_by_kafka),
        cmocka_unit_test(unknown_members_are_told),
        cmocka_unit_test(a_group_does_not_grow_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
