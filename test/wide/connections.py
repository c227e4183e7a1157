#!/usr/bin/env python3
"""5,000 connections in other forms than test/suite/start.py: half open with one byte, in waves that open, ask
for metadata and close, each in a long poll of Fetch, and more of them than the limit of open files
lets in. Descriptors come back to where they were, an idle one costs under 10 KB. $OTTLA is the binary.
"""

import os
import pathlib
import resource
import select
import socket
import struct
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
import batch  # noqa: E402
import frames  # noqa: E402
from node import Node, run  # noqa: E402

COUNT = 5000
WAVE_SECONDS = 30
passed = []
failed = []


def check(what, fine):
    (passed if fine else failed).append(what)
    print(("ok: " if fine else "FAILED: ") + what, flush=True)


def memory_kb(node):
    text = pathlib.Path(f"/proc/{node.process.pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1])


def open_files(node):
    return len(list(pathlib.Path(f"/proc/{node.process.pid}/fd").iterdir()))


def cpu_seconds(node):
    words = pathlib.Path(f"/proc/{node.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def connect(node, count=COUNT):
    return [socket.create_connection(("127.0.0.1", node.port), 60) for _ in range(count)]


def close(links):
    for link in links:
        link.close()


def returns_to(node, files):
    deadline = time.monotonic() + 60
    while open_files(node) > files and time.monotonic() < deadline:
        time.sleep(0.01)
    return open_files(node) <= files


def whole_answer(link):
    link.settimeout(60)
    size = struct.unpack(">i", link.recv(4, socket.MSG_WAITALL))[0]
    return link.recv(size, socket.MSG_WAITALL)


def metadata(correlation=1):
    return frames.request(frames.METADATA, 1, struct.pack(">i", 0), correlation=correlation)


def half_open(node, files):
    before = memory_kb(node)
    links = connect(node)
    for link in links:
        link.sendall(b"\0")
    check("a healthy client beside 5,000 connections of one byte",
          b"spare" in run("topic", "list", "-b", node.address))
    each = (memory_kb(node) - before) / COUNT
    check(f"memory of a connection with one byte: {each:.2f} KB (10)", each < 10)
    close(links)
    check("their descriptors are closed", returns_to(node, files))


def long_polls(node, files):
    """Each has a Fetch waiting at the end of one partition: one record answers all."""
    before = memory_kb(node)
    links = connect(node)
    poll = frames.fetch("spare", 0, 0, wait_ms=60_000)
    for link in links:
        link.sendall(metadata() + poll)
    fine = sum(len(whole_answer(link)) > 10 for link in links)
    check("metadata on 5,000 connections", fine == COUNT)
    each = (memory_kb(node) - before) / COUNT
    check(f"memory of a connection with a waiting fetch: {each:.2f} KB", each < 20)
    cpu = cpu_seconds(node)
    time.sleep(1)  # what is measured is that nothing happens in it
    check("5,000 waiting fetches cost nothing", cpu_seconds(node) - cpu < 0.05)
    run("produce", "spare", "-b", node.address, stdin=b"a record\n")
    answers = [frames.fetched(whole_answer(link), "spare") for link in links]
    check("one record answers 5,000 fetches",
          all(error == 0 and high == 1 and b"a record" in data for error, high, data in answers))
    for link in links:
        link.sendall(frames.fetch("spare", 0, 1, wait_ms=60_000))
    close(links)
    check("fetches that wait end with their connections", returns_to(node, files))


def waves(node, files):
    ends = time.monotonic() + WAVE_SECONDS
    waves_done = answered = 0
    base = None
    while time.monotonic() < ends:
        links = connect(node)
        for link in links:
            link.sendall(metadata() + frames.fetch("spare", 0, 0, wait_ms=1))
        for link in links:
            answered += len(whole_answer(link)) > 10 and len(whole_answer(link)) > 10
        close(links)
        waves_done += 1
        if not returns_to(node, files):
            break
        base = base or memory_kb(node)
    check(f"{waves_done} waves of 5,000 connections, {answered} answered, descriptors come back",
          answered == waves_done * COUNT and returns_to(node, files))
    check(f"memory after the first wave {base} KB, after the last {memory_kb(node)} KB",
          memory_kb(node) < base * 1.5 + 4096)


def at_once(node, files):
    """All from one thread without waiting for one of them."""
    links = []
    begun = time.monotonic()
    for _ in range(COUNT):
        link = socket.socket()
        link.setblocking(False)
        link.connect_ex(("127.0.0.1", node.port))
        links.append(link)
    poller = select.poll()
    for link in links:
        poller.register(link, select.POLLOUT)
    ready = set()
    while len(ready) < COUNT and time.monotonic() < begun + 60:
        for number, _ in poller.poll(1000):
            ready.add(number)
            poller.unregister(number)
    for link in links:
        link.setblocking(True)
        link.sendall(metadata())
    fine = sum(len(whole_answer(link)) > 10 for link in links)
    took = time.monotonic() - begun
    check(f"5,000 at once, each answered: {took:.2f} s (2)", fine == COUNT and took < 2)
    close(links)
    check("the descriptors of these come back", returns_to(node, files))


def few_files():
    """A limit of 256 open files: more connections wait, no processor time is burnt, the log says why,
    partitions still get their files, and it serves on when some end."""
    node = Node(around=("prlimit", "--nofile=256:256"))
    try:
        first = frames.Link(node.port)
        first.ask(metadata())
        links = connect(node, 1000)
        cpu = cpu_seconds(node)
        time.sleep(2)  # what is measured is that nothing happens in it
        burnt = cpu_seconds(node) - cpu
        lines = [line for line in node.log().splitlines() if "open files" in line.lower()]
        check(f"out of descriptors: {burnt:.2f} s of processor time in 2 s (0.2)", burnt < 0.2)
        check(f"the log says so in {len(lines)} lines (1 to 20)", 1 <= len(lines) <= 20)
        print("\n".join(lines[:3]))
        first.ask(frames.request(frames.METADATA, 4, struct.pack(">i", 1) + frames.text("late") +
                                 b"\1"))
        answer = first.ask(frames.produce("late", 0, batch.batch({}, 0)))
        check("a topic made meanwhile takes records", frames.produced(answer, "late") == (0, 0))
        close(links)
        run("topic", "create", "spare", "-b", node.address)
        check("it serves on", b"spare" in run("topic", "list", "-b", node.address))
        run("produce", "spare", "-b", node.address, stdin=b"a record\n")
        check("and stops cleanly", node.stop() == 0)
        if failed:
            print(node.log()[-3000:])
    finally:
        node.remove()


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < COUNT + 100:
        print(f"{COUNT} connections need a higher limit of open files than {hard}")
        return 77
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, COUNT + 100), hard))
    node = Node()
    try:
        run("topic", "create", "spare", "-b", node.address)
        run("topic", "list", "-b", node.address)
        files = open_files(node) + 2  # the partition's files, once they are open
        for part in (at_once, half_open, long_polls, waves):
            part(node, files)
        check("the node stops cleanly", node.stop() == 0)
        if failed:
            print(node.log()[-3000:])
    finally:
        node.remove()
    few_files()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
