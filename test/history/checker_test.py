#!/usr/bin/env python3
"""Tests of the checker: the smallest history of each anomaly, and histories that come near and are fine. By hand; each
case is a function whose name says what it is. Ends with "N passed, N failed"."""

import io
import json
import pathlib
import random
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import checker  # noqa: E402
import history  # noqa: E402

CASES = []


class Story:
    """A history under construction: each operation begins after the last is complete, unless it is told when."""

    def __init__(self, workload="transactional", fault="kill"):
        self.header = {"workload": workload, "fault": fault}
        self.ops = []
        self.now = 0

    def add(self, process, kind, f, when=None, **more):
        begin, end = when or (self.now + 1, self.now + 2)
        self.now = max(self.now, end)
        self.ops.append({"process": process, "type": kind, "f": f, "invoked": begin, "completed": end, **more})
        return self

    def txn(self, process, kind, *value, **more):
        return self.add(process, kind, "txn", value=json.loads(json.dumps(value)), **more)

    def assign(self, process, *keys, kind="ok", f="assign"):
        return self.add(process, kind, f, keys=keys)

    def watermarks(self, start, stable, end, **more):
        return self.add(90, "ok", "watermarks", value={"0": [start, stable, end]}, **more)

    def committed(self, offset, group="g", **more):
        return self.add(90, "ok", "committed", group=group, value={"0": offset}, **more)

    def report(self):
        lines = [json.dumps(each) for each in (self.header, *sorted(self.ops, key=lambda each: each["invoked"]))]
        return checker.check(*history.from_lines(lines))


def send(value, offset=None, key=0):
    return ["send", key, [offset, value]]


def poll(*found, key=0):
    return ["poll", {key: found}]


def commit(offset, kind="ok", group="g"):
    return {"group": group, "offsets": {"0": offset}, "type": kind}


def case(*expected, allowed=()):
    """The anomalies that are to be found, those that are allowed apart."""
    def keep(build):
        CASES.append((build, set(expected), set(allowed)))
        return build
    return keep


def written(*values, key=0, begin=0):
    """Values at successive offsets, each by an operation of process 9."""
    story = Story()
    for place, value in enumerate(values):
        story.txn(9, "ok", send(value, begin + place, key))
    return story


# ---- fine as they are ----

@case()
def all_is_read_in_order():
    return written(1, 2, 3).txn(2, "ok", poll((0, 1), (1, 2))).txn(2, "ok", poll((2, 3)))


@case()
def markers_take_offsets():
    return (Story().txn(1, "ok", send(1, 0), send(2, 1)).txn(1, "ok", send(3, 3))
            .txn(2, "ok", poll((0, 1), (1, 2))).txn(2, "ok", poll((3, 3))))


@case()
def an_aborted_value_is_no_gap():
    return (Story().txn(1, "ok", send(1, 0)).txn(1, "fail", send(2, 2)).txn(1, "ok", send(3, 4))
            .txn(2, "ok", poll((0, 1), (4, 3))))


@case()
def an_acknowledged_send_whose_offset_is_unknown():
    return Story().txn(1, "ok", send(1)).txn(2, "ok", poll((0, 1)))


@case()
def a_poll_without_anything():
    return Story().txn(1, "ok", ["poll", {}]).txn(1, "ok", ["poll"])


# ---- offsets ----

@case("inconsistent-offsets")
def two_values_at_an_offset():
    return (Story().txn(1, "ok", send(1, 0)).txn(2, "info", send(2, 0))
            .txn(3, "ok", poll((0, 1))).txn(4, "ok", poll((0, 2))))


@case("inconsistent-offsets")
def polls_that_fail_must_fit_too():
    return written(1).txn(2, "info", send(2)).txn(3, "ok", poll((0, 1))).txn(4, "fail", poll((0, 2)))


@case()
def two_keys_have_the_same_offset():
    return (Story().txn(1, "ok", send(1, 0)).txn(1, "ok", send(2, 0, key=1))
            .txn(3, "ok", poll((0, 1)), poll((0, 2), key=1)))


@case()
def a_refused_send_may_tell_any_offset():
    return Story().txn(1, "ok", send(1, 0)).txn(2, "fail", send(2, 0)).txn(3, "ok", poll((0, 1)))


@case("duplicate")
def a_value_at_two_offsets():
    return Story("idempotent").txn(1, "ok", send(1, 0)).txn(2, "ok", poll((0, 1), (1, 1)))


@case(allowed=("duplicate",))
def a_value_at_two_offsets_without_idempotence():
    return Story("retrying").txn(1, "ok", send(1, 0)).txn(2, "ok", poll((0, 1), (1, 1)))


@case("duplicate")
def an_answer_told_another_offset_than_polls():
    return Story("idempotent").txn(1, "ok", send(1, 0)).txn(2, "ok", poll((1, 1)))


@case()
def equal_values_of_two_keys():
    return (Story().txn(1, "ok", send(1, 0)).txn(1, "ok", send(1, 5, key=1))
            .txn(3, "ok", poll((0, 1)), poll((5, 1), key=1)))


# ---- lost ----

@case("lost-write", "unseen", "poll-skip")
def an_acknowledged_value_is_skipped():
    return written(1, 2, 3).txn(3, "ok", poll((0, 1))).txn(3, "ok", poll((2, 3)))


@case("lost-write", "unseen", "int-poll-skip")
def an_acknowledged_value_is_skipped_within_a_poll():
    return written(1, 2, 3).txn(3, "ok", poll((0, 1), (2, 3)))


@case("unseen")
def the_tail_is_lost():
    return written(1, 2).txn(3, "ok", poll((0, 1)))


@case("lost-write", "unseen")
def the_head_is_lost():
    return written(1, 2).txn(3, "ok", poll((1, 2)))


@case("lost-write", "int-poll-skip")
def part_of_a_transaction_that_was_seen_is_lost():
    return (Story().txn(1, "info", send(1, 0), send(2, 1)).txn(2, "ok", send(3, 3))
            .txn(3, "ok", poll((0, 1), (3, 3))))


@case()
def what_nobody_knows_the_end_of_may_be_missing():
    return (Story().txn(1, "ok", send(1, 0)).txn(2, "info", send(2, 1)).txn(3, "ok", send(3, 2))
            .txn(4, "ok", poll((0, 1), (2, 3))))


@case()
def what_nobody_knows_the_end_of_may_be_there():
    return Story().txn(1, "info", send(1)).txn(2, "ok", poll((0, 1)))


@case()
def an_indefinite_value_behind_all_that_was_read():
    return Story().txn(1, "ok", send(1, 0)).txn(2, "info", send(2, 1)).txn(3, "ok", poll((0, 1)))


# ---- reads ----

@case("G1a")
def what_was_aborted_is_read():
    return Story().txn(1, "fail", send(1, 0)).txn(2, "ok", poll((0, 1)))


@case("G1a")
def what_was_aborted_is_read_by_who_aborts():
    return Story().txn(1, "fail", send(1, 0)).txn(2, "fail", poll((0, 1)))


@case("precommitted-read")
def its_own_value_is_read():
    return Story().txn(1, "ok", send(1, 0), poll((0, 1)))


@case()
def its_own_value_is_read_by_the_next():
    return Story().txn(1, "ok", send(1, 0)).txn(1, "ok", poll((0, 1)))


@case("phantom")
def what_nobody_sent_is_read():
    return Story().txn(1, "ok", poll((0, 7)))


@case("phantom")
def what_was_sent_to_another_key_is_read():
    return (Story().txn(1, "ok", send(1, 0, key=1)).txn(2, "ok", poll((0, 1), key=1))
            .txn(3, "ok", poll((0, 1))))


@case("corrupt")
def a_record_with_another_payload():
    return written(1).txn(3, "ok", poll((0, 1)), damaged=[[0, 0, "timestamp 5 instead of 6"]])


# ---- order of polls ----

@case("int-nonmonotonic-poll")
def a_poll_goes_back():
    return written(1, 2).txn(3, "ok", poll((0, 1), (1, 2), (0, 1)))


@case("int-nonmonotonic-poll")
def the_next_poll_of_an_operation_repeats():
    return written(1).txn(3, "ok", poll((0, 1)), poll((0, 1)))


@case()
def a_poll_goes_back_after_a_rebalance():
    return written(1, 2).txn(3, "ok", poll((0, 1), (1, 2), (0, 1)), rebalanced=[0])


@case("int-nonmonotonic-poll")
def a_poll_goes_back_after_a_rebalance_of_another_key():
    return written(1, 2).txn(3, "ok", poll((0, 1), (1, 2), (0, 1)), rebalanced=[1])


@case("poll-skip")
def the_next_poll_leaves_out_one():
    return (written(1, 2, 3).txn(4, "ok", poll((0, 1), (1, 2), (2, 3)))
            .txn(3, "ok", poll((0, 1))).txn(3, "ok", poll((2, 3))))


@case("nonmonotonic-poll")
def the_next_poll_goes_back():
    return written(1, 2).txn(3, "ok", poll((0, 1), (1, 2))).txn(3, "ok", poll((0, 1)))


@case()
def another_process_begins_anew():
    return written(1, 2).txn(3, "ok", poll((0, 1), (1, 2))).txn(4, "ok", poll((0, 1), (1, 2)))


@case()
def who_fails_goes_back():
    return (written(1, 2).txn(3, "ok", poll((0, 1))).txn(3, "fail", poll((1, 2)))
            .txn(3, "ok", poll((1, 2))))


@case("poll-skip", "unseen", "lost-write")
def who_fails_must_go_back():
    return (written(1, 2, 3).txn(3, "ok", poll((0, 1))).txn(3, "fail", poll((1, 2)))
            .txn(3, "ok", poll((2, 3))))


@case("poll-skip")
def what_a_failed_operation_polled_has_no_gaps():
    return (written(1, 2, 3).txn(4, "ok", poll((0, 1), (1, 2), (2, 3)))
            .txn(3, "ok", poll((0, 1))).txn(3, "fail", poll((2, 3))))


@case()
def who_lets_a_key_go_may_begin_anew():
    return (written(1, 2).assign(3, 0, 1).txn(3, "ok", poll((0, 1), (1, 2))).assign(3, 1).assign(3, 0, 1)
            .txn(3, "ok", poll((0, 1))))


@case("nonmonotonic-poll")
def who_keeps_a_key_goes_on():
    return (written(1, 2).assign(3, 0, 1).txn(3, "ok", poll((0, 1), (1, 2))).assign(3, 0, 2)
            .txn(3, "ok", poll((0, 1))))


@case("nonmonotonic-poll")
def an_assignment_that_failed_changes_nothing():
    return (written(1, 2).assign(3, 0).txn(3, "ok", poll((0, 1), (1, 2))).assign(3, kind="fail")
            .txn(3, "ok", poll((0, 1))))


@case()
def a_rebalance_may_bring_a_group_back():
    story = written(1, 2)
    story.header["workload"] = "subscribing"
    return (story.txn(3, "ok", poll((0, 1), (1, 2))).txn(3, "ok", rebalanced=[0])
            .txn(3, "ok", poll((0, 1), (1, 2))))


@case("nonmonotonic-poll")
def without_a_rebalance_a_group_goes_on():
    story = written(1, 2)
    story.header["workload"] = "subscribing"
    return story.txn(3, "ok", poll((0, 1), (1, 2))).txn(3, "ok", poll((0, 1), (1, 2)))


@case(allowed=("nonmonotonic-poll",))
def a_group_whose_rebalances_are_not_told():
    story = without_a_rebalance_a_group_goes_on()
    story.header["workload"] = "subscribing-untold"
    return story


# ---- order of sends ----

@case(allowed=("int-send-skip", "G0"))
def others_write_between_two_sends():
    return (Story().txn(1, "ok", send(1, 0), send(3, 2), when=(1, 9)).txn(2, "ok", send(2, 1), when=(2, 8))
            .txn(4, "ok", poll((0, 1), (1, 2), (2, 3))))


@case("int-nonmonotonic-send")
def two_sends_change_places():
    return Story().txn(1, "ok", send(1, 1), send(2, 0)).txn(4, "ok", poll((0, 2), (1, 1)))


@case("nonmonotonic-send", "nonrealtime-send")
def the_next_send_stands_in_front():
    return (Story("idempotent").txn(1, "ok", send(1, 1)).txn(1, "ok", send(2, 0))
            .txn(4, "ok", poll((0, 2), (1, 1))))


@case("nonmonotonic-send", "nonrealtime-send")
def the_next_send_stands_in_front_of_an_indefinite_one():
    return (Story("idempotent").txn(1, "info", send(1, 1)).txn(1, "ok", send(2, 0))
            .txn(4, "ok", poll((0, 2), (1, 1))))


@case("nonrealtime-send")
def anothers_later_send_stands_in_front():
    return Story().txn(1, "ok", send(1, 1)).txn(2, "ok", send(2, 0)).txn(4, "ok", poll((0, 2), (1, 1)))


@case()
def sends_at_the_same_time_stand_in_any_order():
    return (Story().txn(1, "ok", send(1, 1), when=(1, 4)).txn(2, "ok", send(2, 0), when=(2, 5))
            .txn(4, "ok", poll((0, 2), (1, 1))))


# ---- watermarks ----

@case("nonmonotonic-watermark")
def the_high_watermark_goes_back():
    return Story().watermarks(0, 5, 5).watermarks(0, 5, 5).watermarks(0, 4, 4)


@case("nonmonotonic-watermark")
def the_log_start_goes_back():
    return Story().watermarks(3, 5, 5).watermarks(2, 5, 5)


@case("nonmonotonic-watermark")
def the_stable_offset_is_behind_the_high_watermark():
    return Story().watermarks(0, 6, 5)


@case("nonmonotonic-watermark")
def the_high_watermark_is_below_what_was_acknowledged():
    return written(1, 2).txn(3, "ok", poll((0, 1), (1, 2))).watermarks(0, 0, 1)


@case()
def watermarks_asked_for_at_the_same_time():
    return Story().watermarks(0, 5, 5, when=(1, 5)).watermarks(0, 4, 4, when=(2, 3))


@case()
def watermarks_that_grow():
    return written(1).txn(3, "ok", poll((0, 1))).watermarks(0, 0, 1).watermarks(0, 2, 2).watermarks(1, 2, 2)


# ---- committed offsets ----

@case("nonmonotonic-commit")
def a_committed_offset_goes_back():
    return (written(1, 2).txn(3, "ok", poll((0, 1)), commit=commit(1)).txn(3, "ok", poll((1, 2)), commit=commit(2))
            .committed(2).committed(1))


@case("nonmonotonic-commit")
def a_committed_offset_is_forgotten():
    return written(1).txn(3, "ok", poll((0, 1)), commit=commit(1)).committed(-1)


@case("nonmonotonic-commit")
def a_later_member_commits_less():
    return (written(1, 2).txn(3, "ok", poll((0, 1), (1, 2)), commit=commit(2))
            .txn(4, "ok", poll((0, 1)), commit=commit(1)))


@case()
def offsets_of_two_groups():
    return (written(1, 2).txn(3, "ok", poll((0, 1), (1, 2)), commit=commit(2))
            .txn(4, "ok", poll((0, 1)), commit=commit(1, group="h")).committed(2).committed(1, "h"))


@case()
def a_commit_that_nobody_knows_the_end_of():
    return written(1).txn(3, "ok", poll((0, 1)), commit=commit(1, "info")).committed(-1).committed(1)


@case("phantom-commit")
def an_offset_that_nobody_committed():
    return written(1).txn(3, "ok", poll((0, 1)), commit=commit(1)).committed(2)


@case("phantom-commit")
def an_offset_of_an_aborted_transaction():
    return (written(1).txn(4, "ok", poll((0, 1))).txn(3, "fail", poll((0, 1)), commit=commit(1))
            .committed(-1).committed(1))


@case()
def a_refused_commit_may_be_the_second_try_of_one():
    story = written(1)
    story.header["workload"] = "subscribing"
    return (story.add(3, "ok", "poll", value=[poll((0, 1))], commit=commit(1, "fail")).committed(1))


@case("commit-past-end")
def a_commit_behind_the_high_watermark():
    return (written(1).txn(3, "ok", poll((0, 1)), commit=commit(3)).committed(3).watermarks(0, 1, 1))


@case()
def a_commit_at_the_high_watermark():
    return written(1).txn(3, "ok", poll((0, 1)), commit=commit(1)).committed(1).watermarks(0, 1, 1)


# ---- cycles ----

@case(allowed=("G0",))
def two_transactions_write_through_each_other():
    story = Story()
    story.txn(1, "ok", send(1, 0), send(2, 1, key=1), when=(1, 9))
    story.txn(2, "ok", send(3, 1), send(4, 0, key=1), when=(2, 8))
    return story.txn(3, "ok", poll((0, 1), (1, 3)), poll((0, 4), (1, 2), key=1))


@case("G1c")
def two_transactions_read_each_other():
    return (Story().txn(1, "ok", send(1, 0), poll((0, 2), key=1), when=(1, 9))
            .txn(2, "ok", send(2, 0, key=1), poll((0, 1)), when=(2, 8)))


@case()
def two_transactions_of_which_one_reads_the_other():
    return (Story().txn(1, "ok", send(1, 0), when=(1, 9))
            .txn(2, "ok", send(2, 0, key=1), poll((0, 1)), when=(2, 8)).txn(3, "ok", poll((0, 2), key=1)))


@case(allowed=("G1c-ww",))
def who_reads_of_another_writes_in_front_of_it():
    return (Story().txn(1, "ok", send(1, 0, key=1), send(4, 1), when=(1, 9))
            .txn(2, "ok", send(3, 0), poll((0, 1), key=1), when=(2, 8)).txn(3, "ok", poll((0, 3), (1, 4))))


@case("G1c-process")
def a_read_of_what_the_process_sends_later():
    return Story().txn(1, "ok", poll((0, 1))).txn(1, "ok", send(1, 0))


@case("G1c-realtime")
def a_read_of_what_is_sent_later():
    return Story().txn(1, "ok", poll((0, 1))).txn(2, "ok", send(1, 0))


@case()
def a_read_of_what_is_sent_at_the_same_time():
    return Story().txn(1, "ok", poll((0, 1)), when=(1, 5)).txn(2, "ok", send(1, 0), when=(2, 9))


# ---- of the run ----

@case("indefinite")
def nobody_knows_and_nothing_happened():
    return Story(fault="none").txn(1, "info", send(1))


@case("indefinite")
def nobody_knows_of_a_commit_and_nothing_happened():
    return (Story("subscribing", "none").txn(1, "ok", send(1, 0))
            .add(3, "ok", "poll", value=[poll((0, 1))], commit=commit(1, "info")))


@case()
def a_refusal_though_nothing_happened():
    return Story(fault="none").txn(1, "fail", send(1))


@case("unread-end")
def the_end_is_not_reached():
    return Story().add(1, "info", "final", value={"0": [5, 3]})


@case()
def the_end_is_reached():
    return Story().add(1, "ok", "final", value={"0": [5, 5]})


# ---- what is no history of its own ----

def killed_workers_are_merged():
    """What a worker that was killed had learnt counts; a line that it did not finish does not."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "worker"
        writer = history.Writer(path)
        writer.write({"type": "invoke", "process": 1, "f": "send", "invoked": 3, "value": [["send", 0, 1]]})
        writer.write({"type": "ok", "completed": 4, "value": [["send", 0, [7, 1]]]})
        writer.write({"type": "invoke", "process": 1, "f": "send", "invoked": 5, "value": [["send", 0, 2]]})
        writer.write({"type": "learnt", "value": [["send", 0, [8, 2]]]})
        with open(path, "a", encoding="utf-8") as file:
            file.write('{"type": "ok", "comp')
        operations = history.merged([path], lambda _: 9)
        history.save(path, {"workload": "idempotent"}, operations)
        _, ops = history.load(path)
    return ([(op.type, op.sends, op.completed) for op in ops]
            == [("ok", [(0, 7, 1)], 4), ("info", [(0, 8, 2)], 9)])


def reports_are_readable():
    out = io.StringIO()
    checker.show(written(1).txn(2, "ok", poll((0, 7))).report(), out)
    told = out.getvalue()
    return "WRONG: " in told and "key 0: 7 at 0, read by txn 1 of process 2" in told and "\033" not in told


def every_anomaly_has_a_case():
    told = set().union(*(expected | allowed for _, expected, allowed in CASES))
    return told == set(checker.ANOMALIES)


def large_history(sends, chance):
    """Every value is read twice, by readers of their own."""
    story, offsets = Story("idempotent"), {}
    values = {}
    for value in range(sends):
        key = value * 20 // sends * 4 + chance.randrange(4)
        offset = offsets[key] = offsets.get(key, -1) + 1
        values.setdefault(key, []).append((offset, value))
        story.txn(value % 10, "ok", ["send", key, [offset, value]])
    for reader in (11, 12):
        for key, found in values.items():
            for at in range(0, len(found), 100):
                story.txn(reader, "ok", ["poll", {key: found[at:at + 100]}])
    return [json.dumps(each) for each in (story.header, *story.ops)]


def many_operations_are_checked_in_time():
    """30,000 sends and reads here; --whole: 300,000, which are to take 10 s or so."""
    lines = large_history(300_000 if "--whole" in sys.argv else 30_000, random.Random(1))
    begun = time.monotonic()
    report = checker.check(*history.from_lines(lines))
    took = time.monotonic() - begun
    print(f"{report.sent} sends and {report.polled} reads: {took:.1f} s")
    return report.valid and took < 60


def main():
    failed = []
    for build, expected, allowed in CASES:
        found = set(build().report().found)
        if found != expected | allowed or build().report().valid != (not expected):
            failed.append(build.__name__)
            print(f"FAILED: {build.__name__}: {sorted(found)} instead of {sorted(expected | allowed)}")
    others = (killed_workers_are_merged, reports_are_readable, every_anomaly_has_a_case,
              many_operations_are_checked_in_time)
    for test in others:
        if not test():
            failed.append(test.__name__)
            print(f"FAILED: {test.__name__}")
    print(f"{len(CASES) + len(others) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
