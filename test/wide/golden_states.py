#!/usr/bin/env python3
"""Directories in both directions, of what golden.py does not have: idempotent, transactional (commits, aborts, one
that stays open) and compacted data, after kill -9 and after a clean stop of either. Apache Kafka 4.4.0 writes and
is killed; Ottla goes on, and is killed; Kafka goes on, and stops; Ottla goes on, and stops; Kafka looks once more.
Whoever starts on a directory must answer as the one before did: the same batches byte for byte at the same offsets,
with their epochs and checksums, read committed and uncommitted, of which the same are of aborted transactions; high
watermark, last stable offset, offsets of timestamps, ends of epochs. usage: golden_states.py BROKER_JARS
"""

import base64
import pathlib
import signal
import struct
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
from differential import Player, differences  # noqa: E402
from golden_log import SMALL, fill, producer_of, transactions  # noqa: E402
from kafka_broker import Kafka  # noqa: E402
from node import Node  # noqa: E402
from workload import batches_of  # noqa: E402

from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

PLAIN = {**SMALL, "retention.ms": "-1"}
COMPACT = {**SMALL, "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"}
TOPICS = {
    "plain": PLAIN,
    "idempotent": PLAIN,
    "transactional": PLAIN,
    "compacted": COMPACT,
    "compacted-transactional": COMPACT,
    "tombstones": {**COMPACT, "delete.retention.ms": "1000000000"},
}
CLEANER = ("log.cleaner.backoff.ms=100", "log.initial.task.delay.ms=100", "log.retention.check.interval.ms=1000",
           "group.initial.rebalance.delay.ms=0", "transaction.state.log.num.partitions=1",
           "offsets.topic.num.partitions=1")
FIRST_MS = 1_700_000_000_000
# First, last, the largest, the one of earliest tiered data that is local, and some of records and between.
TIMESTAMPS = (-1, -2, -3, -4, 0, FIRST_MS, FIRST_MS + 1, FIRST_MS + 2999, FIRST_MS + 3000, FIRST_MS + 7001,
              FIRST_MS + 28_001, FIRST_MS + 105_000, FIRST_MS + 10_000_000)
ROOM = 1 << 20
KEYS = 7
EPOCHS = 12
TRANSACTIONAL, CONTROL = 16, 32
passed = []
failed = []


def check(what, fine, told=""):
    (passed if fine else failed).append(what)
    print(("ok: " if fine else "FAILED: ") + what + (f"\n{told}" if told and not fine else ""), flush=True)


# ---- what is written ----

def keyed(producer, topic, turns, first=0):
    """Values of few keys, each flushed: most are to be cleaned away. Every fifth of tombstones has no value. Some keys
    come once, so that no segment is cleaned to nothing: Kafka takes such a one to have the timestamp of its file, and
    a search that ends there to have found nothing."""
    for number in range(first, first + turns):
        value = None if topic == "tombstones" and number % 5 == 0 else f"{topic} {number}".encode() * 5
        key = f"once {number}" if number % KEYS == 0 else f"k{number % KEYS}"
        producer.produce(topic, value, key.encode(), partition=0,
                         timestamp=FIRST_MS + number * 1000)
        if producer.flush(30) != 0:
            raise RuntimeError(f"{topic} is not written")


def keyed_transactions(address, first):
    """Commits and aborts over the same keys."""
    producer = producer_of(address, transactional_id="keyed")
    producer.init_transactions(60)
    for turn in range(6):
        producer.begin_transaction()
        keyed(producer, "compacted-transactional", 3, first + turn * 3)
        (producer.abort_transaction if turn % 3 == 1 else producer.commit_transaction)(60)


def write_any(address, first):
    """What needs no transactions."""
    fill(producer_of(address), "plain", 8, first)
    fill(producer_of(address, enable_idempotence=True, compression_type="lz4"), "idempotent", 8, first)
    for topic in ("compacted", "tombstones"):
        keyed(producer_of(address, enable_idempotence=topic == "compacted"), topic, 30, first)


def write_as_kafka(address, first):
    write_any(address, first)
    keyed_transactions(address, first)
    return transactions(address)


def create(address):
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    made = admin.create_topics([NewTopic(topic, 1, 1, config=configs) for topic, configs in TOPICS.items()])
    for done in made.values():
        done.result(30)


# ---- what is answered ----

def taken_back(records, aborted):
    """Base offsets of the batches that a consumer passes over, being of aborted transactions. The lists themselves
    differ: a broker may name transactions that end behind what it sends, and forgets such whose data are cleaned away
    when it makes its index again."""
    waiting = sorted(aborted, key=lambda each: each["firstOffset"])
    producers, found = set(), []
    for base, last, data in batches_of(records):
        while waiting and waiting[0]["firstOffset"] <= last:
            producers.add(waiting.pop(0)["producerId"])
        attributes, = struct.unpack_from(">h", data, 21)
        producer, = struct.unpack_from(">q", data, 43)
        if attributes & CONTROL:
            producers.discard(producer)
        elif attributes & TRANSACTIONAL and producer in producers:
            found.append(base)
    return found



class Answers:
    """Of a broker, by topic and by what was asked."""

    def __init__(self, address):
        self.player = Player(address)
        try:
            self.of = {topic: self.ask_all(topic) for topic in TOPICS}
        finally:
            self.player.close()

    def ask_all(self, topic):
        found = {"offsets": {str(each): self.offset(topic, each, level) for each in TIMESTAMPS for level in (0, 1)},
                 "epochs": [self.epoch_end(topic, epoch) for epoch in range(EPOCHS)]}
        for level in (0, 1):
            found[("uncommitted", "committed")[level]] = self.read(topic, level)
        return found

    def partition(self, api, version, topic, **body):
        """The one partition of an answer to a request for one."""
        told = {"api": api, "version": version, "retry": True, "body": body}
        answer = self.player.ask_until_settled(told, version)
        topics = answer.get("topics") or answer.get("responses")
        if topics is None:
            raise RuntimeError(f"{api} of {topic}: {answer}")
        return topics[0]["partitions"][0]

    def offset(self, topic, timestamp, level):
        answer = self.partition("ListOffsets", 8, topic, replicaId=-1, isolationLevel=level, topics=[
            {"name": topic, "partitions": [{"partitionIndex": 0, "timestamp": timestamp}]}])
        if timestamp == -1:
            answer.pop("leaderEpoch")  # of now: it may go up with every start
        return answer

    def epoch_end(self, topic, epoch):
        answer = self.partition("OffsetForLeaderEpoch", 4, topic, topics=[
            {"topic": topic, "partitions": [{"partition": 0, "leaderEpoch": epoch}]}])
        return {"error": answer["errorCode"], "end": answer["endOffset"], "epoch": answer["leaderEpoch"]}

    def fetch(self, topic, offset, level):
        return self.partition("Fetch", 12, topic, isolationLevel=level, maxBytes=ROOM, minBytes=0, topics=[
            {"topic": topic, "partitions": [{"partition": 0, "fetchOffset": offset, "partitionMaxBytes": ROOM}]}])

    def read(self, topic, level):
        """From the start to where the level ends, a fetch after the other."""
        at, found = self.offset(topic, -2, level)["offset"], []
        while True:
            answer = self.fetch(topic, at, level)
            records = base64.b64decode(answer.pop("records") or "")
            answer["fetchOffset"] = at
            aborted = answer.pop("abortedTransactions") or []
            answer["taken back"] = taken_back(records, aborted)
            for base, last, data in batches_of(records):
                answer.setdefault("batches", []).append((base, last, data.hex()))
                at = last + 1
            found.append(answer)
            if not records:
                return found


def settled(address):
    """The answers, once two in a row are the same: a cleaner may be at work."""
    before = Answers(address).of
    for _ in range(60):
        time.sleep(0.5)
        now = Answers(address).of
        if now == before:
            return now
        before = now
    raise RuntimeError("the answers go on to change")


def cleaned(answers):
    """Whether the cleaner has been at every topic that it is to clean: offsets are missing."""
    batches = [[each for fetch in answers[topic]["uncommitted"] for each in fetch.get("batches", [])]
               for topic, configs in TOPICS.items() if "cleanup.policy" in configs]
    return all(len(of_topic) <= of_topic[-1][1] for of_topic in batches)


def without_new_epochs(answers, last):
    """A start may begin an epoch, which has no records yet."""
    return {**answers, "epochs": answers["epochs"][:last + 1]}


def last_epoch(answers):
    return max(int(data[24:32], 16) for fetch in answers["uncommitted"] for *_, data in fetch.get("batches", []))


def compare(what, before, now):
    for topic in TOPICS:
        last = last_epoch(before[topic])
        told = [f"{path}: {str(theirs)[:200]} became {str(ours)[:200]}"
                for path, theirs, ours in differences(
                    without_new_epochs(before[topic], last), without_new_epochs(now[topic], last))]
        check(f"{what}: {topic}", not told, "\n".join(told[:6]))


def wait_until_cleaned(address):
    deadline = time.monotonic() + 30
    while not cleaned(Answers(address).of):
        if time.monotonic() > deadline:
            raise RuntimeError("nothing was cleaned")
        time.sleep(0.3)


def main():
    jars = sys.argv[1]
    node = Node("log.cleaner.enable=false")  # what Kafka told before is compared
    node.stop()
    try:
        data = node.folder / "directory"
        kafka = Kafka(jars, data, node.folder, CLEANER)
        create(kafka.address)
        kept = write_as_kafka(kafka.address, 0)
        wait_until_cleaned(kafka.address)
        answers = settled(kafka.address)
        kafka.end(signal.SIGKILL)
        node.data = data

        node.start()
        compare("Ottla after Kafka's kill -9", answers, Answers(node.address).of)
        write_any(node.address, 200)
        answers = settled(node.address)
        node.kill()

        kafka = Kafka(jars, data, node.folder, ("log.cleaner.enable=false", *CLEANER))
        compare("Kafka after Ottla's kill -9", answers, Answers(kafka.address).of)
        del kept
        kept = write_as_kafka(kafka.address, 300)
        answers = settled(kafka.address)
        kafka.end(signal.SIGTERM)

        node.start()
        compare("Ottla after Kafka's clean stop", answers, Answers(node.address).of)
        write_any(node.address, 500)
        answers = settled(node.address)
        check("Ottla stops cleanly", node.stop() == 0)

        kafka = Kafka(jars, data, node.folder, ("log.cleaner.enable=false", *CLEANER))
        compare("Kafka after Ottla's clean stop", answers, Answers(kafka.address).of)
        kafka.end(signal.SIGTERM)
        del kept
        if failed:
            print(node.log()[-3000:])
    finally:
        node.remove()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
