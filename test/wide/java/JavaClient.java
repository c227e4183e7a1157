// Kafka's Java producer, consumer and admin client themselves, against a node. Each check prints a line.
// usage: java -cp JARS JavaClient.java HOST:PORT COUNT

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class JavaClient {
    static final long FIRST_MS = 1_700_000_000_000L;
    static String address;
    static int count;
    static int passed;
    static int failed;

    interface Part {
        void run() throws Exception;
    }

    static void part(String what, Part part) {
        try {
            part.run();
            passed++;
            System.out.println("ok: " + what);
        } catch (Throwable error) {
            failed++;
            System.out.println("FAILED: " + what + ": " + error);
        }
    }

    static void equal(String what, Object found, Object wanted) {
        if (!Objects.equals(found, wanted)) {
            throw new IllegalStateException(what + " is " + found + ", not " + wanted);
        }
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] key(int number) {
        return number % 3 == 0 ? null : bytes("key-" + number);
    }

    static byte[] value(int number) {
        return number % 5 == 1 ? null : bytes(("value " + number + " ").repeat(number % 7 + 1));
    }

    static ProducerRecord<byte[], byte[]> record(String topic, int partition, int number) {
        ProducerRecord<byte[], byte[]> made =
            new ProducerRecord<>(topic, partition, FIRST_MS + number, key(number), value(number));
        if (number % 4 == 0) {
            made.headers().add("a", new byte[] {0, 1, -1}).add("null", null)
                .add("empty", new byte[0]).add("a", bytes("again"));
        }
        return made;
    }

    static void compare(ConsumerRecord<byte[], byte[]> found, int number) {
        equal("offset", found.offset(), (long) number);
        equal("timestamp", found.timestamp(), FIRST_MS + number);
        ProducerRecord<byte[], byte[]> wanted = record(found.topic(), found.partition(), number);
        if (!Arrays.equals(found.key(), wanted.key())
            || !Arrays.equals(found.value(), wanted.value())) {
            throw new IllegalStateException("record " + number + " came back otherwise");
        }
        Header[] have = found.headers().toArray();
        Header[] want = wanted.headers().toArray();
        equal("headers", have.length, want.length);
        for (int index = 0; index < have.length; index++) {
            equal("header", have[index].key(), want[index].key());
            if (!Arrays.equals(have[index].value(), want[index].value())) {
                throw new IllegalStateException("header of record " + number + " is otherwise");
            }
        }
    }

    static KafkaProducer<byte[], byte[]> producer(String... settings) {
        Properties all = new Properties();
        all.put("bootstrap.servers", address);
        all.put("linger.ms", "5");
        for (int index = 0; index < settings.length; index += 2) {
            all.put(settings[index], settings[index + 1]);
        }
        return new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(String... settings) {
        Properties all = new Properties();
        all.put("bootstrap.servers", address);
        all.put("enable.auto.commit", "false");
        all.put("auto.offset.reset", "earliest");
        for (int index = 0; index < settings.length; index += 2) {
            all.put(settings[index], settings[index + 1]);
        }
        return new KafkaConsumer<>(all, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static void produce(String topic, String... settings) throws Exception {
        AtomicReference<Exception> error = new AtomicReference<>();
        try (KafkaProducer<byte[], byte[]> producer = producer(settings)) {
            for (int number = 0; number < count; number++) {
                producer.send(record(topic, 0, number), (metadata, failure) -> {
                    if (failure != null) {
                        error.set(failure);
                    }
                });
            }
            producer.flush();
        }
        if (error.get() != null) {
            throw error.get();
        }
    }

    static void consume(String topic, String... settings) {
        TopicPartition place = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(settings)) {
            consumer.assign(List.of(place));
            consumer.seekToBeginning(List.of(place));
            for (int number = 0; number < count;) {
                ConsumerRecords<byte[], byte[]> some = consumer.poll(Duration.ofSeconds(30));
                if (some.isEmpty()) {
                    throw new IllegalStateException(number + " records, then none for 30 s");
                }
                for (ConsumerRecord<byte[], byte[]> found : some) {
                    compare(found, number++);
                }
            }
        }
    }

    static void codecs() {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            part("the Java producer and consumer with " + codec, () -> {
                String topic = "api-" + codec;
                produce(topic, "compression.type", codec);
                consume(topic);
            });
        }
        part("acks=1, not idempotent, many small batches", () -> {
            produce("api-acks1", "acks", "1", "enable.idempotence", "false", "batch.size", "512");
            consume("api-acks1", "max.partition.fetch.bytes", "1000", "fetch.max.bytes", "5000");
        });
        part("read_committed of records without transactions",
            () -> consume("api-zstd", "isolation.level", "read_committed"));
    }

    static void offsets() {
        TopicPartition place = new TopicPartition("api-gzip", 0);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("max.poll.records", "3")) {
            consumer.assign(List.of(place));
            part("beginningOffsets, endOffsets", () -> {
                equal("begin", consumer.beginningOffsets(List.of(place)), Map.of(place, 0L));
                equal("end", consumer.endOffsets(List.of(place)), Map.of(place, (long) count));
            });
            part("offsetsForTimes", () -> {
                for (int number : new int[] {0, 1, count / 2, count - 1}) {
                    OffsetAndTimestamp found =
                        consumer.offsetsForTimes(Map.of(place, FIRST_MS + number)).get(place);
                    equal("offset", found.offset(), (long) number);
                    equal("timestamp", found.timestamp(), FIRST_MS + number);
                }
                equal("before all", consumer.offsetsForTimes(Map.of(place, 0L)).get(place).offset(), 0L);
                equal("after all",
                    consumer.offsetsForTimes(Map.of(place, FIRST_MS + count)).get(place), null);
            });
            part("seek back and forth", () -> {
                for (int number : new int[] {count - 1, 0, 77, count / 2, count / 2 + 1, 5}) {
                    consumer.seek(place, number);
                    compare(consumer.poll(Duration.ofSeconds(30)).iterator().next(), number);
                }
                equal("position", consumer.position(place), 8L);
            });
            part("partitionsFor, listTopics", () -> {
                equal("leader", consumer.partitionsFor("api-gzip").get(0).leader().id(), 1);
                equal("listed", consumer.listTopics().keySet().containsAll(
                    Set.of("api-gzip", "api-none", "api-acks1")), true);
            });
            part("currentLag, pause and resume", () -> {
                consumer.seek(place, count - 2);
                consumer.pause(List.of(place));
                equal("paused", consumer.poll(Duration.ofMillis(50)).count(), 0);
                consumer.resume(List.of(place));
                int got = 0;
                while (got < 2) {
                    got += consumer.poll(Duration.ofSeconds(30)).count();
                }
                equal("lag", consumer.currentLag(place).getAsLong(), 0L);
            });
        }
    }

    static Throwable cause(Part part) throws Exception {
        try {
            part.run();
        } catch (ExecutionException error) {
            return error.getCause();
        }
        return null;
    }

    static void topics(Admin admin) {
        part("createTopics, describeTopics, deleteTopics", () -> {
            NewTopic made = new NewTopic("made", 5, (short) 1).configs(Map.of("retention.ms", "777"));
            admin.createTopics(List.of(made)).all().get();
            Throwable twice = cause(() -> admin.createTopics(List.of(made)).all().get());
            equal("twice", twice.getClass(), TopicExistsException.class);
            TopicDescription told = admin.describeTopics(List.of("made")).allTopicNames().get().get("made");
            equal("partitions", told.partitions().size(), 5);
            equal("isr", told.partitions().get(4).isr().size(), 1);
            Uuid id = told.topicId();
            equal("by id", admin.describeTopics(
                org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(id)))
                .allTopicIds().get().get(id).name(), "made");
            admin.deleteTopics(List.of("made")).all().get();
            Throwable gone = cause(() -> admin.deleteTopics(List.of("made")).all().get());
            equal("gone", gone.getClass(), UnknownTopicOrPartitionException.class);
            admin.createTopics(List.of(made)).all().get();
            admin.deleteTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(
                admin.describeTopics(List.of("made")).allTopicNames().get().get("made").topicId())))
                .all().get();
        });
        part("createTopics: only validated, refused", () -> {
            admin.createTopics(List.of(new NewTopic("never", 1, (short) 1)),
                new org.apache.kafka.clients.admin.CreateTopicsOptions().validateOnly(true)).all().get();
            equal("listed", admin.listTopics().names().get().contains("never"), false);
            for (NewTopic bad : List.of(new NewTopic("bad name", 1, (short) 1),
                new NewTopic("many", 1, (short) 3), new NewTopic("none", 0, (short) 1),
                new NewTopic("config", 1, (short) 1).configs(Map.of("no.such.key", "1")))) {
                equal("refused", cause(() -> admin.createTopics(List.of(bad)).all().get()) != null, true);
            }
        });
    }

    static void administer() {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", address))) {
            topics(admin);
            part("describeCluster", () -> {
                equal("controller", admin.describeCluster().controller().get().id(), 1);
                equal("nodes", admin.describeCluster().nodes().get().size(), 1);
                equal("id", admin.describeCluster().clusterId().get().length(), 22);
            });
            part("describeConfigs", () -> {
                ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "api-gzip");
                ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
                Map<ConfigResource, Config> told = admin.describeConfigs(List.of(topic, broker)).all().get();
                equal("retention", told.get(topic).get("retention.ms").value(), "-1");
                equal("node.id", told.get(broker).get("node.id").value(), "1");
            });
            part("listOffsets of each kind", () -> {
                TopicPartition place = new TopicPartition("api-gzip", 0);
                Map<OffsetSpec, Long> wanted = Map.of(OffsetSpec.earliest(), 0L,
                    OffsetSpec.latest(), (long) count, OffsetSpec.maxTimestamp(), count - 1L,
                    OffsetSpec.forTimestamp(FIRST_MS + 5), 5L);
                for (Map.Entry<OffsetSpec, Long> each : wanted.entrySet()) {
                    ListOffsetsResult.ListOffsetsResultInfo info =
                        admin.listOffsets(Map.of(place, each.getKey())).partitionResult(place).get();
                    equal(each.getKey().getClass().getSimpleName(), info.offset(), each.getValue());
                }
            });
            part("a thousand partitions, produced to and counted", () -> {
                admin.createTopics(List.of(new NewTopic("api-wide", 1000, (short) 1))).all().get();
                try (KafkaProducer<byte[], byte[]> producer = producer()) {
                    for (int number = 0; number < 1000; number++) {
                        producer.send(record("api-wide", number, number));
                    }
                }
                List<TopicPartition> all = IntStream.range(0, 1000)
                    .mapToObj(number -> new TopicPartition("api-wide", number)).collect(Collectors.toList());
                try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
                    equal("ends", Set.copyOf(consumer.endOffsets(all).values()), Collections.singleton(1L));
                    consumer.assign(all);
                    for (int got = 0; got < 1000;) {
                        got += consumer.poll(Duration.ofSeconds(30)).count();
                    }
                }
            });
        }
    }

    public static void main(String[] words) {
        address = words[0];
        count = Integer.parseInt(words[1]);
        codecs();
        offsets();
        administer();
        System.out.println(passed + " passed, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }
}
