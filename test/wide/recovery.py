#!/usr/bin/env python3
"""kill -9 with 4 GB in 100 active segments, in the page cache: every partition serves again within 2 s
of the start. Prints the figures."""

import os
import pathlib
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from node import Node  # noqa: E402

try:
    import confluent_kafka
except ImportError as missing:
    print(f"{missing}: apt-get install python3-confluent-kafka")
    sys.exit(77)

PARTITIONS = 100
RECORDS_EACH = 410
RECORD_BYTES = 100_000
LIMIT_SECONDS = 2


def fill(node):
    producer = confluent_kafka.Producer({
        "bootstrap.servers": node.address, "queue.buffering.max.kbytes": 400_000,
        "linger.ms": 20, "batch.size": 900_000, "log_level": 0})
    value = os.urandom(RECORD_BYTES)
    for number in range(PARTITIONS * RECORDS_EACH):
        while True:
            try:
                producer.produce("big", value, partition=number % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    return producer.flush(120)


def ends(node):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": node.address, "group.id": "none",
                                         "log_level": 0})
    found = [consumer.get_watermark_offsets(confluent_kafka.TopicPartition("big", partition), 30)[1]
             for partition in range(PARTITIONS)]
    consumer.close()
    return found


def main():
    if shutil.disk_usage("/tmp").free < 8 << 30:
        print("8 GB free in /tmp are needed")
        return 77
    node = Node(f"num.partitions={PARTITIONS}")
    failed = 0
    try:
        failed += fill(node) != 0
        node.kill()
        begun = time.monotonic()
        node.start()
        whole = ends(node) == [RECORDS_EACH] * PARTITIONS
        took = time.monotonic() - begun
        print(f"every partition serves after {took:.2f} s ({LIMIT_SECONDS}), "
              f"{'all' if whole else 'NOT ALL'} records are there")
        failed += not whole
        failed += took > LIMIT_SECONDS
        failed += node.stop() != 0
        if failed:
            print(node.log()[-3000:])
    finally:
        node.remove()
    print(f"{4 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
