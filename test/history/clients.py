"""One process of a history: a producer and a consumer of librdkafka, and one that only looks at watermarks. Whatever
goes wrong in a way that leaves them in doubt ends all three, and whoever runs them begins with new ones.
"""

import hashlib
import time

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import outcomes
from history import FAIL, INFO, OK

SEND_SECONDS = 12  # for one record; the client itself gives up after 10
CALL_SECONDS = 10
POLL_SECONDS = 0.05
MOST_OF_A_POLL = 100
PARTITIONS = 2
GROUP = "history"


def topic_of(key):
    return f"t{key // PARTITIONS}"


def key_of(topic, partition):
    return int(topic[1:]) * PARTITIONS + partition


def place(key, *offset):
    return TopicPartition(topic_of(key), key % PARTITIONS, *offset)


def payload(key, value):
    """What makes a record this one and no other: its bytes, header and timestamp."""
    digest = hashlib.shake_128(b"%d %d" % (key, value))
    size = digest.digest(1)[0] * 3
    return value.to_bytes(8, "big") + digest.digest(8 + size)[8:], [("key", b"%d" % key)], value % 1_000_000


def told_elsewhere(_):
    """Errors of no call: brokers that are away, or a producer's last, which its next call tells. Without somebody who
    hears them, polls would throw them."""


class Doubt(Exception):
    """The process is over: these clients are in an unknown state, or useless."""


class Clients:
    def __init__(self, settings, process):
        self.settings, self.process = settings, process
        self.transactional = settings["workload"] == "transactional"
        self.subscribing = settings["workload"] == "subscribing" and settings["role"] == "client"
        # Where each assigns by hand, each has a group of its own: nobody else commits there.
        self.group = GROUP if settings["workload"] == "subscribing" else f"{GROUP}-{process}"
        self.rebalanced = set()
        self.assigned = set()
        self.next = {}  # key: the offset to be polled next, of those that were assigned by hand
        self.ends = {}  # key: the end that a poll came to, for the reader
        self.producer = self.consumer = self.looker = None
        self.open()

    def common(self, **more):
        return {"bootstrap.servers": self.settings["address"], "log_level": 0, "socket.timeout.ms": 6000,
                "reconnect.backoff.max.ms": 1000, "topic.metadata.refresh.fast.interval.ms": 50,
                "allow.auto.create.topics": False, "error_cb": told_elsewhere,
                **{name.replace("_", "."): value for name, value in more.items()}}

    def open(self):
        self.producer = confluent_kafka.Producer(self.producer_settings())
        self.consumer = confluent_kafka.Consumer(self.common(
            group_id=self.group, isolation_level="read_committed", auto_offset_reset="earliest",
            enable_auto_commit=False, session_timeout_ms=6000, heartbeat_interval_ms=300, fetch_wait_max_ms=100,
            enable_partition_eof=self.settings["role"] == "reader", metadata_max_age_ms=1000,
            partition_assignment_strategy=self.settings["assignor"]))
        self.looker = confluent_kafka.Consumer(self.common(group_id="looker", isolation_level="read_uncommitted",
                                                           enable_auto_commit=False))

    def producer_settings(self):
        if not self.transactional:
            return self.common(enable_idempotence=True, acks="all", linger_ms=0, message_timeout_ms=10_000,
                               request_timeout_ms=1500, socket_timeout_ms=2000, retries=1000)
        # These may not be longer than the transaction's.
        timeout = self.settings["transaction_ms"]
        return {**self.common(transactional_id=f"history-{self.settings['worker']}", linger_ms=0,
                              transaction_timeout_ms=timeout, message_timeout_ms=timeout, request_timeout_ms=1500,
                              retries=1000), "socket.timeout.ms": max(timeout - 100, 900)}

    def begin(self, until):
        """A transactional producer takes over from the one before."""
        while self.transactional:
            try:
                self.producer.init_transactions(CALL_SECONDS)
                return
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > until:
                    raise Doubt(str(error.args[0].code())) from error
                time.sleep(0.05)

    def close(self):
        """Leaves the group; may take a while where the broker is away."""
        self.producer = None
        self.consumer.close()
        self.looker.close()

    # ---- sends ----

    def send(self, records):
        """Sends (key, value)s, all in flight together. [(offset, None)], or (None, error) for one that was refused or
        of which nobody knows."""
        came = [None] * len(records)

        def on_delivery(number):
            def keep(error, message):
                came[number] = (message.offset(), None) if error is None else (None, error)
            return keep

        for number, (key, value) in enumerate(records):
            body, headers, timestamp = payload(key, value)
            try:
                self.producer.produce(topic_of(key), body, partition=key % PARTITIONS, headers=headers,
                                      timestamp=self.settings["base_ms"] + timestamp,
                                      on_delivery=on_delivery(number))
            except KafkaException as error:
                came[number] = None, error.args[0]
        deadline = time.monotonic() + SEND_SECONDS
        while None in came and time.monotonic() < deadline:
            try:
                self.producer.poll(0.05)
            except KafkaException:
                pass  # its last error; the reports come, too
        return [each or (None, KafkaError(KafkaError._TIMED_OUT)) for each in came]

    # ---- polls ----

    def poll(self):
        """What one poll brought: {key: [[offset, value]]}, and what is not as it was sent."""
        found, damaged = {}, []
        for number in range(MOST_OF_A_POLL):
            try:
                message = self.consumer.poll(0 if number else POLL_SECONDS)
            except KafkaException:
                break
            if message is None:
                break
            if message.error() is None:
                key = key_of(message.topic(), message.partition())
                value = int.from_bytes(message.value()[:8], "big")
                found.setdefault(key, []).append([message.offset(), value])
                wrong = self.what_is_wrong(message, key, value)
                if wrong:
                    damaged.append([key, message.offset(), wrong])
            elif message.error().code() == KafkaError._PARTITION_EOF:
                self.ends[key_of(message.topic(), message.partition())] = message.offset()
        return found, damaged

    def what_is_wrong(self, message, key, value):
        body, headers, timestamp = payload(key, value)
        if message.value() != body:
            return f"the payload of {value}"
        if message.headers() != headers:
            return f"headers {message.headers()} instead of {headers}"
        if message.timestamp()[1] != self.settings["base_ms"] + timestamp:
            return f"timestamp {message.timestamp()} instead of {self.settings['base_ms'] + timestamp}"
        return None

    def assign(self, keys):
        """By hand: each goes on where this process was, or begins at the beginning."""
        self.consumer.assign([place(key, self.next.get(key, 0)) for key in keys])
        self.assigned = set(keys)

    def go_back(self, keys):
        """What was polled since the last operation that was fine is polled again."""
        try:
            for key in keys:
                self.consumer.seek(place(key, self.next.get(key, 0)))
        except KafkaException:
            self.end()  # the next process begins at the beginning

    def polled(self, found):
        for key, records in found.items():
            self.next[key] = records[-1][0] + 1

    def subscribe(self, keys):
        """The callbacks run within polls."""
        def on_assign(_, places):
            keys = {key_of(each.topic, each.partition) for each in places}
            self.rebalanced |= keys
            self.assigned |= keys

        def on_gone(_, places):
            keys = {key_of(each.topic, each.partition) for each in places}
            self.rebalanced |= keys
            self.assigned -= keys

        self.consumer.subscribe(sorted({topic_of(key) for key in keys}), on_assign=on_assign, on_revoke=on_gone,
                                on_lost=on_gone)

    def commit(self, offsets):
        """Commits a group's offsets: (type, error)."""
        try:
            done = self.consumer.commit(offsets=[place(key, offset) for key, offset in offsets.items()],
                                        asynchronous=False)
        except KafkaException as error:
            return outcomes.of_group_commit(error.args[0]), error.args[0].name()
        for each in done:
            if each.error is not None:
                return outcomes.of_group_commit(each.error), each.error.name()
        return OK, None

    # ---- transactions ----

    def send_offsets(self, offsets):
        """An error, or None."""
        try:
            self.producer.send_offsets_to_transaction([place(key, offset) for key, offset in offsets.items()],
                                                      self.consumer.consumer_group_metadata(), CALL_SECONDS)
            return None
        except KafkaException as error:
            return error.args[0]

    def commit_transaction(self):
        """(type, error): what came of it. Where it may be tried again, it is, for a while."""
        deadline = time.monotonic() + CALL_SECONDS
        while True:
            try:
                self.producer.commit_transaction(CALL_SECONDS)
                return OK, None
            except KafkaException as thrown:
                error = thrown.args[0]
            if error.retriable() and time.monotonic() < deadline:
                continue
            kind = outcomes.of_commit(error)
            if error.txn_requires_abort():
                self.abort_transaction()
            elif kind == FAIL:
                self.end()
            return kind, error

    def abort_transaction(self):
        """Whether it is acknowledged or not, it can be committed no more; but then the producer is of no use."""
        deadline = time.monotonic() + CALL_SECONDS
        while True:
            try:
                self.producer.abort_transaction(CALL_SECONDS)
                return
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    self.end()
                    return

    def end(self):
        """The producer is of no use any more: the operation may be told, the next is another process's."""
        self.producer = None

    # ---- looks ----

    def watermarks(self, keys):
        """{key: [log start, last stable offset, high watermark]}."""
        def ask(consumer, key):
            told = consumer.get_watermark_offsets(place(key), CALL_SECONDS)
            if told is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            return told

        return {key: [*ask(self.consumer, key), ask(self.looker, key)[1]] for key in keys}

    def committed(self, keys):
        found = self.consumer.committed([place(key) for key in keys], CALL_SECONDS)
        out = {}
        for each in found:
            if each.error is not None:
                raise KafkaException(each.error)
            out[key_of(each.topic, each.partition)] = max(each.offset, -1)
        return out


def make_topic(settings, key, until):
    """Waits until the topic of a key is there; False when time ran out."""
    admin = AdminClient({"bootstrap.servers": settings["address"], "log_level": 0, "socket.timeout.ms": 6000,
                         "reconnect.backoff.max.ms": 1000})
    while time.monotonic() < until:
        try:
            future, = admin.create_topics([NewTopic(topic_of(key), PARTITIONS, 1)], request_timeout=5).values()
            future.result(10)
            return True
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return True
            time.sleep(0.1)
    return False
