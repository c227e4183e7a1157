/* How a consumer group lives (KIP-848): members join and hand partitions over, are fenced, silent
 * or slow, topics come and go, the coordinator begins anew in the middle of it. Against what Kafka
 * 4.4's rules give. One thread. */
#include "group/test/consumer_kit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct coord_kit kit;
/* Every change is assigned at once. */
static const char *const at_once[] = {"group.consumer.assignment.interval.ms=0", NULL};

static void two_join(void)
{
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "foo"});
    /* What A still has B waits for, and is told of the rest. */
    consumer_kit_join(&kit, (struct beat){.member = "B", .topics = "foo"});
    coord_kit_expect(
        &kit, "> A\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"instanceId\":null,\"rackId\":null,"
              "\"clientId\":\"client\",\"clientHost\":\"/127.0.0.1\","
              "\"subscribedTopicNames\":[\"foo\"],\"subscribedTopicRegex\":\"\","
              "\"rebalanceTimeoutMs\":60000,\"serverAssignor\":null,"
              "\"classicMemberMetadata\":null}\n"
              "record {\"groupId\":\"g\"} {\"epoch\":2,\"metadataHash\":-5305309515326859357}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"topicPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1,2,3,4,5]}]}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":2,"
              "\"assignmentTimestamp\":1700000000000}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":2,"
              "\"previousMemberEpoch\":0,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1,2,3,4,5],"
              "\"assignmentEpochs\":[2,2,2,2,2,2]}],\"partitionsPendingRevocation\":[]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":2,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1,2,"
              "3,4,5]}]}}\n"
              "> B\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"instanceId\":null,\"rackId\":null,"
              "\"clientId\":\"client\",\"clientHost\":\"/127.0.0.1\","
              "\"subscribedTopicNames\":[\"foo\"],\"subscribedTopicRegex\":\"\","
              "\"rebalanceTimeoutMs\":60000,\"serverAssignor\":null,"
              "\"classicMemberMetadata\":null}\n"
              "record {\"groupId\":\"g\"} {\"epoch\":3,\"metadataHash\":-5305309515326859357}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"topicPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1,2]}]}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"topicPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[3,4,5]}]}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":3,"
              "\"assignmentTimestamp\":1700000000000}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"memberEpoch\":3,"
              "\"previousMemberEpoch\":0,\"state\":2,\"assignedPartitions\":[],"
              "\"partitionsPendingRevocation\":[]}\n"
              "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"B\",\"memberEpoch\":3,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[]}}\n");
}

static void a_third_joins(void)
{
    consumer_kit_join(&kit, (struct beat){.member = "C", .topics = "foo"});
    coord_kit_skip(&kit);
    /* A hears what it is to keep, and has its rebalance timeout to say that it let the rest go. */
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2});
    consumer_kit_beat(&kit, &(struct beat){.member = "B", .epoch = 3});
    coord_kit_expect(
        &kit, "> A\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":2,"
              "\"previousMemberEpoch\":2,\"state\":1,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1],\"assignmentEpochs\":[2,"
              "2]}],\"partitionsPendingRevocation\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\","
              "\"partitions\":[2,3,4,5],\"assignmentEpochs\":[2,2,2,2]}]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":2,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,"
              "1]}]}}\n"
              "> B\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"memberEpoch\":4,"
              "\"previousMemberEpoch\":3,\"state\":2,\"assignedPartitions\":[],"
              "\"partitionsPendingRevocation\":[]}\n"
              "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"B\",\"memberEpoch\":4,\"heartbeatIntervalMs\":5000,"
              "\"assignment\":null}\n");
}

static void three_members_hand_partitions_over(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, at_once);
    consumer_kit_topic(&kit, "foo", 1, 6);
    two_join();
    a_third_joins();
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2, .owned = "foo 0 1"});
    consumer_kit_beat(&kit, &(struct beat){.member = "B", .epoch = 4});
    consumer_kit_beat(&kit, &(struct beat){.member = "C", .epoch = 4});
    coord_kit_expect(
        &kit, "> A\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":4,"
              "\"previousMemberEpoch\":2,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1],\"assignmentEpochs\":[2,"
              "2]}],\"partitionsPendingRevocation\":[]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":4,\"heartbeatIntervalMs\":5000,"
              "\"assignment\":null}\n"
              "> B\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"memberEpoch\":4,"
              "\"previousMemberEpoch\":4,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[3,4],\"assignmentEpochs\":[4,"
              "4]}],\"partitionsPendingRevocation\":[]}\n"
              "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"B\",\"memberEpoch\":4,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[3,"
              "4]}]}}\n"
              "> C\n"
              "record {\"groupId\":\"g\",\"memberId\":\"C\"} {\"memberEpoch\":4,"
              "\"previousMemberEpoch\":4,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[2,5],\"assignmentEpochs\":[4,"
              "4]}],\"partitionsPendingRevocation\":[]}\n"
              "< C: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"C\",\"memberEpoch\":4,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[2,"
              "5]}]}}\n");
    /* Nothing changes: nothing is recorded. */
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 4});
    consumer_kit_beat(&kit, &(struct beat){.member = "B", .epoch = -1});
    coord_kit_expect(
        &kit, "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":4,\"heartbeatIntervalMs\":5000,"
              "\"assignment\":null}\n"
              "> B\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} null\n"
              "record {\"groupId\":\"g\"} {\"epoch\":5,\"metadataHash\":-5305309515326859357}\n"
              "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"B\",\"memberEpoch\":-1,\"heartbeatIntervalMs\":0,"
              "\"assignment\":null}\n");
    coord_kit_fini(&kit);
}

static void the_slow_and_the_silent_are_put_out(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, at_once);
    consumer_kit_topic(&kit, "foo", 1, 2);
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "foo", .rebalance_ms = 20000});
    consumer_kit_join(&kit, (struct beat){.member = "B", .topics = "foo"});
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2});
    coord_kit_skip(&kit);
    /* A beats on, but never lets the partition go. */
    coord_kit_pass(&kit, 10000);
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2, .owned = "foo 0 1"});
    coord_kit_pass(&kit, 10000);
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2});
    coord_kit_expect(
        &kit, "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":2,\"heartbeatIntervalMs\":5000,"
              "\"assignment\":null}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\"} {\"epoch\":4,\"metadataHash\":3207104172124096261}\n"
              "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":25,\"errorMessage\":\"Member A is not "
              "a member of group g.\",\"memberId\":null,\"memberEpoch\":0,"
              "\"heartbeatIntervalMs\":0,\"assignment\":null}\n");
    consumer_kit_beat(&kit, &(struct beat){.member = "B", .epoch = 3});
    coord_kit_skip(&kit);
    coord_kit_pass(&kit, 44999);
    coord_kit_expect(&kit, "");
    coord_kit_pass(&kit, 1);
    coord_kit_expect(&kit, "record {\"groupId\":\"g\",\"memberId\":\"B\"} null\n"
                           "record {\"groupId\":\"g\",\"memberId\":\"B\"} null\n"
                           "record {\"groupId\":\"g\",\"memberId\":\"B\"} null\n"
                           "record {\"groupId\":\"g\"} {\"epoch\":5}\n"
                           "record {\"groupId\":\"g\"} {\"assignmentEpoch\":5}\n");
    coord_kit_fini(&kit);
}

static void old_epochs_are_fenced(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, at_once);
    consumer_kit_topic(&kit, "foo", 1, 2);
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 1});
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "foo"});
    consumer_kit_join(&kit, (struct beat){.member = "B", .topics = "foo"});
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2, .owned = "foo 0"});
    coord_kit_skip(&kit);
    consumer_kit_beat(&kit, &(struct beat){.member = "C", .epoch = 3});
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 4});
    /* The answer with epoch 3 was lost: it may come with 2 once more, if it has nothing besides. */
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2, .owned = "foo 0"});
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2, .owned = "foo 0 1"});
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2});
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 1, .owned = ""});
    /* And may always begin anew. */
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "foo"});
    coord_kit_expect(
        &kit, "> C\n"
              "< C: NONE {\"throttleTimeMs\":0,\"errorCode\":25,\"errorMessage\":\"Member C is not "
              "a member of group g.\",\"memberId\":null,\"memberEpoch\":0,"
              "\"heartbeatIntervalMs\":0,\"assignment\":null}\n"
              "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":110,\"errorMessage\":\"The consumer "
              "group member has a greater member epoch (4) than the one known by the group "
              "coordinator (3). The member must abandon all its partitions and rejoin.\","
              "\"memberId\":null,\"memberEpoch\":0,\"heartbeatIntervalMs\":0,\"assignment\":null}\n"
              "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":3,\"heartbeatIntervalMs\":5000,"
              "\"assignment\":null}\n"
              "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":110,\"errorMessage\":\"The consumer "
              "group member has a smaller member epoch (2) than the one known by the group "
              "coordinator (3). The member must abandon all its partitions and rejoin.\","
              "\"memberId\":null,\"memberEpoch\":0,\"heartbeatIntervalMs\":0,\"assignment\":null}\n"
              "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":110,\"errorMessage\":\"The consumer "
              "group member has a smaller member epoch (2) than the one known by the group "
              "coordinator (3). The member must abandon all its partitions and rejoin.\","
              "\"memberId\":null,\"memberEpoch\":0,\"heartbeatIntervalMs\":0,\"assignment\":null}\n"
              "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":110,\"errorMessage\":\"The consumer "
              "group member has a smaller member epoch (1) than the one known by the group "
              "coordinator (3). The member must abandon all its partitions and rejoin.\","
              "\"memberId\":null,\"memberEpoch\":0,\"heartbeatIntervalMs\":0,\"assignment\":null}\n"
              "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":3,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\","
              "\"partitions\":[0]}]}}\n");
    coord_kit_fini(&kit);
}

static void an_instance_is_one_members(void)
{
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "foo", .instance = "i"});
    consumer_kit_join(&kit, (struct beat){.member = "B", .topics = "foo", .instance = "i"});
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = -2, .instance = "j"});
    coord_kit_expect(
        &kit, "> A\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"instanceId\":\"i\",\"rackId\":null,"
              "\"clientId\":\"client\",\"clientHost\":\"/127.0.0.1\","
              "\"subscribedTopicNames\":[\"foo\"],\"subscribedTopicRegex\":\"\","
              "\"rebalanceTimeoutMs\":60000,\"serverAssignor\":null,"
              "\"classicMemberMetadata\":null}\n"
              "record {\"groupId\":\"g\"} {\"epoch\":2,\"metadataHash\":3207104172124096261}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"topicPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1]}]}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":2,"
              "\"assignmentTimestamp\":1700000000000}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":2,"
              "\"previousMemberEpoch\":0,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1],\"assignmentEpochs\":[2,"
              "2]}],\"partitionsPendingRevocation\":[]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":2,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,"
              "1]}]}}\n"
              "> B\n"
              "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":111,\"errorMessage\":\"Static member "
              "B with instance id i cannot join the group because the instance id is owned by A "
              "member.\",\"memberId\":null,\"memberEpoch\":0,\"heartbeatIntervalMs\":0,"
              "\"assignment\":null}\n"
              "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":25,\"errorMessage\":\"Instance id j "
              "is unknown.\",\"memberId\":null,\"memberEpoch\":0,\"heartbeatIntervalMs\":0,"
              "\"assignment\":null}\n");
}

static void a_static_member_comes_back_as_another(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, at_once);
    consumer_kit_topic(&kit, "foo", 1, 2);
    an_instance_is_one_members();
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = -2, .instance = "i"});
    consumer_kit_join(&kit, (struct beat){.member = "B", .topics = "foo", .instance = "i"});
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2, .instance = "i"});
    coord_kit_expect(
        &kit, "> A\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":-2,"
              "\"previousMemberEpoch\":0,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1],\"assignmentEpochs\":[0,"
              "0]}],\"partitionsPendingRevocation\":[]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":-2,\"heartbeatIntervalMs\":0,"
              "\"assignment\":null}\n"
              "> B\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"instanceId\":\"i\",\"rackId\":null,"
              "\"clientId\":\"client\",\"clientHost\":\"/127.0.0.1\","
              "\"subscribedTopicNames\":[\"foo\"],\"subscribedTopicRegex\":\"\","
              "\"rebalanceTimeoutMs\":60000,\"serverAssignor\":null,"
              "\"classicMemberMetadata\":null}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"topicPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1]}]}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"memberEpoch\":0,"
              "\"previousMemberEpoch\":0,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1],\"assignmentEpochs\":[0,"
              "0]}],\"partitionsPendingRevocation\":[]}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"memberEpoch\":2,"
              "\"previousMemberEpoch\":0,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1],\"assignmentEpochs\":[0,"
              "0]}],\"partitionsPendingRevocation\":[]}\n"
              "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"B\",\"memberEpoch\":2,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,"
              "1]}]}}\n"
              "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":82,\"errorMessage\":\"Static member A "
              "with instance id i was fenced by member B.\",\"memberId\":null,\"memberEpoch\":0,"
              "\"heartbeatIntervalMs\":0,\"assignment\":null}\n");
    /* The one that stays away is put out when its session ends. */
    consumer_kit_beat(&kit, &(struct beat){.member = "B", .epoch = -2, .instance = "i"});
    coord_kit_skip(&kit);
    coord_kit_pass(&kit, 45000);
    coord_kit_expect(&kit, "record {\"groupId\":\"g\",\"memberId\":\"B\"} null\n"
                           "record {\"groupId\":\"g\",\"memberId\":\"B\"} null\n"
                           "record {\"groupId\":\"g\",\"memberId\":\"B\"} null\n"
                           "record {\"groupId\":\"g\"} {\"epoch\":3}\n"
                           "record {\"groupId\":\"g\"} {\"assignmentEpoch\":3}\n");
    coord_kit_fini(&kit);
}

static void a_topic_comes(void)
{
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "foo bar"});
    consumer_kit_topic(&kit, "foo", 1, 1);
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2});
    coord_kit_expect(
        &kit, "> A\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"instanceId\":null,\"rackId\":null,"
              "\"clientId\":\"client\",\"clientHost\":\"/127.0.0.1\","
              "\"subscribedTopicNames\":[\"bar\",\"foo\"],\"subscribedTopicRegex\":\"\","
              "\"rebalanceTimeoutMs\":60000,\"serverAssignor\":null,"
              "\"classicMemberMetadata\":null}\n"
              "record {\"groupId\":\"g\"} {\"epoch\":2}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"topicPartitions\":[]}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":2,"
              "\"assignmentTimestamp\":1700000000000}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":2,"
              "\"previousMemberEpoch\":0,\"state\":0,\"assignedPartitions\":[],"
              "\"partitionsPendingRevocation\":[]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":2,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[]}}\n"
              "> A\n"
              "record {\"groupId\":\"g\"} {\"epoch\":3,\"metadataHash\":7594827915120346673}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"topicPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0]}]}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":3,"
              "\"assignmentTimestamp\":1700000000000}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":3,"
              "\"previousMemberEpoch\":2,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0],"
              "\"assignmentEpochs\":[3]}],\"partitionsPendingRevocation\":[]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":3,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\","
              "\"partitions\":[0]}]}}\n");
}

static void topics_come_grow_and_go(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, at_once);
    a_topic_comes();
    coord_kit_grow_topic(&kit, "foo", 2);
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 3});
    /* Nobody's topic. */
    consumer_kit_topic(&kit, "other", 3, 2);
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 4});
    coord_kit_expect(
        &kit, "> A\n"
              "record {\"groupId\":\"g\"} {\"epoch\":4,\"metadataHash\":3207104172124096261}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"topicPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1]}]}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":4,"
              "\"assignmentTimestamp\":1700000000000}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":4,"
              "\"previousMemberEpoch\":3,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1],\"assignmentEpochs\":[3,"
              "4]}],\"partitionsPendingRevocation\":[]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":4,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,"
              "1]}]}}\n"
              "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":4,\"heartbeatIntervalMs\":5000,"
              "\"assignment\":null}\n");
    coord_kit_remove_topic(&kit, "foo");
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 4});
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 4, .owned = ""});
    coord_kit_expect(
        &kit, "> A\n"
              "record {\"groupId\":\"g\"} {\"epoch\":5}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"topicPartitions\":[]}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":5,"
              "\"assignmentTimestamp\":1700000000000}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":4,"
              "\"previousMemberEpoch\":4,\"state\":1,\"assignedPartitions\":[],"
              "\"partitionsPendingRevocation\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\","
              "\"partitions\":[0,1],\"assignmentEpochs\":[3,4]}]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":4,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[]}}\n"
              "> A\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":5,"
              "\"previousMemberEpoch\":4,\"state\":0,\"assignedPartitions\":[],"
              "\"partitionsPendingRevocation\":[]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":5,\"heartbeatIntervalMs\":5000,"
              "\"assignment\":null}\n");
    coord_kit_fini(&kit);
}

static void a_restart_in_the_middle_is_not_noticed(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, at_once);
    consumer_kit_topic(&kit, "foo", 1, 2);
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "foo", .rebalance_ms = 20000});
    consumer_kit_join(&kit, (struct beat){.member = "B", .topics = "foo"});
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2});
    coord_kit_skip(&kit);
    coord_kit_pass(&kit, 19000);
    coord_kit_restart(&kit);
    /* The timeout begins anew; epochs, and what each has, are as they were. */
    coord_kit_pass(&kit, 19000);
    consumer_kit_beat(&kit, &(struct beat){.member = "B", .epoch = 3});
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2, .owned = "foo 0"});
    consumer_kit_beat(&kit, &(struct beat){.member = "B", .epoch = 3});
    coord_kit_expect(
        &kit, "-- restart\n"
              "> B\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"memberEpoch\":3,"
              "\"previousMemberEpoch\":3,\"state\":2,\"assignedPartitions\":[],"
              "\"partitionsPendingRevocation\":[]}\n"
              "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"B\",\"memberEpoch\":3,\"heartbeatIntervalMs\":5000,"
              "\"assignment\":null}\n"
              "> A\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":3,"
              "\"previousMemberEpoch\":2,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0],"
              "\"assignmentEpochs\":[2]}],\"partitionsPendingRevocation\":[]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":3,\"heartbeatIntervalMs\":5000,"
              "\"assignment\":null}\n"
              "> B\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"memberEpoch\":3,"
              "\"previousMemberEpoch\":3,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[1],"
              "\"assignmentEpochs\":[3]}],\"partitionsPendingRevocation\":[]}\n"
              "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"B\",\"memberEpoch\":3,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\","
              "\"partitions\":[1]}]}}\n");
    coord_kit_restart(&kit);
    coord_kit_pass(&kit, 45000);
    coord_kit_expect(
        &kit, "-- restart\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} null\n"
              "record {\"groupId\":\"g\"} {\"epoch\":4,\"metadataHash\":3207104172124096261}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\"} {\"epoch\":5}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":5}\n");
    coord_kit_fini(&kit);
}

static void assignments_wait_for_their_interval(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, NULL);
    consumer_kit_topic(&kit, "foo", 1, 2);
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "foo"});
    coord_kit_pass(&kit, 999);
    coord_kit_skip(&kit);
    consumer_kit_join(&kit, (struct beat){.member = "B", .topics = "foo"});
    coord_kit_expect(
        &kit, "> B\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"instanceId\":null,\"rackId\":null,"
              "\"clientId\":\"client\",\"clientHost\":\"/127.0.0.1\","
              "\"subscribedTopicNames\":[\"foo\"],\"subscribedTopicRegex\":\"\","
              "\"rebalanceTimeoutMs\":60000,\"serverAssignor\":null,"
              "\"classicMemberMetadata\":null}\n"
              "record {\"groupId\":\"g\"} {\"epoch\":3,\"metadataHash\":3207104172124096261}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"memberEpoch\":2,"
              "\"previousMemberEpoch\":0,\"state\":0,\"assignedPartitions\":[],"
              "\"partitionsPendingRevocation\":[]}\n"
              "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"B\",\"memberEpoch\":2,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[]}}\n");
    coord_kit_pass(&kit, 1);
    consumer_kit_beat(&kit, &(struct beat){.member = "B", .epoch = 2});
    coord_kit_expect(&kit, "> B\n"
                           "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"topicPartitions\":[{"
                           "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0]}]}\n"
                           "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"topicPartitions\":[{"
                           "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[1]}]}\n"
                           "record {\"groupId\":\"g\"} {\"assignmentEpoch\":3,"
                           "\"assignmentTimestamp\":1700000001000}\n"
                           "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"memberEpoch\":3,"
                           "\"previousMemberEpoch\":2,\"state\":2,\"assignedPartitions\":[],"
                           "\"partitionsPendingRevocation\":[]}\n"
                           "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
                           "\"memberId\":\"B\",\"memberEpoch\":3,\"heartbeatIntervalMs\":5000,"
                           "\"assignment\":null}\n");
    coord_kit_fini(&kit);
}

/* Of two assignors the one that more members ask for; a member may be told by name of none. */
static void most_members_choose_the_assignor(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, at_once);
    consumer_kit_topic(&kit, "foo", 1, 3);
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "foo"});
    consumer_kit_join(&kit, (struct beat){.member = "B", .topics = "foo"});
    coord_kit_skip(&kit);
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2, .assignor = "range"});
    coord_kit_expect(
        &kit, "> A\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"instanceId\":null,\"rackId\":null,"
              "\"clientId\":\"client\",\"clientHost\":\"/127.0.0.1\","
              "\"subscribedTopicNames\":[\"foo\"],\"subscribedTopicRegex\":\"\","
              "\"rebalanceTimeoutMs\":60000,\"serverAssignor\":\"range\","
              "\"classicMemberMetadata\":null}\n"
              "record {\"groupId\":\"g\"} {\"epoch\":4,\"metadataHash\":-726751416509009903}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":4,"
              "\"assignmentTimestamp\":1700000000000}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":2,"
              "\"previousMemberEpoch\":2,\"state\":1,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,1],\"assignmentEpochs\":[2,"
              "2]}],\"partitionsPendingRevocation\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\","
              "\"partitions\":[2],\"assignmentEpochs\":[2]}]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":2,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0,"
              "1]}]}}\n");
    coord_kit_fini(&kit);
}

static void a_group_has_room_for_so_many(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, (const char *const[]){"group.consumer.max.size=1", NULL});
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "foo"});
    coord_kit_skip(&kit);
    consumer_kit_join(&kit, (struct beat){.member = "B", .topics = "foo"});
    consumer_kit_join(&kit, (struct beat){.member = "A", .topics = "foo"});
    coord_kit_expect(
        &kit, "> B\n"
              "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":81,\"errorMessage\":\"The consumer "
              "group has reached its maximum capacity of 1 members.\",\"memberId\":null,"
              "\"memberEpoch\":0,\"heartbeatIntervalMs\":0,\"assignment\":null}\n"
              "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":2,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[]}}\n");
    coord_kit_fini(&kit);
}

static void a_pattern_is_matched(void)
{
    consumer_kit_topic(&kit, "foo", 1, 1);
    consumer_kit_topic(&kit, "foobar", 2, 1);
    consumer_kit_topic(&kit, "bar", 3, 1);
    consumer_kit_join(&kit, (struct beat){.member = "A", .pattern = "fo("});
    consumer_kit_join(&kit, (struct beat){.member = "A", .pattern = "foo.*"});
    coord_kit_pass(&kit, 1);
    coord_kit_expect(
        &kit, "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":128,"
              "\"errorMessage\":\"SubscribedTopicRegex `fo(` is not a valid regular expression: "
              "missing closing ).\",\"memberId\":null,\"memberEpoch\":0,\"heartbeatIntervalMs\":0,"
              "\"assignment\":null}\n"
              "> A\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"instanceId\":null,\"rackId\":null,"
              "\"clientId\":\"client\",\"clientHost\":\"/127.0.0.1\",\"subscribedTopicNames\":[],"
              "\"subscribedTopicRegex\":\"foo.*\",\"rebalanceTimeoutMs\":60000,"
              "\"serverAssignor\":null,\"classicMemberMetadata\":null}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":1,"
              "\"previousMemberEpoch\":0,\"state\":0,\"assignedPartitions\":[],"
              "\"partitionsPendingRevocation\":[]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":1,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[]}}\n"
              "record {\"groupId\":\"g\",\"regularExpression\":\"foo.*\"} {\"topics\":[\"foo\","
              "\"foobar\"],\"version\":2,\"timestamp\":1700000000000}\n"
              "record {\"groupId\":\"g\"} {\"epoch\":2,\"metadataHash\":-3352883433941748070}\n");
}

static void a_second_member_has_it(void)
{
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 1});
    /* Known already: it counts at once. */
    consumer_kit_join(&kit, (struct beat){.member = "B", .pattern = "foo.*"});
    coord_kit_expect(
        &kit, "> A\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"topicPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0]},{"
              "\"topicId\":\"AgICAgICAgICAgICAgICAg\",\"partitions\":[0]}]}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":2,"
              "\"assignmentTimestamp\":1700000000001}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"memberEpoch\":2,"
              "\"previousMemberEpoch\":1,\"state\":0,\"assignedPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0],\"assignmentEpochs\":[2]},"
              "{\"topicId\":\"AgICAgICAgICAgICAgICAg\",\"partitions\":[0],"
              "\"assignmentEpochs\":[2]}],\"partitionsPendingRevocation\":[]}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":2,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0]},{"
              "\"topicId\":\"AgICAgICAgICAgICAgICAg\",\"partitions\":[0]}]}}\n"
              "> B\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"instanceId\":null,\"rackId\":null,"
              "\"clientId\":\"client\",\"clientHost\":\"/127.0.0.1\",\"subscribedTopicNames\":[],"
              "\"subscribedTopicRegex\":\"foo.*\",\"rebalanceTimeoutMs\":60000,"
              "\"serverAssignor\":null,\"classicMemberMetadata\":null}\n"
              "record {\"groupId\":\"g\"} {\"epoch\":3,\"metadataHash\":-3352883433941748070}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"topicPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0]}]}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"topicPartitions\":[{"
              "\"topicId\":\"AgICAgICAgICAgICAgICAg\",\"partitions\":[0]}]}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":3,"
              "\"assignmentTimestamp\":1700000000001}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"memberEpoch\":3,"
              "\"previousMemberEpoch\":0,\"state\":2,\"assignedPartitions\":[],"
              "\"partitionsPendingRevocation\":[]}\n"
              "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"B\",\"memberEpoch\":3,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[]}}\n");
}

static void patterns_are_matched_beside_the_heartbeats(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, at_once);
    a_pattern_is_matched();
    a_second_member_has_it();
    /* A new topic is looked for when a member beats, not within 10 s of the last time. */
    consumer_kit_topic(&kit, "fooo", 4, 1);
    consumer_kit_beat(&kit, &(struct beat){.member = "B", .epoch = 3});
    coord_kit_pass(&kit, 10001);
    coord_kit_expect(&kit, "> B\n"
                           "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"memberEpoch\":3,"
                           "\"previousMemberEpoch\":3,\"state\":2,\"assignedPartitions\":[],"
                           "\"partitionsPendingRevocation\":[]}\n"
                           "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
                           "\"memberId\":\"B\",\"memberEpoch\":3,\"heartbeatIntervalMs\":5000,"
                           "\"assignment\":null}\n");
    consumer_kit_beat(&kit, &(struct beat){.member = "B", .epoch = 3});
    coord_kit_pass(&kit, 1);
    coord_kit_expect(
        &kit, "> B\n"
              "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"B\",\"memberEpoch\":3,\"heartbeatIntervalMs\":5000,"
              "\"assignment\":null}\n"
              "record {\"groupId\":\"g\",\"regularExpression\":\"foo.*\"} {\"topics\":[\"foo\","
              "\"foobar\",\"fooo\"],\"version\":3,\"timestamp\":1700000010002}\n"
              "record {\"groupId\":\"g\"} {\"epoch\":4,\"metadataHash\":-5338062260165993835}\n");
    coord_kit_fini(&kit);
}

static void patterns_go_with_their_members(void **state)
{
    (void)state;
    consumer_kit_begin(&kit, at_once);
    consumer_kit_topic(&kit, "foo", 1, 1);
    consumer_kit_topic(&kit, "bar", 3, 1);
    consumer_kit_join(&kit, (struct beat){.member = "A", .pattern = "foo.*"});
    coord_kit_pass(&kit, 1);
    consumer_kit_join(&kit, (struct beat){.member = "B", .pattern = "foo.*"});
    coord_kit_skip(&kit);
    consumer_kit_beat(&kit,
                      &(struct beat){.member = "B", .epoch = 3, .pattern = "", .topics = "bar"});
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = -1});
    coord_kit_expect(
        &kit, "> B\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"instanceId\":null,\"rackId\":null,"
              "\"clientId\":\"client\",\"clientHost\":\"/127.0.0.1\","
              "\"subscribedTopicNames\":[\"bar\"],\"subscribedTopicRegex\":\"\","
              "\"rebalanceTimeoutMs\":60000,\"serverAssignor\":null,"
              "\"classicMemberMetadata\":null}\n"
              "record {\"groupId\":\"g\"} {\"epoch\":4,\"metadataHash\":-3971259126701809641}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} {\"topicPartitions\":[{"
              "\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"partitions\":[0]}]}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"topicPartitions\":[{"
              "\"topicId\":\"AwMDAwMDAwMDAwMDAwMDAw\",\"partitions\":[0]}]}\n"
              "record {\"groupId\":\"g\"} {\"assignmentEpoch\":4,"
              "\"assignmentTimestamp\":1700000000001}\n"
              "record {\"groupId\":\"g\",\"memberId\":\"B\"} {\"memberEpoch\":3,"
              "\"previousMemberEpoch\":3,\"state\":1,\"assignedPartitions\":[],"
              "\"partitionsPendingRevocation\":[{\"topicId\":\"AQEBAQEBAQEBAQEBAQEBAQ\","
              "\"partitions\":[0],\"assignmentEpochs\":[3]}]}\n"
              "< B: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"B\",\"memberEpoch\":3,\"heartbeatIntervalMs\":5000,\"assignment\":{"
              "\"topicPartitions\":[]}}\n"
              "> A\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"memberId\":\"A\"} null\n"
              "record {\"groupId\":\"g\",\"regularExpression\":\"foo.*\"} null\n"
              "record {\"groupId\":\"g\"} {\"epoch\":5,\"metadataHash\":6374746779608855859}\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":-1,\"heartbeatIntervalMs\":0,"
              "\"assignment\":null}\n");
    coord_kit_fini(&kit);
}

static void patterns_are_matched_again_after_a_while(void **state)
{
    (void)state;
    consumer_kit_begin(
        &kit, (const char *const[]){"group.consumer.regex.refresh.interval.ms=20000", NULL});
    consumer_kit_topic(&kit, "foo", 1, 1);
    consumer_kit_join(&kit, (struct beat){.member = "A", .pattern = "foo"});
    coord_kit_pass(&kit, 20001);
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 1});
    coord_kit_skip(&kit);
    coord_kit_restart(&kit);
    coord_kit_pass(&kit, 1);
    coord_kit_expect(&kit, "-- restart\n");
    consumer_kit_beat(&kit, &(struct beat){.member = "A", .epoch = 2});
    coord_kit_pass(&kit, 1);
    coord_kit_expect(
        &kit, "> A\n"
              "< A: NONE {\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
              "\"memberId\":\"A\",\"memberEpoch\":2,\"heartbeatIntervalMs\":5000,"
              "\"assignment\":null}\n"
              "record {\"groupId\":\"g\",\"regularExpression\":\"foo\"} {\"topics\":[\"foo\"],"
              "\"version\":0,\"timestamp\":1700000020002}\n");
    coord_kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_members_hand_partitions_over),
        cmocka_unit_test(the_slow_and_the_silent_are_put_out),
        cmocka_unit_test(old_epochs_are_fenced),
        cmocka_unit_test(a_static_member_comes_back_as_another),
        cmocka_unit_test(topics_come_grow_and_go),
        cmocka_unit_test(a_restart_in_the_middle_is_not_noticed),
        cmocka_unit_test(assignments_wait_for_their_interval),
        cmocka_unit_test(most_members_choose_the_assignor),
        cmocka_unit_test(a_group_has_room_for_so_many),
        cmocka_unit_test(patterns_are_matched_beside_the_heartbeats),
        cmocka_unit_test(patterns_go_with_their_members),
        cmocka_unit_test(patterns_are_matched_again_after_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
