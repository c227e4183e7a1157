#!/usr/bin/env python3
"""Consumer groups of Debian's clients (python3-confluent-kafka, python3-kafka, kcat): members share a
topic's partitions, come, leave, are killed, come back after the node was; every record is read. $OTTLA is
the binary.
"""

import pathlib
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from node import Node, run  # noqa: E402

try:
    import confluent_kafka
    import kafka
except ImportError as missing:
    print(f"{missing}: apt-get install python3-confluent-kafka python3-kafka")
    sys.exit(77)

PARTITIONS = 6
SECONDS = 30  # how long anything may take
SESSION_MS = 1500
MEMBER = """
import sys, confluent_kafka
consumer = confluent_kafka.Consumer({"bootstrap.servers": sys.argv[1], "group.id": sys.argv[2],
    "session.timeout.ms": 1500, "heartbeat.interval.ms": 200})
consumer.subscribe([sys.argv[3]])
while True:
    consumer.poll(0.05)
"""
node = None


def create(topic):
    run("topic", "create", topic, "-p", str(PARTITIONS), "-b", node.address)


def produce(topic, first, count):
    producer = confluent_kafka.Producer({"bootstrap.servers": node.address, "linger.ms": 5})
    for number in range(first, first + count):
        producer.produce(topic, key=str(number), value=str(number))
    assert producer.flush(SECONDS) == 0


class Member:
    """A consumer and what it has read."""

    def __init__(self, group, topic, **settings):
        self.errors = []
        self.read = set()
        self.consumer = confluent_kafka.Consumer({
            "bootstrap.servers": node.address, "group.id": group, "auto.offset.reset": "earliest",
            "session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": 200,
            "auto.commit.interval.ms": 200, "topic.metadata.refresh.interval.ms": 500,
            "reconnect.backoff.max.ms": 200, "log_level": 0, **{name.replace("_", "."): value
                                                for name, value in settings.items()}})
        self.consumer.subscribe([topic])

    def poll(self):
        message = self.consumer.poll(0.02)
        if message is None:
            return
        if message.error():
            self.errors.append(message.error().name())
        else:
            self.read.add(int(message.value()))

    def count(self):
        return len(self.consumer.assignment())


class PythonMember(threading.Thread):
    """A consumer of python3-kafka, whose poll waits for the group."""

    def __init__(self, topic):
        super().__init__(daemon=True)
        self.read, self.count, self.ends, self.topic = set(), 0, False, topic
        self.start()

    def run(self):
        consumer = kafka.KafkaConsumer(
            self.topic, bootstrap_servers=node.address, group_id=self.topic,
            auto_offset_reset="earliest", session_timeout_ms=SESSION_MS, heartbeat_interval_ms=200)
        while not self.ends:
            for records in consumer.poll(50).values():
                self.read |= {int(record.value) for record in records}
            self.count = len(consumer.assignment())
        consumer.close()

    def end(self):
        self.ends = True
        self.join(SECONDS)


def poll_until(members, done):
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, [(m.count(), len(m.read), m.errors) for m in members]
        for member in members:
            member.poll()


def is_shared(members):
    """All partitions, each once, and nobody without."""
    held = [(p.topic, p.partition) for m in members for p in m.consumer.assignment()]
    return len(held) == len(set(held)) == PARTITIONS and all(m.count() > 0 for m in members)


class Groups(unittest.TestCase):
    def test_members_come_and_go(self):
        create("range")
        produce("range", 0, 300)
        victim = subprocess.Popen([sys.executable, "-c", MEMBER, node.address, "range", "range"])
        members = [Member("range", "range") for _ in range(2)]
        try:
            poll_until(members, lambda: sum(m.count() for m in members) == PARTITIONS * 2 // 3)
        finally:
            victim.kill()
            victim.wait()
        poll_until(members, lambda: is_shared(members))
        members.append(Member("range", "range"))
        poll_until(members, lambda: is_shared(members))
        members.pop(0).consumer.close()
        poll_until(members, lambda: is_shared(members))
        node.kill()
        node.start()
        produce("range", 1000, 300)
        wanted = set(range(1000, 1300))
        poll_until(members, lambda: wanted <= set().union(*(m.read for m in members)))
        self.assertTrue(is_shared(members))
        for member in members:
            member.consumer.close()

    def test_partitions_are_handed_over(self):
        settings = {"partition.assignment.strategy": "cooperative-sticky"}
        create("sticky")
        victim = Member("sticky", "sticky", **settings)
        poll_until([victim], lambda: victim.count() == PARTITIONS)
        members = [victim, Member("sticky", "sticky", **settings)]
        poll_until(members, lambda: is_shared(members))
        for member in members:
            member.consumer.close()

    def test_instances_come_back_to_their_partitions(self):
        create("static")
        one, two = (Member("static", "static", group_instance_id=name) for name in ("one", "two"))
        poll_until([one, two], lambda: is_shared([one, two]))
        held = one.consumer.assignment()
        one.consumer.close()  # a static member does not leave
        again = Member("static", "static", group_instance_id="one")
        poll_until([again, two], lambda: again.count() > 0)
        self.assertEqual(again.consumer.assignment(), held)
        self.assertEqual(two.errors, [])
        usurper = Member("static", "static", group_instance_id="two")
        poll_until([again, usurper, two], lambda: "_FATAL" in two.errors)
        for member in (again, usurper):
            member.consumer.close()

    def test_a_full_group(self):
        create("full")
        members = [Member("full", "full") for _ in range(3)]
        poll_until(members, lambda: is_shared(members))
        late = Member("full", "full")
        poll_until([*members, late], lambda: "GROUP_MAX_SIZE_REACHED" in late.errors)
        for member in [*members, late]:
            member.consumer.close()

    def test_kcat(self):
        create("kcat")
        produce("kcat", 0, 500)
        words = ["kcat", "-b", node.address, "-X", "auto.offset.reset=earliest", "-u", "-e", "-G",
                 "kcat", "kcat"]
        first = subprocess.run(words, capture_output=True, timeout=SECONDS, check=True)
        self.assertEqual({int(line) for line in first.stdout.split()}, set(range(500)))
        produce("kcat", 500, 5)
        second = subprocess.run(words, capture_output=True, timeout=SECONDS, check=True)
        self.assertEqual({int(line) for line in second.stdout.split()}, set(range(500, 505)))

    def test_kafka_python(self):
        create("python")
        produce("python", 0, 200)
        members = [PythonMember("python") for _ in range(2)]
        deadline = time.monotonic() + SECONDS
        while len(members[0].read | members[1].read) < 200 or any(m.count != 3 for m in members):
            self.assertLess(time.monotonic(), deadline, [(m.count, len(m.read)) for m in members])
            time.sleep(0.02)
        for member in members:
            member.end()


def main():
    global node
    node = Node("group.initial.rebalance.delay.ms=300", "group.min.session.timeout.ms=1000",
                "group.max.session.timeout.ms=60000", "group.max.size=3")
    try:
        done = unittest.main(exit=False, verbosity=1).result
    finally:
        node.remove()
    failed = len(done.failures) + len(done.errors)
    print(f"{done.testsRun - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
