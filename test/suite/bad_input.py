#!/usr/bin/env python3
"""What no client should send, at a listening broker, while a healthy client goes on beside it: each
gets Kafka's error or a closed connection, and afterwards the broker is what it was. $OTTLA is the
binary; --broker HOST:PORT asks another broker, of which only the answers are looked at.
"""

import multiprocessing
import os
import pathlib
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import batch  # noqa: E402
import frames  # noqa: E402
from differential import Player, error_codes  # noqa: E402
from frames import API_VERSIONS, METADATA, Link  # noqa: E402
from node import Node  # noqa: E402

BROKER = sys.argv[2] if sys.argv[1:2] == ["--broker"] and len(sys.argv) == 3 else None
RELEASE = os.environ.get("OTTLA_BUILD", "release") == "release"
MB = 1 << 20
CLOSED = "closed"
ANSWERED = "answered"
PER_HOST = 400
TOPIC, HEALTHY, COMPACTED = "bad-input", "bad-input-healthy", "bad-input-compacted"
NONE_ID = "AAAAAAAAAAAAAAAAAAAAAA"
UNKNOWN_ID = "AAAAAAAAAAAAAAAAAAAAPw"
passed = []
failed = []
codes_seen = set()
# What Apache Kafka 4.4.0 answers otherwise, measured: an exception of its own is -1 for its client.
APACHE = {
    "32 offsets out of order": -1,
    "17 a number of eleven bytes in a record": -1,
    "44 fetch less than no bytes": -1,
    "44 fetch less than no bytes of a partition": -1,
    "45 fetch a leader that was": 0,  # its topic's first leader: it is not started again
}
APACHE_FAILS_ROWS = (35, 38)


def check(what, fine, told=""):
    (passed if fine else failed).append(what)
    print(("ok: " if fine else "FAILED: ") + what + ("" if fine else f": {told}"), flush=True)


def expect(row, what, got, wanted):
    if BROKER is not None:
        wanted = -1 if row in APACHE_FAILS_ROWS else APACHE.get(f"{row} {what}", wanted)
    check(f"{row} {what}", got == wanted, f"{got} instead of {wanted}")


# ---- the healthy client ----

class Healthy:
    """Produces and fetches one record at a time, in a process of its own, until told to stop."""

    def __init__(self, port, records):
        self.port = port
        self.records = records
        self.took_ms = []
        self.stopping = multiprocessing.Event()
        self.told, telling = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(target=self.run, args=(telling,), daemon=True)
        self.process.start()

    def turn(self, link):
        value = f"healthy {self.records}"
        begun = time.monotonic()
        one = batch.batch({"records": [{"value": value}]}, int(time.time() * 1000))
        error, base = frames.produced(link.ask(frames.produce(HEALTHY, 0, one)), HEALTHY)
        if (error, base) != (0, self.records):
            raise ValueError(f"produce {self.records}: error {error}, offset {base}")
        answer = link.ask(frames.fetch(HEALTHY, 0, self.records))
        error, high, got = frames.fetched(answer, HEALTHY)
        if error != 0 or high != self.records + 1 or value.encode() not in got:
            raise ValueError(f"fetch {self.records}: error {error}, high watermark {high}")
        self.records += 1
        self.took_ms.append((time.monotonic() - begun) * 1000)

    def run(self, telling):
        trouble = None
        try:
            with Link(self.port) as link:
                while not self.stopping.wait(0.002):
                    self.turn(link)
        except Exception as error:  # a process's end must not go unseen
            trouble = repr(error)
        telling.send((self.records, trouble, sorted(self.took_ms) or [0]))

    def stop(self):
        """Its records, what went wrong or None, how long its turns took (ms, in order)."""
        self.stopping.set()
        return self.told.recv() if self.told.poll(60) else (0, "it does not end", [0])


# ---- frames ----

def outcome(port, data):
    """What becomes of a connection that sends these bytes."""
    with Link(port) as link:
        try:
            return CLOSED if link.ask(data) is None else ANSWERED
        except TimeoutError:
            return "left waiting"


def header_rows():
    """Row, what, bytes, outcome."""
    flexible = struct.pack(">hhi", API_VERSIONS, 3, 1) + frames.text("c")
    names = b"\x02a\x02b\0"
    return [
        (1, "a size below zero", b"\xff\xff\xff\xff", CLOSED),
        (2, "more than socket.request.max.bytes", struct.pack(">i", 100 * MB + 1), CLOSED),
        (3, "a frame of nothing", struct.pack(">i", 0), CLOSED),
        (3, "a frame of half a header", frames.sized(b"\0\x12\0"), CLOSED),
        (6, "an API that does not exist", frames.request(12345, 0), CLOSED),
        (6, "an API below zero", frames.request(-1, 0), CLOSED),
        (7, "a version too high", frames.request(METADATA, 99), CLOSED),
        (7, "a version below zero", frames.request(METADATA, -1), CLOSED),
        (10, "a body that ends early", frames.request(METADATA, 1, b"\0\0\0\1\0\5ab"), CLOSED),
        (10, "bytes behind the body", frames.request(METADATA, 1, b"\0\0\0\0xyz"), ANSWERED),
        (11, "a string below zero", frames.request(METADATA, 1, b"\0\0\0\1\xff\xff"), CLOSED),
        (11, "a string beyond the end", frames.request(METADATA, 1, b"\0\0\0\1\x7f\xffa"), CLOSED),
        (12, "a string of 40,000 bytes",
         frames.sized(flexible + b"\0" + b"\xc1\xb8\x02" + b"a" * 40000 + b"\x02b\0"), CLOSED),
        (13, "more elements than bytes", frames.request(METADATA, 1, b"\x7f\xff\xff\xff"), CLOSED),
        (13, "less than no elements, where none may be told so",
         frames.request(METADATA, 1, b"\x80\0\0\0"), ANSWERED),
        (13, "less than no elements", frames.request(METADATA, 0, b"\x80\0\0\0"), CLOSED),
        (16, "tags that nobody knows",
         frames.sized(flexible + b"\1\x63\3abc" + b"\x02a\x02b" + b"\2\x30\0\x40\2zz"), ANSWERED),
        (17, "a number of six bytes", frames.sized(flexible + b"\xff" * 5 + b"\1" + names), CLOSED),
        (18, "no client id", frames.request(API_VERSIONS, 0, client=None), ANSWERED),
        (51, "a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64, CLOSED),
        (51, "HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", CLOSED),
        (46, "AlterPartition of a client", frames.request(56, 3, b"\0" * 32, tags=b"\0"), CLOSED),
    ]


def exact_answers(port):
    with Link(port) as link:
        answer = link.ask(frames.request(API_VERSIONS, 99, b"\x02a\x02b\0", 7, tags=b"\0"))
        versions = struct.unpack_from(">ihi", answer)
        expect(8, "an ApiVersions that is to come, in version 0", versions[:2], (7, 35))
        rows = [struct.unpack_from(">hhh", answer, 10 + 6 * i) for i in range(versions[2])]
        check("8 ... with one row, its own", [row[0] for row in rows] == [API_VERSIONS], rows)
        for correlation in (-5, -2 ** 31, 2 ** 31 - 1):
            answer = link.ask(frames.request(API_VERSIONS, 0, correlation=correlation))
            expect(60, f"correlation id {correlation}", struct.unpack_from(">i", answer)[0],
                   correlation)
    body = b"\0" + b"\x06-bad-" + b"\x02b\0"
    with Link(port) as link:
        answer = link.ask(frames.sized(struct.pack(">hhi", API_VERSIONS, 3, 1) +
                                       frames.text("c") + body))
        expect(9, "a name that no client may have", struct.unpack_from(">h", answer, 4)[0], 42)


def pipelined(port):
    with Link(port) as link:
        link.send(b"".join(frames.request(API_VERSIONS if i % 2 else METADATA, 1, b"\0\0\0\0",
                                          correlation=i) for i in range(1000)))
        order = [struct.unpack_from(">i", link.answer())[0] for _ in range(1000)]
    check("56 1,000 requests at once are answered in order", order == list(range(1000)))


def no_acks(port):
    with Link(port) as link:
        records = batch.batch({}, int(time.time() * 1000))
        link.send(frames.produce("bad-input-missing/", 0, records, acks=0))
        got = link.ask(frames.request(API_VERSIONS, 0))
        expect(19, "a refused produce that wants no answer", CLOSED if got is None else ANSWERED,
               CLOSED)


# ---- records ----

def body_of_codec(codec, data):
    return {"attributes": batch.CODECS[codec], "body": data.hex()}


def lying_chunks():
    """Codec bytes whose lengths promise what is not there."""
    xerial = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)
    lz4 = bytes.fromhex("04224d18604082")
    return [
        ("a snappy of 4 GB", body_of_codec("snappy", b"\xff\xff\xff\xff\x0f\0\0")),
        ("a snappy chunk of 2 GB", body_of_codec("snappy", xerial + b"\x7f\xff\xff\xff\0")),
        ("a snappy chunk below zero", body_of_codec("snappy", xerial + b"\xff\xff\xff\xff\0")),
        ("an lz4 block of 2 GB", body_of_codec("lz4", lz4 + b"\xff\xff\xff\x7f\0\0")),
        ("an lz4 block beyond the end", body_of_codec("lz4", lz4 + b"\x40\0\0\0\0\0")),
        ("a zstd that is none", body_of_codec("zstd", b"\x28\xb5\x2f\xfd\xff\xff\xff\xff")),
        ("nothing where gzip is promised", body_of_codec("gzip", b"")),
    ]


def record_rows():
    """Row, what, version, the batch, code."""
    one = [{"value": "v"}]
    two = [{"value": "v"}, {"value": "w"}]
    rows = [
        (20, "no batch", 9, {"$batches": []}, 87),
        (20, "two batches", 9, {"$batches": [{}, {}]}, 87),
        (20, "magic 1", 9, {"magic": 1}, 87),
        (21, "zstd too early", 6, body_of_codec("zstd", b"x"), 76),
        (22, "a size below the header", 9, {"size": 10}, 2),
        (22, "magic 3", 9, {"magic": 3}, 2),
        (23, "a wrong checksum", 9, {"crc": 1}, 2),
        (24, "a base offset", 9, {"baseOffset": 5}, 87),
        (25, "more than max.message.bytes", 9, {"records": [{"valueSize": 2 * MB}]}, 10),
        (26, "a count of none", 9, {"count": 0}, 87),
        (26, "a count too high", 9, {"count": 9}, 87),
        (26, "a last offset below zero", 9, {"lastOffsetDelta": -1}, 87),
        (27, "a control batch", 9, {"attributes": 32}, 87),
        (28, "a producer without a sequence", 9, {"producerId": 1, "producerEpoch": 0}, 87),
        (31, "the broker's time, told by a client", 9, {"attributes": 8}, 0),
        (32, "offsets out of order", 9,
         {"codec": "gzip", "records": [{"value": "v", "offsetDelta": 1}, {"value": "w", "offsetDelta": 0}]}, 0),
        (33, "a record shorter than it says", 9, {"records": [{"value": "v", "size": 99}]}, 87),
        (33, "headers below zero", 9, {"records": [{"value": "v", "headerCount": -1}]}, 87),
        (33, "more headers than there are", 9, {"records": [{"value": "v", "headerCount": 9}]}, 87),
        (33, "a header without a name", 9,
         {"records": [{"value": "v", "headers": [[None, "x"]]}]}, 87),
        (34, "more records than promised", 9,
         {"records": two, "count": 1, "lastOffsetDelta": 0}, 87),
    ]
    rows += [(17, "a number of eleven bytes in a record", 9, {"body": "ff" * 11 + "01"}, 87)]
    rows += [(35, f"codec {codec}", 9, {"records": one, "attributes": codec}, 76)
             for codec in (5, 6, 7)]
    rows += [(38, what, 9, told, 87) for what, told in lying_chunks()]
    return rows


def produce_code(player, version, told, topic=TOPIC, partition=0, acks=-1):
    records = told if "$batches" in told else {"$batch": told}
    answer = player.ask("Produce", version, {"acks": acks, "timeoutMs": 10000, "topicData": [
        {"name": topic, "partitionData": [{"index": partition, "records": records}]}]})
    return code_of(answer)


def code_of(answer):
    """The first error of an answer, or 0; what is no answer as it is."""
    if "$connection" in answer or "$error" in answer:
        return str(answer)
    codes = list(error_codes(answer))
    codes_seen.update(codes)
    return next((code for code in codes if code != 0), 0)


def records(player):
    for row, what, version, told, wanted in record_rows():
        expect(row, what, produce_code(player, version, told), wanted)
    expect(19, "acks of 2", produce_code(player, 9, {}, acks=2), 21)
    expect(30, "no key where it is compacted", produce_code(player, 9, {}, COMPACTED), 87)
    expect(25, "more than a segment", produce_code(
        player, 9, {"records": [{"valueSize": 2 * MB}]}, "bad-input-segment"), 18)
    for what, size, wanted in (("as much as is allowed", MB, 0),
                               ("more than a segment", 2 * MB, 18),
                               ("more than is allowed", 8 * MB, 10)):
        expect(25, f"{what} once it is encoded again", produce_code(
            player, 9, {"codec": "gzip", "records": [{"valueSize": size - 1000}]},
            "bad-input-plain"), wanted)
    expect(31, "a time too early", produce_code(
        player, 9, {"baseTimestamp": 1000}, "bad-input-times"), 32)
    made = player.ask_until_settled({"api": "InitProducerId", "retry": True, "body": {
        "transactionalId": None, "transactionTimeoutMs": 1000, "producerId": -1,
        "producerEpoch": -1}}, 4)
    known = {"producerId": made["producerId"]}
    for what, epoch, sequence, wanted in (
            ("first", 1, 0, 0), ("the first again", 1, 0, 0), ("a gap", 1, 7, 45),
            ("an old epoch", 0, 1, 47)):
        got = produce_code(player, 9, {**known, "producerEpoch": epoch, "baseSequence": sequence})
        expect(29, what, got, wanted)


def bomb(player, topic, wanted=0):
    """100 MB of one letter in 100 kB of gzip."""
    told = {"codec": "gzip", "records": [{"valueSize": 100 * MB}]}
    expect(36, f"a bomb for {topic}", produce_code(player, 9, told, topic), wanted)


# ---- requests ----

def create(player, name, partitions=1, **settings):
    return code_of(player.ask("CreateTopics", 7, {"timeoutMs": 10000, "topics": [
        {"name": name, "numPartitions": partitions, "replicationFactor": 1,
         "configs": [{"name": key.replace("_", "."), "value": str(value)}
                     for key, value in settings.items()]}]}))


def make_topics(player):
    player.ask_until_settled({"api": "FindCoordinator", "retry": True, "body": {
        "keyType": 0, "coordinatorKeys": ["bad-input"]}}, 4)  # makes the coordinators' topic
    for name, settings in (
            (TOPIC, {}), (HEALTHY, {}), (COMPACTED, {"cleanup_policy": "compact"}),
            ("bad-input-lz4", {"compression_type": "lz4"}),
            ("bad-input-plain", {"compression_type": "uncompressed", "segment_bytes": MB,
                                 "max_message_bytes": 4 * MB}),
            ("bad-input-segment", {"segment_bytes": MB, "max_message_bytes": 8 * MB}),
            ("bad-input-times", {"message_timestamp_before_max_ms": 1000000})):
        expect("-", f"make {name}", create(player, name, **settings), 0)
        deadline = time.monotonic() + 20  # another broker may still elect
        while time.monotonic() < deadline and produce_code(
                player, 9, {"records": [{"key": "k", "value": "v"}]}, name) in (3, 5, 6):
            time.sleep(0.05)


def names(player):
    for name in ("", ".", "..", "../x", "a/b", "n" * 250, "a\0b", "ä", "a b"):
        expect(39, f"create {name[:9]!r}", create(player, name), 17)
        if 0 < len(name) < 250:
            expect(39, f"describe {name!r}", code_of(player.ask("Metadata", 12, {
                "topics": [{"topicId": NONE_ID, "name": name}], "allowAutoTopicCreation": True})),
                17)
        expect(39, f"produce to {name[:9]!r}", produce_code(player, 9, {}, name), 3)
    expect(40, "a name", create(player, "bad.input_x"), 0)
    expect(40, "a name that collides with it", create(player, "bad_input.x"), 17)
    expect(41, "produce to the coordinators' topic",
           produce_code(player, 9, {}, "__consumer_offsets"), 17)
    expect(42, "partition -1", produce_code(player, 9, {}, partition=-1), 3)
    expect(42, "the last partition there can be",
           produce_code(player, 9, {}, partition=2 ** 31 - 1), 3)
    for what, topic_id in (("nobody's id", UNKNOWN_ID), ("the id of none", NONE_ID)):
        got = code_of(player.ask("Produce", 13, {"acks": -1, "timeoutMs": 10000, "topicData": [
            {"topicId": topic_id, "partitionData": [{"index": 0, "records": {"$batch": {}}}]}]}))
        expect(42, f"produce to {what}", got, 100)
    expect(59, "one topic twice in CreateTopics", code_of(player.ask("CreateTopics", 7, {
        "timeoutMs": 1000, "topics": [{"name": "bad-input-twice", "numPartitions": 1,
                                       "replicationFactor": 1}] * 2})), 42)
    expect(59, "one topic twice in CreatePartitions", code_of(player.ask("CreatePartitions", 3, {
        "timeoutMs": 1000, "topics": [{"name": TOPIC, "count": 3, "assignments": None}] * 2})), 42)
    expect(59, "one topic twice in IncrementalAlterConfigs", code_of(player.ask("IncrementalAlterConfigs", 1, {
        "resources": [{"resourceType": 2, "resourceName": TOPIC, "configs": []}] * 2})), 42)


def large_lists(player):
    expect(43, "more partitions than one request may make",
           create(player, "bad-input-large", partitions=10001), 44)
    expect(43, "more partitions than one request may add", code_of(player.ask("CreatePartitions", 3, {
        "timeoutMs": 1000, "topics": [{"name": TOPIC, "count": 2 ** 31 - 1, "assignments": None}]})), 44)
    words = ",".join(str(number) for number in range(6500))
    count = 200 if BROKER is None else 10  # Kafka compares each word with each
    changes = [{"resourceType": 2, "resourceName": f"bad-input-none-{i}", "configs": [
        {"name": "cleanup.policy", "configOperation": 2, "value": words}]} for i in range(count)]
    begun = time.monotonic()
    answer = player.ask("IncrementalAlterConfigs", 1, {"resources": changes})
    check(f"43 lists of 6,500 words for {count} topics that are not there",
          len(answer.get("responses", [])) == count and time.monotonic() - begun < 20)
    many = [{"topicId": NONE_ID, "name": f"bad-input-none-{i}"} for i in range(20000)]
    answer = player.ask("Metadata", 12, {"topics": many, "allowAutoTopicCreation": False})
    check("43 20,000 topics that are not there", len(answer.get("topics", [])) == 20000)


def fetch_code(player, partition, version=12, topic=TOPIC, **members):
    if partition is None:
        topics = []
    else:
        topics = [{"topic": topic, "partitions": [
            {"partition": 0, "fetchOffset": 0, "partitionMaxBytes": MB, **partition}]}]
    return code_of(player.ask("Fetch", version, {
        "maxWaitMs": 10, "minBytes": 1, "maxBytes": MB, "topics": topics, **members}))


def fetches(player):
    for row, what, partition, members, wanted in (
            (44, "beyond the end", {"fetchOffset": 1 << 40}, {}, 1),
            (44, "below the start", {"fetchOffset": -7}, {}, 1),
            (44, "less than no bytes", {}, {"maxBytes": -1}, 0),
            (44, "less than no bytes of a partition", {"partitionMaxBytes": -1}, {}, 0),
            (44, "a session that nobody has", None, {"sessionId": 77, "sessionEpoch": 1}, 70),
            (45, "a leader that was", {"currentLeaderEpoch": 0}, {}, 74),
            (45, "a leader that is to come", {"currentLeaderEpoch": 1 << 20}, {}, 75),
            (46, "as if it were a follower", {}, {"replicaId": 7}, 6),
            (42, "partition -1", {"partition": -1}, {}, 3)):
        expect(row, f"fetch {what}", fetch_code(player, partition, **members), wanted)
    opened = player.ask("Fetch", 12, {"maxWaitMs": 10, "minBytes": 1, "maxBytes": MB,
                                      "sessionId": 0, "sessionEpoch": 0, "topics": [
        {"topic": TOPIC, "partitions": [{"partition": 0, "partitionMaxBytes": 1}]}]})
    expect(44, "fetch with the wrong epoch of a session", fetch_code(
        player, None, sessionId=opened["sessionId"], sessionEpoch=9), 71)


def groups(player):
    join = {"groupId": "bad-input", "sessionTimeoutMs": 10000, "rebalanceTimeoutMs": 10000,
            "memberId": "", "protocolType": "consumer",
            "protocols": [{"name": "range", "metadata": ""}]}
    player.ask_until_settled({"api": "FindCoordinator", "retry": True, "body": {
        "keyType": 0, "coordinatorKeys": ["bad-input"]}}, 4)
    for what, said, wanted in (
            ("without a name", {"groupId": ""}, 24),
            ("for less than 6 s", {"sessionTimeoutMs": 5999}, 26),
            ("for more than half an hour", {"sessionTimeoutMs": 1800001}, 26),
            ("for less than nothing", {"sessionTimeoutMs": -1 << 31}, 26),
            ("without a type", {"protocolType": ""}, 23),
            ("without a protocol", {"protocols": []}, 23),
            ("as nobody", {"memberId": "nobody"}, 25)):
        got = player.ask_until_settled({"api": "JoinGroup", "retry": True,
                                        "body": {**join, **said}}, 9)
        expect(57, f"join a group {what}", code_of(got), wanted)
    for api, version in (("SyncGroup", 4), ("Heartbeat", 4), ("LeaveGroup", 2)):
        got = player.ask(api, version, {"groupId": "", "memberId": "nobody"})
        expect(57, f"{api} without a group", code_of(got), 24)


# ---- what costs ----

def status_mb(node, word):
    told = pathlib.Path(f"/proc/{node.process.pid}/status").read_text()
    return int(next(line for line in told.splitlines() if line.startswith(word)).split()[1]) / 1024


def grown(node, what, limit_mb, work):
    """That the work does not make the node's memory grow by more, at any moment of it."""
    pathlib.Path(f"/proc/{node.process.pid}/clear_refs").write_text("5")  # VmHWM from here
    before = status_mb(node, "VmRSS")
    work()
    more = status_mb(node, "VmHWM") - before
    check(f"{what}: {more:.0f} MB more ({limit_mb})", more <= limit_mb or not RELEASE)


def claims(port):
    """Frames of 90 MB of which a byte comes."""
    links = [Link(port) for _ in range(50)]
    for link in links:
        link.send(struct.pack(">i", 90 * MB) + b"\0")
    time.sleep(0.2)
    for link in links:
        link.socket.close()


def amplified(port):
    """5,000,000 topics of two bytes each."""
    body = b"\xc1\x96\xb1\x02" + b"\x01\x00" * 5000000 + b"\0\0\0\0"
    got = outcome(port, frames.request(METADATA, 9, body, tags=b"\0"))
    expect(14, "5,000,000 topics of two bytes", got, CLOSED)


def many_tags(port):
    head = struct.pack(">hhi", API_VERSIONS, 3, 1) + frames.text("c")
    tags = b"\x80\x80\x80\x05" + b"\x01\x00" * (5 << 21)
    got = outcome(port, frames.sized(head + tags + b"\x02a\x02b\0"))
    expect(15, "10,000,000 tags", got, CLOSED)


def never_reads(port):
    """A client that asks for more and more and reads nothing."""
    with Link(port) as link:
        link.socket.settimeout(1)
        ask = frames.fetch(TOPIC, 0, 0, most=MB)
        try:
            for _ in range(20000):
                link.socket.sendall(ask * 10)
        except (TimeoutError, ConnectionError):
            pass
        else:
            check("55 a client that reads nothing is not listened to for ever", False)


def slow_frame(port):
    begun = time.monotonic()
    with Link(port) as link:
        link.send(struct.pack(">i", 100))
        try:
            for _ in range(100):
                link.socket.sendall(b"\0")
                time.sleep(0.1)
        except OSError:
            pass
    took = time.monotonic() - begun
    check(f"53 a byte each 0.1 s is cut off after {took:.1f} s", took < 9.5)


def flood(node):
    links = [Link(node.port) for _ in range(PER_HOST + 50)]
    for link in links:
        link.send(frames.request(API_VERSIONS, 0))
    served = sum(link.answer() is not None for link in links)
    for link in links:
        link.socket.close()
    check(f"54 {served} of {len(links)} connections of one host are served ({PER_HOST})",
          PER_HOST - 10 <= served <= PER_HOST)


# ---- the whole ----

def answers(port):
    for row, what, data, wanted in header_rows():
        expect(row, what, outcome(port, data), wanted)
    exact_answers(port)
    pipelined(port)
    no_acks(port)
    for part in (records, names, large_lists, fetches, groups):
        player = Player(f"127.0.0.1:{port}")
        try:
            part(player)
        finally:
            player.close()
    check("no answer has the code -1", -1 not in codes_seen or BROKER is not None)


def costs(node, player):
    port = node.port
    grown(node, "4 50 frames of 90 MB that do not come", 10, lambda: claims(port))
    grown(node, "14 ...", 200, lambda: amplified(port))
    grown(node, "15 ...", 60, lambda: many_tags(port))
    grown(node, "36 ... stored as it is", 40, lambda: bomb(player, TOPIC))
    grown(node, "36 ... encoded again", 20, lambda: bomb(player, "bad-input-lz4"))
    grown(node, "36 ... not compressed any more", 20, lambda: bomb(player, "bad-input-plain", 10))
    grown(node, "55 a client that reads nothing", 40, lambda: never_reads(port))
    slow_frame(port)
    flood(node)


def afterwards(node, healthy, before, begun):
    count, trouble, took = healthy.stop()
    check(f"the healthy client went on: {count} records", trouble is None and count > 10, trouble)
    check(f"its turns took {took[len(took) // 2]:.1f} ms, p99 {took[len(took) * 99 // 100]:.1f} ms,"
          f" at most {took[-1]:.0f} ms (1000)", took[-1] < 1000 or not RELEASE)
    deadline = time.monotonic() + 10
    while status_mb(node, "VmRSS") > before + 16 and time.monotonic() < deadline:
        time.sleep(0.1)
    after = status_mb(node, "VmRSS")
    check(f"memory is back: {before:.1f} MB before, {after:.1f} MB after (16 more)",
          after <= before + 16 or not RELEASE)
    lines = node.log().count("\n")
    seconds = time.monotonic() - begun
    check(f"the log has {lines} lines of {seconds:.0f} s", lines < 60 + 4 * seconds)
    check("SIGTERM stops it cleanly", node.stop() == 0)


def suite(shards):
    begun = time.monotonic()
    node = Node(f"ottla.shards={shards}", "ottla.frame.timeout.ms=1000",
                f"max.connections.per.ip={PER_HOST}")
    player = Player(node.address)
    try:
        make_topics(player)
        player.close()
        check("a clean stop", node.stop() == 0)
        node.start()  # so that every partition has had a leader before
        player = Player(node.address)
        before = status_mb(node, "VmRSS")
        healthy = Healthy(node.port, healthy_end(node))
        answers(node.port)
        costs(node, player)
        afterwards(node, healthy, before, begun)
        if failed:
            print(node.log()[-3000:])
    finally:
        player.close()
        node.remove()


def healthy_end(node):
    """Where the healthy client begins: what make_topics wrote is there."""
    with Link(node.port) as link:
        return frames.fetched(link.ask(frames.fetch(HEALTHY, 0, 0)), HEALTHY)[1]


def main():
    if BROKER is not None:
        player = Player(BROKER)
        make_topics(player)
        player.close()
        answers(player.port)
    else:
        for shards in (1, 2):
            suite(shards)
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
