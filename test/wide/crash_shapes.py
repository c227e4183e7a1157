#!/usr/bin/env python3
"""kill -9 under loads of other shapes than test/suite/crash.py: many partitions, every codec, producers that
are idempotent and that are not, large batches, segments that roll all the time, topics that come and go.
After every restart everything acknowledged so far is read and compared: it is there, at the offset that was
acknowledged, once where the producer is idempotent, in order for each. --kills N (3) for each shape.
"""

import argparse
import pathlib
import random
import sys
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
from node import Node  # noqa: E402

try:
    import confluent_kafka
    from confluent_kafka import KafkaError, TopicPartition
    from confluent_kafka.admin import AdminClient, NewTopic
except ImportError as missing:
    print(f"{missing}: apt-get install python3-confluent-kafka")
    sys.exit(77)

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
SHAPES = {
    "many-partitions": {"partitions": 300, "settings": ["ottla.shards=1"]},
    "shards": {"partitions": 16, "settings": ["ottla.shards=4"]},
    "small-segments": {"partitions": 3, "settings": [
        "ottla.shards=1", "log.segment.bytes=1048576", "log.index.interval.bytes=64",
        "log.roll.ms=20"]},
    "small-segments-of-shards": {"partitions": 8, "topics": True, "settings": [
        "ottla.shards=2", "log.segment.bytes=1048576", "log.roll.ms=50"]},
    "topics": {"partitions": 8, "topics": True, "settings": ["ottla.shards=2"]},
    # Batches of some 200 KB and writes of more, which workers carry out.
    "large-batches": {"partitions": 2, "filler": 20_000, "settings": ["ottla.shards=1"]},
    "large-batches-flushed": {"partitions": 3, "filler": 20_000, "settings": [
        "ottla.shards=2", "log.flush.interval.messages=1", "log.segment.bytes=2097152"]},
    "flushed": {"partitions": 4, "settings": ["ottla.shards=1", "log.flush.interval.messages=1"]},
}
TOPIC = "crash"


class Producer:
    """Goes on over every crash; remembers what was acknowledged: [partition] of (offset, number)."""

    def __init__(self, node, name, partitions, filler=100, **settings):
        self.filler = random.Random(name).randbytes(filler)  # no codec makes it smaller
        self.client = confluent_kafka.Producer({
            "bootstrap.servers": node.address, "acks": "all", "linger.ms": 1,
            "batch.num.messages": 50, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20,
            "message.timeout.ms": 120_000, "log_level": 0,
            **{key.replace("_", "."): value for key, value in settings.items()}})
        self.name, self.partitions = name, partitions
        self.once = bool(settings.get("enable_idempotence"))
        self.acknowledged = [[] for _ in range(partitions)]
        self.failed = []
        self.sent = 0
        self.going = True
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def on_delivery(self, error, message):
        if error is not None:
            self.failed.append(error.name())
        else:
            self.acknowledged[message.partition()].append((message.offset(), message.value()))

    def work(self):
        while self.going:
            for _ in range(20):
                try:
                    self.client.produce(TOPIC, b"%s %d %s" % (self.name, self.sent, self.filler),
                                        partition=self.sent % self.partitions,
                                        on_delivery=self.on_delivery)
                except BufferError:
                    break
                self.sent += 1
            self.client.poll(0.02)
            time.sleep(len(self.filler) / 200_000)

    def finish(self):
        self.going = False
        self.thread.join()
        return self.client.flush(60)


class Topics:
    """Makes and deletes topics, with a record in each, all the time."""

    def __init__(self, node):
        self.admin = AdminClient({"bootstrap.servers": node.address, "log_level": 0})
        self.made, self.deleted = [], []
        self.going = True
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        number = 0
        while self.going:
            name = f"t{number}"
            number += 1
            try:
                self.admin.create_topics([NewTopic(name, 3, 1)])[name].result(20)
                self.made.append(name)
                if number % 2:
                    self.admin.delete_topics([name])[name].result(20)
                    self.deleted.append(name)
            except confluent_kafka.KafkaException:
                pass  # the answer was lost with the node: either is right

    def finish(self):
        self.going = False
        self.thread.join()

    def faults(self):
        listed = set(self.admin.list_topics(timeout=30).topics)
        deleted = set(self.deleted)
        lost = [name for name in self.made if name not in listed and not self.may_be_gone(name)]
        return [f"topics lost: {lost[:5]}"] * bool(lost) + \
            [f"topics are back: {sorted(deleted & listed)[:5]}"] * bool(deleted & listed)

    @staticmethod
    def may_be_gone(name):
        return int(name[1:]) % 2 == 0


def read_all(node, partitions):
    """[partition] of {offset: value}."""
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": node.address, "group.id": "none", "enable.auto.commit": False,
        "enable.partition.eof": True, "check.crcs": True, "log_level": 0,
        "fetch.wait.max.ms": 10})
    consumer.assign([TopicPartition(TOPIC, number, 0) for number in range(partitions)])
    found = [{} for _ in range(partitions)]
    ended = set()
    while len(ended) < partitions:
        message = consumer.poll(60)
        if message is None:
            raise RuntimeError("nothing came for 60 s")
        if message.error() is None:
            found[message.partition()][message.offset()] = message.value()
        elif message.error().code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition())
    consumer.close()
    return found


def faults_of(found, producers, acknowledged):
    """acknowledged: of each producer, how many of each partition were when reading began."""
    faults = []
    for producer, counts in zip(producers, acknowledged):
        for partition, records in enumerate(found):
            lost = [each for each in producer.acknowledged[partition][:counts[partition]]
                    if records.get(each[0]) != each[1]]
            if lost:
                faults.append(f"{producer.name} {partition} lost {len(lost)}, first {lost[0][0]}")
            offsets = sorted(records)
            if offsets != list(range(len(offsets))):
                faults.append(f"partition {partition} has holes")
            numbers = [int(records[offset].split()[1]) for offset in offsets
                       if records[offset].split()[0] == producer.name]
            if producer.once and numbers != sorted(set(numbers)):
                faults.append(f"{producer.name} {partition} is not in order, or there twice")
    return faults


def check_now(node, producers, partitions):
    counts = [[len(each) for each in producer.acknowledged] for producer in producers]
    return faults_of(read_all(node, partitions), producers, counts)


def run_shape(name, shape, kills, chance):
    partitions = shape["partitions"]
    node = Node(f"num.partitions={partitions}", *shape["settings"])
    try:
        producers = [Producer(node, b"%d" % number, partitions, shape.get("filler", 100),
                              enable_idempotence=number < 3,
                              compression_type=CODECS[number]) for number in range(5)]
        topics = Topics(node) if shape.get("topics") else None
        faults = []
        for _ in range(kills):
            time.sleep(chance.uniform(0.02, 0.7))  # the kill comes at any point of the load
            if chance.random() < 0.2:
                node.stop()
            else:
                node.kill()
            node.start()
            faults += check_now(node, producers, partitions)
        if topics is not None:
            topics.finish()
            faults += topics.faults()
        for producer in producers:
            if producer.finish() != 0 or producer.failed:
                faults.append(f"{producer.name} did not get through: {producer.failed[:3]}")
        faults += check_now(node, producers, partitions)
        total = sum(sum(map(len, producer.acknowledged)) for producer in producers)
        print(f"{name}: {kills} restarts, {total} records acknowledged, "
              f"{len(topics.made) if topics else 0} topics made", flush=True)
        if node.stop() != 0:
            faults.append("the node did not stop cleanly")
        for fault in faults[:20]:
            print("FAILED:", name, fault)
        if faults:
            print(node.log()[-3000:])
    finally:
        for producer in producers:
            producer.going = False
        node.remove()
    return faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    chance = random.Random(options.seed)
    chosen = {name: shape for name, shape in SHAPES.items() if options.only in name}
    failed = sum(bool(run_shape(name, shape, options.kills, chance))
                 for name, shape in chosen.items())
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
