#!/usr/bin/env python3
"""ListOffsets by timestamp and by its special values, over one directory that Ottla wrote and that Apache
Kafka 4.4.0 opens afterwards: both give the same answers. Batches are drawn at random: every codec,
create and append time, timestamps that repeat, fall, are negative or absent.
usage: list_offsets.py BROKER_JARS [SEED]"""

import pathlib
import random
import struct
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
from batch import batch  # noqa: E402
from frames import Link, produce, produced, request, text  # noqa: E402
from kafka_broker import Kafka  # noqa: E402
from node import KEEP_ALL, Node, run  # noqa: E402

LIST_OFFSETS, VERSION = 2, 5
MAX_VERSION = 7  # flexible from 6 on
CODECS = ("none", "none", "gzip", "lz4")
BATCHES = 60
NOW = 1_700_000_000_000
passed = []
failed = []


def check(what, fine, told=""):
    (passed if fine else failed).append(what)
    if not fine:
        print(f"FAILED: {what} {told}")


def times(chance, kind, count):
    """Timestamps of one batch."""
    if kind == "absent":
        return [-1] * count
    if kind == "negative":
        return [chance.choice((-1, -5, -1000, 0, 3)) for _ in range(count)]
    if kind == "equal":
        return [NOW + 5 * chance.randrange(3)] * count
    return [NOW + chance.randrange(200) for _ in range(count)]


def write(chance, node, topic, settings, kinds):
    """Fills one partition; the timestamps that were used."""
    flags = [word for setting in settings for word in ("-c", setting)]
    run("topic", "create", topic, "-b", node.address, "-c", "index.interval.bytes=2000",
        "-c", "segment.bytes=1048576", *flags)
    used = set()
    with Link(node.port) as link:
        for _ in range(BATCHES):
            stamps = times(chance, chance.choice(kinds), chance.randint(1, 5))
            used.update(stamps)
            records = [{"value": chance.randbytes(chance.choice((10, 500, 20000))).hex(),
                        "timestampDelta": stamp - stamps[0]} for stamp in stamps]
            made = batch({"records": records, "codec": chance.choice(CODECS),
                          "baseTimestamp": stamps[0], "maxTimestamp": max(stamps)}, NOW)
            error, _ = produced(link.ask(produce(topic, 0, made)), topic)
            check(f"{topic}: a batch is taken", error == 0, error)
    return used


def ask(link, topic, timestamp, isolation):
    """(error, timestamp, offset, epoch); version 7 for the largest timestamp, else 5."""
    if timestamp != -3:
        body = struct.pack(">ibi", -1, isolation, 1) + text(topic)
        body += struct.pack(">iiiq", 1, 0, -1, timestamp)
        answer = link.ask(request(LIST_OFFSETS, VERSION, body))
        return struct.unpack_from(">hqqi", answer, 4 + 4 + 4 + 2 + len(topic) + 4 + 4)
    name = bytes([len(topic) + 1]) + topic.encode()
    body = struct.pack(">ibB", -1, isolation, 2) + name + b"\x02"
    body += struct.pack(">iiq", 0, -1, timestamp) + b"\0\0\0"
    answer = link.ask(request(LIST_OFFSETS, MAX_VERSION, body, tags=b"\0"))
    return struct.unpack_from(">hqqi", answer, 4 + 1 + 4 + 1 + len(name) + 1 + 4)


def answers(port, asked):
    """The epoch that leads is not compared: every start of a node begins one."""
    deadline = time.monotonic() + 30
    with Link(port) as link:
        for topic in {one[0] for one in asked}:  # Kafka answers before it leads
            while ask(link, topic, -1, 0)[0] != 0 and time.monotonic() < deadline:
                time.sleep(0.1)
        found = {one: ask(link, *one) for one in asked}
    return {one: told[:3] if one[1] == -1 else told for one, told in found.items()}


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    topics = {"mixed": ((), ("mixed", "equal")), "falling": ((), ("mixed",)),
              "negative": ((), ("negative", "mixed")), "absent": ((), ("absent",)),
              "appended": (("message.timestamp.type=LogAppendTime",), ("mixed",))}
    node = Node(KEEP_ALL)
    try:
        asked = []
        for topic, (settings, kinds) in topics.items():
            used = write(chance, node, topic, settings, kinds)
            around = {stamp + step for stamp in used for step in (-1, 0, 1) if stamp + step >= 0}
            around |= {0, 1, NOW, NOW + 10_000, 1 << 60, 9_000_000_000_000}
            for timestamp in (-1, -2, -3, *sorted(around)):
                asked += [(topic, timestamp, isolation) for isolation in (0, 1)]
        ours = answers(node.port, asked)
        node.stop()
        segments = len(list((node.data / "mixed-0").glob("*.log")))
        check("there are several segments", segments > 1, segments)
        node.start()
        again = answers(node.port, asked)
        check("the same after a restart", ours == again)
        node.stop()
        kafka = Kafka(sys.argv[1], node.data, node.folder, (KEEP_ALL,))
        try:
            theirs = answers(kafka.port, asked)
        finally:
            kafka.end()
        for one in asked:
            check(f"{one}", ours[one] == theirs[one], f"ours {ours[one]} theirs {theirs[one]}")
    finally:
        node.remove()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
