#!/usr/bin/env python3
"""Plays the scripts of test/differential at a node and compares the answers with those of Apache Kafka
4.4.0 that are recorded there. $OTTLA is the binary.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import differential  # noqa: E402
from node import Node  # noqa: E402


def main():
    nodes = [Node(), Node("ottla.shards=2"), Node("ottla.shards=4")]
    try:
        return differential.compare_all(differential.read_record,
                                        [node.address for node in nodes])
    finally:
        for node in nodes:
            node.remove()


if __name__ == "__main__":
    sys.exit(main())
