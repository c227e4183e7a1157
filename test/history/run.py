#!/usr/bin/env python3
"""Histories of real processes: workers with producers and consumers of librdkafka work at a node while it is killed and
stopped, then everything is read and the history is checked. What was found wrong is kept in build/history with the
history and the node's log. $OTTLA is the binary; --help tells the options. 77: librdkafka's module is missing.
"""

import argparse
import dataclasses
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/history"))
try:
    import confluent_kafka  # noqa: F401
except ImportError as missing:
    print(f"{missing}: apt-get install python3-confluent-kafka")
    sys.exit(77)
import brokers  # noqa: E402
import checker  # noqa: E402
import history  # noqa: E402

ASSIGNORS = ("range", "roundrobin", "cooperative-sticky")
WORKLOADS = ("idempotent", "transactional", "subscribing")
NEMESES = ("none", "kill", "pause", "mixed")
BETWEEN_SECONDS = {"kill": 1.5, "pause": 3, "mixed": 2}  # two of its deeds, on average
SLOWNESS = {"ottla": 1, "kafka": 4}  # a start takes seconds there
PAUSE_SECONDS = 0.1, 4
END_SECONDS = 45  # for what workers still do when their time is up
FINAL_SECONDS = 200
PROCESSES_OF_A_WORKER = 10_000
VALUES_OF_A_WORKER = 1_000_000
READERS = 2
# Where nothing disturbs, none may take so long; else some must be aborted by the broker.
TRANSACTION_MS = (10_000,), (1000, 2000, 5000)


@dataclasses.dataclass
class Plan:
    workload: str
    nemesis: str
    seconds: float
    seed: int
    broker: str
    workers: int
    rate: float
    assignor: str
    keep: bool


class Nemesis:
    """Disturbs the broker, and in the mixed form the clients, at random moments."""

    def __init__(self, run, chance):
        self.run, self.chance = run, chance
        self.deeds = {"kill": [self.kill], "pause": [self.pause], "none": [],
                      "mixed": [self.kill, self.kill, self.pause, self.stop, self.kill_worker]}[run.plan.nemesis]
        self.done = dict.fromkeys((deed.__name__ for deed in self.deeds), 0)

    def work(self, until):
        plan = self.run.plan
        while self.deeds:
            wait = self.chance.expovariate(1 / BETWEEN_SECONDS[plan.nemesis]) * SLOWNESS[plan.broker]
            if time.monotonic() + wait > until:
                break
            time.sleep(wait)
            self.run.look_around()
            deed = self.chance.choice(self.deeds)
            deed()
            self.done[deed.__name__] += 1
        while time.monotonic() < until:
            time.sleep(0.05)
            self.run.look_around()

    def kill(self):
        self.run.broker.kill()
        time.sleep(self.chance.choice((0, 0, self.chance.uniform(0, 2))))
        self.run.broker.start()

    def pause(self):
        self.run.broker.signal(signal.SIGSTOP)
        time.sleep(self.chance.uniform(*PAUSE_SECONDS))
        self.run.broker.signal(signal.SIGCONT)

    def stop(self):
        if not self.run.broker.restart():
            self.run.faults.append("the node did not stop cleanly")

    def kill_worker(self):
        number = self.chance.randrange(self.run.plan.workers)
        self.run.kill_worker(number)
        self.run.start_worker(number)


class Run:
    def __init__(self, plan):
        self.plan = plan
        self.chance = random.Random(plan.seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ottla-history-"))
        self.faults = []
        self.crashes = []
        self.workers = {}  # number: process
        self.paths = []
        self.ended = {}  # path: when its worker was surely over
        self.begun = 0  # workers
        self.assignor = plan.assignor or self.chance.choice(ASSIGNORS)
        self.base_ms = int(time.time()) * 1000
        self.broker = None
        self.until = 0

    # ---- workers ----

    def settings(self, **more):
        number, self.begun = self.begun, self.begun + 1
        path = self.folder / f"worker-{number}"
        self.paths.append(str(path))
        return {"address": self.broker.address, "workload": self.plan.workload, "assignor": self.assignor,
                "seed": self.chance.getrandbits(32), "base_ms": self.base_ms, "path": str(path),
                "slots": 8, "writes_of_a_key": 40, "rate": self.plan.rate / self.plan.workers,
                "transaction_ms": self.chance.choice(TRANSACTION_MS[self.plan.nemesis != "none"]), "process_step": 1,
                "first_process": number * PROCESSES_OF_A_WORKER, "first_value": number * VALUES_OF_A_WORKER, **more}

    def launch(self, settings):
        with open(f"{settings['path']}.err", "wb") as errors:
            return settings["path"], subprocess.Popen(
                [sys.executable, str(TOP / "test/history/worker.py"), json.dumps(settings)], stdout=errors,
                stderr=errors)

    def start_worker(self, number):
        self.workers[number] = self.launch(self.settings(role="client", worker=number, until=self.until))

    def kill_worker(self, number):
        path, process = self.workers.pop(number)
        process.kill()
        process.wait()
        self.ended[path] = time.monotonic_ns()

    def join(self, path, process, until):
        try:
            process.wait(max(until - time.monotonic(), 0.1))
            self.note_end(path, process)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.ended[path] = time.monotonic_ns()

    def join_all(self, until):
        for number, worker in list(self.workers.items()):
            self.join(*worker, until)
            del self.workers[number]

    def note_end(self, path, process):
        """librdkafka has assertions that fail and pointers that are wrong, now and then: clients that crash."""
        code, told = process.returncode, pathlib.Path(f"{path}.err").read_text(errors="replace").strip()
        if code > 0 or code < 0 and self.plan.nemesis == "none":
            self.faults.append(f"a worker ended with {code}: {told[-1500:]}")
        elif code < 0:
            self.crashes.append(f"signal {-code} {told[-200:]}")

    def look_around(self):
        self.look_at_broker()
        for number, (path, process) in list(self.workers.items()):
            if process.poll() not in (None, 0):
                self.note_end(path, process)
                self.ended[path] = time.monotonic_ns()
                self.start_worker(number)

    def look_at_broker(self):
        if self.broker.died():
            self.faults.append(f"the node ended by itself with {self.broker.process.returncode}")
            self.broker.start()

    # ---- the run ----

    def operations(self):
        begun = [path for path in self.paths if pathlib.Path(path).exists()]  # others were killed before
        return history.merged(begun, lambda path: self.ended[path])

    def wanted(self):
        """The highest offset of each key that anybody saw."""
        highest = {}
        for told in self.operations():
            op = history.Op(told, 0)
            for key, offset, _ in (*op.sends, *op.polls):
                if offset is not None:
                    highest[key] = max(highest.get(key, -1), offset)
        return highest

    def work(self):
        self.broker = brokers.start(self.plan.broker)
        self.until = time.monotonic() + self.plan.seconds
        for number in range(self.plan.workers):
            self.start_worker(number)
        nemesis = Nemesis(self, random.Random(self.plan.seed))
        nemesis.work(self.until)
        end = time.monotonic() + END_SECONDS
        self.join_all(end)
        self.read_all()
        self.look_at_broker()
        if self.broker.stop() != 0:
            self.faults.append("the node did not stop cleanly at the end")
        return nemesis.done

    def read_all(self):
        until = time.monotonic() + FINAL_SECONDS
        wanted = self.wanted()
        for number in range(self.plan.workers, self.plan.workers + READERS):
            self.workers[number] = self.launch(self.settings(role="reader", worker=number, until=until, wanted=wanted))
        self.join_all(until + END_SECONDS)

    def report(self, deeds):
        header = {"workload": self.plan.workload, "fault": self.plan.nemesis, "seed": self.plan.seed,
                  "broker": self.plan.broker, "seconds": self.plan.seconds, "assignor": self.assignor,
                  "done": " ".join(f"{count}x{deed}" for deed, count in deeds.items()) or "-"}
        history.save(self.folder / "history", header, self.operations())
        report = checker.check(*history.load(self.folder / "history"))
        checker.show(report)
        for crash in self.crashes:
            print(f"  a client crashed: {crash}")
        for fault in self.faults:
            print(f"  WRONG: {fault}")
        return report.valid and not self.faults

    def keep(self):
        kept = TOP / "build/history" / f"{self.plan.workload}-{self.plan.nemesis}-{self.plan.seed}"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        if (self.folder / "history").exists():
            shutil.copy(self.folder / "history", kept)
        if self.broker is not None:
            (kept / "node.log").write_text(self.broker.log())
            shutil.copytree(self.broker.folder / "data", kept / "data")
        print(f"  kept: {kept.relative_to(TOP)}")

    def end(self):
        for _, process in self.workers.values():
            process.kill()
            process.wait()
        if self.broker is not None:
            self.broker.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


def run(plan):
    one = Run(plan)
    fine = False
    try:
        fine = one.report(one.work())
    except Exception:  # the next run may tell more
        traceback.print_exc(file=sys.stdout)
    finally:
        if plan.keep or not fine:
            one.keep()
        one.end()
    return fine


def main():
    parser = argparse.ArgumentParser(description="Histories of clients under faults, checked.")
    parser.add_argument("--workload", choices=(*WORKLOADS, "all"), default="all")
    parser.add_argument("--nemesis", choices=NEMESES, default="mixed")
    parser.add_argument("--seconds", type=float, default=60, help="of each run, apart from its end (60)")
    parser.add_argument("--runs", type=int, default=1, help="of each workload, with successive seeds")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--broker", choices=("ottla", "kafka"), default="ottla")
    parser.add_argument("--workers", type=int, default=6)
    parser.add_argument("--rate", type=float, default=200, help="operations a second, of all workers (200)")
    parser.add_argument("--assignor", choices=ASSIGNORS, help="of groups; one of them at random")
    parser.add_argument("--keep", action="store_true", help="keep histories in which nothing is wrong, too")
    options = parser.parse_args()
    passed = failed = 0
    for seed in range(options.seed, options.seed + options.runs):
        for workload in WORKLOADS if options.workload == "all" else (options.workload,):
            fine = run(Plan(workload, options.nemesis, options.seconds, seed, options.broker, options.workers,
                            options.rate, options.assignor, options.keep))
            passed, failed = passed + fine, failed + (not fine)
            sys.stdout.flush()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
