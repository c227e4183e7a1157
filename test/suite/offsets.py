#!/usr/bin/env python3
"""Committed offsets with Debian's clients (python3-confluent-kafka, python3-kafka): what was acknowledged is
there after a clean stop and after kill -9, 1,000 partitions are committed in one request, and a commit that
could not be written is refused and leaves what was. $OTTLA is the binary.
"""

import errno
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import frames  # noqa: E402
import workload  # noqa: E402
from frames import Link  # noqa: E402
from node import TOP, Node  # noqa: E402

try:
    import confluent_kafka
    import kafka
    from confluent_kafka.admin import AdminClient, NewTopic
except ImportError as missing:
    print(f"{missing}: apt-get install python3-confluent-kafka python3-kafka")
    sys.exit(77)

MANY = 1000
KILLS = 3
COMMITTERS = 3
OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR = 8, 9, 10
NONE, NOT_COORDINATOR = 0, 16
LOADING = (14, 15, NOT_COORDINATOR)


def consumer(node, group, **more):
    return confluent_kafka.Consumer({"bootstrap.servers": node.address, "group.id": group,
                                     "enable.auto.commit": False, "auto.offset.reset": "earliest",
                                     "log_level": 0, **more})


def make_topic(node, name, partitions=1):
    admin = AdminClient({"bootstrap.servers": node.address, "log_level": 0})
    for made in admin.create_topics([NewTopic(name, partitions)]).values():
        made.result(20)


def places(topic, count, offset=confluent_kafka.OFFSET_INVALID):
    return [confluent_kafka.TopicPartition(topic, number, offset) for number in range(count)]


def committed(node, group, topic, count=1):
    client = consumer(node, group)
    try:
        return [place.offset for place in client.committed(places(topic, count), timeout=30)]
    finally:
        client.close()


class Clients(unittest.TestCase):
    def setUp(self):
        self.node = Node("ottla.shards=2", "group.initial.rebalance.delay.ms=0")
        self.addCleanup(self.node.remove)

    def again(self):
        """After a clean stop, and after a kill."""
        for end in (self.node.stop, self.node.kill):
            end()
            self.node.start()
            yield

    def test_confluent_commits_what_it_is_told(self):
        make_topic(self.node, "told", MANY)
        client = consumer(self.node, "told")
        answer = client.commit(offsets=places("told", MANY, 77), asynchronous=False)
        self.assertEqual([place.error for place in answer], [None] * MANY)
        client.commit(offsets=[confluent_kafka.TopicPartition("told", 3, 78)], asynchronous=False)
        client.close()
        for _ in self.again():
            self.assertEqual(committed(self.node, "told", "told", MANY), [77] * 3 + [78] + [77] * (MANY - 4))
        self.assertEqual(committed(self.node, "other", "told"), [confluent_kafka.OFFSET_INVALID])

    def test_members_go_on_where_they_were(self):
        make_topic(self.node, "read")
        producer = confluent_kafka.Producer({"bootstrap.servers": self.node.address, "log_level": 0})
        for number in range(30):
            producer.produce("read", b"%d" % number)
        self.assertEqual(producer.flush(20), 0)
        self.assertEqual(self.read_ten("read"), list(range(10)))
        for round_, _ in enumerate(self.again(), 1):
            self.assertEqual(self.read_ten("read"), list(range(10 * round_, 10 * round_ + 10)))

    def read_ten(self, group):
        client = kafka.KafkaConsumer("read", bootstrap_servers=self.node.address, group_id=group,
                                     enable_auto_commit=False, auto_offset_reset="earliest",
                                     max_poll_records=10)
        found = []
        while len(found) < 10:
            for records in client.poll(timeout_ms=1000).values():
                found += [int(record.value) for record in records]
        client.commit()
        client.close()
        return found


class Committer:
    """Commits one offset after the other and remembers which were acknowledged."""

    def __init__(self, node, number):
        self.node, self.number = node, number
        self.sent = self.acknowledged = 0
        self.going = True
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while self.going:
            try:
                with Link(self.node.port) as link:
                    self.commit_on(link)
            except (OSError, TypeError, struct.error):
                time.sleep(0.01)

    def commit_on(self, link):
        while self.going:
            self.sent += 1
            if commit(link, f"group-{self.number}", "crash", 0, self.sent) == NONE:
                self.acknowledged = self.sent


def commit(link, group, topic, partition, offset):
    body = frames.text(group) + struct.pack(">i", -1) + frames.text("") + struct.pack(">qi", -1, 1)
    body += frames.text(topic) + struct.pack(">iiq", 1, partition, offset) + frames.text(None)
    answer = link.ask(frames.request(OFFSET_COMMIT, 2, body))
    return struct.unpack(">h", answer[-2:])[0]


def fetch(link, group, topic, partition):
    """The offset; asks again while the coordinator reads its log."""
    body = frames.text(group) + struct.pack(">i", 1) + frames.text(topic) + struct.pack(">ii", 1, partition)
    deadline = time.monotonic() + frames.WAIT_SECONDS
    while True:
        answer = link.ask(frames.request(OFFSET_FETCH, 2, body))
        error, = struct.unpack(">h", answer[-2:])
        if error == NONE:
            return struct.unpack_from(">q", answer, 4 + 4 + 2 + len(topic) + 4 + 4)[0]
        if error not in LOADING or time.monotonic() > deadline:
            raise RuntimeError(f"OffsetFetch answers {error}")
        time.sleep(0.01)


def find_coordinator(link, group):
    """Makes the internal topic."""
    link.ask(frames.request(FIND_COORDINATOR, 0, frames.text(group)))


class Logs(unittest.TestCase):
    def test_many_small_pieces_are_read_as_one_log(self):
        """offsets.topic.compression.codec is gzip's; each piece read holds one batch at most."""
        node = Node("offsets.topic.compression.codec=1", "offsets.load.buffer.size=1",
                    "transaction.state.log.load.buffer.size=1", "offsets.topic.num.partitions=1")
        self.addCleanup(node.remove)
        with Link(node.port) as link:
            self.assertEqual(workload.create_topic(link, "pieces", 1, {}), 0)
            find_coordinator(link, "g")
            self.assertEqual(fetch(link, "g", "pieces", 0), -1)
            for offset in range(200):
                self.assertEqual(commit(link, f"g{offset % 50}", "pieces", 0, offset), NONE)
        producer = confluent_kafka.Producer({"bootstrap.servers": node.address, "log_level": 0,
                                             "transactional.id": "pieces"})
        producer.init_transactions(20)
        self.assertEqual(node.stop(), 0)
        log = next((node.data / "__consumer_offsets-0").glob("*.log")).read_bytes()
        self.assertEqual(log[22] & 7, 1)  # the first batch's codec
        node.start()
        with Link(node.port) as link:
            self.assertEqual([fetch(link, f"g{number}", "pieces", 0) for number in range(50)],
                             list(range(150, 200)))
        producer = confluent_kafka.Producer({"bootstrap.servers": node.address, "log_level": 0,
                                             "transactional.id": "pieces"})
        producer.init_transactions(20)


    def test_few_descriptors_hide_nothing(self):
        """50 coordinators read their logs at once, with descriptors for a few of them."""
        node = Node(around=("prlimit", "--nofile=96"))
        self.addCleanup(node.remove)
        with Link(node.port) as link:
            self.assertEqual(workload.create_topic(link, "few", 1, {}), 0)
            find_coordinator(link, "g")
            self.assertEqual(fetch(link, "g", "few", 0), -1)
            for number in range(300):
                self.assertEqual(commit(link, f"g{number}", "few", 0, number), NONE)
        for end in (node.kill, node.stop):
            end()
            node.start()
            with Link(node.port) as link:
                self.assertEqual([fetch(link, f"g{number}", "few", 0) for number in range(300)],
                                 list(range(300)))


class Faults(unittest.TestCase):
    def test_kills_lose_nothing_acknowledged(self):
        node = Node("ottla.shards=2")
        self.addCleanup(node.remove)
        make_topic(node, "crash")
        with Link(node.port) as link:
            find_coordinator(link, "group-0")
        committers = [Committer(node, number) for number in range(COMMITTERS)]
        for _ in range(KILLS):
            time.sleep(0.3)
            node.kill()
            node.start()
        for each in committers:
            each.going = False
            each.thread.join()
        with Link(node.port) as link:
            for each in committers:
                offset = fetch(link, f"group-{each.number}", "crash", 0)
                self.assertGreater(each.acknowledged, 0)
                self.assertLessEqual(each.acknowledged, offset)
                self.assertLessEqual(offset, each.sent)
        self.assertEqual(node.stop(), 0)

    @unittest.skipIf(os.environ.get("OTTLA_BUILD", "release") != "release", "takes no preloaded library")
    def test_a_commit_that_cannot_be_written_leaves_what_was(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ottla-offsets-"))
        self.addCleanup(shutil.rmtree, folder)
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", folder / "fail_call.so",
                        TOP / "test/lib/fail_call.c", "-ldl"], check=True)
        around = ("env", f"LD_PRELOAD={folder}/fail_call.so", f"OTTLA_FAIL=pwritev {errno.ENOSPC} 2 2",
                  f"OTTLA_FAIL_UNDER={folder}/data/__consumer_offsets-3/0000")  # where "g" belongs
        node = Node(around=around, data=folder / "data")
        self.addCleanup(node.remove)
        with Link(node.port) as link:
            self.assertEqual(workload.create_topic(link, "full", 1, {}), 0)
            find_coordinator(link, "g")
            self.assertEqual(fetch(link, "g", "full", 0), -1)
            self.assertEqual(commit(link, "g", "full", 0, 5), NONE)
            self.assertEqual(commit(link, "g", "full", 0, 6), NOT_COORDINATOR)
            self.assertEqual(fetch(link, "g", "full", 0), 5)
            self.assertEqual(commit(link, "g", "full", 0, 7), NONE)
        node.kill()
        node.around = ()
        node.start()
        with Link(node.port) as link:
            self.assertEqual(fetch(link, "g", "full", 0), 7)
        self.assertIn("coordinator_reload", node.log())


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(failed > 0)
