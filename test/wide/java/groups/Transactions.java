// Transactions of Kafka's Java producer: what is committed, what is taken back, and who is fenced.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsOptions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;

final class Transactions {
    private Transactions() {}

    static KafkaProducer<String, String> producer(String id, String... settings) {
        String[] both = new String[settings.length + 2];
        System.arraycopy(settings, 0, both, 2, settings.length);
        both[0] = "transactional.id";
        both[1] = id;
        KafkaProducer<String, String> made = Kit.producer(both);
        made.initTransactions();
        return made;
    }

    static void send(KafkaProducer<String, String> producer, String topic, int partition, String... values)
        throws Exception {
        for (String value : values) {
            producer.send(new ProducerRecord<>(topic, partition, null, value));
        }
        producer.flush();
    }

    private static void commitsAndAborts() throws Exception {
        Kit.topic("t-plain", 2);
        try (KafkaProducer<String, String> producer = producer("t-plain")) {
            for (int turn = 0; turn < 6; turn++) {
                producer.beginTransaction();
                send(producer, "t-plain", 0, "a" + turn, "b" + turn);
                send(producer, "t-plain", 1, "c" + turn);
                if (turn % 3 == 1) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
        Kit.equal("committed", Kit.read("t-plain", 0, "read_committed"),
            List.of("a0", "b0", "a2", "b2", "a3", "b3", "a5", "b5"));
        Kit.equal("committed", Kit.read("t-plain", 1, "read_committed"), List.of("c0", "c2", "c3", "c5"));
        Kit.equal("all", Kit.read("t-plain", 1, "read_uncommitted"),
            List.of("c0", "c1", "c2", "c3", "c4", "c5"));
    }

    private static long end(String level) {
        TopicPartition place = Kit.at("t-open", 0);
        try (KafkaConsumer<String, String> consumer = Kit.consumer("isolation.level", level)) {
            return consumer.endOffsets(List.of(place)).get(place);
        }
    }

    // One that is open holds back what others have committed behind it.
    private static void open() throws Exception {
        Kit.topic("t-open", 1);
        TopicPartition place = Kit.at("t-open", 0);
        try (KafkaProducer<String, String> first = producer("t-open-1");
            KafkaProducer<String, String> second = producer("t-open-2");
            KafkaConsumer<String, String> reader = Kit.consumer("isolation.level", "read_committed")) {
            first.beginTransaction();
            send(first, "t-open", 0, "first");
            second.beginTransaction();
            send(second, "t-open", 0, "second");
            second.commitTransaction();
            reader.assign(List.of(place));
            Kit.equal("nothing yet", reader.poll(Duration.ofMillis(300)).count(), 0);
            Kit.equal("last stable offset", end("read_committed"), 0L);
            Kit.equal("end", end("read_uncommitted"), 3L);
            first.commitTransaction();
            List<String> values = new ArrayList<>();
            Kit.until("both", () -> {
                reader.poll(Duration.ofMillis(100)).forEach(each -> values.add(each.value()));
                return values.size() >= 2;
            });
            Kit.equal("values", values, List.of("first", "second"));
            Kit.equal("end", end("read_committed"), 4L);
        }
    }

    // Any of the errors that tell a producer that it is no longer the one.
    private static void fenced(String what, Kit.Part part) {
        try {
            part.run();
        } catch (ProducerFencedException error) {
            return;
        } catch (Exception error) {
            throw new IllegalStateException(what + " is refused otherwise", error);
        }
        throw new IllegalStateException(what + " is taken");
    }

    private static void fencing() throws Exception {
        Kit.topic("t-fenced", 1);
        try (KafkaProducer<String, String> older = producer("t-fenced")) {
            older.beginTransaction();
            send(older, "t-fenced", 0, "of the older");
            try (KafkaProducer<String, String> newer = producer("t-fenced")) {
                newer.beginTransaction();
                send(newer, "t-fenced", 0, "of the newer");
                fenced("a commit of the older", older::commitTransaction);
                newer.commitTransaction();
            }
        }
        Kit.equal("committed", Kit.read("t-fenced", 0, "read_committed"), List.of("of the newer"));
        Kit.equal("all", Kit.read("t-fenced", 0, "read_uncommitted"), List.of("of the older", "of the newer"));
    }

    private static void timeouts() throws Exception {
        Kit.topic("t-late", 1);
        try (KafkaProducer<String, String> refused = producer("t-long", "transaction.timeout.ms", "900001")) {
            throw new IllegalStateException("a timeout longer than allowed is taken");
        } catch (KafkaException error) {
            Kit.equal("refused for the timeout: " + error, error.getMessage().contains(
                "transaction timeout is larger than the maximum"), true);
        }
        try (KafkaProducer<String, String> late = producer("t-late", "transaction.timeout.ms", "1000")) {
            late.beginTransaction();
            send(late, "t-late", 0, "late");
            try (KafkaConsumer<String, String> reader = Kit.consumer("isolation.level", "read_committed")) {
                TopicPartition place = Kit.at("t-late", 0);
                Kit.until("it is aborted", () -> reader.endOffsets(List.of(place)).get(place) == 2);
            }
            try {
                late.commitTransaction();
                throw new IllegalStateException("a late commit is taken");
            } catch (ApiException expected) {
                late.close(Duration.ZERO);
            }
        }
        try (KafkaProducer<String, String> again = producer("t-late")) {
            again.beginTransaction();
            send(again, "t-late", 0, "again");
            again.commitTransaction();
        }
        Kit.equal("committed", Kit.read("t-late", 0, "read_committed"), List.of("again"));
    }

    // ---- consume, transform, produce ----

    // What one poll brought goes on, with the offsets, in a transaction; returns how much it was.
    private static int copy(KafkaConsumer<String, String> from, KafkaProducer<String, String> to, String topic,
        boolean commit) throws Exception {
        ConsumerRecords<String, String> some = from.poll(Duration.ofMillis(100));
        if (some.isEmpty()) {
            return 0;
        }
        to.beginTransaction();
        some.forEach(each -> to.send(new ProducerRecord<>(topic, each.partition(), null, "copy of " + each.value())));
        to.sendOffsetsToTransaction(some.nextOffsets(), from.groupMetadata());
        if (commit) {
            to.commitTransaction();
        } else {
            to.abortTransaction();
        }
        return some.count();
    }

    private static void copies(String protocol) throws Exception {
        String from = "t-from-" + protocol;
        String to = "t-to-" + protocol;
        Kit.topic(from, 2);
        Kit.topic(to, 2);
        Kit.fill(from, 2, 100);
        Members members = new Members(from, protocol);
        try (members; KafkaProducer<String, String> producer = producer("t-copy-" + protocol)) {
            try (KafkaConsumer<String, String> aborting = members.make("max.poll.records", "30")) {
                aborting.subscribe(List.of(from));
                Kit.until("some", () -> copy(aborting, producer, to, false) > 0);
            }
            Kit.equal("nothing is committed", Kit.committed(from), Map.of());
            try (KafkaConsumer<String, String> consumer = members.make("max.poll.records", "30")) {
                consumer.subscribe(List.of(from));
                int[] copied = {0};
                Kit.until("all", () -> (copied[0] += copy(consumer, producer, to, true)) >= 200);
                stale(members, consumer, producer);
            }
        }
        Kit.equal("committed", Kit.committed(from), Map.of(from + "-0", 100L, from + "-1", 100L));
        List<String> wanted = IntStream.range(0, 100).mapToObj(each -> "copy of " + each).collect(Collectors.toList());
        for (int partition = 0; partition < 2; partition++) {
            Kit.equal("copies", Kit.read(to, partition, "read_committed"), wanted);
        }
    }

    // A member of before a rebalance commits nothing.
    private static void stale(Members members, KafkaConsumer<String, String> consumer,
        KafkaProducer<String, String> producer) throws Exception {
        String from = members.group;
        ConsumerGroupMetadata old = consumer.groupMetadata();
        ConsumerGroupMetadata never = new ConsumerGroupMetadata(from, old.generationId() + 100, old.memberId(),
            old.groupInstanceId());
        ConsumerGroupMetadata nobody = new ConsumerGroupMetadata(from, old.generationId(), "nobody",
            old.groupInstanceId());
        for (ConsumerGroupMetadata bad : List.of(never, nobody)) {
            producer.beginTransaction();
            Kit.equal("refusal", Kit.refusal(() -> {
                producer.sendOffsetsToTransaction(Kit.offsets(from, 1, 1), bad);
                return "taken";
            }), CommitFailedException.class);
            producer.abortTransaction();
        }
    }

    private static void pending() throws Exception {
        Kit.topic("t-pending", 1);
        Kit.admin.alterConsumerGroupOffsets("t-pending", Kit.offsets("t-pending", 5)).all().get();
        try (KafkaProducer<String, String> producer = producer("t-pending")) {
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(Kit.at("t-pending", 0), new OffsetAndMetadata(9, "pending")),
                new ConsumerGroupMetadata("t-pending"));
            Kit.equal("while it is pending", Kit.committed("t-pending"), Map.of("t-pending-0", 5L));
            try (KafkaConsumer<String, String> reader = Kit.consumer("group.id", "t-pending", "isolation.level",
                "read_committed")) {
                Kit.equal("where it must be stable", Kit.refusal(() -> reader.committed(
                    Set.of(Kit.at("t-pending", 0)), Duration.ofMillis(500))), TimeoutException.class);
            }
            producer.commitTransaction();
            Kit.until("committed", () -> Kit.committed("t-pending").equals(Map.of("t-pending-0", 9L)));
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Kit.offsets("t-pending", 12), new ConsumerGroupMetadata("t-pending"));
            producer.abortTransaction();
            Kit.equal("stable again", Kit.admin.listConsumerGroupOffsets("t-pending",
                new ListConsumerGroupOffsetsOptions().requireStable(true)).partitionsToOffsetAndMetadata().get()
                .get(Kit.at("t-pending", 0)), new OffsetAndMetadata(9, "pending"));
        }
    }

    // Producers of many transactions over the same partitions at the same time: each reader sees whole ones only.
    private static void many() throws Exception {
        Kit.topic("t-many", 3);
        List<Thread> threads = new ArrayList<>();
        List<Throwable> wrong = Collections.synchronizedList(new ArrayList<>());
        for (int index = 0; index < 4; index++) {
            String id = "t-many-" + index;
            threads.add(new Thread(() -> {
                try (KafkaProducer<String, String> producer = producer(id)) {
                    for (int turn = 0; turn < 50; turn++) {
                        producer.beginTransaction();
                        for (int partition = 0; partition < 3; partition++) {
                            producer.send(new ProducerRecord<>("t-many", partition, id, String.valueOf(turn)));
                        }
                        if (turn % 5 == 4) {
                            producer.abortTransaction();
                        } else {
                            producer.commitTransaction();
                        }
                    }
                } catch (Throwable error) {
                    wrong.add(error);
                }
            }));
        }
        threads.forEach(Thread::start);
        for (Thread each : threads) {
            each.join();
        }
        Kit.equal("errors", wrong, List.of());
        List<String> wanted = IntStream.range(0, 50).filter(turn -> turn % 5 != 4).boxed()
            .flatMap(turn -> Collections.nCopies(4, String.valueOf(turn)).stream()).sorted()
            .collect(Collectors.toList());
        for (int partition = 0; partition < 3; partition++) {
            List<String> found = Kit.read("t-many", partition, "read_committed");
            Collections.sort(found);
            Kit.equal("values", found, wanted);
        }
    }

    static void run() {
        Kit.part("transactions: commits and aborts", Transactions::commitsAndAborts);
        Kit.part("transactions: an open one holds back", Transactions::open);
        Kit.part("transactions: the older producer of an id is fenced", Transactions::fencing);
        Kit.part("transactions: one that takes too long", Transactions::timeouts);
        Kit.part("transactions: copies with offsets, classic", () -> copies("classic"));
        Kit.part("transactions: copies with offsets, consumer", () -> copies("consumer"));
        Kit.part("transactions: pending offsets", Transactions::pending);
        Kit.part("transactions: many at the same time", Transactions::many);
    }
}
