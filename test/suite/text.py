#!/usr/bin/env python3
"""1,000,000 lines of real text, from the system's own files, go in through one client (kcat) and out
through another (ottla consume, and python3-confluent-kafka) with equal sha256. $OTTLA is the binary.
"""

import hashlib
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from node import CLIENT, Node  # noqa: E402

try:
    import confluent_kafka
except ImportError as missing:
    print(f"{missing}: apt-get install python3-confluent-kafka")
    sys.exit(77)

COUNT = 100_000 if os.environ.get("OTTLA_BUILD", "release") != "release" else 1_000_000
FOLDERS = ("/usr/include", "/usr/lib/python3", "/usr/share/perl", "/usr/share/doc", "/usr/lib")
TOPIC = "text"


def lines_of_the_system():
    """Lines that are not empty and not of control bytes alone, in the order of the files."""
    taken = 0
    for folder in FOLDERS:
        for path in sorted(pathlib.Path(folder).rglob("*")):
            if path.suffix not in (".h", ".py", ".pm", ".txt", ".pl", ".c", ".md"):
                continue
            try:
                content = path.read_bytes()
            except OSError:
                continue
            for line in content.split(b"\n"):
                if line and b"\r" not in line and b"\0" not in line:
                    yield line
                    taken += 1
                    if taken == COUNT:
                        return


def digest_of_ottla(node):
    done = subprocess.run([CLIENT, "consume", TOPIC, "-b", node.address, "-o", "beginning", "-n",
                           str(COUNT), "-f", "%v\\n"], capture_output=True, check=True,
                          timeout=300)
    return hashlib.sha256(done.stdout).hexdigest()


def digest_of_python(node):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": node.address, "group.id": "none",
                                         "enable.auto.commit": False})
    consumer.assign([confluent_kafka.TopicPartition(TOPIC, 0, 0)])
    digest = hashlib.sha256()
    count = 0
    while count < COUNT:
        batch = consumer.consume(50_000, 30)
        if not batch:
            break
        for message in batch:
            digest.update(message.value() + b"\n")
        count += len(batch)
    consumer.close()
    return digest.hexdigest()


def main():
    text = b"".join(line + b"\n" for line in lines_of_the_system())
    if text.count(b"\n") < COUNT:
        print(f"this system has only {text.count(chr(10).encode())} lines of text")
        return 77
    wanted = hashlib.sha256(text).hexdigest()
    node = Node()
    failed = 0
    try:
        subprocess.run(["kcat", "-b", node.address, "-P", "-t", TOPIC, "-p", "0", "-z", "lz4"],
                       input=text, check=True, timeout=300)
        for name, digest in (("ottla consume", digest_of_ottla), ("confluent", digest_of_python)):
            found = digest(node)
            print(f"{name}: {found} {'is' if found == wanted else 'IS NOT'} what went in")
            failed += found != wanted
        failed += node.stop() != 0
        if failed:
            print(node.log()[-3000:])
    finally:
        node.remove()
    print(f"{3 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
