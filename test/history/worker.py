#!/usr/bin/env python3
"""A worker of a run: a real process, so that it can be killed, with one Clients after the other. Writes what it does to
a file of its own (history.merged). usage: worker.py SETTINGS, as JSON: see run.py.

A client works until its time is up. A reader, at the end, reads everything there is up to the highest offset that
anybody ever saw.
"""

import json
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import history  # noqa: E402
import outcomes  # noqa: E402
from confluent_kafka import KafkaError, KafkaException  # noqa: E402
from clients import Clients, Doubt, make_topic  # noqa: E402
from history import FAIL, INFO, OK  # noqa: E402

CHANCES = {"assign": 1 / 64, "crash": 1 / 150, "watermarks": 1 / 25, "committed": 1 / 25}
ABORT_CHANCE = 0.1
AT_ONCE = 1, 1, 3, 10, 60  # records in flight of one producer
UNSEEN_CHANCE = 1 / 3
RECENT = 6
LOOKED_AT = {"client": 4, "reader": 64}


class Keys:
    """Which keys are written to: some at a time, each for so many values, then its successor. Workers get on at about
    the same pace, so that they write to the same ones."""

    def __init__(self, settings, chance):
        self.settings, self.chance = settings, chance
        self.slots = settings["slots"]
        self.round = [0] * self.slots
        self.written = [0] * self.slots
        self.made = set()
        self.recent = []
        self.unseen = set()
        self.next_value = settings["first_value"]

    def pick(self, until):
        """A key that exists, None when time ran out; and a value that nobody else sends."""
        slot = min(int(self.chance.expovariate(3) * self.slots), self.slots - 1)
        if self.written[slot] >= self.settings["writes_of_a_key"]:
            self.round[slot], self.written[slot] = self.round[slot] + 1, 0
        key = self.round[slot] * self.slots + slot
        if key not in self.made and not make_topic(self.settings, key, until):
            return None, 0
        self.made.add(key)
        self.written[slot] += 1
        self.next_value += 1
        self.unseen.add(key)
        self.recent = [each for each in self.recent if each != key][-RECENT:] + [key]
        return key, self.next_value

    def to_read(self):
        keys = set(self.recent)
        if self.chance.random() < UNSEEN_CHANCE:
            keys |= set(sorted(self.unseen)[-4 * RECENT:])
        return sorted(keys)


class Worker:
    def __init__(self, settings):
        self.settings = settings
        self.chance = random.Random(settings["seed"])
        self.until = settings["until"]
        self.writer = history.Writer(settings["path"])
        self.keys = Keys(settings, self.chance)
        self.process = settings["first_process"]
        self.clients = None
        self.value = []

    # ---- what is written down ----

    def invoke(self, f, **more):
        self.writer.write({"type": "invoke", "process": self.process, "f": f, "invoked": time.monotonic_ns(), **more})

    def complete(self, kind, error=None, **more):
        told = {"type": kind, **more, "completed": time.monotonic_ns()}
        if error is not None:
            told["error"] = error.name() if isinstance(error, KafkaError) else str(error)
        if self.clients.rebalanced:
            told["rebalanced"] = sorted(self.clients.rebalanced)
            self.clients.rebalanced = set()
        self.writer.write(told)
        if kind == INFO and self.settings["role"] == "client" or self.clients.producer is None:
            raise Doubt(str(error))

    # ---- one after the other ----

    def work(self):
        while time.monotonic() < self.until:
            self.clients = Clients(self.settings, self.process)
            try:
                self.clients.begin(self.until)
                self.read_on()
                while time.monotonic() < self.until:
                    time.sleep(self.chance.expovariate(self.settings["rate"]))
                    self.step()
                self.end_process()
            except Doubt:
                self.end_process()

    def end_process(self):
        """A crash for those who look on: nothing is taken along."""
        self.clients.close()
        self.clients = None
        self.process += self.settings["process_step"]
        time.sleep(0.02)

    def step(self):
        dice = self.chance.random()
        for what, chance in CHANCES.items():
            if dice < chance:
                getattr(self, what)()
                return
            dice -= chance
        if self.settings["workload"] == "transactional":
            self.transaction()
        else:
            self.send_or_poll()

    def crash(self):
        raise Doubt("a client that goes")

    def assign(self):
        self.read_on()

    def read_on(self):
        keys = self.keys.to_read()
        if not keys:
            return
        f = "subscribe" if self.clients.subscribing else "assign"
        topics = sorted({key - key % 2 for key in keys})
        told = [key + side for key in topics for side in (0, 1)] if self.clients.subscribing else keys
        self.invoke(f, keys=told)
        try:
            getattr(self.clients, f)(keys)
        except KafkaException as error:
            self.complete(INFO, error.args[0])
        self.complete(OK)

    def look(self, f, call, **more):
        keys = self.keys.recent[-LOOKED_AT[self.settings["role"]]:]
        if not keys:
            return
        self.invoke(f, **more)
        try:
            value = call(keys)
        except KafkaException as error:
            self.complete(FAIL, error.args[0])
            return
        self.complete(OK, value=value)

    def watermarks(self):
        self.look("watermarks", self.clients.watermarks)

    def committed(self):
        if self.settings["workload"] != "idempotent":  # there nobody commits
            self.look("committed", self.clients.committed, group=self.clients.group)

    # ---- data ----

    def send(self, first=0):
        """The part of an operation from its first on, which are sends; errors."""
        came = self.clients.send([(key, value) for _, key, value in self.value[first:]])
        for place, (offset, error) in enumerate(came, first):
            if error is None:
                self.value[place] = ["send", self.value[place][1], [offset, self.value[place][2]]]
        return [error for _, error in came if error is not None]

    def poll(self):
        found, damaged = self.clients.poll()
        self.value[-1] = ["poll", found]
        self.keys.unseen -= set(found)
        return found, damaged

    def send_or_poll(self):
        if self.chance.random() < 0.5:
            self.send_some()
        elif self.clients.subscribing:
            self.poll_and_commit()
        else:
            self.value = [["poll"]]
            self.invoke("poll", value=self.value)
            found, damaged = self.poll()
            self.clients.polled(found)
            self.complete(OK, value=self.value, damaged=damaged)

    def send_some(self):
        """A few records at once; if part of them is refused, nobody knows of the whole."""
        steps = [self.keys.pick(self.until) for _ in range(self.chance.choice(AT_ONCE))]
        if any(key is None for key, _ in steps):
            return
        self.value = [["send", key, value] for key, value in steps]
        self.invoke("send", value=self.value)
        errors = self.send()
        kind = OK if not errors else INFO
        if len(errors) == len(steps) and all(outcomes.of_send(error) == FAIL for error in errors):
            kind = FAIL
        if any(error.fatal() for error in errors):
            self.clients.end()
        self.complete(kind, errors[0] if errors else None, value=self.value)

    def poll_and_commit(self):
        """What the group took away meanwhile is not committed: it is another's."""
        self.value = [["poll"]]
        self.invoke("poll", value=self.value)
        found, damaged = self.poll()
        offsets = {key: records[-1][0] + 1 for key, records in found.items() if key in self.clients.assigned}
        commit = None
        if offsets:
            commit = {"group": self.clients.group, "offsets": offsets, "type": INFO}
            self.writer.write({"type": "learnt", "value": self.value, "commit": commit})
            commit["type"], error = self.clients.commit(offsets)
            if error is not None:
                commit["error"] = error
        self.complete(OK, value=self.value, damaged=damaged, commit=commit)
        if commit is not None and commit["type"] == INFO:
            raise Doubt(commit["error"])

    def aborts(self):
        return self.chance.random() < ABORT_CHANCE

    def transaction(self):
        steps = []
        for _ in range(self.chance.randint(1, 4)):
            key, value = self.keys.pick(self.until) if self.chance.random() < 0.5 else (-1, 0)
            if key is None:
                return
            steps.append(["send", key, value] if key >= 0 else ["poll"])
        self.value = []
        self.invoke("txn", value=steps)
        try:
            self.clients.producer.begin_transaction()
        except KafkaException as error:
            self.clients.end()
            self.complete(FAIL, error.args[0])
        more = {"damaged": []}
        error = self.carry_out(steps, more)
        if error is None:
            kind, error = self.clients.commit_transaction()
        else:
            kind = FAIL
            self.clients.abort_transaction()
        polls = [each[1] for each in self.value if each[0] == "poll" and len(each) > 1]
        if kind == FAIL:
            self.clients.go_back({key for found in polls for key in found})
        else:
            for found in polls:
                self.clients.polled(found)
        if "commit" in more:
            more["commit"]["type"] = kind
        self.complete(kind, error, value=self.value + steps[len(self.value):], **more)

    def carry_out(self, steps, more):
        """All but the commit; why it is to be aborted, or None."""
        offsets = {}
        for step in steps:
            if self.aborts():
                return "aborted at random"
            self.value.append(step)
            if step[0] == "send":
                errors = self.send(len(self.value) - 1)
                if errors:
                    return errors[0]
            else:
                found, damaged = self.poll()
                more["damaged"] += damaged
                offsets.update({key: records[-1][0] + 1 for key, records in found.items()})
        if offsets:
            more["commit"] = {"group": self.clients.group, "offsets": offsets, "type": INFO}
        self.writer.write({"type": "learnt", "value": self.value, **more})
        error = self.clients.send_offsets(offsets) if offsets else None
        return "aborted at random" if error is None and self.aborts() else error

    # ---- the end ----

    def read_all(self):
        """wanted: {key: the highest offset that anybody saw}."""
        wanted = {int(key): offset for key, offset in self.settings["wanted"].items()}
        self.clients = Clients(self.settings, self.process)
        self.invoke("assign", keys=sorted(wanted))
        self.clients.assign(wanted)
        self.complete(OK)
        begun = time.monotonic_ns()
        reached = dict.fromkeys(wanted, -1)
        while time.monotonic() < self.until and any(reached[key] < wanted[key] for key in wanted):
            self.value = [["poll"]]
            self.invoke("poll", value=self.value)
            found, damaged = self.poll()
            self.complete(OK, value=self.value, damaged=damaged)
            self.clients.polled(found)
            for key, offset in (*self.clients.next.items(), *self.clients.ends.items()):
                reached[key] = max(reached[key], offset - 1)
        done = all(reached[key] >= wanted[key] for key in wanted)
        self.writer.write({"type": OK if done else INFO, "process": self.process, "f": "final", "invoked": begun,
                           "completed": time.monotonic_ns(),
                           "value": {key: [wanted[key], reached[key]] for key in wanted}})
        self.keys.recent = sorted(wanted)[-64:]
        self.committed()
        self.watermarks()


def main():
    settings = json.loads(sys.argv[1])
    worker = Worker(settings)
    if settings["role"] == "client":
        worker.work()
    else:
        worker.read_all()


if __name__ == "__main__":
    main()
