#!/usr/bin/env python3
"""Copies a topic exactly once with librdkafka: what it consumes, what it makes of it and how far it came are one
transaction. May be killed at any moment. Ends with 3 where it had better begin anew.
usage: copier.py ADDRESS FROM TO GROUP [INSTANCE]
"""

import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

AT_ONCE = 100
CALL_SECONDS = 10
BEGIN_ANEW = 3


class Copier:
    def __init__(self, address, source, target, group, instance=None):
        common = {"bootstrap.servers": address, "log_level": 0, "reconnect.backoff.max.ms": 200}
        self.target = target
        self.batch = []
        self.producer = Producer({**common, "transactional.id": f"copier-of-{group}", "linger.ms": 5,
                                  "transaction.timeout.ms": 10_000})
        self.consumer = Consumer({**common, "group.id": group, "enable.auto.commit": False,
                                  "isolation.level": "read_committed", "auto.offset.reset": "earliest",
                                  "session.timeout.ms": 1500, "heartbeat.interval.ms": 300, "fetch.wait.max.ms": 100,
                                  **({"group.instance.id": instance} if instance else {})})
        self.call(self.producer.init_transactions)
        self.consumer.subscribe([source], on_assign=self.begin_anew, on_revoke=self.begin_anew,
                                on_lost=self.begin_anew)

    def begin_anew(self, *_):
        """Whatever was polled before the partitions changed hands is polled again."""
        self.batch.clear()

    def call(self, what, *words):
        """Again and again while that may help."""
        while True:
            try:
                return what(*words, CALL_SECONDS)
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise

    def fill(self):
        wait = 0.1
        while len(self.batch) < AT_ONCE:
            message = self.consumer.poll(wait)
            if message is None:
                return
            if message.error() is None:
                self.batch.append(message)
                wait = 0

    def copy(self):
        """The batch as one transaction."""
        self.producer.begin_transaction()
        ends = {}
        for message in self.batch:
            self.producer.produce(self.target, message.value()[::-1], message.key(), message.partition())
            ends[message.topic(), message.partition()] = message.offset() + 1
        self.call(self.producer.send_offsets_to_transaction, [TopicPartition(*place, end) for place, end in ends.items()],
                  self.consumer.consumer_group_metadata())
        self.call(self.producer.commit_transaction)

    def go_back(self):
        """After an abort: to what is committed."""
        for each in self.call(self.consumer.committed, self.consumer.assignment()):
            self.consumer.seek(TopicPartition(each.topic, each.partition, max(each.offset, 0)))

    def work(self):
        while True:
            self.fill()
            if not self.batch:
                continue
            try:
                self.copy()
            except KafkaException as error:
                print(error, flush=True)
                if not error.args[0].txn_requires_abort():
                    raise
                self.call(self.producer.abort_transaction)
                self.go_back()
            self.batch.clear()


def main():
    try:
        Copier(*sys.argv[1:]).work()
    except KafkaException as error:
        print(f"begins anew: {error}", flush=True)
        sys.exit(BEGIN_ANEW)


if __name__ == "__main__":
    main()
