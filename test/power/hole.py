"""The image that a reordering kernel leaves: a hole of zeroes in the middle of what was not flushed, and valid
batches behind it. The log must end at the hole, and what is behind it must never come back.
"""

import random

import disk
import promises
import workload
from frames import Link
from node import Node

PLACE = ("hole", 0)
BEFORE, AFTER = 60, 200


def write(link, producer, count):
    faults = []
    for _ in range(count):
        each = producer.next()
        producer.send(link, each)
        if not producer.take(link.answer(), each):
            faults.append(f"refused: {producer.refused}")
    return faults


def whole_in_front(data, sent):
    """How many batches are whole before the first that is not, and whether a page of zeroes follows, and then
    more."""
    at = 0
    for number, each in enumerate(sent):
        if data[at + workload.FROM_MAGIC:at + len(each.data)] != each.key:
            page = (at + len(each.data)) // 4096 * 4096 + 4096
            return number, not any(data[page:page + 4096]) and any(data[page + 4096:])
        at += len(each.data)
    return len(sent), False


def start_faults(node, producer, wanted):
    """What the node serves is what is in front of the hole, and the next batch follows it."""
    with Link(node.port) as link:
        faults, end = promises.partition_faults(link, PLACE, [producer], None, promises.Shape("hole"))
        held = len(producer.sent)
        if held != wanted:
            faults.append(f"{held} batches are there, not {wanted}")
        return faults + promises.probe_faults(link, producer, end)


def faults(seed):
    power = disk.Disk("noauto_da_alloc,data=ordered")
    producer = workload.Producer("hole", PLACE, random.Random(seed), acks=1)
    node = Node(data=power.path / "data")
    log = node.data / "hole-0/00000000000000000000.log"
    try:
        with Link(node.port) as link:
            if workload.create_topic(link, PLACE[0], 1, {}) != 0:
                return ["the topic is not made"]
            found = write(link, producer, BEFORE)
            disk.sync_file_range(log, 0, 0)
            flushed = log.stat().st_size
            found += write(link, producer, AFTER)
        size = log.stat().st_size
        disk.sync_file_range(log, (flushed + size) // 2 // 4096 * 4096, 8 * 4096)
        power.cut(disk.LOG_FLUSH)
        node.kill()
        power.power_on()
        in_front, has_hole = whole_in_front(log.read_bytes(), producer.sent)
        if not has_hole:
            return [f"the disk has no hole behind {in_front} batches: nothing was tried"]
        node.start()
        found += start_faults(node, producer, in_front)
        if "event=partition_recovered partition=hole-0" not in node.log():
            found.append("the journal does not tell what was cut")
        node.kill()
        node.start()
        return found + start_faults(node, producer, in_front + 1)
    finally:
        node.remove()
        power.remove()
