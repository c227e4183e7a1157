#!/usr/bin/env python3
"""Every command of the command line, against a broker of its own.

$OTTLA is the binary; with $OTTLA_CLI_BROKER (host:port) an outside broker is used instead of one
started here, and what concerns the data directory is left out.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from node import CLIENT, Node, free_port  # noqa: E402

OUTSIDE = os.environ.get("OTTLA_CLI_BROKER")
BROKER = OUTSIDE


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def rows(self):
        """An --format awk answer, without trailing blanks."""
        return [line.split("\t") for line in self.out.decode().splitlines()]

    def json(self):
        return json.loads(self.out)


def run(*words, stdin=b"", env=None, brokers=True, timeout=60):
    full = dict(os.environ, OTTLA_BROKERS=BROKER or "") if brokers else dict(os.environ)
    full.update(env or {})
    done = subprocess.run([CLIENT, *words], input=stdin, capture_output=True, env=full,
                          timeout=timeout, check=False)
    return Result(done.returncode, done.stdout, done.stderr.decode())


class Case(unittest.TestCase):
    def ok(self, result):
        self.assertEqual((result.code, result.err), (0, ""))
        return result

    def fails(self, result, code, beginning):
        self.assertEqual(result.code, code, result.err)
        self.assertTrue(result.err.startswith(beginning), result.err)
        self.assertEqual(result.err.count("\n"), 1, "an error is one line")
        return result


class Help(Case):
    COMMANDS = ["start", "topic create", "topic list", "topic describe", "topic alter",
                "topic add-partitions", "topic trim", "topic delete", "produce", "consume",
                "group list", "group describe", "group seek", "group delete", "group offset-delete",
                "txn list", "txn describe", "txn producers", "txn abort", "txn find-hanging",
                "config explain", "log dump", "log verify", "log index", "raw", "version"]

    def test_every_command_has_help_with_examples(self):
        overview = self.ok(run("--help")).out.decode()
        for command in self.COMMANDS:
            self.assertIn(command, overview)
            text = self.ok(run(*command.split(), "--help")).out.decode()
            self.assertTrue(text.startswith(f"Usage: ottla {command}"))
            self.assertIn("Examples:", text)
            self.assertEqual(text, run("help", *command.split()).out.decode())

    def test_wrong_usage_ends_with_2(self):
        self.fails(run("tpic"), 2, "ottla: no such command: tpic; did you mean topic?")
        self.fails(run("consume"), 2, "consume: TOPIC... is missing")
        self.fails(run("topic", "list", "--fromat", "json"), 2,
                   "topic list: unknown flag --fromat; did you mean --format?")
        self.fails(run("topic", "list", "--format", "xml"), 2, "topic list: --format xml")
        self.fails(run("consume", "x", "-o", "soon"), 2, "consume: -o soon is no offset")
        self.fails(run("consume", "x", "-f", "%q"), 2, "consume: -f %q: %q is no verb")
        self.fails(run("produce", "x", "-f", "%p"), 2, "produce: -f %p: neither %k nor %v")

    def test_unfinished_formats_and_forms_beside_each_other(self):
        for command in ("consume", "produce"):
            self.fails(run(command, "x", "-f", "%v%"), 2,
                       f"{command}: -f %v%: no verb stands after the last %")
        self.fails(run("consume", "x", "-k", "-f", "%v"), 2, "consume: -k and -H say nothing")

    def test_version(self):
        self.assertEqual(run("--version").out, run("version").out)
        self.assertIn("Apache Kafka 4.4.0", self.ok(run("version")).out.decode())
        self.assertEqual(self.ok(run("version", "--format", "json")).json()["kafka"], "4.4.0")

    def test_config_explain(self):
        text = self.ok(run("config", "explain", "segment.bytes", "-s", "topic")).out.decode()
        self.assertIn("default 1073741824; at least 1048576", text)
        self.fails(run("config", "explain", "no.such"), 1, "config explain: no key has no.such")

    def test_no_broker(self):
        nobody = f"127.0.0.1:{free_port()}"
        for words in (["topic", "list"], ["consume", "x"], ["produce", "x"]):
            result = run(*words, "-b", nobody)
            self.fails(result, 1, f"{' '.join(words[:2]) if words[0] == 'topic' else words[0]}: "
                                  f"connecting to {nobody}: Connection refused")

    def test_start_checks_its_configuration(self):
        self.ok(run("start", "--check"))
        self.fails(run("start", "--check", "--set", "listeners=SSL://:1"), 1,
                   "error: --set listeners: listeners: listener SSL asks for SSL")
        self.fails(run("start", "-c", "/nonexistent"), 1, "start: /nonexistent: No such file")
        for pair in ("num.partitions", "=3"):
            self.fails(run("start", "--check", "--set", pair), 2,
                       f"start: --set {pair}: must be key=value. See ottla start --help.")
        self.fails(run("start", "--check", "--shards", "65"), 2,
                   "start: --shards 65: must be a number from 1 to 64")

    def test_every_fault_of_a_file_is_told(self):
        """However much is said before the last of them."""
        with tempfile.NamedTemporaryFile("w", suffix=".properties") as file:
            file.write("".join(f"unknown.key.{i:03}=x\n" for i in range(200)))
            file.flush()
            result = run("start", "--check", "-c", file.name)
        self.assertEqual(result.code, 1)
        lines = result.err.splitlines()
        self.assertIn(f"warning: {file.name}:200: unknown key unknown.key.199 is ignored", lines)
        self.assertIn(f'error: {file.name}: Missing required configuration "process.roles" which '
                      "has no default value.", lines)


class Strangers(Case):
    """What answers on the port is no broker."""

    def meet(self, answer, *words):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            thread = threading.Thread(target=self.serve, args=(listener, answer))
            thread.start()
            broker_name = f"127.0.0.1:{listener.getsockname()[1]}"
            result = run("topic", "list", "-b", broker_name, *words)
            thread.join()
        return result, broker_name

    @staticmethod
    def serve(listener, answer):
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            if answer is None:
                connection.recv(4096)
            else:
                connection.sendall(answer)

    def test_no_answer_in_time(self):
        result, name = self.meet(None, "--timeout", "300")
        self.fails(result, 1, f"topic list: reading from {name}: no answer in 300 ms")

    def test_an_early_end(self):
        result, name = self.meet(b"")
        self.fails(result, 1, f"topic list: connection ended without an answer by {name}")
        result, name = self.meet(b"\0\0\0\x40abc")
        self.fails(result, 1, f"topic list: reading from {name}: ")

    def test_another_protocol(self):
        result, name = self.meet(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.fails(result, 1, f"topic list: not an answer of Kafka's protocol from {name}")
        result, name = self.meet(b"\0\0\0\x08" + b"\0\0\0\x09" * 2)
        self.fails(result, 1, f"topic list: not an answer of Kafka's protocol from {name}")
        result, name = self.meet(b"\0\0\0\x0e\0\0\0\1\0\0" + b"\xff" * 8)
        self.fails(result, 1, "topic list: ApiVersionsResponse version 3 from ")

    def test_the_second_broker_is_asked(self):
        nobody = f"127.0.0.1:{free_port()}"
        self.ok(run("topic", "list", "-b", f"{nobody},{BROKER}"))
        for name in ("127.0.0.1:99999", "::1", "::1:9092", ":"):
            self.fails(run("topic", "list", "-b", name), 1,
                       f"topic list: not host:port or [IPv6 address]:port: {name}")


class Topics(Case):
    def test_create_list_describe_delete(self):
        made = self.ok(run("topic", "create", "cli-a", "cli-b", "-p", "3", "-c",
                           "retention.ms=1234567", "--format", "json")).json()
        self.assertEqual(made["_version"], 1)
        self.assertEqual([(t["name"], t["partitions"]) for t in made["topics"]],
                         [("cli-a", 3), ("cli-b", 3)])
        names = {row[0]: row for row in self.ok(run("topic", "list", "--format", "awk")).rows()}
        self.assertEqual(names["cli-a"][1:3], ["3", "1"])
        self.assertEqual(names["cli-a"][3], made["topics"][0]["id"])
        table = self.ok(run("topic", "list")).out.decode().splitlines()
        self.assertEqual(table[0].split(), ["NAME", "PARTITIONS", "REPLICAS", "ID"])
        self.fails(run("topic", "create", "cli-a"), 1,
                   f"topic create: cli-a on {BROKER}: TOPIC_ALREADY_EXISTS (36): ")
        self.ok(run("topic", "create", "cli-a", "--if-not-exists"))
        for words in (["create", "cli-a"], ["describe", "cli-z"], ["delete", "cli-z", "-y"]):
            result = run("topic", *words, "--format", "json")
            self.assertEqual((result.code, result.json()["topics"]), (1, []))
            self.assertEqual(run("topic", *words).out, b"")
        shown = self.ok(run("topic", "describe", "cli-a", "--format", "json")).json()["topics"][0]
        self.assertEqual(shown["name"], "cli-a")
        self.assertIn({"key": "retention.ms", "value": "1234567", "source": "topic"},
                      shown["configs"])
        self.assertEqual([p["partition"] for p in shown["partitions"]], [0, 1, 2])
        self.assertEqual([p["end_offset"] for p in shown["partitions"]], [0, 0, 0])
        self.assertEqual([p["in_sync"] for p in shown["partitions"]], [[1], [1], [1]])
        self.assertIn("PARTITIONS\n", self.ok(run("topic", "describe", "cli-a")).out.decode())
        every = self.ok(run("topic", "describe", "cli-a", "-a", "-s", "configs", "--format",
                            "awk")).rows()
        self.assertGreater(len(every), 30)
        self.fails(run("topic", "delete", "cli-a"), 2, "topic delete: nobody can be asked here")
        self.ok(run("topic", "delete", "cli-a", "cli-b", "--yes"))
        self.fails(run("topic", "describe", "cli-a"), 1,
                   f"topic describe: cli-a on {BROKER}: UNKNOWN_TOPIC_OR_PARTITION (3): ")
        self.fails(run("topic", "delete", "cli-a", "--yes"), 1,
                   f"topic delete: cli-a on {BROKER}: UNKNOWN_TOPIC_OR_PARTITION (3): ")
        self.ok(run("topic", "delete", "cli-a", "--yes", "--if-exists"))

    def test_trim(self):
        self.ok(run("topic", "create", "cli-t", "-p", "2"))
        self.ok(run("topic", "create", "cli-t-keys", "-c", "cleanup.policy=compact"))
        self.ok(run("produce", "cli-t", "-p", "0", stdin=b"a\nb\nc\nd\n"))

        def trim(*words):
            return self.ok(run("topic", "trim", *words, "--yes", "--format", "json")).json()
        self.fails(run("topic", "trim", "cli-t", "--all"), 2,
                   "topic trim: nobody can be asked here; --yes deletes")
        self.fails(run("topic", "trim", "cli-t", "--yes"), 2, "topic trim: one of --to OFFSET")
        self.fails(run("topic", "trim", "cli-t:x", "--all", "--yes"), 2, "topic trim: cli-t:x: must")
        self.assertEqual(trim("cli-t:0", "--to", "1"), {
            "_command": "topic trim", "_version": 1,
            "partitions": [{"name": "cli-t", "partition": 0, "start_offset": 1}]})
        self.assertEqual(self.ok(run("consume", "cli-t", "-p", "0", "-e")).out, b"b\nc\nd\n")
        self.assertEqual(trim("cli-t:0", "--before", "-1h")["partitions"][0]["start_offset"], 1)
        self.fails(run("topic", "trim", "cli-t:0", "--to", "9", "--yes"), 1,
                   f"topic trim: cli-t:0 on {BROKER}: OFFSET_OUT_OF_RANGE (1): ")
        self.fails(run("topic", "trim", "cli-t:7", "--all", "--yes"), 1,
                   f"topic trim: cli-t:7 on {BROKER}: UNKNOWN_TOPIC_OR_PARTITION (3): ")
        self.fails(run("topic", "trim", "cli-t-keys", "--all", "--yes"), 1,
                   f"topic trim: cli-t-keys:0 on {BROKER}: POLICY_VIOLATION (44): ")
        self.assertEqual(
            self.ok(run("topic", "trim", "cli-t", "--all", "--yes", "--format", "awk")).out,
            b"cli-t\t0\t4\ncli-t\t1\t0\n")
        self.ok(run("topic", "delete", "cli-t", "cli-t-keys", "--yes"))

    def test_refusals_name_the_error_and_a_hint(self):
        self.fails(run("topic", "create", "cli-r", "-r", "3"), 1,
                   f"topic create: cli-r on {BROKER}: INVALID_REPLICATION_FACTOR (38): ")
        self.assertIn("Try -r 1.", run("topic", "create", "cli-r", "-r", "3").err)
        self.fails(run("topic", "create", "cli/r"), 1,
                   f"topic create: cli/r on {BROKER}: INVALID_TOPIC_EXCEPTION (17): ")
        self.fails(run("topic", "create", "cli-r", "-c", "segment.bytes=1"), 1,
                   f"topic create: cli-r on {BROKER}: INVALID_CONFIG (40): Invalid value 1 for "
                   "configuration segment.bytes: Value must be at least 1048576")
        self.fails(run("topic", "create", "cli-r", "-c", "segment.bytes"), 2,
                   "topic create: --config segment.bytes: must be key=value")
        self.fails(run("topic", "create", "cli-r", "-p", "many"), 2,
                   "topic create: --partitions many: must be a number")

    def test_settings_and_partitions_change(self):
        self.ok(run("topic", "create", "cli-ch", "cli-ch2", "-c", "retention.ms=5"))
        changed = self.ok(run("topic", "alter", "cli-ch", "cli-ch2", "--set", "segment.ms=6000", "--unset",
                              "retention.ms", "--append", "cleanup.policy=compact", "--format",
                              "json")).json()
        self.assertEqual([(t["name"], t["status"]) for t in changed["topics"]],
                         [("cli-ch", "altered"), ("cli-ch2", "altered")])
        self.ok(run("topic", "alter", "cli-ch", "--subtract", "cleanup.policy=delete"))
        self.ok(run("topic", "alter", "cli-ch", "--set", "flush.ms=7", "--dry-run"))
        rows = self.ok(run("topic", "describe", "cli-ch", "-s", "configs", "--format", "awk")).rows()
        self.assertEqual({row[0]: row[1] for row in rows},
                         {"cleanup.policy": "compact", "segment.ms": "6000", "min.insync.replicas": "1"})
        grown = self.ok(run("topic", "add-partitions", "cli-ch", "--to", "3", "--format", "json"))
        self.assertEqual(grown.json()["topics"], [{"name": "cli-ch", "status": "added", "partitions": 3}])
        self.ok(run("topic", "add-partitions", "cli-ch", "--to", "9", "--dry-run"))
        self.ok(run("produce", "cli-ch", "-p", "2", "-k", "k", stdin=b"there\n"))
        self.assertEqual(self.ok(run("consume", "cli-ch", "-p", "2", "-o", "beginning", "-e")).out, b"there\n")
        self.fails(run("topic", "add-partitions", "cli-ch", "--to", "3"), 1,
                   f"topic add-partitions: cli-ch on {BROKER}: INVALID_PARTITIONS (37): Topic already has "
                   "3 partition(s). Try a higher --to.")
        self.fails(run("topic", "alter", "cli-ch", "--set", "no.such=1"), 1,
                   f"topic alter: cli-ch on {BROKER}: INVALID_CONFIG (40): Unknown topic config name: ")
        self.fails(run("topic", "alter", "cli-ch3", "--set", "flush.ms=1"), 1,
                   f"topic alter: cli-ch3 on {BROKER}: UNKNOWN_TOPIC_OR_PARTITION (3): ")
        self.fails(run("topic", "alter", "cli-ch"), 2, "topic alter: nothing to change")
        self.fails(run("topic", "alter", "cli-ch", "--set", "flush.ms"), 2,
                   "topic alter: --set flush.ms: must be key=value")
        self.fails(run("topic", "add-partitions", "cli-ch"), 2, "topic add-partitions: --to N is missing")
        self.ok(run("topic", "delete", "cli-ch", "cli-ch2", "-y"))

    def test_dry_run_changes_nothing(self):
        self.ok(run("topic", "create", "cli-dry", "--dry-run"))
        names = [row[0] for row in self.ok(run("topic", "list", "--format", "awk")).rows()]
        self.assertNotIn("cli-dry", names)

    def test_one_of_two_fails(self):
        result = run("topic", "create", "cli-good", "cli bad", "--format", "awk")
        self.assertEqual(result.code, 1)
        self.assertEqual(result.rows()[0][0], "cli-good")
        self.assertIn("INVALID_TOPIC_EXCEPTION", result.err)
        self.ok(run("topic", "delete", "cli-good", "-y"))


class Records(Case):
    def topic(self, name, partitions=1):
        self.ok(run("topic", "create", name, "-p", str(partitions)))
        self.addCleanup(run, "topic", "delete", name, "-y")
        return name

    def test_lines_through(self):
        topic = self.topic("cli-lines")
        lines = b"".join(b"line %d \xc3\xa9 %s\n" % (i, b"x" * (i % 90)) for i in range(20000))
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            self.ok(run("produce", topic, "-z", codec, stdin=lines))
        self.assertEqual(self.ok(run("consume", topic, "-e")).out, lines * 5)
        self.assertEqual(self.ok(run("consume", topic, "-n", "3")).out,
                         b"".join(lines.splitlines(True)[:3]))
        self.assertEqual(self.ok(run("consume", topic, "-o", "-2", "-e")).out,
                         b"".join(lines.splitlines(True)[-2:]))
        self.assertEqual(self.ok(run("consume", topic, "-o", "20000:20001")).out,
                         lines.splitlines(True)[0])
        self.assertEqual(self.ok(run("consume", topic, "-o", "@-1h:end", "-f", "%o\\n")).out
                         .splitlines()[-1], b"99999")
        self.assertEqual(self.ok(run("consume", topic, "-o", "end", "-e")).out, b"")

    def test_keys_headers_and_tombstones(self):
        topic = self.topic("cli-keys", 2)
        self.ok(run("produce", topic, "-f", "%k %v\\n", "-p", "1", "-H", "h=1", "-H", "g:2",
                    stdin=b"a one\nb two words\n"))
        self.ok(run("produce", topic, "-Z", "-k", "gone", "-p", "1", stdin=b"\n"))
        shown = self.ok(run("consume", topic, "-p", "1", "-e", "-f",
                            "%p %o %k=%v{json} %H %h{%k:%v }%t\\n")).out.decode()
        self.assertEqual(shown, f"1 0 a=\"one\" 2 h:1 g:2 {topic}\n"
                                f"1 1 b=\"two words\" 2 h:1 g:2 {topic}\n"
                                f"1 2 gone=null 0 {topic}\n")
        self.assertEqual(self.ok(run("consume", topic, "-e", "-k", "-H", "-n", "1")).out,
                         b"h=1,g=2,\ta\tone\n")
        self.assertEqual(self.ok(run("consume", topic, "-p", "0", "-e")).out, b"")

    def test_json_makes_the_round(self):
        source, target = self.topic("cli-json-a"), self.topic("cli-json-b")
        self.ok(run("produce", source, "-f", "%K{big32}%k%V{big32}%v", "-H", "h=v",
                    stdin=b"\0\0\0\1\xff\0\0\0\3a\0b" + b"\0\0\0\0\0\0\0\0"))
        lines = self.ok(run("consume", source, "-e", "-f", "jsonl")).out
        self.ok(run("produce", target, "-f", "json", stdin=lines))
        again = self.ok(run("consume", target, "-e", "-f", "jsonl")).out
        self.assertEqual(again, lines.replace(source.encode(), target.encode()))
        first = json.loads(lines.splitlines()[0])
        self.assertEqual((first["key_base64"], first["value"]), ("/w==", "a\0b"))

    def test_errors(self):
        topic = self.topic("cli-errors")
        self.fails(run("consume", topic, "-o", "5"), 1,
                   f"consume: {topic} partition 0 has the offsets 0 to 0; 5 is not among them")
        for partitions in ("1", "0,0", "0,", "", "x"):
            self.fails(run("consume", topic, "-e", "-p", partitions), 2,
                       f"consume: -p {partitions}: {topic} has")
        self.fails(run("consume", "cli-nowhere", "-e"), 1, f"consume: cli-nowhere on {BROKER}: ")
        self.fails(run("produce", topic, "-X", "no.such.property=1"), 2,
                   "produce: -X no.such.property=1: ")
        self.fails(run("produce", topic, "-X", "acks"), 2, "produce: --property acks: must be key")
        self.fails(run("produce", topic, "-f", "json", stdin=b'{"partition":4294967296}'), 1,
                   "produce: record 1: that is no partition")
        self.fails(run("produce", topic, "-f", "%V{big32}%v", stdin=b"\0\0\0\x09short"), 1,
                   "produce: record 1: the input ends inside of it")
        big = run("produce", topic, "-X", "message.max.bytes=2000000", stdin=b"x" * 1500000)
        self.fails(big, 1, f"produce: {topic} on {BROKER}: MESSAGE_TOO_LARGE (10): ")
        self.assertIn("max.message.bytes of the topic and -X message.max.bytes=N", big.err)
        self.assertIn("See ottla topic list.", run("consume", "cli-nowhere", "-e").err)
        self.assertIn("ottla topic describe shows which there are.",
                      run("produce", topic, "-p", "7", stdin=b"x").err)

    def test_input_that_cannot_be_read(self):
        topic = self.topic("cli-unread")
        folder = os.open("/", os.O_RDONLY)
        self.addCleanup(os.close, folder)
        for words in (["produce", topic], ["produce", topic, "-f", "%v"],
                      ["produce", topic, "-f", "json"], ["raw"]):
            done = subprocess.run([CLIENT, *words], stdin=folder, capture_output=True, check=False,
                                  env=dict(os.environ, OTTLA_BROKERS=BROKER))
            self.assertEqual(done.returncode, 1, words)
            self.assertIn(b"Is a directory", done.stderr)

    def test_follows_until_told(self):
        topic = self.topic("cli-follow")
        reader = subprocess.Popen([CLIENT, "consume", topic, "-n", "2"], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL,
                                  env=dict(os.environ, OTTLA_BROKERS=BROKER))
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        self.addCleanup(reader.stdout.close)
        self.ok(run("produce", topic, stdin=b"one\n"))
        self.assertEqual(reader.stdout.readline(), b"one\n")
        self.ok(run("produce", topic, stdin=b"two\n"))
        self.assertEqual(reader.stdout.read(), b"two\n")
        self.assertEqual(reader.wait(30), 0)

    def test_topics_are_made_when_first_used(self):
        self.ok(run("produce", "cli-auto", stdin=b"hello\n"))
        self.addCleanup(run, "topic", "delete", "cli-auto", "-y")
        self.assertEqual(self.ok(run("consume", "cli-auto", "-e")).out, b"hello\n")

    def test_full_output_is_an_error(self):
        topic = self.topic("cli-full")
        self.ok(run("produce", topic, stdin=b"x\n" * 1000))
        with open("/dev/full", "wb") as full:
            done = subprocess.run([CLIENT, "consume", topic, "-e"], stdout=full,
                                  stderr=subprocess.PIPE, check=False,
                                  env=dict(os.environ, OTTLA_BROKERS=BROKER))
        self.assertEqual(done.returncode, 1, done.stderr)


class Raw(Case):
    def test_one(self):
        answer = self.ok(run("raw", "apiversions", "2", stdin=b"{}")).json()
        self.assertEqual(answer["errorCode"], 0)
        self.assertIn(18, [api["apiKey"] for api in answer["apiKeys"]])
        answer = self.ok(run("raw", "3", "max", stdin=b'{"topics":[]}')).json()
        self.assertEqual(answer["topics"], [])

    def test_lines(self):
        lines = [b'{"api":"Metadata","version":9,"body":{"topics":[]}}', b"", b"# a comment",
                 b'{"api":18,"version":2,"body":{}}', b'{"api":"None","version":1,"body":{}}',
                 b"not json", b'{"api":"Metadata","version":99,"body":{}}',
                 b'{"api":"Metadata","version":0,"body":{"no":1}}']
        result = run("raw", stdin=b"\n".join(lines))
        self.assertEqual(result.code, 1)
        answers = [json.loads(line) for line in result.out.splitlines()]
        self.assertEqual([sorted(a) for a in answers],
                         [["api", "body", "version"]] * 2 + [["error"]] * 4)
        self.assertEqual(answers[0]["api"], "Metadata")
        self.assertIn("no API is called None", answers[2]["error"])
        self.assertIn("has the versions", answers[4]["error"])

    def test_no_answer(self):
        """acks=0 is answered by nothing: known at once, whether it was taken or not."""
        body = json.dumps({"acks": 0, "timeoutMs": 1000, "topicData": []}).encode()
        result = run("raw", "Produce", "9", "--timeout", "600000", stdin=body)
        self.assertEqual(result.code, 0)
        self.assertIsNone(result.json())
        self.assertIn("no answer", result.err)
        refused = {"acks": 0, "timeoutMs": 1000, "topicData": [
            {"name": "cli-missing", "partitionData": [{"index": 0, "records": None}]}]}
        line = json.dumps({"api": "Produce", "version": 9, "body": refused}).encode()
        result = run("raw", "--timeout", "600000", stdin=line)
        self.assertEqual(result.code, 1)
        self.assertIn("ended without an answer", json.loads(result.out)["error"])

    def test_mistakes(self):
        self.fails(run("raw", "Metadata"), 2, "raw: both API and VERSION")
        self.fails(run("raw", "Nothing", "1"), 2, "raw: no API is called Nothing")
        self.fails(run("raw", "Metadata", "1", stdin=b"{"), 1, "raw: standard input, line")
        self.fails(run("raw", "Metadata", "1", stdin=b'{"topics":1}'), 1, "raw: ")
        shown = self.ok(run("raw", "--template", "CreateTopics", "7")).json()
        self.assertEqual(shown["timeoutMs"], 60000)


@unittest.skipIf(OUTSIDE, "the data directory is not here")
class Dump(Case):
    def dump(self, *words):
        return run("log", "dump", *[str(word) for word in words])

    def test_segments_and_their_indexes(self):
        self.ok(run("topic", "create", "cli-dump"))
        self.ok(run("produce", "cli-dump", "-k", "key", "-H", "a=b", "-z", "zstd",
                    stdin=b"one\ntwo\n" + b"compressible " * 100 + b"\n"))
        folder = broker.data / "cli-dump-0"
        segment = folder / "00000000000000000000.log"
        text = self.ok(self.dump(segment)).out.decode()
        self.assertIn("codec=zstd", text)
        self.assertIn("crc=ok", text)
        self.assertIn('"key":"key","value":"two","headers":[{"key":"a","value":"b"}]', text)
        self.assertNotIn('"key":"key"', self.ok(self.dump("-B", segment)).out.decode())
        lines = [json.loads(line) for line in
                 self.ok(self.dump("--format", "json", segment)).out.splitlines()]
        self.assertEqual(lines[0]["kind"], "segment")
        self.assertTrue(all(line["crc_ok"] for line in lines if "crc_ok" in line))
        # The active segment's index entries are in memory until it is rolled or closed.
        self.ok(self.dump(folder / "partition.metadata"))

    def test_the_metadata_log(self):
        folder = broker.data / "__cluster_metadata-0"
        text = self.ok(self.dump(folder / "00000000000000000000.log")).out.decode()
        for record in ("LEADER_CHANGE", "RegisterBrokerRecord", "FeatureLevelRecord"):
            self.assertIn(f'"type":"{record}"', text)
        self.assertIn('"leaderEpoch"', self.ok(self.dump(folder / "quorum-state")).out.decode())
        for snapshot in folder.glob("*.checkpoint"):
            self.assertIn("SNAPSHOT_HEADER", self.ok(self.dump(snapshot)).out.decode())
        self.assertIn("node.id=1", self.ok(self.dump(broker.data / "meta.properties"))
                      .out.decode())

    def test_damage_is_told(self):
        self.ok(run("topic", "create", "cli-damage"))
        self.ok(run("produce", "cli-damage", stdin=b"one\n"))
        segment = (broker.data / "cli-damage-0" / "00000000000000000000.log").read_bytes()
        copy = broker.folder / "copy.log"
        copy.write_bytes(segment[:-1] + bytes([segment[-1] ^ 1]))
        self.assertIn("the checksum does not match", self.dump(copy).err)
        copy.write_bytes(segment[:-1])
        result = self.dump(copy)
        self.assertEqual(result.code, 1)
        copy.write_bytes(segment + bytes(100))
        self.assertIn("zeroes", self.ok(self.dump(copy)).out.decode())
        self.fails(self.dump(broker.folder / "nothing.log"), 1, "log dump: ")
        (broker.folder / "what").write_bytes(b"")
        self.fails(self.dump(broker.folder / "what"), 1, "log dump: ")


broker = None


def main():
    global broker, BROKER
    if not OUTSIDE:
        broker = Node()
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
