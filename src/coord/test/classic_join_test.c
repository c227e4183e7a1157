/* How members of a classic group come together: transcripts. */
#include "coord/test/classic_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void one_member_joins_syncs_and_leaves(void **state)
{
    (void)state;
    struct coord_kit kit;
    coord_kit_init(&kit, &coord_groups_type, NULL);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_member_joins_syncs_and_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
