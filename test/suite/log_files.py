#!/usr/bin/env python3
"""`ottla log verify` and `ottla log index` on the files that a node wrote: nothing is found where nothing is
wrong, and each thing that is planted is found where it is. usage: test/suite/log_files.py
"""

import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import batch  # noqa: E402
from differential import Player  # noqa: E402
from node import KEEP_ALL, OTTLA, TOP, Node  # noqa: E402

passed, failed = [], []
LOG, INDEX, TIME, EPOCHS = "{:020}.log", "{:020}.index", "{:020}.timeindex", "leader-epoch-checkpoint"


def check(what, good, told=""):
    (passed if good else failed).append(what)
    print(("ok: " if good else "FAILED: ") + what + (f"\n{told}" if told and not good else ""))


def log(*words):
    done = subprocess.run([OTTLA, "log", *map(str, words)], capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def fill(node):
    """Segments of about 4 batches, an index entry before each but the first."""
    player = Player(node.address)
    try:
        configs = [{"name": key, "value": value} for key, value in
                   (("internal.segment.bytes", "1000"), ("index.interval.bytes", "0"))]
        player.ask("CreateTopics", 7, {"timeoutMs": 10000, "topics": [
            {"name": "f", "numPartitions": 2, "replicationFactor": 1, "configs": configs}]})
        for number in range(20):
            player.ask_until_settled({"api": "Produce", "retry": True, "body": {
                "acks": -1, "timeoutMs": 10000, "topicData": [{"name": "f", "partitionData": [
                    {"index": part, "records": {"$batch": {
                        "baseTimestamp": 1_700_000_000_000 + number * 1000,
                        "records": [{"valueSize": 80}, {"valueSize": 80}]}}} for part in (0, 1)]}]}}, 9)
    finally:
        player.close()


class Copy:
    """A copy of the partition's folder in a log directory of its own, to spoil."""

    def __init__(self, data):
        self.home = tempfile.TemporaryDirectory(prefix="ottla-log-files-")
        self.data = pathlib.Path(self.home.name) / "data"
        shutil.copytree(data, self.data)
        self.folder = self.data / "f-0"
        self.bases = sorted(int(path.stem) for path in self.folder.glob("*.log"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.home.cleanup()

    def change(self, name, at, new):
        path = self.folder / name if (self.folder / name).exists() else self.data / name
        content = bytearray(path.read_bytes())
        content[at:at + len(new)] = new
        path.write_bytes(content)
        return path


def stamped(content, base_offset):
    """The first batch of a segment with another base offset, which its checksum does not cover."""
    return struct.pack(">q", base_offset) + content[8:]


def expect(what, copy, path, *words, folder=None):
    code, out, err = log("verify", folder or copy.data)
    lines = [line for line in out.splitlines()[:-1] if line.startswith(f"{path}:")]
    others = [line for line in out.splitlines()[:-1] if not line.startswith(f"{path}:")]
    check(f"{what}: {words}", code == 1 and err == "" and
          any(all(word in line for word in words) for line in lines) and not others, out + err)


def planted(data):
    """One thing wrong at a time: it is told with its file and place, and nothing else is."""
    with Copy(data) as copy:
        first, second = copy.bases[:2]
        name = LOG.format(second)
        content = (copy.folder / name).read_bytes()
        size = struct.unpack(">i", content[8:12])[0] + 12
        path = copy.change(name, size + 70, b"\xff")
        expect("a flipped byte", copy, path, f"position {size},", "the checksum does not match")
        path = copy.change(name, 0, content)
        copy.change(name, 0, stamped(content, first))
        code, out, _ = log("verify", copy.folder)
        check("an offset of another segment", code == 1 and "the batch's offset lies before its segment's" in out,
              out)
        copy.change(name, 0, content)
        wrong = bytearray(content)
        wrong[57:61] = struct.pack(">i", 1)  # the count, with a checksum that fits
        wrong[17:21] = struct.pack(">I", batch.crc32c(bytes(wrong[21:size])))
        copy.change(name, 0, bytes(wrong))
        expect("a count that is not so", copy, path, "position 0,", "record")
        copy.change(name, 0, content)
        path.write_bytes(content[:-5])
        code, out, _ = log("verify", copy.folder)
        check("a segment that is cut", code == 1 and "the file ends within a batch" in out, out)
        path.write_bytes(content + bytes(50))
        code, out, _ = log("verify", copy.folder)
        check("zeroes behind a segment that is closed", code == 1 and f"{path}: position {len(content)}" in out, out)
        path.write_bytes(content)
        index = INDEX.format(second)
        entries = (copy.folder / index).read_bytes()
        path = copy.change(index, 4, struct.pack(">i", 3))
        expect("an index that points between batches", copy, path, "position 0,", "no batch begins at position 3")
        copy.change(index, 0, entries)
        copy.change(index, 0, entries[8:16])
        expect("an index that does not rise", copy, path, "entries do not rise")
        copy.change(index, 0, entries)
        path.write_bytes(entries + bytes(80))
        check("an index with room", log("verify", copy.data)[0] == 0)
        path.write_bytes(entries + b"\x01" * 3)
        expect("an index with a rest", copy, path, "3 bytes behind the last entry")
        path.unlink()
        expect("an index that is not there", copy, path, "No such file")
        path.write_bytes(entries)
        times = TIME.format(second)
        entries = (copy.folder / times).read_bytes()
        path = copy.change(times, 0, struct.pack(">q", 5))
        expect("a time that is not so", copy, path, "timestamp 5,")
        copy.change(times, 0, entries)
        epochs = copy.folder / EPOCHS
        text = epochs.read_text()
        epochs.write_text("0\n1\n7 0\n")
        code, out, _ = log("verify", copy.folder)
        check("an epoch that is not so", code == 1 and "leader epoch 0 is not what" in out, out)
        epochs.write_text("0\n2\n0 0\n")
        expect("epochs that are miscounted", copy, epochs, "2 entries are announced, 1 are there")
        epochs.write_text(text)
        points = copy.data / "recovery-point-offset-checkpoint"
        text = points.read_text()
        points.write_text("0\n1\nf 0 41\n")
        expect("a recovery point behind the end", copy, points, "offset 41", "f-0 ends at offset 40 already")
        points.write_text("0\n1\nf zero 41\n")
        expect("a checkpoint that is none", copy, points, "line 3")
        points.write_text(text)
        snapshot = sorted(copy.folder.glob("*.snapshot"))[0]
        snapshot.write_bytes(b"\x00\x01" + b"\x00" * 4 + struct.pack(">i", 0))
        expect("a producer snapshot that is not so", copy, snapshot, "position 2:", "the checksum does not match")


def index(data):
    """What is made again is what was there, byte for byte; what is right stays untouched."""
    interval = ("--interval", "0")
    with Copy(data) as copy:
        kinds = ("*.index", "*.timeindex", "*.txnindex")
        before = {path: path.read_bytes() for kind in kinds for path in copy.folder.glob(kind)}
        stamps = {path: path.stat().st_mtime_ns for path in before}
        code, out, err = log("index", *interval, copy.folder)
        check("indexes that are right stay", code == 0 and " 0 files were made again" in out and
              stamps == {path: path.stat().st_mtime_ns for path in before}, out + err)
        for path in before:
            path.unlink()
        code, out, err = log("index", "--check", *interval, copy.folder)
        check("--check says what is missing", code == 1 and f"{len(before)} files would be other" in out and
              not any(path.exists() for path in before), out + err)
        code, out, err = log("index", *interval, copy.folder)
        check("indexes are made as they were", code == 0 and
              {path: path.read_bytes() for path in before} == before, out + err)
        check("and are right", log("verify", copy.data)[0] == 0)
        one = copy.folder / LOG.format(copy.bases[1])
        for path in before:
            path.write_bytes(b"\x01" * 24)
        log("index", *interval, one)
        changed = {path.stem for path in before if path.read_bytes() != b"\x01" * 24}
        check("of one segment alone", changed == {one.stem})
        one.write_bytes(one.read_bytes()[:-3])
        code, _, err = log("index", *interval, copy.folder)
        check("a segment that is cut keeps its indexes", code == 1 and f"{one}: position" in err, err)
        check("wrong arguments of log index", log("index", copy.folder / "none.log")[0] == 2 and
              log("index", TOP / "docs")[0] == 2 and log("index", "--interval", "x", copy.folder)[0] == 2)


def transactions():
    """An index of aborted transactions, of which one began in the segment before."""
    def one(offset, producer, **more):
        return batch.batch({"baseOffset": offset, "producerId": producer, "producerEpoch": 0, "attributes": 0x10,
                            "baseSequence": 0, "leaderEpoch": 0, **more}, 1_700_000_000_000)

    def marker(offset, producer, kind):
        return one(offset, producer, attributes=0x30, baseSequence=-1,
                   records=[{"key": "\0\0\0" + chr(kind), "value": "\0" * 6}])

    with tempfile.TemporaryDirectory(prefix="ottla-log-files-") as home:
        folder = pathlib.Path(home) / "t-0"
        folder.mkdir()
        (folder / LOG.format(0)).write_bytes(one(0, 7) + one(1, 8) + one(2, 7, baseSequence=1))
        (folder / LOG.format(5)).write_bytes(marker(5, 7, 0) + marker(6, 8, 1) + one(7, 9) + marker(8, 9, 0))
        code, out, err = log("index", folder)
        wanted = struct.pack(">hqqqq", 0, 7, 0, 5, 1) + struct.pack(">hqqqq", 0, 9, 7, 8, 9)
        path = folder / "{:020}.txnindex".format(5)
        check("aborted transactions are indexed", code == 0 and path.read_bytes() == wanted and
              not (folder / "{:020}.txnindex".format(0)).exists(), out + err)
        check("and found to be right", log("verify", folder)[0] == 0, log("verify", folder)[1])
        path.write_bytes(struct.pack(">hqqqq", 0, 6, 0, 5, 1) + wanted[34:])
        out = log("verify", folder)[1]
        check("an entry of another producer", f"{path}: position 0, offset 5: producer 6, and producer 7" in out, out)
        (folder.parent / ".kafka_cleanshutdown").touch()
        path.write_bytes(wanted[34:])
        out = log("verify", folder)[1]
        check("an entry that is missing", f"{path}: offset 5: an aborted transaction of producer 7 has no entry" in
              out, out)


def main():
    node = Node(KEEP_ALL)
    try:
        fill(node)
        code, out, err = log("verify", node.data)
        check("nothing is wrong while a node is at work", code == 0 and "A node has" in err, out + err)
        code, _, err = log("index", node.data / "f-0")
        check("no index is made while a node is at work", code == 1 and "stop it first" in err, err)
        node.kill()
        code, out, err = log("verify", node.data)
        check("nor after kill -9", code == 0 and err == "", out + err)
        node.start()
        node.stop()
        code, out, err = log("verify", node.data)
        check("nor after a clean stop", (code, err) == (0, "") and out.endswith(" 0 faults\n"), out + err)
        told = [json.loads(line) for line in log("verify", "--format", "json", node.data)[1].splitlines()]
        check("the summary as JSON", told[-1]["faults"] == 0 and told[-1]["records"] >= 80, str(told))
        one = sorted((node.data / "f-0").glob("*.log"))[0]
        check("one segment alone", log("verify", one)[0] == 0)
        check("wrong arguments end with 2", log("verify", node.data / "none")[0] == 2 and
              log("verify", TOP / "README.md")[0] == 2 and log("verify", TOP / "docs")[0] == 2)
        planted(node.data)
        index(node.data)
        transactions()
    finally:
        node.remove()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
