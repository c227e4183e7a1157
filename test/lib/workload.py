"""Who works at a node that is cut off: producers that remember what they sent and what was acknowledged, somebody
who makes and deletes topics, a reader. Each is an object that lives over all ends of the node and a thread from
start to end. Bytes are compared, never parsed: what a log holds from a batch's magic byte on is what was sent.
"""

import collections
import struct
import threading
import time

import batch
import frames
from frames import Link

CREATE_TOPICS, DELETE_TOPICS, INIT_PRODUCER_ID = 19, 20, 22
FROM_MAGIC = 16  # base offset, size and leader epoch before it are the broker's
IN_FLIGHT = 5  # what an idempotent producer may have
LARGE = 160_000  # more than a shard writes itself
FETCH_BYTES = 4 << 20
OFFSET_OUT_OF_RANGE = 1


class Worker:
    """A thread for each life of the node."""

    def __init__(self):
        self.thread = None
        self.going = False
        self.error = None

    def start(self, port):
        self.going = True
        self.error = None
        self.thread = threading.Thread(target=self.run, args=(port,), daemon=True)
        self.thread.start()

    def run(self, port):
        try:
            with Link(port) as link:
                self.work(link)
        except (OSError, TimeoutError):
            pass  # the node is gone
        except Exception as error:  # a fault of the test's own, or an answer that is none
            self.error = f"{type(self).__name__}: {error!r}"

    def work(self, link):
        raise NotImplementedError

    def join(self):
        self.going = False
        if self.thread is not None:
            self.thread.join(60)


class Sent:
    """One batch."""

    def __init__(self, data, records, sequence):
        self.data = data
        self.key = data[FROM_MAGIC:]
        self.records = [(each.get("key"), each["value"]) for each in records]
        self.count = len(records)
        self.sequence = sequence
        self.offset = None  # where it was found, or acknowledged
        self.acknowledged = False
        self.when = None      # it was acknowledged
        self.refused = False  # with an error: it may be there or not


class Producer(Worker):
    """One connection to one partition. An idempotent one sends again what was not found after a cut."""

    def __init__(self, name, place, chance, acks, identity=None, large=False, keys=0):
        super().__init__()
        self.keys = keys  # so many of its own; 0: none
        self.name, self.place, self.chance = name, place, chance
        self.acks, self.identity, self.large = acks, identity, large
        self.sent = []     # in order; after a check those that were found
        self.again = []    # to be sent again
        self.kept = 0      # of sent, those that were found
        self.repeat = None  # a batch that is in the log, to be answered as it was
        self.made = 0
        self.refused = []  # (moment, error)
        self.wrong = []

    def make(self):
        chance = self.chance
        size = LARGE if self.large and chance.random() < 0.05 else chance.choice((20, 120, 900))
        count = chance.randrange(1, 4)
        records = [{"value": f"{self.name} {self.made} {number} " + "x" * chance.randrange(size)}
                   for number in range(count)]
        for each in records if self.keys else ():
            each["key"] = f"{self.name} {chance.randrange(self.keys)}"
        self.made += 1
        sequence = self.sent[-1].sequence + self.sent[-1].count if self.sent else 0
        told = {"records": records}
        if self.identity is not None:
            told.update(producerId=self.identity[0], producerEpoch=self.identity[1],
                        baseSequence=sequence)
        return Sent(batch.batch(told, int(time.time() * 1000)), records, sequence)

    def next(self):
        if self.again:
            each = self.again.pop(0)
        else:
            each = self.make()
        self.sent.append(each)
        return each

    def send(self, link, each):
        link.socket.sendall(frames.produce(*self.place, each.data, acks=self.acks))

    def work(self, link):
        waiting = collections.deque()
        if self.repeat is not None:
            self.send(link, self.repeat)
            waiting.append(self.repeat)
        while self.going:
            while len(waiting) < IN_FLIGHT and self.going:
                each = self.next()
                waiting.append(each)
                self.send(link, each)
            answer = link.answer()
            if answer is None or not self.take(answer, waiting.popleft()):
                return

    def take(self, answer, each):
        error, offset = frames.produced(answer, self.place[0])
        if error != 0:
            self.refused.append((time.monotonic(), error))
            return False
        if each is self.repeat and offset != each.offset:
            self.wrong.append(f"{self.name} {self.place} got {offset} for what stands at {each.offset}")
        each.offset = offset
        each.acknowledged = True
        each.when = time.monotonic()
        return True

    def forget_after(self, moment):
        """Who has no power answers nothing: what was acknowledged later was so by an accident of the test."""
        late = [each for each in self.sent if each.acknowledged and each.when > moment]
        for each in late:
            each.acknowledged = False
        return len(late)

    def keep(self, found):
        """After a check: so many of those that were sent are there."""
        self.kept = found
        lost = self.sent[found:]
        self.sent = self.sent[:found]
        for each in lost:
            each.offset, each.acknowledged, each.when = None, False, None
        self.again = lost + self.again if self.identity is not None else []
        self.repeat = self.sent[-1] if self.sent and self.identity is not None else None


class Topics(Worker):
    """Makes and deletes topics and asks for producer ids; what was answered must hold."""

    def __init__(self, chance):
        super().__init__()
        self.chance = chance
        self.number = 0
        self.there, self.gone, self.unsure = set(), set(), set()
        self.answered = {}  # name: when
        self.producer_ids = []
        self.new_ids = []  # (moment, id)

    def work(self, link):
        while self.going:
            self.create(link)
            identity = init_producer_id(link)
            self.new_ids.append((time.monotonic(), identity))
            if self.there and self.chance.random() < 0.4:
                self.delete(link, self.chance.choice(sorted(self.there)))
            time.sleep(self.chance.uniform(0, 0.03))

    def create(self, link):
        name = f"made-{self.number}"
        self.number += 1
        self.unsure.add(name)
        if create_topic(link, name, self.chance.randrange(1, 4), {}) == 0:
            self.answered[name] = time.monotonic()
            self.unsure.discard(name)
            self.there.add(name)

    def delete(self, link, name):
        self.there.discard(name)
        self.unsure.add(name)
        if delete_topic(link, name) == 0:
            self.answered[name] = time.monotonic()
            self.unsure.discard(name)
            self.gone.add(name)

    def forget_after(self, moment):
        late = {name for name, when in self.answered.items() if when > moment}
        self.there -= late
        self.gone -= late
        self.unsure |= late
        self.producer_ids += [identity for when, identity in self.new_ids if when <= moment]
        self.answered.clear()
        self.new_ids.clear()

    def faults(self, listed):
        """listed: the topics that are there after a restart."""
        lost, back = self.there - listed, self.gone & listed
        twice = [each for each, count in collections.Counter(self.producer_ids).items() if count > 1]
        for name in sorted(self.unsure):
            (self.there if name in listed else self.gone).add(name)
        self.unsure.clear()
        return [f"topics are lost: {sorted(lost)[:5]}"] * bool(lost) + \
            [f"deleted topics are back: {sorted(back)[:5]}"] * bool(back) + \
            [f"producer ids were given twice: {twice[:5]}"] * bool(twice)


class Reader(Worker):
    """Follows a partition's end: what a consumer saw of a log that is flushed is there for good."""

    def __init__(self, place):
        super().__init__()
        self.place = place
        self.at = 0
        self.seen = []  # (moment, end of what it had read)

    def work(self, link):
        while self.going:
            answer = link.ask(frames.fetch(*self.place, self.at, wait_ms=20))
            if answer is None:
                return
            error, _, records = frames.fetched(answer, self.place[0])
            if error != 0:
                return
            for _, last, _ in batches_of(records):
                self.at = last + 1
            self.seen.append((time.monotonic(), self.at))

    def forget_after(self, moment):
        self.seen = [each for each in self.seen if each[0] <= moment]


# ---- requests ----


class Reading:
    """An answer, taken apart from the front."""

    def __init__(self, data, at):
        self.data, self.at = data, at

    def number(self, kind):
        value, = struct.unpack_from(">" + kind, self.data, self.at)
        self.at += struct.calcsize(">" + kind)
        return value

    def text(self):
        size = self.number("h")
        self.at += max(size, 0)
        return self.data[self.at - size:self.at].decode() if size > 0 else ""

    def numbers(self):
        return [self.number("i") for _ in range(self.number("i"))]


def topic_names(link):
    """Metadata version 1 of all topics."""
    answer = link.ask(frames.request(frames.METADATA, 1, struct.pack(">i", -1)))
    reading = Reading(answer, 4)
    for _ in range(reading.number("i")):
        reading.number("i"), reading.text(), reading.number("i"), reading.text()
    reading.number("i")
    names = set()
    for _ in range(reading.number("i")):
        reading.number("h")
        names.add(reading.text())
        reading.number("b")
        for _ in range(reading.number("i")):
            reading.number("h"), reading.number("i"), reading.number("i")
            reading.numbers(), reading.numbers()
    return names


def error_of(link, key, version, body, at):
    """The error code at a place of the answer; an answer that does not come ends the life."""
    answer = link.ask(frames.request(key, version, body))
    if answer is None:
        raise ConnectionError("no answer")
    return struct.unpack_from(">h", answer, at)[0]


def create_topic(link, name, partitions, configs):
    body = struct.pack(">i", 1) + frames.text(name) + struct.pack(">ihii", partitions, 1, 0, len(configs))
    for key, value in configs.items():
        body += frames.text(key) + frames.text(value)
    return error_of(link, CREATE_TOPICS, 2, body + struct.pack(">ib", 10000, 0),
                    4 + 4 + 4 + 2 + len(name))


def delete_topic(link, name):
    body = struct.pack(">i", 1) + frames.text(name) + struct.pack(">i", 10000)
    return error_of(link, DELETE_TOPICS, 1, body, 4 + 4 + 4 + 2 + len(name))


def init_producer_id(link):
    answer = link.ask(frames.request(INIT_PRODUCER_ID, 0, frames.text(None) + struct.pack(">i", 60000)))
    if answer is None:
        raise ConnectionError("no answer")
    error, producer, epoch = struct.unpack_from(">hqh", answer, 4 + 4)
    if error != 0:
        raise ConnectionError("refused")
    return producer, epoch


def batches_of(records):
    """(base offset, last offset, bytes) of each whole batch."""
    at = 0
    while at + batch.HEADER.size <= len(records):
        base, size = struct.unpack_from(">qi", records, at)
        if at + 12 + size > len(records):
            return
        last = struct.unpack_from(">i", records, at + 23)[0]
        yield base, base + last, records[at:at + 12 + size]
        at += 12 + size


def records_of(base, data):
    """(offset, key, value) of each record of a batch that is not compressed."""
    count, = struct.unpack_from(">i", data, 57)
    at = batch.HEADER.size
    for _ in range(count):
        size, start = batch.read_varint(data, at)
        at = start + 1
        _, at = batch.read_varint(data, at)
        delta, at = batch.read_varint(data, at)
        texts = []
        for _ in range(2):
            length, at = batch.read_varint(data, at)
            texts.append(data[at:at + length].decode() if length >= 0 else None)
            at += max(length, 0)
        yield base + delta, *texts
        at = start + size


def list_offset(link, place, timestamp):
    """ListOffsets version 1: -2 is the log's start."""
    body = struct.pack(">ii", -1, 1) + frames.text(place[0]) + struct.pack(">iiq", 1, place[1], timestamp)
    answer = link.ask(frames.request(2, 1, body))
    at = 4 + 4 + 2 + len(place[0]) + 4 + 4
    error, _, offset = struct.unpack_from(">hqq", answer, at)
    if error != 0:
        raise RuntimeError(f"ListOffsets of {place} answers {error}")
    return offset


def read_all(link, place, has_gaps=False):
    """What a partition holds: (base offset, last offset, bytes) a batch; and the log's start. A compacted one may have
    a gap before its end; retention may take what is about to be read."""
    start = at = list_offset(link, place, -2)
    found = []
    while True:
        answer = link.ask(frames.fetch(*place, at, most=FETCH_BYTES, wait_ms=0))
        error, high, records = frames.fetched(answer, place[0])
        if error == OFFSET_OUT_OF_RANGE and (now := list_offset(link, place, -2)) > at:
            start, at, found = now, now, []
            continue
        if error != 0:
            raise RuntimeError(f"Fetch of {place} at {at} answers {error}")
        for each in batches_of(records):
            found.append(each)
            at = each[1] + 1
        if at >= high or (has_gaps and not records):
            return start, found
        if not records:
            raise RuntimeError(f"{place} gives nothing at {at}, below its high watermark {high}")
