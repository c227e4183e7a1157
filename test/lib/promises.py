"""What must be true of a node that came back after a cut. Each function tells what is not, a line a fault."""

import dataclasses

import workload
from frames import Link


@dataclasses.dataclass(frozen=True)
class Shape:
    """How the node and the topic are set, and what that promises."""
    name: str
    settings: tuple = ()
    configs: dict = dataclasses.field(default_factory=dict)
    flushed: bool = False  # nothing acknowledged is lost; else the log is a prefix of what was appended
    trimmed: bool = False  # the beginning may go, by retention
    keys: int = 0  # of each producer: compaction may leave the last record of each


def places_known(producers):
    """Bytes to (producer, place in its order)."""
    return {each.key: (producer, number) for producer in producers
            for number, each in enumerate(producer.sent)}


def contents(place, start, found, producers, shape):
    """Faults of what a partition holds by itself; and [producer] of {place in its order: offset}."""
    faults = []
    known = places_known(producers)
    held = {producer: {} for producer in producers}
    wanted = found[0][0] if found and shape.trimmed else 0
    if start > 0 and not shape.trimmed:
        faults.append(f"{place} starts at {start}")
    for base, last, data in found:
        if base != wanted:
            faults.append(f"{place}: offset {base} stands where {wanted} should")
        wanted = last + 1
        producer, number = known.get(data[workload.FROM_MAGIC:], (None, None))
        if producer is None:
            faults.append(f"{place}: at {base} stands what nobody sent, or what was cut before")
        elif number in held[producer]:
            faults.append(f"{place}: {producer.name}'s {number} stands at {held[producer][number]} and {base}")
        else:
            held[producer][number] = base
    return faults, held


def producer_faults(producer, held, start, shape):
    """Of one producer's batches: order, no gaps, and what was promised."""
    where = f"{producer.name} of {producer.place}"
    numbers = list(held)
    faults = [f"{where} is out of order"] * (numbers != sorted(numbers))
    first = min(numbers, default=0)
    begin = first if shape.trimmed else 0
    if any(number not in held and not producer.sent[number].refused
           for number in range(begin, max(numbers, default=-1) + 1)):
        faults.append(f"{where} has gaps")
    for number, each in enumerate(producer.sent):
        if each.offset is None or (shape.trimmed and each.offset < start):
            continue
        if number in held and held[number] != each.offset:
            faults.append(f"{where}: {number} stands at {held[number]}, not {each.offset}")
        promised = shape.flushed and each.acknowledged
        if number not in held and (promised or number < producer.kept):
            faults.append(f"{where}: {number} is lost, of offset {each.offset}")
    return faults


def compacted_faults(place, found, producers):
    """Of a partition whose older records may be gone: what is left was sent, stands where it stood, in order, and the
    last acknowledged of each key, or a later one, is there."""
    faults, last, newest, reached = [], -1, {}, {}
    known = {value: (producer, number, index) for producer in producers
             for number, each in enumerate(producer.sent) for index, (_, value) in enumerate(each.records)}
    for base, batch_last, data in found:
        if base <= last:
            faults.append(f"{place}: {base} stands behind {last}")
        last = batch_last
        for offset, key, value in workload.records_of(base, data):
            producer, number, index = known.get(value, (None, 0, 0))
            if producer is None or producer.sent[number].records[index][0] != key:
                faults.append(f"{place}: at {offset} stands what nobody sent, or what was cut before")
                continue
            sent = producer.sent[number]
            if sent.offset not in (None, offset - index):
                faults.append(f"{place}: {producer.name}'s {number} stands at {offset}, not {sent.offset + index}")
            sent.offset = offset - index
            newest[key] = offset
            reached[producer] = max(reached.get(producer, -1), number)
    return faults, newest, reached


def compacted_partition_faults(place, found, producers, shape):
    faults, newest, reached = compacted_faults(place, found, producers)
    for producer in producers:
        for number, each in enumerate(producer.sent):
            promised = shape.flushed and each.acknowledged or number < producer.kept
            for index, (key, _) in enumerate(each.records if promised else ()):
                if each.offset is not None and newest.get(key, -1) < each.offset + index:
                    faults.append(f"{place}: {key} of {each.offset + index} is lost")
        # A batch that compaction emptied is there for its producer, if it was acknowledged.
        there = [number for number, each in enumerate(producer.sent)
                 if number < producer.kept or shape.flushed and each.acknowledged]
        producer.keep(max([reached.get(producer, -1), *there]) + 1)
    return faults


def partition_faults(link, place, producers, reader, shape):
    start, found = workload.read_all(link, place, shape.keys > 0)
    if shape.keys > 0:
        end = workload.list_offset(link, place, -1)
        return compacted_partition_faults(place, found, producers, shape), end
    faults, held = contents(place, start, found, producers, shape)
    end = found[-1][1] + 1 if found else start
    for producer in producers:
        faults += producer_faults(producer, held[producer], start, shape)
        for number, offset in held[producer].items():
            producer.sent[number].offset = offset
        below = [number for number, each in enumerate(producer.sent)
                 if each.offset is not None and each.offset < start]
        producer.keep(max([*held[producer], *below], default=-1) + 1)
    if reader is not None:
        seen = max((each[1] for each in reader.seen), default=0)
        if shape.flushed and seen > end:
            faults.append(f"{place} ends at {end}, but {seen - 1} was read")
        reader.at, reader.seen = end, []
    return faults, end


def probe_faults(link, producer, end):
    """It is taken, and stands behind what there was."""
    each = producer.next()
    producer.send(link, each)
    answer = link.answer()
    if answer is None or not producer.take(answer, each):
        return [f"{producer.place} takes nothing: {producer.refused[-1:]}"]
    return [] if each.offset == end else [f"{producer.place} goes on at {each.offset}, not {end}"]


def faults_of(node, shape, places, producers, probes, readers):
    """Of everything the topic holds, after a start. probes: a producer for each partition."""
    faults = []
    with Link(node.port) as link:
        for place in places:
            of_place = [each for each in (*producers, probes[place]) if each.place == place]
            more, end = partition_faults(link, place, of_place, readers.get(place), shape)
            faults += more + probe_faults(link, probes[place], end)
    return faults
