#!/usr/bin/env python3
"""Exactly-once copies: a copier consumes, transforms, produces and commits its offsets in one transaction, while it and
the broker are killed (kill -9) at random moments and started again; at the end the copy must hold what its source holds,
each once, in order. The copier is librdkafka's (copier.py) or Java's (Copy.java). $OTTLA is the binary; --help tells the
options. 77: the client is missing.
"""

import argparse
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/history"))
try:
    from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
except ImportError as missing:
    print(f"{missing}: apt-get install python3-confluent-kafka")
    sys.exit(77)
import brokers  # noqa: E402

PARTITIONS = 4
SOURCE, TARGET, GROUP = "source", "target", "copiers"
BEGIN_ANEW = 3
# Two kills: soon after each other, now and then so long that a copier gets on. Of Apache Kafka, a start takes seconds.
BETWEEN_SECONDS = (0.02, 0.4), (0.02, 0.4), (0.5, 2.5)
SLOWNESS = {"ottla": 1, "kafka": 4}
VICTIMS = {"both": ("broker", "copier"), "copier": ("copier",), "broker": ("broker",)}
COPY_SECONDS = 300  # without getting on
OF_A_TRANSACTION = 500


def common(address, **more):
    return {"bootstrap.servers": address, "log_level": 0, "reconnect.backoff.max.ms": 200, **more}


def fill(address, count, chance):
    """The source: committed records, numbered in each partition, and aborted ones between them, which nobody may copy.
    Returns what a partition's copy must hold."""
    producer = Producer(common(address, **{"transactional.id": "filler", "linger.ms": 5}))
    producer.init_transactions(60)
    number = 0
    wanted = [[] for _ in range(PARTITIONS)]
    while number < count:
        producer.begin_transaction()
        aborted = chance.random() < 0.2
        for place in range(min(OF_A_TRANSACTION, count - number)):
            value = b"aborted" if aborted else b"record %d " % (number + place) + b"x" * chance.randrange(100)
            partition = chance.randrange(PARTITIONS)
            producer.produce(SOURCE, value, b"key", partition)
            if not aborted:
                wanted[partition].append(value[::-1])
        if aborted:
            producer.flush(60)
            producer.abort_transaction(60)
        else:
            producer.commit_transaction(60)
            number += place + 1
    return wanted


def read(address, topic):
    """What the partitions of a topic hold for who reads committed records."""
    consumer = Consumer(common(address, **{"group.id": "reader", "enable.partition.eof": True,
                                           "isolation.level": "read_committed", "enable.auto.commit": False}))
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    found, open_ones = [[] for _ in range(PARTITIONS)], PARTITIONS
    while open_ones > 0:
        message = consumer.poll(60)
        if message is None:
            raise RuntimeError("nothing came for 60 s")
        if message.error() is None:
            found[message.partition()].append(message.value())
        elif message.error().code() == KafkaError._PARTITION_EOF:
            open_ones -= 1
    consumer.close()
    return found


class Copying:
    """One copy: the broker, the copier, and who kills them."""

    def __init__(self, options, seed):
        self.options, self.chance = options, random.Random(seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ottla-copy-"))
        self.broker = brokers.start(options.broker, f"num.partitions={PARTITIONS}", "group.min.session.timeout.ms=500")
        self.copier = None
        self.instance = self.chance.choice(((), ("the-one",)))
        self.kills = {"broker": 0, "copier": 0}
        self.looker = None

    def words(self):
        asked = [self.broker.address, SOURCE, TARGET, GROUP, *self.instance]
        if self.options.client == "librdkafka":
            return [sys.executable, str(TOP / "test/history/copier.py"), *asked]
        return ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-cp",
                f"{self.options.jars}/*:{self.options.classes}", "Copy", *asked]

    def start_copier(self):
        with open(self.folder / "copier.log", "ab") as log:
            self.copier = subprocess.Popen(self.words(), stdout=log, stderr=log)

    def look_at_copier(self):
        """It may begin anew, when it says so."""
        code = self.copier.poll()
        if code is None:
            return
        if code != BEGIN_ANEW:
            raise RuntimeError(f"the copier ended with {code}")
        self.start_copier()

    def kill_one(self):
        if self.chance.choice(VICTIMS[self.options.kill]) == "broker":
            self.broker.kill()
            time.sleep(self.chance.choice((0, self.chance.uniform(0, 1))))
            self.broker.start()
            self.kills["broker"] += 1
        else:
            self.copier.kill()
            self.copier.wait()
            self.start_copier()
            self.kills["copier"] += 1

    def left(self, ends):
        """How many offsets of the source are not yet committed as copied; None where nobody answers."""
        try:
            found = self.looker.committed([TopicPartition(SOURCE, number) for number in range(PARTITIONS)], 1)
        except KafkaException:
            return None
        if any(each.error is not None for each in found):
            return None
        return sum(max(end - max(each.offset, 0), 0) for end, each in zip(ends, found))

    def source_ends(self):
        """Behind the last committed record of each partition: what stands behind it moves no offset."""
        consumer = Consumer(common(self.broker.address, **{"group.id": "ends", "enable.partition.eof": True,
                                                           "isolation.level": "read_committed"}))
        consumer.assign([TopicPartition(SOURCE, number, 0) for number in range(PARTITIONS)])
        ends, open_ones = [0] * PARTITIONS, PARTITIONS
        while open_ones > 0:
            message = consumer.poll(60)
            if message is None:
                raise RuntimeError("nothing came for 60 s")
            if message.error() is None:
                ends[message.partition()] = message.offset() + 1
            elif message.error().code() == KafkaError._PARTITION_EOF:
                open_ones -= 1
        consumer.close()
        return ends

    def copy(self):
        ends = self.source_ends()
        self.looker = Consumer(common(self.broker.address, **{"group.id": GROUP, "enable.auto.commit": False,
                                                              "isolation.level": "read_committed"}))
        self.start_copier()
        left, best, since = None, None, time.monotonic()
        while left != 0:
            time.sleep(self.chance.uniform(*self.chance.choice(BETWEEN_SECONDS)) * SLOWNESS[self.options.broker])
            self.look_at_copier()
            if self.broker.died():
                raise RuntimeError("the broker ended by itself")
            left = self.left(ends)
            if left is not None and (best is None or left < best):
                best, since = left, time.monotonic()
            if time.monotonic() - since > COPY_SECONDS:
                raise RuntimeError(f"no record was copied for {COPY_SECONDS} s; {best} are left")
            if left != 0:
                self.kill_one()
        self.looker.close()
        self.copier.kill()
        self.copier.wait()

    def faults(self):
        wanted = fill(self.broker.address, self.options.records, self.chance)
        self.copy()
        out = []
        for number, (each, found) in enumerate(zip(wanted, read(self.broker.address, TARGET))):
            if found != each:
                twice = len(found) - len(set(found))
                missing = len(set(each) - set(found))
                out.append(f"partition {number}: {len(found)} records instead of {len(each)}, {missing} missing, "
                           f"{twice} twice, {len(set(found) - set(each))} unknown")
        if self.broker.stop() != 0:
            out.append("the broker did not stop cleanly")
        return out

    def end(self, fine, name):
        if self.copier is not None:
            self.copier.kill()
            self.copier.wait()
        if not fine:
            kept = TOP / "build/history" / name
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            if (self.folder / "copier.log").exists():
                shutil.copy(self.folder / "copier.log", kept)
            (kept / "node.log").write_text(self.broker.log())
            shutil.copytree(self.broker.folder / "data", kept / "data")
            print(f"  kept: {kept.relative_to(TOP)}")
        self.broker.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


def compile_java(options, folder):
    """Why it cannot be done, or None."""
    if shutil.which("javac") is None:
        return "javac is missing: apt-get install default-jdk-headless"
    done = subprocess.run([TOP / "test/kafka/fetch.sh", "broker"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return done.stderr.strip()
    options.jars, options.classes = done.stdout.strip(), folder
    subprocess.run(["javac", "-cp", f"{options.jars}/*", "-d", folder, str(TOP / "test/history/Copy.java")], check=True)
    return None


def run(options, seed):
    begun = time.monotonic()
    one = Copying(options, seed)
    faults = ["it did not come to an end"]
    try:
        faults = one.faults()
    except RuntimeError as error:
        faults = [str(error)]
    finally:
        one.end(not faults, f"copy-{options.client}-{seed}")
    print(f"seed {seed}: {options.records} records copied by {options.client}, killed: {one.kills['copier']}x the copier, "
          f"{one.kills['broker']}x the broker, {time.monotonic() - begun:.0f} s: "
          f"{'each once, in order' if not faults else 'WRONG'}")
    for fault in faults:
        print(f"  {fault}")
    sys.stdout.flush()
    return not faults


def main():
    parser = argparse.ArgumentParser(description="Exactly-once copies while the copier and the broker are killed.")
    parser.add_argument("--client", choices=("librdkafka", "java"), default="librdkafka")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--broker", choices=("ottla", "kafka"), default="ottla")
    parser.add_argument("--kill", choices=VICTIMS, default="both")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ottla-copy-java-") as folder:
        reason = compile_java(options, folder) if options.client == "java" else None
        if reason is not None:
            print(reason)
            return 77
        results = [run(options, seed) for seed in range(options.seed, options.seed + options.times)]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
