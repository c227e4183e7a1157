// The members of one group, polled in turn by one thread. What they read is counted by place, and committed at once,
// so that nothing is to come twice however often the group is rebalanced.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;

final class Members implements AutoCloseable {
    final String group;
    final String protocol;
    final List<KafkaConsumer<String, String>> all = new ArrayList<>();
    final Map<String, Integer> seen = new TreeMap<>();
    private final Set<KafkaConsumer<String, String>> uncommitted = new HashSet<>();

    Members(String group, String protocol) {
        this.group = group;
        this.protocol = protocol;
    }

    KafkaConsumer<String, String> make(String... settings) {
        String[] both = new String[settings.length + 4];
        System.arraycopy(new String[] {"group.id", group, "group.protocol", protocol}, 0, both, 0, 4);
        System.arraycopy(settings, 0, both, 4, settings.length);
        return Kit.consumer(both);
    }

    KafkaConsumer<String, String> join(String topic, String... settings) {
        KafkaConsumer<String, String> member = make(settings);
        member.subscribe(List.of(topic), listener(member));
        all.add(member);
        return member;
    }

    KafkaConsumer<String, String> joinPattern(String pattern) {
        KafkaConsumer<String, String> member = make();
        if (protocol.equals("consumer")) {
            member.subscribe(new SubscriptionPattern(pattern), listener(member));
        } else {
            member.subscribe(Pattern.compile(pattern), listener(member));
        }
        all.add(member);
        return member;
    }

    // What is not committed yet is so before the partition goes to another.
    private ConsumerRebalanceListener listener(KafkaConsumer<String, String> member) {
        return new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                commit(member);
            }

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}
        };
    }

    private void commit(KafkaConsumer<String, String> member) {
        if (uncommitted.contains(member)) {
            member.commitSync();
            uncommitted.remove(member);
        }
    }

    void poll() {
        for (KafkaConsumer<String, String> member : all) {
            ConsumerRecords<String, String> some = member.poll(Duration.ofMillis(20));
            some.forEach(record -> seen.merge(
                record.topic() + "-" + record.partition() + "@" + record.offset(), 1, Integer::sum));
            if (!some.isEmpty()) {
                uncommitted.add(member);
            }
            try {
                commit(member);
            } catch (RebalanceInProgressException error) {
                // Where members keep what they have while a rebalance goes on: after the next poll.
            }
        }
    }

    void until(String what, Callable<Boolean> holds) throws Exception {
        Kit.until(what, () -> {
            poll();
            return holds.call();
        });
    }

    // How many partitions each has, in order of size; only where each is somebody's and nobody shares one.
    List<Integer> shares() {
        Set<String> taken = new TreeSet<>();
        List<Integer> counts = all.stream().map(each -> each.assignment().size()).sorted()
            .collect(Collectors.toList());
        all.forEach(each -> each.assignment().forEach(place -> taken.add(place.toString())));
        return taken.size() == counts.stream().mapToInt(each -> each).sum() ? counts : List.of();
    }

    void untilShares(Integer... wanted) throws Exception {
        try {
            until("", () -> shares().equals(List.of(wanted)));
        } catch (IllegalStateException error) {
            throw new IllegalStateException(group + " has shares of " + shares() + ", not "
                + List.of(wanted), error);
        }
    }

    void untilRead(int count) throws Exception {
        until(count + " records", () -> seen.size() >= count);
        Kit.equal("records", seen.size(), count);
        Kit.equal("times that each came", Set.copyOf(seen.values()), Set.of(1));
    }

    void leave(KafkaConsumer<String, String> member) {
        all.remove(member);
        member.close();
    }

    // As one that crashes: nobody tells the broker.
    void lose(KafkaConsumer<String, String> member) {
        all.remove(member);
        member.close(CloseOptions.groupMembershipOperation(
            CloseOptions.GroupMembershipOperation.REMAIN_IN_GROUP));
    }

    @Override
    public void close() {
        all.forEach(KafkaConsumer::close);
        all.clear();
    }
}
