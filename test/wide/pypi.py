"""PyPI's newest clients, kafka-python, aiokafka and confluent-kafka: each writes 100,000 records with every
codec, and each reads what each wrote; then their groups and transactions. Runs in the environment that pypi.sh makes.
usage: pypi.py [groups]
"""

import asyncio
import pathlib
import sys
import traceback

import aiokafka
import confluent_kafka
import kafka

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from kafka_broker import broker_of_choice  # noqa: E402
from node import KEEP_ALL, QUICK_GROUPS  # noqa: E402
from pypi_groups import stories  # noqa: E402
from records import (CODECS, COUNT, check_records, read_confluent,  # noqa: E402
                     record_of, stored_codecs)


def write_confluent(address, topic, codec):
    wrong = []
    producer = confluent_kafka.Producer({
        "bootstrap.servers": address, "compression.type": codec, "enable.idempotence": True,
        "linger.ms": 20, "queue.buffering.max.messages": COUNT + 1})
    for number in range(COUNT):
        timestamp, key, value, headers = record_of(number)
        producer.produce(topic, key=key, value=value, headers=headers, timestamp=timestamp,
                         partition=0, on_delivery=lambda error, _: error and wrong.append(error))
    if producer.flush(60) or wrong:
        raise AssertionError(f"not delivered: {wrong[:3]}")


def write_kafka_python(address, topic, codec):
    producer = kafka.KafkaProducer(bootstrap_servers=address, acks="all", linger_ms=20,
                                   compression_type=None if codec == "none" else codec)
    sent = []
    for number in range(COUNT):
        timestamp, key, value, headers = record_of(number)
        sent.append(producer.send(topic, key=key, value=value, headers=headers, partition=0,
                                  timestamp_ms=timestamp))
    producer.flush(60)
    producer.close()
    for number, future in enumerate(sent):
        if future.get(1).offset != number:
            raise AssertionError(f"record {number} was acknowledged as {future.get(1)}")


def read_kafka_python(address, topic):
    consumer = kafka.KafkaConsumer(bootstrap_servers=address, consumer_timeout_ms=20_000)
    place = kafka.TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek(place, 0)
    try:
        for record in consumer:
            yield record.offset, record.timestamp, record.key, record.value, list(record.headers)
    finally:
        consumer.close()


async def aiokafka_write(address, topic, codec):
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=address, enable_idempotence=True, linger_ms=20,
        compression_type=None if codec == "none" else codec)
    await producer.start()
    try:
        sent = []
        for number in range(COUNT):
            timestamp, key, value, headers = record_of(number)
            sent.append(await producer.send(topic, key=key, value=value, headers=headers,
                                            partition=0, timestamp_ms=timestamp))
        for number, future in enumerate(sent):
            if (await future).offset != number:
                raise AssertionError(f"record {number} was acknowledged as {await future}")
    finally:
        await producer.stop()


async def aiokafka_read(address, topic):
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=address, group_id=None,
                                         max_poll_records=None)
    await consumer.start()
    place = aiokafka.TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek(place, 0)
    records = []
    try:
        while len(records) < COUNT:
            found = await consumer.getmany(place, timeout_ms=20_000)
            if not found:
                break
            records += [(record.offset, record.timestamp, record.key, record.value,
                         list(record.headers)) for record in found[place]]
    finally:
        await consumer.stop()
    return records


CLIENTS = {
    "kafka-python": (write_kafka_python, read_kafka_python),
    "aiokafka": (lambda *words: asyncio.run(aiokafka_write(*words)),
                 lambda *words: asyncio.run(aiokafka_read(*words))),
    "confluent-kafka": (write_confluent, read_confluent),
}


def write_and_read(node, writer, codec):
    topic = f"{writer}-{codec}"
    CLIENTS[writer][0](node.address, topic, codec)
    for _, read in CLIENTS.values():
        check_records(read(node.address, topic))
    if stored_codecs(node, topic) != {codec}:
        raise AssertionError(f"stored as {stored_codecs(node, topic)}")


def main():
    passed = failed = 0
    node = broker_of_choice(KEEP_ALL, *QUICK_GROUPS)
    try:
        works = [] if sys.argv[1:] == ["groups"] else [
            (f"{writer} with {codec}, read by all", lambda writer=writer, codec=codec: write_and_read(node, writer, codec))
            for writer in CLIENTS for codec in CODECS]
        for what, work in [*works, *stories(node.address)]:
            try:
                work()
                print(f"ok: {what}", flush=True)
                passed += 1
            except Exception:
                print(f"FAILED: {what}\n{traceback.format_exc(limit=-2)}", flush=True)
                failed += 1
        if node.stop() != 0 or failed:
            print(node.log()[-3000:])
            failed = failed or 1
    finally:
        node.remove()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
