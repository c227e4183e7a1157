#!/usr/bin/env python3
"""Directories in both directions: Apache Kafka's dump tool verifies what Ottla wrote, Apache Kafka
4.4.0 started on a copy of it serves the same records, and Ottla started on what that Kafka wrote on
top serves them too, after a clean stop and after kill -9 of either; in the end the dump tool verifies
what both wrote. usage: golden.py BROKER_JARS TOOLS_JARS
"""

import pathlib
import shutil
import signal
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
from kafka_broker import Kafka  # noqa: E402
from node import OTTLA, Node, run  # noqa: E402

COUNT = 5000
TRIMMED = "golden-none-trimmed"
TRIM_LINES = 40_000
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
passed = []
failed = []


def check(what, fine, told=""):
    (passed if fine else failed).append(what)
    print(("ok: " if fine else "FAILED: ") + what + (f"\n{told}" if told and not fine else ""))


def lines_of(codec):
    return b"".join(b"%s %d\n" % (codec.encode(), number) for number in range(COUNT))


def trim(address, offset):
    """Ours and Apache Kafka's alike; what is left begins with the line of that number."""
    done = subprocess.run([OTTLA, "topic", "trim", "-b", address, TRIMMED, "--to", str(offset), "--yes",
                           "--format", "awk"], capture_output=True, timeout=60, check=False)
    check(f"trimmed to {offset}", done.stdout == b"%s\t0\t%d\n" % (TRIMMED.encode(), offset),
          done.stderr.decode())


def bases(data):
    return sorted(int(path.stem) for path in (data / f"{TRIMMED}-0").glob("*.log"))


def wait_for_trimmed(data, offset):
    """Until no segment is wholly below the offset."""
    deadline = time.monotonic() + 30
    while len([base for base in bases(data) if base <= offset]) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    found = bases(data)
    check(f"segments below {offset} are gone, others are there", len(found) > 1 and
          found[0] > 0 and len([base for base in found if base <= offset]) == 1, str(found))


def produce(address, topic, codec, lines):
    subprocess.run(["kcat", "-b", address, "-P", "-t", topic, "-p", "0", "-z", codec,
                    "-X", "enable.idempotence=true"], input=lines, check=True, timeout=60)


def consume(address, topic):
    return subprocess.run(["kcat", "-b", address, "-C", "-t", topic, "-p", "0", "-o", "beginning",
                           "-X", "fetch.wait.max.ms=10", "-e", "-q"], capture_output=True, check=True, timeout=60).stdout


BAD = ("isvalid: false", "Mismatches", "Found timestamp mismatch", "Exception", "Corrupt")


def dump(what, jars, paths, *flags):
    """One run of the tool for all files; what it says of each stands behind its name."""
    done = subprocess.run(["java", "-cp", jars, "org.apache.kafka.tools.DumpLogSegments", *flags, "--files",
                           ",".join(map(str, paths))], capture_output=True, timeout=120, check=False)
    text = done.stdout.decode(errors="replace")
    for path in paths:
        found = text.partition(f"Dumping {path}\n")
        told = found[2].partition("\nDumping ")[0]
        check(f"Kafka's {what} of {path.parent.name}/{path.name}",
              found[1] and not any(word in told for word in BAD), told[-2000:])
    errors = done.stderr.decode(errors="replace")
    check(f"Kafka's {what} ends well", paths and done.returncode == 0 and
          not any(word in text + errors for word in BAD), text[-2000:] + errors[-2000:])


def verify_files(data, broker_jars, tools_jars):
    jars = f"{tools_jars}/*:{broker_jars}/*"
    dump("dump", jars, sorted(data.glob("golden-*/*.log")), "--deep-iteration")
    dump("check", jars, sorted(data.glob("golden-*/*.index")) + sorted(data.glob("golden-*/*.timeindex")),
         "--verify-index-only")
    dump("dump", jars, sorted(data.glob("__cluster_metadata-0/*.log")), "--cluster-metadata-decoder")


def main():
    broker_jars, tools_jars = sys.argv[1:3]
    node = Node("log.segment.bytes=1048576", "log.index.interval.bytes=512",
                "log.retention.check.interval.ms=200", "log.initial.task.delay.ms=0")
    try:
        wanted = {}
        for codec in CODECS:
            topic = f"golden-{codec}"
            wanted[topic] = lines_of(codec)
            run("topic", "create", "-b", node.address, topic)
            produce(node.address, topic, codec, wanted[topic])
        run("topic", "create", "-b", node.address, TRIMMED)
        long_lines = [b"%099d\n" % number for number in range(TRIM_LINES)]
        produce(node.address, TRIMMED, "none", b"".join(long_lines))
        trim(node.address, 15_000)
        wait_for_trimmed(node.data, 15_000)
        wanted[TRIMMED] = b"".join(long_lines[15_000:])
        check("Ottla stops cleanly", node.stop() == 0)
        verify_files(node.data, broker_jars, tools_jars)
        for how, name in ((signal.SIGTERM, "a clean stop"), (signal.SIGKILL, "kill -9")):
            copy = node.folder / "copy"
            shutil.copytree(node.data, copy)
            kafka = Kafka(broker_jars, copy, node.folder)
            for topic, lines in wanted.items():
                check(f"Kafka serves {topic}", consume(kafka.address, topic) == lines)
                more = b"of Kafka, before %s\n" % name.encode()
                produce(kafka.address, topic, topic.split("-")[1], more)
                wanted[topic] = lines + more
            if how == signal.SIGTERM:  # after kill -9 Kafka would not know of it
                trim(kafka.address, 25_001)
                wanted[TRIMMED] = wanted[TRIMMED][100 * 10_001:]
            kafka.end(how)
            shutil.rmtree(node.data)
            copy.rename(node.data)
            node.start()
            for topic, lines in wanted.items():
                check(f"Ottla serves {topic} after Kafka's {name}",
                      consume(node.address, topic) == lines)
            if how == signal.SIGTERM:  # the next Kafka starts on what our own kill -9 leaves
                wait_for_trimmed(node.data, 25_001)
                trim(node.address, 30_000)
                wanted[TRIMMED] = wanted[TRIMMED][100 * 4_999:]
                for topic in wanted:
                    more = b"of Ottla, before its kill -9\n"
                    produce(node.address, topic, topic.split("-")[1], more)
                    wanted[topic] += more
                node.kill()
            else:
                check(f"Ottla stops cleanly after Kafka's {name}", node.stop() == 0)
        verify_files(node.data, broker_jars, tools_jars)
        if failed:
            print(node.log()[-3000:])
    finally:
        node.remove()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
