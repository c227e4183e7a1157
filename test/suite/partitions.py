#!/usr/bin/env python3
"""Many idle partitions on one node with few descriptors: creation, starts after a clean stop and after
kill -9, memory, idleness, and that one request may touch them all: produce, produce with a sync
each, large batches, fetch. By default 2,000 partitions with 300 descriptors; --whole is 20,000 with
4,096. $OTTLA is the binary.
"""

import os
import pathlib
import re
import struct
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from batch import batch  # noqa: E402
from frames import FETCH, PRODUCE, Link, request, text  # noqa: E402
from node import Node, run  # noqa: E402

WHOLE = "--whole" in sys.argv
EACH = 1000
TOPICS = [f"many-{number}" for number in range(20 if WHOLE else 2)]
FILES = 4096 if WHOLE else 300
START_SECONDS = 5
MEMORY_MB = 200
RELEASE = os.environ.get("OTTLA_BUILD", "release") == "release"
WAIT_SECONDS = 60
ROUNDS_MAX = 400
passed = []
failed = []


def check(what, fine, told=""):
    (passed if fine else failed).append(what)
    if not fine:
        print(f"FAILED: {what} {told}")


def metric(node, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{node.metrics_port}/metrics", timeout=20) as page:
        return int(re.search(rf"^{name} (\d+)$", page.read().decode(), re.M).group(1))


def memory_mb(node):
    status = pathlib.Path(f"/proc/{node.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024


def ticks(node):
    return sum(map(int, pathlib.Path(f"/proc/{node.process.pid}/stat").read_text().split()[13:15]))


def settled(node):
    """Waits until every partition is there and nothing is at work."""
    deadline = time.monotonic() + WAIT_SECONDS
    before = -1
    while time.monotonic() < deadline:
        now = ticks(node)
        if now == before and metric(node, "ottla_partitions") >= len(TOPICS) * EACH:
            return True
        before = now
        time.sleep(0.3)
    return False


def becomes_idle(node):
    """Once the scrubber has looked at all: a second without work."""
    for _ in range(WAIT_SECONDS):
        before = ticks(node)
        time.sleep(1)
        if ticks(node) - before <= 1:
            return True
    return False


def timed(what, act):
    begun = time.monotonic()
    act()
    took = time.monotonic() - begun
    print(f"{what}: {took:.2f} s")
    return took


def create(node):
    for topic in TOPICS:
        run("topic", "create", topic, "-p", str(EACH), "-b", node.address, "--timeout", "60000")


def produce_all(link, topic, partitions, records):
    """The error codes of one request for all of them."""
    body = text(None) + struct.pack(">hii", -1, 30000, 1) + text(topic)
    body += struct.pack(">i", len(partitions))
    for partition in partitions:
        body += struct.pack(">ii", partition, len(records)) + records
    answer = link.ask(request(PRODUCE, 3, body))
    at = 4 + 4 + 2 + len(topic) + 4
    return {struct.unpack_from(">ih", answer, at + number * 22)[1] for number in range(len(partitions))}


def fetch_some(link, topic, partitions):
    """{partition: (error, bytes)} of one request."""
    body = struct.pack(">iiiibi", -1, 100, 1, 1 << 26, 0, 1) + text(topic)
    body += struct.pack(">i", len(partitions))
    for partition in partitions:
        body += struct.pack(">iqi", partition, 0, 1 << 20)
    answer = link.ask(request(FETCH, 4, body))
    at = 4 + 4 + 4 + 2 + len(topic)
    count, = struct.unpack_from(">i", answer, at)
    at += 4
    found = {}
    for _ in range(count):
        partition, error, _, _, aborted, size = struct.unpack_from(">ihqqii", answer, at)
        check("no transactions are told of", aborted <= 0) if aborted > 0 else None
        found[partition] = (error, size)
        at += 30 + max(size, 0)
    return found


def fetch_all(link, topic):
    """Asks for all that did not come yet until all came."""
    left = list(range(EACH))
    rounds = 0
    while left and rounds < ROUNDS_MAX:
        rounds += 1
        found = fetch_some(link, topic, left)
        errors = {error for error, _ in found.values()} - {0}
        check(f"{topic}: no partition has an error", not errors, errors)
        left = [partition for partition in left if found[partition][1] <= 0]
    check(f"{topic}: every partition is read", not left, f"{len(left)} are left")
    return rounds


def use(node):
    small = batch({"records": [{"value": "v"}]}, 1000)
    large = batch({"records": [{"value": "v" * 200_000}]}, 1000)
    with Link(node.port) as link:
        for topic in TOPICS:
            errors = produce_all(link, topic, range(EACH), small)
            check(f"{topic}: one request writes to all", errors == {0}, errors)
        check("large batches for many", produce_all(link, TOPICS[0], range(150), large) == {0})
        rounds = [fetch_all(link, topic) for topic in TOPICS]
        print(f"requests that read a topic: {max(rounds)}")
        run("topic", "create", "synced", "-p", "400", "-b", node.address, "-c", "flush.messages=1")
        errors = produce_all(link, "synced", range(400), small)
        check("one request syncs all", errors == {0}, errors)


def stop(node):
    """A clean one; every partition that was written to is synced."""
    node.process.terminate()
    check("the stop is clean", node.process.wait(600) == 0)


def start_again(node, what):
    took = timed(f"start {what}", node.start)
    check(f"start {what}: all are there", settled(node))
    megabytes = memory_mb(node)
    print(f"memory {what}: {megabytes:.0f} MB")
    check(f"start {what} is quick", not RELEASE or took < START_SECONDS, f"{took:.1f} s")
    check(f"start {what} takes little memory", not RELEASE or megabytes < MEMORY_MB, megabytes)
    check(f"start {what}: no partition is offline", metric(node, "ottla_partitions_offline") == 0)
    check(f"start {what}: idle then", not RELEASE or becomes_idle(node))


def main():
    node = Node("log.initial.task.delay.ms=0",
                around=("bash", "-c", f'ulimit -n {FILES}; exec "$@"', "limited"))
    try:
        timed(f"creation of {len(TOPICS) * EACH} partitions", lambda: create(node))
        check("all are made", settled(node))
        timed("stop", lambda: stop(node))
        start_again(node, "after a clean stop")
        node.kill()
        start_again(node, "after kill -9")
        timed("use", lambda: use(node))
        print(f"memory after use: {memory_mb(node):.0f} MB")
        check("memory after use", not RELEASE or memory_mb(node) < MEMORY_MB + 64, memory_mb(node))
        timed("stop after use", lambda: stop(node))
        start_again(node, "after use")
        with Link(node.port) as link:
            fetch_all(link, TOPICS[-1])
    finally:
        node.remove()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
