"""Plays a script of requests (JSON lines, see test/differential/README.md) at a broker through
`ottla raw`, and tells where two brokers' answers differ. What no two runs can share (ids, ports,
moments) is named instead: "$now", "topicId 1".
"""

import fnmatch
import json
import pathlib
import re
import subprocess
import time

import batch
from node import CLIENT

HOME = pathlib.Path(__file__).resolve().parents[1] / "differential"
RETRY_SECONDS = 20
RETRIED = {3, 5, 6, 14, 15, 16, 100}  # what a topic that was just made may answer
NOW_MS_BEFORE, NOW_MS_AFTER = 60_000, 600_000
ZERO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
MOMENT = re.compile(r"\b\d{13}\b|-922337\d{13}\b")  # in a sentence; without an end it wraps
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ORDER_KEYS = ("name", "groupId", "apiKey", "partitionIndex", "partition", "index", "transactionalId", "topic")


class Player:
    """One script at one broker."""

    def __init__(self, address):
        self.port = int(address.rsplit(":", 1)[1])
        self.now_ms = int(time.time() * 1000)
        self.saved = {"port": self.port, "now": self.now_ms}
        self.names = {}
        self.raw = subprocess.Popen([CLIENT, "raw", "-b", address], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def close(self):
        self.raw.stdin.close()
        self.raw.wait(30)

    def fill(self, value):
        """The script's value with its variables and batches put in."""
        if isinstance(value, dict):
            if "$batch" in value or "$batches" in value:
                return batch.encode(self.fill_members(value), self.now_ms)
            return self.fill_members(value)
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        if isinstance(value, str) and value.startswith("$") and value[1:] in self.saved:
            return self.saved[value[1:]]
        return value

    def fill_members(self, value):
        return {name: self.fill(one) for name, one in value.items()}

    def ask(self, api, version, body):
        line = json.dumps({"api": api, "version": version, "body": self.fill(body)})
        self.raw.stdin.write(line.encode() + b"\n")
        self.raw.stdin.flush()
        answer = json.loads(self.raw.stdout.readline())
        if "error" not in answer:
            return answer["body"] if answer["body"] is not None else {"$connection": "unanswered"}
        for words, name in (("ended without an answer", "closed"), ("no answer in", "unanswered")):
            if words in answer["error"]:
                return {"$connection": name}
        return {"$error": answer["error"]}

    def ask_until_settled(self, told, version):
        deadline = time.monotonic() + RETRY_SECONDS
        while True:
            answer = self.ask(told["api"], version, told["body"])
            busy = told.get("retry") and not RETRIED.isdisjoint(error_codes(answer))
            awaited = "until" not in told or told["until"] in error_codes(answer)
            if (awaited and not busy) or time.monotonic() > deadline:
                return answer
            time.sleep(0.02)

    def name_of(self, kind, value):
        return self.names.setdefault((kind, value), f"{kind} {self.count(kind) + 1}")

    def count(self, kind):
        return sum(1 for known, _ in self.names if known == kind)

    def scalar(self, key, value):
        if key == "topicId" and value != ZERO_ID:
            return self.name_of(key, value)
        if key == "producerId" and value >= 0:
            return self.name_of(key, value)
        if key == "sessionId" and value != 0:
            return self.name_of(key, value)
        if key == "clusterId" or (key == "finalizedFeaturesEpoch" and value >= 0):
            return f"${key}"
        if key == "logDir" or (key in ("totalBytes", "usableBytes") and value > 0):
            return f"${key}"
        if value == self.port and key == "port":
            return "$port"
        if isinstance(value, str):
            value = UUID.sub(lambda found: self.name_of("uuid", found[0]), value)
            return MOMENT.sub("$moment", value)
        is_moment = isinstance(value, int) and \
            self.now_ms - NOW_MS_BEFORE <= value <= self.now_ms + NOW_MS_AFTER
        return "$now" if is_moment else value

    def plain(self, key, value):
        """The answer without what differs from run to run."""
        if key == "records" and isinstance(value, str) and value:
            return [self.plain("", one) for one in batch.decode(value)]
        if isinstance(value, dict):
            return {name: self.plain(name, one) for name, one in value.items()}
        if isinstance(value, list):
            if key == "partitions" and all(isinstance(one, int) for one in value):
                return sorted(value)
            return [self.plain(key, one) for one in in_order(value)]
        return self.scalar(key, value)

    def play_line(self, told):
        """The answers to one line, a row each."""
        for version in told.get("versions", [told.get("version")]):
            answer = self.ask_until_settled(told, version)
            for name, path in told.get("save", {}).items():
                self.saved[name] = look_up(answer, path)
            yield {"what": told["what"], "api": told["api"], "version": version,
                   "answer": self.plain("", answer)}

    def play(self, script):
        """The script's answers, a row each."""
        for line in script.read_text().splitlines():
            if line and not line.startswith("#"):
                yield from self.play_line(json.loads(line))


def play(script, address):
    player = Player(address)
    try:
        return list(player.play(script))
    finally:
        player.close()


def error_codes(answer):
    if isinstance(answer, dict):
        for name, value in answer.items():
            if name == "errorCode":
                yield value
            yield from error_codes(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from error_codes(value)


def look_up(answer, path):
    for step in path.split("."):
        answer = answer[int(step)] if isinstance(answer, list) else answer[step]
    return answer


def in_order(values):
    """Lists that Kafka takes from a hash table have no order of their own."""
    for key in ORDER_KEYS:
        if values and all(isinstance(one, dict) and isinstance(one.get(key), (str, int))
                          for one in values):
            return sorted(values, key=lambda one: one[key])
    return values


def by_key(values):
    """A list of things that have a name or a number of their own, as a table; else by place."""
    for key in ORDER_KEYS:
        names = [one.get(key) if isinstance(one, dict) else None for one in values]
        if None not in names and "" not in names and len(set(names)) == len(names):
            return dict(zip(names, values))
    return dict(enumerate(values))


def differences(theirs, ours, path=""):
    """(path, theirs, ours) of each value that differs; a path ends in " absent" where ours has
    nothing, in " added" where theirs has nothing.
    """
    if isinstance(theirs, list) and isinstance(ours, list):
        theirs, ours = by_key(theirs), by_key(ours)
    if not isinstance(theirs, dict) or not isinstance(ours, dict):
        if theirs != ours:
            yield path, theirs, ours
        return
    for name in dict.fromkeys([*theirs, *ours]):
        if name not in ours:
            yield f"{path}/{name} absent", theirs[name], None
        elif name not in theirs:
            yield f"{path}/{name} added", None, ours[name]
        else:
            yield from differences(theirs[name], ours[name], f"{path}/{name}")


class Allowed:
    """test/differential/allowed.txt: differences that are meant, each with its reason."""

    def __init__(self):
        self.rows = []
        for line in (HOME / "allowed.txt").read_text().splitlines():
            if line and not line.startswith("#"):
                where, path, reason = (part.strip() for part in line.split("|", 2))
                self.rows.append({"where": where, "path": path, "reason": reason, "used": 0})

    def has(self, where, path):
        found = False
        for row in self.rows:
            if fnmatch.fnmatchcase(where, row["where"]) and fnmatch.fnmatchcase(path, row["path"]):
                row["used"] += 1
                found = True
        return found

    def unused(self):
        return [f"{row['where']} | {row['path']}" for row in self.rows if row["used"] == 0]


def scripts():
    return sorted((HOME / "scripts").glob("*.jsonl"))


def record_of(script):
    return HOME / "kafka-4.4.0" / script.name


def write_record(script, rows):
    record_of(script).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_record(script):
    return [json.loads(line) for line in record_of(script).read_text().splitlines()]


def is_of_the_place(path):
    """Values that tell where and how the broker was started."""
    return any(f"/configs/{name}/" in path for name in
               ("listeners", "advertised.listeners", "log.dirs",
                "controller.quorum.bootstrap.servers"))


def compare_all(answers_of, addresses):
    """Plays every script at each of ours and compares with answers_of(script); prints what differs.
    1: something that is not allowed.
    """
    allowed = Allowed()
    passed = failed = 0
    for script, address in [(script, address) for script in scripts() for address in addresses]:
        theirs, ours = answers_of(script), play(script, address)
        for their, our in zip(theirs, ours, strict=True):
            where = f"{script.stem}/{their['what']}"
            found = [one for one in differences(their["answer"], our["answer"])
                     if not allowed.has(where, one[0])]
            for path, they_say, we_say in found:
                print(f"{where} {their['api']} v{their['version']} {path}\n"
                      f"    Kafka {json.dumps(they_say)[:400]}\n    Ottla {json.dumps(we_say)[:400]}")
            passed += not found
            failed += bool(found)
    for row in allowed.unused():
        print(f"FAILED: allowed.txt has a row that nothing needs: {row}")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
