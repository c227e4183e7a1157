#!/usr/bin/env python3
"""Debian's clients (kcat, librdkafka from C, python3-confluent-kafka, python3-kafka) each produce and
consume 100,000 records with every codec: headers, null keys, null values, every byte back, and the
codec of the stored batches is the one that was asked for. $OTTLA is the binary.
"""

import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from node import Node, run  # noqa: E402

try:
    import confluent_kafka
    import kafka
except ImportError as missing:
    print(f"{missing}: apt-get install python3-confluent-kafka python3-kafka")
    sys.exit(77)

SHORT_COUNT = 10_000
COUNT = SHORT_COUNT if os.environ.get("OTTLA_BUILD", "release") != "release" else 100_000
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
SMALL = 20
node = None


def key_of(number):
    return None if number % 3 == 0 else b"key-%d" % number


def value_of(number):
    return None if number % 5 == 1 else b"value %d " % number * (number % 7 + 1)


def headers_of(number):
    return [("a", b"%d" % number), ("b", b"")] if number % 4 == 0 else []


def stored_codecs(topic):
    """The codecs of all batches of the topic's partition 0."""
    found = set()
    for segment in sorted((node.data / f"{topic}-0").glob("*.log")):
        for line in run("log", "dump", "-B", "--format", "json", str(segment)).splitlines():
            batch = json.loads(line)
            # A client leaves a small batch as it is where compression would make it larger.
            if "codec" in batch and batch["records"] >= SMALL:
                found.add(batch["codec"])
    return found


class Clients(unittest.TestCase):
    def check(self, topic, codec, records):
        """records: (key, value, headers) in their order."""
        self.assertEqual(len(records), COUNT)
        for number, record in enumerate(records):
            wanted = (key_of(number), value_of(number), headers_of(number))
            if record != wanted:
                self.fail(f"record {number} came back as {record}, not {wanted}")
        self.assertEqual(stored_codecs(topic), {codec})

    def test_librdkafka(self):
        source = pathlib.Path(__file__).resolve().parents[1] / "lib/librdkafka_client.c"
        program = node.folder / "librdkafka_client"
        subprocess.run(["gcc", "-O1", source, "-lrdkafka", "-o", program], check=True)
        for codec in CODECS:
            with self.subTest(codec):
                topic = f"c-{codec}"
                for what in ("produce", "consume"):
                    subprocess.run([program, what, node.address, topic, codec, str(COUNT)],
                                   check=True, timeout=120)
                self.assertEqual(stored_codecs(topic), {codec})

    def test_confluent(self):
        for codec in CODECS:
            with self.subTest(codec):
                topic = f"confluent-{codec}"
                producer = confluent_kafka.Producer({
                    "bootstrap.servers": node.address, "compression.type": codec,
                    "enable.idempotence": True, "linger.ms": 5,
                    "queue.buffering.max.messages": COUNT + 1})
                for number in range(COUNT):
                    producer.produce(topic, key=key_of(number), value=value_of(number),
                                     headers=headers_of(number), partition=0)
                self.assertEqual(producer.flush(60), 0)
                consumer = confluent_kafka.Consumer({
                    "bootstrap.servers": node.address, "group.id": "none",
                    "enable.auto.commit": False})
                consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
                records = []
                while len(records) < COUNT:
                    batch = consumer.consume(10_000, 20)
                    self.assertTrue(batch, f"{len(records)} records, then none for 20 s")
                    for message in batch:
                        self.assertIsNone(message.error())
                        records.append((message.key(), message.value(),
                                        message.headers() or []))
                consumer.close()
                self.check(topic, codec, records)

    def test_kafka_python(self):
        count = COUNT
        for codec in CODECS:
            with self.subTest(codec):
                topic = f"python-{codec}"
                producer = self.python_producer(codec)
                for number in range(count):
                    value = value_of(number)
                    key = key_of(number)
                    producer.send(topic, key=key, value=b"" if key is None and value is None
                                  else value, headers=headers_of(number), partition=0)
                producer.flush(120)
                producer.close()
                self.assertEqual(self.python_read(topic), count)
                self.assertEqual(stored_codecs(topic), {codec})

    @staticmethod
    def python_producer(codec):
        return kafka.KafkaProducer(bootstrap_servers=node.address, acks="all", linger_ms=5,
                                   compression_type=None if codec == "none" else codec)

    def python_read(self, topic):
        consumer = kafka.KafkaConsumer(bootstrap_servers=node.address, consumer_timeout_ms=20_000)
        place = kafka.TopicPartition(topic, 0)
        consumer.assign([place])
        consumer.seek(place, 0)
        number = 0
        for record in consumer:
            key, value = key_of(number), value_of(number)
            self.assertEqual(record.key, key)
            self.assertEqual(record.value, b"" if key is None and value is None else value)
            self.assertEqual(record.headers, headers_of(number))
            number += 1
            if number == COUNT:
                break
        consumer.close()
        return number

    def test_kcat(self):
        lines = b"".join(b"line %d of many\n" % number for number in range(COUNT))
        for codec in CODECS:
            with self.subTest(codec):
                topic = f"kcat-{codec}"
                subprocess.run(["kcat", "-b", node.address, "-P", "-t", topic, "-p", "0", "-z",
                                codec, "-X", "linger.ms=5"], input=lines, check=True, timeout=60)
                done = subprocess.run(["kcat", "-b", node.address, "-C", "-t", topic, "-p", "0",
                                       "-o", "beginning", "-e", "-q"], capture_output=True,
                                      check=True, timeout=60)
                self.assertEqual(done.stdout, lines)
                self.assertEqual(stored_codecs(topic), {codec})


def suite_with(shards, count):
    """Tests run, failed and skipped, at a node with that many shards: so many records a codec."""
    global node, COUNT
    COUNT = count
    node = Node(f"ottla.shards={shards}")
    try:
        suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
        result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
        stopped = node.stop()
        failed = len(result.failures) + len(result.errors) + (stopped != 0)
        if failed:
            print(node.log()[-4000:])
    finally:
        node.remove()
    return result.testsRun, failed, len(result.skipped)


def main():
    results = (suite_with(1, COUNT), suite_with(3, SHORT_COUNT))
    ran, failed, skipped = (sum(one) for one in zip(*results))
    print(f"{ran - failed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
