#!/usr/bin/env python3
"""Runs a client against a node of its own. usage: with_node.py COMMAND...; the node's address is added
to the words. Ends with the client's code, or 1 when the node does not stop cleanly."""

import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from node import KEEP_ALL, Node  # noqa: E402


def main():
    node = Node(KEEP_ALL)
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
