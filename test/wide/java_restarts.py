#!/usr/bin/env python3
"""Java's idempotent producer writes while the node is killed and stopped in turn and started again;
then all must be there once and in order: see java/Restarts.java. usage: java_restarts.py JARS
[RESTARTS]"""

import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "test/lib"))
from node import Node  # noqa: E402


def restart(node, client, number):
    """Waits until the producer got on, then ends the node one way or the other."""
    if not client.stdout.readline().startswith("acked"):
        return
    if number % 2 == 0:
        node.kill()
    else:
        node.stop()
    node.start()


def main():
    jars, restarts = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 6
    # A flush before each answer: what is written but not yet answered at the end is sent again.
    node = Node("log.segment.bytes=1048576", "log.flush.interval.messages=1")
    client = subprocess.Popen(["java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
                               f"{jars}/*", str(TOP / "test/wide/java/Restarts.java"), node.address],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        for number in range(restarts):
            restart(node, client, number)
        told = client.communicate("\n", timeout=120)[0].strip().splitlines()
        fine = client.returncode == 0 and node.stop() == 0
        print(("ok: " if fine else "FAILED: ") + f"{restarts} restarts under a producer: {told[-1:]}")
        if not fine:
            print(node.log()[-3000:])
    finally:
        client.kill()
        client.wait()
        node.remove()
    print(f"{int(fine)} passed, {int(not fine)} failed")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
