#!/usr/bin/env python3
"""Checks a history of clients' operations (history.py) for what a log broker must never show: a pure function from the
operations to a report. After Jepsen's checker of Kafka; names of anomalies are its names.
usage: checker.py HISTORY...
"""

import collections
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import cycles  # noqa: E402
import history  # noqa: E402
from history import FAIL, INFO, OK  # noqa: E402

# What each is, in the order in which it is told.
ANOMALIES = {
    "inconsistent-offsets": "an offset shows more than one value",
    "duplicate": "a value stands at more than one offset",
    "lost-write": "a value is missing in front of one that was read",
    "unseen": "an acknowledged value was read by nobody",
    "G1a": "what was refused or aborted was read",
    "precommitted-read": "an operation read what it had not committed yet",
    "phantom": "what nobody sent was read",
    "corrupt": "a record is not as it was sent",
    "int-poll-skip": "an operation's polls leave out a value",
    "int-nonmonotonic-poll": "an operation's polls go back",
    "int-nonmonotonic-send": "an operation's sends stand in another order",
    "int-send-skip": "others' values stand between an operation's",
    "poll-skip": "a process's next poll leaves out a value",
    "nonmonotonic-poll": "a process's next poll goes back",
    "nonmonotonic-send": "a process's next send stands in front of its last",
    "nonrealtime-send": "a send that came after another's answer stands in front of it",
    "nonmonotonic-commit": "a committed offset went back",
    "phantom-commit": "an offset is committed that nobody committed, or only who aborted",
    "commit-past-end": "a committed offset is behind the high watermark",
    "nonmonotonic-watermark": "log start, last stable offset or high watermark went back, or are out of order",
    "G0": "a cycle of writes",
    "G1c-ww": "a cycle of writes and reads",
    "G1c": "a cycle of reads",
    "G1c-process": "a cycle of reads and the order of a process",
    "G1c-realtime": "a cycle of reads and the order of time",
    "unread-end": "the end of a partition was not reached at the end of the run",
    "indefinite": "nobody knows what came of an operation, and nothing disturbed it",
}
# No writes are isolated: any two may interleave.
ALWAYS_ALLOWED = frozenset({"int-send-skip", "G0", "G1c-ww"})
# A record may be retried without a number that tells it from a new one; only idempotence forbids it.
RETRYING = frozenset({"duplicate", "int-nonmonotonic-send", "nonmonotonic-send", "nonrealtime-send"})
ALLOWED = {
    "idempotent": ALWAYS_ALLOWED,
    "transactional": ALWAYS_ALLOWED,
    # Partitions come and go at any moment. What a process reads between two such moments has no gaps: the keys that came
    # or went are in "rebalanced". Where a history does not tell, it is another workload:
    "subscribing": ALWAYS_ALLOWED,
    "subscribing-untold": ALWAYS_ALLOWED | {"poll-skip", "nonmonotonic-poll"},
    "retrying": ALWAYS_ALLOWED | RETRYING,
}


class Facts:
    """What every test starts from."""

    def __init__(self, header, ops):
        self.header, self.ops = header, ops
        self.writer = collections.defaultdict(dict)  # key, value: the operation that sent it
        self.ok_reads = collections.defaultdict(set)
        for op in ops:
            for key, _, value in op.sends:
                self.writer[key][value] = op
            if op.type == OK:
                for key, _, value in op.polls:
                    self.ok_reads[key].add(value)
        self.at = collections.defaultdict(dict)  # key, offset: a value
        self.conflicts = collections.defaultdict(set)  # (key, offset): values, where there are more
        self.offsets_of = collections.defaultdict(lambda: collections.defaultdict(set))  # key, value
        for op in ops:
            self.add_to_log(op.polls)
            if self.committed(op):
                self.add_to_log(op.sends)
        self.order, self.index = {}, {}  # key: values by offset; key, offset: place in it
        for key, at in self.at.items():
            offsets = sorted(at)
            self.order[key] = [at[offset] for offset in offsets]
            self.index[key] = {offset: place for place, offset in enumerate(offsets)}

    def committed(self, op):
        """It is known to have happened: by its answer, or because somebody read of it."""
        return op.type == OK or op.type == INFO and any(value in self.ok_reads[key] for key, _, value in op.sends)

    def add_to_log(self, triples):
        for key, offset, value in triples:
            if offset is None:
                continue
            before = self.at[key].setdefault(offset, value)
            if before != value:
                self.conflicts[key, offset] |= {before, value}
            self.offsets_of[key][value].add(offset)

    def place(self, key, offset):
        return self.index[key].get(offset) if offset is not None and key in self.index else None


# Each test yields (anomaly, example).

def log_anomalies(facts):
    for (key, offset), values in sorted(facts.conflicts.items()):
        yield "inconsistent-offsets", f"key {key}, offset {offset}: {sorted(values)}"
    for key, offsets_of in facts.offsets_of.items():
        for value, offsets in offsets_of.items():
            if len(offsets) > 1:
                yield "duplicate", f"key {key}: {value} at {sorted(offsets)}"


def lost(facts):
    for key, read in facts.ok_reads.items():
        index = facts.index.get(key, {})
        places = {value: [index[offset] for offset in offsets]
                  for value, offsets in facts.offsets_of[key].items()}
        bound = max((min(places[value]) for value in read), default=-1)
        for value, where in places.items():
            writer = facts.writer[key].get(value)
            if max(where) <= bound and value not in read and writer is not None and facts.committed(writer):
                yield "lost-write", (f"key {key}: {value} at {sorted(facts.offsets_of[key][value])}, "
                                     f"sent by {name(writer)}")


def unseen(facts):
    for op in facts.ops:
        if op.type == OK:
            for key, offset, value in op.sends:
                if value not in facts.ok_reads[key]:
                    yield "unseen", f"key {key}: {value} at {offset}, sent by {name(op)}"


def reads(facts):
    for op in facts.ops:
        for key, offset, value in op.polls:
            writer = facts.writer[key].get(value)
            if writer is None:
                yield "phantom", f"key {key}: {value} at {offset}, read by {name(op)}"
            elif writer is op:
                yield "precommitted-read", f"key {key}: {value} at {offset}, by {name(op)}"
            elif writer.type == FAIL:
                yield "G1a", f"key {key}: {value} at {offset}, of {name(writer)}, read by {name(op)}"
        for key, offset, what in op.damaged:
            yield "corrupt", f"key {key}, offset {offset}, read by {name(op)}: {what}"


def within_polls(facts):
    for op in facts.ops:
        last = {}
        for key, offset, value in op.polls:
            before, last[key] = last.get(key), (facts.place(key, offset), value, offset)
            if before is None or key in op.rebalanced:
                continue
            delta = last[key][0] - before[0]
            what = f"key {key}: {value} at {offset} after {before[1]} at {before[2]}, by {name(op)}"
            if delta > 1:
                yield "int-poll-skip", what
            elif delta < 1:
                yield "int-nonmonotonic-poll", what


def within_sends(facts):
    for op in facts.ops:
        last = {}
        for key, offset, value in op.sends:
            if offset is None:
                continue
            before, last[key] = last.get(key), (offset, value)
            if before is None:
                continue
            what = f"key {key}: {value} at {offset} after {before[1]} at {before[0]}, by {name(op)}"
            places = facts.place(key, before[0]), facts.place(key, offset)
            if offset <= before[0]:
                yield "int-nonmonotonic-send", what
            elif None not in places and places[1] - places[0] > 1:
                yield "int-send-skip", what


def between_polls(facts):
    """Of each process: the first of this operation against the last of its last that was fine. Who failed goes back
    to where it was; what it saw on the way must fit, too."""
    last = collections.defaultdict(dict)
    for op in facts.ops:
        if op.f in ("assign", "subscribe") and op.type != FAIL:
            kept = set(op.keys)
            last[op.process] = {key: place for key, place in last[op.process].items() if key in kept}
        seen = last[op.process]
        for key in op.rebalanced:
            seen.pop(key, None)
        first, final = {}, {}
        for key, offset, value in op.polls:
            final[key] = facts.place(key, offset), offset, value
            first.setdefault(key, final[key])
        for key, (place, offset, value) in first.items():
            before = seen.get(key)
            if before is None or key in op.rebalanced or place - before[0] == 1:
                continue
            yield ("poll-skip" if place > before[0] else "nonmonotonic-poll",
                   f"key {key}: {value} at {offset} after {before[2]} at {before[1]}, by {name(op)}")
        if op.type == OK:
            seen.update(final)


def between_sends(facts):
    last = collections.defaultdict(dict)
    for op in facts.ops:
        if op.type == FAIL:
            continue
        seen, first = last[op.process], {}
        for key, offset, value in op.sends:
            if offset is not None:
                first.setdefault(key, (offset, value))
        for key, (offset, value) in first.items():
            if key in seen and offset <= seen[key][0]:
                yield "nonmonotonic-send", (f"key {key}: {value} at {offset} after {seen[key][1]} at {seen[key][0]}, "
                                            f"by {name(op)}")
        seen.update({key: (offset, value) for key, offset, value in op.sends if offset is not None})


def went_back(points, bounds=()):
    """points: (invoked, completed, number, what) of something that only grows; bounds: the same of what it is known to
    have reached. Yields each point that is less than what was complete before it was asked for: (what of that, number
    of that, what, number)."""
    by_end = sorted((*points, *bounds), key=lambda each: each[1])
    most, at = None, 0
    for invoked, _, number, what in sorted(points, key=lambda each: each[0]):
        while at < len(by_end) and by_end[at][1] < invoked:
            if most is None or by_end[at][2] > most[2]:
                most = by_end[at]
            at += 1
        if most is not None and number < most[2]:
            yield most[3], most[2], what, number


def realtime_sends(facts):
    """Whoever sends after another was answered stands behind it."""
    points = collections.defaultdict(list)
    for op in facts.ops:
        for key, offset, value in op.sends:
            if offset is not None:
                points[key].append((op.invoked, op.completed, offset, f"{value} of {name(op)}"))
    for key, of_key in points.items():
        for before, higher, after, lower in went_back(of_key):
            yield "nonrealtime-send", f"key {key}: {after} at {lower}, {before} at {higher} was answered before"


def watermarks(facts):
    starts, stables, ends, bounds = (collections.defaultdict(list) for _ in range(4))
    for op in facts.ops:
        if op.f == "watermarks" and op.type == OK:
            for key, (start, stable, end) in op.value.items():
                if not start <= stable <= end:
                    yield "nonmonotonic-watermark", f"key {key}: {start}, {stable}, {end} by {name(op)}"
                for points, number in ((starts, start), (stables, stable), (ends, end)):
                    points[key].append((op.invoked, op.completed, number, name(op)))
        for key, offset, _ in (*op.sends, *op.polls):
            if offset is not None:  # acknowledged or read: it is below the high watermark from then on
                bounds[key].append((op.invoked, op.completed, offset + 1, name(op)))
    for what, points, reached in (("log start", starts, {}), ("last stable offset", stables, {}),
                                  ("high watermark", ends, bounds)):
        for key, of_key in points.items():
            for before, higher, after, lower in went_back(of_key, reached.get(key, ())):
                yield "nonmonotonic-watermark", f"key {key}: {what} {lower} by {after}, {higher} by {before} before"


def commits(facts):
    points, tried = collections.defaultdict(list), collections.defaultdict(set)
    ends = collections.defaultdict(list)  # key: (invoked, high watermark)
    for op in facts.ops:
        if op.commit is not None:
            group, offsets, came = op.commit
            # A refusal may be that of a second try, whose first went through; an abort takes all with it.
            in_vain = op.f == "txn" and op.type == FAIL
            for key, offset in offsets.items():
                if not in_vain:
                    tried[group, key].add(offset)
                if came == OK and op.type == OK:
                    points[group, key].append((op.invoked, op.completed, offset, name(op)))
        elif op.f == "committed" and op.type == OK:
            for key, offset in op.value.items():
                points[op.group, key].append((op.invoked, op.completed, offset, name(op)))
        elif op.f == "watermarks" and op.type == OK:
            for key, (_, _, end) in op.value.items():
                ends[key].append((op.invoked, end))
    for (group, key), of_key in points.items():
        for before, higher, after, lower in went_back(of_key):
            yield "nonmonotonic-commit", f"{group}, key {key}: {lower} by {after}, {higher} by {before} before"
    for op in facts.ops:
        if op.f == "committed" and op.type == OK:
            yield from committed_anomalies(op, tried, ends)


def committed_anomalies(op, tried, ends):
    for key, offset in op.value.items():
        if offset >= 0 and offset not in tried[op.group, key]:
            yield "phantom-commit", f"{op.group}, key {key}: {offset} by {name(op)}"
        end = next((end for invoked, end in ends[key] if invoked > op.completed), None)
        if end is not None and offset > end:
            yield "commit-past-end", f"{op.group}, key {key}: {offset} by {name(op)}, the high watermark is {end}"


def ends_reached(facts):
    for op in facts.ops:
        if op.f == "final":
            for key, (wanted, reached) in op.value.items():
                if reached < wanted:
                    yield "unread-end", f"key {key}: {reached} of {wanted} by {name(op)}"


def indefinite(facts):
    if facts.header.get("fault") == "none":
        for op in facts.ops:
            if op.type == INFO or op.commit is not None and op.commit[2] == INFO:
                yield "indefinite", f"{name(op)}: {op.error}"


def graph(facts):
    for with_versions in (False, True):
        for anomaly, cycle in cycles.find(facts, with_versions):
            yield anomaly, " ".join(each if isinstance(each, str) else name(facts.ops[each]) for each in cycle)


TESTS = (log_anomalies, lost, unseen, reads, within_polls, within_sends, between_polls, between_sends, realtime_sends,
         watermarks, commits, ends_reached, indefinite, graph)


def name(op):
    return f"{op.f} {op.number} of process {op.process}"


def lag_ns(facts):
    """The longest that a poll was behind: begun so long after what it showed was known to have a successor."""
    followed = {}  # key, place: when something behind it was known to be there
    for key, order in facts.order.items():
        when = float("inf")
        times = []
        for value in reversed(order):
            times.append(when)
            writer = facts.writer[key].get(value)
            if writer is not None and writer.type == OK:
                when = min(when, writer.completed)
        followed[key] = times[::-1]
    worst = 0
    for op in facts.ops:
        if op.type == OK:
            newest = {key: offset for key, offset, _ in op.polls}
            for key, offset in newest.items():
                worst = max(worst, op.invoked - followed[key][facts.place(key, offset)])
    return worst


class Report:
    """What is wrong with a history, and what it was made of."""

    def __init__(self, header, ops):
        facts = Facts(header, ops)
        self.header = header
        self.found = collections.defaultdict(list)
        for test in TESTS:
            for anomaly, example in test(facts):
                self.found[anomaly].append(example)
        self.allowed = ALLOWED[header["workload"]]
        self.wrong = [anomaly for anomaly in ANOMALIES if anomaly in self.found and anomaly not in self.allowed]
        self.counts = collections.Counter((op.f, op.type) for op in ops)
        self.errors = collections.Counter((op.type, op.error) for op in ops if op.error)
        self.sent = sum(len(op.sends) for op in ops)
        self.polled = sum(len(op.polls) for op in ops)
        self.keys = len(facts.order)
        self.lag_ns = lag_ns(facts)

    @property
    def valid(self):
        return not self.wrong

    def count(self, kind):
        return sum(count for (_, came), count in self.counts.items() if came == kind)


def check(header, ops):
    return Report(header, ops)


COLOURS = {"red": "\033[31m", "green": "\033[32m", "yellow": "\033[33m", "bold": "\033[1m"}


def painter(out):
    use = out.isatty() and not os.environ.get("NO_COLOR")
    return lambda colour, text: f"{COLOURS[colour]}{text}\033[0m" if use else text


def show(report, out=sys.stdout, examples=3):
    """The report as people read it."""
    paint = painter(out)

    def line(text=""):
        print(text, file=out)

    line(paint("bold", "  ".join(f"{key} {value}" for key, value in report.header.items())))
    line(f"  {report.sent} values sent, {report.polled} read, {report.keys} partitions; a poll was behind by up to "
         f"{report.lag_ns / 1e9:.1f} s")
    line(f"  {'':12} {'ok':>8} {'fail':>8} {'info':>8}")
    for f in sorted({f for f, _ in report.counts}):
        line(f"  {f:12} " + " ".join(f"{report.counts[f, kind]:8}" for kind in (OK, FAIL, INFO)))
    for (kind, error), count in report.errors.most_common(8):
        line(f"  {count:8} {kind}: {error}")
    for anomaly, what in ANOMALIES.items():
        found = report.found.get(anomaly)
        if found:
            colour = "yellow" if anomaly in report.allowed else "red"
            told = " (allowed)" if anomaly in report.allowed else ""
            line(f"  {paint(colour, f'{anomaly:22}')} {len(found):6}  {what}{told}")
            if anomaly not in report.allowed:
                for example in found[:examples]:
                    line(f"    {example[:300]}")
    verdict = "nothing is wrong" if report.valid else "WRONG: " + ", ".join(report.wrong)
    line("  " + paint("green" if report.valid else "red", verdict))


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip())
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    reports = [check(*history.load(path)) for path in sys.argv[1:]]
    for report in reports:
        show(report)
    return 0 if all(report.valid for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
