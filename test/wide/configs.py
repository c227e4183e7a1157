"""DescribeConfigs beside Apache Kafka 4.4.0: broker and topic, with settings in the file and on the topic. For every
key that is honoured: value, type, source, read-only, sensitive, synonyms in their order, and that both have words.
Keys without effect must be described alike too, but are counted apart. usage: configs.py JARS
"""

import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from differential import Player  # noqa: E402
from kafka_broker import Kafka  # noqa: E402
from node import Node, run  # noqa: E402

# What each place has of its own.
PLACE = {"listeners", "advertised.listeners", "log.dirs", "log.dir", "controller.quorum.bootstrap.servers",
         "controller.quorum.voters"}
BROKER, TOPIC = 4, 2
SETTINGS = (
    (),
    ("log.retention.hours=5", "log.roll.ms=1000000", "log.roll.hours=7", "log.flush.interval.ms=60000",
     "compression.type=zstd", "compression.zstd.level=7", "num.partitions=3", "message.max.bytes=2000000",
     "max.connections=900", "broker.rack=r 1", "log.segment.bytes=2097152", "min.insync.replicas=1",
     "log.message.timestamp.type=LogAppendTime", "log.cleanup.policy=compact,delete",
     "connections.max.idle.ms=100000", "max.connections.per.ip.overrides=127.0.0.2:9"),
    ("log.flush.scheduler.interval.ms=7000", "log.retention.minutes=9", "log.retention.ms=90000",
     "log.roll.jitter.hours=2", "auto.create.topics.enable=FALSE", "log.cleaner.min.cleanable.ratio=0.25",
     "queued.max.request.bytes=200000000", "producer.id.expiration.ms=5000", "fetch.max.bytes=1000000"),
)
OVERRIDES = [{"name": "segment.bytes", "value": "1048576"}, {"name": "cleanup.policy", "value": "compact"},
             {"name": "flush.messages", "value": "1"}, {"name": "segment.jitter.ms", "value": "5"},
             {"name": "min.cleanable.dirty.ratio", "value": "0.1"}]


def described(address):
    """(kind, key) -> what is told, documentation as whether there is any."""
    player = Player(address)
    try:
        for name, configs in (("configs-plain", []), ("configs-own", OVERRIDES)):
            player.ask_until_settled({"api": "CreateTopics", "retry": True, "body": {
                "topics": [{"name": name, "numPartitions": 1, "replicationFactor": 1, "configs": configs}],
                "timeoutMs": 10000}}, 7)
        resources = [(BROKER, "1"), (TOPIC, "configs-plain"), (TOPIC, "configs-own")]
        answer = player.ask_until_settled({"api": "DescribeConfigs", "retry": True, "body": {
            "resources": [{"resourceType": kind, "resourceName": name, "configurationKeys": None}
                          for kind, name in resources],
            "includeSynonyms": True, "includeDocumentation": True}}, 4)
    finally:
        player.close()
    told = {}
    for result in answer["results"]:
        for row in result["configs"]:
            row["documentation"] = bool(row["documentation"])
            told[result["resourceName"], row.pop("name")] = row
    return told


def honoured():
    return {row["key"] for row in json.loads(run("config", "explain", "--format", "json"))["keys"]
            if row["effect"] == "yes"}


def compare(ours, kafkas, keys):
    """The number of entries that differ, of those honoured and of the others."""
    wrong = [0, 0]
    for where in sorted(set(ours) | set(kafkas)):
        key = where[1]
        if key in PLACE or key.startswith("ottla.") or ours.get(where) == kafkas.get(where):
            continue
        wrong[key not in keys] += 1
        print(f"{where[0]} {key}{'' if key in keys else ' (no effect)'}:\n"
              f"  Kafka {json.dumps(kafkas.get(where))}\n  ours  {json.dumps(ours.get(where))}")
    return wrong


def main():
    jars, keys = sys.argv[1], honoured()
    passed = failed = 0
    for number, settings in enumerate(SETTINGS, 1):
        with tempfile.TemporaryDirectory(prefix="ottla-configs-") as name:
            folder = pathlib.Path(name)
            kafka = Kafka(jars, folder / "data", folder, settings)
            try:
                kafkas = described(kafka.address)
            finally:
                kafka.end()
        node = Node(*settings)
        try:
            ours = described(node.address)
        finally:
            node.remove()
        wrong, others = compare(ours, kafkas, keys)
        passed += len(kafkas) - wrong - others
        failed += wrong + others
        print(f"settings {number}: {len(kafkas)} entries of Kafka's, {wrong} of honoured keys and {others} of others "
              "differ")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
