"""Random requests, mostly meaningful ones, as lines of a script of test/differential: what a seed makes is always the
same. A round makes topics of its own, uses them and deletes them.

Not asked for is what allowed.txt tells (null names, unknown codecs and isolation levels, limits below zero, a topic
or a partition named twice, no records), what is not served yet, the texts of configurations, which are our own, and
where Apache Kafka fails itself: fetching the zero id, and what Topic names.
"""

import random

ZERO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
UNKNOWN_ID = "AAAAAAAAAAAAAAAAAAAAAQ"
MISSING = ("missing", "a b", "..", "ö", "x" * 250, "a/b", "")
CODECS = ("none", "none", "gzip", "snappy", "lz4", "zstd")
OLD_TIMES = (0, 1, 999, 1000, 1001, 5000, 10**6, 10**9)
MUCH = 1 << 20
FOREVER = "9223372036854775807"
SMALL_SEGMENT = "1048576"
STEPS = 45
LARGE_PERCENT = 5
# Settings that change answers.
SETTINGS = (("cleanup.policy", ("compact", "delete", "compact,delete")),
            ("compression.type", ("gzip", "zstd", "uncompressed", "producer", "lz4", "snappy")),
            ("max.message.bytes", ("300", "1000", "100000")),
            ("message.timestamp.type", ("LogAppendTime", "CreateTime")),
            ("message.timestamp.before.max.ms", ("1000000", "0", FOREVER)),
            ("message.timestamp.after.max.ms", ("1000000", "0", FOREVER)),
            ("segment.ms", ("1", "1000", "1000000")),
            ("segment.bytes", (SMALL_SEGMENT, "2000000")),
            ("index.interval.bytes", ("0", "1", "100", "1000000")),
            ("segment.index.bytes", ("24", "100")),
            ("min.insync.replicas", ("1", "2")),
            ("flush.messages", ("1", "3")),
            ("retention.ms", ("-1",)),
            ("delete.retention.ms", ("0", "100")),
            ("file.delete.delay.ms", ("0",)),
            ("unclean.leader.election.enable", ("true", "false")),
            ("preallocate", ("true", "false")))
VALUES = ("", "-1", "-2", "0", "1", "true", "TRUE", "yes", "abc", "1.5", "2147483648", "9223372036854775808", " 5 ",
          "1e3", "0x10", "compact", "delete,,compact", "compact, delete", "none", "gzip", "GZIP", "+7", "007", "-0",
          "*", "1:1", "1:1,2:2", "1-1", "LogAppendTime", "logappendtime", "9223372036854775807")
MORE_KEYS = ("retention.bytes", "segment.jitter.ms", "flush.ms", "min.cleanable.dirty.ratio", "max.compaction.lag.ms",
             "min.compaction.lag.ms", "compression.gzip.level", "compression.zstd.level", "compression.lz4.level",
             "leader.replication.throttled.replicas", "follower.replication.throttled.replicas",
             "remote.storage.enable", "local.retention.ms", "local.retention.bytes", "remote.log.copy.disable",
             "remote.log.delete.on.disable", "nope", "", "Retention.ms", "message.format.version",
             "message.downconversion.enable", "internal.segment.bytes")
BROKER_KEYS = ("log.retention.ms", "log.retention.hours", "message.max.bytes", "num.io.threads", "node.id", "broker.id",
               "num.partitions", "nope", "", "process.roles", "log.segment.bytes", "ssl.keystore.password",
               "min.insync.replicas", "compression.type", "log.cleaner.threads", "log.roll.ms")


def line(what, api, version, body, **more):
    return {"what": what, "api": api, "version": version, "body": body, **more}


def before():
    """What has to be there before the rounds: the coordinators' topics and the first producer id."""
    for kind in (0, 1):
        yield line("coordinator", "FindCoordinator", 4, {"keyType": kind, "coordinatorKeys": ["g"]}, retry=True)
    yield line("a producer", "InitProducerId", 4, {"transactionalId": None, "transactionTimeoutMs": 1000}, retry=True)


class Topic:
    def __init__(self, name, key, partitions, settings):
        self.name, self.key, self.partitions, self.settings = name, key, partitions, settings
        self.ends = [0] * partitions  # what the generator takes to be there
        self.sequences = {}  # (producer, partition) -> [epoch, next, last ones]
        # Kafka rolls a segment for a batch that it then refuses, looks for moments in one of negative times
        # alone by the file's time, and cannot encode a negative time anew.
        self.rolls = settings["segment.ms"] != FOREVER or settings.get("segment.bytes") == SMALL_SEGMENT
        self.encodes = settings.get("compression.type", "producer") != "producer"


class Round:
    """The lines of one seed. prefix: of the names of its topics."""

    def __init__(self, seed, prefix):
        self.random = random.Random(seed)
        self.prefix = prefix
        self.topics = []
        self.sessions = []
        self.large = self.chance(LARGE_PERCENT)  # values that fill segments
        self.producers = 0
        self.count = 0

    def pick(self, *values):
        return self.random.choice(values)

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def number(self, *near):
        """One of the values, or near it, or far out."""
        value = self.random.choice(near)
        return value + self.random.choice((0, 0, 0, 0, 1, -1, 2, self.random.randrange(-20, 20)))

    # ---- topics ----

    def settings(self):
        names = self.random.sample(SETTINGS, self.random.randrange(0, 4))
        chosen = {"segment.ms": FOREVER, **{name: self.random.choice(values) for name, values in names}}
        if self.large:
            chosen["segment.bytes"] = SMALL_SEGMENT
        if chosen.get("message.timestamp.before.max.ms") == "0":
            chosen["message.timestamp.after.max.ms"] = FOREVER
        return chosen

    def make_topics(self):
        for number in range(3):
            topic = Topic(f"{self.prefix}{number}", f"t{number}", self.random.randrange(1, 4), self.settings())
            self.topics.append(topic)
            configs = [{"name": name, "value": value} for name, value in topic.settings.items()]
            body = {"topics": [{"name": topic.name, "numPartitions": topic.partitions, "replicationFactor": 1,
                                "configs": configs}], "timeoutMs": 10000}
            yield line("make", "CreateTopics", 7, body, save={topic.key: "topics.0.topicId"})
            partitions = [{"partitionIndex": one, "timestamp": -1} for one in range(topic.partitions)]
            yield line("wait", "ListOffsets", 7,
                       {"topics": [{"name": topic.name, "partitions": partitions}]}, retry=True)
        yield self.make_producer()

    def topic(self):
        return self.random.choice(self.topics)

    def partition(self, topic):
        return self.random.choice((*range(topic.partitions),) * 4 + (topic.partitions, -1, 2147483647)) \
            if self.chance(15) else self.random.randrange(topic.partitions)

    def some_partitions(self, topic):
        count = self.random.randrange(1, topic.partitions + 1)
        chosen = self.random.sample(range(topic.partitions), count)
        if self.chance(8):
            chosen.insert(self.random.randrange(len(chosen) + 1), self.pick(topic.partitions, -1, 2147483647))
        return chosen

    def some_topics(self, name, version, by_id_from, make):
        """Topics of a request with make(topic)'s members; some do not exist."""
        by_id = version >= by_id_from
        out = []
        for topic in self.random.sample(self.topics, self.pick(1, 1, 1, 2, 3)):
            out.append({"topicId": f"${topic.key}"} if by_id else {name: topic.name})
            out[-1].update(make(topic))
        if self.chance(8):
            strange = {"topicId": UNKNOWN_ID} if by_id else {name: self.random.choice(MISSING)}
            out.insert(self.random.randrange(len(out) + 1), {**strange, **make(self.topic())})
        return out

    # ---- producing ----

    def make_producer(self):
        version = self.pick(*range(6))
        name = f"p{self.producers}"
        self.producers += 1
        return line("a producer", "InitProducerId", version,
                    {"transactionalId": None, "transactionTimeoutMs": self.pick(0, -1, 1000, 2147483647)},
                    save={name: "producerId"}, retry=True)

    def init_again(self):
        producer = f"$p{self.random.randrange(self.producers)}"
        body = {"transactionalId": None, "transactionTimeoutMs": 1000,
                "producerId": self.pick(producer, -1, 0, 123456789), "producerEpoch": self.pick(0, -1, 1, 32767)}
        return line("a producer again", "InitProducerId", self.pick(3, 4, 5), body)

    def text(self):
        if self.large and self.chance(30):
            return "v" * self.random.randrange(10_000, 100_000)
        return self.pick(None, "", "k", "key", "value" * 5, "v" * self.random.randrange(300), "ö\0")

    def record(self, index):
        told = {"value": self.text()}
        if self.chance(50):
            told["key"] = self.text()
        if self.chance(20):
            told["headers"] = [[self.pick("", "h", "a" * 40), self.text()]
                               for _ in range(self.random.randrange(3))]
        if self.chance(30):
            told["timestampDelta"] = self.pick(0, 1, index, -1, 1000, -1000, 100000)
        return told

    def times(self, topic, records):
        """A base timestamp with the greatest one that follows; now and then a wrong one."""
        if self.chance(40):
            return {} if not any(one.get("timestampDelta") for one in records) else \
                {"baseTimestamp": "$now"}
        base = self.pick(*OLD_TIMES, self.random.randrange(2000), -1, -2, -1000)
        if topic.encodes or topic.rolls:
            base = abs(base) + 1000
        greatest = base + max((one.get("timestampDelta", 0) for one in records), default=0)
        return {"baseTimestamp": base, "maxTimestamp": greatest if self.chance(85) else self.pick(base, 0, -1, 10**7)}

    def sequence(self, topic, partition, count):
        producer = f"$p{self.random.randrange(self.producers)}"
        state = topic.sequences.setdefault((producer, partition), [0, 0, []])
        epoch, following, lately = state
        kind = self.random.randrange(100)
        first = following
        if kind < 12 and lately:
            return {"producerId": producer, "again": self.random.choice(lately[-8:])}
        if kind < 18:
            first = self.number(following, 0, 2147483647)
        elif kind < 26:
            epoch, first = epoch + self.pick(1, 1, 2), self.pick(0, 0, 0, 1, following)
        elif kind < 30:
            epoch = epoch - 1 if not topic.encodes else max(epoch - 1, 0)
        elif kind < 32:
            epoch, first = self.pick((32767, 0), (0, -1), *(() if topic.encodes else ((-1, 0), (-1, -1))))
        if kind < 26 and (epoch > state[0] and first == 0) or kind >= 32:
            state[0], state[1] = epoch, first + count
            lately.append((epoch, first, count))
        return {"producerId": producer, "producerEpoch": epoch, "baseSequence": min(max(first, -1), 2147483647)}

    def batch(self, topic, partition):
        records = [self.record(index) for index in range(self.pick(1, 1, 1, 2, 3, 5, 20))]
        told = {"records": records, "codec": self.random.choice(CODECS)}
        if self.chance(50) and not topic.rolls:
            told.update(self.sequence(topic, partition, len(records)))
            if "again" in told:
                told["producerEpoch"], told["baseSequence"], count = told.pop("again")
                told["records"] = records = [{"value": "again"} for _ in range(count)]
        told.update(self.times(topic, records))
        if self.chance(15):
            self.spoil(told, len(records))
        topic.ends[partition if 0 <= partition < topic.partitions else 0] += len(records)
        return told

    def spoil(self, told, count):
        """Something odd, legal or not."""
        wrongs = [{"lastOffsetDelta": self.pick(count, count - 2, -1, 0, 2147483647)}, {"count": self.number(count)},
                  {"crc": 1}, {"magic": self.pick(0, 1, 3, -1)}, {"leaderEpoch": self.pick(0, 7, -2)},
                  {"baseOffset": self.pick(1, -1, 7, 2**40)}, {"size": self.pick(0, 13, 10**6, -1)},
                  {"maxTimestamp": self.pick(-1, 0, 10**6, 2**62)}, {"flags": self.pick(16, 32, 64, 128, 0x4000)},
                  {"producerId": self.pick(77, -1)}, {"producerEpoch": 3}, {"baseSequence": 5},
                  {"baseTimestamp": self.pick(2**62, 5000)}]
        told.update(self.random.choice(wrongs))
        if self.chance(25):
            self.random.choice(told["records"]).update(
                self.pick({"size": self.pick(0, 3, 1000, -1) if told["codec"] == "none" else -1},
                          {"headerCount": self.pick(-1, 1, 5)}))
        flags = told.pop("flags", None)
        if flags is not None:
            codec = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}[told["codec"]]
            told["attributes"] = codec | flags

    def records(self, topic, partition):
        kind = self.random.randrange(100)
        if kind < 3:
            return {"$batches": [{"codec": self.random.choice(CODECS)} for _ in range(self.pick(2, 3))]}
        if kind < 5:
            return self.pick("", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA")
        return {"$batch": self.batch(topic, partition)}

    def produce(self):
        version = self.pick(*range(3, 14))
        topics = self.some_topics("name", version, 13, lambda topic: {"partitionData": [
            {"index": one, "records": self.records(topic, one)} for one in self.some_partitions(topic)]})
        acks = self.pick(-1, -1, -1, 1, 1, 1, 1, 0, 2)
        body = {"acks": acks, "timeoutMs": self.pick(1000, 1000, 0, -1), "topicData": topics}
        return line("produce", "Produce", version, body)

    # ---- reading ----

    def limit(self, *values):
        """What a broker compressed itself is of a size of its own: no limit cuts both alike."""
        return MUCH if any(topic.encodes for topic in self.topics) else self.pick(*values)

    def offset(self, topic, partition):
        end = topic.ends[partition] if 0 <= partition < topic.partitions else 0
        return self.pick(0, 0, self.random.randrange(end + 1), self.number(end), end,
                         self.pick(-1, -2, 2**62, end + 100))

    def fetched_partition(self, topic, partition, version):
        told = {"partition": partition, "fetchOffset": self.offset(topic, partition),
                "partitionMaxBytes": self.limit(MUCH, MUCH, 0, 1, 100, 200, 1000, self.random.randrange(2000))}
        if version >= 9 and self.chance(20):
            told["currentLeaderEpoch"] = self.pick(-1, 0, 0, 1, -2, 100)
        if version >= 12 and self.chance(20):
            told["lastFetchedEpoch"] = self.pick(-1, 0, 0, 1, -2)
        if version >= 5 and self.chance(10):
            told["logStartOffset"] = self.pick(-1, 0, 5)
        return told

    def fetched_topics(self, version):
        return self.some_topics("topic", version, 13, lambda topic: {"partitions": [
            self.fetched_partition(topic, one, version) for one in self.some_partitions(topic)]})

    def fetch_body(self, topics):
        return {"maxWaitMs": self.pick(0, 0, 1, 5), "minBytes": self.pick(0, 1, 1, 100, 10**6),
                "maxBytes": self.limit(MUCH, MUCH, MUCH, 0, 1, 100, 300, 1000, 2147483647),
                "isolationLevel": self.pick(0, 0, 1), "topics": topics}

    def fetch(self):
        version = self.pick(*range(4, 19))
        body = self.fetch_body(self.fetched_topics(version))
        if version >= 7 and self.chance(50):
            return self.fetch_session(version, body)
        return line("fetch", "Fetch", version, body)

    @staticmethod
    def versions_like(version):
        """A session goes on in these: what version 12 says of epochs, Kafka cannot answer in an older one."""
        return range(13, 19) if version >= 13 else range(12, 13) if version == 12 else range(7, 12)

    def fetch_session(self, version, body):
        """Opens a session, or goes on with one, rightly most times."""
        if not self.sessions or self.chance(25):
            name = f"s{len(self.sessions)}"
            self.sessions.append({"name": name, "epoch": 1, "version": version})
            body.update(sessionId=self.pick(0, 0, 0, "$s0" if len(self.sessions) > 1 else 0), sessionEpoch=0)
            return line("open a session", "Fetch", version, body, save={name: "sessionId"})
        session = self.random.choice(self.sessions[-3:])
        if self.chance(95):
            version = session["version"] if self.chance(70) else \
                self.pick(*self.versions_like(session["version"]))
        else:
            version = self.pick(*(range(7, 12) if session["version"] >= 13 else range(13, 19)))
        body["topics"] = self.fetched_topics(version) if self.chance(40) else []
        if self.chance(25):
            body["forgottenTopicsData"] = self.some_topics(
                "topic", version, 13, lambda topic: {"partitions": self.some_partitions(topic)})
        epoch = session["epoch"]
        kind = self.random.randrange(100)
        if kind < 6:
            epoch = self.pick(epoch - 1, epoch + 1, -1, -2, 2147483647)
        else:
            session["epoch"] += 1
        identifier = self.pick(1, 0, -1) if kind < 3 else f"${session['name']}"
        body.update(sessionId=identifier, sessionEpoch=epoch)
        if self.chance(30):
            body.update(maxBytes=MUCH, minBytes=0)
        return line("in a session", "Fetch", version, body)

    def list_offsets(self):
        version = self.pick(*range(1, 12))

        def members(topic):
            partitions = []
            for one in self.some_partitions(topic):
                told = {"partitionIndex": one,
                        "timestamp": self.pick(-1, -2, -3, -4, -5, -6, self.number(*OLD_TIMES), self.number(*OLD_TIMES),
                                               self.random.randrange(2000), "$now", -7)}
                if version >= 4 and self.chance(20):
                    told["currentLeaderEpoch"] = self.pick(-1, 0, 0, 1, -2)
                partitions.append(told)
            return {"partitions": partitions}

        body = {"replicaId": self.pick(-1, -1, -1, -2, 0), "topics": self.some_topics("name", version, 99, members)}
        if version >= 2:
            body["isolationLevel"] = self.pick(0, 1)
        return line("offsets", "ListOffsets", version, body)

    def epochs(self):
        def members(topic):
            return {"partitions": [
                {"partition": one, "currentLeaderEpoch": self.pick(-1, -1, 0, 1, -2),
                 "leaderEpoch": self.pick(0, 0, 1, -1, -2, 5)} for one in self.some_partitions(topic)]}

        version = self.pick(2, 3, 4)
        return line("epochs", "OffsetForLeaderEpoch", version,
                    {**({"replicaId": self.pick(-1, -2)} if version >= 3 else {}),
                     "topics": self.some_topics("topic", version, 99, members)})

    # ---- what describes ----

    def metadata(self):
        version = self.pick(*range(14))
        topics = []
        for topic in self.random.sample(self.topics, self.pick(1, 2, 3)):
            by_id = version >= 12 and self.chance(40)
            topics.append({"topicId": f"${topic.key}", "name": None} if by_id else {"name": topic.name})
        if self.chance(25):
            # Before version 4 every name that can be made is made.
            topics.append({"name": self.random.choice(MISSING if version >= 4 else MISSING[1:])})
        if version >= 12 and self.chance(15):
            topics.append({"topicId": UNKNOWN_ID, "name": self.pick(None, None, topics[0].get("name"))})
        body = {"topics": topics}
        if version >= 4:
            body["allowAutoTopicCreation"] = False
        if version >= 8:
            body["includeTopicAuthorizedOperations"] = self.chance(30)
        if 8 <= version <= 10:
            body["includeClusterAuthorizedOperations"] = self.chance(30)
        return line("metadata", "Metadata", version, body)

    def describe_partitions(self):
        topics = [{"name": one.name} for one in self.random.sample(self.topics, self.pick(1, 2, 3))]
        if self.chance(30):
            topics.append({"name": self.random.choice(MISSING[:-1])})
        self.random.shuffle(topics)
        body = {"topics": topics, "responsePartitionLimit": self.pick(2000, 1, 2, 3, 4)}
        if self.chance(50):
            body["cursor"] = {"topicName": self.pick(*(one.name for one in self.topics), "a", "zzz", ""),
                              "partitionIndex": self.pick(0, 1, 2, 3, 7, -1)}
        return line("partitions", "DescribeTopicPartitions", 0, body)

    def describe_configs(self):
        version = self.pick(1, 2, 3, 4)
        resources = []
        for _ in range(self.pick(1, 1, 2)):
            kind = self.pick(2, 2, 2, 2, 4, 4, 0, 99)
            name = {2: self.pick(*(one.name for one in self.topics), *MISSING[:5], ""),
                    4: self.pick("1", "1", "", "7", "x")}.get(kind, self.pick("g", "", "1"))
            keys = MORE_KEYS + tuple(one for one, _ in SETTINGS) if kind == 2 else BROKER_KEYS
            chosen = self.random.sample(keys, self.pick(1, 2, 5, 10))
            resources.append({"resourceType": kind, "resourceName": name, "configurationKeys": chosen})
        if len({(one["resourceType"], one["resourceName"]) for one in resources}) < len(resources):
            resources = resources[:1]
        body = {"resources": resources, "includeSynonyms": self.chance(50)}
        return line("configs", "DescribeConfigs", version, body)

    def cluster(self):
        version = self.pick(0, 1, 2)
        body = {"includeClusterAuthorizedOperations": self.chance(50)}
        if version >= 1:
            body["endpointType"] = self.pick(1, 1, 2, 0)
        return line("cluster", "DescribeCluster", version, body)

    def coordinator(self):
        version = self.pick(*range(7))
        keys = [self.pick("g", "", "a b", "g2", "x" * 300)]
        kind = self.pick(0, 0, 1, 3, -1)
        body = {"key": keys[0]} if version < 4 else {"coordinatorKeys": keys}
        if version >= 1:
            body["keyType"] = kind
        return line("coordinator", "FindCoordinator", version, body)

    def versions(self):
        version = self.pick(*range(6))
        body = {}
        if version >= 3:
            body = {"clientSoftwareName": self.pick("a", "", "a b", "-a", "a-", "a.b-c", "ö"),
                    "clientSoftwareVersion": self.pick("1", "", "1.0", "1 0")}
        return line("versions/random", "ApiVersions", version, body)

    # ---- creating and deleting ----

    def new_topic(self):
        self.count += 1
        name = self.pick(f"{self.prefix}n{self.count}", f"{self.prefix}n{self.count}", f"{self.prefix}n{self.count}",
                         self.topic().name, *MISSING[1:-1], f"{self.prefix}0".replace(".", "_"))
        told = {"name": name, "numPartitions": self.pick(1, 1, 2, 3, -1, 0, -2), "replicationFactor":
                self.pick(1, 1, 1, -1, 2, 0)}
        if self.chance(30):
            told["assignments"] = [
                {"partitionIndex": self.pick(one, one, one, one + 1, -1),
                 "brokerIds": self.pick([1], [1], [1], [], [1, 1], [2], [-1])}
                for one in range(self.pick(1, 2))]
            if self.chance(80):
                told["numPartitions"] = told["replicationFactor"] = -1
        if self.chance(70):
            told["configs"] = [{"name": self.pick(*MORE_KEYS, *(one for one, _ in SETTINGS)),
                                "value": self.pick(*VALUES, None)}]
        if self.chance(10):
            told.setdefault("configs", []).append({"name": "retention.ms", "value": "5"})
        return told

    def create(self):
        version = self.pick(*range(2, 8))
        topics = [self.new_topic() for _ in range(self.pick(1, 1, 2, 3))]
        for told in topics:
            if version < 4:
                told["numPartitions"] = told["numPartitions"] if "assignments" in told else 1
        body = {"topics": topics, "timeoutMs": 10000, "validateOnly": self.chance(30)}
        return line("create", "CreateTopics", version, body)

    def delete(self):
        version = self.pick(*range(1, 7))
        self.count += 1
        made = f"{self.prefix}n{self.random.randrange(1, self.count + 1)}"
        names = [self.pick(f"{self.prefix}gone", *MISSING[:-1], made)]
        if version == 6:
            topics = [{"name": one} for one in names]
            if self.chance(30):
                topics = [{"name": None, "topicId": self.pick(UNKNOWN_ID, ZERO_ID)}]
            return line("delete", "DeleteTopics", 6, {"topics": topics, "timeoutMs": 10000})
        return line("delete", "DeleteTopics", version, {"topicNames": names, "timeoutMs": 10000})

    def altered(self, name):
        """Of a topic, as it is or not; nothing comes of it, since Kafka's brokers hear of a change late."""
        operations = [{"name": self.pick(*MORE_KEYS, *(one for one, _ in SETTINGS)),
                       "configOperation": self.pick(0, 0, 0, 1, 2, 3), "value": self.pick(*VALUES, None)}
                      for _ in range(self.pick(0, 1, 1, 1))]
        return {"resourceType": 2, "resourceName": name, "configs": operations}

    def alter(self):
        names = [self.pick(*(one.name for one in self.topics), *MISSING[:-1]) for _ in range(self.pick(1, 1, 2))]
        body = {"resources": [self.altered(name) for name in names], "validateOnly": True}
        return line("alter", "IncrementalAlterConfigs", self.pick(0, 1), body)

    def grow(self):
        topics = []
        for _ in range(self.pick(1, 1, 2)):
            count = self.pick(0, 1, 2, 3, 4, 5, -1, 20000)
            brokers = [{"brokerIds": self.pick([1], [1], [], [1, 1], [2])} for _ in range(self.pick(1, 2))]
            topics.append({"name": self.pick(*(one.name for one in self.topics), *MISSING[:-1]), "count": count,
                           "assignments": self.pick(None, None, brokers)})
        return line("grow", "CreatePartitions", self.pick(*range(4)),
                    {"topics": topics, "timeoutMs": 10000, "validateOnly": True})

    def lines(self):
        yield from self.make_topics()
        steps = ((self.produce, 40), (self.fetch, 25), (self.list_offsets, 12), (self.metadata, 4), (self.epochs, 4),
                 (self.describe_partitions, 3), (self.describe_configs, 4), (self.create, 5), (self.delete, 2), (self.alter, 5), (self.grow, 3),
                 (self.init_again, 1), (self.cluster, 1), (self.coordinator, 1), (self.versions, 1),
                 (self.make_producer, 1))
        for _ in range(STEPS):
            step, = self.random.choices([one for one, _ in steps], [share for _, share in steps])
            yield step()
        yield from self.read_all()
        yield line("delete all", "DeleteTopics", 5,
                   {"topicNames": [one.name for one in self.topics], "timeoutMs": 10000})

    def read_all(self):
        """What every partition holds at the end."""
        for topic in self.topics:
            partitions = [{"partition": one, "fetchOffset": 0, "partitionMaxBytes": MUCH}
                          for one in range(topic.partitions)]
            yield line("read all", "Fetch", 12, {"maxWaitMs": 0, "minBytes": 0, "maxBytes": 2147483647,
                                                 "topics": [{"topic": topic.name, "partitions": partitions}]})
