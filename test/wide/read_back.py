#!/usr/bin/env python3
"""Runs clients against a node of its own and reads what they wrote with another one, confluent-kafka.
usage: read_back.py COUNT COMMAND...; the node's address and COUNT are added to the words. The command prints a
line `wrote TOPIC CODEC` for each topic that must then hold the records of lib/records.py, and ends with 1 when
something in it failed, which it says in lines of its own. 77: confluent-kafka is missing.
"""

import pathlib
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from kafka_broker import broker_of_choice  # noqa: E402
from node import KEEP_ALL, QUICK_GROUPS  # noqa: E402
from records import check_topic  # noqa: E402

try:
    import confluent_kafka  # noqa: F401
except ImportError as missing:
    print(f"{missing}: apt-get install python3-confluent-kafka")
    sys.exit(77)

COMMAND_SECONDS = 300


def run_command(words):
    """Its code, not 0 where it had to be ended, and its lines, which are passed on."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
        ending = threading.Timer(COMMAND_SECONDS, running.kill)
        ending.start()
        lines = []
        for line in running.stdout:
            print(line, end="", flush=True)
            lines.append(line)
        code = running.wait()
        ending.cancel()
    return code, lines


def check_all(node, lines, count):
    """Passed and failed of the topics that the lines name."""
    passed = failed = 0
    for _, topic, codec in (line.split() for line in lines if line.startswith("wrote ")):
        try:
            check_topic(node, topic, codec, count)
            print(f"ok: {topic}, stored as {codec}, read by confluent-kafka")
            passed += 1
        except AssertionError as wrong:
            print(f"FAILED: {topic}: {wrong}")
            failed += 1
    return passed, failed


def main():
    count, command = int(sys.argv[1]), sys.argv[2:]
    node = broker_of_choice(KEEP_ALL, *QUICK_GROUPS)
    try:
        code, lines = run_command([*command, node.address, str(count)])
        passed, failed = check_all(node, lines, count)
        passed += sum(line.startswith("ok: ") for line in lines)
        failed += sum(line.startswith("FAILED: ") for line in lines)
        if code != 0 or node.stop() != 0 or passed == 0 or failed:
            print(node.log()[-3000:])
            failed = failed or 1
    finally:
        node.remove()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
