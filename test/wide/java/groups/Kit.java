// What the parts of this folder share: checks, clients, and the members of a group.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

final class Kit {
    static final long WAIT_MS = 60_000;
    static String address;
    static Admin admin;
    private static int passed;
    private static int failed;

    interface Part {
        void run() throws Exception;
    }

    static void part(String what, Part part) {
        long before = System.nanoTime();
        Throwable wrong = null;
        try {
            part.run();
        } catch (Throwable error) {
            wrong = error;
        }
        told(what, wrong, (System.nanoTime() - before) / 1_000_000);
    }

    private static synchronized void told(String what, Throwable wrong, long ms) {
        if (wrong == null) {
            passed++;
            System.out.println("ok: " + what + " (" + ms + " ms)");
            return;
        }
        failed++;
        System.out.println("FAILED: " + what + ": " + wrong);
        for (StackTraceElement frame : wrong.getStackTrace()) {
            if (!frame.getClassName().startsWith("org.") && !frame.getClassName().startsWith("java.")) {
                System.out.println("    " + frame);
            }
        }
    }

    static synchronized int end() {
        System.out.println(passed + " passed, " + failed + " failed");
        return failed == 0 && passed > 0 ? 0 : 1;
    }

    static void equal(String what, Object found, Object wanted) {
        if (!Objects.equals(found, wanted)) {
            throw new IllegalStateException(what + " is " + found + ", not " + wanted);
        }
    }

    // The class of what is thrown; of an error that wraps another, the other's.
    static Class<?> refusal(Callable<?> call) {
        try {
            Object answer = call.call();
            throw new IllegalStateException("it was not refused: " + answer);
        } catch (ExecutionException error) {
            return error.getCause().getClass();
        } catch (IllegalStateException error) {
            throw error;
        } catch (Exception error) {
            Throwable inner = error;
            while (inner.getClass() == KafkaException.class && inner.getCause() != null) {
                inner = inner.getCause();
            }
            return inner.getClass();
        }
    }

    static void until(String what, Callable<Boolean> holds) throws Exception {
        long deadline = System.currentTimeMillis() + WAIT_MS;
        while (!holds.call()) {
            if (System.currentTimeMillis() > deadline) {
                throw new IllegalStateException("never came: " + what);
            }
            Thread.sleep(20);
        }
    }

    private static Properties properties(String... settings) {
        Properties all = new Properties();
        all.put("bootstrap.servers", address);
        for (int index = 0; index < settings.length; index += 2) {
            all.put(settings[index], settings[index + 1]);
        }
        return all;
    }

    static KafkaProducer<String, String> producer(String... settings) {
        return new KafkaProducer<>(properties(settings), new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(String... settings) {
        Properties all = properties(settings);
        all.putIfAbsent("enable.auto.commit", "false");
        all.putIfAbsent("auto.offset.reset", "earliest");
        all.putIfAbsent("fetch.max.wait.ms", "50");
        all.putIfAbsent("metadata.max.age.ms", "500"); // of a classic member: when it sees new topics
        if (!"consumer".equals(all.get("group.protocol"))) {
            all.putIfAbsent("session.timeout.ms", "3000");
            all.putIfAbsent("heartbeat.interval.ms", "200");
        }
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    static void topic(String name, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get();
    }

    static TopicPartition at(String topic, int partition) {
        return new TopicPartition(topic, partition);
    }

    // As many values to each partition, from "0".
    static void fill(String topic, int partitions, int count) {
        try (KafkaProducer<String, String> producer = producer()) {
            for (int number = 0; number < partitions * count; number++) {
                producer.send(new ProducerRecord<>(topic, number % partitions, null,
                    String.valueOf(number / partitions)));
            }
        }
    }

    static Map<TopicPartition, OffsetAndMetadata> offsets(String topic, long... of) {
        Map<TopicPartition, OffsetAndMetadata> made = new HashMap<>();
        for (int partition = 0; partition < of.length; partition++) {
            if (of[partition] >= 0) {
                made.put(at(topic, partition), new OffsetAndMetadata(of[partition]));
            }
        }
        return made;
    }

    // "TOPIC-PARTITION" to offset, of all that the group has committed.
    static Map<String, Long> committed(String group) throws Exception {
        Map<String, Long> found = new TreeMap<>();
        admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
            .forEach((place, each) -> found.put(place.toString(), each == null ? -1L : each.offset()));
        return found;
    }

    // All values of a partition from its start to its end, as the level sees it.
    static List<String> read(String topic, int partition, String level) {
        List<String> values = new ArrayList<>();
        TopicPartition place = at(topic, partition);
        try (KafkaConsumer<String, String> consumer = consumer("isolation.level", level)) {
            consumer.assign(List.of(place));
            consumer.seekToBeginning(List.of(place));
            long end = consumer.endOffsets(List.of(place)).get(place);
            while (consumer.position(place) < end) {
                consumer.poll(Duration.ofMillis(500)).forEach(record -> values.add(record.value()));
            }
        }
        return values;
    }

    static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
