// Groups as an operator sees and changes them: Kafka's Admin client.

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ClassicGroupDescription;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.ClassicGroupState;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

final class GroupAdmin {
    private static final String TOPIC = "admin-topic";

    private GroupAdmin() {}

    private static Set<String> listed(ListGroupsOptions options) throws Exception {
        return Kit.admin.listGroups(options).all().get().stream().map(GroupListing::groupId)
            .filter(each -> each.startsWith("admin-")).collect(Collectors.toCollection(TreeSet::new));
    }

    private static void alter(String group, Map<TopicPartition, OffsetAndMetadata> offsets) throws Exception {
        Kit.admin.alterConsumerGroupOffsets(group, offsets).all().get();
    }

    private static void lists() {
        Kit.part("admin: lists groups by type, state and protocol", () -> {
            Set<String> classic = Set.of("admin-classic", "admin-simple");
            Set<String> live = Set.of("admin-classic", "admin-consumer");
            Kit.equal("all", listed(new ListGroupsOptions()),
                Set.of("admin-classic", "admin-consumer", "admin-simple"));
            Kit.equal("classic", listed(new ListGroupsOptions().withTypes(Set.of(GroupType.CLASSIC))), classic);
            Kit.equal("consumer", listed(new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER))),
                Set.of("admin-consumer"));
            Kit.equal("stable", listed(new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE))), live);
            Kit.equal("empty", listed(new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY))),
                Set.of("admin-simple"));
            Kit.equal("protocol", listed(new ListGroupsOptions().withProtocolTypes(Set.of("consumer"))), live);
            Kit.equal("no protocol", listed(new ListGroupsOptions().withProtocolTypes(Set.of(""))),
                Set.of("admin-simple"));
            Kit.equal("for consumers", listed(ListGroupsOptions.forConsumerGroups()),
                Set.of("admin-classic", "admin-consumer", "admin-simple"));
        });
    }

    private static void compare(ConsumerGroupDescription told, GroupType type) {
        Kit.equal("type", told.type(), type);
        Kit.equal("state", told.groupState(), GroupState.STABLE);
        Kit.equal("coordinator", told.coordinator().id(), 1);
        Kit.equal("members", told.members().size(), 1);
        MemberDescription member = told.members().iterator().next();
        Kit.equal("client", member.clientId(), "an-" + type);
        Kit.equal("host", member.host(), "/127.0.0.1");
        Kit.equal("assigned", member.assignment().topicPartitions(),
            Set.of(Kit.at(TOPIC, 0), Kit.at(TOPIC, 1)));
    }

    private static void describes() {
        Kit.part("admin: describes groups", () -> {
            Map<String, ConsumerGroupDescription> told = Kit.admin.describeConsumerGroups(
                List.of("admin-classic", "admin-consumer", "admin-simple")).all().get();
            compare(told.get("admin-classic"), GroupType.CLASSIC);
            Kit.equal("assignor", told.get("admin-classic").partitionAssignor(), "range");
            Kit.equal("epoch", told.get("admin-classic").groupEpoch(), Optional.empty());
            compare(told.get("admin-consumer"), GroupType.CONSUMER);
            Kit.equal("assignor", told.get("admin-consumer").partitionAssignor(), "uniform");
            ConsumerGroupDescription consumer = told.get("admin-consumer");
            Kit.equal("epochs", consumer.groupEpoch(), consumer.targetAssignmentEpoch());
            MemberDescription member = consumer.members().iterator().next();
            Kit.equal("target", member.targetAssignment().get(), member.assignment());
            Kit.equal("member's epoch", member.memberEpoch(), consumer.groupEpoch());
            Kit.equal("simple", told.get("admin-simple").isSimpleConsumerGroup(), true);
            Kit.equal("none", Kit.refusal(() -> Groups.told("admin-none")), GroupIdNotFoundException.class);
            ClassicGroupDescription classic = Kit.admin.describeClassicGroups(List.of("admin-classic"))
                .all().get().get("admin-classic");
            Kit.equal("protocol", classic.protocol(), "consumer");
            Kit.equal("state", classic.state(), ClassicGroupState.STABLE);
        });
    }

    private static void offsets() {
        Kit.part("admin: alters and lists offsets of groups without members", () -> {
            OffsetAndMetadata told = new OffsetAndMetadata(5, Optional.of(0), "of an operator");
            alter("admin-altered", Map.of(Kit.at(TOPIC, 0), told, Kit.at(TOPIC, 1), new OffsetAndMetadata(2)));
            Map<String, Map<TopicPartition, OffsetAndMetadata>> found = Kit.admin.listConsumerGroupOffsets(Map.of(
                "admin-altered", new ListConsumerGroupOffsetsSpec(),
                "admin-none", new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(Kit.at(TOPIC, 0)))))
                .all().get();
            Kit.equal("offset", found.get("admin-altered").get(Kit.at(TOPIC, 0)), told);
            Kit.equal("of none", found.get("admin-none").get(Kit.at(TOPIC, 0)), null);
            Kit.equal("where members are", Kit.refusal(() -> Kit.admin.alterConsumerGroupOffsets("admin-classic",
                Kit.offsets(TOPIC, 1)).all().get()), UnknownMemberIdException.class);
            Kit.equal("where members are", Kit.refusal(() -> Kit.admin.alterConsumerGroupOffsets("admin-consumer",
                Kit.offsets(TOPIC, 1)).all().get()), UnknownMemberIdException.class);
            Kit.equal("of no topic", Kit.refusal(() -> Kit.admin.alterConsumerGroupOffsets("admin-altered",
                Map.of(Kit.at("admin-no-topic", 0), told)).partitionResult(Kit.at("admin-no-topic", 0)).get()),
                UnknownTopicOrPartitionException.class);
        });
        Kit.part("admin: deletes offsets", () -> {
            Kit.admin.deleteConsumerGroupOffsets("admin-altered", Set.of(Kit.at(TOPIC, 0))).all().get();
            Kit.equal("left", Kit.committed("admin-altered"), Map.of(TOPIC + "-1", 2L));
            for (String live : List.of("admin-classic", "admin-consumer")) {
                Kit.equal("subscribed", Kit.refusal(() -> Kit.admin.deleteConsumerGroupOffsets(live,
                    Set.of(Kit.at(TOPIC, 0))).partitionResult(Kit.at(TOPIC, 0)).get()),
                    GroupSubscribedToTopicException.class);
            }
            Kit.equal("of none", Kit.refusal(() -> Kit.admin.deleteConsumerGroupOffsets("admin-none",
                Set.of(Kit.at(TOPIC, 0))).all().get()), GroupIdNotFoundException.class);
        });
        Kit.part("admin: offsets of a deleted topic go with it", () -> {
            Kit.topic("admin-deleted", 1);
            alter("admin-altered", Kit.offsets("admin-deleted", 0));
            Kit.admin.deleteTopics(List.of("admin-deleted")).all().get();
            Kit.until("they go", () -> Kit.committed("admin-altered").equals(Map.of(TOPIC + "-1", 2L)));
        });
    }

    private static void deletes(Members... live) {
        Kit.part("admin: deletes groups", () -> {
            Map<String, org.apache.kafka.common.KafkaFuture<Void>> done = Kit.admin.deleteConsumerGroups(
                List.of("admin-altered", "admin-classic", "admin-consumer", "admin-none")).deletedGroups();
            done.get("admin-altered").get();
            for (String taken : List.of("admin-classic", "admin-consumer")) {
                Kit.equal(taken, Kit.refusal(() -> done.get(taken).get()), GroupNotEmptyException.class);
            }
            Kit.equal("none", Kit.refusal(() -> done.get("admin-none").get()), GroupIdNotFoundException.class);
            Kit.equal("listed", listed(new ListGroupsOptions()).contains("admin-altered"), false);
            Kit.equal("offsets", Kit.committed("admin-altered"), Map.of());
        });
        Kit.part("admin: deletes groups whose members have left", () -> {
            for (Members each : live) {
                each.close();
                Kit.admin.deleteConsumerGroups(List.of(each.group)).all().get();
            }
            Kit.equal("listed", listed(new ListGroupsOptions()), Set.of("admin-simple"));
        });
    }

    private static void removes() {
        Kit.part("admin: removes members", () -> {
            try (Members members = new Members("admin-removed", "classic")) {
                KafkaConsumer<String, String> one = members.join(TOPIC, "group.instance.id", "one");
                members.join(TOPIC, "group.instance.id", "two");
                members.untilShares(1, 1);
                members.lose(one);
                Kit.admin.removeMembersFromConsumerGroup("admin-removed",
                    new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("one")))).all().get();
                members.untilShares(2);
                Kit.equal("unknown", Kit.refusal(() -> Kit.admin.removeMembersFromConsumerGroup("admin-removed",
                    new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("one")))).all().get()),
                    UnknownMemberIdException.class);
                Kit.admin.removeMembersFromConsumerGroup("admin-removed",
                    new RemoveMembersFromConsumerGroupOptions()).all().get();
                Kit.equal("state", Groups.told("admin-removed").groupState(), GroupState.EMPTY);
            }
        });
    }

    private static void configs() {
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, "admin-configured");
        Kit.part("admin: configurations of a group", () -> {
            Kit.admin.incrementalAlterConfigs(Map.of(group, List.of(new AlterConfigOp(
                new ConfigEntry("consumer.heartbeat.interval.ms", "300"), AlterConfigOp.OpType.SET)))).all().get();
            Kit.until("it is set", () -> Kit.admin.describeConfigs(List.of(group)).all().get().get(group)
                .get("consumer.heartbeat.interval.ms").value().equals("300"));
            try {
                Kit.admin.incrementalAlterConfigs(Map.of(group, List.of(new AlterConfigOp(
                    new ConfigEntry("consumer.session.timeout.ms", "1"), AlterConfigOp.OpType.SET)))).all().get();
                throw new IllegalStateException("a session of 1 ms was taken");
            } catch (ExecutionException error) {
                Kit.equal("refusal", error.getCause().getClass(), InvalidConfigurationException.class);
            }
        });
    }

    static void run() {
        Members classic = new Members("admin-classic", "classic");
        Members consumer = new Members("admin-consumer", "consumer");
        try (classic; consumer) {
            Kit.part("admin: groups to look at", () -> {
                Kit.topic(TOPIC, 2);
                Kit.fill(TOPIC, 2, 10);
                classic.join(TOPIC, "client.id", "an-" + GroupType.CLASSIC);
                consumer.join(TOPIC, "client.id", "an-" + GroupType.CONSUMER);
                classic.untilRead(20);
                consumer.untilRead(20);
                alter("admin-simple", Kit.offsets(TOPIC, 1, 1));
            });
            lists();
            describes();
            offsets();
            deletes(classic, consumer);
        }
        removes();
        configs();
    }
}
