// Transactions as an operator sees and ends them: Kafka's Admin client.

import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;

final class TransactionAdmin {
    private static final String TOPIC = "ta-topic";
    private static final TopicPartition PLACE = Kit.at(TOPIC, 0);

    private TransactionAdmin() {}

    private static Map<String, TransactionState> listed(ListTransactionsOptions options) throws Exception {
        Map<String, TransactionState> found = new TreeMap<>();
        for (TransactionListing each : Kit.admin.listTransactions(options).all().get()) {
            if (each.transactionalId().startsWith("ta-")) {
                found.put(each.transactionalId(), each.state());
            }
        }
        return found;
    }

    private static TransactionDescription told(String id) throws Exception {
        return Kit.admin.describeTransactions(List.of(id)).all().get().get(id);
    }

    private static Collection<ProducerState> active(TopicPartition place) throws Exception {
        return Kit.admin.describeProducers(List.of(place)).partitionResult(place).get().activeProducers();
    }

    private static ProducerState producerAt(long id) throws Exception {
        return active(PLACE).stream().filter(each -> each.producerId() == id).findFirst().get();
    }

    // After a commit the markers may be under way still.
    private static void untilState(String id, TransactionState state) throws Exception {
        Kit.until(id + " is " + state, () -> told(id).state() == state);
    }

    private static void lists(long open) {
        Kit.part("transactions: lists by state, producer, age and pattern", () -> {
            Map<String, TransactionState> all = Map.of("ta-open", TransactionState.ONGOING,
                "ta-done", TransactionState.COMPLETE_COMMIT, "ta-undone", TransactionState.COMPLETE_ABORT,
                "ta-new", TransactionState.EMPTY);
            Kit.equal("all", listed(new ListTransactionsOptions()), all);
            Kit.equal("ongoing", listed(new ListTransactionsOptions().filterStates(
                Set.of(TransactionState.ONGOING))).keySet(), Set.of("ta-open"));
            Kit.equal("two states", listed(new ListTransactionsOptions().filterStates(
                Set.of(TransactionState.COMPLETE_ABORT, TransactionState.EMPTY))).keySet(),
                Set.of("ta-undone", "ta-new"));
            Kit.equal("producer", listed(new ListTransactionsOptions().filterProducerIds(Set.of(open))).keySet(),
                Set.of("ta-open"));
            Kit.equal("old, or without a beginning", listed(new ListTransactionsOptions()
                .filterOnDuration(3_600_000)).keySet(), Set.of("ta-new"));
            Kit.until("it is a little old", () -> listed(new ListTransactionsOptions().filterOnDuration(10)
                .filterStates(Set.of(TransactionState.ONGOING))).keySet().equals(Set.of("ta-open")));
            Kit.equal("pattern", listed(new ListTransactionsOptions().filterOnTransactionalIdPattern("ta-.*done"))
                .keySet(), Set.of("ta-done", "ta-undone"));
        });
    }

    private static void describes() {
        Kit.part("transactions: describes them and their producers", () -> {
            TransactionDescription open = told("ta-open");
            Kit.equal("state", open.state(), TransactionState.ONGOING);
            Kit.equal("coordinator", open.coordinatorId(), 1);
            Kit.equal("timeout", open.transactionTimeoutMs(), 54_321L);
            Kit.equal("partitions", open.topicPartitions(), Set.of(PLACE, Kit.at(TOPIC, 1)));
            Kit.equal("began", Math.abs(open.transactionStartTimeMs().getAsLong()
                - System.currentTimeMillis()) < 60_000, true);
            TransactionDescription done = told("ta-done");
            Kit.equal("partitions", done.topicPartitions(), Set.of());
            Kit.equal("none", Kit.refusal(() -> told("ta-none")), TransactionalIdNotFoundException.class);
            ProducerState state = producerAt(open.producerId());
            Kit.equal("epoch", state.producerEpoch(), open.producerEpoch());
            Kit.equal("sequence", state.lastSequence(), 1);
            Kit.equal("start", state.currentTransactionStartOffset().isPresent(), true);
            Kit.equal("start of one that ended", producerAt(done.producerId())
                .currentTransactionStartOffset().isPresent(), false);
        });
    }

    // With transaction.version 2 each transaction has an epoch of its own (KIP-890).
    private static void epochs() {
        Kit.part("transactions: every commit and abort begins an epoch", () -> {
            try (KafkaProducer<String, String> producer = Transactions.producer("ta-epochs")) {
                int first = told("ta-epochs").producerEpoch();
                for (int turn = 0; turn < 4; turn++) {
                    producer.beginTransaction();
                    Transactions.send(producer, TOPIC, 2, "of epochs");
                    if (turn % 2 == 0) {
                        producer.commitTransaction();
                    } else {
                        producer.abortTransaction();
                    }
                }
                untilState("ta-epochs", TransactionState.COMPLETE_ABORT);
                Kit.equal("epoch", told("ta-epochs").producerEpoch(), first + 4);
            }
        });
    }

    private static void ends(KafkaProducer<String, String> open) {
        Kit.part("transactions: fences a producer, whose transaction is aborted", () -> {
            int epoch = told("ta-open").producerEpoch();
            Kit.admin.fenceProducers(List.of("ta-open", "ta-fresh")).all().get();
            untilState("ta-open", TransactionState.EMPTY); // aborted, and another epoch begun
            Kit.equal("a higher epoch", told("ta-open").producerEpoch() > epoch, true);
            Kit.equal("state", told("ta-fresh").state(), TransactionState.EMPTY);
            try {
                open.commitTransaction();
                throw new IllegalStateException("a fenced commit is taken");
            } catch (ApiException expected) {
                open.close(Duration.ZERO);
            }
        });
        Kit.part("transactions: aborts one at its partition", () -> {
            try (KafkaProducer<String, String> hanging = Transactions.producer("ta-hanging")) {
                hanging.beginTransaction();
                Transactions.send(hanging, TOPIC, 0, "hanging");
                ProducerState state = producerAt(told("ta-hanging").producerId());
                Kit.admin.abortTransaction(new AbortTransactionSpec(PLACE, state.producerId(),
                    (short) state.producerEpoch(), state.coordinatorEpoch().orElse(0))).all().get();
                Kit.equal("it is gone there", producerAt(state.producerId()).currentTransactionStartOffset()
                    .isPresent(), false);
                Kit.equal("not at the coordinator", told("ta-hanging").state(), TransactionState.ONGOING);
                hanging.abortTransaction();
            }
        });
        Kit.part("transactions: terminates one by its id", () -> {
            try (KafkaProducer<String, String> ended = Transactions.producer("ta-ended")) {
                ended.beginTransaction();
                Transactions.send(ended, TOPIC, 1, "ended");
                Kit.admin.forceTerminateTransaction("ta-ended").result().get();
                untilState("ta-ended", TransactionState.EMPTY);
                ended.close(Duration.ZERO);
            }
        });
    }

    static void run() {
        KafkaProducer<String, String> open = Transactions.producer("ta-open", "transaction.timeout.ms", "54321");
        Kit.part("transactions: some to look at", () -> {
            Kit.topic(TOPIC, 3);
            open.beginTransaction();
            Transactions.send(open, TOPIC, 0, "open", "open");
            Transactions.send(open, TOPIC, 1, "open");
            try (KafkaProducer<String, String> done = Transactions.producer("ta-done");
                KafkaProducer<String, String> undone = Transactions.producer("ta-undone");
                KafkaProducer<String, String> fresh = Transactions.producer("ta-new")) {
                done.beginTransaction();
                Transactions.send(done, TOPIC, 0, "done");
                done.commitTransaction();
                undone.beginTransaction();
                Transactions.send(undone, TOPIC, 0, "undone");
                undone.abortTransaction();
                fresh.partitionsFor(TOPIC);
            }
            untilState("ta-done", TransactionState.COMPLETE_COMMIT);
            untilState("ta-undone", TransactionState.COMPLETE_ABORT);
            lists(told("ta-open").producerId());
        });
        describes();
        epochs();
        ends(open);
        open.close(Duration.ZERO);
    }
}
