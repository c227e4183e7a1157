// Copies a topic exactly once with Java's clients: what it consumes, what it makes of it and how far it came
// are one transaction. May be killed at any moment. Ends with 3 where it had better begin anew.
// usage: java -cp JARS:CLASSES Copy ADDRESS FROM TO GROUP [INSTANCE]

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Copy implements ConsumerRebalanceListener {
    static final int BEGIN_ANEW = 3;
    final String target;
    final KafkaConsumer<byte[], byte[]> consumer;
    final KafkaProducer<byte[], byte[]> producer;

    Copy(String address, String target, String group, String instance) {
        this.target = target;
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", address, "group.id", group,
            "enable.auto.commit", "false", "isolation.level", "read_committed", "auto.offset.reset", "earliest",
            "session.timeout.ms", "1500", "heartbeat.interval.ms", "300", "max.poll.records", "100"));
        if (instance != null) {
            settings.put("group.instance.id", instance);
        }
        consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        producer = new KafkaProducer<>(Map.of("bootstrap.servers", address, "transactional.id",
            "copier-of-" + group, "linger.ms", "5", "transaction.timeout.ms", "10000"),
            new ByteArraySerializer(), new ByteArraySerializer());
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> places) {
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> places) {
    }

    static byte[] reversed(byte[] value) {
        byte[] out = new byte[value.length];
        for (int at = 0; at < value.length; at++) {
            out[value.length - 1 - at] = value[at];
        }
        return out;
    }

    // The records of one poll as one transaction.
    void copy(List<ConsumerRecord<byte[], byte[]>> records) {
        Map<TopicPartition, OffsetAndMetadata> ends = new HashMap<>();
        producer.beginTransaction();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            producer.send(new ProducerRecord<>(target, record.partition(), record.key(), reversed(record.value())));
            ends.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        producer.sendOffsetsToTransaction(ends, consumer.groupMetadata());
        producer.commitTransaction();
    }

    // After an abort: to what is committed.
    void goBack() {
        Set<TopicPartition> places = consumer.assignment();
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(places);
        for (TopicPartition place : places) {
            OffsetAndMetadata at = committed.get(place);
            consumer.seek(place, at == null ? 0 : at.offset());
        }
    }

    void work(String source) {
        producer.initTransactions();
        consumer.subscribe(List.of(source), this);
        while (true) {
            List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
            consumer.poll(Duration.ofMillis(100)).forEach(records::add);
            if (records.isEmpty()) {
                continue;
            }
            try {
                copy(records);
            } catch (KafkaException error) {
                System.out.println(error);
                producer.abortTransaction(); // what cannot be aborted throws, too
                goBack();
            }
        }
    }

    public static void main(String[] words) {
        try {
            new Copy(words[0], words[2], words[3], words.length > 4 ? words[4] : null).work(words[1]);
        } catch (RuntimeException error) {
            System.out.println("begins anew: " + error);
            Runtime.getRuntime().halt(BEGIN_ANEW);
        }
    }
}
