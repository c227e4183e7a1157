// Consumers that share topics: the same stories for the classic protocol and for that of KIP-848, and groups that go
// from one to the other.

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;

final class Groups {
    private static final String STICKY = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
    private final String protocol;

    Groups(String protocol) {
        this.protocol = protocol;
    }

    private void part(String what, Kit.Part part) {
        Kit.part(protocol + ": " + what, part);
    }

    private String name(String what) {
        return protocol + "-" + what;
    }

    private Members members(String what) {
        return new Members(name(what), protocol);
    }

    static ConsumerGroupDescription told(String group) throws Exception {
        return Kit.admin.describeConsumerGroups(List.of(group)).all().get().get(group);
    }

    private void share(String what, int partitions, String... settings) throws Exception {
        String topic = name(what);
        Kit.topic(topic, partitions);
        Kit.fill(topic, partitions, 10);
        try (Members members = members(what)) {
            KafkaConsumer<String, String> first = members.join(topic, settings);
            members.untilShares(6);
            KafkaConsumer<String, String> second = members.join(topic, settings);
            members.untilShares(3, 3);
            members.join(topic, settings);
            members.untilShares(2, 2, 2);
            members.untilRead(60);
            Kit.fill(topic, partitions, 10);
            members.leave(second);
            members.untilShares(3, 3);
            members.untilRead(120);
            members.lose(first);
            Kit.fill(topic, partitions, 10);
            members.untilShares(6);
            members.untilRead(180);
        }
        Kit.equal("committed", Set.copyOf(Kit.committed(name(what)).values()), Set.of(30L));
    }

    private void sharing() {
        part("three members share, one leaves, one is lost", () -> share("shared", 6));
        if (protocol.equals("classic")) {
            part("the same, cooperatively", () -> share("sticky", 6,
                ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG, STICKY));
        } else {
            part("the same, by range", () -> share("range", 6, "group.remote.assignor", "range"));
        }
        part("partitions that are added are assigned", () -> {
            Kit.topic(name("grown"), 2);
            try (Members members = members("grown")) {
                members.join(name("grown"));
                members.join(name("grown"));
                members.untilShares(1, 1);
                Kit.admin.createPartitions(Map.of(name("grown"), NewPartitions.increaseTo(4))).all().get();
                members.untilShares(2, 2);
            }
        });
    }

    private void statics() {
        String topic = name("static");
        part("a static member comes back to what it had, unnoticed", () -> {
            Kit.topic(topic, 4);
            try (Members members = members("static")) {
                KafkaConsumer<String, String> one = members.join(topic, "group.instance.id", "one");
                KafkaConsumer<String, String> two = members.join(topic, "group.instance.id", "two");
                members.untilShares(2, 2);
                Set<TopicPartition> had = one.assignment();
                int before = two.groupMetadata().generationId();
                members.leave(one);
                members.untilShares(2);
                KafkaConsumer<String, String> again = members.join(topic, "group.instance.id", "one");
                members.untilShares(2, 2);
                Kit.equal("assignment", again.assignment(), had);
                Kit.equal("generation", two.groupMetadata().generationId(), before);
                Kit.equal("instances", told(name("static")).members().stream()
                    .map(MemberDescription::groupInstanceId).collect(Collectors.toSet()),
                    Set.of(Optional.of("one"), Optional.of("two")));
                twice(members, again, topic);
            }
        });
    }

    // Two of one instance: the classic protocol fences the older one, the other refuses the newer one.
    private void twice(Members members, KafkaConsumer<String, String> older, String topic) throws Exception {
        boolean classic = protocol.equals("classic");
        try (KafkaConsumer<String, String> newer = members.make("group.instance.id", "one")) {
            newer.subscribe(List.of(topic));
            KafkaConsumer<String, String> loser = classic ? older : newer;
            members.all.remove(older);
            Class<?> refusal = Kit.refusal(() -> {
                for (long end = System.currentTimeMillis() + Kit.WAIT_MS; System.currentTimeMillis() < end;) {
                    (loser == older ? newer : older).poll(Duration.ofMillis(20));
                    members.poll();
                    loser.poll(Duration.ofMillis(20));
                }
                return "both are served";
            });
            Kit.equal("refusal", refusal,
                classic ? FencedInstanceIdException.class : UnreleasedInstanceIdException.class);
        } finally {
            older.close();
        }
    }

    void patterns() {
        part("a pattern of topics, one of them made later", () -> {
            Kit.topic(name("pattern-a"), 2);
            Kit.topic(name("pattern-b"), 1);
            Kit.topic(name("pat"), 1);
            try (Members members = members("pattern")) {
                members.joinPattern(name("pattern-") + "[a-c]");
                members.joinPattern(name("pattern-") + ".*");
                members.until("all but one", () -> members.shares().stream()
                    .mapToInt(each -> each).sum() == 3);
                Kit.topic(name("pattern-c"), 3);
                members.until("all six", () -> members.shares().stream().mapToInt(each -> each).sum() == 6);
            }
        });
        if (protocol.equals("consumer")) {
            part("a pattern that is none", () -> {
                try (KafkaConsumer<String, String> bad = members("bad-pattern").joinPattern("[")) {
                    Kit.equal("refusal", Kit.refusal(() -> {
                        for (int times = 0; times < 1000; times++) {
                            bad.poll(Duration.ofMillis(50));
                        }
                        return "it is served";
                    }), InvalidRegularExpression.class);
                }
            });
        }
    }

    private void commits() {
        String topic = name("commits");
        part("commits with metadata and epochs, of a member and of none", () -> {
            Kit.topic(topic, 2);
            Kit.fill(topic, 2, 10);
            OffsetAndMetadata told = new OffsetAndMetadata(7, Optional.of(0), "where I was");
            try (KafkaConsumer<String, String> alone = members("simple").make()) {
                alone.assign(List.of(Kit.at(topic, 0), Kit.at(topic, 1)));
                alone.commitSync(Map.of(Kit.at(topic, 0), told));
                alone.commitAsync(Map.of(Kit.at(topic, 1), new OffsetAndMetadata(3)), null);
                alone.commitSync(Map.of());
                Kit.equal("committed", alone.committed(Set.of(Kit.at(topic, 0))), Map.of(Kit.at(topic, 0), told));
                Kit.until("the later one", () -> Kit.committed(name("simple")).equals(
                    Map.of(topic + "-0", 7L, topic + "-1", 3L)));
            }
            try (Members members = members("simple")) {
                members.join(topic);
                members.untilRead(10);
                Kit.equal("first", members.seen.containsKey(topic + "-0@7"), true);
                Kit.equal("before it", members.seen.containsKey(topic + "-0@6"), false);
            }
        });
        part("who is no member commits nothing where members are", () -> {
            try (Members members = members("taken")) {
                members.join(topic);
                members.untilShares(2);
                try (KafkaConsumer<String, String> other = members.make()) {
                    other.assign(List.of(Kit.at(topic, 0)));
                    Kit.equal("refusal", Kit.refusal(() -> {
                        other.commitSync(Kit.offsets(topic, 1));
                        return "committed";
                    }), CommitFailedException.class);
                }
            }
        });
        part("commits by themselves, and no offset to begin at", () -> {
            try (Members members = members("auto")) {
                try (KafkaConsumer<String, String> member = members.make("enable.auto.commit", "true")) {
                    member.subscribe(List.of(topic));
                    int[] got = {0};
                    Kit.until("all", () -> (got[0] += member.poll(Duration.ofMillis(50)).count()) == 20);
                }
                Kit.equal("committed", Kit.committed(name("auto")), Map.of(topic + "-0", 10L, topic + "-1", 10L));
            }
            try (KafkaConsumer<String, String> none = members("none").make("auto.offset.reset", "none")) {
                none.assign(List.of(Kit.at(topic, 0)));
                Kit.equal("refusal", Kit.refusal(() -> none.poll(Duration.ofSeconds(30))),
                    NoOffsetForPartitionException.class);
            }
        });
    }

    void run() {
        sharing();
        statics();
        commits();
    }

    // ---- from one protocol to the other ----

    static void migrate() {
        Kit.part("a group goes from classic to consumer and back, member by member", () -> {
            Kit.topic("migrated", 4);
            Kit.fill("migrated", 4, 10);
            Members members = new Members("migrated", "classic");
            Members later = new Members("migrated", "consumer");
            try (members; later) {
                KafkaConsumer<String, String> old = members.join("migrated");
                members.untilRead(40);
                Kit.equal("type", told("migrated").type(), GroupType.CLASSIC);
                KafkaConsumer<String, String> next = later.make();
                next.subscribe(List.of("migrated"));
                members.all.add(next);
                members.untilShares(2, 2);
                Kit.equal("type", told("migrated").type(), GroupType.CONSUMER);
                Kit.equal("upgraded", told("migrated").members().stream()
                    .map(each -> each.upgraded().get()).sorted().collect(Collectors.toList()),
                    List.of(false, true));
                members.leave(old);
                members.untilShares(4);
                KafkaConsumer<String, String> back = members.join("migrated");
                members.untilShares(2, 2);
                members.leave(next);
                members.untilShares(4);
                Kit.equal("type", told("migrated").type(), GroupType.CLASSIC);
                Kit.fill("migrated", 4, 10);
                members.untilRead(80);
                Kit.equal("members", back.assignment().size(), 4);
            }
            Kit.until("nobody is left", () -> told("migrated").groupState() == GroupState.EMPTY);
        });
    }
}
