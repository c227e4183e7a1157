// Writes the same batches to each address it is given, to a partition for each codec; segments are small
// and index entries many. The producer of the last codec but one is not idempotent.
// usage: java -cp JARS SameRecords.java HOST:PORT...

import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class SameRecords {
    static final long FIRST_MS = 1_700_000_000_000L;
    static final int BATCHES = 700;
    static final int RECORDS_MAX = 5;
    static final int SMALL = 1_000;
    static final int LARGE = 30_000;

    static void batch(KafkaProducer<byte[], byte[]> producer, String topic, int number, Random random) {
        for (int left = 1 + random.nextInt(RECORDS_MAX); left > 0; left--) {
            byte[] value = new byte[random.nextInt(number % 20 == 0 ? LARGE : SMALL)];
            random.nextBytes(value);
            long timestamp = FIRST_MS + 10L * number + random.nextInt(100_000); // not in order
            producer.send(new ProducerRecord<>(topic, 0, timestamp, ("k" + number).getBytes(), value));
        }
        producer.flush(); // only this ends a batch
    }

    static void write(String address, String codec, String idempotent) throws Exception {
        String topic = "same-" + codec;
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", address))) {
            admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1).configs(
                Map.of("segment.bytes", "1048576", "index.interval.bytes", "500")))).all().get();
        }
        Random random = new Random(codec.hashCode());
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(
            Map.of("bootstrap.servers", address, "linger.ms", "100000", "batch.size", "1000000",
                "delivery.timeout.ms", "200000", "compression.type", codec, "enable.idempotence",
                idempotent), new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int number = 0; number < BATCHES; number++) {
                batch(producer, topic, number, random);
            }
        }
    }

    public static void main(String[] addresses) throws Exception {
        for (String address : addresses) {
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
                write(address, codec, codec.equals("lz4") ? "false" : "true");
            }
        }
        System.exit(0);
    }
}
