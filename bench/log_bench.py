"""./dev bench log [PART...] [--json FILE] [--gb N] [--kafka-idle]: what the log costs, side by side with Apache Kafka
4.4.0 where its jars can be had; some minutes a round (OTTLA_BENCH_ROUNDS, default 1). Parts:

  recovery    kill -9 with --gb (10) GB in 1,000 partitions, in the page cache: until every partition serves; and
              2 GB in 200 partitions beside Kafka
  idle        20,000 idle partitions, 4,096 descriptors: start, memory, descriptors; Kafka's with 5,000 takes minutes
              and is measured with --kafka-idle
  compaction  1 GB of 100-byte values of 1,000,000 keys: time of the cleaner, memory, p99 of producing meanwhile
  commit      64 producers of one record of 100 bytes on 16 partitions, flush.messages=1: requests a second
  retention   3,000 segments that are too many: until their files are gone
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import batch
import frames
from frames import Link
from kafka_broker import Kafka
from node import Node, run

TOP = pathlib.Path(__file__).resolve().parents[1]
LOAD = TOP / "build/release/load"
HEAP = ("-Xms1G", "-Xmx1G", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
        "-XX:+ExplicitGCInvokesConcurrent")
WAIT_SECONDS = 120  # the longest wait for anything
ROUND_SECONDS = 2
MB = 1 << 20


# ---- the two ----

class Ottla:
    name = "Ottla"

    def __init__(self):
        self.node = None

    def start(self, *settings, around=()):
        """Seconds until the first answer."""
        begun = time.monotonic()
        if self.node is None:
            self.node = Node(*settings, around=around)
        else:
            self.node.settings, self.node.around = settings, around
            self.node.start()
        return time.monotonic() - begun

    @property
    def address(self):
        return self.node.address

    @property
    def port(self):
        return self.node.port

    @property
    def pid(self):
        return self.node.process.pid

    @property
    def data(self):
        return self.node.data

    def log(self):
        return self.node.log()

    def end(self, how):
        self.node.process.send_signal(how)
        self.node.process.wait(WAIT_SECONDS)

    def remove(self):
        if self.node is not None:
            self.node.remove()


class ApacheKafka:
    name = "Kafka 4.4.0"

    def __init__(self, jars):
        self.jars = jars
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ottla-bench-kafka-"))
        self.data = self.folder / "data"
        self.kafka = None

    def start(self, *settings, around=()):
        del around
        begun = time.monotonic()
        self.kafka = Kafka(self.jars, self.data, self.folder, settings, HEAP)
        return time.monotonic() - begun

    @property
    def address(self):
        return self.kafka.address

    @property
    def port(self):
        return self.kafka.port

    @property
    def pid(self):
        return self.kafka.process.pid

    def log(self):
        return (self.folder / "kafka.log").read_text(errors="replace")

    def end(self, how):
        self.kafka.end(how)

    def remove(self):
        if self.kafka is not None and self.kafka.process.poll() is None:
            self.kafka.process.kill()
            self.kafka.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def status_mb(side, word):
    text = pathlib.Path(f"/proc/{side.pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith(word)).split()[1]) / 1024


def descriptors(side):
    return len(os.listdir(f"/proc/{side.pid}/fd"))


def create(side, topic, partitions, **configs):
    words = [word for key, value in configs.items() for word in ("-c", f"{key.replace('_', '.')}={value}")]
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            run("topic", "create", "-b", side.address, topic, "-p", str(partitions), "--timeout", "60000", *words)
            return
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


# ---- writing and asking ----

def send_all(side, requests, in_flight=8):
    """Frames, so many at a time under way."""
    with Link(side.port) as link:
        link.socket.settimeout(WAIT_SECONDS)
        waiting = []
        for topic, frame in requests:
            link.socket.sendall(frame)
            waiting.append(topic)
            if len(waiting) == in_flight:
                take_answer(link, waiting.pop(0))
        while waiting:
            take_answer(link, waiting.pop(0))


def take_answer(link, topic):
    error, _ = frames.produced(link.answer(), topic)
    if error != 0:
        raise RuntimeError(f"a batch is refused with error {error}")


def fill(side, topic, partitions, size):
    """So many bytes a partition, in batches of 1,000 records of 1 KiB."""
    data = batch.batch({"records": [{"valueSize": 1000}] * 1000}, int(time.time() * 1000))
    count = -(-size // len(data))
    # A retry where a topic that was just made has no leader yet.
    wait_for_ends(side, {topic: partitions}, 0)
    send_all(side, ((topic, frames.produce(topic, number, data, acks=1))
                    for _ in range(count) for number in range(partitions)))
    return count * 1000


def ends(link, topic, partitions):
    """The end of each partition; -1 where there is an error."""
    body = struct.pack(">ii", -1, 1) + frames.text(topic) + struct.pack(">i", partitions)
    body += b"".join(struct.pack(">iq", number, -1) for number in range(partitions))
    answer = link.ask(frames.request(2, 1, body))
    at = 4 + 4 + 2 + len(topic) + 4
    found = []
    for number in range(partitions):
        _, error, _, offset = struct.unpack_from(">ihqq", answer, at + number * 22)
        found.append(offset if error == 0 else -1)
    return found


def wait_for_ends(side, topics, wanted):
    """Until every partition of every topic serves. False: it has another end."""
    deadline = time.monotonic() + WAIT_SECONDS
    with Link(side.port) as link:
        link.socket.settimeout(WAIT_SECONDS)
        for topic, partitions in topics.items():
            while -1 in (found := ends(link, topic, partitions)):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{topic} does not serve")
                time.sleep(0.02)
            if any(end != wanted for end in found):
                raise RuntimeError(f"{topic} has ends {sorted(set(found))}, not {wanted}")


def load(side, seconds, connections, in_flight, records, size, partitions):
    words = [str(LOAD), "produce", "127.0.0.1", str(side.port), str(side.pid), str(connections), str(in_flight),
             str(seconds), str(records), str(size), str(partitions)]
    return json.loads(subprocess.run(words, capture_output=True, check=True, timeout=WAIT_SECONDS).stdout)


# ---- the parts: figures by name; "more" marks those of which more is better ----

def recover(side, gigabytes, partitions):
    side.start()
    create(side, "bench", partitions)
    end = fill(side, "bench", partitions, int(gigabytes * 1e9) // partitions)
    side.end(signal.SIGKILL)
    begun = time.monotonic()
    side.start()
    wait_for_ends(side, {"bench": partitions}, end)
    return {f"recovery, {gigabytes:g} GB in {partitions:,} partitions: s until all serve":
            time.monotonic() - begun}


def recovery(side, options):
    figures = recover(side, min(2, options.gb), 200)
    if isinstance(side, Ottla) and options.gb > 2:
        side.remove()
        side.node = None
        figures.update(recover(side, options.gb, 1000))
    return figures


def idle(side, options):
    is_ours = isinstance(side, Ottla)
    if not is_ours and not options.kafka_idle:
        return {}
    topics = {f"idle-{number}": 1000 for number in range(20 if is_ours else 5)}
    around = ("prlimit", "--nofile=4096:4096") if is_ours else ()
    side.start(around=around)
    for topic, partitions in topics.items():
        create(side, topic, partitions)
    wait_for_ends(side, topics, 0)
    side.end(signal.SIGTERM)
    begun = time.monotonic()
    first = side.start(around=around)
    wait_for_ends(side, topics, 0)
    what = f"{sum(topics.values()):,} idle partitions" if is_ours else "5,000 idle partitions"
    figures = {"start: s to the first answer": first, "start: s until all serve": time.monotonic() - begun,
               "memory: MB": status_mb(side, "VmRSS"), "open descriptors": descriptors(side)}
    return {f"{what}, {name}": value for name, value in figures.items()}


def keyed_batches(keys, value_size, of_each):
    """Batches that hold each key once, its value the same."""
    def varint(number):
        return batch.varint(number)
    value = varint(value_size) + b"v" * value_size + b"\0"
    deltas = [varint(number) for number in range(of_each)]
    for first in range(0, keys, of_each):
        body = []
        for number in range(of_each):
            key = b"key-%08d" % ((first + number) * 7_919 % keys)
            record = b"\0\0" + deltas[number] + varint(len(key)) + key + value
            body.append(varint(len(record)) + record)
        yield wrap(b"".join(body), of_each)


def wrap(body, count):
    now = int(time.time() * 1000)
    header = struct.pack(">hiqqqhii", 0, count - 1, now, now, -1, -1, -1, count)
    return struct.pack(">qiibI", 0, 9 + len(header + body), -1, 2, batch.crc32c(header + body)) + header + body


def cleaned_seconds(side):
    """Of the first cleaning that the log of the broker tells of; None: none yet."""
    if isinstance(side, Ottla):
        found = re.search(r"event=log_cleaned partition=keyed-0 .*\ball_ms=(\d+)", side.log())
        return int(found[1]) / 1000 if found else None
    text = side.log().partition("cleaned log keyed-0")[2]
    found = re.search(r"processed in ([\d.,]+) seconds", text)
    return float(found[1].replace(",", "")) if found else None


def produce_p99(side):
    return load(side, ROUND_SECONDS, 4, 1, 10, 100, 8)["p99_us"]


def compaction(side, options):
    del options
    side.start("log.cleaner.enable=false")
    create(side, "bench", 8)
    create(side, "keyed", 1, cleanup_policy="compact", segment_bytes=100 * MB)
    wait_for_ends(side, {"bench": 8, "keyed": 1}, 0)
    batches = list(keyed_batches(1_000_000, 100, 5_000))
    send_all(side, (("keyed", frames.produce("keyed", 0, data, acks=1)) for _ in range(9) for data in batches))
    side.end(signal.SIGTERM)
    side.start("log.cleaner.enable=false")
    os.sync()
    without = [produce_p99(side) for _ in range(3)]
    base = status_mb(side, "VmHWM")
    side.end(signal.SIGTERM)
    os.sync()
    side.start("log.cleaner.enable=true", "log.cleaner.backoff.ms=1000")
    during = []
    deadline = time.monotonic() + 90
    while cleaned_seconds(side) is None and time.monotonic() < deadline:
        during.append(produce_p99(side))
    took = cleaned_seconds(side)
    if took is None:
        print(f"{side.name} cleans nothing", flush=True)
        return {}
    return {"compaction of 1 GB, 1,000,000 keys: s": took,
            "compaction: MB of memory beyond what it took before": status_mb(side, "VmHWM") - base,
            "producing without compaction: p99 us": statistics.median(without),
            "producing while it runs: p99 us": statistics.median(during)}


def commit(side, options):
    del options
    side.start()
    create(side, "bench", 16, flush_messages=1)
    wait_for_ends(side, {"bench": 16}, 0)
    found = load(side, 4, 64, 1, 1, 100, 16)
    return {"flush.messages=1, 64 producers, 16 partitions: requests/s, more": found["requests_per_second"],
            "flush.messages=1: p99 us": found["p99_us"]}


def retention(side, options):
    del options
    count, size = 3000, 60_000
    data = batch.batch({"records": [{"valueSize": size}]}, int(time.time() * 1000))
    side.start("log.retention.bytes=-1")
    create(side, "bench", 1, internal_segment_bytes=size + 10_000)
    wait_for_ends(side, {"bench": 1}, 0)
    send_all(side, (("bench", frames.produce("bench", 0, data, acks=1)) for _ in range(count)))
    side.end(signal.SIGTERM)
    begun = time.monotonic()
    side.start("log.retention.bytes=200000", "log.retention.check.interval.ms=1000",
               "log.segment.delete.delay.ms=0", "log.initial.task.delay.ms=100")
    folder = side.data / "bench-0"
    while (left := sum(".log" in name for name in os.listdir(folder))) > 5:
        if time.monotonic() - begun > 60:
            print(f"{side.name} keeps {left} segments", flush=True)
            return {}
        time.sleep(0.02)
    return {f"retention of {count:,} segments: s from the start until they are gone": time.monotonic() - begun}


PARTS = {"recovery": recovery, "idle": idle, "compaction": compaction, "commit": commit, "retention": retention}


# ---- the tables ----

def measure(part, make, options):
    side = make()
    try:
        os.sync()
        return PARTS[part](side, options)
    finally:
        side.remove()


def table(ours, theirs):
    """Each a list of figures by name, of each round."""
    print(f"\n{'':<72}{'Ottla':>12}{'Kafka 4.4.0':>14}{'Ottla/Kafka':>13}  of each round")
    rows = []
    names = dict.fromkeys(name for figures in (*ours, *theirs) for name in figures)
    for name in names:
        mine = [figures[name] for figures in ours if name in figures]
        others = [figures[name] for figures in theirs if name in figures]
        ratios = [one / other for one, other in zip(mine, others) if other]
        row = {"figure": name.removesuffix(", more"), "ottla": statistics.median(mine) if mine else None,
               "kafka": statistics.median(others) if others else None,
               "ratio": statistics.median(ratios) if ratios else None, "more is better": name.endswith(", more")}
        rows.append(row)
        print(f"{row['figure']:<72}{shown(row['ottla']):>12}{shown(row['kafka']):>14}"
              f"{shown(row['ratio'], 3):>13}  " + " ".join(f"{ratio:.3f}" for ratio in ratios))
    return rows


def shown(value, digits=2):
    return "-" if value is None else f"{value:,.{digits if value < 100 else 0}f}"


def main(words, jars, rounds):
    """jars: Apache Kafka's, or None. False: a part did not end well."""
    parser = argparse.ArgumentParser(prog="./dev bench log", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART")
    parser.add_argument("--json")
    parser.add_argument("--gb", type=float, default=10)
    parser.add_argument("--kafka-idle", action="store_true")
    options = parser.parse_args(words)
    ours, theirs, failed = [], [], []
    for number in range(rounds):
        for figures, make in ((ours, Ottla), (theirs, lambda: ApacheKafka(jars))):
            figures.append({})
            for part in options.parts or PARTS:
                if make is not Ottla and jars is None:
                    continue
                print(f"round {number + 1} of {rounds}: {part}, {'Ottla' if make is Ottla else 'Kafka'}", flush=True)
                try:
                    figures[-1].update(measure(part, make, options))
                except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                    failed.append(f"{part}: {error}")
                    print(failed[-1][-2000:], file=sys.stderr)
    rows = table(ours, theirs)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")
    return not failed
