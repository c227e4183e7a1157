#!/usr/bin/env python3
"""kill -9 at random points under acks=all load: nothing acknowledged is missing after the restart, in
its order, and nothing is there twice, since the producer is idempotent. $OTTLA is the binary;
--runs N (3) is the number of kills.
"""

import argparse
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from node import Node  # noqa: E402

try:
    import confluent_kafka
except ImportError as missing:
    print(f"{missing}: apt-get install python3-confluent-kafka")
    sys.exit(77)

TOPIC = "crash"
PARTITIONS = 4


class Load:
    """One idempotent producer that goes on over every crash; remembers what was acknowledged."""

    def __init__(self, node):
        self.producer = confluent_kafka.Producer({
            "bootstrap.servers": node.address, "enable.idempotence": True, "acks": "all",
            "linger.ms": 1, "batch.num.messages": 50, "reconnect.backoff.max.ms": 100,
            "message.timeout.ms": 60_000, "log_level": 0})
        self.acknowledged = [[] for _ in range(PARTITIONS)]
        self.failed = []
        self.sent = 0
        self.going = True
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def on_delivery(self, error, message):
        if error is not None:
            self.failed.append(str(error))
        else:
            self.acknowledged[message.partition()].append((message.offset(), message.value()))

    def work(self):
        while self.going:
            for _ in range(20):
                number, self.sent = self.sent, self.sent + 1
                self.producer.produce(TOPIC, b"%d" % number, partition=number % PARTITIONS,
                                      on_delivery=self.on_delivery)
            self.producer.poll(0.002)

    def finish(self):
        self.going = False
        self.thread.join()
        return self.producer.flush(60)


def read_all(node, partition):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": node.address, "group.id": "none",
                                         "enable.auto.commit": False,
                                         "enable.partition.eof": True})
    consumer.assign([confluent_kafka.TopicPartition(TOPIC, partition, 0)])
    found = []
    while True:
        message = consumer.poll(30)
        if message is None:
            raise RuntimeError("nothing came for 30 s")
        if message.error() is not None:
            break
        found.append((message.offset(), message.value()))
    consumer.close()
    return found


def check(node, load):
    """What is wrong, a line each."""
    faults = [f"not delivered: {error}" for error in load.failed[:5]]
    for partition in range(PARTITIONS):
        found = read_all(node, partition)
        values = [value for _, value in found]
        if len(set(values)) != len(values):
            faults.append(f"partition {partition} holds records twice")
        if values != sorted(values, key=int):
            faults.append(f"partition {partition} is out of order")
        at = dict(found)
        lost = [entry for entry in load.acknowledged[partition] if at.get(entry[0]) != entry[1]]
        if lost:
            faults.append(f"partition {partition} lost {len(lost)} acknowledged, first {lost[0]}")
    return faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    options = parser.parse_args()
    chance = random.Random(options.seed)
    print(f"seed {options.seed}")
    node = Node("num.partitions=%d" % PARTITIONS, "log.segment.bytes=1048576")
    try:
        load = Load(node)
        for _ in range(options.runs):
            time.sleep(chance.uniform(0.05, 0.8))
            node.kill()
            node.start()
        time.sleep(0.3)
        faults = check(node, load) if load.finish() == 0 else ["the producer did not get through"]
        acknowledged = sum(len(each) for each in load.acknowledged)
        print(f"{options.runs} kills, {acknowledged} records acknowledged of {load.sent}")
        if node.stop() != 0:
            faults.append("the node did not stop cleanly")
        for fault in faults:
            print(fault)
        if faults:
            print(node.log()[-4000:])
    finally:
        node.remove()
    print(f"{int(not faults)} passed, {int(bool(faults))} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
