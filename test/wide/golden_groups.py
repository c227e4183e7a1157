#!/usr/bin/env python3
"""__consumer_offsets and __transaction_state in both directions. Apache Kafka 4.4.0 serves groups and transactions of
every kind and is killed; Ottla takes its directory and its port over and is killed; Kafka goes on, and stops; Ottla goes
on, and stops. Kafka's own tools must say the same before and after. Clients live through all of it: members stay
members, and what one began a transaction with, it commits at the next. usage: golden_groups.py BROKER_JARS TOOLS_JARS
Where $OTTLA_WIDE_BROKER is set, Kafka serves in Ottla's place too.
"""

import os
import pathlib
import re
import signal
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
from golden_log import producer_of  # noqa: E402
from kafka_broker import Kafka  # noqa: E402
from node import Node, free_port  # noqa: E402
from tools import Tools  # noqa: E402

from confluent_kafka import Consumer, KafkaException, TopicPartition  # noqa: E402

SETTINGS = ("group.initial.rebalance.delay.ms=0", "offsets.topic.num.partitions=3",
            "transaction.state.log.num.partitions=3", "group.consumer.min.heartbeat.interval.ms=500",
            "group.consumer.heartbeat.interval.ms=500", "transaction.abort.timed.out.transaction.cleanup.interval.ms=500")
GROUPS = "consumer.group.ConsumerGroupCommand"
TRANSACTIONS = "TransactionsCommand"
RECORDS = 9
# What a virtual machine compiles well pays off later than it lives here.
SHORT_LIVED = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
WAIT_SECONDS = 60
passed = []
failed = []


def check(what, fine, told=""):
    (passed if fine else failed).append(what)
    print(("ok: " if fine else "FAILED: ") + what + (f"\n{told}" if told and not fine else ""), flush=True)


class Place:
    """A directory and a port that one broker after the other has."""

    def __init__(self, jars):
        self.node = Node(*SETTINGS)
        self.node.stop()
        self.node.data = self.node.folder / "directory"
        self.jars, self.kafka = jars, None

    @property
    def address(self):
        return self.node.address

    def start(self, name):
        if name == "Kafka" or os.environ.get("OTTLA_WIDE_BROKER"):
            self.kafka = Kafka(self.jars, self.node.data, self.node.folder, SETTINGS, SHORT_LIVED,
                               ports=(self.node.port, free_port()))
        else:
            self.node.start()

    def end(self, how):
        if self.kafka is not None:
            self.kafka.end(how)
            self.kafka = None
        elif how == signal.SIGKILL:
            self.node.kill()
        else:
            check("Ottla stops cleanly", self.node.stop() == 0)

    def remove(self):
        if self.kafka is not None:
            self.kafka.end(signal.SIGKILL)
        self.node.remove()


# ---- what is written ----

class Writer:
    """Groups and transactions whose names begin with the letter; some of them stay."""

    def __init__(self, place, tools, letter):
        self.address, self.tools, self.letter = place.address, tools, letter
        self.topic = f"{letter}-topic"
        self.groups = {name: f"{letter}-{name}" for name in
                       ("classic", "consumer", "left", "simple", "deleted", "partly", "pending")}
        self.metadata = Consumer({"bootstrap.servers": self.address, "group.id": self.groups["pending"],
                                  "log_level": 0})
        self.open = None

    def run(self, name, *words):
        done = self.tools.run(name, self.address, *words)
        if done.returncode != 0:
            raise RuntimeError(f"{name} {words}: {(done.stdout + done.stderr).decode()[-2000:]}")

    def records(self):
        self.run("TopicCommand", "--create", "--topic", self.topic, "--partitions", "3")
        self.run("TopicCommand", "--create", "--topic", f"{self.letter}-late", "--partitions", "1")
        plain = producer_of(self.address)
        for number in range(3 * RECORDS):
            plain.produce(self.topic, str(number), partition=number % 3)
        plain.flush(30)

    def members(self):
        """One of each protocol that stays, and one that left."""
        for group in ("classic", "consumer"):
            more = ("--group-instance-id", f"{self.letter}-instance", "--session-timeout", "300000")
            self.tools.begin("VerifiableConsumer", self.address, "--topic", self.topic, "--group-id", self.groups[group],
                             "--group-protocol", group, *(more if group == "classic" else ()))
        self.run("VerifiableConsumer", "--topic", self.topic, "--group-id", self.groups["left"], "--max-messages",
                 str(3 * RECORDS))

    def offsets(self):
        for group in ("simple", "deleted", "partly"):
            self.run(GROUPS, "--reset-offsets", "--group", self.groups[group], "--topic", self.topic, "--to-offset", "4",
                     "--execute")
        self.run(GROUPS, "--delete", "--group", self.groups["deleted"])
        self.run(GROUPS, "--delete-offsets", "--group", self.groups["partly"], "--topic", f"{self.topic}:1")

    def producer(self, name, **more):
        made = producer_of(self.address, transactional_id=f"{self.letter}-{name}", **more)
        made.init_transactions(60)
        return made

    def begin(self, producer, partition, offset):
        """A record and an offset."""
        producer.begin_transaction()
        producer.produce(self.topic, f"{self.letter} {offset}", partition=partition)
        producer.flush(30)
        producer.send_offsets_to_transaction([TopicPartition(self.topic, partition, offset)],
                                             self.metadata.consumer_group_metadata(), 30)

    def transactions(self):
        """Of the older kind, committed, aborted and open, and of the newer, which the Java producer has."""
        done, undone = self.producer("done"), self.producer("undone")
        self.begin(done, 0, 5)
        done.commit_transaction(60)
        self.begin(undone, 0, 6)
        undone.abort_transaction(60)
        self.producer("new")
        self.open = self.producer("open", transaction_timeout_ms=600_000)
        self.begin(self.open, 1, 7)
        self.run("ProducerPerformance", "--topic", self.topic, "--num-records", "50", "--record-size", "10",
                 "--throughput", "-1", "--transactional-id", f"{self.letter}-java", "--transaction-duration-ms", "5")

    def write(self):
        self.records()
        self.members()
        self.offsets()
        self.transactions()
        return self

    def begin_late(self):
        """One that its next broker is to abort: the producer is gone, which would begin again."""
        late, delivered = self.producer("late", transaction_timeout_ms=4000), []
        late.begin_transaction()
        late.produce(f"{self.letter}-late", b"late", partition=0, on_delivery=lambda error, _: delivered.append(error))
        late.flush(30)
        check("one more transaction begins", delivered == [None], str(delivered))


# ---- what the tools say ----

def rows_of(place, tools, name, *words):
    done = tools.run(name, place.address, *words)
    told = [" ".join(line.split()) for line in done.stdout.decode().splitlines() if line.strip()]
    return [f"{' '.join(words)}: {line}" for line in told if not line.startswith(("GROUP ", "TransactionalId "))]


def offsets_of(place, tools):
    return rows_of(place, tools, GROUPS, "--describe", "--all-groups", "--offsets", "--verbose")


class Told:
    """All of it, a line each, without what is of the moment."""

    def __init__(self, place, tools, writers):
        self.place, self.tools = place, tools
        self.letters = [writer.letter for writer in writers]
        self.lines = self.ask()

    def rows(self, *words):
        return rows_of(self.place, self.tools, *words)

    def transaction(self, name):
        """Id, producer, epoch, state, timeout, beginning and partitions; not how long it takes."""
        told = self.rows(TRANSACTIONS, "describe", "--transactional-id", name)
        return [re.sub(r"( \w+ \d+ (\d+|None)) (\d+|None)", r"\1", told[1])] if len(told) > 1 else told

    def ask(self):
        found = []
        for words in (("--list", "--state", "--type"), *(("--describe", "--all-groups", what, "--verbose")
                                                        for what in ("--offsets", "--members", "--state"))):
            found += self.rows(GROUPS, *words)
        found += self.rows(TRANSACTIONS, "list")
        for letter in self.letters:
            for name in ("undone", "open", "java"):
                found += self.transaction(f"{letter}-{name}")
            rows = self.rows(TRANSACTIONS, "describe-producers", "--topic", f"{letter}-topic", "--partition", "1")
            # The coordinator's epoch is not in what a broker stores with its files.
            found += [re.sub(r": (\d+ -?\d+) -?\d+", r": \1", line) for line in rows]
        return sorted(line for line in found if "-late" not in line)


def settled(place, tools, writers):
    """What is told, once members have what is theirs and markers are written."""
    deadline = time.monotonic() + WAIT_SECONDS
    before, under_way = None, []
    while True:
        offsets = offsets_of(place, tools)
        text = "\n".join(offsets)
        ready = all(re.search(rf"{writer.groups[group]} {writer.topic} {partition} \S+ \d+ \d+ \d+ \S+ /127", text)
                    for writer in writers for group in ("classic", "consumer") for partition in range(3))
        if ready and offsets == before:
            told = Told(place, tools, writers)
            under_way = [line for line in offsets if line not in told.lines]
            under_way += [line for line in told.lines if "Prepare" in line]
            if not under_way:
                return told
        if time.monotonic() > deadline:
            check("what is told settles", False, "\n".join([*under_way, text]))
            return Told(place, tools, writers)
        before = offsets
        time.sleep(0.2)


def compare(what, before, now):
    told = [f"  before: {line}" for line in before.lines if line not in now.lines]
    told += [f"  after:  {line}" for line in now.lines if line not in before.lines]
    check(f"{what}, {len(before.lines)} lines", not told and len(now.lines) > 30, "\n".join(told[:40]))


def committed(address, topic, partition):
    """The values that a reader of what is committed sees, without waiting for more."""
    reader = Consumer({"bootstrap.servers": address, "group.id": "none", "isolation.level": "read_committed",
                       "enable.partition.eof": True, "enable.auto.commit": False, "log_level": 0})
    reader.assign([TopicPartition(topic, partition, 0)])
    found = []
    while (message := reader.poll(WAIT_SECONDS)) is not None and message.error() is None:
        found.append(message.value())
    reader.close()
    return found


def commit_open(place, tools, writer, name):
    """The transaction that was begun at another broker, with its pending offset."""
    pending = writer.groups["pending"]
    check(f"{name} holds the offset of an open transaction back", not re.search(
        rf"{pending} {writer.topic} 1 \S+ 7", "\n".join(offsets_of(place, tools))))
    value = f"{writer.letter} 7".encode()
    check(f"{name} holds its record back", value not in committed(place.address, writer.topic, 1))
    try:
        writer.open.commit_transaction(60)
    except KafkaException as error:
        check(f"{name} commits what was begun before", False, str(error))
        return
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        text = "\n".join(line for line in offsets_of(place, tools) if pending in line)
        if re.search(rf"{pending} {writer.topic} 1 \S+ 7", text):
            break
        time.sleep(0.2)
    check(f"{name} commits what was begun before", re.search(rf"{pending} {writer.topic} 1 \S+ 7", text) and
          re.search(rf"{pending} {writer.topic} 0 \S+ 5", text), text)
    check(f"{name} shows its record", value in committed(place.address, writer.topic, 1))


def abort_late(place, tools, writer, name):
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        told = tools.run(TRANSACTIONS, place.address, "list").stdout.decode()
        if re.search(rf"{writer.letter}-late\s+1\s+\d+\s+CompleteAbort", told):
            break
        time.sleep(0.2)
    check(f"{name} aborts what is too late", re.search(rf"{writer.letter}-late\s+1\s+\d+\s+CompleteAbort", told), told)
    check(f"{name} takes its record back", committed(place.address, f"{writer.letter}-late", 0) == [])


def main():
    place, tools = Place(sys.argv[1]), Tools(sys.argv[2])
    try:
        place.start("Kafka")
        ofs = [Writer(place, tools, "k").write()]
        told = settled(place, tools, ofs)
        ofs[0].begin_late()
        place.end(signal.SIGKILL)

        place.start("Ottla")
        compare("Ottla after Kafka's kill -9", told, settled(place, tools, ofs))
        abort_late(place, tools, ofs[0], "Ottla")
        commit_open(place, tools, ofs[0], "Ottla")
        ofs.append(Writer(place, tools, "o").write())
        told = settled(place, tools, ofs)
        ofs[1].begin_late()
        place.end(signal.SIGKILL)

        place.start("Kafka")
        compare("Kafka after Ottla's kill -9", told, settled(place, tools, ofs))
        abort_late(place, tools, ofs[1], "Kafka")
        commit_open(place, tools, ofs[1], "Kafka")
        told = settled(place, tools, ofs)
        place.end(signal.SIGTERM)

        place.start("Ottla")
        compare("Ottla after Kafka's clean stop", told, settled(place, tools, ofs))
        tools.close()
        place.end(signal.SIGTERM)
        if failed:
            print(place.node.log()[-3000:])
    finally:
        tools.close()
        place.remove()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
