/* Groups that move between the classic and the consumer protocol while they live (KIP-848). One
 * thread. */
#include "group/test/classic_kit.h"
#include "group/test/consumer_kit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct coord_kit kit;
/* A subscription of "t", and an assignment of its partitions 0 and 1, as consumers write them. */
static const char *const settings[] = {"group.consumer.assignment.interval.ms=0",
                                       "group.initial.rebalance.delay.ms=0", NULL};

/* Returns the classic member's id. */
static const char *a_group_goes_up(void)
{
    struct kit_call *join = classic_join_anew(&kit, "c", &(struct classic_join){0});
    coord_kit_pass(&kit, 1);
    const char *id = classic_id_of(&kit, join);
    classic_sync(&kit, "c", &(struct classic_member_of){.id = id, .generation = 1},
                 (const char *const[]){id, "", NULL});
    coord_kit_skip(&kit);
    /* A member of the consumer protocol joins: the group is one of it, with the classic member. */
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "t"});
    coord_kit_expect(
        &kit, "> A\n"
              "record {\"group\":\"g\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\"} {"
              "\"instanceId\":null,\"rackId\":null,\"clientId\":\"c\","
              "\"clientHost\":\"/127.0.0.1\",\"subscribedTopicNames\":[\"t\"],"
              "\"subscribedTopicRegex\":\"\",\"rebalanceTimeoutMs\":60000,\"serverAssignor\":null,"
              "\"classicMemberMetadata\":{\"sessionTimeoutMs\":10000,\"supportedProtocols\":[{"
              "\"name\":\"range\",\"metadata\":\"AAAAAAABAAF0/////w==\"}]}}\n"
              "record {\"groupId\":\"g\"} {\"epoch\":1,\"metadataHash\":6455853051531903202}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\"} {"
              "\"topicPartitions\":[]}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":1}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\"} {"
              "\"memberEpoch\":1,\"previousMemberEpoch\":1,\"state\":0,\"assignedPartitions\":[],"
              "\"partitionsPendingRevocation\":[]}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"instanceId\":null,\"rackId\":null,"
              "\"clientId\":\"client\",\"clientHost\":\"/127.0.0.1\","
              "\"subscribedTopicNames\":[\"t\"],\"subscribedTopicRegex\":\"\","
              "\"rebalanceTimeoutMs\":60000,\"serverAssignor\":null,"
              "\"classicMemberMetadata\":null}\n"
              "record {\"groupId\":\"g\"} {\"epoch\":2,\"metadataHash\":6455853051531903202}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"topicPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0]}]}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\"} {"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[1]}]}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":2,"
              "\"assignmentTimestamp\":1700000000001}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":2,"
              "\"previousMemberEpoch\":0,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0],"
              "\"assignmentEpochs\":[2]}],\"partitionsPendingRevocation\":[]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":2,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\","
              "\"partitions\":[0]}]}}\n");
    return id;
}

static void a_group_goes_up_and_down_again(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, settings);
    consumer_kit_topic(&kit, "t", 1, 2);
    const char *id = a_group_goes_up();
    /* The classic member hears that it has to join again, and is given what is free. */
    classic_beat_once(&kit, "c", &(struct classic_member_of){.id = id, .generation = 1});
    classic_join(&kit, "c", &(struct classic_join){.id = id});
    classic_sync(&kit, "c", &(struct classic_member_of){.id = id, .generation = 2}, NULL);
    classic_beat_once(&kit, "c", &(struct classic_member_of){.id = id, .generation = 2});
    coord_kit_expect(
        &kit, "> c\n"
              "< c: REBALANCE_IN_PROGRESS\n"
              "> c\n"
              "record {\"groupId\":\"g\",\"memberId\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\"} {"
              "\"memberEpoch\":2,\"previousMemberEpoch\":1,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[1],"
              "\"assignmentEpochs\":[2]}],\"partitionsPendingRevocation\":[]}\n"
              "< c: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"generationId\":2,"
              "\"protocolType\":\"consumer\",\"protocolName\":\"range\",\"leader\":\"\","
              "\"skipAssignment\":false,\"memberId\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\","
              "\"members\":[]}\n"
              "> c\n"
              "< c: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"protocolType\":null,"
              "\"protocolName\":null,\"assignment\":\"AAAAAAABAAF0AAAAAQAAAAH/////\"}\n"
              "> c\n"
              "< c: NONE\n");
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = -1});
    coord_kit_expect(
        &kit, "> A\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\"} "
              "null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\"} "
              "null\n"
              "record {\"groupId\":\"g\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\"} "
              "null\n"
              "record {\"groupId\":\"g\"} null\n"
              "record {\"groupId\":\"g\"} null\n"
              "record {\"group\":\"g\"} {\"protocolType\":\"consumer\",\"generation\":2,"
              "\"protocol\":\"range\",\"leader\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\","
              "\"currentStateTimestamp\":1700000000001,\"members\":[{"
              "\"memberId\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\",\"groupInstanceId\":null,"
              "\"clientId\":\"c\",\"clientHost\":\"/127.0.0.1\",\"rebalanceTimeout\":60000,"
              "\"sessionTimeout\":10000,\"subscription\":\"AAAAAAABAAF0/////w==\","
              "\"assignment\":\"AAAAAAABAAF0AAAAAQAAAAH/////\"}]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":-1,\"heartbeatIntervalMs\":0,"
              "\"assignment\":null}\n");
    classic_beat_once(&kit, "c", &(struct classic_member_of){.id = id, .generation = 3});
    classic_beat_once(&kit, "c", &(struct classic_member_of){.id = id, .generation = 2});
    coord_kit_restart(&kit);
    coord_kit_expect(&kit, "> c\n"
                           "< c: ILLEGAL_GENERATION\n"
                           "> c\n"
                           "< c: REBALANCE_IN_PROGRESS\n"
                           "-- restart\n");
    coord_kit_fini(&kit);
}

static void a_classic_member_that_does_not_follow_is_put_out(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, settings);
    consumer_kit_topic(&kit, "t", 1, 2);
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "t"});
    coord_kit_skip(&kit);
    struct kit_call *join =
        classic_join_anew(&kit, "c", &(struct classic_join){.rebalance_ms = 5000});
    const char *id = classic_id_of(&kit, join);
    coord_kit_expect(
        &kit, "> c\n"
              "< c: NONE {\"throttleTimeMs\":0,\"errorCode\":79,\"generationId\":-1,"
              "\"protocolType\":null,\"protocolName\":null,\"leader\":\"\","
              "\"skipAssignment\":false,\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\",\"members\":[]}\n"
              "> c\n"
              "record {\"groupId\":\"g\",\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\"} {"
              "\"instanceId\":null,\"rackId\":null,\"clientId\":\"c\","
              "\"clientHost\":\"/127.0.0.1\",\"subscribedTopicNames\":[\"t\"],"
              "\"subscribedTopicRegex\":\"\",\"rebalanceTimeoutMs\":5000,\"serverAssignor\":null,"
              "\"classicMemberMetadata\":{\"sessionTimeoutMs\":10000,\"supportedProtocols\":[{"
              "\"name\":\"range\",\"metadata\":\"AAAAAAABAAF0/////w==\"}]}}\n"
              "record {\"groupId\":\"g\"} {\"epoch\":3,\"metadataHash\":6455853051531903202}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"topicPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0]}]}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\"} {"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[1]}]}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":3,"
              "\"assignmentTimestamp\":1700000000000}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\"} {"
              "\"memberEpoch\":3,\"previousMemberEpoch\":0,\"state\":2,\"assignedPartitions\":[],"
              "\"partitionsPendingRevocation\":[]}\n"
              "< c: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"generationId\":3,"
              "\"protocolType\":\"consumer\",\"protocolName\":\"range\",\"leader\":\"\","
              "\"skipAssignment\":false,\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\",\"members\":[]}\n");
    /* It never asks for what it was given. */
    coord_kit_pass(&kit, 5000);
    coord_kit_expect(
        &kit, "record {\"groupId\":\"g\",\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\"} null\n"
              "record {\"groupId\":\"g\"} {\"epoch\":4,\"metadataHash\":6455853051531903202}\n");
    (void)id;
    coord_kit_fini(&kit);
}

static void what_cannot_move_stays(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, (const char *const[]){"group.consumer.migration.policy=disabled",
                                                   "group.initial.rebalance.delay.ms=0", NULL});
    classic_join_anew(&kit, "c", &(struct classic_join){0});
    coord_kit_skip(&kit);
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "t"});
    coord_kit_expect(
        &kit,
        "> A\n"
        "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":69,\"errorMessage\":\"Cannot upgrade "
        "classic group g to consumer group because online upgrade is disabled.\","
        "\"memberId\":null,\"memberEpoch\":0,\"heartbeatIntervalMs\":0,\"assignment\":null}\n");
    consumer_kit_join(&kit, (struct beat){.group = "h", .member = "A", .topics = "t"});
    coord_kit_fini(&kit);
    consumer_kit_begin(&kit, settings);
    classic_join_anew(&kit, "c",
                      &(struct classic_join){.type = "connect", .protocols = {"p", NULL}});
    coord_kit_skip(&kit);
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "t"});
    coord_kit_expect(
        &kit, "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":69,\"errorMessage\":\"Cannot upgrade "
              "classic group g to consumer group because the group does not use the consumer "
              "embedded protocol.\",\"memberId\":null,\"memberEpoch\":0,\"heartbeatIntervalMs\":0,"
              "\"assignment\":null}\n");
    coord_kit_fini(&kit);
}

static void a_static_member_goes_down_alone(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, settings);
    consumer_kit_topic(&kit, "t", 1, 2);
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "t", .instance = "i"});
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = -2, .instance = "i"});
    coord_kit_skip(&kit);
    classic_join(&kit, "c", &(struct classic_join){.instance_id = "i"});
    coord_kit_expect(
        &kit, "> c\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\"} {"
              "\"instanceId\":\"i\",\"rackId\":null,\"clientId\":\"client\","
              "\"clientHost\":\"/127.0.0.1\",\"subscribedTopicNames\":[\"t\"],"
              "\"subscribedTopicRegex\":\"\",\"rebalanceTimeoutMs\":60000,\"serverAssignor\":null,"
              "\"classicMemberMetadata\":null}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\"} {"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,"
              "1]}]}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\"} {"
              "\"memberEpoch\":0,\"previousMemberEpoch\":0,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1],\"assignmentEpochs\":[0,"
              "0]}],\"partitionsPendingRevocation\":[]}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\"} {"
              "\"instanceId\":\"i\",\"rackId\":null,\"clientId\":\"c\","
              "\"clientHost\":\"/127.0.0.1\",\"subscribedTopicNames\":[\"t\"],"
              "\"subscribedTopicRegex\":\"\",\"rebalanceTimeoutMs\":60000,\"serverAssignor\":null,"
              "\"classicMemberMetadata\":{\"sessionTimeoutMs\":10000,\"supportedProtocols\":[{"
              "\"name\":\"range\",\"metadata\":\"AAAAAAABAAF0/////w==\"}]}}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\"} {"
              "\"memberEpoch\":2,\"previousMemberEpoch\":0,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1],\"assignmentEpochs\":[0,"
              "0]}],\"partitionsPendingRevocation\":[]}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\"} null\n"
              "record {\"groupId\":\"g\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\"} null\n"
              "record {\"groupId\":\"g\"} null\n"
              "record {\"groupId\":\"g\"} null\n"
              "record {\"group\":\"g\"} {\"protocolType\":\"consumer\",\"generation\":2,"
              "\"protocol\":\"range\",\"leader\":\"xRDHD22vQrOqTDZHllU7hQ\","
              "\"currentStateTimestamp\":1700000000000,\"members\":[{"
              "\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\",\"groupInstanceId\":\"i\","
              "\"clientId\":\"c\",\"clientHost\":\"/127.0.0.1\",\"rebalanceTimeout\":60000,"
              "\"sessionTimeout\":10000,\"subscription\":\"AAAAAAABAAF0/////w==\","
              "\"assignment\":\"AAAAAAABAAF0AAAAAgAAAAAAAAAB/////w==\"}]}\n"
              "< c: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"generationId\":2,"
              "\"protocolType\":\"consumer\",\"protocolName\":\"range\",\"leader\":\"\","
              "\"skipAssignment\":false,\"memberId\":\"xRDHD22vQrOqTDZHllU7hQ\",\"members\":[]}\n");
    coord_kit_fini(&kit);
}

static void an_empty_group_is_anybodys(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, settings);
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "t"});
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = -1});
    coord_kit_skip(&kit);
    struct kit_call *join = classic_join_anew(&kit, "c", &(struct classic_join){0});
    coord_kit_pass(&kit, 1);
    const char *id = classic_id_of(&kit, join);
    classic_leave(&kit, "c", (const char *const[]){id, "-", NULL});
    coord_kit_expect(
        &kit, "> c\n"
              "record {\"groupId\":\"g\"} null\n"
              "record {\"groupId\":\"g\"} null\n"
              "record {\"groupId\":\"g\"} null\n"
              "record {\"group\":\"g\"} {\"protocolType\":\"\",\"generation\":0,\"protocol\":null,"
              "\"leader\":null,\"currentStateTimestamp\":1700000000000,\"members\":[]}\n"
              "< c: NONE {\"throttleTimeMs\":0,\"errorCode\":79,\"generationId\":-1,"
              "\"protocolType\":null,\"protocolName\":null,\"leader\":\"\","
              "\"skipAssignment\":false,\"memberId\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\","
              "\"members\":[]}\n"
              "> c\n"
              "< c: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"generationId\":1,"
              "\"protocolType\":\"consumer\",\"protocolName\":\"range\","
              "\"leader\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\",\"skipAssignment\":false,"
              "\"memberId\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\",\"members\":[{"
              "\"memberId\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\",\"groupInstanceId\":null,"
              "\"metadata\":\"AAAAAAABAAF0/////w==\"}]}\n"
              "> c\n"
              "record {\"group\":\"g\"} {\"protocolType\":\"consumer\",\"generation\":2,"
              "\"protocol\":null,\"leader\":null,\"currentStateTimestamp\":1700000000001,"
              "\"members\":[]}\n"
              "< c: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"members\":[{"
              "\"memberId\":\"c-b3f2af6d-0fc7-40c5-853b-559647364cea\",\"groupInstanceId\":null,"
              "\"errorCode\":0}]}\n");
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "t"});
    coord_kit_expect(
        &kit, "> A\n"
              "record {\"group\":\"g\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"instanceId\":null,\"rackId\":null,"
              "\"clientId\":\"client\",\"clientHost\":\"/127.0.0.1\","
              "\"subscribedTopicNames\":[\"t\"],\"subscribedTopicRegex\":\"\","
              "\"rebalanceTimeoutMs\":60000,\"serverAssignor\":null,"
              "\"classicMemberMetadata\":null}\n"
              "record {\"groupId\":\"g\"} {\"epoch\":2}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"topicPartitions\":[]}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":2,"
              "\"assignmentTimestamp\":1700000000001}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":2,"
              "\"previousMemberEpoch\":0,\"state\":0,\"assignedPartitions\":[],"
              "\"partitionsPendingRevocation\":[]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":2,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[]}}\n");
    coord_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_goes_up_and_down_again),
        cmocka_unit_test(a_classic_member_that_does_not_follow_is_put_out),
        cmocka_unit_test(what_cannot_move_stays),
        cmocka_unit_test(a_static_member_goes_down_alone),
        cmocka_unit_test(an_empty_group_is_anybodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
