// Java's producer as it comes (idempotent, five requests in flight), writing while the node is restarted
// by whoever runs this. A line "acked N" tells of every STEP acknowledged records; at a line on stdin it
// sends what it has, and reads back: each record must be there once, in order.
// usage: java -cp JARS Restarts.java HOST:PORT

import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Restarts {
    static final int PARTITIONS = 4;
    static final int STEP = 20_000;
    static final int AT_ONCE = 200;
    static final List<String> CODECS = List.of("none", "lz4");
    static final AtomicLong acked = new AtomicLong();
    static final AtomicReference<Exception> refused = new AtomicReference<>();

    static byte[] value(long number) {
        return ByteBuffer.allocate(100).putLong(number).array();
    }

    static void send(KafkaProducer<byte[], byte[]> producer, ProducerRecord<byte[], byte[]> record) {
        producer.send(record, (metadata, error) -> {
            if (error != null) {
                refused.compareAndSet(null, error);
            } else if (acked.incrementAndGet() % STEP == 0) {
                System.out.println("acked " + acked.get());
            }
        });
    }

    static String topic(String codec) {
        return "restarts-" + codec;
    }

    // As many to each partition of each topic: their number.
    static long produce(String address) throws IOException, InterruptedException {
        List<KafkaProducer<byte[], byte[]>> producers = new ArrayList<>();
        for (String codec : CODECS) {
            producers.add(new KafkaProducer<>(
                Map.of("bootstrap.servers", address, "compression.type", codec),
                new ByteArraySerializer(), new ByteArraySerializer()));
        }
        long sent = 0;
        while (System.in.available() == 0 && refused.get() == null) {
            for (int index = 0; index < CODECS.size(); index++) {
                for (int partition = 0; partition < PARTITIONS; partition++) {
                    send(producers.get(index), new ProducerRecord<>(topic(CODECS.get(index)),
                        partition, null, value(sent)));
                }
            }
            if (++sent % AT_ONCE == 0) {
                Thread.sleep(10); // a rate that any node keeps up with
            }
        }
        producers.forEach(KafkaProducer::close);
        return sent;
    }

    // The first thing that is not as it should be, or null.
    static String read(String address, String codec, long sent) {
        List<TopicPartition> all = IntStream.range(0, PARTITIONS)
            .mapToObj(number -> new TopicPartition(topic(codec), number)).collect(Collectors.toList());
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
            Map.of("bootstrap.servers", address, "enable.auto.commit", "false"),
            new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            for (Map.Entry<TopicPartition, Long> end : consumer.endOffsets(all).entrySet()) {
                if (end.getValue() != sent) {
                    return end.getKey() + " ends at " + end.getValue() + ", " + sent + " were sent";
                }
            }
            consumer.assign(all);
            consumer.seekToBeginning(all);
            long[] next = new long[PARTITIONS];
            for (long left = sent * PARTITIONS; left > 0;) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(30))) {
                    long number = ByteBuffer.wrap(record.value()).getLong();
                    if (number != next[record.partition()]++ || record.offset() != number) {
                        return record + " holds number " + number;
                    }
                    left--;
                }
            }
        }
        return null;
    }

    public static void main(String[] words) throws Exception {
        String address = words[0];
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", address))) {
            admin.createTopics(CODECS.stream().map(codec ->
                new NewTopic(topic(codec), PARTITIONS, (short) 1)).collect(Collectors.toList()))
                .all().get();
        }
        long sent = produce(address);
        String wrong = refused.get() == null ? null : "refused: " + refused.get();
        for (String codec : CODECS) {
            wrong = wrong == null ? read(address, codec, sent) : wrong;
        }
        System.out.println(wrong == null ? "all there: " + sent * PARTITIONS * CODECS.size() : wrong);
        System.exit(wrong == null ? 0 : 1);
    }
}
