#!/usr/bin/env python3
"""Debian's clients (kcat, librdkafka from C, python3-confluent-kafka, python3-kafka) each produce and
consume 100,000 records with every codec: headers, null keys, null values, every byte back, and the
codec of the stored batches is the one that was asked for. $OTTLA is the binary.
"""

import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from node import KEEP_ALL, Node  # noqa: E402
from records import (CODECS, check_records, check_topic, record_of,  # noqa: E402
                     stored_codecs)

try:
    import confluent_kafka
    import kafka
except ImportError as missing:
    print(f"{missing}: apt-get install python3-confluent-kafka python3-kafka")
    sys.exit(77)

SHORT_COUNT = 10_000
COUNT = SHORT_COUNT if os.environ.get("OTTLA_BUILD", "release") != "release" else 100_000
node = None


class Clients(unittest.TestCase):
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
                self.assertEqual(stored_codecs(node, topic), {codec})

    def test_confluent(self):
        for codec in CODECS:
            with self.subTest(codec):
                topic = f"confluent-{codec}"
                producer = confluent_kafka.Producer({
                    "bootstrap.servers": node.address, "compression.type": codec,
                    "enable.idempotence": True, "linger.ms": 5,
                    "queue.buffering.max.messages": COUNT + 1})
                for number in range(COUNT):
                    timestamp, key, value, headers = record_of(number)
                    producer.produce(topic, key=key, value=value, headers=headers, partition=0,
                                     timestamp=timestamp)
                self.assertEqual(producer.flush(60), 0)
                check_topic(node, topic, codec, COUNT)

    def test_kafka_python(self):
        for codec in CODECS:
            with self.subTest(codec):
                topic = f"python-{codec}"
                producer = kafka.KafkaProducer(
                    bootstrap_servers=node.address, acks="all", linger_ms=5,
                    compression_type=None if codec == "none" else codec)
                for number in range(COUNT):
                    timestamp, key, value, headers = record_of(number)
                    producer.send(topic, key=key, value=value, headers=headers, partition=0,
                                  timestamp_ms=timestamp)
                producer.flush(120)
                producer.close()
                check_records(self.python_read(topic), COUNT)
                self.assertEqual(stored_codecs(node, topic), {codec})

    @staticmethod
    def python_read(topic):
        consumer = kafka.KafkaConsumer(bootstrap_servers=node.address, consumer_timeout_ms=20_000)
        place = kafka.TopicPartition(topic, 0)
        consumer.assign([place])
        consumer.seek(place, 0)
        for record in consumer:
            yield (record.offset, record.timestamp, record.key, record.value, record.headers)
        consumer.close()

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
                self.assertEqual(stored_codecs(node, topic), {codec})


def suite_with(shards, count):
    """Tests run, failed and skipped, at a node with that many shards: so many records a codec."""
    global node, COUNT
    COUNT = count
    node = Node(KEEP_ALL, f"ottla.shards={shards}")
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
