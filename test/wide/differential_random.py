"""Random requests at Apache Kafka 4.4.0 and at a node of ours: what they answer must be the same.
usage: differential_random.py JARS [--seed N] [--rounds N] [--kafka HOST:PORT] [--keep FOLDER]

A round is a seed of its own: `--seed N --rounds 1` plays the one that failed again. What is kept of it are scripts
for differential.py, which lines can be taken from until only the difference is left.
"""

import argparse
import json
import pathlib
import re
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import differential  # noqa: E402
from kafka_broker import Kafka  # noqa: E402
from node import Node  # noqa: E402
from random_requests import Round, before  # noqa: E402

SHOWN = 400
# So that neither deletes, meanwhile, what is old by its timestamps.
SETTINGS = ("log.retention.ms=-1",)


def short(value, most):
    """As JSON, with long runs of a letter as one and a count."""
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"(\w)\1{9,}", lambda run: f"{run[1]}*{len(run[0])}", text)[:most]


def by_topic_id(value):
    """Topics that are asked for by their ids have an order of their own, which Kafka takes from a hash table."""
    if isinstance(value, dict):
        return {name: by_topic_id(one) for name, one in value.items()}
    if not isinstance(value, list):
        return value
    if all(isinstance(one, dict) and "topicId" in one for one in value):
        value = sorted(value, key=lambda one: (one["topicId"], one.get("name") or ""))
    return [by_topic_id(one) for one in value]


def play(lines, address):
    """(the line, its answer) each; what a line would have saved and did not is 0."""
    player = differential.Player(address)
    try:
        for told in lines:
            try:
                yield told, next(player.play_line(told))
            except KeyError:
                for name in told["save"]:
                    player.saved.setdefault(name, 0)
                yield told, {"answer": {"$connection": "closed"}}
    finally:
        player.close()


def differences(lines, theirs, ours, allowed):
    """(the line with its number, path, theirs, ours) of what differs and is not allowed."""
    both = zip(play(lines, theirs), play(lines, ours), strict=True)
    for number, ((told, their), (_, our)) in enumerate(both, 1):
        for path, they_say, we_say in differential.differences(
                by_topic_id(their["answer"]), by_topic_id(our["answer"])):
            if not allowed.has(told["what"], path):
                yield (number, told), path, they_say, we_say


def run(options, kafka):
    allowed = differential.Allowed()
    node = Node(*SETTINGS)
    passed = failed = 0
    try:
        rounds = [("first of all", list(before()))]
        prefix = f"f{int(time.time()) % 10**6}." if options.kafka else "f."
        for seed in range(options.seed, options.seed + options.rounds):
            rounds.append((f"seed {seed}", list(Round(seed, f"{prefix}{seed}.").lines())))
        for name, lines in rounds:
            found = list(differences(lines, kafka, node.address, allowed))
            passed, failed = passed + (not found), failed + bool(found)
            for (number, told), path, they_say, we_say in found[:options.most]:
                print(f"{name}, line {number}: {told['what']} {told['api']} v{told['version']} {path}\n"
                      f"    Kafka {short(they_say, SHOWN)}\n    Ottla {short(we_say, SHOWN)}\n"
                      f"    asked {short(told['body'], options.asked)}")
            if options.keep:
                (options.keep / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    finally:
        node.remove()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("jars")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--kafka", help="one that runs already")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for the rounds as scripts")
    parser.add_argument("--most", type=int, default=3, help="differences of a round that are shown")
    parser.add_argument("--asked", type=int, default=1500, help="characters of the request that are shown")
    options = parser.parse_args()
    if options.kafka:
        return run(options, options.kafka)
    with tempfile.TemporaryDirectory(prefix="ottla-random-") as name:
        folder = pathlib.Path(name)
        kafka = Kafka(options.jars, folder / "data", folder, SETTINGS)
        try:
            return run(options, kafka.address)
        finally:
            kafka.end()


if __name__ == "__main__":
    sys.exit(main())
