#!/usr/bin/env python3
"""Two log directories that Ottla and Apache Kafka 4.4.0 open in turn, partitions moved by either, by Kafka's
Java Admin and by `ottla logdirs`; Kafka's own tool lists Ottla's. usage: log_dirs.py BROKER_JARS TOOLS_JARS"""

import pathlib
import shutil
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
from kafka_broker import Kafka  # noqa: E402
from node import Node, run  # noqa: E402

QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
passed = []
failed = []


def check(what, fine, told=""):
    (passed if fine else failed).append(what)
    print(("ok: " if fine else "FAILED: ") + what + (f"\n{told}" if told and not fine else ""))


def produce(address, partition, lines):
    run("produce", "t", "-p", str(partition), "-b", address,
        stdin="".join(f"{line}\n" for line in lines).encode())


def consume(address, partition):
    return run("consume", "t", "-p", str(partition), "-o", "start", "-e", "-b",
               address).decode().splitlines()


class Places:
    def __init__(self, folder):
        self.dirs = [folder / "d1", folder / "d2"]

    def of(self, partition):
        """Which of the two has it; None: both or neither."""
        found = [path for path in self.dirs if (path / f"t-{partition}").is_dir()]
        return found[0] if len(found) == 1 else None

    def other(self, partition):
        return next(path for path in self.dirs if path != self.of(partition))

    def whole(self):
        return all(self.of(partition) is not None for partition in range(4))

    def text(self):
        return ",".join(str(path) for path in self.dirs)


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def java(jars, address, partition):
    done = subprocess.run(["java", QUIET, "-cp", f"{jars}/*", str(TOP / "test/wide/java/MoveLogDir.java"),
                           address, "t", str(partition)], capture_output=True, timeout=90, check=False)
    check(f"Kafka's Java Admin moves a partition of {address}", done.returncode == 0,
          done.stderr.decode()[-2000:])


def ours(node, places, expected, broker_jars, tools_jars):
    check("Ottla serves what is there", all(consume(node.address, p) == expected[p] for p in range(4)))
    for partition in range(4):
        expected[partition].append("by ottla")
        produce(node.address, partition, ["by ottla"])
    java(broker_jars, node.address, 0)
    done = subprocess.run(["java", QUIET, "-cp", f"{tools_jars}/*:{broker_jars}/*",
                           "org.apache.kafka.tools.LogDirsCommand", "--bootstrap-server", node.address,
                           "--describe"], capture_output=True, timeout=60, check=False)
    text = done.stdout.decode()
    check("Kafka's tool lists Ottla's directories", done.returncode == 0 and
          all(str(path) in text for path in places.dirs) and text.count('"t-') == 4, text[-2000:])
    check("nothing is lost by the move", consume(node.address, 0) == expected[0])
    check("Ottla stops cleanly", node.stop() == 0)


def theirs(jars, node, places, expected):
    kafka = Kafka(jars, places.dirs[0], node.folder, (f"log.dirs={places.text()}",))
    try:
        check("Kafka serves what is there",
              all(consume(kafka.address, p) == expected[p] for p in range(4)))
        for partition in range(4):
            expected[partition].append("by kafka")
            produce(kafka.address, partition, ["by kafka"])
        goal = places.other(1)
        run("logdirs", "--move", "t:1", "--to", str(goal), "-b", kafka.address)
        check("ottla logdirs moves a partition of Kafka's", wait_for(lambda: places.of(1) == goal))
        check("and lists its directories",
              run("logdirs", "--format", "awk", "-b", kafka.address).count(b"online") == 2)
    finally:
        kafka.end()
    log = (node.folder / "kafka.log").read_text(errors="replace")
    check("Kafka finds no directory twice and sets nothing aside",
          "Duplicate log directories" not in log and "marked stray" not in log)


def main():
    broker_jars, tools_jars = sys.argv[1:3]
    node = Node()
    places = Places(node.folder)
    expected = [[f"{p}-{i}" for i in range(500)] for p in range(4)]
    try:
        node.stop()
        shutil.rmtree(node.data)
        node.settings = (f"log.dirs={places.text()}", "node.id=1")
        node.start()
        run("topic", "create", "t", "-p", "4", "-b", node.address)
        for partition in range(4):
            produce(node.address, partition, expected[partition])
        ours(node, places, expected, broker_jars, tools_jars)
        check("every partition is in one directory", places.whole())
        theirs(broker_jars, node, places, expected)
        check("still in one", places.whole())
        node.start()
        check("Ottla has all in the end", all(consume(node.address, p) == expected[p] for p in range(4)))
        check("no partition was set aside", "set_aside" not in node.log(), node.log()[-2000:])
        if failed:
            print(node.log()[-3000:])
    finally:
        node.remove()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
