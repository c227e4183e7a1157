#!/usr/bin/env python3
"""The commands for groups and transactions, against a broker of its own.

$OTTLA is the binary; with $OTTLA_CLI_BROKER (host:port) an outside broker is used instead of one started here.
"""

import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import batch  # noqa: E402
import frames  # noqa: E402
from node import CLIENT, Node, free_port  # noqa: E402

OUTSIDE = os.environ.get("OTTLA_CLI_BROKER")
BROKER = OUTSIDE
HOUR_MS = 3600000
# Groups of a single member begin without a wait for more.
SETTINGS = ["group.initial.rebalance.delay.ms=0", "offsets.topic.num.partitions=4",
            "transaction.state.log.num.partitions=4"]


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def rows(self):
        """An --format awk answer."""
        return [line.split("\t") for line in self.out.decode().splitlines()]


def environment():
    return dict(os.environ, OTTLA_BROKERS=BROKER or "")


def run(*words, stdin=b"", timeout=60):
    done = subprocess.run([CLIENT, *words], input=stdin, capture_output=True, env=environment(),
                          timeout=timeout, check=False)
    return Result(done.returncode, done.stdout, done.stderr.decode())


class Case(unittest.TestCase):
    def ok(self, *words, stdin=b""):
        result = run(*words, stdin=stdin)
        self.assertEqual((result.code, result.err), (0, ""), words)
        return result

    def rows(self, *words):
        return self.ok(*words, "--format", "awk").rows()

    def json(self, *words):
        return json.loads(self.ok(*words, "--format", "json").out)

    def fails(self, code, beginning, *words):
        result = run(*words)
        self.assertEqual(result.code, code, result.err)
        self.assertTrue(result.err.startswith(beginning), result.err)
        self.assertEqual(result.err.count("\n"), 1, "an error is one line")
        return result

    def topic(self, name, *counts):
        """A topic with so many records in each partition, whose values are their numbers in all."""
        self.ok("topic", "create", name, "-p", str(len(counts)))
        self.addCleanup(run, "topic", "delete", name, "-y")
        value = 0
        for partition, count in enumerate(counts):
            lines = b"".join(b"%d\n" % number for number in range(value, value + count))
            self.ok("produce", name, "-p", str(partition), stdin=lines)
            value += count
        return name

    def member(self, group, *words):
        """consume -g, until it has partitions."""
        out = tempfile.TemporaryFile()
        process = subprocess.Popen([CLIENT, "consume", "-g", group, *words], stdout=out,
                                   stderr=subprocess.PIPE, env=environment())
        process.out = out
        self.addCleanup(out.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def until(self, what, seconds=40):
        deadline = time.monotonic() + seconds
        while not what():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def members(self, group):
        """Of a group that is not rebalancing: assignments."""
        rows = [row for row in self.rows("group", "list") if row[0] == group]
        if not rows or rows[0][2] != "Stable":
            return []
        return sorted(row[7] for row in self.rows("group", "describe", group, "-s", "members"))


class Mistakes(Case):
    def test_usage(self):
        self.fails(2, "group list: --state x: must be among",
                   "group", "list", "--state", "x")
        self.fails(2, "group list: --type x: must be among", "group", "list", "--type", "x")
        self.fails(2, "group describe: either groups are named", "group", "describe")
        self.fails(2, "group describe: either groups are named", "group", "describe", "g", "--all")
        self.fails(2, "group describe: --section x: must be", "group", "describe", "g", "-s", "x")
        self.fails(2, "group describe: --watch draws a table", "group", "describe", "g", "--watch", "1")
        self.fails(2, "group seek: one of --to, ", "group", "seek", "g", "-y")
        self.fails(2, "group seek: one of --to, ", "group", "seek", "g", "--to", "end", "--to-file", "f")
        self.fails(2, "group seek: --to soon: must be", "group", "seek", "g", "--to", "soon")
        self.fails(2, "group seek: --topics t:x: must be", "group", "seek", "g", "--to", "end", "-t", "t:x")
        self.fails(2, "group seek: nobody can be asked here; --yes", "group", "seek", "g", "--to", "end")
        self.fails(2, "group delete: nobody can be asked here; --yes", "group", "delete", "g")
        self.fails(2, "group offset-delete: --topics NAME", "group", "offset-delete", "g", "-y")
        self.fails(2, "consume: several topics are read as a group", "consume", "a", "b")
        self.fails(2, "consume: --commit is of a group", "consume", "a", "--commit", "never")
        self.fails(2, "consume: --commit x: must be", "consume", "a", "-g", "g", "--commit", "x")
        self.fails(2, "consume: -p says nothing beside -g", "consume", "a", "-g", "g", "-p", "0")
        self.fails(2, "consume: -o 5: with -g it is start or end", "consume", "a", "-g", "g", "-o", "5")
        self.fails(2, "txn list: --state x: must be among", "txn", "list", "--state", "x")
        self.fails(2, "txn list: --producer-id 1,: must be", "txn", "list", "--producer-id", "1,")
        self.fails(2, "txn list: --running-for soon: must be", "txn", "list", "--running-for", "soon")
        self.fails(2, "txn producers: t:x: must be", "txn", "producers", "t:x")
        self.fails(2, "txn abort: t: TOPIC:PARTITION is", "txn", "abort", "t", "--start-offset", "1")
        self.fails(2, "txn abort: which transaction?", "txn", "abort", "t:0")
        self.fails(2, "txn abort: which transaction?", "txn", "abort", "t:0", "--producer-id", "1")
        self.fails(2, "txn abort: nobody can be asked", "txn", "abort", "t:0", "--start-offset", "1")
        self.fails(2, "txn find-hanging: --partition is one", "txn", "find-hanging", "-p", "1")
        self.fails(2, "txn find-hanging: --max-transaction-timeout x: must be", "txn", "find-hanging",
                   "--max-transaction-timeout", "x")

    def test_nobody_answers(self):
        nobody = f"127.0.0.1:{free_port()}"
        for words in (["group", "list"], ["group", "describe", "g"], ["txn", "list"],
                      ["group", "delete", "g", "-y"], ["txn", "describe", "t"]):
            self.fails(1, f"{' '.join(words[:2])}: connecting to {nobody}: Connection refused",
                       *words, "-b", nobody)

    def test_what_is_not_there(self):
        self.fails(1, f"group describe: cg-no on {BROKER}: GROUP_ID_NOT_FOUND (69): ",
                   "group", "describe", "cg-no")
        self.fails(1, f"group delete: cg-no on {BROKER}: GROUP_ID_NOT_FOUND (69): ",
                   "group", "delete", "cg-no", "-y")
        self.assertEqual(self.rows("group", "delete", "cg-no", "-y", "--if-exists"), [["cg-no", "missing"]])
        self.fails(1, "group seek: cg-no: there is nothing to move", "group", "seek", "cg-no", "--to", "end",
                   "-y")
        self.fails(1, f"group seek: cg-no-topic on {BROKER}: UNKNOWN_TOPIC_OR_PARTITION (3): ",
                   "group", "seek", "cg-no", "--to", "end", "-y", "-t", "cg-no-topic")
        self.fails(1, f"consume: cg-no-topic on {BROKER}: ", "consume", "-g", "cg-no", "cg-no-topic", "-e")


class Consuming(Case):
    def test_a_group_goes_on_where_it_was(self):
        orders, pays = self.topic("cg-a", 5, 3, 0), self.topic("cg-b", 4)
        words = ["consume", "-g", "cg-on", orders, pays, "-e", "-f", "%t %v\\n"]
        read = self.ok(*words).out.decode().splitlines()
        self.assertEqual(sorted(read), sorted([f"{orders} {i}" for i in range(8)] +
                                              [f"{pays} {i}" for i in range(4)]))
        self.assertEqual(self.ok(*words).out, b"")
        self.ok("produce", orders, "-p", "2", stdin=b"late\nlater\nlast\n")
        self.assertEqual(self.ok("consume", "-g", "cg-on", orders, pays, "-n", "2").out, b"late\nlater\n")
        lag = self.rows("group", "describe", "cg-on", "-s", "lag")
        self.assertEqual([row[1:6] for row in lag],
                         [[orders, "0", "5", "5", "0"], [orders, "1", "3", "3", "0"],
                          [orders, "2", "2", "3", "1"], [pays, "0", "4", "4", "0"]])
        self.assertEqual(self.ok(*words).out, f"{orders} last\n".encode())
        self.assertEqual(self.ok("consume", "-g", "cg-end", orders, "-o", "end", "-e").out, b"")

    def test_nothing_is_committed_where_that_is_asked_for(self):
        topic = self.topic("cg-never", 7)
        for _ in range(2):
            read = self.ok("consume", "-g", "cg-never", topic, "-e", "--commit", "never").out
            self.assertEqual(read.splitlines(), [b"%d" % i for i in range(7)])

    def test_members_share_and_signals_commit(self):
        topic = self.topic("cg-share", 4, 4)
        first = self.member("cg-share", topic)
        self.until(lambda: self.members("cg-share") == [f"{topic}:0,1"])
        second = self.member("cg-share", topic)
        self.until(lambda: self.members("cg-share") == [f"{topic}:0", f"{topic}:1"])
        self.fails(1, "group seek: cg-share has members (2, Stable)", "group", "seek", "cg-share", "--to",
                   "start", "-y")
        self.fails(1, f"group delete: cg-share on {BROKER}: NON_EMPTY_GROUP (68): ",
                   "group", "delete", "cg-share", "-y")
        self.fails(1, f"group offset-delete: {topic}:0 on {BROKER}: GROUP_SUBSCRIBED_TO_TOPIC (86): ",
                   "group", "offset-delete", "cg-share", "-t", f"{topic}:0", "-y")
        described = self.json("group", "describe", "cg-share")["groups"][0]
        self.assertEqual({key: described["summary"][0][key] for key in ("type", "state", "assignor", "members")},
                         {"type": "classic", "state": "Stable", "assignor": "range", "members": 2})
        hosts = {row["host"].strip("/") for row in described["members"]}
        self.assertEqual((hosts, {row["client_id"] for row in described["members"]}),
                         ({"127.0.0.1"}, {"ottla"}))
        for partition in "01":
            self.ok("produce", topic, "-p", partition, stdin=b"more\n")

        def read():
            lines = []
            for process in (first, second):
                process.out.seek(0)
                lines += process.out.read().splitlines()
            return lines
        self.until(lambda: len(read()) == 10)
        for process, how in ((first, signal.SIGINT), (second, signal.SIGTERM)):
            process.send_signal(how)
            self.assertEqual((process.wait(30), process.stderr.read()), (0, b""))
        self.assertEqual(self.rows("group", "describe", "cg-share", "-s", "topics"),
                         [["cg-share", topic, "2", "0", "0"]])
        self.assertEqual(sorted(read()), sorted([b"%d" % i for i in range(8)] + [b"more"] * 2))

    def test_output_that_is_full_is_not_committed(self):
        topic = self.topic("cg-full", 20)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([CLIENT, "consume", "-g", "cg-full", topic], stdout=full, check=False,
                                  stderr=subprocess.PIPE, env=environment(), timeout=60)
        self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), done.stderr)
        self.assertEqual(len(self.ok("consume", "-g", "cg-full", topic, "-e").out.splitlines()), 20)


class Offsets(Case):
    def seek(self, group, *words):
        return [row[1:] for row in self.rows("group", "seek", group, "-y", *words)]

    def test_seek(self):
        topic, other = self.topic("cg-seek", 10, 5), self.topic("cg-seek-2", 3)
        self.assertEqual(self.seek("cg-s", "--to", "end", "-t", topic, "-t", f"{other}:0"),
                         [[topic, "0", "-", "10"], [topic, "1", "-", "5"], [other, "0", "-", "3"]])
        self.assertEqual(self.seek("cg-s", "--to", "-4", "-t", f"{topic}:0"), [[topic, "0", "10", "6"]])
        self.assertEqual(self.seek("cg-s", "--to", "+2", "-t", f"{topic}:0"), [[topic, "0", "6", "8"]])
        self.assertEqual(self.seek("cg-s", "--to", "2", "-t", topic, "--dry-run"),
                         [[topic, "0", "8", "2"], [topic, "1", "5", "2"]])
        self.assertEqual(self.seek("cg-s", "--to", "@-1h", "-t", topic),
                         [[topic, "0", "8", "0"], [topic, "1", "5", "0"]])
        self.assertEqual(self.seek("cg-s", "--to", "@2100-01-01", "-t", topic),
                         [[topic, "0", "0", "10"], [topic, "1", "0", "5"]])
        clamped = run("group", "seek", "cg-s", "--to", "9", "-y", "--format", "json")
        self.assertEqual((clamped.code, clamped.err.count("\n")), (0, 2))
        self.assertIn(f"{topic}:1 has the offsets 0 to 5: 5 is taken\n", clamped.err)
        self.assertEqual([row["new_offset"] for row in json.loads(clamped.out)["offsets"]], [9, 5, 3])
        self.assertEqual(self.ok("consume", "-g", "cg-s", topic, "-e").out, b"9\n")

    def test_seek_by_others_and_files(self):
        topic = self.topic("cg-from", 10, 5)
        self.seek("cg-f", "--to", "4", "-t", topic)
        self.assertEqual(self.seek("cg-g", "--to-group", "cg-f"),
                         [[topic, "0", "-", "4"], [topic, "1", "-", "4"]])
        shown = self.rows("group", "describe", "cg-f", "-s", "lag")
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("# kept\n" + "".join("\t".join(row[1:4]) + "\n" for row in shown))
            file.flush()
            self.assertEqual(self.seek("cg-h", "--to-file", file.name, "-t", f"{topic}:1"),
                             [[topic, "1", "-", "4"]])
            file.write(f"{topic},0,3\n")
            file.flush()
            self.fails(1, f"group seek: {topic}:0 is named twice, with ", "group", "seek", "cg-h", "-y",
                       "--to-file", file.name)
            file.write(f"{topic},0\n")
            file.flush()
            self.fails(1, f"group seek: {file.name}:5: a topic, a partition and an offset", "group", "seek",
                       "cg-h", "-y", "--to-file", file.name)
        self.fails(1, "group seek: /nonexistent: No such file", "group", "seek", "g", "-y", "--to-file",
                   "/nonexistent")
        # A shift has nothing to begin from where nothing is committed.
        self.fails(1, f"group seek: {topic}:0 has no committed offset", "group", "seek", "cg-h", "-y", "--to",
                   "+1", "-t", f"{topic}:0")

    def test_groups_without_members(self):
        topic = self.topic("cg-none", 10, 5)
        self.seek("cg-n1", "--to", "3", "-t", topic)
        self.seek("cg-n2", "--to", "end", "-t", topic)
        listed = {row[0]: row[1:] for row in self.rows("group", "list", "--state", "empty", "--type", "Classic")}
        self.assertEqual(listed["cg-n1"], ["classic", "Empty", "-", listed["cg-n2"][3]])
        self.assertNotIn("cg-n1", [row[0] for row in self.rows("group", "list", "--state", "Stable,Dead")])
        shown = self.json("group", "describe", "cg-n1", "cg-n2")["groups"]
        self.assertEqual([group["summary"][0]["lag"] for group in shown], [9, 0])
        self.assertEqual(shown[0]["topics"], [{"group": "cg-n1", "topic": topic, "partitions": 2, "lag": 9,
                                               "without_lag": 0}])
        self.assertEqual(shown[0]["members"], [])
        every = self.rows("group", "describe", "--all", "-s", "summary")
        self.assertLessEqual({"cg-n1", "cg-n2"}, {row[0] for row in every})
        table = self.ok("group", "describe", "cg-n1").out.decode()
        self.assertIn("LAG\nGROUP", table)
        self.assertNotIn("MEMBERS\n", table)
        self.assertEqual(self.rows("group", "offset-delete", "cg-n1", "-t", f"{topic}:1", "-y"),
                         [["cg-n1", topic, "1", "deleted"]])
        self.assertEqual(self.rows("group", "describe", "cg-n1", "-s", "lag")[0][1:4], [topic, "0", "3"])
        self.assertEqual(self.rows("group", "offset-delete", "cg-n1", "-t", topic, "-y"),
                         [["cg-n1", topic, "0", "deleted"]])
        self.fails(1, f"group offset-delete: cg-n1 has no committed offset of {topic}", "group",
                   "offset-delete", "cg-n1", "-t", topic, "-y")
        self.assertEqual(self.rows("group", "delete", "cg-n2", "-y"), [["cg-n2", "deleted"]])
        self.fails(1, f"group describe: cg-n2 on {BROKER}: GROUP_ID_NOT_FOUND (69): ", "group", "describe",
                   "cg-n2")


def transaction(transactional_id, topic, partition):
    """A producer with a record in an open transaction."""
    import confluent_kafka  # pylint: disable=import-outside-toplevel
    producer = confluent_kafka.Producer({"bootstrap.servers": BROKER, "transactional.id": transactional_id,
                                         "transaction.timeout.ms": 60000, "log_level": 0})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(topic, b"record", partition=partition)
    producer.flush(60)
    return producer


def leave_hanging(topic):
    """A batch of a transaction that no coordinator knows of, from an hour ago; (producer id, offset)."""
    port = int(BROKER.rsplit(":", 1)[1])
    with frames.Link(port) as link:
        answer = link.ask(frames.request(22, 1, frames.text(None) + struct.pack(">i", 60000)))
        error, producer_id, epoch = struct.unpack_from(">hqh", answer, 8)
        assert error == 0
        made = batch.batch({"producerId": producer_id, "producerEpoch": epoch, "baseSequence": 0,
                            "attributes": 16}, int(time.time() * 1000) - HOUR_MS)
        body = frames.text("cg-nobody") + struct.pack(">hii", -1, 10000, 1) + frames.text(topic)
        body += struct.pack(">iii", 1, 0, len(made)) + made
        error, offset = frames.produced(link.ask(frames.request(frames.PRODUCE, 3, body)), topic)
        return error, producer_id, offset


class Transactions(Case):
    def test_an_open_one(self):
        topic = self.topic("cg-txn", 1, 0)
        producer = transaction("cg-txn-1", topic, 1)
        listed = self.json("txn", "list", "--state", "ongoing", "--id-regex", "cg-txn-.")["transactions"]
        self.assertEqual([(row["transactional_id"], row["state"]) for row in listed],
                         [("cg-txn-1", "Ongoing")])
        self.assertEqual(self.rows("txn", "list", "--running-for", "1h"), [])
        self.assertEqual(len(self.rows("txn", "list", "--producer-id", str(listed[0]["producer_id"]))), 1)
        shown = self.json("txn", "describe", "cg-txn-1")["transactions"][0]
        self.assertEqual((shown["state"], shown["timeout_ms"], shown["partitions"]),
                         ("Ongoing", 60000, f"{topic}:1"))
        self.assertLess(shown["duration_ms"], HOUR_MS)
        writers = self.json("txn", "producers", topic)["producers"]
        self.assertEqual([(row["partition"], row["txn_start_offset"]) for row in writers], [(0, None), (1, 0)])
        self.assertEqual(writers[1]["producer_id"], listed[0]["producer_id"])
        # It is as old as that, but its coordinator will end it.
        self.assertEqual(self.rows("txn", "find-hanging", "-t", topic, "--max-transaction-timeout", "0s"), [])
        producer.commit_transaction(60)
        self.until(lambda: self.json("txn", "describe", "cg-txn-1")["transactions"][0]["state"]
                   == "CompleteCommit")
        self.assertIsNone(self.json("txn", "producers", f"{topic}:1")["producers"][0]["txn_start_offset"])

    def test_what_is_not_there(self):
        self.fails(1, f"txn describe: cg-txn-no on {BROKER}: TRANSACTIONAL_ID_NOT_FOUND (105): ",
                   "txn", "describe", "cg-txn-no")
        self.fails(1, f"txn list: broker 1 on {BROKER}: INVALID_REGULAR_EXPRESSION (128): ",
                   "txn", "list", "--id-regex", "[")
        topic = self.topic("cg-txn-none", 1)
        self.fails(1, f"txn producers: {topic}:7 on {BROKER}: UNKNOWN_TOPIC_OR_PARTITION (3): ",
                   "txn", "producers", f"{topic}:7")
        self.fails(1, f"txn abort: {topic}:0: no open transaction begins at 5", "txn", "abort", f"{topic}:0",
                   "--start-offset", "5", "-y")
        self.fails(1, "txn find-hanging: there is no broker 7", "txn", "find-hanging", "--broker", "7")
        self.assertEqual(self.rows("txn", "find-hanging"), [])

    def test_what_hangs_is_found_and_aborted(self):
        """Only where a broker takes what its coordinator knows nothing of."""
        topic = self.topic("cg-hang", 2)
        error, producer_id, offset = leave_hanging(topic)
        if error == 48:
            self.skipTest("INVALID_TXN_STATE: transactions are verified, none can be left hanging")
        self.assertEqual((error, offset), (0, 2))
        found = self.json("txn", "find-hanging", "--broker", "1")["transactions"]
        self.assertEqual([(row["topic"], row["producer_id"], row["start_offset"]) for row in found],
                         [(topic, producer_id, 2)])
        self.assertEqual(self.rows("txn", "find-hanging", "-t", topic, "-p", "0",
                                   "--max-transaction-timeout", "2h"), [])
        self.ok("produce", topic, stdin=b"behind\n")
        self.assertEqual(self.rows("txn", "abort", f"{topic}:0", "--start-offset", "2", "-y")[0][4], "aborted")
        self.assertEqual(self.rows("txn", "find-hanging"), [])
        self.assertEqual(self.ok("consume", "-g", "cg-hang", topic, "-e").out, b"0\n1\nbehind\n")


broker = None


def main():
    global broker, BROKER
    if not OUTSIDE:
        broker = Node(*SETTINGS, "transaction.partition.verification.enable=false")
        BROKER = broker.address
    stopped = 0
    try:
        suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
        result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
        if broker:
            stopped = broker.stop()
            if stopped != 0 or not result.wasSuccessful():
                print(broker.log()[-4000:])
    finally:
        if broker:
            broker.remove()
    failed = len(result.failures) + len(result.errors) + (stopped != 0)
    if stopped != 0:
        print(f"the broker ended with {stopped}")
    print(f"{result.testsRun - failed} passed, {failed} failed, {len(result.skipped)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
