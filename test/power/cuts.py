#!/usr/bin/env python3
"""Power cuts at random moments of a node's life, on a real file system (see disk.py): under load, in a start, in a
recovery, in a stop. After each the node must start, serve and accept; where the settings promise it, everything
acknowledged is there once, with equal bytes and in order; where they do not, the log is still a prefix of what was
appended, and nothing that was found after one cut is gone after the next.
usage: cuts.py [CUTS] [--seed N] [--only SHAPE]; $OTTLA is the binary. 77: no such disk can be had here.
"""

import argparse
import dataclasses
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
import disk  # noqa: E402
import hole  # noqa: E402
import kernel  # noqa: E402
import workload  # noqa: E402
import promises  # noqa: E402
from promises import Shape  # noqa: E402
from frames import Link  # noqa: E402
from node import Node  # noqa: E402

PARTITIONS = 3
TOPIC = "power"
CUTS_OF_A_DISK = 10
LIFE_SECONDS = 0.05, 0.35
SMALL = {"internal.segment.bytes": "6000", "index.interval.bytes": "200"}
# A new way of keeping data is one more row.
SHAPES = (
    Shape("topic flushed", configs={"flush.messages": "1"}, flushed=True),
    Shape("node flushed", ("log.flush.interval.messages=1", "ottla.shards=2"), flushed=True),
    Shape("flushed, small segments", ("log.flush.offset.checkpoint.interval.ms=30",),
          {"flush.messages": "1", **SMALL}, flushed=True),
    Shape("flushed, checkpoints", ("log.flush.interval.messages=1", "ottla.shards=2",
                                   "log.flush.offset.checkpoint.interval.ms=10",
                                   "log.flush.start.offset.checkpoint.interval.ms=10"), flushed=True),
    Shape("not flushed"),
    Shape("not flushed, small segments", ("log.flush.offset.checkpoint.interval.ms=20",), SMALL),
    Shape("flushed, trimmed", ("log.initial.task.delay.ms=10", "log.retention.check.interval.ms=30",
                               "log.segment.delete.delay.ms=0",
                               "log.flush.start.offset.checkpoint.interval.ms=20"),
          {"flush.messages": "1", "retention.bytes": "60000", **SMALL}, flushed=True, trimmed=True),
    Shape("not flushed, trimmed", ("log.initial.task.delay.ms=10", "log.retention.check.interval.ms=30",
                               "log.segment.delete.delay.ms=10"),
          {"retention.bytes": "60000", **SMALL}, trimmed=True),
    Shape("flushed, compacted", ("log.cleaner.backoff.ms=20",),
          {"flush.messages": "1", "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", **SMALL},
          flushed=True, keys=10),
    Shape("not flushed, compacted", ("log.cleaner.backoff.ms=20", "ottla.shards=2"),
          {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", **SMALL}, keys=10),
    Shape("flushed at times", ("ottla.shards=2",), {"flush.messages": "50", "flush.ms": "20"}),
)


class World:
    """A disk, the node on it and everybody who works with it, for some cuts."""

    def __init__(self, shape, chance):
        self.shape, self.chance = shape, chance
        self.power = disk.Disk(chance.choice(disk.MOUNTS))
        self.node = Node(*shape.settings, data=self.power.path / "data")
        self.late = 0  # answers after a cut
        self.clean = False  # the node had stopped before the cut
        self.cuts = {"load": 0, "stop": 0, "stopped": 0, "start": 0}
        self.places = [(TOPIC, number) for number in range(PARTITIONS)]
        self.topics = workload.Topics(self.dice())
        with Link(self.node.port) as link:
            if workload.create_topic(link, TOPIC, PARTITIONS, shape.configs) != 0:
                raise RuntimeError("the topic is not made:\n" + self.node.log())
            identities = [workload.init_producer_id(link) for _ in self.places]
        self.topics.producer_ids += identities
        self.producers = [workload.Producer(f"once-{place[1]}", place, self.dice(), -1, identity, keys=shape.keys)
                          for place, identity in zip(self.places, identities)]
        self.producers += [workload.Producer(f"acks{acks}-{place[1]}", place, self.dice(), acks,
                                         large=acks == 1 and "internal.segment.bytes" not in shape.configs,
                                         keys=shape.keys)
                           for place in self.places for acks in (1, -1)]
        self.probes = {place: workload.Producer(f"probe-{place[1]}", place, self.dice(), -1, keys=shape.keys)
                       for place in self.places}
        self.readers = {} if shape.keys else {place: workload.Reader(place) for place in self.places[:1]}
        self.kernel = kernel.Kernel(self.power.path, self.dice())

    def dice(self):
        return random.Random(self.chance.random())

    def workers(self):
        return [*self.producers, self.topics, *self.readers.values(), self.kernel]

    def live(self):
        """Work until the power is cut; the faults that showed before the check."""
        for worker in self.workers():
            worker.start(self.node.port)
        time.sleep(self.chance.uniform(*LIFE_SECONDS))
        how = self.chance.choices(("load", "stop", "stopped"), (80, 15, 5))[0]
        self.clean = how == "stopped"
        begun = time.monotonic()  # whoever is refused before is refused without a reason
        if how != "load":
            self.node.process.send_signal(signal.SIGTERM)
            if how == "stop":
                time.sleep(self.chance.uniform(0, 0.04))
        faults = []
        if how == "stopped" and self.node.stop() != 0:
            faults.append("the node did not stop cleanly")
        cut_at = self.cut(how)
        time.sleep(self.chance.choice((0, self.chance.uniform(0, 0.03))))
        faults += self.end()
        for worker in self.workers():
            worker.join()
            faults += [worker.error] * (worker.error is not None)
        for producer in self.producers:
            faults += producer.wrong
            faults += [f"{producer.name} was refused before the cut: error {error}"
                       for moment, error in producer.refused if moment < begun]
            producer.refused.clear()
        self.late += sum(worker.forget_after(cut_at) or 0 for worker in self.workers()[:-1])
        return faults

    def cut(self, how):
        """The moment when it began. The file system's end takes a while, in which it may tell a sync that all
        is well when it is not: such answers, which no machine without power would give, count for nothing."""
        self.cuts[how] += 1
        cut_at = time.monotonic()
        self.power.cut(self.chance.choice((disk.NO_LOG_FLUSH, disk.NO_LOG_FLUSH, disk.LOG_FLUSH)))
        return cut_at

    def end(self):
        """Without power the node may have ended by itself, but not by an assertion."""
        code = self.node.process.poll()
        if code is None:
            self.node.kill()
        return [f"the node ended with {code}"] if code is not None and code < 0 else []

    def come_back(self):
        """The power returns, now and then to go again while the node starts."""
        faults = []
        self.power.power_on()
        while self.chance.random() < 0.25:
            self.node.launch()
            time.sleep(self.chance.uniform(0, 0.04))
            self.cut("start")
            faults += self.end()
            self.power.power_on()
        self.node.start()
        return faults

    def listed(self):
        with Link(self.node.port) as link:
            return workload.topic_names(link)

    def turn(self):
        """From one start to the next."""
        faults = self.live() + self.come_back()
        shape = dataclasses.replace(self.shape, flushed=self.shape.flushed or self.clean)
        faults += promises.faults_of(self.node, shape, self.places, self.producers, self.probes,
                                  self.readers)
        return faults + self.topics.faults(self.listed())

    def acknowledged(self):
        return sum(each.acknowledged for producer in (*self.producers, *self.probes.values())
                   for each in producer.sent)

    def remove(self):
        for worker in self.workers():
            worker.going = False
        self.node.remove()
        self.power.remove()


class Run:
    """All the cuts, a disk after the other."""

    def __init__(self, options):
        self.options = options
        self.begun = time.monotonic()
        self.cuts = {}
        self.passed = self.failed = self.acknowledged = self.late = 0

    def total(self):
        return sum(self.cuts.values())

    def tell(self):
        if sys.stdout.isatty():
            print(f"\r{self.total()} of {self.options.cuts} cuts, {self.failed} with a fault, "
                  f"{time.monotonic() - self.begun:.0f} s", end="", flush=True)

    def note(self, what, faults):
        self.passed += not faults
        self.failed += bool(faults)
        if faults:
            print(f"\nFAILED: {what}\n" + "\n".join(str(each) for each in faults[:20]), flush=True)

    def keep(self, world):
        """What was found on the disk, for a closer look."""
        kept = TOP / "build/power" / f"{self.options.seed}-{self.failed}"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        subprocess.run(["cp", "-a", world.node.data, kept / "data"], check=False, capture_output=True)
        shutil.copy(world.node.folder / "node.log", kept / "node.log")
        print(f"the directory and the log: {kept}", flush=True)

    def world(self, shape, chance):
        world = World(shape, chance)
        before = self.cuts
        try:
            for turn in range(CUTS_OF_A_DISK):
                if self.total() >= self.options.cuts:
                    break
                try:
                    faults = world.turn()
                except (OSError, RuntimeError, TypeError, struct.error) as error:  # an answer that is none
                    faults = [f"{error!r}"]
                self.cuts = {how: before.get(how, 0) + count for how, count in world.cuts.items()}
                self.note(f"{shape.name}, cut {self.total()}, mounted {world.power.options}", faults)
                self.tell()
                if faults:
                    self.keep(world)
                    break
            self.acknowledged += world.acknowledged()
            self.late += world.late
        finally:
            world.remove()

    def run(self):
        chance = random.Random(self.options.seed)
        self.note("a hole of zeroes", hole.faults(self.options.seed))
        shapes = [shape for shape in SHAPES if self.options.only in shape.name]
        number = 0
        while self.total() < self.options.cuts:
            self.world(shapes[number % len(shapes)], chance)
            number += 1
        each = ", ".join(f"{count} {'under' if how == 'load' else 'in' if how in ('stop', 'start') else 'when'}"
                         f" {how}" for how, count in self.cuts.items())
        print(f"\n{self.total()} power cuts ({each}) in {time.monotonic() - self.begun:.0f} s, "
              f"{self.acknowledged} batches acknowledged and {self.late} too late to count, faults after {self.failed}")
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cuts", type=int, nargs="?", default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    disk.in_own_namespace()
    reason = disk.why_not()
    if reason is not None:
        print(f"no power cuts here: {reason}")
        return 77
    print(f"seed {options.seed}")
    return Run(options).run()


if __name__ == "__main__":
    sys.exit(main())
