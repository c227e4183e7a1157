#!/usr/bin/env python3
"""Configuration that takes effect: for keys that no other test holds, a running node with and a look at what it
does. At the end every key that is said to be honoured is named by some test. usage: test/suite/configs.py
"""

import base64
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from differential import Player  # noqa: E402
from node import OTTLA, TOP, Node, free_port, run  # noqa: E402

SECONDS = 60
MONTH_MS = 30 * 86_400_000
# What a test cannot see from outside, and why.
UNSEEN = {
    "socket.listen.backlog.size": "the kernel's own limit lies at what is asked for at least",
    "metadata.": "of the metadata log, which has tests of its own",
}
passed, failed = [], []


def check(what, good):
    (passed if good else failed).append(what)
    print(("ok: " if good else "FAILED: ") + what)


def wait_until(true):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.01)
    return False


class Place:
    """A node with settings, asked through `ottla raw`."""

    def __init__(self, *settings):
        self.node = Node(*settings)
        self.player = Player(self.node.address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.player.close()
        self.node.remove()

    def ask(self, api, version, body):
        return self.player.ask_until_settled({"api": api, "body": body, "retry": True}, version)

    def create(self, name, configs=(), partitions=1, replicas=1):
        topic = {"name": name, "numPartitions": partitions, "replicationFactor": replicas,
                 "configs": [{"name": key, "value": value} for key, value in configs]}
        answer = self.player.ask("CreateTopics", 7, {"topics": [topic], "timeoutMs": 10000})
        return answer["topics"][0]["errorCode"]

    def produce(self, topic, **batch):
        parts = [{"index": 0, "records": {"$batch": batch}}]
        answer = self.ask("Produce", 9, {"acks": -1, "timeoutMs": 10000, "topicData": [
            {"name": topic, "partitionData": parts}]})
        return answer["responses"][0]["partitionResponses"][0]["errorCode"]

    def fetch(self, topic, **request):
        return self.ask("Fetch", 12, {"maxWaitMs": 100, "minBytes": 1, "maxBytes": 1 << 30, "topics": [
            {"topic": topic, "partitions": [{"partition": 0, "fetchOffset": 0,
                                             "partitionMaxBytes": 1 << 30}]}], **request})

    def values(self, topic, *keys):
        answer = self.ask("DescribeConfigs", 4, {"resources": [
            {"resourceType": 2, "resourceName": topic, "configurationKeys": list(keys)}]})
        return [row["value"] for row in answer["results"][0]["configs"]]

    def files(self, topic, ending):
        return sorted((self.node.data / f"{topic}-0").glob(f"*{ending}"))

    def checkpoint(self, name):
        """(topic -> offset) of a checkpoint file of the directory."""
        try:
            lines = (self.node.data / name).read_text().splitlines()[2:]
        except FileNotFoundError:
            return None
        return {line.split()[0]: int(line.split()[2]) for line in lines}


def topics():
    with Place("broker.rack=r1", "default.replication.factor=2", "delete.topic.enable=false",
               "max.incremental.fetch.session.cache.slots=0", "fetch.max.bytes=1024",
               "log.message.timestamp.before.max.ms=100000", "transaction.max.timeout.ms=5000",
               "log.message.timestamp.after.max.ms=100000", "ottla.workers=5") as place:
        brokers = place.ask("Metadata", 12, {"topics": []})["brokers"]
        check("broker.rack is told", brokers[0]["rack"] == "r1")
        check("default.replication.factor=2 is too many for one broker",
              place.create("two", replicas=-1) == 38)
        place.create("one")
        deleted = place.ask("DeleteTopics", 5, {"topicNames": ["one"], "timeoutMs": 10000})
        check("delete.topic.enable=false", deleted["responses"][0]["errorCode"] == 73)
        now = int(time.time() * 1000)
        check("log.message.timestamp.before.max.ms",
              place.produce("one", baseTimestamp=now - MONTH_MS) == 32)
        check("log.message.timestamp.after.max.ms",
              place.produce("one", baseTimestamp=now + MONTH_MS) == 32)
        sizes = [place.produce("one", records=[{"valueSize": 400}]) for _ in range(6)]
        answer = place.fetch("one", sessionId=0, sessionEpoch=0)
        got = json.dumps(answer)
        size = len(base64.b64decode(answer["responses"][0]["partitions"][0]["records"]))
        check(f"fetch.max.bytes=1024: {size} bytes of {len(sizes)} batches",
              sizes == [0] * 6 and 400 < size <= 1024)
        check("max.incremental.fetch.session.cache.slots=0", answer["sessionId"] == 0)
        late = place.ask("InitProducerId", 4, {"transactionalId": "t", "transactionTimeoutMs": 6000})
        check("transaction.max.timeout.ms", late["errorCode"] == 50)
        tasks = pathlib.Path(f"/proc/{place.node.process.pid}/task").iterdir()
        names = [(task / "comm").read_text().strip() for task in tasks]
        workers = [sum(name.startswith(lane) for name in names) for lane in ("upkeep-", "data-")]
        check(f"ottla.workers=5: {names}", workers == [5, 5])


def changes():
    """What is changed takes effect at once on every shard, and is there after kill -9."""
    with Place("ottla.shards=2") as place:
        place.create("c", partitions=4)

        def alter(kind, name, key, value):
            told = place.ask("IncrementalAlterConfigs", 1, {"resources": [
                {"resourceType": kind, "resourceName": name, "configs": [
                    {"name": key, "configOperation": 0 if value else 1, "value": value}]}]})
            return told["responses"][0]["errorCode"]

        def codes(partitions, size):
            told = place.ask("Produce", 9, {"acks": -1, "timeoutMs": 10000, "topicData": [
                {"name": "c", "partitionData": [
                    {"index": number, "records": {"$batch": {"records": [{"valueSize": size}]}}}
                    for number in range(partitions)]}]})
            return [part["errorCode"] for part in told["responses"][0]["partitionResponses"]]

        for kind, name, key in ((2, "c", "max.message.bytes"), (4, "", "message.max.bytes"),
                                (4, "1", "message.max.bytes")):
            before, changed = codes(4, 500), alter(kind, name, key, "300")
            after, back = codes(4, 500), alter(kind, name, key, None)
            check(f"{key} of {kind}/{name} on both shards: {before}, {after}",
                  before == [0] * 4 and after == [10] * 4 and changed == back == 0)
        alter(2, "c", "internal.segment.bytes", "600")
        for _ in range(5):
            codes(1, 400)
        check("internal.segment.bytes", len(place.files("c", ".log")) > 3)
        told = place.ask("CreatePartitions", 3, {"timeoutMs": 10000, "topics": [
            {"name": "c", "count": 6, "assignments": None}]})
        check("partitions that were added take records", told["results"][0]["errorCode"] == 0 and
              codes(6, 10) == [0] * 6)
        alter(4, "", "max.connections.per.ip", "1")
        late = Player(place.node.address)
        check("max.connections.per.ip while it runs",
              late.ask("ApiVersions", 0, {}).get("$connection") == "closed")
        late.close()
        place.player.close()
        place.node.kill()
        place.node.start()
        place.player = Player(place.node.address)
        partitions = place.ask("Metadata", 12, {"topics": [{"name": "c"}]})["topics"][0]["partitions"]
        check("all is there after kill -9", len(partitions) == 6 and codes(6, 10) == [0] * 6 and
              place.values("c", "internal.segment.bytes") == ["600"])


INTERNAL = {"__consumer_offsets": ("offsets.topic", 3, 2_000_000),
            "__transaction_state": ("transaction.state.log", 2, 3_000_000),
            "__share_group_state": ("share.coordinator.state.topic", 4, 4_000_000)}


def internal_topics():
    """offsets.topic.segment.bytes, transaction.state.log.segment.bytes,
    share.coordinator.state.topic.segment.bytes and the numbers of partitions."""
    settings = []
    for prefix, partitions, size in INTERNAL.values():
        settings += [f"{prefix}.num.partitions={partitions}", f"{prefix}.segment.bytes={size}"]
    with Place(*settings) as place:
        for name, (prefix, partitions, size) in INTERNAL.items():
            told = place.ask("Metadata", 12, {"topics": [{"name": name}], "allowAutoTopicCreation": True})
            check(f"{prefix}.num.partitions", len(told["topics"][0]["partitions"]) == partitions)
            check(f"{prefix}.segment.bytes", place.values(name, "segment.bytes") == [str(size)])


def segments():
    with Place("log.roll.ms=1000", "log.index.interval.bytes=0", "log.index.size.max.bytes=24") as place:
        place.create("rolled")
        place.create("index", [("segment.ms", "604800000")])
        place.create("sparse", [("index.interval.bytes", "100000"), ("segment.ms", "604800000"),
                                ("segment.index.bytes", "10485760")])
        jitters = ["jitter0", "jitter1", "jitter2", "jitter3"]
        for name in jitters:
            place.create(name, [("segment.jitter.ms", "900")])
        now = int(time.time() * 1000) - 100000
        for number in range(8):
            place.produce("rolled", baseTimestamp=now + number * 2000)
            place.produce("index", baseTimestamp=now)
            place.produce("sparse", baseTimestamp=now)
        for later_ms in (0, 990):
            for name in jitters:
                place.produce(name, baseTimestamp=now + later_ms)
        place.player.close()
        place.node.stop()
        check("log.roll.ms", len(place.files("rolled", ".log")) == 8)
        indexes = [file.stat().st_size for file in place.files("index", ".index")]
        check(f"log.index.interval.bytes, log.index.size.max.bytes: indexes of {indexes} bytes",
              len(indexes) > 2 and max(indexes) <= 24 and sum(indexes) >= 24)
        check("index.interval.bytes, segment.index.bytes", len(place.files("sparse", ".log")) == 1 and
              sum(file.stat().st_size for file in place.files("sparse", ".index")) == 0)
        # 990 ms apart: only what is taken off 1000 ms closes the first, of one in a hundred too little.
        check("segment.jitter.ms", any(len(place.files(name, ".log")) == 2 for name in jitters))
        place.player = Player(place.node.address)


def retention():
    """Segments of one batch each, 2 s apart, the last of now; those that go do so at the next look."""
    with Place("log.roll.ms=1000", "log.retention.hours=1", "log.retention.bytes=150",
               "log.retention.check.interval.ms=50", "log.initial.task.delay.ms=0",
               "log.segment.delete.delay.ms=0") as place:
        hour_ms = 3_600_000
        topics = {  # -> configuration, age of the first batch, segments that stay
            "hours": ([("retention.bytes", "-1")], 2 * hour_ms, 1),
            "bytes": ([("retention.ms", "-1")], 2 * hour_ms, 3),
            "kept": ([("retention.ms", "-1"), ("retention.bytes", "-1")], 2 * hour_ms, 4),
            "young": ([("retention.bytes", "-1")], hour_ms // 2, 4),
            "compact": ([("cleanup.policy", "compact")], 2 * hour_ms, 4),
            "neither": ([("cleanup.policy", "")], 2 * hour_ms, 4),
            "all": ([("retention.ms", "1")], 2 * hour_ms, 1),
            "delayed": ([("retention.ms", "1"), ("file.delete.delay.ms", "3600000")], 2 * hour_ms, 1),
        }
        now = int(time.time() * 1000)
        for name, (config, age_ms, _) in topics.items():
            place.create(name, config)
            for number in range(3):
                place.produce(name, baseTimestamp=now - age_ms + number * 2000,
                              records=[{"key": "k", "value": "v"}])
            place.produce(name, baseTimestamp=now, records=[{"key": "k", "value": "v"}])

        def count(name):
            return len(place.files(name, ".log"))
        for name, (_, _, left) in topics.items():
            check(f"log.retention.bytes, log.retention.check.interval.ms and the like: {name}",
                  wait_until(lambda: count(name) == left))  # pylint: disable=cell-var-from-loop
        check("file.delete.delay.ms", place.files("delayed", ".log.deleted") != [])
        check("log.segment.delete.delay.ms", wait_until(
            lambda: place.files("all", ".log.deleted") == []))


def codecs():
    with Place("compression.type=zstd", "compression.zstd.level=1") as place:
        text = (TOP / "LICENSE").read_text()
        place.create("fast")
        place.create("small", [("compression.zstd.level", "19")])
        for topic in ("fast", "small"):
            place.produce(topic, records=[{"value": text}])
        place.player.close()
        place.node.stop()
        fast, small = (place.files(topic, ".log")[0].stat().st_size for topic in ("fast", "small"))
        check(f"compression.zstd.level: {fast} bytes with 1, {small} with 19", small < fast < len(text))
        place.player = Player(place.node.address)


def checkpoints():
    """Each file at its own interval; only what was forced to disk is in the recovery points."""
    with Place("log.flush.interval.ms=20", "log.flush.offset.checkpoint.interval.ms=50",
               "log.initial.task.delay.ms=0", "log.flush.start.offset.checkpoint.interval.ms=50",
               "replica.high.watermark.checkpoint.interval.ms=3600000") as place:
        place.create("c")
        place.produce("c")
        check("log.flush.interval.ms, log.flush.offset.checkpoint.interval.ms", wait_until(
            lambda: (place.checkpoint("recovery-point-offset-checkpoint") or {}).get("c") == 1))
        check("log.flush.start.offset.checkpoint.interval.ms", wait_until(
            lambda: place.checkpoint("log-start-offset-checkpoint") is not None))
        watermarks = place.checkpoint("replication-offset-checkpoint") or {}
        check("and nothing of the one whose time has not come", "c" not in watermarks)
    with Place("log.initial.task.delay.ms=0", "replica.high.watermark.checkpoint.interval.ms=50",
               "log.flush.offset.checkpoint.interval.ms=3600000") as place:
        place.create("c", [("flush.ms", "20")])
        place.produce("c")
        check("replica.high.watermark.checkpoint.interval.ms", wait_until(
            lambda: (place.checkpoint("replication-offset-checkpoint") or {}).get("c") == 1))
        check("and no recovery point", "c" not in
              (place.checkpoint("recovery-point-offset-checkpoint") or {}))


def producers():
    with Place("producer.id.expiration.ms=1", "producer.id.expiration.check.interval.ms=1") as place:
        place.create("p")
        known = place.ask("InitProducerId", 4, {"transactionalId": None, "transactionTimeoutMs": 1})
        told = {"producerId": known["producerId"], "producerEpoch": 0}
        place.produce("p", baseSequence=0, **told)
        # A gap is refused while the producer is known (45), and taken once it is forgotten.
        check("producer.id.expiration.ms, producer.id.expiration.check.interval.ms",
              wait_until(lambda: place.produce("p", baseSequence=50, **told) == 0))


def reading():
    """A scrubber that has little to do looks again after its interval; an index cache of the least size serves."""
    with Place("ottla.scrub.interval.ms=60000", "ottla.index.cache.bytes=1048576") as place:
        place.create("r")
        check("ottla.scrub.interval.ms and ottla.index.cache.bytes are taken", place.produce("r") == 0)


def starts():
    with Place("ottla.log.level=error") as place:
        place.node.stop()
        check("ottla.log.level=error says nothing of a start and a stop", place.node.log() == "")
        place.node.start()
    with tempfile.TemporaryDirectory(prefix="ottla-test-") as name:
        words = [OTTLA, "start", "--set", f"log.dirs={name}/data", "--set", f"metadata.log.dir={name}/meta",
                 "--set", f"listeners=PLAINTEXT://127.0.0.1:{free_port()}", "--set", "ottla.metrics.listener="]
        done = subprocess.run([*words, "--set", "initial.broker.registration.timeout.ms=0"],
                              capture_output=True, timeout=SECONDS, check=False)
        check("initial.broker.registration.timeout.ms=0 gives up at once",
              done.returncode == 1 and b"initial.broker.registration.timeout.ms" in done.stderr)


# ---- consumer groups ----

def consumer_groups():
    """The node's keys for groups of KIP-848, and the bounds of a group's own settings."""
    with Place("group.consumer.assignors=range", "group.consumer.heartbeat.interval.ms=150",
               "group.consumer.min.heartbeat.interval.ms=100", "group.consumer.max.heartbeat.interval.ms=300",
               "group.consumer.session.timeout.ms=700", "group.consumer.min.session.timeout.ms=600",
               "group.consumer.max.session.timeout.ms=900",
               "group.consumer.min.assignment.interval.ms=10",
               "group.consumer.max.assignment.interval.ms=2000") as place:
        place.create("grouped")
        place.ask("FindCoordinator", 4, {"keyType": 0, "coordinatorKeys": ["g", "h"]})

        def beat(group, member, **more):
            return place.ask("ConsumerGroupHeartbeat", 1, {
                "groupId": group, "memberId": member, "memberEpoch": 0, "rebalanceTimeoutMs": 10000,
                "subscribedTopicNames": ["grouped"], "topicPartitions": [], **more})

        def set_to(key, value):
            answer = place.ask("IncrementalAlterConfigs", 1, {"resources": [
                {"resourceType": 32, "resourceName": "h", "configs": [
                    {"name": key, "configOperation": 0, "value": str(value)}]}]})
            return answer["responses"][0]["errorCode"]

        check("group.consumer.assignors: no other is taken",
              beat("g", "m", serverAssignor="uniform")["errorCode"] == 112)
        answer = beat("g", "m", serverAssignor="range")
        check(f"group.consumer.heartbeat.interval.ms: {answer['heartbeatIntervalMs']}",
              answer["errorCode"] == 0 and answer["heartbeatIntervalMs"] == 150)
        members = lambda: place.ask("ConsumerGroupDescribe", 1, {"groupIds": ["g"]})["groups"][0]["members"]
        check("group.consumer.session.timeout.ms: a silent member goes",
              len(members()) == 1 and wait_until(lambda: not members()))
        for key, low, high in (("heartbeat.interval.ms", 100, 300), ("session.timeout.ms", 600, 900),
                               ("assignment.interval.ms", 10, 2000)):
            check(f"group.consumer.min.{key} and group.consumer.max.{key}",
                  [set_to(f"consumer.{key}", value) for value in (low - 1, low, high, high + 1)]
                  == [40, 0, 0, 40])
        check("a group's own heartbeat interval", beat("h", "n")["heartbeatIntervalMs"] == 300)


# ---- every key that is honoured ----

def is_unseen(key):
    return any(key == one or (one.endswith(".") and key.startswith(one)) for one in UNSEEN)


def named():
    rows = run("config", "explain", "--format", "json")
    keys = {row["key"] for row in json.loads(rows)["keys"] if row["effect"] == "yes"}
    texts = [file.read_text() for glob in ("src/*/test/*.c", "test/suite/*.py", "test/differential/scripts/*")
             for file in TOP.glob(glob)]
    nowhere = sorted(key for key in keys if not is_unseen(key) and
                     not any(re.search(re.escape(key) + r"(?![.\w])", text) for text in texts))
    check(f"{len(keys)} keys are honoured; named by no test: {nowhere or 'none'}",
          len(keys) > 80 and not nowhere)


def main():
    for part in (topics, changes, internal_topics, segments, retention, codecs, checkpoints, producers,
                 reading, starts, consumer_groups, named):
        part()
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
