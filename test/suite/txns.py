#!/usr/bin/env python3
"""Transactions with Debian's librdkafka and with raw requests: what is committed is read, what is not is
not, over kill -9 at any moment. $OTTLA is the binary.
"""

import collections
import pathlib
import random
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from differential import Player  # noqa: E402
from node import Node  # noqa: E402

TOPIC = "txns"
PARTITIONS = 2
KILLS = 4
WAIT_S = 30


def producer(node, name, **settings):
    made = Producer({"bootstrap.servers": node.address, "transactional.id": name,
                     "socket.timeout.ms": 5000, "reconnect.backoff.ms": 10,
                     "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 10, "log_level": 0,
                     **settings})
    made.init_transactions(WAIT_S)
    return made


def read(node, isolation):
    """Values in order, of each partition."""
    consumer = Consumer({"bootstrap.servers": node.address, "group.id": "unused",
                         "enable.auto.commit": False, "enable.partition.eof": True,
                         "isolation.level": isolation, "log_level": 0})
    consumer.assign([TopicPartition(TOPIC, at, 0) for at in range(PARTITIONS)])
    values = collections.defaultdict(list)
    ended = set()
    deadline = time.monotonic() + WAIT_S
    while len(ended) < PARTITIONS:
        assert time.monotonic() < deadline, f"only partitions {ended} were read to their end"
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            ended.add(message.partition())
        else:
            values[message.partition()].append(message.value().decode())
    consumer.close()
    return values


def states(player):
    listed = player.ask("ListTransactions", 2, {})
    return {one["transactionalId"]: one["transactionState"] for one in listed["transactionStates"]}


def wait_for(what, condition):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def open_transactions(player):
    told = player.ask("DescribeProducers", 0, {
        "topics": [{"name": TOPIC, "partitionIndexes": list(range(PARTITIONS))}]})
    return [one for partition in told["topics"][0]["partitions"]
            for one in partition["activeProducers"] if one["currentTxnStartOffset"] >= 0]


def make_topic(player):
    player.ask("CreateTopics", 7, {"timeoutMs": 10000, "topics": [
        {"name": TOPIC, "numPartitions": PARTITIONS, "replicationFactor": 1}]})


def one_after_the_other(node, player):
    first = producer(node, "one")
    for at in range(4):
        first.begin_transaction()
        for partition in range(PARTITIONS):
            first.produce(TOPIC, f"{'commit' if at % 2 == 0 else 'abort'} {at}", partition=partition)
        if at % 2 == 0:
            first.commit_transaction(WAIT_S)
        else:
            first.flush(WAIT_S)
            first.abort_transaction(WAIT_S)
    first.begin_transaction()
    first.produce(TOPIC, "fenced", partition=0)
    first.flush(WAIT_S)
    second = producer(node, "one")
    try:
        first.commit_transaction(WAIT_S)
        raise AssertionError("a producer that was fenced has committed")
    except KafkaException as error:
        assert error.args[0].fatal(), error
    second.begin_transaction()
    second.produce(TOPIC, "second", partition=0)
    second.commit_transaction(WAIT_S)
    wait_for("the transactions end", lambda: not open_transactions(player))
    assert read(node, "read_committed") == {0: ["commit 0", "commit 2", "second"],
                                            1: ["commit 0", "commit 2"]}
    assert len(read(node, "read_uncommitted")[0]) == 6
    wait_for("it is completed", lambda: states(player) == {"one": "CompleteCommit"})
    told = player.ask("DescribeTransactions", 0, {"transactionalIds": ["one", "nobody"]})
    one, nobody = told["transactionStates"]
    assert (one["transactionTimeoutMs"], one["topics"], nobody["errorCode"]) == (60000, [], 105)


def one_takes_too_long(node, player):
    slow = producer(node, "slow", **{"transaction.timeout.ms": 2000, "socket.timeout.ms": 2000,
                                       "message.timeout.ms": 2000})
    slow.begin_transaction()
    slow.produce(TOPIC, "too late", partition=1)
    slow.flush(WAIT_S)
    wait_for("it is aborted", lambda: states(player)["slow"] == "CompleteAbort")
    assert not open_transactions(player)
    try:
        slow.commit_transaction(WAIT_S)
        raise AssertionError("a transaction that took too long was committed")
    except KafkaException:
        pass


class Worker(threading.Thread):
    """Transactions one after the other, each the same words in all partitions; notes how they ended."""

    def __init__(self, node, name, seed):
        super().__init__()
        self.node, self.name_of, self.random = node, name, random.Random(seed)
        self.ends = {}  # of words: True committed, False aborted, None nobody knows
        self.stops = False

    def run(self):
        count, made = 0, None
        while not self.stops:
            words = f"{self.name_of} {count}"
            count += 1
            try:
                made = made or producer(self.node, self.name_of)
                self.transact(made, words)
            except KafkaException as error:
                made = made if self.goes_on(made, error) else None
        if made is not None:
            self.goes_on(made, None)

    def transact(self, made, words):
        commits = self.random.random() < 0.7
        self.ends[words] = False
        made.begin_transaction()
        for partition in range(PARTITIONS):
            made.produce(TOPIC, words, partition=partition)
        if commits:
            self.ends[words] = None
            made.commit_transaction(WAIT_S)
            self.ends[words] = True
        else:
            made.flush(WAIT_S)
            made.abort_transaction(WAIT_S)

    @staticmethod
    def goes_on(made, error):
        try:
            if made is not None and (error is None or not error.args[0].fatal()):
                made.abort_transaction(WAIT_S)
                return True
        except KafkaException:
            pass
        return False


def check(worker, partitions):
    for words, committed in worker.ends.items():
        counts = {values.count(words) for values in partitions}
        wanted = {True: {1}, False: {0}}.get(committed)
        assert len(counts) == 1, f"{words} is in some partitions only"
        assert counts == wanted if wanted else counts <= {0, 1}, f"{words}: {counts}, {committed}"


def killed_at_random(node, player):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    workers = [Worker(node, f"worker-{at}", seed + at) for at in range(2)]
    chance = random.Random(seed)
    for worker in workers:
        worker.start()
    for _ in range(KILLS):
        time.sleep(0.5 + chance.random())
        node.kill()
        node.start()
    time.sleep(0.5)
    for worker in workers:
        worker.stops = True
    for worker in workers:
        worker.join()
    player = Player(node.address)
    for worker in workers:  # whatever is left of it is aborted
        producer(node, worker.name_of)
    wait_for("no transaction hangs", lambda: not open_transactions(player))
    committed = read(node, "read_committed")
    for worker in workers:
        check(worker, [committed[at] for at in range(PARTITIONS)])
        done = sum(1 for end in worker.ends.values() if end)
        assert done > 0, f"{worker.name_of} committed nothing"
        print(f"{worker.name_of}: {len(worker.ends)} transactions, {done} committed")
    player.close()


def produce(player, version, held, sequence):
    return player.ask("Produce", version, {
        "transactionalId": "raw", "acks": -1, "timeoutMs": 10000,
        "topicData": [{"name": TOPIC, "partitionData": [{"index": 0, "records": {"$batch": {
            "producerId": held[0], "producerEpoch": held[1], "baseSequence": sequence,
            "attributes": 16}}}]}]})["responses"][0]["partitionResponses"][0]["errorCode"]


def init(player):
    told = {"errorCode": 51}
    while told["errorCode"] in (14, 15, 16, 51):
        told = player.ask("InitProducerId", 5, {"transactionalId": "raw",
                                                "transactionTimeoutMs": 60000})
    assert told["errorCode"] == 0, told
    return told["producerId"], told["producerEpoch"]


def without_verification():
    node = Node("transaction.partition.verification.enable=false")
    player = Player(node.address)
    try:
        make_topic(player)
        player.ask("FindCoordinator", 4, {"keyType": 1, "coordinatorKeys": ["raw"]})
        assert produce(player, 9, init(player), 0) == 0, "nobody is to be asked"
    finally:
        player.close()
        node.remove()


def right_behind_an_end(node, player):
    """The broker waits a moment for the transaction before: the producer is not told of it."""
    held = init(player)
    assert produce(player, 11, held, 0) == 120
    for _ in range(20):
        assert produce(player, 12, held, 0) == 0
        told = player.ask("EndTxn", 5, {"transactionalId": "raw", "producerId": held[0],
                                        "producerEpoch": held[1], "committed": True})
        assert told["errorCode"] == 0, told
        held = told["producerId"], told["producerEpoch"]


def main():
    node = Node("transaction.abort.timed.out.transaction.cleanup.interval.ms=100",
                "add.partitions.to.txn.retry.backoff.ms=5",
                "add.partitions.to.txn.retry.backoff.max.ms=2000", "ottla.shards=2")
    player = Player(node.address)
    try:
        make_topic(player)
        one_after_the_other(node, player)
        one_takes_too_long(node, player)
        right_behind_an_end(node, player)
        player.close()
        killed_at_random(node, None)
        without_verification()
    except AssertionError:
        print(node.log()[-2000:])
        raise
    finally:
        node.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
