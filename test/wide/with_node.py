#!/usr/bin/env python3
"""Runs a client against a node of its own. usage: with_node.py COMMAND...; the node's address is added
to the words. Ends with the client's code, or 1 when the node does not stop cleanly. Where $OTTLA_WIDE_BROKER names
the jars of Apache Kafka, that is the node."""

import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from kafka_broker import broker_of_choice  # noqa: E402
from node import KEEP_ALL, QUICK_GROUPS  # noqa: E402


def main():
    node = broker_of_choice(KEEP_ALL, *QUICK_GROUPS)
    try:
        code = subprocess.run([*sys.argv[1:], node.address], check=False, timeout=600).returncode
        if node.stop() != 0 or code != 0:
            print(node.log()[-3000:], file=sys.stderr)
            code = code or 1
    finally:
        node.remove()
    return code


if __name__ == "__main__":
    sys.exit(main())
