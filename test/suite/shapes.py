#!/usr/bin/env python3
"""Clients and loads of other shapes than a plain round trip: tiny and huge records, wide topics, many
topics, many producers and consumers at once, every compression.type against every codec, topics that
come and go and restarts under load. By default with 2 shards and smaller counts; --whole runs with
1, 2 and 4 shards and the counts that the names tell. $OTTLA is the binary.
"""

import argparse
import json
import pathlib
import random
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from node import Node, run  # noqa: E402

try:
    import confluent_kafka
    from confluent_kafka import KafkaError, TopicPartition
    from confluent_kafka.admin import AdminClient, NewTopic
except ImportError as missing:
    print(f"{missing}: apt-get install python3-confluent-kafka")
    sys.exit(77)

SCALE = 1 if "--whole" in sys.argv else 10
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
WAIT_SECONDS = 60
passed = []
failed = []


def check(what, fine, told=""):
    (passed if fine else failed).append(what)
    if not fine:
        print(f"FAILED: {what} {told}")


class Client:
    """What the checks need of librdkafka, against one node."""

    def __init__(self, node):
        self.node = node
        self.admin = AdminClient(self.common())

    def common(self, **more):
        return {"bootstrap.servers": self.node.address, "log_level": 0,
                "reconnect.backoff.max.ms": 200, "topic.metadata.refresh.fast.interval.ms": 20,
                **more}

    def producer(self, **settings):
        return confluent_kafka.Producer(self.common(**{
            name.replace("_", "."): value for name, value in settings.items()}))

    def consumer(self, *places, **settings):
        """places: (topic, partition, offset)."""
        consumer = confluent_kafka.Consumer(self.common(**{
            "group.id": "none", "enable.auto.commit": False, "enable.partition.eof": True,
            "fetch.wait.max.ms": 100,
            **{name.replace("_", "."): value for name, value in settings.items()}}))
        consumer.assign([TopicPartition(*place) for place in places])
        return consumer

    def create(self, topic, partitions=1, **config):
        made = self.admin.create_topics([NewTopic(
            topic, partitions, 1, config={name.replace("_", "."): str(value)
                                          for name, value in config.items()})])
        made[topic].result(WAIT_SECONDS)

    def delete(self, topic):
        self.admin.delete_topics([topic])[topic].result(WAIT_SECONDS)

    def send(self, topic, values, partition=0, **settings):
        """The errors' names, in their order; all is delivered where it is empty."""
        errors = []
        producer = self.producer(**settings)
        for value in values:
            while True:
                try:
                    producer.produce(topic, value, partition=partition,
                                     on_delivery=lambda error, _: error and errors.append(
                                         error.name()))
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        left = producer.flush(WAIT_SECONDS)
        return errors + ["left in the queue"] * left

    def read(self, *places, **settings):
        """All messages of these places up to their ends."""
        consumer = self.consumer(*places, **settings)
        messages, ends = [], 0
        while ends < len(places):
            message = self.one(consumer)
            if message.error() is None:
                messages.append(message)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                ends += 1
        consumer.close()
        return messages

    @staticmethod
    def one(consumer):
        message = consumer.poll(WAIT_SECONDS)
        if message is None:
            raise RuntimeError(f"nothing came for {WAIT_SECONDS} s")
        return message

    def values(self, topic, partition=0, **settings):
        return [message.value() for message in self.read((topic, partition, 0), **settings)]


def batches(node, topic, partition=0):
    found = []
    for segment in sorted((node.data / f"{topic}-{partition}").glob("*.log")):
        lines = run("log", "dump", "-B", "--format", "json", str(segment)).splitlines()
        found += [each for each in map(json.loads, lines) if "codec" in each]
    return found


def sizes(client):
    """Records of one byte, and of 900 KB."""
    tiny = [b"%d" % (number % 10) for number in range(30_000 // SCALE)]
    for codec in ("none", "zstd"):
        topic = f"tiny-{codec}"
        errors = client.send(topic, tiny, compression_type=codec, linger_ms=5)
        check(f"1 byte values, {codec}", not errors and client.values(topic) == tiny, errors)
    chance = random.Random(1)
    huge = [chance.randbytes(900_000 - number) for number in range(12)]
    for codec in ("none", "lz4"):
        topic = f"huge-{codec}"
        errors = client.send(topic, huge, compression_type=codec, linger_ms=5)
        check(f"900 KB values, {codec}", not errors and client.values(topic) == huge, errors)
        small = client.values(topic, fetch_message_max_bytes=1000, fetch_max_bytes=1048576)
        check(f"900 KB values in small fetches, {codec}", small == huge)


def too_large(client):
    """What exceeds the topic's or the node's limit is refused; what fits goes on."""
    client.create("narrow", max_message_bytes=2000)
    errors = client.send("narrow", [b"a" * 100, b"b" * 5000, b"c" * 100], linger_ms=0,
                         batch_num_messages=1)
    check("over max.message.bytes", errors == ["MSG_SIZE_TOO_LARGE"], errors)
    check("what fits is there", client.values("narrow") == [b"a" * 100, b"c" * 100])
    errors = client.send("wide", [b"a" * 1_100_000], message_max_bytes=4_000_000)
    check("over message.max.bytes", errors == ["MSG_SIZE_TOO_LARGE"], errors)
    errors = client.send("wide", [b"z" * 3_000_000], message_max_bytes=4_000_000,
                         compression_type="gzip")
    check("what is small only compressed", not errors and
          client.values("wide") == [b"z" * 3_000_000], errors)


def wide_topic(client):
    """1,000 partitions, three records each, read by one consumer."""
    client.create("thousand", 1000)
    errors = []
    producer = client.producer(linger_ms=20)
    for number in range(3000):
        producer.produce("thousand", b"%d" % number, partition=number % 1000,
                         on_delivery=lambda error, _: error and errors.append(error.name()))
    left = producer.flush(WAIT_SECONDS)
    found = client.read(*[("thousand", number, 0) for number in range(1000)])
    told = {}
    for message in found:
        told.setdefault(message.partition(), []).append(int(message.value()))
    check("1,000 partitions in one topic", not errors and not left and told == {
        number: [number, number + 1000, number + 2000] for number in range(1000)},
        (errors[:3], left, len(found)))


def many_topics(client):
    names = [f"many-{number:04}" for number in range(2000 // SCALE)]
    made = client.admin.create_topics([NewTopic(name, 1, 1) for name in names],
                                      operation_timeout=60, request_timeout=60)
    for each in made.values():
        each.result(WAIT_SECONDS)
    listed = client.admin.list_topics(timeout=WAIT_SECONDS).topics
    check("2,000 topics are listed", set(names) <= set(listed))
    producer = client.producer(linger_ms=5)
    for name in names:
        producer.produce(name, name.encode(), partition=0)
    check("a record to each of 2,000 topics", producer.flush(WAIT_SECONDS) == 0)
    found = client.read(*[(name, 0, 0) for name in names])
    check("each of 2,000 topics holds its record",
          sorted((message.topic(), message.value().decode()) for message in found) ==
          [(name, name) for name in names])
    gone = client.admin.delete_topics(names, operation_timeout=60, request_timeout=60)
    for each in gone.values():
        each.result(WAIT_SECONDS)
    listed = client.admin.list_topics(timeout=WAIT_SECONDS).topics
    check("2,000 topics are deleted", not set(names) & set(listed))


def at_once(client):
    """50 producers at once, idempotent or not, with different acks."""
    client.create("crowd", 7)
    count = 2000 // SCALE

    def work(number):
        settings = [{"enable_idempotence": True}, {"acks": "all"}, {"acks": 1},
                    {"enable_idempotence": True, "max_in_flight": 5, "linger_ms": 0,
                     "batch_num_messages": 10}][number % 4]
        lines = [b"%d %d" % (number, each) for each in range(count)]
        errors[number] = client.send("crowd", lines, number % 7, compression_type=CODECS[number % 5],
                                     **settings)

    errors = {}
    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check("50 producers at once", not any(errors.values()), errors)
    told = {}
    for message in client.read(*[("crowd", number, 0) for number in range(7)]):
        who, each = message.value().split()
        told.setdefault(int(who), []).append(int(each))
    check("each one's records once, in order",
          told == {number: list(range(count)) for number in range(50)})


def consumers(client):
    """30 consumers on one partition wait for what one producer writes little by little."""
    client.create("shared")
    client.send("shared", [b"first"])
    places = [client.consumer(("shared", 0, 0), fetch_wait_max_ms=30_000) for _ in range(30)]
    for each in places:  # all of them have the first record, and wait
        client.one(each)
    producer = client.producer(linger_ms=0)
    for number in range(20):
        producer.produce("shared", b"%d" % number, partition=0)
        producer.flush(WAIT_SECONDS)
    wanted = [b"%d" % number for number in range(20)]
    fine = 0
    for each in places:
        found = []
        while len(found) < 20:
            message = client.one(each)
            if message.error() is None:
                found.append(message.value())
        fine += found == wanted
        each.close()
    check("30 consumers on one partition", fine == 30, fine)


def seeks(client):
    lines = [b"%d " % number * (number % 50 + 1) for number in range(5000)]
    client.send("seek", lines, compression_type="lz4", batch_num_messages=37, linger_ms=1)
    consumer = client.consumer(("seek", 0, 0), enable_partition_eof=False)
    chance = random.Random(7)
    wrong = []
    client.one(consumer)
    for _ in range(40):
        offset = chance.randrange(len(lines))
        consumer.seek(TopicPartition("seek", 0, offset))
        message = client.one(consumer)
        if message.offset() != offset or message.value() != lines[offset]:
            wrong.append((offset, message.offset()))
    consumer.close()
    check("seeks back and forth", not wrong, wrong[:5])
    consumer = client.consumer(("seek", 0, 0), fetch_min_bytes=1_000_000, fetch_wait_max_ms=20)
    message = client.one(consumer)
    consumer.close()
    check("fetch.min.bytes that is never there ends with fetch.wait.max.ms",
          message.value() == lines[0])


def log_append_time(client):
    client.create("arrival", **{"message.timestamp.type": "LogAppendTime"})
    producer = client.producer(compression_type="gzip", linger_ms=5)
    for number in range(100):
        producer.produce("arrival", b"%d" % number, partition=0, timestamp=1000 + number)
    producer.flush(WAIT_SECONDS)
    kinds = {message.timestamp()[0] for message in client.read(("arrival", 0, 0))}
    early = min(message.timestamp()[1] for message in client.read(("arrival", 0, 0)))
    check("LogAppendTime", kinds == {confluent_kafka.TIMESTAMP_LOG_APPEND_TIME} and
          early > 1_500_000_000_000, (kinds, early))


def recompressed(client):
    """Each compression.type of a topic, at its levels, against each codec of a producer."""
    lines = [b"line %d of %d" % (number, number * 7) for number in range(500)]
    levels = {"gzip": ("1", "9", "-1"), "lz4": ("1", "17"), "zstd": ("-7", "1", "22")}
    wanted = {}
    for codec in CODECS:
        producer = client.producer(compression_type=codec, linger_ms=20, enable_idempotence=True)
        for kind in ("producer", "uncompressed", *CODECS[1:]):
            for level in levels.get(kind, ("",)):
                topic = f"to-{kind}{level}-from-{codec}"
                client.create(topic, compression_type=kind,
                              **({f"compression.{kind}.level": level} if level else {}))
                wanted[topic] = {"producer": codec, "uncompressed": "none"}.get(kind, kind)
                for line in lines:
                    producer.produce(topic, line, partition=0)
        check(f"delivery of {codec}", producer.flush(WAIT_SECONDS) == 0)
    found = {topic: [] for topic in wanted}
    for message in client.read(*[(topic, 0, 0) for topic in wanted]):
        found[message.topic()].append(message.value())
    for topic, codec in wanted.items():
        stored = {each["codec"] for each in batches(client.node, topic) if each["records"] > 20}
        check(topic, found[topic] == lines and stored == {codec}, stored)


def acknowledgements(client):
    lines = [b"%d" % number for number in range(3000)]
    for acks in (0, 1, "all"):
        for linger, most in ((0, 1), (5, 1000)):
            topic = f"acks-{acks}-{linger}"
            client.create(topic)
            errors = client.send(topic, lines, acks=acks, linger_ms=linger,
                                 batch_num_messages=most)
            # With acks=0 what was sent may still be on its way when the producer is done.
            found = client.values(topic)
            while acks == 0 and len(found) < len(lines):
                found = client.values(topic)
            check(topic, not errors and found == lines, (errors[:3], len(found)))


def created_by_use(client):
    errors = client.send("by-produce", [b"x"])
    check("a topic made by producing to it", not errors and client.values("by-produce") == [b"x"])
    client.admin.list_topics("by-metadata", timeout=WAIT_SECONDS)
    listed = client.admin.list_topics(timeout=WAIT_SECONDS).topics
    check("a topic made by asking for its metadata", "by-metadata" in listed)


def come_and_go(client):
    """A topic is deleted and made again under a producer and a consumer, and starts at 0 each time."""
    going = True
    producer = client.producer(linger_ms=1, message_timeout_ms=2000)

    def work():
        number = 0
        while going:
            try:
                producer.produce("fleeting", b"%d" % number, partition=0)
                number += 1
            except (BufferError, confluent_kafka.KafkaException):
                pass
            producer.poll(0.001)

    client.create("fleeting", 2)
    consumer = client.consumer(("fleeting", 0, 0), ("fleeting", 1, 0))
    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(10):
        consumer.poll(0.05)
        client.delete("fleeting")
        client.create("fleeting", 2)
    going = False
    thread.join()
    producer.flush(WAIT_SECONDS)
    consumer.close()
    client.delete("fleeting")
    client.create("fleeting", 2)
    errors = client.send("fleeting", [b"fresh"])
    found = [(message.offset(), message.value()) for message in client.read(("fleeting", 0, 0))]
    check("a topic that comes and goes under load", not errors and found == [(0, b"fresh")],
          (errors, found[:3]))


def restarts(client):
    """Clients go on over a clean stop and over kill -9."""
    client.create("steady", 3)
    acknowledged = []
    sent = 0
    producer = client.producer(enable_idempotence=True, linger_ms=1, batch_num_messages=20)
    consumer = client.consumer(*[("steady", number, 0) for number in range(3)])
    found = {0: [], 1: [], 2: []}

    def take(until):
        while sum(map(len, found.values())) < until:
            message = client.one(consumer)
            if message.error() is None:
                found[message.partition()].append(int(message.value()))

    for how in ("stop", "kill", "stop", "kill"):
        for _ in range(300):
            producer.produce("steady", b"%d" % sent, partition=sent % 3,
                             on_delivery=lambda error, _: acknowledged.append(error))
            sent += 1
        producer.poll(0.01)
        getattr(client.node, how)()
        client.node.start()
        left = producer.flush(WAIT_SECONDS)
        take(sent)
    consumer.close()
    check("restarts under a producer and a consumer", not left and not any(acknowledged) and
          found == {number: list(range(number, sent, 3)) for number in range(3)})


PARTS = (sizes, too_large, wide_topic, at_once, consumers, seeks, log_append_time, recompressed,
         acknowledgements, created_by_use, come_and_go, many_topics, restarts)


def whole(shards, only):
    node = Node(f"ottla.shards={shards}", "log.segment.bytes=1048576")
    try:
        client = Client(node)
        for part in PARTS:
            if only in part.__name__:
                part(client)
                print(f"{part.__name__} with {shards} shards: {len(failed)} failed so far",
                      flush=True)
        check(f"the node with {shards} shards stops cleanly", node.stop() == 0)
        if failed:
            print(node.log()[-4000:])
    finally:
        node.remove()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--shards", type=int, nargs="*")
    parser.add_argument("--only", default="", help="the part whose name has this")
    options = parser.parse_args()
    for shards in options.shards or ([1, 2, 4] if options.whole else [2]):
        whole(shards, options.only)
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
