#!/usr/bin/env python3
"""The tools of Apache Kafka against a node, all in one virtual machine. usage: java.py TOOLS_JARS [groups]"""

import json
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
from group_tools import group_tools  # noqa: E402
from kafka_broker import broker_of_choice  # noqa: E402
from node import KEEP_ALL, QUICK_GROUPS  # noqa: E402
from records import stored_codecs  # noqa: E402
from tools import Tools  # noqa: E402

COUNT = 100_000
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
# The last: a transaction is to hang.
SETTINGS = (KEEP_ALL, *QUICK_GROUPS, "transaction.partition.verification.enable=false")
passed = []
failed = []


def check(what, fine, told=""):
    (passed if fine else failed).append(what)
    print(("ok: " if fine else "FAILED: ") + what + (f"\n{told}" if told and not fine else ""))


def round_trip(node, tools, codec):
    topic = f"java-{codec}"
    lines = b"".join(b"key%d\tvalue %d of Java's\n" % (number, number) for number in range(COUNT))
    done = tools.run("ConsoleProducer", node.address, "--topic", topic, "--compression-codec",
                codec, "--reader-property", "parse.key=true", stdin=lines)
    check(f"the console producer with {codec}", done.returncode == 0, done.stderr[-2000:].decode())
    done = tools.run("consumer.ConsoleConsumer", node.address, "--topic", topic, "--partition",
                "0", "--offset", "earliest", "--max-messages", str(COUNT), "--timeout-ms", "30000",
                "--formatter-property", "print.key=true")
    check(f"the console consumer with {codec}", done.stdout == lines, done.stderr[-2000:].decode())
    check(f"batches are stored as {codec}", stored_codecs(node, topic) == {codec})


def changes(node, tools):
    """Configurations and partition counts through the tools that operators have."""
    def said(what, words, name, *arguments):
        done = tools.run(name, node.address, *arguments)
        told = (done.stdout + done.stderr).decode()
        check(what, all(word in told for word in words), told[-2000:])

    topic = ("--entity-type", "topics", "--entity-name", "made")
    said("ConfigCommand sets", ["Completed updating config for topic made."], "kafka.admin.ConfigCommand", *topic,
         "--alter", "--add-config", "segment.ms=70000,cleanup.policy=[compact,delete]", "--delete-config",
         "retention.ms")
    said("ConfigCommand shows", ["segment.ms=70000", "cleanup.policy=compact,delete"],
         "kafka.admin.ConfigCommand", *topic, "--describe")
    said("ConfigCommand is refused", ["Unknown topic config name: no.such"], "kafka.admin.ConfigCommand",
         *topic, "--alter", "--add-config", "no.such=1")
    said("ConfigCommand sets a broker's", ["Completed updating default config for brokers in the cluster."],
         "kafka.admin.ConfigCommand", "--entity-type", "brokers", "--entity-default", "--alter", "--add-config",
         "log.retention.ms=80000")
    said("ConfigCommand shows a broker's", ["log.retention.ms=80000"], "kafka.admin.ConfigCommand",
         "--entity-type", "brokers", "--entity-default", "--describe")
    said("TopicCommand adds partitions", [""], "TopicCommand", "--alter", "--topic", "made", "--partitions", "5")
    said("TopicCommand shows what came of it", ["PartitionCount: 5", "segment.ms=70000"], "TopicCommand",
         "--describe", "--topic", "made")
    said("TopicCommand is refused", ["currently has 5 partition(s); 4 would not be an increase"],
         "TopicCommand", "--alter", "--topic", "made", "--partitions", "4")


def delete_records(node, tools):
    rows = [{"topic": f"java-{codec}", "partition": 0, "offset": offset}
            for codec, offset in (("gzip", 1000), ("lz4", -1), ("zstd", COUNT + 1))]
    asked = node.folder / "offsets.json"
    asked.write_text(json.dumps({"partitions": rows, "version": 1}))
    done = tools.run("DeleteRecordsCommand", node.address, "--offset-json-file", str(asked))
    told = done.stdout.decode()
    check("DeleteRecordsCommand", "java-gzip-0\tlow_watermark: 1000" in told and
          f"java-lz4-0\tlow_watermark: {COUNT}" in told and "OffsetOutOfRange" in told,
          told + done.stderr.decode()[-2000:])
    done = tools.run("GetOffsetShell", node.address, "--topic", "java-gzip", "--time", "earliest")
    check("GetOffsetShell after it", done.stdout.split() == [b"java-gzip:0:1000"],
          (done.stdout + done.stderr)[-2000:].decode())


def topics_and_records(node, tools):
    for codec in CODECS:
        round_trip(node, tools, codec)
    done = tools.run("GetOffsetShell", node.address, "--exclude-internal-topics")
    wanted = sorted(f"java-{codec}:0:{COUNT}" for codec in CODECS)
    check("GetOffsetShell", sorted(done.stdout.decode().split()) == wanted,
          (done.stdout + done.stderr)[-2000:].decode())
    done = tools.run("TopicCommand", node.address, "--describe", "--topic", "java-gzip")
    check("TopicCommand describes", b"PartitionCount: 1" in done.stdout,
          (done.stdout + done.stderr)[-2000:].decode())
    done = tools.run("TopicCommand", node.address, "--create", "--topic", "made",
                     "--partitions", "3", "--config", "retention.ms=60000")
    check("TopicCommand creates", b"Created topic made." in done.stdout,
          (done.stdout + done.stderr)[-2000:].decode())
    changes(node, tools)
    delete_records(node, tools)


def main():
    node = broker_of_choice(*SETTINGS)
    tools = Tools(sys.argv[1])
    try:
        if sys.argv[2:] != ["groups"]:
            topics_and_records(node, tools)
        group_tools(tools, node, check)
        tools.close()
        check("the node stops cleanly", node.stop() == 0)
        if failed:
            print(node.log()[-3000:])
    finally:
        tools.close()
        node.remove()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
