#!/usr/bin/env python3
"""Several log directories: where partitions are placed, what a start makes of directories that are of
another node, copies, missing or broken, and what is left when a disk fails while the node runs."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from node import CLIENT, OTTLA, Node, run  # noqa: E402

passed = []
failed = []


def check(what, fine, told=""):
    (passed if fine else failed).append(what)
    print(("ok: " if fine else "FAILED: ") + what + (f"\n{told}" if told and not fine else ""))


class Dirs(Node):
    """A node on directories d1, d2, ... of its folder."""

    def __init__(self, count, *settings):
        self.count = count
        super().__init__(*settings)

    def path(self, number):
        return self.folder / f"d{number}"

    def start(self):
        names = ",".join(str(self.path(i + 1)) for i in range(self.count))
        self.settings = (f"log.dirs={names}", *(s for s in self.settings
                                                 if not s.startswith("log.dirs=")))
        super().start()

    def folders(self, number):
        return sorted(path.name for path in self.path(number).iterdir()
                      if path.is_dir() and not path.name.startswith("__cluster"))

    def refusal(self):
        """What a start that must not succeed says."""
        words = [OTTLA, "start", "--set", f"listeners=PLAINTEXT://{self.address}",
                 "--set", "ottla.metrics.listener="]
        for setting in self.settings:
            words += ["--set", setting]
        done = subprocess.run(words, capture_output=True, timeout=30, check=False)
        return done.returncode, done.stderr.decode()


def raw(node, api, version, body):
    line = run("raw", api, str(version), "-b", node.address, stdin=json.dumps(body).encode())
    return json.loads(line)


def produce(node, topic, lines, partition=None):
    words = ["produce", topic, "-b", node.address]
    if partition is not None:
        words += ["-p", str(partition)]
    done = subprocess.run([CLIENT, *words], input="".join(f"{line}\n" for line in lines).encode(),
                          capture_output=True, timeout=60, check=False)
    return done.returncode == 0


def consume(node, topic, partition=0):
    return run("consume", topic, "-p", str(partition), "-o", "start", "-e", "-b",
               node.address).decode().splitlines()


def error_of_fetch(node, topic, partition):
    body = {"maxBytes": 1000000, "maxWaitMs": 0, "topics": [{"topic": topic, "partitions": [
        {"partition": partition, "fetchOffset": 0, "partitionMaxBytes": 100000}]}]}
    return raw(node, "Fetch", 12, body)["responses"][0]["partitions"][0]["errorCode"]


def leaders(node, topic):
    body = {"topics": [{"name": topic}]}
    partitions = raw(node, "Metadata", 9, body)["topics"][0]["partitions"]
    return {p["partitionIndex"]: (p["leaderId"], p["offlineReplicas"]) for p in partitions}


def placement():
    node = Dirs(3)
    try:
        run("topic", "create", "six", "-p", "6", "-b", node.address)
        run("topic", "create", "one", "-b", node.address)
        run("topic", "create", "five", "-p", "5", "-b", node.address)
        for topic, count in (("six", 6), ("one", 1), ("five", 5)):
            for partition in range(count):
                produce(node, topic, ["x"], partition)
        counts = [len(node.folders(i)) for i in (1, 2, 3)]
        check("new partitions go where the fewest are", counts == [4, 4, 4], str(counts))
        places = [node.folders(i) for i in (1, 2, 3)]
        check("a clean stop", node.stop() == 0)
        check("each directory has its marker",
              all((node.path(i) / ".kafka_cleanshutdown").exists() for i in (1, 2, 3)))
        node.count = 4
        node.start()
        check("partitions stay where they are",
              [node.folders(i) for i in (1, 2, 3)] == places and node.folders(4) == [])
        run("topic", "create", "new", "-p", "4", "-b", node.address)
        for partition in range(4):
            produce(node, "new", ["x"], partition)
        check("an added directory is filled first", len(node.folders(4)) == 4,
              str(node.folders(4)))
        check("what was written is there", all(consume(node, "six", p) == ["x"] for p in range(6)))
        ids = {re.search("directory.id=(.*)", (node.path(i) / "meta.properties").read_text())[1]
               for i in range(1, 5)}
        check("every directory has an id of its own", len(ids) == 4)
    finally:
        node.remove()


def moved_by_hand():
    """A folder that somebody moved while the node was down is found and told to the controller."""
    node = Dirs(2, "ottla.log.level=debug")
    try:
        run("topic", "create", "t", "-p", "2", "-b", node.address)
        check("records are written", produce(node, "t", ["a"], 0) and produce(node, "t", ["b"], 1))
        check("a clean stop before the move", node.stop() == 0)
        home = 1 if "t-0" in node.folders(1) else 2
        away = 3 - home
        shutil.move(node.path(home) / "t-0", node.path(away) / "t-0")
        node.start()
        check("a folder that was moved by hand is found", consume(node, "t", 0) == ["a"])
        check("the controller is told", wait_for(lambda: "directory_told" in node.log()))
        check("nothing is made in its old place", node.folders(home) == ["t-1"] or
              "t-0" not in node.folders(home))
        shutil.copytree(node.path(away) / "t-0", node.path(home) / "t-0")
        node.kill()
        node.start()
        check("of two folders the one counts that the controller knows",
              consume(node, "t", 0) == ["a"])
        stray = [name for name in node.folders(home) if name.endswith("-stray")]
        check("the other is set aside", len(stray) == 1 and "t-0" not in node.folders(home),
              str(node.folders(home)))
        (node.path(home) / "gone-7").mkdir()
        node.kill()
        node.start()
        check("a folder of no partition is set aside",
              any(name.startswith("gone-7.") and name.endswith("-stray")
                  for name in node.folders(home)), str(node.folders(home)))
    finally:
        node.remove()


def refused():
    node = Dirs(2)
    other = Dirs(1)
    try:
        node.stop()
        other.stop()
        meta = node.path(2) / "meta.properties"
        before = meta.read_text()
        meta.write_text((other.path(1) / "meta.properties").read_text())
        code, text = node.refusal()
        check("a directory of another cluster is refused", code != 0 and "is of cluster" in text
              and "d2" in text, text)
        meta.write_text(before.replace("node.id=1", "node.id=77"))
        code, text = node.refusal()
        check("a directory of another node is refused", code != 0 and
              "belongs to node 77" in text, text)
        meta.write_text((node.path(1) / "meta.properties").read_text())
        code, text = node.refusal()
        check("a copy of a directory is refused", code != 0 and "same directory.id" in text, text)
        meta.write_text(before)
        (node.folder / "again").symlink_to(node.path(1))
        node.settings = (f"log.dirs={node.path(1)},{node.folder / 'again'}",)
        code, text = node.refusal()
        check("one directory under two names is refused", code != 0 and
              "are one directory" in text, text)
    finally:
        node.remove()
        other.remove()


def missing():
    """A directory that cannot be used is offline; the others serve."""
    node = Dirs(3)
    try:
        run("topic", "create", "t", "-p", "3", "-b", node.address)
        for partition in range(3):
            produce(node, "t", [f"v{partition}"], partition)
        node.stop()
        lost = int(node.folders(3)[0][-1])
        shutil.move(node.path(3), node.folder / "away")
        node.path(3).write_text("no directory")
        node.start()
        others = [p for p in range(3) if p != lost]
        check("the node starts without one of its directories", "directory_offline" in node.log())
        check("the other directories serve",
              all(consume(node, "t", p) == [f"v{p}"] and produce(node, "t", ["w"], p)
                  for p in others))
        check("its partitions answer KAFKA_STORAGE_ERROR", error_of_fetch(node, "t", lost) == 56)
        led = leaders(node, "t")
        check("nobody leads them, and their replicas are offline",
              led[lost] == (-1, [1]) and all(led[p] == (1, []) for p in others), str(led))
        run("topic", "create", "u", "-p", "2", "-b", node.address)
        check("new partitions go to the others",
              produce(node, "u", ["x"], 0) and produce(node, "u", ["x"], 1))
        check("no partition is begun anew elsewhere",
              f"t-{lost}" not in node.folders(1) + node.folders(2))
        check("the stop is a clean one for the others", node.stop() == 0 and
              (node.path(1) / ".kafka_cleanshutdown").exists())
        node.path(3).unlink()
        shutil.move(node.folder / "away", node.path(3))
        node.start()
        check("when it is back so are its partitions", consume(node, "t", lost) == [f"v{lost}"] and
              produce(node, "t", ["w"], lost) and leaders(node, "t")[lost] == (1, []))
        node.stop()
        node.count = 2
        node.start()
        check("a directory that was taken out leaves its partitions without a leader",
              leaders(node, "t")[lost] == (-1, [1]) and error_of_fetch(node, "t", lost) == 56 and
              "not in log.dirs" in node.log())
        node.stop()
        shutil.move(node.path(1), node.folder / "away")
        node.path(1).write_text("no directory")
        code, text = node.refusal()
        check("without the metadata log there is no start", code != 0 and "d1" in text, text)
    finally:
        node.remove()


def metadata_dir():
    """metadata.log.dir that is none of log.dirs holds no partitions."""
    folder = pathlib.Path(subprocess.run(["mktemp", "-d", "/tmp/ottla-test-XXXXXX"], check=True,
                                         capture_output=True).stdout.decode().strip())
    node = Dirs(2, f"metadata.log.dir={folder / 'm'}")
    try:
        run("topic", "create", "t", "-p", "4", "-b", node.address)
        for partition in range(4):
            produce(node, "t", ["x"], partition)
        check("metadata.log.dir may be a directory of its own",
              (folder / "m/__cluster_metadata-0").is_dir() and
              not (node.path(1) / "__cluster_metadata-0").exists())
        check("and holds no partitions", len(node.folders(1)) == 2 and len(node.folders(2)) == 2 and
              not (folder / "m/t-0").exists())
        check("a clean stop with it", node.stop() == 0)
        node.start()
        check("and a start again", consume(node, "t", 3) == ["x"])
    finally:
        node.remove()
        shutil.rmtree(folder)


def described(node, topics=None):
    body = {"topics": topics}
    answer = raw(node, "DescribeLogDirs", 5, body)
    return {pathlib.Path(result["logDir"]).name: result for result in answer["results"]}


def describe():
    node = Dirs(2)
    try:
        run("topic", "create", "t", "-p", "3", "-b", node.address)
        for partition in range(3):
            produce(node, "t", ["a" * 1000], partition)
        dirs = described(node)
        found = {(t["name"], p["partitionIndex"]): p for d in dirs.values()
                 for t in d["topics"] for p in t["partitions"]}
        check("every partition is described once", len(found) == 3, str(dirs))
        check("with its size", found["t", 0]["partitionSize"] ==
              sum(path.stat().st_size for i in (1, 2)
                  for path in node.path(i).glob("t-0/*.log")))
        check("and the file system's room", all(d["totalBytes"] > d["usableBytes"] > 0
                                                for d in dirs.values()))
        some = described(node, [{"topic": "t", "partitions": [1, 9]}])
        check("those that were asked for alone",
              sum(len(t["partitions"]) for d in some.values() for t in d["topics"]) == 1)
        check("none where none was", not any(d["topics"] for d in described(node, []).values()))
        node.stop()
        shutil.rmtree(node.path(2))
        node.path(2).write_text("no directory")
        node.start()
        check("one that is offline says so", described(node)["d2"]["errorCode"] == 56)
    finally:
        node.remove()


def move(node, topic, partition, path):
    answer = raw(node, "AlterReplicaLogDirs", 2, {"dirs": [
        {"path": str(path), "topics": [{"name": topic, "partitions": [partition]}]}]})
    return answer["results"][0]["partitions"][0]["errorCode"]


def is_in(node, number, name):
    return (node.path(number) / name).is_dir()


def moves(shards):
    node = Dirs(2, f"ottla.shards={shards}", "log.segment.bytes=1048576")
    try:
        run("topic", "create", "t", "-p", "2", "-b", node.address)
        lines = [f"{i}-" + "x" * 1000 for i in range(8000)]
        check("records to be moved", produce(node, "t", lines, 0))
        home = 1 if is_in(node, 1, "t-0") else 2
        away = 3 - home
        check("no such directory", move(node, "t", 0, "/no/such") == 57)
        check("no such partition", move(node, "t", 9, node.path(1)) == 3)
        check("where it is already", move(node, "t", 0, node.path(home)) == 0)
        check("a move begins", move(node, "t", 0, node.path(away)) == 0)
        produce(node, "t", ["meanwhile"], 0)
        check("and ends", wait_for(lambda: "partition_moved" in node.log()))
        check("the partition is in the other directory, and whole",
              is_in(node, away, "t-0") and not is_in(node, home, "t-0") and
              consume(node, "t", 0) == [*lines, "meanwhile"])
        check("it is written to there", produce(node, "t", ["after"], 0) and
              consume(node, "t", 0)[-1] == "after")
        check("nothing is left of it", wait_for(lambda: not any(
            name.startswith("t-0.") for name in node.folders(1) + node.folders(2))))
        node.kill()
        node.start()
        check("nor is anything lost by a kill after it",
              consume(node, "t", 0) == [*lines, "meanwhile", "after"])
        for _ in range(5):
            move(node, "t", 0, node.path(1))
            move(node, "t", 0, node.path(2))
        check("of many moves the last one counts", wait_for(
            lambda: is_in(node, 2, "t-0") and not is_in(node, 1, "t-0") and not any(
                p["isFutureKey"] for d in described(node).values() for t in d["topics"]
                for p in t["partitions"])), str(node.folders(1) + node.folders(2)))
        check("and nothing is lost by them", consume(node, "t", 0) == [*lines, "meanwhile", "after"])
        check("a partition that is yet to come", move(node, "late", 0, node.path(1)) == 3 and
              move(node, "later", 0, node.path(2)) == 3)
        run("topic", "create", "late", "later", "-b", node.address)
        check("goes where it was told to", produce(node, "late", ["x"], 0) and
              wait_for(lambda: is_in(node, 1, "late-0") and is_in(node, 2, "later-0")) and
              consume(node, "late", 0) == ["x"])
        check("a clean stop after moves", node.stop() == 0)
        node.start()
        check("after which all is there", consume(node, "t", 0) == [*lines, "meanwhile", "after"])
    finally:
        node.remove()


def moves_cut_short():
    """Killed at many moments of a move: whatever is left, nothing is lost."""
    node = Dirs(2, "log.segment.bytes=1048576")
    try:
        run("topic", "create", "t", "-b", node.address)
        lines = [f"{i}-" + "x" * 2000 for i in range(10000)]
        produce(node, "t", lines, 0)
        whole = True
        for moment in range(6):
            target = node.path(1 if is_in(node, 2, "t-0") else 2)
            move(node, "t", 0, target)
            extra = f"extra {moment}"
            if produce(node, "t", [extra], 0):
                lines.append(extra)
            time.sleep(0.01 * moment)
            node.kill()
            node.start()
            whole = whole and consume(node, "t", 0) == lines
        check("a move that is cut short loses nothing", whole)
        check("and is carried on by the start", wait_for(lambda: not any(
            name.endswith("-future") for name in node.folders(1) + node.folders(2))))
        check("with one folder in the end", wait_for(
            lambda: sorted(node.folders(1) + node.folders(2)) == ["t-0"]),
              str(node.folders(1) + node.folders(2)))
    finally:
        node.remove()


def command():
    node = Dirs(2)
    try:
        run("topic", "create", "t", "-p", "2", "-b", node.address)
        produce(node, "t", ["a"], 0)
        rows = run("logdirs", "--format", "awk", "-b", node.address).decode().splitlines()
        check("logdirs lists the directories", [row.split("\t")[:2] for row in rows] ==
              [[str(node.path(i)), "online"] for i in (1, 2)], str(rows))
        told = json.loads(run("logdirs", "-p", "--format", "json", "-b", node.address))
        check("and the partitions in them", sorted((p["topic"], p["partition"])
              for p in told["partitions"]) == [("t", 0), ("t", 1)], str(told))
        to = 2 if is_in(node, 1, "t-0") else 1
        run("logdirs", "--move", "t:0", "--to", str(node.path(to)), "-b", node.address)
        check("and moves them", wait_for(lambda: is_in(node, to, "t-0")))
        for words, code, text in ((["--move", "t:0"], 2, "go together"),
                                  (["--move", "t", "--to", "/x"], 2, "TOPIC:PARTITION"),
                                  (["--move", "t:0", "--to", "/x"], 1, "LOG_DIR_NOT_FOUND"),
                                  (["--move", "n:0", "--to", str(node.path(1))], 1,
                                   "UNKNOWN_TOPIC_OR_PARTITION")):
            done = subprocess.run([CLIENT, "logdirs", *words, "-b", node.address],
                                  capture_output=True, check=False)
            check(f"logdirs {' '.join(words[:2])} says {text}", done.returncode == code and
                  text in done.stderr.decode(), done.stderr.decode())
    finally:
        node.remove()


def full_disk():
    node = Dirs(2, "ottla.disk.reserve.bytes=5000000")
    disk = node.path(2)
    try:
        node.stop()
        shutil.rmtree(disk)
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(disk)],
                                 capture_output=True, check=False).returncode == 0
        if not mounted:
            print("skipped: a full disk: no file system can be mounted here (needs root)")
            return
        node.start()
        run("topic", "create", "t", "-p", "2", "-b", node.address)
        for partition in range(2):
            produce(node, "t", ["first"], partition)
        small = int(node.folders(2)[0][-1])
        lines = "".join("x" * 900000 + "\n" for _ in range(100))
        done = subprocess.run([CLIENT, "produce", "t", "-b", node.address, "-p", str(small),
                               "--timeout", "1500"], input=lines.encode(), capture_output=True,
                              timeout=60, check=False)
        check("records are refused before the disk is full", done.returncode != 0 and
              "disk_full" in node.log(), done.stderr.decode())
        left = shutil.disk_usage(disk).free
        check("the reserve is left", 2 << 20 < left < 8 << 20, str(left))
        check("one line says so", node.log().count("disk_full") == 1)
        check("reading goes on", consume(node, "t", small)[0] == "first")
        check("other disks are written to", produce(node, "t", ["second"], 1 - small))
        check("the node is told to be full", described(node)["d2"]["errorCode"] == 0)
        subprocess.run(["mount", "-o", "remount,size=128m", str(disk)], check=True)
        check("writing goes on when there is room", wait_for(
            lambda: "disk_has_room" in node.log()) and produce(node, "t", ["more"], small))
        check("nothing was lost", consume(node, "t", small)[-1] == "more")
        check("a clean stop after it", node.stop() == 0)
    finally:
        if node.process.poll() is None:
            node.kill()
        subprocess.run(["umount", str(disk)], capture_output=True, check=False)
        node.remove()


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def main():
    placement()
    moved_by_hand()
    refused()
    missing()
    metadata_dir()
    describe()
    command()
    moves(1)
    moves(3)
    moves_cut_short()
    full_disk()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
