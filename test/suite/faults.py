#!/usr/bin/env python3
"""The error sweep on a real node: the N-th write, sync, open, rename, truncate, ... of its log directory fails, or all
from the N-th on, during a story of a start, making topics, producing with rolls, reading, deleting a topic and a stop.
Required: every request is decided within a second of the fault (answered, or the node ends with an error in its
journal); nothing is acknowledged on a partition whose sync has failed; what a kernel may do without an error (a short
write, a call that is interrupted) shows nowhere; and a start without the fault has everything that was acknowledged,
once and in order, and accepts more.
usage: faults.py [--seconds N] [--seed N] [--all] [--only "CALL ACTION FIRST LAST"]; as many cases as fit the time, drawn
by the seed, or all of some thousand. $OTTLA is the binary.
"""

import argparse
import collections
import errno
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
import frames  # noqa: E402
import promises  # noqa: E402
import workload  # noqa: E402
from frames import Link  # noqa: E402
from node import Node  # noqa: E402

DECIDED_SECONDS = 1
TRIES = 3  # of what is refused
TURNS = 14
FOR_GOOD = 1_000_000
NOTHING = ("none", errno.EIO, 1, 0)
WRITES = (errno.EIO, errno.ENOSPC)
ACTIONS = {
    "pwritev": (*WRITES, errno.EINTR, 0),
    "fdatasync": (*WRITES, errno.EINTR),
    "fsync": WRITES,
    "openat": (errno.EIO, errno.ENOSPC, errno.EMFILE, errno.EINTR),
    "renameat": WRITES,
    "mkdirat": WRITES,
    "ftruncate": (*WRITES, errno.EINTR),
    "unlinkat": (errno.EIO,),
    "preadv": (errno.EIO, errno.EINTR),
}
HARMLESS = (0, errno.EINTR)
FLUSHED = promises.Shape("swept", flushed=True)
TOPICS = {
    "flushed": (2, {"flush.messages": "1", "internal.segment.bytes": "3000", "index.interval.bytes": "200"}),
    "plain": (1, {"internal.segment.bytes": "250000"}),
    "gone": (2, {}),
}
PLACES = (("flushed", 0), ("flushed", 1), ("plain", 0))
Strike = collections.namedtuple("Strike", "at call path")


def build_shim(folder):
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", folder / "fail_call.so",
                    TOP / "test/lib/fail_call.c", "-ldl"], check=True, capture_output=True)
    return folder / "fail_call.so"


class Producer(workload.Producer):
    """One request at a time; an idempotent one tries again what was refused."""

    def __init__(self, name, place, seed, acks, identity=None, large=False):
        super().__init__(name, place, random.Random(seed), acks, identity, large)
        self.tries = TRIES


class Life:
    """A node with a fault, and what came of it."""

    def __init__(self, shim, fault):
        self.fault = fault
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ottla-faults-", dir=memory))
        self.calls = self.folder / "calls"
        self.data = self.folder / "data"
        self.faults, self.slow = [], []
        self.created, self.deleted = set(), set()
        self.producers = []
        self.answers = []  # (moment sent, what for): what was answered positively
        self.refused = 0
        around = ("env", f"LD_PRELOAD={shim}", "OTTLA_FAIL={} {} {} {}".format(*fault),
                  f"OTTLA_FAIL_UNDER={self.data}", f"OTTLA_FAIL_LOG={self.calls}")
        self.node = Quiet("log.flush.offset.checkpoint.interval.ms=50", around=around, data=self.data)

    def remove(self):
        self.node.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def strikes(self):
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        rows = [line.split(" ", 4) for line in lines]
        return [Strike(int(row[0]) / 1e9, row[3], row[4]) for row in rows if row[2:3] == ["1"]]

    def note_time(self, what, begun):
        """The fault may have come at any moment since it was begun."""
        now = time.monotonic()
        struck = max([each.at for each in self.strikes()[:1]] + [begun])
        if now - struck > DECIDED_SECONDS:
            self.slow.append(f"{what} took {now - struck:.2f} s")

    # ---- the story ----

    def tell(self):
        begun = time.monotonic()
        serves = self.node.wait_for_decision()
        self.note_time("the start", begun)
        if serves:
            try:
                with Link(self.node.port) as link:
                    self.work(link)
            except (OSError, TimeoutError):
                self.refused += 1
        begun = time.monotonic()
        self.node.process.poll()
        if self.node.process.returncode is None:
            self.node.process.send_signal(signal.SIGTERM)
        code = self.node.process.wait(60)
        self.note_time("the stop", begun)
        self.judge(code)

    def work(self, link):
        for name, (partitions, configs) in TOPICS.items():
            self.timed(f"creating {name}", lambda: self.create(link, name, partitions, configs))
        self.producers = [Producer("acks1", PLACES[1], 2, 1), Producer("plain", PLACES[2], 3, 1, large=True)]
        try:
            self.producers.insert(0, Producer("once", PLACES[0], 1, -1, workload.init_producer_id(link)))
        except ConnectionError:
            self.refused += 1
        for _ in range(TURNS):
            for producer in self.producers:
                if producer.tries > 0:
                    self.timed(f"producing to {producer.place}", lambda: self.produce(link, producer))
        for place in PLACES:
            self.timed(f"reading {place}", lambda: link.ask(frames.fetch(*place, 0, wait_ms=0)))
        self.timed("deleting a topic", lambda: self.delete(link, "gone"))

    def timed(self, what, act):
        begun = time.monotonic()
        try:
            act()
        finally:
            self.note_time(what, begun)

    def create(self, link, name, partitions, configs):
        for _ in range(TRIES):
            sent = time.monotonic()
            error = workload.create_topic(link, name, partitions, configs)
            if error == 0:
                self.created.add(name)
                self.answers.append((sent, "__cluster_metadata-0"))
            if error in (0, 36):
                return
            self.refused += 1

    def delete(self, link, name):
        sent = time.monotonic()
        self.created.discard(name)
        if workload.delete_topic(link, name) == 0:
            self.deleted.add(name)
            self.answers.append((sent, "__cluster_metadata-0"))
        else:
            self.refused += 1

    def produce(self, link, producer):
        each = producer.next()
        sent = time.monotonic()
        producer.send(link, each)
        answer = link.answer()
        if answer is None:
            raise ConnectionError("closed")
        if producer.take(answer, each):
            producer.tries = TRIES
            self.answers.append((sent, "{}-{}".format(*producer.place)))
            return
        self.refused += 1
        producer.tries -= 1
        each.refused = True
        if producer.identity is not None:
            producer.again = [producer.sent.pop(), *producer.again]

    # ---- what is wrong with it ----

    def judge(self, code):
        log, struck = self.node.log(), self.strikes()
        if code < 0:
            self.faults.append(f"the node ended with {code}")
        said = "level=error" in log or "level=warn" in log or "\nstart: " in "\n" + log
        if code != 0 and not said:
            self.faults.append(f"it ended with {code} without saying why")
        if self.fault[1] in HARMLESS and (code != 0 or self.refused):
            self.faults.append(f"a harmless {self.fault} shows: exit code {code}, {self.refused} refused")
        if not struck and (code != 0 or self.refused):
            self.faults.append(f"without a fault: exit code {code}, {self.refused} refused")
        for each in struck:
            if self.fault[1] not in HARMLESS and each.call in ("fdatasync", "fsync"):
                self.judge_sync(each)

    def judge_sync(self, strike):
        """A log whose file could not be synced acknowledges nothing that was sent later."""
        folder = pathlib.PurePath(strike.path).parent.name
        if strike.path.endswith(".log") and any(sent > strike.at and what == folder
                                                for sent, what in self.answers):
            self.faults.append(f"acknowledged after {strike.path} could not be synced")

    def look_again(self):
        """A start without the fault."""
        self.node.around = ()
        self.node.start()
        with Link(self.node.port) as link:
            listed = workload.topic_names(link)
            if self.created - listed:
                self.faults.append(f"topics are lost: {self.created - listed}")
            if self.deleted & listed:
                self.faults.append(f"topics are back: {self.deleted & listed}")
            for producer in self.producers:
                producer.sent += [each for each in producer.again if each.refused]  # may be there
                producer.again = []
                if producer.place[0] in listed:
                    more, end = promises.partition_faults(link, producer.place, [producer], None, FLUSHED)
                    self.faults += more + promises.probe_faults(link, producer, end)
        if self.node.stop() != 0:
            self.faults.append("the second stop is not clean")


class Quiet(Node):
    """A node that may not come to serve."""

    def start(self):
        if self.around:
            self.launch()
        else:
            super().start()

    def wait_for_decision(self):
        while self.process.poll() is None:
            if self.serves():
                return True
            time.sleep(0.005)
        return False


def run(shim, fault):
    """Faults, those of time apart, and how many calls of its name there were."""
    life = Life(shim, fault)
    try:
        life.tell()
        calls = collections.Counter(line.split(" ", 4)[3] for line in life.calls.read_text().splitlines())
        struck = life.strikes()
        try:
            life.look_again()
        except (OSError, RuntimeError, TypeError) as error:
            life.faults.append(f"the start without the fault: {error!r}")
        if life.faults or life.slow:
            where = f"{struck[0].call} {struck[0].path}" if struck else "nowhere"
            life.faults[:0] = [f"struck at {where}"] if life.faults else []
            life.log = life.node.log()[-3000:] if life.faults else ""
            return life.faults, [f"{each} ({where})" for each in life.slow], calls, life.log
        return [], [], calls, ""
    finally:
        life.remove()


def cases(calls):
    """Every fault: a call, what becomes of it, from which to which."""
    for call, actions in ACTIONS.items():
        for number in range(1, calls[call] + 1):
            for action in actions:
                yield call, action, number, number
                if action not in HARMLESS:
                    yield call, action, number, FOR_GOOD


def named(fault):
    call, action, first, last = fault
    what = "is cut short" if action == 0 else f"fails with {errno.errorcode[action]}"
    return f"{call} {first} {what}{' and all after' if last > first else ''} ({' '.join(map(str, fault))})"


class Sweep:
    def __init__(self, shim, options):
        self.shim, self.options = shim, options
        self.passed = self.failed = 0

    def try_one(self, fault):
        """Slowness counts only when it comes again: others may be at work on the machine."""
        faults, slow, calls, log = run(self.shim, fault)
        if slow and not faults:
            again, slow, calls, log = run(self.shim, fault)
            faults += again + slow
        self.passed += not faults
        self.failed += bool(faults)
        if faults:
            print(f"FAILED: {named(fault)}\n  " + "\n  ".join(map(str, faults[:8])) + "\n" + log, flush=True)
        return calls

    def run(self):
        begun = time.monotonic()
        if self.options.only:
            call, *numbers = self.options.only.split()
            self.try_one((call, *map(int, numbers)))
            return
        chosen = list(cases(self.try_one(NOTHING)))
        total = len(chosen)
        random.Random(self.options.seed).shuffle(chosen)
        while chosen and (self.options.all or time.monotonic() - begun < self.options.seconds):
            self.try_one(chosen.pop())
            if sys.stdout.isatty():
                print(f"\r{total - len(chosen)} of {total} faults, {self.failed} with a finding", end="",
                      flush=True)
        print(f"{total - len(chosen)} of {total} faults, seed {self.options.seed}, "
              f"{time.monotonic() - begun:.0f} s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only")
    options = parser.parse_args()
    if os.environ.get("OTTLA_BUILD", "release") != "release":
        print("a sanitizer's binary takes no preloaded library")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        sweep = Sweep(build_shim(pathlib.Path(folder)), options)
        sweep.run()
    print(f"{sweep.passed} passed, {sweep.failed} failed")
    return 1 if sweep.failed else 0


if __name__ == "__main__":
    sys.exit(main())
