"""Runs test/suite/bad_input.py at an Apache Kafka of its own. Called by bad_input.sh."""

import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
from kafka_broker import Kafka  # noqa: E402


def main():
    with tempfile.TemporaryDirectory(prefix="ottla-bad-input-") as name:
        folder = pathlib.Path(name)
        (folder / "data").mkdir()
        kafka = Kafka(sys.argv[1], folder / "data", folder)
        try:
            return subprocess.run([sys.executable, str(TOP / "test/suite/bad_input.py"),
                                   "--broker", kafka.address], check=False).returncode
        finally:
            kafka.end()


if __name__ == "__main__":
    sys.exit(main())
