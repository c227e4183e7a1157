#!/usr/bin/env python3
"""Many clients at once on 1 and 3 shards: producers write to many partitions, consumers wait for all
partitions of a topic in one fetch session each, and topics come and go meanwhile. Everything that
was acknowledged must be read once, in the order in which its producer sent it; the node must still
stop cleanly. $OTTLA is the binary.
"""

import base64
import json
import pathlib
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import batch  # noqa: E402
import frames  # noqa: E402
from node import CLIENT, Node, run  # noqa: E402

TOPICS, PARTITIONS = 2, 6
PRODUCERS, BATCHES = 6, 150
CHURNS = 12
ABSENT = {3, 6}  # what a topic that comes and goes may answer


class Raw:
    """A client for one thread: `ottla raw`."""

    def __init__(self, node):
        self.process = subprocess.Popen([CLIENT, "raw", "-b", node.address, "--timeout", "60000"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, api, version, body):
        line = json.dumps({"api": api, "version": version, "body": body})
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(f"{api}: {answer['error']}")
        return answer["body"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


class Scene:
    """What the threads share: faults, and when the producers are through."""

    def __init__(self, node):
        self.node = node
        self.faults = []
        self.produced = threading.Event()
        self.settled = threading.Event()

    def start(self, work, *arguments):
        def guarded():
            try:
                work(self, *arguments)
            except Exception as error:  # pylint: disable=broad-except
                self.faults.append(f"{work.__name__}{arguments}: {error!r}")
        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread


def topic_name(number):
    return f"concurrent-{number}"


def produce_all(scene, producer):
    """To every partition in turn, one batch under way at a time."""
    with frames.Link(scene.node.port) as link:
        for number in range(BATCHES):
            topic, partition = topic_name(number % TOPICS), number // TOPICS % PARTITIONS
            records = base64.b64decode(batch.encode(
                {"$batch": {"records": [{"value": f"{producer} {number}"}]}}, 1000))
            answer = link.ask(frames.produce(topic, partition, records))
            if answer is None or frames.produced(answer, topic)[0] != 0:
                scene.faults.append(f"producer {producer}, batch {number}: {answer}")


def produce_to_what_goes(scene):
    """To a topic that is deleted and made again under it."""
    one = base64.b64decode(batch.encode({"$batch": {"records": [{"value": "x"}]}}, 1000))
    with frames.Link(scene.node.port) as link:
        while not scene.settled.is_set():
            answer = link.ask(frames.produce("concurrent-goes", 1, one))
            code = frames.produced(answer, "concurrent-goes")[0]
            if code not in ABSENT | {0}:
                scene.faults.append(f"produced to a topic that goes: {code}")


def fetch_what_goes(scene):
    client = Raw(scene.node)
    parts = [{"partition": one, "fetchOffset": 0, "partitionMaxBytes": 100} for one in range(3)]
    while not scene.settled.is_set():
        answer = client.ask("Fetch", 12, {"maxWaitMs": 50, "minBytes": 1000000, "maxBytes": 5000000,
                                          "topics": [{"topic": "concurrent-goes",
                                                      "partitions": parts}]})
        codes = {part["errorCode"] for topic in answer["responses"] for part in topic["partitions"]}
        if codes - ABSENT - {0, 1}:
            scene.faults.append(f"fetched from a topic that goes: {codes}")
    client.close()


def churn(scene):
    client = Raw(scene.node)
    for _ in range(CHURNS):
        topic = {"name": "concurrent-goes", "numPartitions": 3, "replicationFactor": 1}
        made = client.ask("CreateTopics", 7, {"topics": [topic], "timeoutMs": 30000})
        gone = client.ask("DeleteTopics", 6, {"topics": [{"name": "concurrent-goes"}],
                                              "timeoutMs": 30000})
        codes = made["topics"][0]["errorCode"], gone["responses"][0]["errorCode"]
        if codes != (0, 0):
            scene.faults.append(f"a topic that comes and goes: {codes}")
    client.close()


def values_of(records):
    """(offset, value) of batches without compression, one record each."""
    data = base64.b64decode(records)
    while len(data) >= batch.HEADER.size:
        base, size = batch.HEADER.unpack_from(data)[:2]
        if len(data) < 12 + size:
            return
        body = data[batch.HEADER.size:12 + size]
        at = batch.read_varint(body, 0)[1] + 1
        for _ in range(3):  # timestamp, offset, no key
            _, at = batch.read_varint(body, at)
        length, at = batch.read_varint(body, at)
        yield base, body[at:at + length].decode()
        data = data[12 + size:]


def read_topic(client, topic, wanted, scene):
    """All partitions in one session, until as many records are there as were acknowledged."""
    found = {partition: [] for partition in range(PARTITIONS)}
    asked = [{"partition": one, "fetchOffset": 0, "partitionMaxBytes": 300} for one in found]
    session, epoch = 0, 0
    while sum(len(one) for one in found.values()) < wanted and not scene.faults:
        answer = client.ask("Fetch", 12, {
            "sessionId": session, "sessionEpoch": epoch, "maxWaitMs": 30000, "minBytes": 1,
            "maxBytes": 1000, "topics": [{"topic": topic, "partitions": asked}] if asked else []})
        if answer["errorCode"] != 0:
            raise RuntimeError(f"session: {answer['errorCode']}")
        session, epoch = answer["sessionId"], epoch + 1
        asked = []
        for part in [one for told in answer["responses"] for one in told["partitions"]]:
            got = found[part["partitionIndex"]]
            fresh = list(values_of(part["records"]))
            if [offset for offset, _ in fresh] != list(range(len(got), len(got) + len(fresh))):
                raise RuntimeError(f"{topic}-{part['partitionIndex']}: offsets {fresh}")
            got += [value for _, value in fresh]
            asked.append({"partition": part["partitionIndex"], "fetchOffset": len(got),
                          "partitionMaxBytes": 300})
    return found


def consume(scene, number):
    topic = topic_name(number % TOPICS)
    client = Raw(scene.node)
    found = read_topic(client, topic, PRODUCERS * BATCHES // TOPICS, scene)
    client.close()
    for partition, values in found.items():
        for producer in range(PRODUCERS):
            got = [int(value.split()[1]) for value in values if value.split()[0] == str(producer)]
            wanted = [one for one in range(BATCHES)
                      if one % TOPICS == number % TOPICS and one // TOPICS % PARTITIONS == partition]
            if got != wanted:
                scene.faults.append(f"{topic}-{partition} of producer {producer}: {got}")


def play(node):
    scene = Scene(node)
    for number in range(TOPICS):
        run("topic", "create", topic_name(number), "-b", node.address, "-p", str(PARTITIONS))
    others = [scene.start(produce_to_what_goes), scene.start(fetch_what_goes)]
    ends = [scene.start(churn)]
    ends += [scene.start(consume, number) for number in range(2 * TOPICS)]
    ends += [scene.start(produce_all, number) for number in range(PRODUCERS)]
    for thread in ends:
        thread.join()
    scene.settled.set()
    for thread in others:
        thread.join()
    return scene.faults


def main():
    passed = failed = 0
    for shards in (1, 3):
        node = Node(f"ottla.shards={shards}")
        try:
            faults = play(node)
            code = node.stop()
            if code != 0:
                faults.append(f"the node stopped with {code}:\n{node.log()[-3000:]}")
        finally:
            node.remove()
        for fault in faults:
            print(f"FAILED with {shards} shards: {fault}")
        passed += not faults
        failed += bool(faults)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
