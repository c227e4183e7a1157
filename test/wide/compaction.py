#!/usr/bin/env python3
"""The same directory compacted by Apache Kafka 4.4.0 and by Ottla, compared file by file, batch by batch,
record by record: keys that come again, tombstones, four codecs, producers with sequences, transactions that
were committed and aborted. Then Kafka starts on what Ottla compacted, serves it, appends more, and both
compact that again: now tombstones and markers whose time has come go. usage: compaction.py BROKER_JARS
"""

import base64
import pathlib
import shutil
import signal
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
from batch import decode, read_varint  # noqa: E402
from kafka_broker import Kafka  # noqa: E402
from node import Node  # noqa: E402

import confluent_kafka  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

# Every batch has an index entry and nine entries fill a time index: several segments of few bytes.
SMALL = {"segment.index.bytes": "120", "index.interval.bytes": "0", "cleanup.policy": "compact"}
TOPICS = {
    "plain": {},
    "gzip": {}, "snappy": {}, "lz4": {}, "zstd": {},
    "tombstones": {},
    "tombstones-go": {"delete.retention.ms": "0"},
    "idempotent": {},
    "transactional": {},
    "transactions-go": {"delete.retention.ms": "0"},
    "appendtime": {"message.timestamp.type": "LogAppendTime"},
    "both": {"cleanup.policy": "compact,delete", "retention.ms": "-1"},
    "larger": {"segment.index.bytes": "240"},
}
PRODUCING = ("log.cleaner.min.cleanable.ratio=1",)
CLEANING = ("log.cleaner.min.cleanable.ratio=0", "log.cleaner.backoff.ms=50")
START_MS = 1_700_000_000_000
passed = []
failed = []


def check(what, fine, told=""):
    (passed if fine else failed).append(what)
    print(("ok: " if fine else "FAILED: ") + what + (f"\n{told}" if told and not fine else ""))


# ---- producing ----

def producer_of(address, **more):
    return confluent_kafka.Producer({"bootstrap.servers": address, "linger.ms": 5, "log_level": 0,
                                     **{key.replace("_", "."): value for key, value in more.items()}})


def fill(producer, topic, first, batches, tombstones=False):
    """Batches of four records; keys come again after some batches."""
    for number in range(first, first + batches):
        for record in range(4):
            key = f"k{(number * 3 + record * 5) % 17}".encode()
            gone = tombstones and (number + record) % 3 == 0
            producer.produce(topic, None if gone else f"{topic} {number}.{record} ".encode() * 6, key,
                             partition=0, timestamp=START_MS + number * 1000 + record,
                             headers=[("h", b"1")] if record == 1 else None)
        if producer.flush(30) != 0:
            raise RuntimeError(f"{topic} is not written")


def transactions(address, topic, first):
    """Commits and aborts of two producers that overlap."""
    one = producer_of(address, transactional_id=f"{topic} one")
    two = producer_of(address, transactional_id=f"{topic} two")
    for producer in (one, two):
        producer.init_transactions(60)
    for turn in range(5):
        one.begin_transaction()
        fill(one, topic, first + turn * 10, 2)
        two.begin_transaction()
        fill(two, topic, first + turn * 10 + 5, 1)
        (one.abort_transaction if turn % 2 == 0 else one.commit_transaction)(60)
        fill(two, topic, first + turn * 10 + 7, 1)
        (two.commit_transaction if turn % 3 == 0 else two.abort_transaction)(60)


def produce(address, first):
    for topic in TOPICS:
        if topic.startswith("transaction"):
            transactions(address, topic, first)
        elif topic in ("gzip", "snappy", "lz4", "zstd"):
            fill(producer_of(address, compression_type=topic), topic, first, 24)
        else:
            fill(producer_of(address, enable_idempotence=topic == "idempotent"), topic, first, 24,
                 topic.startswith("tombstones"))


def records_of(address, topic, level):
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": address, "group.id": "g", "enable.partition.eof": True, "log_level": 0,
        "enable.auto.commit": False, "isolation.level": level, "check.crcs": True,
        "fetch.wait.max.ms": 10})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    out = []
    while True:
        message = consumer.poll(20)
        if message is None or (message.error() and
                               message.error().code() != confluent_kafka.KafkaError._PARTITION_EOF):
            raise RuntimeError(f"{topic}: {message.error() if message else 'nothing came'}")
        if message.error():
            break
        out.append((message.offset(), message.key(), message.value(), message.timestamp()))
    consumer.close()
    return out


def all_records(address):
    return {(topic, level): records_of(address, topic, level)
            for topic in TOPICS for level in ("read_committed", "read_uncommitted")}


# ---- cleaning ----

def active_base(folder):
    return max(int(path.name[:20]) for path in folder.glob("*.log"))


def checkpoint(data):
    path = data / "cleaner-offset-checkpoint"
    lines = path.read_text().splitlines()[2:] if path.exists() else []
    return {f"{line.split()[0]}-{line.split()[1]}": int(line.split()[2]) for line in lines}


def wait_until_clean(data):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            done = checkpoint(data)
        except (OSError, IndexError):  # between a write and its rename
            done = {}
        if all(done.get(f"{topic}-0") == active_base(data / f"{topic}-0") for topic in TOPICS):
            return
        time.sleep(0.05)
    late = {topic: active_base(data / f"{topic}-0") for topic in TOPICS
            if done.get(f"{topic}-0") != active_base(data / f"{topic}-0")}
    raise RuntimeError(f"{data} was not cleaned in 30 s: {done}, {late} is wanted")


def clean_with_kafka(jars, data, folder):
    kafka = Kafka(jars, data, folder, CLEANING)
    wait_until_clean(data)
    kafka.end()


def clean_with_ottla(data, node_settings=CLEANING):
    node = Node(*node_settings)
    node.stop()
    shutil.rmtree(node.data)
    shutil.copytree(data, node.data)
    node.start()
    try:
        try:
            wait_until_clean(node.data)
        except RuntimeError:
            print(node.log()[-5000:])
            raise
        served = all_records(node.address)
        check("Ottla stops cleanly", node.stop() == 0, node.log())
        shutil.rmtree(data)
        shutil.copytree(node.data, data)
        return served
    finally:
        node.remove()


# ---- comparing ----

def records_in(batch):
    body, out, at = bytes.fromhex(batch["body"]), [], 0
    while at < len(body):
        size, at = read_varint(body, at)
        record, end = {}, at + size
        record["attributes"] = body[at]
        record["time"], at = read_varint(body, at + 1)
        record["offset"], at = read_varint(body, at)
        record["rest"] = body[at:end].hex()
        out.append(record)
        at = end
    return out


def comparable(batch):
    """Without what is of the moment: when a horizon was set, how a codec has it."""
    batch = dict(batch, records=records_in(batch))
    horizon = batch["baseTimestamp"] if batch["attributes"] & 0x40 else None
    batch.pop("body")
    if horizon is not None:
        for record in batch["records"]:
            record["time"] += horizon
        batch["baseTimestamp"] = "horizon"
    return batch


def batches_of(path):
    return [comparable(batch) for batch in decode(base64.b64encode(path.read_bytes()).decode())]


def names_of(folder):
    """Producer snapshots only of segments: others are of stops, and who removes them when is not told."""
    return sorted(path.name for path in folder.iterdir()
                  if path.suffix in (".log", ".index", ".timeindex", ".txnindex") or
                  path.suffix == ".snapshot" and path.with_suffix(".log").exists())


def same_file(one, other, exact):
    if one.suffix == ".log":
        ours, theirs = batches_of(one), batches_of(other)
        return ours == theirs, f"ours   {ours}\ntheirs {theirs}"
    if one.suffix == ".index" and not exact:  # positions follow what a codec makes
        return len(one.read_bytes()) == len(other.read_bytes()), "sizes differ"
    return one.read_bytes() == other.read_bytes(), \
        f"ours {one.read_bytes().hex()} theirs {other.read_bytes().hex()}"


def compare(ours, theirs, when):
    for topic in TOPICS:
        mine, other = ours / f"{topic}-0", theirs / f"{topic}-0"
        check(f"{when}: {topic} has the same files", names_of(mine) == names_of(other),
              f"ours {names_of(mine)}\ntheirs {names_of(other)}")
        exact = topic not in ("gzip", "snappy", "lz4", "zstd")
        for name in names_of(mine):
            # A producer snapshot is written at the stop, with the time of it.
            if not (other / name).exists() or name.endswith(".snapshot"):
                continue
            fine, told = same_file(mine / name, other / name, exact)
            if not fine:
                check(f"{when}: {topic}/{name} is the same", False, told)
        sealed = [path for path in mine.glob("*.log") if int(path.name[:20]) < active_base(mine)]
        kept = sum(batch["count"] for path in sealed for batch in batches_of(path))
        check(f"{when}: {topic} is compacted", sealed and kept < 96, f"{kept} records")
    wrong = {name: (checkpoint(ours).get(name), offset) for name, offset in checkpoint(theirs).items()
             if name[:-2] in TOPICS and checkpoint(ours).get(name) != offset}
    check(f"{when}: the checkpoints say the same", not wrong, str(wrong))


def main():
    jars = sys.argv[1]
    node = Node()  # for its folder
    node.stop()
    folder, ours, theirs = node.folder, node.folder / "ours", node.folder / "theirs"
    try:
        kafka = Kafka(jars, ours, folder, PRODUCING)
        admin = AdminClient({"bootstrap.servers": kafka.address, "log_level": 0})
        made = admin.create_topics(
            [NewTopic(topic, 1, 1, config={**SMALL, **more}) for topic, more in TOPICS.items()])
        for done in made.values():
            done.result(30)
        produce(kafka.address, 0)
        kafka.end()
        shutil.copytree(ours, theirs)
        served = clean_with_ottla(ours)
        clean_with_kafka(jars, theirs, folder)
        compare(ours, theirs, "first")

        kafka = Kafka(jars, ours, folder, PRODUCING)
        again = all_records(kafka.address)
        wrong = [key for key in served if served[key] != again[key]]
        check("Kafka serves what Ottla compacted, record by record", not wrong, str(wrong))
        produce(kafka.address, 100)
        kafka.end(signal.SIGTERM)
        shutil.rmtree(theirs)
        shutil.copytree(ours, theirs)
        served = clean_with_ottla(ours)
        clean_with_kafka(jars, theirs, folder)
        compare(ours, theirs, "again")
        other = clean_with_ottla(theirs)  # nothing is left to do
        wrong = [key for key in served if served[key] != other[key]]
        check("Ottla serves what Kafka compacted as what it compacted itself", not wrong, str(wrong))
    finally:
        node.remove()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
