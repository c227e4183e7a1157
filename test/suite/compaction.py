#!/usr/bin/env python3
"""Topics are compacted while they are served, as the log.cleaner keys say: the last record of each key is left,
over kill -9 too; what is too young or not due stays; small memory for keys takes several rounds.
"""

import pathlib
import re
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
from node import Node  # noqa: E402

import confluent_kafka  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

KEYS = 300
RECORDS = 24000  # some 3 MB: two segments and the active one
QUICK = ("log.cleaner.backoff.ms=50", "log.cleaner.io.buffer.size=65536")
passed = []
failed = []


def check(what, fine, told=""):
    (passed if fine else failed).append(what)
    print(("ok: " if fine else "FAILED: ") + what + (f"\n{told}" if told and not fine else ""))


def make(node, **topics):
    admin = AdminClient({"bootstrap.servers": node.address, "log_level": 0})
    config = {"cleanup.policy": "compact", "segment.bytes": "1048576"}
    for done in admin.create_topics([NewTopic(name, 1, 1, config={**config, **more})
                                     for name, more in topics.items()]).values():
        done.result(30)


def fill(node, topic, tombstones=()):
    producer = confluent_kafka.Producer({"bootstrap.servers": node.address, "linger.ms": 5, "log_level": 0,
                                         "queue.buffering.max.messages": 10 * RECORDS})
    for key in tombstones:
        producer.produce(topic, None, b"gone %d" % key)
    for number in range(RECORDS):
        producer.produce(topic, b"%d " % number + b"v" * 100, b"key %d" % (number % KEYS))
    if producer.flush(60) != 0:
        raise RuntimeError(f"{topic} was not written")


def records_of(node, topic):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": node.address, "group.id": "g", "log_level": 0,
                                         "enable.partition.eof": True, "enable.auto.commit": False})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    out = []
    while True:
        message = consumer.poll(20)
        if message is None:
            raise RuntimeError(f"nothing came of {topic}")
        if message.error():
            break
        out.append((message.offset(), message.key(), message.value()))
    consumer.close()
    return out


def active_base(node, topic):
    return max(int(path.name[:20]) for path in (node.data / f"{topic}-0").glob("*.log"))


def cleaned_to(node, topic, file="cleaner-offset-checkpoint"):
    path = node.data / file
    found = re.search(rf"^{topic} 0 (\d+)$", path.read_text() if path.exists() else "", re.M)
    return int(found[1]) if found else -1


def wait_until_clean(node, topic):
    deadline = time.monotonic() + 30
    while cleaned_to(node, topic) != active_base(node, topic):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{topic} was not cleaned in 30 s:\n{node.log()}")
        time.sleep(0.02)


def is_compacted(node, topic):
    """The last of each key in front of the active segment, and all of that."""
    base, records = active_base(node, topic), records_of(node, topic)
    cleaned = [key for offset, key, _ in records if offset < base]
    last = {key: int(value.split()[0]) for _, key, value in records if value is not None}
    return len(cleaned) == len(set(cleaned)) and len(last) == KEYS and \
        min(last.values()) == RECORDS - KEYS


def rounds(node, topic):
    return node.log().count(f"event=log_cleaned partition={topic}-0")


def served_and_killed():
    node = Node(*QUICK, "log.cleaner.min.cleanable.ratio=0.01", "log.cleaner.threads=2",
                "log.cleaner.dedupe.buffer.size=4194304", "log.cleaner.io.buffer.load.factor=0.9",
                "log.segment.delete.delay.ms=0", "log.cleaner.delete.retention.ms=0",
                "log.cleaner.min.compaction.lag.ms=3600000")
    try:
        make(node, c={"min.compaction.lag.ms": "0"}, young={}, other={"cleanup.policy": "delete"})
        fill(node, "young")
        fill(node, "other")
        fill(node, "c", tombstones=(1, 2))
        wait_until_clean(node, "c")
        check("the last record of each key is left", is_compacted(node, "c"))
        check("what is cleaned is known to be flushed, also to a start after a crash",
              cleaned_to(node, "c", "recovery-point-offset-checkpoint") >= cleaned_to(node, "c"))
        check("what is younger than the lag is not compacted, nor what is to be deleted",
              cleaned_to(node, "young") == -1 and cleaned_to(node, "other") == -1 and
              len(records_of(node, "young")) == len(records_of(node, "other")) == RECORDS)
        before = records_of(node, "c")
        node.kill()
        node.start()
        check("kill -9 changes nothing", records_of(node, "c") == before)
        fill(node, "c")
        wait_until_clean(node, "c")
        check("more is compacted with what was", is_compacted(node, "c"))
        check("tombstones whose time has come are gone",
              not any(value is None for _, _, value in records_of(node, "c")))
        check("files that were replaced are removed", not list((node.data / "c-0").glob("*.deleted")))
        check("it stops cleanly", node.stop() == 0, node.log())
    finally:
        node.remove()


def small_memory():
    """Of 200 places 160 may be used: a round ends at the 161st key."""
    node = Node(*QUICK, "log.cleaner.min.cleanable.ratio=1", "log.cleaner.max.compaction.lag.ms=1",
                "log.cleaner.dedupe.buffer.size=4800", "log.cleaner.io.buffer.load.factor=0.8")
    try:
        make(node, few={})
        fill(node, "few")
        deadline = time.monotonic() + 30
        while rounds(node, "few") < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        told = re.findall(r"dirty_from=(-?\d+) dirty_to=(\d+)", node.log())
        check("a log that is overdue is compacted, as far as its keys fit each time",
              [int(to) for _, to in told[:2]] == [160, 320], str(told[:3]))
        check("it stops in the middle of that", node.stop() == 0, node.log())
    finally:
        node.remove()


def switched_off():
    node = Node(*QUICK, "log.cleaner.min.cleanable.ratio=0", "log.cleaner.enable=false")
    try:
        make(node, c={})
        fill(node, "c")
        check("it stops cleanly without cleaners", node.stop() == 0, node.log())
        check("nothing is compacted where log.cleaner.enable is false",
              rounds(node, "c") == 0 and cleaned_to(node, "c") == -1)
    finally:
        node.remove()


def main():
    served_and_killed()
    small_memory()
    switched_off()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
