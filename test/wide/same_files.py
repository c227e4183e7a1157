#!/usr/bin/env python3
"""The same batches of a Java producer, written to Apache Kafka 4.4.0 and to Ottla: after a clean stop of
both, the partitions' files must be the same byte for byte (segments, offset and time indexes, producer
snapshots, leader epochs), and Kafka's dump tool must find nothing wrong with ours.
usage: same_files.py BROKER_JARS TOOLS_JARS"""

import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
from kafka_broker import Kafka  # noqa: E402
from node import KEEP_ALL, OTTLA, Node  # noqa: E402

QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
KINDS = (".log", ".index", ".timeindex", ".snapshot")
WRONG = ("isvalid: false", "Mismatches", "not found", "mismatch", "Exception", "out of order")
passed = []
failed = []


def check(what, fine, told=""):
    (passed if fine else failed).append(what)
    print(("ok: " if fine else "FAILED: ") + what + (f"\n{told}" if told and not fine else ""))


def files(folder):
    """A partition's files by name; partition.metadata holds the topic's id, which is random."""
    return {path.name: path.read_bytes() for path in folder.iterdir()
            if path.name != "partition.metadata"}


def compare(codec, theirs, ours):
    check(f"{codec}: files of the same names", sorted(theirs) == sorted(ours),
          f"{sorted(theirs)}\n{sorted(ours)}")
    check(f"{codec}: some of each kind, of several segments",
          all(sum(name.endswith(kind) for name in ours) > 1 for kind in KINDS))
    other = [name for name in theirs if theirs[name] != ours.get(name)]
    check(f"{codec}: the files hold the same bytes", not other, str(other))


def dump(jars, data, kind, *flags):
    names = ",".join(str(path) for path in sorted(data.glob(f"same-*/*{kind}")))
    done = subprocess.run(["java", QUIET, "-cp", jars, "org.apache.kafka.tools.DumpLogSegments",
                           *flags, "--files", names], capture_output=True, timeout=120, check=False)
    text = (done.stdout + done.stderr).decode(errors="replace")
    bad = [line for line in text.splitlines() if any(word in line for word in WRONG)]
    check(f"Kafka's dump of our {kind} files {' '.join(flags)}",
          done.returncode == 0 and text.count("Dumping ") > 1 and not bad, "\n".join(bad[:5]))


def log(*words):
    done = subprocess.run([OTTLA, "log", *map(str, words)], capture_output=True, timeout=120, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


def made_again(codec, folder):
    """Kafka's indexes, taken away and made again by ours."""
    before = {path: path.read_bytes() for kind in ("*.index", "*.timeindex") for path in folder.glob(kind)}
    for path in before:
        path.unlink()
    code, told = log("index", "--interval", 500, folder)
    other = [path.name for path, content in before.items() if not path.exists() or path.read_bytes() != content]
    check(f"{codec}: Kafka's indexes made again are the same bytes", code == 0 and not other, told + str(other))


def main():
    broker_jars, tools_jars = sys.argv[1:3]
    node = Node(KEEP_ALL)
    try:
        kafka = Kafka(broker_jars, node.folder / "kafka", node.folder, (KEEP_ALL,))
        try:
            wrote = subprocess.run(["java", QUIET, "-cp", f"{broker_jars}/*",
                                    str(TOP / "test/wide/java/SameRecords.java"), kafka.address,
                                    node.address], timeout=180, check=False)
        finally:
            kafka.end()
        check("the producer ends well", wrote.returncode == 0)
        check("Ottla stops cleanly", node.stop() == 0)
        for codec in CODECS:
            compare(codec, files(node.folder / f"kafka/same-{codec}-0"),
                    files(node.data / f"same-{codec}-0"))
        for data in (node.folder / "kafka", node.data):
            code, told = log("verify", data)
            check(f"ottla log verify of {data.name}", code == 0, told)
        for codec in CODECS:
            made_again(codec, node.folder / f"kafka/same-{codec}-0")
        jars = f"{tools_jars}/*:{broker_jars}/*"
        dump(jars, node.data, ".index", "--verify-index-only")
        dump(jars, node.data, ".timeindex")
        dump(jars, node.data, ".snapshot")
        if failed:
            print(node.log()[-3000:])
    finally:
        node.remove()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
