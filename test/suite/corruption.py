#!/usr/bin/env python3
"""A byte flips in the files of a stopped node, in a segment that is complete and in the one that is
written: the batch it is in is answered with CORRUPT_MESSAGE, all others are served as they were, the
log and the metrics name the place, and the scrubber finds it unasked. An index that lies or is gone
is made again. $OTTLA is the binary.
"""

import pathlib
import random
import re
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from batch import batch  # noqa: E402
from frames import Link, fetch, fetched, produce, produced  # noqa: E402
from node import KEEP_ALL, Node, run  # noqa: E402

TOPIC = "corruption"
BATCHES = 50
SIZE = 32 * 1024
HEADER = 61
CORRUPT = 2
SETTINGS = ("log.initial.task.delay.ms=0", KEEP_ALL)
WAIT_SECONDS = 20
passed = []
failed = []
chance = random.Random(7)


def check(what, fine, told=""):
    (passed if fine else failed).append(what)
    if not fine:
        print(f"FAILED: {what} {told}")


def metric(node, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{node.metrics_port}/metrics", timeout=5) as page:
        return int(re.search(rf"^{name} (\d+)$", page.read().decode(), re.M).group(1))


def wait_for(condition):
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def write_all(node):
    """The batches' bytes behind what the broker sets."""
    run("topic", "create", TOPIC, "-b", node.address, "-c", "segment.bytes=1048576")
    sent = []
    with Link(node.port) as link:
        for number in range(BATCHES):
            value = chance.randbytes(SIZE).hex()[:SIZE]
            made = batch({"records": [{"value": value}]}, 1000 + number)
            error, base = produced(link.ask(produce(TOPIC, 0, made)), TOPIC)
            check(f"batch {number} is taken", (error, base) == (0, number))
            sent.append(made[16:])
    return sent


def segments(node):
    return sorted((node.data / f"{TOPIC}-0").glob("*.log"))


def flip(path, position):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1 << chance.randrange(8)]))


def read_all(node, sent, damaged, what):
    with Link(node.port) as link:
        for offset in chance.sample(range(BATCHES), BATCHES):
            error, _, records = fetched(link.ask(fetch(TOPIC, 0, offset, most=3 * SIZE)), TOPIC)
            if offset in damaged:
                check(f"{what}: {offset} is told to be corrupt", (error, records) == (CORRUPT, b""))
                continue
            size = 16 + len(sent[offset])
            check(f"{what}: {offset} is as it was sent",
                  error == 0 and records[:8] == offset.to_bytes(8, "big") and
                  records[16:size] == sent[offset], f"error {error}")
            reached = {int.from_bytes(records[at:at + 8], "big")
                       for at in range(0, len(records) - 8, size)}
            check(f"{what}: no more than up to what is corrupt", not reached & damaged, reached)


def main():
    node = Node(*SETTINGS, "ottla.scrub.bytes.per.second=0")
    try:
        sent = write_all(node)
        check("nothing is wrong", metric(node, "ottla_corrupt_batches_total") == 0)
        node.stop()
        files = segments(node)
        check("there are two segments", len(files) == 2, files)
        per_batch = 16 + len(sent[0])
        first_of_active = int(files[1].stem)
        damaged = {5, first_of_active + 2}
        flip(files[0], 5 * per_batch + HEADER + 1000)
        flip(files[1], 2 * per_batch + HEADER + 77)
        node.start()
        read_all(node, sent, damaged, "two flips")
        read_all(node, sent, damaged, "and again")
        check("two places are counted", metric(node, "ottla_corrupt_batches_total") == 2)
        lines = re.findall(r"event=batch_corrupt file=(\S+) position=(\d+)", node.log())
        wanted = {(f"{TOPIC}-0/{files[0].name}", str(5 * per_batch)),
                  (f"{TOPIC}-0/{files[1].name}", str(2 * per_batch))}
        check("each is told once", len(lines) == 2 and set(lines) == wanted, lines)

        node.stop()
        index = files[0].with_suffix(".index")
        before = index.read_bytes()
        flip(index, len(before) // 16 * 8 + 7)
        node.start()
        read_all(node, sent, damaged, "a wrong index")
        index.unlink()
        node.stop()
        node.start()
        read_all(node, sent, damaged, "no index")
        check("it is made again", wait_for(lambda: index.exists() and index.read_bytes() == before))

        node.stop()
        node.settings = (*SETTINGS, "ottla.scrub.bytes.per.second=1000000000")
        node.start()
        check("the scrubber finds both",
              wait_for(lambda: metric(node, "ottla_corrupt_batches_total") == 2))
        check("it has looked at all", wait_for(
            lambda: metric(node, "ottla_scrubbed_bytes_total") >= BATCHES * per_batch))
        read_all(node, sent, damaged, "after the scrubber")
        check("nothing else is told", metric(node, "ottla_corrupt_batches_total") == 2)
    finally:
        node.remove()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
