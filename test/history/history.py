"""Histories: what clients asked of a broker and what came of it, one JSON object a line.

The first line says how the run was: {"workload": "idempotent" | "transactional" | "subscribing", "fault": "none" | ...,
"seed": N}. Each other line is one operation: "process" (one producer and one consumer; whoever crashes goes on under
another number), "f", "type" ("ok": it happened; "fail": it definitely did not; "info": nobody knows), "invoked" and
"completed" (nanoseconds of one clock), "error", and what it was, by f:

  send, poll, txn     "value": ["send", KEY, VALUE], ["send", KEY, [OFFSET or null, VALUE]] and ["poll", {KEY: [[OFFSET,
                      VALUE], ...]}]; "rebalanced": the keys that were given or taken meanwhile; "commit": {"group",
                      "offsets": {KEY: OFFSET}, "type"}; "damaged": [[KEY, OFFSET, what is not as it was sent], ...]
  assign, subscribe   "keys": all that are read from now on
  watermarks          "value": {KEY: [log start, last stable offset, high watermark]}
  committed           "group", "value": {KEY: OFFSET, or -1 where there is none}
  final               "value": {KEY: [offset to be reached, offset reached]}, at the end of reading all

A key is a partition: key K is partition K % 2 of topic tN, N = K // 2.
"""

import json
import os

OK, FAIL, INFO = "ok", "fail", "info"


class Op:
    """One operation as the checker wants it."""
    __slots__ = ("process", "f", "type", "invoked", "completed", "error", "sends", "polls", "rebalanced", "commit",
                 "damaged", "keys", "group", "value", "number")

    def __init__(self, told, number):
        self.process, self.f, self.type = told["process"], told["f"], told["type"]
        self.invoked, self.completed = told["invoked"], told["completed"]
        self.error = told.get("error")
        self.rebalanced = frozenset(told.get("rebalanced", ()))
        self.damaged = told.get("damaged", ())
        self.keys = told.get("keys")
        self.group = told.get("group")
        self.commit = told.get("commit")
        self.number = number
        self.sends, self.polls, self.value = [], [], None
        if self.commit:
            self.commit = (self.commit["group"], numbered(self.commit["offsets"]), self.commit["type"])
        if self.f in ("send", "poll", "txn"):
            self.read_value(told.get("value", ()))
        elif "value" in told:
            self.value = numbered(told["value"])

    def read_value(self, value):
        """sends: (key, offset or None, value); polls: (key, offset, value), in their order."""
        for each in value:
            if each[0] == "send":
                what = each[2]
                self.sends.append((each[1], *what) if isinstance(what, list) else (each[1], None, what))
            elif len(each) > 1:
                for key, found in each[1].items():
                    key = int(key)
                    self.polls += [(key, offset, value) for offset, value in found]


def numbered(told):
    return {int(key): value for key, value in told.items()}


def from_lines(lines):
    """(header, operations)."""
    lines = iter(lines)
    header = json.loads(next(lines))
    return header, [Op(json.loads(line), number) for number, line in enumerate(lines)]


def load(path):
    with open(path, encoding="utf-8") as lines:
        return from_lines(lines)


def merged(paths, ended):
    """The operations of the files that workers wrote, in the order of their invocation. Such a file has a line when an
    operation is invoked, perhaps one when more of it is known ("learnt"), and one when it is complete. A worker that was
    killed leaves one that nobody knows the end of: ended(path) tells when it was surely over."""
    operations = []
    for path in paths:
        pending = None
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                if not line.endswith("\n"):
                    break  # killed while it wrote
                told = json.loads(line)
                if told["type"] in ("invoke", "learnt"):
                    pending = {**(pending or {}), **told}
                    continue
                operations.append({**(pending or {}), **told})
                pending = None
        if pending is not None:
            operations.append({**pending, "type": INFO, "completed": ended(path), "error": "the client was killed"})
    return sorted(operations, key=lambda each: each["invoked"])


def save(path, header, operations):
    with open(path, "w", encoding="utf-8") as out:
        for each in (header, *operations):
            out.write(json.dumps(each, separators=(",", ":")) + "\n")


class Writer:
    """A worker's own file: what it holds survives the worker's end by kill -9."""

    def __init__(self, path):
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, told):
        os.write(self.file, (json.dumps(told, separators=(",", ":")) + "\n").encode())
