"""The differential test with Apache Kafka itself. usage: differential.py compare|record JARS, or
differential.py play HOST:PORT SCRIPT...
"""

import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import differential  # noqa: E402
from kafka_broker import Kafka  # noqa: E402
from node import Node  # noqa: E402


def with_kafka(jars, work):
    with tempfile.TemporaryDirectory(prefix="ottla-differential-") as name:
        folder = pathlib.Path(name)
        kafka = Kafka(jars, folder / "data", folder)
        try:
            return work(kafka.address)
        finally:
            kafka.end()


def record(address):
    for script in differential.scripts():
        rows = differential.play(script, address)
        differential.write_record(script, rows)
        print(f"{script.stem}: {len(rows)} answers")
    return 0


def compare(address):
    """Kafka against its own recording, then ours against Kafka as it answers now."""
    answers = {script: differential.play(script, address) for script in differential.scripts()}
    stale = 0
    for script, rows in answers.items():
        for old, new in zip(differential.read_record(script), rows, strict=True):
            for path, was, is_now in differential.differences(old["answer"], new["answer"]):
                if not differential.is_of_the_place(path):
                    stale += 1
                    print(f"{script.stem}/{old['what']} v{old['version']} {path}: recorded {was}, "
                          f"Kafka answers {is_now}")
    print(f"{stale} values of the recording are not what Apache Kafka answers")
    node = Node()
    try:
        failed = differential.compare_all(answers.__getitem__, [node.address])
        return 1 if failed or stale else 0
    finally:
        node.remove()


def main():
    command, target, *scripts = sys.argv[1:]
    if command == "play":
        for script in scripts:
            for row in differential.play(pathlib.Path(script), target):
                print(json.dumps(row, ensure_ascii=False))
        return 0
    return with_kafka(target, record if command == "record" else compare)


if __name__ == "__main__":
    sys.exit(main())
