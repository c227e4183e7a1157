#!/usr/bin/env python3
"""Makes src/log/test/golden: partition folders that Apache Kafka 4.4.0 wrote, as kill -9 left them and
as its own recovery and clean stop left them after. usage: golden_log.py BROKER_JARS
"""

import pathlib
import shutil
import signal
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
from kafka_broker import Kafka  # noqa: E402

import confluent_kafka  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

GOLDEN = TOP / "src/log/test/golden"
# Every batch has an index entry and nine entries fill a time index: several segments of few bytes.
SMALL = {"segment.index.bytes": "120", "index.interval.bytes": "0"}
TOPICS = {
    "plain": {},
    "gzip": {}, "snappy": {}, "lz4": {}, "zstd": {},
    "idempotent": {},
    "transactional": {},
    "appendtime": {"message.timestamp.type": "LogAppendTime"},
}
BATCHES = 30


def fill(producer, topic, batches, first=0):
    for number in range(first, first + batches):
        for record in range(3):
            producer.produce(topic, f"{topic} {number}.{record} ".encode() * 8, f"k{number}".encode(),
                             partition=0, timestamp=1_700_000_000_000 + number * 1000 + record)
        if producer.flush(30) != 0:
            raise RuntimeError(f"{topic} is not written")


def producer_of(address, **more):
    return confluent_kafka.Producer({"bootstrap.servers": address, "linger.ms": 5, "log_level": 0,
                                     **{key.replace("_", "."): value for key, value in more.items()}})


def transactions(address):
    """Commits and aborts of two producers that overlap, and one that stays open."""
    one = producer_of(address, transactional_id="one")
    two = producer_of(address, transactional_id="two")
    for producer in (one, two):
        producer.init_transactions(60)
    for turn in range(6):
        one.begin_transaction()
        fill(one, "transactional", 2, turn * 10)
        two.begin_transaction()
        fill(two, "transactional", 1, turn * 10 + 5)
        if turn % 2 == 0:
            one.abort_transaction(60)
        else:
            one.commit_transaction(60)
        fill(two, "transactional", 1, turn * 10 + 7)
        if turn % 3 == 0:
            two.commit_transaction(60)
        else:
            two.abort_transaction(60)
    two.begin_transaction()
    fill(two, "transactional", 1, 100)
    return one, two


def keep(data, how):
    for topic in TOPICS:
        shutil.copytree(data / f"{topic}-0", GOLDEN / how / f"{topic}-0")


def main():
    jars = sys.argv[1]
    shutil.rmtree(GOLDEN, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        data = folder / "data"
        kafka = Kafka(jars, data, folder)
        admin = AdminClient({"bootstrap.servers": kafka.address, "log_level": 0})
        made = admin.create_topics([NewTopic(topic, 1, 1, config={**SMALL, **more})
                                    for topic, more in TOPICS.items()])
        for done in made.values():
            done.result(30)
        for topic in ("plain", "appendtime"):
            fill(producer_of(kafka.address), topic, BATCHES)
        for codec in ("gzip", "snappy", "lz4", "zstd"):
            fill(producer_of(kafka.address, compression_type=codec), codec, BATCHES)
        fill(producer_of(kafka.address, enable_idempotence=True), "idempotent", BATCHES)
        open_ones = transactions(kafka.address)
        kafka.end(signal.SIGKILL)
        keep(data, "killed")
        del open_ones
        kafka = Kafka(jars, data, folder)
        kafka.end(signal.SIGTERM)
        keep(data, "clean")
    return 0


if __name__ == "__main__":
    sys.exit(main())
