"""The records that clients write and read in the suites, and the check that a topic holds them: every
byte, the order, the timestamps, and the codec of its stored batches. Whoever writes them in another language
writes the same ones. Needs the confluent client for check_topic alone.
"""

import json

from node import run

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
COUNT = 100_000
FIRST_TIMESTAMP = 1_700_000_000_000
SMALL = 20


def key_of(number):
    return None if number % 3 == 0 else b"key-%d" % number


def value_of(number):
    # No record without key and value: kafka-python and aiokafka refuse it.
    return None if number % 15 in (1, 11) else b"value %d " % number * (number % 7 + 1)


def headers_of(number):
    return [("a", b"%d" % number), ("a", b"\x00\xff"), ("b", b"")] if number % 4 == 0 else []


def record_of(number):
    """(timestamp, key, value, headers): what offset number holds."""
    return (FIRST_TIMESTAMP + number, key_of(number), value_of(number), headers_of(number))


def check_records(records, count=COUNT):
    """records: an iterable of what record_of gives, with offsets before."""
    number = 0
    for offset, *record in records:
        wanted = record_of(number)
        if offset != number or tuple(record) != wanted:
            raise AssertionError(f"offset {offset}: {record}, not {number}: {wanted}")
        number += 1
        if number == count:
            return
    raise AssertionError(f"only {number} records of {count}")


def stored_codecs(node, topic):
    """The codecs of all batches of the topic's partition 0 but small ones, which clients may leave as they are."""
    found = set()
    for segment in sorted((node.data / f"{topic}-0").glob("*.log")):
        for line in run("log", "dump", "-B", "--format", "json", str(segment)).splitlines():
            batch = json.loads(line)
            if "codec" in batch and batch["records"] >= SMALL:
                found.add(batch["codec"])
    return found


def read_confluent(address, topic, count=COUNT):
    """Partition 0 of a topic as the confluent client reads it."""
    import confluent_kafka

    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "none",
                                         "enable.auto.commit": False, "check.crcs": True})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    try:
        left = count
        while left > 0:
            batch = consumer.consume(min(left, 10_000), 20)
            if not batch:
                return
            left -= len(batch)
            for message in batch:
                if message.error():
                    raise AssertionError(message.error())
                yield (message.offset(), message.timestamp()[1], message.key(), message.value(),
                       message.headers() or [])
    finally:
        consumer.close()


def check_topic(node, topic, codec, count=COUNT):
    check_records(read_confluent(node.address, topic, count), count)
    stored = stored_codecs(node, topic)
    if stored != {codec}:
        raise AssertionError(f"stored as {stored}")
