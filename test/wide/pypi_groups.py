"""Groups and transactions of PyPI's newest clients, each in the same two stories: three members share a topic until
one leaves, and one copies a topic in transactions with its offsets, of which the first is taken back. Part of pypi.py.
"""

import asyncio
import concurrent.futures
import time
import uuid

import aiokafka
import confluent_kafka
import kafka
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 6
COUNT = 600
WAIT_SECONDS = 40
AT_ONCE = 100


def make_topic(address, partitions=PARTITIONS):
    topic = f"topic-{uuid.uuid4()}"
    admin = AdminClient({"bootstrap.servers": address})
    for done in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        done.result(30)
    return topic


def fill(address, topic):
    producer = confluent_kafka.Producer({"bootstrap.servers": address})
    for number in range(COUNT):
        producer.produce(topic, b"%d" % number, partition=number % PARTITIONS)
    if producer.flush(30):
        raise AssertionError("not all was written")


def check_once(values):
    if sorted(values, key=int) != [b"%d" % number for number in range(COUNT)]:
        raise AssertionError(f"{len(values)} values, {len(set(values))} different ones, of {COUNT}")


def check_committed(address, topic, group):
    """The end of each partition, as another client is told."""
    reader = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": group})
    found = reader.committed([confluent_kafka.TopicPartition(topic, partition) for partition in range(PARTITIONS)], 30)
    reader.close()
    if [each.offset for each in found] != [COUNT // PARTITIONS] * PARTITIONS:
        raise AssertionError(f"committed is {found}")


def committed_values(address, topic):
    reader = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "none", "enable.auto.commit": False,
                                       "isolation.level": "read_committed", "enable.partition.eof": True})
    reader.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    values = []
    while (message := reader.poll(WAIT_SECONDS)) is not None and message.error() is None:
        values.append(message.value())
    reader.close()
    return values


# ---- clients that are polled ----

class Confluent:
    def __init__(self, address, protocol):
        self.address, self.protocol = address, protocol

    def join(self, topic, group):
        settings = {"bootstrap.servers": self.address, "group.id": group, "auto.offset.reset": "earliest",
                    "enable.auto.commit": False, "group.protocol": self.protocol, "fetch.wait.max.ms": 50}
        if self.protocol == "classic":
            settings |= {"session.timeout.ms": 6000, "heartbeat.interval.ms": 200,
                         "partition.assignment.strategy": "cooperative-sticky"}
        member = confluent_kafka.Consumer(settings)
        member.subscribe([topic])
        return member

    @staticmethod
    def share_of(member):
        return len(member.assignment())

    @staticmethod
    def poll(member):
        """Values, once they are committed."""
        found = [each for each in member.consume(AT_ONCE, 0.1) if each.error() is None]
        if found:
            member.commit(asynchronous=False)
        return [each.value() for each in found]

    def copy(self, topic, to, group):
        member = self.join(topic, group)
        producer = confluent_kafka.Producer({"bootstrap.servers": self.address, "transactional.id": group})
        producer.init_transactions(30)
        copied, aborts = 0, 1
        while copied < COUNT:
            found = [each for each in member.consume(AT_ONCE, 0.2) if each.error() is None]
            if not found:
                continue
            producer.begin_transaction()
            for each in found:
                producer.produce(to, each.value(), partition=0)
            producer.send_offsets_to_transaction(member.position(member.assignment()), member.consumer_group_metadata(),
                                                 30)
            if aborts > 0:
                aborts -= 1
                producer.abort_transaction(30)
                member.close()
                member = self.join(topic, group)
            else:
                producer.commit_transaction(30)
                copied += len(found)
        member.close()


class KafkaPython:
    def __init__(self, address):
        self.address = address

    def join(self, topic, group):
        return kafka.KafkaConsumer(topic, bootstrap_servers=self.address, group_id=group, auto_offset_reset="earliest",
                                   enable_auto_commit=False, session_timeout_ms=6000, heartbeat_interval_ms=200,
                                   fetch_max_wait_ms=50, max_poll_records=AT_ONCE)

    @staticmethod
    def share_of(member):
        return len(member.assignment())

    @staticmethod
    def poll(member):
        found = [each.value for some in member.poll(500).values() for each in some]
        if found:
            member.commit()
        return found

    def copy(self, topic, to, group):
        member = self.join(topic, group)
        producer = kafka.KafkaProducer(bootstrap_servers=self.address, transactional_id=group)
        producer.init_transactions()
        copied, aborts = 0, 1
        while copied < COUNT:
            found = member.poll(200)
            if not found:
                continue
            producer.begin_transaction()
            for some in found.values():
                for each in some:
                    producer.send(to, each.value, partition=0)
            producer.send_offsets_to_transaction(
                {place: kafka.OffsetAndMetadata(some[-1].offset + 1, "", -1) for place, some in found.items()},
                member.group_metadata())
            if aborts > 0:
                aborts -= 1
                producer.abort_transaction()
                for place, some in found.items():
                    member.seek(place, some[0].offset)
            else:
                producer.commit_transaction()
                copied += sum(map(len, found.values()))
        member.close()
        producer.close()


def share(client, address):
    topic = make_topic(address)
    group = f"shared-{uuid.uuid4()}"
    members = [client.join(topic, group) for _ in range(3)]
    values = []
    pool = concurrent.futures.ThreadPoolExecutor(3)  # kafka-python's poll gives a rebalance up that takes longer
    deadline = time.monotonic() + WAIT_SECONDS

    def until(what, holds):
        while not holds():
            for some in pool.map(client.poll, members):
                values.extend(some)
            if time.monotonic() > deadline:
                raise AssertionError(f"never came: {what}; {len(values)} values, shares of "
                                     f"{[client.share_of(each) for each in members]}")

    until("two for each", lambda: [client.share_of(each) for each in members] == [2, 2, 2])
    fill(address, topic)
    until("all", lambda: len(values) >= COUNT)
    members.pop().close()
    until("three for each", lambda: [client.share_of(each) for each in members] == [3, 3])
    for member in members:
        member.close()
    check_once(values)
    check_committed(address, topic, group)


def copy(client, address):
    topic, to = make_topic(address), make_topic(address, 1)
    fill(address, topic)
    client.copy(topic, to, f"copy-{to}")
    check_once(committed_values(address, to))
    check_committed(address, topic, f"copy-{to}")


# ---- aiokafka ----

def aio_member(address, topic, group):
    return aiokafka.AIOKafkaConsumer(topic, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest",
                                     enable_auto_commit=False, session_timeout_ms=6000, heartbeat_interval_ms=200,
                                     fetch_max_wait_ms=50, max_poll_records=AT_ONCE)


async def aio_share(address):
    topic = make_topic(address)
    group = f"shared-{uuid.uuid4()}"
    members = [aio_member(address, topic, group) for _ in range(3)]
    await asyncio.gather(*(member.start() for member in members))
    values = []

    async def until(holds):
        while not holds():
            for member in members:
                found = [each.value for some in (await member.getmany(timeout_ms=50)).values() for each in some]
                if found:
                    await member.commit()
                values.extend(found)

    await asyncio.wait_for(until(lambda: [len(each.assignment()) for each in members] == [2, 2, 2]), WAIT_SECONDS)
    fill(address, topic)
    await asyncio.wait_for(until(lambda: len(values) >= COUNT), WAIT_SECONDS)
    await members.pop().stop()
    await asyncio.wait_for(until(lambda: [len(each.assignment()) for each in members] == [3, 3]), WAIT_SECONDS)
    await asyncio.gather(*(member.stop() for member in members))
    check_once(values)
    check_committed(address, topic, group)


async def aio_copy(address):
    topic, to = make_topic(address), make_topic(address, 1)
    group = f"copy-{to}"
    fill(address, topic)
    member = aio_member(address, topic, group)
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=address, transactional_id=group)
    await asyncio.gather(member.start(), producer.start())
    copied, aborts = 0, 1
    while copied < COUNT:
        found = await member.getmany(timeout_ms=200)
        if not found:
            continue
        await producer.begin_transaction()
        for some in found.values():
            for each in some:
                await producer.send(to, each.value, partition=0)
        await producer.send_offsets_to_transaction(
            {place: some[-1].offset + 1 for place, some in found.items()}, group)
        if aborts > 0:
            aborts -= 1
            await producer.abort_transaction()
            for place, some in found.items():
                member.seek(place, some[0].offset)
        else:
            await producer.commit_transaction()
            copied += sum(map(len, found.values()))
    await asyncio.gather(member.stop(), producer.stop())
    check_once(committed_values(address, to))
    check_committed(address, topic, group)


def stories(address):
    """Pairs of what is told and what does it."""
    for name, client in (("confluent-kafka, classic", Confluent(address, "classic")),
                         ("confluent-kafka, consumer", Confluent(address, "consumer")),
                         ("kafka-python", KafkaPython(address))):
        yield f"{name}: members share", lambda client=client: share(client, address)
        yield f"{name}: copies in transactions", lambda client=client: copy(client, address)
    yield "aiokafka: members share", lambda: asyncio.run(aio_share(address))
    yield "aiokafka: copies in transactions", lambda: asyncio.run(aio_copy(address))
